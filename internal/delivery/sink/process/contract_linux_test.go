package process

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/pinnace-dev/pinnace/internal/delivery/deliverytest"
)

func TestContract(t *testing.T) {
	deliverytest.RunSink(t, func(t *testing.T) deliverytest.SinkCase {
		command := filepath.Join(t.TempDir(), "workload")
		must(t, os.Symlink(os.Args[0], command))
		s := open(t, Config{Command: []string{command, "wait"}})
		return deliverytest.SinkCase{
			Sink:         s,
			RefusesEmpty: true,
			Read: func() map[string]string {
				held := map[string]string{}
				for variable, value := range read(t, s) {
					if name, ok := map[string]string{"A": "a", "B": "b"}[variable]; ok {
						held[name] = value
					}
				}
				return held
			},
			Break: func() func() {
				must(t, os.Rename(command, command+".away"))
				return func() { must(t, os.Rename(command+".away", command)) }
			},
		}
	})
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
