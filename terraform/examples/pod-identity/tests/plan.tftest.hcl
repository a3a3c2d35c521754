mock_provider "aws" {}

run "first_plan" {
  command = plan
  assert {
    condition     = module.secret.name == "coralogix/uat/private_key"
    error_message = "the secret has another name"
  }
}
