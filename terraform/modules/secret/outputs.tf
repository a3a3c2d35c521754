output "arn" {
  description = "ARN of the secret with the six characters that AWS adds: what policies name."
  value       = aws_secretsmanager_secret.this.arn
}

output "name" {
  description = "Name of the secret: what references and `secretsmanager://` name."
  value       = aws_secretsmanager_secret.this.name
}

output "version_id" {
  description = "Id of the version that Terraform wrote, or null where it manages no value."
  value       = one(aws_secretsmanager_secret_version.this[*].version_id)
}

output "kms_key_arn" {
  description = "ARN of the KMS key that encrypts the secret, or null."
  value       = var.kms_key_arn
}
