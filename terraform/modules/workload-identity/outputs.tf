output "role_arn" {
  description = "ARN of the role, for the chart's aws.roleArn where the mode has IRSA."
  value       = aws_iam_role.this.arn

  # Whoever has the ARN may act as the role, so it has its permissions by then.
  depends_on = [aws_iam_role_policy.workload]
}

output "role_name" {
  description = "Name of the role."
  value       = aws_iam_role.this.name
}

output "service_account_annotations" {
  description = "Annotations of the service account: the role's ARN for IRSA, none for Pod Identity."
  value       = local.irsa ? { "eks.amazonaws.com/role-arn" = aws_iam_role.this.arn } : {}
}

output "oidc_provider_arn" {
  description = "ARN of the cluster's OIDC provider, or null for Pod Identity."
  value       = local.irsa ? local.provider_arn : null
}
