package infralint

import (
	"slices"
	"strings"
)

// policiesOf answers the documents of a bucket; unclear when there may be others.
func (j *judge) policiesOf(bucket *resource) (documents []document, unclear bool) {
	found, unclear := j.belonging(bucket, "aws_s3_bucket_policy", "bucket")
	values := []value{bucket.get("policy")}
	for _, r := range found {
		values = append(values, r.get("policy"))
	}
	for _, v := range values {
		if v.blank() {
			continue
		}
		d, ok := documentOf(v)
		unclear = unclear || !ok || d.open
		documents = append(documents, d)
	}
	return documents, unclear
}

func checkBucketPublic(j *judge) error {
	for _, r := range j.of("aws_s3_bucket_policy", "aws_s3_bucket") {
		d, _ := documentOf(r.get("policy"))
		for _, s := range d.statements {
			if s.allows() && s.anybody() && !s.narrowed() {
				j.find(r, s.at, "the policy allows everybody")
			}
		}
	}
	for _, r := range j.of("aws_s3_bucket_acl", "aws_s3_bucket") {
		acl := r.get("acl")
		if acl.is("public-read") || acl.is("public-read-write") || acl.is("authenticated-read") {
			j.find(r, acl.at, "the ACL is a public one")
		}
	}
	return nil
}

// The settings of a public access block.
var publicAccess = []string{"block_public_acls", "block_public_policy", "ignore_public_acls", "restrict_public_buckets"}

func checkPublicAccessBlock(j *judge) error {
	for _, bucket := range j.of("aws_s3_bucket") {
		found, more := j.belonging(bucket, "aws_s3_bucket_public_access_block", "bucket")
		if len(found) == 0 && !more {
			j.find(bucket, bucket.at, "the bucket has no aws_s3_bucket_public_access_block")
		}
		for _, r := range found {
			for _, name := range publicAccess {
				if v := r.get(name); v.unset() || v.is("false") {
					j.find(r, v.at, "%s is not true", name)
				}
			}
		}
	}
	return nil
}

func checkBucketTLS(j *judge) error {
	for _, bucket := range j.of("aws_s3_bucket") {
		documents, unclear := j.policiesOf(bucket)
		safe := unclear
		for _, d := range documents {
			safe = safe || slices.ContainsFunc(d.statements, statement.demandsTLS)
		}
		if !safe {
			j.find(bucket, bucket.at, "no policy of the bucket denies aws:SecureTransport = false")
		}
	}
	return nil
}

// demandsTLS tells whether the statement refuses plain HTTP to everybody, or may do so.
func (s statement) demandsTLS() bool {
	if !s.denies() && s.effect.kind != unknown {
		return false
	}
	return s.unclear || slices.ContainsFunc(s.conditions, func(c condition) bool {
		plain := c.key == "aws:securetransport" && strings.HasPrefix(c.operator, "bool") &&
			!slices.ContainsFunc(c.values, func(v value) bool { return v.is("true") })
		return plain || strings.Contains(c.key, opening)
	})
}

// checkCompanion makes a check for a resource that each bucket should have, and for what stands in it. inline is the
// argument that older configurations have in the bucket itself.
func checkCompanion(kind, inline, missing string, wrong func(r *resource) (value, string)) func(*judge) error {
	return func(j *judge) error {
		for _, bucket := range j.of("aws_s3_bucket") {
			found, more := j.belonging(bucket, kind, "bucket")
			if len(found) == 0 && !more && (inline == "" || !j.inline(bucket, inline)) {
				j.find(bucket, bucket.at, "%s", missing)
			}
			for _, r := range found {
				if v, what := wrong(r); what != "" {
					j.find(r, v.at, "%s", what)
				}
			}
		}
		return nil
	}
}

// inline tells whether a bucket has the argument itself. In plans and states it always does, computed from what is so.
func (j *judge) inline(bucket *resource, name string) bool {
	v := bucket.get(name)
	if v.blank() {
		return false
	}
	return !slices.ContainsFunc(v.all("enabled"), func(enabled value) bool { return enabled.is("false") })
}

func nothingWrong(*resource) (value, string) { return value{}, "" }

var checkEncryption = checkCompanion("aws_s3_bucket_server_side_encryption_configuration",
	"server_side_encryption_configuration", "the bucket says nothing of how it is encrypted", nothingWrong)

var checkOwnership = checkCompanion("aws_s3_bucket_ownership_controls", "", "the bucket has no ownership controls",
	func(r *resource) (value, string) {
		v := r.get("rule", "object_ownership")
		if text, ok := v.known(); ok && text != "BucketOwnerEnforced" {
			return v, "object_ownership is not BucketOwnerEnforced"
		}
		return v, ""
	})

var checkVersioning = checkCompanion("aws_s3_bucket_versioning", "versioning", "the bucket has no versions",
	func(r *resource) (value, string) {
		v := r.get("versioning_configuration", "status")
		if text, ok := v.known(); ok && text != "Enabled" {
			return v, "the versioning of the bucket is not enabled"
		}
		return v, ""
	})

var checkLifecycle = checkCompanion("aws_s3_bucket_lifecycle_configuration", "lifecycle_rule",
	"the bucket has no lifecycle: its old versions grow for ever", nothingWrong)

func checkLogging(j *judge) error {
	targets := j.of("aws_s3_bucket_logging")
	if len(j.of("aws_cloudtrail")) > 0 {
		return nil // it may follow the objects
	}
	for _, bucket := range j.of("aws_s3_bucket") {
		found, more := j.belonging(bucket, "aws_s3_bucket_logging", "bucket")
		isTarget := slices.ContainsFunc(targets, func(r *resource) bool { return r.get("target_bucket").isOf(bucket) })
		if len(found) == 0 && !more && !isTarget && !j.inline(bucket, "logging") {
			j.find(bucket, bucket.at, "nobody logs who reads the bucket")
		}
	}
	return nil
}

func checkForceDestroy(j *judge) error {
	for _, bucket := range j.of("aws_s3_bucket") {
		if v := bucket.get("force_destroy"); v.is("true") && bucket.stage() != rehearsal {
			j.find(bucket, v.at, "force_destroy is true")
		}
	}
	return nil
}

// checkOverwrite looks at buckets that say themselves that they hold charts.
func checkOverwrite(j *judge) error {
	for _, bucket := range j.of("aws_s3_bucket") {
		text := strings.ToLower(bucket.name + " " + bucket.get("bucket").literal())
		if !strings.Contains(text, "chart") && !strings.Contains(text, "helm") {
			continue
		}
		documents, guarded := j.policiesOf(bucket)
		for _, d := range documents {
			guarded = guarded || slices.ContainsFunc(d.statements, func(s statement) bool {
				return s.unclear || slices.ContainsFunc(s.conditions, func(c condition) bool {
					return c.key == "s3:if-none-match" || strings.Contains(c.key, opening)
				})
			})
		}
		if !guarded {
			j.find(bucket, bucket.at, "no policy of this bucket of charts requires s3:if-none-match")
		}
	}
	return nil
}
