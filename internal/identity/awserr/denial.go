package awserr

import (
	"errors"
	"regexp"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/aws/smithy-go"

	"github.com/pinnace-dev/pinnace/internal/blame"
)

// Denial is what AWS says when it denies a call. What it does not say is empty.
type Denial struct {
	Principal string // ARN of the session or the user
	Action    string // secretsmanager:GetSecretValue
	Resource  string // ARN or, of some services, the name that was asked for
	Lacking   string // the kind of policy that does not allow it: identity-based policy, VPC endpoint policy
	Denying   string // the kind of policy that denies it explicitly
}

var (
	deniedPattern  = regexp.MustCompile(`(?:User: )?(\S+) is not authorized to perform: (\S+)(?: on resource: (\S+))?`)
	lackingPattern = regexp.MustCompile(`because no (.+?) allows`)
	denyingPattern = regexp.MustCompile(`with an explicit deny in an? ([\w -]+)`)
)

// DenialOf reads the message of an AccessDenied; ok says that err is one.
func DenialOf(err error) (d Denial, ok bool) {
	e, ok := errors.AsType[smithy.APIError](err)
	if !ok || !strings.HasPrefix(e.ErrorCode(), "AccessDenied") {
		return d, false
	}
	text := e.ErrorMessage()
	if m := deniedPattern.FindStringSubmatch(text); m != nil {
		d.Principal, d.Action, d.Resource = m[1], m[2], strings.Trim(m[3], `"`)
	}
	if m := lackingPattern.FindStringSubmatch(text); m != nil {
		d.Lacking = m[1]
	}
	if m := denyingPattern.FindStringSubmatch(text); m != nil {
		d.Denying = strings.TrimSpace(m[1])
	}
	return d, true
}

// Role is the ARN of the principal's role, without the role's path; the principal itself when it is no session.
func (d Denial) Role() string {
	a, err := arn.Parse(d.Principal)
	parts := strings.Split(a.Resource, "/")
	if err != nil || a.Service != "sts" || len(parts) != 3 || parts[0] != "assumed-role" {
		return d.Principal
	}
	return arn.ARN{Partition: a.Partition, Service: "iam", AccountID: a.AccountID, Resource: "role/" + parts[1]}.String()
}

// Fixes put a statement where it is lacking. There are none against a policy that denies.
func (d Denial) Fixes(s blame.Statement) []blame.Fix {
	if d.Denying != "" {
		return nil
	}
	in := "the policy of the role"
	if d.Principal != "" {
		in = "the policy of " + d.Role()
	}
	switch d.Lacking {
	case "", "identity-based policy":
	case "resource-based policy":
		in = "the resource policy of " + s.Resource
		s.Principal = map[string]string{"AWS": d.Role()}
	default:
		in = "the " + d.Lacking
	}
	return []blame.Fix{{In: in, Statement: s}}
}

// Hint says whose policy is to be changed for what.
func (d Denial) Hint(s blame.Statement) string {
	what := strings.Join(s.Action, " and ") + " on " + s.Resource
	switch {
	case d.Denying != "":
		article := "a "
		if strings.HasPrefix(d.Denying, "i") {
			article = "an "
		}
		return "take away what denies " + what + ": " + article + d.Denying
	case d.Lacking != "" && !strings.HasPrefix(d.Lacking, "identity-based"):
		return "the " + d.Lacking + " must allow " + what
	}
	return "the role's policy needs " + what
}

// Partition is that of a region, the second part of an ARN.
func Partition(region string) string {
	switch {
	case strings.HasPrefix(region, "cn-"):
		return "aws-cn"
	case strings.HasPrefix(region, "us-gov-"):
		return "aws-us-gov"
	}
	return "aws"
}
