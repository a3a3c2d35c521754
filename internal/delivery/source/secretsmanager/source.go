package secretsmanager

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/pinnace-dev/pinnace/internal/delivery"
	"github.com/pinnace-dev/pinnace/internal/delivery/source/internal/document"
	"github.com/pinnace-dev/pinnace/internal/identity/awserr"
	"github.com/pinnace-dev/pinnace/internal/problem"
)

// Item is a secret, or a part of one, that a workload needs.
type Item struct {
	Name     string // unique in its source
	SecretID string // name, or ARN: one of another account needs its full ARN
	Key      string // member of the JSON object that the secret is: a string, number or boolean; empty for the whole
	// Stage is a staging label and VersionID one version, which never changes. They exclude each other; without either it
	// is AWSCURRENT.
	Stage, VersionID string
	// Optional leaves the item out of the snapshot while there is no such secret, version or key. Any other failure is
	// one.
	Optional bool
}

func (i Item) read() read { return newRead(i.SecretID, i.Stage, i.VersionID) }

// Config says what to read.
type Config struct {
	Items []Item
	// Now tells when to try again a call that was denied; nil is time.Now.
	Now func() time.Time
}

// Source is a delivery.Source for secrets that are named directly. At every Fetch it reads anew what is not pinned by a
// version id. Items that name one version of one secret by the same id come from one read, and so belong together.
//
// Items are independent of each other: one that cannot be had is in Answer.Failed, and the others are followed. Only
// when none can be had does Fetch fail, so that an engine backs off from a service that is down or an identity that is
// dead, instead of asking on at its usual pace.
//
// The version of an item is the version id of its secret.
type Source struct {
	region string
	items  []Item
	keys   []read
	reader *reader

	last  map[string]delivery.Item // what was last given of each item
	given string                   // fingerprint of last; empty before the first
}

// NewSource makes a source that reads with the identity, region and endpoint of cfg. No items, two of one name, one
// without a name or a secret, and one with a stage and a version are usage errors. The stage AWSPENDING is refused.
func NewSource(cfg aws.Config, c Config) (*Source, error) {
	if len(c.Items) == 0 {
		return nil, problem.New(problem.Usage, "name the secrets that the workload needs",
			"nothing is to be taken from Secrets Manager")
	}
	s := &Source{region: cfg.Region, items: slices.Clone(c.Items), reader: newReader(cfg, c.Now)}
	seen := map[string]bool{}
	for _, item := range s.items {
		switch {
		case item.Name == "" || item.SecretID == "":
			return nil, problem.New(problem.Usage, "name the item and its secret",
				"item %q of secret %q lacks a name", item.Name, item.SecretID)
		case seen[item.Name]:
			return nil, problem.New(problem.Usage, "give each item a name of its own", "item %s is there twice", item.Name)
		case item.Stage != "" && item.VersionID != "":
			return nil, problem.New(problem.Usage, "name one of them",
				"item %s: secret %s has a version stage and a version id", item.Name, item.SecretID)
		}
		if err := refusePending(item.SecretID, item.Stage); err != nil {
			return nil, fmt.Errorf("item %s: %w", item.Name, err)
		}
		seen[item.Name] = true
		s.keys = append(s.keys, item.read())
	}
	return s, nil
}

// String names the service and its region, and nothing of what was read.
func (s *Source) String() string { return "secrets of Secrets Manager in " + s.region }

// Format is String, whatever the verb: a printer must not walk through the values held and the credentials.
func (s *Source) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// LogValue is String.
func (s *Source) LogValue() slog.Value { return slog.StringValue(s.String()) }

// Fetch reads the secrets.
func (s *Source) Fetch(ctx context.Context) (delivery.Answer, error) {
	out := s.reader.read(ctx, s.keys)
	var had []delivery.Item
	failed := map[string]error{}
	last := map[string]delivery.Item{}
	for _, item := range s.items {
		got, err := item.of(out)
		switch old, known := s.last[item.Name]; {
		case err == nil:
			had = append(had, got)
			last[item.Name] = got
		case item.Optional && missing(err):
		default:
			failed[item.Name] = err
			if known {
				last[item.Name] = old
			}
		}
	}
	if len(failed) > 0 && (len(had) == 0 || ctx.Err() != nil) {
		return delivery.Answer{Failed: failed}, s.join(failed)
	}
	return s.answer(had, failed, last)
}

// of makes the item of what was read.
func (i Item) of(out outcome) (delivery.Item, error) {
	if err := out.failed[i.read()]; err != nil {
		return delivery.Item{}, err
	}
	got := out.had[i.read()]
	value, err := member(got.value, i.SecretID, i.Key)
	return delivery.Item{Name: i.Name, Value: value, Version: got.version, About: got.about}, err
}

// missing says that there is no such secret, version or key.
func missing(err error) bool {
	return awserr.Code(err) == notFound || errors.Is(err, document.ErrMissing)
}

// answer compares what was had with what was last given. Items that failed stay what they were, and are not given.
func (s *Source) answer(had []delivery.Item, failed map[string]error, last map[string]delivery.Item) (
	delivery.Answer, error,
) {
	var all []delivery.Item
	for _, item := range last {
		all = append(all, item)
	}
	whole, err := delivery.NewSnapshot(all...)
	if err != nil {
		return delivery.Answer{}, err
	}
	answer := delivery.Answer{Failed: failed}
	if print := whole.Fingerprint(); print != s.given {
		if answer.Snapshot, err = delivery.NewSnapshot(had...); err != nil {
			return delivery.Answer{}, err
		}
		s.given = print
	} else {
		answer.Unchanged = true
	}
	s.last = last
	return answer, nil
}

// join makes one error of those of all items: of several items that failed alike it names the first.
func (s *Source) join(failed map[string]error) error {
	var texts []string
	var joined error
	for _, item := range s.items {
		err := failed[item.Name]
		if err == nil || slices.Contains(texts, err.Error()) {
			continue
		}
		texts = append(texts, err.Error())
		if err = fmt.Errorf("item %s: %w", item.Name, err); joined != nil {
			err = fmt.Errorf("%w; %w", joined, err)
		}
		joined = err
	}
	return joined
}
