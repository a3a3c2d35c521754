package cli

import (
	"bytes"
	"context"
	"os"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/pinnace-dev/pinnace/internal/chartrepo"
	"github.com/pinnace-dev/pinnace/internal/leakscan"
	"github.com/pinnace-dev/pinnace/internal/problem"
	"github.com/pinnace-dev/pinnace/internal/secret"
)

type publishOptions struct {
	repositoryFlags
	dryRun, skipDependencies bool
	baseline                 string
	kmsKeyID                 string
	tags                     []string
	signing                  signingOptions
}

type signingOptions struct {
	sign                         bool
	key, keyring, passphraseFile string
}

func (a *app) publishCommand() *cobra.Command {
	var o publishOptions
	cmd := &cobra.Command{
		Use:   "publish PATH... --repo REPO",
		Short: "Publish charts; published versions never change",
		Long: "Publish chart folders and packaged charts (.tgz). Each folder is completed with the charts that it\n" +
			"depends on (by Chart.lock where there is one; the folder itself is not written) and packaged\n" +
			"reproducibly: the same tree gives the same digest on any machine. Each chart is linted and searched for\n" +
			"secrets. Only if all of them pass is anything uploaded: each archive, only if its version is new, its\n" +
			"provenance, and then the index, once for all, only if nobody changed it meanwhile.\n\n" +
			"Publishing the same bytes again succeeds and changes nothing; other bytes under a published version are\n" +
			"refused with exit status 3, secrets and lint errors with 4. If several charts fail in several ways the\n" +
			"highest status counts; what was published is said all the same. A publish that was killed is mended by\n" +
			"repeating it.\n\n" +
			"The AWS identity is the one that the AWS command line would use.",
		Example: "  pinnace publish ./charts/* --repo uat --dry-run\n" +
			"  pinnace publish ./charts/opentelemetry --repo s3://acme-charts/stable\n" +
			"  pinnace publish web-1.2.3.tgz --repo file:///srv/charts",
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.publish(cmd.Context(), args, o)
		},
	}
	o.add(cmd)
	flags := cmd.Flags()
	flags.BoolVar(&o.dryRun, "dry-run", false, "do everything but write, and say what would happen")
	flags.BoolVar(&o.skipDependencies, "skip-dependencies", false, "fetch no charts; those below charts/ must do")
	flags.StringVar(&o.baseline, "baseline", "", "accepted secrets (default: "+leakscan.BaselineName+" beside the chart)")
	flags.StringVar(&o.kmsKeyID, "kms-key-id", "", "encrypt the objects with this KMS key (id, alias or ARN)")
	flags.StringArrayVar(&o.tags, "tag", nil, "give the objects a tag KEY=VALUE; may be repeated")
	flags.BoolVar(&o.signing.sign, "sign", false, "publish provenance (.prov) signed with --key of --keyring")
	flags.StringVar(&o.signing.key, "key", "", "user id of the key to sign with, or a part of it")
	flags.StringVar(&o.signing.keyring, "keyring", "", "private keys (a file by gpg --export-secret-keys)")
	flags.StringVar(&o.signing.passphraseFile, "passphrase-file", "", "file that holds the key's passphrase")
	return cmd
}

func (a *app) publish(ctx context.Context, paths []string, o publishOptions) error {
	tags, err := parseTags(o.tags)
	if err != nil {
		return err
	}
	signer, err := openSigner(o.signing)
	if err != nil {
		return err
	}
	if o.ref == "" {
		return problem.New(problem.Usage, "add --repo s3://BUCKET/PREFIX, or --repo file:///FOLDER for a local one",
			"publishing %s: no repository given", strings.Join(paths, ", "))
	}
	bars := a.newUploads(ctx)
	store, at, err := a.openStore(ctx, o.ref, storeOptions{o.region, o.kmsKeyID, tags, bars.watch})
	if err != nil {
		return err
	}
	charts, err := a.prepare(ctx, paths, o)
	if err != nil {
		return err
	}
	if err := signAll(signer, charts); err != nil {
		return err
	}
	if failed(charts) {
		return a.printPublished(charts, o)
	}
	defer makeRoom()()
	put(ctx, chartrepo.New(store, chartrepo.Options{Location: at}), charts, o.dryRun)
	bars.finish()
	return a.printPublished(charts, o)
}

// makeRoom lets the collector take away what packaging and scanning left behind as soon as a large index comes, until
// the answer is called. A small one needs no collection at all.
func makeRoom() (restore func()) {
	before := debug.SetMemoryLimit(-1)
	debug.SetMemoryLimit(min(before, 40<<20))
	return func() { debug.SetMemoryLimit(before) }
}

// candidate is one path of the command line and what becomes of it.
type candidate struct {
	path string
	chartrepo.Package
	scanned
	result chartrepo.Result
	err    error
}

