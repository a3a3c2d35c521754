package kubernetes_test

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/pinnace-dev/pinnace/e2e/kubernetes/cluster"
	"github.com/pinnace-dev/pinnace/e2e/kubernetes/tools"
)

// root is the working tree, from this folder.
const root = "../.."

// toolset is what is made outside of the namespaces, where there is a network, and used inside.
type toolset struct {
	Cluster  cluster.Config
	Helms    map[string]string // programs by major version
	Programs string            // folder with the working tree's pinnace and its getter
	Scratch  string            // folder that is removed at the end
	// Presets is the image of a collector with the components of all presets, of release PresetsVersion; empty: none.
	Presets, PresetsVersion string
	Absent                  string // why there is none; every test is skipped then
}

const toolsVariable = "PINNACE_E2E_TOOLSET"

// The one cluster of all tests, and what they run. What serves several tests has the context of the whole.
var (
	kubeContext = context.Background()

	kube *cluster.Cluster
	kit  toolset
)

// TestMain gets the tools, then runs itself in namespaces of its own and starts a cluster there.
func TestMain(m *testing.M) {
	code, err := start(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func start(m *testing.M) (int, error) {
	ctx := context.Background()
	if cluster.Inside() {
		return inside(ctx, m)
	}
	begin := time.Now()
	scratch, err := os.MkdirTemp("", "pinnace-e2e-kubernetes-")
	if err != nil {
		return 1, err
	}
	defer os.RemoveAll(scratch)
	kit, err = gather(ctx, scratch)
	switch missing := (missing{}); {
	case errors.As(err, &missing):
		kit.Absent = missing.Error()
		return m.Run(), nil
	case err != nil:
		return 1, err
	}
	fmt.Printf("tools gathered in %.1f s\n", time.Since(begin).Seconds())
	packed, err := json.Marshal(kit)
	if err != nil {
		return 1, err
	}
	return cluster.Enter(toolsVariable + "=" + string(packed))
}

func inside(ctx context.Context, m *testing.M) (int, error) {
	if err := json.Unmarshal([]byte(os.Getenv(toolsVariable)), &kit); err != nil {
		return 1, err
	}
	var err error
	if kube, err = cluster.Start(ctx, kit.Cluster); err != nil {
		return 1, err
	}
	for _, step := range kube.Started {
		fmt.Printf("%6.1f s  %s\n", step.After.Seconds(), step.What)
	}
	// The scenes wait most of the time; as many as there are processors at once would take ten minutes.
	if err := flag.Set("test.parallel", "6"); err != nil {
		return 1, err
	}
	code := m.Run()
	if code != 0 {
		fmt.Println(kube.Logs(5))
	}
	return code, kube.Close()
}

// missing is what a machine lacks and this suite cannot make.
type missing struct{ error }

// gather makes the tools that are not there yet. What needs the network is done here.
func gather(ctx context.Context, scratch string) (toolset, error) {
	t := toolset{Scratch: scratch, Programs: scratch + "/programs", Helms: map[string]string{}}
	if err := cluster.Missing(); err != nil {
		return t, missing{err}
	}
	tree, err := filepath.Abs(root)
	if err != nil {
		return t, err
	}
	var agent, pause, collector, presets, helm3, helm4 string
	group, ctx := errgroup.WithContext(ctx)
	get := func(into *string, what func() (string, error)) {
		group.Go(func() (err error) {
			*into, err = what()
			if errors.Is(err, tools.ErrAbsent) || errors.Is(err, tools.ErrNoPackages) {
				return missing{err}
			}
			return err
		})
	}
	get(&t.Cluster.Packages, func() (string, error) { return tools.Packages(ctx) })
	get(&t.Cluster.Components, func() (string, error) { return tools.Components(ctx, "components") })
	get(&agent, func() (string, error) { return tools.AgentImage(ctx, tree, scratch) })
	get(&pause, func() (string, error) { return tools.PauseImage(ctx, tree, scratch) })
	get(&collector, func() (string, error) { return tools.CollectorImage(ctx, tree) })
	get(&presets, func() (string, error) {
		archive, err := tools.PresetsImage(ctx, tree)
		if errors.Is(err, tools.ErrAbsent) {
			return "", nil // one test needs it
		}
		return archive, err
	})
	get(&helm3, func() (string, error) { return tools.Helm(ctx, "v3.22.0") })
	get(&helm4, func() (string, error) { return tools.Helm(ctx, "v4.3.1") })
	get(&t.Programs, func() (string, error) { return tools.Programs(ctx, tree, scratch+"/programs") })
	err = group.Wait()
	t.Presets, t.PresetsVersion = presets, tools.PresetsVersion
	t.Cluster.Images, t.Helms["3"], t.Helms["4"] = []string{pause, agent, collector}, helm3, helm4
	if presets != "" {
		t.Cluster.Images = append(t.Cluster.Images, presets)
	}
	return t, err
}

// needCluster skips a test, with the reason, where there is no cluster.
func needCluster(t *testing.T) {
	t.Helper()
	if kit.Absent != "" {
		t.Skip("SKIP", kit.Absent)
	}
}
