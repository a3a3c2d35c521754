package secretsmanager

import (
	"encoding/json"
	"maps"
	"net/http"
	"strconv"
	"time"

	"github.com/pinnace-dev/pinnace/localaws/internal/api"
)

const contentType = "application/x-amz-json-1.1"

// decode reads a request. The decoder's own error is dropped because it may quote the body, and so a secret.
func decode(body []byte, in any) *api.Error {
	if len(body) == 0 {
		body = []byte("{}")
	}
	if json.Unmarshal(body, in) != nil {
		return api.Errorf("SerializationException", http.StatusBadRequest, "the request is not what the operation takes")
	}
	return nil
}

func answer(w http.ResponseWriter, c *api.Call, status int, out any) {
	body, err := json.Marshal(out)
	if err != nil { // a programming error: every answer is a plain struct
		status, body = http.StatusInternalServerError, []byte(`{"__type":"InternalServiceError"}`)
	}
	h := w.Header()
	h.Set("Content-Type", contentType)
	h.Set("X-Amzn-RequestId", c.RequestID)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

// wireError gives a denial the name and status that it has in this protocol.
func wireError(err *api.Error) *api.Error {
	if err.Code != "AccessDenied" {
		return err
	}
	return &api.Error{
		Code: "AccessDeniedException", Status: http.StatusBadRequest, Message: err.Message, Members: err.Members,
	}
}

func refuse(w http.ResponseWriter, c *api.Call, err *api.Error) {
	body := map[string]any{}
	maps.Copy(body, err.Members)
	body["__type"], body["Message"] = err.Code, err.Message
	w.Header().Set("X-Amzn-ErrorType", err.Code)
	answer(w, c, err.Status, body)
}

// epoch is a time as AWS JSON writes it: seconds since 1970 as a number, to the millisecond. The zero time is left out
// by omitzero.
type epoch time.Time

// IsZero is what omitzero asks.
func (e epoch) IsZero() bool { return time.Time(e).IsZero() }

// MarshalJSON writes the number.
func (e epoch) MarshalJSON() ([]byte, error) {
	return strconv.AppendFloat(nil, float64(time.Time(e).UnixMilli())/1000, 'f', -1, 64), nil
}
