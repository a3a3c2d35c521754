package workload_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/smithy-go"

	"github.com/pinnace-dev/pinnace/internal/identity/workload"
)

func TestRenewal(t *testing.T) {
	refused := func(code string) error { return fmt.Errorf("reading: %w", &smithy.GenericAPIError{Code: code}) }
	denied, expired := refused("AccessDeniedException"), refused("ExpiredTokenException")
	other := errors.New("no answer")
	tests := []struct {
		name   string
		rounds []error
		want   []int // rounds after which the token is exchanged anew
	}{
		{"all is well", []error{nil, nil, nil, nil}, nil},
		{"expired, at once and always", []error{nil, expired, expired}, []int{1, 2}},
		{"unknown", []error{refused("UnrecognizedClientException"), refused("InvalidClientTokenId")}, []int{0, 1}},
		{"denied for long: seldom", slices.Repeat([]error{denied}, 30), []int{2, 5, 11, 23}},
		{"denied in STS's words", slices.Repeat([]error{refused("AccessDenied")}, 3), []int{2}},
		{"denied now and then", slices.Repeat([]error{denied, denied, nil}, 4), nil},
		{"an outage between denials", []error{denied, denied, other, denied}, []int{3}},
		{
			"a good round forgets", append(append(slices.Repeat([]error{denied}, 4), nil), denied, denied, denied),
			[]int{2, 7},
		},
		{"throttled", slices.Repeat([]error{refused("ThrottlingException")}, 9), nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			exchanges := 0
			cfg := aws.Config{Credentials: aws.NewCredentialsCache(aws.CredentialsProviderFunc(
				func(context.Context) (aws.Credentials, error) {
					exchanges++
					return aws.Credentials{AccessKeyID: "AKIAFAKE", SecretAccessKey: "not-a-real-key"}, nil
				}))}
			var got []int
			var renewal workload.Renewal
			for i, err := range test.rounds {
				if _, err := cfg.Credentials.Retrieve(t.Context()); err != nil {
					t.Fatal(err)
				}
				before := exchanges
				renewal.After(cfg, err)
				if _, err := cfg.Credentials.Retrieve(t.Context()); err != nil {
					t.Fatal(err)
				}
				if exchanges != before {
					got = append(got, i)
				}
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("exchanged after the rounds %v, want %v", got, test.want)
			}
		})
	}
}

// STS may be away for the minutes before a session ends; the session serves until then, and is renewed as soon as STS
// is back. After its end it serves no more, nor when it was given up.
func TestSessionsAreRenewedEarly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		getenv, _ := pod(t)
		c := &cloud{}
		cfg, err := workload.Config(t.Context(), workload.Options{Getenv: getenv, HTTPClient: c})
		if err != nil {
			t.Fatal(err)
		}
		begun := time.Now()
		away := map[string]network{"AssumeRoleWithWebIdentity": refuse(400, "PackedPolicyTooLarge", "away")}
		at := func(minute float64, refuse map[string]network, want int, fails bool, exchanges int) {
			t.Helper()
			<-time.After(time.Until(begun.Add(time.Duration(minute * float64(time.Minute)))))
			c.refuse = refuse
			got, err := cfg.Credentials.Retrieve(t.Context())
			if id := fmt.Sprintf("ASIAFAKE%d", want); (err != nil) != fails || !fails && got.AccessKeyID != id {
				t.Errorf("minute %v: %s, %v; want %s", minute, got.AccessKeyID, err, id)
			}
			if len(c.forms) != exchanges {
				t.Errorf("minute %v: %d exchanges, want %d", minute, len(c.forms), exchanges)
			}
		}
		at(0, nil, 1, false, 1)
		at(54, nil, 1, false, 1)
		at(58, away, 1, false, 2)   // due, and in vain
		at(58.2, away, 1, false, 2) // not at each call
		at(59, away, 1, false, 3)
		at(59.8, nil, 2, false, 4)
		at(118, away, 2, false, 5)
		at(120, away, 0, true, 6) // over
		at(121, nil, 3, false, 7)
		cfg.Credentials.(interface{ Invalidate() }).Invalidate()
		at(121, away, 0, true, 8)
	})
}
