package main

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"
	"time"
)

func sample() report {
	const ms = time.Millisecond
	return report{
		Conditions: []string{"a machine"},
		Publish: []publishRow{
			{"localaws", "pinnace", 100, 65_000, 2 * ms, 3 * ms, usage{50 * ms, 40 * ms, 57_000_000}},
			{"localaws", "pinnace", 20_000, 13_000_000, 40 * ms, 60 * ms, usage{600 * ms, 700 * ms, 110_000_000}},
		},
		Parallel: []parallelRow{{
			"minio", "helm-s3", 5000, 30 * ms, 20, 20, 3, 2000 * ms, 3000 * ms, usage{1000 * ms, 250 * ms, 0},
		}},
		Reading: []readingRow{{"helm v4.3.1", "repo update", "http", "JSON", 5000, usage{480 * ms, 160 * ms, 67_000_000}}},
		Reindex: []reindexRow{{"localaws", "pinnace", 2000, usage{2 * time.Second, time.Second, 80_000_000}}},
		Notes:   []string{"helm-s3: it failed:\nand said so"},
	}
}

func TestTables(t *testing.T) {
	var b bytes.Buffer
	if err := sample().writeMarkdown(&b, "bench.svg"); err != nil {
		t.Fatal(err)
	}
	got := b.String()
	for _, want := range []string{
		"- a machine\n",
		"| localaws | pinnace | 20,000 | 13.0 MB | 0.040 s | 0.060 s | 0.600 s | 0.500 s | 6.0 | 0.700 s | 110.0 MB |\n",
		"(bench.svg)",
		"| minio | helm-s3 | 5,000 | 30ms | 20 | 20 | 3 | 17 | 2.000 s | 2.0 | 3.000 s | 12.0 |\n",
		"| helm v4.3.1 | repo update | http | JSON | 5,000 | 0.480 s | 0.160 s | 67.0 MB |\n",
		"| localaws | pinnace | 2,000 | 2.000 s | 1ms | 1.000 s | 80.0 MB |\n",
		"- helm-s3: it failed: and said so\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("the report lacks %q:\n%s", want, got)
		}
	}
	columns := 0
	for text := range strings.Lines(got) {
		if !strings.HasPrefix(text, "|") {
			columns = 0
			continue
		}
		if n := strings.Count(text, "|"); columns != 0 && n != columns {
			t.Errorf("%q has %d bars, the line above it %d", text, n, columns)
		} else {
			columns = n
		}
	}
	b.Reset()
	if err := (report{}).writeMarkdown(&b, ""); err != nil || strings.Contains(b.String(), "|") {
		t.Errorf("a report of nothing has a table, or fails: %v", err)
	}
}

// The picture is well-formed, holds every line and label, and keeps every point inside its axes.
func TestPicture(t *testing.T) {
	c := sample().publishChart()
	if len(c.Lines) != 2 || len(c.Lines[0].Points) != 2 || !c.Lines[1].Dashed ||
		c.Lines[0].Colour != c.Lines[1].Colour {
		t.Fatalf("lines: %+v", c.Lines)
	}
	c.Title = "a < b & c"
	var b bytes.Buffer
	if err := c.writeSVG(&b); err != nil {
		t.Fatal(err)
	}
	var texts []string
	points := 0
	for decoder := xml.NewDecoder(&b); ; {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		switch token := token.(type) {
		case xml.CharData:
			texts = append(texts, string(token))
		case xml.StartElement:
			if token.Name.Local == "circle" {
				points++
			}
		}
	}
	if points != 4 {
		t.Errorf("%d points, want 4", points)
	}
	all := strings.Join(texts, "\n")
	for _, want := range []string{"a < b & c", c.X, c.Y, "pinnace on localaws", "GET + PUT on localaws", "100,000", "0.01"} {
		if !strings.Contains(all, want) {
			t.Errorf("the picture lacks %q", want)
		}
	}
	if err := (chart{}).writeSVG(io.Discard); err == nil {
		t.Error("a picture of nothing was drawn")
	}
}

func TestAxis(t *testing.T) {
	for _, test := range []struct {
		values    []float64
		low, high int
	}{
		{[]float64{100, 20_000}, 2, 5},
		{[]float64{0.004, 0.9}, -3, 0},
		{[]float64{10}, 1, 2},
	} {
		a := newAxis(test.values, 0, 100)
		if a.low != test.low || a.high != test.high {
			t.Errorf("%v: from 10^%d to 10^%d, want 10^%d to 10^%d", test.values, a.low, a.high, test.low, test.high)
		}
		for _, v := range test.values {
			if at := a.at(v); at < 0 || at > 100 {
				t.Errorf("%v lies at %v of 0 to 100", v, at)
			}
		}
	}
}

func TestMedian(t *testing.T) {
	got := median([]usage{{Wall: 3, CPU: 30, RSS: 5}, {Wall: 1, CPU: 10, RSS: 9}, {Wall: 2, CPU: 20, RSS: 1}})
	if want := (usage{Wall: 2, CPU: 20, RSS: 9}); got != want {
		t.Errorf("median %+v, want %+v", got, want)
	}
	if got := median(nil); got != (usage{}) {
		t.Errorf("median of nothing: %+v", got)
	}
}
