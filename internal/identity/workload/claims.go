package workload

import (
	"encoding/base64"
	"encoding/json"
	"strconv"
	"strings"
)

// unknown stands for a claim that the token does not have.
const unknown = "(unknown)"

// claims are what the payload of a token says, unverified: good for a message and for nothing else.
type claims struct {
	Iss string   `json:"iss"`
	Sub string   `json:"sub"`
	Aud audience `json:"aud"`
	Exp float64  `json:"exp"` // seconds since 1970
	Iat float64  `json:"iat"`

	broken bool // what was read is no token, so nothing is known
}

// audience is a string or a list of strings (RFC 7519, section 4.1.3).
type audience []string

// UnmarshalJSON takes either form.
func (a *audience) UnmarshalJSON(data []byte) error {
	var one string
	if json.Unmarshal(data, &one) == nil {
		*a = audience{one}
		return nil
	}
	return json.Unmarshal(data, (*[]string)(a))
}

// parseClaims reads what it can; the claims of what is not a token are empty, and so are all when one has another type.
func parseClaims(token string) claims {
	var c claims
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return claims{broken: true}
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil || !json.Valid(payload) {
		return claims{broken: true}
	}
	if json.Unmarshal(payload, &c) != nil {
		return claims{}
	}
	return c
}

func (c claims) issuer() string   { return shown(c.Iss) }
func (c claims) subject() string  { return shown(c.Sub) }
func (c claims) audience() string { return shown(strings.Join(c.Aud, ", ")) }
func (c claims) expiry() string   { return when(c.Exp) }
func (c claims) issued() string   { return when(c.Iat) }

// shown makes a claim fit for one line of a message.
func shown(s string) string {
	const most = 200
	switch {
	case s == "":
		return unknown
	case len(s) > most:
		return strconv.Quote(s[:most]) + "…"
	case strconv.Quote(s) != `"`+s+`"`:
		return strconv.Quote(s)
	}
	return s
}
