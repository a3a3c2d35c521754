// Package callmeter counts a program's calls to AWS and bounds them, so that a mistake in a configuration, or an
// application that asks for a refresh in a loop, costs neither money nor the account's quotas.
package callmeter

import (
	"cmp"
	"context"
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

// Watch gives a configuration whose clients are counted and may make perHour calls in an hour, a quarter of them (30 at
// least) at once. owner is what the error calls whoever spends them. With perHour 0 they are counted alone.
func (m *Meter) Watch(cfg aws.Config, owner string, perHour int) aws.Config {
	var limit *rate.Limiter
	if perHour > 0 {
		limit = rate.NewLimiter(rate.Limit(float64(perHour)/time.Hour.Seconds()), max(minBurst, perHour/4))
	}
	cfg.APIOptions = append(slices.Clone(cfg.APIOptions), func(s *middleware.Stack) error {
		// After the step that retries: each attempt counts.
		return s.Finalize.Add(&step{meter: m, owner: owner, perHour: perHour, limit: limit}, middleware.After)
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

// step is what every attempt passes.
type step struct {
	meter   *Meter
	owner   string
	perHour int
	limit   *rate.Limiter // nil is none
}

func (*step) ID() string { return "pinnace/callmeter" }

func (s *step) HandleFinalize(ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler) (
	middleware.FinalizeOutput, middleware.Metadata, error,
) {
	if s.limit != nil && !s.limit.AllowN(s.meter.now(), 1) {
		s.meter.count(ctx, Refused)
		return middleware.FinalizeOutput{}, middleware.Metadata{}, problem.New(problem.Failed,
			"something asks too often; raise callsPerHour if that is meant, or pollInterval",
			"the budget of %d calls an hour for %s is spent", s.perHour, s.owner)
	}
	out, metadata, err := next.HandleFinalize(ctx, in)
	s.meter.count(ctx, outcome(err))
	return out, metadata, err
}

func outcome(err error) Outcome {
	if err == nil {
		return OK
	}
	if code := awserr.Code(err); strings.Contains(code, "Throttl") || strings.Contains(code, "TooManyRequests") {
		return Throttled
	}
	return Failed
}
