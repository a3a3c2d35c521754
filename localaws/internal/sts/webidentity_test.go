package sts_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	iamsdk "github.com/aws/aws-sdk-go-v2/service/iam"
	sdk "github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"

	"github.com/pinnace-dev/pinnace/localaws/internal/api"
	"github.com/pinnace-dev/pinnace/localaws/internal/iam"
)

const roleARN = "arn:aws:iam::123456789012:role/collector"

func (f *fixture) exchange(in *sdk.AssumeRoleWithWebIdentityInput) (*sdk.AssumeRoleWithWebIdentityOutput, error) {
	if in.RoleArn == nil {
		in.RoleArn = aws.String(roleARN)
	}
	if in.RoleSessionName == nil {
		in.RoleSessionName = aws.String("pod-1")
	}
	return f.client(iam.Credential{}).AssumeRoleWithWebIdentity(f.Context(), in)
}

// strict is the trust policy that the workload should have: subject and audience pinned.
func (f *fixture) strict() string {
	return document(f.webTrust("Allow", map[string]string{"sub": subject, "aud": "sts.amazonaws.com"}))
}

func TestWebIdentityBecomesASession(t *testing.T) {
	f := newFixture(t)
	role := f.role("collector", f.strict(), "", 2*time.Hour)
	out, err := f.exchange(&sdk.AssumeRoleWithWebIdentityInput{
		WebIdentityToken: aws.String(sign(t, "one", keyOne, jose.ES256, f.claims(nil))),
		DurationSeconds:  aws.Int32(7200),
		Policy:           aws.String(`{"Statement":{"Effect":"Allow","Action":"s3:*","Resource":"*"}}`),
	})
	if err != nil {
		t.Fatal(err)
	}
	got := []string{
		aws.ToString(out.SubjectFromWebIdentityToken), aws.ToString(out.Provider), aws.ToString(out.Audience),
		aws.ToString(out.AssumedRoleUser.Arn), aws.ToString(out.AssumedRoleUser.AssumedRoleId),
		out.Credentials.Expiration.String(), fmt.Sprint(aws.ToInt32(out.PackedPolicySize)), //nolint:staticcheck // what older clients read
	}
	want := []string{
		subject, f.provider(), "sts.amazonaws.com",
		"arn:aws:sts::123456789012:assumed-role/collector/pod-1", role.ID + ":pod-1",
		f.now.Add(2 * time.Hour).String(), "4",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("result (-want +got):\n%s", diff)
	}
	if !strings.HasPrefix(*out.Credentials.AccessKeyId, "ASIA") || len(*out.Credentials.AccessKeyId) != 20 {
		t.Errorf("access key id %s", *out.Credentials.AccessKeyId)
	}
	session, ok := f.directory.Credential(*out.Credentials.AccessKeyId)
	if !ok || session.SecretAccessKey != *out.Credentials.SecretAccessKey || session.Principal.Role != roleARN {
		t.Errorf("the directory holds another session: %v", session)
	}
	who, err := f.client(session).GetCallerIdentity(t.Context(), &sdk.GetCallerIdentityInput{})
	if err != nil {
		t.Fatal(err)
	}
	identity := []string{*who.Arn, *who.UserId, *who.Account}
	if diff := cmp.Diff([]string{want[3], want[4], account}, identity); diff != "" {
		t.Errorf("caller identity (-want +got):\n%s", diff)
	}
}

