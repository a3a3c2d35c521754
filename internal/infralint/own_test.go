package infralint_test

import (
	"path/filepath"
	"slices"
	"testing"
)

// The modules, environments and examples of this project show no fault, each by itself, and accept none but that charts have no access log.
func TestOwnTerraform(t *testing.T) {
	folders, err := filepath.Glob("../../terraform/*/*")
	if err != nil {
		t.Fatal(err)
	}
	judged := 0
	for _, folder := range folders {
		if !slices.Contains([]string{"modules", "environments", "examples"}, filepath.Base(filepath.Dir(folder))) {
			continue
		}
		judged++
		report := lint(t, folder)
		if len(report.Findings) != 0 || len(report.Notes) != 0 {
			t.Errorf("%s:\n%snotes: %v", folder, list(report.Findings), report.Notes)
		}
		if report.Accepted > 1 {
			t.Errorf("%s accepts %d findings, want at most that a bucket has no access log", folder, report.Accepted)
		}
	}
	if judged < 8 {
		t.Errorf("only %d folders were judged", judged)
	}
}
