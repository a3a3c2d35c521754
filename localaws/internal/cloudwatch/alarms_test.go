package cloudwatch_test

import (
	"bytes"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	sdk "github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/aws/smithy-go"
	"github.com/fxamacker/cbor/v2"

	"github.com/pinnace-dev/pinnace/localaws/internal/api"
	"github.com/pinnace-dev/pinnace/localaws/internal/cloudwatch"
	"github.com/pinnace-dev/pinnace/localaws/internal/iam"
	"github.com/pinnace-dev/pinnace/localaws/internal/iam/iamtest"
)

const (
	account = "123456789012"
	region  = "eu-west-1"
	rootKey = "AKIAFAKEFAKEFAKEFAKE"
	prefix  = "arn:aws:cloudwatch:eu-west-1:123456789012:alarm:"
)

type bench struct {
	*testing.T
	service *cloudwatch.Service
	root    *sdk.Client
	url     string
	now     time.Time
	denied  string // part of what a session is refused
}

// Allow lets everybody do everything but what is denied. The decisions themselves are tested with IAM.
func (b *bench) Allow(c *api.Call, q api.Question) *api.Error {
	if b.denied != "" && strings.Contains(q.Action+" "+q.Resource, b.denied) {
		return api.Errorf("AccessDenied", http.StatusForbidden, "%s may not %s on %s", c.Principal.ARN, q.Action, q.Resource)
	}
	return nil
}

func (b *bench) AssumeService(string, string) (api.Principal, *api.Error) {
	return api.Principal{}, nil
}

func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{T: t, now: time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)}
	clock := func() time.Time { return b.now }
	directory := iam.New(iam.Config{Clock: clock, Account: account, RootKey: rootKey, RootSecret: "fake"})
	b.service = cloudwatch.New(cloudwatch.Config{Clock: clock, Access: b, Account: account, Region: region})
	server := httptest.NewServer(iamtest.Front(directory, b.service))
	t.Cleanup(server.Close)
	b.url = server.URL
	b.root = sdk.New(sdk.Options{
		Region: region, BaseEndpoint: &server.URL, Retryer: aws.NopRetryer{},
		Credentials: credentials.NewStaticCredentialsProvider(rootKey, "fake", ""),
	})
	return b
}

func alarm(name string) *sdk.PutMetricAlarmInput {
	return &sdk.PutMetricAlarmInput{
		AlarmName: &name, MetricName: aws.String("Errors"), Namespace: aws.String("Pinnace"), Period: aws.Int32(60),
		Statistic: types.StatisticSum, EvaluationPeriods: aws.Int32(2), Threshold: aws.Float64(0),
		ComparisonOperator: types.ComparisonOperatorGreaterThanThreshold, TreatMissingData: aws.String("notBreaching"),
		AlarmActions: []string{"arn:aws:sns:eu-west-1:123456789012:pages"}, AlarmDescription: aws.String("too many"),
		Dimensions: []types.Dimension{{Name: aws.String("env"), Value: aws.String("uat")}},
		Tags:       []types.Tag{{Key: aws.String("env"), Value: aws.String("uat")}},
	}
}

func (b *bench) put(name string) {
	b.Helper()
	_, err := b.root.PutMetricAlarm(b.Context(), alarm(name))
	b.want(err, "")
}

func (b *bench) set(name string, state types.StateValue) {
	b.Helper()
	_, err := b.root.SetAlarmState(b.Context(), &sdk.SetAlarmStateInput{
		AlarmName: &name, StateValue: state, StateReason: aws.String("a test"),
	})
	b.want(err, "")
}

func (b *bench) want(err error, code string) {
	b.Helper()
	var refused smithy.APIError
	got := ""
	if errors.As(err, &refused) {
		got = refused.ErrorCode()
	} else if err != nil {
		got = err.Error()
	}
	if got != code {
		b.Errorf("got %q (%v), want %q", got, err, code)
	}
}

