provider "aws" {
  region              = var.region
  allowed_account_ids = [var.account_id]

  default_tags {
    tags = {
      "pinnace:environment" = "uat"
      "pinnace:managed-by"  = "terraform"
    }
  }
}

module "environment" {
  source = "../../modules/environment"

  environment               = "uat"
  name                      = var.name
  bucket                    = var.bucket
  prefix                    = var.prefix
  chart_reader_arns         = var.chart_reader_arns
  chart_kms_key_arn         = var.chart_kms_key_arn
  newer_noncurrent_versions = var.newer_noncurrent_versions
  log_bucket                = var.log_bucket
  force_destroy             = var.force_destroy
  tags_objects              = var.tags_objects
  github                    = var.github
  create_github_provider    = var.create_github_provider
  gitlab                    = var.gitlab
  create_gitlab_provider    = var.create_gitlab_provider
  promote_from              = var.promote_from
  secret_name               = var.secret_name
  secret_kms_key_arn        = var.secret_kms_key_arn
  manage_key                = var.manage_key
  key                       = var.key
  key_version               = var.key_version
  guard_key                 = var.guard_key
  key_reader_arns           = var.key_reader_arns
  recovery_window_in_days   = var.recovery_window_in_days
  profile                   = var.profile
  document_location         = var.document_location
  document                  = var.document
  json_schema               = var.json_schema
  deploy                    = var.deploy
  strategy                  = var.strategy
  alarm_arns                = var.alarm_arns
  deployer                  = var.deployer
  mode                      = var.mode
  service_accounts          = var.service_accounts
  oidc_provider_arn         = var.oidc_provider_arn
  create_oidc_provider      = var.create_oidc_provider
  oidc_issuer_url           = var.oidc_issuer_url
  cluster_arn               = var.cluster_arn
  permissions_boundary_arn  = var.permissions_boundary_arn
}
