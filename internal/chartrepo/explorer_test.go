package chartrepo

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/maphash"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/pinnace-dev/pinnace/internal/objstore"
	"github.com/pinnace-dev/pinnace/internal/objstore/mem"
)

// explorer lets actors meet at one store and tries every order of their calls, depth first. At each call it also tries
// the faults, as long as the schedule has some left:
//
//   - dies: the actor is gone before the call. To be gone after a call is to be gone before the next one;
//   - lost: the call takes effect, and the actor sees an error that does not tell;
//   - refused: a write has no effect, and the store asks to try again (S3's 409 and 503).
//
// An actor knows nothing but what the store has answered it, so it is a function from those answers to its next call. It
// is run once for each row of answers, from the start; what it does next is then known. And if two schedules have led
// to the same objects, with every actor having seen the same, they go on alike: only the first is followed.
//
// A call of a key that no other actor ever touches concerns nobody else: its order is not varied, only its faults.
// Actors that are alike but for the names of things begin in their order, for any other order is the same one renamed.
type explorer struct {
	scenario
	faults   int // at most in a schedule
	switches int // from an actor that could have gone on to another, at most in a schedule; negative: any number
	// check holds the promises when all actors are over. The repository is a copy: it may be changed.
	check func(ctx context.Context, r *Repository, x *explorer, n *node) error

	seed    maphash.Seed
	known   map[[2]uint64]*standing // by actor and what it has seen
	visited map[uint64]float64      // by state, how many schedules lead on from there
	calls   int
	ends    int
}

// scenario is who meets where.
type scenario struct {
	name   string
	before func(*Repository) error // puts what is there at the beginning; may be nil
	actors []actor
	alike  int  // so many of the first actors are alike
	heavy  bool // the index is so large that nobody moves it in vain
	// private tells the keys that one actor alone touches.
	private func(key string) bool
	// broken, if set, stands between each actor and the store, and breaks the protocol.
	broken func(objstore.Store) objstore.Store
}

// actor uses the repository once. What it answers without an error is acknowledged.
type actor struct {
	name      string
	run       func(context.Context, *Repository) error
	publishes *Package // is in the index when the actor is acknowledged
	removes   *Package // is not in the index when the actor is acknowledged
}

// node is a state: the objects, and where the actors stand.
type node struct {
	store   *mem.Store
	objects uint64 // hash of what is in the store
	actors  []*standing
	used    int // faults
	turns   int // switches
	last    int // the actor that moved last, or -1

	from   *node // by which schedule it was reached first
	chosen option
}

type option struct {
	actor int
	fate  fate
}

type fate string

const (
	done    fate = ""
	dies    fate = "DIES before it"
	lost    fate = "REPLY LOST"
	refused fate = "REFUSED for now"
)

// standing is an actor after the store has given it some answers. It never changes.
type standing struct {
	from   *standing // before the last answer
	answer answer
	seen   uint64 // hash of all answers

	next call // unless it is over
	over bool
	err  error // how it ended
}

// call is a call of the store and what it needs.
type call struct {
	op      mem.Op
	key     string
	version objstore.Version
	content objstore.Content
}

type answer struct {
	object objstore.Object // or its version alone
	infos  []objstore.Info
	err    error
}

var (
	errDied = errors.New("died")
	errLost = errors.New("connection reset by peer")
)

// explore tries all schedules and answers their number, or the first that breaks a promise, told step by step.
func (x *explorer) explore() (schedules float64, err error) {
	x.seed, x.known, x.visited = maphash.MakeSeed(), map[[2]uint64]*standing{}, map[uint64]float64{}
	root := &node{store: mem.New(), last: -1}
	root.store.Now = func() time.Time { return epoch }
	if x.before != nil {
		if err := x.before(x.repository(root.store, "before")); err != nil {
			return 0, err
		}
	}
	root.objects = x.hashObjects(root.store)
	for i := range x.actors {
		root.actors = append(root.actors, x.stand(i, nil, answer{}))
	}
	return x.visit(root)
}

func (x *explorer) visit(n *node) (schedules float64, err error) {
	key := x.hashNode(n)
	if schedules, ok := x.visited[key]; ok {
		return schedules, nil
	}
	options := x.options(n)
	if len(options) == 0 {
		x.ends++
		schedules = 1
		if err := x.check(context.Background(), x.repository(n.store.Clone(), "after"), x, n); err != nil {
			return 0, fmt.Errorf("%w\nafter this schedule of %q:\n%s", err, x.name, x.tell(n))
		}
	}
	for _, o := range options {
		below, err := x.visit(x.step(n, o))
		if err != nil {
			return 0, err
		}
		schedules += below
	}
	x.visited[key] = schedules
	return schedules, nil
}

