package policies_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/versity/versitygw/iamapi/policy"
	"github.com/versity/versitygw/iamapi/types"
)

// request is one question to IAM and the answer that is meant.
type request struct {
	what     string
	action   string
	resource string
	context  map[string][]string
	allowed  bool
}

func keys(pairs ...string) map[string][]string {
	context := map[string][]string{}
	for pair := range slices.Chunk(pairs, 2) {
		context[pair[0]] = []string{pair[1]}
	}
	return context
}

const (
	otherSecret  = "arn:aws:secretsmanager:eu-north-1:" + account + ":secret:coralogix/uat/private_key-AbCdEf"
	otherApp     = "arn:aws:appconfig:eu-north-1:" + account + ":application/app9999"
	otherEnv     = application + "/environment/env9999"
	otherProfile = application + "/configurationprofile/prf9999"
	archive      = bucket + "/charts/opentelemetry-0.1.0.tgz"
	index        = bucket + "/charts/index.yaml"
	publisher    = "arn:aws:iam::" + account + ":role/chart-publisher"
	leftPending  = bucket + "/charts/.pending/entry.json"
	probed       = bucket + "/charts/.pinnace-probe"
	anything     = bucket + "/charts/notes.html"
)

// granted are the identity policies and what they are meant to allow. A request on another resource of the same kind
// stands beside each allowed one.
var granted = map[string][]request{
	"workload": {
		{"open a session", "appconfig:StartConfigurationSession", configuration, nil, true},
		{"poll", "appconfig:GetLatestConfiguration", configuration, nil, true},
		{"read its secret", "secretsmanager:GetSecretValue", secret, nil, true},
		{"another profile", "appconfig:StartConfigurationSession", environment + "/configuration/prf9999", nil, false},
		{"another environment", "appconfig:GetLatestConfiguration", otherEnv + "/configuration/prf1234", nil, false},
		{"another secret", "secretsmanager:GetSecretValue", otherSecret, nil, false},
		{"a secret that begins alike", "secretsmanager:GetSecretValue", secret + "X", nil, false},
		{"change its secret", "secretsmanager:PutSecretValue", secret, nil, false},
		{"the deprecated call", "appconfig:GetConfiguration", configuration, nil, false},
		{"start a rollout", "appconfig:StartDeployment", environment, nil, false},
	},
	"retrieval": {
		{"read the secret", "secretsmanager:GetSecretValue", secret, nil, true},
		{"another secret", "secretsmanager:GetSecretValue", otherSecret, nil, false},
		{"change the secret", "secretsmanager:PutSecretValue", secret, nil, false},
	},
	"follower": {
		{"open a session", "appconfig:StartConfigurationSession", configuration, nil, true},
		{"poll", "appconfig:GetLatestConfiguration", configuration, nil, true},
		{"another profile", "appconfig:StartConfigurationSession", environment + "/configuration/prf9999", nil, false},
		{"another environment", "appconfig:GetLatestConfiguration", otherEnv + "/configuration/prf1234", nil, false},
		{"read the secret", "secretsmanager:GetSecretValue", secret, nil, false},
	},
	"alarm": {
		{"see an alarm", "cloudwatch:DescribeAlarms", alarms + ":collector-errors", nil, true},
		{"see alarms elsewhere", "cloudwatch:DescribeAlarms", "arn:aws:cloudwatch:eu-west-1:" + account + ":alarm:x", nil, false},
		{"silence an alarm", "cloudwatch:DisableAlarmActions", alarms + ":collector-errors", nil, false},
	},
	"secret-decryption": append(secretDecryption(),
		request{"encrypt", "kms:GenerateDataKey", kmsKey, viaSecrets(secret), false},
	),
	"secret-encryption": append(secretDecryption(),
		request{"encrypt", "kms:GenerateDataKey", kmsKey, viaSecrets(secret), true},
		request{"encrypt another secret", "kms:GenerateDataKey", kmsKey, viaSecrets(otherSecret), false},
	),
	// Asked of somebody who may otherwise do everything in Secrets Manager.
	"secret-guard": {
		{"read as a reader", "secretsmanager:GetSecretValue", secret, by(reader), true},
		{"read as another reader", "secretsmanager:GetSecretValue", secret, by(otherReader), true},
		{"read as an administrator", "secretsmanager:GetSecretValue", secret, by("arn:aws:iam::" + account + ":role/admin"), false},
		{"read as root", "secretsmanager:GetSecretValue", secret, by("arn:aws:iam::" + account + ":root"), false},
		{"read as nobody", "secretsmanager:GetSecretValue", secret, nil, false},
		{"stage a key", "secretsmanager:PutSecretValue", secret, by(publisher), true},
		{"mend this policy", "secretsmanager:PutResourcePolicy", secret, by(publisher), true},
	},
	"publisher": {
		{"put an archive", "s3:PutObject", archive, nil, true},
		{"put provenance", "s3:PutObject", archive + ".prov", nil, true},
		{"write the index", "s3:PutObject", index, nil, true},
		{"ask whether conditions hold", "s3:PutObject", probed, nil, true},
		{"read the index", "s3:GetObject", index, nil, true},
		{"put what is no chart", "s3:PutObject", anything, nil, false},
		{"read what is no chart", "s3:GetObject", anything, nil, false},
		{"write the index of a repository below", "s3:PutObject", bucket + "/charts/team/index.yaml", nil, false},
		{"list the repository", "s3:ListBucket", bucket, keys("s3:prefix", "charts/"), true},
		{"learn that a key is missing", "s3:ListBucket", bucket, keys("s3:prefix", "charts/index.yaml"), true},
		{"list the bucket", "s3:ListBucket", bucket, nil, false},
		{"list a neighbour", "s3:ListBucket", bucket, keys("s3:prefix", "charts-other/"), false},
		{"put outside the prefix", "s3:PutObject", bucket + "/charts-other/x.tgz", nil, false},
		{"read outside the prefix", "s3:GetObject", bucket + "/other/index.yaml", nil, false},
		{"leave an entry pending", "s3:PutObject", leftPending, nil, true},
		{"sweep what is pending", "s3:DeleteObject", leftPending, nil, true},
		{"sweep a neighbour", "s3:DeleteObject", bucket + "/charts-other/.pending/entry.json", nil, false},
		{"sweep a version for ever", "s3:DeleteObjectVersion", leftPending, nil, false},
		{"delete an archive", "s3:DeleteObject", archive, nil, false},
		{"delete the index", "s3:DeleteObject", index, nil, false},
		{"change the bucket policy", "s3:PutBucketPolicy", bucket, nil, false},
		{"tag an archive", "s3:PutObjectTagging", archive, nil, false},
		{"encrypt with a key", "kms:GenerateDataKey", kmsKey, viaS3(archive), false},
		{"decrypt with a key", "kms:Decrypt", kmsKey, viaS3(archive), false},
		{"another bucket", "s3:PutObject", "arn:aws:s3:::other/charts/x.tgz", nil, false},
	},
	"tagging": {
		{"tag an archive", "s3:PutObjectTagging", archive, nil, true},
		{"tag the index", "s3:PutObjectTagging", index, nil, true},
		{"tag outside the prefix", "s3:PutObjectTagging", bucket + "/charts-other/x.tgz", nil, false},
		{"take tags away", "s3:DeleteObjectTagging", archive, nil, false},
		{"tag an old version", "s3:PutObjectVersionTagging", archive, nil, false},
		{"tag the bucket", "s3:PutBucketTagging", bucket, nil, false},
		{"put an archive", "s3:PutObject", archive, nil, false},
	},
	"encryption": append(decryption(true),
		request{"encrypt", "kms:GenerateDataKey", kmsKey, viaS3(archive), true},
		request{"encrypt with the bucket's key", "kms:GenerateDataKey", kmsKey, viaS3(bucket), true},
		request{"encrypt by hand", "kms:GenerateDataKey", kmsKey, nil, false},
		request{"encrypt for a neighbour", "kms:GenerateDataKey", kmsKey, viaS3(bucket + "/charts-other/x.tgz"), false},
		request{"encrypt directly", "kms:Encrypt", kmsKey, viaS3(archive), false},
	),
	"decryption": append(decryption(true),
		request{"encrypt", "kms:GenerateDataKey", kmsKey, viaS3(archive), false},
	),
	"maintainer": {
		{"read the index", "s3:GetObject", index, nil, true},
		{"write the index", "s3:PutObject", index, nil, true},
		{"ask whether conditions hold", "s3:PutObject", probed, nil, true},
		{"put an archive", "s3:PutObject", archive, nil, false},
		{"leave an entry pending", "s3:PutObject", leftPending, nil, false},
		{"delete an archive", "s3:DeleteObject", archive, nil, true},
		{"delete provenance", "s3:DeleteObject", archive + ".prov", nil, true},
		{"sweep what is pending", "s3:DeleteObject", leftPending, nil, true},
		{"delete the index", "s3:DeleteObject", index, nil, false},
		{"delete a version for ever", "s3:DeleteObjectVersion", archive, nil, false},
		{"delete outside the prefix", "s3:DeleteObject", bucket + "/charts-other/x.tgz", nil, false},
		{"read outside the prefix", "s3:GetObject", bucket + "/other/index.yaml", nil, false},
		{"list the repository", "s3:ListBucket", bucket, keys("s3:prefix", "charts/"), true},
		{"list the bucket", "s3:ListBucket", bucket, nil, false},
	},
	"reader": append([]request{
		{"read an archive", "s3:GetObject", archive, nil, true},
		{"list the repository", "s3:ListBucket", bucket, keys("s3:prefix", "charts/"), true},
		{"list the bucket", "s3:ListBucket", bucket, nil, false},
		{"read outside the prefix", "s3:GetObject", bucket + "/other/index.yaml", nil, false},
		{"put an archive", "s3:PutObject", archive, nil, false},
	}, decryption(false)...),
	"deployer": {
		{"stage a key", "secretsmanager:PutSecretValue", secret, nil, true},
		{"move a label", "secretsmanager:UpdateSecretVersionStage", secret, nil, true},
		{"see the labels", "secretsmanager:DescribeSecret", secret, nil, true},
		{"read the key", "secretsmanager:GetSecretValue", secret, nil, false},
		{"stage another key", "secretsmanager:PutSecretValue", otherSecret, nil, false},
		{"delete the key", "secretsmanager:DeleteSecret", secret, nil, false},
		{"write a version: application", "appconfig:CreateHostedConfigurationVersion", application, nil, true},
		{"write a version: profile", "appconfig:CreateHostedConfigurationVersion", profile, nil, true},
		{"write to another profile", "appconfig:CreateHostedConfigurationVersion", otherProfile, nil, false},
		{"read a version", "appconfig:GetHostedConfigurationVersion", profile + "/hostedconfigurationversion/7", nil, true},
		{"roll out: application", "appconfig:StartDeployment", application, nil, true},
		{"roll out: environment", "appconfig:StartDeployment", environment, nil, true},
		{"roll out: profile", "appconfig:StartDeployment", profile, nil, true},
		{"roll out: strategy", "appconfig:StartDeployment", strategy, nil, true},
		{"roll out in another application", "appconfig:StartDeployment", otherApp, nil, false},
		{"roll out to another environment", "appconfig:StartDeployment", otherEnv, nil, false},
		{"roll out another profile", "appconfig:StartDeployment", otherProfile, nil, false},
		{"roll out by another strategy", "appconfig:StartDeployment", strategy + "x", nil, false},
		{"watch: application", "appconfig:GetDeployment", application, nil, true},
		{"watch: environment", "appconfig:GetDeployment", environment, nil, true},
		{"watch", "appconfig:GetDeployment", environment + "/deployment/3", nil, true},
		{"stop", "appconfig:StopDeployment", environment + "/deployment/3", nil, true},
		{"stop elsewhere", "appconfig:StopDeployment", otherEnv + "/deployment/3", nil, false},
		{"delete the profile", "appconfig:DeleteConfigurationProfile", profile, nil, false},
	},
	// Asked of somebody who may otherwise do everything in S3.
	"chart-repository-bucket": {
		{"new archive", "s3:PutObject", archive, put("s3:if-none-match", "*"), true},
		{"archive over another", "s3:PutObject", archive, put(), false},
		{"archive by compare-and-swap", "s3:PutObject", archive, put("s3:if-match", `"etag"`), false},
		{"archive over another, empty condition", "s3:PutObject", archive, put("s3:if-none-match", ""), false},
		{"archive over another, two conditions", "s3:PutObject", archive, put("s3:if-none-match", ",*"), false},
		{"archive unless it has an ETag", "s3:PutObject", archive, put("s3:if-none-match", `"etag"`), false},
		{"archive, operation unknown", "s3:PutObject", archive, keys("aws:SecureTransport", "true"), false},
		{"part of an archive", "s3:PutObject", archive, part(), true},
		{"provenance over another", "s3:PutObject", archive + ".prov", put(), false},
		{"first index", "s3:PutObject", index, put("s3:if-none-match", "*"), true},
		{"next index", "s3:PutObject", index, put("s3:if-match", `"etag"`), true},
		{"index over any", "s3:PutObject", index, put(), false},
		{"index over any, empty conditions", "s3:PutObject", index, put("s3:if-match", "", "s3:if-none-match", ""), false},
		{"index unless it has an ETag", "s3:PutObject", index, put("s3:if-none-match", `"etag"`), false},
		{"index at the root over any", "s3:PutObject", bucket + "/index.yaml", put(), false},
		{"part of an index", "s3:PutObject", index, part(), true},
		{"delete an archive", "s3:DeleteObject", archive, by(publisher), false},
		{"delete an archive as root", "s3:DeleteObject", archive, by("arn:aws:iam::" + account + ":root"), false},
		{"delete an archive as nobody", "s3:DeleteObject", archive, nil, false},
		{"delete an archive's version", "s3:DeleteObjectVersion", archive, by(publisher), false},
		{"delete provenance", "s3:DeleteObject", archive + ".prov", by(publisher), false},
		{"delete the index", "s3:DeleteObject", index, by(publisher), false},
		{"delete the index at the root", "s3:DeleteObject", bucket + "/index.yaml", by(publisher), false},
		{"sweep what is pending", "s3:DeleteObject", leftPending, by(publisher), true},
		{"delete an archive in maintenance", "s3:DeleteObject", archive, by(maintainer), true},
		{"another whose name begins alike", "s3:DeleteObject", archive, by(maintainer + "2"), false},
		{"read by TLS", "s3:GetObject", archive, keys("aws:SecureTransport", "true"), true},
		{"read in clear", "s3:GetObject", archive, keys("aws:SecureTransport", "false"), false},
		{"list in clear", "s3:ListBucket", bucket, keys("aws:SecureTransport", "false"), false},
	},
	// Asked as an identity policy would be: its principals are checked by TestPrincipals.
	"chart-repository-readers": {
		{"read an archive", "s3:GetObject", archive, nil, true},
		{"list the repository", "s3:ListBucket", bucket, keys("s3:prefix", "charts/"), true},
		{"list the bucket", "s3:ListBucket", bucket, nil, false},
		{"read outside the prefix", "s3:GetObject", bucket + "/other/index.yaml", nil, false},
		{"put an archive", "s3:PutObject", archive, nil, false},
	},
	"pod-identity-trust": {
		{"itself", "sts:AssumeRole", "*", pod("observability", "collector", cluster), true},
		{"itself, with tags", "sts:TagSession", "*", pod("observability", "collector", cluster), true},
		{"another service account", "sts:AssumeRole", "*", pod("observability", "evil", cluster), false},
		{"another namespace", "sts:AssumeRole", "*", pod("evil", "collector", cluster), false},
		{"another cluster", "sts:AssumeRole", "*", pod("observability", "collector", cluster+"2"), false},
		{"without tags", "sts:AssumeRole", "*", keys("aws:SourceArn", cluster), false},
		{"by web identity", "sts:AssumeRoleWithWebIdentity", "*", pod("observability", "collector", cluster), false},
	},
	"retrieval-trust": {
		{"AppConfig for this account", "sts:AssumeRole", "*", keys("aws:SourceAccount", account), true},
		{"AppConfig for another account", "sts:AssumeRole", "*", keys("aws:SourceAccount", "999999999999"), false},
		{"AppConfig for nobody", "sts:AssumeRole", "*", nil, false},
		{"by web identity", "sts:AssumeRoleWithWebIdentity", "*", keys("aws:SourceAccount", account), false},
	},
}

