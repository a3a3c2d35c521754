package appconfig

import (
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/pinnace-dev/pinnace/localaws/internal/api"
)

const (
	maxProfiles  = 100 // of one application
	freeform     = "AWS.Freeform"
	hosted       = "hosted"
	secretScheme = "secretsmanager://"
)

var rolePattern = regexp.MustCompile(`^arn:(aws|aws-cn|aws-iso|aws-iso-[a-z]|aws-us-gov|aws-eusc):iam::\d{12}:role/.+$`)

// profile says where a configuration comes from and how it is validated.
type profile struct {
	profileInfo
	versions []*hostedVersion // ascending; deleted ones are gone
	latest   int              // the number of the last hosted version, deleted or not
	lastRead time.Time        // by GetLatestConfiguration; zero is never
}

type profileInfo struct {
	ApplicationId    string
	Id               string
	Name             string
	Description      string `json:",omitempty"`
	LocationUri      string
	RetrievalRoleArn string      `json:",omitempty"`
	Type             string      `json:",omitempty"`
	KmsKeyIdentifier string      `json:",omitempty"`
	KmsKeyArn        string      `json:",omitempty"`
	Validators       []validator `json:",omitempty"`
}

type profileSummary struct {
	ApplicationId  string
	Id             string
	Name           string
	LocationUri    string
	Type           string
	ValidatorTypes []string `json:",omitempty"`
}

func (s *Service) profile(q *request) (*profile, *api.Error) {
	app, err := s.application(q)
	if err != nil {
		return nil, err
	}
	return app.profile(q.params["profile"])
}

func (a *application) profile(id string) (*profile, *api.Error) {
	if p := pick(a.profiles, func(p *profile) bool { return p.Id == id }); p != nil {
		return p, nil
	}
	return nil, notFound("ConfigurationProfile", id)
}

type createProfileInput struct {
	Name             string
	Description      string
	LocationUri      string
	RetrievalRoleArn string
	Type             string
	KmsKeyIdentifier string
	Validators       []validator
	Tags             map[string]string
}

func (s *Service) createProfile(q *request, in createProfileInput) (any, *api.Error) {
	app, err := s.application(q)
	if err != nil {
		return nil, err
	}
	if err := in.check(); err != nil {
		return nil, err
	}
	if in.RetrievalRoleArn != "" {
		if err := s.passRole(q.call, in.RetrievalRoleArn); err != nil {
			return nil, err
		}
	}
	if len(app.profiles) >= maxProfiles {
		return nil, quotaExceeded("configuration profiles", maxProfiles)
	}
	id, err := s.newID()
	if err != nil {
		return nil, err
	}
	if err := s.setTags(s.arnf("application/%s/configurationprofile/%s", app.Id, id), in.Tags); err != nil {
		return nil, err
	}
	p := &profile{profileInfo: profileInfo{
		ApplicationId: app.Id, Id: id, Name: in.Name, Description: in.Description, LocationUri: in.LocationUri,
		RetrievalRoleArn: in.RetrievalRoleArn, Type: freeform, KmsKeyIdentifier: in.KmsKeyIdentifier,
		KmsKeyArn: s.keyARN(in.KmsKeyIdentifier), Validators: in.Validators,
	}}
	app.profiles = append(app.profiles, p)
	return p.profileInfo, nil
}

func (in createProfileInput) check() *api.Error {
	if err := checkTexts(in.Name, maxProfileName, in.Description); err != nil {
		return err
	}
	if in.Type != "" && in.Type != freeform {
		return badRequest("Profiles of type %s are not emulated, only %s.", in.Type, freeform)
	}
	if err := checkLocation(in.LocationUri, in.RetrievalRoleArn); err != nil {
		return err
	}
	return checkValidators(in.Validators)
}

