package problem_test

import (
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/pinnace-dev/pinnace/internal/problem"
)

func TestKindAndHintSurviveWrapping(t *testing.T) {
	inner := problem.New(problem.Conflict, "publish a new version", "chart otel 1.0.0 exists: %w", io.EOF)
	outer := fmt.Errorf("publishing: %w", inner)
	if got := problem.KindOf(outer); got != problem.Conflict {
		t.Errorf("kind %d, want %d", got, problem.Conflict)
	}
	if got := problem.HintOf(outer); got != "publish a new version" {
		t.Errorf("hint %q", got)
	}
	if !errors.Is(outer, io.EOF) {
		t.Error("the cause is lost")
	}
}

func TestOutermostWins(t *testing.T) {
	inner := problem.New(problem.Denied, "ask for s3:GetObject", "reading")
	outer := problem.New(problem.Failed, "", "publishing: %w", inner)
	if got := problem.KindOf(outer); got != problem.Failed {
		t.Errorf("kind %d, want that of the outer error", got)
	}
	if got := problem.HintOf(outer); got != "ask for s3:GetObject" {
		t.Errorf("hint %q, want the nearest that says something", got)
	}
}

func TestUnclassified(t *testing.T) {
	if got := problem.KindOf(io.EOF); got != problem.Failed {
		t.Errorf("kind %d", got)
	}
	if got := problem.HintOf(io.EOF); got != "" {
		t.Errorf("hint %q", got)
	}
}
