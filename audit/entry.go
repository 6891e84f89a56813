package audit

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"hash"

	"github.com/anchorhold/anchorhold"
)

// Sizes of an entry, docs/spec/log.md §3:
// version ‖ commitment to the key ‖ nonce ‖ ciphertext ‖ tag.
const (
	entryVersion = 0x01
	headSize     = 1 + sha256.Size + nonceSize
	nonceSize    = 12
	tagSize      = 16
	KeySize      = 32 // of an entry's key
	MaxEntry     = headSize + MaxEvent + tagSize
)

const (
	contextLabel = "anchorhold-audit-v1 entry\n"
	commitLabel  = "anchorhold-audit-v1 key\n"
)

// entryContext binds keys and ciphertexts to one place of one log. An origin
// holds no line feed, so no two places have the same context.
func entryContext(origin string, index int64) []byte {
	b := make([]byte, 0, len(contextLabel)+len(origin)+1+8)
	b = append(b, contextLabel...)
	b = append(b, origin...)
	b = append(b, '\n')
	return binary.BigEndian.AppendUint64(b, uint64(index))
}

// commitment binds a ciphertext to one key. AES-GCM does not: two keys can be
// found under which one ciphertext opens to two texts, and then a site could
// show two parties two meanings of one leaf.
func commitment(key []byte) [sha256.Size]byte {
	var b [len(commitLabel) + KeySize]byte
	copy(b[copy(b[:], commitLabel):], key)
	return sha256.Sum256(b[:])
}

// deriver is HKDF-Expand (RFC 5869 §2.3) of one secret: it prepares the secret
// once for many entries, which costs as much as the rest of an entry's keys. It
// is for one goroutine.
type deriver struct{ mac hash.Hash }

func newDeriver(prk []byte) deriver { return deriver{hmac.New(sha256.New, prk)} }

// keys derives an entry's key and the key of its nonce: the two blocks of the
// expansion.
func (d deriver) keys(context []byte) (key, nonceKey []byte) {
	okm := make([]byte, 0, 2*KeySize)
	for counter := byte(1); counter <= 2; counter++ {
		d.mac.Reset()
		d.mac.Write(okm) // T(1) for the second block, nothing for the first
		d.mac.Write(context)
		d.mac.Write([]byte{counter})
		okm = d.mac.Sum(okm)
	}
	return okm[:KeySize:KeySize], okm[KeySize:]
}

// sealEntry encrypts an event's text. The nonce is derived from the text
// (RFC 5297's idea): an index is used again when a transaction is rolled back
// or a backup restored, and a fixed nonce would then encrypt two texts with one
// key stream and give the authentication key away.
func (d deriver) sealEntry(origin string, index int64, text []byte) ([]byte, error) {
	context := entryContext(origin, index)
	key, nonceKey := d.keys(context)
	gcm, err := newGCM(key)
	if err != nil {
		return nil, err
	}
	mac := hmac.New(sha256.New, nonceKey)
	mac.Write(text)
	var sum [sha256.Size]byte
	nonce := mac.Sum(sum[:0])[:nonceSize]
	bound := commitment(key)

	entry := make([]byte, 0, headSize+len(text)+tagSize)
	entry = append(entry, entryVersion)
	entry = append(entry, bound[:]...)
	entry = append(entry, nonce...)
	return gcm.Seal(entry, nonce, text, context), nil
}

func newGCM(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, anchorhold.Errorf(anchorhold.Invalid, "give 32 bytes", "an entry's key has the wrong size").Because(err)
	}
	return cipher.NewGCM(block)
}

// OpenEntry reads the entry at an index of the log of an origin with the
// entry's own key, as an auditor does who was given nothing else. It refuses,
// as Invalid, an entry of another place, one that was altered, a key that is
// not the one that the entry is bound to, and anything but one event.
func OpenEntry(origin string, index int64, entry, key []byte) (Event, error) {
	if index < 0 || len(entry) > MaxEntry || len(entry) < headSize+padTo+tagSize || (len(entry)-headSize-tagSize)%padTo != 0 {
		return Event{}, anchorhold.Errorf(anchorhold.Invalid, "", "the audit entry has the wrong size")
	}
	if entry[0] != entryVersion {
		return Event{}, anchorhold.Errorf(anchorhold.Invalid, "use the program's version that wrote it", "the audit entry is of an unknown version")
	}
	if len(key) != KeySize {
		return Event{}, anchorhold.Errorf(anchorhold.Invalid, "give 32 bytes", "an entry's key has the wrong size")
	}
	bound := commitment(key)
	if subtle.ConstantTimeCompare(bound[:], entry[1:1+sha256.Size]) != 1 {
		return Event{}, anchorhold.Errorf(anchorhold.Invalid, "give the key of this entry", "the audit entry is bound to another key")
	}
	gcm, err := newGCM(key)
	if err != nil {
		return Event{}, err
	}
	text, err := gcm.Open(nil, entry[1+sha256.Size:headSize], entry[headSize:], entryContext(origin, index))
	if err != nil {
		return Event{}, anchorhold.Errorf(anchorhold.Invalid, "", "the audit entry does not open: it was altered or belongs elsewhere").Because(err)
	}
	return decodeEvent(text)
}
