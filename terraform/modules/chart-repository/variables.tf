variable "bucket" {
  description = "Name of the bucket that is made. Names are shared by all of AWS: begin with your organisation's."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$", var.bucket))
    error_message = "A bucket's name has 3 to 63 lower-case letters, digits and hyphens, with a letter or digit at both ends; write acme-charts-uat. Dots are refused, because TLS certificates do not cover them."
  }
}

variable "prefix" {
  description = "Where in the bucket the repository is: empty, or a path that ends with a slash."
  type        = string
  default     = ""

  validation {
    condition     = can(regex("^([A-Za-z0-9_-][A-Za-z0-9._-]*/)*$", var.prefix))
    error_message = "The prefix is empty or ends with a slash and has no slash before it; write stable/. Without the slash it would cover its neighbours."
  }
}

variable "maintainer_role_arn" {
  description = "ARN of the only role that may delete charts (`pinnace prune`). Null: nobody may. The role need not exist yet."
  type        = string
  default     = null

  validation {
    condition     = var.maintainer_role_arn == null || can(regex("^arn:aws[a-z-]*:iam::[0-9]{12}:role/[A-Za-z0-9+=,.@_/-]+$", var.maintainer_role_arn))
    error_message = "The maintainer is one role without wildcards; write arn:aws:iam::111122223333:role/charts-maintainer."
  }
}

variable "reader_arns" {
  description = "ARNs of roles, users or whole accounts (`…:root`) that may read the charts by the bucket's policy. Readers of other accounts need it; those of this account need a policy of their own alone."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for arn in var.reader_arns : can(regex("^arn:aws[a-z-]*:iam::[0-9]{12}:(root|(role|user)/[A-Za-z0-9+=,.@_/-]+)$", arn))])
    error_message = "A reader is a role, a user or an account, without wildcards; write arn:aws:iam::111122223333:role/argocd or arn:aws:iam::111122223333:root. Charts for the public do not belong here."
  }
}

variable "kms_key_arn" {
  description = "ARN of the KMS key that encrypts the charts. Null: S3's own keys. Roles then need the policies `encryption` or `decryption` besides."
  type        = string
  default     = null

  validation {
    condition     = var.kms_key_arn == null || can(regex("^arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+$", var.kms_key_arn))
    error_message = "IAM compares keys and not aliases; write the key's own ARN, arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab."
  }
}

variable "noncurrent_days" {
  description = "After how many days an old index, or a chart that was deleted, is gone for good."
  type        = number
  default     = 90

  validation {
    condition     = var.noncurrent_days >= 1 && floor(var.noncurrent_days) == var.noncurrent_days
    error_message = "Old versions are kept for whole days, at least 1; write 90."
  }
}

variable "newer_noncurrent_versions" {
  description = "How many old versions of an object are kept whatever their age, 1 to 100. Null: none."
  type        = number
  default     = null

  validation {
    condition     = var.newer_noncurrent_versions == null || try(var.newer_noncurrent_versions >= 1 && var.newer_noncurrent_versions <= 100, false)
    error_message = "S3 keeps 1 to 100 old versions whatever their age; write 10, or null for none."
  }
}

variable "log_bucket" {
  description = "Name of the bucket that takes the access logs. Null: no access logs."
  type        = string
  default     = null
}

variable "force_destroy" {
  description = "Whether destroying the bucket deletes every chart in it. Set it, apply, and then destroy; leave it false otherwise."
  type        = bool
  default     = false
}

variable "partition" {
  description = "AWS partition of the bucket: aws, aws-cn or aws-us-gov."
  type        = string
  default     = "aws"

  validation {
    condition     = contains(["aws", "aws-cn", "aws-us-gov"], var.partition)
    error_message = "The partition is aws, aws-cn or aws-us-gov."
  }
}

variable "tags" {
  description = "Tags of the bucket."
  type        = map(string)
  default     = {}
}
