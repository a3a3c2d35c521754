# pinnace:accept no-backend an example keeps its state beside it

# EKS Pod Identity alone: the secret is the document, so the pod reads no secret and AppConfig does.

provider "aws" {
  region = "eu-west-1"

  default_tags {
    tags = { example = "pod-identity" }
  }
}

variable "cluster_arn" {
  description = "ARN of the EKS cluster."
  type        = string
}

module "secret" {
  source = "../../modules/secret"

  name        = "coralogix/uat/private_key"
  reader_arns = [module.dynamic_config.retrieval_role_arn]
}

module "dynamic_config" {
  source = "../../modules/dynamic-config"

  name        = "otel-uat"
  environment = "uat"
  location    = "secretsmanager://coralogix/uat/private_key"
  secret_arn  = module.secret.arn
}

module "workload_identity" {
  source = "../../modules/workload-identity"

  name        = "otel-uat"
  mode        = "pod-identity"
  cluster_arn = var.cluster_arn
  service_accounts = [
    { namespace = "observability", name = "otel-agent" },
    { namespace = "observability", name = "otel-cluster" },
  ]
  configuration_arn = module.dynamic_config.configuration_arn
  reads_secret      = false
}

output "role_arn" {
  description = "ARN of the workload's role."
  value       = module.workload_identity.role_arn
}
