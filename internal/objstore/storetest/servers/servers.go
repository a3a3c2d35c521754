// Package servers runs S3 servers as processes of their own, on free loopback ports and on temporary folders, so that
// contracts and benchmarks meet servers that we did not write. It is for tests and benchmarks alone.
package servers

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
)

// The kinds of server.
const (
	LocalAWS  = "localaws"  // its binary is pinnace
	VersityGW = "versitygw" // v1.8.0 is what the results speak of; needs a file system with extended attributes
	MinIO     = "minio"     // v0.0.0-20260212201848-7aac2a2c5b7c is what the results speak of
)

// The root user of every server here. They open nothing else.
const (
	accessKeyID     = "loopback-root"
	secretAccessKey = "loopback-root-not-a-secret"
	region          = "us-east-1"
)

// patience is how long a server that was asked to end may take; then it is killed. They wait for idle connections, and
// what they keep is thrown away.
const patience = time.Second

// Server is a running server. It is safe for concurrent use.
type Server struct {
	Kind   string
	URL    string // without a trailing slash
	Region string

	cmd    *exec.Cmd
	output tail
	ended  chan struct{}
	client *http.Client
}

// Start runs the binary as a server of that kind which keeps its objects below dir, and waits at most half a minute
// until it answers. The server ends with Close, or with ctx.
func Start(ctx context.Context, kind, binary, dir string) (*Server, error) {
	addr, err := freeAddress(ctx)
	if err != nil {
		return nil, err
	}
	s := &Server{
		Kind: kind, URL: "http://" + addr, Region: region,
		ended: make(chan struct{}), client: &http.Client{Timeout: time.Minute},
	}
	args, env, err := commandLine(kind, addr, dir)
	if err != nil {
		return nil, err
	}
	s.cmd = exec.CommandContext(ctx, binary, args...)
	s.cmd.Env = append(env, "HOME="+dir, "PATH=/usr/bin:/bin")
	s.cmd.Dir, s.cmd.Stdout, s.cmd.Stderr = dir, &s.output, &s.output
	s.cmd.Cancel = func() error { return s.cmd.Process.Signal(os.Interrupt) }
	s.cmd.WaitDelay = patience
	if err := s.cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting %s: %w", kind, err)
	}
	go func() {
		_ = s.cmd.Wait() // Close and wait say what went wrong
		close(s.ended)
	}()
	if err := s.wait(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func commandLine(kind, addr, dir string) (args, env []string, err error) {
	switch kind {
	case LocalAWS:
		return []string{
			"localaws", "--addr", addr, "--region", region,
			"--access-key-id", accessKeyID, "--secret-access-key", secretAccessKey,
		}, nil, nil
	case VersityGW:
		return []string{"--port", addr, "--region", region, "--quiet", "--keep-alive", "posix", dir},
			[]string{"ROOT_ACCESS_KEY=" + accessKeyID, "ROOT_SECRET_KEY=" + secretAccessKey}, nil
	case MinIO:
		return []string{"server", "--quiet", "--address", addr, dir}, []string{
			"MINIO_ROOT_USER=" + accessKeyID, "MINIO_ROOT_PASSWORD=" + secretAccessKey,
			"MINIO_BROWSER=off", "MINIO_UPDATE=off",
		}, nil
	}
	return nil, nil, fmt.Errorf("server %q is none of %s", kind, strings.Join([]string{LocalAWS, VersityGW, MinIO}, ", "))
}

// freeAddress finds a loopback port that nobody listens on. Somebody may take it before the server does, which then
// fails to start.
func freeAddress(ctx context.Context) (string, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("looking for a free port: %w", err)
	}
	return l.Addr().String(), l.Close()
}

// wait polls until the server answers as one that is ready: it refuses the anonymous caller.
func (s *Server) wait(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		if s.ready(ctx) {
			return nil
		}
		select {
		case <-tick.C:
		case <-s.ended:
			return fmt.Errorf("starting %s: it ended: %s", s.Kind, s.output.String())
		case <-ctx.Done():
			return fmt.Errorf("starting %s: it does not answer: %w: %s", s.Kind, ctx.Err(), s.output.String())
		}
	}
}

func (s *Server) ready(ctx context.Context) bool {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL, nil)
	if err != nil {
		return false
	}
	answer, err := s.client.Do(request)
	if err != nil {
		return false
	}
	_ = answer.Body.Close()
	return answer.StatusCode < http.StatusInternalServerError
}

// Close ends the server and waits for its end.
func (s *Server) Close() error {
	if err := s.cmd.Process.Signal(os.Interrupt); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("ending %s: %w", s.Kind, err)
	}
	s.client.CloseIdleConnections()
	limit := time.NewTimer(patience)
	defer limit.Stop()
	select {
	case <-s.ended:
	case <-limit.C:
		if err := s.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
			return fmt.Errorf("killing %s: %w", s.Kind, err)
		}
		<-s.ended
	}
	return nil
}

// Pid is the server's process.
func (s *Server) Pid() int { return s.cmd.Process.Pid }

// Config is the configuration of a client that is the root user.
func (s *Server) Config() aws.Config {
	return aws.Config{Region: s.Region, BaseEndpoint: aws.String(s.URL), Credentials: keys()}
}

func keys() aws.CredentialsProvider {
	return credentials.NewStaticCredentialsProvider(accessKeyID, secretAccessKey, "")
}

// Environ is the environment, as NAME=value, that points any AWS client at the server as its root user.
func (s *Server) Environ() []string {
	return []string{
		"AWS_ENDPOINT_URL=" + s.URL, "AWS_REGION=" + s.Region,
		"AWS_ACCESS_KEY_ID=" + accessKeyID, "AWS_SECRET_ACCESS_KEY=" + secretAccessKey,
	}
}

// tail keeps the last bytes that were written to it.
type tail struct {
	mu   sync.Mutex
	kept []byte
}

const tailSize = 2000

func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.kept = append(t.kept, b...)
	t.kept = slices.Clone(t.kept[max(0, len(t.kept)-tailSize):])
	return len(b), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(bytes.TrimSpace(t.kept))
}
