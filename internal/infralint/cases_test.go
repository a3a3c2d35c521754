package infralint_test

// cases has for each rule configurations that show it and configurations that do not.
var cases = []struct {
	rule      string
	bad, good []string
}{
	{
		"bucket-public",
		[]string{
			bucket + of("aws_s3_bucket_policy", policyOf(`Effect = "Allow", Principal = "*", Action = "s3:GetObject", Resource = "*"`)),
			bucket + of("aws_s3_bucket_policy", policyOf(`Effect = "Allow", Principal = { AWS = ["*"] }, Action = "s3:*", Resource = "*"`)),
			bucket + of("aws_s3_bucket_policy", policyOf(`Effect = "Allow", Principal = "*", Action = "s3:*", Condition = { IpAddress = { "aws:SourceIp" = "0.0.0.0/0" } }`)),
			bucket + of("aws_s3_bucket_policy", policyOf(`Effect = "Allow", Principal = "*", Action = "s3:*", Condition = { StringNotEquals = { "aws:PrincipalOrgID" = "o-1" } }`)),
			bucket + of("aws_s3_bucket_policy", policyOf(`Effect = "Allow", Principal = "*", Action = "s3:*", Condition = { Bool = { "aws:SecureTransport" = "true" } }`)),
			bucket + of("aws_s3_bucket_acl", `acl = "public-read"`),
			bucket + of("aws_s3_bucket_policy", "policy = <<E\n{\"Statement\": {\"Effect\": \"Allow\", \"Principal\": \"*\", \"Action\": \"s3:GetObject\", \"Resource\": \"${aws_s3_bucket.b.arn}/*\"}}\nE\n"),
		},
		[]string{
			bucket + of("aws_s3_bucket_policy", policyOf(`Effect = "Deny", Principal = "*", Action = "s3:*", Resource = "*"`)),
			bucket + of("aws_s3_bucket_policy", policyOf(`Effect = "Allow", Principal = "*", Action = "s3:*", Condition = { StringEquals = { "aws:PrincipalOrgID" = "o-1" } }`)),
			bucket + of("aws_s3_bucket_policy", policyOf(`Effect = "Allow", Principal = var.readers, Action = "s3:*"`)) + `variable "readers" {}`,
			bucket + of("aws_s3_bucket_policy", policyOf(`Effect = "Allow", Principal = { AWS = "arn:aws:iam::1:root" }, Action = "s3:*"`)),
			bucket + of("aws_s3_bucket_acl", `acl = "private"`),
		},
	},
	{
		"bucket-public-access-block",
		[]string{
			bucket,
			bucket + of("aws_s3_bucket_public_access_block", "block_public_acls = true"),
			bucket + of("aws_s3_bucket_public_access_block", "block_public_acls = true\nblock_public_policy = false\nignore_public_acls = true\nrestrict_public_buckets = true"),
		},
		[]string{
			bucket + of("aws_s3_bucket_public_access_block", "block_public_acls = true\nblock_public_policy = true\nignore_public_acls = true\nrestrict_public_buckets = true"),
			bucket + of("aws_s3_bucket_public_access_block", "block_public_acls = true\nblock_public_policy = var.a\nignore_public_acls = true\nrestrict_public_buckets = true") + `variable "a" {}`,
			`resource "aws_s3_bucket" "b" { count = 0 }`,
		},
	},
	{
		"bucket-tls",
		[]string{bucket, bucket + of("aws_s3_bucket_policy", policyOf(`Effect = "Deny", Principal = "*", Action = "s3:PutObject"`))},
		[]string{
			bucket + of("aws_s3_bucket_policy", policyOf(`Effect = "Deny", Principal = "*", Action = "s3:*", Condition = { Bool = { "aws:SecureTransport" = false } }`)),
			bucket + of("aws_s3_bucket_policy", "policy = var.policy") + `variable "policy" {}`,
		},
	},
	{"bucket-encryption", []string{bucket}, []string{bucket + of("aws_s3_bucket_server_side_encryption_configuration", "")}},
	{
		"bucket-ownership",
		[]string{bucket, bucket + of("aws_s3_bucket_ownership_controls", `rule {
    object_ownership = "ObjectWriter"
  }`)},
		[]string{bucket + of("aws_s3_bucket_ownership_controls", `rule {
    object_ownership = "BucketOwnerEnforced"
  }`)},
	},
	{
		"bucket-versioning",
		[]string{bucket, bucket + of("aws_s3_bucket_versioning", `versioning_configuration {
    status = "Suspended"
  }`)},
		[]string{bucket + of("aws_s3_bucket_versioning", `versioning_configuration {
    status = "Enabled"
  }`)},
	},
	{"bucket-lifecycle", []string{bucket}, []string{bucket + of("aws_s3_bucket_lifecycle_configuration", "")}},
	{
		"bucket-logging",
		[]string{bucket},
		[]string{bucket + of("aws_s3_bucket_logging", "target_bucket = aws_s3_bucket.b.id"), bucket + `resource "aws_cloudtrail" "t" {}`},
	},
	{
		"bucket-force-destroy",
		[]string{`resource "aws_s3_bucket" "b" { force_destroy = true }`, `resource "aws_s3_bucket" "b" { force_destroy = var.f }
variable "f" { default = true }`},
		[]string{
			`resource "aws_s3_bucket" "b" { force_destroy = false }`, bucket,
			`resource "aws_s3_bucket" "b" { force_destroy = var.f }` + "\n" + `variable "f" {}`,
			"resource \"aws_s3_bucket\" \"b\" {\nforce_destroy = true\nbucket = \"charts-uat\"\n}",
		},
	},
	{
		"bucket-overwrite",
		[]string{bucket},
		[]string{
			`resource "aws_s3_bucket" "b" { bucket = "pictures" }`,
			bucket + of("aws_s3_bucket_policy", policyOf(`Effect = "Deny", Principal = "*", Action = "s3:PutObject", Condition = { Null = { "s3:if-none-match" = "true" } }`)),
		},
	},
	{
		"publisher-missing",
		[]string{applied + bucket + of("aws_s3_bucket_policy", policyOf(`Effect = "Allow", Principal = { AWS = "1" }, Action = "s3:GetObject"`))},
		[]string{
			applied + bucket,
			applied + bucket + of("aws_s3_bucket_policy", policyOf(`Effect = "Allow", Principal = { AWS = "1" }, Action = ["s3:Get*", "s3:PutObject"]`)),
			applied + bucket + of("aws_s3_bucket_policy", policyOf(`Effect = "Allow", Principal = { AWS = "1" }, Action = "s3:GetObject"`)) + may(`Action = "s3:Put*"`),
		},
	},
	{
		"trust-anybody",
		[]string{trust(`Principal = "*", Action = "sts:AssumeRole"`), trust(`Principal = { AWS = "*" }, Action = "sts:AssumeRole"`)},
		[]string{
			trust(`Principal = { AWS = "arn:aws:iam::1:root" }, Action = "sts:AssumeRole"`),
			trust(`Principal = { AWS = "*" }, Action = "sts:AssumeRole", Condition = { StringEquals = { "aws:PrincipalOrgID" = "o-1" } }`),
		},
	},
	{
		"trust-sub",
		[]string{
			podTrust(`StringEquals = { "x:aud" = "sts.amazonaws.com" }`),
			podTrust(`"ForAllValues:StringEquals" = { "x:sub" = "a" }`), podTrust(`StringEqualsIfExists = { "x:sub" = "a" }`),
		},
		[]string{
			podTrust(both), podTrust(`StringEquals = { "${var.issuer}:sub" = "a" }`) + `variable "issuer" {}`,
			podTrust(`StringEquals = var.claims`) + `variable "claims" {}`,
			trust(`Principal = { Service = "ec2.amazonaws.com" }, Action = "sts:AssumeRole"`),
			trust(`Principal = { Federated = "arn:aws:iam::1:saml-provider/x" }, Action = "sts:AssumeRoleWithSAML"`),
		},
	},
	{"trust-aud", []string{podTrust(`StringEquals = { "x:sub" = "a" }`)}, []string{podTrust(both)}},
	{
		"trust-wildcard",
		[]string{
			podTrust(`StringLike = { "x:sub" = "system:serviceaccount:*:b" }`), podTrust(`StringEquals = { "x:sub" = "system:serviceaccount:a:*" }`),
			podTrust(`StringLike = { "x:sub" = "system:serviceaccount:${var.a}:*" }`) + `variable "a" {}`,
		},
		[]string{podTrust(both), podTrust(`StringLike = { "x:sub" = var.a }`) + `variable "a" {}`},
	},
	{
		"ci-trust-wildcard",
		[]string{
			podTrust(`StringLike = { "token.actions.githubusercontent.com:sub" = "repo:acme/*" }`),
			podTrust(`StringLike = { "${var.i}:sub" = "project_path:acme/charts:ref_type:branch:ref:*" }`) + `variable "i" {}`,
		},
		[]string{podTrust(`StringEquals = { "token.actions.githubusercontent.com:sub" = "repo:acme/charts:ref:refs/heads/main" }`)},
	},
	{
		"retrieval-role-source-account",
		[]string{trust(`Principal = { Service = "appconfig.amazonaws.com" }, Action = "sts:AssumeRole"`)},
		[]string{
			trust(`Principal = { Service = "appconfig.amazonaws.com" }, Action = "sts:AssumeRole", Condition = { StringEquals = { "aws:SourceAccount" = "1" } }`),
			trust(`Principal = { Service = "pods.eks.amazonaws.com" }, Action = "sts:AssumeRole"`),
		},
	},
	{"oidc-http", []string{`resource "aws_iam_openid_connect_provider" "o" { url = "http://x" }`}, []string{provider}},
	{
		"static-keys",
		[]string{
			`resource "aws_iam_user" "ci" {}`, `resource "aws_iam_access_key" "ci" {}`,
			"provider \"aws\" {\n  access_key = var.k\n}\nvariable \"k\" {}",
		},
		[]string{"provider \"aws\" {\n  region = \"eu-north-1\"\n}"},
	},
	{
		"policy-unattached",
		[]string{`resource "aws_iam_policy" "p" { policy = "{}" }`},
		[]string{
			`resource "aws_iam_policy" "p" { policy = "{}" }
resource "aws_iam_role_policy_attachment" "a" { policy_arn = aws_iam_policy.p.arn }`,
			`resource "aws_iam_policy" "p" { policy = "{}" }
output "arn" { value = aws_iam_policy.p.arn }`,
			`resource "aws_iam_policy" "p" { policy = "{}" }
resource "aws_iam_role" "a" { managed_policy_arns = [aws_iam_policy.p.arn] }`,
			`resource "aws_iam_policy" "p" { policy = "{}" }
resource "aws_iam_role_policy_attachment" "a" {
  for_each   = { p = aws_iam_policy.p.arn }
  policy_arn = each.value
}`,
		},
	},
	{
		"policy-any-resource",
		[]string{
			may(`Action = "s3:GetObject", Resource = "*"`), may(`Action = ["sts:GetCallerIdentity", "s3:GetObject"], Resource = ["*"]`),
			may(`Action = "secretsmanager:GetSecretValue", Resource = "arn:aws:secretsmanager:*:*:secret:*"`),
			may(`Action = "s3:GetObject", Resource = "arn:aws:s3:::*"`),
		},
		[]string{
			may(`Action = "s3:GetObject", Resource = "arn:aws:s3:::b/*"`), may(`Action = ["ecr:GetAuthorizationToken"], Resource = "*"`),
			may(`Action = "ec2:DescribeInstances", Resource = "*"`), may(`Action = "s3:GetObject", Resource = var.r`) + `variable "r" { }`,
			may(`Action = "s3:GetObject", Resource = "*", Condition = { StringEquals = { "aws:ResourceTag/a" = "b" } }`),
			`resource "aws_iam_role_policy" "x" { ` + policyOf(`Effect = "Deny", Action = "s3:*", Resource = "*"`) + " }",
			may(`Action = "cloudwatch:DescribeAlarms", Resource = "arn:aws:cloudwatch:eu-west-1:111122223333:alarm:*"`),
		},
	},
	{
		"policy-any-action",
		[]string{may(`Action = "*", Resource = "a"`), may(`Action = ["s3:*"], Resource = "a"`)},
		[]string{may(`Action = ["s3:Get*"], Resource = "a"`), key(`Effect = "Allow", Principal = { AWS = "1" }, Action = "kms:*", Resource = "*"`)},
	},
	{
		"appconfig-deprecated-action",
		[]string{may(`Action = "appconfig:GetConfiguration", Resource = "a"`)},
		[]string{may(`Action = ["appconfig:GetLatestConfiguration", "appconfig:StartConfigurationSession"], Resource = "a"`)},
	},
	{
		"appconfig-session-actions",
		[]string{may(`Action = "appconfig:GetLatestConfiguration", Resource = "a"`), may(`Action = ["appconfig:StartConfigurationSession"], Resource = "a"`)},
		[]string{
			may(`Action = ["appconfig:GetLatestConfiguration", "appconfig:StartConfigurationSession"], Resource = "a"`),
			may(`Action = concat(["appconfig:GetLatestConfiguration"], var.more), Resource = "a"`) + `variable "more" {}`,
		},
	},
	{
		"kms-decrypt",
		[]string{"resource \"aws_secretsmanager_secret\" \"s\" {\nkms_key_id = \"alias/mine\"\n}\n" +
			may(`Action = "secretsmanager:GetSecretValue", Resource = aws_secretsmanager_secret.s.arn`)},
		[]string{
			"resource \"aws_secretsmanager_secret\" \"s\" {\nkms_key_id = \"alias/mine\"\n}\n" +
				may(`Action = ["secretsmanager:GetSecretValue", "kms:Decrypt"], Resource = aws_secretsmanager_secret.s.arn`),
			secret + may(`Action = "secretsmanager:GetSecretValue", Resource = aws_secretsmanager_secret.s.arn`),
			"resource \"aws_secretsmanager_secret\" \"s\" {\nkms_key_id = \"alias/aws/secretsmanager\"\n}\n" +
				may(`Action = "secretsmanager:GetSecretValue", Resource = aws_secretsmanager_secret.s.arn`),
		},
	},
	{
		"kms-via-service",
		[]string{may(`Action = "kms:Decrypt", Resource = "a"`)},
		[]string{may(`Action = "kms:Decrypt", Resource = "a", Condition = { StringEquals = { "kms:ViaService" = "secretsmanager.x.amazonaws.com" } }`)},
	},
	{
		"kms-public",
		[]string{key(`Effect = "Allow", Principal = "*", Action = "kms:Decrypt", Resource = "*"`)},
		[]string{
			key(`Effect = "Allow", Principal = { AWS = "1" }, Action = "kms:*", Resource = "*"`),
			key(`Effect = "Allow", Principal = { AWS = "*" }, Action = "kms:*", Condition = { StringEquals = { "kms:CallerAccount" = "1" } }`),
		},
	},
	{
		"secret-public",
		[]string{`resource "aws_secretsmanager_secret_policy" "x" { ` + policyOf(`Effect = "Allow", Principal = "*", Action = "*"`) + " }"},
		[]string{`resource "aws_secretsmanager_secret_policy" "x" { ` + policyOf(`Effect = "Deny", Principal = "*", Action = "*"`) + " }"},
	},
	{
		"secret-in-state",
		[]string{
			`resource "aws_secretsmanager_secret_version" "v" { secret_string = "x" }`,
			"resource \"aws_secretsmanager_secret_version\" \"v\" { secret_string = var.s }\nvariable \"s\" { default = null }",
			"resource \"aws_secretsmanager_secret_version\" \"v\" { secret_string = var.s }\nvariable \"s\" {}",
			`data "aws_secretsmanager_secret_version" "v" {}`, `resource "random_password" "p" {}`,
			"resource \"aws_ssm_parameter\" \"p\" {\ntype = \"SecureString\"\nvalue = \"x\"\n}",
		},
		[]string{
			"resource \"aws_secretsmanager_secret_version\" \"v\" { secret_string_wo = var.s }\nvariable \"s\" {}",
			`resource "aws_secretsmanager_secret_version" "v" { secret_string = null }`,
			applied + "resource \"aws_secretsmanager_secret_version\" \"v\" { secret_string = var.s }\nvariable \"s\" { default = null }",
			`ephemeral "aws_secretsmanager_secret_version" "v" {}`,
			"resource \"aws_ssm_parameter\" \"p\" {\ntype = \"String\"\nvalue = \"x\"\n}",
		},
	},
	{
		"secret-literal",
		[]string{
			`variable "db_password" { default = "letmein-please" }`, `locals { api_key = "letmein-please" }`,
			`locals { x = "cxtp_Q4x8ZpL2mN7vT1kR9sW3yB6d" }`,
			`resource "aws_appconfig_hosted_configuration_version" "v" { content = jsonencode({ privateKey = "letmein-please" }) }`,
			"resource \"aws_appconfig_hosted_configuration_version\" \"v\" {\ncontent = <<E\n{\"privateKey\": \"letmein-please\"}\nE\n}",
		},
		[]string{`variable "db_password" {}`, `locals { api_key = var.a }` + "\n" + `variable "a" {}`, `locals { password = "changeme" }`},
	},
	{
		"secret-variable",
		[]string{"resource \"aws_secretsmanager_secret_version\" \"v\" { secret_string_wo = var.s }\nvariable \"s\" {}"},
		[]string{
			"resource \"aws_secretsmanager_secret_version\" \"v\" { secret_string_wo = var.s }\nvariable \"s\" { ephemeral = true }",
			"resource \"aws_secretsmanager_secret_version\" \"v\" { secret_string_wo = var.s }\nvariable \"s\" { sensitive = true }",
		},
	},
	{
		"secret-output",
		[]string{`resource "random_password" "p" {}
output "o" { value = random_password.p.result }`},
		[]string{"resource \"random_password\" \"p\" {}\noutput \"o\" {\nvalue = random_password.p.result\nsensitive = true\n}", `resource "random_password" "p" {}
output "o" { value = random_password.p.id }`},
	},
	{
		"secret-recovery-window",
		[]string{secret, "resource \"aws_secretsmanager_secret\" \"s\" {\nname = \"prod/x\"\nrecovery_window_in_days = 0\n}"},
		[]string{
			"resource \"aws_secretsmanager_secret\" \"s\" {\nname = \"uat/x\"\nrecovery_window_in_days = 0\n}",
			"resource \"aws_secretsmanager_secret\" \"s\" {\nname = \"prod/x\"\nrecovery_window_in_days = 7\n}",
		},
	},
	{
		"profile-location-uri",
		[]string{
			`resource "aws_appconfig_configuration_profile" "p" { location_uri = "arn:aws:secretsmanager:a:1:secret:x" }`,
			`resource "aws_appconfig_configuration_profile" "p" { location_uri = "x/y" }`,
			secret + `resource "aws_appconfig_configuration_profile" "p" { location_uri = aws_secretsmanager_secret.s.arn }`,
			secret + `resource "aws_appconfig_configuration_profile" "p" { location_uri = "secretsmanager://${aws_secretsmanager_secret.s.arn}" }`,
		},
		[]string{
			profile, hosted, `resource "aws_appconfig_configuration_profile" "p" { location_uri = "arn:aws:ssm:a:1:document/x" }`,
			secret + `resource "aws_appconfig_configuration_profile" "p" { location_uri = "secretsmanager://${aws_secretsmanager_secret.s.name}" }`,
			`resource "aws_appconfig_configuration_profile" "p" { location_uri = var.u }` + "\n" + `variable "u" {}`,
		},
	},
	{
		"profile-retrieval-role",
		[]string{profile},
		[]string{
			hosted, "resource \"aws_appconfig_configuration_profile\" \"p\" {\nlocation_uri = \"secretsmanager://x\"\nretrieval_role_arn = var.r\n}\nvariable \"r\" {}",
			`resource "aws_appconfig_configuration_profile" "p" { location_uri = "codepipeline://x" }`,
		},
	},
	{
		"profile-not-deployed",
		[]string{profile, hosted},
		[]string{profile + `resource "aws_appconfig_deployment" "d" { configuration_profile_id = aws_appconfig_configuration_profile.p.configuration_profile_id }`},
	},
	{
		"profile-no-version",
		[]string{hosted},
		[]string{
			hosted + "resource \"aws_appconfig_hosted_configuration_version\" \"v\" {\ncount = 0\nconfiguration_profile_id = aws_appconfig_configuration_profile.p.id\n}",
			profile, hosted + `resource "aws_appconfig_hosted_configuration_version" "v" { configuration_profile_id = aws_appconfig_configuration_profile.p.configuration_profile_id }`,
		},
	},
	{
		"deployment-strategy",
		[]string{stage, `resource "aws_appconfig_deployment" "d" { deployment_strategy_id = "AppConfig.AllAtOnce" }`},
		[]string{stage + `resource "aws_appconfig_deployment_strategy" "s" {}`, stage + `resource "aws_appconfig_deployment" "d" { deployment_strategy_id = "AppConfig.Linear50PercentEvery30Seconds" }`},
	},
	{
		"deployment-pinned",
		[]string{profile + "resource \"aws_appconfig_deployment\" \"d\" {\nconfiguration_profile_id = aws_appconfig_configuration_profile.p.id\nconfiguration_version = \"1\"\n}"},
		[]string{
			profile + "resource \"aws_appconfig_deployment\" \"d\" {\nconfiguration_profile_id = aws_appconfig_configuration_profile.p.id\nconfiguration_version = aws_secretsmanager_secret_version.v.version_id\n}\nresource \"aws_secretsmanager_secret_version\" \"v\" {}",
			hosted + "resource \"aws_appconfig_deployment\" \"d\" {\nconfiguration_profile_id = aws_appconfig_configuration_profile.p.id\nconfiguration_version = \"1\"\n}",
		},
	},
	{
		"deployments-concurrent",
		[]string{stage + "resource \"aws_appconfig_deployment\" \"a\" { environment_id = aws_appconfig_environment.e.environment_id }\nresource \"aws_appconfig_deployment\" \"b\" { environment_id = aws_appconfig_environment.e.environment_id }"},
		[]string{stage + "resource \"aws_appconfig_deployment\" \"a\" { environment_id = aws_appconfig_environment.e.environment_id }\nresource \"aws_appconfig_deployment\" \"b\" { environment_id = var.e }\nvariable \"e\" {}"},
	},
	{
		"environment-alarms",
		[]string{stage, "resource \"aws_appconfig_environment\" \"e\" { name = var.environment }\nvariable \"environment\" { default = \"production\" }"},
		[]string{
			`resource "aws_appconfig_environment" "e" { name = "uat" }`,
			"resource \"aws_appconfig_environment\" \"e\" {\nname = \"prod\"\nmonitor {\nalarm_arn = \"a\"\n}\n}",
			"resource \"aws_appconfig_environment\" \"e\" {\nname = \"prod\"\ndynamic \"monitor\" {\nfor_each = var.alarms\ncontent {\nalarm_arn = monitor.value\n}\n}\n}\nvariable \"alarms\" {}",
		},
	},
	{
		"undeclared-reference",
		[]string{
			`output "o" { value = aws_s3_bucket.nowhere.arn }`, `output "o" { value = var.nothing }`, `locals { a = local.b }`,
			`output "o" { value = "${data.aws_region.here.id}" }`, `output "o" { value = module.none.x }`,
		},
		[]string{
			bucket + `output "o" { value = [for b_b in [1] : b_b.x] }` + "\nvariable \"environment\" {}",
			"resource \"aws_s3_bucket\" \"b\" {\ndynamic \"some_thing\" {\nfor_each = []\ncontent {\na = some_thing.value\n}\n}\nlifecycle {\nignore_changes = [versioning_config.x]\n}\n}",
			"moved {\nfrom = aws_s3_bucket.a\nto = aws_s3_bucket.b\n}\n" + `resource "aws_s3_bucket" "b" { provider = aws_other.here }`,
			"check \"c\" {\ndata \"aws_region\" \"r\" {}\nassert {\ncondition = data.aws_region.r.id != \"\"\n}\n}",
		},
	},
	{
		"name-fixed",
		[]string{`resource "aws_iam_role" "r" { name = "otel" }`},
		[]string{
			`resource "aws_iam_role" "r" { name = "otel-${var.environment}" }`, `resource "aws_iam_role" "r" { name = "otel-prod" }`,
			`resource "aws_iam_role" "r" {}`, `resource "aws_iam_role" "r" { name = var.n }` + "\n" + `variable "n" { default = "otel" }`,
		},
	},
	{
		"environment-fixed",
		[]string{`resource "aws_iam_role" "r" { name = "otel-prod" }`, stage},
		[]string{"locals {\nname = \"otel-prod\"\n}\n" + `resource "aws_iam_role" "r" { name = local.name }`, `resource "aws_iam_role" "r" { name = "otel" }`},
	},
	{
		"account-hard-coded",
		[]string{`locals { a = "arn:aws:iam::123456789012:role/x" }`, bucket + of("aws_s3_bucket_policy", "policy = <<E\n{\"a\": \"arn:aws:iam::123456789012:root\"}\nE\n")},
		[]string{`locals { a = "arn:aws:iam::aws:policy/x" }`, `variable "a" { default = "arn:aws:iam::123456789012:role/x" }`, `locals { a = "arn:aws:iam::${var.account}:role/x" }`, `locals { a = "arn:aws:iam::000000000000:role/nobody" }`},
	},
	{"terraform-version", []string{bucket}, []string{"terraform {\n  required_version = \">= 1.11\"\n}"}},
	{
		"provider-version",
		[]string{bucket, bucket + "terraform {\nrequired_providers {\naws = { source = \"hashicorp/aws\" }\n}\n}"},
		[]string{bucket + "terraform {\nrequired_providers {\naws = { version = \"~> 5.90\" }\n}\n}", `resource "terraform_data" "x" {}`},
	},
	{
		"no-backend",
		[]string{bucket, "provider \"aws\" {}\nvariable \"x\" {}"},
		[]string{applied, "terraform {\ncloud {}\n}", bucket + `variable "environment" {}`},
	},
	{
		"provider-region",
		[]string{bucket, applied + "provider \"aws\" {}"},
		[]string{applied + "provider \"aws\" {\nregion = var.r\n}\n" + bucket, bucket + `variable "environment" {}`},
	},
	{
		"tags-missing",
		[]string{bucket, applied + bucket},
		[]string{
			applied + "resource \"aws_s3_bucket\" \"b\" {\ntags = { a = \"b\" }\n}", bucket + `variable "environment" {}`,
			bucket + "provider \"aws\" {\ndefault_tags {\ntags = { a = \"b\" }\n}\n}",
		},
	},
	{"outputs-missing", []string{bucket}, []string{bucket + `output "b" { value = aws_s3_bucket.b.id }`, applied + `resource "aws_kms_key" "k" {}`}},
}
