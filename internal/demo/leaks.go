package demo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// leaks looks for the keys wherever the run wrote: in every file of its folder but the pods' own, and in what it
// rendered.
func leaks(_ context.Context, r *run) ([]string, error) {
	mark := []byte(r.opts.KeyMark)
	files, holders := 0, r.keyFiles()
	found := 0
	err := filepath.WalkDir(r.Dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		files++
		if !bytes.Contains(content, mark) {
			return nil
		}
		if !slices.Contains(holders, path) {
			return fmt.Errorf("a key stands in %s", path)
		}
		found++
		return nil
	})
	if err != nil {
		return nil, err
	}
	if found != len(holders) {
		return nil, fmt.Errorf("%d of %d pods' files hold a key", found, len(holders))
	}
	for _, manifest := range r.manifests {
		if bytes.Contains([]byte(manifest), mark) {
			return nil, errors.New("a key stands in a rendered manifest")
		}
	}
	return []string{fmt.Sprintf("%d files searched, %d hold a key: one for each pod", files, found)}, nil
}
