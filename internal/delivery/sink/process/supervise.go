package process

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/pinnace-dev/pinnace/internal/delivery/sink/internal/osproc"
)

// Supervise is what the process around the workload does until the workload is over: it passes signals on and, as
// process 1 or with Subreaper, waits for orphans. It returns when the child has ended by itself, and not when it is
// restarted. The agent then ends with the exit's code. It is called once, beside the engine's Run.
//
//   - SIGTERM reaches the child as Config.Stop, once; the child may then take its time, for whoever sent the signal
//     counts it. Of the other signals SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGALRM, SIGWINCH and SIGCONT reach it
//     as they are. After SIGTERM or SIGINT it is not restarted any more.
//   - When ctx is done the child is stopped, and killed after Config.Grace. So ctx is not one that SIGTERM ends, unless
//     the child is to be killed by that.
//   - Before there is a child, SIGTERM, SIGINT and the end of ctx end the workload as if they had killed it.
func (s *Sink) Supervise(ctx context.Context) Exit {
	signals := make(chan os.Signal, 32)
	signal.Notify(signals, forwarded()...)
	defer signal.Stop(signals)
	if s.c.Subreaper || os.Getpid() == 1 {
		reaping, stop := context.WithCancel(context.Background())
		defer stop()
		go osproc.Reap(reaping)
	}
	done := ctx.Done()
	for {
		select {
		case <-s.ended:
			return s.exit
		case sig := <-signals:
			if sig, ok := sig.(syscall.Signal); ok {
				s.forward(sig)
			}
		case <-done:
			done = nil
			go s.terminate()
		}
	}
}

// forward passes a signal on.
func (s *Sink) forward(sig syscall.Signal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.c.Log.DebugContext(s.life, "signal", slog.String("signal", sig.String()))
	if sig == syscall.SIGTERM || sig == syscall.SIGINT {
		s.end()
	}
	c := s.child
	if c == nil {
		if s.life.Err() != nil {
			s.finishLocked(killedBy(sig))
		}
		return
	}
	if sig == syscall.SIGTERM {
		if c.asked {
			return
		}
		c.asked, sig = true, s.c.Stop
	}
	s.sendLocked(c, sig)
}

// terminate ends the workload.
func (s *Sink) terminate() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.end()
	c := s.child
	if c == nil {
		s.finishLocked(killedBy(syscall.SIGTERM))
		return
	}
	if c.stopping {
		return // by a restart, which sees that no other child is to be started
	}
	c.stopping = true
	s.mu.Unlock()
	s.stop(c)
	s.mu.Lock()
	s.finishLocked(c.exit)
}

// ExitCode is the code of a shell for a command that could not be started, 127 when it was not found and else 126; ok
// is false when err is something else.
func ExitCode(err error) (code int, ok bool) {
	e, ok := errors.AsType[*osproc.StartError](err)
	if !ok {
		return 0, false
	}
	return e.Code, true
}
