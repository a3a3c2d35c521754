# The role of one workload: exactly the named service accounts become it, by IRSA, EKS Pod Identity or both, and it reads
# one document and one secret.

locals {
  policies     = "${path.module}/../../policies"
  irsa         = contains(["irsa", "both"], var.mode)
  pod_identity = contains(["pod-identity", "both"], var.mode)

  accounts = { for account in var.service_accounts : "${account.namespace}/${account.name}" => account }

  provider_arn = var.create_oidc_provider ? one(aws_iam_openid_connect_provider.this[*].arn) : var.oidc_provider_arn
  issuer       = var.create_oidc_provider ? trimprefix(var.oidc_issuer_url, "https://") : try(split(":oidc-provider/", var.oidc_provider_arn)[1], null)

  # One statement for each service account and way: separate lists of namespaces and names would be every pairing.
  trust_documents = concat(
    [for account in var.service_accounts : templatefile("${local.policies}/workload-trust.json.tftpl", {
      provider_arn = local.provider_arn
      issuer       = local.issuer
      subject      = "system:serviceaccount:${account.namespace}:${account.name}"
      audience     = "sts.amazonaws.com"
    }) if local.irsa],
    [for account in var.service_accounts : templatefile("${local.policies}/pod-identity-trust.json.tftpl", {
      cluster_arn     = var.cluster_arn
      namespace       = account.namespace
      service_account = account.name
    }) if local.pod_identity],
  )
  trust = jsonencode({
    Version = "2012-10-17"
    Statement = flatten([for i, document in local.trust_documents : [
      for statement in jsondecode(document).Statement : merge(statement, { Sid = "${statement.Sid}${i + 1}" })
    ]])
  })
}

resource "aws_iam_openid_connect_provider" "this" {
  count = var.create_oidc_provider ? 1 : 0

  url            = var.oidc_issuer_url
  client_id_list = ["sts.amazonaws.com"]
  tags           = var.tags
}

resource "aws_iam_role" "this" {
  name                 = var.name
  description          = "Reads one document and one secret for ${join(", ", keys(local.accounts))}."
  assume_role_policy   = local.trust
  max_session_duration = 3600
  permissions_boundary = var.permissions_boundary_arn
  tags                 = var.tags

  lifecycle {
    precondition {
      condition     = length(local.trust) <= 2048
      error_message = "The trust policy is over IAM's 2048 characters; give fewer service accounts, or one mode in place of both."
    }
  }
}

# Whether there is a key may be known only at apply, so its document joins the role's and is no resource of its own.
locals {
  reading = var.reads_secret ? templatefile("${local.policies}/workload.json.tftpl", {
    configuration_arn = var.configuration_arn
    secret_arn        = var.secret_arn
  }) : templatefile("${local.policies}/follower.json.tftpl", { configuration_arn = var.configuration_arn })
  decryption = !var.reads_secret || var.secret_kms_key_arn == null ? null : templatefile("${local.policies}/secret-decryption.json.tftpl", {
    kms_key_arn = var.secret_kms_key_arn
    region      = split(":", var.secret_kms_key_arn)[3]
    secret_arn  = var.secret_arn
  })
}

resource "aws_iam_role_policy" "workload" {
  name = "workload"
  role = aws_iam_role.this.id
  policy = local.decryption == null ? local.reading : jsonencode({
    Version   = "2012-10-17"
    Statement = concat(jsondecode(local.reading).Statement, jsondecode(local.decryption).Statement)
  })
}

resource "aws_eks_pod_identity_association" "this" {
  for_each = local.pod_identity ? local.accounts : {}

  cluster_name    = split(":cluster/", var.cluster_arn)[1]
  namespace       = each.value.namespace
  service_account = each.value.name
  role_arn        = aws_iam_role.this.arn
  tags            = var.tags
}
