package demo

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
)

// The states of a step.
const (
	OK      = "ok"
	Failed  = "failed"
	Skipped = "skipped"
)

// StepResult is what became of one step.
type StepResult struct {
	Name    string   `json:"name"`
	Promise string   `json:"promise"`          // what the step shows
	Status  string   `json:"status"`           // ok, failed or skipped
	Detail  []string `json:"detail,omitempty"` // what was seen
	Error   string   `json:"error,omitempty"`
	Hint    string   `json:"hint,omitempty"`
	Millis  int64    `json:"milliseconds"`
}

// Result is what became of the demo.
type Result struct {
	OK     bool         `json:"ok"`
	Steps  []StepResult `json:"steps"`
	Millis int64        `json:"milliseconds"`
}

// Reporter shows a run. Begin and End come in pairs, never concurrently.
type Reporter interface {
	Begin(name, promise string)
	End(StepResult)
	Finish(Result) error
}

// NewTable shows a line a step. On a terminal the running step turns and its line is rewritten.
func NewTable(w io.Writer, terminal, colour bool) Reporter {
	return &table{w: w, terminal: terminal, colour: colour}
}

type table struct {
	w                io.Writer
	terminal, colour bool
	stop             chan struct{}
	spinning         sync.WaitGroup
}

func (t *table) printf(format string, args ...any) {
	_, _ = fmt.Fprintf(t.w, format, args...) // a closed terminal must not end the demo's clean-up
}

func (t *table) paint(code, text string) string {
	if !t.colour {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

func (t *table) Begin(name, promise string) {
	if !t.terminal {
		return
	}
	t.stop = make(chan struct{})
	t.spinning.Go(func() {
		ticker := time.NewTicker(80 * time.Millisecond)
		defer ticker.Stop()
		for i := 0; ; i++ {
			t.printf("\r  %s %-16s %s", t.paint("36", string([]rune("⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏")[i%10])), name, promise)
			select {
			case <-t.stop:
				t.printf("\r\x1b[2K")
				return
			case <-ticker.C:
			}
		}
	})
}

func (t *table) End(s StepResult) {
	if t.stop != nil {
		close(t.stop)
		t.spinning.Wait()
		t.stop = nil
	}
	mark := map[string]string{OK: t.paint("32", "✓"), Failed: t.paint("31", "✗"), Skipped: t.paint("33", "–")}[s.Status]
	t.printf("  %s %-16s %s %s\n", mark, s.Name, s.Promise, t.paint("2", fmt.Sprintf("(%d ms)", s.Millis)))
	for _, line := range s.Detail {
		t.printf("    %s\n", t.paint("2", line))
	}
	if s.Error != "" {
		t.printf("    error: %s\n", strings.ReplaceAll(s.Error, "\n", " "))
	}
	if s.Hint != "" {
		t.printf("    hint: %s\n", s.Hint)
	}
}

func (t *table) Finish(r Result) error {
	verdict := t.paint("32", "everything held")
	if !r.OK {
		verdict = t.paint("31", "NOT everything held")
	}
	_, err := fmt.Fprintf(t.w, "\n%s · %d steps in %.1f s\n", verdict, len(r.Steps), float64(r.Millis)/1000)
	return err
}

// NewJSON prints the whole Result as one JSON object at the end.
func NewJSON(w io.Writer) Reporter { return &jsonReport{w} }

type jsonReport struct{ w io.Writer }

func (*jsonReport) Begin(string, string) {}
func (*jsonReport) End(StepResult)       {}

func (j *jsonReport) Finish(r Result) error {
	e := json.NewEncoder(j.w)
	e.SetIndent("", "  ")
	return e.Encode(r)
}
