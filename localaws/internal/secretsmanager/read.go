package secretsmanager

import (
	"slices"

	"github.com/pinnace-dev/pinnace/localaws/internal/api"
	"github.com/pinnace-dev/pinnace/localaws/internal/awsjson"
)

type getSecretValueInput struct {
	SecretId     string
	VersionId    string
	VersionStage string
}

// secretValue is the answer of GetSecretValue and an entry of BatchGetSecretValue.
type secretValue struct {
	ARN           string
	Name          string
	VersionId     string
	VersionStages []string
	CreatedDate   awsjson.Epoch
	value
}

func newSecretValue(sec *secret, v *version) secretValue {
	return secretValue{
		ARN: sec.arn, Name: sec.name, VersionId: v.id, VersionStages: slices.Clone(v.stages),
		CreatedDate: awsjson.Epoch(v.created), value: v.value,
	}
}

func (s *Service) getSecretValue(c *api.Call, in getSecretValueInput) (any, *api.Error) {
	sec, v, err := s.read(c, in)
	if err != nil {
		return nil, err
	}
	return newSecretValue(sec, v), nil
}

// read authorises GetSecretValue, finds the version, AWSCURRENT when none is named, and has it decrypted.
func (s *Service) read(c *api.Call, in getSecretValueInput) (*secret, *version, *api.Error) {
	if in.VersionId == "" && in.VersionStage == "" {
		in.VersionStage = current
	}
	keys := conditions{}
	keys.set("VersionId", in.VersionId)
	keys.set("VersionStage", in.VersionStage)
	sec, err := s.openLive(c, "GetSecretValue", in.SecretId, keys)
	if err != nil {
		return nil, nil, err
	}
	v, err := sec.pick(in.VersionId, in.VersionStage)
	if err != nil {
		return nil, nil, err
	}
	if err := s.decrypt(c, sec, v); err != nil {
		return nil, nil, err
	}
	today := s.clock().UTC().Truncate(day)
	sec.accessed, v.accessed = today, today
	return sec, v, nil
}

// pick finds a version by id, by label, or by both when they agree.
func (s *secret) pick(id, stage string) (*version, *api.Error) {
	if id == "" {
		if v := s.byStage(stage); v != nil {
			return v, nil
		}
		return nil, resourceNotFound("Secrets Manager can't find the specified secret value for staging label: %s", stage)
	}
	v := s.byID(id)
	switch {
	case v == nil:
		return nil, noSuchVersion(id)
	case stage != "" && !slices.Contains(v.stages, stage):
		return nil, invalidRequest("You provided a VersionStage that is not associated to the provided VersionId.")
	}
	return v, nil
}

const (
	maxBatch   = 20 // secrets in one BatchGetSecretValue
	maxFilters = 10
)

type batchGetSecretValueInput struct {
	SecretIdList []string
	Filters      []filter
	MaxResults   *int
	NextToken    string
}

type batchGetSecretValueOutput struct {
	SecretValues []secretValue
	Errors       []batchError
	NextToken    string `json:",omitempty"`
}

// batchError is why one secret of a batch is missing from its values.
type batchError struct {
	SecretId  string
	ErrorCode string
	Message   string
}

// batchGetSecretValue reads current values. What the caller may not read, or is not there, is an entry of Errors.
func (s *Service) batchGetSecretValue(c *api.Call, in batchGetSecretValueInput) (any, *api.Error) {
	if err := s.allow(c, "BatchGetSecretValue", nil, "*", nil); err != nil {
		return nil, err
	}
	ids, next, err := s.batch(c, in)
	if err != nil {
		return nil, err
	}
	out := batchGetSecretValueOutput{SecretValues: []secretValue{}, Errors: []batchError{}, NextToken: next}
	for _, id := range ids {
		sec, v, err := s.read(c, getSecretValueInput{SecretId: id})
		if err != nil {
			err = awsjson.Denial(err)
			out.Errors = append(out.Errors, batchError{SecretId: id, ErrorCode: err.Code, Message: err.Message})
			continue
		}
		out.SecretValues = append(out.SecretValues, newSecretValue(sec, v))
	}
	return out, nil
}