func TestAlarms(t *testing.T) {
	b := newBench(t)
	b.put("errors")
	b.put("latency")
	b.set("errors", types.StateValueOk)
	b.put("errors") // keeps its state
	out, err := b.root.DescribeAlarms(t.Context(), &sdk.DescribeAlarmsInput{AlarmNames: []string{"errors", "absent"}})
	b.want(err, "")
	if len(out.MetricAlarms) != 1 {
		t.Fatalf("%d alarms", len(out.MetricAlarms))
	}
	got := out.MetricAlarms[0]
	if *got.AlarmArn != prefix+"errors" || got.StateValue != types.StateValueOk || *got.Threshold != 0 ||
		*got.Period != 60 || *got.EvaluationPeriods != 2 || !*got.ActionsEnabled || len(got.AlarmActions) != 1 ||
		*got.Dimensions[0].Value != "uat" || *got.TreatMissingData != "notBreaching" || *got.AlarmDescription != "too many" {
		t.Errorf("%+v", got)
	}
	all, err := b.root.DescribeAlarms(t.Context(), &sdk.DescribeAlarmsInput{StateValue: types.StateValueInsufficientData})
	b.want(err, "")
	if len(all.MetricAlarms) != 1 || *all.MetricAlarms[0].AlarmName != "latency" {
		t.Errorf("%+v", all.MetricAlarms)
	}
	_, err = b.root.DeleteAlarms(t.Context(), &sdk.DeleteAlarmsInput{AlarmNames: []string{"errors", "absent"}})
	b.want(err, "ResourceNotFound")
	_, err = b.root.DeleteAlarms(t.Context(), &sdk.DeleteAlarmsInput{AlarmNames: []string{"errors"}})
	b.want(err, "")
	_, err = b.root.SetAlarmState(t.Context(), &sdk.SetAlarmStateInput{
		AlarmName: aws.String("errors"), StateValue: types.StateValueOk, StateReason: aws.String("x"),
	})
	b.want(err, "ResourceNotFound")
}

func TestTagsOfAlarms(t *testing.T) {
	b := newBench(t)
	b.put("errors")
	arn := aws.String(prefix + "errors")
	_, err := b.root.TagResource(t.Context(), &sdk.TagResourceInput{
		ResourceARN: arn, Tags: []types.Tag{{Key: aws.String("a"), Value: aws.String("b")}},
	})
	b.want(err, "")
	_, err = b.root.UntagResource(t.Context(), &sdk.UntagResourceInput{ResourceARN: arn, TagKeys: []string{"env"}})
	b.want(err, "")
	out, err := b.root.ListTagsForResource(t.Context(), &sdk.ListTagsForResourceInput{ResourceARN: arn})
	b.want(err, "")
	if len(out.Tags) != 1 || *out.Tags[0].Key != "a" || *out.Tags[0].Value != "b" {
		t.Errorf("%+v", out.Tags)
	}
	_, err = b.root.ListTagsForResource(t.Context(), &sdk.ListTagsForResourceInput{ResourceARN: aws.String(prefix + "x")})
	b.want(err, "ResourceNotFoundException")
}

