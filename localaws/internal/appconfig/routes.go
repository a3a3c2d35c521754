package appconfig

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"

	"github.com/pinnace-dev/pinnace/localaws/internal/api"
)

const actionPrefix = "appconfig:"

// Templates of paths and, without the leading part of an ARN, of resources. {name} is a parameter.
const (
	appsPath     = "/applications"
	appPath      = appsPath + "/{app}"
	envsPath     = appPath + "/environments"
	envPath      = envsPath + "/{env}"
	profilesPath = appPath + "/configurationprofiles"
	profilePath  = profilesPath + "/{profile}"
	versionsPath = profilePath + "/hostedconfigurationversions"
	versionPath  = versionsPath + "/{version}"
	deploysPath  = envPath + "/deployments"
	deployPath   = deploysPath + "/{deployment}"

	everything      = "*"
	asksItself      = "" // the handler knows the resource only after reading the request
	appResource     = "application/{app}"
	envResource     = appResource + "/environment/{env}"
	profileResource = appResource + "/configurationprofile/{profile}"
	versionResource = profileResource + "/hostedconfigurationversion/{version}"
	deployResource  = envResource + "/deployment/{deployment}"
	stratResource   = "deploymentstrategy/{strategy}"
)

// route is one operation: how it is asked for, what the caller needs permission on, and what it does. perform runs with
// the lock held and gives a value to answer as JSON, a rawAnswer, or nil for no body.
type route struct {
	method, path string
	action       string
	resource     string
	status       int
	perform      func(*Service, *request) (any, *api.Error)
}

var routes = []route{
	{"POST", appsPath, "CreateApplication", everything, 201, on((*Service).createApplication)},
	{"GET", appsPath, "ListApplications", everything, 200, (*Service).listApplications},
	{"GET", appPath, "GetApplication", appResource, 200, (*Service).getApplication},
	{"PATCH", appPath, "UpdateApplication", appResource, 200, on((*Service).updateApplication)},
	{"DELETE", appPath, "DeleteApplication", appResource, 204, (*Service).deleteApplication},

	{"POST", envsPath, "CreateEnvironment", appResource, 201, on((*Service).createEnvironment)},
	{"GET", envsPath, "ListEnvironments", appResource, 200, (*Service).listEnvironments},
	{"GET", envPath, "GetEnvironment", envResource, 200, (*Service).getEnvironment},
	{"PATCH", envPath, "UpdateEnvironment", envResource, 200, on((*Service).updateEnvironment)},
	{"DELETE", envPath, "DeleteEnvironment", envResource, 204, (*Service).deleteEnvironment},

	{"POST", profilesPath, "CreateConfigurationProfile", appResource, 201, on((*Service).createProfile)},
	{"GET", profilesPath, "ListConfigurationProfiles", appResource, 200, (*Service).listProfiles},
	{"GET", profilePath, "GetConfigurationProfile", profileResource, 200, (*Service).getProfile},
	{"PATCH", profilePath, "UpdateConfigurationProfile", profileResource, 200, on((*Service).updateProfile)},
	{"DELETE", profilePath, "DeleteConfigurationProfile", profileResource, 204, (*Service).deleteProfile},
	{"POST", profilePath + "/validators", "ValidateConfiguration", profileResource, 204, (*Service).validate},

	{"POST", versionsPath, createHosted, profileResource, 201, (*Service).createHostedVersion},
	{"GET", versionsPath, "ListHostedConfigurationVersions", profileResource, 200, (*Service).listHostedVersions},
	{"GET", versionPath, "GetHostedConfigurationVersion", versionResource, 200, (*Service).getHostedVersion},
	{"DELETE", versionPath, "DeleteHostedConfigurationVersion", versionResource, 204, (*Service).deleteHostedVersion},

	{"POST", "/deploymentstrategies", "CreateDeploymentStrategy", everything, 201, on((*Service).createStrategy)},
	{"GET", "/deploymentstrategies", "ListDeploymentStrategies", everything, 200, (*Service).listStrategies},
	{"GET", "/deploymentstrategies/{strategy}", "GetDeploymentStrategy", stratResource, 200, (*Service).getStrategy},
	{
		"PATCH", "/deploymentstrategies/{strategy}", "UpdateDeploymentStrategy", stratResource, 200,
		on((*Service).updateStrategy),
	},
	// the path is misspelt in the service's own model
	{
		"DELETE", "/deployementstrategies/{strategy}", "DeleteDeploymentStrategy", stratResource, 204,
		(*Service).deleteStrategy,
	},

	{"POST", deploysPath, "StartDeployment", asksItself, 201, on((*Service).startDeployment)},
	{"GET", deploysPath, "ListDeployments", envResource, 200, (*Service).listDeployments},
	{"GET", deployPath, "GetDeployment", deployResource, 200, (*Service).getDeployment},
	{"DELETE", deployPath, "StopDeployment", deployResource, 202, (*Service).stopDeployment},

	{"GET", "/tags/{arn}", "ListTagsForResource", "{arn}", 200, (*Service).listTags},
	{"POST", "/tags/{arn}", "TagResource", "{arn}", 204, on((*Service).tagResource)},
	{"DELETE", "/tags/{arn}", "UntagResource", "{arn}", 204, (*Service).untagResource},
	{"GET", "/settings", "GetAccountSettings", everything, 200, (*Service).getSettings},
	{"PATCH", "/settings", "UpdateAccountSettings", everything, 200, on((*Service).updateSettings)},

	{"POST", "/configurationsessions", "StartConfigurationSession", asksItself, 201, on((*Service).startSession)},
	{"GET", "/configuration", "GetLatestConfiguration", asksItself, 200, (*Service).latestConfiguration},

	{"GET", envPath + "/configurations/{configuration}", "GetConfiguration", envResource, 200, notEmulated},
	{"POST", "/extensions", "CreateExtension", everything, 201, notEmulated},
	{"GET", "/extensions", "ListExtensions", everything, 200, notEmulated},
	{"GET", "/extensions/{extension}", "GetExtension", everything, 200, notEmulated},
	{"PATCH", "/extensions/{extension}", "UpdateExtension", everything, 200, notEmulated},
	{"DELETE", "/extensions/{extension}", "DeleteExtension", everything, 204, notEmulated},
	{"POST", "/extensionassociations", "CreateExtensionAssociation", everything, 201, notEmulated},
	{"GET", "/extensionassociations", "ListExtensionAssociations", everything, 200, notEmulated},
	{"GET", "/extensionassociations/{extension}", "GetExtensionAssociation", everything, 200, notEmulated},
	{"PATCH", "/extensionassociations/{extension}", "UpdateExtensionAssociation", everything, 200, notEmulated},
	{"DELETE", "/extensionassociations/{extension}", "DeleteExtensionAssociation", everything, 204, notEmulated},
}

