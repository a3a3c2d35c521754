package secretsmanager

import (
	"slices"
	"time"

	"github.com/pinnace-dev/pinnace/localaws/internal/api"
)

const (
	current  = "AWSCURRENT"
	previous = "AWSPREVIOUS"

	maxStages      = 20  // labels on one version
	maxStageLength = 256 // characters
	maxVersions    = 100 // of one secret
)

// settled is how old a deprecated version must be before the service drops it to make room.
const settled = day

// detach takes a label off whichever version has it.
func (s *secret) detach(stage string) {
	for _, v := range s.versions {
		v.stages = slices.DeleteFunc(v.stages, func(have string) bool { return have == stage })
	}
}

// attach moves a label to v. When AWSCURRENT moves, AWSPREVIOUS follows to the version that it leaves.
func (s *secret) attach(v *version, stage string) {
	old := s.byStage(stage)
	if old == v {
		return
	}
	s.detach(stage)
	v.stages = append(v.stages, stage)
	if stage == current && old != nil {
		s.attach(old, previous)
	}
}

// add stores a version. The first one of a secret is current whatever its labels are.
func (s *secret) add(v *version, stages []string, now time.Time) *api.Error {
	if err := s.makeRoom(now); err != nil {
		return err
	}
	first := len(s.versions) == 0
	s.versions = append(s.versions, v)
	if first {
		s.attach(v, current)
	}
	for _, stage := range stages {
		s.attach(v, stage)
	}
	s.changed = now
	return nil
}

// makeRoom drops the oldest deprecated version when there are as many as AWS keeps. A version younger than a day is
// never dropped, so rotating too fast meets the quota, as on AWS.
func (s *secret) makeRoom(now time.Time) *api.Error {
	if len(s.versions) < maxVersions {
		return nil
	}
	i := slices.IndexFunc(s.versions, func(v *version) bool {
		return len(v.stages) == 0 && now.Sub(v.created) >= settled
	})
	if i < 0 {
		return limitExceeded("You've exceeded the quota of %d versions for this secret.", maxVersions)
	}
	s.versions = slices.Delete(s.versions, i, i+1)
	return nil
}

func checkStages(stages []string) *api.Error {
	if len(stages) > maxStages {
		return limitExceeded("You can't attach more than %d staging labels to a version.", maxStages)
	}
	for _, stage := range stages {
		if stage == "" || len(stage) > maxStageLength {
			return outOfRange("versionStage", 1, maxStageLength)
		}
	}
	return nil
}

type updateSecretVersionStageInput struct {
	SecretId            string
	VersionStage        string
	MoveToVersionId     string
	RemoveFromVersionId string
}

func (s *Service) updateSecretVersionStage(c *api.Call, in updateSecretVersionStageInput) (any, *api.Error) {
	keys := conditions{}
	keys.set("VersionStage", in.VersionStage)
	sec, err := s.openLive(c, "UpdateSecretVersionStage", in.SecretId, keys)
	if err != nil {
		return nil, err
	}
	if err := checkStages([]string{in.VersionStage}); err != nil {
		return nil, err
	}
	if err := sec.moveStage(in); err != nil {
		return nil, err
	}
	sec.changed = s.clock()
	return identity{ARN: sec.arn, Name: sec.name}, nil
}

// moveStage takes the label from RemoveFromVersionId, puts it on MoveToVersionId, or both.
func (s *secret) moveStage(in updateSecretVersionStageInput) *api.Error {
	from, to := s.byID(in.RemoveFromVersionId), s.byID(in.MoveToVersionId)
	switch {
	case in.RemoveFromVersionId == "" && in.MoveToVersionId == "":
		return invalidParameter("You must specify MoveToVersionId, RemoveFromVersionId or both.")
	case in.RemoveFromVersionId != "" && from == nil:
		return noSuchVersion(in.RemoveFromVersionId)
	case in.MoveToVersionId != "" && to == nil:
		return noSuchVersion(in.MoveToVersionId)
	}
	holder := s.byStage(in.VersionStage)
	switch {
	case from != nil && from != holder:
		return invalidParameter("The staging label %s isn't attached to the version %s that RemoveFromVersionId names.",
			in.VersionStage, from.id)
	case to == nil && in.VersionStage == current:
		return invalidParameter("You can only move staging label %s to a different secret version. "+
			"It can't be completely removed.", current)
	case to == nil:
		s.detach(in.VersionStage)
		return nil
	case from == nil && holder != nil && holder != to:
		return invalidParameter("The parameter RemoveFromVersionId can't be empty. Staging label %s is currently "+
			"attached to version %s, so you must explicitly reference that version in RemoveFromVersionId.",
			in.VersionStage, holder.id)
	case len(to.stages) >= maxStages && holder != to:
		return limitExceeded("You can't attach more than %d staging labels to a version.", maxStages)
	}
	s.attach(to, in.VersionStage)
	return nil
}

func noSuchVersion(id string) *api.Error {
	return resourceNotFound("Secrets Manager can't find the specified secret value for VersionId: %s", id)
}
