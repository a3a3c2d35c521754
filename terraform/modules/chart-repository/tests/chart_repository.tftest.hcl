mock_provider "aws" {}

variables {
  bucket              = "acme-charts-uat"
  prefix              = "stable/"
  maintainer_role_arn = "arn:aws:iam::111122223333:role/charts-maintainer"
}

run "private" {
  assert {
    condition = alltrue([
      aws_s3_bucket_public_access_block.this.block_public_acls, aws_s3_bucket_public_access_block.this.block_public_policy,
      aws_s3_bucket_public_access_block.this.ignore_public_acls, aws_s3_bucket_public_access_block.this.restrict_public_buckets,
    ])
    error_message = "the bucket may be public"
  }
  assert {
    condition     = one(aws_s3_bucket_ownership_controls.this.rule).object_ownership == "BucketOwnerEnforced"
    error_message = "access lists decide who may read"
  }
  assert {
    condition     = one(aws_s3_bucket_versioning.this.versioning_configuration).status == "Enabled"
    error_message = "no versions are kept"
  }
  assert {
    condition     = !aws_s3_bucket.this.force_destroy
    error_message = "destroying deletes charts"
  }
  assert {
    condition = alltrue([for rule in aws_s3_bucket_server_side_encryption_configuration.this.rule :
    rule.apply_server_side_encryption_by_default[0].sse_algorithm == "AES256" && !rule.bucket_key_enabled])
    error_message = "not encrypted by S3"
  }
  assert {
    condition     = output.policy == templatefile("../../policies/chart-repository-bucket.json.tftpl", { bucket_arn = "arn:aws:s3:::acme-charts-uat", maintainer_role_arn = var.maintainer_role_arn })
    error_message = "the policy is not the template's"
  }
  assert {
    condition     = alltrue([for statement in jsondecode(output.policy).Statement : statement.Effect == "Deny"])
    error_message = "somebody is let in"
  }
  assert {
    condition     = output.url == "s3://acme-charts-uat/stable" && output.bucket_arn == "arn:aws:s3:::acme-charts-uat"
    error_message = "url ${output.url}, ARN ${output.bucket_arn}"
  }
  assert {
    condition     = one([for rule in aws_s3_bucket_lifecycle_configuration.this.rule : one(rule.noncurrent_version_expiration).noncurrent_days if rule.id == "old-versions"]) == 90
    error_message = "old versions grow for ever"
  }
}

run "readers_and_key" {
  variables {
    reader_arns = ["arn:aws:iam::444455556666:root", "arn:aws:iam::111122223333:role/argocd"]
    kms_key_arn = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
    log_bucket  = "acme-logs"
  }
  assert {
    condition     = toset(flatten([for statement in jsondecode(output.policy).Statement : statement.Principal.AWS if statement.Effect == "Allow"])) == toset(var.reader_arns)
    error_message = "those who are let in are not the readers"
  }
  assert {
    condition     = toset([for statement in jsondecode(output.policy).Statement : statement.Action if statement.Effect == "Allow"]) == toset(["s3:GetObject", "s3:ListBucket"])
    error_message = "readers may do something else"
  }
  assert {
    condition     = length([for statement in jsondecode(output.policy).Statement : statement if statement.Effect == "Deny"]) == 4
    error_message = "a guard is lost"
  }
  assert {
    condition = alltrue([for rule in aws_s3_bucket_server_side_encryption_configuration.this.rule :
    rule.apply_server_side_encryption_by_default[0].kms_master_key_id == var.kms_key_arn && rule.bucket_key_enabled])
    error_message = "not encrypted by the key"
  }
  assert {
    condition     = one(aws_s3_bucket_logging.this).target_bucket == "acme-logs"
    error_message = "no access logs"
  }
}

run "nobody_deletes" {
  command = plan
  variables {
    maintainer_role_arn = null
    prefix              = ""
  }
  assert {
    condition     = strcontains(aws_s3_bucket_policy.this.policy, "arn:aws:iam::000000000000:role/nobody") && output.url == "s3://acme-charts-uat"
    error_message = "somebody deletes, or the url is wrong"
  }
}

run "bucket_with_capitals" {
  command = plan
  variables {
    bucket = "Acme-Charts"
  }
  expect_failures = [var.bucket]
}

run "bucket_too_long" {
  command = plan
  variables {
    bucket = "acme-charts-0123456789-0123456789-0123456789-0123456789-01234567"
  }
  expect_failures = [var.bucket]
}

run "prefix_without_slash" {
  command = plan
  variables {
    prefix = "stable"
  }
  expect_failures = [var.prefix]
}

run "maintainer_wildcard" {
  command = plan
  variables {
    maintainer_role_arn = "arn:aws:iam::111122223333:role/*"
  }
  expect_failures = [var.maintainer_role_arn]
}

run "reader_everybody" {
  command = plan
  variables {
    reader_arns = ["*"]
  }
  expect_failures = [var.reader_arns]
}

run "key_alias" {
  command = plan
  variables {
    kms_key_arn = "arn:aws:kms:eu-west-1:111122223333:alias/charts"
  }
  expect_failures = [var.kms_key_arn]
}

run "days" {
  command = plan
  variables {
    noncurrent_days           = 0
    newer_noncurrent_versions = 101
    partition                 = "moon"
  }
  expect_failures = [var.noncurrent_days, var.newer_noncurrent_versions, var.partition]
}
