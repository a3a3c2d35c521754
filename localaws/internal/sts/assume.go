package sts

import (
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/versity/versitygw/iamapi/policy"

	"github.com/pinnace-dev/pinnace/localaws/internal/api"
	"github.com/pinnace-dev/pinnace/localaws/internal/iam"
	"github.com/pinnace-dev/pinnace/localaws/internal/iam/awsquery"
)

const (
	minDuration     = 15 * time.Minute
	maxDuration     = 12 * time.Hour
	defaultDuration = time.Hour
	maxChained      = time.Hour // for a session that assumes another role
	maxSessionTags  = 50
	maxARN          = 2048 // characters
	maxExternalID   = 1224 // characters
)

var (
	sessionNamePattern = regexp.MustCompile(`^[\w+=,.@-]{2,64}$`)
	roleARNPattern     = regexp.MustCompile(`^arn:aws:iam::\d{12}:role/[\x21-\x7E]+$`)
	externalIDPattern  = regexp.MustCompile(`^[\w+=,.@:/-]{2,}$`)
)

// request is the parameters that both ways to assume a role share.
type request struct {
	roleARN, sessionName string
	duration             time.Duration
	policy               string // session policy; empty when there is none
}

// unsupported are parameters that cannot be ignored without giving the session something else than was asked for.
var unsupported = []string{
	"PolicyArns.", "SerialNumber", "TokenCode", "SourceIdentity", "TransitiveTagKeys.", "ProvidedContexts.", "ProviderId",
}

func readRequest(form url.Values) (request, *api.Error) {
	for name := range form {
		for _, prefix := range unsupported {
			if strings.HasPrefix(name, prefix) {
				return request{}, validationError("localaws does not support the parameter %s",
					strings.TrimSuffix(prefix, "."))
			}
		}
	}
	r := request{roleARN: form.Get("RoleArn"), sessionName: form.Get("RoleSessionName"), policy: form.Get("Policy")}
	if len(r.roleARN) > maxARN || !roleARNPattern.MatchString(r.roleARN) {
		return request{}, validationError("%s is invalid", r.roleARN)
	}
	if !sessionNamePattern.MatchString(r.sessionName) {
		return request{}, validationError("1 validation error detected: Value '%s' at 'roleSessionName' failed to "+
			"satisfy constraint: Member must satisfy regular expression pattern: [\\w+=,.@-]*, 2 to 64 characters",
			r.sessionName)
	}
	var err *api.Error
	if r.duration, err = readDuration(form); err != nil {
		return request{}, err
	}
	return r, checkSessionPolicy(r.policy)
}

func readDuration(form url.Values) (time.Duration, *api.Error) {
	if !form.Has("DurationSeconds") {
		return defaultDuration, nil
	}
	seconds, err := strconv.Atoi(form.Get("DurationSeconds"))
	duration := time.Duration(seconds) * time.Second
	if err != nil || seconds > int(maxDuration/time.Second) || duration < minDuration {
		return 0, validationError("1 validation error detected: Value '%s' at 'durationSeconds' failed to satisfy "+
			"constraint: Member must have value between 900 and 43200", form.Get("DurationSeconds"))
	}
	return duration, nil
}

func checkSessionPolicy(document string) *api.Error {
	if document == "" {
		return nil
	}
	if len(document) > policy.MaxSessionPolicyBytes {
		return api.Errorf("PackedPolicyTooLarge", http.StatusBadRequest, "Packed policy consumes %d%% of allotted "+
			"space, please use smaller policy.", packedSize(document))
	}
	return iam.CheckPolicy(document)
}

// packedSize is how much of the room for a session policy a document takes, in percent, rounded up.
func packedSize(document string) int {
	return (len(document)*100 + policy.MaxSessionPolicyBytes - 1) / policy.MaxSessionPolicyBytes
}

// within checks the duration against the role.
func (r request) within(role iam.Role) *api.Error {
	if r.duration > role.MaxSession {
		return validationError("The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")
	}
	return nil
}

