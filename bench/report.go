package main

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// report is what a run found out.
type report struct {
	Conditions []string // of the machine and the run, a line each
	Publish    []publishRow
	Parallel   []parallelRow
	Reading    []readingRow
	Reindex    []reindexRow
	Notes      []string // what did not work, a line each
}

// publishRow is one more version published into an index.
type publishRow struct {
	Store, Tool string
	Versions    int // in the index before
	Bytes       int // of the index before
	Get, Put    time.Duration
	usage
}

// beyond is the wall time that moving the index's bytes does not explain.
func (r publishRow) beyond() time.Duration { return r.Wall - r.Get - r.Put }

// parallelRow is a number of publishers at once, each a process with a chart of its own.
type parallelRow struct {
	Store, Tool string
	Versions    int           // in the index before
	Delay       time.Duration // of each answer
	Publishers  int
	Succeeded   int // processes that ended with 0
	Indexed     int // charts of theirs in the index afterwards
	Wall        time.Duration
	CPU         time.Duration // of all publishers together
	One         usage         // of a single publisher there, the median
}

// readingRow is what a reader of the repository waits for.
type readingRow struct {
	Tool, Operation, From, Format string
	Versions                      int
	usage
}

// reindexRow is an index made from archives alone.
type reindexRow struct {
	Store, Tool string
	Archives    int
	usage
}

// writeMarkdown prints the report. plot is the file name of the picture.
func (r report) writeMarkdown(w io.Writer, plot string) error {
	var b strings.Builder
	b.WriteString("# Benchmark\n\n")
	for _, line := range r.Conditions {
		fmt.Fprintf(&b, "- %s\n", line)
	}
	if len(r.Publish) > 0 {
		r.publishTable(&b)
		fmt.Fprintf(&b, "\n![Wall time of one publish by the size of the index](%s)\n", plot)
	}
	if len(r.Parallel) > 0 {
		r.parallelTable(&b)
	}
	if len(r.Reading) > 0 {
		r.readingTable(&b)
	}
	if len(r.Reindex) > 0 {
		r.reindexTable(&b)
	}
	if len(r.Notes) > 0 {
		b.WriteString("\n## What did not work\n\n")
		for _, note := range r.Notes {
			fmt.Fprintf(&b, "- %s\n", strings.Join(strings.Fields(note), " "))
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

const (
	publishHead = `
## One publish

A real process, from its start to its end, adds one version to an index. GET and PUT move the same bytes by one plain
signed request each, in the same run; *beyond* is the wall time without those two.

`
	parallelHead = `
## Publishers at once

Each is a process with a chart of its own, all started together; the time is that until the last has ended. *CPU of
all* is what the publishers need besides the server: divided by the machine's cores it is the least time there can be.
*Delay* is how long each answer of the server was held back: on loopback one publisher waits for nothing but the
processor, so that two hundred on two cores take a hundred times as long at the very least; from Amazon's S3 it waits
for answers most of the time.

`
)

func (r report) publishTable(b *strings.Builder) {
	b.WriteString(publishHead)
	table(b, []string{
		"store", "tool", "versions", "index", "GET", "PUT", "publish", "beyond", "× GET+PUT", "CPU", "memory",
	}, 2)
	for _, p := range r.Publish {
		row(b, p.Store, p.Tool, count(p.Versions), megabytes(int64(p.Bytes)), seconds(p.Get), seconds(p.Put),
			seconds(p.Wall), seconds(p.beyond()), fmt.Sprintf("%.1f", ratio(p.Wall, p.Get+p.Put)), seconds(p.CPU),
			megabytes(p.RSS))
	}
}

func (r report) parallelTable(b *strings.Builder) {
	b.WriteString(parallelHead)
	table(b, []string{
		"store", "tool", "versions", "delay", "publishers", "succeeded", "in the index", "lost", "time", "× one publisher",
		"CPU of all", "× one publisher",
	}, 2)
	for _, p := range r.Parallel {
		row(b, p.Store, p.Tool, count(p.Versions), p.Delay.String(), count(p.Publishers), count(p.Succeeded),
			count(p.Indexed), count(p.Succeeded-p.Indexed), seconds(p.Wall), fmt.Sprintf("%.1f", ratio(p.Wall, p.One.Wall)),
			seconds(p.CPU), fmt.Sprintf("%.1f", ratio(p.CPU, p.One.CPU)))
	}
}

func (r report) readingTable(b *strings.Builder) {
	b.WriteString("\n## Reading\n\n")
	table(b, []string{"tool", "operation", "from", "index", "versions", "time", "CPU", "memory"}, 4)
	for _, p := range r.Reading {
		row(b, p.Tool, p.Operation, p.From, p.Format, count(p.Versions), seconds(p.Wall), seconds(p.CPU), megabytes(p.RSS))
	}
}

func (r report) reindexTable(b *strings.Builder) {
	b.WriteString("\n## An index from archives alone\n\n")
	table(b, []string{"store", "tool", "archives", "time", "an archive", "CPU", "memory"}, 2)
	for _, p := range r.Reindex {
		each := p.Wall / time.Duration(max(1, p.Archives))
		row(b, p.Store, p.Tool, count(p.Archives), seconds(p.Wall), each.Round(10*time.Microsecond).String(),
			seconds(p.CPU), megabytes(p.RSS))
	}
}

// table begins a table whose first columns are words and whose others are numbers.
func table(b *strings.Builder, heads []string, words int) {
	row(b, heads...)
	for i := range heads {
		if i < words {
			b.WriteString("|---")
		} else {
			b.WriteString("|--:")
		}
	}
	b.WriteString("|\n")
}

func row(b *strings.Builder, cells ...string) {
	b.WriteString("| " + strings.Join(cells, " | ") + " |\n")
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.3f s", d.Seconds()) }

func megabytes(n int64) string { return fmt.Sprintf("%.1f MB", float64(n)/1e6) }

func ratio(a, b time.Duration) float64 { return float64(a) / float64(max(1, b)) }

// count prints a number with thousands apart.
func count(n int) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
