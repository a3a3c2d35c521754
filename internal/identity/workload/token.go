package workload

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
)

// tokenFile is where the kubelet keeps a service account token, which it renews.
type tokenFile struct {
	path     string
	variable string // that names the path
}

// tokenError says that there is no token to send.
type tokenError struct {
	hint string
	err  error
}

func (e *tokenError) Error() string { return e.err.Error() }
func (e *tokenError) Unwrap() error { return e.err }

// GetIdentityToken reads the token as it is now.
func (t tokenFile) GetIdentityToken() ([]byte, error) {
	data, err := os.ReadFile(t.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, &tokenError{err: err, hint: t.variable + " names a file that is not mounted; " +
			"check the pod's projected volume and that EKS's webhook changed the pod"}
	case errors.Is(err, fs.ErrPermission):
		return nil, &tokenError{err: err, hint: "let the user of this process read it: set fsGroup in the pod's " +
			"security context"}
	case err != nil:
		return nil, &tokenError{err: err, hint: "check " + t.variable}
	}
	if data = []byte(strings.TrimSpace(string(data))); len(data) == 0 {
		return nil, &tokenError{err: fmt.Errorf("%s is empty", t.path), hint: "check the pod's projected volume"}
	}
	return data, nil
}

func (t tokenFile) claims() claims {
	data, err := t.GetIdentityToken()
	if err != nil {
		return claims{}
	}
	return parseClaims(string(data))
}

// noToken is the hint for a file that holds something else.
func (t tokenFile) noToken() string {
	return fmt.Sprintf("%s does not hold a token (a JSON web token); check %s and the pod's projected volume", t.path,
		t.variable)
}
