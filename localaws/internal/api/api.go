// Package api is the vocabulary that the services of localaws share: who calls, what is called, how a service is asked
// and how AWS says no. It imports the standard library alone; every service imports it, and it imports none of them.
package api

import (
	"fmt"
	"net/http"
	"time"
)

// Clock tells the time of the emulated services: deployments, poll intervals, recovery windows and credential expiry
// follow it. It must be safe for concurrent use and must not go backwards.
type Clock func() time.Time

// Kind says what sort of caller a Principal is.
type Kind int

// The kinds of caller. Anonymous is the zero value, so that a forgotten principal is one that may do nothing.
const (
	Anonymous Kind = iota // no signature
	Root                  // the account's root user: everything is allowed, except an explicit deny
	Session               // a session of an IAM role
	Service               // an AWS service acting for itself, such as appconfig.amazonaws.com
)

// Principal is who makes a call. Its zero value is the anonymous caller.
type Principal struct {
	Kind    Kind
	Account string // twelve digits; empty when anonymous
	ARN     string // of the session, the root user, or the name of the service; empty when anonymous
	UserID  string // what GetCallerIdentity answers as UserId
	Role    string // for a session: the ARN of the role behind it
	// AccessKeyID is the key whose signature was checked, which tells two sessions of one name apart; empty for a session
	// that a service has by AssumeService, which has no keys.
	AccessKeyID string
}

// Call is one request, authenticated but not yet authorised. A Call belongs to the goroutine that serves it.
type Call struct {
	Request   *http.Request // Body is drained: read Call.Body
	Body      []byte        // whole body, with aws-chunked framing already removed and checked
	Principal Principal
	AuthType  string // how it is signed: REST-HEADER or REST-QUERY-STRING; empty when it is not
	Region    string // of the credential scope; the server's own region when the call is not signed
	Action    string // as IAM spells it, "s3:PutObject"; empty when the service does not know the operation
	RequestID string
}

// Handler is one emulated service. All its methods are safe for concurrent use.
type Handler interface {
	// Action names the operation that a call asks for as IAM spells it ("secretsmanager:GetSecretValue"), without
	// side effects; empty when the service knows no such operation.
	Action(c *Call) string
	// Serve authorises and performs the call and writes the answer, errors included.
	Serve(w http.ResponseWriter, c *Call)
	// Refuse writes err in the service's own wire format.
	Refuse(w http.ResponseWriter, c *Call, err *Error)
}

// Question is one authorisation to decide.
type Question struct {
	Action    string              // "s3:GetObject"
	Resource  string              // ARN, or "*" for an action without one
	Condition map[string][]string // keys beyond the global ones (aws:PrincipalArn, aws:SourceIp, …), e.g. "s3:if-match"
	Policy    string              // the resource's own policy document; empty when it has none
	// Governed makes Policy the gate, as that of a KMS key is: the caller's own policies count only where it allows the
	// action to the caller's account. Even the root user needs it.
	Governed bool
}

// Access decides authorisations. Implementations are safe for concurrent use.
type Access interface {
	// Allow answers nil when the caller may do what q asks, else an *Error with code AccessDenied (HTTP 403) whose text
	// says, in AWS's words, which permission is missing or which policy denies.
	Allow(c *Call, q Question) *Error
	// AssumeService gives the principal that an AWS service, say appconfig.amazonaws.com, becomes by assuming roleARN,
	// or an AccessDenied *Error when the role does not exist or its trust policy does not name the service.
	AssumeService(roleARN, service string) (Principal, *Error)
}

// KeyUse is what a service asks of KMS on its caller's behalf.
type KeyUse struct {
	Action  string            // "kms:Decrypt" or "kms:GenerateDataKey"
	Key     string            // id, ARN, alias, or ARN of an alias
	Service string            // who asks, as in kms:ViaService without the region: "secretsmanager"
	Context map[string]string // the encryption context
}

// Keys is KMS as the other services use it. Implementations are safe for concurrent use.
type Keys interface {
	// Use answers the ARN of the key when c's caller may have it used so and it can be used, else an *Error with the code
	// AccessDenied, NotFoundException, DisabledException or KMSInvalidStateException.
	Use(c *Call, u KeyUse) (arn string, err *Error)
}

// Error is how AWS refuses: a code of the service's model, its HTTP status, and a text. Members are the further members
// of the modelled error shape, by their wire names (Reason, Details, ResourceType, …).
type Error struct {
	Code    string
	Status  int
	Message string
	Members map[string]any
}

func (e *Error) Error() string { return e.Code + ": " + e.Message }

// Errorf makes an Error; the format is that of fmt.Sprintf.
func Errorf(code string, status int, format string, args ...any) *Error {
	return &Error{Code: code, Status: status, Message: fmt.Sprintf(format, args...)}
}
