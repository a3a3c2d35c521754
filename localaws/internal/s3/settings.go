package s3

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"net/http"
	"strings"

	"github.com/pinnace-dev/pinnace/localaws/internal/api"
)

const bucketOwnerEnforced = xml.Header + `<OwnershipControls xmlns="` + namespace + `"><Rule>` +
	`<ObjectOwnership>BucketOwnerEnforced</ObjectOwnership></Rule></OwnershipControls>`

// setting says how a sub-resource answers while nobody has put it: with a document, or with S3's "not configured".
type setting struct {
	root    string // the document's element
	unset   string // what is in the element while unset
	code    string // of the refusal while unset; empty where S3 answers a document
	message string
}

var settings = map[string]setting{
	"abac":           {root: "AbacStatus", unset: "<Status>Disabled</Status>"},
	"accelerate":     {root: "AccelerateConfiguration"},
	"logging":        {root: "BucketLoggingStatus"},
	"notification":   {root: "NotificationConfiguration"},
	"requestPayment": {root: "RequestPaymentConfiguration", unset: "<Payer>BucketOwner</Payer>"},
	"encryption": {root: "ServerSideEncryptionConfiguration", unset: "<Rule><ApplyServerSideEncryptionByDefault>" +
		"<SSEAlgorithm>AES256</SSEAlgorithm></ApplyServerSideEncryptionByDefault>" +
		"<BucketKeyEnabled>false</BucketKeyEnabled></Rule>"},

	"tagging": {root: "Tagging", code: "NoSuchTagSet", message: "The TagSet does not exist"},
	"lifecycle": {
		root: "LifecycleConfiguration", code: "NoSuchLifecycleConfiguration",
		message: "The lifecycle configuration does not exist",
	},
	"ownershipControls": {
		root: "OwnershipControls", code: "OwnershipControlsNotFoundError",
		message: "The bucket ownership controls were not found",
	},
	"cors": {
		root: "CORSConfiguration", code: "NoSuchCORSConfiguration",
		message: "The CORS configuration does not exist",
	},
	"website": {
		root: "WebsiteConfiguration", code: "NoSuchWebsiteConfiguration",
		message: "The specified bucket does not have a website configuration",
	},
	"replication": {
		root: "ReplicationConfiguration", code: "ReplicationConfigurationNotFoundError",
		message: "The replication configuration was not found",
	},
	"object-lock": {
		root: "ObjectLockConfiguration", code: "ObjectLockConfigurationNotFoundError",
		message: "Object Lock configuration does not exist for this bucket",
	},
}

func (s *Service) getSetting(r *request) *api.Error {
	s.mu.RLock()
	document := r.bucket.settings[r.subresource]
	s.mu.RUnlock()
	if document != nil {
		return s.writeDocument(r, document)
	}
	set := settings[r.subresource]
	if set.code == "" {
		return s.writeDocument(r, []byte(xml.Header+
			"<"+set.root+` xmlns="`+namespace+`">`+set.unset+"</"+set.root+">"))
	}
	return with(api.Errorf(set.code, http.StatusNotFound, "%s", set.message), map[string]any{"BucketName": r.bucketName})
}

// putSetting keeps a document as it is. Nothing acts on it: no object expires by a lifecycle rule.
func (s *Service) putSetting(r *request) *api.Error {
	if err := r.checkSetting(); err != nil {
		return err
	}
	s.mu.Lock()
	r.bucket.settings[r.subresource] = bytes.Clone(r.Body)
	s.mu.Unlock()
	s.write(r, settingPut(r.subresource), nil)
	return nil
}

// checkSetting refuses what is not the sub-resource's document. Each that can be put has a rule or a set of tags.
func (r *request) checkSetting() *api.Error {
	var in struct {
		XMLName xml.Name
		Inner   string `xml:",innerxml"`
	}
	if err := xml.Unmarshal(r.Body, &in); err != nil || in.XMLName.Local != settings[r.subresource].root {
		return errMalformedXML()
	}
	if strings.TrimSpace(in.Inner) == "" {
		return errMalformedXML()
	}
	return nil
}

// settingPut is the status with which S3 confirms a setting.
func settingPut(subresource string) int {
	if subresource == "tagging" {
		return http.StatusNoContent
	}
	return http.StatusOK
}

const (
	sizeHeader  = "X-Amz-Transition-Default-Minimum-Object-Size"
	sizeDefault = "all_storage_classes_128K"
	sizeVaries  = "varies_by_storage_class"
)

