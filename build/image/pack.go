package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/pem"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"golang.org/x/crypto/x509roots/fallback/bundle"

	"github.com/pinnace-dev/pinnace/internal/problem"
)

const (
	user   = "65532:65532" // by number, so that runAsNonRoot can be checked
	caFile = "etc/ssl/certs/ca-certificates.crt"
)

// pack makes an index with an image for each program. The result depends on the arguments alone.
func pack(programs []program, m meta, created time.Time) (v1.ImageIndex, error) {
	slices.SortFunc(programs, func(a, b program) int { return strings.Compare(string(a.arch), string(b.arch)) })
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for i, p := range programs {
		if i > 0 && programs[i-1].arch == p.arch {
			return nil, problem.New(problem.Usage, "give one for each platform", "two programs are for linux/%s", p.arch)
		}
		if p.version != programs[0].version || p.revision != programs[0].revision {
			return nil, problem.New(problem.Usage, "build both from one commit", "the programs are of different versions")
		}
		image, err := packOne(p, m, created)
		if err != nil {
			return nil, err
		}
		index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: image, Descriptor: v1.Descriptor{
			Platform: &v1.Platform{OS: "linux", Architecture: string(p.arch)},
		}})
	}
	return mutate.Annotations(index, labels(programs[0], m, created)).(v1.ImageIndex), nil
}

// packOne makes two layers: the authorities, which most versions share, and the program.
func packOne(p program, m meta, created time.Time) (v1.Image, error) {
	body, err := os.ReadFile(p.path)
	if err != nil {
		return nil, err
	}
	authorities, err := layer(entry{caFile, 0o444, certificates()})
	if err != nil {
		return nil, err
	}
	executable, err := layer(entry{m.name, 0o555, body})
	if err != nil {
		return nil, err
	}
	when := v1.Time{Time: date(p, created)}
	image := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	image, err = mutate.ConfigFile(image, &v1.ConfigFile{
		OS: "linux", Architecture: string(p.arch), Created: when, RootFS: v1.RootFS{Type: "layers"},
		Config: v1.Config{
			Entrypoint: []string{"/" + m.name}, User: user, WorkingDir: "/", Labels: labels(p, m, created),
			Env: []string{"PATH=/", "SSL_CERT_FILE=/" + caFile},
		},
	})
	if err != nil {
		return nil, err
	}
	return mutate.Append(image,
		mutate.Addendum{Layer: authorities, History: v1.History{Created: when, CreatedBy: "certificate authorities"}},
		mutate.Addendum{Layer: executable, History: v1.History{Created: when, CreatedBy: m.name}})
}

func labels(p program, m meta, created time.Time) map[string]string {
	all := map[string]string{"created": date(p, created).Format(time.RFC3339)}
	for key, value := range map[string]string{
		"title": m.name, "description": m.description, "source": m.source, "licenses": m.licenses,
		"version": p.version, "revision": p.revision,
	} {
		if value != "" {
			all[key] = value
		}
	}
	prefixed := map[string]string{}
	for key, value := range all {
		prefixed["org.opencontainers.image."+key] = value
	}
	return prefixed
}

// date is never the time of the build, which would make every build another.
func date(p program, created time.Time) time.Time {
	switch {
	case !created.IsZero():
		return created
	case !p.committed.IsZero():
		return p.committed.UTC()
	}
	return time.Unix(0, 0).UTC()
}

// certificates are Mozilla's root authorities in PEM, at the version that go.mod pins, without those that are trusted
// under conditions: a file cannot say those.
func certificates() []byte {
	var out bytes.Buffer
	for root := range bundle.Roots() {
		if root.Constraint == nil {
			_ = pem.Encode(&out, &pem.Block{Type: "CERTIFICATE", Bytes: root.Certificate}) // a buffer takes everything
		}
	}
	return out.Bytes()
}

// entry is a file of the superuser, without a time.
type entry struct {
	path string
	mode int64
	body []byte
}

// layer has one file and the folders above it.
func layer(e entry) (v1.Layer, error) {
	var out bytes.Buffer
	writer := tar.NewWriter(&out)
	for i, c := range e.path {
		if c == '/' {
			header := tar.Header{Typeflag: tar.TypeDir, Name: e.path[:i+1], Mode: 0o755}
			if err := writer.WriteHeader(&header); err != nil {
				return nil, err
			}
		}
	}
	header := tar.Header{Typeflag: tar.TypeReg, Name: e.path, Mode: e.mode, Size: int64(len(e.body))}
	if err := writer.WriteHeader(&header); err != nil {
		return nil, err
	}
	if _, err := writer.Write(e.body); err != nil {
		return nil, fmt.Errorf("%s: %w", e.path, err)
	}
	if err := writer.Close(); err != nil {
		return nil, err
	}
	opener := func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(out.Bytes())), nil }
	return tarball.LayerFromOpener(opener, tarball.WithMediaType(types.OCILayer),
		tarball.WithCompressionLevel(gzip.BestCompression), tarball.WithCompressedCaching)
}
