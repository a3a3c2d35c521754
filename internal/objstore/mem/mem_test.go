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

// What is done to a clone is not done to the store, and versions agree until then.
func TestClone(t *testing.T) {
	s := mem.New()
	v, err := s.Create(t.Context(), "k", objstore.Content{Body: []byte("one")})
	if err != nil {
		t.Fatal(err)
	}
	c := s.Clone()
	if _, err := c.Replace(t.Context(), "k", v, objstore.Content{Body: []byte("two")}); err != nil {
		t.Error(err)
	}
	if o, err := s.Get(t.Context(), "k"); err != nil || string(o.Body) != "one" || o.Version != v {
		t.Errorf("the store has %q, %v", o.Body, err)
	}
	if o, err := c.Get(t.Context(), "k"); err != nil || string(o.Body) != "two" || o.Version == v {
		t.Errorf("the clone has %q, %v", o.Body, err)
	}
}

func failAt(yes bool, err error) error {
	if yes {
		return err
	}
	return nil
}
