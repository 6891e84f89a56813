package identity_test

import (
	"crypto/x509"
	"strings"
	"testing"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/identity"
)

func TestPins(t *testing.T) {
	one := identity.PinOf(&x509.Certificate{RawSubjectPublicKeyInfo: []byte("one")})
	two := identity.PinOf(&x509.Certificate{RawSubjectPublicKeyInfo: []byte("two")})
	both := append(append(identity.Pins{}, one...), two...)
	for _, p := range []identity.Pins{nil, one, both} {
		got, err := identity.ParsePins(p.Fragment())
		if err != nil || got.Fragment() != p.Fragment() || len(got) != len(p) {
			t.Errorf("%q: got %v, %v", p.Fragment(), got, err)
		}
	}
	if !both.Match(&x509.Certificate{RawSubjectPublicKeyInfo: []byte("two")}) || both.Match(&x509.Certificate{RawSubjectPublicKeyInfo: []byte("three")}) {
		t.Error("a key matches exactly when it is one of those pinned")
	}
	if (identity.Pins{}).Match(&x509.Certificate{RawSubjectPublicKeyInfo: []byte("one")}) {
		t.Error("no pins match no key")
	}
	// The sum of nothing is a public value: SHA-256("") in base64url.
	if got := identity.PinOf(&x509.Certificate{}).Fragment(); got != "sha256=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU" {
		t.Errorf("the form of a pin changed: %s", got)
	}
}

func TestPinsRefused(t *testing.T) {
	good := identity.PinOf(&x509.Certificate{}).Fragment()
	pin := strings.TrimPrefix(good, "sha256=")
	for _, bad := range []string{
		"x", "sha256=", "sha1=" + pin, pin, good + ",", "sha256=," + pin, good + "&x=1", good + "=", "SHA256=" + pin,
		good[:len(good)-1], good + "A", "sha256=" + strings.Repeat("A", 42) + "B", "sha256=" + strings.Repeat("0", 64),
		"sha256=" + strings.Repeat(pin+",", 8) + pin, good[:20] + "\n" + good[20:],
	} {
		if p, err := identity.ParsePins(bad); anchorhold.KindOf(err) != anchorhold.Invalid {
			t.Errorf("%q was read as %v (%v)", bad, p, err)
		}
	}
}
