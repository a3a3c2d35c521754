mock_provider "aws" {
  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::111122223333:role/mock" }
  }
  mock_resource "aws_iam_openid_connect_provider" {
    defaults = { arn = "arn:aws:iam::111122223333:oidc-provider/made-here" }
  }
}

variables {
  name       = "charts-uat"
  bucket_arn = "arn:aws:s3:::acme-charts-uat"
  prefix     = "stable/"
  github = {
    provider_arn = "arn:aws:iam::111122223333:oidc-provider/token.actions.githubusercontent.com"
    subjects     = ["repo:acme/platform:environment:uat"]
  }
}

run "github_publishes" {
  assert {
    condition = jsondecode(aws_iam_role.publisher.assume_role_policy).Statement == [{
      Sid       = "OnePublishingPipeline1"
      Effect    = "Allow"
      Principal = { Federated = "arn:aws:iam::111122223333:oidc-provider/token.actions.githubusercontent.com" }
      Action    = "sts:AssumeRoleWithWebIdentity"
      Condition = { StringEquals = {
        "token.actions.githubusercontent.com:sub" = "repo:acme/platform:environment:uat"
        "token.actions.githubusercontent.com:aud" = "sts.amazonaws.com"
      } }
    }]
    error_message = "the trust is not of one pipeline: ${aws_iam_role.publisher.assume_role_policy}"
  }
  assert {
    condition     = jsondecode(aws_iam_role_policy.publisher.policy) == jsondecode(templatefile("../../policies/publisher.json.tftpl", { bucket_arn = var.bucket_arn, prefix = var.prefix }))
    error_message = "the policy is not the template's"
  }
  assert {
    condition     = length(aws_iam_role.maintainer) == 0 && length(aws_iam_role_policy.publisher_reader) == 0
    error_message = "something is spare"
  }
  assert {
    condition     = length(aws_iam_openid_connect_provider.github) == 0 && length(aws_iam_openid_connect_provider.gitlab) == 0
    error_message = "a provider is made without being asked for"
  }
}

run "github_and_gitlab_with_everything" {
  variables {
    github                 = { subjects = ["repo:acme/platform:ref:refs/heads/main"], maintainer_subjects = ["repo:acme/platform:environment:prune"] }
    create_github_provider = true
    gitlab                 = { url = "https://gitlab.example.com", subjects = ["project_path:acme/platform:ref_type:branch:ref:main"] }
    create_gitlab_provider = true
    tags_objects           = true
    kms_key_arn            = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
    promote_from = {
      dev = { bucket_arn = "arn:aws:s3:::acme-charts-dev" }
      lab = { bucket_arn = "arn:aws:s3:::acme-charts-lab", prefix = "x/", kms_key_arn = "arn:aws:kms:eu-west-2:444455556666:key/1234abcd" }
    }
  }
  assert {
    condition = [for statement in jsondecode(aws_iam_role.publisher.assume_role_policy).Statement : statement.Condition.StringEquals] == [
      { "token.actions.githubusercontent.com:sub" = "repo:acme/platform:ref:refs/heads/main", "token.actions.githubusercontent.com:aud" = "sts.amazonaws.com" },
      { "gitlab.example.com:sub" = "project_path:acme/platform:ref_type:branch:ref:main", "gitlab.example.com:aud" = "sts.amazonaws.com" },
    ]
    error_message = "who publishes: ${aws_iam_role.publisher.assume_role_policy}"
  }
  assert {
    condition     = [for statement in jsondecode(aws_iam_role.maintainer[0].assume_role_policy).Statement : statement.Condition.StringEquals["token.actions.githubusercontent.com:sub"]] == ["repo:acme/platform:environment:prune"]
    error_message = "who prunes"
  }
  assert {
    condition     = aws_iam_openid_connect_provider.gitlab[0].url == "https://gitlab.example.com" && output.github_provider_arn == aws_iam_openid_connect_provider.github[0].arn
    error_message = "the providers are not made"
  }
  assert {
    condition     = alltrue([for policy in [aws_iam_role_policy.publisher.policy, aws_iam_role_policy.maintainer[0].policy] : strcontains(policy, "TagWhatIsWritten") && strcontains(policy, "EncryptObjects")])
    error_message = "a permission is missing"
  }
  assert {
    condition     = [for name in ["dev", "lab"] : strcontains(aws_iam_role_policy.publisher_reader[name].policy, "DecryptObjects")] == [false, true]
    error_message = "what may be promoted"
  }
  assert {
    condition     = strcontains(aws_iam_role_policy.publisher_reader["lab"].policy, "s3.eu-west-2.amazonaws.com")
    error_message = "the key's region is another"
  }
}

