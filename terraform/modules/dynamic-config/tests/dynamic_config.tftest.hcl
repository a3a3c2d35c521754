mock_provider "aws" {
  mock_resource "aws_appconfig_application" {
    defaults = {
      id  = "app1234"
      arn = "arn:aws:appconfig:eu-west-1:111122223333:application/app1234"
    }
  }
  mock_resource "aws_appconfig_environment" {
    defaults = {
      environment_id = "env1234"
      arn            = "arn:aws:appconfig:eu-west-1:111122223333:application/app1234/environment/env1234"
    }
  }
  mock_resource "aws_appconfig_configuration_profile" {
    defaults = {
      configuration_profile_id = "prf1234"
      arn                      = "arn:aws:appconfig:eu-west-1:111122223333:application/app1234/configurationprofile/prf1234"
    }
  }
  mock_resource "aws_appconfig_deployment_strategy" {
    defaults = {
      id  = "str1234"
      arn = "arn:aws:appconfig:eu-west-1:111122223333:deploymentstrategy/str1234"
    }
  }
  mock_resource "aws_appconfig_hosted_configuration_version" {
    defaults = { version_number = 7 }
  }
  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::111122223333:role/mock" }
  }
}

variables {
  name        = "otel-uat"
  environment = "uat"
}

run "hosted_and_deployed_by_a_pipeline" {
  assert {
    condition     = aws_appconfig_configuration_profile.this.location_uri == "hosted" && aws_appconfig_configuration_profile.this.retrieval_role_arn == null
    error_message = "a hosted profile has a retrieval role"
  }
  assert {
    condition     = length(aws_appconfig_deployment.this) == 0 && length(aws_appconfig_hosted_configuration_version.this) == 0
    error_message = "Terraform deploys"
  }
  assert {
    condition     = length(aws_iam_role.alarm) == 0 && length(aws_iam_role.retrieval) == 0 && length(aws_iam_role.deployer) == 0
    error_message = "a role is spare"
  }
  assert {
    condition     = output.configuration_arn == "arn:aws:appconfig:eu-west-1:111122223333:application/app1234/environment/env1234/configuration/prf1234"
    error_message = "configuration ${output.configuration_arn}"
  }
}

run "prod_with_everything" {
  variables {
    name        = "otel-prod"
    environment = "prod"
    alarm_arns  = ["arn:aws:cloudwatch:eu-west-1:111122223333:alarm:export-errors", "arn:aws:cloudwatch:eu-west-1:111122223333:alarm:queue: full"]
    json_schema = jsonencode({ type = "object" })
    content     = jsonencode({ private_key = "{{resolve:secretsmanager:coralogix/prod/private_key:SecretString}}" })
    deploy      = true
    secret_arn  = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:coralogix/prod/private_key-AbCdEf"

    secret_kms_key_arn = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
    deployer = {
      provider_arn = "arn:aws:iam::111122223333:oidc-provider/token.actions.githubusercontent.com"
      subjects     = ["repo:acme/platform:environment:prod", "repo:acme/platform:environment:rotate"]
    }
  }
  assert {
    condition     = toset([for monitor in aws_appconfig_environment.this.monitor : monitor.alarm_arn]) == toset(var.alarm_arns)
    error_message = "the environment does not watch the alarms"
  }
  assert {
    condition     = jsondecode(aws_iam_role_policy.alarm[0].policy).Statement[0].Resource == "arn:aws:cloudwatch:eu-west-1:111122223333:alarm:*"
    error_message = "AppConfig sees other alarms"
  }
  assert {
    condition     = jsondecode(aws_iam_role.alarm[0].assume_role_policy).Statement[0].Condition.StringEquals["aws:SourceAccount"] == "111122223333"
    error_message = "another account's AppConfig may become the role"
  }
  assert {
    condition     = one(aws_appconfig_configuration_profile.this.validator).type == "JSON_SCHEMA"
    error_message = "documents are not checked"
  }
  assert {
    condition     = aws_appconfig_deployment.this[0].configuration_version == "7" && aws_appconfig_deployment.this[0].kms_key_identifier == null
    error_message = "another version is rolled out"
  }
  assert {
    condition     = tolist([for statement in jsondecode(aws_iam_role.deployer[0].assume_role_policy).Statement : statement.Condition.StringEquals["token.actions.githubusercontent.com:sub"]]) == var.deployer.subjects
    error_message = "the deployer's trust is not one statement a subject"
  }
  assert {
    condition     = length(distinct([for statement in jsondecode(aws_iam_role.deployer[0].assume_role_policy).Statement : statement.Sid])) == 2
    error_message = "IAM refuses two statements of one Sid"
  }
  assert {
    condition     = jsondecode(aws_iam_role_policy.deployer[0].policy).Statement[0].Resource == var.secret_arn && strcontains(aws_iam_role_policy.deployer[0].policy, "EncryptSecret")
    error_message = "the deployer cannot stage a key"
  }
  assert {
    condition     = !strcontains(aws_iam_role_policy.deployer[0].policy, "GetSecretValue")
    error_message = "the deployer reads the key"
  }
}