func TestWebIdentityRefusals(t *testing.T) {
	type change = map[string]any
	tests := []struct {
		name   string
		claims change
		token  func(f *fixture) string // instead of signing the claims
		before func(f *fixture)
		input  sdk.AssumeRoleWithWebIdentityInput
		code   string
		status int
	}{
		{name: "good"},
		{name: "azp is the audience", claims: change{"azp": "sts.amazonaws.com", "aud": []string{"a", "b"}}},
		{name: "no kid", token: func(f *fixture) string { return sign(t, "", keyOne, jose.ES256, f.claims(nil)) }},
		{name: "last second", claims: change{"exp": time.Date(2030, 1, 2, 3, 4, 6, 0, time.UTC).Unix()}},

		{name: "garbage", token: func(*fixture) string { return "garbage" }, code: "InvalidIdentityToken", status: 400},
		{
			name: "too long", token: func(*fixture) string { return strings.Repeat("x", 20_001) },
			code: "ValidationError", status: 400,
		},
		{
			name:  "wrong key with the same kid",
			token: func(f *fixture) string { return sign(t, "one", keyTwo, jose.ES256, f.claims(nil)) },
			code:  "InvalidIdentityToken", status: 400,
		},
		{
			name:  "unknown kid",
			token: func(f *fixture) string { return sign(t, "two", keyTwo, jose.ES256, f.claims(nil)) },
			code:  "InvalidIdentityToken", status: 400,
		},
		{name: "alg none", token: unsigned, code: "InvalidIdentityToken", status: 400},
		{name: "keyed hash", token: func(f *fixture) string {
			return sign(t, "one", []byte(strings.Repeat("fake", 8)), jose.HS256, f.claims(nil))
		}, code: "InvalidIdentityToken", status: 400},
		{name: "changed claims", token: tampered, code: "InvalidIdentityToken", status: 400},
		{name: "symmetric key in the set", before: func(f *fixture) {
			f.issuer.keys = []any{jose.JSONWebKey{Key: []byte(strings.Repeat("fake", 8)), KeyID: "one"}}
		}, code: "InvalidIdentityToken", status: 400},
		{name: "private key in the set", before: func(f *fixture) {
			f.issuer.keys = []any{jose.JSONWebKey{Key: keyOne, KeyID: "one"}}
		}, code: "InvalidIdentityToken", status: 400},
		{name: "key for encryption", before: func(f *fixture) {
			key := public("one", keyOne)
			key.Use = "enc"
			f.issuer.keys = []any{key}
		}, code: "InvalidIdentityToken", status: 400},
		{name: "keys of unknown kinds beside", before: func(f *fixture) {
			f.issuer.keys = append([]any{change{"kty": "FUTURE", "kid": "x"}}, f.issuer.keys...)
		}},
		{name: "key for another algorithm", before: func(f *fixture) {
			key := public("one", keyOne)
			key.Algorithm = "RS256"
			f.issuer.keys = []any{key}
		}, code: "InvalidIdentityToken", status: 400},

		{
			name: "expired", claims: change{"exp": time.Date(2030, 1, 2, 3, 4, 4, 0, time.UTC).Unix()},
			code: "ExpiredTokenException", status: 400,
		},
		{
			name: "not yet valid", claims: change{"nbf": time.Date(2030, 1, 2, 3, 4, 6, 0, time.UTC).Unix()},
			code: "IDPRejectedClaim", status: 403,
		},
		{
			name: "issued in the future", claims: change{"iat": time.Date(2030, 1, 2, 3, 5, 0, 0, time.UTC).Unix()},
			code: "IDPRejectedClaim", status: 403,
		},
		{name: "no expiry", claims: change{"exp": nil}, code: "InvalidIdentityToken", status: 400},
		{name: "no issue time", claims: change{"iat": nil}, code: "InvalidIdentityToken", status: 400},
		{name: "no subject", claims: change{"sub": nil}, code: "InvalidIdentityToken", status: 400},
		{name: "no audience", claims: change{"aud": nil}, code: "InvalidIdentityToken", status: 400},
		{name: "claim of a wrong type", claims: change{"exp": "soon"}, code: "InvalidIdentityToken", status: 400},
		{name: "wrong audience", claims: change{"aud": "vault"}, code: "InvalidIdentityToken", status: 400},
		{
			name: "two audiences", claims: change{"aud": []string{"sts.amazonaws.com", "vault"}},
			code: "InvalidIdentityToken", status: 400,
		},
		{name: "another party", claims: change{"azp": "vault"}, code: "InvalidIdentityToken", status: 400},

		{
			name: "wrong subject", claims: change{"sub": "system:serviceaccount:default:evil"},
			code: "AccessDenied", status: 403,
		},
		{name: "unknown issuer", claims: change{"iss": "http://127.0.0.1:1"}, code: "InvalidIdentityToken", status: 400},
		{
			name: "issuer of another scheme", before: func(f *fixture) { f.issuer.URL = "https" + f.issuer.URL[4:] },
			code: "InvalidIdentityToken", status: 400,
		},
		{name: "issuer down", before: func(f *fixture) { f.issuer.Close() }, code: "IDPCommunicationError", status: 400},
		{
			name: "issuer failing", before: answer(http.StatusServiceUnavailable, ""),
			code: "IDPCommunicationError", status: 400,
		},
		{
			name: "no discovery document", before: answer(http.StatusNotFound, ""),
			code: "InvalidIdentityToken", status: 400,
		},
		{
			name: "broken discovery document", before: answer(http.StatusOK, "<html>"),
			code: "InvalidIdentityToken", status: 400,
		},
		{name: "endless discovery document", before: func(f *fixture) {
			answer(http.StatusOK, `{"issuer":"`+f.issuer.URL+`","jwks_uri":"`+f.issuer.URL+`/keys"}`+
				strings.Repeat(" ", 2<<20))(f)
		}, code: "InvalidIdentityToken", status: 400},
		{
			name: "discovery document of another", before: func(f *fixture) { f.issuer.name = "https://example.org" },
			code: "InvalidIdentityToken", status: 400,
		},
		{name: "keys off the loopback over http", before: func(f *fixture) {
			answer(http.StatusOK, `{"issuer":"`+f.issuer.URL+`","jwks_uri":"http://192.0.2.1/keys"}`)(f)
		}, code: "InvalidIdentityToken", status: 400},
		{name: "redirect off the loopback", before: func(f *fixture) {
			f.issuer.answer = func(w http.ResponseWriter, r *http.Request) {
				http.Redirect(w, r, "http://192.0.2.1/", http.StatusFound)
			}
		}, code: "InvalidIdentityToken", status: 400},

		{
			name: "no role", input: sdk.AssumeRoleWithWebIdentityInput{RoleArn: aws.String(roleARN + "2")},
			code: "AccessDenied", status: 403,
		},
		{name: "deleted role", before: func(f *fixture) {
			_, err := f.iam.DeleteRole(f.Context(), &iamsdk.DeleteRoleInput{RoleName: aws.String("collector")})
			checkError(f.T, err, "", 0)
		}, code: "AccessDenied", status: 403},
		{name: "deleted provider", before: func(f *fixture) {
			_, err := f.iam.DeleteOpenIDConnectProvider(f.Context(), &iamsdk.DeleteOpenIDConnectProviderInput{
				OpenIDConnectProviderArn: aws.String(f.provider()),
			})
			checkError(f.T, err, "", 0)
		}, code: "InvalidIdentityToken", status: 400},
		{
			name: "not a role", input: sdk.AssumeRoleWithWebIdentityInput{RoleArn: aws.String(strings.Repeat("x", 20))},
			code: "ValidationError", status: 400,
		},
		{
			name: "session name", input: sdk.AssumeRoleWithWebIdentityInput{RoleSessionName: aws.String("a/b")},
			code: "ValidationError", status: 400,
		},
		{
			name: "too short", input: sdk.AssumeRoleWithWebIdentityInput{DurationSeconds: aws.Int32(899)},
			code: "ValidationError", status: 400,
		},
		{
			name: "longer than any role allows", input: sdk.AssumeRoleWithWebIdentityInput{DurationSeconds: aws.Int32(43201)},
			code: "ValidationError", status: 400,
		},
		{
			name: "longer than the role allows", input: sdk.AssumeRoleWithWebIdentityInput{DurationSeconds: aws.Int32(3601)},
			code: "ValidationError", status: 400,
		},
		{
			name: "session policy", input: sdk.AssumeRoleWithWebIdentityInput{Policy: aws.String(`{"Statement":[]}`)},
			code: "MalformedPolicyDocument", status: 400,
		},
		{
			name:  "long session policy",
			input: sdk.AssumeRoleWithWebIdentityInput{Policy: aws.String(strings.Repeat(" ", 2049))},
			code:  "PackedPolicyTooLarge", status: 400,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFixture(t)
			f.role("collector", f.strict(), "", 0)
			if tt.before != nil {
				tt.before(f)
			}
			in := tt.input
			if tt.token == nil {
				in.WebIdentityToken = aws.String(sign(t, "one", keyOne, jose.ES256, f.claims(tt.claims)))
			} else {
				in.WebIdentityToken = aws.String(tt.token(f))
			}
			_, err := f.exchange(&in)
			checkError(t, err, tt.code, tt.status)
			const text = "Not authorized to perform sts:AssumeRoleWithWebIdentity"
			if tt.code == "AccessDenied" && !strings.HasSuffix(err.Error(), text) {
				t.Errorf("text: %v", err)
			}
		})
	}
}

