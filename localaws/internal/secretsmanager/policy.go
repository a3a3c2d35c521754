package secretsmanager

import (
	"encoding/json"
	"net/http"
	"strconv"

	"github.com/pinnace-dev/pinnace/localaws/internal/api"
)

const maxPolicy = 20480

type resourcePolicyInput struct {
	SecretId          string
	ResourcePolicy    string
	BlockPublicPolicy bool
}

type resourcePolicyOutput struct {
	ARN            string
	Name           string
	ResourcePolicy string `json:",omitempty"`
}

// putResourcePolicy stores a document that every later question about the secret carries; Access gives it its meaning.
func (s *Service) putResourcePolicy(c *api.Call, in resourcePolicyInput) (any, *api.Error) {
	keys := conditions{}
	keys.set("BlockPublicPolicy", strconv.FormatBool(in.BlockPublicPolicy))
	sec, err := s.openLive(c, "PutResourcePolicy", in.SecretId, keys)
	if err != nil {
		return nil, err
	}
	if err := in.check(); err != nil {
		return nil, err
	}
	sec.policy, sec.changed = in.ResourcePolicy, s.clock()
	return identity{ARN: sec.arn, Name: sec.name}, nil
}

func (in resourcePolicyInput) check() *api.Error {
	statements, ok := parseStatements(in.ResourcePolicy)
	switch {
	case len(in.ResourcePolicy) > maxPolicy:
		return tooLong("resourcePolicy", maxPolicy)
	case !ok:
		return api.Errorf("MalformedPolicyDocumentException", http.StatusBadRequest,
			"This resource policy contains invalid Json.")
	case in.BlockPublicPolicy && anyPublic(statements):
		return api.Errorf("PublicPolicyException", http.StatusBadRequest,
			"The BlockPublicPolicy parameter is set to true, and this resource policy grants broad access.")
	}
	return nil
}

type validationOutput struct {
	PolicyValidationPassed bool
	ValidationErrors       []validationError
}

type validationError struct{ CheckName, ErrorMessage string }

// validateResourcePolicy tells whether a policy could be put with BlockPublicPolicy, on a secret or on none.
func (s *Service) validateResourcePolicy(c *api.Call, in resourcePolicyInput) (any, *api.Error) {
	var err *api.Error
	if in.SecretId == "" {
		err = s.allow(c, "ValidateResourcePolicy", nil, "*", nil)
	} else {
		_, err = s.openLive(c, "ValidateResourcePolicy", in.SecretId, nil)
	}
	if err != nil {
		return nil, err
	}
	in.BlockPublicPolicy = true
	out := validationOutput{PolicyValidationPassed: true, ValidationErrors: []validationError{}}
	switch fault := in.check(); {
	case fault != nil && fault.Code == "PublicPolicyException":
		out.PolicyValidationPassed = false
		out.ValidationErrors = append(out.ValidationErrors, validationError{"PUBLIC_POLICY_ERROR", fault.Message})
	case fault != nil:
		return nil, fault
	}
	return out, nil
}

func (s *Service) getResourcePolicy(c *api.Call, in resourcePolicyInput) (any, *api.Error) {
	sec, err := s.openLive(c, "GetResourcePolicy", in.SecretId, nil)
	if err != nil {
		return nil, err
	}
	return resourcePolicyOutput{ARN: sec.arn, Name: sec.name, ResourcePolicy: sec.policy}, nil
}

func (s *Service) deleteResourcePolicy(c *api.Call, in resourcePolicyInput) (any, *api.Error) {
	sec, err := s.openLive(c, "DeleteResourcePolicy", in.SecretId, nil)
	if err != nil {
		return nil, err
	}
	sec.policy, sec.changed = "", s.clock()
	return identity{ARN: sec.arn, Name: sec.name}, nil
}

// statement is as much of a policy's statement as tells a public grant.
type statement struct {
	Effect    string
	Principal json.RawMessage
	Condition json.RawMessage
}

// parseStatements reads a document whose Statement is a list or a single one.
func parseStatements(document string) ([]statement, bool) {
	var doc struct{ Statement json.RawMessage }
	if json.Unmarshal([]byte(document), &doc) != nil || doc.Statement == nil {
		return nil, false
	}
	var many []statement
	if json.Unmarshal(doc.Statement, &many) == nil {
		return many, true
	}
	var one statement
	err := json.Unmarshal(doc.Statement, &one)
	return []statement{one}, err == nil
}

// anyPublic says whether a statement allows everyone without a condition. AWS reasons about conditions too.
func anyPublic(statements []statement) bool {
	for _, st := range statements {
		var everyone string
		var byKind struct{ AWS any }
		_ = json.Unmarshal(st.Principal, &everyone)
		_ = json.Unmarshal(st.Principal, &byKind)
		if st.Effect == "Allow" && st.Condition == nil && (everyone == "*" || byKind.AWS == "*") {
			return true
		}
	}
	return false
}
