# An example: replace every value. Keys do not belong here.
account_id = "444455556666"
region     = "eu-west-1"

name        = "otel"
bucket      = "acme-charts-prod"
prefix      = "stable/"
secret_name = "coralogix/prod/private_key"
mode        = "pod-identity"
cluster_arn = "arn:aws:eks:eu-west-1:444455556666:cluster/prod"
# One for each role of the chart that is enabled, <fullname>-ROLE; here fullnameOverride is otel.
service_accounts = [
  { namespace = "observability", name = "otel-agent" },
  { namespace = "observability", name = "otel-cluster" },
]

# An alarm that shows that telemetry is lost stops a rollout and takes it back.
alarm_arns = ["arn:aws:cloudwatch:eu-west-1:444455556666:alarm:collector-export-errors"]

# The same bytes as in uat, by digest.
promote_from = { uat = { bucket_arn = "arn:aws:s3:::acme-charts-uat", prefix = "stable/" } }

github = {
  provider_arn        = "arn:aws:iam::444455556666:oidc-provider/token.actions.githubusercontent.com"
  subjects            = ["repo:acme/platform:environment:prod"]
  maintainer_subjects = ["repo:acme/platform:environment:prune-prod"]
}
deployer = {
  provider_arn = "arn:aws:iam::444455556666:oidc-provider/token.actions.githubusercontent.com"
  subjects     = ["repo:acme/platform:environment:rotate-prod"]
}
