package appconfig

import (
	"maps"
	"net/http"
	"strconv"
	"time"

	"github.com/pinnace-dev/pinnace/localaws/internal/api"
)

const (
	defaultInterval = 60 // seconds
	leastInterval   = 15
	mostInterval    = 86400
	maxIdentifier   = 128
)

// session remembers which of a client's tokens is the good one; all else is in the token.
type session struct {
	number  int       // of the token that was given last
	expires time.Time // when that token does
}

type startSessionInput struct {
	ApplicationIdentifier                string
	EnvironmentIdentifier                string
	ConfigurationProfileIdentifier       string
	RequiredMinimumPollIntervalInSeconds *int
}

type startSessionOutput struct{ InitialConfigurationToken string }

// startSession resolves names, authorises the ids that they stand for and gives the first token.
func (s *Service) startSession(q *request, in startSessionInput) (any, *api.Error) {
	if err := in.check(); err != nil {
		return nil, err
	}
	t, missing := s.resolve(in)
	if err := s.allow(q.call, "StartConfigurationSession", s.configurationARN(t), nil); err != nil {
		return nil, err
	}
	if missing != nil {
		return nil, missing
	}
	now := s.clock()
	if _, _, _, err := s.served(t, now); err != nil {
		return nil, err
	}
	s.forgetSessions(now)
	id, err := s.newSessionID()
	if err != nil {
		return nil, err
	}
	t.Session, t.Interval, t.Issued, t.NotBefore = id, defaultInterval, now, now
	set(&t.Interval, in.RequiredMinimumPollIntervalInSeconds)
	s.sessions[id] = &session{expires: now.Add(tokenLife)}
	return startSessionOutput{InitialConfigurationToken: s.seal(t)}, nil
}

func (in startSessionInput) check() *api.Error {
	for member, value := range map[string]string{
		"ApplicationIdentifier":          in.ApplicationIdentifier,
		"EnvironmentIdentifier":          in.EnvironmentIdentifier,
		"ConfigurationProfileIdentifier": in.ConfigurationProfileIdentifier,
	} {
		if err := checkLength(member, value, 1, maxIdentifier); err != nil {
			return err
		}
	}
	if n := in.RequiredMinimumPollIntervalInSeconds; n != nil && (*n < leastInterval || *n > mostInterval) {
		return badRequest("RequiredMinimumPollIntervalInSeconds must be between %d and %d", leastInterval, mostInterval)
	}
	return nil
}

// newSessionID is longer than other ids: there are many sessions, and theirs must not meet.
func (s *Service) newSessionID() (string, *api.Error) {
	first, err := s.newID()
	if err != nil {
		return "", err
	}
	second, err := s.newID()
	return first + second, err
}

// forgetSessions drops, at most once an hour, the sessions whose last token has expired.
func (s *Service) forgetSessions(now time.Time) {
	if now.Before(s.sweep) {
		return
	}
	s.sweep = now.Add(time.Hour)
	maps.DeleteFunc(s.sessions, func(_ string, sess *session) bool { return !now.Before(sess.expires) })
}

// resolve finds the ids behind ids or names; an id wins over a name, an older name over a newer one. What cannot be
// found stays as it was given, so that permission can be asked before its absence is admitted.
func (s *Service) resolve(in startSessionInput) (t token, missing *api.Error) {
	t = token{App: in.ApplicationIdentifier, Env: in.EnvironmentIdentifier, Profile: in.ConfigurationProfileIdentifier}
	app := identified(s.applications, t.App, func(a *application) (string, string) { return a.Id, a.Name })
	if app == nil {
		return t, noResource("Application", t)
	}
	t.App = app.Id
	env := identified(app.environments, t.Env, func(e *environment) (string, string) { return e.Id, e.Name })
	p := identified(app.profiles, t.Profile, func(p *profile) (string, string) { return p.Id, p.Name })
	if p != nil {
		t.Profile = p.Id
	}
	if env == nil {
		return t, noResource("Environment", t)
	}
	t.Env = env.Id
	if p == nil {
		return t, noResource("ConfigurationProfile", t)
	}
	return t, nil
}

func identified[T any](list []*T, want string, keys func(*T) (id, name string)) *T {
	if found := pick(list, func(item *T) bool { id, _ := keys(item); return id == want }); found != nil {
		return found
	}
	return pick(list, func(item *T) bool { _, name := keys(item); return name == want })
}

