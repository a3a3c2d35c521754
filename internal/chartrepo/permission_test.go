package chartrepo_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/google/go-cmp/cmp"

	"github.com/pinnace-dev/pinnace/internal/chartrepo"
	"github.com/pinnace-dev/pinnace/internal/objstore/s3"
	"github.com/pinnace-dev/pinnace/internal/problem"
	"github.com/pinnace-dev/pinnace/localaws"
)

// bucket is a repository in a new bucket of a new localaws, and deny, by which its policy forbids actions: on the
// bucket, or on its objects with these keys. No actions: the policy is lifted.
func bucket(t *testing.T) (r *chartrepo.Repository, deny func(keys string, actions ...string)) {
	t.Helper()
	server, err := localaws.Start(localaws.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	id, key := server.RootKeys()
	cfg := aws.Config{
		Region: server.Region(), BaseEndpoint: aws.String(server.URL()),
		Credentials: credentials.NewStaticCredentialsProvider(id, key, ""),
	}
	client := awss3.NewFromConfig(cfg, func(o *awss3.Options) { o.UsePathStyle = true })
	name := aws.String("charts")
	_, err = client.CreateBucket(t.Context(), &awss3.CreateBucketInput{
		Bucket: name, CreateBucketConfiguration: &types.CreateBucketConfiguration{
			LocationConstraint: types.BucketLocationConstraint(server.Region()),
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	deny = func(keys string, actions ...string) {
		t.Helper()
		if len(actions) == 0 {
			_, err = client.DeleteBucketPolicy(t.Context(), &awss3.DeleteBucketPolicyInput{Bucket: name})
		} else {
			_, err = client.PutBucketPolicy(t.Context(), &awss3.PutBucketPolicyInput{Bucket: name, Policy: aws.String(fmt.Sprintf(
				`{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":"*","Action":["%s"],"Resource":"arn:aws:s3:::charts%s"}]}`,
				strings.Join(actions, `","`), keys))})
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	at := chartrepo.Location{Scheme: "s3", Bucket: "charts", Prefix: "uat"}
	return chartrepo.New(s3.Open(cfg, at.Bucket, at.Prefix), options(at)), deny
}

// Whoever may take versions out of the index and not delete archives gets as far as that, is told which permission is
// missing, and can finish the prune once it is there.
func TestPruneWithoutPermission(t *testing.T) {
	r, deny := bucket(t)
	publish(t, r, open(t, "app", "1.0.0+b", ""), open(t, "app", "2.0.0", ""))
	rules := chartrepo.PruneOptions{Keep: 1}
	plan, err := r.PlanPrune(t.Context(), rules)
	if err != nil {
		t.Fatal(err)
	}
	deny("/uat/index.yaml", "s3:PutObject")
	_, err = r.ApplyPrune(t.Context(), rules, plan.Token)
	wantProblem(t, err, problem.Denied, "pruning s3://charts/uat", "s3:PutObject")
	if got := len(indexed(t, r)); got != 2 {
		t.Errorf("%d entries are left", got)
	}
	deny("/*", "s3:DeleteObject")
	_, err = r.ApplyPrune(t.Context(), rules, plan.Token)
	wantProblem(t, err, problem.Denied, "pruning s3://charts/uat", "s3:DeleteObject")
	report, err := r.Verify(t.Context(), chartrepo.VerifyOptions{Deep: true})
	if diff := cmp.Diff([]string{"leftover app-1.0.0+b.tgz"}, kinds(report.Findings)); diff != "" || err != nil {
		t.Errorf("%v\n%s", err, diff)
	}
	deny("")
	if done, err := r.ApplyPrune(t.Context(), rules, plan.Token); err != nil || done.Archives != 1 {
		t.Errorf("%+v, %v", done, err)
	}
	report, err = r.Verify(t.Context(), chartrepo.VerifyOptions{Deep: true})
	if err != nil || len(report.Findings) != 0 || report.Archives != 1 {
		t.Errorf("%+v, %v", report, err)
	}
}

// A repository that this identity may not read is not taken for an empty or a broken one.
func TestVerifyAndReindexWithoutPermission(t *testing.T) {
	r, deny := bucket(t)
	publish(t, r, open(t, "app", "1.0.0", ""))
	for name, test := range map[string]struct{ keys, action string }{
		"the list":    {"", "s3:ListBucket"},
		"the index":   {"/uat/index.yaml", "s3:GetObject"},
		"the archive": {"/uat/*.tgz", "s3:GetObject"},
	} {
		deny(test.keys, test.action)
		_, err := r.Verify(t.Context(), chartrepo.VerifyOptions{Deep: true})
		wantProblem(t, err, problem.Denied, "verifying s3://charts/uat", test.action)
		if name != "the archive" { // whose entry is right, so that it is not read
			_, err = r.Reindex(t.Context(), chartrepo.ReindexOptions{})
			wantProblem(t, err, problem.Denied, "reindexing s3://charts/uat", test.action)
		}
	}
	deny("/uat/*", "s3:PutObject")
	if _, err := r.Verify(t.Context(), chartrepo.VerifyOptions{Deep: true}); err != nil {
		t.Errorf("verifying needs no write: %v", err)
	}
	put(t, chartrepo.StoreOf(r), "index.yaml", nil)
	_, err := r.Reindex(t.Context(), chartrepo.ReindexOptions{})
	wantProblem(t, err, problem.Denied, "reindexing s3://charts/uat", "s3:PutObject")
}

// A target that may not be written gets nothing; a source that may not be read gives nothing.
func TestPromoteWithoutPermission(t *testing.T) {
	from, denyFrom := bucket(t)
	to, denyTo := bucket(t)
	publish(t, from, open(t, "app", "1.0.0", ""))
	promote := func() error {
		_, err := chartrepo.Promote(t.Context(), from, to, "app", "1.0.0", chartrepo.PromoteOptions{})
		return err
	}
	denyTo("/*", "s3:PutObject")
	wantProblem(t, promote(), problem.Denied, "promoting app 1.0.0", "s3:PutObject")
	denyTo("")
	denyFrom("/uat/app*", "s3:GetObject")
	wantProblem(t, promote(), problem.Denied, "promoting app 1.0.0: at the source", "s3:GetObject")
	if got := keys(t, chartrepo.StoreOf(to)); len(got) != 0 {
		t.Errorf("the target has %q", got)
	}
	denyFrom("")
	denyTo("/uat/index.yaml", "s3:PutObject")
	wantProblem(t, promote(), problem.Denied, "promoting app 1.0.0", "s3:PutObject")
	denyTo("")
	if err := promote(); err != nil {
		t.Error(err)
	}
}
