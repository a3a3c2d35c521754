package helm_test

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/google/go-cmp/cmp"

	"github.com/pinnace-dev/pinnace/localaws"
)

const bucket = "acme-charts"

// world is one person's machine with one Helm, and a bucket in an AWS of its own.
type world struct {
	major, helm string
	home        string // everything that Helm and the getter keep, and the folder that commands run in
	env         []string
	aws         *localaws.Server
	url         string // of that AWS
	client      *s3.Client

	mu       sync.Mutex
	requests []string
}

func newWorld(t *testing.T, major, helm string) *world {
	t.Helper()
	server, err := localaws.New(localaws.Config{})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{major: major, helm: helm, home: t.TempDir(), aws: server}
	front := httptest.NewServer(w)
	t.Cleanup(front.Close)
	w.url = front.URL
	id, key := server.RootKeys()
	w.env = []string{
		"HOME=" + w.home, "PATH=" + os.Getenv("PATH"), "TMPDIR=" + t.TempDir(),
		"HELM_CACHE_HOME=" + w.home + "/cache", "HELM_CONFIG_HOME=" + w.home + "/config", "HELM_DATA_HOME=" + w.home + "/data",
		"AWS_ENDPOINT_URL=" + w.url, "AWS_REGION=" + server.Region(), "AWS_MAX_ATTEMPTS=2",
		"AWS_ACCESS_KEY_ID=" + id, "AWS_SECRET_ACCESS_KEY=" + key,
	}
	w.client = s3.New(s3.Options{
		Region: server.Region(), BaseEndpoint: &w.url, UsePathStyle: true,
		Credentials: credentials.NewStaticCredentialsProvider(id, key, ""),
	})
	_, err = w.client.CreateBucket(t.Context(), &s3.CreateBucketInput{
		Bucket: aws.String(bucket), CreateBucketConfiguration: &types.CreateBucketConfiguration{
			LocationConstraint: types.BucketLocationConstraint(server.Region()),
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	w.seen()
	return w
}

type counted struct {
	http.ResponseWriter
	status, bytes int
}

func (c *counted) WriteHeader(status int) {
	c.status = status
	c.ResponseWriter.WriteHeader(status)
}

func (c *counted) Write(p []byte) (int, error) {
	c.bytes += len(p)
	return c.ResponseWriter.Write(p)
}

// ServeHTTP notes each request with its answer: "GET index.yaml 304 0".
func (w *world) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	c := &counted{ResponseWriter: rw}
	w.aws.ServeHTTP(c, r)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.requests = append(w.requests, fmt.Sprintf("%s %s %d %d", r.Method, path.Base(r.URL.Path), c.status, c.bytes))
}

// seen are the requests since it was last called.
func (w *world) seen() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	got := w.requests
	w.requests = nil
	return got
}

func (w *world) wantRequests(t *testing.T, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, w.seen()); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
}

// setenv changes the environment of the commands.
func (w *world) setenv(name, value string) { w.env = append(w.env, name+"="+value) }

// try runs a command line in the world's folder and notes it as a transcript. The first word helm is this world's Helm.
func (w *world) try(t *testing.T, line ...string) (string, error) {
	t.Helper()
	program := line[0]
	if program == "helm" {
		program = w.helm
	}
	cmd := exec.Command(program, line[1:]...)
	cmd.Dir, cmd.Env = w.home, w.env
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	text := strings.ReplaceAll(out.String(), w.home, "~")
	t.Logf("$ %s\n%s", strings.ReplaceAll(strings.Join(line, " "), w.home, "~"), text)
	return text, err
}

// run is try for a command that has to succeed and to print what the patterns match, if any.
func (w *world) run(t *testing.T, line []string, patterns ...string) string {
	t.Helper()
	out, err := w.try(t, line...)
	if err != nil {
		t.Fatalf("%s: %v", strings.Join(line, " "), err)
	}
	match(t, out, patterns)
	return out
}

// refused is run for a command that has to fail.
func (w *world) refused(t *testing.T, line []string, patterns ...string) {
	t.Helper()
	out, err := w.try(t, line...)
	if err == nil {
		t.Errorf("%s: succeeded", strings.Join(line, " "))
	}
	match(t, out, patterns)
}

func match(t *testing.T, out string, patterns []string) {
	t.Helper()
	for _, p := range patterns {
		if !regexp.MustCompile(p).MatchString(out) {
			t.Errorf("no match for %q", p)
		}
	}
}

// words splits a command line that needs no quotes.
func words(line string) []string { return strings.Fields(line) }

// write makes files below the world's folder.
func (w *world) write(t *testing.T, files map[string]string) {
	t.Helper()
	for name, text := range files {
		file := filepath.Join(w.home, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// chart writes a chart's folder.
func (w *world) chart(t *testing.T, folder, name, version string, dependencies ...string) {
	t.Helper()
	chart := "apiVersion: v2\nname: " + name + "\nversion: " + version + "\ndescription: the chart " + name + "\n"
	if len(dependencies) > 0 {
		chart += "dependencies:\n" + strings.Join(dependencies, "")
	}
	w.write(t, map[string]string{
		folder + "/Chart.yaml":               chart,
		folder + "/values.yaml":              "greeting: hello\n",
		folder + "/templates/configmap.yaml": configMap,
	})
}

const configMap = `apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ .Release.Name }}-{{ .Chart.Name }}
data:
  version: {{ .Chart.Version | quote }}
  greeting: {{ .Values.greeting | quote }}
`

// plugins installs both plugins from a folder that pinnace laid out.
func (w *world) plugins(t *testing.T) {
	t.Helper()
	from, err := programs()
	if err != nil {
		t.Fatal(err)
	}
	w.run(t, []string{filepath.Join(from, "pinnace"), "plugin", "helm-plugins"})
	w.run(t, words("helm plugin install helm-plugins/pinnace"))
	w.run(t, words("helm plugin install helm-plugins/pinnace-getter"))
}