// unsigned is a good token but for its algorithm, "none".
func unsigned(f *fixture) string {
	claims, _ := json.Marshal(f.claims(nil))
	encode := base64.RawURLEncoding.EncodeToString
	return encode([]byte(`{"alg":"none","kid":"one"}`)) + "." + encode(claims) + "."
}

// tampered carries the signature of other claims.
func tampered(f *fixture) string {
	own := strings.Split(sign(f.T, "one", keyOne, jose.ES256, f.claims(map[string]any{"sub": "evil"})), ".")
	wanted := strings.Split(sign(f.T, "one", keyOne, jose.ES256, f.claims(nil)), ".")
	return own[0] + "." + wanted[1] + "." + own[2]
}

func answer(status int, body string) func(*fixture) {
	return func(f *fixture) {
		f.issuer.answer = func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			_, _ = w.Write([]byte(body))
		}
	}
}

func TestTrustPoliciesForWebIdentities(t *testing.T) {
	const evil = "system:serviceaccount:default:evil"
	audience := map[string]string{"aud": "sts.amazonaws.com"}
	pinned := map[string]string{"sub": subject, "aud": "sts.amazonaws.com"}
	f := newFixture(t)
	anyone, notEvil := f.webTrust("Allow", nil), f.webTrust("Deny", map[string]string{"sub": evil})
	pods := map[string]any{
		"Effect": "Allow", "Action": []string{"sts:AssumeRole", "sts:TagSession"},
		"Principal": map[string]string{"Service": "pods.eks.amazonaws.com"},
	}
	tests := []struct {
		name, trust, subject string
		allowed              bool
	}{
		{"without sub any service account may", document(anyone), evil, true},
		{"aud alone does not tell accounts apart", document(f.webTrust("Allow", audience)), evil, true},
		{"sub and aud", document(f.webTrust("Allow", pinned)), subject, true},
		{"sub and aud refuse another", document(f.webTrust("Allow", pinned)), evil, false},
		{"another audience", document(f.webTrust("Allow", map[string]string{"sub": subject, "aud": "x"})), subject, false},
		{"explicit deny", document(anyone, notEvil), evil, false},
		{"deny of another", document(anyone, notEvil), subject, true},
		{"beside Pod Identity", document(pods, f.webTrust("Allow", pinned)), subject, true},
		{"Pod Identity alone", document(pods), subject, false},
		{"custom claim", document(f.webTrust("Allow", map[string]string{"team": "blue"})), subject, true},
		{"other custom claim", document(f.webTrust("Allow", map[string]string{"team": "red"})), subject, false},
		{"another provider", strings.ReplaceAll(document(anyone), f.host(), "example.org"), subject, false},
	}
	for i, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			role := f.role(fmt.Sprintf("role-%d", i), tt.trust, "", 0)
			_, err := f.exchange(&sdk.AssumeRoleWithWebIdentityInput{
				RoleArn: aws.String(role.ARN),
				WebIdentityToken: aws.String(sign(t, "one", keyOne, jose.ES256, f.claims(map[string]any{
					"sub": tt.subject, "team": "blue", "kubernetes.io": map[string]string{"namespace": "x"},
				}))),
			})
			if tt.allowed {
				checkError(t, err, "", 0)
			} else {
				checkError(t, err, "AccessDenied", 403)
			}
		})
	}
}

