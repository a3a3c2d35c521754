package s3

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/pinnace-dev/pinnace/localaws/internal/api"
)

// bucketPolicy is a bucket's policy as it was put, and whether it is public. It does not change.
type bucketPolicy struct {
	text   string
	public bool
}

// document is a resource policy, as far as putting it needs to understand it; IAM decides by it.
type document struct {
	Version   string
	ID        string `json:"Id"`
	Statement statements
}

type statements []statement

type statement struct {
	Sid, Effect             string
	Principal, NotPrincipal principals
	Action, NotAction       texts
	Resource, NotResource   texts
	Condition               map[string]map[string]texts
}

// texts is a JSON string, or number or boolean, or an array of them.
type texts []string

// principals are the callers of a statement by their type; "*" alone is every AWS caller.
type principals map[string]texts

func (t *texts) UnmarshalJSON(data []byte) error {
	var many []any
	if err := json.Unmarshal(data, &many); err != nil {
		var one any
		if err := json.Unmarshal(data, &one); err != nil {
			return err
		}
		many = []any{one}
	}
	*t = texts{}
	for _, value := range many {
		switch value.(type) {
		case string, float64, bool:
			*t = append(*t, fmt.Sprint(value))
		default:
			return errors.New("not a string")
		}
	}
	return nil
}

func (p *principals) UnmarshalJSON(data []byte) error {
	var everyone string
	if json.Unmarshal(data, &everyone) == nil {
		if everyone != "*" {
			return errors.New("invalid principal")
		}
		*p = principals{"AWS": {"*"}}
		return nil
	}
	var byType map[string]texts
	if err := json.Unmarshal(data, &byType); err != nil {
		return err
	}
	*p = byType
	return nil
}

func (s *statements) UnmarshalJSON(data []byte) error {
	var many []statement
	if bytes.HasPrefix(bytes.TrimSpace(data), []byte("{")) {
		many = make([]statement, 1)
		err := strictly(data, &many[0])
		*s = many
		return err
	}
	err := strictly(data, &many)
	*s = many
	return err
}

// strictly decodes JSON that has no unknown fields.
func strictly(data []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	return d.Decode(into)
}

// parsePolicy reads and checks a policy for the named bucket.
func parsePolicy(text []byte, bucket string) (*bucketPolicy, *api.Error) {
	refuse := func(why string) (*bucketPolicy, *api.Error) {
		return nil, api.Errorf("MalformedPolicy", http.StatusBadRequest, "%s", why)
	}
	if !json.Valid(text) || !bytes.HasPrefix(text, []byte("{")) {
		return refuse("Policies must be valid JSON and the first byte must be '{'")
	}
	var d document
	if err := strictly(text, &d); err != nil {
		return refuse("Policy has an invalid element: " + err.Error())
	}
	if d.Version != "" && d.Version != "2012-10-17" && d.Version != "2008-10-17" {
		return refuse("The policy must contain a valid version string")
	}
	if len(d.Statement) == 0 {
		return refuse("Could not parse the policy: Statement is empty!")
	}
	for _, st := range d.Statement {
		if why := st.fault(bucket); why != "" {
			return refuse(why)
		}
	}
	return &bucketPolicy{text: string(text), public: slices.ContainsFunc(d.Statement, statement.public)}, nil
}

// fault says what is wrong with a statement of the bucket's policy; empty when nothing is.
func (st statement) fault(bucket string) string {
	switch {
	case st.Effect != "Allow" && st.Effect != "Deny":
		return "Invalid effect: " + st.Effect
	case (len(st.Principal) == 0) == (len(st.NotPrincipal) == 0):
		return "Missing required field Principal"
	case (len(st.Action) == 0) == (len(st.NotAction) == 0):
		return "Missing required field Action"
	case (len(st.Resource) == 0) == (len(st.NotResource) == 0):
		return "Missing required field Resource"
	}
	for _, action := range slices.Concat(st.Action, st.NotAction) {
		if action != "*" && !strings.HasPrefix(strings.ToLower(action), "s3:") {
			return "Policy has invalid action"
		}
	}
	for _, resource := range slices.Concat(st.Resource, st.NotResource) {
		if resource != arn(bucket, "") && !strings.HasPrefix(resource, arn(bucket, "")+"/") {
			return "Policy has invalid resource"
		}
	}
	for _, p := range []principals{st.Principal, st.NotPrincipal} {
		if !p.valid() {
			return "Invalid principal in policy"
		}
	}
	return ""
}

// valid checks the form of principals; whether they exist is not S3's to know here.
func (p principals) valid() bool {
	for kind, names := range p {
		if !slices.Contains([]string{"AWS", "Service", "Federated", "CanonicalUser"}, kind) || len(names) == 0 {
			return false
		}
		for _, name := range names {
			account := len(name) == 12 && strings.Trim(name, "0123456789") == ""
			if kind == "AWS" && name != "*" && !account && !strings.HasPrefix(name, "arn:") {
				return false
			}
		}
	}
	return true
}

// fixingKeys are the condition keys that tie a statement to certain callers or places.
var fixingKeys = []string{
	"aws:principalaccount", "aws:principalarn", "aws:principalorgid", "aws:principalorgpaths", "aws:userid",
	"aws:sourceaccount", "aws:sourcearn", "aws:sourceorgid", "aws:sourceip", "aws:sourcevpc", "aws:sourcevpce",
	"s3:dataaccesspointaccount", "s3:dataaccesspointarn",
}

// public tells whether a statement lets everybody in: it allows, to any AWS caller, and no condition demands a fixed
// value of one of fixingKeys. It is the rule of the user guide's "The meaning of public", without its finer points on
// which address ranges are too wide.
func (st statement) public() bool {
	if st.Effect != "Allow" || st.NotPrincipal == nil && !slices.Contains(st.Principal["AWS"], "*") {
		return false
	}
	for operator, keys := range st.Condition {
		lower := strings.ToLower(operator)
		if lower == "null" || strings.Contains(lower, "not") || strings.HasSuffix(lower, "ifexists") {
			continue
		}
		for key, values := range keys {
			if slices.Contains(fixingKeys, strings.ToLower(key)) && !slices.ContainsFunc(values, loose) {
				return false
			}
		}
	}
	return true
}

// loose tells whether a condition's value fixes nothing: a pattern, a variable, or every address.
func loose(value string) bool {
	return value == "" || strings.ContainsAny(value, "*?$") || strings.HasSuffix(value, "/0")
}
