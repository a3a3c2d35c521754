mock_provider "aws" {}

variables {
  cluster_arn = "arn:aws:eks:eu-west-1:111122223333:cluster/uat"
}

run "first_plan" {
  command = plan
  assert {
    condition     = module.secret.name == "coralogix/uat/private_key"
    error_message = "the secret has another name"
  }
}
