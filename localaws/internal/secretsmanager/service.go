// Package secretsmanager emulates AWS Secrets Manager (API 2017-10-17, AWS JSON 1.1): versions and their staging
// labels move as the service moves them, and every call is authorised on the ARN of its secret.
//
// Wire format and limits follow the service model in aws-sdk-go-v2/service/secretsmanager; the texts of errors are
// those that AWS is known to send. Values live in memory only and are never written to logs or errors.
package secretsmanager

import (
	"crypto/rand"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/pinnace-dev/pinnace/localaws/internal/api"
	"github.com/pinnace-dev/pinnace/localaws/internal/awsjson"
)

// Config is what a Service needs. Access, Keys, Account and Region are required.
type Config struct {
	Clock   api.Clock    // ends recovery windows and stamps dates; nil is time.Now
	Access  api.Access   // must not call back into the Service, whose lock is held while it is asked
	Keys    api.Keys     // neither must it
	Account string       // twelve digits
	Region  string       // of every ARN
	Rand    io.Reader    // suffixes of ARNs and random passwords; nil is crypto/rand
	Log     *slog.Logger // nil discards
}

// Service is one account's secrets in one region. It implements api.Handler and is safe for concurrent use.
type Service struct {
	clock     api.Clock
	access    api.Access
	keys      api.Keys
	rand      io.Reader
	log       *slog.Logger
	arnPrefix string // of every secret's ARN, up to its name

	mu      sync.Mutex
	secrets map[string]*secret // by name
}

var _ api.Handler = (*Service)(nil)

// New makes an empty Service.
func New(cfg Config) *Service {
	s := &Service{
		clock:     cfg.Clock,
		access:    cfg.Access,
		keys:      cfg.Keys,
		rand:      cfg.Rand,
		log:       cfg.Log,
		arnPrefix: "arn:aws:secretsmanager:" + cfg.Region + ":" + cfg.Account + ":secret:",
		secrets:   map[string]*secret{},
	}
	if s.clock == nil {
		s.clock = time.Now //nolint:forbidigo // the default of the injected clock
	}
	if s.rand == nil {
		s.rand = rand.Reader
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	return s
}

const (
	targetPrefix = "secretsmanager." // of the X-Amz-Target header
	actionPrefix = "secretsmanager:" // of the action's name in policies
)

// operation performs one call and gives the value to answer as JSON. It runs with the lock held.
type operation func(s *Service, c *api.Call) (any, *api.Error)

// on decodes the request's body for an operation.
func on[In any](f func(*Service, *api.Call, In) (any, *api.Error)) operation {
	return func(s *Service, c *api.Call) (any, *api.Error) {
		var in In
		if err := awsjson.Decode(c.Body, &in); err != nil {
			return nil, err
		}
		return f(s, c, in)
	}
}

var operations = map[string]operation{
	"BatchGetSecretValue":      on((*Service).batchGetSecretValue),
	"CreateSecret":             on((*Service).createSecret),
	"DeleteResourcePolicy":     on((*Service).deleteResourcePolicy),
	"DeleteSecret":             on((*Service).deleteSecret),
	"DescribeSecret":           on((*Service).describeSecret),
	"GetRandomPassword":        on((*Service).getRandomPassword),
	"GetResourcePolicy":        on((*Service).getResourcePolicy),
	"GetSecretValue":           on((*Service).getSecretValue),
	"ListSecretVersionIds":     on((*Service).listSecretVersionIDs),
	"ListSecrets":              on((*Service).listSecrets),
	"PutResourcePolicy":        on((*Service).putResourcePolicy),
	"PutSecretValue":           on((*Service).putSecretValue),
	"RestoreSecret":            on((*Service).restoreSecret),
	"TagResource":              on((*Service).tagResource),
	"UntagResource":            on((*Service).untagResource),
	"UpdateSecret":             on((*Service).updateSecret),
	"UpdateSecretVersionStage": on((*Service).updateSecretVersionStage),
	"ValidateResourcePolicy":   on((*Service).validateResourcePolicy),
}

// Action names the operation of X-Amz-Target, "secretsmanager:GetSecretValue"; empty when it is not emulated.
func (s *Service) Action(c *api.Call) string {
	name := operationName(c)
	if _, ok := operations[name]; !ok {
		return ""
	}
	return actionPrefix + name
}

func operationName(c *api.Call) string { return awsjson.Operation(c, targetPrefix) }

// Serve authorises and performs the call.
func (s *Service) Serve(w http.ResponseWriter, c *api.Call) {
	name := operationName(c)
	perform, ok := operations[name]
	if !ok {
		s.Refuse(w, c, api.Errorf("UnknownOperationException", http.StatusBadRequest,
			"the operation %q is not emulated", name))
		return
	}
	out, err := s.locked(perform, c)
	if err != nil {
		s.Refuse(w, c, err)
		return
	}
	s.log.DebugContext(c.Request.Context(), "secretsmanager call served",
		slog.String("operation", name), slog.String("request", c.RequestID))
	awsjson.Write(w, c, http.StatusOK, out)
}

// locked forgets the secrets whose recovery window is over, then performs the operation.
func (s *Service) locked(perform operation, c *api.Call) (any, *api.Error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.purge()
	return perform(s, c)
}

// Refuse writes err as AWS JSON 1.1 does. A denied caller is a 400 in this protocol.
func (s *Service) Refuse(w http.ResponseWriter, c *api.Call, err *api.Error) {
	err = awsjson.Denial(err)
	s.log.DebugContext(c.Request.Context(), "secretsmanager call refused",
		slog.String("operation", operationName(c)), slog.String("request", c.RequestID), slog.String("code", err.Code))
	awsjson.WriteError(w, c, err)
}
