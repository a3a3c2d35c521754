package loopback

import (
	"log/slog"
	"net/http"
	"strconv"
	"strings"
)

// service is whose protocol a request speaks.
type service int

const (
	nobody           service = iota // no path of ours
	health                          // /ping
	appConfigAgent                  // the AppConfig Agent
	secretsAgent                    // the Secrets Manager Agent
	secretsManager                  // Secrets Manager: AWS JSON 1.1
	appConfigData                   // AppConfigData: REST JSON
	numberOfServices = iota
)

var serviceNames = [numberOfServices]string{
	"none", "ping", "appconfig-agent", "secretsmanager-agent", "secretsmanager", "appconfigdata",
}

// answer is what goes back. Its header is shared by many and not changed.
type answer struct {
	status int
	header map[string][]string
	body   []byte
	item   string // for the log
	why    string // for the log; empty when all is well
}

var (
	contentJSON   = map[string][]string{"Content-Type": {"application/json"}}
	contentText   = map[string][]string{"Content-Type": {"text/plain; charset=utf-8"}}
	contentAWS    = map[string][]string{"Content-Type": {"application/x-amz-json-1.1"}}
	noStore       = []string{"no-store"}
	noSniff       = []string{"nosniff"}
	soon          = []string{"1"}
	allowed       = []string{"GET, POST"}
	closing       = []string{"close"}
	okPing        = answer{status: http.StatusOK, header: contentText, body: []byte("healthy")}
	tooManyAnswer = answer{
		status: http.StatusTooManyRequests, header: contentText, body: []byte("Connection limit exceeded"),
		why: "connection limit exceeded",
	}
)

// ServeHTTP answers one request. A refusal is worded as the service that is asked would word it.
func (s *Sink) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	asked := serviceOf(r)
	var a answer
	if over, _ := r.Context().Value(overLimit{}).(bool); over {
		a = tooManyAnswer
		w.Header()["Connection"] = closing
	} else if no := s.guard(r, asked); no != nil {
		a = no.in(asked)
	} else {
		a = s.serve(r, asked)
	}
	s.send(w, asked, a)
	s.counts.add(asked, a.status)
	if s.config.Log.Enabled(r.Context(), slog.LevelDebug) {
		s.config.Log.LogAttrs(r.Context(), slog.LevelDebug, "request answered", slog.String("service", serviceNames[asked]),
			slog.Int("status", a.status), slog.String("item", a.item), slog.String("why", a.why))
	}
}

// serviceOf is whose path it is. It looks at the path as it was sent, where a slash inside a name is escaped.
func serviceOf(r *http.Request) service {
	path := r.URL.EscapedPath()
	switch {
	case path == "/ping":
		return health
	case strings.HasPrefix(path, "/applications/"):
		return appConfigAgent
	case path == "/secretsmanager/get", strings.HasPrefix(path, "/v1/"):
		return secretsAgent
	case path == "/configurationsessions", path == "/configuration":
		return appConfigData
	case path == "/" && r.Header.Get("X-Amz-Target") != "":
		return secretsManager
	}
	return nobody
}

// serve answers a request that the guard let in.
func (s *Sink) serve(r *http.Request, asked service) answer {
	if asked == health {
		return okPing
	}
	if asked == nobody {
		return errNoPath.in(nobody)
	}
	t := s.held.Load()
	if t == nil {
		return errStarting.in(asked)
	}
	switch asked {
	case appConfigAgent:
		return s.configurationOf(t, r)
	case secretsAgent:
		return s.agentSecret(t, r)
	case secretsManager:
		return s.callSecretsManager(t, r)
	default:
		return s.callAppConfigData(t, r)
	}
}

func (s *Sink) send(w http.ResponseWriter, asked service, a answer) {
	h := w.Header()
	for key, values := range a.header {
		h[key] = values
	}
	h["Cache-Control"] = noStore
	h["X-Content-Type-Options"] = noSniff
	if a.status == http.StatusServiceUnavailable {
		h["Retry-After"] = soon
	}
	if a.status == http.StatusMethodNotAllowed {
		h["Allow"] = allowed
	}
	if asked == secretsManager || asked == appConfigData {
		h["X-Amzn-Requestid"] = []string{requestID(s.calls.Add(1))}
	}
	if _, known := h["Content-Length"]; !known {
		h["Content-Length"] = []string{strconv.Itoa(len(a.body))}
	}
	w.WriteHeader(a.status)
	_, _ = w.Write(a.body)
}

// requestID has the form that AWS's have, and is unique in this process.
func requestID(n uint64) string {
	digits := strconv.FormatUint(n, 16)
	return "00000000-0000-4000-8000-" + strings.Repeat("0", max(0, 12-len(digits))) + digits
}
