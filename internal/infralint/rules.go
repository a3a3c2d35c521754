package infralint

import "strings"

// Rule is a fault that is looked for.
type Rule struct {
	ID          string
	Fault       string // what is wrong
	Consequence string // what comes of it, one sentence
	Correction  string // what to write instead, one sentence
}

type checkedRule struct {
	Rule
	check func(*judge) error
}

// Rules answers all rules in the order of the documentation.
func Rules() []Rule {
	all := rules()
	list := make([]Rule, len(all))
	for i, r := range all {
		list[i] = r.Rule
	}
	return list
}

func ruleByID(id string) (Rule, bool) {
	for _, r := range rules() {
		if r.ID == id {
			return r.Rule, true
		}
	}
	return Rule{}, false
}

// rules is a function, so that nothing is made before somebody lints.
func rules() []checkedRule {
	var all []checkedRule
	for _, group := range [][]checkedRule{
		bucketRules(), trustRules(), policyRules(), secretRules(), configRules(), projectRules(),
	} {
		all = append(all, group...)
	}
	return all
}

// Page is docs/infra-lint.md's list of rules.
func Page() string {
	var b strings.Builder
	b.WriteString("| rule | fault | consequence | correction |\n|---|---|---|---|\n")
	for _, r := range Rules() {
		b.WriteString("| `" + r.ID + "` | " + r.Fault + " | " + r.Consequence + " | " + r.Correction + " |\n")
	}
	return b.String()
}

func bucketRules() []checkedRule {
	return []checkedRule{
		{Rule{
			"bucket-public", "A bucket's policy or ACL allows everybody.",
			"Anybody on the Internet reads the charts, and what else is put there.",
			"Name the readers in Principal, or narrow \"*\" by aws:PrincipalOrgID; drop public ACLs.",
		}, checkBucketPublic},
		{Rule{
			"bucket-public-access-block", "A bucket has no public access block, or one that is not all true.",
			"One mistake in a policy or an ACL publishes the bucket.",
			"Add aws_s3_bucket_public_access_block with all four settings true.",
		}, checkPublicAccessBlock},
		{Rule{
			"bucket-tls", "No policy of a bucket refuses plain HTTP.",
			"Charts and credentials' signatures travel in clear where a client is set up so.",
			"Deny s3:* to \"*\" with Bool aws:SecureTransport = false.",
		}, checkBucketTLS},
		{Rule{
			"bucket-encryption", "A bucket says nothing of its encryption.",
			"Which key protects the charts is AWS's default and nobody's decision.",
			"Add aws_s3_bucket_server_side_encryption_configuration with AES256, or aws:kms and a key.",
		}, checkEncryption},
		{Rule{
			"bucket-ownership", "A bucket has no ownership controls, or others than BucketOwnerEnforced.",
			"ACLs decide beside the policy, and objects may belong to other accounts.",
			"Add aws_s3_bucket_ownership_controls with object_ownership = \"BucketOwnerEnforced\".",
		}, checkOwnership},
		{Rule{
			"bucket-versioning", "A bucket keeps no versions.",
			"What is deleted or overwritten by mistake is gone.",
			"Add aws_s3_bucket_versioning with status = \"Enabled\".",
		}, checkVersioning},
		{Rule{
			"bucket-lifecycle", "A bucket has no lifecycle.",
			"Old versions of the index are kept and paid for ever.",
			"Add aws_s3_bucket_lifecycle_configuration with noncurrent_version_expiration.",
		}, checkLifecycle},
		{Rule{
			"bucket-logging", "A bucket has no access log.",
			"After a leak nobody can tell who read what.",
			"Add aws_s3_bucket_logging, or accept this where CloudTrail follows the objects.",
		}, checkLogging},
		{Rule{
			"bucket-force-destroy", "force_destroy is true, and nothing says that the environment is one to throw away.",
			"terraform destroy deletes every published chart with all its versions.",
			"Write force_destroy = false, or take it from a variable whose default is false.",
		}, checkForceDestroy},
		{Rule{
			"bucket-overwrite", "A bucket of charts lets published files be overwritten.",
			"Two publishers lose each other's charts, and a version changes its bytes.",
			"Deny s3:PutObject where Null s3:if-none-match is true, and for the index also s3:if-match.",
		}, checkOverwrite},
		{Rule{
			"publisher-missing", "A bucket may be read, and nothing here may write it.",
			"Pipelines publish with keys from elsewhere that nobody bounded.",
			"Make a role that trusts the pipeline's OIDC provider and may s3:PutObject below the prefix.",
		}, checkPublisher},
	}
}

