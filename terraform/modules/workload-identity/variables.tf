variable "name" {
  description = "Name of the role, with the environment in it: otel-uat."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9+=,.@_-]{1,64}$", var.name))
    error_message = "A role's name has 1 to 64 letters, digits and +=,.@_-; write otel-uat."
  }
}

variable "mode" {
  description = "How pods become the role: `irsa` (the cluster's OIDC provider), `pod-identity` (EKS Pod Identity), or `both` while a cluster moves from one to the other."
  type        = string

  validation {
    condition     = contains(["irsa", "pod-identity", "both"], var.mode)
    error_message = "The mode is irsa, pod-identity or both; new clusters take pod-identity."
  }
}

variable "service_accounts" {
  description = "The Kubernetes service accounts that become the role, each exactly."
  type = list(object({
    namespace = string
    name      = string
  }))

  validation {
    condition = length(var.service_accounts) > 0 && alltrue([for account in var.service_accounts :
    can(regex("^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$", account.namespace)) && can(regex("^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$", account.name))])
    error_message = "Each service account is named exactly, without wildcards, and there is at least one; write { namespace = \"observability\", name = \"otel-agent\" }."
  }

  validation {
    condition     = length(distinct(var.service_accounts)) == length(var.service_accounts)
    error_message = "A service account stands twice in the list; write it once."
  }
}

variable "oidc_provider_arn" {
  description = "ARN of the cluster's OIDC provider in IAM, for `irsa` and `both`."
  type        = string
  default     = null

  validation {
    condition     = var.oidc_provider_arn == null || can(regex("^arn:aws[a-z-]*:iam::[0-9]{12}:oidc-provider/[A-Za-z0-9./_-]+$", var.oidc_provider_arn))
    error_message = "The provider is an OIDC provider of IAM, with its issuer and without https://; write arn:aws:iam::111122223333:oidc-provider/oidc.eks.eu-west-1.amazonaws.com/id/EXAMPLE."
  }

  validation {
    condition     = var.mode == "pod-identity" ? var.oidc_provider_arn == null : (var.oidc_provider_arn == null) == var.create_oidc_provider
    error_message = "IRSA needs the cluster's OIDC provider, once: write its ARN, or create_oidc_provider = true and oidc_issuer_url. Pod Identity needs none."
  }
}

variable "create_oidc_provider" {
  description = "Whether the OIDC provider is made here. An account has one for each cluster, and most clusters have theirs already."
  type        = bool
  default     = false
}

variable "oidc_issuer_url" {
  description = "The cluster's issuer, where the OIDC provider is made here."
  type        = string
  default     = null

  validation {
    condition     = var.oidc_issuer_url == null || can(regex("^https://[a-z0-9.-]+(:[0-9]+)?(/[A-Za-z0-9._/-]*[A-Za-z0-9])?$", var.oidc_issuer_url))
    error_message = "An issuer is reached by https and has no slash at its end; write https://oidc.eks.eu-west-1.amazonaws.com/id/EXAMPLE."
  }

  validation {
    condition     = var.create_oidc_provider == (var.oidc_issuer_url != null)
    error_message = "The issuer's URL is for an OIDC provider that is made here: write it together with create_oidc_provider = true, or neither."
  }
}

variable "cluster_arn" {
  description = "ARN of the EKS cluster, for `pod-identity` and `both`."
  type        = string
  default     = null

  validation {
    condition     = var.cluster_arn == null || can(regex("^arn:aws[a-z-]*:eks:[a-z0-9-]+:[0-9]{12}:cluster/[A-Za-z0-9][A-Za-z0-9_-]{0,99}$", var.cluster_arn))
    error_message = "Pod Identity serves one cluster, given by its ARN without wildcards; write arn:aws:eks:eu-west-1:111122223333:cluster/uat."
  }

  validation {
    condition     = (var.mode == "irsa") == (var.cluster_arn == null)
    error_message = "Pod Identity needs the cluster and IRSA does not; write cluster_arn = \"arn:aws:eks:eu-west-1:111122223333:cluster/uat\" for the modes pod-identity and both."
  }
}

variable "configuration_arn" {
  description = "ARN of the document in its environment: `configuration_arn` of dynamic-config."
  type        = string

  validation {
    condition     = can(regex("^arn:aws[a-z-]*:appconfig:[a-z0-9-]+:[0-9]{12}:application/[a-z0-9]{4,7}/environment/[a-z0-9]{4,7}/configuration/[a-z0-9]{4,7}$", var.configuration_arn))
    error_message = "A workload follows one document in one environment; write configuration_arn = module.dynamic_config.configuration_arn, or arn:aws:appconfig:eu-west-1:111122223333:application/abcd123/environment/efgh456/configuration/ijkl789."
  }
}

variable "reads_secret" {
  description = "Whether the pod reads the secret that its document refers to. False for a profile at `secretsmanager://`, where AppConfig reads it."
  type        = bool
  default     = true
  nullable    = false
}

variable "secret_arn" {
  description = "ARN of the secret that the document refers to."
  type        = string
  default     = null

  validation {
    condition     = var.secret_arn == null || can(regex("^arn:aws[a-z-]*:secretsmanager:[a-z0-9-]+:[0-9]{12}:secret:[A-Za-z0-9/_+=.@-]+-[A-Za-z0-9]{6}$", var.secret_arn))
    error_message = "A policy names a secret by its whole ARN with the six characters that AWS adds, and without wildcards; write arn:aws:secretsmanager:eu-west-1:111122223333:secret:coralogix/uat/private_key-AbCdEf."
  }

  validation {
    condition     = !var.reads_secret || var.secret_arn != null
    error_message = "Write which secret the pod reads, secret_arn = module.secret.arn, or reads_secret = false."
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

variable "permissions_boundary_arn" {
  description = "ARN of the role's permissions boundary. Null: none."
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
