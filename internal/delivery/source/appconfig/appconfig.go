// Package appconfig is the source that reads items from a JSON document in AWS AppConfig. Strings of the document may
// hold references to secrets, so that AppConfig decides what is rolled out to whom and never sees a secret.
package appconfig

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/appconfigdata"

	"github.com/pinnace-dev/pinnace/internal/delivery"
	"github.com/pinnace-dev/pinnace/internal/delivery/reference"
	"github.com/pinnace-dev/pinnace/internal/delivery/source/internal/document"
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

// Config names a configuration and what to take from it.
type Config struct {
	Application, Environment, Profile string // ids or names, all needed

	// Items says for each item where its value is in the document: the name of a member or, starting with a slash, a JSON
	// pointer. There must be a string, a number or a boolean. Other members are not looked at.
	Items map[string]string
	// PollInterval is asked of the server, which may answer with a longer one; 15 s to 24 h, 30 s when zero.
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
// the document.
type Source struct {
	client *appconfigdata.Client
	region string
	cfg    Config

	token    secret.Value // of the session; empty when a new one is to be opened
	fresh    bool         // the session has given no content yet
	document secret.Value // the newest content
	label    string       // its version label
	due      time.Time    // when the server wants to be asked again

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
	case c.PollInterval < MinPollInterval || c.PollInterval > MaxPollInterval:
		return nil, problem.New(problem.Usage, fmt.Sprintf("choose %v to %v", MinPollInterval, MaxPollInterval),
			"poll interval %v is out of range", c.PollInterval)
	}
	return &Source{client: appconfigdata.NewFromConfig(cfg), region: cfg.Region, cfg: c}, nil
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
	var after time.Duration
	var polled error
	if !s.unresolved || !s.cfg.Now().Before(s.due) {
		after, polled = s.poll(ctx)
	}
	if polled != nil && (s.document.Len() == 0 || ctx.Err() != nil) {
		return delivery.Answer{After: after}, polled
	}
	snapshot, err := s.resolve(ctx)
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

// resolve makes a snapshot of the newest document.
func (s *Source) resolve(ctx context.Context) (delivery.Snapshot, error) {
	texts, refs, err := s.read()
	if err != nil {
		return delivery.Snapshot{}, problem.New(problem.Refused,
			"deploy a corrected document; the values delivered before stay in place", "%w", err)
	}
	resolved := map[reference.Reference]reference.Resolved{}
	if len(refs) > 0 {
		if s.cfg.Resolver == nil {
			return delivery.Snapshot{}, fmt.Errorf("the document has references and nothing resolves them")
		}
		if resolved, err = s.cfg.Resolver.Resolve(ctx, refs); err != nil {
			return delivery.Snapshot{}, err
		}
	}
	var items []delivery.Item
	for name, text := range texts {
		item, err := s.item(ctx, name, text, resolved)
		if err != nil {
			return delivery.Snapshot{}, err
		}
		items = append(items, item)
	}
	return delivery.NewSnapshot(items...)
}

// read gives the text of every item and the references in them, each once.
func (s *Source) read() (texts map[string]string, refs []reference.Reference, err error) {
	if s.document.Len() > maxDocument {
		return nil, nil, fmt.Errorf("the document has %d bytes, more than %d", s.document.Len(), maxDocument)
	}
	object, err := document.Parse(s.document.Reveal())
	if err != nil {
		return nil, nil, fmt.Errorf("the document: %w", err)
	}
	texts = map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(s.cfg.Items)) {
		field := s.cfg.Items[name]
		text, err := object.Text(field)
		if err != nil {
			return nil, nil, err
		}
		found, err := reference.Find(text)
		if err != nil {
			return nil, nil, fmt.Errorf("field %s: %w", field, err)
		}
		for _, ref := range found {
			if !slices.Contains(refs, ref) {
				refs = append(refs, ref)
			}
		}
		texts[name] = text
	}
	return texts, refs, nil
}

// item puts what was resolved into the text of one item.
func (s *Source) item(ctx context.Context, name, text string,
	resolved map[reference.Reference]reference.Resolved,
) (delivery.Item, error) {
	var versions []string
	value, err := reference.Expand(ctx, text, func(_ context.Context, ref reference.Reference) (secret.Value, error) {
		got, ok := resolved[ref]
		if !ok {
			return secret.Value{}, fmt.Errorf("secret %s was not resolved", ref.SecretID)
		}
		if !slices.Contains(versions, got.Version) {
			versions = append(versions, got.Version)
		}
		return got.Value, nil
	})
	if err != nil {
		return delivery.Item{}, err
	}
	version := s.label
	if len(versions) > 0 {
		version = strings.Join(versions, "+")
	}
	return delivery.Item{Name: name, Value: value, Version: version}, nil
}
