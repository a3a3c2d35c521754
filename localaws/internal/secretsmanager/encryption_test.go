package secretsmanager

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sm "github.com/aws/aws-sdk-go-v2/service/secretsmanager"
)

// encrypted makes a secret under alias/k with the value of version token("v1").
func (b *bench) encrypted(t *testing.T, name string) *sm.CreateSecretOutput {
	t.Helper()
	out, err := b.as("root").CreateSecret(t.Context(), &sm.CreateSecretInput{
		Name: &name, SecretString: aws.String("obviously-fake"), ClientRequestToken: aws.String(token("v1")),
		KmsKeyId: aws.String("alias/k"),
	})
	return must(t, out, err)
}

// TestKeyIsAsked holds what is asked of KMS to the user guide's page on encryption and decryption.
func TestKeyIsAsked(t *testing.T) {
	b := newBench(t)
	out := b.encrypted(t, "s")
	probe := map[string]string{"SecretARN": "RequestToValidateKeyAccess", "SecretVersionId": "RequestToValidateKeyAccess"}
	value := map[string]string{"SecretARN": *out.ARN, "SecretVersionId": token("v1")}
	check := func(when string, want ...asked) {
		t.Helper()
		if len(b.keys.asked) != len(want) {
			t.Fatalf("%s: asked %+v", when, b.keys.asked)
		}
		for i, u := range b.keys.asked {
			if u.Service != "secretsmanager" || u.Action != want[i].action || u.Key != want[i].key ||
				u.Context["SecretARN"] != want[i].context["SecretARN"] ||
				u.Context["SecretVersionId"] != want[i].context["SecretVersionId"] {
				t.Errorf("%s: asked %+v, want %+v", when, u, want[i])
			}
		}
		b.keys.asked = nil
	}
	check("creation", asked{"kms:GenerateDataKey", "alias/k", probe}, asked{"kms:Decrypt", "alias/k", probe},
		asked{"kms:GenerateDataKey", "alias/k", value})
	_, err := b.as("root").GetSecretValue(t.Context(), &sm.GetSecretValueInput{SecretId: out.ARN})
	must(t, 0, err)
	check("reading", asked{"kms:Decrypt", "alias/k", value})
	_, err = b.as("root").DescribeSecret(t.Context(), &sm.DescribeSecretInput{SecretId: out.ARN})
	must(t, 0, err)
	check("describing")
	_, err = b.as("root").PutSecretValue(t.Context(), &sm.PutSecretValueInput{
		SecretId: out.ARN, SecretString: aws.String("obviously-fake"), ClientRequestToken: aws.String(token("v1")),
	})
	must(t, 0, err)
	check("the same value again", asked{"kms:Decrypt", "alias/k", value})
	_, err = b.as("root").UpdateSecret(t.Context(), &sm.UpdateSecretInput{
		SecretId: out.ARN, KmsKeyId: aws.String("alias/new"), ClientRequestToken: aws.String(token("v2")),
	})
	must(t, 0, err)
	check("another key", asked{"kms:GenerateDataKey", "alias/new", probe}, asked{"kms:Decrypt", "alias/new", probe},
		asked{"kms:Decrypt", "alias/k", value}, asked{"kms:GenerateDataKey", "alias/new", value})
	plain := b.create(t, "plain")
	check("without a key of its own", asked{
		"kms:GenerateDataKey", "alias/aws/secretsmanager",
		map[string]string{"SecretARN": *plain.ARN, "SecretVersionId": token("v1")},
	})
}

type asked struct {
	action, key string
	context     map[string]string
}

