// Package localaws is the part of AWS that pinnace touches, on one loopback port: S3, STS with OpenID Connect, EKS Pod
// Identity with its agent, IAM, KMS, Secrets Manager, AppConfig and AppConfigData, and the alarms of CloudWatch. It
// speaks the real protocols to any AWS client, checks every signature and authorises every call by the policies that
// were put into it. It is made to be as unkind as AWS: what AWS refuses, it refuses, with AWS's own codes; what it does
// not emulate, it refuses too.
//
// Everything is in memory and gone with the process. It is for tests and demonstrations, not for serving anybody.
package localaws

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/pinnace-dev/pinnace/localaws/internal/api"
	"github.com/pinnace-dev/pinnace/localaws/internal/appconfig"
	"github.com/pinnace-dev/pinnace/localaws/internal/cloudwatch"
	"github.com/pinnace-dev/pinnace/localaws/internal/iam"
	"github.com/pinnace-dev/pinnace/localaws/internal/kms"
	"github.com/pinnace-dev/pinnace/localaws/internal/podidentity"
	"github.com/pinnace-dev/pinnace/localaws/internal/s3"
	"github.com/pinnace-dev/pinnace/localaws/internal/secretsmanager"
	"github.com/pinnace-dev/pinnace/localaws/internal/sts"
)

// Config says how a Server behaves. The zero value is usable: a free port, random root keys, the machine's clock.
type Config struct {
	Addr            string // host:port to listen on; the host must be loopback; default 127.0.0.1:0
	Account         string // twelve digits; default 123456789012
	Region          string // default eu-west-1
	AccessKeyID     string // of the account's root user; default random
	SecretAccessKey string // of the account's root user; default random

	// Now is the clock of the services: deployments grow, poll intervals pass and credentials expire by it. Default
	// time.Now. It must be safe for concurrent use.
	Now func() time.Time
	// SignatureNow is the clock that signatures are held against, since clients sign with the machine's. Default
	// time.Now.
	SignatureNow func() time.Time
	// HTTPClient fetches the discovery documents and keys of OpenID Connect issuers. Default: one with a short time-out.
	HTTPClient *http.Client
	Rand       io.Reader    // ids, keys and the draw of gradual deployments; default crypto/rand
	Log        *slog.Logger // one debug line a call, without values or tokens; nil discards

	// InsecureTransport makes aws:SecureTransport false. By default it is true, as it would be on AWS's own endpoints:
	// nobody can listen on the loopback interface who could not read the process itself.
	InsecureTransport bool
	// LenientTokens lets a configuration token be used twice, as AppConfig does in practice; its documentation, and the
	// default here, say once.
	LenientTokens bool
	// Quotas refuse calls that come too often, as their service throttles, by the clock of Now. Of several that have an
	// action the first counts. Default none; AWSQuotas has AWS's.
	Quotas []Quota
}

// Server is one emulated account in one region. It is an http.Handler, so it can also be called without a listener. All
// methods are safe for concurrent use.
type Server struct {
	cfg      Config
	iam      *iam.Service
	services map[string]api.Handler // by the service name of the credential scope
	pods     *podidentity.Service   // among the services, as eks-auth
	faults   faults
	quotas   quotas

	calls, throttled counter

	listener net.Listener
	http     *http.Server
}

// New makes a Server that does not listen; serve it with any HTTP server, or call its ServeHTTP.
func New(cfg Config) (*Server, error) {
	if err := cfg.setDefaults(); err != nil {
		return nil, err
	}
	directory := iam.New(iam.Config{
		Clock: cfg.Now, Account: cfg.Account, Region: cfg.Region, Rand: cfg.Rand, Log: cfg.Log,
		RootKey: cfg.AccessKeyID, RootSecret: cfg.SecretAccessKey, InsecureTransport: cfg.InsecureTransport,
	})
	keys := kms.New(kms.Config{
		Clock: cfg.Now, Access: directory, Account: cfg.Account, Region: cfg.Region, Rand: cfg.Rand, Log: cfg.Log,
	})
	alarms := cloudwatch.New(cloudwatch.Config{
		Clock: cfg.Now, Access: directory, Account: cfg.Account, Region: cfg.Region, Log: cfg.Log,
	})
	secrets := secretsmanager.New(secretsmanager.Config{
		Clock: cfg.Now, Access: directory, Keys: keys, Account: cfg.Account, Region: cfg.Region, Rand: cfg.Rand,
		Log: cfg.Log,
	})
	pods := podidentity.New(podidentity.Config{
		Clock: cfg.Now, Directory: directory, HTTPClient: cfg.HTTPClient, Account: cfg.Account, Region: cfg.Region,
		Log: cfg.Log,
	})
	services := map[string]api.Handler{
		"iam":            directory,
		"eks":            podidentity.EKS{Service: pods},
		"eks-auth":       pods,
		"kms":            keys,
		"monitoring":     alarms,
		"secretsmanager": secrets,
		"s3": s3.New(s3.Config{
			Clock: cfg.Now, Access: directory, Keys: keys, Account: cfg.Account, Region: cfg.Region, Log: cfg.Log,
			InsecureTransport: cfg.InsecureTransport,
		}),
		"sts": sts.New(sts.Config{
			Clock: cfg.Now, Directory: directory, HTTPClient: cfg.HTTPClient, Account: cfg.Account, Log: cfg.Log,
		}),
		"appconfig": appconfig.New(appconfig.Config{
			Clock: cfg.Now, Access: directory, Keys: keys, Secrets: secrets, Alarms: alarms, Account: cfg.Account,
			Region: cfg.Region, Rand: cfg.Rand, Lenient: cfg.LenientTokens, Log: cfg.Log,
		}),
	}
	return &Server{cfg: cfg, iam: directory, pods: pods, services: services, quotas: quotas{list: cfg.Quotas}}, nil
}

