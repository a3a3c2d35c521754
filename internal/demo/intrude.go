package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/pinnace-dev/pinnace/internal/chartrepo"
	"github.com/pinnace-dev/pinnace/internal/identity"
	"github.com/pinnace-dev/pinnace/internal/objstore/s3"
	"github.com/pinnace-dev/pinnace/internal/problem"
)

// bytesReader is what the S3 client sends without reading it twice.
func bytesReader(b []byte) io.Reader { return strings.NewReader(string(b)) }

// refused checks that an intruder was refused for the right reason and answers the reason as a line.
func refused(who string, err error, want ...string) ([]string, error) {
	if err == nil {
		return nil, errors.New(who + " was let in")
	}
	for _, text := range want {
		if !strings.Contains(err.Error(), text) {
			return nil, fmt.Errorf("%s failed, but not with %q: %w", who, text, err)
		}
	}
	reason := err.Error()
	if i := strings.LastIndex(reason, "api error "); i >= 0 {
		reason = reason[i+len("api error "):]
	}
	return []string{who + ": " + strings.ReplaceAll(reason, "\n", " ")}, nil
}

// otherServiceAccount shows the role to a pod of the same cluster and namespace, but of another service account.
func otherServiceAccount(ctx context.Context, r *run) ([]string, error) {
	cfg, err := r.assume(ctx, r.Prod.cluster, serviceAccount("intruder"), r.Prod.RoleARN, "intruder")
	if err == nil {
		_, err = identity.WhoAmI(ctx, cfg)
	}
	return refused("service account "+namespace+"/intruder", err, "sts:AssumeRoleWithWebIdentity")
}

// otherSecret reads uat's secret with the session of prod's pod, then tries to become uat's pod with prod's token.
func otherSecret(ctx context.Context, r *run) ([]string, error) {
	cfg, err := r.assume(ctx, r.Prod.cluster, serviceAccount(account), r.Prod.RoleARN, "curious")
	if err != nil {
		return nil, err
	}
	_, err = secretsmanager.NewFromConfig(cfg).GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{
		SecretId: &r.UAT.SecretARN,
	})
	read, err := refused("prod's pod reading "+r.UAT.SecretName, err, "AccessDenied", "secretsmanager:GetSecretValue")
	if err != nil {
		return read, err
	}
	cfg, err = r.assume(ctx, r.Prod.cluster, serviceAccount(account), r.UAT.RoleARN, "climber")
	if err == nil {
		_, err = identity.WhoAmI(ctx, cfg)
	}
	climb, err := refused("prod's pod asking for uat's role", err, "sts:AssumeRoleWithWebIdentity")
	return append(read, climb...), err
}

// anonymous reads the chart and the index without credentials.
func anonymous(ctx context.Context, r *run) ([]string, error) {
	var detail []string
	for _, key := range []string{"index.yaml", r.archiveName()} {
		url := r.AWS.URL() + "/" + bucket + "/" + prefix + "/" + key
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return nil, err
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			return nil, err
		}
		_ = response.Body.Close()
		if response.StatusCode != http.StatusForbidden {
			return nil, fmt.Errorf("an anonymous reader got %s for %s", response.Status, key)
		}
		detail = append(detail, "anonymous GET "+key+": "+response.Status)
	}
	return detail, nil
}

// refuseOverwrite tries to replace the published archive by that of changed, with the publisher's own identity.
func (r *run) refuseOverwrite(ctx context.Context, changed chartrepo.Package) ([]string, error) {
	cfg, err := r.assume(ctx, r.pipeline, pipeline, r.publisherRole, "overwriter")
	if err != nil {
		return nil, err
	}
	_, err = r.repository(s3.Open(cfg, bucket, prefix)).Publish(ctx, changed)
	if err != nil && problem.KindOf(err) != problem.Conflict {
		return nil, fmt.Errorf("publishing the changed chart failed, but not as a conflict: %w", err)
	}
	byPinnace, err := refused("pinnace publish", err)
	if err != nil {
		return nil, err
	}
	// Somebody else's tool, which asks for nothing: the bucket's policy refuses it.
	client := awss3.NewFromConfig(cfg, func(o *awss3.Options) { o.UsePathStyle = true })
	_, err = client.PutObject(ctx, &awss3.PutObjectInput{
		Bucket: aws.String(bucket), Key: aws.String(prefix + "/" + chartName + "-" + changed.Version + ".tgz"),
		Body: bytesReader(changed.Archive),
	})
	byOthers, err := refused("an unconditional put", err, "AccessDenied", "explicit deny")
	return append(byPinnace, byOthers...), err
}
