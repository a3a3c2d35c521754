package agent_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	canary        = "CANARY-not-a-real-key"
	bearer        = "HEADER.CANARYTOKEN.SIGNATURE"
	sessionSecret = "CANARYSECRET"
	sessionToken  = "CANARYSESSION"
	v1            = "11111111-1111-1111-1111-111111111111"
	v2            = "22222222-2222-2222-2222-222222222222"
)

// amazon speaks as much of STS, AppConfigData and Secrets Manager as an agent asks for.
type amazon struct {
	mu       sync.Mutex
	document string
	seen     string // document of the last answer
	down     bool
	denied   bool
	tokens   int
	sessions int // that STS has given out
	orphaned int // sessions up to this one are of a role that was deleted since
	dead     int // sessions up to this one have ended, whatever STS said of their length
}

func start(t *testing.T) (*amazon, map[string]string) {
	t.Helper()
	a := &amazon{}
	server := httptest.NewServer(a)
	t.Cleanup(server.Close)
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte(bearer), 0o600); err != nil {
		t.Fatal(err)
	}
	return a, map[string]string{
		"AWS_ENDPOINT_URL": server.URL, "AWS_REGION": "eu-west-1", "AWS_WEB_IDENTITY_TOKEN_FILE": token,
		"AWS_ROLE_ARN": "arn:aws:iam::111122223333:role/otel", "AWS_ROLE_SESSION_NAME": "pod",
	}
}

func document(version string) string {
	return fmt.Sprintf(`{"domain":"eu2.example.com","private_key":`+
		`"{{resolve:secretsmanager:team/key:SecretString:privateKey::%s}}"}`, version)
}

func (a *amazon) set(change func(*amazon)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	change(a)
}

func (a *amazon) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	body, _ := io.ReadAll(r.Body)
	switch {
	case a.down:
		w.WriteHeader(http.StatusServiceUnavailable)
	case signed(r) && a.sessionOf(r) <= a.dead:
		w.Header().Set("X-Amzn-Errortype", "ExpiredTokenException")
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprint(w, `{"Message":"The security token included in the request is expired"}`)
	case signed(r) && a.sessionOf(r) <= a.orphaned:
		w.Header().Set("X-Amzn-Errortype", "AccessDeniedException")
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprint(w, `{"Message":"User: otel is not authorized"}`)
	case r.URL.Path == "/configurationsessions":
		w.WriteHeader(http.StatusCreated)
		fmt.Fprint(w, `{"InitialConfigurationToken":"first"}`)
		a.seen = ""
	case r.URL.Path == "/configuration":
		a.tokens++
		w.Header().Set("Next-Poll-Configuration-Token", fmt.Sprint("next", a.tokens))
		w.Header().Set("Next-Poll-Interval-In-Seconds", "15")
		if a.seen != a.document {
			a.seen = a.document
			fmt.Fprint(w, a.document)
		}
	case r.Header.Get("X-Amz-Target") == "secretsmanager.GetSecretValue":
		a.secret(w, body)
	default:
		a.sts(w, r)
	}
}

// signed says that a session made the request; static keys are no session.
func signed(r *http.Request) bool { return strings.Contains(r.Header.Get("Authorization"), "ASIAFAKE") }

// sessionOf reads the number of the session out of the key id that signed the request.
func (a *amazon) sessionOf(r *http.Request) int {
	_, rest, _ := strings.Cut(r.Header.Get("Authorization"), "ASIAFAKE")
	digits, _, _ := strings.Cut(rest, "/")
	n, _ := strconv.Atoi(digits)
	return n
}

func (a *amazon) secret(w http.ResponseWriter, body []byte) {
	var in struct{ SecretId, VersionId string }
	_ = json.Unmarshal(body, &in)
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	if a.denied || in.SecretId != "team/key" {
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprint(w, `{"__type":"AccessDeniedException","Message":"User: otel is not authorized"}`)
		return
	}
	value, _ := json.Marshal(map[string]string{"privateKey": canary + "-" + in.VersionId[:1]})
	_ = json.NewEncoder(w).Encode(map[string]string{"SecretString": string(value), "VersionId": in.VersionId})
}

func (a *amazon) sts(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/xml")
	if r.Header.Get("Authorization") == "" { // AssumeRoleWithWebIdentity is not signed
		a.sessions++
		fmt.Fprintf(w, `<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials>
<AccessKeyId>ASIAFAKE%d</AccessKeyId><SecretAccessKey>`+sessionSecret+`</SecretAccessKey>
<SessionToken>`+sessionToken+`</SessionToken>
<Expiration>%s</Expiration></Credentials><AssumedRoleUser><Arn>arn:aws:sts::111122223333:assumed-role/otel/pod</Arn>
<AssumedRoleId>AROAFAKE:pod</AssumedRoleId></AssumedRoleUser></AssumeRoleWithWebIdentityResult>
</AssumeRoleWithWebIdentityResponse>`, a.sessions, time.Now().Add(time.Hour).UTC().Format(time.RFC3339))
		return
	}
	fmt.Fprint(w, `<GetCallerIdentityResponse><GetCallerIdentityResult><Account>111122223333</Account>
<Arn>arn:aws:sts::111122223333:assumed-role/otel/pod</Arn><UserId>AROAFAKE:pod</UserId>
</GetCallerIdentityResult></GetCallerIdentityResponse>`)
}
