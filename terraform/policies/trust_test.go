package policies_test

import (
	"testing"

	"github.com/versity/versitygw/iamapi/policy"
)

// TestWebIdentityTrust also takes each condition away, as TestNothingIsSpare does for the other documents.
func TestWebIdentityTrust(t *testing.T) {
	const subject = "system:serviceaccount:observability:collector"
	tests := []struct {
		what                      string
		issuer, subject, audience string
		want                      policy.WebIdentityMatch
	}{
		{"itself", issuer, subject, "sts.amazonaws.com", policy.Allowed},
		{"another service account", issuer, subject + "-evil", "sts.amazonaws.com", policy.ConditionFailed},
		{"another namespace", issuer, "system:serviceaccount:evil:collector", "sts.amazonaws.com", policy.ConditionFailed},
		{"another audience", issuer, subject, "kubernetes.default.svc", policy.ConditionFailed},
		{"no audience", issuer, subject, "", policy.ConditionFailed},
		{"no subject", issuer, "", "sts.amazonaws.com", policy.ConditionFailed},
		{"another cluster", issuer + "2", subject, "sts.amazonaws.com", policy.NoIssuerMatch},
	}
	match := func(document string, i int) policy.WebIdentityMatch {
		lookup := func(arn string) (string, bool) { return issuer, arn == provider }
		got, _ := policy.EvaluateWebIdentityTrust(document, lookup, policy.WebIdentityContext{
			ProviderURL: tests[i].issuer, Subject: tests[i].subject, Audience: tests[i].audience, Secure: true,
		})
		return got
	}
	for _, name := range []string{"workload-trust", "publisher-trust", "maintainer-trust", "reader-trust", "deployer-trust"} {
		document := render(t, name)
		for i, test := range tests {
			t.Run(name+"/"+test.what, func(t *testing.T) {
				if got := match(document, i); got != test.want {
					t.Errorf("match = %d, want %d", got, test.want)
				}
			})
		}
		for what, smaller := range reductions(t, document) {
			t.Run(name+"/"+what, func(t *testing.T) {
				same := true
				for i, test := range tests {
					same = same && match(smaller, i) == test.want
				}
				if same {
					t.Error("every token is answered as before")
				}
			})
		}
	}
}
