package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// result is what one measurement found.
type result struct {
	perSecond float64
	cores     float64         // that the server used; 0 when it was not asked for
	took      []time.Duration // of each request, sorted
}

// at is the latency that this part of the requests did not exceed.
func (r result) at(part float64) time.Duration {
	if len(r.took) == 0 {
		return 0
	}
	return r.took[int(part*float64(len(r.took)-1))].Round(time.Microsecond)
}

// load sends a request again and again over connections that are kept alive. With a rate, each request has a moment at
// which it is due, and its latency begins there even when it is sent later; without one, each connection asks again as
// soon as it is answered.
func load(ctx context.Context, address, raw string, connections, rate int, duration time.Duration) (result, error) {
	began := now()
	var mu sync.Mutex
	var all result
	var first error
	var group sync.WaitGroup
	for i := range connections {
		group.Go(func() {
			pace := pacer{until: began.Add(duration)}
			if rate > 0 {
				pace.every = time.Duration(float64(connections) / float64(rate) * float64(time.Second))
				pace.next = began.Add(pace.every * time.Duration(i) / time.Duration(connections))
			}
			took, err := ask(ctx, address, []byte(raw), &pace)
			mu.Lock()
			defer mu.Unlock()
			all.took = append(all.took, took...)
			if first == nil {
				first = err
			}
		})
	}
	group.Wait()
	all.perSecond = float64(len(all.took)) / now().Sub(began).Seconds()
	slices.Sort(all.took)
	return all, first
}

// pacer says when the next request of a connection is due.
type pacer struct {
	until time.Time
	every time.Duration // 0: at once
	next  time.Time
}

// wait returns the moment at which the request was due, or false at the end.
func (p *pacer) wait() (time.Time, bool) {
	if p.every == 0 {
		t := now()
		return t, t.Before(p.until)
	}
	due := p.next
	p.next = due.Add(p.every)
	if d := due.Sub(now()); d > 0 {
		time.Sleep(d) //nolint:forbidigo // a load generator keeps real time
	}
	return due, due.Before(p.until)
}

func ask(ctx context.Context, address string, raw []byte, pace *pacer) ([]time.Duration, error) {
	var dialer net.Dialer
	c, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	defer func() { _ = c.Close() }()
	answers := bufio.NewReaderSize(c, 16<<10)
	var took []time.Duration
	for ctx.Err() == nil {
		due, more := pace.wait()
		if !more {
			return took, nil
		}
		if _, err := c.Write(raw); err != nil {
			return took, err
		}
		if err := readAnswer(answers); err != nil {
			return took, err
		}
		took = append(took, now().Sub(due))
	}
	return took, ctx.Err()
}

// readAnswer reads one answer to its end; http.ReadResponse would cost more than the server does.
func readAnswer(r *bufio.Reader) error {
	status, err := r.ReadSlice('\n')
	if err != nil {
		return err
	}
	if !bytes.HasPrefix(status, []byte("HTTP/1.1 200")) {
		return fmt.Errorf("answered %q", bytes.TrimSpace(status))
	}
	length := 0
	for {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return err
		}
		if line = bytes.TrimSpace(line); len(line) == 0 {
			break
		}
		if value, ok := bytes.CutPrefix(line, []byte("Content-Length: ")); ok {
			if length, err = strconv.Atoi(string(value)); err != nil {
				return err
			}
		}
	}
	if length == 0 {
		return io.ErrUnexpectedEOF
	}
	_, err = r.Discard(length)
	return err
}

func now() time.Time { return time.Now() } //nolint:forbidigo // what is measured is real time

// cores says how much of a core the server used meanwhile, as Linux tells it in hundredths of a second.
func (s *server) cores(measure func() (result, error)) (result, error) {
	began, before := now(), s.ticks()
	r, err := measure()
	r.cores = float64(s.ticks()-before) / 100 / now().Sub(began).Seconds()
	return r, err
}

func (s *server) proc(name string) string {
	data, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(s.cmd.Process.Pid), name))
	if err != nil {
		return ""
	}
	return string(data)
}

func (s *server) ticks() (sum int) {
	_, after, _ := strings.Cut(s.proc("stat"), ") ")
	fields := strings.Fields(after)
	for i := 11; i <= 12 && i < len(fields); i++ { // utime and stime
		n, _ := strconv.Atoi(fields[i])
		sum += n
	}
	return sum
}

func (s *server) resident() string {
	_, after, _ := strings.Cut(s.proc("status"), "VmRSS:")
	line, _, _ := strings.Cut(after, "\n")
	return strings.TrimSpace(line)
}

// waiting is the part of the last minute in which some process waited for a core: what others do to the latencies.
func waiting() string {
	data, err := os.ReadFile("/proc/pressure/cpu")
	_, after, found := strings.Cut(string(data), "avg60=")
	if err != nil || !found {
		return "an unknown part"
	}
	return strings.Fields(after)[0] + " %"
}

func loadAverage() string {
	data, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	return strings.Join(strings.Fields(string(data))[:3], " ")
}
