package workload

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/smithy-go"
	smithytime "github.com/aws/smithy-go/time"

	"github.com/pinnace-dev/pinnace/internal/identity/awserr"
	"github.com/pinnace-dev/pinnace/internal/problem"
)

const (
	agentTimeout  = 5 * time.Second // for one try, all of it
	agentAttempts = 3               // while the agent gives no answer, throttles or fails
	agentDelay    = 2 * time.Second // at most, between two of them
	maxAnswer     = 64 << 10        // bytes; a session token has a few thousand
	maxShown      = 300             // bytes of a refusal
)

// agents are the addresses that AWS documents for the agent of EKS Pod Identity.
var agents = []netip.Addr{netip.MustParseAddr("169.254.170.23"), netip.MustParseAddr("fd00:ec2::23")}

// podProvider asks the agent of EKS Pod Identity on this node. The SDK has a client for it, too, which would ask any
// host over https, follow redirects and take an answer of any size.
type podProvider struct {
	client aws.HTTPClient
	url    string
	token  tokenFile
}

// podIdentity checks the two variables and makes the provider.
func podIdentity(cfg aws.Config, o Options) (aws.CredentialsProvider, facts, error) {
	address, file := o.Getenv(agentVariable), o.Getenv(podTokenVariable)
	switch {
	case address == "":
		return nil, facts{}, problem.New(problem.Denied, associate, podTokenVariable+" is set but "+agentVariable+" is not")
	case file == "" && o.Getenv(fixedTokenVariable) != "":
		return nil, facts{}, problem.New(problem.Denied, associate,
			fixedTokenVariable+" is refused: a token that nobody renews is none of EKS Pod Identity, which sets "+
				podTokenVariable)
	case file == "":
		return nil, facts{}, problem.New(problem.Denied, associate, agentVariable+" is set but "+podTokenVariable+" is not")
	}
	host, err := checkAgent(address)
	if err != nil {
		return nil, facts{}, err
	}
	f := facts{
		mechanism: PodIdentity, region: cfg.Region, session: sessionName(o.Getenv), agent: host,
		token: tokenFile{path: file, variable: podTokenVariable},
	}
	provider := &podProvider{client: o.HTTPClient, url: address, token: f.token}
	if o.HTTPClient == nil {
		provider.client = agentClient()
	}
	return &explained{provider: provider, explain: f.explainPodIdentity}, f, nil
}

// checkAgent takes the agent's own addresses and this machine's: a token sent elsewhere is a token lost.
func checkAgent(address string) (host string, err error) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") || u.User != nil {
		return "", problem.New(problem.Usage, "leave it to EKS's webhook, which sets http://169.254.170.23/v1/credentials",
			agentVariable+" is not a URL")
	}
	ip, err := netip.ParseAddr(u.Hostname())
	if loopback(u.Hostname()) || err == nil && slices.Contains(agents, ip) {
		return u.Host, nil
	}
	return "", problem.New(problem.Denied, "leave it to EKS's webhook, which sets http://169.254.170.23/v1/credentials "+
		"or http://[fd00:ec2::23]/v1/credentials; "+eitherWay,
		agentVariable+" would send the token to %s, which is not the agent of EKS Pod Identity", u.Host)
}

// agentClient has no proxy, for there is none between a pod and its node, and follows no redirect.
func agentClient() aws.HTTPClient {
	return &http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true, MaxResponseHeaderBytes: maxAnswer},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Timeout:       agentTimeout,
	}
}

// Retrieve exchanges the token as it is now for credentials.
func (p *podProvider) Retrieve(ctx context.Context) (aws.Credentials, error) {
	backoff := retry.NewExponentialJitterBackoff(agentDelay)
	for attempt := 1; ; attempt++ {
		c, err := p.exchange(ctx)
		if err == nil || attempt == agentAttempts || !passing(err) {
			return c, err
		}
		delay, delayErr := backoff.BackoffDelay(attempt, err)
		if delayErr != nil {
			return c, err
		}
		if err := smithytime.SleepWithContext(ctx, delay); err != nil {
			return c, err
		}
	}
}

// passing says that the same call may do better soon.
func passing(err error) bool {
	if e, ok := errors.AsType[*agentError](err); ok {
		return e.status == http.StatusTooManyRequests || e.status >= http.StatusInternalServerError
	}
	_, unreachable := awserr.Unreachable(err)
	return unreachable
}

