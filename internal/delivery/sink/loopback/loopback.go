// Package loopback is the sink that keeps the snapshot in memory and answers HTTP on a loopback address as AWS's
// AppConfig Agent, its Secrets Manager Agent, Secrets Manager and AppConfigData do, so that an application which speaks
// to one of them reads its items here and changes nothing but an address. docs/loopback.md lists the paths and the
// differences.
package loopback

import (
	"context"
	"log/slog"
	"strings"
	"sync/atomic"
	"time"

	"github.com/pinnace-dev/pinnace/internal/delivery"
	"github.com/pinnace-dev/pinnace/internal/problem"
)

const (
	defaultRefreshEvery = 5 * time.Second
	defaultMaxConns     = 800 // as the Secrets Manager Agent has it
)

// Exposed lets applications read an item. What is not exposed is not served, whatever the snapshot holds. An item that
// is asked for in several ways, say by names and by ids, is exposed several times.
type Exposed struct {
	Item string
	// Application, Environment and Profile are the names or ids by which AppConfig's clients ask; all three or none.
	Application, Environment, Profile string
	// Secret is the name or ARN by which Secrets Manager's clients ask; what the source says of the secret's name and
	// ARN is answered to as well. Several versions of one secret, each an item, may be exposed under one id.
	Secret string
	// Pinned says that the item is a version by its id, and not what a stage says at the moment.
	Pinned bool
	// Optional lets a snapshot come without the item; it is answered with 503 then.
	Optional bool
}

// Config says what is served, to whom. Only Expose is needed, and one of TokenFile and AllowAnyone.
type Config struct {
	Expose []Exposed
	// TokenFile has the token that every request but /ping brings, as one word. It is read again when a request comes and
	// the last look is a second old, or the token does not match: a token is changed by changing the file. While it is
	// missing, empty or no token, nothing is served.
	TokenFile string
	// AllowAnyone serves whoever reaches the loopback address, without a token.
	AllowAnyone bool

	// Stale says whether an item is past its declared maximum age, and why; a stale item is not served. It is asked at
	// most once a second for each item, by any goroutine. Nil is never.
	Stale func(item string) (why string, stale bool)
	// Refresh asks the source of an item anew, for refreshNow=true, and returns when Apply has had what came. One call is
	// in flight for each item, bounded to 10 s. Nil answers from memory.
	Refresh func(ctx context.Context, item string) error
	// RefreshEvery is the least time between two calls of Refresh for one item; within it the outcome of the last one is
	// shared. 5 s when zero.
	RefreshEvery time.Duration
	// MaxConns bounds the connections; those beyond it are answered 429 and closed. 800 when zero.
	MaxConns int
	// Log gets item names and outcomes, never a value or a token; nil discards.
	Log *slog.Logger
	// Now tells the time; nil is time.Now.
	Now func() time.Time
}

// Sink keeps the last snapshot that it took, as answers that are ready to be sent. It is an http.Handler for any number
// of goroutines.
type Sink struct {
	config Config
	token  tokenFile
	items  map[string]*state // by name; made once
	held   atomic.Pointer[table]
	counts counters
	calls  atomic.Uint64
	conns  atomic.Int64
}

// state is what is kept of an item beside its answers.
type state struct {
	freshness
	refresher
}

// New makes the sink. An item without a name or a way to ask for it, half a route, one route for two items, and a
// configuration that says nothing of a token, or both, are a usage error.
func New(c Config) (*Sink, error) {
	if (c.TokenFile == "") != c.AllowAnyone {
		return nil, problem.New(problem.Usage, "name a token file; allow everybody only where no other user can connect",
			"the loopback sink needs either a token file or the permission to serve anyone")
	}
	s := &Sink{config: c, token: tokenFile{path: c.TokenFile}, items: map[string]*state{}}
	if s.config.RefreshEvery <= 0 {
		s.config.RefreshEvery = defaultRefreshEvery
	}
	if s.config.MaxConns <= 0 {
		s.config.MaxConns = defaultMaxConns
	}
	if s.config.Log == nil {
		s.config.Log = slog.New(slog.DiscardHandler)
	}
	if s.config.Now == nil {
		s.config.Now = time.Now //nolint:forbidigo // the default
	}
	seen := map[route]string{}
	for _, e := range c.Expose {
		if err := e.check(); err != nil {
			return nil, err
		}
		if r := e.route(); r != (route{}) {
			if other, taken := seen[r]; taken {
				return nil, problem.New(problem.Usage, "give each item a route of its own",
					"items %s and %s are both exposed as %s", other, e.Item, r)
			}
			seen[r] = e.Item
		}
		s.items[e.Item] = &state{}
	}
	return s, nil
}

func (e Exposed) check() error {
	if e.Item == "" {
		return problem.New(problem.Usage, "name the item", "something without an item is exposed")
	}
	r := e.route()
	if r == (route{}) && e.Secret == "" {
		return problem.New(problem.Usage, "give it an application, environment and profile, or a secret's name",
			"item %s is exposed under no name", e.Item)
	}
	if r != (route{}) && (r.application == "" || r.environment == "" || r.profile == "") {
		return problem.New(problem.Usage, "name all three of application, environment and profile",
			"item %s is exposed by half a route", e.Item)
	}
	return nil
}

// route is how AppConfig's clients name a configuration.
type route struct{ application, environment, profile string }

func (e Exposed) route() route { return route{e.Application, e.Environment, e.Profile} }

func (r route) String() string {
	return strings.Join([]string{r.application, r.environment, r.profile}, ":")
}

// Name is "loopback".
func (*Sink) Name() string { return "loopback" }

// Look says whether the file of the token has one.
func (s *Sink) Look() error {
	if s.config.AllowAnyone {
		return nil
	}
	if _, err := readToken(s.config.TokenFile); err != nil {
		return problem.New(problem.Failed,
			"mount a file with one word that callers must send; nothing is served without it",
			"the token of the loopback sink, %s: %w", s.config.TokenFile, err)
	}
	return nil
}

// Try says whether Apply would take a snapshot. It changes nothing.
func (s *Sink) Try(ctx context.Context, snapshot delivery.Snapshot) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	_, err := newTable(s.config.Expose, snapshot)
	return err
}

// Apply makes the answers of a snapshot and puts them in the place of the last ones, all at once. It refuses a snapshot
// that lacks an exposed item, and values that the service's own wire format cannot carry.
func (s *Sink) Apply(ctx context.Context, snapshot delivery.Snapshot) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	t, err := newTable(s.config.Expose, snapshot)
	if err != nil {
		return err
	}
	s.held.Store(t)
	return nil
}
