package settings

import (
	"slices"
	"strings"
)

// Group is the items that one source gives: those of one configuration, or the secrets that one identity reads in one
// region.
type Group struct {
	AppConfig  string // empty for secrets
	Verbatim   bool
	Role       string
	ExternalID string
	Region     string
	Items      []Item
}

// Name tells groups apart, in logs, status and metrics.
func (g Group) Name() string {
	name := "secretsmanager"
	if g.AppConfig != "" {
		name = "appconfig " + g.AppConfig
	}
	if g.Verbatim {
		name += " verbatim"
	}
	if g.Region != "" {
		name += " in " + g.Region
	}
	if g.Role != "" {
		name += " as " + g.Role
	}
	if g.ExternalID != "" {
		name += " (" + g.ExternalID + ")"
	}
	return name
}

// Secrets are the distinct secrets of the group, those that are followed and those that are pinned to a version.
func (g Group) Secrets() (followed, pinned []string) {
	for _, item := range g.Items {
		id := item.Secret
		switch {
		case id == "":
		case item.VersionID != "":
			pinned = append(pinned, id+" "+item.VersionID)
		default:
			followed = append(followed, strings.TrimSpace(id+" "+item.VersionStage))
		}
	}
	slices.Sort(followed)
	slices.Sort(pinned)
	return slices.Compact(followed), slices.Compact(pinned)
}

// Groups sorts the items by where they come from, in the order in which they are first named.
func (s Settings) Groups() []Group {
	var groups []Group
	for _, item := range s.Items {
		g := Group{
			AppConfig: item.AppConfig, Verbatim: item.Verbatim,
			Role: item.Role, ExternalID: item.ExternalID, Region: item.Region,
		}
		i := slices.IndexFunc(groups, func(o Group) bool { return o.Name() == g.Name() })
		if i < 0 {
			i = len(groups)
			groups = append(groups, g)
		}
		groups[i].Items = append(groups[i].Items, item)
	}
	return groups
}
