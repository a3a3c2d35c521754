package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pinnace-dev/pinnace/internal/chartrepo"
	"github.com/pinnace-dev/pinnace/internal/durable"
	"github.com/pinnace-dev/pinnace/internal/leakscan"
	"github.com/pinnace-dev/pinnace/internal/problem"
	"github.com/pinnace-dev/pinnace/internal/secret"
)

type mirrorOptions struct {
	to, region, lock, keyring    string
	username, passwordFile       string
	update, noDependencies, plan bool
	baseline, reason             string
	writeBaseline                bool
}

func (a *app) mirrorCommand() *cobra.Command {
	var o mirrorOptions
	cmd := &cobra.Command{
		Use:   "mirror REPO_URL NAME[@RANGE]... --to REPO",
		Short: "Bring charts of another Helm repository into yours, with those that they depend on",
		Long: "Fetch charts from a Helm repository over https://, s3:// or file:// and publish the same bytes in yours,\n" +
			"together with the charts that they depend on and do not carry. RANGE is a version or a constraint such as\n" +
			"^1.2; without one it is the newest version that is no prerelease. Everything is fetched, checked and\n" +
			"searched for secrets, as by publish, before the first chart is published.\n\n" +
			"With --lock the digest of each version is remembered in a file: a version whose bytes change at its source\n" +
			"is refused from then on, and the same command brings the same versions until --update is given.\n\n" +
			"Secrets that may stay are accepted in a baseline: the file " + leakscan.BaselineName + " beside the lock\n" +
			"file or, without one, in this folder. --write-baseline adds what is found to it, and publishes nothing.\n\n" +
			"The password goes to the host of REPO_URL alone. Redirects never lead to another scheme. Exit status 2: no\n" +
			"such chart or version; 3: yours has that version with other bytes; 4: the bytes are not those of the index\n" +
			"or the lock, the provenance does not verify, or there are secrets that no baseline accepts; 5: the source\n" +
			"refuses the credentials.",
		Example: "  pinnace mirror https://charts.example.com web@^1.2 --to prod --lock mirror.lock\n" +
			"  pinnace mirror s3://acme-charts/stable web db@0.3.1 --to file:///srv/charts",
		Args: cobra.MinimumNArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.mirror(cmd.Context(), args[0], args[1:], o)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&o.to, "to", "", "the repository to publish in: a URL or a name of pinnace.yaml")
	flags.StringVar(&o.region, "region", "", "the region of the buckets (default: that of the AWS configuration)")
	flags.StringVar(&o.lock, "lock", "", "file that holds the digest of every version that was mirrored")
	flags.BoolVar(&o.update, "update", false, "take newer versions than the lock file has")
	flags.BoolVar(&o.noDependencies, "no-dependencies", false, "leave out the charts that these depend on")
	flags.StringVar(&o.username, "username", "", "user name for the host of REPO_URL")
	flags.StringVar(&o.passwordFile, "password-file", "", "file that holds the password")
	flags.StringVar(&o.keyring, "keyring", "", "verify provenance with these public keys (a file by gpg --export)")
	flags.BoolVar(&o.plan, "dry-run", false, "fetch and check, and publish nothing")
	flags.StringVar(&o.baseline, "baseline", "",
		"accepted secrets (default: "+leakscan.BaselineName+" beside the lock file)")
	flags.BoolVar(&o.writeBaseline, "write-baseline", false, "accept what is found from now on; needs --reason")
	flags.StringVar(&o.reason, "reason", "", "why these findings may stay")
	return cmd
}

func (a *app) mirror(ctx context.Context, from string, names []string, o mirrorOptions) error {
	if o.to == "" {
		return problem.New(problem.Usage, "add --to s3://BUCKET/PREFIX, or --to file:///FOLDER for a local one",
			"mirroring: no repository to publish in")
	}
	if err := checkReason(o.writeBaseline, o.reason); err != nil {
		return err
	}
	if o.writeBaseline && o.plan {
		return problem.New(problem.Usage, "leave out --dry-run", "--write-baseline writes a file, and publishes nothing")
	}
	wants, options, err := mirrorWishes(names, o)
	if err != nil {
		return err
	}
	web, err := webSources(o)
	if err != nil {
		return err
	}
	source, err := a.source(ctx, from, o.region, web)
	if err != nil {
		return err
	}
	if !o.noDependencies {
		options.Open = func(ref string) (chartrepo.Source, error) { return web(ref, hostOf(ref) == hostOf(source.URL())) }
	}
	to, err := a.openRepository(ctx, o.to, o.region)
	if err != nil {
		return err
	}
	scan := mirrorScan{app: a, mirrorOptions: o}
	options.Inspect = scan.inspect
	done, err := chartrepo.Mirror(ctx, source, to, wants, options)
	if err != nil {
		return err
	}
	if o.writeBaseline {
		return scan.accept()
	}
	if o.lock != "" && !o.plan {
		if err := writeLock(o.lock, done.Lock); err != nil {
			return err
		}
	}
	return a.printMirrored(done, scan, o)
}

