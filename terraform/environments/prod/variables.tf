variable "account_id" {
  description = "The AWS account of prod; Terraform refuses any other."
  type        = string

  validation {
    condition     = can(regex("^[0-9]{12}$", var.account_id))
    error_message = "An account's id has twelve digits; write 111122223333."
  }
}

variable "region" {
  description = "AWS region of prod."
  type        = string

  validation {
    condition     = can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", var.region))
    error_message = "A region is written eu-west-1."
  }
}

variable "name" {
  description = "What is delivered, and first part of every name: otel."
  type        = string
}

variable "bucket" {
  description = "Name of the bucket for charts, with the environment in it: acme-charts-uat."
  type        = string
}

variable "prefix" {
  description = "Where in the bucket the repository is: empty, or a path that ends with a slash."
  type        = string
  default     = ""
}

variable "chart_reader_arns" {
  description = "ARNs of roles or accounts elsewhere that may read the charts, such as prod's publisher for uat."
  type        = list(string)
  default     = []
}

variable "chart_kms_key_arn" {
  description = "ARN of the KMS key that encrypts the charts. Null: S3's own keys."
  type        = string
  default     = null
}

variable "newer_noncurrent_versions" {
  description = "How many old versions of a chart or index are kept whatever their age, 1 to 100. Null: none."
  type        = number
  default     = null
}

variable "log_bucket" {
  description = "Name of the bucket that takes the access logs of the charts. Null: no access logs."
  type        = string
  default     = null
}

variable "force_destroy" {
  description = "Whether destroying the environment deletes every chart in it. Set it, apply, and then destroy; leave it false otherwise."
  type        = bool
  default     = false
}

variable "tags_objects" {
  description = "Whether pipelines tag what they publish (`--tag`, or `tags` in `pinnace.yaml`)."
  type        = bool
  default     = false
}

variable "github" {
  description = "GitHub's pipelines: ARN of GitHub's OIDC provider unless it is made here, the exact subjects that publish, and those that prune."
  type = object({
    provider_arn        = optional(string)
    subjects            = optional(list(string), [])
    maintainer_subjects = optional(list(string), [])
  })
  default = null
}

variable "create_github_provider" {
  description = "Whether GitHub's OIDC provider is made here. An account has one: leave it false where another environment made it."
  type        = bool
  default     = false
}

variable "gitlab" {
  description = "GitLab's pipelines: URL of GitLab, ARN of its OIDC provider unless it is made here, the exact subjects that publish, and those that prune."
  type = object({
    url                 = optional(string, "https://gitlab.com")
    provider_arn        = optional(string)
    subjects            = optional(list(string), [])
    maintainer_subjects = optional(list(string), [])
  })
  default = null
}

variable "create_gitlab_provider" {
  description = "Whether GitLab's OIDC provider is made here. An account has one for each GitLab."
  type        = bool
  default     = false
}

variable "promote_from" {
  description = "Repositories whose charts are promoted to this one: name → ARN of the bucket, prefix, KMS key."
  type = map(object({
    bucket_arn  = string
    prefix      = optional(string, "")
    kms_key_arn = optional(string)
  }))
  default = {}
}

variable "secret_name" {
  description = "Name of the secret. Null: NAME/ENVIRONMENT/private_key."
  type        = string
  default     = null
}

variable "secret_kms_key_arn" {
  description = "ARN of the KMS key that encrypts the secret. Null: AWS's own."
  type        = string
  default     = null
}

variable "manage_key" {
  description = "Whether Terraform writes the key. False: it makes the secret, and the pipeline that rotates, or a person, puts the key. Every plan needs the key where this is true."
  type        = bool
  default     = false
  nullable    = false
}

variable "key" {
  description = "What the secret holds, where Terraform writes it. Give it as TF_VAR_key, never in a file. It is in no state and no plan."
  type        = string
  default     = null
  ephemeral   = true
  sensitive   = true
}

variable "key_version" {
  description = "Number of the key. Terraform writes the key anew when this changes, and at no other time: raise it with each new key."
  type        = number
  default     = 1
}

