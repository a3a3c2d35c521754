// Package iamtest is what tests of IAM and of the services around it share: a front that makes calls of HTTP requests.
package iamtest

import (
	"io"
	"net/http"
	"strings"

	"github.com/pinnace-dev/pinnace/localaws/internal/api"
	"github.com/pinnace-dev/pinnace/localaws/internal/iam"
)

// Front serves one service over HTTP. It stands in for the server: it finds the caller by the access key and the
// session token of the request, and believes the signature without checking it.
func Front(directory *iam.Service, service api.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		call := &api.Call{Request: r, Body: body, Region: "eu-west-1", RequestID: "test-request"}
		if _, after, ok := strings.Cut(r.Header.Get("Authorization"), "Credential="); ok {
			id, _, _ := strings.Cut(after, "/")
			credential, found := directory.Credential(id)
			if !found || credential.SessionToken != r.Header.Get("X-Amz-Security-Token") {
				service.Refuse(w, call, api.Errorf("InvalidClientTokenId", http.StatusForbidden,
					"The security token included in the request is invalid."))
				return
			}
			call.Principal = credential.Principal
		}
		call.Action = service.Action(call)
		service.Serve(w, call)
	})
}
