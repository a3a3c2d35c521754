package localaws

import (
	"bytes"
	"crypto/rand"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"sync"

	"github.com/pinnace-dev/pinnace/localaws/internal/api"
	"github.com/pinnace-dev/pinnace/localaws/internal/iam"
	"github.com/pinnace-dev/pinnace/localaws/internal/iam/awsquery"
	"github.com/pinnace-dev/pinnace/localaws/internal/podidentity"
	"github.com/pinnace-dev/pinnace/localaws/internal/sigv4"
)

// What one request may send, in bytes; objects are held in memory. Who has no key of the account may send little.
const (
	maxBody         = 256 << 20
	maxUnsignedBody = 1 << 20
)

// regional are the services that have resources in the one region alone; those of S3 and IAM say theirs themselves.
var regional = map[string]bool{"appconfig": true, "eks": true, "kms": true, "monitoring": true, "secretsmanager": true}

// ServeHTTP authenticates one request, gives the faults their turn, and hands it to its service.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	call := &api.Call{Request: r, Region: s.cfg.Region, RequestID: rand.Text()}
	name, refusal := s.authenticate(call)
	if name != "s3" { // which has headers of its own
		w.Header().Set("X-Amzn-Requestid", call.RequestID)
	}
	service := s.services[name]
	if service == nil {
		refuseService(w, call, name)
		return
	}
	if refusal == nil {
		call.Action = service.Action(call)
		s.calls.add(call.Action)
		refusal = s.meter(name, call)
	}
	answer := &recorder{ResponseWriter: w, status: http.StatusOK}
	defer func() {
		s.cfg.Log.DebugContext(r.Context(), "call", slog.String("action", call.Action), slog.String("method", r.Method),
			slog.String("path", r.URL.Path), slog.String("caller", call.Principal.ARN), slog.Int("status", answer.status))
	}()
	if refusal != nil {
		service.Refuse(answer, call, refusal)
		return
	}
	s.serveWithFaults(answer, name, service, call)
}

// meter counts a call into its quota. AWS counts by who calls, not by whose thing is asked for.
func (s *Server) meter(service string, c *api.Call) *api.Error {
	account := c.Principal.Account
	if account == "" { // a token speaks for the caller, whose account is not known yet
		account = s.cfg.Account
	}
	if s.quotas.admit(c.Action, account, c.Region, s.cfg.Now()) {
		return nil
	}
	s.throttled.add(c.Action)
	return throttled(service)
}

// authenticate finds the service and establishes who calls, and reads the body: much of it only from those who have
// keys. The service's name is known even when the caller is refused, so that the refusal can be written in its format.
func (s *Server) authenticate(c *api.Call) (service string, refusal *api.Error) {
	if podidentity.Asked(c.Request) { // whose Authorization is a token
		return "eks-auth", nil
	}
	signature, parseErr := sigv4.Parse(c.Request)
	var credential iam.Credential
	limit := int64(maxUnsignedBody)
	if parseErr == nil {
		if credential, refusal = s.identify(signature); refusal != nil {
			return signature.Service, refusal
		}
		limit = maxBody
	}
	body, err := io.ReadAll(http.MaxBytesReader(nil, c.Request.Body, limit))
	if service = signature.Service; service == "" {
		service = guessService(c.Request, body)
	}
	if err != nil {
		return service, api.Errorf("EntityTooLarge", http.StatusBadRequest, "reading the body: %v", err)
	}
	c.Body = body
	switch {
	case errors.Is(parseErr, sigv4.ErrUnsigned):
		return service, s.admitUnsigned(service, c)
	case parseErr != nil:
		return service, refuse(service, failureOf(parseErr))
	}
	c.Region = signature.Region
	return service, s.admitSigned(service, c, signature, credential)
}

// identify finds the key that a request claims to be signed by.
func (s *Server) identify(signature sigv4.Signature) (iam.Credential, *api.Error) {
	credential, ok := s.iam.Credential(signature.AccessKeyID)
	if !ok {
		return iam.Credential{}, refuse(signature.Service, unknownKey)
	}
	if subtle.ConstantTimeCompare([]byte(credential.SessionToken), []byte(signature.SessionToken)) != 1 {
		return iam.Credential{}, refuse(signature.Service, badToken)
	}
	return credential, nil
}

