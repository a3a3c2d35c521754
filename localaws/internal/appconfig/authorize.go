package appconfig

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"math/big"
	"net/http"
	"strings"

	"github.com/pinnace-dev/pinnace/localaws/internal/api"
)

const (
	principalName = "appconfig.amazonaws.com" // whom a retrieval role trusts
	idLength      = 7
	idAlphabet    = "abcdefghijklmnopqrstuvwxyz0123456789"
)

// newID draws the id of an application, environment, profile or strategy.
func (s *Service) newID() (string, *api.Error) {
	var id strings.Builder
	for range idLength {
		i, err := rand.Int(s.rand, big.NewInt(int64(len(idAlphabet))))
		if err != nil {
			return "", internalError(fmt.Errorf("drawing an id: %w", err))
		}
		id.WriteByte(idAlphabet[i.Int64()])
	}
	return id.String(), nil
}

// arn completes a resource such as "application/abc1234"; "*" and complete ARNs stay as they are.
func (s *Service) arn(resource string) string {
	if resource == everything || strings.HasPrefix(resource, "arn:") {
		return resource
	}
	return "arn:aws:appconfig:" + s.region + ":" + s.account + ":" + resource
}

func (s *Service) arnf(format string, args ...any) string { return s.arn(fmt.Sprintf(format, args...)) }

// allow asks for one action on one resource, whose tags are among the conditions.
func (s *Service) allow(c *api.Call, action, resource string, condition map[string][]string) *api.Error {
	q := api.Question{Action: actionPrefix + action, Resource: resource, Condition: map[string][]string{}}
	for key, values := range condition {
		q.Condition[key] = values
	}
	for key, value := range s.tags[resource] {
		q.Condition["aws:ResourceTag/"+key] = []string{value}
	}
	return s.access.Allow(c, q)
}

// tagConditions gives the keys by which policies rule which tags a call may set or remove.
func (q *request) tagConditions(r *route) map[string][]string {
	if r.method == http.MethodGet || r.action == createHosted {
		return nil
	}
	out := map[string][]string{}
	if keys := q.call.Request.URL.Query()["tagKeys"]; len(keys) > 0 {
		out["aws:TagKeys"] = keys
	}
	var in struct{ Tags map[string]string }
	_ = json.Unmarshal(q.call.Body, &in) // the operation itself refuses what is not JSON
	addRequestTags(out, in.Tags)
	return out
}

func addRequestTags(condition map[string][]string, tags map[string]string) {
	for key, value := range tags {
		condition["aws:RequestTag/"+key] = []string{value}
		condition["aws:TagKeys"] = append(condition["aws:TagKeys"], key)
	}
}

// passRole asks whether the caller may hand a role to AppConfig.
func (s *Service) passRole(c *api.Call, role string) *api.Error {
	return s.access.Allow(c, api.Question{
		Action: "iam:PassRole", Resource: role,
		Condition: map[string][]string{"iam:PassedToService": {principalName}},
	})
}
