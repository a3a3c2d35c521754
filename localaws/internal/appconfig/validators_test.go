package appconfig

import (
	"errors"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	ac "github.com/aws/aws-sdk-go-v2/service/appconfig"
	"github.com/aws/aws-sdk-go-v2/service/appconfig/types"
	"github.com/google/go-cmp/cmp"
)

// schema uses draft 4's own spelling: exclusiveMinimum is a boolean there.
const schema = `{
  "$schema": "http://json-schema.org/draft-04/schema#",
  "type": "object",
  "required": ["domain"],
  "properties": {
    "domain": {"type": "string", "pattern": "^[a-z.]+$"},
    "rate": {"type": "number", "minimum": 0, "exclusiveMinimum": true}
  }
}`

func schemaOf(text string) types.Validator {
	return types.Validator{Type: types.ValidatorTypeJsonSchema, Content: &text}
}

func TestValidators(t *testing.T) {
	s := newScene(t, schemaOf(schema))
	for name, tc := range map[string]struct {
		content string
		want    []string // constraint at location
	}{
		"valid":     {`{"domain":"eu.example.com","rate":0.5}`, nil},
		"missing":   {`{}`, []string{"required at /"}},
		"pattern":   {`{"domain":"Obviously Fake Canary"}`, []string{"pattern at /domain"}},
		"exclusive": {`{"domain":"a","rate":0}`, []string{"exclusiveMinimum at /rate"}},
		"two":       {`{"domain":7,"rate":"x"}`, []string{"type at /domain", "type at /rate"}},
		"not JSON":  {`Obviously Fake Canary`, []string{" at "}},
	} {
		t.Run(name, func(t *testing.T) {
			version := s.host(tc.content)
			_, validated := s.root.ValidateConfiguration(t.Context(), &ac.ValidateConfigurationInput{
				ApplicationId: &s.app, ConfigurationProfileId: &s.profile, ConfigurationVersion: &version,
			})
			_, started := s.start(s.profile, version, "AppConfig.AllAtOnce")
			for op, err := range map[string]error{"ValidateConfiguration": validated, "StartDeployment": started} {
				if diff := cmp.Diff(tc.want, invalid(t, err)); diff != "" {
					t.Errorf("%s: %s", op, diff)
				}
			}
			s.turn(3600e9)
		})
	}
	if len(s.applications[0].environments[0].deployments) != 1 {
		t.Error("an invalid configuration was deployed")
	}
	if strings.Contains(s.logs.String(), "Canary") {
		t.Error("the configuration is in the logs")
	}
}

// invalid gives the details of a refusal, and checks that they do not quote the configuration.
func invalid(t *testing.T, err error) []string {
	t.Helper()
	var bad *types.BadRequestException
	if !errors.As(err, &bad) {
		if err != nil {
			t.Fatal(err)
		}
		return nil
	}
	details, ok := bad.Details.(*types.BadRequestDetailsMemberInvalidConfiguration)
	if !ok || bad.Reason != types.BadRequestReasonInvalidConfiguration {
		t.Fatalf("%v has reason %q and details %T", err, bad.Reason, bad.Details)
	}
	var out []string
	for _, d := range details.Value {
		if strings.Contains(*d.Reason, "Canary") || d.Value != nil {
			t.Errorf("details quote the configuration: %s", *d.Reason)
		}
		out = append(out, aws.ToString(d.Constraint)+" at "+aws.ToString(d.Location))
	}
	return out
}

func TestProfileRefusals(t *testing.T) {
	s := newScene(t)
	lambda := types.Validator{Type: types.ValidatorTypeLambda, Content: aws.String("arn:aws:lambda:x:1:function:f")}
	create := func(change func(*ac.CreateConfigurationProfileInput)) error {
		in := &ac.CreateConfigurationProfileInput{
			ApplicationId: &s.app, Name: aws.String("p"), LocationUri: aws.String("hosted"),
		}
		change(in)
		_, err := s.root.CreateConfigurationProfile(t.Context(), in)
		return err
	}
	location := func(uri, role string) func(*ac.CreateConfigurationProfileInput) {
		return func(in *ac.CreateConfigurationProfileInput) { in.LocationUri, in.RetrievalRoleArn = &uri, &role }
	}
	validators := func(v ...types.Validator) func(*ac.CreateConfigurationProfileInput) {
		return func(in *ac.CreateConfigurationProfileInput) { in.Validators = v }
	}
	for name, tc := range map[string]struct {
		change func(*ac.CreateConfigurationProfileInput)
		text   string
	}{
		"lambda":         {validators(lambda), "not emulated"},
		"three":          {validators(schemaOf("{}"), schemaOf("{}"), schemaOf("{}")), "at most 2"},
		"no schema":      {validators(schemaOf(`{"type":"colour"}`)), "not valid"},
		"not JSON":       {validators(schemaOf(`{`)), "not valid"},
		"later draft":    {validators(schemaOf(`{"$schema":"http://json-schema.org/draft-07/schema#"}`)), "draft 4"},
		"remote schema":  {validators(schemaOf(`{"$ref":"http://127.0.0.1/other"}`)), "another document"},
		"local file":     {validators(schemaOf(`{"$ref":"file:///etc/passwd"}`)), "another document"},
		"large schema":   {validators(schemaOf(`{"title":"` + strings.Repeat("x", 32<<10) + `"}`)), "32768 bytes"},
		"parameter":      {location("ssm-parameter://p", reader), "not emulated"},
		"bucket":         {location("s3://b/k", reader), "not emulated"},
		"secret by ARN":  {location("secretsmanager://arn:aws:secretsmanager:x", reader), "does not name a secret"},
		"no role":        {location("secretsmanager://s", ""), "needs a RetrievalRoleArn"},
		"a user":         {location("secretsmanager://s", "arn:aws:iam::111122223333:user/u"), "needs a RetrievalRoleArn"},
		"role on hosted": {location("hosted", reader), "takes no RetrievalRoleArn"},
		"feature flags": {func(in *ac.CreateConfigurationProfileInput) {
			in.Type = aws.String("AWS.AppConfig.FeatureFlags")
		}, "not emulated"},
	} {
		if err := create(tc.change); code(err) != "BadRequestException" || !strings.Contains(err.Error(), tc.text) {
			t.Errorf("%s: got %v, want %q", name, err, tc.text)
		}
	}
}
