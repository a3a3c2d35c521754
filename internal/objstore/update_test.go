package objstore_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pinnace-dev/pinnace/internal/objstore"
	"github.com/pinnace-dev/pinnace/internal/objstore/mem"
	"github.com/pinnace-dev/pinnace/internal/problem"
)

func appendDot(body []byte, _ bool) (objstore.Content, error) {
	return objstore.Content{Body: append(body, '.')}, nil
}

// failing makes the first n operations of the kind fail with err, before their effect.
func failing(op mem.Op, n int, err error) *mem.Store {
	s := mem.New()
	s.Before = func(got mem.Op, _ string) error {
		if got == op && n > 0 {
			n--
			return err
		}
		return nil
	}
	return s
}

// Each round waits up to twice as long as the one before, with a bound; the clock here is synctest's.
func TestUpdateBacksOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := failing(mem.Create, 5, objstore.ErrConflict)
		start := time.Now()
		var at []time.Duration
		res, err := objstore.Update(t.Context(), s, "k", objstore.UpdateOptions{
			Delay: 100 * time.Millisecond, MaxDelay: time.Second, Rand: func() float64 { return 0.5 },
		}, func(body []byte, exists bool) (objstore.Content, error) {
			at = append(at, time.Since(start))
			return appendDot(body, exists)
		})
		if err != nil || res.Attempts != 6 || res.Version.IsZero() {
			t.Errorf("%+v, %v", res, err)
		}
		var want []time.Duration
		for _, ms := range []int{0, 50, 150, 350, 750, 1250} {
			want = append(want, time.Duration(ms)*time.Millisecond)
		}
		if diff := cmp.Diff(want, at); diff != "" {
			t.Errorf("times of the attempts (-want +got):\n%s", diff)
		}
	})
}

func TestUpdateRetriesWhatWasLost(t *testing.T) {
	for _, lost := range []error{objstore.ErrChanged, objstore.ErrExists, objstore.ErrConflict} {
		for _, op := range []mem.Op{mem.Get, mem.Create} {
			synctest.Test(t, func(t *testing.T) {
				s := failing(op, 1, fmt.Errorf("wrapped: %w", lost))
				res, err := objstore.Update(t.Context(), s, "k", objstore.UpdateOptions{}, appendDot)
				if err != nil || res.Attempts != 2 {
					t.Errorf("%s failing with %v: %+v, %v", op, lost, res, err)
				}
			})
		}
	}
}

func TestUpdateStopsAtFailures(t *testing.T) {
	failure := errors.New("disk full")
	for _, op := range []mem.Op{mem.Get, mem.Create} {
		res, err := objstore.Update(t.Context(), failing(op, 1, failure), "k", objstore.UpdateOptions{}, appendDot)
		if !errors.Is(err, failure) || res.Attempts != 1 {
			t.Errorf("%s: %+v, %v", op, res, err)
		}
	}
	_, err := objstore.Update(t.Context(), mem.New(), "k", objstore.UpdateOptions{},
		func([]byte, bool) (objstore.Content, error) { return objstore.Content{}, failure })
	if !errors.Is(err, failure) {
		t.Errorf("edit: %v", err)
	}
}

func TestUpdateGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := failing(mem.Create, 1000, objstore.ErrConflict)
		res, err := objstore.Update(t.Context(), s, "k", objstore.UpdateOptions{Attempts: 7}, appendDot)
		if problem.KindOf(err) != problem.Conflict || problem.HintOf(err) == "" || res.Attempts != 7 ||
			!errors.Is(err, objstore.ErrConflict) {
			t.Errorf("%+v, %v", res, err)
		}
	})
}

func TestUpdateEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		s := failing(mem.Create, 1000, objstore.ErrConflict)
		start := time.Now()
		_, err := objstore.Update(ctx, s, "k", objstore.UpdateOptions{}, appendDot)
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != 3*time.Second {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
	})
}

func TestUpdateWithoutAWrite(t *testing.T) {
	s := mem.New()
	v, err := s.Create(t.Context(), "k", objstore.Content{Body: []byte("as it is")})
	if err != nil {
		t.Fatal(err)
	}
	unchanged := func([]byte, bool) (objstore.Content, error) { return objstore.Content{}, objstore.ErrUnchanged }
	for key, want := range map[string]objstore.Version{"k": v, "absent": {}} {
		res, err := objstore.Update(t.Context(), s, key, objstore.UpdateOptions{}, unchanged)
		if err != nil || res != (objstore.UpdateResult{Version: want, Attempts: 1}) {
			t.Errorf("%s: %+v, %v", key, res, err)
		}
	}
}

// A writer that comes between the read and the swap is not overwritten, whether or not the first read was skipped.
func TestUpdateSeesTheOther(t *testing.T) {
	for _, expectAbsent := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			s := mem.New()
			other := func() {
				if _, err := s.Create(t.Context(), "k", objstore.Content{Body: []byte("other")}); err != nil {
					t.Error(err)
				}
			}
			var seen []string
			_, err := objstore.Update(t.Context(), s, "k", objstore.UpdateOptions{ExpectAbsent: expectAbsent},
				func(body []byte, exists bool) (objstore.Content, error) {
					seen = append(seen, fmt.Sprintf("%s %t", body, exists))
					if len(seen) == 1 {
						other()
					}
					return appendDot(body, exists)
				})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]string{" false", "other true"}, seen); diff != "" {
				t.Errorf("what the edit saw (-want +got):\n%s", diff)
			}
			if o, _ := s.Get(t.Context(), "k"); string(o.Body) != "other." {
				t.Errorf("body %q", o.Body)
			}
		})
	}
}

func TestUpdateExpectingAbsence(t *testing.T) {
	s := mem.New()
	s.Before = func(op mem.Op, _ string) error {
		if op == mem.Get {
			t.Error("it was read")
		}
		return nil
	}
	opts := objstore.UpdateOptions{ExpectAbsent: true}
	if _, err := objstore.Update(t.Context(), s, "k", opts, appendDot); err != nil {
		t.Error(err)
	}
}
