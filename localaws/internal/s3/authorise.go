package s3

import (
	"maps"
	"net/http"
	"strings"

	"github.com/pinnace-dev/pinnace/localaws/internal/api"
)

// conditionHeaders are the request headers that policies can judge, as s3:NAME.
var conditionHeaders = []string{
	"if-match", "if-none-match", "x-amz-acl", "x-amz-copy-source", "x-amz-metadata-directive",
	"x-amz-server-side-encryption", "x-amz-server-side-encryption-aws-kms-key-id", "x-amz-storage-class",
}

// conditionParameters are the query parameters of listings that policies can judge, as s3:NAME.
var conditionParameters = []string{"prefix", "delimiter", "max-keys"}

// question is the permission that r needs for the operation itself.
func (r *request) question() api.Question {
	q := api.Question{Action: r.action(), Resource: "*", Condition: map[string][]string{}}
	if r.bucketName != "" {
		q.Resource = arn(r.bucketName, r.key)
	}
	for _, name := range conditionHeaders {
		if values := r.Request.Header.Values(name); len(values) > 0 {
			q.Condition["s3:"+name] = []string{strings.Join(values, ",")} // keys of one value
		}
	}
	if r.key == "" {
		for _, name := range conditionParameters {
			if r.query.Has(name) {
				q.Condition["s3:"+name] = r.query[name]
			}
		}
	}
	if id := r.versionID(); id != "" {
		q.Condition["s3:VersionId"] = []string{id}
	}
	if q.Action == "s3:PutObject" {
		addTagConditions(q, r.Request.Header)
		q.Condition["s3:ObjectCreationOperation"] = []string{r.createsObject()}
	}
	return q
}

// createsObject is "true" when the request makes an object appear, "false" when it prepares one by parts. Policies use
// it to demand conditions of the former only.
func (r *request) createsObject() string {
	if r.subresource == "uploads" || r.subresource == "uploadId" && r.Request.Method == http.MethodPut {
		return "false"
	}
	return "true"
}

// mayReadObject asks for the permission to read r's object, which a write that tells whether an ETag matches needs too.
func (s *Service) mayReadObject(r *request) *api.Error {
	return s.allow(r, r.bucket, api.Question{Action: "s3:GetObject", Resource: arn(r.bucketName, r.key)})
}

// absent answers err, and if it says that an object is not there, only to those who may list the bucket at that key.
// Others do not learn it.
func (s *Service) absent(r *request, b *bucket, key string, err *api.Error) *api.Error {
	if err.Status != http.StatusNotFound {
		return err
	}
	denied := s.allow(r, b, api.Question{
		Action: "s3:ListBucket", Resource: arn(b.name, ""), Condition: map[string][]string{"s3:prefix": {key}},
	})
	if denied == nil {
		return err
	}
	r.w.Header().Del("X-Amz-Delete-Marker")
	r.w.Header().Del("X-Amz-Version-Id")
	return denied
}

// allow decides q under the policy of b, which is nil when the question is not about an existing bucket. The caller
// must not hold the lock.
func (s *Service) allow(r *request, b *bucket, q api.Question) *api.Error {
	q.Condition = s.withTransport(r, q.Condition)
	if b == nil {
		if r.Principal.Kind == api.Anonymous {
			return errAccessDenied()
		}
		return s.cfg.Access.Allow(r.Call, q)
	}
	s.mu.RLock()
	policy, block := b.policy, b.publicBlock
	s.mu.RUnlock()
	if r.Principal.Kind == api.Anonymous && policy == nil {
		return errAccessDenied()
	}
	if policy != nil {
		outsider := r.Principal.Kind != api.Service && r.Principal.Account != s.cfg.Account
		if outsider && policy.public && block != nil && block.RestrictPublicBuckets {
			return errAccessDenied()
		}
		if !s.cannotBeLockedOut(r, q.Action) {
			q.Policy = policy.text
		}
	}
	return s.cfg.Access.Allow(r.Call, q)
}

// withTransport adds the keys that tell how a request is signed and carried to a copy of keys.
func (s *Service) withTransport(r *request, keys map[string][]string) map[string][]string {
	all := map[string][]string{}
	if r.AuthType != "" {
		all["s3:authType"], all["s3:signatureversion"] = []string{r.AuthType}, []string{"AWS4-HMAC-SHA256"}
	}
	if !s.cfg.InsecureTransport {
		all["s3:TlsVersion"] = []string{"1.3"}
	}
	if len(all) == 0 {
		return keys
	}
	maps.Copy(all, keys)
	return all
}

// cannotBeLockedOut tells whether the caller is the root user who looks after the bucket policy: no bucket policy
// denies that to the owner of the bucket.
func (s *Service) cannotBeLockedOut(r *request, action string) bool {
	switch action {
	case "s3:GetBucketPolicy", "s3:PutBucketPolicy", "s3:DeleteBucketPolicy":
		return r.Principal.Kind == api.Root && r.Principal.Account == s.cfg.Account
	}
	return false
}

func arn(bucket, key string) string {
	if key == "" {
		return "arn:aws:s3:::" + bucket
	}
	return "arn:aws:s3:::" + bucket + "/" + key
}
