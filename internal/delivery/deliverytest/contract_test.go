package deliverytest_test

import (
	"context"
	"errors"
	"maps"
	"testing"

	"github.com/pinnace-dev/pinnace/internal/delivery"
	"github.com/pinnace-dev/pinnace/internal/delivery/deliverytest"
)

// puppet is a scripted source whose next step follows from what its service holds. It shows that the contract can be
// kept with the scripts that tests of the engine write.
type puppet struct {
	t      *testing.T
	values map[string]string
	down   bool
	gone   string            // the item that fails
	given  map[string]string // nil before the first
}

func (p *puppet) step() deliverytest.Step {
	if p.down {
		return deliverytest.Step{Err: errors.New("down")}
	}
	had, whole := maps.Clone(p.values), maps.Clone(p.values)
	answer := delivery.Answer{}
	if p.gone != "" {
		answer.Failed = map[string]error{p.gone: errors.New("gone")}
		delete(had, p.gone)
		delete(whole, p.gone)
		if old, ok := p.given[p.gone]; ok {
			whole[p.gone] = old
		}
	}
	if answer.Unchanged = p.given != nil && maps.Equal(whole, p.given); !answer.Unchanged {
		answer.Snapshot = deliverytest.Snapshot(p.t, "v", had)
	}
	p.given = whole
	return deliverytest.Step{Answer: answer}
}

func (p *puppet) Fetch(ctx context.Context) (delivery.Answer, error) {
	if ctx.Err() != nil {
		return deliverytest.NewSource(deliverytest.Step{}).Fetch(ctx)
	}
	return deliverytest.NewSource(p.step()).Fetch(ctx)
}

func TestScriptedSourceKeepsTheContract(t *testing.T) {
	deliverytest.RunSource(t, func(t *testing.T) deliverytest.SourceCase {
		p := &puppet{t: t}
		return deliverytest.SourceCase{
			Source: p, Set: func(values map[string]string) { p.values = values },
			Break: func() { p.down = true }, BreakItem: func(name string) { p.gone = name },
			Mend: func() { p.down, p.gone = false, "" }, Pass: func() {},
			About: func(string) delivery.About { return delivery.About{} },
		}
	})
}

func TestRecordingSink(t *testing.T) {
	s := deliverytest.NewSink("memory")
	if err := s.Apply(t.Context(), deliverytest.Snapshot(t, "v", map[string]string{"a": "1"})); err != nil || s.Read()["a"] != "1" {
		t.Fatalf("%v, %v", err, s.Read())
	}
	s.Break(errors.New("full"))
	if err := s.Apply(t.Context(), deliverytest.Snapshot(t, "v", map[string]string{"a": "2"})); err == nil || s.Read()["a"] != "1" {
		t.Errorf("%v, %v: what was taken is gone", err, s.Read())
	}
}
