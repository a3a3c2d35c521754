package chartrepo

import (
	"context"
	"fmt"
	"strings"

	"github.com/ProtonMail/go-crypto/openpgp/clearsign"
	"helm.sh/helm/v4/pkg/provenance"
	"sigs.k8s.io/yaml"

	"github.com/pinnace-dev/pinnace/internal/problem"
	"github.com/pinnace-dev/pinnace/internal/secret"
)

// Signer signs packages as "helm package --sign" does. It is not safe for concurrent use.
type Signer struct{ signatory *provenance.Signatory }

// OpenSigner finds the private key in a keyring whose user id is, or as the only one contains, the name. The
// passphrase is for a key that is encrypted. Whatever does not fit is a problem.Usage.
func OpenSigner(keyring, name string, passphrase secret.Value) (*Signer, error) {
	s, err := provenance.NewFromKeyring(keyring, name)
	if err != nil {
		return nil, problem.New(problem.Usage, "export the key with: gpg --export-secret-keys "+name+" > FILE",
			"reading keyring %s: %w", keyring, err)
	}
	hint := "give --passphrase-file, or check what is in it"
	if s.Entity == nil || s.Entity.PrivateKey == nil {
		hint = "export the key with: gpg --export-secret-keys " + name + " > FILE"
	}
	err = s.DecryptKey(func(string) ([]byte, error) { return passphrase.Reveal(), nil })
	if err != nil {
		return nil, problem.New(problem.Usage, hint, "key %q of keyring %s: %w", name, keyring, err)
	}
	return &Signer{s}, nil
}

// Sign is the package with its provenance.
func (s *Signer) Sign(p Package) (Package, error) {
	metadata, err := yaml.Marshal(p.metadata)
	if err != nil {
		return Package{}, fmt.Errorf("signing %s %s: %w", p.Name, p.Version, err)
	}
	text, err := s.signatory.ClearSign(p.Archive, p.Filename(), metadata)
	if err != nil {
		return Package{}, fmt.Errorf("signing %s %s: %w", p.Name, p.Version, err)
	}
	p.Provenance = []byte(text)
	return p, nil
}

// withProvenance is the package with provenance that somebody else made, which must speak of these very bytes. Whether
// its signature is good is decided by who verifies it.
func (p Package) withProvenance(body []byte) (Package, error) {
	if !vouches(body, p) {
		return Package{}, problem.New(problem.Refused, "sign the archive again, or take the .prov file away",
			"the provenance of %s is not for these bytes", p.Filename())
	}
	p.Provenance = body
	return p, nil
}

// vouches tells whether a provenance file says that an archive of this name has this digest.
func vouches(body []byte, p Package) bool {
	block, _ := clearsign.Decode(body)
	if block == nil {
		return false
	}
	var sums provenance.SumCollection
	if err := provenance.ParseMessageBlock(block.Plaintext, nil, &sums); err != nil {
		return false
	}
	return strings.TrimPrefix(sums.Files[p.Filename()], "sha256:") == p.Digest
}

// putOwnProvenance creates the package's provenance beside its archive. Signatures of the same bytes differ, so one
// that is there and speaks of them may stay.
func (r *Repository) putOwnProvenance(ctx context.Context, p Package) error {
	err := r.putProvenance(ctx, p, p.Provenance)
	if problem.KindOf(err) != problem.Conflict {
		return err
	}
	there, getErr := r.store.Get(ctx, p.Filename()+provenanceSuffix)
	if getErr == nil && vouches(there.Body, p) {
		return nil
	}
	return err
}
