// Package storetest is the contract of objstore.Store as a test suite. Every implementation runs it.
package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pinnace-dev/pinnace/internal/objstore"
	"github.com/pinnace-dev/pinnace/internal/problem"
)

// Run holds the stores that open makes to the contract. Each call of open must make an empty store whose operations do
// not fail by themselves; the calls come one after the other. Parts of the contract that a store's service is known not
// to keep can be left out by name; each is skipped aloud.
func Run(t *testing.T, open func(t *testing.T) objstore.Store, without ...string) {
	for name, test := range map[string]func(*testing.T, objstore.Store){
		"reading":         testRead,
		"creating":        testCreate,
		"replacing":       testReplace,
		"deleting":        testDelete,
		"listing":         testList,
		"keys":            testKeys,
		"bodies":          testBodies,
		"cancelled":       testCancelled,
		"racing creators": testRacingCreators,
		"racing counters": testRacingCounters,
		"racing deleters": testRacingDeleters,
		"lost replies":    testLostReplies,
	} {
		t.Run(name, func(t *testing.T) {
			if slices.Contains(without, name) {
				t.Skipf("this service does not keep the part of the contract about %s", name)
			}
			s := open(t)
			t.Parallel()
			test(t, s)
		})
	}
}

func testRead(t *testing.T, s objstore.Store) {
	ctx := t.Context()
	_, err := s.Get(ctx, "a")
	wantErr(t, "get of nothing", err, objstore.ErrNotFound)
	_, err = s.GetIfChanged(ctx, "a", objstore.Version{})
	wantErr(t, "get of nothing with a zero version", err, objstore.ErrNotFound)

	v1 := create(t, s, "a", "one")
	if v1.IsZero() {
		t.Error("the version of an object is zero")
	}
	o, err := s.Get(ctx, "a")
	wantObject(t, "get", o, err, "one", v1)
	o, err = s.GetIfChanged(ctx, "a", objstore.Version{})
	wantObject(t, "get with a zero version", o, err, "one", v1)
	_, err = s.GetIfChanged(ctx, "a", v1)
	wantErr(t, "get with the current version", err, objstore.ErrUnchanged)

	v2, err := s.Replace(ctx, "a", v1, content("two"))
	wantErr(t, "replace", err, nil)
	o, err = s.GetIfChanged(ctx, "a", v1)
	wantObject(t, "get with an old version", o, err, "two", v2)
}

func testCreate(t *testing.T, s objstore.Store) {
	v := create(t, s, "a", "one")
	for _, body := range []string{"two", "one"} { // the same bytes by another caller are still another caller's
		_, err := s.Create(t.Context(), "a", content(body))
		wantErr(t, "create over "+body, err, objstore.ErrExists)
	}
	o, err := s.Get(t.Context(), "a")
	wantObject(t, "get", o, err, "one", v)
}

func testReplace(t *testing.T, s objstore.Store) {
	ctx := t.Context()
	_, err := s.Replace(ctx, "a", objstore.Version{}, content("x"))
	wantErr(t, "replace of nothing by a zero version", err, objstore.ErrChanged)
	v1 := create(t, s, "a", "one")
	_, err = s.Replace(ctx, "a", objstore.Version{}, content("x"))
	wantErr(t, "replace by a zero version", err, objstore.ErrChanged)
	_, err = s.Replace(ctx, "b", v1, content("x"))
	wantErr(t, "replace of a missing object", err, objstore.ErrChanged)

	v2, err := s.Replace(ctx, "a", v1, content("two"))
	wantErr(t, "replace", err, nil)
	if v1 == v2 {
		t.Error("the version stays though the bytes have changed")
	}
	_, err = s.Replace(ctx, "a", v1, content("three"))
	wantErr(t, "replace by an old version", err, objstore.ErrChanged)
	o, err := s.Get(ctx, "a")
	wantObject(t, "get", o, err, "two", v2)
	_, err = s.Get(ctx, "b")
	wantErr(t, "get of what a replace must not make", err, objstore.ErrNotFound)
}

