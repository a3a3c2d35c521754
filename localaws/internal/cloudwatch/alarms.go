package cloudwatch

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pinnace-dev/pinnace/localaws/internal/api"
	"github.com/pinnace-dev/pinnace/localaws/internal/iam/awsquery"
)

// The states of an alarm.
const (
	alarming     = "ALARM"
	ok           = "OK"
	insufficient = "INSUFFICIENT_DATA"
)

// alarm is one metric alarm with the states that it has been in.
type alarm struct {
	settings
	tags  []awsquery.Tag
	moves []move // oldest first; never empty
}

// move is the entry into a state.
type move struct {
	at            time.Time
	state, reason string
	data          string
}

type dimension struct{ Name, Value string }

// settings is what PutMetricAlarm says of an alarm, in the order and with the names of MetricAlarm.
type settings struct {
	AlarmName          string
	AlarmDescription   string `xml:",omitempty" cbor:",omitempty"`
	ActionsEnabled     bool
	OKActions          []string    `xml:"OKActions>member"`
	AlarmActions       []string    `xml:"AlarmActions>member"`
	MissingDataActions []string    `xml:"InsufficientDataActions>member" cbor:"InsufficientDataActions"`
	MetricName         string      `xml:",omitempty" cbor:",omitempty"`
	Namespace          string      `xml:",omitempty" cbor:",omitempty"`
	Statistic          string      `xml:",omitempty" cbor:",omitempty"`
	ExtendedStatistic  string      `xml:",omitempty" cbor:",omitempty"`
	Dimensions         []dimension `xml:"Dimensions>member"`
	Period             int         `xml:",omitempty" cbor:",omitempty"`
	Unit               string      `xml:",omitempty" cbor:",omitempty"`
	EvaluationPeriods  int
	DatapointsToAlarm  int     `xml:",omitempty" cbor:",omitempty"`
	Threshold          float64 // always there: without metric math an alarm needs one
	ComparisonOperator string
	TreatMissingData   string `xml:",omitempty" cbor:",omitempty"`

	EvaluateLowSampleCountPercentile string `xml:",omitempty" cbor:",omitempty"`
}

// alarmXML is MetricAlarm of the API reference.
type alarmXML struct {
	settings
	AlarmArn        string
	Updated         time.Time `xml:"AlarmConfigurationUpdatedTimestamp" cbor:"AlarmConfigurationUpdatedTimestamp"`
	StateValue      string
	StateReason     string
	StateReasonData string    `xml:",omitempty" cbor:",omitempty"`
	StateUpdated    time.Time `xml:"StateUpdatedTimestamp" cbor:"StateUpdatedTimestamp"`
	StateMoved      time.Time `xml:"StateTransitionedTimestamp" cbor:"StateTransitionedTimestamp"`
}

var (
	comparisons = []string{
		"GreaterThanOrEqualToThreshold", "GreaterThanThreshold", "LessThanThreshold", "LessThanOrEqualToThreshold",
	}
	statistics = []string{"SampleCount", "Average", "Sum", "Minimum", "Maximum"}
	missing    = []string{"", "breaching", "notBreaching", "ignore", "missing"}
)