func trustRules() []checkedRule {
	return []checkedRule{
		{Rule{
			"trust-anybody", "A role's trust policy allows everybody.",
			"Any AWS account takes the role.",
			"Name the account, role, service or provider in Principal.",
		}, checkTrustAnybody},
		{Rule{
			"trust-sub", "Trust in an OIDC provider names no subject.",
			"Every service account of the cluster, or every project of the CI system, takes the role.",
			"Add StringEquals on ISSUER:sub, such as system:serviceaccount:NAMESPACE:NAME.",
		}, checkSub},
		{Rule{
			"trust-aud", "Trust in an OIDC provider names no audience.",
			"Tokens made for other services are good for the role too.",
			"Add StringEquals on ISSUER:aud with sts.amazonaws.com.",
		}, checkAud},
		{Rule{
			"trust-wildcard", "Trust in a cluster has a wildcard in sub or aud.",
			"Whoever can make a service account that matches takes the role; under StringEquals nobody does.",
			"Write one statement for each service account, with StringEquals and its full name.",
		}, checkPodWildcard},
		{Rule{
			"ci-trust-wildcard", "Trust in a CI system has a wildcard in sub or aud.",
			"Any repository, branch or pull request that matches publishes.",
			"Write the repository and its branch or environment in full, with StringEquals.",
		}, checkPipelineWildcard},
		{Rule{
			"retrieval-role-source-account", "A role trusts AppConfig without aws:SourceAccount.",
			"AppConfig can be led to use the role for somebody else's configuration.",
			"Add StringEquals aws:SourceAccount with the account's number.",
		}, checkRetrievalTrust},
		{Rule{
			"oidc-http", "An OIDC provider is reached over http.",
			"Whoever sits in between decides which tokens are genuine; AWS refuses it.",
			"Write the issuer's https:// URL.",
		}, checkIssuer},
		{Rule{
			"static-keys", "There are IAM users, access keys, or keys in a provider.",
			"Keys that never expire stand in state and pipelines until somebody finds them.",
			"Make a role that the pipeline takes by OIDC; give the provider no keys.",
		}, checkStaticKeys},
	}
}

func policyRules() []checkedRule {
	return []checkedRule{
		{Rule{
			"policy-unattached", "A policy is attached to nobody.",
			"What it allows is allowed to no one: the pod's first call is denied.",
			"Add aws_iam_role_policy_attachment with this policy's arn.",
		}, checkUnattached},
		{Rule{
			"policy-any-resource", "A policy allows actions on every resource.",
			"The pod reads every secret and every configuration of the account.",
			"Write the ARNs, from the resources themselves, such as aws_secretsmanager_secret.NAME.arn.",
		}, checkAnyResource},
		{Rule{
			"policy-any-action", "A policy allows every action, or all of a service.",
			"Who was to read may delete, and change the policy itself.",
			"List the actions that are called.",
		}, checkAnyAction},
		{Rule{
			"appconfig-deprecated-action", "A policy allows appconfig:GetConfiguration.",
			"It is the API that AWS deprecated; agents and SDKs call others, and are denied.",
			"Write appconfig:StartConfigurationSession and appconfig:GetLatestConfiguration.",
		}, checkDeprecatedAction},
		{Rule{
			"appconfig-session-actions", "A policy that reads AppConfig lacks one of the two actions that it takes.",
			"Reading the configuration is denied.",
			"Allow appconfig:StartConfigurationSession and appconfig:GetLatestConfiguration on " +
				"application/A/environment/E/configuration/P.",
		}, checkSessionActions},
		{Rule{
			"kms-decrypt", "Who reads a secret may not decrypt with its key.",
			"GetSecretValue is denied, with a message about KMS.",
			"Allow kms:Decrypt on the key's ARN, with kms:ViaService.",
		}, checkDecrypt},
		{Rule{
			"kms-via-service", "A policy lets its holder use a key by itself.",
			"Ciphertext from anywhere can be decrypted, not only the secret.",
			"Add StringEquals kms:ViaService = secretsmanager.REGION.amazonaws.com.",
		}, checkViaService},
		{Rule{
			"kms-public", "A key's policy allows everybody.",
			"Any AWS account uses the key.",
			"Name the principals, or narrow \"*\" by kms:CallerAccount and kms:ViaService.",
		}, checkKeyPublic},
		{Rule{
			"secret-public", "A secret's policy allows everybody.",
			"Any AWS account reads the secret.",
			"Name the principals, and set block_public_policy.",
		}, checkSecretPublic},
	}
}

func secretRules() []checkedRule {
	return []checkedRule{
		{
			Rule{
				"secret-in-state", "A secret's value is an argument, or an attribute, that Terraform keeps.",
				"Whoever reads the plan or the state has the secret.",
				"Use secret_string_wo with an ephemeral variable, or let the value be put by hand or by a pipeline.",
			},
			checkSecretInState,
		},
		{Rule{
			"secret-literal", "Something has the shape of a secret.",
			"Whoever reads the repository, the plan or the state has it, also after it is deleted there.",
			"Take it out, replace the key where it is valid, and give it as an ephemeral variable.",
		}, checkSecretLiteral},
		{Rule{
			"secret-variable", "A variable that becomes a secret is neither ephemeral nor sensitive.",
			"Its value is printed by plans, and a plan's file keeps it.",
			"Write ephemeral = true and sensitive = true in the variable.",
		}, checkSecretVariable},
		{
			Rule{
				"secret-output", "An output is a secret and not sensitive.",
				"Every apply prints it in the pipeline's log.",
				"Drop the output and give out the secret's ARN; sensitive = true only hides it from the terminal.",
			},
			checkSecretOutput,
		},
		{
			Rule{
				"secret-recovery-window", "A secret's recovery window is not decided, or is 0 in production.",
				"With 0 a destroyed secret is gone at once; with the silent 30 days its name cannot be used again until then.",
				"Take recovery_window_in_days from a variable: 7 to 30, and 0 only where everything is thrown away.",
			},
			checkRecoveryWindow,
		},
	}
}