func (s *Service) configurationARN(t token) string {
	return s.arnf("application/%s/environment/%s/configuration/%s", t.App, t.Env, t.Profile)
}

// noResource is the data plane's error: it says which kind is missing and what referred to it.
func noResource(kind string, t token) *api.Error {
	err := api.Errorf("ResourceNotFoundException", http.StatusNotFound, "%s not found", kind)
	err.Members = map[string]any{
		"ResourceType": kind,
		"ReferencedBy": map[string]string{"application": t.App, "environment": t.Env, "configurationProfile": t.Profile},
	}
	return err
}

// served gives the deployment that a token's session is to have now: the one on its way when the session's draw is
// within its percentage, else the settled one, which is nil while a profile's first deployment is on its way.
func (s *Service) served(t token, now time.Time) (*environment, *profile, *deployment, *api.Error) {
	app := pick(s.applications, func(a *application) bool { return a.Id == t.App })
	if app == nil {
		return nil, nil, nil, noResource("Application", t)
	}
	env := pick(app.environments, func(e *environment) bool { return e.Id == t.Env })
	if env == nil {
		return nil, nil, nil, noResource("Environment", t)
	}
	p := pick(app.profiles, func(p *profile) bool { return p.Id == t.Profile })
	if p == nil {
		return nil, nil, nil, noResource("ConfigurationProfile", t)
	}
	settled, coming := env.active(p.Id, now)
	switch {
	case settled == nil && coming == nil:
		return nil, nil, nil, noResource("Deployment", t)
	case coming != nil && s.draw(t.Session, coming) < coming.percentage(now):
		return env, p, coming, nil
	}
	return env, p, settled, nil
}

// latestConfiguration answers a poll: the configuration when the session does not hold it yet, else an empty body, and
// the next token. Errors leave the token as good as it was.
func (s *Service) latestConfiguration(q *request) (any, *api.Error) {
	t, ok := s.unseal(q.query("configuration_token"))
	if !ok {
		return nil, badToken("Corrupted")
	}
	if err := s.allow(q.call, "GetLatestConfiguration", s.configurationARN(t), nil); err != nil {
		return nil, err
	}
	now := s.clock()
	sess, problem := s.checkToken(t, now)
	if problem != "" {
		return nil, badToken(problem)
	}
	env, p, d, err := s.served(t, now)
	if err != nil {
		return nil, err
	}
	if d == nil {
		return nil, noResource("Deployment", t)
	}
	if d.configuration.version != t.Held {
		if _, err := s.useKey(q.call, decryptAction, d.KmsKeyArn); err != nil {
			return nil, err
		}
	}
	env.lastRead, p.lastRead = now, now
	out := rawAnswer{header: map[string]string{"Content-Type": "application/octet-stream"}}
	if snap := d.configuration; snap.version != t.Held {
		out.body = snap.content
		out.header["Content-Type"], out.header["Version-Label"] = snap.contentType, snap.label
		t.Held = snap.version
	}
	t.Issued, t.NotBefore = now, now.Add(time.Duration(t.Interval)*time.Second)
	sess.number++
	t.Number, sess.expires = sess.number, now.Add(tokenLife)
	out.header["Next-Poll-Configuration-Token"] = s.seal(t)
	out.header["Next-Poll-Interval-In-Seconds"] = strconv.Itoa(t.Interval)
	return out, nil
}

// checkToken says what is wrong with a token, in the service's words: it is too old, was spent, or comes too early.
func (s *Service) checkToken(t token, now time.Time) (sess *session, problem string) {
	sess = s.sessions[t.Session]
	switch {
	case !now.Before(t.Issued.Add(tokenLife)):
		return nil, "Expired"
	case sess == nil || !s.lenient && t.Number != sess.number:
		return nil, "Corrupted"
	case now.Before(t.NotBefore):
		return nil, "PollIntervalNotSatisfied"
	}
	return sess, ""
}

func badToken(problem string) *api.Error {
	text := map[string]string{
		"Corrupted":                "The configuration token is not valid.",
		"Expired":                  "The configuration token has expired.",
		"PollIntervalNotSatisfied": "Request too early.",
	}[problem]
	err := badRequest("%s", text)
	err.Members = map[string]any{
		"Reason": "InvalidParameters",
		"Details": map[string]any{
			"InvalidParameters": map[string]any{"ConfigurationToken": map[string]string{"Problem": problem}},
		},
	}
	return err
}
