package iam

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"time"

	"github.com/pinnace-dev/pinnace/localaws/internal/api"
)

// Credential is a key pair and whose it is. It prints, in any format, without its secret and token.
type Credential struct {
	AccessKeyID     string
	SecretAccessKey string
	SessionToken    string // empty for the root user
	Principal       api.Principal
	Expires         time.Time // zero means never
}

type session struct {
	credential Credential
	tags       map[string]string
	transitive map[string]string // those of the tags that go on to sessions which this one assumes
	policy     string            // the session policy, empty when there is none
}

// forgetAfter is how long an expired session is still known, so that its caller learns that the token has expired.
const forgetAfter = 24 * time.Hour

// String never shows the secret.
func (c Credential) String() string { return c.AccessKeyID + " of " + c.Principal.ARN }

// GoString never shows the secret.
func (c Credential) GoString() string { return c.String() }

// Format never shows the secret, whatever the verb.
func (c Credential) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, c.String()) }

// LogValue never shows the secret.
func (c Credential) LogValue() slog.Value { return slog.StringValue(c.String()) }

// MarshalJSON never shows the secret.
func (c Credential) MarshalJSON() ([]byte, error) { return json.Marshal(c.String()) }

// Credential finds the root user's key or that of a session. Expired ones are found too, for about a day: whoever
// checks a signature compares Expires with the clock and answers ExpiredToken.
func (s *Service) Credential(accessKeyID string) (Credential, bool) {
	if accessKeyID != "" && accessKeyID == s.cfg.RootKey {
		return Credential{AccessKeyID: accessKeyID, SecretAccessKey: s.cfg.RootSecret, Principal: api.Principal{
			Kind: api.Root, Account: s.cfg.Account, ARN: s.arn("root", "", ""), UserID: s.cfg.Account,
			AccessKeyID: accessKeyID,
		}}, true
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	live, ok := s.sessions[accessKeyID]
	return live.credential, ok
}

// Issue makes a session of a role, valid for ttl. Tags overlay those of the role in conditions; sessionPolicy, when not
// empty, narrows what the role may do. Whether the caller may have the session is for the caller of Issue to decide.
func (s *Service) Issue(
	r Role, sessionName string, ttl time.Duration, tags map[string]string, sessionPolicy string,
) Credential {
	return s.IssueTransitive(r, sessionName, ttl, tags, nil, sessionPolicy)
}

// IssueTransitive makes a session that has further tags which are transitive: each session that it assumes has them
// too.
func (s *Service) IssueTransitive(
	r Role, sessionName string, ttl time.Duration, tags, transitive map[string]string, sessionPolicy string,
) Credential {
	now := s.now()
	c := Credential{
		AccessKeyID:     s.id("ASIA", 16),
		SecretAccessKey: s.token(30),
		SessionToken:    s.token(192),
		Principal:       s.sessionPrincipal(r, sessionName),
		Expires:         now.Add(ttl),
	}
	c.Principal.AccessKeyID = c.AccessKeyID
	all := maps.Clone(transitive)
	if all == nil {
		all = map[string]string{}
	}
	maps.Copy(all, tags)
	s.mu.Lock()
	defer s.mu.Unlock()
	maps.DeleteFunc(s.sessions, func(_ string, old session) bool {
		return now.Sub(old.credential.Expires) > forgetAfter
	})
	s.sessions[c.AccessKeyID] = session{
		credential: c, tags: all, transitive: maps.Clone(transitive), policy: sessionPolicy,
	}
	return c
}

// TransitiveTags are those that a session hands on; nil when there are none.
func (s *Service) TransitiveTags(accessKeyID string) map[string]string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return maps.Clone(s.sessions[accessKeyID].transitive)
}

func (s *Service) sessionPrincipal(r Role, name string) api.Principal {
	return api.Principal{
		Kind:    api.Session,
		Account: s.cfg.Account,
		ARN:     fmt.Sprintf("arn:aws:sts::%s:assumed-role/%s/%s", s.cfg.Account, r.Name, name),
		UserID:  r.ID + ":" + name,
		Role:    r.ARN,
	}
}