// decryption are the questions about what a KMS key has encrypted.
func decryption(allowed bool) []request {
	const other = "arn:aws:kms:eu-north-1:" + account + ":key/00000000-0000-0000-0000-000000000000"
	elsewhere := viaS3(archive)
	elsewhere["kms:ViaService"] = []string{"secretsmanager.eu-north-1.amazonaws.com"}
	direct := viaS3(archive)
	delete(direct, "kms:ViaService")
	return []request{
		{"decrypt an archive", "kms:Decrypt", kmsKey, viaS3(archive), allowed},
		{"decrypt with the bucket's key", "kms:Decrypt", kmsKey, viaS3(bucket), allowed},
		{"decrypt of a neighbour", "kms:Decrypt", kmsKey, viaS3(bucket + "/charts-other/x.tgz"), false},
		{"decrypt of another bucket", "kms:Decrypt", kmsKey, viaS3("arn:aws:s3:::other"), false},
		{"decrypt by hand", "kms:Decrypt", kmsKey, direct, false},
		{"decrypt for another service", "kms:Decrypt", kmsKey, elsewhere, false},
		{"decrypt with another key", "kms:Decrypt", other, viaS3(archive), false},
		{"change the key's policy", "kms:PutKeyPolicy", kmsKey, viaS3(archive), false},
	}
}

