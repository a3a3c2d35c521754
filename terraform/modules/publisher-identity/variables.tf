variable "name" {
  description = "First part of the names of the roles, with the environment in it: charts-uat makes charts-uat-publisher and charts-uat-maintainer."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9+=,.@_-]{1,53}$", var.name))
    error_message = "The name has 1 to 53 letters, digits and +=,.@_-, so that the names of roles stay within IAM's 64; write charts-uat."
  }
}

variable "bucket_arn" {
  description = "ARN of the bucket: `bucket_arn` of chart-repository."
  type        = string

  validation {
    condition     = can(regex("^arn:aws[a-z-]*:s3:::[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", var.bucket_arn))
    error_message = "A publisher writes to one bucket, given by its ARN and without wildcards or a path; write arn:aws:s3:::acme-charts-uat."
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

variable "kms_key_arn" {
  description = "ARN of the KMS key that encrypts the charts. Null: S3's own keys."
  type        = string
  default     = null

  validation {
    condition     = var.kms_key_arn == null || can(regex("^arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+$", var.kms_key_arn))
    error_message = "IAM compares keys and not aliases; write the key's own ARN, arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab."
  }
}

variable "tags_objects" {
  description = "Whether pipelines tag what they write (`--tag`, or `tags` in `pinnace.yaml`)."
  type        = bool
  default     = false
  nullable    = false
}

variable "github" {
  description = "GitHub's pipelines: ARN of GitHub's OIDC provider unless it is made here, the exact subjects that publish, and those that prune."
  type = object({
    provider_arn        = optional(string)
    subjects            = optional(list(string), [])
    maintainer_subjects = optional(list(string), [])
  })
  default = null

  validation {
    condition = alltrue([for subject in concat(try(var.github.subjects, []), try(var.github.maintainer_subjects, [])) :
    can(regex("^repo:[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+:(environment:[A-Za-z0-9_. -]+|ref:refs/(heads|tags)/[A-Za-z0-9_./-]+)$", subject))])
    error_message = "GitHub's subject is one repository with one environment or one ref, without wildcards; write repo:acme/platform:environment:uat or repo:acme/platform:ref:refs/heads/main. A pull request publishes nothing."
  }

  validation {
    condition     = var.github == null ? !var.create_github_provider : (var.github.provider_arn == null) == var.create_github_provider
    error_message = "GitHub's OIDC provider exists once in an account; write its ARN, arn:aws:iam::111122223333:oidc-provider/token.actions.githubusercontent.com, or create_github_provider = true in one environment of the account."
  }

  validation {
    condition     = try(var.github.provider_arn, null) == null || can(regex("^arn:aws[a-z-]*:iam::[0-9]{12}:oidc-provider/token\\.actions\\.githubusercontent\\.com$", var.github.provider_arn))
    error_message = "That is not GitHub's OIDC provider; write arn:aws:iam::111122223333:oidc-provider/token.actions.githubusercontent.com."
  }

  validation {
    condition     = length(concat(try(var.github.subjects, []), try(var.gitlab.subjects, []))) > 0
    error_message = "Nobody may publish; write github = { subjects = [\"repo:acme/platform:environment:uat\"] } or gitlab = { subjects = [\"project_path:acme/platform:ref_type:branch:ref:main\"] }."
  }
}

variable "create_github_provider" {
  description = "Whether GitHub's OIDC provider is made here. An account has one: leave it false where another environment made it."
  type        = bool
  default     = false
  nullable    = false
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

  validation {
    condition = alltrue([for subject in concat(try(var.gitlab.subjects, []), try(var.gitlab.maintainer_subjects, [])) :
    can(regex("^project_path:[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)+:ref_type:(branch|tag):ref:[A-Za-z0-9_./-]+$", subject))])
    error_message = "GitLab's subject is one project with one branch or tag, without wildcards; write project_path:acme/platform:ref_type:branch:ref:main."
  }

  validation {
    condition     = var.gitlab == null || can(regex("^https://[a-z0-9.-]+(:[0-9]+)?(/[A-Za-z0-9._/-]*[A-Za-z0-9])?$", var.gitlab.url))
    error_message = "GitLab is reached by https and its URL has no slash at its end; write https://gitlab.com or https://gitlab.example.com."
  }

  validation {
    condition     = var.gitlab == null ? !var.create_gitlab_provider : (var.gitlab.provider_arn == null) == var.create_gitlab_provider
    error_message = "GitLab's OIDC provider exists once in an account; write its ARN, arn:aws:iam::111122223333:oidc-provider/gitlab.com, or create_gitlab_provider = true in one environment of the account."
  }

  validation {
    condition     = try(var.gitlab.provider_arn, null) == null || try(split(":oidc-provider/", var.gitlab.provider_arn)[1] == trimprefix(var.gitlab.url, "https://") && can(regex("^arn:aws[a-z-]*:iam::[0-9]{12}:oidc-provider/[A-Za-z0-9./_-]+$", var.gitlab.provider_arn)), false)
    error_message = "The provider is not that of the URL; write arn:aws:iam::111122223333:oidc-provider/gitlab.com for https://gitlab.com."
  }
}

variable "create_gitlab_provider" {
  description = "Whether GitLab's OIDC provider is made here. An account has one for each GitLab."
  type        = bool
  default     = false
  nullable    = false
}

variable "promote_from" {
  description = "Repositories that this publisher may read, to promote their charts: name → ARN of the bucket, prefix, KMS key. In another account their `reader_arns` must name this role, too."
  type = map(object({
    bucket_arn  = string
    prefix      = optional(string, "")
    kms_key_arn = optional(string)
  }))
  default = {}

  validation {
    condition = alltrue([for name, repository in var.promote_from :
      can(regex("^[a-z0-9-]{1,32}$", name)) &&
      can(regex("^arn:aws[a-z-]*:s3:::[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", repository.bucket_arn)) &&
      can(regex("^([A-Za-z0-9_-][A-Za-z0-9._-]*/)*$", repository.prefix)) &&
    (repository.kms_key_arn == null || can(regex("^arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+$", repository.kms_key_arn)))])
    error_message = "What is promoted from is one repository; write { uat = { bucket_arn = \"arn:aws:s3:::acme-charts-uat\", prefix = \"stable/\" } }, with the ARN of the key and not of its alias if it has one."
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
