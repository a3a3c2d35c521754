package s3

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"

	"github.com/pinnace-dev/pinnace/localaws/internal/api"
)

const (
	testAccount = "123456789012"
	testRegion  = "eu-west-1"
	testBucket  = "charts"
)

// harness is a Service behind an HTTP server that authenticates by the access key's name alone. It is the Access too.
type harness struct {
	*testing.T
	service *Service
	url     string

	mu        sync.Mutex
	now       time.Time
	deny      func(c *api.Call, q api.Question) bool
	questions []api.Question
	uses      []api.KeyUse
}

// newHarness starts an empty S3 in which every caller but the anonymous may do everything.
func newHarness(t *testing.T) *harness {
	t.Helper()
	h := &harness{T: t, now: time.Date(2026, 5, 4, 3, 2, 1, 987654321, time.UTC)}
	h.service = New(Config{Clock: h.clock, Access: h, Keys: h, Account: testAccount, Region: testRegion, InsecureTransport: true})
	server := httptest.NewServer(http.HandlerFunc(h.front))
	t.Cleanup(server.Close)
	h.url = server.URL
	return h
}

// newBucketHarness is newHarness with one bucket.
func newBucketHarness(t *testing.T) *harness {
	t.Helper()
	h := newHarness(t)
	if got := h.raw(http.MethodPut, "/"+testBucket, locationBody(testRegion)); got.status != http.StatusOK {
		t.Fatalf("creating the bucket: %d %s", got.status, got.body)
	}
	return h
}

func locationBody(region string) string {
	return "<CreateBucketConfiguration><LocationConstraint>" + region +
		"</LocationConstraint></CreateBucketConfiguration>"
}

func (h *harness) clock() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.now
}

func (h *harness) advance(d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.now = h.now.Add(d)
}

// denying makes calls fail for which deny is true.
func (h *harness) denying(deny func(c *api.Call, q api.Question) bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.deny = deny
}

// asked empties and answers the record of questions.
func (h *harness) asked() []api.Question {
	h.mu.Lock()
	defer h.mu.Unlock()
	asked := h.questions
	h.questions = nil
	return asked
}

// Allow implements api.Access: the anonymous caller needs a policy, and its word "open" is enough.
func (h *harness) Allow(c *api.Call, q api.Question) *api.Error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.questions = append(h.questions, q)
	anonymous := c.Principal.Kind == api.Anonymous && !strings.Contains(q.Policy, `"open"`)
	if anonymous || h.deny != nil && h.deny(c, q) {
		return api.Errorf("AccessDenied", http.StatusForbidden, "not authorized to perform: %s on resource: %q",
			q.Action, q.Resource)
	}
	return nil
}

// Use implements api.Keys: every key but one that is denied, or called gone, may be used.
func (h *harness) Use(c *api.Call, u api.KeyUse) (string, *api.Error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.uses = append(h.uses, u)
	if h.deny != nil && h.deny(c, api.Question{Action: u.Action, Resource: u.Key}) {
		return "", api.Errorf("AccessDenied", http.StatusForbidden, "not authorized to perform: %s on resource: %q",
			u.Action, u.Key)
	}
	if strings.HasSuffix(u.Key, "/gone") {
		return "", api.Errorf("NotFoundException", http.StatusBadRequest, "Key %s does not exist", u.Key)
	}
	return strings.Replace(u.Key, ":alias/", ":key/of-", 1), nil
}

func (h *harness) AssumeService(string, string) (api.Principal, *api.Error) {
	return api.Principal{}, errAccessDenied()
}

var credential = regexp.MustCompile(`Credential=([^/]+)/[^/]+/([^/]+)/s3/`)

func (h *harness) front(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		h.Error(err)
	}
	c := &api.Call{Request: r, Body: body, Region: testRegion, RequestID: "REQUEST1"}
	if found := credential.FindStringSubmatch(r.Header.Get("Authorization")); found != nil {
		c.Region = found[2]
		c.Principal = api.Principal{
			Kind: api.Session, Account: testAccount,
			ARN: "arn:aws:sts::" + testAccount + ":assumed-role/" + found[1] + "/test",
		}
		if found[1] == "ROOT" {
			c.Principal.Kind = api.Root
		}
	}
	c.Action = h.service.Action(c)
	h.service.Serve(w, c)
}

func (h *harness) client() *awss3.Client { return h.clientIn(testRegion) }

func (h *harness) clientIn(region string) *awss3.Client {
	return awss3.New(awss3.Options{
		Region: region, BaseEndpoint: aws.String(h.url), UsePathStyle: true, RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider("FAKEKEY", "not-a-secret", ""),
	})
}

type answer struct {
	status int
	header http.Header
	body   string
}

// raw sends a request as FAKEKEY; headers are pairs of name and value. An empty Authorization makes it anonymous.
func (h *harness) raw(method, path, body string, headers ...string) answer {
	h.Helper()
	r, err := http.NewRequestWithContext(h.Context(), method, h.url+path, strings.NewReader(body))
	if err != nil {
		h.Fatal(err)
	}
	r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=FAKEKEY/20260504/"+testRegion+"/s3/aws4_request")
	for i := 0; i < len(headers); i += 2 {
		if headers[i] == "Authorization" {
			r.Header.Del(headers[i])
		}
		r.Header.Add(headers[i], headers[i+1])
		if headers[i] == "Host" {
			r.Host = headers[i+1]
		}
	}
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		h.Fatal(err)
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if err != nil {
		h.Fatal(err)
	}
	return answer{resp.StatusCode, resp.Header, string(got)}
}

// want sends a request and checks its status and, when code is not empty, the code of the error document.
func (h *harness) want(status int, code, method, path, body string, headers ...string) answer {
	h.Helper()
	got := h.raw(method, path, body, headers...)
	if got.status != status || code != "" && !strings.Contains(got.body, "<Code>"+code+"</Code>") {
		h.Errorf("%s %s %q: got %d %s, want %d %s", method, path, headers, got.status, got.body, status, code)
	}
	return got
}

// put writes an object and answers its version id.
func (h *harness) put(key, body string) string {
	h.Helper()
	return h.want(200, "", "PUT", "/"+testBucket+"/"+key, body).header.Get("X-Amz-Version-Id")
}

// version puts the state of versioning.
func (h *harness) version(status string) {
	h.Helper()
	h.want(200, "", "PUT", "/"+testBucket+"?versioning",
		"<VersioningConfiguration><Status>"+status+"</Status></VersioningConfiguration>")
}

// refusal answers status and code of an SDK error; 200 and nothing without one.
func refusal(t *testing.T, err error) (status int, code string) {
	t.Helper()
	if err == nil {
		return http.StatusOK, ""
	}
	var response *awshttp.ResponseError
	var coded smithy.APIError
	if !errors.As(err, &response) || !errors.As(err, &coded) {
		t.Errorf("not an answer of S3: %v", err)
		return 0, ""
	}
	return response.HTTPStatusCode(), coded.ErrorCode()
}

func putInput(key, body string) *awss3.PutObjectInput {
	return &awss3.PutObjectInput{Bucket: aws.String(testBucket), Key: aws.String(key), Body: strings.NewReader(body)}
}

func get(ctx context.Context, c *awss3.Client, key string) (body, etag string, err error) {
	out, err := c.GetObject(ctx, &awss3.GetObjectInput{Bucket: aws.String(testBucket), Key: aws.String(key)})
	if err != nil {
		return "", "", err
	}
	defer out.Body.Close()
	b, err := io.ReadAll(out.Body)
	return string(b), aws.ToString(out.ETag), err
}
