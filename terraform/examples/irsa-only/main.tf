# pinnace:accept no-backend an example keeps its state beside it

# IRSA alone: a secret, the document that refers to it, and a role for one service account of a cluster with an OIDC provider.

provider "aws" {
  region = "eu-west-1"

  default_tags {
    tags = { example = "irsa-only" }
  }
}

variable "oidc_provider_arn" {
  description = "ARN of the cluster's OIDC provider."
  type        = string
}

module "secret" {
  source = "../../modules/secret"

  name = "coralogix/uat/private_key"
}

module "dynamic_config" {
  source = "../../modules/dynamic-config"

  name        = "otel-uat"
  environment = "uat"
}

module "workload_identity" {
  source = "../../modules/workload-identity"

  name              = "otel-uat"
  mode              = "irsa"
  oidc_provider_arn = var.oidc_provider_arn
  service_accounts = [
    { namespace = "observability", name = "otel-agent" },
    { namespace = "observability", name = "otel-cluster" },
  ]
  configuration_arn = module.dynamic_config.configuration_arn
  secret_arn        = module.secret.arn
}

output "service_account_annotations" {
  description = "Annotations for the service account."
  value       = module.workload_identity.service_account_annotations
}
