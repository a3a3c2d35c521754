mock_provider "aws" {}

variables {
  cluster_arn        = "arn:aws:eks:eu-west-1:111122223333:cluster/prod"
  oidc_provider_arn  = "arn:aws:iam::111122223333:oidc-provider/oidc.eks.eu-west-1.amazonaws.com/id/EXAMPLE"
  argocd_role_arn    = "arn:aws:iam::444455556666:role/argocd-repo-server"
  terraform_role_arn = "arn:aws:iam::111122223333:role/terraform"
  key                = "canary-5c1f"
}

# Keys and alarm are made in the same plan: nothing may have to be counted by what AWS has not answered yet.
run "first_plan" {
  command = plan
  assert {
    condition     = output.chart_values.pinnace.appConfig.application == "otel-prod"
    error_message = "values of the chart"
  }
}
