package leakscan

import (
	"slices"
	"strings"
	"unicode"
)

// splitWords takes a name apart where its writer put words together: privateKey, PRIVATE_KEY and private-key are all
// private, key. APIKey is api, key.
func splitWords(name string) []string {
	var words []string
	var word []rune
	flush := func() {
		if len(word) > 0 {
			words = append(words, strings.ToLower(string(word)))
		}
		word = nil
	}
	runes := []rune(name)
	for i, r := range runes {
		if !unicode.IsLetter(r) && !unicode.IsDigit(r) {
			flush()
			continue
		}
		if i > 0 && unicode.IsUpper(r) {
			endsAcronym := i+1 < len(runes) && unicode.IsLower(runes[i+1])
			if !unicode.IsUpper(runes[i-1]) || endsAcronym {
				flush()
			}
		}
		word = append(word, r)
	}
	flush()
	return words
}

// A name means a secret by its last word, or by its last two.
var (
	secretWords = []string{
		"password", "passwd", "passphrase", "pwd", "token", "apikey", "apitoken", "privatekey", "secretaccesskey",
		"authtoken", "accesstoken", "clientsecret", "credentials", "credential",
	}
	secretPairs = []string{
		"private key", "api key", "app key", "application key", "account key", "auth key", "access key",
		"encryption key", "signing key", "license key", "shared key", "master key", "data key", "ingest key",
		"client secret", "webhook secret", "cookie secret", "jwt secret", "session secret", "shared secret",
		"app secret", "consumer secret", "admin secret", "coralogix key",
	}
)

// meansSecret tells whether literal values stand under such a name only by mistake. Names of what leads to a secret
// (existingSecret, secretName, passwordKey, tokenPath) are none of them: their last words say so.
func meansSecret(words []string) bool {
	if len(words) == 0 {
		return false
	}
	last := strings.TrimSuffix(words[len(words)-1], "s")
	if slices.ContainsFunc(secretWords, func(w string) bool { return strings.TrimSuffix(w, "s") == last }) {
		return true
	}
	return len(words) > 1 && slices.Contains(secretPairs, words[len(words)-2]+" "+last)
}

// meansPassword tells whether even a number under such a name is a secret.
func meansPassword(words []string) bool {
	return len(words) > 0 && slices.Contains([]string{"password", "passwd", "passphrase", "pwd"}, words[len(words)-1])
}
