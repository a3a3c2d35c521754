// Package awserr makes the errors of AWS clients short and safe to show. What a client reports by itself carries the
// URL of the request, and with it the session token of AppConfig.
package awserr

import (
	"errors"
	"net/url"

	"github.com/aws/smithy-go"

	"github.com/pinnace-dev/pinnace/internal/problem"
)

// short has the text of an error without its surroundings, and its chain with them.
type short struct {
	text string
	err  error
}

func (s *short) Error() string { return s.text }
func (s *short) Unwrap() error { return s.err }

// Short gives err a text that says only what matters: what an inner explanation says, the service's code and message,
// or why no answer came. The chain is kept. Nil stays nil.
func Short(err error) error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*problem.Error](err); ok {
		return &short{text: e.Error(), err: err}
	}
	if e, ok := errors.AsType[smithy.APIError](err); ok {
		text := e.ErrorCode()
		if m := e.ErrorMessage(); m != "" {
			text += ": " + m
		}
		return &short{text: text, err: err}
	}
	if _, ok := errors.AsType[*smithy.DeserializationError](err); ok {
		return &short{text: "the answer cannot be read", err: err}
	}
	if e, ok := errors.AsType[*url.Error](err); ok {
		text := "no answer: " + e.Err.Error()
		if u, parseErr := url.Parse(e.URL); parseErr == nil {
			text = "no answer from " + u.Host + ": " + e.Err.Error()
		}
		return &short{text: text, err: err}
	}
	return err
}

// Code is the error code of the service, or "" when the error did not come from one.
func Code(err error) string {
	if e, ok := errors.AsType[smithy.APIError](err); ok {
		return e.ErrorCode()
	}
	return ""
}
