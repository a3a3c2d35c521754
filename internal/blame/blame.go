// Package blame says which part of a set-up is at fault when something fails, in a word for programs, and which IAM
// statement mends it. Libraries attach both where they know most; commands print them.
package blame

import "errors"

// Cause is a part of a set-up that can be at fault.
type Cause string

// The causes.
const (
	Identity   Cause = "identity"   // the pod has none, or half of one
	Token      Cause = "token"      // its file is missing, holds something else, or the token is too old
	Audience   Cause = "audience"   // the token is for another service
	Subject    Cause = "subject"    // the role is not for this service account
	Issuer     Cause = "issuer"     // IAM does not know the cluster, or cannot reach it
	Role       Cause = "role"       // it does not exist, or may not be assumed
	Permission Cause = "permission" // a policy does not allow it, or denies it
	Key        Cause = "key"        // the KMS key may not be used, or cannot
	Region     Cause = "region"     // the thing, or the endpoint, is in another one
	Name       Cause = "name"       // there is nothing of this name
	Deployment Cause = "deployment" // nothing is deployed
	Document   Cause = "document"   // what is deployed or stored is not what the item needs
	Network    Cause = "network"    // no answer
	Clock      Cause = "clock"      // of this machine, or of another
	Throttled  Cause = "throttled"  // too many calls
	Service    Cause = "service"    // it is in trouble by itself
	Sink       Cause = "sink"       // what the agent delivers to: a file, a command, an address
)

// Statement is a statement of an IAM policy.
type Statement struct {
	Effect    string
	Principal map[string]string `json:",omitempty"`
	Action    []string
	Resource  string                       `json:",omitempty"`
	Condition map[string]map[string]string `json:",omitempty"`
}

// Allow makes a statement for one resource; trust policies have none.
func Allow(resource string, actions ...string) Statement {
	return Statement{Effect: "Allow", Action: actions, Resource: resource}
}

// Fix is a statement and the document that lacks it.
type Fix struct {
	In        string    `json:"in"` // in words: the policy of role otel
	Statement Statement `json:"statement"`
	LookUp    string    `json:"lookUp,omitempty"` // how to find what the statement only has a placeholder for
}

// Error is an error that says what is at fault. Its text and its chain are those of Err.
type Error struct {
	Causes []Cause // likeliest first; several where what AWS says fits several
	Fixes  []Fix   // all of them are needed
	Err    error
}

func (e *Error) Error() string { return e.Err.Error() }
func (e *Error) Unwrap() error { return e.Err }

// On blames causes for err. Without a cause, and for nil, err stays as it is.
func On(err error, causes ...Cause) error { return With(err, nil, causes...) }

// With is On and what mends it.
func With(err error, fixes []Fix, causes ...Cause) error {
	if err == nil || len(causes) == 0 {
		return err
	}
	return &Error{Causes: causes, Fixes: fixes, Err: err}
}

// Of is what the outermost Error in err's chain blames; nothing without one.
func Of(err error) ([]Cause, []Fix) {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Causes, e.Fixes
	}
	return nil, nil
}
