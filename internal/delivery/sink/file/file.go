// Package file is the sink that writes each item to a file of its own, by the rules that readers of key files rely on:
// a reader sees the old value or the new one, never a part, and a file that was written once is never taken away.
package file

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/pinnace-dev/pinnace/internal/delivery"
	"github.com/pinnace-dev/pinnace/internal/delivery/template"
	"github.com/pinnace-dev/pinnace/internal/problem"
)

// DefaultMode lets the owner and the group read, and nobody write.
const DefaultMode fs.FileMode = 0o440

// Target says what goes to which file: an item, or what a template makes of several.
type Target struct {
	Item     string
	Template *template.Template // instead of Item
	Path     string             // its folder exists
	// Token says that the value is a bearer token: it must be printable ASCII without spaces, and must not start as a
	// JSON document does. A value that is not is refused, because a reader would send it as it is.
	Token bool
	// Optional leaves the file as it is while the item is not in the snapshot; else that is an error.
	Optional bool
	Mode     fs.FileMode // permission bits; those of the sink when zero
}

// Sink writes the items of a snapshot to their targets. The value is written exactly, except that one line end is
// trimmed from its end: a token file must not have one, and editors add it. An empty value is refused.
//
// All files are prepared beside their targets and synced before the first is renamed into place, so a full disk or a
// refused value changes nothing. A target that already has the bytes and the mode is left alone.
//
// One process writes a target: the first Apply removes what a process that was killed had prepared beside it.
type Sink struct {
	name    string
	targets []Target
	mode    fs.FileMode
	gid     int
	swept   bool                 // leftovers of a process that was killed are gone
	sync    func(*os.File) error // File.Sync; a test watches it
}

// Option changes how files are written.
type Option func(*Sink)

// Mode sets the permission bits of the files; DefaultMode without it.
func Mode(mode fs.FileMode) Option { return func(s *Sink) { s.mode = mode.Perm() } }

// Group sets the group of the files by its number; without it, that of the process or the folder.
func Group(gid int) Option { return func(s *Sink) { s.gid = gid } }

// Named tells several file sinks apart; "file" without it.
func Named(name string) Option { return func(s *Sink) { s.name = name } }

// allowed are the permission bits that a file may have: none for others.
const allowed fs.FileMode = 0o770

// New makes the sink. Two targets of one path, one without an item or a path, and a mode that lets others in, or that
// has no bit set, are a usage error.
func New(targets []Target, opts ...Option) (*Sink, error) {
	s := &Sink{name: "file", targets: slices.Clone(targets), mode: DefaultMode, gid: -1, sync: (*os.File).Sync}
	seen := map[string]bool{}
	for _, opt := range opts {
		opt(s)
	}
	for i, t := range s.targets {
		if (t.Item == "") == (t.Template == nil) || t.Path == "" {
			return nil, problem.New(problem.Usage, "name both, as in /run/keys/token=privateKey",
				"a file target lacks its path or its item, or has an item and a template")
		}
		path, err := filepath.Abs(t.Path)
		if err != nil {
			return nil, fmt.Errorf("making %s absolute: %w", t.Path, err)
		}
		if seen[path] {
			return nil, problem.New(problem.Usage, "give each item a file of its own", "file %s is a target twice", path)
		}
		seen[path], s.targets[i].Path = true, path
		if t.Mode == 0 {
			s.targets[i].Mode = s.mode
		}
		if mode := s.targets[i].Mode; mode == 0 || mode&^allowed != 0 {
			return nil, problem.New(problem.Usage, "choose 0440 or 0400; let readers in by their group",
				"file %s: mode %04o would be open to others, or to nobody", path, mode)
		}
	}
	return s, nil
}

// Name is that of Named, or "file".
func (s *Sink) Name() string { return s.name }

// Apply writes what differs, all files or none. Only a rename that fails after another succeeded can leave a mixture,
// and applying again mends it.
func (s *Sink) Apply(ctx context.Context, snapshot delivery.Snapshot) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := s.sweep(); err != nil {
		return err
	}
	var files []staged
	defer func() {
		for _, f := range files {
			_ = os.Remove(f.temp) // those that were renamed are no longer there
		}
	}()
	for _, t := range s.targets {
		data, err := content(t, snapshot)
		if err != nil {
			return err
		}
		same, err := inPlace(t, data)
		if err != nil {
			return err
		}
		if same || data == nil {
			continue
		}
		temp, err := s.stage(t, data)
		if err != nil {
			return explain(t.Path, err)
		}
		files = append(files, staged{temp: temp, path: t.Path})
	}
	return s.commit(files)
}

