package s3

import (
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/pinnace-dev/pinnace/localaws/internal/api"
)

// operation is one operation of the S3 API.
type operation struct {
	action    string // the permission it needs, as IAM spells it
	versioned string // the permission instead, when the request names a version
	serve     func(*Service, *request) *api.Error

	conditions    []string // of a write on an object: the conditional headers that it takes; nil for anything else
	creates       bool     // the bucket need not exist yet
	asksItself    bool     // serve asks for permission, key by key
	digestsItself bool     // a checksum header is not of the body, and serve checks it
}

// What kinds of write take of conditionalHeaders.
var (
	onWrite  = []string{"If-Match", "If-None-Match"}
	onDelete = []string{"If-Match"}
	onPart   = []string{}
)

// operations is the API by method, target and sub-resource. A PUT with a copy source is a COPY here.
var operations = map[string]operation{
	"GET service": {action: "s3:ListAllMyBuckets", serve: (*Service).listBuckets},

	"PUT bucket":                      {action: "s3:CreateBucket", serve: (*Service).createBucket, creates: true},
	"HEAD bucket":                     {action: "s3:ListBucket", serve: (*Service).headBucket},
	"GET bucket":                      {action: "s3:ListBucket", serve: (*Service).listObjects},
	"DELETE bucket":                   {action: "s3:DeleteBucket", serve: (*Service).deleteBucket},
	"GET bucket?versions":             {action: "s3:ListBucketVersions", serve: (*Service).listVersions},
	"GET bucket?location":             {action: "s3:GetBucketLocation", serve: (*Service).getLocation},
	"GET bucket?versioning":           {action: "s3:GetBucketVersioning", serve: (*Service).getVersioning},
	"PUT bucket?versioning":           {action: "s3:PutBucketVersioning", serve: (*Service).putVersioning},
	"GET bucket?policy":               {action: "s3:GetBucketPolicy", serve: (*Service).getPolicy},
	"PUT bucket?policy":               {action: "s3:PutBucketPolicy", serve: (*Service).putPolicy},
	"DELETE bucket?policy":            {action: "s3:DeleteBucketPolicy", serve: (*Service).deletePolicy},
	"GET bucket?policyStatus":         {action: "s3:GetBucketPolicyStatus", serve: (*Service).getPolicyStatus},
	"GET bucket?publicAccessBlock":    {action: "s3:GetBucketPublicAccessBlock", serve: (*Service).getPublicBlock},
	"PUT bucket?publicAccessBlock":    {action: "s3:PutBucketPublicAccessBlock", serve: (*Service).putPublicBlock},
	"DELETE bucket?publicAccessBlock": {action: "s3:PutBucketPublicAccessBlock", serve: (*Service).deletePublicBlock},
	"GET bucket?acl":                  {action: "s3:GetBucketAcl", serve: (*Service).getACL},
	"GET bucket?encryption":           {action: "s3:GetEncryptionConfiguration", serve: (*Service).getSetting},
	"PUT bucket?encryption":           {action: "s3:PutEncryptionConfiguration", serve: (*Service).putEncryption},
	"DELETE bucket?encryption":        {action: "s3:PutEncryptionConfiguration", serve: (*Service).deleteEncryption},
	"GET bucket?ownershipControls":    {action: "s3:GetBucketOwnershipControls", serve: (*Service).getSetting},
	"PUT bucket?ownershipControls":    {action: "s3:PutBucketOwnershipControls", serve: (*Service).putSetting},
	"DELETE bucket?ownershipControls": {action: "s3:PutBucketOwnershipControls", serve: (*Service).deleteSetting},
	"GET bucket?tagging":              {action: "s3:GetBucketTagging", serve: (*Service).getSetting},
	"PUT bucket?tagging":              {action: "s3:PutBucketTagging", serve: (*Service).putSetting},
	"DELETE bucket?tagging":           {action: "s3:PutBucketTagging", serve: (*Service).deleteSetting},
	"GET bucket?lifecycle":            {action: "s3:GetLifecycleConfiguration", serve: (*Service).getLifecycle},
	"PUT bucket?lifecycle":            {action: "s3:PutLifecycleConfiguration", serve: (*Service).putLifecycle},
	"DELETE bucket?lifecycle":         {action: "s3:PutLifecycleConfiguration", serve: (*Service).deleteSetting},
	"GET bucket?abac":                 {action: "s3:GetBucketAbac", serve: (*Service).getSetting},
	"GET bucket?accelerate":           {action: "s3:GetAccelerateConfiguration", serve: (*Service).getSetting},
	"GET bucket?cors":                 {action: "s3:GetBucketCORS", serve: (*Service).getSetting},
	"GET bucket?logging":              {action: "s3:GetBucketLogging", serve: (*Service).getSetting},
	"PUT bucket?logging":              {action: "s3:PutBucketLogging", serve: (*Service).putLogging},
	"GET bucket?notification":         {action: "s3:GetBucketNotification", serve: (*Service).getSetting},
	"GET bucket?object-lock":          {action: "s3:GetBucketObjectLockConfiguration", serve: (*Service).getSetting},
	"GET bucket?replication":          {action: "s3:GetReplicationConfiguration", serve: (*Service).getSetting},
	"GET bucket?requestPayment":       {action: "s3:GetBucketRequestPayment", serve: (*Service).getSetting},
	"GET bucket?website":              {action: "s3:GetBucketWebsite", serve: (*Service).getSetting},
	"GET bucket?uploads":              {action: "s3:ListBucketMultipartUploads", serve: (*Service).listUploads},
	"POST bucket?delete":              {action: "s3:DeleteObject", serve: (*Service).deleteObjects, asksItself: true},

	"GET object":  {action: "s3:GetObject", versioned: "s3:GetObjectVersion", serve: (*Service).getObject},
	"HEAD object": {action: "s3:GetObject", versioned: "s3:GetObjectVersion", serve: (*Service).getObject},
	"PUT object":  {action: "s3:PutObject", serve: (*Service).putObject, conditions: onWrite},
	"COPY object": {action: "s3:PutObject", serve: (*Service).copyObject, conditions: onWrite},
	"DELETE object": {
		action: "s3:DeleteObject", versioned: "s3:DeleteObjectVersion", serve: (*Service).deleteObject,
		conditions: onDelete,
	},
	"GET object?tagging": {
		action: "s3:GetObjectTagging", versioned: "s3:GetObjectVersionTagging", serve: (*Service).getObjectTagging,
	},
	"POST object?uploads": {action: "s3:PutObject", serve: (*Service).createUpload, conditions: onPart},
	"PUT object?uploadId": {action: "s3:PutObject", serve: (*Service).uploadPart, conditions: onPart},
	"POST object?uploadId": {
		action: "s3:PutObject", serve: (*Service).completeUpload, digestsItself: true, conditions: onWrite,
	},
	"DELETE object?uploadId": {action: "s3:AbortMultipartUpload", serve: (*Service).abortUpload},
	"GET object?uploadId":    {action: "s3:ListMultipartUploadParts", serve: (*Service).listParts},
}

