# The original sketch without its faults, in one file: what the linter has nothing to say about.

terraform {
  required_version = ">= 1.11"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.90, < 7.0"
    }
  }
  backend "s3" {
    use_lockfile = true
  }
}

provider "aws" {
  region = var.region
  default_tags {
    tags = { Environment = var.environment }
  }
}

variable "environment" {
  type = string
}

variable "region" {
  type    = string
  default = "ap-south-1"
}

variable "oidc_provider_arn" {
  type = string
}

variable "publisher_provider_arn" {
  type = string
}

variable "alarm" {
  type = object({ arn = string, role_arn = string })
}

variable "private_key" {
  type      = string
  ephemeral = true
  sensitive = true
}

variable "private_key_version" {
  type    = number
  default = 1
}

variable "recovery_window_in_days" {
  type    = number
  default = 30
}

data "aws_caller_identity" "current" {}

locals {
  issuer = split("oidc-provider/", var.oidc_provider_arn)[1]
}

resource "aws_s3_bucket" "helm_repo" {
  bucket = "my-helm-charts-${var.environment}"
}

resource "aws_s3_bucket" "log" {
  bucket = "my-access-log-${var.environment}"
}

resource "aws_s3_bucket_logging" "helm_repo" {
  bucket        = aws_s3_bucket.helm_repo.id
  target_bucket = aws_s3_bucket.log.id
  target_prefix = "charts/"
}

locals {
  buckets = { charts = aws_s3_bucket.helm_repo.id, log = aws_s3_bucket.log.id }
}

resource "aws_s3_bucket_public_access_block" "this" {
  for_each = local.buckets

  bucket                  = each.value
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_ownership_controls" "this" {
  for_each = local.buckets

  bucket = each.value
  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "this" {
  for_each = local.buckets

  bucket = each.value
  rule {
    apply_server_side_encryption_by_default {
      sse_algorithm = "AES256"
    }
  }
}

resource "aws_s3_bucket_versioning" "this" {
  for_each = local.buckets

  bucket = each.value
  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_lifecycle_configuration" "this" {
  for_each = local.buckets

  bucket = each.value
  rule {
    id     = "old-versions"
    status = "Enabled"
    filter {}
    noncurrent_version_expiration {
      noncurrent_days = 90
    }
  }
}

resource "aws_s3_bucket_policy" "helm_repo" {
  bucket = aws_s3_bucket.helm_repo.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "OnlyTLS"
        Effect    = "Deny"
        Principal = "*"
        Action    = "s3:*"
        Resource  = [aws_s3_bucket.helm_repo.arn, "${aws_s3_bucket.helm_repo.arn}/*"]
        Condition = { Bool = { "aws:SecureTransport" = "false" } }
      },
      {
        Sid       = "PublishedVersionsStay"
        Effect    = "Deny"
        Principal = "*"
        Action    = "s3:PutObject"
        Resource  = "${aws_s3_bucket.helm_repo.arn}/*"
        Condition = { Null = { "s3:if-none-match" = "true", "s3:if-match" = "true" } }
      },
      {
        Sid       = "Readers"
        Effect    = "Allow"
        Principal = { AWS = aws_iam_role.otel.arn }
        Action    = "s3:GetObject"
        Resource  = "${aws_s3_bucket.helm_repo.arn}/*"
      },
    ]
  })
}

resource "aws_s3_bucket_policy" "log" {
  bucket = aws_s3_bucket.log.id
  policy = data.aws_iam_policy_document.log.json
}

data "aws_iam_policy_document" "log" {
  statement {
    effect    = "Deny"
    actions   = ["s3:*"]
    resources = [aws_s3_bucket.log.arn, "${aws_s3_bucket.log.arn}/*"]
    principals {
      type        = "*"
      identifiers = ["*"]
    }
    condition {
      test     = "Bool"
      variable = "aws:SecureTransport"
      values   = ["false"]
    }
  }
  statement {
    actions   = ["s3:PutObject"]
    resources = ["${aws_s3_bucket.log.arn}/*"]
    principals {
      type        = "Service"
      identifiers = ["logging.s3.amazonaws.com"]
    }
    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [data.aws_caller_identity.current.account_id]
    }
  }
}

resource "aws_kms_key" "secrets" {
  description         = "secrets of ${var.environment}"
  enable_key_rotation = true
}

resource "aws_secretsmanager_secret" "coralogix_key" {
  name                    = "coralogix/${var.environment}/private_key"
  kms_key_id              = aws_kms_key.secrets.arn
  recovery_window_in_days = var.recovery_window_in_days
}

resource "aws_secretsmanager_secret_version" "coralogix_key" {
  secret_id                = aws_secretsmanager_secret.coralogix_key.id
  secret_string_wo         = var.private_key
  secret_string_wo_version = var.private_key_version
}

