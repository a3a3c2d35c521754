// Package cloudwatch emulates the alarms of Amazon CloudWatch (API 2010-08-01, in the Query protocol and in Smithy RPC
// v2 with CBOR): they are put, described, tagged and deleted, and SetAlarmState moves them. There are no metrics here,
// so no alarm moves by itself; every move is remembered with its time, for AppConfig to roll deployments back by.
//
// Metric math, composite alarms and alarm actions that would do something are not emulated.
package cloudwatch

import (
	"log/slog"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/pinnace-dev/pinnace/localaws/internal/api"
	"github.com/pinnace-dev/pinnace/localaws/internal/iam/awsquery"
)

const (
	namespace    = "http://monitoring.amazonaws.com/doc/2010-08-01/"
	version      = "2010-08-01"
	actionPrefix = "cloudwatch:"
)

// Config is what a Service needs. Access, Account and Region are required.
type Config struct {
	Clock   api.Clock    // stamps the moves of alarms; nil is time.Now
	Access  api.Access   // must not call back into the Service, whose lock is held while it is asked
	Account string       // twelve digits
	Region  string       // of every ARN
	Log     *slog.Logger // nil discards
}

// Service is one account's alarms in one region. It implements api.Handler and is safe for concurrent use.
type Service struct {
	cfg Config

	mu     sync.Mutex
	alarms map[string]*alarm // by name
}

var _ api.Handler = (*Service)(nil)

// New makes a Service without alarms.
func New(cfg Config) *Service {
	if cfg.Clock == nil {
		cfg.Clock = time.Now //nolint:forbidigo // the default of the injected clock
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return &Service{cfg: cfg, alarms: map[string]*alarm{}}
}

// operation authorises and performs one action, with the lock held. A nil answer is one without a result.
type operation func(s *Service, c *api.Call, form url.Values) (any, *api.Error)

var operations = map[string]operation{
	"PutMetricAlarm":      (*Service).putMetricAlarm,
	"DescribeAlarms":      (*Service).describeAlarms,
	"DeleteAlarms":        (*Service).deleteAlarms,
	"SetAlarmState":       (*Service).setAlarmState,
	"ListTagsForResource": (*Service).listTags,
	"TagResource":         (*Service).tagResource,
	"UntagResource":       (*Service).untagResource,
}

// Action implements api.Handler.
func (s *Service) Action(c *api.Call) string {
	name, _, err := request(c)
	if _, ok := operations[name]; !ok || err != nil {
		return ""
	}
	return actionPrefix + name
}

// Serve implements api.Handler.
func (s *Service) Serve(w http.ResponseWriter, c *api.Call) {
	name, form, err := request(c)
	var result any
	switch perform, ok := operations[name]; {
	case err != nil:
	case !ok:
		err = api.Errorf("InvalidAction", http.StatusBadRequest,
			"localaws does not emulate the action %q of CloudWatch", name)
	default:
		s.mu.Lock()
		result, err = perform(s, c, form)
		s.mu.Unlock()
	}
	switch {
	case err != nil:
		s.Refuse(w, c, err)
	case speaksRPC(c):
		writeRPC(w, http.StatusOK, result)
	default:
		awsquery.Write(w, namespace, name, c.RequestID, result)
	}
}

// Refuse implements api.Handler.
func (s *Service) Refuse(w http.ResponseWriter, c *api.Call, err *api.Error) {
	s.cfg.Log.DebugContext(c.Request.Context(), "cloudwatch call refused", slog.String("request", c.RequestID),
		slog.String("code", err.Code))
	if speaksRPC(c) {
		writeRPCError(w, err)
		return
	}
	awsquery.WriteError(w, namespace, c.RequestID, err)
}

func (s *Service) arn(name string) string {
	return "arn:aws:cloudwatch:" + s.cfg.Region + ":" + s.cfg.Account + ":alarm:" + name
}

// allow asks for one action on the alarm of a name, whose tags are among the conditions.
func (s *Service) allow(c *api.Call, action, name string, condition map[string][]string) *api.Error {
	q := api.Question{Action: actionPrefix + action, Resource: s.arn(name), Condition: map[string][]string{}}
	for key, values := range condition {
		q.Condition[key] = values
	}
	if a := s.alarms[name]; a != nil {
		for _, t := range a.tags {
			q.Condition["aws:ResourceTag/"+t.Key] = []string{t.Value}
		}
	}
	return s.cfg.Access.Allow(c, q)
}

func invalid(format string, args ...any) *api.Error {
	return api.Errorf("ValidationError", http.StatusBadRequest, format, args...)
}
