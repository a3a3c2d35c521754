package awserr_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/aws/smithy-go"

	"github.com/pinnace-dev/pinnace/internal/blame"
	"github.com/pinnace-dev/pinnace/internal/identity/awserr"
)

func TestDenial(t *testing.T) {
	const session = "arn:aws:sts::111122223333:assumed-role/otel/pod"
	const who = "User: " + session + " is not authorized to perform: secretsmanager:GetSecretValue on resource: it "
	tests := map[string]struct {
		message  string
		want     awserr.Denial
		in, hint string // of the fix; empty for none
	}{
		"no policy": {
			who + "because no identity-based policy allows the secretsmanager:GetSecretValue action",
			awserr.Denial{session, "secretsmanager:GetSecretValue", "it", "identity-based policy", ""},
			"the policy of arn:aws:iam::111122223333:role/otel", "the role's policy needs a:B on arn",
		},
		"another account's secret": {
			who + "because no resource-based policy allows the secretsmanager:GetSecretValue action",
			awserr.Denial{session, "secretsmanager:GetSecretValue", "it", "resource-based policy", ""},
			"the resource policy of arn", "the resource-based policy must allow a:B on arn",
		},
		"VPC endpoint": {
			who + "because no VPC endpoint policy allows the secretsmanager:GetSecretValue action",
			awserr.Denial{session, "secretsmanager:GetSecretValue", "it", "VPC endpoint policy", ""},
			"the VPC endpoint policy", "the VPC endpoint policy must allow a:B on arn",
		},
		"boundary": {
			who + "because no permissions boundary allows the secretsmanager:GetSecretValue action",
			awserr.Denial{session, "secretsmanager:GetSecretValue", "it", "permissions boundary", ""},
			"the permissions boundary", "the permissions boundary must allow a:B on arn",
		},
		"organisation": {
			who + "with an explicit deny in a service control policy",
			awserr.Denial{session, "secretsmanager:GetSecretValue", "it", "", "service control policy"},
			"", "take away what denies a:B on arn: a service control policy",
		},
		"no resource": {
			"User: " + session + " is not authorized to perform: secretsmanager:BatchGetSecretValue",
			awserr.Denial{session, "secretsmanager:BatchGetSecretValue", "", "", ""},
			"the policy of arn:aws:iam::111122223333:role/otel", "the role's policy needs a:B on arn",
		},
		"nothing said": {"no", awserr.Denial{}, "the policy of the role", "the role's policy needs a:B on arn"},
	}
	for name, test := range tests {
		err := fmt.Errorf("outer: %w", &smithy.GenericAPIError{Code: "AccessDeniedException", Message: test.message})
		got, ok := awserr.DenialOf(err)
		if !ok || got != test.want {
			t.Errorf("%s: %+v, %v", name, got, ok)
		}
		statement, in := blame.Allow("arn", "a:B"), ""
		if fixes := got.Fixes(statement); len(fixes) > 0 {
			in = fixes[0].In
		}
		if in != test.in || got.Hint(statement) != test.hint {
			t.Errorf("%s: in %q, hint %q", name, in, got.Hint(statement))
		}
	}
	for _, err := range []error{nil, errors.New("x"), &smithy.GenericAPIError{Code: "ThrottlingException"}} {
		if _, ok := awserr.DenialOf(err); ok {
			t.Errorf("%v is a denial", err)
		}
	}
}