// readSettings takes an alarm's settings from a request and checks them.
func readSettings(form url.Values) (settings, *api.Error) {
	if form.Has("Metrics.member.1.Id") || form.Has("ThresholdMetricId") {
		return settings{}, invalid("localaws does not emulate alarms on metric math or anomaly detection")
	}
	set := settings{
		AlarmName: form.Get("AlarmName"), AlarmDescription: form.Get("AlarmDescription"),
		ActionsEnabled: form.Get("ActionsEnabled") != "false", OKActions: awsquery.List(form, "OKActions"),
		AlarmActions:       awsquery.List(form, "AlarmActions"),
		MissingDataActions: awsquery.List(form, "InsufficientDataActions"),
		MetricName:         form.Get("MetricName"), Namespace: form.Get("Namespace"), Statistic: form.Get("Statistic"),
		ExtendedStatistic: form.Get("ExtendedStatistic"), Unit: form.Get("Unit"),
		ComparisonOperator: form.Get("ComparisonOperator"), TreatMissingData: form.Get("TreatMissingData"),

		EvaluateLowSampleCountPercentile: form.Get("EvaluateLowSampleCountPercentile"),
	}
	for i := 1; form.Has("Dimensions.member." + strconv.Itoa(i) + ".Name"); i++ {
		at := "Dimensions.member." + strconv.Itoa(i)
		set.Dimensions = append(set.Dimensions, dimension{form.Get(at + ".Name"), form.Get(at + ".Value")})
	}
	var wrong error
	whole := func(name string) (n int) {
		if text := form.Get(name); text != "" && wrong == nil {
			n, wrong = strconv.Atoi(text)
		}
		return n
	}
	set.Period, set.EvaluationPeriods = whole("Period"), whole("EvaluationPeriods")
	set.DatapointsToAlarm = whole("DatapointsToAlarm")
	if wrong == nil {
		set.Threshold, wrong = strconv.ParseFloat(form.Get("Threshold"), 64)
	}
	if wrong != nil {
		return settings{}, invalid("Period, EvaluationPeriods, DatapointsToAlarm and Threshold must be numbers")
	}
	return set, set.check()
}

func (s settings) check() *api.Error {
	switch {
	case s.AlarmName == "" || len(s.AlarmName) > 255:
		return invalid("AlarmName must have between 1 and 255 characters")
	case s.MetricName == "" || s.Namespace == "":
		return invalid("An alarm needs MetricName and Namespace")
	case !slices.Contains(comparisons, s.ComparisonOperator):
		return invalid("ComparisonOperator must be one of %s", strings.Join(comparisons, ", "))
	case (s.Statistic == "") == (s.ExtendedStatistic == ""):
		return invalid("Exactly one of Statistic and ExtendedStatistic must be set")
	case s.Statistic != "" && !slices.Contains(statistics, s.Statistic):
		return invalid("Statistic must be one of %s", strings.Join(statistics, ", "))
	case !slices.Contains([]int{10, 20, 30}, s.Period) && (s.Period < 60 || s.Period%60 != 0):
		return invalid("Period must be 10, 20, 30 or a multiple of 60")
	case s.EvaluationPeriods < 1 || s.DatapointsToAlarm > s.EvaluationPeriods:
		return invalid("EvaluationPeriods must be at least 1 and DatapointsToAlarm at most as many")
	case !slices.Contains(missing, s.TreatMissingData):
		return invalid("TreatMissingData must be one of %s", strings.Join(missing[1:], ", "))
	}
	return nil
}

// putMetricAlarm makes an alarm, or changes the settings of the one that has the name. Tags count only for a new one.
func (s *Service) putMetricAlarm(c *api.Call, form url.Values) (any, *api.Error) {
	tags := awsquery.Tags(form)
	condition := requestTags(tags)
	if actions := awsquery.List(form, "AlarmActions"); len(actions) > 0 {
		condition["cloudwatch:AlarmActions"] = actions
	}
	if err := s.allow(c, "PutMetricAlarm", form.Get("AlarmName"), condition); err != nil {
		return nil, err
	}
	set, err := readSettings(form)
	if err != nil {
		return nil, err
	}
	a := s.alarms[set.AlarmName]
	if a == nil {
		a = &alarm{moves: []move{{at: s.cfg.Clock(), state: insufficient, reason: "Unchecked: Initial alarm creation"}}}
		if err := a.addTags(tags); err != nil {
			return nil, err
		}
	}
	a.settings = set
	s.alarms[set.AlarmName] = a
	return nil, nil
}

func (s *Service) view(a *alarm) alarmXML {
	last := a.moves[len(a.moves)-1]
	return alarmXML{
		settings: a.settings, AlarmArn: s.arn(a.AlarmName), Updated: a.moves[0].at.UTC(), StateValue: last.state,
		StateReason: last.reason, StateReasonData: last.data, StateUpdated: last.at.UTC(), StateMoved: last.at.UTC(),
	}
}

