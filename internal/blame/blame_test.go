package blame_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/pinnace-dev/pinnace/internal/blame"
	"github.com/pinnace-dev/pinnace/internal/problem"
)

func TestOf(t *testing.T) {
	plain := errors.New("plain")
	fix := []blame.Fix{{In: "the policy", Statement: blame.Allow("arn", "a:B")}}
	inner := blame.With(plain, fix, blame.Permission, blame.Name)
	tests := map[string]struct {
		err    error
		causes []blame.Cause
		fixes  int
	}{
		"nothing":           {nil, nil, 0},
		"nobody":            {plain, nil, 0},
		"no cause":          {blame.On(inner), []blame.Cause{blame.Permission, blame.Name}, 1},
		"wrapped":           {fmt.Errorf("outer: %w", inner), []blame.Cause{blame.Permission, blame.Name}, 1},
		"within a problem":  {problem.New(problem.Denied, "hint", "x: %w", inner), []blame.Cause{blame.Permission, blame.Name}, 1},
		"the outermost":     {blame.On(inner, blame.Sink), []blame.Cause{blame.Sink}, 0},
		"one of several":    {errors.Join(plain, inner), []blame.Cause{blame.Permission, blame.Name}, 1},
		"nothing is blamed": {blame.On(nil, blame.Sink), nil, 0},
	}
	for name, test := range tests {
		causes, fixes := blame.Of(test.err)
		if !slices.Equal(causes, test.causes) || len(fixes) != test.fixes {
			t.Errorf("%s: %v, %v", name, causes, fixes)
		}
	}
	if blame.On(nil, blame.Sink) != nil || inner.Error() != "plain" || !errors.Is(inner, plain) {
		t.Error("the error is another")
	}
}

func TestStatement(t *testing.T) {
	s := blame.Allow("", "sts:AssumeRole")
	s.Principal = map[string]string{"AWS": "arn"}
	text, err := json.Marshal(s)
	if err != nil || string(text) != `{"Effect":"Allow","Principal":{"AWS":"arn"},"Action":["sts:AssumeRole"]}` {
		t.Errorf("%s, %v", text, err)
	}
}
