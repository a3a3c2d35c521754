package kms

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"

	"github.com/pinnace-dev/pinnace/localaws/internal/api"
)

const (
	materialLength = 32 // bytes: AES-256
	idLength       = 36 // characters of a key's id, which is in front of what it encrypted
	maxPlaintext   = 4096
	maxDataKey     = 1024
)

func newSeal(material []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(material)
	if err != nil {
		return nil, fmt.Errorf("making a key: %w", err)
	}
	seal, err := cipher.NewGCM(block)
	if err != nil {
		return nil, fmt.Errorf("making a key: %w", err)
	}
	return seal, nil
}

// contextKeys are the condition keys of an encryption context.
func contextKeys(context map[string]string) map[string][]string {
	condition := map[string][]string{"kms:EncryptionAlgorithm": {symmetric}}
	for name, value := range context {
		condition["kms:EncryptionContext:"+name] = []string{value}
	}
	if len(context) > 0 {
		condition["kms:EncryptionContextKeys"] = slices.Sorted(maps.Keys(context))
	}
	return condition
}

// additional is an encryption context as authenticated data: sorted by key, so that equal contexts are equal bytes.
func additional(context map[string]string) []byte {
	if len(context) == 0 {
		return nil
	}
	text, err := json.Marshal(context)
	if err != nil { // a programming error: maps of strings always encode
		panic(err)
	}
	return text
}

// cryptoInput is the members of all operations that use a key's material.
type cryptoInput struct {
	KeyId               string
	Plaintext           []byte
	CiphertextBlob      []byte
	EncryptionContext   map[string]string
	EncryptionAlgorithm string
	KeySpec             string
	NumberOfBytes       int
	GrantTokens         []string
	DryRun              bool
}

func (in cryptoInput) check() *api.Error {
	switch {
	case in.EncryptionAlgorithm != "" && in.EncryptionAlgorithm != symmetric:
		return unsupported("localaws does not emulate the algorithm %s", in.EncryptionAlgorithm)
	case len(in.GrantTokens) > 0:
		return unsupported("localaws does not emulate grants")
	case in.DryRun:
		return unsupported("localaws does not emulate dry runs")
	}
	return nil
}

type cryptoOutput struct {
	KeyId               string
	Plaintext           []byte `json:",omitempty"`
	CiphertextBlob      []byte `json:",omitempty"`
	EncryptionAlgorithm string `json:",omitempty"`
}

// sealed encrypts under k: its id, a nonce, and the text under AES-GCM.
func (s *Service) sealed(k *key, plain []byte, context map[string]string) ([]byte, *api.Error) {
	nonce := make([]byte, k.seal.NonceSize())
	if _, err := io.ReadFull(s.cfg.Rand, nonce); err != nil {
		return nil, internalError(err)
	}
	return k.seal.Seal(append([]byte(k.id), nonce...), nonce, plain, additional(context)), nil
}

func (s *Service) encrypt(c *api.Call, in cryptoInput) (any, *api.Error) {
	k, err := s.openUsable(c, "Encrypt", in.KeyId, contextKeys(in.EncryptionContext))
	if err != nil {
		return nil, err
	}
	if err := in.check(); err != nil {
		return nil, err
	}
	if n := len(in.Plaintext); n < 1 || n > maxPlaintext {
		return nil, validation("Value at 'plaintext' failed to satisfy constraint: Member must have length between 1 and "+
			"%d", maxPlaintext)
	}
	blob, err := s.sealed(k, in.Plaintext, in.EncryptionContext)
	if err != nil {
		return nil, err
	}
	return cryptoOutput{KeyId: k.arn, CiphertextBlob: blob, EncryptionAlgorithm: symmetric}, nil
}

func (s *Service) decrypt(c *api.Call, in cryptoInput) (any, *api.Error) {
	invalid := api.Errorf("InvalidCiphertextException", http.StatusBadRequest, "")
	if len(in.CiphertextBlob) < idLength {
		return nil, invalid
	}
	id, rest := string(in.CiphertextBlob[:idLength]), in.CiphertextBlob[idLength:]
	if s.keys[id] == nil {
		return nil, invalid
	}
	if in.KeyId != "" {
		if k, _, err := s.resolve(in.KeyId); err != nil || k == nil || k.id != id {
			return nil, api.Errorf("IncorrectKeyException", http.StatusBadRequest,
				"The key ID in the request does not identify a CMK that can perform this operation.")
		}
		id = in.KeyId
	}
	k, err := s.openUsable(c, "Decrypt", id, contextKeys(in.EncryptionContext))
	if err != nil {
		return nil, err
	}
	if err := in.check(); err != nil {
		return nil, err
	}
	n := k.seal.NonceSize()
	if len(rest) < n {
		return nil, invalid
	}
	plain, openErr := k.seal.Open(nil, rest[:n], rest[n:], additional(in.EncryptionContext))
	if openErr != nil {
		return nil, invalid
	}
	return cryptoOutput{KeyId: k.arn, Plaintext: plain, EncryptionAlgorithm: symmetric}, nil
}

// dataKey makes a data key for an action, in plain and encrypted.
func (s *Service) dataKey(c *api.Call, action string, in cryptoInput) (cryptoOutput, *api.Error) {
	k, err := s.openUsable(c, action, in.KeyId, contextKeys(in.EncryptionContext))
	if err != nil {
		return cryptoOutput{}, err
	}
	if err := in.check(); err != nil {
		return cryptoOutput{}, err
	}
	length := map[string]int{"AES_128": 16, "AES_256": 32, "": in.NumberOfBytes}[in.KeySpec]
	if length < 1 || length > maxDataKey || in.KeySpec != "" && in.NumberOfBytes != 0 {
		return cryptoOutput{}, validation("Please specify either number of bytes or key spec.")
	}
	plain := make([]byte, length)
	if _, err := io.ReadFull(s.cfg.Rand, plain); err != nil {
		return cryptoOutput{}, internalError(err)
	}
	blob, err := s.sealed(k, plain, in.EncryptionContext)
	return cryptoOutput{KeyId: k.arn, Plaintext: plain, CiphertextBlob: blob}, err
}

func (s *Service) generateDataKey(c *api.Call, in cryptoInput) (any, *api.Error) {
	out, err := s.dataKey(c, "GenerateDataKey", in)
	if err != nil {
		return nil, err
	}
	return out, nil
}

func (s *Service) generateDataKeyWithoutPlaintext(c *api.Call, in cryptoInput) (any, *api.Error) {
	out, err := s.dataKey(c, "GenerateDataKeyWithoutPlaintext", in)
	if err != nil {
		return nil, err
	}
	out.Plaintext = nil
	return out, nil
}
