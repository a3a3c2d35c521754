package s3_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/google/go-cmp/cmp"

	"github.com/pinnace-dev/pinnace/internal/objstore"
	"github.com/pinnace-dev/pinnace/internal/objstore/s3"
	"github.com/pinnace-dev/pinnace/internal/objstore/storetest"
	"github.com/pinnace-dev/pinnace/internal/problem"
)

func TestStore(t *testing.T) {
	f := newFront(t)
	n := 0
	storetest.Run(t, func(t *testing.T) objstore.Store {
		n++
		return s3.New(f.client(t), bucket, []string{"", "/", "p", "/p/", "p/q/"}[n%5]+fmt.Sprintf("/test-%d/", n))
	})
}

func TestPrefixIsJoinedOnce(t *testing.T) {
	f := newFront(t)
	for _, prefix := range []string{"", "/", "charts", "/charts/", "charts/uat"} {
		s := s3.New(f.client(t), bucket, prefix)
		key := "k" + strings.ReplaceAll(prefix, "/", "-")
		v, err := s.Create(t.Context(), key, objstore.Content{Body: []byte("x")})
		if err != nil {
			t.Fatal(err)
		}
		if v, err = s.Replace(t.Context(), key, v, objstore.Content{Body: []byte("y")}); err != nil {
			t.Fatal(err)
		}
		want := strings.TrimPrefix(strings.Trim(prefix, "/")+"/"+key, "/")
		_, err = f.client(t).HeadObject(t.Context(), &awss3.HeadObjectInput{Bucket: aws.String(bucket), Key: &want})
		if err != nil {
			t.Errorf("prefix %q: no object %q: %v", prefix, want, err)
		}
		if err := s.Delete(t.Context(), key, v); err != nil {
			t.Errorf("prefix %q: %v", prefix, err)
		}
	}
}

// What goes over the wire: never a write without a condition, and the headers that browsers and caches look at.
func TestWriteHeaders(t *testing.T) {
	f := newFront(t)
	s := s3.New(f.client(t), bucket, "p")
	c := objstore.Content{
		Body: []byte("{}"), Type: "application/yaml", CacheControl: "no-cache",
		Metadata: map[string]string{"origin": "test"},
	}
	v, err := s.Create(t.Context(), "k", c)
	if err != nil {
		t.Fatal(err)
	}
	create := f.last()
	if _, err = s.Replace(t.Context(), "k", v, c); err != nil {
		t.Fatal(err)
	}
	replace := f.last()
	for name, header := range map[string]http.Header{"create": create, "replace": replace} {
		got := map[string]string{}
		for _, h := range []string{"Content-Type", "Cache-Control", "X-Amz-Meta-Origin", "X-Amz-Checksum-Sha256"} {
			got[h] = header.Get(h)
		}
		want := map[string]string{
			"Content-Type": "application/yaml", "Cache-Control": "no-cache", "X-Amz-Meta-Origin": "test",
			"X-Amz-Checksum-Sha256": "RBNvo1WzZ4oRRq0W9+hknpT7T8If536DEMBg9hyq/4o=",
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	if create.Get("If-None-Match") != "*" || replace.Get("If-Match") == "" {
		t.Errorf("conditions: %q, %q", create.Get("If-None-Match"), replace.Get("If-Match"))
	}
	o, err := s.Get(t.Context(), "k")
	if err != nil || o.Type != "application/yaml" || !cmp.Equal(o.Metadata, map[string]string{"origin": "test"}) {
		t.Errorf("read back %+v, %v", o.Content, err)
	}
}

// The write lands, the connection breaks, the client repeats the request and meets its own success as 412.
func TestRepeatedWriteKnowsItself(t *testing.T) {
	f := newFront(t)
	s := s3.New(f.client(t), bucket, "p")
	f.loseReply(1)
	v, err := s.Create(t.Context(), "k", objstore.Content{Body: []byte("one")})
	if err != nil {
		t.Fatalf("create: %v", err)
	}
	f.loseReply(1)
	if v, err = s.Replace(t.Context(), "k", v, objstore.Content{Body: []byte("two")}); err != nil {
		t.Fatalf("replace: %v", err)
	}
	if o, err := s.Get(t.Context(), "k"); err != nil || o.Version != v || string(o.Body) != "two" {
		t.Errorf("read back %q, %v", o.Body, err)
	}
	f.loseReply(1)
	if err := s.Delete(t.Context(), "k", v); !errors.Is(err, objstore.ErrChanged) {
		t.Errorf("delete: %v", err)
	}
	if _, err := s.Get(t.Context(), "k"); !errors.Is(err, objstore.ErrNotFound) {
		t.Errorf("read after delete: %v", err)
	}
}

// No answer comes to a write, however often it is repeated: what is there then tells what became of it.
func TestWriteWithoutAnAnswer(t *testing.T) {
	const always = 3 // as often as the client tries
	for name, test := range map[string]struct {
		lose, cut int
		stale     bool  // somebody else has replaced the object
		want      error // nil, unless it fails: it landed
		fails     bool  // without telling of a lost race
	}{
		"it landed":         {lose: always},
		"it was refused":    {lose: always, stale: true, want: objstore.ErrChanged},
		"it broke off":      {cut: always, fails: true},
		"off, and too late": {cut: always, stale: true, want: objstore.ErrChanged},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFront(t)
			s := s3.New(f.client(t), bucket, "p")
			first, err := s.Create(t.Context(), "k", objstore.Content{Body: []byte("one")})
			if err != nil {
				t.Fatal(err)
			}
			there := "one"
			if test.stale {
				if _, err := s.Replace(t.Context(), "k", first, objstore.Content{Body: []byte("other")}); err != nil {
					t.Fatal(err)
				}
				there = "other"
			}
			f.loseReply(test.lose)
			f.cutWrites(test.cut)
			v, err := s.Replace(t.Context(), "k", first, objstore.Content{Body: []byte("two")})
			f.loseReply(0)
			f.cutWrites(0)
			switch {
			case test.fails:
				if err == nil || objstore.Lost(err) {
					t.Errorf("error %v, want one that is no lost race", err)
				}
			case !errors.Is(err, test.want):
				t.Errorf("error %v, want %v", err, test.want)
			case err == nil:
				there = "two"
			}
			o, getErr := s.Get(t.Context(), "k")
			if getErr != nil || string(o.Body) != there || err == nil && o.Version != v {
				t.Errorf("%q is there, %v", o.Body, getErr)
			}
		})
	}
}

