package helm_test

import (
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/ProtonMail/go-crypto/openpgp"
)

// keyrings makes a signing key for name without a passphrase, as GnuPG would export it: NAME.secret and NAME.public in
// the world's folder.
func (w *world) keyrings(t *testing.T, name string) (secret, public string) {
	t.Helper()
	entity, err := openpgp.NewEntity(name, "", name+"@example.com", nil)
	if err != nil {
		t.Fatal(err)
	}
	ring := func(ending string, serialize func(io.Writer) error) string {
		path := filepath.Join(w.home, name+ending)
		f, err := os.Create(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if err := serialize(f); err != nil {
			t.Fatal(err)
		}
		return path
	}
	secret = ring(".secret", func(f io.Writer) error { return entity.SerializePrivate(f, nil) })
	return secret, ring(".public", entity.Serialize)
}