// Start makes a Server that listens on cfg.Addr until Close. When Start returns, the port answers.
func Start(cfg Config) (*Server, error) {
	s, err := New(cfg)
	if err != nil {
		return nil, err
	}
	s.listener, err = listenLoopback(s.cfg.Addr)
	if err != nil {
		return nil, fmt.Errorf("starting localaws: %w", err)
	}
	s.http = serveOn(s.listener, s, s.cfg.Log)
	return s, nil
}

// URL is the endpoint for every service, without a trailing slash; empty for a Server that does not listen.
func (s *Server) URL() string {
	if s.listener == nil {
		return ""
	}
	return "http://" + s.listener.Addr().String()
}

// Close stops listening and drops open connections. The state is gone. Close may be called more than once.
func (s *Server) Close() error {
	if s.http == nil {
		return nil
	}
	return s.http.Close()
}

// Account is the emulated account's number.
func (s *Server) Account() string { return s.cfg.Account }

// Region is the emulated region.
func (s *Server) Region() string { return s.cfg.Region }

// RootKeys are the root user's access key id and secret access key. They are worth nothing outside this Server.
func (s *Server) RootKeys() (accessKeyID, secretAccessKey string) {
	return s.cfg.AccessKeyID, s.cfg.SecretAccessKey
}

// Environ is the environment, as NAME=value, that points any AWS client at the Server as the root user.
func (s *Server) Environ() []string {
	return []string{
		"AWS_ENDPOINT_URL=" + s.URL(),
		"AWS_ACCESS_KEY_ID=" + s.cfg.AccessKeyID,
		"AWS_SECRET_ACCESS_KEY=" + s.cfg.SecretAccessKey,
		"AWS_REGION=" + s.cfg.Region,
		"AWS_DEFAULT_REGION=" + s.cfg.Region,
	}
}

// Calls counts the authenticated calls since the start by action, such as "s3:PutObject", refused ones included.
func (s *Server) Calls() map[string]int { return s.calls.snapshot() }

// Throttled counts those of Calls that a quota refused.
func (s *Server) Throttled() map[string]int { return s.throttled.snapshot() }

// Format writes a Config without its secret, whatever the verb.
func (c Config) Format(f fmt.State, _ rune) {
	_, _ = fmt.Fprintf(f, "localaws.Config of account %s in %s", c.Account, c.Region)
}

// LogValue is a Config without its secret.
func (c Config) LogValue() slog.Value { return slog.StringValue(fmt.Sprint(c)) }

// MarshalJSON writes a Config without its secret.
func (c Config) MarshalJSON() ([]byte, error) { return json.Marshal(fmt.Sprint(c)) }

// Format writes a Server as its account and address, whatever the verb: never its keys or what it holds.
func (s *Server) Format(f fmt.State, _ rune) {
	_, _ = fmt.Fprintf(f, "localaws.Server of account %s at %s", s.cfg.Account, s.URL())
}

func (c *Config) setDefaults() error {
	def := func(field *string, value string) {
		if *field == "" {
			*field = value
		}
	}
	def(&c.Addr, "127.0.0.1:0")
	def(&c.Account, "123456789012")
	def(&c.Region, "eu-west-1")
	if c.Now == nil {
		c.Now = time.Now //nolint:forbidigo // the default of the injected clock
	}
	if c.SignatureNow == nil {
		c.SignatureNow = time.Now //nolint:forbidigo // the default of the injected clock
	}
	if c.HTTPClient == nil {
		c.HTTPClient = &http.Client{Timeout: 5 * time.Second}
	}
	if c.Rand == nil {
		c.Rand = rand.Reader
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	id, err := randomText(c.Rand, 12)
	if err != nil {
		return err
	}
	def(&c.AccessKeyID, "AKIA"+strings.ToUpper(strings.NewReplacer("-", "A", "_", "B").Replace(id)))
	secret, err := randomText(c.Rand, 30)
	if err != nil {
		return err
	}
	def(&c.SecretAccessKey, secret)
	if strings.Trim(c.Account, "0123456789") != "" || len(c.Account) != 12 {
		return fmt.Errorf("starting localaws: account %q is not twelve digits", c.Account)
	}
	for _, quota := range c.Quotas {
		if err := quota.check(); err != nil {
			return fmt.Errorf("starting localaws: %w", err)
		}
	}
	return nil
}

func randomText(random io.Reader, n int) (string, error) {
	b := make([]byte, n)
	if _, err := io.ReadFull(random, b); err != nil {
		return "", fmt.Errorf("reading random bytes: %w", err)
	}
	return base64.URLEncoding.EncodeToString(b), nil
}

// listenLoopback refuses every address that another machine could reach.
func listenLoopback(addr string) (net.Listener, error) {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return nil, fmt.Errorf("address %s is not a loopback address", addr)
	}
	return (&net.ListenConfig{}).Listen(context.Background(), "tcp", addr)
}

func serveOn(l net.Listener, h http.Handler, log *slog.Logger) *http.Server {
	server := &http.Server{
		Handler: h, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: time.Minute, IdleTimeout: time.Minute,
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	go func() {
		if err := server.Serve(l); err != nil && !errors.Is(err, http.ErrServerClosed) {
			log.ErrorContext(context.Background(), "serving stopped", slog.Any("error", err))
		}
	}()
	return server
}
