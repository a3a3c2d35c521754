package agent

const help = `pinnace-agent keeps a workload's keys and settings where it reads them, live, with the pod's own identity.

  pinnace-agent run [FLAGS] [-- COMMAND...]   deliver, and follow changes until SIGTERM or the end of COMMAND
  pinnace-agent check [FLAGS] [--output json] try everything once, write nothing, name the cause of each failure
                                              and the IAM statement that would mend it
  pinnace-agent ready [FLAGS]                 exit 0 when every file is there and not empty
  pinnace-agent whoami [--role ARN]           show who AWS takes this pod for, and why
  pinnace-agent cost [FLAGS] [--pods N]       calls and dollars a month for a fleet
  pinnace-agent schema                        JSON schema of the configuration file
  pinnace-agent install DIR                   copy this program into a volume, for pods without a shell
  pinnace-agent version
  pinnace-agent help

Either a file says everything (its fields: pinnace-agent schema, docs/agent.md):
  --config FILE                 PINNACE_CONFIG
or flags and variables name one configuration or one secret; each FIELD that is mentioned is an item:
  --appconfig APP/ENV/PROFILE   PINNACE_APPCONFIG      configuration, by names or ids
  --verbatim                    PINNACE_VERBATIM       its profile is located at secretsmanager://: no references
  --secret ID                   PINNACE_SECRET         secret, by name or ARN; FIELD is a key of its JSON
  --version-stage LABEL         PINNACE_VERSION_STAGE  of the secret; AWSCURRENT without it
  --version-id ID               PINNACE_VERSION_ID     of the secret: pins one version
  --role ARN                    PINNACE_ROLE           assume it for a thing in another account
  --external-id ID              PINNACE_EXTERNAL_ID    that the role asks for
  --region REGION               PINNACE_REGION         of the thing, when it is not the pod's
  --optional                    PINNACE_OPTIONAL       start without the items
  --max-age 24h                 PINNACE_MAX_AGE        not ready when not confirmed for so long
  --item FIELD                  PINNACE_ITEMS          for templates; repeatable
Files, replaced by one rename:
  --file PATH=FIELD             PINNACE_FILES          repeatable; PATH alone has the whole
  --token-file PATH=FIELD       PINNACE_TOKEN_FILES    the same, and refuse what is not a bearer token
  --template PATH=FILE          PINNACE_TEMPLATE       fill a template: {{ .FIELD }}
  --mode 0440                   PINNACE_MODE           permissions; none for others
  --group GID                   PINNACE_GROUP
A process, COMMAND after --, restarted when a variable changes:
  --env VARIABLE=FIELD          PINNACE_ENV            repeatable; VARIABLE alone has the whole
  --stagger 30s                 PINNACE_STAGGER        longest random delay of a restart
  --grace 25s                   PINNACE_GRACE          from the stop signal to SIGKILL
  --stop-signal SIGTERM         PINNACE_STOP_SIGNAL
  --keep-aws                    PINNACE_KEEP_AWS       leave the pod's AWS identity in its environment
                                PINNACE_COMMAND        stand in for COMMAND: without a verb, all arguments are its own
HTTP as AWS's own agents and services answer, for the whole configuration or secret (docs/loopback.md):
  --loopback 127.0.0.1:2772     PINNACE_LOOPBACK       several are separated by commas
  --loopback-token-file FILE    PINNACE_LOOPBACK_TOKEN_FILE  what callers must send
  --loopback-without-token      PINNACE_LOOPBACK_WITHOUT_TOKEN
After a change:
  --signal SIGHUP               PINNACE_SIGNAL         to --signal-pid-file FILE or --signal-process NAME
  --on-change "COMMAND ARG"     PINNACE_ON_CHANGE      with --on-change-timeout 30s, --on-change-at-start
The whole, also beside --config:
  --status :9090                PINNACE_STATUS         /healthz /readyz /status /metrics
  --poll-interval 30s           PINNACE_POLL_INTERVAL  15s to 24h; the server may ask for more
  --calls-per-hour N            PINNACE_CALLS_PER_HOUR to AWS, for each item
  --once                        PINNACE_ONCE           deliver once and end, as an init container does
  --log-level info              PINNACE_LOG_LEVEL      debug, info, warn or error; JSON on standard error
  --allow-static-credentials    PINNACE_ALLOW_STATIC_CREDENTIALS  accept AWS_ACCESS_KEY_ID

FIELD is the name of a member, or a JSON pointer such as /coralogix/key. Its string may refer to a secret:
  {{resolve:secretsmanager:SECRET-ID:SecretString:JSON-KEY:VERSION-STAGE:VERSION-ID}}
The identity is the pod's own, by IRSA (AWS_ROLE_ARN with AWS_WEB_IDENTITY_TOKEN_FILE) or EKS Pod Identity, in
AWS_REGION; nothing wider is used.

Exit status: 0 done, 1 failed, 2 wrong usage, 4 refused (bad document or value), 5 access denied; with COMMAND, its own,
or 127 when it is not there, 126 when it cannot be run.

Example:
  pinnace-agent run --appconfig otel-config/prod/coralogix --token-file /run/keys/token=private_key
`