// checkLocation checks that the source is one of the two here, and its role.
func checkLocation(uri, role string) *api.Error {
	name, inSecrets := strings.CutPrefix(uri, secretScheme)
	switch {
	case uri == hosted && role != "":
		return badRequest("A hosted configuration takes no RetrievalRoleArn.")
	case uri == hosted:
		return nil
	case !inSecrets:
		return badRequest("The LocationUri %q is not emulated: use %q or %qNAME.", uri, hosted, secretScheme)
	case name == "" || strings.HasPrefix(name, "arn:"):
		return badRequest("The LocationUri %q does not name a secret.", uri)
	case !rolePattern.MatchString(role):
		return badRequest("The LocationUri %q needs a RetrievalRoleArn that is the ARN of a role.", uri)
	}
	return nil
}

// keyARN completes a key's id or alias, before it is used.
func (s *Service) keyARN(id string) string {
	switch {
	case id == "" || strings.HasPrefix(id, "arn:"):
		return id
	case strings.HasPrefix(id, "alias/"):
		return "arn:aws:kms:" + s.region + ":" + s.account + ":" + id
	}
	return "arn:aws:kms:" + s.region + ":" + s.account + ":key/" + id
}

func (s *Service) listProfiles(q *request) (any, *api.Error) {
	app, err := s.application(q)
	if err != nil {
		return nil, err
	}
	profiles := app.profiles
	if kind := q.query("type"); kind != "" && kind != freeform {
		profiles = nil
	}
	return paginate(q, infos(profiles, func(p *profile) profileSummary {
		var types []string
		for _, v := range p.Validators {
			types = append(types, v.Type)
		}
		return profileSummary{
			ApplicationId: p.ApplicationId, Id: p.Id, Name: p.Name, LocationUri: p.LocationUri, Type: p.Type,
			ValidatorTypes: types,
		}
	}))
}

func (s *Service) getProfile(q *request) (any, *api.Error) {
	p, err := s.profile(q)
	if err != nil {
		return nil, err
	}
	return p.profileInfo, nil
}

type updateProfileInput struct {
	updateInput
	RetrievalRoleArn *string
	KmsKeyIdentifier *string
	Validators       *[]validator
}

func (s *Service) updateProfile(q *request, in updateProfileInput) (any, *api.Error) {
	p, err := s.profile(q)
	if err != nil {
		return nil, err
	}
	if in.RetrievalRoleArn != nil {
		if err := checkLocation(p.LocationUri, *in.RetrievalRoleArn); err != nil {
			return nil, err
		}
	}
	if role := in.RetrievalRoleArn; role != nil && *role != "" {
		if err := s.passRole(q.call, *role); err != nil {
			return nil, err
		}
	}
	if in.Validators != nil {
		if err := checkValidators(*in.Validators); err != nil {
			return nil, err
		}
	}
	if err := in.apply(&p.Name, &p.Description, maxProfileName); err != nil {
		return nil, err
	}
	set(&p.RetrievalRoleArn, in.RetrievalRoleArn)
	set(&p.KmsKeyIdentifier, in.KmsKeyIdentifier)
	set(&p.Validators, in.Validators)
	p.KmsKeyArn = s.keyARN(p.KmsKeyIdentifier)
	return p.profileInfo, nil
}

// deleteProfile refuses while there are hosted versions or a deployment of the profile is in progress.
func (s *Service) deleteProfile(q *request) (any, *api.Error) {
	p, err := s.profile(q)
	if err != nil {
		return nil, err
	}
	app, _ := s.application(q)
	now := s.clock()
	if len(p.versions) > 0 {
		return nil, conflict("Configuration profile %s still has hosted configuration versions.", p.Id)
	}
	for _, env := range app.environments {
		if d := env.running(now); d != nil && d.ConfigurationProfileId == p.Id {
			return nil, conflict("Configuration profile %s is being deployed to environment %s.", p.Id, env.Id)
		}
	}
	if err := s.checkProtection(q, "Configuration profile", p.lastRead); err != nil {
		return nil, err
	}
	app.profiles = slices.DeleteFunc(app.profiles, func(other *profile) bool { return other == p })
	s.forgetTags(s.arnf("application/%s/configurationprofile/%s", app.Id, p.Id))
	return nil, nil
}
