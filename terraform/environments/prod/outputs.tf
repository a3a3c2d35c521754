output "repository_url" {
  description = "The chart repository, for `pinnace.yaml`, `--repo` and `helm repo add`."
  value       = module.environment.repository_url
}

output "bucket_arn" {
  description = "ARN of the charts' bucket, for another environment's promote_from."
  value       = module.environment.bucket_arn
}

output "publisher_role_arn" {
  description = "ARN of the role that publishes, for the pipeline's uat-role-arn or prod-role-arn."
  value       = module.environment.publisher_role_arn
}

output "maintainer_role_arn" {
  description = "ARN of the role of `pinnace prune`, or null."
  value       = module.environment.maintainer_role_arn
}

output "deployer_role_arn" {
  description = "ARN of the role that rotates the key and rolls out, or null."
  value       = module.environment.deployer_role_arn
}

output "github_provider_arn" {
  description = "ARN of GitHub's OIDC provider, for the other environments of the account, or null."
  value       = module.environment.github_provider_arn
}

output "gitlab_provider_arn" {
  description = "ARN of GitLab's OIDC provider, for the other environments of the account, or null."
  value       = module.environment.gitlab_provider_arn
}

output "secret_name" {
  description = "Name of the secret, for references in documents."
  value       = module.environment.secret_name
}

output "secret_arn" {
  description = "ARN of the secret."
  value       = module.environment.secret_arn
}

output "secret_version_id" {
  description = "Id of the key's version that Terraform wrote, or null."
  value       = module.environment.secret_version_id
}

output "configuration" {
  description = "Names and ids of what AppConfig has, for whoever rolls out: application, environment, profile, strategy; and the ARN of the document, for the role of a further workload."
  value       = module.environment.configuration
}

output "workload_role_arn" {
  description = "ARN of the workload's role."
  value       = module.environment.workload_role_arn
}

output "chart_values" {
  description = "Values for the opentelemetry chart: the role, and the document to follow."
  value       = module.environment.chart_values
}