// batch gives the secrets that a batch asks for, by list or by filters.
func (s *Service) batch(c *api.Call, in batchGetSecretValueInput) (ids []string, next string, err *api.Error) {
	switch {
	case (len(in.SecretIdList) == 0) == (len(in.Filters) == 0):
		return nil, "", invalidParameter("Either 'SecretIdList' or 'Filters' must be provided, but not both.")
	case len(in.SecretIdList) > maxBatch:
		return nil, "", tooLong("secretIdList", maxBatch)
	case len(in.SecretIdList) > 0 && (in.MaxResults != nil || in.NextToken != ""):
		return nil, "", invalidParameter("'MaxResults' and 'NextToken' need 'Filters'.")
	case len(in.SecretIdList) > 0:
		return in.SecretIdList, "", nil
	}
	if err := s.allow(c, "ListSecrets", nil, "*", nil); err != nil {
		return nil, "", err
	}
	found, err := s.matching(in.Filters, false)
	if err != nil {
		return nil, "", err
	}
	sortSecrets(found, sortByCreated)
	page, next, err := paginate(found, in.MaxResults, maxBatch, in.NextToken)
	for _, sec := range page {
		ids = append(ids, sec.arn)
	}
	return ids, next, err
}

type describeSecretInput struct{ SecretId string }

// description is the answer of DescribeSecret and, under another name of the stages, an entry of ListSecrets.
type description struct {
	ARN                    string
	Name                   string
	Description            string              `json:",omitempty"`
	KmsKeyId               string              `json:",omitempty"`
	CreatedDate            awsjson.Epoch       `json:",omitzero"`
	LastChangedDate        awsjson.Epoch       `json:",omitzero"`
	LastAccessedDate       awsjson.Epoch       `json:",omitzero"`
	DeletedDate            awsjson.Epoch       `json:",omitzero"`
	Tags                   []tag               `json:",omitempty"`
	VersionIdsToStages     map[string][]string `json:",omitempty"`
	SecretVersionsToStages map[string][]string `json:",omitempty"`
}

func describe(sec *secret) description {
	return description{
		ARN: sec.arn, Name: sec.name, Description: sec.description, KmsKeyId: sec.kmsKeyID,
		CreatedDate: awsjson.Epoch(sec.created), LastChangedDate: awsjson.Epoch(sec.changed),
		LastAccessedDate: awsjson.Epoch(sec.accessed),
		DeletedDate:      awsjson.Epoch(sec.deleteAt), Tags: slices.Clone(sec.tags),
	}
}

func (s *Service) describeSecret(c *api.Call, in describeSecretInput) (any, *api.Error) {
	sec, err := s.open(c, "DescribeSecret", in.SecretId, nil)
	if err != nil {
		return nil, err
	}
	out := describe(sec)
	out.VersionIdsToStages = sec.stages()
	return out, nil
}

type listSecretVersionIDsInput struct {
	SecretId          string
	IncludeDeprecated bool
	MaxResults        *int
	NextToken         string
}

type versionEntry struct {
	VersionId        string
	VersionStages    []string `json:",omitempty"`
	CreatedDate      awsjson.Epoch
	LastAccessedDate awsjson.Epoch `json:",omitzero"`
}

type listSecretVersionIDsOutput struct {
	ARN       string
	Name      string
	Versions  []versionEntry
	NextToken string `json:",omitempty"`
}

func (s *Service) listSecretVersionIDs(c *api.Call, in listSecretVersionIDsInput) (any, *api.Error) {
	sec, err := s.open(c, "ListSecretVersionIds", in.SecretId, nil)
	if err != nil {
		return nil, err
	}
	all := []versionEntry{}
	for _, v := range slices.Backward(sec.versions) {
		if len(v.stages) == 0 && !in.IncludeDeprecated {
			continue
		}
		all = append(all, versionEntry{
			VersionId: v.id, VersionStages: slices.Clone(v.stages),
			CreatedDate: awsjson.Epoch(v.created), LastAccessedDate: awsjson.Epoch(v.accessed),
		})
	}
	page, next, err := paginate(all, in.MaxResults, maxPage, in.NextToken)
	if err != nil {
		return nil, err
	}
	return listSecretVersionIDsOutput{ARN: sec.arn, Name: sec.name, Versions: page, NextToken: next}, nil
}
