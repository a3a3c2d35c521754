package podidentity

import (
	"crypto/rand"
	"encoding/json"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/pinnace-dev/pinnace/localaws/internal/api"
	"github.com/pinnace-dev/pinnace/localaws/internal/awsjson"
)

const (
	eksPrefix = "eks:"
	maxTags   = 50
)

// EKS is what Amazon EKS has for the associations of a Service: their part of its API, in REST-JSON, and their tags.
// Any name of a cluster will do. Target roles, session policies and associations without session tags are refused.
type EKS struct{ *Service }

var _ api.Handler = EKS{}

// target is what a request is about, as its path says.
type target struct {
	cluster, id string
	arn         string // of tags
}

// eksRoute is one operation, by its method and the form of its path.
type eksRoute struct {
	action  string
	perform func(EKS, *api.Call, target) (any, *api.Error)
}

var eksRoutes = map[string]eksRoute{
	"POST associations":  {"CreatePodIdentityAssociation", EKS.create},
	"GET associations":   {"ListPodIdentityAssociations", EKS.list},
	"GET association":    {"DescribePodIdentityAssociation", EKS.describe},
	"POST association":   {"UpdatePodIdentityAssociation", EKS.update},
	"DELETE association": {"DeletePodIdentityAssociation", EKS.delete},
	"GET tags":           {"ListTagsForResource", EKS.listTags},
	"POST tags":          {"TagResource", EKS.tag},
	"DELETE tags":        {"UntagResource", EKS.untag},
}

// route finds the operation of a request. Slashes in an ARN arrive escaped.
func route(r *http.Request) (eksRoute, target) {
	var parts []string
	for part := range strings.SplitSeq(strings.Trim(r.URL.EscapedPath(), "/"), "/") {
		plain, err := url.PathUnescape(part)
		if err != nil {
			return eksRoute{}, target{}
		}
		parts = append(parts, plain)
	}
	switch n := len(parts); {
	case n == 2 && parts[0] == "tags":
		return eksRoutes[r.Method+" tags"], target{arn: parts[1]}
	case n < 3 || n > 4 || parts[0] != "clusters" || parts[2] != "pod-identity-associations":
		return eksRoute{}, target{}
	case n == 3:
		return eksRoutes[r.Method+" associations"], target{cluster: parts[1]}
	}
	return eksRoutes[r.Method+" association"], target{cluster: parts[1], id: parts[3]}
}

// Action implements api.Handler.
func (e EKS) Action(c *api.Call) string {
	if r, _ := route(c.Request); r.perform != nil {
		return eksPrefix + r.action
	}
	return ""
}