func TestBadAlarms(t *testing.T) {
	b := newBench(t)
	for name, change := range map[string]func(*sdk.PutMetricAlarmInput){
		"no statistic":   func(in *sdk.PutMetricAlarmInput) { in.Statistic = "" },
		"two statistics": func(in *sdk.PutMetricAlarmInput) { in.ExtendedStatistic = aws.String("p99") },
		"odd period":     func(in *sdk.PutMetricAlarmInput) { in.Period = aws.Int32(61) },
		"no metric":      func(in *sdk.PutMetricAlarmInput) { in.MetricName = nil },
		"no threshold":   func(in *sdk.PutMetricAlarmInput) { in.Threshold = nil },
		"comparison":     func(in *sdk.PutMetricAlarmInput) { in.ComparisonOperator = "Near" },
		"missing data":   func(in *sdk.PutMetricAlarmInput) { in.TreatMissingData = aws.String("maybe") },
		"metric math": func(in *sdk.PutMetricAlarmInput) {
			in.Metrics = []types.MetricDataQuery{{Id: aws.String("a"), Expression: aws.String("b")}}
		},
	} {
		in := alarm("bad")
		change(in)
		if _, err := b.root.PutMetricAlarm(t.Context(), in); err == nil || !strings.Contains(err.Error(), "ValidationError") {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, err := b.root.DescribeAlarmHistory(t.Context(), &sdk.DescribeAlarmHistoryInput{})
	b.want(err, "InvalidAction")
}

func TestPermissionsOnAlarms(t *testing.T) {
	b := newBench(t)
	b.put("errors")
	name := aws.String("errors")
	for action, call := range map[string]func() error{
		"PutMetricAlarm": func() error {
			_, err := b.root.PutMetricAlarm(t.Context(), alarm(*name))
			return err
		},
		"DescribeAlarms": func() error {
			_, err := b.root.DescribeAlarms(t.Context(), &sdk.DescribeAlarmsInput{AlarmNames: []string{*name}})
			return err
		},
		"SetAlarmState": func() error {
			_, err := b.root.SetAlarmState(t.Context(), &sdk.SetAlarmStateInput{
				AlarmName: name, StateValue: types.StateValueOk, StateReason: name,
			})
			return err
		},
		"DeleteAlarms": func() error {
			_, err := b.root.DeleteAlarms(t.Context(), &sdk.DeleteAlarmsInput{AlarmNames: []string{*name}})
			return err
		},
		"ListTagsForResource": func() error {
			_, err := b.root.ListTagsForResource(t.Context(), &sdk.ListTagsForResourceInput{
				ResourceARN: aws.String(prefix + *name),
			})
			return err
		},
	} {
		b.denied = "cloudwatch:" + action + " " + prefix + *name
		b.want(call(), "AccessDenied")
	}
}

// TestNewerProtocol speaks as clients since 2025 do: Smithy RPC v2 with CBOR.
func TestNewerProtocol(t *testing.T) {
	b := newBench(t)
	call := func(operation string, in any) (status int, out map[string]any) {
		t.Helper()
		body, err := cbor.Marshal(in)
		if err != nil {
			t.Fatal(err)
		}
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost,
			b.url+"/service/GraniteServiceVersion20100801/operation/"+operation, bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential="+rootKey+"/20300102/eu-west-1/monitoring/aws4_request")
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		if err := cbor.NewDecoder(answer.Body).Decode(&out); err != nil || answer.Header.Get("Smithy-Protocol") != "rpc-v2-cbor" {
			t.Fatalf("%s: %v %v", operation, answer.Header, err)
		}
		return answer.StatusCode, out
	}
	status, out := call("PutMetricAlarm", map[string]any{
		"AlarmName": "errors", "MetricName": "Errors", "Namespace": "Pinnace", "Period": 60, "EvaluationPeriods": 2,
		"Statistic": "Sum", "Threshold": 0.5, "ComparisonOperator": "GreaterThanThreshold", "ActionsEnabled": false,
		"Dimensions": []any{map[string]string{"Name": "env", "Value": "uat"}},
	})
	if status != http.StatusOK || len(out) != 0 {
		t.Fatalf("%d %v", status, out)
	}
	status, out = call("DescribeAlarms", map[string]any{"AlarmNames": []string{"errors"}})
	alarms, _ := out["MetricAlarms"].([]any)
	if status != http.StatusOK || len(alarms) != 1 {
		t.Fatalf("%d %v", status, out)
	}
	got := alarms[0].(map[any]any)
	updated, _ := got["StateUpdatedTimestamp"].(time.Time)
	if got["AlarmArn"] != prefix+"errors" || got["Threshold"] != 0.5 || got["ActionsEnabled"] != false ||
		got["Period"] != uint64(60) || !updated.Equal(b.now) || got["ExtendedStatistic"] != nil {
		t.Errorf("%v", got)
	}
	status, out = call("DeleteAlarms", map[string]any{"AlarmNames": []string{"absent"}})
	if status != http.StatusNotFound || out["__type"] != "com.amazonaws.cloudwatch#ResourceNotFound" {
		t.Errorf("%d %v", status, out)
	}
	if status, out = call("GetDashboard", nil); status != http.StatusBadRequest || out["__type"] == nil {
		t.Errorf("%d %v", status, out)
	}
}

func TestAlarmed(t *testing.T) {
	b := newBench(t)
	start := b.now
	at := func(minutes int) time.Time { return start.Add(time.Duration(minutes) * time.Minute) }
	b.put("errors")
	b.set("errors", types.StateValueOk)
	b.now = at(10)
	b.set("errors", types.StateValueAlarm)
	b.now = at(20)
	b.set("errors", types.StateValueOk)
	b.now = at(30)
	b.set("errors", types.StateValueAlarm)
	for name, c := range map[string]struct{ from, until, want int }{
		"before":            {1, 9, -1},
		"when it begins":    {1, 10, 10},
		"over its whole":    {5, 25, 10},
		"already in ALARM":  {15, 40, 15},
		"after it is over":  {20, 29, -1},
		"the second time":   {20, 40, 30},
		"still in ALARM":    {50, 60, 50},
		"an empty interval": {12, 11, -1},
	} {
		got, err := b.service.Alarmed(api.Principal{}, prefix+"errors", at(c.from), at(c.until))
		if err != nil {
			t.Fatal(err)
		}
		if c.want < 0 && !got.IsZero() || c.want >= 0 && !got.Equal(at(c.want)) {
			t.Errorf("%s: %s, want minute %d", name, got, c.want)
		}
	}
	if _, err := b.service.Alarmed(api.Principal{}, prefix+"absent", start, start); err == nil {
		t.Error("an alarm that is not there")
	}
	b.denied = "cloudwatch:DescribeAlarms " + prefix + "errors"
	if _, err := b.service.Alarmed(api.Principal{}, prefix+"errors", start, start); err == nil || err.Code != "AccessDenied" {
		t.Errorf("without permission: %v", err)
	}
}
