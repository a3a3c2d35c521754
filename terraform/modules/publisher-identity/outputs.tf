output "publisher_role_arn" {
  description = "ARN of the role that publishes, for the pipeline's uat-role-arn and prod-role-arn."
  value       = aws_iam_role.publisher.arn

  depends_on = [aws_iam_role_policy.publisher, aws_iam_role_policy.publisher_reader]
}

output "maintainer_role_arn" {
  description = "ARN of the role that prunes, for chart-repository's maintainer_role_arn; null without one."
  value       = one(aws_iam_role.maintainer[*].arn)
}

output "github_provider_arn" {
  description = "ARN of GitHub's OIDC provider, for the other environments of the account; null without GitHub."
  value       = try(local.github.provider_arn, null)
}

output "gitlab_provider_arn" {
  description = "ARN of GitLab's OIDC provider, for the other environments of the account; null without GitLab."
  value       = try(local.gitlab.provider_arn, null)
}
