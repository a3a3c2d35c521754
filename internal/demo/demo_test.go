package demo_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/pinnace-dev/pinnace/internal/demo"
	"github.com/pinnace-dev/pinnace/internal/objstore"
	"github.com/pinnace-dev/pinnace/internal/secret/secrettest"
	"github.com/pinnace-dev/pinnace/terraform/policies"
)

const canary = "CANARY7f3a"

// buffer is a log that many goroutines write to.
type buffer struct {
	mu sync.Mutex
	bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.String()
}

// The whole demo holds; its keys, tokens and credentials are neither in what it prints nor in any log, and nothing is
// left behind.
func TestDemoHolds(t *testing.T) {
	t.Parallel()
	var log, out, asJSON buffer
	dir := t.TempDir()
	hidden := []string{canary}
	result, err := demo.Run(t.Context(), demo.Options{
		KeyMark: canary, TempDir: dir, Report: both{demo.NewTable(&out, true, true), demo.NewJSON(&asJSON)},
		Tamper: func(_ context.Context, w *demo.World) error {
			_, secretKey := w.AWS.RootKeys()
			hidden = append(hidden, secretKey)
			return nil
		},
		Keep: func(context.Context, demo.Tour) error {
			hidden = append(hidden, signatures(t, dir)...)
			return nil
		},
		Log: slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug - 8})),
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range result.Steps {
		if s.Status != demo.OK {
			t.Errorf("%s: %s %s", s.Name, s.Status, s.Error)
		}
	}
	if !result.OK {
		t.Error("the result is not ok")
	}
	for name, text := range map[string]string{"log": log.String(), "output": out.String(), "JSON": asJSON.String()} {
		t.Log("searching the " + name)
		for _, secret := range hidden {
			secrettest.Find(t, text, secret)
		}
		if len(text) == 0 {
			t.Errorf("the %s is empty: the search above proves nothing", name)
		}
	}
	var decoded demo.Result
	if err := json.Unmarshal([]byte(asJSON.String()), &decoded); err != nil || len(decoded.Steps) != len(result.Steps) {
		t.Errorf("the JSON does not hold the result: %v", err)
	}
	if left, _ := os.ReadDir(dir); len(left) != 0 {
		t.Errorf("%d entries are left in the temporary folder", len(left))
	}
}

// signatures are those of the web identity tokens that a run has given out.
func signatures(t *testing.T, dir string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*", "tokens", "*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("finding the run's tokens: %d, %v", len(files), err)
	}
	var found []string
	for _, file := range files {
		token, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, string(token[bytes.LastIndexByte(token, '.')+1:]))
		if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("token file %s: %v, %v", filepath.Base(file), info.Mode(), err)
		}
	}
	return found
}

// both reports to two reporters.
type both [2]demo.Reporter

func (b both) Begin(name, promise string) {
	for _, r := range b {
		r.Begin(name, promise)
	}
}

func (b both) End(s demo.StepResult) {
	for _, r := range b {
		r.End(s)
	}
}

func (b both) Finish(r demo.Result) error {
	for _, reporter := range b {
		if err := reporter.Finish(r); err != nil {
			return err
		}
	}
	return nil
}

// withPolicy replaces text in one policy template.
func withPolicy(t *testing.T, name, from, to string) fs.FS {
	t.Helper()
	overlay := fstest.MapFS{}
	files, err := fs.Glob(policies.Templates, "*")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		content, err := fs.ReadFile(policies.Templates, file)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(file, name+".") {
			if !bytes.Contains(content, []byte(from)) {
				t.Fatalf("policy %s does not contain %q", name, from)
			}
			content = bytes.ReplaceAll(content, []byte(from), []byte(to))
		}
		overlay[file] = &fstest.MapFile{Data: content}
	}
	return overlay
}

// careless replaces whatever is there, like a publisher that drops If-Match.
type careless struct{ objstore.Store }

