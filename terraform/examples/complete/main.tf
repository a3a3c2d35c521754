# pinnace:accept no-backend an example keeps its state beside it

# One environment with everything: keys of one's own, an alarm, both CI providers, access logs, a first rollout.

provider "aws" {
  region = "eu-west-1"

  default_tags {
    tags = { example = "complete" }
  }
}

variable "cluster_arn" {
  description = "ARN of the EKS cluster."
  type        = string
}

variable "oidc_provider_arn" {
  description = "ARN of the cluster's OIDC provider."
  type        = string
}

variable "argocd_role_arn" {
  description = "ARN of the role that pulls charts, in the account of the delivery cluster."
  type        = string
}

variable "terraform_role_arn" {
  description = "ARN of Terraform's own role, which reads back the key that it writes."
  type        = string
}

variable "environment" {
  description = "Which environment this is."
  type        = string
  default     = "prod"
}

variable "key" {
  description = "What the secret holds; give it as TF_VAR_key."
  type        = string
  ephemeral   = true
  sensitive   = true
}

resource "aws_kms_key" "this" {
  for_each = toset(["charts", "secret"])

  description         = "Encrypts ${each.key} of otel in ${var.environment}."
  enable_key_rotation = true
}

# A key's own policy decides for other accounts: the bucket's lets Argo CD read the charts, and this decrypt them. Argo CD's
# role needs both in its own account as well (policies reader and decryption).
resource "aws_kms_key_policy" "charts" {
  key_id = aws_kms_key.this["charts"].key_id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "IAMDecidesInThisAccount"
        Effect    = "Allow"
        Principal = { AWS = "arn:aws:iam::${split(":", var.cluster_arn)[4]}:root" }
        Action    = "kms:*"
        Resource  = "*"
      },
      merge(jsondecode(templatefile("${path.module}/../../policies/decryption.json.tftpl", {
        bucket_arn  = "arn:aws:s3:::acme-charts-${var.environment}"
        prefix      = "stable/"
        kms_key_arn = aws_kms_key.this["charts"].arn
        region      = "eu-west-1"
      })).Statement[0], { Principal = { AWS = var.argocd_role_arn } }),
    ]
  })
}

resource "aws_cloudwatch_metric_alarm" "export_errors" {
  alarm_name          = "otel-${var.environment}-export-errors"
  alarm_description   = "The collector could not export."
  namespace           = "otel"
  metric_name         = "otelcol_exporter_send_failed_log_records"
  statistic           = "Sum"
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  period              = 60
  evaluation_periods  = 2
  treat_missing_data  = "notBreaching"
}

module "environment" {
  source = "../../modules/environment"

  name        = "otel"
  environment = var.environment

  bucket            = "acme-charts-${var.environment}"
  prefix            = "stable/"
  chart_kms_key_arn = aws_kms_key.this["charts"].arn
  log_bucket        = "acme-access-logs"
  promote_from      = { uat = { bucket_arn = "arn:aws:s3:::acme-charts-uat", prefix = "stable/" } }
  chart_reader_arns = [var.argocd_role_arn]

  github                 = { subjects = ["repo:acme/platform:environment:prod"], maintainer_subjects = ["repo:acme/platform:environment:prune-prod"] }
  create_github_provider = true
  gitlab                 = { subjects = ["project_path:acme/charts:ref_type:branch:ref:main"] }
  create_gitlab_provider = true

  secret_kms_key_arn = aws_kms_key.this["secret"].arn
  manage_key         = true
  key                = var.key
  key_version        = 1
  key_reader_arns    = [var.terraform_role_arn]

  document = jsonencode({
    domain      = "eu2.coralogix.com"
    private_key = "{{resolve:secretsmanager:otel/${var.environment}/private_key:SecretString:privateKey}}"
  })
  json_schema = jsonencode({
    "$schema" = "http://json-schema.org/draft-04/schema#"
    type      = "object"
    required  = ["domain", "private_key"]
  })
  deploy     = true
  alarm_arns = [aws_cloudwatch_metric_alarm.export_errors.arn]

  mode              = "both"
  cluster_arn       = var.cluster_arn
  oidc_provider_arn = var.oidc_provider_arn
  service_accounts = [
    { namespace = "observability", name = "otel-agent" },
    { namespace = "observability", name = "otel-cluster" },
  ]
}

output "chart_values" {
  description = "Values for the opentelemetry chart."
  value       = module.environment.chart_values
}
