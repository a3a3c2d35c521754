package appconfig

import (
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"strconv"
	"unicode/utf8"

	"github.com/pinnace-dev/pinnace/localaws/internal/api"
)

// rawAnswer is an answer whose body is a configuration and whose other members are headers; empty ones are left out.
type rawAnswer struct {
	header map[string]string
	body   []byte
}

func answer(w http.ResponseWriter, c *api.Call, status int, out any) {
	h := w.Header()
	h.Set("X-Amzn-RequestId", c.RequestID)
	var body []byte
	switch out := out.(type) {
	case nil:
		w.WriteHeader(status)
		return
	case rawAnswer:
		body = out.body
		for name, value := range out.header {
			if value != "" {
				h.Set(name, value)
			}
		}
	default:
		h.Set("Content-Type", "application/json")
		var err error
		if body, err = json.Marshal(out); err != nil { // a programming error: every answer is a plain struct
			status, body = http.StatusInternalServerError, nil
		}
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

// refuse writes a REST-JSON error: the code is in a header, Message and the shape's other members in the body.
func refuse(w http.ResponseWriter, c *api.Call, err *api.Error) {
	code := err.Code
	if code == "AccessDenied" {
		code = "AccessDeniedException"
	}
	body := map[string]any{}
	maps.Copy(body, err.Members)
	body["Message"] = err.Message
	w.Header().Set("X-Amzn-ErrorType", code)
	answer(w, c, err.Status, body)
}

func badRequest(format string, args ...any) *api.Error {
	return api.Errorf("BadRequestException", http.StatusBadRequest, format, args...)
}

func conflict(format string, args ...any) *api.Error {
	return api.Errorf("ConflictException", http.StatusConflict, format, args...)
}

// notFound is the control plane's error; the data plane's is noResource.
func notFound(kind, id string) *api.Error {
	err := api.Errorf("ResourceNotFoundException", http.StatusNotFound, "%s %s not found", kind, id)
	err.Members = map[string]any{"ResourceName": kind}
	return err
}

func quotaExceeded(kind string, most int) *api.Error {
	return api.Errorf("ServiceQuotaExceededException", http.StatusPaymentRequired,
		"The number of %s exceeds the quota of %d.", kind, most)
}

func internalError(err error) *api.Error {
	return api.Errorf("InternalServerException", http.StatusInternalServerError, "%v", err)
}

// checkLength checks a text that must have between least and most characters.
func checkLength(member, text string, least, most int) *api.Error {
	if n := utf8.RuneCountInString(text); n < least || n > most {
		return badRequest("%s must have between %d and %d characters", member, least, most)
	}
	return nil
}

const (
	maxName        = 64
	maxProfileName = 128
	maxDescription = 1024
	maxPage        = 50
)

// checkTexts checks a name of at most most characters and a description.
func checkTexts(name string, most int, description string) *api.Error {
	if err := checkLength("Name", name, 1, most); err != nil {
		return err
	}
	return checkLength("Description", description, 0, maxDescription)
}

// page is the answer of every list.
type page[T any] struct {
	Items     []T
	NextToken string `json:",omitempty"`
}

// paginate cuts the page that max_results and next_token ask for; the token is an opaque offset.
func paginate[T any](q *request, list []T) (any, *api.Error) {
	n, from := maxPage, 0
	if text := q.query("max_results"); text != "" {
		var err error
		if n, err = strconv.Atoi(text); err != nil || n < 1 || n > maxPage {
			return nil, badRequest("max_results must be between 1 and %d", maxPage)
		}
	}
	if token := q.query("next_token"); token != "" {
		raw, decodeErr := base64.RawURLEncoding.DecodeString(token)
		at, parseErr := strconv.Atoi(string(raw))
		if decodeErr != nil || parseErr != nil || at < 0 {
			return nil, badRequest("next_token is not one that was given")
		}
		from = min(at, len(list))
	}
	to := min(from+n, len(list))
	out := page[T]{Items: append([]T{}, list[from:to]...)}
	if to < len(list) {
		out.NextToken = base64.RawURLEncoding.EncodeToString([]byte(strconv.Itoa(to)))
	}
	return out, nil
}
