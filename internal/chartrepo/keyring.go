package chartrepo

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"

	"helm.sh/helm/v4/pkg/provenance"

	"github.com/pinnace-dev/pinnace/internal/objstore"
	"github.com/pinnace-dev/pinnace/internal/problem"
)

// provenanceSuffix is what Helm adds to an archive's name for its provenance file.
const provenanceSuffix = ".prov"

// Keyring holds the public keys whose signatures are trusted.
type Keyring struct{ signatory *provenance.Signatory }

// OpenKeyring reads a file of public keys in OpenPGP's binary format, as "gpg --export" writes it. What is none is a
// problem.Usage.
func OpenKeyring(path string) (*Keyring, error) {
	s, err := provenance.NewFromKeyring(path, "")
	if err != nil {
		return nil, problem.New(problem.Usage, "make one with: gpg --export > "+path, "reading keyring %s: %w", path, err)
	}
	return &Keyring{s}, nil
}

// Verify answers who signed the package: a user id of the key. No provenance at all (nil or empty), one by a key that
// is not in the ring or one for other bytes is a problem.Refused.
func (k *Keyring) Verify(p Package, provenance []byte) (signer string, err error) {
	refuse := func(hint, format string, args ...any) (string, error) {
		return "", problem.New(problem.Refused, hint, "chart %s %s: "+format, append([]any{p.Name, p.Version}, args...)...)
	}
	if len(provenance) == 0 {
		return refuse("sign it when you publish it, or leave out --keyring", "it has no provenance")
	}
	v, err := k.signatory.Verify(p.Archive, provenance, p.Filename())
	if err != nil {
		return refuse("do not install it; if its signer is new, add their public key to the keyring",
			"verifying its provenance: %w", err)
	}
	names := slices.Sorted(maps.Keys(v.SignedBy.Identities))
	if len(names) == 0 {
		return fmt.Sprintf("key %X", v.SignedBy.PrimaryKey.Fingerprint), nil
	}
	return names[0], nil
}

func isProvenance(body []byte) bool {
	return bytes.HasPrefix(bytes.TrimSpace(body), []byte("-----BEGIN PGP SIGNED MESSAGE-----"))
}

// putProvenance creates the provenance beside the archive, or finds it there with the same bytes. Another one is a
// problem.Conflict.
func (r *Repository) putProvenance(ctx context.Context, p Package, body []byte) error {
	opts := r.opts.Update
	opts.ExpectAbsent = true
	_, err := objstore.Update(ctx, r.store, p.Filename()+provenanceSuffix, opts,
		func(there []byte, exists bool) (objstore.Content, error) {
			switch {
			case !exists:
				return objstore.Content{
					Body: body, Type: "text/plain; charset=utf-8", CacheControl: immutableForever,
				}, nil
			case bytes.Equal(there, body):
				return objstore.Content{}, objstore.ErrUnchanged
			default:
				return objstore.Content{}, problem.New(problem.Conflict,
					"provenance never changes either: verify the one that is there",
					"chart %s %s has another provenance", p.Name, p.Version)
			}
		})
	return err
}
