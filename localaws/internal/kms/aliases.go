package kms

import (
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/pinnace-dev/pinnace/localaws/internal/api"
	"github.com/pinnace-dev/pinnace/localaws/internal/awsjson"
)

const aliasPrefix = "alias/"

var validAlias = regexp.MustCompile(`^alias/[A-Za-z0-9/_-]{1,250}$`)

// alias is a name of a key.
type alias struct {
	key              string // its id
	created, updated time.Time
}

type aliasInput struct{ AliasName, TargetKeyId string }

// allowAlias asks for an action on an alias, of which only the caller's own policies speak.
func (s *Service) allowAlias(c *api.Call, action, name string) *api.Error {
	return s.cfg.Access.Allow(c, api.Question{Action: actionPrefix + action, Resource: s.arn(name)})
}

// createAlias needs permission on the alias and on the key.
func (s *Service) createAlias(c *api.Call, in aliasInput) (any, *api.Error) {
	if err := s.allowAlias(c, "CreateAlias", in.AliasName); err != nil {
		return nil, err
	}
	k, err := s.openLive(c, "CreateAlias", in.TargetKeyId, nil)
	if err != nil {
		return nil, err
	}
	switch {
	case strings.HasPrefix(in.TargetKeyId, aliasPrefix):
		return nil, validation("Aliases must refer to keys. Not aliases")
	case !validAlias.MatchString(in.AliasName) || strings.HasPrefix(in.AliasName, aliasPrefix+"aws/"):
		return nil, api.Errorf("InvalidAliasNameException", http.StatusBadRequest,
			"Alias must start with the prefix \"alias/\" and not with \"alias/aws/\"")
	case s.aliases[in.AliasName] != nil:
		return nil, api.Errorf("AlreadyExistsException", http.StatusBadRequest, "An alias with the name %s already exists",
			s.arn(in.AliasName))
	}
	now := s.cfg.Clock()
	s.aliases[in.AliasName] = &alias{key: k.id, created: now, updated: now}
	return struct{}{}, nil
}

// findAlias authorises an action on an alias and on the key that it names now.
func (s *Service) findAlias(c *api.Call, action, name string) (*alias, *api.Error) {
	if err := s.allowAlias(c, action, name); err != nil {
		return nil, err
	}
	a := s.aliases[name]
	if a == nil {
		return nil, notFound("Alias %s is not found.", s.arn(name))
	}
	return a, s.allow(c, action, s.keys[a.key], s.keys[a.key].policy, nil)
}

func (s *Service) updateAlias(c *api.Call, in aliasInput) (any, *api.Error) {
	a, err := s.findAlias(c, "UpdateAlias", in.AliasName)
	if err != nil {
		return nil, err
	}
	k, err := s.openLive(c, "UpdateAlias", in.TargetKeyId, nil)
	if err != nil {
		return nil, err
	}
	a.key, a.updated = k.id, s.cfg.Clock()
	return struct{}{}, nil
}

func (s *Service) deleteAlias(c *api.Call, in aliasInput) (any, *api.Error) {
	if _, err := s.findAlias(c, "DeleteAlias", in.AliasName); err != nil {
		return nil, err
	}
	delete(s.aliases, in.AliasName)
	return struct{}{}, nil
}

type aliasEntry struct {
	AliasName       string
	AliasArn        string
	TargetKeyId     string
	CreationDate    awsjson.Epoch
	LastUpdatedDate awsjson.Epoch
}

// listAliases answers all on one page, of one key if the request names it.
func (s *Service) listAliases(c *api.Call, in keyInput) (any, *api.Error) {
	if err := s.cfg.Access.Allow(c, api.Question{Action: "kms:ListAliases", Resource: "*"}); err != nil {
		return nil, err
	}
	list := []aliasEntry{}
	for _, name := range slices.Sorted(maps.Keys(s.aliases)) {
		a := s.aliases[name]
		if arn := s.keys[a.key].arn; in.KeyId != "" && in.KeyId != a.key && in.KeyId != arn {
			continue
		}
		list = append(list, aliasEntry{
			AliasName: name, AliasArn: s.arn(name), TargetKeyId: a.key,
			CreationDate: awsjson.Epoch(a.created), LastUpdatedDate: awsjson.Epoch(a.updated),
		})
	}
	return struct {
		Aliases   []aliasEntry
		Truncated bool
	}{list, false}, nil
}