run "nobody_publishes" {
  command = plan
  variables {
    github = null
  }
  expect_failures = [var.github]
}

run "every_branch" {
  command = plan
  variables {
    github = {
      provider_arn = "arn:aws:iam::111122223333:oidc-provider/token.actions.githubusercontent.com"
      subjects     = ["repo:acme/platform:*"]
    }
  }
  expect_failures = [var.github]
}

run "pull_requests" {
  command = plan
  variables {
    github = {
      provider_arn = "arn:aws:iam::111122223333:oidc-provider/token.actions.githubusercontent.com"
      subjects     = ["repo:acme/platform:pull_request"]
    }
  }
  expect_failures = [var.github]
}

run "every_pruner" {
  command = plan
  variables {
    github = {
      provider_arn        = "arn:aws:iam::111122223333:oidc-provider/token.actions.githubusercontent.com"
      subjects            = ["repo:acme/platform:environment:uat"]
      maintainer_subjects = ["repo:acme/*:environment:prune"]
    }
  }
  expect_failures = [var.github]
}

run "another_provider" {
  command = plan
  variables {
    github = {
      provider_arn = "arn:aws:iam::111122223333:oidc-provider/gitlab.com"
      subjects     = ["repo:acme/platform:environment:uat"]
    }
  }
  expect_failures = [var.github]
}

run "no_provider" {
  command = plan
  variables {
    github = { subjects = ["repo:acme/platform:environment:uat"] }
  }
  expect_failures = [var.github]
}

run "providers_for_nobody" {
  command = plan
  variables {
    create_gitlab_provider = true
  }
  expect_failures = [var.gitlab]
}

run "github_provider_for_nobody" {
  command = plan
  variables {
    github                 = null
    create_github_provider = true
    gitlab                 = { provider_arn = "arn:aws:iam::111122223333:oidc-provider/gitlab.com", subjects = ["project_path:acme/platform:ref_type:branch:ref:main"] }
  }
  expect_failures = [var.github]
}

run "gitlab_every_branch" {
  command = plan
  variables {
    gitlab = { provider_arn = "arn:aws:iam::111122223333:oidc-provider/gitlab.com", subjects = ["project_path:acme/platform:ref_type:branch:ref:*"] }
  }
  expect_failures = [var.gitlab]
}

run "gitlab_by_http" {
  command = plan
  variables {
    gitlab                 = { url = "http://gitlab.example.com", subjects = ["project_path:acme/platform:ref_type:branch:ref:main"] }
    create_gitlab_provider = true
  }
  expect_failures = [var.gitlab]
}

run "gitlab_of_another_url" {
  command = plan
  variables {
    gitlab = { url = "https://gitlab.example.com", provider_arn = "arn:aws:iam::111122223333:oidc-provider/gitlab.com", subjects = ["project_path:acme/platform:ref_type:branch:ref:main"] }
  }
  expect_failures = [var.gitlab]
}

run "gitlab_without_provider" {
  command = plan
  variables {
    gitlab = { subjects = ["project_path:acme/platform:ref_type:branch:ref:main"] }
  }
  expect_failures = [var.gitlab]
}

run "too_many_subjects" {
  command = plan
  variables {
    github = {
      provider_arn = "arn:aws:iam::111122223333:oidc-provider/token.actions.githubusercontent.com"
      subjects     = [for i in range(9) : "repo:acme/platform:environment:uat-${i}"]
    }
  }
  expect_failures = [aws_iam_role.publisher]
}

run "too_many_pruners" {
  command = plan
  variables {
    github = {
      provider_arn        = "arn:aws:iam::111122223333:oidc-provider/token.actions.githubusercontent.com"
      subjects            = ["repo:acme/platform:environment:uat"]
      maintainer_subjects = [for i in range(9) : "repo:acme/platform:environment:prune-${i}"]
    }
  }
  expect_failures = [aws_iam_role.maintainer]
}

run "arns_and_names" {
  command = plan
  variables {
    name                     = "charts-0123456789-0123456789-0123456789-0123456789-012"
    bucket_arn               = "arn:aws:s3:::acme-charts-*"
    prefix                   = "stable"
    kms_key_arn              = "alias/charts"
    permissions_boundary_arn = "boundary"
    promote_from             = { uat = { bucket_arn = "*" } }
  }
  expect_failures = [var.name, var.bucket_arn, var.prefix, var.kms_key_arn, var.permissions_boundary_arn, var.promote_from]
}
