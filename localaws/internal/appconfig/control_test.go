package appconfig

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	ac "github.com/aws/aws-sdk-go-v2/service/appconfig"
	"github.com/aws/aws-sdk-go-v2/service/appconfig/types"
	"github.com/google/go-cmp/cmp"
)

func TestApplications(t *testing.T) {
	b := newBench(t)
	ctx := t.Context()
	var ids []string
	for i := range maxApplications {
		out, err := b.root.CreateApplication(ctx, &ac.CreateApplicationInput{Name: aws.String(fmt.Sprint("app-", i))})
		ids = append(ids, *must(t, out, err).Id)
	}
	if !regexp.MustCompile(`^[a-z0-9]{7}$`).MatchString(ids[0]) {
		t.Errorf("id %s", ids[0])
	}
	_, err := b.root.CreateApplication(ctx, &ac.CreateApplicationInput{Name: aws.String("one more")})
	if code(err) != "ServiceQuotaExceededException" || !strings.Contains(err.Error(), "StatusCode: 402") {
		t.Errorf("over the quota: %v", err)
	}
	var listed []string
	pages := ac.NewListApplicationsPaginator(b.root, &ac.ListApplicationsInput{MaxResults: aws.Int32(30)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		for _, app := range must(t, page, err).Items {
			listed = append(listed, *app.Id)
		}
	}
	if diff := cmp.Diff(ids, listed); diff != "" {
		t.Error(diff)
	}
	updated, err := b.root.UpdateApplication(ctx, &ac.UpdateApplicationInput{
		ApplicationId: &ids[1], Description: aws.String("new"),
	})
	if must(t, updated, err); *updated.Name != "app-1" || *updated.Description != "new" {
		t.Errorf("updated to %s, %s", *updated.Name, *updated.Description)
	}
	if _, err := b.root.DeleteApplication(ctx, &ac.DeleteApplicationInput{ApplicationId: &ids[1]}); err != nil {
		t.Fatal(err)
	}
	_, err = b.root.GetApplication(ctx, &ac.GetApplicationInput{ApplicationId: &ids[1]})
	if code(err) != "ResourceNotFoundException" {
		t.Errorf("deleted application: %v", err)
	}
	for _, name := range []string{"", strings.Repeat("x", 65)} {
		_, err := b.root.CreateApplication(ctx, &ac.CreateApplicationInput{Name: &name})
		if code(err) != "BadRequestException" {
			t.Errorf("name %q: %v", name, err)
		}
	}
}

func TestEnvironmentsAndProfiles(t *testing.T) {
	s := newScene(t)
	s.alarms["arn:aws:cloudwatch:x"] = time.Time{} // never
	ctx := t.Context()
	monitors := []types.Monitor{{AlarmArn: aws.String("arn:aws:cloudwatch:x"), AlarmRoleArn: aws.String(reader)}}
	env, err := s.root.UpdateEnvironment(ctx, &ac.UpdateEnvironmentInput{
		ApplicationId: &s.app, EnvironmentId: &s.env, Monitors: monitors, Name: aws.String("prod"),
	})
	if must(t, env, err); len(env.Monitors) != 1 || *env.Monitors[0].AlarmRoleArn != reader || *env.Name != "prod" {
		t.Errorf("environment: %+v", env)
	}
	p, err := s.root.UpdateConfigurationProfile(ctx, &ac.UpdateConfigurationProfileInput{
		ApplicationId: &s.app, ConfigurationProfileId: &s.profile, KmsKeyIdentifier: aws.String("alias/k"),
		Validators: []types.Validator{schemaOf("{}")},
	})
	must(t, p, err)
	keyARN := "arn:aws:kms:eu-west-1:111122223333:alias/k"
	if *p.KmsKeyArn != keyARN || *p.Type != "AWS.Freeform" || len(p.Validators) != 1 {
		t.Errorf("profile: %+v", p)
	}
	_, err = s.root.UpdateConfigurationProfile(ctx, &ac.UpdateConfigurationProfileInput{
		ApplicationId: &s.app, ConfigurationProfileId: &s.profile, RetrievalRoleArn: aws.String(reader),
	})
	if code(err) != "BadRequestException" {
		t.Errorf("a retrieval role for a hosted profile: %v", err)
	}
	for kind, want := range map[string]int{"": 1, "AWS.Freeform": 1, "AWS.AppConfig.FeatureFlags": 0} {
		list, err := s.root.ListConfigurationProfiles(ctx, &ac.ListConfigurationProfilesInput{
			ApplicationId: &s.app, Type: &kind,
		})
		if got := len(must(t, list, err).Items); got != want {
			t.Errorf("%d profiles of type %q, want %d", got, kind, want)
		}
	}
	_, err = s.root.DeleteApplication(ctx, &ac.DeleteApplicationInput{ApplicationId: &s.app})
	if code(err) != "BadRequestException" {
		t.Errorf("deleting an application in use: %v", err)
	}
	deployment, err := s.start(s.profile, s.host("{}"), "AppConfig.AllAtOnce")
	must(t, deployment, err)
	if err := s.deleteEnvironment(""); code(err) != "ConflictException" {
		t.Errorf("deleting an environment with a deployment in progress: %v", err)
	}
	_, err = s.root.DeleteConfigurationProfile(ctx, &ac.DeleteConfigurationProfileInput{
		ApplicationId: &s.app, ConfigurationProfileId: &s.profile,
	})
	if code(err) != "ConflictException" {
		t.Errorf("deleting a profile with versions: %v", err)
	}
}

func (s *scene) deleteEnvironment(check types.DeletionProtectionCheck) error {
	_, err := s.root.DeleteEnvironment(s.t.Context(), &ac.DeleteEnvironmentInput{
		ApplicationId: &s.app, EnvironmentId: &s.env, DeletionProtectionCheck: check,
	})
	return err
}

func TestDeletionProtection(t *testing.T) {
	s := newScene(t)
	ctx := t.Context()
	s.deployed(s.host("1"))
	s.open(s.profile).poll()
	if err := s.deleteEnvironment("APPLY"); code(err) != "BadRequestException" {
		t.Errorf("just read, check applied: %v", err)
	}
	settings, err := s.root.UpdateAccountSettings(ctx, &ac.UpdateAccountSettingsInput{
		DeletionProtection: &types.DeletionProtectionSettings{
			Enabled: aws.Bool(true), ProtectionPeriodInMinutes: aws.Int32(30),
		},
	})
	must(t, settings, err)
	got, err := s.root.GetAccountSettings(ctx, &ac.GetAccountSettingsInput{})
	must(t, got, err)
	if !*got.DeletionProtection.Enabled || *got.DeletionProtection.ProtectionPeriodInMinutes != 30 {
		t.Errorf("settings: %+v", got.DeletionProtection)
	}
	s.turn(30*time.Minute - 1)
	if err := s.deleteEnvironment("ACCOUNT_DEFAULT"); code(err) != "BadRequestException" {
		t.Errorf("within the period: %v", err)
	}
	s.turn(1)
	if err := s.deleteEnvironment(""); err != nil {
		t.Errorf("after the period: %v", err)
	}
}

func TestStrategies(t *testing.T) {
	s := newScene(t)
	ctx := t.Context()
	list, err := s.root.ListDeploymentStrategies(ctx, &ac.ListDeploymentStrategiesInput{})
	must(t, list, err)
	var got []string
	for _, st := range list.Items {
		got = append(got, fmt.Sprintf("%s %d min %s %v %%, bake %d", *st.Id, st.DeploymentDurationInMinutes, st.GrowthType,
			*st.GrowthFactor, st.FinalBakeTimeInMinutes))
	}
	want := []string{
		"AppConfig.AllAtOnce 0 min LINEAR 100 %, bake 10",
		"AppConfig.Linear50PercentEvery30Seconds 1 min LINEAR 50 %, bake 1",
		"AppConfig.Canary10Percent20Minutes 20 min EXPONENTIAL 10 %, bake 10",
		"AppConfig.Linear20PercentEvery6Minutes 30 min LINEAR 20 %, bake 30",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	id := s.makeStrategy(types.GrowthTypeExponential, 12.5, 30, 5)
	updated, err := s.root.UpdateDeploymentStrategy(ctx, &ac.UpdateDeploymentStrategyInput{
		DeploymentStrategyId: &id, FinalBakeTimeInMinutes: aws.Int32(0),
	})
	if must(t, updated, err); *updated.GrowthFactor != 12.5 || updated.FinalBakeTimeInMinutes != 0 {
		t.Errorf("updated to %+v", updated)
	}
	for _, factor := range []float32{0, 0.5, 100.5} {
		_, err := s.root.UpdateDeploymentStrategy(ctx, &ac.UpdateDeploymentStrategyInput{
			DeploymentStrategyId: &id, GrowthFactor: &factor,
		})
		if code(err) != "BadRequestException" {
			t.Errorf("growth factor %v: %v", factor, err)
		}
	}
	for _, tc := range []struct{ id, want string }{
		{id, ""}, {id, "ResourceNotFoundException"}, {"AppConfig.AllAtOnce", "BadRequestException"},
	} {
		_, err := s.root.DeleteDeploymentStrategy(ctx, &ac.DeleteDeploymentStrategyInput{DeploymentStrategyId: &tc.id})
		if code(err) != tc.want {
			t.Errorf("deleting %s: %v", tc.id, err)
		}
	}
}

func TestTags(t *testing.T) {
	s := newScene(t)
	ctx := t.Context()
	app := arnPrefix + "application/" + s.app
	s.deployed(s.host("1"))
	for _, arn := range []string{
		app, app + "/environment/" + s.env, app + "/configurationprofile/" + s.profile,
		app + "/environment/" + s.env + "/deployment/1",
		arnPrefix + "deploymentstrategy/" + s.makeStrategy(types.GrowthTypeLinear, 10, 1, 0),
	} {
		_, err := s.root.TagResource(ctx, &ac.TagResourceInput{
			ResourceArn: &arn, Tags: map[string]string{"env": "uat", "team": "t"},
		})
		if err != nil {
			t.Fatalf("%s: %v", arn, err)
		}
		_, err = s.root.UntagResource(ctx, &ac.UntagResourceInput{ResourceArn: &arn, TagKeys: []string{"team"}})
		if err != nil {
			t.Fatalf("%s: %v", arn, err)
		}
		got, err := s.root.ListTagsForResource(ctx, &ac.ListTagsForResourceInput{ResourceArn: &arn})
		must(t, got, err)
		if diff := cmp.Diff(map[string]string{"env": "uat"}, got.Tags); diff != "" {
			t.Errorf("%s: %s", arn, diff)
		}
		last := s.access.asked[len(s.access.asked)-1]
		if last.Resource != arn || last.Condition["aws:ResourceTag/env"] == nil {
			t.Errorf("asked %+v", last)
		}
	}
	for _, arn := range []string{
		app + "x", app + "/environment/none000", app + "/colour/red", "arn:aws:s3:::bucket-name",
	} {
		_, err := s.root.ListTagsForResource(ctx, &ac.ListTagsForResourceInput{ResourceArn: &arn})
		if code(err) != "ResourceNotFoundException" {
			t.Errorf("%s: %v", arn, err)
		}
	}
	created, err := s.root.CreateApplication(ctx, &ac.CreateApplicationInput{
		Name: aws.String("tagged"), Tags: map[string]string{"env": "prod"},
	})
	must(t, created, err)
	if got := s.access.asked[len(s.access.asked)-1].Condition["aws:RequestTag/env"]; !cmp.Equal(got, []string{"prod"}) {
		t.Errorf("request tag condition: %v", got)
	}
}

func TestNotEmulated(t *testing.T) {
	s := newScene(t)
	_, err := s.root.ListExtensions(t.Context(), &ac.ListExtensionsInput{})
	if code(err) != "BadRequestException" || !strings.Contains(err.Error(), "not emulated") {
		t.Errorf("extensions: %v", err)
	}
	_, err = s.root.GetConfiguration(t.Context(), &ac.GetConfigurationInput{ //nolint:staticcheck // that it is refused is the point
		Application: &s.app, Environment: &s.env, Configuration: &s.profile, ClientId: aws.String("c"),
	})
	if code(err) != "BadRequestException" || !strings.Contains(err.Error(), "not emulated") {
		t.Errorf("the deprecated read: %v", err)
	}
}
