package charts_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pinnace-dev/pinnace/internal/chartdoc"
)

// TestMain writes what is made from values.yaml before any test packs the chart.
func TestMain(m *testing.M) {
	flag.Parse()
	if *update {
		if err := writeDocuments(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}

// documents are the files that repeat values.yaml, as it wants them.
func documents() (map[string][]byte, error) {
	text, err := os.ReadFile(filepath.Join(chartDir, "values.yaml"))
	if err != nil {
		return nil, err
	}
	values, err := chartdoc.Parse(text)
	if err != nil {
		return nil, err
	}
	definitions, err := os.ReadFile("opentelemetry.definitions.json")
	if err != nil {
		return nil, err
	}
	schema, err := values.Schema(chartDir, definitions)
	if err != nil {
		return nil, err
	}
	readme, err := os.ReadFile(filepath.Join(chartDir, "README.md"))
	if err != nil {
		return nil, err
	}
	readme, err = values.Readme(readme)
	return map[string][]byte{"values.schema.json": schema, "README.md": readme}, err
}

func writeDocuments() error {
	made, err := documents()
	if err != nil {
		return err
	}
	for name, text := range made {
		if err := os.WriteFile(filepath.Join(chartDir, name), text, 0o644); err != nil {
			return err
		}
	}
	return nil
}

func TestDocumentsAreOfTheValues(t *testing.T) {
	made, err := documents()
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range made {
		got, err := os.ReadFile(filepath.Join(chartDir, name))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), string(got)); diff != "" {
			t.Errorf("%s is stale (-want +got); make golden writes it:\n%s", name, diff)
		}
	}
}
