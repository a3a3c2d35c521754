package localaws_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/pinnace-dev/pinnace/localaws"
)

const scope = "/20260504/eu-west-1/s3/aws4_request"

// send sends a request that no client would and answers status, header and body.
func send(t *testing.T, s *localaws.Server, method, path, body string, headers ...string) (int, http.Header, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, s.URL()+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, resp.Header, string(got)
}

func signedBy(key, service string) []string {
	return []string{"X-Amz-Date", "20260504T000000Z", "Authorization", "AWS4-HMAC-SHA256 Credential=" + key +
		strings.Replace(scope, "s3", service, 1) + ", SignedHeaders=host;x-amz-date, Signature=00"}
}

// What a request without a good signature is told.
func TestFrontRefuses(t *testing.T) {
	signing := time.Date(2026, 5, 4, 0, 0, 0, 0, time.UTC)
	s := start(t, localaws.Config{SignatureNow: func() time.Time { return signing }})
	id, _ := s.RootKeys()
	form := []string{"Content-Type", "application/x-www-form-urlencoded"}
	for name, test := range map[string]struct {
		method, path, body string
		headers            []string
		status             int
		code               string
	}{
		"header and query":   {"GET", "/b/k?X-Amz-Signature=00", "", signedBy(id, "s3"), 400, "<Code>InvalidArgument<"},
		"version 2 presign":  {"GET", "/b/k?AWSAccessKeyId=a&Expires=1&Signature=x", "", nil, 400, "<Code>InvalidRequest<"},
		"unknown service":    {"GET", "/", "", signedBy(id, "sqs"), 501, "<Code>NotImplemented<"},
		"unknown JSON":       {"POST", "/", "{}", append(signedBy(id, "dynamodb"), "Content-Type", "application/x-amz-json-1.1"), 501, `"__type":"NotImplemented"`},
		"unsigned identity":  {"POST", "/", "Action=GetCallerIdentity&Version=2011-06-15", form, 403, "<Code>MissingAuthenticationToken<"},
		"unsigned role":      {"POST", "/", "Action=AssumeRole&Version=2011-06-15", form, 403, "<Code>MissingAuthenticationToken<"},
		"unsigned IAM":       {"POST", "/", "Action=ListRoles&Version=2010-05-08", form, 403, "<Code>MissingAuthenticationToken<"},
		"large and unsigned": {"PUT", "/b/k", strings.Repeat("a", 1<<20+1), nil, 400, "<Code>EntityTooLarge<"},
		"large and malformed": {
			"PUT", "/b/k", strings.Repeat("a", 1<<20+1),
			[]string{"Authorization", "AWS4-HMAC-SHA256 x"},
			400, "<Code>EntityTooLarge<",
		},
		"no hash of the body": {"GET", "/", "", signedBy(id, "s3"), 400, "<Code>InvalidRequest<"},
	} {
		t.Run(name, func(t *testing.T) {
			status, _, body := send(t, s, test.method, test.path, test.body, test.headers...)
			if status != test.status || !strings.Contains(body, test.code) {
				t.Errorf("%d %s, want %d %s", status, body, test.status, test.code)
			}
		})
	}
}

// The body of a request by a key that nobody has is not waited for.
func TestUnknownKeyIsRefusedBeforeItsBody(t *testing.T) {
	s := start(t, localaws.Config{})
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", strings.TrimPrefix(s.URL(), "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	h := signedBy("AKIANOBODY", "s3")
	_, err = fmt.Fprintf(conn, "PUT /b/k HTTP/1.1\r\nHost: x\r\n%s: %s\r\n%s: %s\r\nContent-Length: %d\r\n\r\n",
		h[0], h[1], h[2], h[3], 200<<20)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusForbidden {
		t.Errorf("status %d", resp.StatusCode)
	}
}

func TestRequestIDs(t *testing.T) {
	s := start(t, localaws.Config{})
	_, header, _ := send(t, s, "GET", "/", "")
	if header.Get("X-Amzn-Requestid") != "" || header.Get("X-Amz-Request-Id") == "" {
		t.Errorf("S3: %v", header)
	}
	_, header, _ = send(t, s, "POST", "/configurationsessions", "")
	if header.Get("X-Amzn-Requestid") == "" {
		t.Errorf("AppConfig: %v", header)
	}
}

func TestMetadataNamesAreLowerCase(t *testing.T) {
	s := start(t, localaws.Config{Region: "us-east-1"})
	client := s3Client(root(s))
	if _, err := client.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: aws.String("charts")}); err != nil {
		t.Fatal(err)
	}
	_, err := client.PutObject(t.Context(), &s3.PutObjectInput{
		Bucket: aws.String("charts"), Key: aws.String("k"), Metadata: map[string]string{"Mixed-Case": "v"},
	})
	if err != nil {
		t.Fatal(err)
	}
	get, err := s3.NewPresignClient(client).PresignGetObject(t.Context(), &s3.GetObjectInput{
		Bucket: aws.String("charts"), Key: aws.String("k"),
	})
	if err != nil {
		t.Fatal(err)
	}
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", strings.TrimPrefix(s.URL(), "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	host := strings.TrimPrefix(s.URL(), "http://")
	_, err = fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n",
		strings.TrimPrefix(get.URL, s.URL()), host)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(conn)
	if err != nil || !strings.Contains(string(answer), "x-amz-meta-mixed-case: v") {
		t.Errorf("%v: %s", err, answer)
	}
}

// No way of printing a Server or its Config shows the root user's secret.
func TestSecretsDoNotPrint(t *testing.T) {
	const secret = "obviously-fake-root-secret"
	cfg := localaws.Config{SecretAccessKey: secret}
	s := start(t, cfg)
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).InfoContext(t.Context(), "x", slog.Any("config", cfg), slog.Any("server", s))
	slog.New(slog.NewJSONHandler(&log, nil)).InfoContext(t.Context(), "x", slog.Any("config", cfg), slog.Any("server", s))
	encoded, err := json.Marshal(map[string]any{"config": cfg, "server": s})
	if err != nil {
		t.Error(err)
	}
	for _, text := range []string{
		log.String(), string(encoded), fmt.Sprintf("%v %+v %#v %s %q %x", cfg, cfg, cfg, cfg, cfg, cfg),
		fmt.Sprintf("%v %+v %#v %s %q %x %+v", s, s, s, s, s, s, &cfg),
	} {
		if strings.Contains(text, secret) || strings.Contains(text, fmt.Sprintf("%x", secret)) {
			t.Errorf("the secret is in %s", text)
		}
	}
}
