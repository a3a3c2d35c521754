package cloudwatch

import (
	"fmt"
	"net/http"
	"net/url"
	"reflect"
	"strconv"
	"strings"

	"github.com/fxamacker/cbor/v2"

	"github.com/pinnace-dev/pinnace/localaws/internal/api"
	"github.com/pinnace-dev/pinnace/localaws/internal/iam/awsquery"
)

// rpcPath is where newer clients speak Smithy RPC v2 with CBOR; the name of the operation follows.
const rpcPath = "/service/GraniteServiceVersion20100801/operation/"

func speaksRPC(c *api.Call) bool { return strings.HasPrefix(c.Request.URL.Path, rpcPath) }

// request gives the name and the parameters of an operation as the Query protocol has them, whichever a client speaks.
func request(c *api.Call) (name string, form url.Values, err *api.Error) {
	if !speaksRPC(c) {
		form = awsquery.Form(c)
		if form.Get("Version") != version {
			return "", form, nil
		}
		return form.Get("Action"), form, nil
	}
	form = url.Values{}
	var in any = map[string]any{}
	if len(c.Body) > 0 {
		if err := decoding.Unmarshal(c.Body, &in); err != nil {
			return "", nil, api.Errorf("SerializationException", http.StatusBadRequest, "the body is no CBOR: %v", err)
		}
	}
	flatten(form, "", in)
	return strings.TrimPrefix(c.Request.URL.Path, rpcPath), form, nil
}

// flatten writes a value as parameters of the Query protocol: Name, Name.Member, Name.member.1.
func flatten(form url.Values, name string, value any) {
	switch value := value.(type) {
	case map[string]any:
		if name != "" {
			name += "."
		}
		for member, v := range value {
			flatten(form, name+member, v)
		}
	case []any:
		for i, v := range value {
			flatten(form, name+".member."+strconv.Itoa(i+1), v)
		}
	case nil:
	default:
		form.Set(name, fmt.Sprint(value))
	}
}

var (
	decoding = mode(cbor.DecOptions{DefaultMapType: reflect.TypeFor[map[string]any]()}.DecMode())
	encoding = mode(cbor.EncOptions{
		Time: cbor.TimeUnixDynamic, TimeTag: cbor.EncTagRequired, NilContainers: cbor.NilContainerAsEmpty,
	}.EncMode())
)

// mode gives what the options above make; they are constant, and so is that they are good.
func mode[T any](m T, err error) T {
	if err != nil {
		panic(err)
	}
	return m
}

// writeRPC answers out, nil for nothing, as CBOR.
func writeRPC(w http.ResponseWriter, status int, out any) {
	if out == nil {
		out = struct{}{}
	}
	body, err := encoding.Marshal(out)
	if err != nil { // a programming error: every answer is a plain struct
		status, body = http.StatusInternalServerError, nil
	}
	w.Header().Set("Content-Type", "application/cbor")
	w.Header().Set("Smithy-Protocol", "rpc-v2-cbor")
	w.WriteHeader(status)
	_, _ = w.Write(body) // a caller that hung up needs no answer
}

// writeRPCError answers err. Clients know the errors of the service's own model by their whole names.
func writeRPCError(w http.ResponseWriter, err *api.Error) {
	code := err.Code
	if strings.HasPrefix(code, "ResourceNotFound") {
		code = "com.amazonaws.cloudwatch#" + code
	}
	writeRPC(w, err.Status, map[string]string{"__type": code, "message": err.Message})
}
