# One AppConfig document for one environment: where it comes from, what it must look like, how it is rolled out, and who
# may do that.

locals {
  policies = "${path.module}/../../policies"
  hosted   = var.location == "hosted"
}

resource "aws_appconfig_application" "this" {
  name        = var.name
  description = "Documents that pinnace delivers."
  tags        = var.tags
}

# A rollout that raises one of the alarms is rolled back by AppConfig.
resource "aws_appconfig_environment" "this" {
  name           = var.environment
  description    = "Documents that pinnace delivers to ${var.environment}."
  application_id = aws_appconfig_application.this.id
  tags           = var.tags

  dynamic "monitor" {
    for_each = var.alarm_arns

    content {
      alarm_arn      = monitor.value
      alarm_role_arn = aws_iam_role.alarm[0].arn
    }
  }

  depends_on = [aws_iam_role_policy.alarm]
}

resource "aws_appconfig_configuration_profile" "this" {
  name               = var.profile
  description        = "Delivered by pinnace."
  application_id     = aws_appconfig_application.this.id
  type               = "AWS.Freeform"
  location_uri       = var.location
  retrieval_role_arn = local.hosted ? null : aws_iam_role.retrieval[0].arn
  tags               = var.tags

  dynamic "validator" {
    for_each = var.json_schema == null ? [] : [var.json_schema]

    content {
      type    = "JSON_SCHEMA"
      content = validator.value
    }
  }

  depends_on = [aws_iam_role_policy.retrieval]
}

resource "aws_appconfig_deployment_strategy" "this" {
  name                           = var.name
  description                    = "How a document reaches ${var.environment}."
  deployment_duration_in_minutes = var.strategy.duration_minutes
  growth_type                    = var.strategy.growth_type
  growth_factor                  = var.strategy.growth_percent
  final_bake_time_in_minutes     = var.strategy.bake_minutes
  replicate_to                   = "NONE"
  tags                           = var.tags
}

# AppConfig keeps at most one rollout in an environment and the provider does not wait for its end, so this is for the
# first one. Later rollouts belong to a pipeline, which can wait, watch and stop.
resource "aws_appconfig_hosted_configuration_version" "this" {
  count = var.content == null ? 0 : 1

  application_id           = aws_appconfig_application.this.id
  configuration_profile_id = aws_appconfig_configuration_profile.this.configuration_profile_id
  description              = "Written by Terraform."
  content                  = var.content
  content_type             = "application/json"
}

resource "aws_appconfig_deployment" "this" {
  count = var.deploy ? 1 : 0

  application_id           = aws_appconfig_application.this.id
  environment_id           = aws_appconfig_environment.this.environment_id
  configuration_profile_id = aws_appconfig_configuration_profile.this.configuration_profile_id
  configuration_version    = local.hosted ? aws_appconfig_hosted_configuration_version.this[0].version_number : var.configuration_version
  deployment_strategy_id   = aws_appconfig_deployment_strategy.this.id
  kms_key_identifier       = local.hosted ? null : var.secret_kms_key_arn
  description              = "Started by Terraform."
  tags                     = var.tags
}

# Who reads the alarms and the secret, and who rolls out. Whether there is a key may be known only at apply, so what it
# asks for joins the role's document and is no resource of its own.

locals {
  secret_key = var.secret_kms_key_arn == null ? null : {
    kms_key_arn = var.secret_kms_key_arn
    region      = split(":", var.secret_kms_key_arn)[3]
    secret_arn  = var.secret_arn
  }
  retrieval = local.hosted ? null : templatefile("${local.policies}/retrieval.json.tftpl", { secret_arn = var.secret_arn })
  deployer = var.deployer == null ? null : templatefile("${local.policies}/deployer.json.tftpl", {
    application_arn = aws_appconfig_application.this.arn
    environment_arn = aws_appconfig_environment.this.arn
    profile_arn     = aws_appconfig_configuration_profile.this.arn
    strategy_arn    = aws_appconfig_deployment_strategy.this.arn
    secret_arn      = var.secret_arn
  })
}

resource "aws_iam_role" "alarm" {
  count = length(var.alarm_arns) == 0 ? 0 : 1

  name                 = "${var.name}-alarm"
  description          = "AppConfig sees the alarms of ${var.name}."
  permissions_boundary = var.permissions_boundary_arn
  tags                 = var.tags
  assume_role_policy = templatefile("${local.policies}/retrieval-trust.json.tftpl", {
    account_id = split(":", var.alarm_arns[0])[4]
  })
}

resource "aws_iam_role_policy" "alarm" {
  count = length(var.alarm_arns) == 0 ? 0 : 1

  name = "alarm"
  role = aws_iam_role.alarm[0].id
  policy = templatefile("${local.policies}/alarm.json.tftpl", {
    alarms_arn = join(":", slice(split(":", var.alarm_arns[0]), 0, 6))
  })
}

resource "aws_iam_role" "retrieval" {
  count = local.hosted ? 0 : 1

  name                 = "${var.name}-retrieval"
  description          = "AppConfig reads the secret of ${var.name}."
  permissions_boundary = var.permissions_boundary_arn
  tags                 = var.tags
  assume_role_policy = templatefile("${local.policies}/retrieval-trust.json.tftpl", {
    account_id = split(":", var.secret_arn)[4]
  })
}

resource "aws_iam_role_policy" "retrieval" {
  count = local.hosted ? 0 : 1

  name = "retrieval"
  role = aws_iam_role.retrieval[0].id
  policy = var.secret_kms_key_arn == null ? local.retrieval : jsonencode({
    Version = "2012-10-17"
    Statement = concat(
      jsondecode(local.retrieval).Statement,
      jsondecode(templatefile("${local.policies}/secret-decryption.json.tftpl", local.secret_key)).Statement,
    )
  })
}

locals {
  deployer_trust = var.deployer == null ? null : jsonencode({
    Version = "2012-10-17"
    Statement = flatten([for i, subject in var.deployer.subjects : [
      for statement in jsondecode(templatefile("${local.policies}/deployer-trust.json.tftpl", {
        provider_arn = var.deployer.provider_arn
        issuer       = split(":oidc-provider/", var.deployer.provider_arn)[1]
        subject      = subject
        audience     = var.deployer.audience
      })).Statement : merge(statement, { Sid = "${statement.Sid}${i + 1}" })
    ]])
  })
}

resource "aws_iam_role" "deployer" {
  count = var.deployer == null ? 0 : 1

  name                 = "${var.name}-deployer"
  description          = "Stages keys and rolls out ${var.name}."
  permissions_boundary = var.permissions_boundary_arn
  tags                 = var.tags
  assume_role_policy   = local.deployer_trust
  max_session_duration = 3600

  lifecycle {
    precondition {
      condition     = length(local.deployer_trust) <= 2048
      error_message = "The deployer's trust policy is over IAM's 2048 characters; give fewer subjects."
    }
  }
}

resource "aws_iam_role_policy" "deployer" {
  count = var.deployer == null ? 0 : 1

  name = "deployer"
  role = aws_iam_role.deployer[0].id
  policy = var.secret_kms_key_arn == null ? local.deployer : jsonencode({
    Version = "2012-10-17"
    Statement = concat(
      jsondecode(local.deployer).Statement,
      jsondecode(templatefile("${local.policies}/secret-encryption.json.tftpl", local.secret_key)).Statement,
    )
  })
}