// A counter stays exact though every third reply is lost.
func TestCounterSurvivesLostReplies(t *testing.T) {
	f := newFront(t)
	f.loseEvery(3)
	s := s3.New(f.client(t), bucket, "p")
	const n = 30
	for range n {
		_, err := objstore.Update(t.Context(), s, "counter", objstore.UpdateOptions{},
			func(body []byte, _ bool) (objstore.Content, error) {
				return objstore.Content{Body: append(body, '.')}, nil
			})
		if err != nil {
			t.Fatal(err)
		}
	}
	f.loseEvery(0)
	if o, err := s.Get(t.Context(), "counter"); err != nil || len(o.Body) != n {
		t.Errorf("counted %d of %d, %v", len(o.Body), n, err)
	}
}

const malformed = "The authorization header is malformed; the region 'us-east-1' is wrong; expecting 'eu-west-1'"

// answers are what S3 may say to a Replace, and what is made of it.
var answers = map[string]struct {
	status  int
	code    string
	message string
	header  map[string]string
	is      error // sentinel expected, or nil
	kind    problem.Kind
	text    string // part of the message
	hint    string // part of the hint
}{
	"stale":     {status: 412, code: "PreconditionFailed", is: objstore.ErrChanged},
	"gone":      {status: 404, code: "NoSuchKey", is: objstore.ErrChanged},
	"in flight": {status: 409, code: "ConditionalRequestConflict", is: objstore.ErrConflict},
	"aborted":   {status: 409, code: "OperationAborted", is: objstore.ErrConflict},
	"slow down": {
		status: 503, code: "SlowDown", is: objstore.ErrConflict,
		kind: problem.Failed, hint: "slow down",
	},
	"no bucket": {
		status: 404, code: "NoSuchBucket",
		kind: problem.Usage, text: "bucket pinnace-test does not exist", hint: "name",
	},
	"denied": {
		status: 403, code: "AccessDenied",
		kind: problem.Denied, hint: "s3:PutObject and s3:GetObject on arn:aws:s3:::pinnace-test/p/k",
	},
	"wrong region, header": {
		status: 301, code: "PermanentRedirect", header: map[string]string{"X-Amz-Bucket-Region": "eu-central-1"},
		kind: problem.Usage, text: "is in region eu-central-1", hint: "AWS_REGION=eu-central-1",
	},
	"wrong region, text": {
		status: 400, code: "AuthorizationHeaderMalformed", message: malformed,
		kind: problem.Usage, text: "is in region eu-west-1", hint: "AWS_REGION=eu-west-1",
	},
	"wrong region, silent": {
		status: 301, code: "PermanentRedirect",
		kind: problem.Usage, text: "is in another region", hint: "get-bucket-location",
	},
	"expired": {status: 400, code: "ExpiredToken", kind: problem.Denied, hint: "expired"},
	"unknown key": {
		status: 403, code: "InvalidAccessKeyId",
		kind: problem.Denied, hint: "AWS_PROFILE",
	},
	"wrong clock":   {status: 403, code: "RequestTimeTooSkewed", kind: problem.Failed, hint: "clock"},
	"anything else": {status: 400, code: "InvalidRequest", kind: problem.Failed, text: "InvalidRequest"},
}

