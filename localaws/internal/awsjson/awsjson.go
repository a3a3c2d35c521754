// Package awsjson is the wire format that Secrets Manager and KMS share: AWS JSON 1.1, where the operation is in the
// X-Amz-Target header, requests and answers are JSON objects, and times are seconds since 1970.
package awsjson

import (
	"encoding/json"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/pinnace-dev/pinnace/localaws/internal/api"
)

// Operation is the name in X-Amz-Target after prefix, such as "TrentService."; empty when the target is another's.
func Operation(c *api.Call, prefix string) string {
	name, ok := strings.CutPrefix(c.Request.Header.Get("X-Amz-Target"), prefix)
	if !ok {
		return ""
	}
	return name
}

// Decode reads a request. The decoder's own error is dropped because it may quote the body, and so a secret.
func Decode(body []byte, in any) *api.Error {
	if len(body) == 0 {
		body = []byte("{}")
	}
	if json.Unmarshal(body, in) != nil {
		return api.Errorf("SerializationException", http.StatusBadRequest, "the request is not what the operation takes")
	}
	return nil
}

// Write answers out, a plain struct, as JSON.
func Write(w http.ResponseWriter, c *api.Call, status int, out any) {
	body, err := json.Marshal(out)
	if err != nil { // a programming error: every answer is a plain struct
		status, body = http.StatusInternalServerError, []byte(`{"__type":"InternalServiceError"}`)
	}
	h := w.Header()
	h.Set("Content-Type", "application/x-amz-json-1.1")
	h.Set("X-Amzn-RequestId", c.RequestID)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

// Denial gives a refusal the name and status that it has in this protocol; other errors stay as they are.
func Denial(err *api.Error) *api.Error {
	if err.Code != "AccessDenied" {
		return err
	}
	return &api.Error{
		Code: "AccessDeniedException", Status: http.StatusBadRequest, Message: err.Message, Members: err.Members,
	}
}

// WriteError answers err with its code in the body and in a header.
func WriteError(w http.ResponseWriter, c *api.Call, err *api.Error) {
	body := map[string]any{}
	maps.Copy(body, err.Members)
	body["__type"], body["Message"] = err.Code, err.Message
	w.Header().Set("X-Amzn-ErrorType", err.Code)
	Write(w, c, err.Status, body)
}

// Epoch is a time as AWS JSON writes it: seconds since 1970 as a number, to the millisecond. The zero time is left out
// by omitzero.
type Epoch time.Time

// IsZero is what omitzero asks.
func (e Epoch) IsZero() bool { return time.Time(e).IsZero() }

// MarshalJSON writes the number.
func (e Epoch) MarshalJSON() ([]byte, error) {
	return strconv.AppendFloat(nil, float64(time.Time(e).UnixMilli())/1000, 'f', -1, 64), nil
}
