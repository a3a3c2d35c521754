package chartrepo_test

import (
	"fmt"
	"maps"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"

	"github.com/pinnace-dev/pinnace/internal/chartrepo"
	"github.com/pinnace-dev/pinnace/internal/objstore"
	"github.com/pinnace-dev/pinnace/internal/objstore/dir"
	"github.com/pinnace-dev/pinnace/internal/objstore/mem"
	"github.com/pinnace-dev/pinnace/internal/objstore/s3"
)

// files is a small chart that passes lint.
var files = map[string]string{
	"Chart.yaml": "apiVersion: v2\nname: app\nversion: 1.2.3\nappVersion: \"9.1\"\n" +
		"description: An app\nkeywords: [a, b]\n",
	"values.yaml": "replicas: 1\n",
	"templates/configmap.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ .Release.Name }}\n" +
		"  namespace: {{ .Release.Namespace }}\ndata:\n  replicas: {{ .Values.replicas | quote }}\n",
	"templates/_helpers.tpl": "{{ define \"app.x\" }}x{{ end }}\n",
	"templates/NOTES.txt":    "Thank you.\n",
	"templates/empty.yaml":   "{{ if .Values.never }}a: b{{ end }}\n",
	"README.md":              "# app\n",
	".helmignore":            "*.bak\nprivate/\n",
}

// chartFolder writes files, changed by overlay, to a new folder; an empty string removes the file.
func chartFolder(t testing.TB, overlay map[string]string) string {
	t.Helper()
	root := filepath.Join(t.TempDir(), "chart")
	all := maps.Clone(files)
	maps.Copy(all, overlay)
	for name, body := range all {
		if body != "" {
			write(t, filepath.Join(root, name), body)
		}
	}
	return root
}

func chartYAML(name, version string) map[string]string {
	return map[string]string{"Chart.yaml": fmt.Sprintf("apiVersion: v2\nname: %s\nversion: %s\n", name, version)}
}

func pack(t testing.TB, overlay map[string]string) chartrepo.Package {
	t.Helper()
	p, err := chartrepo.Pack(chartFolder(t, overlay))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func write(t testing.TB, path, body string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(body), 0o644); err != nil {
		t.Fatal(err)
	}
}

var now = time.Date(2026, time.November, 5, 6, 7, 8, 0, time.UTC)

// options are quick to lose and try again.
func options(l chartrepo.Location) chartrepo.Options {
	return chartrepo.Options{
		Location: l, Now: func() time.Time { return now },
		Update: objstore.UpdateOptions{Delay: time.Millisecond, MaxDelay: 20 * time.Millisecond, Attempts: 1000},
	}
}

// repositories are empty ones, one on each store.
func repositories(t *testing.T) map[string]*chartrepo.Repository {
	folder := filepath.Join(t.TempDir(), "charts")
	onS3 := chartrepo.Location{Scheme: "s3", Bucket: "charts", Prefix: "team/uat"}
	onDisk := chartrepo.Location{Scheme: "file", Path: folder}
	return map[string]*chartrepo.Repository{
		"mem": chartrepo.New(mem.New(), options(chartrepo.Location{})),
		"dir": chartrepo.New(dir.New(folder), options(onDisk)),
		"s3":  chartrepo.New(s3.New(s3Client(t, onS3.Bucket), onS3.Bucket, onS3.Prefix), options(onS3)),
	}
}

func s3Client(t *testing.T, bucket string) *awss3.Client {
	backend := s3mem.New()
	if err := backend.CreateBucket(bucket); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(gofakes3.New(backend).Server())
	t.Cleanup(server.Close)
	return awss3.New(awss3.Options{
		Region: "us-east-1", BaseEndpoint: &server.URL, UsePathStyle: true,
		Credentials: credentials.NewStaticCredentialsProvider("EXAMPLE", "not-a-secret", ""),
	})
}
