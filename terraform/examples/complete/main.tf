# One environment with everything: keys of one's own, an alarm, both CI providers, access logs, a first rollout.

provider "aws" {
  region = "eu-west-1"
}

variable "key" {
  description = "What the secret holds; give it as TF_VAR_key."
  type        = string
  ephemeral   = true
  sensitive   = true
}

resource "aws_kms_key" "this" {
  for_each = toset(["charts", "secret"])

  description         = "Encrypts ${each.key} of otel in prod."
  enable_key_rotation = true
}

resource "aws_cloudwatch_metric_alarm" "export_errors" {
  alarm_name          = "otel-prod-export-errors"
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
  environment = "prod"

  bucket            = "acme-charts-prod"
  prefix            = "stable/"
  chart_kms_key_arn = aws_kms_key.this["charts"].arn
  log_bucket        = "acme-access-logs"
  promote_from      = { uat = { bucket_arn = "arn:aws:s3:::acme-charts-uat", prefix = "stable/" } }
  chart_reader_arns = ["arn:aws:iam::444455556666:role/argocd-repo-server"]

  github                 = { subjects = ["repo:acme/platform:environment:prod"], maintainer_subjects = ["repo:acme/platform:environment:prune-prod"] }
  create_github_provider = true
  gitlab                 = { subjects = ["project_path:acme/charts:ref_type:branch:ref:main"] }
  create_gitlab_provider = true

  secret_kms_key_arn = aws_kms_key.this["secret"].arn
  manage_key         = true
  key                = var.key
  key_version        = 1
  key_reader_arns    = ["arn:aws:iam::111122223333:role/terraform"]

  document = jsonencode({
    domain      = "eu2.coralogix.com"
    private_key = "{{resolve:secretsmanager:otel/prod/private_key:SecretString:privateKey}}"
  })
  json_schema = jsonencode({
    "$schema" = "http://json-schema.org/draft-04/schema#"
    type      = "object"
    required  = ["domain", "private_key"]
  })
  deploy     = true
  alarm_arns = [aws_cloudwatch_metric_alarm.export_errors.arn]

  mode              = "both"
  cluster_arn       = "arn:aws:eks:eu-west-1:111122223333:cluster/prod"
  oidc_provider_arn = "arn:aws:iam::111122223333:oidc-provider/oidc.eks.eu-west-1.amazonaws.com/id/EXAMPLE"
  service_accounts  = [{ namespace = "observability", name = "otel-agent" }]
}

output "chart_values" {
  description = "Values for the opentelemetry chart."
  value       = module.environment.chart_values
}
