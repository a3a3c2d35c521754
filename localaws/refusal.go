package localaws

import (
	"errors"
	"net/http"

	"github.com/pinnace-dev/pinnace/localaws/internal/api"
	"github.com/pinnace-dev/pinnace/localaws/internal/sigv4"
)

// failure is a way in which authentication fails. Each family of protocols has its own code for it.
type failure int

const (
	unsigned failure = iota
	unknownKey
	badToken
	expiredToken
	mismatch
	malformed
	skewed
	badPayload
	presignExpired
	wrongRegion
	uncovered
	twice
	mechanism
	badHash
	noLength
	badTrailer
)

func failureOf(err error) failure {
	switch {
	case errors.Is(err, sigv4.ErrMismatch):
		return mismatch
	case errors.Is(err, sigv4.ErrSkew):
		return skewed
	case errors.Is(err, sigv4.ErrExpired):
		return presignExpired
	case errors.Is(err, sigv4.ErrPayload):
		return badPayload
	case errors.Is(err, sigv4.ErrUncovered):
		return uncovered
	case errors.Is(err, sigv4.ErrTwice):
		return twice
	case errors.Is(err, sigv4.ErrMechanism):
		return mechanism
	case errors.Is(err, sigv4.ErrHash):
		return badHash
	case errors.Is(err, sigv4.ErrLength):
		return noLength
	case errors.Is(err, sigv4.ErrTrailer):
		return badTrailer
	}
	return malformed
}

type refusal struct {
	s3, query, json string // codes; S3's statuses differ one by one, the others' do not
	s3Status        int
	text            string
}

var refusals = map[failure]refusal{
	unsigned: {
		"AccessDenied", "MissingAuthenticationToken", "MissingAuthenticationTokenException", 403,
		"Request is missing Authentication Token",
	},
	unknownKey: {
		"InvalidAccessKeyId", "InvalidClientTokenId", "UnrecognizedClientException", 403,
		"The security token included in the request is invalid.",
	},
	badToken: {
		"InvalidToken", "InvalidClientTokenId", "UnrecognizedClientException", 400,
		"The security token included in the request is invalid.",
	},
	expiredToken: {
		"ExpiredToken", "ExpiredToken", "ExpiredTokenException", 400,
		"The security token included in the request is expired",
	},
	mismatch: {
		"SignatureDoesNotMatch", "SignatureDoesNotMatch", "InvalidSignatureException", 403,
		"The request signature we calculated does not match the signature you provided. " +
			"Check your AWS Secret Access Key and signing method.",
	},
	malformed: {
		"AuthorizationHeaderMalformed", "IncompleteSignature", "IncompleteSignatureException", 400,
		"The authorization of the request is malformed.",
	},
	skewed: {
		"RequestTimeTooSkewed", "SignatureDoesNotMatch", "InvalidSignatureException", 403,
		"Signature expired: the difference between the request time and the current time is too large.",
	},
	badPayload: {
		"XAmzContentSHA256Mismatch", "SignatureDoesNotMatch", "InvalidSignatureException", 400,
		"The provided 'x-amz-content-sha256' header does not match what was computed.",
	},
	presignExpired: {"AccessDenied", "SignatureDoesNotMatch", "InvalidSignatureException", 403, "Request has expired"},
	uncovered: {
		"AccessDenied", "SignatureDoesNotMatch", "InvalidSignatureException", 403,
		"There were headers present in the request which were not signed",
	},
	twice: {
		"InvalidArgument", "IncompleteSignature", "IncompleteSignatureException", 400,
		"Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query string parameter or " +
			"the Authorization header should be specified",
	},
	mechanism: {
		"InvalidRequest", "IncompleteSignature", "IncompleteSignatureException", 400,
		"The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.",
	},
	badHash: {
		"InvalidRequest", "IncompleteSignature", "IncompleteSignatureException", 400,
		"Missing or unknown value of the required header for this request: x-amz-content-sha256",
	},
	noLength: {
		"MissingContentLength", "IncompleteSignature", "IncompleteSignatureException", 411,
		"You must provide the x-amz-decoded-content-length HTTP header.",
	},
	badTrailer: {
		"MalformedTrailerError", "IncompleteSignature", "IncompleteSignatureException", 400,
		"The request contained trailing data that was not well-formed or did not conform to our published schema.",
	},
	wrongRegion: {
		"AuthorizationHeaderMalformed", "SignatureDoesNotMatch", "InvalidSignatureException", 400,
		"Credential should be scoped to a valid region.",
	},
}

// refuse words a failure as the service would. Source: the common errors of each service's API reference.
func refuse(service string, f failure) *api.Error {
	r := refusals[f]
	switch service {
	case "s3":
		return api.Errorf(r.s3, r.s3Status, "%s", r.text)
	case "sts", "iam", "monitoring":
		return api.Errorf(r.query, http.StatusForbidden, "%s", r.text)
	case "secretsmanager", "kms", "eks-auth":
		return api.Errorf(r.json, http.StatusBadRequest, "%s", r.text)
	default:
		return api.Errorf(r.json, http.StatusForbidden, "%s", r.text)
	}
}