// createHosted is the one operation whose request body is not JSON of ours.
const createHosted = "CreateHostedConfigurationVersion"

func notEmulated(*Service, *request) (any, *api.Error) {
	return nil, badRequest("This operation is not emulated.")
}

// match finds the operation of a request and the values of its path's parameters. A slash inside a parameter arrives
// escaped, so the path is split before it is unescaped.
func match(r *http.Request) (*route, map[string]string) {
	segments := strings.Split(strings.TrimSuffix(r.URL.EscapedPath(), "/"), "/")
	for i := range routes {
		if routes[i].method != r.Method {
			continue
		}
		if params, ok := matchPath(strings.Split(routes[i].path, "/"), segments); ok {
			return &routes[i], params
		}
	}
	return nil, nil
}

func matchPath(template, segments []string) (map[string]string, bool) {
	if len(template) != len(segments) {
		return nil, false
	}
	params := map[string]string{}
	for i, want := range template {
		got, err := url.PathUnescape(segments[i])
		switch {
		case err != nil:
			return nil, false
		case strings.HasPrefix(want, "{") && got != "":
			params[strings.Trim(want, "{}")] = got
		case want != got:
			return nil, false
		}
	}
	return params, true
}

// request is a call whose path has been read.
type request struct {
	call   *api.Call
	params map[string]string
}

// fill puts the path's parameters into a template of a resource.
func (q *request) fill(template string) string {
	var pairs []string
	for name, value := range q.params {
		pairs = append(pairs, "{"+name+"}", value)
	}
	return strings.NewReplacer(pairs...).Replace(template)
}

func (q *request) query(name string) string { return q.call.Request.URL.Query().Get(name) }

func (q *request) header(name string) string { return q.call.Request.Header.Get(name) }

// on decodes the request's JSON body for an operation.
func on[In any](f func(*Service, *request, In) (any, *api.Error)) func(*Service, *request) (any, *api.Error) {
	return func(s *Service, q *request) (any, *api.Error) {
		var in In
		if len(q.call.Body) > 0 {
			if err := json.Unmarshal(q.call.Body, &in); err != nil {
				return nil, badRequest("The request is not what the operation takes: %v", err)
			}
		}
		return f(s, q, in)
	}
}