// viaS3 is the context of a call of KMS that S3 makes for an object or, with a key of the bucket's, for all of it.
func viaS3(arn string) map[string][]string {
	return keys("kms:ViaService", "s3.eu-north-1.amazonaws.com", "kms:EncryptionContext:aws:s3:arn", arn)
}

// secretDecryption are the questions about a secret that a KMS key has encrypted.
func secretDecryption() []request {
	elsewhere := viaSecrets(secret)
	elsewhere["kms:ViaService"] = []string{"s3.eu-north-1.amazonaws.com"}
	return []request{
		{"decrypt", "kms:Decrypt", kmsKey, viaSecrets(secret), true},
		{"decrypt another secret", "kms:Decrypt", kmsKey, viaSecrets(otherSecret), false},
		{"decrypt by hand", "kms:Decrypt", kmsKey, keys("kms:EncryptionContext:SecretARN", secret), false},
		{"decrypt for another service", "kms:Decrypt", kmsKey, elsewhere, false},
		{"decrypt with another key", "kms:Decrypt", kmsKey + "0", viaSecrets(secret), false},
	}
}

// viaSecrets is the context of a call of KMS that Secrets Manager makes for a secret.
func viaSecrets(arn string) map[string][]string {
	return keys("kms:ViaService", "secretsmanager.eu-north-1.amazonaws.com", "kms:EncryptionContext:SecretARN", arn)
}

