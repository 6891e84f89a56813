package keys

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/hex"
	"math/big"
	"slices"
	"strings"

	"golang.org/x/mod/sumdb/note"

	"github.com/anchorhold/anchorhold"
)

// algEd25519 is the C2SP signed-note type of an Ed25519 key.
const algEd25519 = 0x01

// VKey is a site's public key with the origin that it signs for. Only ParseVKey
// and SiteKeys make one, so whoever holds a VKey holds a sound key; the zero
// value verifies nothing.
type VKey struct {
	text   string
	origin string
	key    string // 32 bytes, as text so that VKey is comparable and immutable
}

// ParseVKey reads a C2SP vkey, ORIGIN+HASH+BASE64. It refuses, as Invalid, any
// other encoding of the same key, algorithms but Ed25519, and public keys that
// are no canonical point of the curve or of small order: under such a key Go
// and others accept one fixed signature for every message.
func ParseVKey(text string) (VKey, error) {
	refused := anchorhold.Errorf(anchorhold.Invalid, "copy the whole key as the site prints it (origin+hash+base64)",
		"the text is not a site's public key")
	origin, rest, ok := strings.Cut(text, "+")
	_, b64, ok2 := strings.Cut(rest, "+")
	if !ok || !ok2 || len(text) > 256 {
		return VKey{}, refused
	}
	raw, err := base64.StdEncoding.DecodeString(b64)
	if err != nil || len(raw) != 1+ed25519.PublicKeySize || raw[0] != algEd25519 {
		return VKey{}, refused
	}
	v, err := newVKey(origin, raw[1:])
	if err != nil {
		return VKey{}, err
	}
	if v.text != text { // another hash, or base64 with stray bits
		return VKey{}, refused
	}
	return v, nil
}

func newVKey(origin string, pub ed25519.PublicKey) (VKey, error) {
	if err := CheckOrigin(origin); err != nil {
		return VKey{}, err
	}
	if !soundPoint(pub) {
		return VKey{}, anchorhold.Errorf(anchorhold.Invalid, "ask the site for its key; this one was made to deceive",
			"the public key is not a sound Ed25519 key")
	}
	text, err := note.NewEd25519VerifierKey(origin, pub)
	if err != nil {
		return VKey{}, anchorhold.Errorf(anchorhold.Internal, "", "the public key has no text form").Because(err)
	}
	return VKey{text: text, origin: origin, key: string(pub)}, nil
}

// String gives the vkey's text.
func (v VKey) String() string { return v.text }

// Origin names the site's log.
func (v VKey) Origin() string { return v.origin }

// ID is ORIGIN+HASH: the vkey without the key itself. It names the key in
// signature lists and proves nothing. The key's own base64 may hold further
// plus signs.
func (v VKey) ID() string {
	origin, rest, _ := strings.Cut(v.text, "+")
	hash, _, ok := strings.Cut(rest, "+")
	if !ok {
		return "" // the zero VKey
	}
	return origin + "+" + hash
}

// Public gives the Ed25519 public key; nil for the zero value.
func (v VKey) Public() ed25519.PublicKey {
	if v.key == "" {
		return nil
	}
	return ed25519.PublicKey(v.key)
}

// Verify says whether sig is this key's signature of msg.
func (v VKey) Verify(msg, sig []byte) bool {
	return v.key != "" && len(sig) == ed25519.SignatureSize && ed25519.Verify(v.Public(), msg, sig)
}

// NoteVerifier gives the key as a verifier of signed notes.
func (v VKey) NoteVerifier() (note.Verifier, error) {
	if v.key == "" {
		return nil, anchorhold.Errorf(anchorhold.Invalid, "give the site's public key", "no public key was given")
	}
	return note.NewVerifier(v.text)
}

// smallOrder lists the y coordinates (little-endian, sign bit cleared) of the
// points of order 1, 2, 4 and 8. Under such a key A the term hash·A of the
// verification vanishes for one hash in eight at least, so that one signature
// fits very many messages, and for the identity all of them.
func smallOrder() []string {
	return []string{
		"0000000000000000000000000000000000000000000000000000000000000000",
		"0100000000000000000000000000000000000000000000000000000000000000",
		"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
		"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
	}
}

// soundPoint says whether pub is the canonical encoding of a point of the curve
// −x²+y² = 1+d·x²·y² (RFC 8032 §5.1) that is not of small order. Public values
// only, so big.Int's timing does not matter.
func soundPoint(pub []byte) bool {
	if len(pub) != ed25519.PublicKeySize {
		return false
	}
	le := slices.Clone(pub)
	le[31] &= 0x7f
	if slices.Contains(smallOrder(), hex.EncodeToString(le)) {
		return false
	}
	slices.Reverse(le)
	y := new(big.Int).SetBytes(le)
	p := new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 255), big.NewInt(19))
	if y.Cmp(p) >= 0 {
		return false
	}
	// d = −121665/121666; on the curve if (y²−1)/(d·y²+1) is a square.
	d := new(big.Int).ModInverse(big.NewInt(121666), p)
	d.Mul(d, big.NewInt(-121665)).Mod(d, p)
	y2 := new(big.Int).Mul(y, y)
	num := new(big.Int).Sub(y2, big.NewInt(1))
	den := new(big.Int).Mul(d, y2)
	den.Add(den, big.NewInt(1)).Mod(den, p)
	if den.ModInverse(den, p) == nil {
		return false
	}
	x2 := num.Mul(num, den)
	return big.Jacobi(x2.Mod(x2, p), p) == 1 // 0 would be x = 0: y = ±1, refused above
}

// MaxOrigin is the longest origin, in bytes.
const MaxOrigin = 128

// CheckOrigin says whether a text may name a site's log: 1 to MaxOrigin ASCII
// letters, digits, ".", "-", "_", "/" and ":", beginning and ending with a
// letter or digit, without ".." and "//". Signed notes forbid spaces and "+".
func CheckOrigin(origin string) error {
	const alnum = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	n := len(origin)
	if n == 0 || n > MaxOrigin || strings.Trim(origin, alnum+".-_/:") != "" ||
		!strings.Contains(alnum, origin[:1]) || !strings.Contains(alnum, origin[n-1:]) ||
		strings.Contains(origin, "..") || strings.Contains(origin, "//") {
		return anchorhold.Errorf(anchorhold.Invalid,
			"use ASCII letters, digits, ., -, _, / and :, such as data.hospital.example", "the origin has the wrong form")
	}
	return nil
}
