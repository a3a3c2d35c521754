package agent_test

import (
	"flag"
	"maps"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/pinnace-dev/pinnace/internal/secret/secrettest"
	"github.com/pinnace-dev/pinnace/localaws"
)

var update = flag.Bool("update", false, "rewrite what check says of broken set-ups")

// setUp is an account with a pod that has all it needs: a configuration that refers to a secret, and a role whose
// policy is the one that an installation has.
type setUp struct {
	*account
	key    string // ARN of the secret
	dir    string
	token  string   // its file
	args   []string // of check
	taken  string   // an address that is taken; empty when none is
	server *localaws.Server
	skew   atomic.Int64 // of AWS's clock for signatures
}

func newSetUp(t *testing.T) *setUp {
	t.Helper()
	s := &setUp{dir: t.TempDir()}
	server := must(localaws.Start(localaws.Config{
		SignatureNow: func() time.Time { return time.Now().Add(time.Duration(s.skew.Load())) },
	}))(t)
	t.Cleanup(func() { _ = server.Close() })
	issuer := must(localaws.StartIssuer(nil))(t)
	t.Cleanup(func() { _ = issuer.Close() })
	s.account, s.server = newAccount(t, server, issuer, server.URL(), nil), server
	s.token = s.env["AWS_WEB_IDENTITY_TOKEN_FILE"]
	s.key, _ = s.create("team/key", `{"privateKey":"`+canary+`","private_key":"`+canary+`"}`)
	s.deploy(`{"domain":"eu2.example.com","private_key":"{{resolve:secretsmanager:` + s.key +
		`:SecretString:privateKey}}"}`)
	s.permit()
	s.use("--appconfig=otel-config/prod/coralogix")
	return s
}

// permit gives the pod's role the permissions of an installation.
func (s *setUp) permit() {
	s.allow("otel", readConfiguration, s.configurationARN(), readSecret, s.key)
}

// use says which item is to be delivered into a file.
func (s *setUp) use(from ...string) {
	s.args = append(slices.Clone(from), "--file="+filepath.Join(s.dir, "key")+"=private_key")
}

// check runs the verb and takes out of its words what differs from run to run.
func (s *setUp) check(t *testing.T, more ...string) (code int, stdout string) {
	t.Helper()
	code, stdout, stderr := run(t.Context(), environment(s.env), append(append([]string{"check"}, s.args...), more...)...)
	jwt, _ := os.ReadFile(s.token)
	for _, hidden := range []string{canary, string(jwt)} {
		if hidden != "" {
			secrettest.Find(t, stdout+stderr, hidden)
		}
	}
	return code, stdout + stderr
}

var (
	uuids        = regexp.MustCompile(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`)
	fingerprints = regexp.MustCompile(`fingerprint [0-9a-f]{12}`)
	moments      = regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ|\b\d{10}\b`)
	temporary    = regexp.MustCompile(`\.\d+\.tmp`)
	suffixes     = regexp.MustCompile(`(:secret:[\w/]+-)\w{6}`)
)

func (s *setUp) scrub(text string) string {
	text = strings.NewReplacer(
		s.issuer.Host(), "issuer.example.com", s.token, "/var/run/token",
		strings.TrimPrefix(s.server.URL(), "http://"), "aws.example.com", s.dir, "/run/keys",
		s.app, "appl1d", s.environment, "env1d", s.profile, "prof1d",
	).Replace(text)
	if s.taken != "" {
		text = strings.ReplaceAll(text, s.taken, "127.0.0.1:2772")
	}
	text = uuids.ReplaceAllString(text, "VERSION")
	text = fingerprints.ReplaceAllString(text, "fingerprint FINGERPRINT")
	text = temporary.ReplaceAllString(text, ".N.tmp")
	text = moments.ReplaceAllString(text, "WHEN")
	return suffixes.ReplaceAllString(text, "${1}AbCdEf")
}

