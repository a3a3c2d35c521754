# A small environment with a resource of each kind that the modules have, for TestTerraform.

terraform {
  required_version = ">= 1.11"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.90, < 7.0"
    }
  }
}

provider "aws" {
  s3_use_path_style = true

  default_tags {
    tags = { environment = "uat" }
  }
}

variable "key" {
  type      = string
  ephemeral = true
}

variable "key_version" {
  type = number
}

data "aws_caller_identity" "this" {}

locals {
  account = data.aws_caller_identity.this.account_id
  issuer  = "oidc.eks.eu-west-1.amazonaws.com/id/EXAMPLE"
}

resource "aws_kms_key" "this" {
  description             = "Encrypts charts and the secret."
  deletion_window_in_days = 7
}

resource "aws_kms_alias" "this" {
  name          = "alias/otel-uat"
  target_key_id = aws_kms_key.this.key_id
}

resource "aws_s3_bucket" "charts" {
  bucket = "acme-charts-uat"
}

resource "aws_s3_bucket_versioning" "charts" {
  bucket = aws_s3_bucket.charts.id

  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "charts" {
  bucket = aws_s3_bucket.charts.id

  rule {
    bucket_key_enabled = true

    apply_server_side_encryption_by_default {
      sse_algorithm     = "aws:kms"
      kms_master_key_id = aws_kms_key.this.arn
    }
  }
}

resource "aws_s3_bucket_public_access_block" "charts" {
  bucket                  = aws_s3_bucket.charts.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_ownership_controls" "charts" {
  bucket = aws_s3_bucket.charts.id

  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

data "aws_iam_policy_document" "charts" {
  statement {
    effect    = "Deny"
    actions   = ["s3:*"]
    resources = [aws_s3_bucket.charts.arn, "${aws_s3_bucket.charts.arn}/*"]

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
}

resource "aws_s3_bucket_policy" "charts" {
  bucket     = aws_s3_bucket.charts.id
  policy     = data.aws_iam_policy_document.charts.json
  depends_on = [aws_s3_bucket_public_access_block.charts]
}

resource "aws_s3_bucket_logging" "charts" {
  bucket        = aws_s3_bucket.charts.id
  target_bucket = aws_s3_bucket.charts.id
  target_prefix = "log/"
}

resource "aws_secretsmanager_secret" "this" {
  name                    = "otel/uat/private_key"
  kms_key_id              = aws_kms_key.this.arn
  recovery_window_in_days = 0
}

resource "aws_secretsmanager_secret_version" "this" {
  secret_id                = aws_secretsmanager_secret.this.id
  secret_string_wo         = var.key
  secret_string_wo_version = var.key_version
}

resource "aws_secretsmanager_secret_policy" "this" {
  secret_arn          = aws_secretsmanager_secret.this.arn
  block_public_policy = true
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Deny"
      Principal = "*"
      Action    = "secretsmanager:*"
      Resource  = "*"
      Condition = { Bool = { "aws:SecureTransport" = "false" } }
    }]
  })
}

resource "aws_iam_role" "appconfig" {
  name = "otel-uat-appconfig"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "appconfig.amazonaws.com" }
      Action    = "sts:AssumeRole"
      Condition = { StringEquals = { "aws:SourceAccount" = local.account } }
    }]
  })
}

resource "aws_iam_role_policy" "appconfig" {
  name = "read"
  role = aws_iam_role.appconfig.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      { Effect = "Allow", Action = "secretsmanager:GetSecretValue", Resource = aws_secretsmanager_secret.this.arn },
      { Effect = "Allow", Action = "cloudwatch:DescribeAlarms", Resource = aws_cloudwatch_metric_alarm.this.arn },
      {
        Effect   = "Allow"
        Action   = "kms:Decrypt"
        Resource = aws_kms_key.this.arn
        Condition = {
          StringEquals = {
            "kms:ViaService"                  = "secretsmanager.eu-west-1.amazonaws.com"
            "kms:EncryptionContext:SecretARN" = aws_secretsmanager_secret.this.arn
          }
        }
      },
    ]
  })
}

