output "application" {
  description = "Name of the application, for the chart's pinnace.appConfig.application."
  value       = aws_appconfig_application.this.name
}

output "application_id" {
  description = "Id of the application."
  value       = aws_appconfig_application.this.id
}

output "environment" {
  description = "Name of the environment, for the chart's pinnace.appConfig.environment."
  value       = aws_appconfig_environment.this.name
}

output "environment_id" {
  description = "Id of the environment."
  value       = aws_appconfig_environment.this.environment_id
}

output "profile" {
  description = "Name of the profile, for the chart's pinnace.appConfig.profile."
  value       = aws_appconfig_configuration_profile.this.name
}

output "profile_id" {
  description = "Id of the profile."
  value       = aws_appconfig_configuration_profile.this.configuration_profile_id
}

output "configuration_arn" {
  description = "ARN of the document in its environment: what the workload's policy names."
  value       = "${aws_appconfig_environment.this.arn}/configuration/${aws_appconfig_configuration_profile.this.configuration_profile_id}"
}

output "strategy_id" {
  description = "Id of the deployment strategy, for rollouts by a pipeline."
  value       = aws_appconfig_deployment_strategy.this.id
}

output "retrieval_role_arn" {
  description = "ARN of the role by which AppConfig reads the secret, or null for a hosted profile."
  value       = one(aws_iam_role.retrieval[*].arn)
}

output "deployer_role_arn" {
  description = "ARN of the role of the pipeline that rotates, or null."
  value       = one(aws_iam_role.deployer[*].arn)
}
