// Package kms emulates AWS Key Management Service (API 2014-11-01, AWS JSON 1.1) as far as symmetric keys go: keys with
// their policies, states, aliases, tags and rotation, and Encrypt, Decrypt and GenerateDataKey, which really encrypt.
//
// A key's policy governs: what it does not allow to a caller, or to the caller's account, no other policy can. Other
// services use keys on their callers' behalf by Use, under kms:ViaService and their encryption contexts. The keys that
// AWS manages, alias/aws/s3 and alias/aws/secretsmanager, appear when they are first asked for.
//
// Not emulated, and refused by name: asymmetric and HMAC keys, imported material, custom key stores, keys of many
// regions, grants, and ReEncrypt. Rotation is a setting; the material stays.
package kms

import (
	"crypto/rand"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/pinnace-dev/pinnace/localaws/internal/api"
	"github.com/pinnace-dev/pinnace/localaws/internal/awsjson"
)

// Config is what a Service needs. Access, Account and Region are required.
type Config struct {
	Clock   api.Clock    // ends waiting periods and stamps dates; nil is time.Now
	Access  api.Access   // must not call back into the Service, whose lock is held while it is asked
	Account string       // twelve digits
	Region  string       // of every ARN
	Rand    io.Reader    // ids, material and nonces; nil is crypto/rand
	Log     *slog.Logger // nil discards
}

// Service is one account's keys in one region. It implements api.Handler and api.Keys and is safe for concurrent use.
type Service struct {
	cfg Config

	mu      sync.Mutex
	keys    map[string]*key   // by id
	aliases map[string]*alias // by name, "alias/…"
}

var (
	_ api.Handler = (*Service)(nil)
	_ api.Keys    = (*Service)(nil)
)

// New makes a Service without keys.
func New(cfg Config) *Service {
	if cfg.Clock == nil {
		cfg.Clock = time.Now //nolint:forbidigo // the default of the injected clock
	}
	if cfg.Rand == nil {
		cfg.Rand = rand.Reader
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return &Service{cfg: cfg, keys: map[string]*key{}, aliases: map[string]*alias{}}
}

const (
	targetPrefix = "TrentService." // of the X-Amz-Target header
	actionPrefix = "kms:"          // of the action's name in policies
)

// operation performs one call and gives the value to answer as JSON. It runs with the lock held.
type operation func(s *Service, c *api.Call) (any, *api.Error)

// on decodes the request's body for an operation.
func on[In any](f func(*Service, *api.Call, In) (any, *api.Error)) operation {
	return func(s *Service, c *api.Call) (any, *api.Error) {
		var in In
		if err := awsjson.Decode(c.Body, &in); err != nil {
			return nil, err
		}
		return f(s, c, in)
	}
}

var operations = map[string]operation{
	"CreateKey":            on((*Service).createKey),
	"DescribeKey":          on((*Service).describeKey),
	"ListKeys":             on((*Service).listKeys),
	"EnableKey":            on((*Service).enableKey),
	"DisableKey":           on((*Service).disableKey),
	"UpdateKeyDescription": on((*Service).updateKeyDescription),
	"ScheduleKeyDeletion":  on((*Service).scheduleKeyDeletion),
	"CancelKeyDeletion":    on((*Service).cancelKeyDeletion),

	"GetKeyPolicy":         on((*Service).getKeyPolicy),
	"PutKeyPolicy":         on((*Service).putKeyPolicy),
	"ListKeyPolicies":      on((*Service).listKeyPolicies),
	"GetKeyRotationStatus": on((*Service).getKeyRotationStatus),
	"EnableKeyRotation":    on((*Service).enableKeyRotation),
	"DisableKeyRotation":   on((*Service).disableKeyRotation),

	"CreateAlias": on((*Service).createAlias),
	"UpdateAlias": on((*Service).updateAlias),
	"DeleteAlias": on((*Service).deleteAlias),
	"ListAliases": on((*Service).listAliases),

	"ListResourceTags": on((*Service).listResourceTags),
	"TagResource":      on((*Service).tagResource),
	"UntagResource":    on((*Service).untagResource),

	"Encrypt":                         on((*Service).encrypt),
	"Decrypt":                         on((*Service).decrypt),
	"GenerateDataKey":                 on((*Service).generateDataKey),
	"GenerateDataKeyWithoutPlaintext": on((*Service).generateDataKeyWithoutPlaintext),
}

// Action names the operation of X-Amz-Target, "kms:Decrypt"; empty when it is not emulated.
func (s *Service) Action(c *api.Call) string {
	name := awsjson.Operation(c, targetPrefix)
	if _, ok := operations[name]; !ok {
		return ""
	}
	return actionPrefix + name
}

// Serve authorises and performs the call.
func (s *Service) Serve(w http.ResponseWriter, c *api.Call) {
	name := awsjson.Operation(c, targetPrefix)
	perform, ok := operations[name]
	if !ok {
		s.Refuse(w, c, api.Errorf("UnknownOperationException", http.StatusBadRequest,
			"localaws does not emulate the operation %q of KMS", name))
		return
	}
	out, err := s.locked(perform, c)
	if err != nil {
		s.Refuse(w, c, err)
		return
	}
	awsjson.Write(w, c, http.StatusOK, out)
}

// locked forgets the keys whose waiting period is over, then performs the operation.
func (s *Service) locked(perform operation, c *api.Call) (any, *api.Error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.purge()
	return perform(s, c)
}

// Refuse writes err as AWS JSON 1.1 does.
func (s *Service) Refuse(w http.ResponseWriter, c *api.Call, err *api.Error) {
	err = awsjson.Denial(err)
	s.cfg.Log.DebugContext(c.Request.Context(), "kms call refused", slog.String("action", s.Action(c)),
		slog.String("request", c.RequestID), slog.String("code", err.Code))
	awsjson.WriteError(w, c, err)
}

func (s *Service) arn(resource string) string {
	return "arn:aws:kms:" + s.cfg.Region + ":" + s.cfg.Account + ":" + resource
}
