// Package awsquery is the wire format that IAM and STS share: the AWS Query protocol, requests as form fields and
// answers as XML. Its rules are those of the service models: a list is Name.member.1, Name.member.2, …; an answer is
// <ActionResponse xmlns="…"><ActionResult>…</ActionResult><ResponseMetadata/></ActionResponse>.
package awsquery

import (
	"encoding/xml"
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	"github.com/pinnace-dev/pinnace/localaws/internal/api"
)

// Tag is one tag, in requests and in answers.
type Tag struct{ Key, Value string }

// Form gives the parameters of a call: the body of a POST, the query string of a GET. Malformed pairs are left out.
func Form(c *api.Call) url.Values {
	raw := string(c.Body)
	if c.Request.Method == http.MethodGet {
		raw = c.Request.URL.RawQuery
	}
	form, _ := url.ParseQuery(raw)
	return form
}

// List gives the members of a list parameter, in order.
func List(form url.Values, name string) []string {
	var members []string
	for i := 1; ; i++ {
		key := fmt.Sprintf("%s.member.%d", name, i)
		if !form.Has(key) {
			return members
		}
		members = append(members, form.Get(key))
	}
}

// Tags gives the members of the parameter Tags, in order.
func Tags(form url.Values) []Tag {
	var tags []Tag
	for i := 1; ; i++ {
		prefix := "Tags.member." + strconv.Itoa(i)
		if !form.Has(prefix + ".Key") {
			return tags
		}
		tags = append(tags, Tag{Key: form.Get(prefix + ".Key"), Value: form.Get(prefix + ".Value")})
	}
}

// Write answers 200. A nil result leaves the result element out, as operations without a result do.
func Write(w http.ResponseWriter, namespace, action, requestID string, result any) {
	send(w, http.StatusOK, requestID, answer{namespace: namespace, action: action, result: result, requestID: requestID})
}

// WriteError answers err with its own status.
func WriteError(w http.ResponseWriter, namespace, requestID string, err *api.Error) {
	type detail struct{ Type, Code, Message string }
	fault := "Sender"
	if err.Status >= http.StatusInternalServerError {
		fault = "Receiver"
	}
	send(w, err.Status, requestID, struct {
		XMLName   xml.Name
		Error     detail
		RequestID string `xml:"RequestId"`
	}{
		XMLName:   xml.Name{Space: namespace, Local: "ErrorResponse"},
		Error:     detail{Type: fault, Code: err.Code, Message: err.Message},
		RequestID: requestID,
	})
}

type answer struct {
	namespace, action, requestID string
	result                       any
}

// MarshalXML names the elements after the action, which a struct tag cannot do.
func (a answer) MarshalXML(e *xml.Encoder, _ xml.StartElement) error {
	start := xml.StartElement{
		Name: xml.Name{Local: a.action + "Response"},
		Attr: []xml.Attr{{Name: xml.Name{Local: "xmlns"}, Value: a.namespace}},
	}
	if err := e.EncodeToken(start); err != nil {
		return fmt.Errorf("encoding %s: %w", start.Name.Local, err)
	}
	if a.result != nil {
		inner := xml.StartElement{Name: xml.Name{Local: a.action + "Result"}}
		if err := e.EncodeElement(a.result, inner); err != nil {
			return fmt.Errorf("encoding %s: %w", inner.Name.Local, err)
		}
	}
	metadata := struct {
		RequestID string `xml:"RequestId"`
	}{a.requestID}
	if err := e.EncodeElement(metadata, xml.StartElement{Name: xml.Name{Local: "ResponseMetadata"}}); err != nil {
		return fmt.Errorf("encoding the metadata of %s: %w", a.action, err)
	}
	return e.EncodeToken(start.End())
}

func send(w http.ResponseWriter, status int, requestID string, document any) {
	body, err := xml.Marshal(document)
	if err != nil {
		http.Error(w, "the answer could not be encoded", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/xml")
	w.Header().Set("x-amzn-RequestId", requestID)
	w.WriteHeader(status)
	_, _ = w.Write(body) // a caller that hung up needs no answer
}
