package awserr_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"syscall"
	"testing"

	"github.com/aws/smithy-go"

	"github.com/pinnace-dev/pinnace/internal/identity/awserr"
	"github.com/pinnace-dev/pinnace/internal/problem"
)

func TestShort(t *testing.T) {
	operation := func(err error) error {
		return &smithy.OperationError{ServiceID: "S", OperationName: "Op", Err: err}
	}
	api := &smithy.GenericAPIError{Code: "ThrottlingException", Message: "Rate exceeded"}
	send := &url.Error{
		Op: "Get", Err: context.Canceled,
		URL: "http://127.0.0.1:1/configuration?configuration_token=SESSION",
	}
	tests := []struct {
		err  error
		want string
		code string
	}{
		{operation(api), "ThrottlingException: Rate exceeded", "ThrottlingException"},
		{operation(&smithy.GenericAPIError{Code: "Bare"}), "Bare", "Bare"},
		{operation(send), "no answer from 127.0.0.1:1: context canceled", ""},
		{
			operation(&smithy.DeserializationError{Err: errors.New("x"), Snapshot: []byte("y")}),
			"the answer cannot be read", "",
		},
		{operation(problem.New(problem.Denied, "hint", "no token file")), "no token file", ""},
		{errors.New("other"), "other", ""},
	}
	for _, test := range tests {
		got := awserr.Short(fmt.Errorf("outer: %w", test.err))
		if test.want == "other" {
			got = awserr.Short(test.err)
		}
		if got.Error() != test.want || awserr.Code(got) != test.code || !errors.Is(got, test.err) {
			t.Errorf("%v became %q with code %q", test.err, got, awserr.Code(got))
		}
	}
	if awserr.Short(nil) != nil {
		t.Error("nil did not stay nil")
	}
}

func TestUnreachable(t *testing.T) {
	send := func(err error) error {
		return fmt.Errorf("outer: %w", &url.Error{Op: "Get", URL: "https://host.example/x?configuration_token=SESSION", Err: err})
	}
	tests := []struct {
		err  error
		host string
		ok   bool
	}{
		{send(errors.New("connection refused")), "host.example", true},
		{send(context.DeadlineExceeded), "host.example", true},
		{&net.OpError{Op: "dial", Err: errors.New("no route to host")}, "", true},
		{send(context.Canceled), "", false},
		{&smithy.GenericAPIError{Code: "ThrottlingException"}, "", false},
		{errors.New("other"), "", false},
		{&fs.PathError{Op: "open", Path: "token", Err: syscall.ENOENT}, "", false}, // though ENOENT is a net.Error
		{nil, "", false},
	}
	for _, test := range tests {
		if host, ok := awserr.Unreachable(test.err); host != test.host || ok != test.ok {
			t.Errorf("%v: host %q, %v", test.err, host, ok)
		}
	}
}