func testDelete(t *testing.T, s objstore.Store) {
	ctx := t.Context()
	v1 := create(t, s, "a", "one")
	wantErr(t, "delete by a zero version", s.Delete(ctx, "a", objstore.Version{}), objstore.ErrChanged)
	wantErr(t, "delete of a missing object", s.Delete(ctx, "b", v1), objstore.ErrChanged)
	v2, err := s.Replace(ctx, "a", v1, content("two"))
	wantErr(t, "replace", err, nil)
	wantErr(t, "delete by an old version", s.Delete(ctx, "a", v1), objstore.ErrChanged)
	o, err := s.Get(ctx, "a")
	wantObject(t, "get", o, err, "two", v2)

	wantErr(t, "delete", s.Delete(ctx, "a", v2), nil)
	_, err = s.Get(ctx, "a")
	wantErr(t, "get of a deleted object", err, objstore.ErrNotFound)
	wantErr(t, "second delete", s.Delete(ctx, "a", v2), objstore.ErrChanged)
	_, err = s.Replace(ctx, "a", v2, content("x"))
	wantErr(t, "replace of a deleted object", err, objstore.ErrChanged)
	create(t, s, "a", "again")
}

func testList(t *testing.T, s objstore.Store) {
	if got := list(t, s, ""); len(got) != 0 {
		t.Errorf("an empty store lists %v", got)
	}
	// "a.txt" sorts before "a/1" by bytes, though not in a walk of folders.
	for _, key := range []string{"b", "a/2", "a.txt", "a/1", "ab/1", "a/1+x%20y z.tgz"} {
		create(t, s, key, "body of "+key)
	}
	for prefix, want := range map[string][]string{
		"":     {"a.txt", "a/1", "a/1+x%20y z.tgz", "a/2", "ab/1", "b"},
		"a/":   {"a/1", "a/1+x%20y z.tgz", "a/2"},
		"a":    {"a.txt", "a/1", "a/1+x%20y z.tgz", "a/2", "ab/1"},
		"none": nil,
	} {
		if diff := cmp.Diff(want, list(t, s, prefix)); diff != "" {
			t.Errorf("keys below %q (-want +got):\n%s", prefix, diff)
		}
	}
	for info, err := range s.List(t.Context(), "a/") {
		wantErr(t, "list", err, nil)
		if info.Size != int64(len("body of "+info.Key)) || info.Modified.IsZero() {
			t.Errorf("info %+v", info)
		}
		break // and a listing may be left early
	}
}

func testKeys(t *testing.T, s objstore.Store) {
	for _, key := range []string{
		"", "/a", "a/", "a//b", ".", "..", "../a", "a/../b", "a/./b", `a\b`, "a\x00b", "a\nb", "\xff",
		objstore.Reserved, objstore.Reserved + ".lock", "a/" + objstore.Reserved + "-tmp-1", strings.Repeat("a", 1025),
	} {
		_, getErr := s.Get(t.Context(), key)
		_, createErr := s.Create(t.Context(), key, content("x"))
		for _, err := range []error{getErr, createErr} {
			if problem.KindOf(err) != problem.Usage {
				t.Errorf("key %q: error %v, want a usage problem", key, err)
			}
		}
	}
	for _, key := range []string{"a+b", "a b", "a%2Bb", "dänemark/ü", "a?b#c", "...a", "a&b=c"} {
		v := create(t, s, key, key)
		o, err := s.Get(t.Context(), key)
		wantObject(t, "get "+key, o, err, key, v)
	}
}

// testBodies: empty and large bodies live, and nobody shares memory with the store.
func testBodies(t *testing.T, s objstore.Store) {
	ctx := t.Context()
	large := bytes.Repeat([]byte("0123456789abcdef"), 64<<10)
	for key, body := range map[string][]byte{"empty": {}, "large": large} {
		v, err := s.Create(ctx, key, objstore.Content{Body: body, Metadata: map[string]string{"k": "v"}})
		wantErr(t, "create", err, nil)
		o, err := s.Get(ctx, key)
		wantErr(t, "get", err, nil)
		if !bytes.Equal(o.Body, body) || o.Version != v {
			t.Errorf("%s: %d bytes come back as %d", key, len(body), len(o.Body))
		}
	}
	body := []byte("mine")
	_, err := s.Create(ctx, "mine", objstore.Content{Body: body})
	wantErr(t, "create", err, nil)
	body[0] = 'X'
	o, _ := s.Get(ctx, "mine")
	o.Body[1] = 'X'
	if o, _ = s.Get(ctx, "mine"); string(o.Body) != "mine" {
		t.Errorf("a caller changed the stored bytes to %q", o.Body)
	}
}

