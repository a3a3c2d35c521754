package workload

import (
	"errors"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/pinnace-dev/pinnace/internal/identity/awserr"
)

// patience is how many denials in a row are borne before the first exchange they cause.
const patience = 3

// Renewal decides when a session is given up before its time. Its zero value is ready; it is used by one goroutine at a
// time.
type Renewal struct {
	denied int // calls in a row
	next   int // the number of denials that causes the next exchange
}

// After takes what a round of calls with cfg ended with. It makes the next call exchange the token anew when a service
// takes the credentials for expired or unknown: the SDK goes by this machine's clock and, where that is slow or the
// session ended early, would go on with dead credentials for up to an hour.
//
// A role that was deleted and made again denies its old sessions everything, which looks like a missing permission. So
// the third denial in a row causes an exchange, too, then the sixth, the twelfth and so on: a permission that is really
// missing costs few exchanges.
//
// Where cfg is of an assumed role (Assume), the credentials that assume it may be the dead ones: they go, too, when it
// was STS that refused them, and after the denials, which either role can cause. The agent of EKS Pod Identity has a
// cache of its own, for up to three hours, out of which it may give the same session again.
func (r *Renewal) After(cfg aws.Config, err error) {
	switch code := awserr.Code(err); {
	case err == nil:
		*r = Renewal{}
	case code == "ExpiredToken", code == "ExpiredTokenException", code == "InvalidClientTokenId",
		code == "UnrecognizedClientException":
		if _, ok := errors.AsType[*exchangeError](err); ok {
			invalidateBases(cfg) // it was they who were refused: there are none of cfg's own
			return
		}
		invalidate(cfg)
	case strings.HasPrefix(code, "AccessDenied"):
		r.denied++
		if r.next == 0 {
			r.next = patience
		}
		if r.denied == r.next {
			r.next *= 2
			invalidate(cfg)
			invalidateBases(cfg)
		}
	}
}

func invalidate(cfg aws.Config) {
	if cache, ok := cfg.Credentials.(interface{ Invalidate() }); ok {
		cache.Invalidate()
	}
}

// invalidateBases is for the credentials by which those of cfg are come by.
func invalidateBases(cfg aws.Config) {
	f, _ := factsOf(cfg)
	for of := &f; of != nil && of.base != nil; of = of.from {
		of.base.Invalidate()
	}
}
