package appconfig

import (
	"bytes"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/pinnace-dev/pinnace/localaws/internal/api"
)

const (
	maxContentKB   = 2048 // the default quota of a hosted version, 2 MB
	maxContentType = 255
	maxLabel       = 64
)

// hostedVersion is one immutable document of the hosted store.
type hostedVersion struct {
	hostedInfo
	content []byte
}

type hostedInfo struct {
	ApplicationId          string
	ConfigurationProfileId string
	VersionNumber          int
	ContentType            string
	Description            string `json:",omitempty"`
	VersionLabel           string `json:",omitempty"`
	KmsKeyArn              string `json:",omitempty"`
}

// answer puts the description into headers and the document into the body.
func (v *hostedVersion) answer() rawAnswer {
	return rawAnswer{
		header: map[string]string{
			"Application-Id":           v.ApplicationId,
			"Configuration-Profile-Id": v.ConfigurationProfileId,
			"Version-Number":           strconv.Itoa(v.VersionNumber),
			"Content-Type":             v.ContentType,
			"Description":              v.Description,
			"VersionLabel":             v.VersionLabel,
			"KmsKeyArn":                v.KmsKeyArn,
		},
		body: v.content,
	}
}

// createHostedVersion stores the body. Latest-Version-Number, when it is sent, must be the number of the last version:
// of two writers who read the same one, only the first succeeds.
func (s *Service) createHostedVersion(q *request) (any, *api.Error) {
	p, err := s.profile(q)
	if err != nil {
		return nil, err
	}
	v := &hostedVersion{
		hostedInfo: hostedInfo{
			ApplicationId: p.ApplicationId, ConfigurationProfileId: p.Id, VersionNumber: p.latest + 1,
			ContentType: q.header("Content-Type"), Description: q.header("Description"),
			VersionLabel: q.header("Versionlabel"), KmsKeyArn: p.KmsKeyArn,
		},
		content: bytes.Clone(q.call.Body),
	}
	if err := v.check(p); err != nil {
		return nil, err
	}
	if last := q.header("Latest-Version-Number"); last != "" && last != strconv.Itoa(p.latest) {
		return nil, conflict("Latest-Version-Number is %s, but the latest version of the profile is %d.", last, p.latest)
	}
	if _, err := s.useKey(q.call, encryptAction, v.KmsKeyArn); err != nil {
		return nil, err
	}
	p.latest++
	p.versions = append(p.versions, v)
	return v.answer(), nil
}

func (v *hostedVersion) check(p *profile) *api.Error {
	if p.LocationUri != hosted {
		return badRequest("Configuration profile %s is not hosted.", p.Id)
	}
	if len(v.content) > maxContentKB<<10 {
		err := api.Errorf("PayloadTooLargeException", http.StatusRequestEntityTooLarge,
			"The configuration is larger than %d kilobytes.", maxContentKB)
		err.Members = map[string]any{
			"Measure": "KILOBYTES", "Limit": maxContentKB, "Size": float64(len(v.content)) / 1024,
		}
		return err
	}
	if err := checkLength("Content-Type", v.ContentType, 1, maxContentType); err != nil {
		return err
	}
	if err := checkLength("Description", v.Description, 0, maxDescription); err != nil {
		return err
	}
	return checkLabel(p, v.VersionLabel)
}

// checkLabel checks that a label cannot be taken for a number and is not in use.
func checkLabel(p *profile, label string) *api.Error {
	switch {
	case label == "":
		return nil
	case strings.Trim(label, "0123456789") == "":
		return badRequest("VersionLabel must contain at least one character that is not a digit.")
	case p.version(label) != nil:
		return conflict("VersionLabel %s is already in use.", label)
	}
	return checkLength("VersionLabel", label, 1, maxLabel)
}

// version finds a hosted version by its number or label, or gives nil.
func (p *profile) version(numberOrLabel string) *hostedVersion {
	return pick(p.versions, func(v *hostedVersion) bool {
		return numberOrLabel == strconv.Itoa(v.VersionNumber) || v.VersionLabel != "" && v.VersionLabel == numberOrLabel
	})
}

func (s *Service) hostedVersion(q *request) (*profile, *hostedVersion, *api.Error) {
	p, err := s.profile(q)
	if err != nil {
		return nil, nil, err
	}
	number := q.params["version"]
	v := p.version(number)
	if v == nil || number != strconv.Itoa(v.VersionNumber) {
		return nil, nil, notFound("HostedConfigurationVersion", number)
	}
	return p, v, nil
}

func (s *Service) getHostedVersion(q *request) (any, *api.Error) {
	_, v, err := s.hostedVersion(q)
	if err != nil {
		return nil, err
	}
	if _, err := s.useKey(q.call, decryptAction, v.KmsKeyArn); err != nil {
		return nil, err
	}
	return v.answer(), nil
}

// listHostedVersions lists the newest first. version_label selects one, or those that start with what precedes an
// asterisk.
func (s *Service) listHostedVersions(q *request) (any, *api.Error) {
	p, err := s.profile(q)
	if err != nil {
		return nil, err
	}
	label := q.query("version_label")
	start, wild := strings.CutSuffix(label, "*")
	out := []hostedInfo{}
	for _, v := range slices.Backward(p.versions) {
		if label == "" || v.VersionLabel == label || wild && strings.HasPrefix(v.VersionLabel, start) {
			out = append(out, v.hostedInfo)
		}
	}
	return paginate(q, out)
}

func (s *Service) deleteHostedVersion(q *request) (any, *api.Error) {
	p, v, err := s.hostedVersion(q)
	if err != nil {
		return nil, err
	}
	p.versions = slices.DeleteFunc(p.versions, func(other *hostedVersion) bool { return other == v })
	return nil, nil
}
