variable "name" {
  description = "Name of the secret, with the environment in it: coralogix/uat/private_key."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9/_+=.@-]{1,512}$", var.name))
    error_message = "A secret's name has 1 to 512 letters, digits and /_+=.@-; write coralogix/uat/private_key. An ARN is not a name."
  }

  validation {
    condition     = !can(regex("-[A-Za-z0-9]{6}$", var.name))
    error_message = "A name that ends with a hyphen and six characters looks like the end of an ARN, and AWS may find another secret by it; write private_key in place of private-key123."
  }
}

variable "description" {
  description = "What the secret is for. No part of its value."
  type        = string
  default     = "Made by Terraform."
}

variable "kms_key_arn" {
  description = "ARN of the KMS key that encrypts the secret. Null: AWS's own key for Secrets Manager, which no other account can use."
  type        = string
  default     = null

  validation {
    condition     = var.kms_key_arn == null || can(regex("^arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+$", var.kms_key_arn))
    error_message = "IAM compares keys and not aliases; write the key's own ARN, arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab."
  }
}

variable "manage_value" {
  description = "Whether Terraform writes the value. False: it makes the secret and nothing else, and the pipeline that rotates, or a person, puts the value. Every plan needs the value where this is true."
  type        = bool
  default     = false
  nullable    = false
}

variable "value" {
  description = "The value, where Terraform writes it. Give it in the environment (TF_VAR_…), never in a file. It is in no state and no plan."
  type        = string
  default     = null
  ephemeral   = true
  sensitive   = true

  validation {
    condition     = var.manage_value ? try(length(var.value) > 0, false) : var.value == null
    error_message = "Give a value if Terraform manages it (manage_value = true), and none if something else does (manage_value = false)."
  }
}

variable "value_version" {
  description = "Number of the value. Terraform writes the value anew when this changes, and at no other time: raise it with each new value."
  type        = number
  default     = 1

  validation {
    condition     = var.value_version >= 1 && floor(var.value_version) == var.value_version
    error_message = "The value's version is a whole number from 1 on; raise it by one with each new value."
  }
}

variable "reader_arns" {
  description = "ARNs of the only roles that may read the value, if any are given: everybody else is refused, administrators too. Terraform's own role must be among them where it manages the value, because the provider reads back what it wrote."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for arn in var.reader_arns : can(regex("^arn:aws[a-z-]*:iam::[0-9]{12}:(role|user)/[A-Za-z0-9+=,.@_/-]+$", arn))])
    error_message = "A reader is one role or user without wildcards; write arn:aws:iam::111122223333:role/otel-uat. A session's ARN (assumed-role) is not it."
  }
}

variable "recovery_window_in_days" {
  description = "How long a deleted secret can be restored, and its name is taken: 7 to 30 days, or 0 for environments that are thrown away."
  type        = number
  default     = 30

  validation {
    condition     = var.recovery_window_in_days == 0 || (var.recovery_window_in_days >= 7 && var.recovery_window_in_days <= 30)
    error_message = "AWS keeps a deleted secret for 7 to 30 days; write 30, or 0 where the environment is thrown away."
  }
}

variable "tags" {
  description = "Tags of the secret."
  type        = map(string)
  default     = {}
}
