// Package appconfig is the source that reads items from a document in AWS AppConfig: the whole of it, or members of a
// JSON object. Strings of a JSON document may hold references to secrets, so that AppConfig decides what is rolled out
// to whom and never sees a secret.
package appconfig

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/appconfigdata"

	"github.com/pinnace-dev/pinnace/internal/delivery"
	"github.com/pinnace-dev/pinnace/internal/delivery/reference"
	"github.com/pinnace-dev/pinnace/internal/problem"
	"github.com/pinnace-dev/pinnace/internal/secret"
)

// The poll intervals that AppConfig accepts.
const (
	MinPollInterval     = 15 * time.Second
	MaxPollInterval     = 24 * time.Hour
	DefaultPollInterval = 30 * time.Second
)

// maxDocument is the largest hosted configuration that AppConfig stores, in bytes.
const maxDocument = 4 << 20

// Resolver gives what each reference stands for, in one call, so that values which belong together can be read
// together. It fails as a whole. Fetch calls it at every poll: what is pinned should be kept, what is not read anew.
type Resolver interface {
	Resolve(ctx context.Context, refs []reference.Reference) (map[reference.Reference]reference.Resolved, error)
}

// Item is something that a workload needs of a document.
type Item struct {
	Name string // unique in its source
	// Field says where the value is: the name of a member or, starting with a slash, a JSON pointer. There must be a
	// string, a number or a boolean. Other members are not looked at.
	//
	// Empty is the whole document, byte by byte but for its references: those in strings of JSON are resolved within
	// their strings; a document that is not JSON may have none.
	Field string
	// Optional leaves the item out of the snapshot while the document has no such member.
	Optional bool
}

// Config names a configuration and what to take from it.
type Config struct {
	Application, Environment, Profile string // ids or names, all needed

	Items []Item
	// Verbatim does not look for references. It is for a profile that is located at secretsmanager://, whose document is
	// a secret: what stands in a secret is delivered as it is, and whoever writes it does not reach for another.
	Verbatim bool
	// PollInterval is the shortest that is asked of the server, which may answer with a longer one; 15 s to 24 h, 30 s
	// when zero.
	PollInterval time.Duration
	// Resolver resolves the references in strings. Nil refuses them.
	Resolver Resolver
	// Now tells when the server may be asked again after a document could not be resolved; nil is time.Now.
	Now func() time.Time
}

// Source is a delivery.Source. Its snapshots have all items or it fails: a document that cannot be read whole, or a
// reference that cannot be resolved, changes nothing, and the next Fetch tries the same document again.
//
// The version of an item is the version id of the secrets it refers to or, without a reference, the version label of
// the document or, without a label, the fingerprint of its value.
//
// AppConfig is not asked before it wants to be, however often Fetch is called; nor is a session given up for a failure
// that leaves its token unspent, because a new session draws anew whether a gradual deployment reaches it.
type Source struct {
	client *appconfigdata.Client
	region string
	cfg    Config

	token    secret.Value // of the session; empty when a new one is to be opened
	fresh    bool         // the session has given no content yet
	due      time.Time    // when the server wants to be asked again
	polled   error        // what came of asking it last
	document secret.Value // the newest content

	label, contentType string // of the document

	unresolved bool   // document is newer than the last snapshot, or could not be resolved anew
	given      string // fingerprint of the last snapshot; empty before the first
}

// New makes a source that asks with the identity, region and endpoint of cfg. A missing name, no items or an interval
// out of range is a usage error.
func New(cfg aws.Config, c Config) (*Source, error) {
	if c.PollInterval == 0 {
		c.PollInterval = DefaultPollInterval
	}
	if c.Now == nil {
		c.Now = time.Now //nolint:forbidigo // the default of the injected clock
	}
	switch {
	case c.Application == "" || c.Environment == "" || c.Profile == "":
		return nil, problem.New(problem.Usage, "name all three: APPLICATION/ENVIRONMENT/PROFILE",
			"the configuration %s lacks a name", c.name())
	case len(c.Items) == 0:
		return nil, problem.New(problem.Usage, "name the fields that the workload needs",
			"nothing is to be taken from %s", c.name())
	case c.unclear() != nil:
		return nil, problem.New(problem.Usage, "give each item a name of its own", "taking from %s: %w", c.name(),
			c.unclear())
	case c.PollInterval < MinPollInterval || c.PollInterval > MaxPollInterval:
		return nil, problem.New(problem.Usage, fmt.Sprintf("choose %v to %v", MinPollInterval, MaxPollInterval),
			"poll interval %v is out of range", c.PollInterval)
	}
	c.Items = slices.Clone(c.Items)
	return &Source{client: appconfigdata.NewFromConfig(cfg), region: cfg.Region, cfg: c}, nil
}

// unclear says which item cannot be told from another.
func (c Config) unclear() error {
	seen := map[string]bool{}
	for _, item := range c.Items {
		if item.Name == "" {
			return fmt.Errorf("the item of field %q has no name", item.Field)
		}
		if seen[item.Name] {
			return fmt.Errorf("item %s is there twice", item.Name)
		}
		seen[item.Name] = true
	}
	return nil
}

// String names the configuration and nothing of what it holds.
func (s *Source) String() string { return "configuration " + s.cfg.name() }

// Format is String, whatever the verb: a printer must not walk through the document, the token and the credentials.
func (s *Source) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// LogValue is String.
func (s *Source) LogValue() slog.Value { return slog.StringValue(s.String()) }

func (c Config) name() string { return c.Application + "/" + c.Environment + "/" + c.Profile }

// Fetch asks AppConfig for a newer document, then resolves the newest. References that are not pinned are resolved anew
// each time, so that a rotated secret is followed although its document stays the same, and although AppConfig does not
// answer: its failure is then told by the next Fetch that has nothing else to give.
func (s *Source) Fetch(ctx context.Context) (delivery.Answer, error) {
	after := max(0, s.due.Sub(s.cfg.Now()))
	if after == 0 {
		after, s.polled = s.poll(ctx)
	}
	polled := s.polled
	if polled != nil && (s.document.Len() == 0 || ctx.Err() != nil) {
		return delivery.Answer{After: after}, polled
	}
	snapshot, err := s.snapshot(ctx)
	if polled != nil && !s.unresolved && (err != nil || snapshot.Fingerprint() == s.given) {
		return delivery.Answer{After: after}, errors.Join(polled, err)
	}
	if err != nil {
		s.unresolved = true
		err = fmt.Errorf("reading configuration %s: %w", s.cfg.name(), err)
		return delivery.Answer{}, errors.Join(polled, err)
	}
	s.unresolved = false
	answer := delivery.Answer{After: max(0, s.due.Sub(s.cfg.Now()))}
	if print := snapshot.Fingerprint(); print != s.given {
		s.given, answer.Snapshot = print, snapshot
	} else {
		answer.Unchanged = true
	}
	return answer, nil
}