func (s *Server) admitUnsigned(service string, c *api.Call) *api.Error {
	if service == "s3" {
		if sigv4.Chunked(c.Request) {
			return s.unchunk(service, c, sigv4.Signature{}, "")
		}
		return nil
	}
	if form, err := url.ParseQuery(string(c.Body)); err == nil && service == "sts" &&
		form.Get("Action") == "AssumeRoleWithWebIdentity" {
		return nil
	}
	return refuse(service, unsigned)
}

func (s *Server) admitSigned(
	service string, c *api.Call, signature sigv4.Signature, credential iam.Credential,
) *api.Error {
	err := signature.Verify(c.Request, c.Body, credential.SecretAccessKey, s.cfg.SignatureNow())
	if err != nil {
		return refuse(service, failureOf(err))
	}
	if !credential.Expires.IsZero() && !s.cfg.Now().Before(credential.Expires) {
		return refuse(service, expiredToken)
	}
	if regional[service] && signature.Region != s.cfg.Region {
		return refuse(service, wrongRegion)
	}
	c.Principal, c.AuthType = credential.Principal, "REST-HEADER"
	if signature.Presigned {
		c.AuthType = "REST-QUERY-STRING"
	}
	if sigv4.Chunked(c.Request) {
		return s.unchunk(service, c, signature, credential.SecretAccessKey)
	}
	return nil
}

// unchunk turns an upload in chunks into the plain request that services know.
func (s *Server) unchunk(service string, c *api.Call, signature sigv4.Signature, secret string) *api.Error {
	payload, trailer, err := signature.Unchunk(c.Request, c.Body, secret)
	if err != nil {
		return refuse(service, failureOf(err))
	}
	c.Body = payload
	header := c.Request.Header
	maps.Copy(header, trailer) // checksums alone, that no header has said
	var encodings []string
	for e := range strings.SplitSeq(header.Get("Content-Encoding"), ",") {
		if e = strings.TrimSpace(e); e != "" && e != "aws-chunked" {
			encodings = append(encodings, e)
		}
	}
	header.Del("Content-Encoding")
	if len(encodings) > 0 {
		header.Set("Content-Encoding", strings.Join(encodings, ","))
	}
	c.Request.ContentLength = int64(len(payload))
	return nil
}

// refuseService answers for a service that is not emulated, in the format that its protocol seems to have.
func refuseService(w http.ResponseWriter, c *api.Call, name string) {
	err := api.Errorf("NotImplemented", http.StatusNotImplemented, "localaws does not emulate the service %q", name)
	if !strings.Contains(c.Request.Header.Get("Content-Type"), "json") {
		awsquery.WriteError(w, "", c.RequestID, err)
		return
	}
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	w.Header().Set("X-Amzn-Errortype", err.Code)
	w.WriteHeader(err.Status)
	_ = json.NewEncoder(w).Encode(map[string]string{"__type": err.Code, "message": err.Message}) // texts always encode
}

// guessService tells which service an unsigned request is for, by the shape of its protocol. What has no such shape is
// an anonymous S3 request.
func guessService(r *http.Request, body []byte) string {
	switch {
	case strings.HasPrefix(r.Header.Get("X-Amz-Target"), "secretsmanager."):
		return "secretsmanager"
	case strings.HasPrefix(r.Header.Get("X-Amz-Target"), "TrentService."):
		return "kms"
	case r.URL.Path == "/configurationsessions" || r.URL.Path == "/configuration":
		return "appconfig"
	case r.Method == http.MethodPost && r.URL.Path == "/" && bytes.Contains(body, []byte("Action=")):
		form, err := url.ParseQuery(string(body))
		switch {
		case err == nil && form.Get("Version") == "2010-05-08":
			return "iam"
		case err == nil && form.Get("Version") == "2010-08-01":
			return "monitoring"
		}
		return "sts"
	}
	return "s3"
}

// recorder remembers the status for the log.
type recorder struct {
	http.ResponseWriter
	status int
}

func (r *recorder) WriteHeader(status int) {
	r.status = status
	r.ResponseWriter.WriteHeader(status)
}

// counter counts calls by action.
type counter struct {
	mu     sync.Mutex
	counts map[string]int
}

func (c *counter) add(action string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.counts == nil {
		c.counts = map[string]int{}
	}
	c.counts[action]++
}

func (c *counter) snapshot() map[string]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.counts)
}