variable "guard_key" {
  description = "Whether the secret's own policy refuses the key to everybody but its readers, administrators too."
  type        = bool
  default     = true
  nullable    = false
}

variable "key_reader_arns" {
  description = "ARNs of further roles that may read the key. Terraform's own must be among them where it writes the key, because the provider reads back what it wrote."
  type        = list(string)
  default     = []
}

variable "recovery_window_in_days" {
  description = "How long a deleted secret can be restored, and its name is taken: 7 to 30 days, or 0 for environments that are thrown away."
  type        = number
  default     = 30
}

variable "profile" {
  description = "Name of the configuration profile: the document."
  type        = string
  default     = "collector"
}

variable "document_location" {
  description = "`hosted`: AppConfig has a document that refers to the secret. `secret`: the secret is the document."
  type        = string
  default     = "hosted"
}

variable "document" {
  description = "First document, JSON, with references and without secrets: it stands in the state. Null: a pipeline writes it."
  type        = string
  default     = null
}

variable "json_schema" {
  description = "JSON Schema (draft 4) that every document must satisfy before it is rolled out. Null: none."
  type        = string
  default     = null
}

variable "deploy" {
  description = "Whether Terraform starts a rollout when the document changes, without waiting for its end. False: a pipeline rolls out."
  type        = bool
  default     = false
}

variable "strategy" {
  description = "How a rollout grows: minutes, LINEAR or EXPONENTIAL, percent a step, minutes in which an alarm still rolls it back."
  type = object({
    duration_minutes = optional(number, 20)
    growth_type      = optional(string, "LINEAR")
    growth_percent   = optional(number, 20)
    bake_minutes     = optional(number, 10)
  })
  default = {}
}

variable "alarm_arns" {
  description = "ARNs of up to five CloudWatch alarms that stop a rollout and roll it back. Required in prod."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for arn in var.alarm_arns : strcontains(arn, ":${var.region}:${var.account_id}:")])
    error_message = "An alarm is of another account or region than prod, and rollouts are watched in their own; write arn:aws:cloudwatch:${var.region}:${var.account_id}:alarm:collector-export-errors."
  }
}

variable "deployer" {
  description = "The pipeline that rotates the key and rolls out: ARN of its OIDC provider unless it is the one of `github` or `gitlab`, exact subjects of its tokens, their audience. Null: no such role."
  type = object({
    provider_arn = optional(string)
    subjects     = list(string)
    audience     = optional(string, "sts.amazonaws.com")
  })
  default = null
}

variable "mode" {
  description = "How pods become the workload's role: `irsa`, `pod-identity` or `both`."
  type        = string
}

variable "service_accounts" {
  description = "The Kubernetes service accounts that become the workload's role, each exactly."
  type = list(object({
    namespace = string
    name      = string
  }))
}

variable "oidc_provider_arn" {
  description = "ARN of the cluster's OIDC provider in IAM, for `irsa` and `both`."
  type        = string
  default     = null

  validation {
    condition     = var.oidc_provider_arn == null || try(strcontains(var.oidc_provider_arn, ":${var.account_id}:"), false)
    error_message = "The OIDC provider is of another account than prod, and IAM looks for it in its own; write arn:aws:iam::${var.account_id}:oidc-provider/oidc.eks.${var.region}.amazonaws.com/id/EXAMPLE."
  }
}

variable "create_oidc_provider" {
  description = "Whether the cluster's OIDC provider is made here. An account has one for each cluster."
  type        = bool
  default     = false
}

variable "oidc_issuer_url" {
  description = "The cluster's issuer, where its OIDC provider is made here."
  type        = string
  default     = null
}

variable "cluster_arn" {
  description = "ARN of the EKS cluster, for `pod-identity` and `both`."
  type        = string
  default     = null

  validation {
    condition     = var.cluster_arn == null || try(strcontains(var.cluster_arn, ":${var.region}:${var.account_id}:"), false)
    error_message = "The cluster is of another account or region than prod, whose pods would get prod's key; write arn:aws:eks:${var.region}:${var.account_id}:cluster/prod."
  }
}

variable "permissions_boundary_arn" {
  description = "ARN of the permissions boundary of every role. Null: none."
  type        = string
  default     = null
}