resource "aws_cloudwatch_metric_alarm" "this" {
  alarm_name          = "otel-uat-export-errors"
  namespace           = "otel"
  metric_name         = "failed"
  statistic           = "Sum"
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  period              = 60
  evaluation_periods  = 2
}

resource "aws_appconfig_application" "this" {
  name = "otel-uat"
}

resource "aws_appconfig_environment" "this" {
  name           = "uat"
  application_id = aws_appconfig_application.this.id

  monitor {
    alarm_arn      = aws_cloudwatch_metric_alarm.this.arn
    alarm_role_arn = aws_iam_role.appconfig.arn
  }
}

resource "aws_appconfig_configuration_profile" "this" {
  name               = "key"
  application_id     = aws_appconfig_application.this.id
  location_uri       = "secretsmanager://${aws_secretsmanager_secret.this.name}"
  retrieval_role_arn = aws_iam_role.appconfig.arn
}

resource "aws_appconfig_configuration_profile" "hosted" {
  name           = "document"
  application_id = aws_appconfig_application.this.id
  location_uri   = "hosted"

  validator {
    type    = "JSON_SCHEMA"
    content = jsonencode({ type = "object", required = ["domain"] })
  }
}

resource "aws_appconfig_hosted_configuration_version" "this" {
  application_id           = aws_appconfig_application.this.id
  configuration_profile_id = aws_appconfig_configuration_profile.hosted.configuration_profile_id
  description              = "Written by Terraform."
  content_type             = "application/json"
  content                  = jsonencode({ domain = "eu2.coralogix.com" })
}

resource "aws_appconfig_deployment_strategy" "this" {
  name                           = "otel-uat"
  deployment_duration_in_minutes = 0
  growth_factor                  = 100
  replicate_to                   = "NONE"
}

resource "aws_appconfig_deployment" "this" {
  application_id           = aws_appconfig_application.this.id
  environment_id           = aws_appconfig_environment.this.environment_id
  configuration_profile_id = aws_appconfig_configuration_profile.this.configuration_profile_id
  configuration_version    = aws_secretsmanager_secret_version.this.version_id
  deployment_strategy_id   = aws_appconfig_deployment_strategy.this.id
  kms_key_identifier       = aws_kms_key.this.arn
  depends_on               = [aws_iam_role_policy.appconfig]
}

resource "aws_iam_openid_connect_provider" "cluster" {
  url            = "https://${local.issuer}"
  client_id_list = ["sts.amazonaws.com"]
}

resource "aws_iam_role" "workload" {
  name = "otel-uat"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Effect    = "Allow"
        Principal = { Service = "pods.eks.amazonaws.com" }
        Action    = ["sts:AssumeRole", "sts:TagSession"]
      },
      {
        Effect    = "Allow"
        Principal = { Federated = aws_iam_openid_connect_provider.cluster.arn }
        Action    = "sts:AssumeRoleWithWebIdentity"
        Condition = {
          StringEquals = {
            "${local.issuer}:sub" = "system:serviceaccount:observability:otel-agent"
            "${local.issuer}:aud" = "sts.amazonaws.com"
          }
        }
      },
    ]
  })
}

resource "aws_iam_policy" "workload" {
  name = "otel-uat"
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      { Effect = "Allow", Action = "secretsmanager:GetSecretValue", Resource = aws_secretsmanager_secret.this.arn },
      { Effect = "Allow", Action = "kms:Decrypt", Resource = aws_kms_key.this.arn },
    ]
  })
}

resource "aws_iam_role_policy_attachment" "workload" {
  role       = aws_iam_role.workload.name
  policy_arn = aws_iam_policy.workload.arn
}

resource "aws_eks_pod_identity_association" "this" {
  cluster_name    = "uat"
  namespace       = "observability"
  service_account = "otel-agent"
  role_arn        = aws_iam_role.workload.arn
}
