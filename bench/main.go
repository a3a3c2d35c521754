// Command bench measures what a chart repository costs: one publish into an index of any size beside the moving of its
// bytes, many publishers at once, what readers wait for, and an index made anew, on S3 servers that it starts and stops
// on loopback ports, beside any peers whose binaries are named. It writes a Markdown table and a picture.
//
//	go run ./bench --stores localaws,versitygw=PATH,minio=PATH --peer helm-s3=PATH --peer helm=PATH --out bench.md
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"
)

const module = "github.com/pinnace-dev/pinnace"

func main() {
	now := time.Now //nolint:forbidigo // a command is where the clock is
	var err error
	if len(os.Args) > 1 && os.Args[1] == launcher {
		err = launch(os.Args[2:], os.NewFile(reportTo, "report"), now)
	} else {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
		err = run(ctx, os.Args[1:], os.Stdout, os.Stderr, now)
		stop()
	}
	if errors.Is(err, flag.ErrHelp) {
		err = nil
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1) //nolint:forbidigo // a command is where it ends
	}
}

// binary is a program to measure, or to measure on.
type binary struct{ kind, path string }

type options struct {
	sizes         []int           // versions in the index before a publish
	publishers    []int           // at once
	parallelSizes []int           // versions in the index before they come
	delays        []time.Duration // how long the server's answers to them are held back
	archives      int             // to make an index from
	repeat        int             // how often to measure what is quick
	seed          uint64
	stores        []binary
	peers         []binary
	pinnace       string // empty: built from this module
	out           string // empty: the table goes to standard output, and no picture is made
	timeout       time.Duration
}

func parse(args []string, stderr io.Writer) (options, error) {
	o := options{stores: []binary{{kind: "localaws"}}}
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(stderr)
	sizes := flags.String("sizes", "100,5000,20000,100000", "versions in the index, separated by commas")
	publishers := flags.String("publishers", "1,20,200", "publishers at once")
	parallelSizes := flags.String("parallel-sizes", "100,5000", "versions in the index when they come")
	delays := flags.String("delays", "0,30ms", "how long to hold back each answer to them, as a distant server does")
	flags.IntVar(&o.archives, "archives", 2000, "archives to make an index from; 0 for none")
	flags.IntVar(&o.repeat, "repeat", 5, "how often to measure what takes less than a minute")
	flags.Uint64Var(&o.seed, "seed", 1, "of the corpus")
	flags.StringVar(&o.pinnace, "pinnace", "", "the binary, with pinnace-getter beside it (default: as by make build)")
	flags.StringVar(&o.out, "out", "", "file to write the table to; the picture goes beside it, as .svg")
	flags.DurationVar(&o.timeout, "timeout", time.Hour, "end with an error after this time")
	flags.Func("stores", "S3 servers: localaws, versitygw=PATH, minio=PATH, separated by commas", func(s string) error {
		o.stores = nil
		for one := range strings.SplitSeq(s, ",") {
			kind, path, _ := strings.Cut(one, "=")
			o.stores = append(o.stores, binary{kind, path})
		}
		return nil
	})
	flags.Func("peer", "what to compare with: helm-s3=PATH or helm=PATH; may be repeated", func(s string) error {
		kind, path, ok := strings.Cut(s, "=")
		if !ok || kind != peerHelm && kind != peerHelmS3 {
			return fmt.Errorf("%q is neither %s=PATH nor %s=PATH", s, peerHelmS3, peerHelm)
		}
		o.peers = append(o.peers, binary{kind, path})
		return nil
	})
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if flags.NArg() > 0 {
		return o, fmt.Errorf("%q is no flag", flags.Arg(0))
	}
	var errs [4]error
	o.sizes, errs[0] = numbers(*sizes)
	o.publishers, errs[1] = numbers(*publishers)
	o.parallelSizes, errs[2] = numbers(*parallelSizes)
	o.delays, errs[3] = durations(*delays)
	if o.repeat < 1 {
		return o, errors.New("--repeat is at least 1")
	}
	return o, errors.Join(errs[:]...)
}

// numbers reads positive numbers; an empty text is none of them.
func numbers(text string) ([]int, error) {
	var all []int
	for one := range strings.FieldsFuncSeq(text, func(r rune) bool { return r == ',' }) {
		n, err := strconv.Atoi(one)
		if err != nil || n < 1 || n > 1_000_000 {
			return nil, fmt.Errorf("%q is no number from 1 to a million", one)
		}
		all = append(all, n)
	}
	return all, nil
}

// durations reads times that are not negative; an empty text is none of them.
func durations(text string) ([]time.Duration, error) {
	var all []time.Duration
	for one := range strings.FieldsFuncSeq(text, func(r rune) bool { return r == ',' }) {
		d, err := time.ParseDuration(one)
		if err != nil || d < 0 || d > time.Second {
			return nil, fmt.Errorf("%q is no time up to a second", one)
		}
		all = append(all, d)
	}
	return all, nil
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer, now func() time.Time) (err error) {
	o, err := parse(args, stderr)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, o.timeout)
	defer cancel()
	dir, err := os.MkdirTemp("", "pinnace-bench-")
	if err != nil {
		return fmt.Errorf("making a temporary folder: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	b := &bench{options: o, dir: dir, now: now, progress: stderr}
	if b.pinnace == "" {
		if err := b.build(ctx); err != nil {
			return err
		}
	}
	before := load()
	if err := b.measure(ctx); err != nil {
		return err
	}
	b.Conditions = b.conditions(before)
	return b.write(stdout)
}

// build makes the programs as "make build" does: what is measured is what people install.
func (b *bench) build(ctx context.Context) error {
	b.say("building pinnace")
	b.pinnace = filepath.Join(b.dir, "bin", "pinnace")
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags=-s -w", "-o", filepath.Dir(b.pinnace)+"/",
		module+"/cmd/pinnace", module+"/cmd/pinnace-getter")
	build.Env = append(build.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("building pinnace: %w: %s", err, lastBytes(out))
	}
	return nil
}

func (b *bench) conditions(before string) []string {
	return []string{
		b.now().UTC().Format("2006-01-02 15:04 UTC"),
		fmt.Sprintf("%s %s/%s, %d cores", runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU()),
		fmt.Sprintf("load average %s before, %s after; the servers run on the same cores", before, load()),
		fmt.Sprintf("corpus: at most %d charts, seed %d; what is repeated was measured %d times, the median is shown, and "+
			"the most memory", maxCharts, b.seed, b.repeat),
	}
}

// load is the system's load average over 1, 5 and 15 minutes, where there is one to read.
func load() string {
	text, err := os.ReadFile("/proc/loadavg")
	if fields := strings.Fields(string(text)); err == nil && len(fields) >= 3 {
		return strings.Join(fields[:3], " ")
	}
	return "unknown"
}

func (b *bench) write(stdout io.Writer) (err error) {
	if b.out == "" {
		return b.writeMarkdown(stdout, "")
	}
	picture := strings.TrimSuffix(b.out, filepath.Ext(b.out)) + ".svg"
	if len(b.Publish) > 0 {
		if err := writeFile(picture, b.publishChart().writeSVG); err != nil {
			return err
		}
	}
	return writeFile(b.out, func(w io.Writer) error { return b.writeMarkdown(w, filepath.Base(picture)) })
}

func writeFile(name string, write func(io.Writer) error) (err error) {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return write(f)
}