// options are the steps that are possible: who moves, and what goes wrong.
func (x *explorer) options(n *node) []option {
	var ready []int
	for i, s := range n.actors {
		if s.over {
			continue
		}
		if x.private(s.next.key) {
			ready = []int{i}
			break
		}
		if ready = append(ready, i); i < x.alike && !x.begun(s) {
			break
		}
	}
	if x.switches >= 0 && n.turns == x.switches && slices.Contains(ready, n.last) {
		ready = []int{n.last}
	}
	fates := []fate{done, dies, lost, refused}
	if n.used == x.faults {
		fates = fates[:1]
	}
	var found []option
	for _, f := range fates {
		for _, i := range ready {
			if f != refused || n.actors[i].next.writes() {
				found = append(found, option{i, f})
			}
		}
	}
	return found
}

// begun tells whether an actor has made a call that concerns others.
func (x *explorer) begun(s *standing) bool {
	for ; s.from != nil; s = s.from {
		if !x.private(s.from.next.key) {
			return true
		}
	}
	return false
}

// step is the state after the option.
func (x *explorer) step(n *node, o option) *node {
	x.calls++
	s := n.actors[o.actor]
	next := *n
	next.from, next.chosen, next.actors = n, o, slices.Clone(n.actors)
	if o.fate != done {
		next.used++
	}
	if !x.private(s.next.key) {
		if n.last >= 0 && n.last != o.actor && !n.actors[n.last].over {
			next.turns++
		}
		next.last = o.actor
	}
	if o.fate == dies {
		next.actors[o.actor] = &standing{from: s, seen: x.hash(s.seen, []byte("died")), over: true, err: errDied}
		return &next
	}
	a := answer{err: fmt.Errorf("%s %s: %w", s.next.op, s.next.key, objstore.ErrConflict)}
	if o.fate != refused {
		if s.next.writes() {
			next.store = n.store.Clone()
		}
		a = s.next.make(next.store)
		if s.next.writes() && a.err == nil {
			next.objects = x.hashObjects(next.store)
		}
	}
	if o.fate == lost {
		a = answer{err: errLost}
	}
	next.actors[o.actor] = x.stand(o.actor, s, a)
	return &next
}

// stand is where the actor stands after one more answer, or at its first call if it has had none.
func (x *explorer) stand(i int, from *standing, a answer) (s *standing) {
	s = &standing{from: from, answer: a}
	var answered []*standing
	if from != nil {
		s.seen = x.hashAnswer(from, a)
		for at := s; at.from != nil; at = at.from {
			answered = append(answered, at)
		}
		slices.Reverse(answered)
	}
	id := [2]uint64{uint64(i), s.seen}
	if known, ok := x.known[id]; ok {
		return known
	}
	x.known[id] = s
	var store objstore.Store = &script{answered: answered, next: &s.next}
	if x.broken != nil {
		store = x.broken(store)
	}
	defer func() {
		if r := recover(); r != nil && r != any(errUnanswered) {
			panic(r)
		}
	}()
	s.err = x.actors[i].run(context.Background(), x.repository(store, x.actors[i].name))
	s.over = true
	return s
}

// repository is one user's own, as on a machine of its own, where no time passes and no lots are drawn.
func (x *explorer) repository(s objstore.Store, user string) *Repository {
	r := New(s, Options{Now: func() time.Time { return epoch }, Update: objstore.UpdateOptions{
		Wait: func(context.Context, time.Duration) error { return nil },
		Rand: func() float64 { return 0 },
	}})
	names := 0
	r.width, r.newName = 1, func() string { names++; return fmt.Sprint(user, names) }
	if r.heavy = 0; x.heavy {
		r.heavy = 1
	}
	return r
}

// tell is the schedule that led to the state, a line a step.
func (x *explorer) tell(n *node) string {
	var lines []string
	for ; n.from != nil; n = n.from {
		before, after := n.from.actors[n.chosen.actor], n.actors[n.chosen.actor]
		line := fmt.Sprintf("  %-8s %-7s %-24s ", x.actors[n.chosen.actor].name, before.next.op, before.next.key)
		switch {
		case n.chosen.fate != done:
			line += string(n.chosen.fate)
		case after.answer.err != nil:
			line += strings.TrimPrefix(after.answer.err.Error(), fmt.Sprintf("%s %s: ", before.next.op, before.next.key))
		default:
			line += "ok"
		}
		switch {
		case after.over && after.err == nil:
			line += "; it is done"
		case after.over && n.chosen.fate != dies:
			line += "; it fails: " + after.err.Error()
		}
		lines = append(lines, line)
	}
	slices.Reverse(lines)
	return strings.Join(lines, "\n")
}