// Check reads every target. A file that is not there, is no file, or has other bytes or another mode is an error.
func (s *Sink) Check(ctx context.Context, snapshot delivery.Snapshot) error {
	for _, t := range s.targets {
		if err := ctx.Err(); err != nil {
			return err
		}
		data, err := content(t, snapshot)
		if err != nil {
			return err
		}
		same, err := inPlace(t, data)
		if err != nil {
			return err
		}
		if !same && data != nil {
			return fmt.Errorf("file %s is missing or is not as it was written", t.Path)
		}
	}
	return nil
}

// Try says whether Apply would succeed: whether the content is fit, nothing stands in the way of a file, and its folder
// can be written. It leaves everything as it is.
func (s *Sink) Try(ctx context.Context, snapshot delivery.Snapshot) error {
	for _, t := range s.targets {
		if err := ctx.Err(); err != nil {
			return err
		}
		data, err := content(t, snapshot)
		if err != nil {
			return err
		}
		if _, err := inPlace(t, data); err != nil {
			return err
		}
		temp, err := s.stage(t, nil) // empty: nothing of the value touches the disk
		if err != nil {
			return explain(t.Path, err)
		}
		if err := os.Remove(temp); err != nil {
			return explain(t.Path, err)
		}
	}
	return nil
}

// content is what goes into the file of t; nil when the item is optional and not there.
func content(t Target, snapshot delivery.Snapshot) ([]byte, error) {
	data, err := made(t, snapshot)
	if data == nil || err != nil {
		return nil, err
	}
	what := "item " + t.Item
	if t.Template != nil {
		what = "template " + t.Template.String()
	}
	if len(data) == 0 {
		return nil, problem.New(problem.Refused, "put a value into the secret or the document",
			"%s for %s is empty", what, t.Path)
	}
	if t.Token && !isToken(data) {
		return nil, problem.New(problem.Refused,
			"a token is one word of printable ASCII; if the secret is a JSON object, name its key in the reference",
			"%s for %s is not a token", what, t.Path)
	}
	return data, nil
}

// made is the content before it is looked at: an item without the line end that editors add, or a template's whole.
func made(t Target, snapshot delivery.Snapshot) ([]byte, error) {
	if t.Template != nil {
		value, err := t.Template.Render(snapshot)
		if err != nil {
			return nil, fmt.Errorf("making %s: %w", t.Path, err)
		}
		return append([]byte{}, value.Reveal()...), nil
	}
	item, ok := snapshot.Get(t.Item)
	switch {
	case !ok && t.Optional:
		return nil, nil
	case !ok:
		return nil, problem.New(problem.Refused, "check the name of the item", "item %s for %s is not in the snapshot",
			t.Item, t.Path)
	}
	data := append([]byte{}, item.Value.Reveal()...)
	if cut, ok := bytes.CutSuffix(data, []byte("\n")); ok {
		data = bytes.TrimSuffix(cut, []byte("\r"))
	}
	return data, nil
}

func isToken(data []byte) bool {
	if bytes.ContainsRune([]byte(`{["'`), rune(data[0])) {
		return false
	}
	return !slices.ContainsFunc(data, func(b byte) bool { return b <= ' ' || b > '~' })
}

// inPlace says whether the file has the bytes and the mode already. A target that is there and is not a regular file
// is refused: a symlink would be replaced under its reader or, worse, lead elsewhere.
func inPlace(t Target, data []byte) (bool, error) {
	path := t.Path
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, explain(path, err)
	}
	if !info.Mode().IsRegular() {
		return false, problem.New(problem.Refused, "name a path that is free or a regular file",
			"target %s is there and is not a regular file (%s)", path, info.Mode().Type())
	}
	if info.Mode().Perm() != t.Mode || info.Size() != int64(len(data)) {
		return false, nil
	}
	held, err := os.ReadFile(path)
	return err == nil && bytes.Equal(held, data), nil // what cannot be read is replaced
}

// explain adds the next step to the error of a file operation, which names the path and never what is written.
func explain(path string, err error) error {
	hint := ""
	switch {
	case errors.Is(err, fs.ErrNotExist):
		hint = "mount a volume at " + filepath.Dir(path) + " or create the folder"
	case errors.Is(err, fs.ErrPermission):
		hint = "let the user of this process write into " + filepath.Dir(path) + " (fsGroup of the pod)"
	}
	return problem.New(problem.Failed, hint, "writing %s: %w", path, err)
}
