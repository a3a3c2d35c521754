package pipelines_test

import (
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/pinnace-dev/pinnace/charts"
	"github.com/pinnace-dev/pinnace/localaws"
	"github.com/pinnace-dev/pinnace/terraform/policies"
)

const (
	audience = "sts.amazonaws.com"
	prefix   = "stable/"
)

// account is an AWS account as Terraform would leave it for two environments: a private bucket each, and for each a
// role that one subject of the pipeline's issuer may assume.
type account struct {
	*localaws.Server
	issuer *localaws.Issuer
	s3     *s3.Client
	iam    *iam.Client
	roles  map[string]string // ARN by environment
}

// newAccount makes the account; subjects are those of the pipeline's tokens by environment.
func newAccount(t *testing.T, subjects map[string]string) *account {
	t.Helper()
	a := &account{roles: map[string]string{}}
	var err error
	if a.Server, err = localaws.Start(localaws.Config{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = a.Close() })
	if a.issuer, err = localaws.StartIssuer(nil); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = a.issuer.Close() })
	id, key := a.RootKeys()
	root := aws.Config{
		Region: a.Region(), BaseEndpoint: aws.String(a.URL()),
		Credentials: credentials.NewStaticCredentialsProvider(id, key, ""),
	}
	a.s3 = s3.NewFromConfig(root, func(o *s3.Options) { o.UsePathStyle = true })
	a.iam = iam.NewFromConfig(root)
	_, err = a.iam.CreateOpenIDConnectProvider(t.Context(), &iam.CreateOpenIDConnectProviderInput{
		Url: aws.String(a.issuer.URL()), ClientIDList: []string{audience},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, environment := range []string{"uat", "prod"} {
		a.makeBucket(t, environment)
		a.makeRole(t, environment, subjects[environment])
	}
	a.allow(t, "prod", "reader", "uat") // what is promoted comes from there
	return a
}

func bucket(environment string) string { return "acme-charts-" + environment }

func (a *account) makeBucket(t *testing.T, environment string) {
	t.Helper()
	name := bucket(environment)
	_, err := a.s3.CreateBucket(t.Context(), &s3.CreateBucketInput{
		Bucket: &name, CreateBucketConfiguration: &s3types.CreateBucketConfiguration{
			LocationConstraint: s3types.BucketLocationConstraint(a.Region()),
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	policy := a.policy(t, "chart-repository-bucket", environment, "")
	if _, err := a.s3.PutBucketPolicy(t.Context(), &s3.PutBucketPolicyInput{Bucket: &name, Policy: &policy}); err != nil {
		t.Fatal(err)
	}
}

func (a *account) makeRole(t *testing.T, environment, subject string) {
	t.Helper()
	trust := a.policy(t, "publisher-trust", environment, subject)
	made, err := a.iam.CreateRole(t.Context(), &iam.CreateRoleInput{
		RoleName: aws.String("charts-" + environment), AssumeRolePolicyDocument: &trust,
	})
	if err != nil {
		t.Fatal(err)
	}
	a.roles[environment] = aws.ToString(made.Role.Arn)
	a.allow(t, environment, "publisher", environment)
}

// allow gives an environment's role a policy for another's repository, or its own.
func (a *account) allow(t *testing.T, role, template, environment string) {
	t.Helper()
	document := a.policy(t, template, environment, "")
	_, err := a.iam.PutRolePolicy(t.Context(), &iam.PutRolePolicyInput{
		RoleName: aws.String("charts-" + role), PolicyName: aws.String(template + "-" + environment),
		PolicyDocument: &document,
	})
	if err != nil {
		t.Fatal(err)
	}
}

// policy renders a template that Terraform renders, too.
func (a *account) policy(t *testing.T, template, environment, subject string) string {
	t.Helper()
	all := map[string]string{
		"bucket_arn": "arn:aws:s3:::" + bucket(environment), "prefix": prefix, "account_id": a.Account(),
		"provider_arn": "arn:aws:iam::" + a.Account() + ":oidc-provider/" + a.issuer.Host(),
		"issuer":       a.issuer.Host(), "subject": subject, "audience": audience,
		"maintainer_role_arn": "arn:aws:iam::" + a.Account() + ":role/chart-maintainer",
	}
	wanted, err := policies.Variables(policies.Templates, template)
	if err != nil {
		t.Fatal(err)
	}
	maps.DeleteFunc(all, func(name, _ string) bool { return !slices.Contains(wanted, name) })
	document, err := policies.Render(policies.Templates, template, all)
	if err != nil {
		t.Fatal(err)
	}
	return document
}

// object reads what an environment's bucket has under a key, or nil.
func (a *account) object(t *testing.T, environment, key string) []byte {
	t.Helper()
	out, err := a.s3.GetObject(t.Context(), &s3.GetObjectInput{
		Bucket: aws.String(bucket(environment)), Key: aws.String(prefix + key),
	})
	if err != nil {
		return nil
	}
	body, err := io.ReadAll(out.Body)
	if err != nil {
		t.Fatal(err)
	}
	return body
}

// published are the digests in an environment's index, by "NAME VERSION".
func (a *account) published(t *testing.T, environment string) map[string]string {
	t.Helper()
	body := a.object(t, environment, "index.yaml")
	found := map[string]string{}
	if body == nil {
		return found
	}
	var index struct {
		Entries map[string][]struct{ Name, Version, Digest string }
	}
	if err := json.Unmarshal(body, &index); err != nil {
		t.Fatal(err)
	}
	for _, entries := range index.Entries {
		for _, e := range entries {
			found[e.Name+" "+e.Version] = e.Digest
		}
	}
	return found
}

// sameInBoth checks that prod has uat's very versions and bytes, and that there are so many.
func (a *account) sameInBoth(t *testing.T, versions int) {
	t.Helper()
	uat, prod := a.published(t, "uat"), a.published(t, "prod")
	if len(uat) != versions || !maps.Equal(uat, prod) {
		t.Errorf("uat has %v, prod has %v, want the same %d versions", uat, prod, versions)
	}
	for version := range uat {
		key := nameOf(version) + ".tgz"
		if one := a.object(t, "uat", key); one == nil || !bytes.Equal(one, a.object(t, "prod", key)) {
			t.Errorf("%s is not the same archive in uat and prod", key)
		}
	}
}

func nameOf(version string) string {
	return string(bytes.ReplaceAll([]byte(version), []byte(" "), []byte("-")))
}

// project is a team's repository: pinnace.yaml, this project's own chart and a small one.
func project(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(filepath.Join(dir, "charts"), charts.FS); err != nil {
		t.Fatal(err)
	}
	for name, body := range map[string]string{
		"pinnace.yaml": "repositories:\n" +
			"  uat: {url: \"s3://" + bucket("uat") + "/stable\"}\n" +
			"  prod: {url: \"s3://" + bucket("prod") + "/stable\"}\n" +
			"environments:\n" +
			"  uat: {repository: uat, values: [values-uat.yaml]}\n" +
			"  prod: {repository: prod, values: [values-prod.yaml]}\n",
		"charts/web/Chart.yaml":        "apiVersion: v2\nname: web\nversion: 1.4.0+build.7\ndescription: a small one\n",
		"charts/web/values.yaml":       "colour: grey\n",
		"charts/web/values-prod.yaml":  "colour: green\n",
		"charts/web/templates/cm.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: web}\ndata: {colour: {{ .Values.colour }}}\n",
	} {
		write(t, filepath.Join(dir, name), body)
	}
	return dir
}

func write(t *testing.T, file, body string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(body), 0o600); err != nil {
		t.Fatal(err)
	}
}
