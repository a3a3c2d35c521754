package chartrepo

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"path"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/pinnace-dev/pinnace/internal/objstore"
	"github.com/pinnace-dev/pinnace/internal/problem"
)

// What an archive may hold, together with the archives of charts within it. Helm itself stops at the same size, but
// counts each inner archive anew.
const (
	maxUnpacked = 100 << 20 // bytes
	maxMembers  = 10_000
	maxInner    = 4 // archives within archives
	// A chart is text, which shrinks to a tenth, rarely to a fiftieth. What shrinks more is made to.
	maxRatio   = 200
	ratioFloor = 1 << 20 // bytes below which the ratio does not matter
)

// File is one file of a chart.
type File struct {
	Path string // slash-separated, relative to the chart's folder
	Body []byte
}

// Files are the files in the package's archive, in its order. Charts that are archived within it are taken apart too:
// their files stand below the archive's name.
func (p Package) Files() ([]File, error) { return unpack(p.Archive) }

const archiveHint = "name a chart folder or a packaged chart (.tgz)"

// unpack reads an archive as a chart must be made: one folder with plain files. What is no archive is a problem.Usage;
// one that reaches out of its folder, holds links or devices, a file twice, or far more than it shows, is a
// problem.Refused.
func unpack(archive []byte) ([]File, error) {
	u := unpacker{allowance: maxUnpacked, members: maxMembers}
	if err := u.read(archive, "", 0); err != nil {
		return nil, fmt.Errorf("opening chart archive: %w", err)
	}
	return u.files, nil
}

type unpacker struct {
	allowance int64 // bytes that may still come
	members   int   // files that may still come
	files     []File
}

func (u *unpacker) read(archive []byte, below string, depth int) error {
	if depth > maxInner {
		return hostile("it has archives within archives within archives")
	}
	zipped, err := gzip.NewReader(bytes.NewReader(archive))
	if err != nil {
		return problem.New(problem.Usage, archiveHint, "%sit is no gzip file: %w", inner(below), err)
	}
	// A tar stream is a little larger than what is in it: headers and padding.
	stream := &io.LimitedReader{R: zipped, N: u.allowance + int64(u.members+2)*1024}
	r, seen, size := tar.NewReader(stream), map[string]bool{}, int64(0)
	for {
		h, err := r.Next()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case stream.N == 0:
			return tooLarge()
		case err != nil:
			return problem.New(problem.Usage, archiveHint, "%sit is no tar archive: %w", inner(below), err)
		}
		if h.Typeflag == tar.TypeXGlobalHeader || h.Typeflag == tar.TypeDir {
			continue
		}
		name, err := memberName(h, seen)
		if err != nil {
			return err
		}
		body, err := u.body(r, h)
		if err != nil {
			return err
		}
		if size += int64(len(body)); size > ratioFloor && size > maxRatio*int64(len(archive)) {
			return hostile("it unpacks to more than %d times its size", maxRatio)
		}
		if err := u.add(below+name, body, depth); err != nil {
			return err
		}
	}
}

// add keeps a file, and what is in it if it is the archive of another chart.
func (u *unpacker) add(name string, body []byte, depth int) error {
	if path.Ext(name) == ".tgz" && path.Base(path.Dir(name)) == "charts" {
		return u.read(body, name+"/", depth+1)
	}
	u.files = append(u.files, File{name, body})
	return nil
}

func (u *unpacker) body(r io.Reader, h *tar.Header) ([]byte, error) {
	if u.members--; u.members < 0 {
		return nil, hostile("it has more than %d files", maxMembers)
	}
	if h.Size > u.allowance {
		return nil, tooLarge()
	}
	body, err := io.ReadAll(r)
	if err != nil {
		return nil, problem.New(problem.Usage, "download or package it again", "reading %q in it: %w", h.Name, err)
	}
	u.allowance -= int64(len(body))
	return body, nil
}

var drive = regexp.MustCompile(`^[A-Za-z]:`)

// memberName is the name of a file within the chart's folder. Archives made on Windows may have backslashes.
func memberName(h *tar.Header, seen map[string]bool) (string, error) {
	name := strings.ReplaceAll(h.Name, `\`, "/")
	root, rest, below := strings.Cut(name, "/")
	switch {
	case h.Typeflag == tar.TypeSymlink || h.Typeflag == tar.TypeLink:
		return "", hostile("%q in it is a link", h.Name)
	case h.Typeflag != tar.TypeReg:
		return "", hostile("%q in it is no plain file", h.Name)
	case !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl):
		return "", hostile("%q in it is no name for a file", h.Name)
	case root == "" || drive.MatchString(name):
		return "", hostile("%q in it is an absolute path", h.Name)
	case strings.Contains("/"+name+"/", "/../"):
		return "", hostile("%q in it leads out of its folder", h.Name)
	case !below || path.Clean(rest) != rest || path.IsAbs(rest) || drive.MatchString(rest):
		return "", hostile("%q in it is not within the chart's folder", h.Name)
	case seen[rest]:
		return "", hostile("it has the file %q twice", rest)
	}
	seen[rest] = true
	return rest, nil
}

func hostile(format string, args ...any) error {
	return problem.New(problem.Refused, "do not use it: package the chart again from its folder", format, args...)
}

func tooLarge() error { return hostile("it unpacks to more than %d MiB", maxUnpacked>>20) }

func inner(below string) string {
	if below == "" {
		return ""
	}
	return fmt.Sprintf("%q in it: ", strings.TrimSuffix(below, "/"))
}

var chartName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*$`)

// checkIdentity refuses names and versions that would not be what they seem as part of a key, a URL or a path. Helm
// has checked before that the version is a semantic one.
func checkIdentity(p Package) error {
	if !chartName.MatchString(p.Name) || strings.Contains(p.Name, "..") || objstore.CheckKey(p.Filename()) != nil {
		return problem.New(problem.Usage, "use letters, digits, dots, hyphens and underscores in Chart.yaml",
			"%q is no name for a chart", p.Name)
	}
	return nil
}
