package chartrepo_test

import (
	"bytes"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pinnace-dev/pinnace/internal/chartrepo"
	"github.com/pinnace-dev/pinnace/internal/objstore/mem"
	"github.com/pinnace-dev/pinnace/internal/problem"
)

// Fifty megabytes of something else under the name of the index: each verb says so at once, in a short line that names
// the object, and changes nothing.
func TestGarbageForAnIndex(t *testing.T) {
	size := 50 << 20
	if testing.Short() {
		size = 2 << 20
	}
	noise := make([]byte, size)
	random := rand.New(rand.NewPCG(1, 2))
	for i := range noise {
		noise[i] = byte(' ' + random.IntN(95))
	}
	for name, body := range map[string][]byte{
		"noise":    noise,
		"zeros":    make([]byte, size),
		"a word":   bytes.Repeat([]byte("a"), size),
		"a list":   bytes.Repeat([]byte("- a\n"), size/4),
		"brackets": bytes.Repeat([]byte("["), size),
		"a page":   bytes.Repeat([]byte("<p>what: ever</p>\n"), size/18),
		"a map":    []byte("what: ever\n"),
		"a number": []byte("7"),
	} {
		t.Run(name, func(t *testing.T) {
			s := mem.New()
			r := repository(s)
			put(t, s, "index.yaml", body)
			put(t, s, "app-1.0.0.tgz", tgz(t, "app", "1.0.0", ""))
			_, verify := r.Verify(t.Context(), chartrepo.VerifyOptions{Deep: true})
			_, reindex := r.Reindex(t.Context(), chartrepo.ReindexOptions{})
			_, prune := r.PlanPrune(t.Context(), chartrepo.PruneOptions{Keep: 1})
			_, promote := chartrepo.Promote(t.Context(), r, repository(mem.New()), "app", "1.0.0", chartrepo.PromoteOptions{})
			for verb, err := range map[string]error{
				"verify": verify, "reindex": reindex, "prune": prune, "promote": promote, "yank": r.Yank(t.Context(), "a", "b", ""),
			} {
				wantProblem(t, err, problem.Failed, "s3://charts/uat/index.yaml", "earlier version")
				if err != nil && len(err.Error()) > 300 {
					t.Errorf("%s: %d bytes of message", verb, len(err.Error()))
				}
			}
			if !bytes.Equal(get(t, s, "index.yaml"), body) {
				t.Error("it was changed")
			}
		})
	}
}

// Entries that lead elsewhere, nowhere or out of the repository harm nobody.
func TestHostileEntries(t *testing.T) {
	s := mem.New()
	r := repository(s)
	publish(t, r, open(t, "app", "1.0.0", ""))
	body := string(get(t, s, "index.yaml"))
	for i, url := range []string{
		`"../../other/app.tgz"`, `"s3://other/app.tgz"`, `"http://192.0.2.1/app.tgz"`, `":"`, `"%zz"`, `""`, `"\u0000"`,
		`"` + strings.Repeat("a", 2000) + `"`,
	} {
		entry := `{"name":"app","version":"0.` + string(rune('1'+i)) + `.0","digest":"x","urls":[` + url + `]},`
		body = strings.Replace(body, `"app":[`, `"app":[`+entry, 1)
	}
	body = strings.Replace(body, `"app":[`, `"word":"x","app":[null,7,{"version":[]},{"name":"../x","version":"/../y"},`, 1)
	put(t, s, "index.yaml", []byte(body))
	report, err := r.Verify(t.Context(), chartrepo.VerifyOptions{Deep: true, RequireSigned: true})
	if err != nil {
		t.Error(err)
	}
	count := map[chartrepo.FindingKind]int{}
	for _, f := range report.Findings {
		if f.Key == "index.yaml" {
			count[f.Kind]++
		}
	}
	if diff := cmp.Diff(map[chartrepo.FindingKind]int{chartrepo.Unreadable: 4, chartrepo.Misnamed: 1}, count); diff != "" {
		t.Errorf("findings in the index:\n%s", diff)
	}
	if _, err := r.Reindex(t.Context(), chartrepo.ReindexOptions{}); err != nil {
		t.Error(err)
	}
	for _, version := range []string{"0.1.0", "0.3.0", "0.7.0"} {
		to := mem.New()
		_, err := chartrepo.Promote(t.Context(), r, repository(to), "app", version, chartrepo.PromoteOptions{})
		if problem.KindOf(err) != problem.Refused || len(keys(t, to)) != 0 {
			t.Errorf("promoting %s: %v", version, err)
		}
	}
	rules := chartrepo.PruneOptions{Keep: 1}
	plan, err := r.PlanPrune(t.Context(), rules)
	if err == nil {
		_, err = r.ApplyPrune(t.Context(), rules, plan.Token)
	}
	if err != nil {
		t.Error(err)
	}
	if _, ok := s.Get(t.Context(), "app-1.0.0.tgz"); ok != nil {
		t.Error("the one good version is gone")
	}
}
