variable "name" {
  description = "Name of the AppConfig application, with the environment in it, and first part of the names of roles and strategy: otel-uat."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z][A-Za-z0-9_-]{0,53}$", var.name))
    error_message = "The name has 1 to 54 letters, digits, hyphens and underscores and begins with a letter, so that the names of roles stay within IAM's 64; write otel-uat."
  }
}

variable "environment" {
  description = "Name of the AppConfig environment: uat, prod."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,31}$", var.environment))
    error_message = "An environment's name has 1 to 32 lower-case letters, digits and hyphens; write uat or prod."
  }
}

variable "profile" {
  description = "Name of the configuration profile: the document."
  type        = string
  default     = "collector"

  validation {
    condition     = can(regex("^[A-Za-z][A-Za-z0-9_-]{0,127}$", var.profile))
    error_message = "A profile's name has 1 to 128 letters, digits, hyphens and underscores; write collector."
  }
}

variable "alarm_arns" {
  description = "ARNs of up to five CloudWatch alarms, in one account and region, that stop a rollout and roll it back. Required in prod."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for arn in var.alarm_arns : can(regex("^arn:aws[a-z-]*:cloudwatch:[a-z0-9-]+:[0-9]{12}:alarm:[^*?]+$", arn))])
    error_message = "An alarm is given by its ARN without wildcards; write arn:aws:cloudwatch:eu-west-1:111122223333:alarm:collector-export-errors."
  }

  validation {
    condition     = length(var.alarm_arns) <= 5 && length(distinct([for arn in var.alarm_arns : join(":", slice(concat(split(":", arn), ["", "", "", "", ""]), 0, 5))])) <= 1
    error_message = "AppConfig watches at most 5 alarms, and here they are in one account and region; name the ones that show that telemetry is lost."
  }

  validation {
    condition     = !contains(["prod", "production"], var.environment) || length(var.alarm_arns) > 0
    error_message = "In prod a rollout needs an alarm that can stop it; write alarm_arns = [\"arn:aws:cloudwatch:eu-west-1:111122223333:alarm:collector-export-errors\"]."
  }
}

variable "location" {
  description = "Where the document is: `hosted` in AppConfig with references to secrets (recommended), or `secretsmanager://NAME` for a document that is a secret itself."
  type        = string
  default     = "hosted"

  validation {
    condition     = var.location == "hosted" || can(regex("^secretsmanager://[A-Za-z0-9/_+=.@-]{1,512}$", var.location))
    error_message = "AppConfig finds a secret by its name and not by an ARN; write secretsmanager://coralogix/uat/private_key, or hosted."
  }
}

variable "secret_arn" {
  description = "ARN of the secret, for whoever retrieves it (`secretsmanager://`) or rotates it (`deployer`)."
  type        = string
  default     = null

  validation {
    condition     = var.secret_arn == null || can(regex("^arn:aws[a-z-]*:secretsmanager:[a-z0-9-]+:[0-9]{12}:secret:[A-Za-z0-9/_+=.@-]+-[A-Za-z0-9]{6}$", var.secret_arn))
    error_message = "A policy names a secret by its whole ARN with the six characters that AWS adds, and without wildcards; write arn:aws:secretsmanager:eu-west-1:111122223333:secret:coralogix/uat/private_key-AbCdEf."
  }

  validation {
    condition     = var.location == "hosted" || var.secret_arn != null
    error_message = "AppConfig reads a secretsmanager:// document by a role that names the secret; write secret_arn = module.secret.arn."
  }

  validation {
    condition     = var.deployer == null || var.secret_arn != null
    error_message = "The deployer rotates one secret; write secret_arn = module.secret.arn."
  }
}

variable "secret_kms_key_arn" {
  description = "ARN of the KMS key that encrypts the secret. Null: AWS's own."
  type        = string
  default     = null

  validation {
    condition     = var.secret_kms_key_arn == null || can(regex("^arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+$", var.secret_kms_key_arn))
    error_message = "IAM compares keys and not aliases; write the key's own ARN, arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab."
  }
}

variable "json_schema" {
  description = "JSON Schema (draft 4) that every document must satisfy before it is rolled out. Null: none."
  type        = string
  default     = null

  validation {
    condition     = var.json_schema == null || can(keys(jsondecode(var.json_schema)))
    error_message = "The schema is a JSON object; write jsonencode({ type = \"object\", required = [\"private_key\"] }) or file(\"schema.json\")."
  }
}

