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

// put stores content after change had its say about the request.
func (s *scene) put(content string, change func(*ac.CreateHostedConfigurationVersionInput)) (int32, error) {
	in := &ac.CreateHostedConfigurationVersionInput{
		ApplicationId: &s.app, ConfigurationProfileId: &s.profile, Content: []byte(content),
		ContentType: aws.String("text/plain"),
	}
	change(in)
	out, err := s.root.CreateHostedConfigurationVersion(s.t.Context(), in)
	if err != nil {
		return 0, err
	}
	return out.VersionNumber, nil
}

func TestHostedVersions(t *testing.T) {
	s := newScene(t)
	labelled := func(label string) func(*ac.CreateHostedConfigurationVersionInput) {
		return func(in *ac.CreateHostedConfigurationVersionInput) {
			in.VersionLabel, in.Description = &label, aws.String("about "+label)
		}
	}
	for i, label := range []string{"blue-1", "blue-2", "green"} {
		if n, err := s.put(label, labelled(label)); err != nil || int(n) != i+1 {
			t.Fatalf("version %d: %v", n, err)
		}
	}
	if _, err := s.put("x", labelled("green")); code(err) != "ConflictException" {
		t.Errorf("a label in use: %v", err)
	}
	if _, err := s.put("x", labelled("123")); code(err) != "BadRequestException" {
		t.Errorf("a label like a number: %v", err)
	}
	got, err := s.root.GetHostedConfigurationVersion(t.Context(), &ac.GetHostedConfigurationVersionInput{
		ApplicationId: &s.app, ConfigurationProfileId: &s.profile, VersionNumber: aws.Int32(2),
	})
	must(t, got, err)
	if string(got.Content) != "blue-2" || *got.VersionLabel != "blue-2" || *got.Description != "about blue-2" ||
		*got.ContentType != "text/plain" || *got.ApplicationId != s.app || *got.ConfigurationProfileId != s.profile {
		t.Errorf("got %+v", got)
	}
	_, err = s.root.DeleteHostedConfigurationVersion(t.Context(), &ac.DeleteHostedConfigurationVersionInput{
		ApplicationId: &s.app, ConfigurationProfileId: &s.profile, VersionNumber: aws.Int32(3),
	})
	if err != nil {
		t.Fatal(err)
	}
	if n, err := s.put("again", labelled("green")); err != nil || n != 4 {
		t.Errorf("after the deletion of version 3 comes %d: %v", n, err)
	}
	for label, want := range map[string][]int32{"": {4, 2, 1}, "blue*": {2, 1}, "green": {4}, "red": nil} {
		list, err := s.root.ListHostedConfigurationVersions(t.Context(), &ac.ListHostedConfigurationVersionsInput{
			ApplicationId: &s.app, ConfigurationProfileId: &s.profile, VersionLabel: &label,
		})
		must(t, list, err)
		var numbers []int32
		for _, v := range list.Items {
			numbers = append(numbers, v.VersionNumber)
		}
		if diff := cmp.Diff(want, numbers); diff != "" {
			t.Errorf("label %q: %s", label, diff)
		}
	}
}

func TestOptimisticLock(t *testing.T) {
	s := newScene(t)
	after := func(n int32) func(*ac.CreateHostedConfigurationVersionInput) {
		return func(in *ac.CreateHostedConfigurationVersionInput) { in.LatestVersionNumber = &n }
	}
	for _, tc := range []struct {
		after, number int32
		want          string
	}{{0, 1, ""}, {0, 0, "ConflictException"}, {2, 0, "ConflictException"}, {1, 2, ""}} {
		if n, err := s.put("x", after(tc.after)); n != tc.number || code(err) != tc.want {
			t.Errorf("after %d: version %d, %v", tc.after, n, err)
		}
	}
}

func TestPayloadTooLarge(t *testing.T) {
	s := newScene(t)
	same := func(*ac.CreateHostedConfigurationVersionInput) {}
	if _, err := s.put(strings.Repeat("x", 2<<20), same); err != nil {
		t.Errorf("2 MB: %v", err)
	}
	_, err := s.put(strings.Repeat("x", 2<<20+512), same)
	var tooLarge *types.PayloadTooLargeException
	if !errors.As(err, &tooLarge) || tooLarge.Limit != 2048 || tooLarge.Size != 2048.5 ||
		tooLarge.Measure != types.BytesMeasureKilobytes || !strings.Contains(err.Error(), "StatusCode: 413") {
		t.Errorf("more: %v", err)
	}
}
