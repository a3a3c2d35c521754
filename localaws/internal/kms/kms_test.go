package kms_test

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/pinnace-dev/pinnace/localaws/internal/api"
)

func TestEncryption(t *testing.T) {
	b := newBench(t)
	arn, other := b.key(""), b.key("")
	context := map[string]string{"SecretARN": "one", "SecretVersionId": "two"}
	sealed, err := b.root.Encrypt(t.Context(), &sdk.EncryptInput{
		KeyId: &arn, Plaintext: []byte("not a secret"), EncryptionContext: context,
	})
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(sealed.CiphertextBlob, []byte("secret")) {
		t.Error("the text is in the ciphertext")
	}
	flipped := slices.Clone(sealed.CiphertextBlob)
	flipped[len(flipped)-1] ^= 1
	for name, c := range map[string]struct {
		key     string
		blob    []byte
		context map[string]string
		want    string
	}{
		"as encrypted":    {"", sealed.CiphertextBlob, context, ""},
		"by its key":      {arn, sealed.CiphertextBlob, context, ""},
		"by another key":  {other, sealed.CiphertextBlob, context, "IncorrectKeyException"},
		"other context":   {"", sealed.CiphertextBlob, map[string]string{"SecretARN": "one"}, "InvalidCiphertextException"},
		"without context": {"", sealed.CiphertextBlob, nil, "InvalidCiphertextException"},
		"a bit flipped":   {"", flipped, context, "InvalidCiphertextException"},
		"cut short":       {"", sealed.CiphertextBlob[:40], context, "InvalidCiphertextException"},
		"nonsense":        {"", []byte("nonsense"), nil, "InvalidCiphertextException"},
	} {
		in := &sdk.DecryptInput{CiphertextBlob: c.blob, EncryptionContext: c.context}
		if c.key != "" {
			in.KeyId = &c.key
		}
		out, err := b.root.Decrypt(t.Context(), in)
		if code(err) != c.want {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
		if c.want == "" && (string(out.Plaintext) != "not a secret" || *out.KeyId != arn) {
			t.Errorf("%s: %q under %s", name, out.Plaintext, *out.KeyId)
		}
	}
	data, err := b.root.GenerateDataKey(t.Context(), &sdk.GenerateDataKeyInput{KeyId: &arn, KeySpec: types.DataKeySpecAes256})
	if err != nil || len(data.Plaintext) != 32 {
		t.Fatalf("a data key of %d bytes, %v", len(data.Plaintext), err)
	}
	again, err := b.root.Decrypt(t.Context(), &sdk.DecryptInput{CiphertextBlob: data.CiphertextBlob})
	if err != nil || !bytes.Equal(again.Plaintext, data.Plaintext) {
		t.Errorf("the data key does not come back: %v", err)
	}
	_, err = b.root.GenerateDataKey(t.Context(), &sdk.GenerateDataKeyInput{KeyId: &arn})
	b.want(err, "ValidationException")
}

// TestKeyPolicyGoverns holds the decisions to the developer guide: a key's policy alone opens it to the account.
func TestKeyPolicyGoverns(t *testing.T) {
	allow := `{"Effect":"Allow","Action":"kms:Decrypt","Resource":"*"`
	deny := `{"Effect":"Deny","Action":"kms:Decrypt","Resource":"*","Principal":"*"}`
	account := allow + `,"Principal":{"AWS":"arn:aws:iam::123456789012:root"}}`
	named := func(role string) string {
		return allow + `,"Principal":{"AWS":"arn:aws:iam::123456789012:role/` + role + `"}}`
	}
	for name, c := range map[string]struct {
		identity, key string // statements
		want          string
	}{
		"neither":                             {"", named("other"), "AccessDenied"},
		"only the caller's policy":            {allow + "}", named("other"), "AccessDenied"},
		"only the key's, to the account":      {"", account, "AccessDenied"},
		"the key's to the account, and its":   {allow + "}", account, ""},
		"the key's to the role alone":         {"", named("caller"), ""},
		"another action":                      {`{"Effect":"Allow","Action":"kms:Encrypt","Resource":"*"}`, account, "AccessDenied"},
		"another key":                         {`{"Effect":"Allow","Action":"kms:*","Resource":"arn:aws:kms:eu-west-1:123456789012:key/x"}`, account, "AccessDenied"},
		"the key's explicit deny":             {allow + "}", account + "," + deny, "AccessDenied"},
		"a condition on the service that is":  {allow + `,"Condition":{"StringEquals":{"kms:ViaService":"secretsmanager.eu-west-1.amazonaws.com"}}}`, account, ""},
		"a condition on another service":      {allow + `,"Condition":{"StringEquals":{"kms:ViaService":"s3.eu-west-1.amazonaws.com"}}}`, account, "AccessDenied"},
		"a condition on the context that is":  {allow + `,"Condition":{"StringLike":{"kms:EncryptionContext:SecretARN":"arn:aws:secretsmanager:*"}}}`, account, ""},
		"a condition on another context":      {allow + `,"Condition":{"StringEquals":{"kms:EncryptionContext:SecretARN":"arn:other"}}}`, account, "AccessDenied"},
		"a condition on an absent context":    {allow + `,"Condition":{"StringEquals":{"kms:EncryptionContext:aws:s3:arn":"arn:x"}}}`, account, "AccessDenied"},
		"a condition on the context's keys":   {allow + `,"Condition":{"ForAllValues:StringEquals":{"kms:EncryptionContextKeys":["SecretARN"]}}}`, account, ""},
		"a condition on the caller's account": {allow + `,"Condition":{"StringEquals":{"kms:CallerAccount":"123456789012"}}}`, account, ""},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			who := b.session("caller", c.identity)
			b.session("other", "")
			got := b.use(who, api.KeyUse{
				Action: "kms:Decrypt", Key: b.key(c.key), Service: "secretsmanager",
				Context: map[string]string{"SecretARN": "arn:aws:secretsmanager:eu-west-1:123456789012:secret:s-abcdef"},
			})
			if got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

// TestViaServiceIsNotTheCaller tries the same permission by KMS's own API, where no service calls.
func TestViaServiceIsNotTheCaller(t *testing.T) {
	b := newBench(t)
	arn := b.key("")
	who := b.client(b.session("caller", `{"Effect":"Allow","Action":"kms:Encrypt","Resource":"*","Condition":`+
		`{"StringEquals":{"kms:ViaService":"s3.eu-west-1.amazonaws.com"}}}`))
	_, err := who.Encrypt(t.Context(), &sdk.EncryptInput{KeyId: &arn, Plaintext: []byte("x")})
	b.want(err, "AccessDeniedException")
}

func TestManagedKeys(t *testing.T) {
	b := newBench(t)
	nobody := b.session("nobody", "")
	use := api.KeyUse{Action: "kms:Decrypt", Key: "alias/aws/secretsmanager", Service: "secretsmanager"}
	if got := b.use(nobody, use); got != "" {
		t.Errorf("the service's own key: %s", got)
	}
	use.Service = "s3"
	if got := b.use(nobody, use); got != "AccessDenied" {
		t.Errorf("another service's key: %q", got)
	}
	out, err := b.root.DescribeKey(t.Context(), &sdk.DescribeKeyInput{KeyId: aws.String("alias/aws/secretsmanager")})
	if err != nil || out.KeyMetadata.KeyManager != types.KeyManagerTypeAws {
		t.Fatalf("%+v, %v", out, err)
	}
	_, err = b.root.ScheduleKeyDeletion(t.Context(), &sdk.ScheduleKeyDeletionInput{KeyId: out.KeyMetadata.KeyId})
	b.want(err, "AccessDeniedException")
	_, err = b.root.DescribeKey(t.Context(), &sdk.DescribeKeyInput{KeyId: aws.String("alias/aws/lambda")})
	b.want(err, "NotFoundException")
}

func TestStates(t *testing.T) {
	b := newBench(t)
	arn := b.key("")
	who := b.session("caller", `{"Effect":"Allow","Action":"kms:Decrypt","Resource":"*"}`)
	use := api.KeyUse{Action: "kms:Decrypt", Key: arn, Service: "s3"}
	check := func(when, want string) {
		t.Helper()
		if got := b.use(who, use); got != want {
			t.Errorf("%s: got %q, want %q", when, got, want)
		}
	}
	check("enabled", "")
	_, err := b.root.DisableKey(t.Context(), &sdk.DisableKeyInput{KeyId: &arn})
	b.want(err, "")
	check("disabled", "DisabledException")
	_, err = b.root.EnableKey(t.Context(), &sdk.EnableKeyInput{KeyId: &arn})
	b.want(err, "")
	_, err = b.root.ScheduleKeyDeletion(t.Context(), &sdk.ScheduleKeyDeletionInput{KeyId: &arn, PendingWindowInDays: aws.Int32(6)})
	b.want(err, "ValidationException")
	out, err := b.root.ScheduleKeyDeletion(t.Context(), &sdk.ScheduleKeyDeletionInput{KeyId: &arn, PendingWindowInDays: aws.Int32(7)})
	b.want(err, "")
	if !out.DeletionDate.Equal(b.now.Add(7 * 24 * time.Hour)) {
		t.Errorf("deletion on %s", out.DeletionDate)
	}
	check("pending deletion", "KMSInvalidStateException")
	_, err = b.root.EnableKey(t.Context(), &sdk.EnableKeyInput{KeyId: &arn})
	b.want(err, "KMSInvalidStateException")
	_, err = b.root.CancelKeyDeletion(t.Context(), &sdk.CancelKeyDeletionInput{KeyId: &arn})
	b.want(err, "")
	check("deletion cancelled", "DisabledException")
	_, err = b.root.ScheduleKeyDeletion(t.Context(), &sdk.ScheduleKeyDeletionInput{KeyId: &arn, PendingWindowInDays: aws.Int32(7)})
	b.want(err, "")
	b.now = b.now.Add(7 * 24 * time.Hour)
	check("deleted", "NotFoundException")
}

func TestAliases(t *testing.T) {
	b := newBench(t)
	one, two := b.key(""), b.key("")
	name := aws.String("alias/pinnace-uat")
	_, err := b.root.CreateAlias(t.Context(), &sdk.CreateAliasInput{AliasName: aws.String("alias/aws/mine"), TargetKeyId: &one})
	b.want(err, "InvalidAliasNameException")
	_, err = b.root.CreateAlias(t.Context(), &sdk.CreateAliasInput{AliasName: name, TargetKeyId: &one})
	b.want(err, "")
	_, err = b.root.CreateAlias(t.Context(), &sdk.CreateAliasInput{AliasName: name, TargetKeyId: &two})
	b.want(err, "AlreadyExistsException")
	_, err = b.root.UpdateAlias(t.Context(), &sdk.UpdateAliasInput{AliasName: name, TargetKeyId: &two})
	b.want(err, "")
	for _, id := range []string{*name, "arn:aws:kms:eu-west-1:123456789012:alias/pinnace-uat"} {
		out, err := b.root.DescribeKey(t.Context(), &sdk.DescribeKeyInput{KeyId: &id})
		if err != nil || *out.KeyMetadata.Arn != two {
			t.Errorf("%s: %v", id, err)
		}
	}
	list, err := b.root.ListAliases(t.Context(), &sdk.ListAliasesInput{KeyId: &two})
	if err != nil || len(list.Aliases) != 1 || *list.Aliases[0].AliasName != *name {
		t.Errorf("%+v, %v", list, err)
	}
	who := b.session("caller", `{"Effect":"Allow","Action":"kms:Decrypt","Resource":"*","Condition":`+
		`{"StringEquals":{"kms:RequestAlias":"alias/pinnace-uat"}}}`)
	use := api.KeyUse{Action: "kms:Decrypt", Key: *name, Service: "s3"}
	if got := b.use(who, use); got != "" {
		t.Errorf("by the alias: %s", got)
	}
	if use.Key = two; b.use(who, use) != "AccessDenied" {
		t.Error("by the key's ARN, under a condition on the alias")
	}
	_, err = b.root.DeleteAlias(t.Context(), &sdk.DeleteAliasInput{AliasName: name})
	b.want(err, "")
	_, err = b.root.DescribeKey(t.Context(), &sdk.DescribeKeyInput{KeyId: name})
	b.want(err, "NotFoundException")
}

func TestSettingsOfKeys(t *testing.T) {
	b := newBench(t)
	out, err := b.root.CreateKey(t.Context(), &sdk.CreateKeyInput{
		Description: aws.String("charts"), Tags: []types.Tag{{TagKey: aws.String("env"), TagValue: aws.String("uat")}},
	})
	b.want(err, "")
	id := out.KeyMetadata.KeyId
	status, err := b.root.GetKeyRotationStatus(t.Context(), &sdk.GetKeyRotationStatusInput{KeyId: id})
	if err != nil || status.KeyRotationEnabled {
		t.Errorf("%+v, %v", status, err)
	}
	_, err = b.root.EnableKeyRotation(t.Context(), &sdk.EnableKeyRotationInput{KeyId: id, RotationPeriodInDays: aws.Int32(90)})
	b.want(err, "")
	b.now = b.now.Add(100 * 24 * time.Hour)
	status, err = b.root.GetKeyRotationStatus(t.Context(), &sdk.GetKeyRotationStatusInput{KeyId: id})
	if err != nil || *status.RotationPeriodInDays != 90 || !status.NextRotationDate.Equal(b.now.Add(80*24*time.Hour)) {
		t.Errorf("%+v, %v", status, err)
	}
	_, err = b.root.TagResource(t.Context(), &sdk.TagResourceInput{KeyId: id, Tags: []types.Tag{{TagKey: aws.String("a"), TagValue: aws.String("b")}}})
	b.want(err, "")
	_, err = b.root.UntagResource(t.Context(), &sdk.UntagResourceInput{KeyId: id, TagKeys: []string{"env"}})
	b.want(err, "")
	tags, err := b.root.ListResourceTags(t.Context(), &sdk.ListResourceTagsInput{KeyId: id})
	if err != nil || len(tags.Tags) != 1 || *tags.Tags[0].TagKey != "a" {
		t.Errorf("%+v, %v", tags, err)
	}
	_, err = b.root.UpdateKeyDescription(t.Context(), &sdk.UpdateKeyDescriptionInput{KeyId: id, Description: aws.String("new")})
	b.want(err, "")
	described, err := b.root.DescribeKey(t.Context(), &sdk.DescribeKeyInput{KeyId: id})
	if err != nil || *described.KeyMetadata.Description != "new" || !described.KeyMetadata.Enabled {
		t.Errorf("%+v, %v", described, err)
	}
}

func TestKeyPolicies(t *testing.T) {
	b := newBench(t)
	arn := b.key("")
	got, err := b.root.GetKeyPolicy(t.Context(), &sdk.GetKeyPolicyInput{KeyId: &arn})
	if err != nil || !bytes.Contains([]byte(*got.Policy), []byte("Enable IAM User Permissions")) {
		t.Errorf("%+v, %v", got, err)
	}
	for name, c := range map[string]struct{ policy, want string }{
		"no JSON":             {"{", "MalformedPolicyDocumentException"},
		"no statement":        {"{}", "MalformedPolicyDocumentException"},
		"locks the owner out": {document(`{"Effect":"Allow","Action":"kms:Decrypt","Resource":"*","Principal":"*"}`), "MalformedPolicyDocumentException"},
		"owner alone":         {document(ownersAlone), ""},
	} {
		_, err := b.root.PutKeyPolicy(t.Context(), &sdk.PutKeyPolicyInput{KeyId: &arn, Policy: &c.policy})
		if code(err) != c.want {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	stranger := b.client(b.session("stranger", `{"Effect":"Allow","Action":"kms:*","Resource":"*"}`))
	_, err = stranger.PutKeyPolicy(t.Context(), &sdk.PutKeyPolicyInput{KeyId: &arn, Policy: got.Policy})
	b.want(err, "AccessDeniedException")
}

// TestRefusedKeys tries what is not emulated: it must say so.
func TestRefusedKeys(t *testing.T) {
	b := newBench(t)
	for name, in := range map[string]*sdk.CreateKeyInput{
		"asymmetric":   {KeySpec: types.KeySpecRsa2048, KeyUsage: types.KeyUsageTypeSignVerify},
		"material":     {Origin: types.OriginTypeExternal},
		"many regions": {MultiRegion: aws.Bool(true)},
	} {
		if _, err := b.root.CreateKey(t.Context(), in); code(err) != "UnsupportedOperationException" {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, err := b.root.CreateGrant(t.Context(), &sdk.CreateGrantInput{
		KeyId: aws.String(b.key("")), GranteePrincipal: aws.String("arn:aws:iam::123456789012:root"),
		Operations: []types.GrantOperation{types.GrantOperationDecrypt},
	})
	b.want(err, "UnknownOperationException")
	stranger := b.client(b.session("stranger", ""))
	_, err = stranger.CreateKey(t.Context(), &sdk.CreateKeyInput{})
	b.want(err, "AccessDeniedException")
	_, err = stranger.DescribeKey(t.Context(), &sdk.DescribeKeyInput{KeyId: aws.String("alias/not-there")})
	b.want(err, "AccessDeniedException") // who may not look does not learn what there is
}
