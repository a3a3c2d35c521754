mock_provider "aws" {}

variables {
  oidc_provider_arn = "arn:aws:iam::111122223333:oidc-provider/oidc.eks.eu-west-1.amazonaws.com/id/EXAMPLE"
}

run "first_plan" {
  command = plan
  assert {
    condition     = module.secret.name == "coralogix/uat/private_key"
    error_message = "the secret has another name"
  }
}
