// Package getter is the program that Helm calls to fetch a file from an s3:// or file:// repository. Helm starts it
// anew for each file, so it holds no Helm, starts in a few milliseconds, streams, and keeps indexes with their ETags:
// one that has not changed costs a request without a body.
package getter

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/pinnace-dev/pinnace/internal/problem"
)

const help = `pinnace-getter writes an object of a chart repository to standard output.

  pinnace-getter URL                    s3://BUCKET/KEY or file:///PATH
  pinnace-getter CERT KEY CA URL        as Helm calls it; the first three are empty

The AWS identity is the one that the AWS command line would use, or the pod's web identity. Indexes are kept below
$HELM_CACHE_HOME/pinnace, apart for each identity, and asked for only if they changed.

Exit status: 0 done, 1 failed, 2 wrong usage, 5 access denied.
`

// Main runs one command line and answers its exit code. The object goes to stdout, whole if the code is 0; errors are
// two lines on stderr. The environment is read through getenv alone, except by the AWS SDK, which reads its own.
func Main(ctx context.Context, args []string, getenv func(string) string, stdout, stderr io.Writer) int {
	err := run(ctx, args, getenv, stdout)
	if err == nil {
		return 0
	}
	text := strings.ReplaceAll(strings.TrimSpace(err.Error()), "\n", " ")
	_, _ = fmt.Fprintf(stderr, "pinnace-getter: error: %s\n", text)
	if hint := problem.HintOf(err); hint != "" {
		_, _ = fmt.Fprintf(stderr, "hint: %s\n", hint)
	}
	return int(problem.KindOf(err))
}

func run(ctx context.Context, args []string, getenv func(string) string, stdout io.Writer) error {
	switch len(args) {
	case 0:
		_, err := io.WriteString(stdout, help)
		return err
	case 1:
		if name := args[0]; name == "help" || name == "-h" || name == "--help" {
			_, err := io.WriteString(stdout, help)
			return err
		}
	case 4:
		if strings.Join(args[:3], "") != "" {
			return problem.New(problem.Usage, "leave out --cert-file, --key-file and --ca-file; AWS_CA_BUNDLE names the "+
				"certificates of an endpoint of your own", "fetching %s: certificates cannot be given", args[3])
		}
	default:
		return problem.New(problem.Usage, "see: pinnace-getter help", "%d arguments; 1 or 4 are expected", len(args))
	}
	at, err := parse(args[len(args)-1])
	if err != nil {
		return err
	}
	if at.scheme == schemeFile {
		return fetchFile(at, stdout)
	}
	return fetchObject(ctx, at, getenv, stdout)
}
