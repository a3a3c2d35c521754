package osproc

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/pinnace-dev/pinnace/internal/problem"
)

// The exit codes that a shell gives for a command that did not start.
const (
	CodeNotRunnable = 126
	CodeNotFound    = 127
)

// StartError says that a command could not be started.
type StartError struct {
	Command string // as it was given, without its arguments
	Code    int    // CodeNotFound or CodeNotRunnable
	Err     error
}

func (e *StartError) Error() string { return fmt.Sprintf("starting %s: %v", e.Command, e.Err) }
func (e *StartError) Unwrap() error { return e.Err }

// NotStarted is the StartError for what exec said, with the next step.
func NotStarted(command string, err error) error {
	e := &StartError{Command: command, Code: CodeNotRunnable, Err: err}
	hint := "make it an executable file for this machine that the user of the pod may run"
	if errors.Is(err, fs.ErrNotExist) {
		e.Code, hint = CodeNotFound, "write its whole path; the image must have it, and the interpreter in its first line"
	}
	return problem.New(problem.Failed, hint, "%w", e)
}

// Find gives the path of an executable file. A name without a slash is looked up in PATH as env has it, never in
// folders that are not absolute; a relative path starts at dir, which may be empty. The error is a StartError.
func Find(name, dir string, env []string) (string, error) {
	if strings.ContainsRune(name, '/') || filepath.IsAbs(name) {
		path := name
		if !filepath.IsAbs(path) {
			path = filepath.Join(dir, path)
		}
		if err := executable(path); err != nil {
			return "", NotStarted(name, err)
		}
		return filepath.Abs(path)
	}
	found := error(&fs.PathError{Op: "find in PATH", Path: name, Err: fs.ErrNotExist})
	for _, folder := range filepath.SplitList(lookup(env, "PATH")) {
		if !filepath.IsAbs(folder) {
			continue
		}
		path := filepath.Join(folder, name)
		err := executable(path)
		if err == nil {
			return path, nil
		}
		if !errors.Is(err, fs.ErrNotExist) && errors.Is(found, fs.ErrNotExist) {
			found = err // there, but not to be run: that is worth telling
		}
	}
	return "", NotStarted(name, found)
}

// lookup finds the last value of a variable.
func lookup(env []string, name string) string {
	value := ""
	for _, e := range env {
		if n, v, ok := strings.Cut(e, "="); ok && n == name {
			value = v
		}
	}
	return value
}

func executable(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() || info.Mode().Perm()&0o111 == 0 && runtime.GOOS != "windows" {
		return &fs.PathError{Op: "execute", Path: path, Err: fs.ErrPermission}
	}
	return nil
}