func (s *Service) assumeRole(c *api.Call, form url.Values) (any, *api.Error) {
	if c.Principal.Kind == api.Anonymous {
		return nil, missingToken()
	}
	r, err := readRequest(form)
	if err != nil {
		return nil, err
	}
	condition := map[string][]string{"sts:RoleSessionName": {r.sessionName}}
	if id := form.Get("ExternalId"); form.Has("ExternalId") {
		if len(id) > maxExternalID || !externalIDPattern.MatchString(id) {
			return nil, validationError("1 validation error detected: Value at 'externalId' failed to satisfy constraint")
		}
		condition["sts:ExternalId"] = []string{id}
	}
	tags, err := sessionTags(form)
	if err != nil {
		return nil, err
	}
	inherited := s.directory.TransitiveTags(c.Principal.AccessKeyID)
	all, err := withInherited(tags, inherited)
	if err != nil {
		return nil, err
	}
	role, ok := s.directory.Role(r.roleARN)
	if !ok {
		return nil, api.Errorf("AccessDenied", http.StatusForbidden,
			"User: %s is not authorized to perform: sts:AssumeRole on resource: %s", c.Principal.ARN, r.roleARN)
	}
	if err := s.directory.AllowAssume(c, role, all, condition); err != nil {
		return nil, err
	}
	if c.Principal.Kind == api.Session && r.duration > maxChained {
		return nil, validationError("The requested DurationSeconds exceeds the 1 hour session limit for roles " +
			"assumed by role chaining.")
	}
	if err := r.within(role); err != nil {
		return nil, err
	}
	return newResult(r, s.directory.IssueTransitive(role, r.sessionName, r.duration, tags, inherited, r.policy)), nil
}

// withInherited adds the transitive tags of the calling session, which the request may not set anew.
func withInherited(tags, inherited map[string]string) (map[string]string, *api.Error) {
	all := maps.Clone(tags)
	for key, value := range inherited {
		for own := range tags {
			if strings.EqualFold(own, key) {
				return nil, api.Errorf("InvalidParameterValue", http.StatusBadRequest,
					"One of the specified transitive tag keys can't be set because it conflicts with a transitive tag key "+
						"from the calling session.")
			}
		}
		all[key] = value
	}
	return all, nil
}

func sessionTags(form url.Values) (map[string]string, *api.Error) {
	tags := map[string]string{}
	for _, tag := range awsquery.Tags(form) {
		if tag.Key == "" || len(tag.Key) > 128 || len(tag.Value) > 256 || strings.HasPrefix(tag.Key, "aws:") {
			return nil, validationError("tag keys have 1 to 128 characters and do not begin with aws:, values have " +
				"at most 256")
		}
		if _, ok := tags[tag.Key]; ok {
			return nil, api.Errorf("InvalidParameterValue", http.StatusBadRequest, "Duplicate tag keys found.")
		}
		tags[tag.Key] = tag.Value
	}
	if len(tags) > maxSessionTags {
		return nil, validationError("a session has at most %d tags", maxSessionTags)
	}
	return tags, nil
}

type credentialsXML struct {
	AccessKeyID     string `xml:"AccessKeyId"`
	SecretAccessKey string
	SessionToken    string
	Expiration      time.Time
}

type assumedXML struct {
	AssumedRoleID string `xml:"AssumedRoleId"`
	Arn           string
}

// assumeResult is the answer of both operations; the fields of the web identity are absent from the other's.
type assumeResult struct {
	Credentials                 credentialsXML
	SubjectFromWebIdentityToken string `xml:",omitempty"`
	AssumedRoleUser             assumedXML
	PackedPolicySize            int    `xml:",omitempty"`
	Provider                    string `xml:",omitempty"`
	Audience                    string `xml:",omitempty"`
}

func newResult(r request, c iam.Credential) assumeResult {
	return assumeResult{
		Credentials: credentialsXML{
			AccessKeyID: c.AccessKeyID, SecretAccessKey: c.SecretAccessKey, SessionToken: c.SessionToken,
			Expiration: c.Expires,
		},
		AssumedRoleUser:  assumedXML{AssumedRoleID: c.Principal.UserID, Arn: c.Principal.ARN},
		PackedPolicySize: packedSize(r.policy),
	}
}

func validationError(format string, args ...any) *api.Error {
	return api.Errorf("ValidationError", http.StatusBadRequest, format, args...)
}