// pod is the context in which EKS Pod Identity assumes a role for a pod.
func pod(namespace, serviceAccount, cluster string) map[string][]string {
	return keys("aws:RequestTag/kubernetes-namespace", namespace,
		"aws:RequestTag/kubernetes-service-account", serviceAccount, "aws:SourceArn", cluster)
}

// put is the context of a whole object's PutObject by TLS, part that of one part of a multipart upload.
func put(pairs ...string) map[string][]string {
	return keys(append(pairs, "aws:SecureTransport", "true", "s3:ObjectCreationOperation", "true")...)
}

func part() map[string][]string {
	return keys("aws:SecureTransport", "true", "s3:ObjectCreationOperation", "false")
}

// by is the context of a call by TLS in a session of a role.
func by(role string) map[string][]string {
	return keys("aws:SecureTransport", "true", "aws:PrincipalArn", role)
}

func TestGranted(t *testing.T) {
	for name, requests := range granted {
		document := withoutPrincipals(t, render(t, name))
		for _, r := range requests {
			t.Run(name+"/"+r.what, func(t *testing.T) {
				if got := decide(name, document, r); got != r.allowed {
					t.Errorf("%s on %s: allowed = %t, want %t", r.action, r.resource, got, r.allowed)
				}
			})
		}
	}
}