func testCancelled(t *testing.T, s objstore.Store) {
	v := create(t, s, "a", "one")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, getErr := s.Get(ctx, "a")
	_, createErr := s.Create(ctx, "b", content("x"))
	_, replaceErr := s.Replace(ctx, "a", v, content("x"))
	deleteErr := s.Delete(ctx, "a", v)
	var listErr error
	for _, listErr = range s.List(ctx, "") {
	}
	for op, err := range map[string]error{
		"get": getErr, "create": createErr, "replace": replaceErr, "delete": deleteErr, "list": listErr,
	} {
		wantErr(t, op, err, context.Canceled)
	}
	o, err := s.Get(t.Context(), "a")
	wantObject(t, "get", o, err, "one", v)
}

func testRacingCreators(t *testing.T, s objstore.Store) {
	const racers, keys = 8, 4
	for k := range keys {
		key := "race/" + strconv.Itoa(k)
		won := race(racers, func(i int) bool {
			_, err := s.Create(t.Context(), key, content("same bytes")) // so that bytes cannot tell who won
			if err != nil && !retryable(err) && !errors.Is(err, objstore.ErrExists) {
				t.Errorf("racer %d: %v", i, err)
			}
			return err == nil
		})
		if len(won) != 1 {
			t.Errorf("%s: %d creators of %d won: %v", key, len(won), racers, won)
		}
	}
}

func testRacingCounters(t *testing.T, s objstore.Store) {
	const racers, rounds = 6, 5
	opts := objstore.UpdateOptions{Delay: time.Millisecond, MaxDelay: 20 * time.Millisecond, Attempts: 1000}
	race(racers, func(i int) bool {
		for range rounds {
			_, err := objstore.Update(t.Context(), s, "counter", opts, increment)
			wantErr(t, fmt.Sprintf("update by racer %d", i), err, nil)
		}
		return true
	})
	o, err := s.Get(t.Context(), "counter")
	wantErr(t, "get", err, nil)
	if got := string(o.Body); got != strconv.Itoa(racers*rounds) {
		t.Errorf("the counter is %s after %d increments", got, racers*rounds)
	}
}

func testRacingDeleters(t *testing.T, s objstore.Store) {
	v := create(t, s, "a", "one")
	won := race(8, func(i int) bool {
		err := s.Delete(t.Context(), "a", v)
		if err != nil && !retryable(err) && !errors.Is(err, objstore.ErrChanged) {
			t.Errorf("racer %d: %v", i, err)
		}
		return err == nil
	})
	if len(won) != 1 {
		t.Errorf("%d deleters won", len(won))
	}
}

func increment(body []byte, exists bool) (objstore.Content, error) {
	n := 0
	if exists {
		var err error
		if n, err = strconv.Atoi(string(body)); err != nil {
			return objstore.Content{}, err
		}
	}
	return content(strconv.Itoa(n + 1)), nil
}

// race runs f n times at once and answers who returned true.
func race(n int, f func(i int) bool) (won []int) {
	var mu sync.Mutex
	var group sync.WaitGroup
	start := make(chan struct{})
	for i := range n {
		group.Go(func() {
			<-start
			if f(i) {
				mu.Lock()
				defer mu.Unlock()
				won = append(won, i)
			}
		})
	}
	close(start)
	group.Wait()
	return won
}

func retryable(err error) bool { return errors.Is(err, objstore.ErrConflict) }

func content(body string) objstore.Content {
	return objstore.Content{Body: []byte(body), Type: "text/plain"}
}

func create(t *testing.T, s objstore.Store, key, body string) objstore.Version {
	t.Helper()
	v, err := s.Create(t.Context(), key, content(body))
	wantErr(t, "create "+key, err, nil)
	return v
}

func list(t *testing.T, s objstore.Store, prefix string) []string {
	t.Helper()
	var keys []string
	for info, err := range s.List(t.Context(), prefix) {
		wantErr(t, "list", err, nil)
		keys = append(keys, info.Key)
	}
	return slices.Clip(keys)
}

func wantErr(t *testing.T, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s: error %v, want %v", what, err, want)
	}
}

func wantObject(t *testing.T, what string, o objstore.Object, err error, body string, v objstore.Version) {
	t.Helper()
	if err != nil || string(o.Body) != body || o.Version != v {
		t.Errorf("%s: %q, %v, version is the expected: %t; want %q", what, o.Body, err, o.Version == v, body)
	}
}
