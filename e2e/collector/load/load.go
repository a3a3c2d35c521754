// Package load sends records to a collector as applications do whose exporters never give up: one record a request, at
// a steady rate, and whatever is not acknowledged is sent again.
package load

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"time"

	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"golang.org/x/time/rate"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
)

const (
	attemptTimeout = 10 * time.Second      // OTLP's default
	firstPause     = 50 * time.Millisecond // between two attempts of one record; it doubles
	longestPause   = time.Second
)

// Config is what is sent, and how fast.
type Config struct {
	Endpoint    string        // host:port of a collector's OTLP/gRPC receiver, without TLS
	Run         string        // ids are <run>-<n>, n from 0
	Rate        int           // records a second
	Records     int           // end after that many; 0 is no end
	Duration    time.Duration // end after that time; 0 is no end
	Connections int           // records go round them; 1 when 0
	Outstanding int           // most unacknowledged records at once; 5000 when 0. At the limit the rate falls
}

// Generator sends until it is stopped. Its methods are safe for concurrent use.
type Generator struct {
	cfg     Config
	conns   []*grpc.ClientConn
	places  chan struct{}      // one for each record that may be on its way
	halt    context.CancelFunc // no new records
	abandon context.CancelFunc // no further attempts
	done    chan struct{}      // closed when every record is acknowledged or abandoned

	mu      sync.Mutex
	records []*record // by n
	errors  map[codes.Code]int
}

// record is one record's way to the collector.
type record struct {
	attempts     int
	acknowledged bool
}

// Start begins to send. A collector that is not there yet is waited for, record by record.
func Start(cfg Config) (*Generator, error) {
	if cfg.Rate <= 0 || cfg.Run == "" {
		return nil, fmt.Errorf("load: a rate and a name of the run are needed")
	}
	if cfg.Outstanding == 0 {
		cfg.Outstanding = 5000
	}
	g := &Generator{
		cfg: cfg, places: make(chan struct{}, cfg.Outstanding), done: make(chan struct{}), errors: map[codes.Code]int{},
	}
	if err := g.connect(); err != nil {
		g.close()
		return nil, err
	}
	making, halt := context.WithCancel(context.Background())
	if cfg.Duration > 0 {
		making, halt = context.WithTimeout(context.Background(), cfg.Duration)
	}
	sending, abandon := context.WithCancel(context.Background())
	g.halt, g.abandon = halt, abandon
	go g.run(making, sending)
	return g, nil
}

func (g *Generator) connect() error {
	for range max(g.cfg.Connections, 1) {
		conn, err := grpc.NewClient("passthrough:///"+g.cfg.Endpoint,
			grpc.WithTransportCredentials(insecure.NewCredentials()),
			grpc.WithConnectParams(grpc.ConnectParams{MinConnectTimeout: time.Second, Backoff: backoff.Config{
				BaseDelay: firstPause, Multiplier: 1.6, Jitter: 0.2, MaxDelay: longestPause,
			}}))
		if err != nil {
			return fmt.Errorf("load: %s: %w", g.cfg.Endpoint, err)
		}
		g.conns = append(g.conns, conn)
	}
	return nil
}

func (g *Generator) close() {
	for _, conn := range g.conns {
		_ = conn.Close()
	}
}

// Stop makes no new record and returns when each one is acknowledged, or gives them up when the context ends.
func (g *Generator) Stop(ctx context.Context) error {
	g.halt()
	return g.Wait(ctx)
}

// Wait returns when Records or Duration is reached and each record is acknowledged, or gives up when the context ends.
func (g *Generator) Wait(ctx context.Context) error {
	select {
	case <-g.done:
		return nil
	case <-ctx.Done():
		g.halt()
		g.abandon()
		<-g.done
		return fmt.Errorf("load: given up before every record was acknowledged: %w", ctx.Err())
	}
}

// run makes records at the rate until making ends, and returns when each one has arrived or sending has ended.
func (g *Generator) run(making, sending context.Context) {
	var onTheirWay sync.WaitGroup
	limiter := rate.NewLimiter(rate.Limit(g.cfg.Rate), max(1, g.cfg.Rate/20))
	for n := 0; g.cfg.Records == 0 || n < g.cfg.Records; n++ {
		if limiter.Wait(making) != nil || !g.takePlace(making) {
			break
		}
		r := &record{}
		g.mu.Lock()
		g.records = append(g.records, r)
		g.mu.Unlock()
		onTheirWay.Go(func() {
			g.deliver(sending, n, r)
			<-g.places
		})
	}
	onTheirWay.Wait()
	g.halt()
	g.abandon()
	g.close()
	close(g.done)
}

func (g *Generator) takePlace(ctx context.Context) bool {
	select {
	case g.places <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

// deliver sends a record until it is acknowledged.
func (g *Generator) deliver(ctx context.Context, n int, r *record) {
	client := plogotlp.NewGRPCClient(g.conns[n%len(g.conns)])
	for pause := firstPause; ctx.Err() == nil; pause = min(2*pause, longestPause) {
		code := attempt(ctx, client, g.ID(n))
		g.mu.Lock()
		r.attempts++
		r.acknowledged = code == codes.OK
		if !r.acknowledged {
			g.errors[code]++
		}
		g.mu.Unlock()
		if r.acknowledged {
			return
		}
		select {
		case <-time.After(pause): //nolint:forbidigo // a load is made in real time
		case <-ctx.Done():
		}
	}
}

// ID is the id of the n-th record.
func (g *Generator) ID(n int) string { return g.cfg.Run + "-" + strconv.Itoa(n) }
