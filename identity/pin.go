package identity

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"slices"
	"strings"

	"github.com/anchorhold/anchorhold"
)

// pinLabel begins the part of an address that names the site's TLS keys.
const pinLabel = "sha256="

// PinsHeader is where a site says over a connection that its key vouches for
// which keys count from now on, in the form of Fragment.
const PinsHeader = "Anchorhold-Pins"

// maxPins is how many keys an address may name: the one in use, the next, and
// room for sites behind several machines.
const maxPins = 8

// Pins are fingerprints of the public keys that a TLS server may prove to hold:
// SHA-256 of the key's SubjectPublicKeyInfo. They stand behind # in a
// connection string: https://host:port#sha256=PIN,PIN.
type Pins [][sha256.Size]byte

// PinOf is the fingerprint of a certificate's public key. It stays the same
// when the certificate is renewed for the same key.
func PinOf(c *x509.Certificate) Pins { return Pins{sha256.Sum256(c.RawSubjectPublicKeyInfo)} }

// ParsePins reads what stands behind # in a connection string; nothing gives no
// pins.
func ParsePins(fragment string) (Pins, error) {
	if fragment == "" {
		return nil, nil
	}
	refused := anchorhold.Errorf(anchorhold.Invalid, "copy the connection string again, in one piece: https://HOST:PORT#sha256=...",
		"what stands behind # in the address does not name the key of a site")
	list, ok := strings.CutPrefix(fragment, pinLabel)
	parts := strings.Split(list, ",")
	if !ok || len(parts) > maxPins {
		return nil, refused
	}
	var out Pins
	for _, text := range parts {
		sum, err := base64.RawURLEncoding.Strict().DecodeString(text)
		if err != nil || len(sum) != sha256.Size || base64.RawURLEncoding.EncodeToString(sum) != text {
			return nil, refused
		}
		out = append(out, [sha256.Size]byte(sum))
	}
	return out, nil
}

// Fragment writes pins as they stand behind #; no pins give nothing.
func (p Pins) Fragment() string {
	if len(p) == 0 {
		return ""
	}
	var texts []string
	for _, sum := range p {
		texts = append(texts, base64.RawURLEncoding.EncodeToString(sum[:]))
	}
	return pinLabel + strings.Join(texts, ",")
}

// Match says whether a certificate's key is one of the pinned ones. Names and
// dates of the certificate say nothing that the key does not.
func (p Pins) Match(c *x509.Certificate) bool {
	return slices.Contains(p, PinOf(c)[0])
}
