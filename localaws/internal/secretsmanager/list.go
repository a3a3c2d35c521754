package secretsmanager

import (
	"cmp"
	"encoding/base64"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/pinnace-dev/pinnace/localaws/internal/api"
)

const maxPage = 100

type filter struct {
	Key    string
	Values []string
}

type listSecretsInput struct {
	Filters                []filter
	IncludePlannedDeletion bool
	MaxResults             *int
	NextToken              string
	SortBy                 string
	SortOrder              string
}

type listSecretsOutput struct {
	SecretList []description
	NextToken  string `json:",omitempty"`
}

func (s *Service) listSecrets(c *api.Call, in listSecretsInput) (any, *api.Error) {
	if err := s.allow(c, "ListSecrets", nil, "*", nil); err != nil {
		return nil, err
	}
	found, err := s.matching(in.Filters, in.IncludePlannedDeletion)
	if err != nil {
		return nil, err
	}
	sortSecrets(found, cmp.Or(in.SortBy, sortByCreated))
	if in.SortOrder == "desc" {
		slices.Reverse(found)
	}
	page, next, err := paginate(found, in.MaxResults, maxPage, in.NextToken)
	if err != nil {
		return nil, err
	}
	out := listSecretsOutput{SecretList: []description{}, NextToken: next}
	for _, sec := range page {
		entry := describe(sec)
		entry.SecretVersionsToStages = sec.stages()
		out.SecretList = append(out.SecretList, entry)
	}
	return out, nil
}

const sortByCreated = "created-date"

// sortSecrets sorts ascending; equal keys are in the order of names, so that pages do not overlap.
func sortSecrets(list []*secret, by string) {
	slices.SortFunc(list, func(a, b *secret) int {
		order := 0
		switch by {
		case "last-accessed-date":
			order = a.accessed.Compare(b.accessed)
		case "last-changed-date":
			order = a.changed.Compare(b.changed)
		case sortByCreated:
			order = a.created.Compare(b.created)
		}
		return cmp.Or(order, cmp.Compare(a.name, b.name))
	})
}

// matching gives the secrets that pass every filter, in no order.
func (s *Service) matching(filters []filter, deleted bool) ([]*secret, *api.Error) {
	if len(filters) > maxFilters {
		return nil, tooLong("filters", maxFilters)
	}
	for _, f := range filters {
		if _, ok := attributes[f.Key]; !ok || len(f.Values) == 0 {
			return nil, validation("1 validation error detected: Value at 'filters' failed to satisfy constraint: "+
				"Member must have Values and a Key of %v", slices.Sorted(maps.Keys(attributes)))
		}
	}
	var found []*secret
	for _, sec := range s.secrets {
		passes := !slices.ContainsFunc(filters, func(f filter) bool { return !f.match(sec) })
		if passes && (deleted || !sec.deleted()) {
			found = append(found, sec)
		}
	}
	return found, nil
}

// attributes gives what a filter's key looks at. Nothing here is replicated or owned by another service, so the keys of
// those match nothing.
var attributes = map[string]func(*secret) []string{
	"name":           func(s *secret) []string { return []string{s.name} },
	"description":    func(s *secret) []string { return []string{s.description} },
	"tag-key":        func(s *secret) []string { return tagParts(s.tags, func(t tag) string { return t.Key }) },
	"tag-value":      func(s *secret) []string { return tagParts(s.tags, func(t tag) string { return t.Value }) },
	"primary-region": func(*secret) []string { return nil },
	"owning-service": func(*secret) []string { return nil },
	"all": func(s *secret) []string {
		parts := []string{s.name, s.description}
		for _, t := range s.tags {
			parts = append(parts, t.Key, t.Value)
		}
		return parts
	},
}

func tagParts(tags []tag, part func(tag) string) []string {
	var parts []string
	for _, t := range tags {
		parts = append(parts, part(t))
	}
	return parts
}

// match says whether any of the filter's values does; a value that starts with an exclamation mark is negated.
func (f filter) match(sec *secret) bool {
	return slices.ContainsFunc(f.Values, func(want string) bool {
		want, negated := strings.CutPrefix(want, "!")
		return f.matchValue(attributes[f.Key](sec), want) != negated
	})
}

// matchValue compares prefixes: descriptions without regard to case, "all" word by word anywhere in the text.
func (f filter) matchValue(have []string, want string) bool {
	switch f.Key {
	case "all":
		text := strings.ToLower(strings.Join(have, "\n"))
		words := strings.Fields(strings.ToLower(want))
		return !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(text, w) })
	case "description":
		return slices.ContainsFunc(have, func(h string) bool {
			return strings.HasPrefix(strings.ToLower(h), strings.ToLower(want))
		})
	}
	return slices.ContainsFunc(have, func(h string) bool { return strings.HasPrefix(h, want) })
}

// paginate gives one page and the token of the next; the token is an opaque offset.
func paginate[T any](list []T, size *int, most int, token string) (page []T, next string, err *api.Error) {
	n := most
	if size != nil {
		n = *size
	}
	if n < 1 || n > most {
		return nil, "", outOfRange("maxResults", 1, int64(most))
	}
	from := 0
	if token != "" {
		raw, decodeErr := base64.RawURLEncoding.DecodeString(token)
		at, parseErr := strconv.Atoi(string(raw))
		if decodeErr != nil || parseErr != nil || at < 0 {
			return nil, "", api.Errorf("InvalidNextTokenException", http.StatusBadRequest,
				"The NextToken value is invalid.")
		}
		from = min(at, len(list))
	}
	to := min(from+n, len(list))
	if to < len(list) {
		next = base64.RawURLEncoding.EncodeToString([]byte(strconv.Itoa(to)))
	}
	return list[from:to], next, nil
}
