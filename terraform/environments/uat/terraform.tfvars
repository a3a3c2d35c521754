# An example: replace every value. Keys do not belong here.
account_id = "111122223333"
region     = "eu-west-1"

name        = "otel"
bucket      = "acme-charts-uat"
prefix      = "stable/"
secret_name = "coralogix/uat/private_key"
mode        = "pod-identity"
cluster_arn = "arn:aws:eks:eu-west-1:111122223333:cluster/uat"
# One for each role of the chart that is enabled, <fullname>-ROLE; here fullnameOverride is otel.
service_accounts = [
  { namespace = "observability", name = "otel-agent" },
  { namespace = "observability", name = "otel-cluster" },
]

# Prod has another account, whose publisher reads what it promotes. AWS refuses to name a role here before it exists.
chart_reader_arns = ["arn:aws:iam::444455556666:root"]

github = {
  provider_arn        = "arn:aws:iam::111122223333:oidc-provider/token.actions.githubusercontent.com"
  subjects            = ["repo:acme/platform:environment:uat"]
  maintainer_subjects = ["repo:acme/platform:environment:prune-uat"]
}
deployer = {
  provider_arn = "arn:aws:iam::111122223333:oidc-provider/token.actions.githubusercontent.com"
  subjects     = ["repo:acme/platform:environment:rotate-uat"]
}
