package helm_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
)

// cluster gives the world the emptiest cluster there is. Helm 3 asks one for its version and its resources before a dry
// run, even where the cluster plays no part; Helm 4 does not.
func (w *world) cluster(t *testing.T) {
	t.Helper()
	answers := map[string]string{
		"/version": `{"major":"1","minor":"35","gitVersion":"v1.35.0"}`,
		"/api":     `{"kind":"APIVersions","versions":["v1"]}`,
		"/apis":    `{"kind":"APIGroupList","apiVersion":"v1","groups":[]}`,
		"/api/v1": `{"kind":"APIResourceList","groupVersion":"v1","resources":[
		  {"name":"configmaps","singularName":"","namespaced":true,"kind":"ConfigMap","verbs":["get","list"]},
		  {"name":"secrets","singularName":"","namespaced":true,"kind":"Secret","verbs":["get","list"]}]}`,
		"/api/v1/namespaces/default/secrets": `{"kind":"SecretList","apiVersion":"v1","metadata":{},"items":[]}`,
	}
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		rw.Header().Set("Content-Type", "application/json")
		answer, ok := answers[r.URL.Path]
		if !ok {
			rw.WriteHeader(http.StatusNotFound)
			answer = `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"NotFound","code":404}`
		}
		_, _ = io.WriteString(rw, answer)
	}))
	t.Cleanup(server.Close)
	w.setenv("HELM_KUBEAPISERVER", server.URL)
}
