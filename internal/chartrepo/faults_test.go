package chartrepo_test

import (
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"

	"github.com/pinnace-dev/pinnace/internal/chartrepo"
	"github.com/pinnace-dev/pinnace/internal/objstore/s3"
	"github.com/pinnace-dev/pinnace/internal/problem"
	"github.com/pinnace-dev/pinnace/localaws"
)

// eager repeats what the SDK repeats, at once.
func eager() aws.Retryer {
	return retry.NewStandard(func(o *retry.StandardOptions) {
		o.Backoff = retry.BackoffDelayerFunc(func(int, error) (time.Duration, error) { return 0, nil })
	})
}

// cutting breaks off the body of the first answers to readers of the path.
type cutting struct {
	path string
	left atomic.Int32
}

func (c *cutting) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := http.DefaultTransport.RoundTrip(r)
	if err == nil && r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, c.path) && c.left.Add(-1) >= 0 {
		answer.Body = struct {
			io.Reader
			io.Closer
		}{io.MultiReader(io.LimitReader(answer.Body, answer.ContentLength/2), broken{}), answer.Body}
	}
	return answer, err
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

const indexPath = "/" + localBucket + "/index.yaml"

// What S3 and the network do to a publish, and what becomes of it. Afterwards the same publish, run again on a network
// that works, always finds or makes everything right.
func TestPublishThroughFaults(t *testing.T) {
	for name, test := range map[string]struct {
		fault    localaws.Fault
		cuts     int32
		attempts int          // at the index, where it succeeds
		kind     problem.Kind // where it fails
		text     string
	}{
		"another write is in flight (409)": {
			fault: localaws.Fault{
				Action: "s3:PutObject", Path: indexPath, Status: 409, Code: "ConditionalRequestConflict", Times: 2,
			},
			attempts: 3,
		},
		"its own success answers 412": {
			fault:    localaws.Fault{Action: "s3:PutObject", Path: indexPath, After: true, Lost: true, Times: 1},
			attempts: 1,
		},
		"its own archive answers 412": {
			fault:    localaws.Fault{Action: "s3:PutObject", Path: "/charts/app-*", After: true, Lost: true, Times: 1},
			attempts: 1,
		},
		"slow down, longer than the client repeats": {
			fault:    localaws.Fault{Action: "s3:PutObject", Path: indexPath, Status: 503, Code: "SlowDown", Times: 7},
			attempts: 3,
		},
		"slow down for ever": {
			fault: localaws.Throttle("s3:PutObject", 0), kind: problem.Conflict, text: "SlowDown",
		},
		"the reply is lost for ever": {
			fault:    localaws.Fault{Action: "s3:PutObject", Path: indexPath, After: true, Lost: true},
			attempts: 1,
		},
		"the request is lost for ever": {
			fault: localaws.Fault{Action: "s3:PutObject", Path: indexPath, Lost: true},
			kind:  problem.Failed, text: "replacing s3://charts/index.yaml",
		},
		"the index breaks off twice":    {cuts: 2, attempts: 1},
		"the index breaks off for ever": {cuts: 100, kind: problem.Failed, text: "unexpected EOF"},
	} {
		t.Run(name, func(t *testing.T) {
			server := localAWS(t)
			quiet := chartrepo.New(s3.Open(rootConfig(server), localBucket, ""), options(chartrepo.Location{}))
			if _, err := quiet.Publish(t.Context(), pack(t, chartYAML("app", "1.0.0"))); err != nil {
				t.Fatal(err)
			}
			network := &cutting{path: "/index.yaml"}
			network.left.Store(test.cuts)
			cfg := rootConfig(server)
			cfg.HTTPClient, cfg.Retryer = &http.Client{Transport: network}, eager
			opts := options(chartrepo.Location{})
			opts.Update.Attempts = 10
			r := chartrepo.New(s3.Open(cfg, localBucket, ""), opts)
			mend := func() {}
			if test.fault.Action != "" {
				mend = server.Inject(test.fault)
			}
			p := pack(t, nil)
			res, err := r.Publish(t.Context(), p)
			mend()
			switch {
			case test.kind == 0 && (err != nil || res.Already || res.Attempts != test.attempts):
				t.Errorf("%+v, %v", res, err)
			case test.kind != 0 && (problem.KindOf(err) != test.kind || problem.HintOf(err) == ""):
				t.Errorf("kind %d, %v", problem.KindOf(err), err)
			case test.kind != 0 && !strings.Contains(err.Error(), test.text):
				t.Errorf("error %v does not say %q", err, test.text)
			}
			if _, err := quiet.Publish(t.Context(), p); err != nil {
				t.Errorf("again: %v", err)
			}
			if got := wantNoDanglingEntry(t, quiet); got != 2 {
				t.Errorf("%d entries afterwards", got)
			}
		})
	}
}

// A machine whose clock is wrong is told so, if the SDK cannot make up for it.
func TestPublishWithAWrongClock(t *testing.T) {
	server, err := localaws.Start(localaws.Config{
		SignatureNow: func() time.Time { return time.Now().Add(time.Hour) },
	})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	cfg := rootConfig(server)
	cfg.RetryMaxAttempts = 1
	r := chartrepo.New(s3.Open(cfg, localBucket, ""), options(chartrepo.Location{}))
	_, err = r.Publish(t.Context(), pack(t, nil))
	wantProblem(t, err, problem.Failed, "RequestTimeTooSkewed", "clock")
}
