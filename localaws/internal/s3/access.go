package s3

import (
	"encoding/xml"
	"net/http"

	"github.com/pinnace-dev/pinnace/localaws/internal/api"
)

// publicAccessBlock is PublicAccessBlockConfiguration of the API reference. There are no ACLs here, so that the two
// settings about them have no effect.
type publicAccessBlock struct {
	XMLName               xml.Name `xml:"PublicAccessBlockConfiguration"`
	BlockPublicAcls       bool
	IgnorePublicAcls      bool
	BlockPublicPolicy     bool
	RestrictPublicBuckets bool
}

func errNoSuchPolicy(r *request) *api.Error {
	return with(api.Errorf("NoSuchBucketPolicy", http.StatusNotFound, "The bucket policy does not exist"),
		map[string]any{"BucketName": r.bucketName})
}

func (s *Service) policyOf(b *bucket) *bucketPolicy {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return b.policy
}

func (s *Service) getPolicy(r *request) *api.Error {
	policy := s.policyOf(r.bucket)
	if policy == nil {
		return errNoSuchPolicy(r)
	}
	r.w.Header().Set("Content-Type", "application/json")
	s.write(r, http.StatusOK, []byte(policy.text))
	return nil
}

func (s *Service) putPolicy(r *request) *api.Error {
	policy, err := parsePolicy(r.Body, r.bucketName)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if block := r.bucket.publicBlock; policy.public && block != nil && block.BlockPublicPolicy {
		return api.Errorf("AccessDenied", http.StatusForbidden, "User: %s is not authorized to perform: "+
			"s3:PutBucketPolicy on resource: %q because public policies are prevented by the BlockPublicPolicy setting in "+
			"S3 Block Public Access.", r.Principal.ARN, arn(r.bucketName, ""))
	}
	r.bucket.policy = policy
	s.write(r, http.StatusNoContent, nil)
	return nil
}

func (s *Service) deletePolicy(r *request) *api.Error {
	s.mu.Lock()
	r.bucket.policy = nil
	s.mu.Unlock()
	s.write(r, http.StatusNoContent, nil)
	return nil
}

// policyStatusXML is PolicyStatus of the API reference.
type policyStatusXML struct {
	XMLName  xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ PolicyStatus"`
	IsPublic bool
}

func (s *Service) getPolicyStatus(r *request) *api.Error {
	policy := s.policyOf(r.bucket)
	if policy == nil {
		return errNoSuchPolicy(r)
	}
	return s.writeXML(r, policyStatusXML{IsPublic: policy.public})
}

func (s *Service) getPublicBlock(r *request) *api.Error {
	s.mu.RLock()
	block := r.bucket.publicBlock
	s.mu.RUnlock()
	if block == nil {
		return with(api.Errorf("NoSuchPublicAccessBlockConfiguration", http.StatusNotFound,
			"The public access block configuration was not found"), map[string]any{"BucketName": r.bucketName})
	}
	answer := *block
	answer.XMLName = xml.Name{Space: namespace, Local: "PublicAccessBlockConfiguration"}
	return s.writeXML(r, answer)
}

func (s *Service) putPublicBlock(r *request) *api.Error {
	block := new(publicAccessBlock)
	if err := xml.Unmarshal(r.Body, block); err != nil {
		return errMalformedXML()
	}
	s.mu.Lock()
	r.bucket.publicBlock = block
	s.mu.Unlock()
	s.write(r, http.StatusOK, nil)
	return nil
}

func (s *Service) deletePublicBlock(r *request) *api.Error {
	s.mu.Lock()
	r.bucket.publicBlock = nil
	s.mu.Unlock()
	s.write(r, http.StatusNoContent, nil)
	return nil
}
