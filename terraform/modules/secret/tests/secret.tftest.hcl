mock_provider "aws" {
  mock_resource "aws_secretsmanager_secret" {
    defaults = {
      arn = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:coralogix/uat/private_key-AbCdEf"
      id  = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:coralogix/uat/private_key-AbCdEf"
    }
  }
}

variables {
  name = "coralogix/uat/private_key"
}

run "value_from_elsewhere" {
  command = plan

  assert {
    condition     = length(aws_secretsmanager_secret_version.this) == 0 && output.version_id == null
    error_message = "Terraform wrote a value"
  }
  assert {
    condition     = length(aws_secretsmanager_secret_policy.this) == 0
    error_message = "a policy without readers"
  }
  assert {
    condition     = aws_secretsmanager_secret.this.recovery_window_in_days == 30
    error_message = "a deleted secret cannot be restored"
  }
}

run "value_from_terraform" {
  variables {
    manage_value  = true
    value         = "canary-5c1f"
    value_version = 2
    kms_key_arn   = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
    reader_arns   = ["arn:aws:iam::111122223333:role/otel-uat", "arn:aws:iam::111122223333:role/terraform"]
  }
  assert {
    condition     = aws_secretsmanager_secret_version.this[0].secret_string_wo == null && aws_secretsmanager_secret_version.this[0].secret_string == null
    error_message = "the value is in the state"
  }
  assert {
    condition     = aws_secretsmanager_secret_version.this[0].secret_string_wo_version == 2 && output.version_id != null
    error_message = "the version is not written"
  }
  assert {
    condition     = aws_secretsmanager_secret.this.kms_key_id == var.kms_key_arn
    error_message = "not encrypted by the key"
  }
  assert {
    condition     = jsondecode(aws_secretsmanager_secret_policy.this[0].policy).Statement[0].Condition.ArnNotEquals["aws:PrincipalArn"] == ["arn:aws:iam::111122223333:role/otel-uat", "arn:aws:iam::111122223333:role/terraform"]
    error_message = "the policy does not name the readers"
  }
  assert {
    condition     = jsondecode(aws_secretsmanager_secret_policy.this[0].policy).Statement[0].Resource == output.arn && aws_secretsmanager_secret_policy.this[0].block_public_policy
    error_message = "the policy is not this secret's"
  }
}

run "no_value" {
  command = plan
  variables {
    manage_value = true
  }
  expect_failures = [var.value]
}

run "value_without_use" {
  command = plan
  variables {
    value = "canary-5c1f"
  }
  expect_failures = [var.value]
}

run "name_is_an_arn" {
  command = plan
  variables {
    name = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:coralogix/uat/private_key"
  }
  expect_failures = [var.name]
}

run "name_like_the_end_of_an_arn" {
  command = plan
  variables {
    name = "coralogix/uat/private-key123"
  }
  expect_failures = [var.name]
}

run "key_alias" {
  command = plan
  variables {
    kms_key_arn = "alias/aws/secretsmanager"
  }
  expect_failures = [var.kms_key_arn]
}

run "reader_wildcard" {
  command = plan
  variables {
    reader_arns = ["arn:aws:iam::111122223333:role/otel-*"]
  }
  expect_failures = [var.reader_arns]
}

run "window_and_version" {
  command = plan
  variables {
    recovery_window_in_days = 3
    value_version           = 0
  }
  expect_failures = [var.recovery_window_in_days, var.value_version]
}
