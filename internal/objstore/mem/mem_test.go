package mem_test

import (
	"errors"
	"testing"

	"github.com/pinnace-dev/pinnace/internal/objstore"
	"github.com/pinnace-dev/pinnace/internal/objstore/mem"
	"github.com/pinnace-dev/pinnace/internal/objstore/storetest"
)

func TestStore(t *testing.T) {
	storetest.Run(t, func(*testing.T) objstore.Store { return mem.New() })
}

// The hooks decide whether an operation that fails has had its effect.
func TestHooks(t *testing.T) {
	fault := errors.New("connection reset")
	s := mem.New()
	var when string
	s.Before = func(op mem.Op, _ string) error { return failAt(op == mem.Create && when == "before", fault) }
	s.After = func(op mem.Op, _ string) error { return failAt(op == mem.Create && when == "after", fault) }

	for _, test := range []struct {
		when string
		want error // of the read that follows
	}{{"before", objstore.ErrNotFound}, {"after", nil}} {
		when = test.when
		if _, err := s.Create(t.Context(), "k", objstore.Content{}); !errors.Is(err, fault) {
			t.Errorf("create failing %s: %v", when, err)
		}
		if _, err := s.Get(t.Context(), "k"); !errors.Is(err, test.want) {
			t.Errorf("get after a create failing %s: %v, want %v", when, err, test.want)
		}
	}
}

func failAt(yes bool, err error) error {
	if yes {
		return err
	}
	return nil
}
