package chartrepo

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/pinnace-dev/pinnace/internal/objstore"
	"github.com/pinnace-dev/pinnace/internal/problem"
)

// PromoteOptions configures Promote.
type PromoteOptions struct {
	// Keyring verifies the provenance, which then must be there, in both repositories. Nil copies it as it is.
	Keyring *Keyring
}

// Promotion tells what Promote did.
type Promotion struct {
	Result
	Provenance bool   // provenance stands beside the archive in the target
	Signer     string // who signed it; empty unless a Keyring was given
}

// Promote publishes a version of one repository in another: the same bytes, under the digest that the index of the
// source has for them. It is never a rebuild. The archive and its provenance are read back from the target before its
// index names them.
//
// A version that the source does not have is a problem.Usage; one that is yanked there, has no digest in the index, or
// whose bytes are others is a problem.Refused; a target that has it with other bytes is a problem.Conflict. Promoting
// it again succeeds and changes nothing.
func Promote(
	ctx context.Context, from, to *Repository, name, version string, opts PromoteOptions,
) (Promotion, error) {
	done, err := promote(ctx, from, to, name, version, opts)
	if err != nil {
		return Promotion{}, fmt.Errorf("promoting %s %s: %w", name, version, err)
	}
	return done, nil
}

func promote(
	ctx context.Context, from, to *Repository, name, version string, opts PromoteOptions,
) (Promotion, error) {
	e, err := from.find(ctx, name, version)
	if err != nil {
		return Promotion{}, err
	}
	p, err := from.fetch(ctx, e)
	if err != nil {
		return Promotion{}, fmt.Errorf("at the source: %w", err)
	}
	if opts.Keyring != nil {
		if _, err := opts.Keyring.Verify(p, p.Provenance); err != nil {
			return Promotion{}, fmt.Errorf("at the source: %w", err)
		}
	}
	if _, err := to.putArchive(ctx, p); err != nil {
		return Promotion{}, err
	}
	e.URLs = []string{escape(p.Filename())}
	there, err := to.fetch(ctx, e)
	if err != nil {
		return Promotion{}, fmt.Errorf("at the target: %w", err)
	}
	done := Promotion{Provenance: there.Provenance != nil}
	if opts.Keyring != nil {
		if done.Signer, err = opts.Keyring.Verify(there, there.Provenance); err != nil {
			return Promotion{}, fmt.Errorf("at the target: %w", err)
		}
	}
	done.Result, err = to.Publish(ctx, there)
	return done, err
}

// find is the entry of a version that may be promoted.
func (r *Repository) find(ctx context.Context, name, version string) (Entry, error) {
	ix, err := r.Index(ctx)
	if err != nil {
		return Entry{}, err
	}
	if slices.ContainsFunc(ix.Yanked(), Tombstone{Name: name, Version: version}.same) {
		return Entry{}, problem.New(problem.Refused, "promote a version that is not yanked",
			"it is yanked in %s", r.base())
	}
	for _, e := range ix.Versions(name) {
		switch {
		case e.Version != version:
		case normalDigest(e.Digest) == "":
			return Entry{}, problem.New(problem.Refused, "run: pinnace reindex --repo "+r.base(),
				"the index of %s has no digest for it", r.base())
		default:
			return e, nil
		}
	}
	return Entry{}, r.noSuch(name, version)
}

// fetch is the package of an entry with its provenance, if it has any, held against its digest.
func (r *Repository) fetch(ctx context.Context, e Entry) (Package, error) {
	key, ok := r.locate(e)
	if !ok {
		return Package{}, fmt.Errorf("its archive is not in %s", r.base())
	}
	o, err := r.store.Get(ctx, key)
	if err != nil {
		return Package{}, err
	}
	if got := digest(o.Body); got != normalDigest(e.Digest) {
		return Package{}, problem.New(problem.Refused, "do not install it: find out who replaced the archive",
			"%s has digest %s, the index says %s", key, got, e.Digest)
	}
	p, err := openAs(o.Body, e.Name, e.Version)
	if err != nil {
		return Package{}, err
	}
	prov, err := r.store.Get(ctx, key+provenanceSuffix)
	if err != nil && !errors.Is(err, objstore.ErrNotFound) {
		return Package{}, err
	}
	p.Provenance = prov.Body
	return p, nil
}