func configRules() []checkedRule {
	return []checkedRule{
		{
			Rule{
				"profile-location-uri", "location_uri is not what AppConfig documents.",
				"Terraform accepts it, and AppConfig finds no secret.",
				"Write \"secretsmanager://${aws_secretsmanager_secret.NAME.name}\", so that the secret comes first.",
			},
			checkLocation,
		},
		{Rule{
			"profile-retrieval-role", "A profile that is located elsewhere has no retrieval_role_arn.",
			"AppConfig may not read what it is to deploy, and refuses the profile.",
			"Give a role that trusts appconfig.amazonaws.com and may read the secret.",
		}, checkRetrievalRole},
		{Rule{
			"profile-not-deployed", "Nothing deploys a profile.",
			"It returns nothing: every pod starts without configuration, and a rotated secret reaches nobody.",
			"Add aws_appconfig_deployment, or accept this where a pipeline deploys.",
		}, checkDeployed},
		{Rule{
			"profile-no-version", "A hosted profile has no version.",
			"There is nothing to deploy.",
			"Add aws_appconfig_hosted_configuration_version.",
		}, checkHostedVersion},
		{Rule{
			"deployment-strategy", "There is no strategy, or the one that changes all pods at once.",
			"A bad value reaches the whole fleet before an alarm can stop it.",
			"Add aws_appconfig_deployment_strategy with a growth factor and a bake time, and use it.",
		}, checkStrategy},
		{Rule{
			"deployment-pinned", "A deployment of a secret has its version written out.",
			"A rotated secret is never deployed.",
			"Take configuration_version from aws_secretsmanager_secret_version.NAME.version_id.",
		}, checkPinned},
		{Rule{
			"deployments-concurrent", "Several deployments go to one environment.",
			"AppConfig takes one at a time and the provider does not wait: the apply fails with a conflict.",
			"Keep one deployment for each environment in Terraform, or let a pipeline deploy and wait.",
		}, checkConcurrent},
		{Rule{
			"environment-alarms", "A production environment has no monitor.",
			"A rollout that breaks the fleet goes on; nothing rolls it back.",
			"Add monitor blocks with the alarm's ARN and a role that may read alarms.",
		}, checkAlarms},
	}
}

func projectRules() []checkedRule {
	return []checkedRule{
		{Rule{
			"undeclared-reference", "Something is named that is declared nowhere.",
			"terraform validate fails.",
			"Declare it, or take its ARN as a variable.",
		}, checkUndeclared},
		{Rule{
			"name-fixed", "A name says nothing of its environment.",
			"The second environment in the account fails with EntityAlreadyExists, or takes over the first one's.",
			"Derive the name from a variable: \"${var.environment}-NAME\".",
		}, checkFixedName},
		{
			Rule{
				"environment-fixed", "A name has one environment written out.",
				"UAT can only be made by a copy, which then drifts.",
				"Derive the name from a variable, and apply the configuration once for each environment.",
			},
			checkFixedEnvironment,
		},
		{Rule{
			"account-hard-coded", "An ARN has an account's number written out.",
			"In another account it means nothing, or the wrong account's resource.",
			"Take the ARN from the resource or a variable, or the number from data.aws_caller_identity.",
		}, checkAccount},
		{Rule{
			"terraform-version", "Nothing says which Terraform.",
			"Another version plans something else, or writes a state that the first cannot read.",
			"Write required_version in a terraform block.",
		}, checkTerraformVersion},
		{Rule{
			"provider-version", "Nothing says which version of a provider.",
			"The next init takes a new major version.",
			"Write source and version in required_providers.",
		}, checkProviderVersion},
		{Rule{
			"no-backend", "A configuration that is applied has no backend.",
			"The state stays on one machine: the next person makes everything again.",
			"Write a backend block with a lock, such as s3 with use_lockfile.",
		}, checkBackend},
		{Rule{
			"provider-region", "The provider has no region.",
			"Whose shell it is decides where everything is made.",
			"Write region in the provider, from a variable.",
		}, checkRegion},
		{Rule{
			"tags-missing", "Resources have no tags, and the provider gives none.",
			"Nobody can tell what belongs to whom, what it costs, or what may be deleted.",
			"Write default_tags in the provider.",
		}, checkTags},
		{Rule{
			"outputs-missing", "A configuration that is applied has no outputs.",
			"Role ARNs and names are copied by hand into values.",
			"Write an output for each name or ARN that charts and pipelines need.",
		}, checkOutputs},
	}
}
