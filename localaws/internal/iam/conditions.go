package iam

import (
	"maps"
	"net"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/pinnace-dev/pinnace/localaws/internal/api"
)

// conditions gives the condition keys of a call: those that the service knows, under the global ones.
// aws:username is absent, since there are no users.
func (s *Service) conditions(c *api.Call, who subject, service map[string][]string) map[string][]string {
	now := s.cfg.Clock().UTC()
	region := c.Region
	if region == "" {
		region = s.cfg.Region
	}
	keys := maps.Clone(service)
	if keys == nil {
		keys = map[string][]string{}
	}
	set := func(key, value string) {
		if value != "" {
			keys[key] = []string{value}
		}
	}
	set("aws:CurrentTime", now.Format(time.RFC3339))
	set("aws:EpochTime", strconv.FormatInt(now.Unix(), 10))
	set("aws:RequestedRegion", region)
	set("aws:SecureTransport", strconv.FormatBool(!s.cfg.InsecureTransport))
	set("aws:SourceIp", sourceIP(c.Request))
	set("aws:PrincipalIsAWSService", strconv.FormatBool(who.principal.Kind == api.Service))
	switch p := who.principal; p.Kind {
	case api.Anonymous:
		set("aws:PrincipalType", "Anonymous")
		set("aws:userid", "anonymous")
	case api.Service:
		set("aws:PrincipalServiceName", p.ARN)
	case api.Root:
		set("aws:PrincipalType", "Account")
		set("aws:PrincipalArn", p.ARN)
		set("aws:PrincipalAccount", p.Account)
		set("aws:userid", p.UserID)
	case api.Session:
		set("aws:PrincipalType", "AssumedRole")
		set("aws:PrincipalArn", p.Role)
		set("aws:PrincipalAccount", p.Account)
		set("aws:userid", p.UserID)
	}
	for key, value := range who.tags {
		keys["aws:PrincipalTag/"+key] = []string{value}
	}
	return keys
}

// withRequestTags adds the keys of tags that a request carries to a copy of keys.
func withRequestTags(keys map[string][]string, tags map[string]string) map[string][]string {
	all := map[string][]string{"aws:TagKeys": slices.Sorted(maps.Keys(tags))}
	maps.Copy(all, keys)
	for key, value := range tags {
		all["aws:RequestTag/"+key] = []string{value}
	}
	return all
}

func sourceIP(r *http.Request) string {
	if r == nil {
		return ""
	}
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return ""
	}
	return host
}