func TestKeysAreHeldForAWhile(t *testing.T) {
	f := newFixture(t)
	f.role("collector", f.strict(), "", 0)
	exchange := func(kid string, key any, code string) {
		t.Helper()
		_, err := f.exchange(&sdk.AssumeRoleWithWebIdentityInput{
			WebIdentityToken: aws.String(sign(t, kid, key, jose.ES256, f.claims(nil))),
		})
		checkError(t, err, code, 400)
	}
	asked := func(want int32) {
		t.Helper()
		if got := f.issuer.asked.Load(); got != want {
			t.Errorf("keys were fetched %d times, want %d", got, want)
		}
	}
	exchange("one", keyOne, "")
	exchange("one", keyOne, "")
	asked(1)
	f.issuer.keys = append(f.issuer.keys, public("two", keyTwo))
	exchange("two", keyTwo, "") // a rotated key is found at once
	asked(2)
	exchange("three", keyTwo, "InvalidIdentityToken")
	asked(3) // once more, not again and again
	f.issuer.keys = []any{public("two", keyTwo)}
	exchange("one", keyOne, "")
	asked(3)
	f.now = f.now.Add(5 * time.Minute)
	exchange("one", keyOne, "InvalidIdentityToken") // a withdrawn key dies when the time is over
	asked(4)
}

func TestManyPodsAtOnce(t *testing.T) {
	f := newFixture(t)
	f.role("collector", f.strict(), "", 0)
	token := aws.String(sign(t, "one", keyOne, jose.ES256, f.claims(nil)))
	var pods sync.WaitGroup
	for range 16 {
		pods.Go(func() {
			out, err := f.exchange(&sdk.AssumeRoleWithWebIdentityInput{WebIdentityToken: token})
			if err != nil {
				t.Error(err)
				return
			}
			session, ok := f.directory.Credential(*out.Credentials.AccessKeyId)
			if !ok {
				t.Error("a session is lost")
				return
			}
			call := &api.Call{Principal: session.Principal, Request: signed(t, session)}
			if f.directory.Allow(call, api.Question{Action: "s3:GetObject", Resource: "*"}) == nil {
				t.Error("allowed without a policy")
			}
		})
	}
	pods.Wait()
}
