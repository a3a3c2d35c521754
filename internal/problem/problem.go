// Package problem is how an error reaches a person: what failed, which kind of failure it is, and what to do next. The
// kind decides the exit code; the hint is written for the mistake that was made. Libraries attach both where they know
// most; the commands only print them.
package problem

import (
	"errors"
	"fmt"
)

// Kind is the class of a failure. Its number is the exit code of the commands.
type Kind int

// The kinds. Failed is what an error is that nobody classified.
const (
	Failed   Kind = 1 // something went wrong
	Usage    Kind = 2 // the command line or its input is wrong
	Conflict Kind = 3 // an immutable version exists with other bytes, or a race was lost
	Refused  Kind = 4 // refused by policy: a secret was found, lint failed, a document is invalid
	Denied   Kind = 5 // the identity may not do this, or could not be established
)

// Error is an error with a kind and a hint.
type Error struct {
	Kind Kind
	Hint string // the next step, one line, no final full stop; may be empty
	Err  error  // what failed, on which thing
}

func (e *Error) Error() string { return e.Err.Error() }
func (e *Error) Unwrap() error { return e.Err }

// New makes a classified error. The format is that of fmt.Errorf, %w included.
func New(kind Kind, hint, format string, args ...any) error {
	return &Error{Kind: kind, Hint: hint, Err: fmt.Errorf(format, args...)}
}

// KindOf is the kind of the outermost Error in err's chain, or Failed.
func KindOf(err error) Kind {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Kind
	}
	return Failed
}

// HintOf is the hint of the outermost Error in err's chain that has one, or "".
func HintOf(err error) string {
	for e, ok := errors.AsType[*Error](err); ok; e, ok = errors.AsType[*Error](e.Err) {
		if e.Hint != "" {
			return e.Hint
		}
	}
	return ""
}
