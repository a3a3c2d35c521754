package appconfig

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"strconv"
	"time"
)

const tokenLife = 24 * time.Hour

// token is what a configuration token says. It travels in the clear but authenticated; to clients it is opaque.
type token struct {
	App, Env, Profile string // ids
	Session           string
	Number            int       // of the session's tokens, from 0
	Interval          int       // seconds between polls
	Issued            time.Time // it is valid for a day from then
	NotBefore         time.Time // the earliest poll
	Held              string    // version of the configuration that the session was last given; empty is none
}

// seal makes the text of a token.
func (s *Service) seal(t token) string {
	payload, err := json.Marshal(t)
	if err != nil {
		panic("appconfig: a token of strings and times does not marshal: " + err.Error())
	}
	return base64.RawURLEncoding.EncodeToString(append(s.mac("token", payload), payload...))
}

// unseal reads a token that this Service made; ok is false for any other text.
func (s *Service) unseal(text string) (t token, ok bool) {
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || len(raw) < sha256.Size {
		return token{}, false
	}
	sum, payload := raw[:sha256.Size], raw[sha256.Size:]
	if !hmac.Equal(sum, s.mac("token", payload)) || json.Unmarshal(payload, &t) != nil {
		return token{}, false
	}
	return t, true
}

// draw is where a session stands among the percentages of one deployment: a number in [0, 100), random but always the
// same for the two, so that a session that is in stays in as the percentage grows.
func (s *Service) draw(session string, d *deployment) float64 {
	sum := s.mac("draw", []byte(session+"/"+d.EnvironmentId+"/"+strconv.Itoa(d.DeploymentNumber)))
	const bits = 53 // of a float64's mantissa
	return float64(binary.BigEndian.Uint64(sum)>>(64-bits)) / (1 << bits) * 100
}

func (s *Service) mac(purpose string, data []byte) []byte {
	h := hmac.New(sha256.New, s.key[:])
	_, _ = h.Write([]byte(purpose + "\x00"))
	_, _ = h.Write(data)
	return h.Sum(nil)
}
