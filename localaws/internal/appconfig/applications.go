package appconfig

import (
	"slices"

	"github.com/pinnace-dev/pinnace/localaws/internal/api"
)

const maxApplications = 100

// application holds what belongs together; applicationInfo is what the wire shows of it.
type application struct {
	applicationInfo
	environments []*environment
	profiles     []*profile
}

type applicationInfo struct {
	Id          string
	Name        string
	Description string `json:",omitempty"`
}

// pick gives the first element that matches, or nil.
func pick[T any](list []*T, match func(*T) bool) *T {
	if i := slices.IndexFunc(list, match); i >= 0 {
		return list[i]
	}
	return nil
}

// infos turns a list into what the wire shows of it.
func infos[T, Info any](list []*T, info func(*T) Info) []Info {
	out := make([]Info, 0, len(list))
	for _, item := range list {
		out = append(out, info(item))
	}
	return out
}

func (s *Service) application(q *request) (*application, *api.Error) {
	id := q.params["app"]
	app := pick(s.applications, func(a *application) bool { return a.Id == id })
	if app == nil {
		return nil, notFound("Application", id)
	}
	return app, nil
}

type createApplicationInput struct {
	Name        string
	Description string
	Tags        map[string]string
}

func (s *Service) createApplication(_ *request, in createApplicationInput) (any, *api.Error) {
	if err := checkTexts(in.Name, maxName, in.Description); err != nil {
		return nil, err
	}
	if len(s.applications) >= maxApplications {
		return nil, quotaExceeded("applications", maxApplications)
	}
	id, err := s.newID()
	if err != nil {
		return nil, err
	}
	app := &application{applicationInfo: applicationInfo{Id: id, Name: in.Name, Description: in.Description}}
	if err := s.setTags(s.arnf("application/%s", id), in.Tags); err != nil {
		return nil, err
	}
	s.applications = append(s.applications, app)
	return app.applicationInfo, nil
}

func (s *Service) listApplications(q *request) (any, *api.Error) {
	return paginate(q, infos(s.applications, func(a *application) applicationInfo { return a.applicationInfo }))
}

func (s *Service) getApplication(q *request) (any, *api.Error) {
	app, err := s.application(q)
	if err != nil {
		return nil, err
	}
	return app.applicationInfo, nil
}

type updateInput struct {
	Name        *string
	Description *string
}

// apply changes what is given, when all of it is valid.
func (in updateInput) apply(name, description *string, most int) *api.Error {
	newName, newDescription := *name, *description
	set(&newName, in.Name)
	set(&newDescription, in.Description)
	if err := checkTexts(newName, most, newDescription); err != nil {
		return err
	}
	*name, *description = newName, newDescription
	return nil
}

func (s *Service) updateApplication(q *request, in updateInput) (any, *api.Error) {
	app, err := s.application(q)
	if err != nil {
		return nil, err
	}
	if err := in.apply(&app.Name, &app.Description, maxName); err != nil {
		return nil, err
	}
	return app.applicationInfo, nil
}

// deleteApplication refuses while the application has environments or profiles.
func (s *Service) deleteApplication(q *request) (any, *api.Error) {
	app, err := s.application(q)
	if err != nil {
		return nil, err
	}
	if len(app.environments)+len(app.profiles) > 0 {
		return nil, badRequest("Application %s still has environments or configuration profiles.", app.Id)
	}
	s.applications = slices.DeleteFunc(s.applications, func(a *application) bool { return a == app })
	delete(s.tags, s.arnf("application/%s", app.Id))
	return nil, nil
}
