# One environment whole: a chart repository and who publishes to it, one secret, the document that refers to it, and the
# role of the workload that reads both. Every name has the environment in it, so uat and prod can share an account.

locals {
  name        = "${var.name}-${var.environment}"
  secret_name = coalesce(var.secret_name, "${var.name}/${var.environment}/private_key")
  hosted      = var.document_location == "hosted"

  # Who reads the key: the pod, or AppConfig in its place; and whom the installation names besides.
  key_readers = concat(
    local.hosted ? [module.workload_identity.role_arn] : [module.dynamic_config.retrieval_role_arn],
    var.key_reader_arns,
  )

  # By the provider of the pipelines that publish, which may be made here, unless it has one of its own.
  deployer = var.deployer == null ? null : merge(var.deployer, {
    provider_arn = coalesce(
      var.deployer.provider_arn, module.publisher_identity.github_provider_arn, module.publisher_identity.gitlab_provider_arn
    )
  })
}

module "chart_repository" {
  source = "../chart-repository"

  bucket                    = var.bucket
  prefix                    = var.prefix
  maintainer_role_arn       = module.publisher_identity.maintainer_role_arn
  reader_arns               = var.chart_reader_arns
  kms_key_arn               = var.chart_kms_key_arn
  newer_noncurrent_versions = var.newer_noncurrent_versions
  log_bucket                = var.log_bucket
  force_destroy             = var.force_destroy
  tags                      = var.tags
}

module "publisher_identity" {
  source = "../publisher-identity"

  name                     = "${var.name}-charts-${var.environment}"
  bucket_arn               = module.chart_repository.bucket_arn
  prefix                   = var.prefix
  kms_key_arn              = var.chart_kms_key_arn
  tags_objects             = var.tags_objects
  github                   = var.github
  create_github_provider   = var.create_github_provider
  gitlab                   = var.gitlab
  create_gitlab_provider   = var.create_gitlab_provider
  promote_from             = var.promote_from
  permissions_boundary_arn = var.permissions_boundary_arn
  tags                     = var.tags
}

module "secret" {
  source = "../secret"

  name                    = local.secret_name
  kms_key_arn             = var.secret_kms_key_arn
  manage_value            = var.manage_key
  value                   = var.key
  value_version           = var.key_version
  reader_arns             = var.guard_key ? local.key_readers : []
  recovery_window_in_days = var.recovery_window_in_days
  tags                    = var.tags
}

module "dynamic_config" {
  source = "../dynamic-config"

  name                     = local.name
  environment              = var.environment
  profile                  = var.profile
  alarm_arns               = var.alarm_arns
  location                 = local.hosted ? "hosted" : "secretsmanager://${local.secret_name}"
  secret_arn               = module.secret.arn
  secret_kms_key_arn       = var.secret_kms_key_arn
  json_schema              = var.json_schema
  content                  = var.document
  deploy                   = var.deploy
  configuration_version    = local.hosted ? null : module.secret.version_id
  strategy                 = var.strategy
  deployer                 = local.deployer
  permissions_boundary_arn = var.permissions_boundary_arn
  tags                     = var.tags
}

module "workload_identity" {
  source = "../workload-identity"

  name                     = local.name
  mode                     = var.mode
  service_accounts         = var.service_accounts
  oidc_provider_arn        = var.oidc_provider_arn
  create_oidc_provider     = var.create_oidc_provider
  oidc_issuer_url          = var.oidc_issuer_url
  cluster_arn              = var.cluster_arn
  configuration_arn        = module.dynamic_config.configuration_arn
  reads_secret             = local.hosted
  secret_arn               = module.secret.arn
  secret_kms_key_arn       = var.secret_kms_key_arn
  permissions_boundary_arn = var.permissions_boundary_arn
  tags                     = var.tags
}