run "a_secret_as_document" {
  variables {
    location              = "secretsmanager://coralogix/uat/private_key"
    secret_arn            = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:coralogix/uat/private_key-AbCdEf"
    secret_kms_key_arn    = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
    deploy                = true
    configuration_version = "11111111-2222-3333-4444-555555555555"
    strategy              = { duration_minutes = 0, growth_percent = 100, bake_minutes = 0 }
  }
  assert {
    condition     = aws_appconfig_configuration_profile.this.retrieval_role_arn == aws_iam_role.retrieval[0].arn
    error_message = "AppConfig cannot retrieve the secret"
  }
  assert {
    condition     = jsondecode(aws_iam_role_policy.retrieval[0].policy).Statement[0].Resource == var.secret_arn
    error_message = "AppConfig reads another secret"
  }
  assert {
    condition     = jsondecode(aws_iam_role_policy.retrieval[0].policy).Statement[1].Condition.StringEquals["kms:ViaService"] == "secretsmanager.eu-west-1.amazonaws.com"
    error_message = "AppConfig cannot decrypt"
  }
  assert {
    condition     = jsondecode(aws_iam_role.retrieval[0].assume_role_policy).Statement[0].Condition.StringEquals["aws:SourceAccount"] == "111122223333"
    error_message = "another account's AppConfig may become the role"
  }
  assert {
    condition     = aws_appconfig_deployment.this[0].configuration_version == var.configuration_version && aws_appconfig_deployment.this[0].kms_key_identifier == var.secret_kms_key_arn
    error_message = "another version is rolled out"
  }
}

run "prod_without_alarms" {
  command = plan
  variables {
    environment = "prod"
  }
  expect_failures = [var.alarm_arns]
}

run "alarm_by_name" {
  command = plan
  variables {
    alarm_arns = ["export-errors"]
  }
  expect_failures = [var.alarm_arns]
}

run "alarms_of_two_regions" {
  command = plan
  variables {
    alarm_arns = ["arn:aws:cloudwatch:eu-west-1:111122223333:alarm:a", "arn:aws:cloudwatch:eu-west-2:111122223333:alarm:b"]
  }
  expect_failures = [var.alarm_arns]
}

run "location_is_an_arn" {
  command = plan
  variables {
    location   = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:coralogix/uat/private_key"
    secret_arn = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:coralogix/uat/private_key-AbCdEf"
  }
  expect_failures = [var.location]
}

run "location_holds_an_arn" {
  command = plan
  variables {
    location   = "secretsmanager://arn:aws:secretsmanager:eu-west-1:111122223333:secret:coralogix/uat/private_key"
    secret_arn = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:coralogix/uat/private_key-AbCdEf"
  }
  expect_failures = [var.location]
}