// TestNothingIsSpare takes every statement, action, resource and condition key away in turn; each time some request
// must be answered otherwise, or the document holds what it does not need.
func TestNothingIsSpare(t *testing.T) {
	for name, requests := range granted {
		document := withoutPrincipals(t, render(t, name))
		for what, smaller := range reductions(t, document) {
			t.Run(name+"/"+what, func(t *testing.T) {
				if !slices.ContainsFunc(requests, func(r request) bool { return decide(name, smaller, r) != r.allowed }) {
					t.Error("every request is answered as before")
				}
			})
		}
	}
}

// TestPrincipals names who each document speaks of, where the decisions above leave it out.
func TestPrincipals(t *testing.T) {
	for name, want := range map[string]string{
		"retrieval-trust":          `{ "Service": "appconfig.amazonaws.com" }`,
		"pod-identity-trust":       `{ "Service": "pods.eks.amazonaws.com" }`,
		"chart-repository-readers": `{ "AWS": ["` + reader + `", "` + otherReader + `"] }`,
		"chart-repository-bucket":  `"*"`,
		"secret-guard":             `"*"`,
	} {
		var parsed policy.Document
		if err := json.Unmarshal([]byte(render(t, name)), &parsed); err != nil {
			t.Fatal(err)
		}
		for _, statement := range parsed.Statement {
			if got := string(statement.Principal); got != want {
				t.Errorf("%s: principal is %s, want %s", name, got, want)
			}
		}
	}
}

