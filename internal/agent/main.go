package agent

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime/debug"
	"strings"

	"github.com/pinnace-dev/pinnace/internal/problem"
)

const help = `pinnace-agent keeps a workload's keys and settings in files, live, with the pod's own identity.

  pinnace-agent run      deliver, and follow changes until SIGTERM
  pinnace-agent ready    exit 0 when every file is there and not empty
  pinnace-agent whoami   show who AWS takes this pod for, and why (--output json, --role ARN)
  pinnace-agent version
  pinnace-agent help

Flags of run (ready looks at the files alone), each also a variable:
  --appconfig APP/ENV/PROFILE   PINNACE_APPCONFIG   configuration, by names or ids
  --file PATH=FIELD             PINNACE_FILES       write a field of the document to a file; repeatable
  --token-file PATH=FIELD       PINNACE_TOKEN_FILES the same, and refuse what is not a bearer token
  --mode 0440                   PINNACE_MODE        permissions of the files; none for others
  --poll-interval 30s           PINNACE_POLL_INTERVAL  15s to 24h; the server may ask for more
  --once                        PINNACE_ONCE        deliver once and end, as an init container does
  --log-level info              PINNACE_LOG_LEVEL   debug, info, warn or error; JSON on standard error
  --allow-static-credentials    PINNACE_ALLOW_STATIC_CREDENTIALS  accept AWS_ACCESS_KEY_ID

FIELD is the name of a member, or a JSON pointer such as /coralogix/key. Its string may refer to a secret:
  {{resolve:secretsmanager:SECRET-ID:SecretString:JSON-KEY:VERSION-STAGE:VERSION-ID}}
The identity is AWS_ROLE_ARN with AWS_WEB_IDENTITY_TOKEN_FILE (IRSA), else AWS_CONTAINER_CREDENTIALS_FULL_URI with
AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE (EKS Pod Identity), in AWS_REGION; nothing wider is used.

Exit status: 0 done, 1 failed, 2 wrong usage, 4 refused (bad document or value), 5 access denied.

Example:
  pinnace-agent run --appconfig otel-config/prod/coralogix --token-file /run/keys/token=private_key
`

// Main runs one command line and returns its exit code. Results go to stdout; logs, as JSON, and errors to stderr. The
// end of ctx, such as SIGTERM, ends run with 0.
func Main(ctx context.Context, args []string, getenv func(string) string, stdout, stderr io.Writer) int {
	err := verb(ctx, args, getenv, stdout, stderr)
	if errors.Is(err, flag.ErrHelp) {
		_, err = io.WriteString(stdout, help)
	}
	if err == nil {
		return 0
	}
	line := strings.ReplaceAll(err.Error(), "\n", "; ")
	_, _ = fmt.Fprintf(stderr, "pinnace-agent: error: %s\n", line)
	if hint := problem.HintOf(err); hint != "" {
		_, _ = fmt.Fprintf(stderr, "hint: %s\n", hint)
	}
	return int(problem.KindOf(err))
}

func verb(ctx context.Context, args []string, getenv func(string) string, stdout, stderr io.Writer) error {
	name := ""
	if len(args) > 0 {
		name, args = args[0], args[1:]
	}
	switch name {
	case "run":
		return run(ctx, args, getenv, stderr)
	case "ready":
		return ready(args, getenv)
	case "whoami":
		return whoami(ctx, args, getenv, stdout)
	case "version":
		_, err := fmt.Fprintln(stdout, "pinnace-agent", version())
		return err
	case "help", "-h", "-help", "--help":
		_, err := io.WriteString(stdout, help)
		return err
	case "":
		return problem.New(problem.Usage, "see: pinnace-agent help", "no verb")
	}
	return problem.New(problem.Usage, "see: pinnace-agent help", "unknown verb %q", name)
}

func run(ctx context.Context, args []string, getenv func(string) string, stderr io.Writer) error {
	c, level, err := parse("run", args, getenv)
	if err != nil {
		return err
	}
	if c.Application == "" {
		return problem.New(problem.Usage, "name it with --appconfig or PINNACE_APPCONFIG", "no configuration to follow")
	}
	if err := needFiles(c); err != nil {
		return err
	}
	c.Log = slog.New(slog.NewJSONHandler(stderr, &slog.HandlerOptions{Level: level}))
	a, err := New(ctx, c)
	if err != nil {
		return err
	}
	announce(ctx, c)
	return a.Run(ctx)
}

// announce says what the agent is about to do. Nothing of it is secret: it is in the pod's manifest.
func announce(ctx context.Context, c Config) {
	var paths []string
	for _, f := range c.Files {
		paths = append(paths, f.Path)
	}
	c.Log.InfoContext(ctx, "agent started", slog.String("version", version()),
		slog.String("configuration", c.Application+"/"+c.Environment+"/"+c.Profile), slog.Any("files", paths),
		slog.String("role", c.Getenv("AWS_ROLE_ARN")), slog.Bool("once", c.Once))
}

func needFiles(c Config) error {
	if len(c.Files) == 0 {
		return problem.New(problem.Usage, "name them with --file or PINNACE_FILES", "no files are named")
	}
	return nil
}

// ready is for probes of images without a shell.
func ready(args []string, getenv func(string) string) error {
	c, _, err := parse("ready", args, getenv)
	if err != nil {
		return err
	}
	if err := needFiles(c); err != nil {
		return err
	}
	for _, f := range c.Files {
		info, err := os.Stat(f.Path)
		if err != nil {
			return problem.New(problem.Failed, "look at the log of the agent", "not ready: %w", err)
		}
		if !info.Mode().IsRegular() || info.Size() == 0 {
			return problem.New(problem.Failed, "look at the log of the agent", "not ready: %s is empty or no file", f.Path)
		}
	}
	return nil
}

func version() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}
