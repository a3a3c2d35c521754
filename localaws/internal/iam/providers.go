package iam

import (
	"fmt"
	"maps"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/pinnace-dev/pinnace/localaws/internal/api"
	"github.com/pinnace-dev/pinnace/localaws/internal/iam/awsquery"
)

// CheckIssuer says whether localaws may ask a URL for an identity provider's keys: https, or http on a loopback host.
// AWS takes https alone; the exception is what lets a local issuer do without certificates.
func CheckIssuer(u *url.URL) error {
	switch {
	case u.Scheme == "https" && u.Host != "", u.Scheme == "http" && loopback(u.Hostname()):
		return nil
	case u.Scheme == "http":
		return fmt.Errorf("%s is http on a host other than the loopback", u.Redacted())
	}
	return fmt.Errorf("%s is not an https URL", u.Redacted())
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func (s *Service) createProvider(form url.Values) (any, *api.Error) {
	p := &provider{
		Provider:    Provider{Issuer: form.Get("Url"), ClientIDs: awsquery.List(form, "ClientIDList")},
		thumbprints: awsquery.List(form, "ThumbprintList"), created: s.now(), tags: map[string]string{},
	}
	if err := checkProvider(p); err != nil {
		return nil, err
	}
	if err := addTags(p.tags, form); err != nil {
		return nil, err
	}
	p.ARN = s.arn("oidc-provider", "/", p.url())
	if _, ok := s.providers[p.ARN]; ok {
		return nil, alreadyExists("Provider with url %s already exists.", p.Issuer)
	}
	s.providers[p.ARN] = p
	return struct {
		OpenIDConnectProviderArn string
		Tags                     []awsquery.Tag `xml:"Tags>member"`
	}{p.ARN, tagList(p.tags)}, nil
}

func checkProvider(p *provider) *api.Error {
	u, err := url.Parse(p.Issuer)
	if err != nil || len(p.Issuer) > maxProviderURL || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		return validationError("Invalid Open ID Connect Provider URL")
	}
	if err := CheckIssuer(u); err != nil {
		return validationError("Invalid Open ID Connect Provider URL: %v", err)
	}
	if len(p.ClientIDs) > maxClientIDs {
		return limitExceeded("Cannot exceed quota for ClientIdsPerOpenIdConnectProvider: %d", maxClientIDs)
	}
	return checkThumbprints(p.thumbprints)
}

// checkThumbprints checks the form alone: localaws trusts an issuer's certificate by the system's roots.
func checkThumbprints(list []string) *api.Error {
	if len(list) > maxThumbprints {
		return invalidInput("Thumbprint list must contain fewer than %d entries.", maxThumbprints+1)
	}
	for _, thumbprint := range list {
		if !thumbprintPattern().MatchString(thumbprint) {
			return validationError("Thumbprint %q is not 40 hexadecimal digits", thumbprint)
		}
	}
	return nil
}

func (s *Service) getProvider(form url.Values) (any, *api.Error) {
	p, err := s.findProvider(form)
	if err != nil {
		return nil, err
	}
	return struct {
		URL            string   `xml:"Url"`
		ClientIDList   []string `xml:"ClientIDList>member"`
		ThumbprintList []string `xml:"ThumbprintList>member"`
		CreateDate     time.Time
		Tags           []awsquery.Tag `xml:"Tags>member"`
	}{p.url(), p.ClientIDs, p.thumbprints, p.created, tagList(p.tags)}, nil
}

func (s *Service) deleteProvider(form url.Values) (any, *api.Error) {
	p, err := s.findProvider(form)
	if err != nil {
		return nil, err
	}
	delete(s.providers, p.ARN)
	return nil, nil
}

func (s *Service) listProviders(url.Values) (any, *api.Error) {
	type entry struct{ Arn string }
	var list []entry
	for _, arn := range slices.Sorted(maps.Keys(s.providers)) {
		list = append(list, entry{arn})
	}
	return struct {
		List []entry `xml:"OpenIDConnectProviderList>member"`
	}{list}, nil
}

func (s *Service) addClientID(form url.Values) (any, *api.Error) {
	p, err := s.findProvider(form)
	if err != nil {
		return nil, err
	}
	id := strings.TrimSpace(form.Get("ClientID"))
	switch {
	case id == "" || len(id) > 255:
		return nil, validationError("1 validation error detected: 'clientID' has 1 to 255 characters")
	case slices.Contains(p.ClientIDs, id):
		return nil, nil
	case len(p.ClientIDs) == maxClientIDs:
		return nil, limitExceeded("Cannot exceed quota for ClientIdsPerOpenIdConnectProvider: %d", maxClientIDs)
	}
	p.ClientIDs = append(slices.Clip(p.ClientIDs), id)
	return nil, nil
}

func (s *Service) removeClientID(form url.Values) (any, *api.Error) {
	p, err := s.findProvider(form)
	if err != nil {
		return nil, err
	}
	p.ClientIDs = slices.DeleteFunc(p.ClientIDs, func(id string) bool { return id == form.Get("ClientID") })
	return nil, nil
}

func (s *Service) updateThumbprints(form url.Values) (any, *api.Error) {
	p, err := s.findProvider(form)
	if err != nil {
		return nil, err
	}
	list := awsquery.List(form, "ThumbprintList")
	if err := checkThumbprints(list); err != nil {
		return nil, err
	}
	p.thumbprints = list
	return nil, nil
}