func TestKeyRefuses(t *testing.T) {
	get := func(b *bench, t *testing.T) error {
		_, err := b.as("root").GetSecretValue(t.Context(), &sm.GetSecretValueInput{SecretId: aws.String("s")})
		return err
	}
	put := func(b *bench, t *testing.T) error {
		_, err := b.as("root").PutSecretValue(t.Context(), &sm.PutSecretValueInput{
			SecretId: aws.String("s"), SecretString: aws.String("new"), ClientRequestToken: aws.String(token("v2")),
		})
		return err
	}
	create := func(b *bench, t *testing.T) error {
		_, err := b.as("root").CreateSecret(t.Context(), &sm.CreateSecretInput{
			Name: aws.String("other"), KmsKeyId: aws.String("alias/k"),
		})
		return err
	}
	rekey := func(b *bench, t *testing.T) error {
		_, err := b.as("root").UpdateSecret(t.Context(), &sm.UpdateSecretInput{
			SecretId: aws.String("s"), KmsKeyId: aws.String("alias/new"), ClientRequestToken: aws.String(token("v2")),
		})
		return err
	}
	for name, c := range map[string]struct {
		call        func(*bench, *testing.T) error
		use, reason string
		want        string
	}{
		"reading without Decrypt":            {get, "kms:Decrypt alias/k", "AccessDenied", "AccessDeniedException"},
		"reading with a disabled key":        {get, "kms:Decrypt alias/k", "DisabledException", "DecryptionFailure"},
		"reading with a deleted key":         {get, "kms:Decrypt alias/k", "NotFoundException", "DecryptionFailure"},
		"reading without GenerateDataKey":    {get, "kms:GenerateDataKey alias/k", "AccessDenied", ""},
		"writing without GenerateDataKey":    {put, "kms:GenerateDataKey alias/k", "AccessDenied", "AccessDeniedException"},
		"writing without Decrypt":            {put, "kms:Decrypt alias/k", "AccessDenied", ""},
		"writing with a key to be deleted":   {put, "kms:GenerateDataKey alias/k", "KMSInvalidStateException", "EncryptionFailure"},
		"creating without Decrypt":           {create, "kms:Decrypt alias/k", "AccessDenied", "AccessDeniedException"},
		"changing the key without the old":   {rekey, "kms:Decrypt alias/k", "AccessDenied", "AccessDeniedException"},
		"changing the key without the new":   {rekey, "kms:Decrypt alias/new", "AccessDenied", "AccessDeniedException"},
		"changing the key, a third one gone": {rekey, "kms:Decrypt alias/third", "NotFoundException", ""},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			b.encrypted(t, "s")
			b.keys.refused[c.use] = c.reason
			err := c.call(b, t)
			if code(err) != c.want {
				t.Errorf("got %v, want %q", err, c.want)
			}
			if b.keys.refused = nil; c.want == "" {
				return
			}
			d, err := b.as("root").DescribeSecret(t.Context(), &sm.DescribeSecretInput{SecretId: aws.String("s")})
			if must(t, d, err); *d.KmsKeyId != "alias/k" || len(d.VersionIdsToStages) != 1 {
				t.Errorf("the refused call changed the secret: %+v", d)
			}
		})
	}
}

func TestCustomerKey(t *testing.T) {
	b := newBench(t)
	out := b.encrypted(t, "s")
	b.create(t, "plain")
	for id, want := range map[string]string{"s": "alias/k", *out.ARN: "alias/k", "plain": "", "absent": ""} {
		if got := b.CustomerKey(id); got != want {
			t.Errorf("%s: %q, want %q", id, got, want)
		}
	}
}

func TestValidateResourcePolicy(t *testing.T) {
	b := newBench(t)
	const statement = `{"Statement":[{"Effect":"Allow","Action":"secretsmanager:GetSecretValue","Resource":"*","Principal":`
	for policy, want := range map[string]bool{
		statement + `"*"}]}`: false,
		statement + `{"AWS":"arn:aws:iam::111122223333:role/r"}}]}`: true,
	} {
		out, err := b.as("root").ValidateResourcePolicy(t.Context(), &sm.ValidateResourcePolicyInput{ResourcePolicy: &policy})
		if must(t, out, err); out.PolicyValidationPassed != want || (len(out.ValidationErrors) == 0) != want {
			t.Errorf("%s: %+v", policy, out)
		}
	}
	_, err := b.as("root").ValidateResourcePolicy(t.Context(), &sm.ValidateResourcePolicyInput{ResourcePolicy: aws.String("{")})
	if code(err) != "MalformedPolicyDocumentException" {
		t.Error(err)
	}
}
