package iam

import (
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/versity/versitygw/iamapi/policy"

	"github.com/pinnace-dev/pinnace/localaws/internal/api"
	"github.com/pinnace-dev/pinnace/localaws/internal/iam/awsquery"
)

// Quotas of an account that nobody has raised.
const (
	maxInlineCharacters  = 10240 // of all inline policies of one role, white space left out
	maxManagedCharacters = 6144  // of one version of a managed policy, white space left out
	maxAttachedPolicies  = 10
	maxPolicyVersions    = 5
	maxTags              = 50
	maxClientIDs         = 100
	maxThumbprints       = 5
	maxDescription       = 1000
	maxProviderURL       = 255

	minMaxSession = time.Hour
	maxMaxSession = 12 * time.Hour
)

var (
	roleNamePattern   = pattern(`^[\w+=,.@-]{1,64}$`)
	policyNamePattern = pattern(`^[\w+=,.@-]{1,128}$`)
	pathPattern       = pattern(`^/([\x21-\x7E]{0,510}/)?$`)
	thumbprintPattern = pattern(`^[0-9a-fA-F]{40}$`)
)

// pattern compiles on first use: repetitions with a bound are large, and a program that holds this package among others
// starts without them.
func pattern(text string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(text) })
}

func validationError(format string, args ...any) *api.Error {
	return api.Errorf("ValidationError", http.StatusBadRequest, format, args...)
}

func invalidInput(format string, args ...any) *api.Error {
	return api.Errorf("InvalidInput", http.StatusBadRequest, format, args...)
}

// checkPattern refuses a parameter in the words of AWS's front line, which names members with a small first letter.
func checkPattern(form url.Values, name string, pattern func() *regexp.Regexp) *api.Error {
	if value := form.Get(name); !pattern().MatchString(value) {
		return validationError("1 validation error detected: Value '%s' at '%s' failed to satisfy constraint: "+
			"Member must satisfy regular expression pattern: %s", value, strings.ToLower(name[:1])+name[1:], pattern())
	}
	return nil
}

// checkName checks the name and the path of something about to be created, and its description.
func checkName(form url.Values, name string, pattern func() *regexp.Regexp) *api.Error {
	if err := checkPattern(form, name, pattern); err != nil {
		return err
	}
	if form.Has("Path") {
		if err := checkPattern(form, "Path", pathPattern); err != nil {
			return err
		}
	}
	return checkDescription(form)
}

func checkDescription(form url.Values) *api.Error {
	if len(form.Get("Description")) > maxDescription {
		return validationError("1 validation error detected: Value at 'description' failed to satisfy constraint: "+
			"Member must have length less than or equal to %d", maxDescription)
	}
	return nil
}

// sessionLimit reads MaxSessionDuration; otherwise is the value when the parameter is absent.
func sessionLimit(form url.Values, otherwise time.Duration) (time.Duration, *api.Error) {
	if !form.Has("MaxSessionDuration") {
		return otherwise, nil
	}
	seconds, err := strconv.Atoi(form.Get("MaxSessionDuration"))
	limit := time.Duration(seconds) * time.Second
	if err != nil || limit < minMaxSession || limit > maxMaxSession {
		return 0, validationError("1 validation error detected: Value '%s' at 'maxSessionDuration' failed to satisfy "+
			"constraint: Member must have value between 3600 and 43200", form.Get("MaxSessionDuration"))
	}
	return limit, nil
}

// CheckPolicy refuses an identity or session policy that the evaluator could not judge as AWS would.
func CheckPolicy(document string) *api.Error {
	if err := policy.Validate("policyDocument", document); err != nil {
		return refusal(err)
	}
	if err := policy.Parse(document); err != nil {
		return refusal(err)
	}
	if err := checkVariables(document); err != nil {
		return malformed(err)
	}
	return nil
}

// identityDocument reads a policy document and checks it.
func identityDocument(form url.Values) (string, *api.Error) {
	document := form.Get("PolicyDocument")
	return document, CheckPolicy(document)
}

// trustDocument is identityDocument for trust policies.
func trustDocument(form url.Values, parameter string) (string, *api.Error) {
	document := form.Get(parameter)
	if err := policy.Validate(strings.ToLower(parameter[:1])+parameter[1:], document); err != nil {
		return "", refusal(err)
	}
	if err := policy.ParseTrust(withKnownServices(document)); err != nil {
		return "", refusal(err)
	}
	if _, err := applicable(document, true, caller{}); err != nil {
		return "", malformed(err)
	}
	if characters(document) > policy.MaxTrustPolicyBytes {
		return "", limitExceeded("Cannot exceed quota for ACLSizePerRole: %d", policy.MaxTrustPolicyBytes)
	}
	return document, nil
}

func malformed(err error) *api.Error {
	return api.Errorf("MalformedPolicyDocument", http.StatusBadRequest, "%v", err)
}

// refusal turns an error of the evaluator, whose text is "Code: message", into one of ours.
func refusal(err error) *api.Error {
	code, message, ok := strings.Cut(err.Error(), ": ")
	if !ok {
		code, message = "MalformedPolicyDocument", err.Error()
	}
	return api.Errorf(code, http.StatusBadRequest, "%s", message)
}

// characters counts a document as quotas do: white space is free.
func characters(document string) int {
	n := 0
	for _, r := range document {
		if !unicode.IsSpace(r) {
			n++
		}
	}
	return n
}

// addTags checks the tags of a request and lays them over tags, which stays as it is when one is refused.
func addTags(tags map[string]string, form url.Values) *api.Error {
	merged := map[string]string{}
	for key, value := range tags {
		merged[key] = value
	}
	seen := map[string]bool{}
	for _, tag := range awsquery.Tags(form) {
		if err := checkTag(tag); err != nil {
			return err
		}
		if seen[strings.ToLower(tag.Key)] {
			return invalidInput("Duplicate tag keys found. Please note that Tag keys are case insensitive.")
		}
		seen[strings.ToLower(tag.Key)] = true
		merged[tag.Key] = tag.Value
	}
	if len(merged) > maxTags {
		return limitExceeded("The number of tags has reached the maximum limit.")
	}
	for key, value := range merged {
		tags[key] = value
	}
	return nil
}

func checkTag(tag awsquery.Tag) *api.Error {
	if tag.Key == "" || len(tag.Key) > 128 || len(tag.Value) > 256 {
		return validationError("1 validation error detected: tag keys have 1 to 128 characters, values at most 256")
	}
	if strings.HasPrefix(strings.ToLower(tag.Key), "aws:") {
		return invalidInput("Tags cannot begin with aws:")
	}
	return nil
}

// page cuts a list as Marker and MaxItems say: its items, whether more follow, and the marker that asks for them.
func page[T any](form url.Values, items []T) (cut []T, more bool, marker string) {
	start, err := strconv.Atoi(form.Get("Marker"))
	if err != nil || start < 0 || start > len(items) {
		start = 0
	}
	size, err := strconv.Atoi(form.Get("MaxItems"))
	if err != nil || size < 1 || size > 1000 {
		size = 100
	}
	end := min(start+size, len(items))
	if end == len(items) {
		return items[start:], false, ""
	}
	return items[start:end], true, strconv.Itoa(end)
}
