package cli_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/pinnace-dev/pinnace/internal/cli"
	"github.com/pinnace-dev/pinnace/localaws"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"pinnace": func() {
			ctx, stop := cli.Context()
			code := cli.Main(ctx, os.Args[1:], cli.Streams{Out: os.Stdout, Err: os.Stderr}, os.Getenv)
			stop()
			os.Exit(code)
		},
	})
}

// Each script is the specification of one verb, run as a person would type it: in a process of its own, against a
// localaws that has the bucket acme-charts.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		Setup:               setup,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits":   exits,
			"fault":   fault,
			"keyring": keyring,
			"object":  object,
			"kmskey":  kmsKey,
			"serve":   serve,
			"token":   token,
			"untar":   untar,
		},
	})
}

type serverKey struct{}

func setup(env *testscript.Env) error {
	server, err := localaws.Start(localaws.Config{})
	if err != nil {
		return err
	}
	env.Defer(func() { _ = server.Close() })
	env.Values[serverKey{}] = server
	for _, pair := range server.Environ() {
		name, value, _ := strings.Cut(pair, "=")
		env.Setenv(name, value)
	}
	env.Setenv("HOME", env.WorkDir)
	env.Setenv("AWS_MAX_ATTEMPTS", "2")
	id, key := server.RootKeys()
	client := s3.New(s3.Options{
		Region: server.Region(), BaseEndpoint: aws.String(server.URL()), UsePathStyle: true,
		Credentials: credentials.NewStaticCredentialsProvider(id, key, ""),
	})
	_, err = client.CreateBucket(context.Background(), &s3.CreateBucketInput{
		Bucket: aws.String("acme-charts"), CreateBucketConfiguration: &types.CreateBucketConfiguration{
			LocationConstraint: types.BucketLocationConstraint(server.Region()),
		},
	})
	return err
}

// untar ARCHIVE [MEMBER]: writes a member, or the names of all, into the file "untarred". Not every machine has tar.
func untar(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 || len(args) > 2 {
		ts.Fatalf("usage: untar ARCHIVE [MEMBER]")
	}
	unzipped, err := gzip.NewReader(strings.NewReader(ts.ReadFile(args[0])))
	ts.Check(err)
	var out bytes.Buffer
	for archive := tar.NewReader(unzipped); ; {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		ts.Check(err)
		switch {
		case len(args) == 1:
			fmt.Fprintln(&out, header.Name)
		case header.Name == args[1]:
			_, err := io.Copy(&out, archive)
			ts.Check(err)
		}
	}
	ts.Check(os.WriteFile(ts.MkAbs("untarred"), out.Bytes(), 0o600))
}

// exits CODE COMMAND…: runs the command and checks its exit status; stdout and stderr are kept for the next checks.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND [ARG...]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		got = exit.ExitCode()
	} else if err != nil {
		ts.Fatalf("running %s: %v", args[1], err)
	}
	if got != want {
		ts.Fatalf("%s exits with %d, want %d", strings.Join(args[1:], " "), got, want)
	}
}

// fault KIND ACTION [TIMES]: lets calls of the script's localaws go wrong; KIND is throttle, lost, expired, down
// or denied.
func fault(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: fault KIND ACTION [TIMES]")
	}
	times := 0
	if len(args) > 2 {
		n, err := strconv.Atoi(args[2])
		ts.Check(err)
		times = n
	}
	kinds := map[string]func(string, int) localaws.Fault{
		"throttle": localaws.Throttle, "lost": localaws.LoseReply,
		"expired": localaws.ExpiredToken, "down": localaws.Unavailable, "denied": denied,
	}
	kind, ok := kinds[args[0]]
	if !ok {
		ts.Fatalf("no fault of kind %s", args[0])
	}
	ts.Value(serverKey{}).(*localaws.Server).Inject(kind(args[1], times))
	fmt.Fprintf(ts.Stdout(), "%s on %s\n", args[0], args[1])
}

// serve FOLDER: serves a folder over HTTP until the script ends, at the URL in the variable SERVED.
func serve(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: serve FOLDER")
	}
	server := httptest.NewServer(http.FileServer(http.Dir(ts.MkAbs(args[0]))))
	ts.Defer(server.Close)
	ts.Setenv("SERVED", server.URL)
}

// token: keeps the token of the JSON document that the last command printed in the variable TOKEN.
func token(ts *testscript.TestScript, neg bool, args []string) {
	var document struct{ Token string }
	ts.Check(json.Unmarshal([]byte(ts.ReadFile("stdout")), &document))
	if neg || len(args) != 0 || document.Token == "" {
		ts.Fatalf("no token was printed")
	}
	ts.Setenv("TOKEN", document.Token)
}
