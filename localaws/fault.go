package localaws

import (
	"log/slog"
	"net/http"
	"path"
	"slices"
	"strings"
	"sync"

	"github.com/pinnace-dev/pinnace/localaws/internal/api"
)

// Fault is a rule by which calls go wrong. A call matches when its action and path do. Rules are tried in the order in
// which they were injected; the first that matches and still has times left decides.
type Fault struct {
	Action string // a pattern of path.Match over the IAM action: "s3:PutObject", "secretsmanager:*"; empty matches all
	Path   string // a pattern of path.Match over the URL's path: "/bucket/index.yaml"; empty matches all
	Skip   int    // how many matching calls pass unharmed first
	Times  int    // how many calls the rule then hits; 0 means until it is removed

	After bool // the effect happens, and then the call goes wrong
	// Lost closes the connection without an answer; the client cannot tell whether the effect happened.
	Lost bool
	// Code, Status and Message are what is answered instead, unless Lost. Throttle, Unavailable and ExpiredToken fill
	// them as the called service would.
	Code    string
	Status  int
	Message string

	kind faultKind
}

type faultKind int

const (
	literal faultKind = iota
	throttle
	unavailable
	expire
)

// Throttle makes calls of action fail as the service throttles: S3 SlowDown 503, AppConfig 429, the others 400.
func Throttle(action string, times int) Fault {
	return Fault{Action: action, Times: times, kind: throttle}
}

// Unavailable makes calls of action fail as when the service is down: 503, or 500 where its model has no 503.
func Unavailable(action string, times int) Fault {
	return Fault{Action: action, Times: times, kind: unavailable}
}

// LoseReply lets calls of action take effect and then closes the connection without an answer.
func LoseReply(action string, times int) Fault {
	return Fault{Action: action, Times: times, After: true, Lost: true}
}

// ExpiredToken makes calls of action fail as with credentials that have expired.
func ExpiredToken(action string, times int) Fault {
	return Fault{Action: action, Times: times, kind: expire}
}

// Inject adds a rule and answers the function that removes it.
func (s *Server) Inject(f Fault) (remove func()) {
	r := &rule{Fault: f, left: f.Times}
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	s.faults.rules = append(s.faults.rules, r)
	return func() { s.faults.remove(r) }
}

// rule is a Fault with what remains of its counts.
type rule struct {
	Fault
	left int // hits that remain; counted only where Times is not 0
}

type faults struct {
	mu    sync.Mutex
	rules []*rule
}

func (f *faults) remove(r *rule) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.rules = slices.DeleteFunc(f.rules, func(other *rule) bool { return other == r })
}

// strike answers the fault that hits this call, if any, and counts it.
func (f *faults) strike(action, urlPath string) (Fault, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, r := range f.rules {
		if !matches(r.Action, action) || !matches(r.Path, urlPath) {
			continue
		}
		if r.Skip > 0 {
			r.Skip--
			continue
		}
		if r.Times > 0 {
			if r.left == 0 {
				continue
			}
			r.left--
		}
		return r.Fault, true
	}
	return Fault{}, false
}

func matches(pattern, s string) bool {
	if pattern == "" {
		return true
	}
	ok, err := path.Match(pattern, s)
	return err == nil && ok
}

func (s *Server) serveWithFaults(w http.ResponseWriter, name string, service api.Handler, c *api.Call) {
	fault, hit := s.faults.strike(c.Action, c.Request.URL.Path)
	if !hit {
		service.Serve(w, c)
		return
	}
	s.cfg.Log.DebugContext(c.Request.Context(), "fault", slog.String("action", c.Action),
		slog.Bool("after", fault.After), slog.Bool("lost", fault.Lost))
	if fault.After {
		service.Serve(&discard{header: http.Header{}}, c)
	}
	if fault.Lost {
		panic(http.ErrAbortHandler) // the server closes the connection and writes nothing
	}
	service.Refuse(w, c, fault.refusal(name))
}

func (f Fault) refusal(service string) *api.Error {
	switch f.kind {
	case throttle:
		return throttled(service)
	case unavailable:
		switch service {
		case "appconfig", "eks-auth":
			return api.Errorf("InternalServerException", http.StatusInternalServerError, "An internal error occurred.")
		case "secretsmanager":
			return api.Errorf("InternalServiceError", http.StatusInternalServerError, "An internal error occurred.")
		}
		return api.Errorf("ServiceUnavailable", http.StatusServiceUnavailable, "Please try again.")
	case expire:
		return refuse(service, expiredToken)
	}
	return api.Errorf(f.Code, max(f.Status, http.StatusBadRequest), "%s", strings.TrimSpace(f.Message))
}

// throttled is how a service says that it is called too often.
func throttled(service string) *api.Error {
	switch service {
	case "s3":
		return api.Errorf("SlowDown", http.StatusServiceUnavailable, "Please reduce your request rate.")
	case "appconfig", "eks-auth":
		return api.Errorf("ThrottlingException", http.StatusTooManyRequests, "Rate exceeded")
	case "secretsmanager":
		return api.Errorf("ThrottlingException", http.StatusBadRequest, "Rate exceeded")
	}
	return api.Errorf("Throttling", http.StatusBadRequest, "Rate exceeded")
}

// discard takes an answer that nobody will see.
type discard struct{ header http.Header }

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) Write(b []byte) (int, error) { return len(b), nil }
func (d *discard) WriteHeader(int)             {}