// guards are the resource policies that only deny, with what somebody may do whom they are asked of.
var guards = map[string]string{"chart-repository-bucket": "s3:*", "secret-guard": "secretsmanager:*"}

// decide asks versitygw's evaluator.
func decide(name, document string, r request) bool {
	entries := []types.PolicyEntry{{PolicyName: name, PolicyDocument: document}}
	if granted, ok := guards[name]; ok {
		entries = append(entries, types.PolicyEntry{PolicyDocument: `{"Version":"2012-10-17","Statement":[
			{"Effect":"Allow","Action":"` + granted + `","Resource":"*"}]}`})
	}
	asked := policy.RequestContext{Action: r.action, Resource: r.resource, Condition: r.context}
	return policy.EvaluateIdentityPolicies(entries, asked) == policy.DecisionAllow
}

// withoutPrincipals makes an identity policy of a resource or trust policy, the shape that the evaluator takes.
func withoutPrincipals(t *testing.T, document string) string {
	t.Helper()
	var parsed map[string]any
	if err := json.Unmarshal([]byte(document), &parsed); err != nil {
		t.Fatal(err)
	}
	for _, statement := range parsed["Statement"].([]any) {
		object := statement.(map[string]any)
		delete(object, "Principal")
		if object["Resource"] == nil {
			object["Resource"] = "*"
		}
	}
	return encode(t, parsed)
}

// reductions are all documents that lack one thing of document: a statement, an action or a resource of a list, or a
// condition key.
func reductions(t *testing.T, document string) map[string]string {
	t.Helper()
	smaller := map[string]string{}
	parse := func() (parsed map[string]any, statements []any) {
		if err := json.Unmarshal([]byte(document), &parsed); err != nil {
			t.Fatal(err)
		}
		return parsed, parsed["Statement"].([]any)
	}
	_, statements := parse()
	for i, statement := range statements {
		object := statement.(map[string]any)
		sid := object["Sid"].(string)
		parsed, rest := parse()
		// IAM has no empty document: in place of the statement stands one that is never asked for.
		rest[i] = map[string]any{"Effect": "Deny", "Action": "none:Nothing", "Resource": "*"}
		smaller[sid] = encode(t, parsed)
		for _, element := range []string{"Action", "Resource"} {
			list, _ := object[element].([]any)
			for j := range list {
				parsed, rest := parse()
				rest[i].(map[string]any)[element] = slices.Delete(slices.Clone(list), j, j+1)
				smaller[fmt.Sprintf("%s without %v", sid, list[j])] = encode(t, parsed)
			}
		}
		conditions, _ := object["Condition"].(map[string]any)
		for operator, tested := range conditions {
			for key := range maps.Keys(tested.(map[string]any)) {
				parsed, rest := parse()
				block := rest[i].(map[string]any)["Condition"].(map[string]any)
				delete(block[operator].(map[string]any), key)
				maps.DeleteFunc(block, func(_ string, keys any) bool { return len(keys.(map[string]any)) == 0 })
				smaller[fmt.Sprintf("%s without condition %s", sid, key)] = encode(t, parsed)
			}
		}
	}
	return smaller
}

func encode(t *testing.T, document any) string {
	t.Helper()
	encoded, err := json.Marshal(document)
	if err != nil {
		t.Fatal(err)
	}
	return string(encoded)
}
