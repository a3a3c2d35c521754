// Package callmeter counts a program's calls to AWS and bounds them, so that a mistake in a configuration, or an
// application that asks for a refresh in a loop, costs neither money nor the account's quotas.
package callmeter

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/smithy-go/middleware"
	"golang.org/x/time/rate"

	"github.com/pinnace-dev/pinnace/internal/identity/awserr"
	"github.com/pinnace-dev/pinnace/internal/problem"
)

// minBurst is how many calls anybody may make at once: a start opens sessions and reads each thing.
const minBurst = 30

// Outcome is how a call ended.
type Outcome string

// The outcomes.
const (
	OK        Outcome = "ok"
	Throttled Outcome = "throttled"
	Failed    Outcome = "failed"  // with an answer or without
	Refused   Outcome = "refused" // by the budget: AWS was not called
)

// Count is how often an operation ended in one way since the start.
type Count struct {
	Service   string // as the SDK calls it, such as "Secrets Manager"
	Operation string // such as "GetSecretValue"
	Outcome   Outcome
	Calls     uint64
}

type kind struct {
	service, operation string
	outcome            Outcome
}

// Meter counts every attempt, the SDK's own retries included. It is safe for concurrent use.
type Meter struct {
	now func() time.Time

	mu     sync.Mutex
	counts map[kind]uint64
}

// New makes a meter that goes by the clock now.
func New(now func() time.Time) *Meter { return &Meter{now: now, counts: map[kind]uint64{}} }

// Counting is the option of a configuration whose clients are counted.
func (m *Meter) Counting() func(*middleware.Stack) error {
	return func(s *middleware.Stack) error {
		// After the step that retries: each attempt counts.
		return s.Finalize.Add(&counting{m}, middleware.After)
	}
}

// Bound gives a configuration whose clients may make perHour calls in an hour together, a quarter of them (30 at least)
// at once. owner is what the error calls whoever spends them.
func (m *Meter) Bound(cfg aws.Config, owner string, perHour int) aws.Config {
	b := &budget{
		now: m.now, owner: owner, perHour: perHour,
		limit: rate.NewLimiter(rate.Limit(float64(perHour)/time.Hour.Seconds()), max(minBurst, perHour/4)),
	}
	cfg.APIOptions = append(slices.Clone(cfg.APIOptions), func(s *middleware.Stack) error {
		return s.Finalize.Add(b, middleware.After)
	})
	return cfg
}

// Counts are all there are, in order of service, operation and outcome.
func (m *Meter) Counts() []Count {
	m.mu.Lock()
	defer m.mu.Unlock()
	var list []Count
	for k, n := range m.counts {
		list = append(list, Count{Service: k.service, Operation: k.operation, Outcome: k.outcome, Calls: n})
	}
	slices.SortFunc(list, func(a, b Count) int {
		return cmp.Or(cmp.Compare(a.Service, b.Service), cmp.Compare(a.Operation, b.Operation),
			cmp.Compare(a.Outcome, b.Outcome))
	})
	return list
}

func (m *Meter) count(ctx context.Context, o Outcome) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.counts[kind{awsmiddleware.GetServiceID(ctx), awsmiddleware.GetOperationName(ctx), o}]++
}

// counting is passed by every attempt.
type counting struct{ meter *Meter }

func (*counting) ID() string { return "pinnace/counting" }

func (c *counting) HandleFinalize(ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler) (
	middleware.FinalizeOutput, middleware.Metadata, error,
) {
	out, metadata, err := next.HandleFinalize(ctx, in)
	c.meter.count(ctx, outcome(err))
	return out, metadata, err
}

// budget is passed by every attempt of one owner.
type budget struct {
	now     func() time.Time
	owner   string
	perHour int
	limit   *rate.Limiter
}

func (*budget) ID() string { return "pinnace/budget" }

// errSpent is what a budget says.
var errSpent = errors.New("is spent")

func (b *budget) HandleFinalize(ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler) (
	middleware.FinalizeOutput, middleware.Metadata, error,
) {
	if !b.limit.AllowN(b.now(), 1) {
		return middleware.FinalizeOutput{}, middleware.Metadata{}, problem.New(problem.Failed,
			"something asks too often; raise callsPerHour if that is meant, or pollInterval",
			"the budget of %d calls an hour for %s %w", b.perHour, b.owner, errSpent)
	}
	return next.HandleFinalize(ctx, in)
}

func outcome(err error) Outcome {
	code := awserr.Code(err)
	switch {
	case err == nil:
		return OK
	case errors.Is(err, errSpent):
		return Refused
	case strings.Contains(code, "Throttl"), strings.Contains(code, "TooManyRequests"):
		return Throttled
	}
	return Failed
}
