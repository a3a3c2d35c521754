// Package appconfig emulates AWS AppConfig (API 2019-10-09) and its data plane AppConfigData (API 2021-11-11), which
// share a signing name. Nothing runs in the background: what a deployment has reached is a function of its strategy,
// its start and the clock, computed when somebody asks, so a test turns the clock and sees the whole course.
//
// Wire format and limits follow the service models in aws-sdk-go-v2/service/appconfig and .../appconfigdata.
// Extensions, Lambda validators, feature flags and every configuration source but the hosted store and Secrets Manager
// are refused by name.
package appconfig

import (
	"crypto/rand"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/pinnace-dev/pinnace/localaws/internal/api"
)

// Secrets is Secrets Manager as AppConfig reads it.
type Secrets interface {
	// ReadAs reads one version of a secret on behalf of p. Its errors never hold the value.
	ReadAs(p api.Principal, secretID, versionID string) (value []byte, version string, err *api.Error)
	// CustomerKey is the key that the owner of a secret gave it; empty when AWS manages it.
	CustomerKey(secretID string) string
}

// Config is what a Service needs. All but Clock, Rand, Lenient and Log are required. Access, Keys, Secrets and
// Alarms are asked with the Service's lock held and must not call back into it.
type Config struct {
	Clock   api.Clock // moves deployments, poll intervals and the age of tokens; nil is time.Now
	Access  api.Access
	Keys    api.Keys
	Secrets Secrets
	Alarms  Alarms
	Account string       // twelve digits
	Region  string       // of every ARN
	Rand    io.Reader    // ids and the key of tokens; nil is crypto/rand
	Lenient bool         // accept a configuration token again; AWS documents single use but is known to tolerate reuse
	Log     *slog.Logger // nil discards
}

// Service is AppConfig in one account and region. It implements api.Handler and is safe for concurrent use.
type Service struct {
	clock   api.Clock
	access  api.Access
	keys    api.Keys
	secrets Secrets
	alarms  Alarms
	account string
	region  string
	rand    io.Reader
	lenient bool
	log     *slog.Logger
	key     [32]byte // authenticates tokens and decides who is in a percentage

	mu           sync.Mutex
	applications []*application // lists are in the order of creation
	strategies   []*strategy
	tags         map[string]map[string]string // by ARN
	protection   protection
	sessions     map[string]*session // by id
	sweep        time.Time           // when to forget sessions next
}

var _ api.Handler = (*Service)(nil)

// New makes a Service that has the predefined strategies and nothing else. It panics when Rand fails.
func New(cfg Config) *Service {
	s := &Service{
		clock: cfg.Clock, access: cfg.Access, keys: cfg.Keys, secrets: cfg.Secrets, alarms: cfg.Alarms,
		account: cfg.Account, region: cfg.Region, rand: cfg.Rand, lenient: cfg.Lenient, log: cfg.Log,
		strategies: predefined(), tags: map[string]map[string]string{}, sessions: map[string]*session{},
		protection: protection{ProtectionPeriodInMinutes: defaultProtection},
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
	if _, err := io.ReadFull(s.rand, s.key[:]); err != nil {
		panic("appconfig: no randomness: " + err.Error())
	}
	return s
}

// Action names the operation as IAM does, "appconfig:StartDeployment"; empty when no operation has the method and path.
func (s *Service) Action(c *api.Call) string {
	r, _ := match(c.Request)
	if r == nil {
		return ""
	}
	return actionPrefix + r.action
}

// Serve authorises and performs the call.
func (s *Service) Serve(w http.ResponseWriter, c *api.Call) {
	r, params := match(c.Request)
	if r == nil {
		s.Refuse(w, c, api.Errorf("UnknownOperationException", http.StatusNotFound,
			"no operation has the method %s and this path", c.Request.Method))
		return
	}
	out, err := s.locked(r, &request{call: c, params: params})
	if err != nil {
		s.Refuse(w, c, err)
		return
	}
	s.log.DebugContext(c.Request.Context(), "appconfig call served",
		slog.String("operation", r.action), slog.String("request", c.RequestID))
	answer(w, c, r.status, out)
}

func (s *Service) locked(r *route, q *request) (any, *api.Error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.watch()
	if r.resource != asksItself {
		if err := s.allow(q.call, r.action, s.arn(q.fill(r.resource)), q.tagConditions(r)); err != nil {
			return nil, err
		}
	}
	return r.perform(s, q)
}

// Refuse writes err as REST-JSON does.
func (s *Service) Refuse(w http.ResponseWriter, c *api.Call, err *api.Error) {
	s.log.DebugContext(c.Request.Context(), "appconfig call refused", slog.String("operation", s.Action(c)),
		slog.String("request", c.RequestID), slog.String("code", err.Code))
	refuse(w, c, err)
}