// Serve implements api.Handler.
func (e EKS) Serve(w http.ResponseWriter, c *api.Call) {
	r, at := route(c.Request)
	if r.perform == nil {
		e.Refuse(w, c, api.Errorf("NotImplemented", http.StatusNotImplemented,
			"localaws has of EKS the associations of Pod Identity alone, not %s %s", c.Request.Method, c.Request.URL.Path))
		return
	}
	e.mu.Lock()
	out, err := r.perform(e, c, at)
	e.mu.Unlock()
	if err != nil {
		e.Refuse(w, c, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(out) // the caller is gone when this fails
}

// Refuse implements api.Handler.
func (e EKS) Refuse(w http.ResponseWriter, c *api.Call, err *api.Error) {
	code := err.Code
	if code == "AccessDenied" {
		code = "AccessDeniedException"
	}
	e.cfg.Log.DebugContext(c.Request.Context(), "eks call refused", slog.String("code", code))
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Amzn-Errortype", code)
	w.WriteHeader(err.Status)
	_ = json.NewEncoder(w).Encode(map[string]string{"message": err.Message})
}

// associationJSON is PodIdentityAssociation of the API reference.
type associationJSON struct {
	ClusterName        string            `json:"clusterName"`
	Namespace          string            `json:"namespace"`
	ServiceAccount     string            `json:"serviceAccount"`
	AssociationARN     string            `json:"associationArn"`
	AssociationID      string            `json:"associationId"`
	RoleARN            string            `json:"roleArn,omitempty"`
	Tags               map[string]string `json:"tags,omitempty"`
	CreatedAt          awsjson.Epoch     `json:"createdAt,omitzero"`
	ModifiedAt         awsjson.Epoch     `json:"modifiedAt,omitzero"`
	DisableSessionTags *bool             `json:"disableSessionTags,omitempty"`
}

func (e EKS) associationARN(cluster, id string) string {
	return "arn:aws:eks:" + e.cfg.Region + ":" + e.cfg.Account + ":podidentityassociation/" + cluster + "/" + id
}

// view is an association as answers have it; short as lists have it.
func (e EKS) view(a *association, short bool) associationJSON {
	out := associationJSON{
		ClusterName: a.cluster, Namespace: a.namespace, ServiceAccount: a.serviceAccount,
		AssociationARN: e.associationARN(a.cluster, a.id), AssociationID: a.id,
	}
	if !short {
		out.RoleARN, out.Tags, out.DisableSessionTags = a.role, maps.Clone(a.tags), new(bool)
		out.CreatedAt, out.ModifiedAt = awsjson.Epoch(a.created), awsjson.Epoch(a.modified)
	}
	return out
}

type associationAnswer struct {
	Association associationJSON `json:"association"`
}

// associationInput is the body of what makes and changes associations.
type associationInput struct {
	Namespace          string            `json:"namespace"`
	ServiceAccount     string            `json:"serviceAccount"`
	RoleARN            string            `json:"roleArn"`
	Tags               map[string]string `json:"tags"`
	DisableSessionTags bool              `json:"disableSessionTags"`
	TargetRoleARN      string            `json:"targetRoleArn"`
	Policy             string            `json:"policy"`
}

func invalidParameter(format string, args ...any) *api.Error {
	return api.Errorf("InvalidParameterException", http.StatusBadRequest, format, args...)
}

func decode(c *api.Call, into any) *api.Error {
	if len(c.Body) == 0 {
		return nil
	}
	if err := json.Unmarshal(c.Body, into); err != nil {
		return invalidParameter("The request is not what the operation takes: %v", err)
	}
	return nil
}

func (in associationInput) check() *api.Error {
	if in.DisableSessionTags || in.TargetRoleARN != "" || in.Policy != "" {
		return invalidParameter("localaws does not emulate disableSessionTags, targetRoleArn and policy of an association")
	}
	return checkTags(in.Tags)
}

func checkTags(tags map[string]string) *api.Error {
	if len(tags) > maxTags {
		return invalidParameter("A resource can have at most %d tags", maxTags)
	}
	for key, value := range tags {
		if key == "" || len(key) > 128 || len(value) > 256 {
			return invalidParameter("A tag's key has 1 to 128 characters and its value at most 256")
		}
	}
	return nil
}

func requestTags(tags map[string]string) map[string][]string {
	condition := map[string][]string{}
	for key, value := range tags {
		condition["aws:RequestTag/"+key] = []string{value}
		condition["aws:TagKeys"] = append(condition["aws:TagKeys"], key)
	}
	return condition
}

func (e EKS) allow(c *api.Call, action, resource string, condition map[string][]string) *api.Error {
	return e.cfg.Directory.Allow(c, api.Question{Action: eksPrefix + action, Resource: resource, Condition: condition})
}

// passRole asks whether the caller may hand a role to EKS.
func (e EKS) passRole(c *api.Call, role string) *api.Error {
	if !strings.HasPrefix(role, "arn:aws:iam::"+e.cfg.Account+":role/") {
		return invalidParameter("The role %s is not one of this account", role)
	}
	return e.cfg.Directory.Allow(c, api.Question{
		Action: "iam:PassRole", Resource: role, Condition: map[string][]string{"iam:PassedToService": {Principal}},
	})
}

func (e EKS) create(c *api.Call, at target) (any, *api.Error) {
	var in associationInput
	if err := decode(c, &in); err != nil {
		return nil, err
	}
	cluster := e.clusterARN(Association{Cluster: at.cluster})
	if err := e.allow(c, "CreatePodIdentityAssociation", cluster, requestTags(in.Tags)); err != nil {
		return nil, err
	}
	if in.Namespace == "" || in.ServiceAccount == "" {
		return nil, invalidParameter("An association needs a namespace and a service account")
	}
	if err := in.check(); err != nil {
		return nil, err
	}
	if err := e.passRole(c, in.RoleARN); err != nil {
		return nil, err
	}
	where := place{at.cluster, in.Namespace, in.ServiceAccount}
	if existing := e.associations[where]; existing != nil {
		return nil, api.Errorf("ResourceInUseException", http.StatusConflict, "Association already exists: %s", existing.id)
	}
	return associationAnswer{e.view(e.add(where, in.RoleARN, in.Tags), false)}, nil
}

// open authorises an action on the association that a path names, then gives it.
func (e EKS) open(c *api.Call, action string, at target, condition map[string][]string) (*association, *api.Error) {
	arn := e.associationARN(at.cluster, at.id)
	all := maps.Clone(condition)
	if all == nil {
		all = map[string][]string{}
	}
	var found *association
	for _, a := range e.associations {
		if a.id == at.id && a.cluster == at.cluster {
			found = a
			for key, value := range a.tags {
				all["aws:ResourceTag/"+key] = []string{value}
			}
		}
	}
	if err := e.allow(c, action, arn, all); err != nil {
		return nil, err
	}
	if found == nil {
		return nil, api.Errorf("ResourceNotFoundException", http.StatusNotFound,
			"The associationID '%s' in cluster '%s' could not be found", at.id, at.cluster)
	}
	return found, nil
}

func (e EKS) describe(c *api.Call, at target) (any, *api.Error) {
	a, err := e.open(c, "DescribePodIdentityAssociation", at, nil)
	if err != nil {
		return nil, err
	}
	return associationAnswer{e.view(a, false)}, nil
}

func (e EKS) update(c *api.Call, at target) (any, *api.Error) {
	a, err := e.open(c, "UpdatePodIdentityAssociation", at, nil)
	if err != nil {
		return nil, err
	}
	var in associationInput
	if err := decode(c, &in); err != nil {
		return nil, err
	}
	if err := in.check(); err != nil {
		return nil, err
	}
	if in.RoleARN != "" {
		if err := e.passRole(c, in.RoleARN); err != nil {
			return nil, err
		}
		a.role, a.modified = in.RoleARN, e.cfg.Clock()
	}
	return associationAnswer{e.view(a, false)}, nil
}

func (e EKS) delete(c *api.Call, at target) (any, *api.Error) {
	a, err := e.open(c, "DeletePodIdentityAssociation", at, nil)
	if err != nil {
		return nil, err
	}
	delete(e.associations, a.place)
	return associationAnswer{e.view(a, false)}, nil
}

// list answers all on one page.
func (e EKS) list(c *api.Call, at target) (any, *api.Error) {
	cluster := e.clusterARN(Association{Cluster: at.cluster})
	if err := e.allow(c, "ListPodIdentityAssociations", cluster, nil); err != nil {
		return nil, err
	}
	query := c.Request.URL.Query()
	matches := func(name, value string) bool { return query.Get(name) == "" || query.Get(name) == value }
	found := []associationJSON{}
	for where, a := range e.associations {
		if where.cluster == at.cluster && matches("namespace", a.namespace) && matches("serviceAccount", a.serviceAccount) {
			found = append(found, e.view(a, true))
		}
	}
	slices.SortFunc(found, func(a, b associationJSON) int { return strings.Compare(a.AssociationID, b.AssociationID) })
	return struct {
		Associations []associationJSON `json:"associations"`
	}{found}, nil
}

// openTags is open for what names an association by its ARN.
func (e EKS) openTags(c *api.Call, action string, at target, condition map[string][]string) (*association, *api.Error) {
	parts := strings.Split(at.arn, "/")
	if len(parts) != 3 || at.arn != e.associationARN(parts[1], parts[2]) {
		return nil, invalidParameter("%s is not the ARN of an association: localaws has nothing else of EKS", at.arn)
	}
	return e.open(c, action, target{cluster: parts[1], id: parts[2]}, condition)
}

func (e EKS) listTags(c *api.Call, at target) (any, *api.Error) {
	a, err := e.openTags(c, "ListTagsForResource", at, nil)
	if err != nil {
		return nil, err
	}
	return map[string]map[string]string{"tags": maps.Clone(a.tags)}, nil
}

func (e EKS) tag(c *api.Call, at target) (any, *api.Error) {
	var in associationInput
	if err := decode(c, &in); err != nil {
		return nil, err
	}
	a, err := e.openTags(c, "TagResource", at, requestTags(in.Tags))
	if err != nil {
		return nil, err
	}
	merged := maps.Clone(a.tags)
	maps.Copy(merged, in.Tags)
	if err := checkTags(merged); err != nil {
		return nil, err
	}
	a.tags = merged
	return struct{}{}, nil
}

func (e EKS) untag(c *api.Call, at target) (any, *api.Error) {
	keys := c.Request.URL.Query()["tagKeys"]
	a, err := e.openTags(c, "UntagResource", at, map[string][]string{"aws:TagKeys": keys})
	if err != nil {
		return nil, err
	}
	for _, key := range keys {
		delete(a.tags, key)
	}
	return struct{}{}, nil
}

// newID is of the form that EKS gives: a- and 17 lower-case letters and digits.
func newID() string { return "a-" + strings.ToLower(rand.Text())[:17] }