func TestErrors(t *testing.T) {
	for name, test := range answers {
		t.Run(name, func(t *testing.T) {
			f := newFront(t)
			s := s3.New(f.client(t), bucket, "p")
			v, err := s.Create(t.Context(), "k", objstore.Content{})
			if err != nil {
				t.Fatal(err)
			}
			f.answer(test.status, test.code, test.message, test.header)
			_, err = s.Replace(t.Context(), "k", v, objstore.Content{Body: []byte("x")})
			if test.is != nil && !errors.Is(err, test.is) {
				t.Errorf("error %v is not %v", err, test.is)
			}
			if test.kind != 0 && problem.KindOf(err) != test.kind {
				t.Errorf("kind %d, want %d: %v", problem.KindOf(err), test.kind, err)
			}
			if err == nil || !strings.Contains(err.Error(), test.text) || strings.Contains(err.Error(), "\n") ||
				!strings.Contains(err.Error(), "s3://pinnace-test/p/k") {
				t.Errorf("error %v", err)
			}
			if !strings.Contains(problem.HintOf(err), test.hint) {
				t.Errorf("hint %q does not contain %q", problem.HintOf(err), test.hint)
			}
		})
	}
}

// Whoever may not list the bucket sees 403 for a missing object; the hint of a read says so.
func TestDeniedReadHintsAtListBucket(t *testing.T) {
	f := newFront(t)
	f.answer(403, "AccessDenied", "Access Denied", nil)
	_, err := s3.New(f.client(t), bucket, "").Get(t.Context(), "k")
	if problem.KindOf(err) != problem.Denied || !strings.Contains(problem.HintOf(err), "s3:ListBucket") {
		t.Errorf("%v; hint %q", err, problem.HintOf(err))
	}
}

func TestRequestsThatNeverLeave(t *testing.T) {
	f := newFront(t)
	for name, test := range map[string]struct {
		change func(*awss3.Options)
		kind   problem.Kind
		hint   string
	}{
		"no credentials": {func(o *awss3.Options) {
			o.Credentials = aws.CredentialsProviderFunc(noCredentials)
		}, problem.Denied, "no AWS credentials"},
		"token refused by STS": {func(o *awss3.Options) {
			o.Credentials = aws.CredentialsProviderFunc(refusedCredentials)
		}, problem.Denied, "no AWS credentials"},
		"no region": {func(o *awss3.Options) { o.Region, o.BaseEndpoint = "", nil }, problem.Usage, "AWS_REGION"},
		"no server": {func(o *awss3.Options) {
			o.BaseEndpoint = aws.String("http://127.0.0.1:1")
		}, problem.Failed, "network"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := s3.New(f.client(t, test.change), bucket, "").Get(t.Context(), "k")
			if problem.KindOf(err) != test.kind || !strings.Contains(problem.HintOf(err), test.hint) {
				t.Errorf("kind %d, %v; hint %q", problem.KindOf(err), err, problem.HintOf(err))
			}
		})
	}
}

func TestListGoesThroughAllPages(t *testing.T) {
	f := newFront(t)
	s := s3.New(f.client(t), bucket, "p")
	const n = 1003 // a page has 1000
	for i := range n {
		f.seed(t, fmt.Sprintf("p/%04d", i))
	}
	f.seed(t, "p/folder/") // the console's placeholder for a folder is no object of ours
	f.seed(t, "pq")
	got := 0
	for info, err := range s.List(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		if want := fmt.Sprintf("%04d", got); info.Key != want {
			t.Fatalf("key %q, want %q", info.Key, want)
		}
		got++
	}
	if got != n {
		t.Errorf("%d keys of %d", got, n)
	}
}
