package cli

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pinnace-dev/pinnace/internal/chartrepo"
	"github.com/pinnace-dev/pinnace/internal/problem"
)

func (a *app) lsCommand() *cobra.Command {
	var f repositoryFlags
	cmd := &cobra.Command{
		Use:   "ls [NAME] --repo REPO",
		Short: "List the charts of a repository, or the versions of one",
		Long: "List the charts of a repository with the latest version of each, the newest that is no prerelease; or\n" +
			"with NAME all versions of that chart, newest first, deprecated and yanked ones too.\n\n" +
			"Exit status 2: there is no such repository or chart.",
		Example: "  pinnace ls --repo prod\n  pinnace ls web --repo s3://acme-charts/stable --output json",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			r, err := a.open(cmd.Context(), f)
			if err != nil {
				return err
			}
			if len(args) == 0 {
				return a.listCharts(cmd.Context(), r)
			}
			return a.listVersions(cmd.Context(), r, args[0], f.ref)
		},
	}
	f.add(cmd)
	return cmd
}

// listedChart is a chart as JSON has it.
type listedChart struct {
	Name        string `json:"name"`
	Latest      string `json:"latest"`
	AppVersion  string `json:"appVersion"`
	Versions    int    `json:"versions"`
	Yanked      int    `json:"yanked"`
	Deprecated  bool   `json:"deprecated"` // the latest is
	Description string `json:"description"`
}

func (a *app) listCharts(ctx context.Context, r *chartrepo.Repository) error {
	ix, err := r.Index(ctx)
	if err != nil {
		return err
	}
	yanked := map[string]int{}
	for _, t := range ix.Yanked() {
		yanked[t.Name]++
	}
	list := []listedChart{}
	for _, name := range ix.Names() {
		e, _ := ix.Latest(name)
		list = append(list, listedChart{
			Name: name, Latest: e.Version, AppVersion: e.AppVersion, Versions: len(ix.Versions(name)), Yanked: yanked[name],
			Deprecated: e.Deprecated, Description: e.Description,
		})
	}
	if a.output == "json" {
		return a.printJSON(list)
	}
	rows := [][]string{{"NAME", "LATEST", "APP VERSION", "VERSIONS", "STATE", "DESCRIPTION"}}
	for _, c := range list {
		state := ""
		if c.Deprecated {
			state = "deprecated"
		}
		rows = append(rows, []string{c.Name, c.Latest, c.AppVersion, strconv.Itoa(c.Versions), state, c.Description})
	}
	return a.printTable(rows)
}

// listedVersion is a version as JSON has it.
type listedVersion struct {
	Name        string   `json:"name"`
	Version     string   `json:"version"`
	AppVersion  string   `json:"appVersion,omitempty"`
	Description string   `json:"description,omitempty"`
	Created     string   `json:"created,omitempty"` // RFC 3339
	Digest      string   `json:"digest,omitempty"`
	URLs        []string `json:"urls,omitempty"`
	Size        int64    `json:"size,omitempty"` // of the archive, bytes; only where it was looked up
	Deprecated  bool     `json:"deprecated,omitempty"`
	Yanked      bool     `json:"yanked,omitempty"`  // it can be put back
	Removed     bool     `json:"removed,omitempty"` // it is pruned
	Reason      string   `json:"reason,omitempty"`  // of a yank or a prune
}

func ofEntry(e chartrepo.Entry) listedVersion {
	v := listedVersion{
		Name: e.Name, Version: e.Version, AppVersion: e.AppVersion, Description: e.Description,
		Digest: digestText(e.Digest), URLs: e.URLs, Deprecated: e.Deprecated,
	}
	if !e.Created.IsZero() {
		v.Created = e.Created.UTC().Format(rfc3339)
	}
	return v
}

func ofTombstone(t chartrepo.Tombstone) listedVersion {
	return listedVersion{
		Name: t.Name, Version: t.Version, Digest: digestText(t.Digest), Yanked: t.Entry != nil, Removed: t.Entry == nil,
		Reason: t.Reason,
	}
}

// state is what is special about a version, in words.
func (v listedVersion) state() string {
	var words []string
	for _, s := range []struct {
		is   bool
		word string
	}{{v.Deprecated, "deprecated"}, {v.Yanked, "yanked"}, {v.Removed, "removed"}} {
		if s.is {
			words = append(words, s.word)
		}
	}
	if v.Reason != "" {
		words = append(words, "("+v.Reason+")")
	}
	return strings.Join(words, " ")
}

// digestText is a digest as every verb prints it, or nothing for none.
func digestText(hexadecimal string) string {
	if hexadecimal == "" {
		return ""
	}
	return "sha256:" + hexadecimal
}

const rfc3339 = "2006-01-02T15:04:05Z07:00"

// versionsOf are the versions of a chart in the index, newest first, and then the yanked ones. None is a problem.Usage.
func versionsOf(ix chartrepo.Index, name, repository string) ([]listedVersion, error) {
	list := []listedVersion{}
	for _, e := range ix.Versions(name) {
		list = append(list, ofEntry(e))
	}
	for _, t := range slices.Backward(ix.Yanked()) {
		if t.Name == name {
			list = append(list, ofTombstone(t))
		}
	}
	if len(list) == 0 {
		return nil, problem.New(problem.Usage, "run: pinnace ls --repo "+repository,
			"repository %s has no chart %s", repository, name)
	}
	return list, nil
}

func (a *app) listVersions(ctx context.Context, r *chartrepo.Repository, name, repository string) error {
	ix, err := r.Index(ctx)
	if err != nil {
		return err
	}
	list, err := versionsOf(ix, name, repository)
	if err != nil {
		return err
	}
	if a.output == "json" {
		return a.printJSON(list)
	}
	rows := [][]string{{"VERSION", "APP VERSION", "CREATED", "STATE"}}
	for _, v := range list {
		day, _, _ := strings.Cut(v.Created, "T")
		rows = append(rows, []string{v.Version, v.AppVersion, day, v.state()})
	}
	return a.printTable(rows)
}