// describeAlarms answers the alarms that the caller names, or all, on one page. What is not there is left out.
func (s *Service) describeAlarms(c *api.Call, form url.Values) (any, *api.Error) {
	names := awsquery.List(form, "AlarmNames")
	asked := names
	if len(names) == 0 {
		asked, names = []string{"*"}, slices.Sorted(maps.Keys(s.alarms))
	}
	for _, name := range asked {
		if err := s.allow(c, "DescribeAlarms", name, nil); err != nil {
			return nil, err
		}
	}
	for _, member := range []string{"ActionPrefix", "ChildrenOfAlarmName", "ParentsOfAlarmName"} {
		if form.Has(member) {
			return nil, invalid("localaws does not emulate DescribeAlarms with %s", member)
		}
	}
	found := []alarmXML{}
	for _, name := range names {
		a := s.alarms[name]
		if a == nil || !strings.HasPrefix(name, form.Get("AlarmNamePrefix")) {
			continue
		}
		if v := s.view(a); form.Get("StateValue") == "" || form.Get("StateValue") == v.StateValue {
			found = append(found, v)
		}
	}
	return struct {
		MetricAlarms    []alarmXML `xml:"MetricAlarms>member"`
		CompositeAlarms []struct{} `xml:"CompositeAlarms>member"`
	}{MetricAlarms: found}, nil
}

// deleteAlarms deletes all the named alarms, or none when one is not there.
func (s *Service) deleteAlarms(c *api.Call, form url.Values) (any, *api.Error) {
	names := awsquery.List(form, "AlarmNames")
	for _, name := range names {
		if err := s.allow(c, "DeleteAlarms", name, nil); err != nil {
			return nil, err
		}
	}
	for _, name := range names {
		if s.alarms[name] == nil {
			return nil, noAlarm(name)
		}
	}
	for _, name := range names {
		delete(s.alarms, name)
	}
	return nil, nil
}

func (s *Service) setAlarmState(c *api.Call, form url.Values) (any, *api.Error) {
	name, state := form.Get("AlarmName"), form.Get("StateValue")
	if err := s.allow(c, "SetAlarmState", name, nil); err != nil {
		return nil, err
	}
	a := s.alarms[name]
	switch {
	case a == nil:
		return nil, noAlarm(name)
	case !slices.Contains([]string{alarming, ok, insufficient}, state):
		return nil, invalid("StateValue must be OK, ALARM or INSUFFICIENT_DATA")
	case form.Get("StateReason") == "":
		return nil, invalid("StateReason must be set")
	}
	a.moves = append(a.moves, move{
		at: s.cfg.Clock(), state: state, reason: form.Get("StateReason"), data: form.Get("StateReasonData"),
	})
	return nil, nil
}

func noAlarm(name string) *api.Error {
	return api.Errorf("ResourceNotFound", http.StatusNotFound, "Alarm %s not found", name)
}

// Alarmed tells p, who needs cloudwatch:DescribeAlarms on it, when an alarm was first in ALARM from one time until
// another, both included; the zero time is never. It is how AppConfig watches an alarm with a role that it assumed.
func (s *Service) Alarmed(p api.Principal, arn string, from, until time.Time) (time.Time, *api.Error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	name := strings.TrimPrefix(arn, s.arn(""))
	c := &api.Call{Principal: p, Region: s.cfg.Region, Action: actionPrefix + "DescribeAlarms"}
	if err := s.allow(c, "DescribeAlarms", name, nil); err != nil {
		return time.Time{}, err
	}
	a := s.alarms[name]
	if a == nil || name == arn {
		return time.Time{}, noAlarm(arn)
	}
	for i, m := range a.moves {
		over := i+1 < len(a.moves) && !a.moves[i+1].at.After(from)
		if m.state != alarming || over || m.at.After(until) || from.After(until) {
			continue
		}
		if m.at.Before(from) {
			return from, nil
		}
		return m.at, nil
	}
	return time.Time{}, nil
}
