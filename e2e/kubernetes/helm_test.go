package kubernetes_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/pinnace-dev/pinnace/localaws"
)

const (
	bucket     = "acme-charts"
	repository = "s3://" + bucket + "/stable"
	oldVersion = "0.1.0"
)

// shipyard is the repository of charts in a bucket, which both Helms read.
type shipyard struct {
	env   []string // of the person who publishes and installs
	Chart string   // version of the working tree's chart
}

// yard publishes the chart, its last release and the working tree's, once for all tests.
var yard = sync.OnceValues(func() (*shipyard, error) {
	server, err := localaws.Start(localaws.Config{})
	if err != nil {
		return nil, err
	}
	id, key := server.RootKeys()
	client := s3.New(s3.Options{
		Region: server.Region(), BaseEndpoint: aws.String(server.URL()), UsePathStyle: true,
		Credentials: credentials.NewStaticCredentialsProvider(id, key, ""),
	})
	where := &types.CreateBucketConfiguration{LocationConstraint: types.BucketLocationConstraint(server.Region())}
	_, err = client.CreateBucket(kubeContext, &s3.CreateBucketInput{
		Bucket: aws.String(bucket), CreateBucketConfiguration: where,
	})
	if err != nil {
		return nil, err
	}
	y := &shipyard{env: append(server.Environ(), "KUBECONFIG="+kube.Kubeconfig, "TMPDIR="+os.TempDir())}
	charts := []string{"testdata/opentelemetry-" + oldVersion + ".tgz", chartFolder()}
	for _, chart := range charts {
		out, err := y.command(os.TempDir(), kit.Programs+"/pinnace", "publish", absolute(chart), "--repo", repository)
		if err != nil {
			return nil, fmt.Errorf("publishing %s: %w\n%s", chart, err, out)
		}
		_, rest, _ := strings.Cut(out, "published opentelemetry ")
		y.Chart, _, _ = strings.Cut(rest, " ")
	}
	return y, nil
})

// chartFolder is the chart of this working tree, or of another.
func chartFolder() string {
	if other := os.Getenv("PINNACE_E2E_CHART"); other != "" {
		return other
	}
	return root + "/charts/opentelemetry"
}

func absolute(path string) string {
	all, err := filepath.Abs(path)
	if err != nil {
		panic(err) // there is no working folder
	}
	return all
}

func (y *shipyard) command(home, program string, args ...string) (string, error) {
	cmd := exec.CommandContext(kubeContext, program, args...)
	cmd.Dir = home
	cmd.Env = append(y.env, "HOME="+home, "PATH="+os.Getenv("PATH"),
		"HELM_CACHE_HOME="+home+"/cache", "HELM_CONFIG_HOME="+home+"/config", "HELM_DATA_HOME="+home+"/data")
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	return out.String(), err
}

// helm is one major version with the plugins and the repository.
type helm struct {
	major, program, home string
	yard                 *shipyard
}

var homes = map[string]func() (*helm, error){
	"3": sync.OnceValues(func() (*helm, error) { return newHelm("3") }),
	"4": sync.OnceValues(func() (*helm, error) { return newHelm("4") }),
}

// newHelm does what a person does before the first install: the plugins, and the repository.
func newHelm(major string) (*helm, error) {
	y, err := yard()
	if err != nil {
		return nil, err
	}
	home, err := os.MkdirTemp(kit.Scratch, "helm"+major+"-")
	if err != nil {
		return nil, err
	}
	h := &helm{major: major, program: kit.Helms[major], home: home, yard: y}
	for _, line := range []string{
		kit.Programs + "/pinnace plugin plugins",
		h.program + " plugin install plugins/pinnace",
		h.program + " plugin install plugins/pinnace-getter",
		h.program + " repo add stable " + repository,
	} {
		words := strings.Fields(line)
		if out, err := y.command(home, words[0], words[1:]...); err != nil {
			return nil, fmt.Errorf("%s: %w\n%s", line, err, out)
		}
	}
	return h, nil
}

// withHelm gives the Helm of a major version.
func withHelm(t *testing.T, major string) *helm {
	t.Helper()
	h, err := homes[major]()
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// onBoth runs a test with each Helm.
func onBoth(t *testing.T, test func(t *testing.T, h *helm)) {
	needCluster(t)
	t.Parallel()
	for _, major := range []string{"3", "4"} {
		t.Run("helm"+major, func(t *testing.T) {
			t.Parallel()
			test(t, withHelm(t, major))
		})
	}
}

// try runs a command of Helm.
func (h *helm) try(t *testing.T, args ...string) (string, error) {
	t.Helper()
	begin := time.Now()
	out, err := h.yard.command(h.home, h.program, args...)
	t.Logf("$ helm %s  # Helm %s, %.1f s\n%s", strings.Join(args, " "), h.major, time.Since(begin).Seconds(), out)
	return out, err
}

// run is try for a command that has to succeed.
func (h *helm) run(t *testing.T, args ...string) string {
	t.Helper()
	out, err := h.try(t, args...)
	if err != nil {
		t.Fatalf("helm %s: %v", args[0], err)
	}
	return out
}
