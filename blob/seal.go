package blob

import (
	"bytes"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"

	"filippo.io/age"
	"golang.org/x/crypto/chacha20poly1305"
)

// A stored blob is an age file (age-encryption.org/v1) with one recipient, the
// site: its stanza wraps the file's key under the site's blob key and the name
// of the blob, so that the file opens under no other name. age's payload is the
// STREAM construction over 64 KiB chunks: cut, reordered or altered chunks do
// not open, and any chunk can be read by itself. docs/spec/blob.md has it all.
const (
	stanzaType = "anchorhold.org/blob/v2"
	wrapInfo   = "anchorhold-blob-v2\n"
	ageIntro   = "age-encryption.org/v1\n"

	saltSize   = 16
	fileKey    = 16
	chunk      = 64 << 10
	nonceSize  = 16 // of age's payload
	maxHeader  = 4 << 10
	headerSize = int64(len(ageIntro)) + int64(len("-> "+stanzaType+" ")) + 22 + 1 + 43 + 1 + int64(len("--- ")) + 43 + 1
)

// b64 is how age writes bytes.
var b64 = base64.RawStdEncoding.Strict() //nolint:gochecknoglobals // an encoding is a constant that Go cannot say

// seal writes one stored blob.
type seal struct {
	f    *os.File
	salt [saltSize]byte
	key  []byte
	body io.WriteCloser
}

// newSeal begins a stored blob: a header of the right length with nothing in
// it, which opens nowhere, then the payload.
func newSeal(f *os.File) (*seal, error) {
	s := &seal{f: f}
	rand.Read(s.salt[:]) // never fails: crypto/rand ends the program instead
	var err error
	s.body, err = age.Encrypt(f, s)
	return s, err
}

// Wrap implements age.Recipient: it takes the file's key, to wrap it once the
// blob has a name.
func (s *seal) Wrap(key []byte) ([]*age.Stanza, error) {
	s.key = bytes.Clone(key)
	return []*age.Stanza{{
		Type: stanzaType, Args: []string{b64.EncodeToString(s.salt[:])}, Body: make([]byte, fileKey+chacha20poly1305.Overhead),
	}}, nil
}

// Write implements io.Writer.
func (s *seal) Write(p []byte) (int, error) { return s.body.Write(p) }

// finish ends the payload and writes the header that binds it to an id.
func (s *seal) finish(siteKey []byte, id string) error {
	if err := s.body.Close(); err != nil {
		return err
	}
	head, err := header(siteKey, s.salt[:], s.key, id)
	if err != nil {
		return err
	}
	_, err = s.f.WriteAt(head, 0)
	return err
}

// header makes the age header of a blob.
func header(siteKey, salt, key []byte, id string) ([]byte, error) {
	aead, err := wrapper(siteKey, salt, id)
	if err != nil {
		return nil, err
	}
	// A key that wraps one message: the salt is new for each blob.
	wrapped := aead.Seal(nil, make([]byte, chacha20poly1305.NonceSize), key, nil)
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s-> %s %s\n%s\n---", ageIntro, stanzaType, b64.EncodeToString(salt), b64.EncodeToString(wrapped))
	macKey, err := hkdf.Key(sha256.New, key, nil, "header", sha256.Size)
	if err != nil {
		return nil, err
	}
	mac := hmac.New(sha256.New, macKey)
	mac.Write(b.Bytes())
	fmt.Fprintf(&b, " %s\n", b64.EncodeToString(mac.Sum(nil)))
	if int64(b.Len()) != headerSize {
		return nil, errors.New("the header has the wrong size")
	}
	return b.Bytes(), nil
}

// wrapper is the cipher that wraps the key of the blob with this salt and name.
func wrapper(siteKey, salt []byte, id string) (aead interface {
	Seal(dst, nonce, plaintext, data []byte) []byte
	Open(dst, nonce, ciphertext, data []byte) ([]byte, error)
}, err error,
) {
	k, err := hkdf.Key(sha256.New, siteKey, salt, wrapInfo+id, chacha20poly1305.KeySize)
	if err != nil {
		return nil, err
	}
	return chacha20poly1305.New(k)
}

// opener unwraps the key of the blob with one id.
type opener struct {
	siteKey []byte
	id      string
}

// Unwrap implements age.Identity.
func (o opener) Unwrap(stanzas []*age.Stanza) ([]byte, error) {
	if len(stanzas) != 1 || stanzas[0].Type != stanzaType || len(stanzas[0].Args) != 1 {
		return nil, age.ErrIncorrectIdentity
	}
	salt, err := b64.DecodeString(stanzas[0].Args[0])
	if err != nil || len(salt) != saltSize || len(stanzas[0].Body) != fileKey+chacha20poly1305.Overhead {
		return nil, age.ErrIncorrectIdentity
	}
	aead, err := wrapper(o.siteKey, salt, o.id)
	if err != nil {
		return nil, err
	}
	key, err := aead.Open(nil, make([]byte, chacha20poly1305.NonceSize), stanzas[0].Body, nil)
	if err != nil {
		return nil, fmt.Errorf("%w: the blob has another name or another site's key", age.ErrIncorrectIdentity)
	}
	return key, nil
}

// plainSize is the size of the content of a stored blob of so many bytes, as far
// as its length tells.
func plainSize(stored int64) int64 {
	const sealed = chunk + chacha20poly1305.Overhead
	payload := stored - headerSize - nonceSize
	return max(payload-(payload+sealed-1)/sealed*chacha20poly1305.Overhead, 0)
}