func (c careless) Replace(
	ctx context.Context, key string, _ objstore.Version, content objstore.Content,
) (objstore.Version, error) {
	for {
		now, err := c.Get(ctx, key)
		if err != nil {
			return objstore.Version{}, err
		}
		version, err := c.Store.Replace(ctx, key, now.Version, content)
		if err == nil {
			return version, nil
		}
	}
}

// Every guard can fail: what is broken here is seen by the step that promises it, and by no other.
func TestEachGuardCanFail(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		options demo.Options
		failing []string
	}{
		"trust policy widened to every service account": {
			demo.Options{Policies: withPolicy(t, "workload-trust", `"${issuer}:sub": "${subject}",`, "")},
			[]string{"other-account"},
		},
		"pod allowed every secret": {
			demo.Options{Policies: withPolicy(t, "workload", `"${secret_arn}"`, `"*"`)},
			[]string{"other-secret"},
		},
		"pod allowed no secret": {
			demo.Options{
				Policies: withPolicy(t, "workload", "secretsmanager:GetSecretValue", "secretsmanager:DescribeSecret"),
			},
			[]string{"deliver"},
		},
		"pod allowed the current version of its secret only": {
			demo.Options{Policies: withPolicy(t, "workload", `"Resource": "${secret_arn}"`,
				`"Resource": "${secret_arn}", "Condition": {"Null": {"secretsmanager:VersionId": "true"}}`)},
			[]string{"deliver"},
		},
		"publisher drops If-Match": {
			demo.Options{WrapStore: func(s objstore.Store) objstore.Store { return careless{s} }},
			[]string{"publish"},
		},
		"bucket made public": {
			demo.Options{Tamper: makePublic}, []string{"anonymous"},
		},
		"bucket without its policy": {
			demo.Options{Tamper: func(ctx context.Context, w *demo.World) error {
				_, err := w.S3.DeleteBucketPolicy(ctx, &s3.DeleteBucketPolicyInput{Bucket: aws.String("acme-charts")})
				return err
			}},
			[]string{"overwrite"},
		},
		"a key left in a file": {
			demo.Options{Tamper: func(_ context.Context, w *demo.World) error {
				return os.WriteFile(filepath.Join(w.Dir, "debug.log"), w.Prod.Key.Reveal(), 0o600)
			}},
			[]string{"leaks"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := test.options
			o.TempDir, o.Report, o.Patience = t.TempDir(), demo.NewTable(&buffer{}, false, false), 15*time.Second
			result, err := demo.Run(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			var failing []string
			for _, s := range result.Steps {
				if s.Status == demo.Failed {
					failing = append(failing, s.Name)
				}
			}
			if !slices.Equal(failing, test.failing) || result.OK {
				t.Errorf("failing steps %v, want %v", failing, test.failing)
			}
		})
	}
}

func makePublic(ctx context.Context, w *demo.World) error {
	bucket := aws.String("acme-charts")
	if _, err := w.S3.DeletePublicAccessBlock(ctx, &s3.DeletePublicAccessBlockInput{Bucket: bucket}); err != nil {
		return err
	}
	_, err := w.S3.PutBucketPolicy(ctx, &s3.PutBucketPolicyInput{Bucket: bucket, Policy: aws.String(strings.TrimSpace(`{
	  "Version": "2012-10-17",
	  "Statement": [
	    {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::acme-charts/*"},
	    {"Effect": "Deny", "Principal": "*", "Action": "s3:PutObject", "Resource": "arn:aws:s3:::acme-charts/*.tgz",
	     "Condition": {"Null": {"s3:if-none-match": "true"}}}
	  ]
	}`))})
	return err
}

// An interrupted run ends soon and leaves nothing behind.
func TestInterrupted(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	_, err := demo.Run(ctx, demo.Options{
		TempDir: dir, Report: demo.NewTable(&buffer{}, false, false),
		Tamper: func(context.Context, *demo.World) error { cancel(); return nil },
	})
	if err == nil {
		t.Error("an interrupted run says that it is done")
	}
	if left, _ := os.ReadDir(dir); len(left) != 0 {
		t.Errorf("%d entries are left in the temporary folder", len(left))
	}
}
