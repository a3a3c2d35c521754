package collector_test

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"
)

var tableFile = flag.String("table", "", "write the table of the rotations to this file")

// report prints what came of the scenarios as a table.
func report(t *testing.T, outcomes map[string]*outcome) {
	t.Helper()
	if len(outcomes) == 0 {
		return
	}
	var b strings.Builder
	b.WriteString("| while the key rotates | sent | a second | acknowledged | lost | duplicated | refused after the overlap |" +
		" sent again by the application | containers restarted | new key in use after |\n")
	b.WriteString("|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n")
	for _, c := range scenarios {
		r := outcomes[c.name]
		if r == nil {
			continue
		}
		fmt.Fprintf(&b, "| %s | %d | %.0f | %d | %d | %d | %d | %d | %d | %.0f s |\n", c.what, r.Sent, float64(r.Sent)/r.took.Seconds(), r.Acknowledged, r.Lost,
			r.Duplicated, r.refused, r.Retries, r.restarts, r.followed.Seconds())
		t.Logf("%s: %.0f s, %+v", c.name, r.took.Seconds(), r.Report)
	}
	fmt.Printf("%s\n", strings.ReplaceAll("  "+strings.TrimSpace(b.String()), "\n", "\n  "))
	if *tableFile == "" {
		return
	}
	loads, _ := os.ReadFile("/proc/loadavg")
	conditions := fmt.Sprintf("%s, %s %s/%s, %d cores, load average at the end %.14s", time.Now().UTC().Format("2006-01-02 15:04 UTC"),
		runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), loads)
	text := fmt.Sprintf(page, conditions, perSecond, b.String())
	if err := os.WriteFile(*tableFile, []byte(text), 0o644); err != nil {
		t.Error(err)
	}
}

// page takes the conditions, the rate and the table.
const page = `# What a rotation loses

Made by ` + "`cd e2e/collector && go test -run TestRotationLosesNothing . -table ../../docs/bench/rotation.md`" + `, %s.

Each row is a pod of the chart: the tree's pinnace-agent and a real OpenTelemetry collector (0.165) with the configuration,
the commands and the variables that the chart renders, a disk and a network of its own, and nothing else from a cluster.
AWS is localaws in real time; a stand-in for Coralogix's ingress speaks OTLP over TLS, knows which keys live and counts
every record. All rows ran at the same time on the same cores. The application sends %d records a second, one a request, or
what the machine lets it, and sends again what the collector does not acknowledge. The new key is staged in Secrets Manager and rolled out by AppConfig,
linearly over a minute, polled each 15 s; the old one is revoked once the rollout is complete and the new one is in use.

%s
- *Lost*: acknowledged by the collector, never accepted by the ingress. *Duplicated*: accepted more than once. *Refused*: came
  with the old key after it was revoked.
- A killed collector promises at least once. Its queue is on disk and the chart puts no batch processor before it, so nothing that
  was acknowledged is lost; the batches that were on their way when it died are sent again, and counted as duplicated.
- With the key in the environment the collector is down while it starts again, and applications send again what it does not take.
- The counter-example shows what the order of things is worth: a refused key is final in OTLP, and no queue helps.
`
