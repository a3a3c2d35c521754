package chartrepo_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	"helm.sh/helm/v4/pkg/provenance"

	"github.com/pinnace-dev/pinnace/internal/chartrepo"
	"github.com/pinnace-dev/pinnace/internal/objstore/mem"
	"github.com/pinnace-dev/pinnace/internal/problem"
	"github.com/pinnace-dev/pinnace/internal/secret"
)

// newKeyring makes a key and writes its private part, encrypted if there is a passphrase, and its public part.
func newKeyring(t *testing.T, name, passphrase string) (private, public string) {
	t.Helper()
	config := &packet.Config{Algorithm: packet.PubKeyAlgoEdDSA}
	key, err := openpgp.NewEntity(name, "", strings.ToLower(name)+"@example.com", config)
	if err != nil {
		t.Fatal(err)
	}
	var secretPart, publicPart bytes.Buffer
	if err := key.Serialize(&publicPart); err != nil {
		t.Fatal(err)
	}
	if passphrase != "" {
		if err := key.EncryptPrivateKeys([]byte(passphrase), config); err != nil {
			t.Fatal(err)
		}
	}
	if err := key.SerializePrivateWithoutSigning(&secretPart, config); err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	private, public = filepath.Join(folder, "private.gpg"), filepath.Join(folder, "public.gpg")
	write(t, private, secretPart.String())
	write(t, public, publicPart.String())
	return private, public
}

func sign(t *testing.T, keyring string, p chartrepo.Package) chartrepo.Package {
	t.Helper()
	signer, err := chartrepo.OpenSigner(keyring, "Publisher", secret.Value{})
	if err != nil {
		t.Fatal(err)
	}
	if p, err = signer.Sign(p); err != nil {
		t.Fatal(err)
	}
	return p
}

// What is signed on the way is what Helm itself verifies, with the key that was made for it and with no other.
func TestSign(t *testing.T) {
	const passphrase = "obviously fake"
	for _, given := range []string{"", passphrase} {
		private, public := newKeyring(t, "Publisher", given)
		signer, err := chartrepo.OpenSigner(private, "Publisher", secret.FromString(given))
		if err != nil {
			t.Fatal(err)
		}
		p, err := signer.Sign(pack(t, nil))
		if err != nil {
			t.Fatal(err)
		}
		store := mem.New()
		repo := chartrepo.New(store, options(chartrepo.Location{}))
		if _, err := repo.Publish(t.Context(), p); err != nil {
			t.Fatal(err)
		}
		archive, _ := store.Get(t.Context(), "app-1.2.3.tgz")
		prov, err := store.Get(t.Context(), "app-1.2.3.tgz.prov")
		if err != nil || !strings.HasPrefix(prov.Type, "text/plain") {
			t.Fatalf("the provenance is of type %q, %v", prov.Type, err)
		}
		helm, err := provenance.NewFromKeyring(public, "")
		if err != nil {
			t.Fatal(err)
		}
		if v, err := helm.Verify(archive.Body, prov.Body, "app-1.2.3.tgz"); err != nil || v.FileHash != "sha256:"+p.Digest {
			t.Errorf("Helm says %v, %v", v, err)
		}
		if _, err := helm.Verify(append(archive.Body, 0), prov.Body, "app-1.2.3.tgz"); err == nil {
			t.Error("Helm verifies other bytes")
		}
		_, other := newKeyring(t, "Other", "")
		if stranger, _ := provenance.NewFromKeyring(other, ""); stranger != nil {
			if _, err := stranger.Verify(archive.Body, prov.Body, "app-1.2.3.tgz"); err == nil {
				t.Error("a stranger's key verifies it")
			}
		}
	}
}

func TestOpenSignerRefuses(t *testing.T) {
	private, public := newKeyring(t, "Publisher", "obviously fake")
	for name, test := range map[string]struct{ keyring, key, passphrase, text, hint string }{
		"no file":          {"/none", "Publisher", "", "/none", "gpg --export-secret-keys"},
		"no keyring":       {"sign_test.go", "Publisher", "", "sign_test.go", "gpg --export-secret-keys"},
		"no such key":      {private, "Nobody", "", "Nobody", "gpg --export-secret-keys"},
		"public only":      {public, "Publisher", "", "not a private key", "gpg --export-secret-keys"},
		"no passphrase":    {private, "Publisher", "", "Publisher", "--passphrase-file"},
		"wrong passphrase": {private, "Publisher", "obviously wrong", "Publisher", "--passphrase-file"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := chartrepo.OpenSigner(test.keyring, test.key, secret.FromString(test.passphrase))
			wantProblem(t, err, problem.Usage, test.text, test.hint)
			if err != nil && test.passphrase != "" && strings.Contains(err.Error(), test.passphrase) {
				t.Errorf("the error shows the passphrase: %v", err)
			}
		})
	}
}

// Signatures of the same bytes differ from each other; the first stays. One for other bytes is a conflict, and no index
// entry is made.
func TestProvenanceIsWrittenOnce(t *testing.T) {
	private, _ := newKeyring(t, "Publisher", "")
	store := mem.New()
	repo := chartrepo.New(store, options(chartrepo.Location{}))
	p := pack(t, nil)
	first := sign(t, private, p)
	for _, next := range []chartrepo.Package{first, sign(t, private, p), p} {
		if _, err := repo.Publish(t.Context(), next); err != nil {
			t.Fatal(err)
		}
		if o, err := store.Get(t.Context(), "app-1.2.3.tgz.prov"); err != nil || !bytes.Equal(o.Body, first.Provenance) {
			t.Errorf("the first provenance is gone: %v", err)
		}
	}

	other := sign(t, private, pack(t, chartYAML("web", "1.0.0")))
	put(t, store, "web-1.0.0.tgz.prov", first.Provenance)
	_, err := repo.Publish(t.Context(), other)
	wantProblem(t, err, problem.Conflict, "another provenance", "")
	if ix, err := repo.Index(t.Context()); err != nil || len(ix.Versions("web")) != 0 {
		t.Errorf("the index has %v, %v", ix.Versions("web"), err)
	}
}

// The provenance that "helm package --sign" left beside an archive goes with it, if it is for these bytes.
func TestProvenanceBesideAnArchive(t *testing.T) {
	private, _ := newKeyring(t, "Publisher", "")
	p := sign(t, private, pack(t, nil))
	path := filepath.Join(t.TempDir(), "app-1.2.3.tgz")
	for _, file := range []struct {
		name string
		body []byte
	}{{path, p.Archive}, {path + ".prov", p.Provenance}} {
		if err := os.WriteFile(file.name, file.body, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	again, err := chartrepo.Pack(path)
	if err != nil || !bytes.Equal(again.Provenance, p.Provenance) {
		t.Errorf("%q, %v", again.Provenance, err)
	}
	for _, body := range []string{"nonsense", string(sign(t, private, pack(t, chartYAML("app", "1.2.4"))).Provenance)} {
		write(t, path+".prov", body)
		_, err = chartrepo.Pack(path)
		wantProblem(t, err, problem.Refused, "is not for these bytes", "sign the archive again")
	}
}