run "retrieval_without_secret" {
  command = plan
  variables {
    location = "secretsmanager://coralogix/uat/private_key"
  }
  expect_failures = [var.secret_arn]
}

run "secret_without_suffix" {
  command = plan
  variables {
    secret_arn = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:coralogix/*"
  }
  expect_failures = [var.secret_arn]
}

run "key_alias_and_boundary" {
  command = plan
  variables {
    secret_kms_key_arn       = "alias/keys"
    permissions_boundary_arn = "boundary"
  }
  expect_failures = [var.secret_kms_key_arn, var.permissions_boundary_arn]
}

run "documents_that_are_no_json" {
  command = plan
  variables {
    json_schema = "type: object"
    content     = "private_key: x"
  }
  expect_failures = [var.json_schema, var.content]
}

run "nothing_to_deploy" {
  command = plan
  variables {
    deploy = true
  }
  expect_failures = [var.deploy]
}

run "rollout_of_more_than_a_day" {
  command = plan
  variables {
    strategy = { duration_minutes = 1441 }
  }
  expect_failures = [var.strategy]
}

run "rollout_that_does_not_grow" {
  command = plan
  variables {
    strategy = { growth_percent = 0 }
  }
  expect_failures = [var.strategy]
}

run "deployer_with_wildcard" {
  command = plan
  variables {
    secret_arn = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:coralogix/uat/private_key-AbCdEf"
    deployer = {
      provider_arn = "arn:aws:iam::111122223333:oidc-provider/token.actions.githubusercontent.com"
      subjects     = ["repo:acme/*"]
    }
  }
  expect_failures = [var.deployer]
}

run "deployer_of_a_pull_request" {
  command = plan
  variables {
    secret_arn = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:coralogix/uat/private_key-AbCdEf"
    deployer = {
      provider_arn = "arn:aws:iam::111122223333:oidc-provider/token.actions.githubusercontent.com"
      subjects     = ["repo:acme/platform:pull_request"]
    }
  }
  expect_failures = [var.deployer]
}

run "deployer_for_any_audience" {
  command = plan
  variables {
    secret_arn = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:coralogix/uat/private_key-AbCdEf"
    deployer = {
      provider_arn = "arn:aws:iam::111122223333:oidc-provider/gitlab.com"
      subjects     = ["project_path:acme/platform:ref_type:branch:ref:main"]
      audience     = "*"
    }
  }
  expect_failures = [var.deployer]
}

run "deployer_of_too_many" {
  command = plan
  variables {
    secret_arn = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:coralogix/uat/private_key-AbCdEf"
    deployer = {
      provider_arn = "arn:aws:iam::111122223333:oidc-provider/token.actions.githubusercontent.com"
      subjects     = [for i in range(20) : "repo:acme/platform-${i}:environment:rotate-uat"]
    }
  }
  expect_failures = [aws_iam_role.deployer]
}

run "deployer_without_secret" {
  command = plan
  variables {
    deployer = {
      provider_arn = "arn:aws:iam::111122223333:oidc-provider/token.actions.githubusercontent.com"
      subjects     = ["repo:acme/platform:environment:uat"]
    }
  }
  expect_failures = [var.secret_arn]
}

run "deployer_by_url" {
  command = plan
  variables {
    secret_arn = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:coralogix/uat/private_key-AbCdEf"
    deployer = {
      provider_arn = "https://token.actions.githubusercontent.com"
      subjects     = ["repo:acme/platform:environment:uat"]
    }
  }
  expect_failures = [var.deployer]
}

run "names" {
  command = plan
  variables {
    name        = "a-name-that-is-too-long-for-a-role-of-its-own-in-iam-123"
    environment = "UAT"
    profile     = "collector profile"
  }
  expect_failures = [var.name, var.environment, var.profile]
}