variable "content" {
  description = "First document of a hosted profile, JSON, with references and without secrets: it stands in the state. Null: a pipeline writes it."
  type        = string
  default     = null

  validation {
    condition     = var.content == null || (var.location == "hosted" && can(keys(jsondecode(var.content))))
    error_message = "The document is a JSON object, and only a hosted profile has one here; write jsonencode({ private_key = \"{{resolve:secretsmanager:coralogix/uat/private_key:SecretString}}\" })."
  }
}

variable "deploy" {
  description = "Whether Terraform starts a rollout when the document changes. It does not wait for its end: a second change within the rollout's time fails. False: a pipeline rolls out."
  type        = bool
  default     = false

  validation {
    condition     = !var.deploy || (var.location == "hosted" ? var.content != null : var.configuration_version != null)
    error_message = "There is nothing to roll out; give content for a hosted profile, or configuration_version = module.secret.version_id for one at secretsmanager://."
  }
}

variable "configuration_version" {
  description = "Id of the secret's version that Terraform rolls out, for a profile at `secretsmanager://`."
  type        = string
  default     = null
}

variable "strategy" {
  description = "How a rollout grows: from nothing to everybody within `duration_minutes`, by `growth_percent` a step, `LINEAR` or `EXPONENTIAL`; then `bake_minutes` in which an alarm still rolls it back."
  type = object({
    duration_minutes = optional(number, 20)
    growth_type      = optional(string, "LINEAR")
    growth_percent   = optional(number, 20)
    bake_minutes     = optional(number, 10)
  })
  default = {}

  validation {
    condition     = var.strategy.duration_minutes >= 0 && var.strategy.duration_minutes <= 1440 && var.strategy.bake_minutes >= 0 && var.strategy.bake_minutes <= 1440
    error_message = "A rollout and its bake time take 0 to 1440 minutes each; write { duration_minutes = 20, bake_minutes = 10 }."
  }

  validation {
    condition     = contains(["LINEAR", "EXPONENTIAL"], var.strategy.growth_type) && var.strategy.growth_percent >= 1 && var.strategy.growth_percent <= 100
    error_message = "A rollout grows LINEAR or EXPONENTIAL, by 1 to 100 percent; write { growth_type = \"LINEAR\", growth_percent = 20 }."
  }
}

variable "deployer" {
  description = "The pipeline that rotates the key and rolls out: ARN of its OIDC provider, exact subjects of its tokens, their audience. Null: no such role."
  type = object({
    provider_arn = string
    subjects     = list(string)
    audience     = optional(string, "sts.amazonaws.com")
  })
  default = null

  validation {
    condition     = var.deployer == null || can(regex("^arn:aws[a-z-]*:iam::[0-9]{12}:oidc-provider/[A-Za-z0-9./_-]+$", var.deployer.provider_arn))
    error_message = "The provider is an OIDC provider of IAM; write arn:aws:iam::111122223333:oidc-provider/token.actions.githubusercontent.com."
  }

  validation {
    condition     = var.deployer == null || try(length(var.deployer.subjects) > 0 && alltrue([for subject in var.deployer.subjects : can(regex("^[^*?\"\\\\$%]+$", subject))]), false)
    error_message = "A subject is exact, without wildcards, and there is at least one; write repo:acme/platform:environment:prod, or project_path:acme/platform:ref_type:branch:ref:main."
  }

  validation {
    condition     = !anytrue([for subject in try(var.deployer.subjects, []) : endswith(subject, ":pull_request")])
    error_message = "A pull request rotates nothing: anybody who may open one would; write repo:acme/platform:environment:rotate-prod."
  }

  validation {
    condition     = var.deployer == null || can(regex("^[A-Za-z0-9:/._-]+$", var.deployer.audience))
    error_message = "The audience is the one for which the pipeline asks its token; write sts.amazonaws.com."
  }
}

variable "permissions_boundary_arn" {
  description = "ARN of the permissions boundary of every role. Null: none."
  type        = string
  default     = null

  validation {
    condition     = var.permissions_boundary_arn == null || can(regex("^arn:aws[a-z-]*:iam::([0-9]{12}|aws):policy/[A-Za-z0-9+=,.@_/-]+$", var.permissions_boundary_arn))
    error_message = "A permissions boundary is a managed policy; write arn:aws:iam::111122223333:policy/boundary."
  }
}

variable "tags" {
  description = "Tags of everything that takes them."
  type        = map(string)
  default     = {}
}
