# The roles of the pipelines that publish charts and prune them: by their own OIDC tokens, by exact subjects, without
# static keys.

locals {
  policies = "${path.module}/../../policies"

  github = var.github == null ? null : {
    provider_arn = var.create_github_provider ? one(aws_iam_openid_connect_provider.github[*].arn) : var.github.provider_arn
    issuer       = "token.actions.githubusercontent.com"
  }
  gitlab = var.gitlab == null ? null : {
    provider_arn = var.create_gitlab_provider ? one(aws_iam_openid_connect_provider.gitlab[*].arn) : var.gitlab.provider_arn
    issuer       = trimprefix(var.gitlab.url, "https://")
  }

  # Who publishes, and who deletes: each subject with its provider.
  publishers = concat(
    [for subject in try(var.github.subjects, []) : merge(local.github, { subject = subject })],
    [for subject in try(var.gitlab.subjects, []) : merge(local.gitlab, { subject = subject })],
  )
  maintainers = concat(
    [for subject in try(var.github.maintainer_subjects, []) : merge(local.github, { subject = subject })],
    [for subject in try(var.gitlab.maintainer_subjects, []) : merge(local.gitlab, { subject = subject })],
  )

  roles = {
    for role, subjects in { publisher = local.publishers, maintainer = local.maintainers } : role => jsonencode({
      Version = "2012-10-17"
      Statement = flatten([for i, subject in subjects : [
        for statement in jsondecode(templatefile("${local.policies}/${role}-trust.json.tftpl", merge(subject, { audience = "sts.amazonaws.com" }))).Statement :
        merge(statement, { Sid = "${statement.Sid}${i + 1}" })
      ]])
    })
  }

  repository = { bucket_arn = var.bucket_arn, prefix = var.prefix }
  # What writing needs beside the role's own document, where tags or a key are asked for. Whether there is a key may be
  # known only at apply, so this joins the role's document and is no resource of its own.
  writing = concat(
    var.tags_objects ? jsondecode(templatefile("${local.policies}/tagging.json.tftpl", local.repository)).Statement : [],
    var.kms_key_arn == null ? [] : jsondecode(templatefile("${local.policies}/encryption.json.tftpl", merge(local.repository, {
      kms_key_arn = var.kms_key_arn
      region      = split(":", var.kms_key_arn)[3]
    }))).Statement,
  )
  has_maintainer = length(local.maintainers) > 0
}

resource "aws_iam_openid_connect_provider" "github" {
  count = var.create_github_provider ? 1 : 0

  url            = "https://token.actions.githubusercontent.com"
  client_id_list = ["sts.amazonaws.com"]
  tags           = var.tags
}

resource "aws_iam_openid_connect_provider" "gitlab" {
  count = var.create_gitlab_provider ? 1 : 0

  url            = var.gitlab.url
  client_id_list = ["sts.amazonaws.com"]
  tags           = var.tags
}

resource "aws_iam_role" "publisher" {
  name                 = "${var.name}-publisher"
  description          = "Publishes charts to ${var.bucket_arn}/${var.prefix}."
  assume_role_policy   = local.roles.publisher
  max_session_duration = 3600
  permissions_boundary = var.permissions_boundary_arn
  tags                 = var.tags

  lifecycle {
    precondition {
      condition     = length(local.roles.publisher) <= 2048
      error_message = "The publisher's trust policy is over IAM's 2048 characters; give fewer subjects."
    }
  }
}

resource "aws_iam_role_policy" "publisher" {
  name = "publisher"
  role = aws_iam_role.publisher.id
  policy = jsonencode({
    Version   = "2012-10-17"
    Statement = concat(jsondecode(templatefile("${local.policies}/publisher.json.tftpl", local.repository)).Statement, local.writing)
  })
}

# What is promoted is read from another repository: the bytes of uat become those of prod.
resource "aws_iam_role_policy" "publisher_reader" {
  for_each = var.promote_from

  name = "reader-${each.key}"
  role = aws_iam_role.publisher.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(
      jsondecode(templatefile("${local.policies}/reader.json.tftpl", { bucket_arn = each.value.bucket_arn, prefix = each.value.prefix })).Statement,
      each.value.kms_key_arn == null ? [] : jsondecode(templatefile("${local.policies}/decryption.json.tftpl", {
        bucket_arn  = each.value.bucket_arn
        prefix      = each.value.prefix
        kms_key_arn = each.value.kms_key_arn
        region      = split(":", each.value.kms_key_arn)[3]
      })).Statement,
    )
  })
}

resource "aws_iam_role" "maintainer" {
  count = local.has_maintainer ? 1 : 0

  name                 = "${var.name}-maintainer"
  description          = "Prunes charts in ${var.bucket_arn}/${var.prefix}."
  assume_role_policy   = local.roles.maintainer
  max_session_duration = 3600
  permissions_boundary = var.permissions_boundary_arn
  tags                 = var.tags

  lifecycle {
    precondition {
      condition     = length(local.roles.maintainer) <= 2048
      error_message = "The maintainer's trust policy is over IAM's 2048 characters; give fewer subjects."
    }
  }
}

resource "aws_iam_role_policy" "maintainer" {
  count = local.has_maintainer ? 1 : 0

  name = "maintainer"
  role = aws_iam_role.maintainer[0].id
  policy = jsonencode({
    Version   = "2012-10-17"
    Statement = concat(jsondecode(templatefile("${local.policies}/maintainer.json.tftpl", local.repository)).Statement, local.writing)
  })
}
