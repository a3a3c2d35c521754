mock_provider "aws" {}

# With the values of terraform.tfvars.
run "names" {
  command = plan
  assert {
    condition = [output.repository_url, output.secret_name, output.configuration.application] == [
    "s3://acme-charts-prod/stable", "coralogix/prod/private_key", "otel-prod"]
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
