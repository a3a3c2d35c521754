package loopback

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
)

const (
	maxBody  = 64 << 10
	maxBatch = 20 // ids in one BatchGetSecretValue, as AWS has it
)

// read decodes the body of a call. The decoder's own error is dropped, because it may quote what was sent.
func read(r *http.Request, into any) *refusal {
	body, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, maxBody))
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		return badRequest("SerializationException", "the request is larger than %d bytes", maxBody)
	}
	if err != nil || json.Unmarshal(body, into) != nil {
		return badRequest("SerializationException", "the request is not what the operation takes")
	}
	return nil
}

// callSecretsManager answers Secrets Manager's own protocol. Who signed, and how, is not looked at: no key is shared
// with whoever did, and the token has been seen.
func (s *Sink) callSecretsManager(t *table, r *http.Request) answer {
	var in struct {
		SecretID     string   `json:"SecretId"`
		VersionID    string   `json:"VersionId"`
		VersionStage string   `json:"VersionStage"`
		SecretIDList []string `json:"SecretIdList"`
		Filters      []any
	}
	if no := read(r, &in); no != nil {
		return no.in(secretsManager)
	}
	ok := answer{status: http.StatusOK, header: contentAWS}
	switch r.Header.Get("X-Amz-Target") {
	case "secretsmanager.GetSecretValue":
		v, no := s.secret(t, in.SecretID, in.VersionID, in.VersionStage)
		if no != nil {
			return no.in(secretsManager)
		}
		ok.body, ok.item = v.service(), v.item
	case "secretsmanager.DescribeSecret":
		v, no := s.secret(t, in.SecretID, "", "")
		if no != nil {
			return no.in(secretsManager)
		}
		ok.body, ok.item = t.secrets[in.SecretID].description, v.item
	case "secretsmanager.BatchGetSecretValue":
		if n := len(in.SecretIDList); n == 0 || n > maxBatch || len(in.Filters) > 0 {
			return badRequest("InvalidParameterException",
				"the loopback sink takes a SecretIdList of 1 to %d ids and no Filters", maxBatch).in(secretsManager)
		}
		ok.body, ok.item = s.batch(t, in.SecretIDList)
	default:
		return badRequest("UnknownOperationException", "the loopback sink has GetSecretValue, BatchGetSecretValue and"+
			" DescribeSecret of Secrets Manager").in(secretsManager)
	}
	return ok
}

// batch joins answers that are ready; what cannot be given is said of each secret.
func (s *Sink) batch(t *table, ids []string) (body []byte, items string) {
	type failure struct{ ErrorCode, Message, SecretId string } //nolint:revive,staticcheck // the name on the wire
	failures := []failure{}
	var names []string
	body = []byte(`{"SecretValues":[`)
	for _, id := range ids {
		v, no := s.secret(t, id, "", "")
		if no != nil {
			failures = append(failures, failure{no.code, no.message, short(id)})
			continue
		}
		if len(names) > 0 {
			body = append(body, ',')
		}
		body = append(body, v.service()...)
		names = append(names, v.item)
	}
	tail, _ := encode(failures) // texts always encode
	body = append(append(append(body, `],"Errors":`...), tail...), '}')
	return body, strings.Join(names, " ")
}

const (
	pollInterval    = 15 // seconds, when the client does not name one; AWS's least
	minPollInterval = 15
	maxPollInterval = 86_400
	maxSession      = 8192
)

// session is all that there is of a configuration session. It travels as the token, so that any process which serves
// the route goes on with it. It is no credential.
type session struct {
	Application, Environment, Profile string
	Interval                          int
	Print                             string `json:",omitempty"` // of what was given last
}

func (c session) token() string {
	body, _ := encode(c) // texts always encode
	return base64.RawURLEncoding.EncodeToString(body)
}

func (s *Sink) callAppConfigData(t *table, r *http.Request) answer {
	if r.URL.Path == "/configurationsessions" {
		return s.startSession(t, r)
	}
	return s.latest(t, r)
}

func (s *Sink) startSession(t *table, r *http.Request) answer {
	var in struct {
		ApplicationIdentifier, EnvironmentIdentifier, ConfigurationProfileIdentifier string
		RequiredMinimumPollIntervalInSeconds                                         *int
	}
	if no := read(r, &in); no != nil {
		return no.in(appConfigData)
	}
	open := session{
		Application: in.ApplicationIdentifier, Environment: in.EnvironmentIdentifier,
		Profile: in.ConfigurationProfileIdentifier, Interval: pollInterval,
	}
	if n := in.RequiredMinimumPollIntervalInSeconds; n != nil {
		if open.Interval = *n; *n < minPollInterval || *n > maxPollInterval {
			return badRequest("BadRequestException", "RequiredMinimumPollIntervalInSeconds is %d to %d",
				minPollInterval, maxPollInterval).in(appConfigData)
		}
	}
	c, no := s.configuration(t, open.route())
	if no != nil {
		return no.in(appConfigData)
	}
	body, _ := encode(map[string]string{"InitialConfigurationToken": open.token()})
	return answer{status: http.StatusCreated, header: contentJSON, body: body, item: c.item}
}

func (c session) route() route { return route{c.Application, c.Environment, c.Profile} }

// latest gives the configuration, or an empty body when the session has it already.
func (s *Sink) latest(t *table, r *http.Request) answer {
	open, ok := sessionOf(r.URL.Query().Get("configuration_token"))
	if !ok {
		no := badRequest("BadRequestException", "Request token is corrupted")
		no.members = map[string]any{"Reason": "InvalidParameters", "Details": map[string]any{
			"InvalidParameters": map[string]any{"ConfigurationToken": map[string]string{"Problem": "Corrupted"}},
		}}
		return no.in(appConfigData)
	}
	c, no := s.configuration(t, open.route())
	if no != nil {
		return no.in(appConfigData)
	}
	a := answer{status: http.StatusOK, item: c.item, header: map[string][]string{
		"Next-Poll-Interval-In-Seconds": {strconv.Itoa(open.Interval)},
	}}
	if open.Print != c.print {
		open.Print, a.body = c.print, c.body()
		a.header["Content-Type"] = c.header["Content-Type"]
		if label, ok := c.header["Version-Label"]; ok {
			a.header["Version-Label"] = label
		}
	}
	a.header["Next-Poll-Configuration-Token"] = []string{open.token()}
	return a
}

func sessionOf(token string) (open session, ok bool) {
	if len(token) > maxSession {
		return open, false
	}
	body, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil || json.Unmarshal(body, &open) != nil {
		return open, false
	}
	return open, open.Interval >= minPollInterval && open.Interval <= maxPollInterval
}
