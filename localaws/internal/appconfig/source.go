package appconfig

import (
	"bytes"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/pinnace-dev/pinnace/localaws/internal/api"
)

// snapshot is a configuration as a deployment copies it: the source may change or vanish afterwards.
type snapshot struct {
	version     string // number of a hosted version, VersionId of a secret
	label       string
	contentType string
	content     []byte
}

// retrieve copies one version from a profile's source. A secret is read as the profile's retrieval role, which must
// trust AppConfig and be allowed to read it; a hosted version under a key is decrypted for the caller.
func (s *Service) retrieve(c *api.Call, p *profile, version string) (snapshot, *api.Error) {
	if err := checkLength("ConfigurationVersion", version, 1, 1024); err != nil {
		return snapshot{}, err
	}
	if p.LocationUri == hosted {
		v := p.version(version)
		if v == nil {
			return snapshot{}, notFound("HostedConfigurationVersion", version)
		}
		if _, err := s.useKey(c, decryptAction, v.KmsKeyArn); err != nil {
			return snapshot{}, err
		}
		return snapshot{
			version: strconv.Itoa(v.VersionNumber), label: v.VersionLabel, contentType: v.ContentType,
			content: bytes.Clone(v.content),
		}, nil
	}
	role, err := s.access.AssumeService(p.RetrievalRoleArn, principalName)
	if err != nil {
		return snapshot{}, badRequest("AppConfig cannot assume the role %s: %s", p.RetrievalRoleArn, err.Message)
	}
	name := strings.TrimPrefix(p.LocationUri, secretScheme)
	content, id, err := s.secrets.ReadAs(role, name, version)
	if err != nil {
		return snapshot{}, badRequest("AppConfig cannot retrieve version %s of %s with the role %s: %s: %s",
			version, p.LocationUri, p.RetrievalRoleArn, err.Code, err.Message)
	}
	kind := "text/plain"
	if !utf8.Valid(content) {
		kind = "application/octet-stream"
	}
	return snapshot{version: id, contentType: kind, content: content}, nil
}

// validate retrieves a version and runs the profile's validators on it.
func (s *Service) validate(q *request) (any, *api.Error) {
	p, err := s.profile(q)
	if err != nil {
		return nil, err
	}
	snap, err := s.retrieve(q.call, p, q.query("configuration_version"))
	if err != nil {
		return nil, err
	}
	if err := runValidators(p.Validators, snap.content); err != nil {
		return nil, err
	}
	return nil, nil
}
