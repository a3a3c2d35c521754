// Package awserr makes the errors of AWS clients short and safe to show. What a client reports by itself carries the
// URL of the request, and with it the session token of AppConfig.
package awserr

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/pinnace-dev/pinnace/internal/blame"
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

// Unreachable says that no answer came, for a reason other than a context that was cancelled, and from which host,
// where that is known.
func Unreachable(err error) (host string, ok bool) {
	if Code(err) != "" || errors.Is(err, context.Canceled) {
		return "", false
	}
	if _, ok := errors.AsType[*fs.PathError](err); ok { // within which is an errno, which is a net.Error, too
		return "", false
	}
	if e, isURL := errors.AsType[*url.Error](err); isURL {
		if u, parseErr := url.Parse(e.URL); parseErr == nil {
			host = u.Host
		}
		return host, true
	}
	_, ok = errors.AsType[net.Error](err)
	return "", ok
}

// ReachHint is the next step when a service cannot be reached. Service is its name in endpoints, such as
// secretsmanager; host is what was asked, and AWS's own when empty.
func ReachHint(service, region, host string) string {
	if host == "" {
		host = service + "." + region + ".amazonaws.com"
	}
	variable := strings.ToUpper(service)
	if service == "secretsmanager" {
		variable = "SECRETS_MANAGER" // as the SDKs call it
	}
	return fmt.Sprintf("let this process reach %s: look at its NetworkPolicy and security group, at the VPC endpoint "+
		"com.amazonaws.%s.%s, and at AWS_ENDPOINT_URL_%s", host, region, service, variable)
}

// Trouble is the cause of what can befall every call: no answer, too many calls, a service that fails by itself. It is
// empty for anything else.
func Trouble(err error) blame.Cause {
	if _, ok := Unreachable(err); ok {
		return blame.Network
	}
	if _, ok := retry.DefaultThrottleErrorCodes[Code(err)]; ok {
		return blame.Throttled
	}
	e, ok := errors.AsType[*smithyhttp.ResponseError](err)
	if ok && e.HTTPStatusCode() >= http.StatusInternalServerError {
		return blame.Service
	}
	return ""
}

// Code is the error code of the service, or "" when the error did not come from one.
func Code(err error) string {
	if e, ok := errors.AsType[smithy.APIError](err); ok {
		return e.ErrorCode()
	}
	return ""
}