// prepare packages and scans all charts, as many at a time as there are processors. What is wrong with a chart is in
// its candidate.
func (a *app) prepare(ctx context.Context, paths []string, o publishOptions) ([]*candidate, error) {
	scan, err := a.newScan(o.baseline)
	if err != nil {
		return nil, err
	}
	builder := a.newBuilder(ctx, o.skipDependencies)
	charts := make([]*candidate, len(paths))
	var group errgroup.Group
	group.SetLimit(runtime.GOMAXPROCS(0))
	for i, path := range paths {
		c := &candidate{path: path}
		charts[i] = c
		group.Go(func() error {
			if c.Package, c.err = builder.Build(ctx, path); c.err == nil {
				c.scanned, c.err = scan.chart(ctx, path, c.Package)
			}
			if c.err == nil {
				c.err = c.refusal(path, acceptHint(path))
			}
			return nil
		})
	}
	_ = group.Wait() // errors are in the candidates
	refuseTwins(charts)
	return charts, nil
}

// newBuilder makes packages whose dependencies come from where Chart.yaml says, or from nowhere.
func (a *app) newBuilder(ctx context.Context, skipDependencies bool) *chartrepo.Builder {
	if skipDependencies {
		return chartrepo.NewBuilder(nil)
	}
	return chartrepo.NewBuilder(func(ref string) (chartrepo.Source, error) {
		name, err := a.nameOf(ref)
		if err != nil {
			return nil, err
		}
		return a.source(ctx, name, "", func(url string, _ bool) (chartrepo.Source, error) {
			return chartrepo.HTTPSource(url, chartrepo.HTTPOptions{})
		})
	})
}

// refuseTwins finds charts that have one archive's name and different content: which of them won would be left to
// chance.
func refuseTwins(charts []*candidate) {
	seen := map[string]*candidate{}
	for _, c := range charts {
		if c.err != nil {
			continue
		}
		first, ok := seen[c.Filename()]
		switch {
		case !ok:
			seen[c.Filename()] = c
		case first.Name != c.Name:
			c.err = problem.New(problem.Conflict, "change the name or the version of one of them in its Chart.yaml",
				"%s (chart %s %s) and %s (chart %s %s) are both archived as %s", first.path, first.Name, first.Version,
				c.path, c.Name, c.Version, c.Filename())
		case first.Digest != c.Digest:
			c.err = problem.New(problem.Conflict, "raise the version of one of them in Chart.yaml",
				"%s and %s are both %s %s, with different content", first.path, c.path, c.Name, c.Version)
		}
	}
}

func failed(charts []*candidate) bool {
	for _, c := range charts {
		if c.err != nil {
			return true
		}
	}
	return false
}

// put publishes, or finds out what publishing would do.
func put(ctx context.Context, r *chartrepo.Repository, charts []*candidate, dryRun bool) {
	packages := make([]chartrepo.Package, len(charts))
	for i, c := range charts {
		packages[i] = c.Package
	}
	do := r.PublishAll
	if dryRun {
		do = r.Preview
	}
	results, err := do(ctx, packages)
	for i, c := range charts {
		if i < len(results) {
			c.result, c.err = results[i], results[i].Err
		} else {
			c.err = err
		}
	}
}

// openSigner is nil when nothing is to be signed.
func openSigner(o signingOptions) (*chartrepo.Signer, error) {
	if !o.sign {
		if o.key+o.keyring+o.passphraseFile != "" {
			return nil, problem.New(problem.Usage, "add --sign", "--key, --keyring and --passphrase-file are for signing")
		}
		return nil, nil
	}
	if o.key == "" || o.keyring == "" {
		return nil, problem.New(problem.Usage, "add --key NAME and --keyring FILE", "signing takes a key and its keyring")
	}
	var passphrase secret.Value
	if o.passphraseFile != "" {
		text, err := os.ReadFile(o.passphraseFile)
		if err != nil {
			return nil, problem.New(problem.Usage, "name a file that holds the passphrase alone",
				"reading passphrase: %w", err)
		}
		passphrase = secret.New(bytes.TrimRight(text, "\r\n"))
	}
	return chartrepo.OpenSigner(o.keyring, o.key, passphrase)
}

func signAll(signer *chartrepo.Signer, charts []*candidate) error {
	if signer == nil {
		return nil
	}
	for _, c := range charts {
		if c.err != nil {
			continue
		}
		signed, err := signer.Sign(c.Package)
		if err != nil {
			return err
		}
		c.Package = signed
	}
	return nil
}

func parseTags(list []string) (map[string]string, error) {
	tags := map[string]string{}
	for _, tag := range list {
		key, value, ok := strings.Cut(tag, "=")
		if !ok || key == "" || strings.HasPrefix(key, "aws:") {
			return nil, problem.New(problem.Usage, "use --tag team=platform", "%q is no tag", tag)
		}
		tags[key] = value
	}
	return tags, nil
}
