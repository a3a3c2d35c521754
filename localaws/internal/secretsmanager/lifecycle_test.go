package secretsmanager

import (
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sm "github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
	"github.com/google/go-cmp/cmp"
)

func TestRecoveryWindow(t *testing.T) {
	b := newBench(t)
	ctx, root := t.Context(), b.as("root")
	created := b.create(t, "s")
	del := func(in sm.DeleteSecretInput) (*sm.DeleteSecretOutput, error) {
		in.SecretId = aws.String("s")
		return root.DeleteSecret(ctx, &in)
	}
	for name, in := range map[string]sm.DeleteSecretInput{
		"too short": {RecoveryWindowInDays: aws.Int64(6)},
		"too long":  {RecoveryWindowInDays: aws.Int64(31)},
		"both":      {RecoveryWindowInDays: aws.Int64(7), ForceDeleteWithoutRecovery: aws.Bool(true)},
	} {
		if _, err := del(in); code(err) != "InvalidParameterException" {
			t.Errorf("%s: %v", name, err)
		}
	}
	out, err := del(sm.DeleteSecretInput{})
	if must(t, out, err); !out.DeletionDate.Equal(b.now.AddDate(0, 0, 30)) {
		t.Errorf("the default window ends %s", out.DeletionDate)
	}
	restored, err := root.RestoreSecret(ctx, &sm.RestoreSecretInput{SecretId: aws.String("s")})
	must(t, restored, err)
	got, err := root.GetSecretValue(ctx, &sm.GetSecretValueInput{SecretId: aws.String("s")})
	must(t, got, err)

	out, err = del(sm.DeleteSecretInput{RecoveryWindowInDays: aws.Int64(7)})
	must(t, out, err)
	for name, do := range map[string]func() error{
		"get": func() error {
			_, err := root.GetSecretValue(ctx, &sm.GetSecretValueInput{SecretId: created.ARN})
			return err
		},
		"put":    func() error { return b.step(t, "put v2") },
		"move":   func() error { return b.step(t, "move blue - v1") },
		"delete": func() error { _, err := del(sm.DeleteSecretInput{}); return err },
		"tag": func() error {
			_, err := root.TagResource(ctx, &sm.TagResourceInput{SecretId: created.ARN, Tags: []types.Tag{}})
			return err
		},
		"create": func() error {
			_, err := root.CreateSecret(ctx, &sm.CreateSecretInput{Name: aws.String("s")})
			return err
		},
	} {
		if err := do(); code(err) != "InvalidRequestException" {
			t.Errorf("%s of a deleted secret: %v", name, err)
		}
	}
	d, err := root.DescribeSecret(ctx, &sm.DescribeSecretInput{SecretId: aws.String("s")})
	if must(t, d, err); d.DeletedDate == nil || !d.DeletedDate.Equal(*out.DeletionDate) {
		t.Errorf("described as deleted at %v", d.DeletedDate)
	}
	b.now = out.DeletionDate.Add(-time.Second)
	if _, err := root.DescribeSecret(ctx, &sm.DescribeSecretInput{SecretId: aws.String("s")}); err != nil {
		t.Errorf("a second before the window ends: %v", err)
	}
	b.now = *out.DeletionDate
	_, err = root.DescribeSecret(ctx, &sm.DescribeSecretInput{SecretId: aws.String("s")})
	if code(err) != "ResourceNotFoundException" {
		t.Errorf("when the window ends: %v", err)
	}
	if again := b.create(t, "s"); *again.ARN == *created.ARN {
		t.Error("a new secret has the ARN of the old one")
	}
}

