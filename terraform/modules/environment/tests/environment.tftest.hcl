mock_provider "aws" {
  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::111122223333:role/mock" }
  }
  mock_resource "aws_iam_openid_connect_provider" {
    defaults = { arn = "arn:aws:iam::111122223333:oidc-provider/token.actions.githubusercontent.com" }
  }
  mock_resource "aws_secretsmanager_secret" {
    defaults = { arn = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:otel/uat/private_key-AbCdEf" }
  }
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
}

variables {
  name             = "otel"
  environment      = "uat"
  bucket           = "acme-charts-uat"
  mode             = "pod-identity"
  cluster_arn      = "arn:aws:eks:eu-west-1:111122223333:cluster/uat"
  service_accounts = [{ namespace = "observability", name = "otel-agent" }]
  github = {
    provider_arn        = "arn:aws:iam::111122223333:oidc-provider/token.actions.githubusercontent.com"
    subjects            = ["repo:acme/platform:environment:uat"]
    maintainer_subjects = ["repo:acme/platform:environment:prune"]
  }
}

run "uat" {
  variables {
    key             = "canary-5c1f"
    manage_key      = true
    key_reader_arns = ["arn:aws:iam::111122223333:role/terraform"]
  }
  assert {
    condition     = module.chart_repository.url == "s3://acme-charts-uat" && output.secret_name == "otel/uat/private_key" && output.configuration.application == "otel-uat" && module.workload_identity.role_name == "otel-uat"
    error_message = "the environment is not in every name"
  }
  assert {
    condition     = strcontains(module.chart_repository.policy, output.maintainer_role_arn)
    error_message = "the maintainer may not delete"
  }
  assert {
    condition     = output.chart_values.pinnace.appConfig == { application = "otel-uat", environment = "uat", profile = "collector" }
    error_message = "values of the chart"
  }
  assert {
    condition     = output.chart_values.aws == { roleArn = "", podIdentity = true }
    error_message = "the chart takes no role's ARN with EKS Pod Identity"
  }
  assert {
    condition     = output.secret_version_id != null
    error_message = "the key is not written"
  }
}

run "chart_values_with_irsa" {
  variables {
    key               = "canary-5c1f"
    manage_key        = true
    key_reader_arns   = ["arn:aws:iam::111122223333:role/terraform"]
    mode              = "both"
    oidc_provider_arn = "arn:aws:iam::111122223333:oidc-provider/oidc.eks.eu-west-1.amazonaws.com/id/EXAMPLE"
  }
  assert {
    condition     = output.chart_values.aws == { roleArn = "arn:aws:iam::111122223333:role/mock", podIdentity = false }
    error_message = "with IRSA the chart names the role"
  }
}

run "deployer_by_the_provider_made_here" {
  variables {
    key                    = "canary-5c1f"
    manage_key             = true
    key_reader_arns        = ["arn:aws:iam::111122223333:role/terraform"]
    create_github_provider = true
    github                 = { subjects = ["repo:acme/platform:environment:uat"] }
    deployer               = { subjects = ["repo:acme/platform:environment:rotate-uat"] }
  }
  assert {
    condition     = output.deployer_role_arn != null && output.github_provider_arn == "arn:aws:iam::111122223333:oidc-provider/token.actions.githubusercontent.com"
    error_message = "the deployer cannot use the provider that this environment makes"
  }
}

run "deployer_of_one_of_two" {
  command = plan
  variables {
    gitlab   = { provider_arn = "arn:aws:iam::111122223333:oidc-provider/gitlab.com", subjects = ["project_path:acme/platform:ref_type:branch:ref:main"] }
    deployer = { subjects = ["repo:acme/platform:environment:rotate-uat"] }
  }
  expect_failures = [var.deployer]
}

run "only_what_is_asked_for" {
  command = plan
  variables {
    secret_name = "coralogix/uat/private_key"
  }
  assert {
    condition     = output.secret_version_id == null && output.deployer_role_arn == null
    error_message = "something is made that nobody asked for"
  }
  assert {
    condition     = output.secret_name == "coralogix/uat/private_key"
    error_message = "the secret has another name"
  }
}

run "prod" {
  command = plan
  variables {
    environment = "prod"
    bucket      = "acme-charts-prod"
    alarm_arns  = ["arn:aws:cloudwatch:eu-west-1:111122223333:alarm:export-errors"]
  }
  assert {
    condition     = output.repository_url == "s3://acme-charts-prod" && module.workload_identity.role_name == "otel-prod"
    error_message = "the environment is not in every name"
  }
}

run "prod_without_alarms" {
  command = plan
  variables {
    environment = "prod"
    bucket      = "acme-charts-prod"
  }
  expect_failures = [var.alarm_arns]
}

run "prod_without_recovery" {
  command = plan
  variables {
    environment             = "prod"
    bucket                  = "acme-charts-prod"
    alarm_arns              = ["arn:aws:cloudwatch:eu-west-1:111122223333:alarm:export-errors"]
    recovery_window_in_days = 0
  }
  expect_failures = [var.recovery_window_in_days]
}

run "names_without_environment" {
  command = plan
  variables {
    bucket      = "acme-charts"
    secret_name = "coralogix/private_key"
  }
  expect_failures = [var.bucket, var.secret_name]
}

run "environment_inside_a_word" {
  command = plan
  variables {
    environment = "prod"
    alarm_arns  = ["arn:aws:cloudwatch:eu-west-1:111122223333:alarm:export-errors"]
    bucket      = "acme-products"
    secret_name = "coralogix/nonprod/private_key"
  }
  expect_failures = [var.bucket, var.secret_name]
}

run "name_too_long" {
  command = plan
  variables {
    name = "open-telemetry-collector-of-acme"
  }
  expect_failures = [var.name]
}

run "environment_with_capitals" {
  command = plan
  variables {
    environment = "UAT"
    bucket      = "acme-charts-UAT"
    secret_name = "coralogix/UAT/private_key"
  }
  expect_failures = [var.environment]
}

run "key_that_terraform_cannot_read_back" {
  command = plan
  variables {
    key        = "canary-5c1f"
    manage_key = true
  }
  expect_failures = [var.key_reader_arns]
}

run "location_with_scheme" {
  command = plan
  variables {
    document_location = "secretsmanager://coralogix/uat/private_key"
  }
  expect_failures = [var.document_location]
}

run "nothing_to_deploy" {
  command = plan
  variables {
    deploy = true
  }
  expect_failures = [var.deploy]
}
