package appconfig

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/appconfigdata/types"

	"github.com/pinnace-dev/pinnace/internal/blame"
	"github.com/pinnace-dev/pinnace/internal/identity/awserr"
	"github.com/pinnace-dev/pinnace/internal/problem"
)

// explain gives a failed call its kind, the step that mends it, and what is at fault. What failed before it, with the
// credentials, is explained already and only gets its place.
func (s *Source) explain(doing string, err error) error {
	kind, hint := problem.KindOf(err), problem.HintOf(err)
	text := awserr.Short(err)
	var fixes []blame.Fix
	var causes []blame.Cause
	if hint == "" {
		if denial, denied := awserr.DenialOf(err); denied {
			kind = problem.Denied
			hint, fixes, causes = s.denied(denial)
		} else if host, ok := awserr.Unreachable(err); ok {
			hint, causes = awserr.ReachHint("appconfigdata", s.region, host), []blame.Cause{blame.Network}
		} else if e, ok := errors.AsType[*types.ResourceNotFoundException](err); ok {
			hint, causes = s.missing(e.ResourceType)
			text = fmt.Errorf("%s not found: %w", thing(e.ResourceType), text)
		}
	}
	err = problem.New(kind, hint, "%s for configuration %s: %w", doing, s.cfg.name(), text)
	return blame.With(err, fixes, causes...)
}

func (s *Source) missing(t types.ResourceType) (hint string, causes []blame.Cause) {
	if t == types.ResourceTypeDeployment || t == types.ResourceTypeConfiguration {
		return "deploy a version with: aws appconfig start-deployment", []blame.Cause{blame.Deployment}
	}
	return fmt.Sprintf("check the names of application, environment and profile in region %s", s.region),
		[]blame.Cause{blame.Name, blame.Region}
}

func thing(t types.ResourceType) string {
	if t == "" {
		return "something"
	}
	return strings.ToLower(string(t))
}

// configurationPattern finds the ids in what a policy calls a configuration.
var configurationPattern = regexp.MustCompile(
	`^arn:[^:]+:appconfig:[^:]*:([^:]*):application/([^/]+)/environment/([^/]+)/configuration/([^/]+)$`)

// idPattern is that of the ids of AppConfig.
var idPattern = regexp.MustCompile(`^[a-z0-9]{4,7}$`)

// denied asks for both actions, for one is of no use without the other. Their resource has ids in place of names, and
// so has the denial: a name in one is that of something which AppConfig does not know.
func (s *Source) denied(d awserr.Denial) (hint string, fixes []blame.Fix, causes []blame.Cause) {
	account, ids := "ACCOUNT", []string{"APPLICATION-ID", "ENVIRONMENT-ID", "PROFILE-ID"}
	unknown := "" // the first name that is not known
	found := configurationPattern.FindStringSubmatch(d.Resource)
	if found != nil {
		account = found[1]
		for i, id := range found[2:] {
			if idPattern.MatchString(id) {
				ids[i] = id
			} else if unknown = cmp.Or(unknown, id); i == 0 {
				break // what is in an application that is not known is not known either
			}
		}
	}
	statement := blame.Allow(fmt.Sprintf("arn:%s:appconfig:%s:%s:application/%s/environment/%s/configuration/%s",
		awserr.Partition(s.region), s.region, account, ids[0], ids[1], ids[2]),
		"appconfig:StartConfigurationSession", "appconfig:GetLatestConfiguration")
	hint, fixes, causes = d.Hint(statement)+" (ids, not names)", d.Fixes(statement), []blame.Cause{blame.Permission}
	if unknown != "" {
		hint = fmt.Sprintf("check the name %s in region %s, for AppConfig shows no id for it; if it is right, %s",
			unknown, s.region, hint)
		causes = []blame.Cause{blame.Name, blame.Permission}
	}
	for i := range fixes {
		if found == nil || unknown != "" {
			fixes[i].LookUp = "the ids that stand for the names: aws appconfig list-applications, list-environments and " +
				"list-configuration-profiles"
		}
	}
	return hint, fixes, causes
}
