// Package demo runs the whole promise on one machine: a chart published to a private repository, pulled by Helm, a
// pod's identity exchanged for credentials, a key fetched through AppConfig and Secrets Manager, followed through a
// rotation, and intruders refused. AWS is localaws, over its real protocols; every other part is the part that ships.
package demo

import (
	"context"
	"crypto/rand"
	"errors"
	"io/fs"
	"iter"
	"log/slog"
	"time"

	"github.com/pinnace-dev/pinnace/internal/objstore"
	"github.com/pinnace-dev/pinnace/internal/problem"
	"github.com/pinnace-dev/pinnace/terraform/policies"
)

// Options says how a run goes. The zero value is usable.
type Options struct {
	Publishers int           // how many others publish at the same time; default 20
	Pods       int           // how many pods run the agent; default 5
	Speed      float64       // how many times faster than the machine's clock AWS's runs; default 60
	Patience   time.Duration // how long pods may take to get or follow a key; default 20 s
	TempDir    string        // where the run's folder is made; default the system's
	KeyMark    string        // stands in every key of the run, so that a test can look for it; default random
	Report     Reporter
	Log        *slog.Logger     // nil discards
	Now        func() time.Time // default time.Now

	// Policies are the templates of every role and of the bucket; default those that Terraform uses.
	Policies fs.FS
	// WrapStore stands between the publishers and the repository.
	WrapStore func(objstore.Store) objstore.Store
	// Tamper changes the world after it was provisioned. It is how a test shows that a step can fail.
	Tamper func(context.Context, *World) error
	// Keep is called when everything held, before anything is torn down, with what to type next.
	Keep func(context.Context, Tour) error
}

func (o *Options) setDefaults() {
	if o.Publishers == 0 {
		o.Publishers = 20
	}
	if o.Pods == 0 {
		o.Pods = 5
	}
	if o.Speed == 0 {
		o.Speed = 60
	}
	if o.Patience == 0 {
		o.Patience = 20 * time.Second
	}
	if o.KeyMark == "" {
		o.KeyMark = rand.Text()
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now //nolint:forbidigo // the default of the injected clock
	}
	if o.Policies == nil {
		o.Policies = policies.Templates
	}
	if o.WrapStore == nil {
		o.WrapStore = func(s objstore.Store) objstore.Store { return s }
	}
	if o.Tamper == nil {
		o.Tamper = func(context.Context, *World) error { return nil }
	}
}

// step is one line of the demo.
type step struct {
	name    string
	promise string
	needed  bool // the steps after it cannot run without it
	run     func(context.Context, *run) ([]string, error)
}

// steps in their order. Each shows one promise and fails when the promise is broken.
var steps = []step{
	{"provision", "one account: bucket, secrets, AppConfig, identities, least-privilege roles", true, provision},
	{"publish", "a chart is published while others push to the same index; none is lost", true, publish},
	{"pull", "Helm's own repository code finds the chart and its digest", true, pull},
	{"render", "one chart renders for uat and prod, with no key in any manifest", true, render},
	{"identity", "a pod's token becomes a session of its own role, and of nothing wider", true, whoAmI},
	{"deliver", "each pod gets its key through AppConfig and Secrets Manager", true, deliver},
	{"export", "telemetry is accepted with the delivered key", true, export},
	{"rotate", "the key is rotated by a gradual rollout; no record is lost", true, rotate},
	{"other-account", "another service account is refused the role", false, otherServiceAccount},
	{"other-secret", "the pod is refused another environment's secret", false, otherSecret},
	{"anonymous", "the charts are private", false, anonymous},
	{"overwrite", "a published version cannot be overwritten", false, overwrite},
	{"leaks", "the keys stand in the pods' files and nowhere else", false, leaks},
}

// Promises yields the name of each step and what it shows, in their order.
func Promises() iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		for _, s := range steps {
			if !yield(s.name, s.promise) {
				return
			}
		}
	}
}

// run is one run of the demo: the world, and what the steps hand to each other.
type run struct {
	*World
	opts    Options
	archive []byte // of the published chart, as pulled
	version string // of that chart
	// publisherRole is the role of the pipeline's jobs that publish.
	publisherRole string
	manifests     []string
	workload      workload // that the manifests describe
	ingress       *ingress
	pods          []*pod
	exporters     []*exporter
	stop          context.CancelFunc // ends the pods and exporters
}

// Run runs every step, reports it, and tears everything down. The error is of the machinery: a step that failed is in
// the Result, not in the error.
func Run(ctx context.Context, o Options) (result Result, err error) {
	o.setDefaults()
	begun := o.Now()
	world, err := startWorld(o)
	if world != nil {
		defer func() { err = errors.Join(err, world.Close()) }()
	}
	if err != nil {
		return result, err
	}
	live, stop := context.WithCancel(ctx)
	r := &run{World: world, opts: o, stop: stop}
	defer r.end()
	result = r.all(live)
	result.Millis = o.Now().Sub(begun).Milliseconds()
	if err := ctx.Err(); err != nil {
		return result, err
	}
	if err := o.Report.Finish(result); err != nil {
		return result, err
	}
	if o.Keep != nil && result.OK {
		r.clock.SetSpeed(1)
		return result, o.Keep(ctx, r.tour())
	}
	return result, nil
}

func (r *run) all(ctx context.Context) Result {
	result := Result{OK: true}
	broken := false
	for _, s := range steps {
		if ctx.Err() != nil {
			break
		}
		outcome := StepResult{Name: s.name, Promise: s.promise, Status: OK}
		r.opts.Report.Begin(s.name, s.promise)
		begun := r.opts.Now()
		if broken {
			outcome.Status = Skipped
		} else if detail, err := s.run(ctx, r); ctx.Err() != nil {
			outcome.Status = Skipped // interrupted: it says nothing of the promise
		} else if err != nil {
			outcome.Detail = detail
			outcome.Status, outcome.Error, outcome.Hint = Failed, err.Error(), problem.HintOf(err)
			broken = s.needed
		} else {
			outcome.Detail = detail
		}
		outcome.Millis = r.opts.Now().Sub(begun).Milliseconds()
		result.OK = result.OK && outcome.Status == OK
		result.Steps = append(result.Steps, outcome)
		r.opts.Report.End(outcome)
	}
	return result
}

// end stops what still runs in the background and waits for it.
func (r *run) end() {
	r.stop()
	for _, p := range r.pods {
		<-p.done
	}
	if r.ingress != nil {
		_ = r.ingress.Close()
	}
}

func provision(ctx context.Context, r *run) ([]string, error) {
	if err := r.provision(ctx, r.opts.KeyMark); err != nil {
		return nil, err
	}
	return []string{
		"localaws on " + r.AWS.URL() + ", signatures checked, policies enforced",
	}, r.opts.Tamper(ctx, r.World)
}