// subresources are the query parameters that choose an operation. Those without an entry in operations are refused:
// taken for plain reads or writes they would do something else than was asked.
var subresources = []string{
	"uploadId", "partNumber", "uploads", "versions", "versioning", "location", "policy", "policyStatus",
	"publicAccessBlock", "acl", "encryption", "ownershipControls", "tagging", "lifecycle", "accelerate", "cors",
	"logging", "notification", "object-lock", "replication", "requestPayment", "website", "delete", "abac",
	"analytics", "attributes", "intelligent-tiering", "inventory", "legal-hold", "metadataConfiguration",
	"metadataTable", "metrics", "renameObject", "restore", "retention", "select", "session", "torrent",
}

// request is a call as S3 reads it. It belongs to the goroutine that serves it.
type request struct {
	*api.Call
	w           http.ResponseWriter
	op          *operation // nil: not emulated
	subresource string
	bucketName  string
	key         string
	query       url.Values

	bucket    *bucket  // nil when the operation is not on an existing bucket
	deletions int      // of the key, when the request arrived
	checksum  checksum // that the body was sent with; zero without
}

func newRequest(w http.ResponseWriter, c *api.Call) *request {
	r := &request{Call: c, w: w, query: c.Request.URL.Query()}
	r.bucketName, r.key = splitPath(c.Request)
	name := c.Request.Method
	if name == http.MethodPut && r.header("X-Amz-Copy-Source") != "" {
		name = "COPY"
	}
	switch {
	case r.key != "":
		name += " object"
	case r.bucketName != "":
		name += " bucket"
	default:
		name += " service"
	}
	for _, sub := range subresources {
		if r.query.Has(sub) {
			r.subresource = sub
			name += "?" + sub
			break
		}
	}
	if op, ok := operations[name]; ok {
		r.op = &op
	}
	return r
}

// splitPath reads bucket and key from /bucket/key, or from /key on the host bucket.s3.localhost or bucket.localhost.
func splitPath(r *http.Request) (bucket, key string) {
	path := strings.TrimPrefix(r.URL.Path, "/")
	host := r.Host
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	if host != "s3.localhost" {
		for _, suffix := range []string{".s3.localhost", ".localhost"} {
			if bucket, ok := strings.CutSuffix(host, suffix); ok {
				return bucket, path
			}
		}
	}
	bucket, key, _ = strings.Cut(path, "/")
	return bucket, key
}

func (r *request) header(name string) string { return r.Request.Header.Get(name) }

// versionID is the version that the request names; empty when it names none.
func (r *request) versionID() string { return r.query.Get("versionId") }

func (r *request) action() string {
	if r.op.versioned != "" && r.versionID() != "" {
		return r.op.versioned
	}
	return r.op.action
}