// sign writes another token for the pod.
func (s *setUp) sign(subject, audience string, ttl time.Duration) {
	s.t.Helper()
	jwt := must(s.issuer.Token(subject, audience, ttl, nil))(s.t)
	if err := os.WriteFile(s.token, []byte(jwt), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

const agentSubject = "system:serviceaccount:otel:agent"

// brokenSetUps are the set-ups that check explains. Each has what is at fault, as a test of the golden text.
var brokenSetUps = map[string]struct {
	with   func(s *setUp)
	causes string
	code   int
}{
	"no identity": {
		with:   func(s *setUp) { delete(s.env, "AWS_ROLE_ARN"); delete(s.env, "AWS_WEB_IDENTITY_TOKEN_FILE") },
		causes: "identity", code: 5,
	},
	"no region": {with: func(s *setUp) { delete(s.env, "AWS_REGION") }, causes: "region", code: 2},
	"token file missing": {
		with:   func(s *setUp) { _ = os.Remove(s.token) },
		causes: "token", code: 5,
	},
	"token expired": {
		with:   func(s *setUp) { s.sign(agentSubject, "sts.amazonaws.com", -time.Hour) },
		causes: "token or clock", code: 5,
	},
	"wrong audience": {
		with:   func(s *setUp) { s.sign(agentSubject, "vault", time.Hour) },
		causes: "audience", code: 5,
	},
	"audience that only IAM knows": {
		with: func(s *setUp) {
			must(s.iam.AddClientIDToOpenIDConnectProvider(s.t.Context(), &iam.AddClientIDToOpenIDConnectProviderInput{
				OpenIDConnectProviderArn: aws.String(s.providerARN()), ClientID: aws.String("vault"),
			}))(s.t)
			s.sign(agentSubject, "vault", time.Hour)
		},
		causes: "audience or subject or role", code: 5,
	},
	"wrong subject": {
		with:   func(s *setUp) { s.sign("system:serviceaccount:otel:other", "sts.amazonaws.com", time.Hour) },
		causes: "subject or role", code: 5,
	},
	"role missing": {
		with:   func(s *setUp) { s.env["AWS_ROLE_ARN"] += "-gone" },
		causes: "subject or role", code: 5,
	},
	"issuer not registered": {
		with: func(s *setUp) {
			must(s.iam.DeleteOpenIDConnectProvider(s.t.Context(), &iam.DeleteOpenIDConnectProviderInput{
				OpenIDConnectProviderArn: aws.String(s.providerARN()),
			}))(s.t)
		},
		causes: "issuer", code: 5,
	},
	"issuer unreachable": {with: func(s *setUp) { _ = s.issuer.Close() }, causes: "issuer", code: 5},
	"endpoint unreachable": {
		with:   func(s *setUp) { s.env["AWS_ENDPOINT_URL"] = "http://127.0.0.1:1" },
		causes: "network", code: 1,
	},
	"Secrets Manager unreachable": {
		with:   func(s *setUp) { s.env["AWS_ENDPOINT_URL_SECRETS_MANAGER"] = "http://127.0.0.1:1" },
		causes: "network", code: 1,
	},
	"clock skew": {
		with: func(s *setUp) { s.skew.Store(int64(time.Hour)) }, causes: "clock", code: 5,
	},
	"wrong region": {
		with:   func(s *setUp) { s.env["AWS_REGION"] = "eu-central-1" },
		causes: "region", code: 5,
	},
	"pod identity without association": {
		with: func(s *setUp) {
			s.podIdentity()
			s.server.DissociatePodIdentity(s.association("arn:aws:iam::123456789012:role/otel"))
		},
		causes: "identity", code: 5,
	},
	"pod identity with a role that does not trust EKS": {
		with: func(s *setUp) { s.podIdentity() }, causes: "role", code: 5,
	},
	"no permission for AppConfig": {
		with:   func(s *setUp) { s.allow("otel", readSecret, s.key) },
		causes: "permission", code: 5,
	},
	"no permission for the secret": {
		with:   func(s *setUp) { s.allow("otel", readConfiguration, s.configurationARN()) },
		causes: "permission", code: 5,
	},
	"no permission for the key of the secret": {
		with: func(s *setUp) { s.encrypt() }, causes: "key", code: 5,
	},
	"key of the secret disabled": {
		with: func(s *setUp) {
			key := s.encrypt()
			s.allow("otel", readConfiguration, s.configurationARN(), readSecret, s.key, "kms:Decrypt", key)
			must(s.keys().DisableKey(s.t.Context(), &kms.DisableKeyInput{KeyId: &key}))(s.t)
		},
		causes: "key", code: 5,
	},
	"secret by name without permission": {
		with: func(s *setUp) {
			s.allow("otel", readConfiguration, s.configurationARN())
			s.args = []string{"--secret=team/other", "--file=" + filepath.Join(s.dir, "key") + "=private_key"}
		},
		causes: "permission or name", code: 5,
	},
	"permission denied explicitly": {
		with: func(s *setUp) {
			must(s.iam.PutRolePolicy(s.t.Context(), &iam.PutRolePolicyInput{
				RoleName: aws.String("otel"), PolicyName: aws.String("guard"), PolicyDocument: aws.String(
					`{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"secretsmanager:*","Resource":"*"}}`),
			}))(s.t)
		},
		causes: "permission", code: 5,
	},
	"no deployment": {
		with: func(s *setUp) {
			s.makeConfiguration() // another of the same names is not looked at
			s.allow("otel", readConfiguration, s.configurationARN(), readSecret, s.key)
			s.use("--appconfig=" + s.app + "/" + s.environment + "/" + s.profile)
		},
		causes: "deployment", code: 1,
	},
	"wrong application": {
		with: func(s *setUp) { s.use("--appconfig=otel-confg/prod/coralogix") }, causes: "name or permission", code: 5,
	},
	"wrong environment": {
		with: func(s *setUp) { s.use("--appconfig=otel-config/production/coralogix") }, causes: "name or permission", code: 5,
	},
	"wrong profile": {
		with: func(s *setUp) {
			s.allow("otel", readConfiguration, "arn:aws:appconfig:*:*:application/"+s.app+"/*")
			s.use("--appconfig=otel-config/prod/datadog")
		},
		causes: "name or region", code: 1,
	},
	"wrong secret": {
		with: func(s *setUp) {
			s.allow("otel", readSecret, "*")
			s.use("--secret=team/kye")
		},
		causes: "name or region", code: 1,
	},
	"wrong key": {
		with: func(s *setUp) {
			s.args = []string{"--secret=" + s.key, "--file=" + filepath.Join(s.dir, "key") + "=private"}
		},
		causes: "document", code: 4,
	},
	"wrong field": {
		with: func(s *setUp) {
			s.args = []string{
				"--appconfig=otel-config/prod/coralogix", "--file=" + filepath.Join(s.dir, "key") + "=private",
				"--file=" + filepath.Join(s.dir, "domain") + "=domain",
			}
		},
		causes: "document", code: 4,
	},
	"role of another account not assumable": {
		with: func(s *setUp) {
			s.use("--secret="+s.key, "--role="+s.makeRole("reader", `{"AWS":"arn:aws:iam::210987654321:root"}`,
				"sts:AssumeRole", `{"sts:ExternalId":"e-1"}`))
		},
		causes: "role", code: 5,
	},
	"Secrets Manager throttles": {
		with: func(s *setUp) {
			s.server.Inject(localaws.Throttle("secretsmanager:GetSecretValue", 0))
		},
		causes: "throttled", code: 1,
	},
	"folder missing": {
		with: func(s *setUp) {
			s.args = []string{"--appconfig=otel-config/prod/coralogix", "--file=" + s.dir + "/gone/key=private_key"}
		},
		causes: "sink", code: 1,
	},
	"command, hook, token file and addresses": {
		with: func(s *setUp) {
			taken := must(net.Listen("tcp", "127.0.0.1:0"))(s.t)
			s.t.Cleanup(func() { _ = taken.Close() })
			s.taken = taken.Addr().String()
			s.args = []string{
				"--appconfig=otel-config/prod/coralogix", "--item=private_key", "--env=TOKEN=private_key", "--env=DOC",
				"--loopback=" + s.taken, "--loopback-token-file=" + s.dir + "/gone",
				"--status=" + s.taken, "--on-change=/gone/reload", "--", "/gone/app",
			}
		},
		causes: "sink", code: 1,
	},
}

func (s *setUp) keys() *kms.Client {
	id, key := s.server.RootKeys()
	return kms.New(kms.Options{
		Region: s.server.Region(), BaseEndpoint: aws.String(s.server.URL()),
		Credentials: credentials.NewStaticCredentialsProvider(id, key, ""),
	})
}

// encrypt gives the secret a key of the account's own.
func (s *setUp) encrypt() (keyARN string) {
	keyARN = *must(s.keys().CreateKey(s.t.Context(), &kms.CreateKeyInput{}))(s.t).KeyMetadata.Arn
	must(s.secrets.UpdateSecret(s.t.Context(), &secretsmanager.UpdateSecretInput{SecretId: &s.key, KmsKeyId: &keyARN}))(s.t)
	return keyARN
}

func (s *setUp) providerARN() string {
	return "arn:aws:iam::" + s.aws.Account() + ":oidc-provider/" + s.issuer.Host()
}

func (s *setUp) association(role string) localaws.PodIdentityAssociation {
	return localaws.PodIdentityAssociation{
		Cluster: "prod", Issuer: s.issuer.URL(), Namespace: "otel", ServiceAccount: "agent", RoleARN: role,
	}
}

// podIdentity gives the pod a pod identity in place of its web identity.
func (s *setUp) podIdentity() {
	role := s.env["AWS_ROLE_ARN"]
	delete(s.env, "AWS_ROLE_ARN")
	delete(s.env, "AWS_WEB_IDENTITY_TOKEN_FILE")
	s.env["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = s.server.PodIdentityURL()
	s.env["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"] = s.token
	jwt := must(s.issuer.PodIdentityToken("otel", "agent", "pod"))(s.t)
	if err := os.WriteFile(s.token, []byte(jwt), 0o600); err != nil {
		s.t.Fatal(err)
	}
	if err := s.server.AssociatePodIdentity(s.association(role)); err != nil {
		s.t.Fatal(err)
	}
}

// Each broken set-up is explained by what is at fault, in the whole words that a person sees.
func TestCheckExplains(t *testing.T) {
	for _, name := range slices.Sorted(maps.Keys(brokenSetUps)) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := brokenSetUps[name]
			s := newSetUp(t)
			before := must(os.ReadDir(s.dir))(t)
			b.with(s)
			code, out := s.check(t)
			if code != b.code || !strings.Contains(out, "    cause: "+b.causes+"\n") {
				t.Errorf("exit %d, want %d; causes are not %s:\n%s", code, b.code, b.causes, out)
			}
			if after := must(os.ReadDir(s.dir))(t); len(after) != len(before) {
				t.Errorf("check wrote %v", after)
			}
			golden(t, name, s.scrub(out))
		})
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", "check", strings.ReplaceAll(name, " ", "-")+".txt")
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if want := read(t, path); got != want {
		t.Errorf("check says\n%s\nwant\n%s", got, want)
	}
}

// A set-up in which nothing is missing passes, in both outputs.
func TestCheckPasses(t *testing.T) {
	s := newSetUp(t)
	token := filepath.Join(s.dir, "token")
	if err := os.WriteFile(token, []byte("for-callers\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.args = []string{
		"--appconfig=otel-config/prod/coralogix", "--file=" + s.dir + "/key=private_key", "--env=TOKEN=private_key", "--file=" + s.dir + "/whole",
		"--loopback=127.0.0.1:0,127.0.0.1:0", "--loopback-token-file=" + token, "--status=127.0.0.1:0",
		"--on-change=" + os.Args[0], "--", os.Args[0],
	}
	code, out := s.check(t)
	if code != 0 {
		t.Errorf("exit %d", code)
	}
	golden(t, "right", s.scrub(out))
	s.args = append([]string{"--output=json"}, s.args...)
	if code, out := s.check(t); code != 0 || !strings.Contains(out, `"account": "123456789012"`) {
		t.Errorf("exit %d: %s", code, out)
	}
	if files := must(os.ReadDir(s.dir))(t); len(files) != 1 {
		t.Errorf("check wrote %v", files)
	}
}
