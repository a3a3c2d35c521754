// Package delivery moves the items that a workload needs from where they are kept to where the workload reads them:
// Source → Snapshot → Sinks. The Engine joins them; sources and sinks are packages of their own, and the engine
// imports none of them.
package delivery

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/pinnace-dev/pinnace/internal/secret"
)

// Item is one thing that a workload needs, say a key.
type Item struct {
	Name    string       // unique in its snapshot, never empty
	Value   secret.Value // may be empty; a sink may refuse that
	Version string       // the source's own name for this version, for people; may be empty
	About   About        // not part of a fingerprint: it follows from the version
}

// About is what a source knows of a version beside its bytes. Nothing of it is secret, and each field may be empty. A
// sink that speaks for a service (sink/loopback) passes it on.
type About struct {
	ContentType string    // media type of the value, where the service keeps one (AppConfig)
	Label       string    // version label (AppConfig)
	ARN, ID     string    // full ARN, and name, of the secret (Secrets Manager)
	Stages      []string  // staging labels of the version when it was read (Secrets Manager)
	Created     time.Time // when the version was made (Secrets Manager)
	Binary      bool      // the service keeps it as bytes, not as a string (Secrets Manager)
}

// String names the item and shows its version and fingerprint, never its value.
func (i Item) String() string {
	return fmt.Sprintf("%s %q %s", i.Name, i.Version, i.Value.Fingerprint())
}

// Format is String, whatever the verb.
func (i Item) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, i.String()) }

// LogValue has what String shows.
func (i Item) LogValue() slog.Value {
	return slog.GroupValue(slog.String("item", i.Name), slog.String("version", i.Version),
		slog.String("fingerprint", i.Value.Fingerprint()))
}

// Snapshot is all items at one moment, sorted by name. It is immutable; its zero value has no items.
type Snapshot struct{ items []Item }

// NewSnapshot makes a snapshot of items in any order. Two items of one name, or one without a name, are an error.
func NewSnapshot(items ...Item) (Snapshot, error) {
	items = slices.Clone(items)
	slices.SortFunc(items, func(a, b Item) int { return cmp.Compare(a.Name, b.Name) })
	for i, item := range items {
		if item.Name == "" {
			return Snapshot{}, fmt.Errorf("an item has no name")
		}
		if i > 0 && items[i-1].Name == item.Name {
			return Snapshot{}, fmt.Errorf("item %s is there twice", item.Name)
		}
	}
	return Snapshot{items: items}, nil
}

// All yields the items in the order of their names.
func (s Snapshot) All() iter.Seq[Item] { return slices.Values(s.items) }

// Get finds an item by its name.
func (s Snapshot) Get(name string) (Item, bool) {
	i, ok := slices.BinarySearchFunc(s.items, name, func(it Item, n string) int { return cmp.Compare(it.Name, n) })
	if !ok {
		return Item{}, false
	}
	return s.items[i], true
}

// String lists the items as Item.String does.
func (s Snapshot) String() string {
	items := make([]string, len(s.items))
	for i, item := range s.items {
		items[i] = item.String()
	}
	return "[" + strings.Join(items, ", ") + "]"
}

// Format is String, whatever the verb.
func (s Snapshot) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// LogValue is String.
func (s Snapshot) LogValue() slog.Value { return slog.StringValue(s.String()) }

// Fingerprint is a short digest of all names, versions and values: two snapshots are the same when theirs are.
func (s Snapshot) Fingerprint() string {
	h := sha256.New()
	for _, item := range s.items {
		// Lengths first, so that no two snapshots can be read as one another.
		_, _ = fmt.Fprintf(h, "%d %d %d\n%s%s",
			len(item.Name), len(item.Version), item.Value.Len(), item.Name, item.Version)
		_, _ = h.Write(item.Value.Reveal())
	}
	return hex.EncodeToString(h.Sum(nil))[:12]
}

// Answer is what a source says when it is asked.
type Answer struct {
	// Snapshot is what the source holds now, whole but for Failed. It is ignored when Unchanged.
	Snapshot Snapshot
	// Unchanged says that nothing differs from the last snapshot this source has given. A source that has not given one
	// yet must not say so.
	Unchanged bool
	// Failed says of items by their names why they could not be had this time, in a source whose items are independent of
	// each other. What was last had of them stays. They may be missing in Snapshot, and it goes with Unchanged too.
	// When Fetch fails it may tell the items apart.
	Failed map[string]error
	// After is the earliest moment, from now, at which the source wants to be asked again: the server's word. Zero leaves
	// it to the engine. It is obeyed when Fetch fails, too.
	After time.Duration
}

// Source is where items come from. Fetch is called by one goroutine at a time.
//
// A source remembers what it has given and owns its session tokens, so it can ask its server with the version held. A
// failed Fetch must not lose a change: the next one that succeeds gives it. Errors never contain a value. Fetch returns
// soon after ctx is done.
type Source interface {
	Fetch(ctx context.Context) (Answer, error)
}

// Sink is where a snapshot goes. Apply is called by one goroutine at a time.
//
// A sink takes the whole snapshot or nothing: after an error, what it had taken before is still in place. Applying a
// snapshot again does no harm. Errors never contain a value.
type Sink interface {
	// Name tells sinks apart in logs and in Status.
	Name() string
	Apply(ctx context.Context, s Snapshot) error
}

// Follower is a Sink that acts on what the others have taken, as a hook does that tells a workload to read its files
// again. The engine applies it when every other sink has the snapshot, and not before.
type Follower interface {
	Sink
	// Follows marks the sink; it does nothing.
	Follows()
}

// Pending is the error of a sink that took a snapshot up and will have it in place by itself in a while, as one does
// that restarts a workload at a moment of its own choice. It is no failure, and no success yet: the engine asks again.
type Pending struct {
	What string        // what is to happen, for people; never a value
	In   time.Duration // when it is worth asking again
}

func (p *Pending) Error() string { return p.What }

// Checker is a Sink that can tell whether a snapshot it took is still in place. The engine asks at every poll and, on
// an error, applies the snapshot again.
type Checker interface {
	// Check says what differs, if anything; nil when a workload finds exactly s. It changes nothing. Errors never contain
	// a value.
	Check(ctx context.Context, s Snapshot) error
}
