mock_provider "aws" {
  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::111122223333:role/otel-uat" }
  }
  mock_resource "aws_iam_openid_connect_provider" {
    defaults = { arn = "arn:aws:iam::111122223333:oidc-provider/oidc.example.com/id/NEW" }
  }
}

variables {
  name              = "otel-uat"
  mode              = "irsa"
  oidc_provider_arn = "arn:aws:iam::111122223333:oidc-provider/oidc.eks.eu-west-1.amazonaws.com/id/EXAMPLE"
  configuration_arn = "arn:aws:appconfig:eu-west-1:111122223333:application/app1234/environment/env1234/configuration/prf1234"
  secret_arn        = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:coralogix/uat/private_key-AbCdEf"
  service_accounts  = [{ namespace = "observability", name = "otel-agent" }]
}

run "irsa" {
  assert {
    condition = jsondecode(aws_iam_role.this.assume_role_policy).Statement[0].Condition == { StringEquals = {
      "oidc.eks.eu-west-1.amazonaws.com/id/EXAMPLE:sub" = "system:serviceaccount:observability:otel-agent"
      "oidc.eks.eu-west-1.amazonaws.com/id/EXAMPLE:aud" = "sts.amazonaws.com"
    } }
    error_message = "the trust is not of one service account: ${aws_iam_role.this.assume_role_policy}"
  }
  assert {
    condition     = length(jsondecode(aws_iam_role.this.assume_role_policy).Statement) == 1 && length(aws_eks_pod_identity_association.this) == 0
    error_message = "somebody else may become the role"
  }
  assert {
    condition     = aws_iam_role_policy.workload.policy == templatefile("../../policies/workload.json.tftpl", { configuration_arn = var.configuration_arn, secret_arn = var.secret_arn })
    error_message = "the policy is not the template's"
  }
  assert {
    condition     = output.service_account_annotations["eks.amazonaws.com/role-arn"] == output.role_arn
    error_message = "the service account is not annotated"
  }
}

run "pod_identity" {
  variables {
    mode               = "pod-identity"
    oidc_provider_arn  = null
    cluster_arn        = "arn:aws:eks:eu-west-1:111122223333:cluster/uat"
    secret_kms_key_arn = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
  }
  assert {
    condition = jsondecode(aws_iam_role.this.assume_role_policy).Statement[0].Condition == {
      StringEquals = {
        "aws:RequestTag/kubernetes-namespace"       = "observability"
        "aws:RequestTag/kubernetes-service-account" = "otel-agent"
      }
      ArnEquals = { "aws:SourceArn" = "arn:aws:eks:eu-west-1:111122223333:cluster/uat" }
    }
    error_message = "the trust is not of one service account of one cluster"
  }
  assert {
    condition     = aws_eks_pod_identity_association.this["observability/otel-agent"].cluster_name == "uat" && aws_eks_pod_identity_association.this["observability/otel-agent"].role_arn == output.role_arn
    error_message = "the service account is not associated"
  }
  assert {
    condition     = length(output.service_account_annotations) == 0 && output.oidc_provider_arn == null
    error_message = "annotations for IRSA"
  }
  assert {
    condition     = [for statement in jsondecode(aws_iam_role_policy.workload.policy).Statement : statement.Sid] == ["FollowOneConfiguration", "ReadOneSecret", "DecryptSecret"] && jsondecode(aws_iam_role_policy.workload.policy).Statement[2].Condition.StringEquals["kms:EncryptionContext:SecretARN"] == var.secret_arn
    error_message = "the key decrypts more than the secret"
  }
}

