package loopback

import (
	"maps"
	"net/http"
	"net/url"
	"strings"
)

// configurationOf answers the AppConfig Agent's path. The headers Context and Entity-Id are not looked at: what the
// source was given is already decided.
func (s *Sink) configurationOf(t *table, r *http.Request) answer {
	at, ok := routeOf(r.URL.EscapedPath())
	if !ok {
		return errNoPath.in(appConfigAgent)
	}
	c, no := s.configuration(t, at)
	if no != nil {
		return no.in(appConfigAgent)
	}
	if r.URL.RawQuery != "" {
		keys, err := flagsOf(r.URL.RawQuery)
		if err != nil {
			return badRequest("BadRequestException", "the query is not escaped as a URL's").in(appConfigAgent)
		}
		if len(keys) > 0 {
			return c.answerFlags(keys)
		}
	}
	return answer{status: http.StatusOK, header: c.header, body: c.body(), item: c.item}
}

// configuration is an item by its route, when it may be given.
func (s *Sink) configuration(t *table, at route) (*configuration, *refusal) {
	c, ok := t.configurations[at]
	if !ok {
		return nil, notExposed(at)
	}
	if !c.had {
		return nil, notHad(c.item)
	}
	return c, s.fresh(c.item)
}

// routeOf takes apart /applications/{a}/environments/{e}/configurations/{c}, where a slash in a name is %2F.
func routeOf(path string) (at route, ok bool) {
	part := strings.Split(path, "/")
	if len(part) != 7 || part[3] != "environments" || part[5] != "configurations" {
		return route{}, false
	}
	var names [3]string
	for i, escaped := range []string{part[2], part[4], part[6]} {
		name, err := url.PathUnescape(escaped)
		if err != nil || name == "" {
			return route{}, false
		}
		names[i] = name
	}
	return route{names[0], names[1], names[2]}, true
}

func flagsOf(query string) (keys []string, err error) {
	err = eachPair(query, func(key, value string) *refusal {
		if key == "flag" {
			keys = append(keys, value)
		}
		return nil
	})
	return keys, err
}

func (c *configuration) answerFlags(keys []string) answer {
	body, missing := c.pick(keys)
	if missing != nil {
		details := map[string]any{}
		for _, key := range missing {
			details[short(key)] = map[string]string{"Problem": "NoSuchFlag"}
		}
		no := &refusal{
			status: http.StatusBadRequest, code: "BadRequestException", item: c.item,
			message: "Configuration data missing one or more flag values",
			members: map[string]any{
				"Reason": "InvalidParameters", "Details": map[string]any{"InvalidParameters": details},
			},
		}
		return no.in(appConfigAgent)
	}
	header := maps.Clone(c.header)
	delete(header, "Content-Length") // of the whole document
	return answer{status: http.StatusOK, header: header, body: body, item: c.item}
}

// query is what a client of the Secrets Manager Agent asks for.
type query struct {
	id, version, stage string
	refresh            bool
}

// agentSecret answers the Secrets Manager Agent's two paths.
func (s *Sink) agentSecret(t *table, r *http.Request) answer {
	q, no := queryOf(r.URL)
	if no != nil {
		return no.in(secretsAgent)
	}
	h, ok := t.secrets[q.id]
	if !ok {
		return noSecret(q.id).in(secretsAgent)
	}
	if q.refresh {
		if no := s.refresh(r.Context(), h.refreshed(q)); no != nil {
			return no.in(secretsAgent)
		}
		t = s.held.Load()
	}
	v, no := s.secret(t, q.id, q.version, q.stage)
	if no != nil {
		return no.in(secretsAgent)
	}
	return answer{status: http.StatusOK, header: contentJSON, body: v.agent(), item: v.item}
}

// refreshed is the item to ask the source for.
func (h *held) refreshed(q query) string {
	if len(h.versions) > 0 {
		if v, ok := h.pick(q.version, q.stage); ok {
			return v.item
		}
	}
	return h.item
}

// secret is a version of a secret, when it may be given.
func (s *Sink) secret(t *table, id, versionID, stage string) (version, *refusal) {
	h, ok := t.secrets[id]
	if !ok {
		return version{}, noSecret(id)
	}
	if len(h.versions) == 0 {
		return version{}, notHad(h.item)
	}
	v, ok := h.pick(versionID, stage)
	if !ok {
		return version{}, noVersion(h.item, versionID, stage)
	}
	return v, s.fresh(v.item)
}

// queryOf reads both forms: /secretsmanager/get?secretId=… and /v1/….
func queryOf(u *url.URL) (query, *refusal) {
	var q query
	id, inPath := strings.CutPrefix(u.Path, "/v1/")
	if inPath {
		if q.id = id; id == "" {
			return q, badRequest("InvalidParameterException", "missing secret ID")
		}
	}
	var no *refusal
	err := eachPair(u.RawQuery, func(key, value string) *refusal {
		switch {
		case key == "secretId" && !inPath:
			q.id = value
		case key == "versionId":
			q.version = value
		case key == "versionStage":
			q.stage = value
		case key == "refreshNow":
			switch strings.ToLower(value) {
			case "true", "1":
				q.refresh = true
			case "false", "0":
				q.refresh = false
			default:
				no = badRequest("InvalidParameterException", "invalid refreshNow value")
			}
		default:
			no = badRequest("InvalidParameterException", "unknown parameter: %s", short(key))
		}
		return no
	})
	switch {
	case no != nil:
		return q, no
	case err != nil:
		return q, badRequest("InvalidParameterException", "the query is not escaped as a URL's")
	case q.id == "":
		return q, badRequest("InvalidParameterException", "missing parameter secretId")
	}
	return q, nil
}

// eachPair hands over the pairs of a query in their order until one is refused. The error is of the escapes.
func eachPair(raw string, take func(key, value string) *refusal) error {
	for pair := range strings.SplitSeq(raw, "&") {
		if pair == "" {
			continue
		}
		key, value, _ := strings.Cut(pair, "=")
		key, err := url.QueryUnescape(key)
		if err != nil {
			return err
		}
		if value, err = url.QueryUnescape(value); err != nil {
			return err
		}
		if take(key, value) != nil {
			return nil
		}
	}
	return nil
}
