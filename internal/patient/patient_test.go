package patient

import (
	"os"
	"runtime/debug"
	"testing"
)

func TestPatience(t *testing.T) {
	if os.Getenv("GOGC") != "" {
		t.Skip("GOGC says otherwise")
	}
	if got := debug.SetGCPercent(percent); got != percent {
		t.Errorf("the heap grows by %d%% before it is collected", got)
	}
}
