package workload_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

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