func (p *podProvider) exchange(ctx context.Context) (aws.Credentials, error) {
	token, err := p.token.GetIdentityToken()
	if err != nil {
		return aws.Credentials{}, err
	}
	if parseClaims(string(token)).broken { // another file may hold another secret: it is not sent
		return aws.Credentials{}, &tokenError{
			hint: p.token.noToken(), err: fmt.Errorf("%s does not hold a token", p.token.path),
		}
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, p.url, nil)
	if err != nil {
		return aws.Credentials{}, fmt.Errorf("making the request: %w", err)
	}
	request.Header.Set("Authorization", string(token))
	response, err := p.client.Do(request)
	if err != nil {
		return aws.Credentials{}, err
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer+1))
	switch {
	case err != nil:
		return aws.Credentials{}, err
	case response.Request != nil && response.Request.URL.String() != p.url,
		response.StatusCode >= http.StatusMultipleChoices && response.StatusCode < http.StatusBadRequest:
		return aws.Credentials{}, &answerError{"it is a redirect, which is not followed"}
	case response.StatusCode != http.StatusOK:
		return aws.Credentials{}, refusal(response.StatusCode, string(body), string(token))
	case len(body) > maxAnswer:
		return aws.Credentials{}, &answerError{fmt.Sprintf("it has more than %d bytes", maxAnswer)}
	}
	return parseCredentials(body)
}

// answerError is an answer that the agent does not give. It shows nothing of it.
type answerError struct{ what string }

func (e *answerError) Error() string { return "the answer cannot be used: " + e.what }

// parseCredentials reads the agent's answer and leaves nothing to chance: credentials without an end would never be
// renewed.
func parseCredentials(body []byte) (aws.Credentials, error) {
	var answer struct {
		AccessKeyID     string `json:"AccessKeyId"`
		SecretAccessKey string
		Token           string
		AccountID       string `json:"AccountId"`
		Expiration      time.Time
	}
	if json.Unmarshal(body, &answer) != nil { // whose error would quote the answer
		return aws.Credentials{}, &answerError{"it is not the JSON of credentials"}
	}
	for _, field := range []struct {
		name    string
		missing bool
	}{
		{"AccessKeyId", answer.AccessKeyID == ""},
		{"SecretAccessKey", answer.SecretAccessKey == ""},
		{"Token", answer.Token == ""},
		{"Expiration", answer.Expiration.IsZero()},
	} {
		if field.missing {
			return aws.Credentials{}, &answerError{field.name + " is missing"}
		}
	}
	if answer.AccountID != "" && !accountPattern.MatchString(answer.AccountID) { // agents of old give none
		return aws.Credentials{}, &answerError{"AccountId is not twelve digits"}
	}
	return aws.Credentials{
		AccessKeyID: answer.AccessKeyID, SecretAccessKey: answer.SecretAccessKey, SessionToken: answer.Token,
		AccountID: answer.AccountID, CanExpire: true, Expires: answer.Expiration, Source: "EKSPodIdentity",
	}, nil
}

var accountPattern = regexp.MustCompile(`^[0-9]{12}$`)

// agentError is a refusal of the agent or, with a code, of EKS Auth behind it.
type agentError struct {
	status     int
	code, text string
}

var _ smithy.APIError = (*agentError)(nil)

// ErrorCode is that of EKS Auth, else the status.
func (e *agentError) ErrorCode() string {
	if e.code == "" {
		return fmt.Sprintf("status %d", e.status)
	}
	return e.code
}

// ErrorMessage is one line of the agent's text.
func (e *agentError) ErrorMessage() string { return e.text }

// ErrorFault tells whose it is.
func (e *agentError) ErrorFault() smithy.ErrorFault {
	if e.status >= http.StatusInternalServerError {
		return smithy.FaultServer
	}
	return smithy.FaultClient
}

func (e *agentError) Error() string { return e.ErrorCode() + ": " + e.text }

// authPattern is how the agent passes on what EKS Auth says: [request id]: (Code): message, fault: client.
var authPattern = regexp.MustCompile(`(?s)\((\w+)\): (.*?)(?:, fault: \w+)?\s*$`)

// refusal reads the plain text of a refusal. One that repeats the token is not shown.
func refusal(status int, body, token string) error {
	e := &agentError{status: status, text: strings.TrimSpace(body)}
	if m := authPattern.FindStringSubmatch(body); m != nil {
		e.code, e.text = m[1], m[2]
	}
	signature := token[strings.LastIndexByte(token, '.')+1:]
	if signature != "" && strings.Contains(body, signature) {
		e.text = "(not shown, since it repeats the token)"
	}
	if len(e.text) > maxShown {
		e.text = e.text[:maxShown] + "…"
	}
	e.text = strings.Join(strings.Fields(e.text), " ")
	return e
}
