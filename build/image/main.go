// Command image packs one static Go program as a container image, without Docker and without a base image.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/google/go-containerregistry/pkg/name"

	"github.com/pinnace-dev/pinnace/internal/problem"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Getenv, os.Stdout)
	stop()
	if err == nil || errors.Is(err, flag.ErrHelp) {
		return
	}
	fmt.Fprintln(os.Stderr, "image: error:", err)
	if hint := problem.HintOf(err); hint != "" {
		fmt.Fprintln(os.Stderr, "hint:", hint)
	}
	os.Exit(int(problem.KindOf(err)))
}

// options are a command line.
type options struct {
	dir       string   // from which pkg is built; empty: the working folder
	pkg       string   // of Go, to build
	binaries  []string // built already, instead of pkg
	platforms []platform
	created   time.Time // from SOURCE_DATE_EPOCH; zero: when the commit was made
	meta      meta
	output    output
}

// meta is what the labels say beside what the program itself knows.
type meta struct{ name, description, source, licenses string }

const hint = "such as: image -archive agent.tar ./cmd/pinnace-agent"

// run packs what args say and prints the digest of the index.
func run(ctx context.Context, args []string, getenv func(string) string, stdout io.Writer) error {
	o, err := parse(args, getenv, stdout)
	if err != nil {
		return err
	}
	if len(o.binaries) == 0 {
		scratch, err := os.MkdirTemp("", "image-")
		if err != nil {
			return err
		}
		defer func() { _ = os.RemoveAll(scratch) }()
		if o.binaries, err = compile(ctx, o.dir, o.pkg, o.platforms, scratch); err != nil {
			return err
		}
	}
	programs := make([]program, 0, len(o.binaries))
	for _, path := range o.binaries {
		p, err := inspect(path)
		if err != nil {
			return err
		}
		programs = append(programs, p)
	}
	index, err := pack(programs, o.meta, o.created)
	if err != nil {
		return fmt.Errorf("packing %s: %w", o.meta.name, err)
	}
	if err := o.output.write(ctx, index); err != nil {
		return err
	}
	digest, err := index.Digest()
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(stdout, digest)
	return err
}

func parse(args []string, getenv func(string) string, usage io.Writer) (options, error) {
	o := options{}
	platforms := "linux/amd64,linux/arm64"
	set := flag.NewFlagSet("image", flag.ContinueOnError)
	set.SetOutput(usage)
	set.Func("binary", "a static program that is there already, instead of a PACKAGE; once for each platform",
		func(path string) error { o.binaries = append(o.binaries, path); return nil })
	set.StringVar(&o.dir, "C", "", "`folder` of the module of PACKAGE, when it is not this one")
	set.StringVar(&platforms, "platforms", platforms, "what to build a PACKAGE for")
	set.StringVar(&o.meta.name, "name", "", "of the program in the image; the last part of PACKAGE when empty")
	set.StringVar(&o.meta.description, "description", "", "label")
	set.StringVar(&o.meta.source, "source", "https://github.com/pinnace-dev/pinnace", "label: where the source is")
	set.StringVar(&o.meta.licenses, "licenses", "Apache-2.0", "label: SPDX expression")
	set.StringVar(&o.output.layout, "layout", "", "write an OCI image layout to this `folder`, absent or empty")
	set.StringVar(&o.output.archive, "archive", "", "write the layout as a tar `file`, for ctr images import")
	set.StringVar(&o.output.ref, "ref", "", "`name` of the image in layout and archive, such as example.com/agent:1.0.0")
	set.StringVar(&o.output.push, "push", "", "push to this `name`, with the credentials of docker login")
	if err := set.Parse(args); err != nil {
		return o, problem.New(problem.Usage, "see: image -h", "%w", err)
	}
	if set.NArg() > 1 || (set.NArg() == 1) == (len(o.binaries) > 0) {
		return o, problem.New(problem.Usage, hint, "name either one PACKAGE or its binaries")
	}
	o.pkg = set.Arg(0)
	if o.meta.name == "" && o.pkg != "" {
		o.meta.name = filepath.Base(o.pkg)
	}
	for word := range strings.SplitSeq(platforms, ",") {
		system, arch, ok := strings.Cut(word, "/")
		if !ok || system != "linux" || arch == "" {
			return o, problem.New(problem.Usage, "write -platforms linux/amd64,linux/arm64", "no such platform: %q", word)
		}
		o.platforms = append(o.platforms, platform(arch))
	}
	if epoch := getenv("SOURCE_DATE_EPOCH"); epoch != "" {
		seconds, err := strconv.ParseInt(epoch, 10, 64)
		if err != nil {
			return o, problem.New(problem.Usage, "it is in seconds since 1970", "SOURCE_DATE_EPOCH: %w", err)
		}
		o.created = time.Unix(seconds, 0).UTC()
	}
	return o, o.check()
}

func (o options) check() error {
	if o.output.layout == "" && o.output.archive == "" && o.output.push == "" {
		return problem.New(problem.Usage, hint, "there is nowhere to write to: no -layout, -archive or -push")
	}
	for _, ref := range []string{o.output.ref, o.output.push} {
		if _, err := name.ParseReference(ref); ref != "" && err != nil {
			return problem.New(problem.Usage, "write it as example.com/agent:1.0.0", "-ref or -push: %w", err)
		}
	}
	if n := o.meta.name; n == "" || n != filepath.Base(n) || strings.HasPrefix(n, ".") {
		return problem.New(problem.Usage, "give -name", "%q cannot be the name of the program", n)
	}
	return nil
}
