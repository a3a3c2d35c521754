# A private bucket for Helm charts in which a published version never changes and the index is written by
# compare-and-swap alone.

locals {
  policies = "${path.module}/../../policies"
  # A role that cannot exist: without a maintainer nobody deletes what is published.
  maintainer_role_arn = coalesce(var.maintainer_role_arn, "arn:aws:iam::000000000000:role/nobody")

  guards = templatefile("${local.policies}/chart-repository-bucket.json.tftpl", {
    bucket_arn          = local.bucket_arn
    maintainer_role_arn = local.maintainer_role_arn
  })
  readers = length(var.reader_arns) == 0 ? null : templatefile("${local.policies}/chart-repository-readers.json.tftpl", {
    bucket_arn  = local.bucket_arn
    prefix      = var.prefix
    reader_arns = join("\", \"", var.reader_arns)
  })

  # Known before the bucket is made, so that a plan shows the policy.
  bucket_arn = "arn:${var.partition}:s3:::${var.bucket}"
}

# pinnace:accept bucket-logging log_bucket turns it on; where CloudTrail follows the objects it would be told twice
resource "aws_s3_bucket" "this" {
  bucket        = var.bucket
  force_destroy = var.force_destroy
  tags          = var.tags
}

resource "aws_s3_bucket_ownership_controls" "this" {
  bucket = aws_s3_bucket.this.id

  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

resource "aws_s3_bucket_public_access_block" "this" {
  bucket                  = aws_s3_bucket.this.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_versioning" "this" {
  bucket = aws_s3_bucket.this.id

  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "this" {
  bucket = aws_s3_bucket.this.id

  rule {
    bucket_key_enabled = var.kms_key_arn != null

    apply_server_side_encryption_by_default {
      sse_algorithm     = var.kms_key_arn == null ? "AES256" : "aws:kms"
      kms_master_key_id = var.kms_key_arn
    }
  }
}

# Every publish leaves an old index behind, so versions would grow for ever. What waits below .pending/ is never expired:
# the next publisher completes it.
resource "aws_s3_bucket_lifecycle_configuration" "this" {
  bucket = aws_s3_bucket.this.id

  rule {
    id     = "old-versions"
    status = "Enabled"

    filter {}

    noncurrent_version_expiration {
      noncurrent_days           = var.noncurrent_days
      newer_noncurrent_versions = var.newer_noncurrent_versions
    }

    expiration {
      expired_object_delete_marker = true
    }
  }

  rule {
    id     = "broken-uploads"
    status = "Enabled"

    filter {}

    abort_incomplete_multipart_upload {
      days_after_initiation = 1
    }
  }

  depends_on = [aws_s3_bucket_versioning.this]
}

resource "aws_s3_bucket_policy" "this" {
  bucket = aws_s3_bucket.this.id
  policy = local.readers == null ? local.guards : jsonencode({
    Version   = "2012-10-17"
    Statement = concat(jsondecode(local.guards).Statement, jsondecode(local.readers).Statement)
  })

  depends_on = [aws_s3_bucket_public_access_block.this]
}

resource "aws_s3_bucket_logging" "this" {
  count = var.log_bucket == null ? 0 : 1

  bucket        = aws_s3_bucket.this.id
  target_bucket = var.log_bucket
  target_prefix = "${var.bucket}/"
}