func (x *explorer) hashNode(n *node) uint64 {
	words := make([]byte, 0, 128)
	for _, s := range n.actors {
		switch { // of an actor that is over it only matters whether it was acknowledged
		case s.over && s.err == nil:
			words = append(words, "acknowledged"...)
		case s.over:
			words = append(words, "over"...)
		default:
			words = binary.LittleEndian.AppendUint64(append(words, "seen"...), s.seen)
		}
	}
	words = append(words, byte(n.used))
	if x.switches >= 0 {
		words = append(words, byte(n.turns), byte(n.last))
	}
	return x.hash(n.objects, words)
}

func (x *explorer) hashObjects(s *mem.Store) uint64 {
	ctx := context.Background()
	var all []byte
	for info := range s.List(ctx, "") {
		o, _ := s.Get(ctx, info.Key)
		all = fmt.Appendf(all, "%s %v ", info.Key, o.Version)
		all = append(all, o.Body...)
	}
	return x.hash(0, all)
}

func (x *explorer) hashAnswer(from *standing, a answer) uint64 {
	all := fmt.Appendf(nil, "%s %s %v %v %v ", from.next.op, from.next.key, a.err, a.object.Version, a.infos)
	return x.hash(from.seen, append(all, a.object.Body...))
}

func (x *explorer) hash(h uint64, data []byte) uint64 {
	var m maphash.Hash
	m.SetSeed(x.seed)
	_, _ = m.Write(binary.LittleEndian.AppendUint64(nil, h))
	_, _ = m.Write(data)
	return m.Sum64()
}

func (c call) writes() bool { return c.op == mem.Create || c.op == mem.Replace || c.op == mem.Delete }

// make makes the call at the store.
func (c call) make(s *mem.Store) (a answer) {
	ctx := context.Background()
	switch c.op {
	case mem.Get:
		a.object, a.err = s.GetIfChanged(ctx, c.key, c.version)
	case mem.Create:
		a.object.Version, a.err = s.Create(ctx, c.key, c.content)
	case mem.Replace:
		a.object.Version, a.err = s.Replace(ctx, c.key, c.version, c.content)
	case mem.Delete:
		a.err = s.Delete(ctx, c.key, c.version)
	case mem.List:
		for info := range s.List(ctx, c.key) {
			a.infos = append(a.infos, info)
		}
	}
	return a
}

// script is the store of an actor that runs again: it gives the known answers, and stops the actor at the first call
// that has none.
type script struct {
	answered []*standing
	next     *call
}

var errUnanswered = errors.New("no answer yet")

func (s *script) ask(c call) answer {
	if len(s.answered) == 0 {
		*s.next = c
		panic(errUnanswered)
	}
	at := s.answered[0]
	if asked := at.from.next; asked.op != c.op || asked.key != c.key {
		panic(fmt.Sprintf("an actor is not deterministic: %s %s became %s %s", asked.op, asked.key, c.op, c.key))
	}
	s.answered = s.answered[1:]
	a := at.answer
	a.object.Body = slices.Clone(a.object.Body)
	return a
}

func (s *script) Get(ctx context.Context, key string) (objstore.Object, error) {
	return s.GetIfChanged(ctx, key, objstore.Version{})
}

func (s *script) GetIfChanged(_ context.Context, key string, held objstore.Version) (objstore.Object, error) {
	a := s.ask(call{op: mem.Get, key: key, version: held})
	return a.object, a.err
}

func (s *script) Create(_ context.Context, key string, c objstore.Content) (objstore.Version, error) {
	a := s.ask(call{op: mem.Create, key: key, content: c})
	return a.object.Version, a.err
}

func (s *script) Replace(
	_ context.Context, key string, old objstore.Version, c objstore.Content,
) (objstore.Version, error) {
	a := s.ask(call{op: mem.Replace, key: key, version: old, content: c})
	return a.object.Version, a.err
}

func (s *script) Delete(_ context.Context, key string, old objstore.Version) error {
	return s.ask(call{op: mem.Delete, key: key, version: old}).err
}

func (s *script) List(_ context.Context, prefix string) iter.Seq2[objstore.Info, error] {
	return func(yield func(objstore.Info, error) bool) {
		a := s.ask(call{op: mem.List, key: prefix})
		if a.err != nil {
			yield(objstore.Info{}, a.err)
			return
		}
		for _, info := range a.infos {
			if !yield(info, nil) {
				return
			}
		}
	}
}
