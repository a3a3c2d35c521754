package iam

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/versity/versitygw/iamapi/policy"
)

// FuzzApplicable asks for what a careless reading of a resource policy would break: a document that the evaluator would
// not take decides nothing, what is handed on is always valid, and a caller is only granted what some statement grants
// to everybody or to it by name.
func FuzzApplicable(f *testing.F) {
	for _, seed := range []string{
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"s3:*","Resource":"*"}]}`,
		`{"Statement":{"Effect":"Deny","NotPrincipal":{"AWS":["role","123"]},"Action":"s3:*","Resource":"*"}}`,
		`{"Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::1:role/reader"},"NotAction":"s3:X",` +
			`"NotResource":"arn:aws:s3:::b","Condition":{"Bool":{"aws:SecureTransport":"true"}}}]}`,
		`{"Statement":[{"Effect":"Allow","Principal":{"Service":"s3.amazonaws.com"},"Action":"sts:AssumeRole"}]}`,
		`{"Statement":[{"Effect":"Allow","Effect":"Deny","Principal":null,"principal":"*"}]}`,
		`{"Statement":[{"Effect":"Allow","Principal":{"AWS":"a*"},"Action":"*","Resource":"${a/b}"}]} x`,
	} {
		f.Add(seed, false)
		f.Add(seed, true)
	}
	const name = "arn:aws:iam::1:role/reader"
	ctx := policy.RequestContext{Action: "s3:GetObject", Resource: "arn:aws:s3:::b/k", Condition: map[string][]string{}}
	f.Fuzz(func(t *testing.T, text string, trust bool) {
		for _, c := range []caller{{}, {self: []string{name}, account: []string{"1"}}, {service: "s3.amazonaws.com"}} {
			p, err := applicable(text, trust, c)
			var read policy.Document
			if json.Unmarshal([]byte(text), &read) != nil && err == nil {
				t.Fatalf("accepted what does not parse: %s", text)
			}
			if err != nil {
				if p != (resourcePolicy{}) {
					t.Fatalf("refused %s, but handed on %+v", text, p)
				}
				continue
			}
			for _, handed := range []string{p.granted, p.delegated} {
				if handed != "" && policy.Parse(handed) != nil {
					t.Fatalf("handed on an invalid document %s from %s", handed, text)
				}
			}
			if evaluate(p.granted, ctx) == policy.DecisionAllow && !mayGrant(read, c) {
				t.Fatalf("%+v is granted something by %s", c, text)
			}
		}
	})
}

// mayGrant is a coarse second opinion: some Allow has a principal with "*" or a name of the caller in it, or names
// those who are left out.
func mayGrant(d policy.Document, c caller) bool {
	for _, st := range d.Statement {
		var value any
		if st.Effect != "Allow" || json.Unmarshal(st.Principal, &value) != nil && len(st.NotPrincipal) == 0 {
			continue
		}
		plain, _ := json.Marshal(value)
		if len(st.NotPrincipal) > 0 || strings.Contains(string(plain), `"*"`) {
			return true
		}
		for _, name := range append(c.self, c.service) {
			if name != "" && strings.Contains(string(plain), `"`+name+`"`) {
				return true
			}
		}
	}
	return false
}

// FuzzKnownServices holds the replacement of service principals to its promise: it changes no verdict but that on
// service principals, and what did not parse stays refused.
func FuzzKnownServices(f *testing.F) {
	f.Add(`{"Statement":[{"Effect":"Allow","Principal":{"Service":["eks.amazonaws.com"]},"Action":"sts:AssumeRole"}]}`)
	f.Add(`{"Statement":{"Effect":"Allow","Principal":{"Federated":"x","Service":null},"Action":"sts:AssumeRole"}}`)
	f.Add(`{"Statement":{"Effect":"Allow","Principal":{"Service":"a.amazonaws.com"},"Action":"sts:A","Resource":"*"}}`)
	f.Fuzz(func(t *testing.T, text string) {
		replaced := withKnownServices(text)
		before, after := policy.ParseTrust(text), policy.ParseTrust(replaced)
		if before == nil && after != nil {
			t.Fatalf("refused a valid document: %s: %v", text, after)
		}
		if before != nil && after == nil && !strings.Contains(before.Error(), `"SERVICE"`) {
			t.Fatalf("accepted %s, which was refused for another reason: %v", text, before)
		}
	})
}