resource "aws_appconfig_application" "otel" {
  name = "otel-config-${var.environment}"
}

resource "aws_appconfig_environment" "otel" {
  application_id = aws_appconfig_application.otel.id
  name           = var.environment
  monitor {
    alarm_arn      = var.alarm.arn
    alarm_role_arn = var.alarm.role_arn
  }
}

resource "aws_appconfig_configuration_profile" "otel" {
  application_id     = aws_appconfig_application.otel.id
  name               = "coralogix-config"
  location_uri       = "secretsmanager://${aws_secretsmanager_secret.coralogix_key.name}"
  retrieval_role_arn = aws_iam_role.retrieval.arn
  type               = "AWS.Freeform"
}

resource "aws_appconfig_deployment_strategy" "otel" {
  name                           = "otel-${var.environment}"
  deployment_duration_in_minutes = 20
  final_bake_time_in_minutes     = 10
  growth_factor                  = 20
  replicate_to                   = "NONE"
}

resource "aws_appconfig_deployment" "otel" {
  application_id           = aws_appconfig_application.otel.id
  environment_id           = aws_appconfig_environment.otel.environment_id
  configuration_profile_id = aws_appconfig_configuration_profile.otel.configuration_profile_id
  configuration_version    = aws_secretsmanager_secret_version.coralogix_key.version_id
  deployment_strategy_id   = aws_appconfig_deployment_strategy.otel.id
}

resource "aws_iam_role" "retrieval" {
  name = "otel-retrieval-${var.environment}"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "appconfig.amazonaws.com" }
      Action    = "sts:AssumeRole"
      Condition = { StringEquals = { "aws:SourceAccount" = data.aws_caller_identity.current.account_id } }
    }]
  })
}

resource "aws_iam_role_policy" "retrieval" {
  name   = "read-one-secret"
  role   = aws_iam_role.retrieval.id
  policy = jsonencode({ Version = "2012-10-17", Statement = local.read_secret })
}

locals {
  read_secret = [
    {
      Effect   = "Allow"
      Action   = ["secretsmanager:GetSecretValue"]
      Resource = aws_secretsmanager_secret.coralogix_key.arn
    },
    {
      Effect    = "Allow"
      Action    = ["kms:Decrypt"]
      Resource  = aws_kms_key.secrets.arn
      Condition = { StringEquals = { "kms:ViaService" = "secretsmanager.${var.region}.amazonaws.com" } }
    },
  ]
}

resource "aws_iam_policy" "otel" {
  name = "otel-appconfig-secrets-${var.environment}"
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(local.read_secret, [{
      Effect   = "Allow"
      Action   = ["appconfig:StartConfigurationSession", "appconfig:GetLatestConfiguration"]
      Resource = "${aws_appconfig_environment.otel.arn}/configuration/${aws_appconfig_configuration_profile.otel.configuration_profile_id}"
    }])
  })
}

resource "aws_iam_role_policy_attachment" "otel" {
  role       = aws_iam_role.otel.name
  policy_arn = aws_iam_policy.otel.arn
}

resource "aws_iam_role" "otel" {
  name               = "otel-irsa-${var.environment}"
  assume_role_policy = data.aws_iam_policy_document.otel_assume.json
}

data "aws_iam_policy_document" "otel_assume" {
  statement {
    effect  = "Allow"
    actions = ["sts:AssumeRoleWithWebIdentity"]
    principals {
      type        = "Federated"
      identifiers = [var.oidc_provider_arn]
    }
    condition {
      test     = "StringEquals"
      variable = "${local.issuer}:sub"
      values   = ["system:serviceaccount:observability:otel-agent"]
    }
    condition {
      test     = "StringEquals"
      variable = "${local.issuer}:aud"
      values   = ["sts.amazonaws.com"]
    }
  }
}

resource "aws_iam_role" "publisher" {
  name = "chart-publisher-${var.environment}"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Federated = var.publisher_provider_arn }
      Action    = "sts:AssumeRoleWithWebIdentity"
      Condition = {
        StringEquals = {
          "token.actions.githubusercontent.com:sub" = "repo:acme/charts:ref:refs/heads/main"
          "token.actions.githubusercontent.com:aud" = "sts.amazonaws.com"
        }
      }
    }]
  })
}

resource "aws_iam_role_policy" "publisher" {
  name = "publish"
  role = aws_iam_role.publisher.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect   = "Allow"
      Action   = ["s3:GetObject", "s3:PutObject"]
      Resource = "${aws_s3_bucket.helm_repo.arn}/*"
    }]
  })
}

output "chart_bucket" {
  value = aws_s3_bucket.helm_repo.bucket
}

output "role_arn" {
  value = aws_iam_role.otel.arn
}
