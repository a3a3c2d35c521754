package loopback

import (
	"github.com/pinnace-dev/pinnace/internal/delivery"
	"github.com/pinnace-dev/pinnace/internal/problem"
)

// table is what can be asked for, with the bytes of every answer. It never changes.
type table struct {
	configurations map[route]*configuration
	secrets        map[string]*held // by every id by which a secret is asked for
}

// hidden keeps bytes behind a function, which no printer follows.
type hidden func() []byte

func hide(b []byte) hidden { return func() []byte { return b } }

func newTable(exposed []Exposed, snapshot delivery.Snapshot) (*table, error) {
	t := &table{configurations: map[route]*configuration{}}
	var secrets shelf
	for _, e := range exposed {
		item, ok := snapshot.Get(e.Item)
		if !ok && !e.Optional {
			return nil, problem.New(problem.Refused, "check the name of the item, or make it optional",
				"item %s, which the loopback sink exposes, is not in the snapshot", e.Item)
		}
		if r := e.route(); r != (route{}) {
			t.configurations[r] = newConfiguration(e.Item, item, ok)
		}
		if e.Secret == "" {
			continue
		}
		if err := secrets.put(e, item, ok); err != nil {
			return nil, err
		}
	}
	t.secrets = secrets.byID()
	return t, nil
}