func TestForcedDeletion(t *testing.T) {
	b := newBench(t)
	b.create(t, "s")
	for range 2 { // the second time there is nothing to delete, and that is fine
		_, err := b.as("root").DeleteSecret(t.Context(), &sm.DeleteSecretInput{
			SecretId: aws.String("s"), ForceDeleteWithoutRecovery: aws.Bool(true),
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	b.create(t, "s")
}

func TestListing(t *testing.T) {
	b := newBench(t)
	ctx, root := t.Context(), b.as("root")
	for _, s := range []struct{ name, about, key, value string }{
		{"prod/key", "Ingress key", "env", "prod"},
		{"uat/key", "ingress key", "env", "uat"},
		{"uat/db", "Database", "tier", "uat"},
		{"other", "", "", ""},
	} {
		in := &sm.CreateSecretInput{Name: &s.name, Description: &s.about}
		if s.key != "" {
			in.Tags = []types.Tag{{Key: &s.key, Value: &s.value}}
		}
		out, err := root.CreateSecret(ctx, in)
		must(t, out, err)
		b.now = b.now.Add(time.Minute)
	}
	for name, tc := range map[string]struct {
		in   sm.ListSecretsInput
		want string
	}{
		"all":              {sm.ListSecretsInput{}, "prod/key uat/key uat/db other"},
		"newest first":     {sm.ListSecretsInput{SortOrder: "desc"}, "other uat/db uat/key prod/key"},
		"by name":          {sm.ListSecretsInput{SortBy: "name"}, "other prod/key uat/db uat/key"},
		"pages":            {sm.ListSecretsInput{MaxResults: aws.Int32(3)}, "prod/key uat/key uat/db other"},
		"name":             {filtered("name", "uat/"), "uat/key uat/db"},
		"name, case":       {filtered("name", "UAT/"), ""},
		"name, either":     {filtered("name", "oth", "prod"), "prod/key other"},
		"not name":         {filtered("name", "!uat/"), "prod/key other"},
		"description":      {filtered("description", "INGRESS"), "prod/key uat/key"},
		"tag key":          {filtered("tag-key", "env"), "prod/key uat/key"},
		"tag value":        {filtered("tag-value", "uat"), "uat/key uat/db"},
		"words":            {filtered("all", "Key PROD"), "prod/key"},
		"owned by service": {filtered("owning-service", "rds"), ""},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			for pages := sm.NewListSecretsPaginator(root, &tc.in); pages.HasMorePages(); {
				page, err := pages.NextPage(ctx)
				for _, s := range must(t, page, err).SecretList {
					got = append(got, *s.Name)
				}
			}
			if diff := cmp.Diff(tc.want, strings.Join(got, " ")); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func filtered(key string, values ...string) sm.ListSecretsInput {
	return sm.ListSecretsInput{Filters: []types.Filter{{Key: types.FilterNameStringType(key), Values: values}}}
}

func TestBatch(t *testing.T) {
	b := newBench(t)
	ctx := t.Context()
	mine, theirs := b.create(t, "mine"), b.create(t, "theirs")
	b.access.grants = []grant{
		{"pod", "secretsmanager:BatchGetSecretValue", "*"},
		{"pod", "secretsmanager:GetSecretValue", *mine.ARN},
		{"pod", "secretsmanager:GetSecretValue", prefix + "gone*"},
	}
	pod := b.as("pod")
	out, err := pod.BatchGetSecretValue(ctx, &sm.BatchGetSecretValueInput{
		SecretIdList: []string{"mine", *theirs.ARN, "gone", "unknown"},
	})
	must(t, out, err)
	if len(out.SecretValues) != 1 || *out.SecretValues[0].SecretString != "obviously-fake-mine" {
		t.Errorf("values: %d", len(out.SecretValues))
	}
	got := map[string]string{}
	for _, e := range out.Errors {
		got[*e.SecretId] = *e.ErrorCode
	}
	want := map[string]string{
		*theirs.ARN: "AccessDeniedException", "gone": "ResourceNotFoundException", "unknown": "AccessDeniedException",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	byName := &sm.BatchGetSecretValueInput{Filters: filtered("name", "mi", "th").Filters, MaxResults: aws.Int32(1)}
	if _, err := pod.BatchGetSecretValue(ctx, byName); code(err) != "AccessDeniedException" {
		t.Errorf("filters without ListSecrets: %v", err)
	}
	b.access.grants = append(b.access.grants, grant{"pod", "secretsmanager:ListSecrets", "*"})
	values, errs := 0, 0
	for pages := sm.NewBatchGetSecretValuePaginator(pod, byName); pages.HasMorePages(); {
		page, err := pages.NextPage(ctx)
		must(t, page, err)
		values, errs = values+len(page.SecretValues), errs+len(page.Errors)
	}
	if values != 1 || errs != 1 {
		t.Errorf("by filter: %d values and %d errors, want 1 and 1", values, errs)
	}
}

func TestTags(t *testing.T) {
	b := newBench(t)
	ctx, root := t.Context(), b.as("root")
	b.create(t, "s")
	tag := func(k, v string) types.Tag { return types.Tag{Key: &k, Value: &v} }
	_, err := root.TagResource(ctx, &sm.TagResourceInput{
		SecretId: aws.String("s"), Tags: []types.Tag{tag("a", "1"), tag("b", "2"), tag("a", "3")},
	})
	if err != nil {
		t.Fatal(err)
	}
	_, err = root.UntagResource(ctx, &sm.UntagResourceInput{SecretId: aws.String("s"), TagKeys: []string{"b", "c"}})
	if err != nil {
		t.Fatal(err)
	}
	d, err := root.DescribeSecret(ctx, &sm.DescribeSecretInput{SecretId: aws.String("s")})
	must(t, d, err)
	if len(d.Tags) != 1 || *d.Tags[0].Key != "a" || *d.Tags[0].Value != "3" {
		t.Errorf("tags: %+v", d.Tags)
	}
}

func TestRandomPassword(t *testing.T) {
	b := newBench(t)
	seen := map[string]bool{}
	for range 50 {
		out, err := b.as("root").GetRandomPassword(t.Context(), &sm.GetRandomPasswordInput{
			PasswordLength: aws.Int64(4), ExcludePunctuation: aws.Bool(true), IncludeSpace: aws.Bool(true),
			ExcludeCharacters: aws.String("abc"),
		})
		p := *must(t, out, err).RandomPassword
		if len(p) != 4 || !strings.Contains(p, " ") || strings.ContainsAny(p, "abc"+punctuation) ||
			!strings.ContainsAny(p, digits) || !strings.ContainsAny(p, uppercase) || !strings.ContainsAny(p, lowercase) {
			t.Errorf("password %q", p)
		}
		seen[p] = true
	}
	if len(seen) < 40 {
		t.Errorf("only %d of 50 passwords differ", len(seen))
	}
	_, err := b.as("root").GetRandomPassword(t.Context(), &sm.GetRandomPasswordInput{PasswordLength: aws.Int64(3)})
	if code(err) != "InvalidParameterException" {
		t.Errorf("too short for its kinds: %v", err)
	}
}
