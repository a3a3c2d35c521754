package plugin_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"github.com/pinnace-dev/pinnace/internal/problem"
	"github.com/pinnace-dev/pinnace/plugin"
)

// programs are two that say their name.
func programs(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	for _, name := range plugin.Names {
		script := "#!/bin/sh\necho " + name + "\n"
		if err := os.WriteFile(filepath.Join(folder, name), []byte(script), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	return folder
}

type manifest struct {
	APIVersion  string `json:"apiVersion"`
	Name        string `json:"name"`
	Version     string `json:"version"`
	Usage       string `json:"usage"`
	Description string `json:"description"`
	Command     string `json:"command"`
	Downloaders []struct {
		Command   string   `json:"command"`
		Protocols []string `json:"protocols"`
	} `json:"downloaders"`
}

func TestLayOut(t *testing.T) {
	from, to := programs(t), filepath.Join(t.TempDir(), "plugins")
	for range 2 { // the second time over what is there
		version, err := plugin.LayOut(to, from)
		if err != nil || version != "0.0.0-devel" {
			t.Fatalf("version %q, %v", version, err)
		}
	}
	for _, name := range plugin.Names {
		text, err := os.ReadFile(filepath.Join(to, name, "plugin.yaml"))
		if err != nil {
			t.Fatal(err)
		}
		var m manifest
		if err := yaml.UnmarshalStrict(text, &m); err != nil {
			t.Fatal(err)
		}
		if m.APIVersion != "" || m.Name != name || m.Version != "0.0.0-devel" || m.Usage == "" || m.Description == "" {
			t.Errorf("%s: %+v", name, m)
		}
		if getter, command := len(m.Downloaders) > 0, m.Command != ""; getter == command {
			t.Errorf("%s: Helm 4 needs either a command or downloaders, not both and not none", name)
		}
		program := m.Command
		if len(m.Downloaders) > 0 {
			program = "$HELM_PLUGIN_DIR/" + m.Downloaders[0].Command
		}
		program = strings.Replace(program, "$HELM_PLUGIN_DIR", filepath.Join(to, name), 1)
		if out, err := exec.Command(program).Output(); err != nil || string(out) != name+"\n" {
			t.Errorf("running %s: %v: %s", program, err, out)
		}
	}
	files, _ := filepath.Glob(filepath.Join(to, "*", "*"))
	for i := range files {
		files[i], _ = filepath.Rel(to, files[i])
	}
	want := []string{"pinnace/bin", "pinnace/plugin.yaml", "pinnace-getter/bin", "pinnace-getter/plugin.yaml"}
	if diff := cmp.Diff(want, files); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}

func TestLayOutNeedsBothPrograms(t *testing.T) {
	from, none := programs(t), t.TempDir()
	if err := os.Remove(filepath.Join(from, "pinnace-getter")); err != nil {
		t.Fatal(err)
	}
	for _, programs := range []string{from, none} {
		_, err := plugin.LayOut(t.TempDir(), programs)
		if problem.KindOf(err) != problem.Usage || problem.HintOf(err) == "" {
			t.Errorf("programs in %s: %v", programs, err)
		}
	}
}

func TestVersion(t *testing.T) {
	for module, want := range map[string]string{
		"v1.2.3": "1.2.3", "v1.2.4-0.20260102030405-0123456789ab+dirty": "1.2.4-0.20260102030405-0123456789ab+dirty",
		"(devel)": "0.0.0-devel", "": "0.0.0-devel",
	} {
		if got := plugin.FromModule(module); got != want {
			t.Errorf("%q becomes %q, want %q", module, got, want)
		}
	}
}
