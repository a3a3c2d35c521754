package agent

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/pinnace-dev/pinnace/internal/durable"
	"github.com/pinnace-dev/pinnace/internal/problem"
)

const installedMode fs.FileMode = 0o555 // whoever runs it need not be who installed it, and nobody writes to it

// install copies this very program to DIR/pinnace-agent, where a container without a shell starts it. A copy that is
// there already, from a start before, stays untouched; another version is replaced by one rename.
func install(_ context.Context, p Program, args []string) error {
	if len(args) != 1 || args[0] == "" || args[0][0] == '-' {
		return problem.New(problem.Usage, "see: pinnace-agent help", "install takes one folder")
	}
	const hint = "mount a volume there that this user may write to and that programs may run from, such as an emptyDir"
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("finding this program: %w", err)
	}
	target := filepath.Join(args[0], "pinnace-agent")
	sum, err := copyProgram(self, target)
	if err != nil {
		return problem.New(problem.Failed, hint, "installing into %s: %w", args[0], err)
	}
	_, err = fmt.Fprintf(p.Stdout, "%s sha256:%x\n", target, sum)
	return err
}

// copyProgram answers the digest that both files have in the end.
func copyProgram(from, to string) ([]byte, error) {
	want, err := digest(from)
	if err != nil {
		return nil, err
	}
	if info, err := os.Lstat(to); err == nil && info.Mode() == installedMode {
		if have, err := digest(to); err == nil && bytes.Equal(have, want) {
			return want, nil
		}
	}
	source, err := os.Open(from)
	if err != nil {
		return nil, err
	}
	err = durable.WriteFrom(to, source, installedMode)
	if err := errors.Join(err, source.Close()); err != nil {
		return nil, err
	}
	have, err := digest(to)
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(have, want) {
		return nil, fmt.Errorf("%s has the digest sha256:%x, not sha256:%x as this program", to, have, want)
	}
	return want, nil
}

// digest reads the file in pieces: the memory of an init container may be smaller than the program.
func digest(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	hash := sha256.New()
	_, err = io.Copy(hash, f)
	return hash.Sum(nil), errors.Join(err, f.Close())
}
