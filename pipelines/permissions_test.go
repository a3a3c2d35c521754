package pipelines_test

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// Tags take a policy that a publisher only gets when it is asked for; the one for its own prefix, not a neighbour's.
func TestPublisherTags(t *testing.T) {
	a := newAccount(t, map[string]string{"uat": "publisher", "prod": "nobody"})
	program, err := built()
	if err != nil {
		t.Fatal(err)
	}
	dir := project(t)
	token, err := a.issuer.Token("publisher", audience, time.Hour, nil)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "token")
	write(t, file, token)
	env := machine(a, t.TempDir())
	env["AWS_REGION"], env["AWS_ROLE_ARN"], env["AWS_WEB_IDENTITY_TOKEN_FILE"] = a.Region(), a.roles["uat"], file
	publish := func(flags string) (string, error) {
		return shell(t, dir, program+" publish charts/web --repo uat "+flags, env)
	}

	out, err := publish("--tag team=platform")
	if err == nil || !strings.Contains(out, "s3:PutObjectTagging") || len(a.published(t, "uat")) != 0 {
		t.Errorf("without the policy: %v\n%s", err, out)
	}
	a.allow(t, "uat", "tagging", "prod") // of the other bucket
	if out, err := publish("--tag team=platform"); err == nil || len(a.published(t, "uat")) != 0 {
		t.Errorf("with a policy for another bucket: %s", out)
	}
	a.allow(t, "uat", "tagging", "uat")
	if out, err := publish("--tag team=platform"); err != nil {
		t.Errorf("with the policy: %v\n%s", err, out)
	}
	for _, key := range []string{"web-1.4.0+build.7.tgz", "index.yaml"} {
		tagged, err := a.s3.GetObjectTagging(t.Context(), &s3.GetObjectTaggingInput{
			Bucket: aws.String(bucket("uat")), Key: aws.String(prefix + key),
		})
		if err != nil {
			t.Fatal(err)
		}
		if set := tagged.TagSet; len(set) != 1 || *set[0].Key != "team" || *set[0].Value != "platform" {
			t.Errorf("%s has the tags %v", key, set)
		}
	}
}
