package secretsmanager

import (
	"crypto/rand"
	"fmt"
	"math/big"
	"strings"

	"github.com/pinnace-dev/pinnace/localaws/internal/api"
)

const (
	punctuation      = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"
	defaultPassword  = 32
	maxPasswordBytes = 4096
)

type getRandomPasswordInput struct {
	ExcludeCharacters       string
	ExcludeLowercase        bool
	ExcludeNumbers          bool
	ExcludePunctuation      bool
	ExcludeUppercase        bool
	IncludeSpace            bool
	PasswordLength          *int64
	RequireEachIncludedType *bool
}

type getRandomPasswordOutput struct{ RandomPassword string }

func (s *Service) getRandomPassword(c *api.Call, in getRandomPasswordInput) (any, *api.Error) {
	if err := s.allow(c, "GetRandomPassword", nil, "*", nil); err != nil {
		return nil, err
	}
	n := int64(defaultPassword)
	if in.PasswordLength != nil {
		n = *in.PasswordLength
	}
	kinds := in.kinds()
	switch {
	case n < 1 || n > maxPasswordBytes:
		return nil, outOfRange("passwordLength", 1, maxPasswordBytes)
	case len(kinds) == 0:
		return nil, invalidParameter("No characters are left to choose from.")
	}
	each := in.RequireEachIncludedType == nil || *in.RequireEachIncludedType
	if each && n < int64(len(kinds)) {
		return nil, invalidParameter("Password length %d is too short based on the required types.", n)
	}
	must := kinds
	if !each {
		must = nil
	}
	password, err := s.password(must, strings.Join(kinds, ""), int(n))
	if err != nil {
		return nil, internalError(err)
	}
	return getRandomPasswordOutput{RandomPassword: password}, nil
}

// password draws one character of each alphabet in must, the rest of all, and shuffles them.
func (s *Service) password(must []string, all string, n int) (string, error) {
	var drawn []byte
	for i := range n {
		alphabet := all
		if i < len(must) {
			alphabet = must[i]
		}
		c, err := randomString(s.rand, alphabet, 1)
		if err != nil {
			return "", err
		}
		drawn = append(drawn, c...)
	}
	for i := n - 1; i > 0; i-- {
		j, err := rand.Int(s.rand, big.NewInt(int64(i+1)))
		if err != nil {
			return "", fmt.Errorf("shuffling a password: %w", err)
		}
		k := j.Int64()
		drawn[i], drawn[k] = drawn[k], drawn[i]
	}
	return string(drawn), nil
}

// kinds gives the alphabets that are included, without the excluded characters.
func (in getRandomPasswordInput) kinds() []string {
	var out []string
	add := func(alphabet string, included bool) {
		left := strings.Map(func(r rune) rune {
			if strings.ContainsRune(in.ExcludeCharacters, r) {
				return -1
			}
			return r
		}, alphabet)
		if included && left != "" {
			out = append(out, left)
		}
	}
	add(lowercase, !in.ExcludeLowercase)
	add(uppercase, !in.ExcludeUppercase)
	add(digits, !in.ExcludeNumbers)
	add(punctuation, !in.ExcludePunctuation)
	add(" ", in.IncludeSpace)
	return out
}