// putLifecycle keeps the rules, and the size that its header says next to them.
func (s *Service) putLifecycle(r *request) *api.Error {
	size := r.header(sizeHeader)
	switch size {
	case "":
		size = sizeDefault
	case sizeDefault, sizeVaries:
	default:
		return errInvalidArgument(strings.ToLower(sizeHeader), size, "Invalid transition default minimum object size")
	}
	if err := r.checkSetting(); err != nil {
		return err
	}
	s.mu.Lock()
	r.bucket.transitionSize = size
	s.mu.Unlock()
	r.w.Header().Set(sizeHeader, size)
	return s.putSetting(r)
}

func (s *Service) getLifecycle(r *request) *api.Error {
	s.mu.RLock()
	configured, size := r.bucket.settings["lifecycle"] != nil, r.bucket.transitionSize
	s.mu.RUnlock()
	if configured {
		r.w.Header().Set(sizeHeader, size)
	}
	return s.getSetting(r)
}

// loggingXML is what counts of BucketLoggingStatus of the API reference.
type loggingXML struct {
	Enabled *struct {
		TargetBucket string
		TargetGrants *struct{}
	} `xml:"LoggingEnabled"`
}

// putLogging keeps where logs should go, or nothing any more; no log is written. The target must be a bucket in the
// same region. Whether its policy lets the logging service write is not looked at.
func (s *Service) putLogging(r *request) *api.Error {
	var in loggingXML
	if err := xml.Unmarshal(r.Body, &in); err != nil {
		return errMalformedXML()
	}
	if in.Enabled == nil {
		s.mu.Lock()
		delete(r.bucket.settings, "logging")
		s.mu.Unlock()
		s.write(r, http.StatusOK, nil)
		return nil
	}
	if err := s.checkLogTarget(r, in.Enabled.TargetBucket, in.Enabled.TargetGrants != nil); err != nil {
		return err
	}
	return s.putSetting(r)
}

func (s *Service) checkLogTarget(r *request, name string, grants bool) *api.Error {
	s.mu.RLock()
	target := s.buckets[name]
	s.mu.RUnlock()
	refuse := func(why string) *api.Error {
		return with(api.Errorf("InvalidTargetBucketForLogging", http.StatusBadRequest, "%s", why),
			map[string]any{"TargetBucket": name})
	}
	switch {
	case grants:
		return errNotImplemented(r)
	case target == nil:
		return refuse("The target bucket for logging does not exist")
	case target.region != r.bucket.region:
		return api.Errorf("CrossLocationLoggingProhibited", http.StatusForbidden,
			"Cross S3 location logging not allowed.")
	}
	return nil
}

func (s *Service) deleteSetting(r *request) *api.Error {
	s.mu.Lock()
	delete(r.bucket.settings, r.subresource)
	s.mu.Unlock()
	s.write(r, http.StatusNoContent, nil)
	return nil
}

// encryptionXML is what counts of ServerSideEncryptionConfiguration of the API reference.
type encryptionXML struct {
	Rules []struct {
		Default struct {
			SSEAlgorithm   string
			KMSMasterKeyID string
		} `xml:"ApplyServerSideEncryptionByDefault"`
		BucketKeyEnabled bool
	} `xml:"Rule"`
}

// putEncryption keeps the document and makes it the default of the objects to come.
func (s *Service) putEncryption(r *request) *api.Error {
	var in encryptionXML
	if err := xml.Unmarshal(r.Body, &in); err != nil || len(in.Rules) != 1 {
		return errMalformedXML()
	}
	rule := in.Rules[0]
	e := encryption{algorithm: rule.Default.SSEAlgorithm}
	switch e.algorithm {
	case "AES256":
	case kms:
		e.keyID, e.bucketKey = s.keyARN(r.bucket.region, rule.Default.KMSMasterKeyID), rule.BucketKeyEnabled
	default:
		return errMalformedXML()
	}
	s.mu.Lock()
	r.bucket.encryption = e
	s.mu.Unlock()
	return s.putSetting(r)
}

func (s *Service) deleteEncryption(r *request) *api.Error {
	s.mu.Lock()
	r.bucket.encryption = encryption{algorithm: "AES256"}
	s.mu.Unlock()
	return s.deleteSetting(r)
}

// getACL answers the only ACL that a bucket with its owner's ownership has.
func (s *Service) getACL(r *request) *api.Error {
	const format = `<AccessControlPolicy xmlns="` + namespace + `"><Owner><ID>%[1]s</ID></Owner>` +
		`<AccessControlList><Grant><Grantee xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" ` +
		`xsi:type="CanonicalUser"><ID>%[1]s</ID></Grantee><Permission>FULL_CONTROL</Permission>` +
		`</Grant></AccessControlList></AccessControlPolicy>`
	return s.writeDocument(r, fmt.Appendf([]byte(xml.Header), format, s.ownerID()))
}
