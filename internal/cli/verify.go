package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/pinnace-dev/pinnace/internal/chartrepo"
	"github.com/pinnace-dev/pinnace/internal/problem"
)

type verifyOptions struct {
	repositoryFlags
	deep, signed bool
	keyring      string
	parallel     int
	grace        time.Duration
}

func (a *app) verifyCommand() *cobra.Command {
	var o verifyOptions
	cmd := &cobra.Command{
		Use:   "verify --repo REPO [--deep]",
		Short: "Find what does not agree in a repository",
		Long: "Hold the index and the archives against each other and print what does not agree: archives that no entry\n" +
			"names (orphan), entries without archive (dangling) or without digest (no-digest), versions without\n" +
			"provenance (unsigned, with --require-signed), and what a crash left behind (leftover). With --deep every\n" +
			"archive is read: digest-mismatch, unreadable, misnamed, and with --keyring also unsigned for a provenance\n" +
			"that does not verify. Nothing is changed; reindex mends orphan and no-digest.\n\n" +
			"What is younger than --grace is not judged, for its publish may be under way.\n\n" +
			"Exit status 0: everything agrees; 1: there are findings, printed on standard output.",
		Example: "  pinnace verify --repo prod\n  pinnace verify --repo prod --deep --keyring release.gpg --output json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.verify(cmd.Context(), o)
		},
	}
	o.add(cmd)
	flags := cmd.Flags()
	flags.BoolVar(&o.deep, "deep", false, "read every archive")
	flags.BoolVar(&o.signed, "require-signed", false, "find versions without provenance")
	flags.StringVar(&o.keyring, "keyring", "", "verify provenance with these public keys (by gpg --export); needs --deep")
	flags.IntVar(&o.parallel, "parallel", 16, "how many archives to read at once")
	flags.DurationVar(&o.grace, "grace", time.Minute, "leave out what was written less than this ago")
	return cmd
}

func (a *app) verify(ctx context.Context, o verifyOptions) error {
	if o.parallel < 1 || o.grace < 0 || o.keyring != "" && !o.deep {
		return problem.New(problem.Usage, "add --deep to --keyring; --parallel is at least 1, --grace at least 0s",
			"verifying: flags that do not fit together")
	}
	keyring, err := openKeyring(o.keyring)
	if err != nil {
		return err
	}
	r, err := a.open(ctx, o.repositoryFlags)
	if err != nil {
		return err
	}
	report, err := r.Verify(ctx, chartrepo.VerifyOptions{
		Deep: o.deep, Parallel: o.parallel, RequireSigned: o.signed, Keyring: keyring, Grace: o.grace,
	})
	if err != nil {
		return err
	}
	if err := a.printReport(report, o.ref); err != nil {
		return err
	}
	return wrong(report.Findings, o.ref)
}

func (a *app) printReport(report chartrepo.Report, ref string) error {
	if a.output == "json" {
		report.Findings = append([]chartrepo.Finding{}, report.Findings...) // [], not null
		return a.printJSON(struct {
			Repository string `json:"repository"`
			chartrepo.Report
		}{ref, report})
	}
	if err := a.printFindings(report.Findings); err != nil {
		return err
	}
	_, err := fmt.Fprintf(a.Out, "%s: %s in %s, %s (%d bytes), %d read, %d yanked, %d elsewhere\n", ref,
		count(report.Versions, "version"), count(report.Charts, "chart"), count(report.Archives, "archive"), report.Bytes,
		report.Read, report.Yanked, report.Elsewhere)
	return err
}

func (a *app) printFindings(findings []chartrepo.Finding) error {
	if len(findings) == 0 {
		return nil
	}
	rows := [][]string{{"FINDING", "NAME", "VERSION", "OBJECT", "DETAIL"}}
	for _, f := range findings {
		rows = append(rows, []string{string(f.Kind), f.Name, f.Version, f.Key, f.Detail})
	}
	return a.printTable(rows)
}

// wrong is the error of a command that found something, and nil for one that did not.
func wrong(findings []chartrepo.Finding, ref string) error {
	if len(findings) == 0 {
		return nil
	}
	return problem.New(problem.Failed, "each finding's detail says what to do",
		"repository %s: %s", ref, count(len(findings), "finding"))
}
