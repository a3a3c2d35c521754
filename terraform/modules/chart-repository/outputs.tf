output "bucket" {
  description = "Name of the bucket."
  value       = aws_s3_bucket.this.id
}

output "bucket_arn" {
  description = "ARN of the bucket, for the policies of publishers and readers. Known at plan."
  value       = local.bucket_arn
}

output "prefix" {
  description = "Where in the bucket the repository is."
  value       = var.prefix
}

output "url" {
  description = "What `--repo`, `pinnace.yaml` and `helm repo add` take."
  value       = trimsuffix("s3://${var.bucket}/${var.prefix}", "/")
}

output "kms_key_arn" {
  description = "ARN of the KMS key that encrypts the charts, or null."
  value       = var.kms_key_arn
}

output "policy" {
  description = "The bucket's policy, as JSON."
  value       = aws_s3_bucket_policy.this.policy
}
