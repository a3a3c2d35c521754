# One secret whose value stands in no state and no plan: it comes from an ephemeral variable into a write-only argument,
# or Terraform never sees it.

locals {
  guarded = length(var.reader_arns) > 0
}

resource "aws_secretsmanager_secret" "this" {
  name                    = var.name
  description             = var.description
  kms_key_id              = var.kms_key_arn
  recovery_window_in_days = var.recovery_window_in_days
  tags                    = var.tags
}

resource "aws_secretsmanager_secret_policy" "this" {
  count = local.guarded ? 1 : 0

  secret_arn          = aws_secretsmanager_secret.this.arn
  block_public_policy = true
  policy = templatefile("${path.module}/../../policies/secret-guard.json.tftpl", {
    secret_arn  = aws_secretsmanager_secret.this.arn
    reader_arns = join("\", \"", var.reader_arns)
  })
}

resource "aws_secretsmanager_secret_version" "this" {
  count = var.manage_value ? 1 : 0

  secret_id                = aws_secretsmanager_secret.this.id
  secret_string_wo         = var.value
  secret_string_wo_version = var.value_version
}