// mirrorWishes reads what is wanted, and the files that say how.
func mirrorWishes(names []string, o mirrorOptions) (wants []chartrepo.Want, opts chartrepo.MirrorOptions, err error) {
	for _, name := range names {
		want, err := chartrepo.ParseWant(name)
		if err != nil {
			return nil, opts, err
		}
		wants = append(wants, want)
	}
	opts = chartrepo.MirrorOptions{Update: o.update, DryRun: o.plan || o.writeBaseline}
	if o.lock != "" {
		if opts.Lock, err = readLock(o.lock); err != nil {
			return nil, opts, err
		}
	}
	opts.Keyring, err = openKeyring(o.keyring)
	return wants, opts, err
}

// webSources opens repositories on the web, with the credentials of the command line or without.
func webSources(o mirrorOptions) (func(ref string, trusted bool) (chartrepo.Source, error), error) {
	var with chartrepo.HTTPOptions
	if (o.username == "") != (o.passwordFile == "") {
		return nil, problem.New(problem.Usage, "give both", "--username and --password-file go together")
	}
	if o.username != "" {
		password, err := os.ReadFile(o.passwordFile)
		if err != nil {
			return nil, problem.New(problem.Usage, "name a file that holds the password alone", "reading password: %w", err)
		}
		with.Username, with.Password = o.username, secret.New(bytes.TrimRight(password, "\r\n"))
	}
	return func(ref string, trusted bool) (chartrepo.Source, error) {
		if trusted {
			return chartrepo.HTTPSource(ref, with)
		}
		return chartrepo.HTTPSource(ref, chartrepo.HTTPOptions{})
	}, nil
}

// source opens what a reference means: a repository on the web, or one that this program could write too.
func (a *app) source(
	ctx context.Context, ref, region string, web func(string, bool) (chartrepo.Source, error),
) (chartrepo.Source, error) {
	named, err := a.resolve(ref)
	if err != nil {
		return nil, err
	}
	if strings.HasPrefix(named.URL, "http://") || strings.HasPrefix(named.URL, "https://") {
		return web(named.URL, true)
	}
	repository, err := a.openRepository(ctx, ref, region)
	if err != nil {
		return nil, err
	}
	return repository.Source(), nil
}

// hostOf is the scheme, host and port of a URL.
func hostOf(ref string) string {
	u, err := url.Parse(ref)
	if err != nil {
		return ""
	}
	return u.Scheme + "://" + u.Host
}

func readLock(path string) (chartrepo.Lock, error) {
	data, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return chartrepo.Lock{}, problem.New(problem.Usage, "name a lock file, or one that does not exist yet",
			"reading lock file: %w", err)
	}
	return chartrepo.ParseLock(data)
}

func writeLock(path string, lock chartrepo.Lock) error {
	data, err := lock.Marshal()
	if err != nil {
		return err
	}
	return durable.WriteFile(path, data, 0o644)
}

func (a *app) printMirrored(done chartrepo.MirrorResult, scan mirrorScan, o mirrorOptions) error {
	if a.output == "json" {
		return a.printJSON(map[string]any{
			"to": o.to, "dryRun": o.plan, "charts": done.Charts, "scanned": scannedCharts(scan.charts),
		})
	}
	if err := a.printFindingsOf(scan.charts); err != nil {
		return err
	}
	for _, c := range done.Charts {
		verb, because := "mirrored", ""
		switch {
		case o.plan:
			verb = "would mirror"
		case c.Already:
			verb = "already there:"
		}
		if c.RequiredBy != "" {
			because = ", required by " + c.RequiredBy
		}
		_, err := fmt.Fprintf(a.Out, "%s %s %s from %s to %s (%s%s)\n", verb, c.Name, c.Version, c.Repository, o.to,
			c.Digest, because)
		if err != nil {
			return err
		}
	}
	return nil
}
