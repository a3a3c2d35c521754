mock_provider "aws" {}

# With the values of terraform.tfvars.
run "names" {
  command = plan
  assert {
    condition = [output.repository_url, output.secret_name, output.configuration.application] == [
    "s3://acme-charts-uat/stable", "coralogix/uat/private_key", "otel-uat"]
    error_message = "the environment is not in every name"
  }
}

run "account_and_region" {
  command = plan
  variables {
    account_id = "acme"
    region     = "Ireland"
  }
  expect_failures = [var.account_id, var.region]
}

run "another_environments_cluster_and_alarm" {
  command = plan
  variables {
    cluster_arn = "arn:aws:eks:eu-west-1:444455556666:cluster/prod"
    alarm_arns  = ["arn:aws:cloudwatch:us-east-1:111122223333:alarm:collector-export-errors"]
  }
  expect_failures = [var.cluster_arn, var.alarm_arns]
}

run "another_accounts_oidc_provider" {
  command = plan
  variables {
    mode              = "irsa"
    cluster_arn       = null
    oidc_provider_arn = "arn:aws:iam::444455556666:oidc-provider/oidc.eks.eu-west-1.amazonaws.com/id/EXAMPLE"
  }
  expect_failures = [var.oidc_provider_arn]
}
