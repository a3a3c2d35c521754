output "repository_url" {
  description = "The chart repository, for `pinnace.yaml`, `--repo` and `helm repo add`."
  value       = module.chart_repository.url
}

output "bucket_arn" {
  description = "ARN of the charts' bucket, for another environment's promote_from."
  value       = module.chart_repository.bucket_arn
}

output "publisher_role_arn" {
  description = "ARN of the role that publishes, for the pipeline's uat-role-arn or prod-role-arn."
  value       = module.publisher_identity.publisher_role_arn
}

output "maintainer_role_arn" {
  description = "ARN of the role of `pinnace prune`, or null."
  value       = module.publisher_identity.maintainer_role_arn
}

output "deployer_role_arn" {
  description = "ARN of the role that rotates the key and rolls out, or null."
  value       = module.dynamic_config.deployer_role_arn
}

output "github_provider_arn" {
  description = "ARN of GitHub's OIDC provider, for the other environments of the account, or null."
  value       = module.publisher_identity.github_provider_arn
}

output "gitlab_provider_arn" {
  description = "ARN of GitLab's OIDC provider, for the other environments of the account, or null."
  value       = module.publisher_identity.gitlab_provider_arn
}

output "secret_name" {
  description = "Name of the secret, for references in documents."
  value       = module.secret.name
}

output "secret_arn" {
  description = "ARN of the secret."
  value       = module.secret.arn
}

output "secret_version_id" {
  description = "Id of the key's version that Terraform wrote, or null."
  value       = module.secret.version_id
}

output "configuration" {
  description = "Names and ids of what AppConfig has, for whoever rolls out: application, environment, profile, strategy; and the ARN of the document, for the role of a further workload."
  value = {
    application    = module.dynamic_config.application
    application_id = module.dynamic_config.application_id
    environment    = module.dynamic_config.environment
    environment_id = module.dynamic_config.environment_id
    profile        = module.dynamic_config.profile
    profile_id     = module.dynamic_config.profile_id
    strategy_id    = module.dynamic_config.strategy_id
    arn            = module.dynamic_config.configuration_arn
  }
}

output "workload_role_arn" {
  description = "ARN of the workload's role."
  value       = module.workload_identity.role_arn
}

output "chart_values" {
  description = "Values for the opentelemetry chart: the role, and the document to follow."
  value = {
    # With IRSA the service account names the role, with EKS Pod Identity alone the association does.
    aws = {
      roleArn     = var.mode == "pod-identity" ? "" : module.workload_identity.role_arn
      podIdentity = var.mode == "pod-identity"
    }
    pinnace = { appConfig = {
      application = module.dynamic_config.application
      environment = module.dynamic_config.environment
      profile     = module.dynamic_config.profile
    } }
  }
}
