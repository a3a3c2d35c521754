package loopback

import (
	"fmt"
	"net/http"
	"unicode/utf8"
)

// refusal is why a request is not answered. Its texts never contain a value or a token.
type refusal struct {
	status  int
	code    string // as AWS names the error
	message string
	plain   bool           // the agents say it as plain text
	members map[string]any // AppConfig's further members
	item    string
}

var (
	errHost = &refusal{
		status: http.StatusForbidden, code: "AccessDeniedException", plain: true,
		message: "Bad Host: only localhost and loopback addresses are answered",
	}
	errForwarded = &refusal{
		status: http.StatusBadRequest, code: "InvalidRequestException", plain: true,
		message: "Forwarded",
	}
	errBrowser = &refusal{
		status: http.StatusForbidden, code: "AccessDeniedException", plain: true,
		message: "Bad Origin: browsers are not answered",
	}
	errMethod = &refusal{
		status: http.StatusMethodNotAllowed, code: "UnknownOperationException", plain: true,
		message: "Not allowed",
	}
	errToken = &refusal{
		status: http.StatusForbidden, code: "UnrecognizedClientException", plain: true,
		message: "Bad Token",
	}
	errNoToken = &refusal{
		status: http.StatusServiceUnavailable, code: "ServiceUnavailable", plain: true,
		message: "No Token: the token file of the loopback sink cannot be read or has no token",
	}
	errNoPath = &refusal{
		status: http.StatusNotFound, code: "UnknownOperationException", plain: true,
		message: "Not found",
	}
	errStarting = &refusal{
		status: http.StatusServiceUnavailable, code: "ServiceUnavailable",
		message: "the items are not had yet; try again",
	}
)

// in words the refusal as a service does. Secrets Manager and its agent give every error of the service status 400;
// clients tell them apart by their codes.
func (f *refusal) in(asked service) answer {
	a := answer{status: f.status, why: f.message, item: f.item}
	switch {
	case asked == nobody, asked == health, f.plain && (asked == appConfigAgent || asked == secretsAgent):
		a.header, a.body = contentText, []byte(f.message)
		return a
	case asked == appConfigAgent, asked == appConfigData:
		body := map[string]any{"Message": f.text()}
		for key, value := range f.members {
			body[key] = value
		}
		a.body, _ = encode(body) // texts always encode
		a.header = map[string][]string{"Content-Type": {"application/json"}, "X-Amzn-Errortype": {f.code}}
		return a
	case asked == secretsAgent:
		a.header = contentJSON
		a.body, _ = encode(struct {
			Type    string `json:"__type"`
			Message string `json:"message"`
		}{f.code, f.text()})
	default:
		a.header = contentAWS
		a.body, _ = encode(struct {
			Type    string `json:"__type"`
			Message string
		}{f.code, f.text()})
	}
	if a.status == http.StatusNotFound {
		a.status = http.StatusBadRequest
	}
	return a
}

// text is the message where AWS's SDKs show it; they say the token's trouble in AWS's words, so the next step is added.
func (f *refusal) text() string {
	if f == errToken {
		return "The security token included in the request is invalid: AWS_SESSION_TOKEN has to be what is in the token" +
			" file of the loopback sink"
	}
	return f.message
}

// notExposed names what to add to the configuration.
func notExposed(r route) *refusal {
	return &refusal{
		status: http.StatusNotFound, code: "ResourceNotFoundException",
		message: fmt.Sprintf("Configuration %s could not be found: expose an item with this application, environment and"+
			" profile in the loopback sink's configuration", short(r.String())),
		members: map[string]any{"ResourceType": "Configuration", "ReferencedBy": map[string]string{
			"ApplicationIdentifier": short(r.application), "EnvironmentIdentifier": short(r.environment),
			"ConfigurationProfileIdentifier": short(r.profile),
		}},
	}
}

func noSecret(id string) *refusal {
	return &refusal{
		status: http.StatusNotFound, code: "ResourceNotFoundException",
		message: "Secrets Manager can't find the specified secret. Expose an item with secret " + short(id) +
			" in the loopback sink's configuration",
	}
}

func noVersion(item, id, stage string) *refusal {
	what := "VersionId: " + short(id)
	if id == "" {
		what = "staging label: " + short(stage)
	} else if stage != "" {
		what += " with staging label: " + short(stage)
	}
	return &refusal{
		status: http.StatusNotFound, code: "ResourceNotFoundException", item: item,
		message: "Secrets Manager can't find the specified secret value for " + what +
			". The loopback sink has the versions that its configuration exposes",
	}
}

func notHad(item string) *refusal {
	return &refusal{
		status: http.StatusServiceUnavailable, code: "ServiceUnavailable", item: item,
		message: "item " + item + " is not had yet; try again",
	}
}

func stale(item, why string) *refusal {
	return &refusal{
		status: http.StatusServiceUnavailable, code: "ServiceUnavailable", item: item,
		message: "item " + item + " is past its maximum age: " + why,
	}
}

func badRequest(code, format string, args ...any) *refusal {
	return &refusal{status: http.StatusBadRequest, code: code, message: fmt.Sprintf(format, args...), plain: true}
}

// short bounds what is repeated of a request.
func short(s string) string {
	const most = 256
	if len(s) <= most {
		return s
	}
	end := most
	for end > 0 && !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + "…"
}
