package workload

import (
	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/pinnace-dev/pinnace/internal/identity/awserr"
)

// Renew makes the next call of cfg exchange the token anew when err says that a service takes the credentials for
// expired or unknown. The SDK goes by this machine's clock; where that is slow, or the session ended early, it would
// go on with dead credentials for up to an hour.
func Renew(cfg aws.Config, err error) {
	switch awserr.Code(err) {
	case "ExpiredToken", "ExpiredTokenException", "InvalidClientTokenId", "UnrecognizedClientException":
		if cache, ok := cfg.Credentials.(*aws.CredentialsCache); ok {
			cache.Invalidate()
		}
	}
}
