package localaws

import (
	"fmt"
	"path"
	"slices"
	"sync"
	"time"
)

// Quota is how many calls of some actions, taken together, one account may make in one region. A second's worth of
// calls may come at once; the allowance grows back evenly.
type Quota struct {
	Actions   []string // patterns of path.Match over the IAM action: "sts:AssumeRole", "secretsmanager:*"
	PerSecond int      // calls, at least 1
}

// AWSQuotas are the request rates of AWS, for Config.Quotas, as a new slice to put further ones before or to change.
//
// Those of Secrets Manager are published, in its user guide, each for a region and the account that calls. That of STS
// is AWS's by the word of those who ran into it; whether web identities count into it is not known, and here they do.
// AWS says nothing about AppConfig: 1,000 polls and 5 changes a second are guesses. S3, IAM, KMS, EKS and CloudWatch
// have no quota here.
func AWSQuotas() []Quota {
	const manager = "secretsmanager:"
	return []Quota{
		{[]string{manager + "GetSecretValue"}, 10_000},
		{[]string{manager + "DescribeSecret"}, 40_000},
		{[]string{manager + "BatchGetSecretValue"}, 100},
		{[]string{manager + "ListSecrets"}, 100},
		{[]string{manager + "PutSecretValue", manager + "UpdateSecret", manager + "UpdateSecretVersionStage"}, 50},
		{[]string{manager + "*ResourcePolicy"}, 50},
		{[]string{manager + "RestoreSecret"}, 50},
		{[]string{manager + "TagResource", manager + "UntagResource"}, 50},
		{[]string{"sts:*"}, 600},
		{[]string{"appconfig:StartConfigurationSession", "appconfig:GetLatestConfiguration"}, 1_000},
		{[]string{"appconfig:*"}, 5},
	}
}

func (q Quota) check() error {
	if q.PerSecond < 1 || q.PerSecond > int(time.Second) {
		return fmt.Errorf("quota %q: %d calls a second", q.Actions, q.PerSecond)
	}
	for _, pattern := range q.Actions {
		if _, err := path.Match(pattern, ""); err != nil {
			return fmt.Errorf("quota %q: %w", pattern, err)
		}
	}
	return nil
}

// bucket is whose calls are counted together.
type bucket struct {
	quota           int // its index
	account, region string
}

// quotas are token buckets that nothing fills: what is in them follows from the clock when somebody asks.
type quotas struct {
	list []Quota

	mu   sync.Mutex
	full map[bucket]time.Time // when it will be full, if nobody calls until then
}

// admit takes a token for a call. The first quota that has the action counts.
func (q *quotas) admit(action, account, region string, now time.Time) bool {
	i := slices.IndexFunc(q.list, func(quota Quota) bool {
		return slices.ContainsFunc(quota.Actions, func(pattern string) bool { return matches(pattern, action) })
	})
	if i < 0 {
		return true
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.full == nil {
		q.full = map[bucket]time.Time{}
	}
	b := bucket{i, account, region}
	full := q.full[b]
	if full.Before(now) {
		full = now
	}
	full = full.Add(time.Second / time.Duration(q.list[i].PerSecond))
	if full.Sub(now) > time.Second {
		return false
	}
	q.full[b] = full
	return true
}
