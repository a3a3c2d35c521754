package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pinnace-dev/pinnace/internal/objstore"
)

var errLost = errors.New("connection reset by peer")

// lossy is a store of which every third write lands without its reply.
type lossy struct {
	objstore.Store
	writes atomic.Int32
}

func (l *lossy) Create(ctx context.Context, key string, c objstore.Content) (objstore.Version, error) {
	return l.reply(l.Store.Create(ctx, key, c))
}

func (l *lossy) Replace(
	ctx context.Context, key string, old objstore.Version, c objstore.Content,
) (objstore.Version, error) {
	return l.reply(l.Store.Replace(ctx, key, old, c))
}

func (l *lossy) reply(v objstore.Version, err error) (objstore.Version, error) {
	if err == nil && l.writes.Add(1)%3 == 0 {
		return objstore.Version{}, errLost
	}
	return v, err
}

// testLostReplies: writers who know their own work and run again after a lost reply add it once, all of them.
func testLostReplies(t *testing.T, s objstore.Store) {
	const writers = 8
	unreliable := &lossy{Store: s}
	opts := objstore.UpdateOptions{Delay: time.Millisecond, MaxDelay: 20 * time.Millisecond, Attempts: 1000}
	race(writers, func(i int) bool {
		line := fmt.Sprintf("writer %d\n", i)
		for {
			_, err := objstore.Update(t.Context(), unreliable, "list", opts, addLine(line))
			if !errors.Is(err, errLost) {
				wantErr(t, "update", err, nil)
				return err == nil
			}
		}
	})
	o, err := s.Get(t.Context(), "list")
	wantErr(t, "get", err, nil)
	lines := slices.Sorted(strings.Lines(string(o.Body)))
	if len(lines) != writers || len(slices.Compact(lines)) != writers {
		t.Errorf("%d writers left %q", writers, o.Body)
	}
	if unreliable.writes.Load() < writers {
		t.Errorf("only %d writes", unreliable.writes.Load())
	}
}

func addLine(line string) func([]byte, bool) (objstore.Content, error) {
	return func(body []byte, _ bool) (objstore.Content, error) {
		if strings.Contains(string(body), line) {
			return objstore.Content{}, objstore.ErrUnchanged
		}
		return content(string(body) + line), nil
	}
}