run "both_for_two_accounts" {
  variables {
    mode                 = "both"
    oidc_provider_arn    = null
    create_oidc_provider = true
    oidc_issuer_url      = "https://oidc.example.com/id/NEW"
    cluster_arn          = "arn:aws:eks:eu-west-1:111122223333:cluster/uat"
    service_accounts     = [{ namespace = "a", name = "one" }, { namespace = "b", name = "two" }]
    reads_secret         = false
    secret_arn           = null
  }
  assert {
    condition     = length(distinct([for statement in jsondecode(aws_iam_role.this.assume_role_policy).Statement : statement.Sid])) == 4
    error_message = "not one statement for each service account and way"
  }
  assert {
    condition     = [for statement in jsondecode(aws_iam_role.this.assume_role_policy).Statement : statement.Condition.StringEquals["oidc.example.com/id/NEW:sub"] if statement.Principal == { Federated = "arn:aws:iam::111122223333:oidc-provider/oidc.example.com/id/NEW" }] == ["system:serviceaccount:a:one", "system:serviceaccount:b:two"]
    error_message = "subjects of IRSA"
  }
  assert {
    condition     = aws_iam_openid_connect_provider.this[0].client_id_list == toset(["sts.amazonaws.com"])
    error_message = "the provider serves other audiences"
  }
  assert {
    condition     = !strcontains(aws_iam_role_policy.workload.policy, "secretsmanager")
    error_message = "the pod reads a secret that AppConfig reads for it"
  }
}

run "wildcard_account" {
  command = plan
  variables {
    service_accounts = [{ namespace = "observability", name = "*" }]
  }
  expect_failures = [var.service_accounts]
}

run "no_account" {
  command = plan
  variables {
    service_accounts = []
  }
  expect_failures = [var.service_accounts]
}

run "account_twice" {
  command = plan
  variables {
    service_accounts = [{ namespace = "a", name = "one" }, { namespace = "a", name = "one" }]
  }
  expect_failures = [var.service_accounts]
}

run "too_many_accounts" {
  command = plan
  variables {
    service_accounts = [for i in range(9) : { namespace = "observability", name = "otel-agent-${i}" }]
  }
  expect_failures = [aws_iam_role.this]
}

run "unknown_mode" {
  command = plan
  variables {
    mode = "node-role"
  }
  expect_failures = [var.mode]
}

run "name_too_long" {
  command = plan
  variables {
    name = "otel-0123456789-0123456789-0123456789-0123456789-0123456789-01234"
  }
  expect_failures = [var.name]
}

run "provider_is_a_url" {
  command = plan
  variables {
    oidc_provider_arn = "https://oidc.eks.eu-west-1.amazonaws.com/id/EXAMPLE"
  }
  expect_failures = [var.oidc_provider_arn]
}

run "irsa_without_provider" {
  command = plan
  variables {
    oidc_provider_arn = null
  }
  expect_failures = [var.oidc_provider_arn]
}

run "issuer_by_http" {
  command = plan
  variables {
    oidc_provider_arn    = null
    create_oidc_provider = true
    oidc_issuer_url      = "http://oidc.example.com"
  }
  expect_failures = [var.oidc_issuer_url]
}

run "issuer_without_use" {
  command = plan
  variables {
    oidc_issuer_url = "https://oidc.example.com"
  }
  expect_failures = [var.oidc_issuer_url]
}

run "pod_identity_without_cluster" {
  command = plan
  variables {
    mode              = "pod-identity"
    oidc_provider_arn = null
  }
  expect_failures = [var.cluster_arn]
}

run "cluster_by_name" {
  command = plan
  variables {
    mode              = "pod-identity"
    oidc_provider_arn = null
    cluster_arn       = "uat"
  }
  expect_failures = [var.cluster_arn]
}

run "every_configuration" {
  command = plan
  variables {
    configuration_arn = "arn:aws:appconfig:eu-west-1:111122223333:application/*"
  }
  expect_failures = [var.configuration_arn]
}

run "every_secret" {
  command = plan
  variables {
    secret_arn = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:coralogix/uat/*"
  }
  expect_failures = [var.secret_arn]
}

run "no_secret" {
  command = plan
  variables {
    secret_arn = null
  }
  expect_failures = [var.secret_arn]
}

run "key_alias_and_boundary" {
  command = plan
  variables {
    secret_kms_key_arn       = "alias/keys"
    permissions_boundary_arn = "boundary"
  }
  expect_failures = [var.secret_kms_key_arn, var.permissions_boundary_arn]
}
