package s3

import (
	"bytes"
	"encoding/base64"
	"encoding/xml"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"slices"

	"github.com/pinnace-dev/pinnace/localaws/internal/api"
)

// namespace is that of S3's XML documents.
const namespace = "http://s3.amazonaws.com/doc/2006-03-01/"

// Refuse implements api.Handler. Members of err become elements of the XML document.
func (s *Service) Refuse(w http.ResponseWriter, c *api.Call, err *api.Error) {
	writeStandardHeader(w, c)
	if region, ok := err.Members["Region"].(string); ok {
		w.Header().Set("X-Amz-Bucket-Region", region)
	}
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(err.Status)
	if c.Request.Method == http.MethodHead || err.Status == http.StatusNotModified {
		return
	}
	if _, failure := w.Write(errorDocument(c, err)); failure != nil {
		s.cfg.Log.DebugContext(c.Request.Context(), "answer not written", slog.Any("error", failure))
	}
}

func errorDocument(c *api.Call, err *api.Error) []byte {
	var doc bytes.Buffer
	element := func(name string, value any) {
		fmt.Fprintf(&doc, "<%s>", name)
		_ = xml.EscapeText(&doc, fmt.Append(nil, value)) // a buffer takes everything
		fmt.Fprintf(&doc, "</%s>", name)
	}
	doc.WriteString(xml.Header + "<Error>")
	element("Code", err.Code)
	element("Message", err.Message)
	for _, name := range slices.Sorted(maps.Keys(err.Members)) {
		element(name, err.Members[name])
	}
	element("Resource", c.Request.URL.Path)
	element("RequestId", c.RequestID)
	element("HostId", hostID(c))
	doc.WriteString("</Error>")
	return doc.Bytes()
}

// writeXML answers 200 with a document.
func (s *Service) writeXML(r *request, document any) *api.Error {
	body, err := xml.Marshal(document)
	if err != nil {
		return errInternal(err)
	}
	return s.writeDocument(r, append([]byte(xml.Header), body...))
}

func (s *Service) writeDocument(r *request, body []byte) *api.Error {
	r.w.Header().Set("Content-Type", "application/xml")
	s.write(r, http.StatusOK, body)
	return nil
}

// write finishes the answer. That the client has gone is not S3's concern.
func (s *Service) write(r *request, status int, body []byte) {
	r.w.WriteHeader(status)
	if len(body) == 0 || r.Request.Method == http.MethodHead {
		return
	}
	if _, err := r.w.Write(body); err != nil {
		s.cfg.Log.DebugContext(r.Request.Context(), "answer not written", slog.Any("error", err))
	}
}

func writeStandardHeader(w http.ResponseWriter, c *api.Call) {
	h := w.Header()
	h.Set("X-Amz-Request-Id", c.RequestID)
	h.Set("X-Amz-Id-2", hostID(c))
	h.Set("Server", "AmazonS3")
}

func hostID(c *api.Call) string {
	return base64.StdEncoding.EncodeToString([]byte("localaws/" + c.RequestID))
}

func with(err *api.Error, members map[string]any) *api.Error {
	err.Members = members
	return err
}

func errInternal(err error) *api.Error {
	return api.Errorf("InternalError", http.StatusInternalServerError,
		"We encountered an internal error. Please try again. (%v)", err)
}

func errNotImplemented(r *request) *api.Error {
	what := r.Request.Method + " " + r.Request.URL.Path
	if r.subresource != "" {
		what += "?" + r.subresource
	}
	return api.Errorf("NotImplemented", http.StatusNotImplemented, "localaws does not emulate %s.", what)
}

func errHeaderNotImplemented(name string) *api.Error {
	return with(api.Errorf("NotImplemented", http.StatusNotImplemented,
		"A header you provided implies functionality that is not implemented"), map[string]any{"Header": name})
}

func errAccessDenied() *api.Error {
	return api.Errorf("AccessDenied", http.StatusForbidden, "Access Denied")
}

func errNoSuchBucket(name string) *api.Error {
	return with(api.Errorf("NoSuchBucket", http.StatusNotFound, "The specified bucket does not exist"),
		map[string]any{"BucketName": name})
}

func errWrongRegion(signed, actual string) *api.Error {
	return with(api.Errorf("AuthorizationHeaderMalformed", http.StatusBadRequest,
		"The authorization header is malformed; the region '%s' is wrong; expecting '%s'", signed, actual),
		map[string]any{"Region": actual})
}

func errNoSuchKey(key string) *api.Error {
	return with(api.Errorf("NoSuchKey", http.StatusNotFound, "The specified key does not exist."),
		map[string]any{"Key": key})
}

func errNoSuchVersion(key, id string) *api.Error {
	return with(api.Errorf("NoSuchVersion", http.StatusNotFound, "The specified version does not exist."),
		map[string]any{"Key": key, "VersionId": id})
}

func errNoSuchUpload(id string) *api.Error {
	return with(api.Errorf("NoSuchUpload", http.StatusNotFound, "The specified upload does not exist. The upload ID may "+
		"be invalid, or the upload may have been aborted or completed."), map[string]any{"UploadId": id})
}

func errPreconditionFailed(condition string) *api.Error {
	return with(api.Errorf("PreconditionFailed", http.StatusPreconditionFailed,
		"At least one of the pre-conditions you specified did not hold"), map[string]any{"Condition": condition})
}

func errConflict(condition, key string) *api.Error {
	return with(api.Errorf("ConditionalRequestConflict", http.StatusConflict,
		"The conditional request cannot succeed due to a conflicting operation against this resource."),
		map[string]any{"Condition": condition, "Key": key})
}

func errInvalidArgument(name, value, message string) *api.Error {
	return with(api.Errorf("InvalidArgument", http.StatusBadRequest, "%s", message),
		map[string]any{"ArgumentName": name, "ArgumentValue": value})
}

func errInvalidRequest(message string) *api.Error {
	return api.Errorf("InvalidRequest", http.StatusBadRequest, "%s", message)
}

func errMalformedXML() *api.Error {
	return api.Errorf("MalformedXML", http.StatusBadRequest,
		"The XML you provided was not well-formed or did not validate against our published schema")
}
