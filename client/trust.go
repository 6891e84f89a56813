package client

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"sync"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/identity"
)

// SameSite says whether an address means a site that is known, and gives the
// address that says more of it. Keys that are pinned in both must be known, all
// of them: whoever has another key is another site.
func SameSite(address, known string) (more string, same bool) {
	x, err1 := ParseAddress(address)
	y, err2 := ParseAddress(known)
	if err1 != nil || err2 != nil || x.Scheme != y.Scheme || x.Host != y.Host || x.Path != y.Path {
		return "", false
	}
	switch {
	case y.Fragment == "":
		return x.String(), true
	case x.Fragment == "" || within(x.Fragment, y.Fragment):
		return y.String(), true
	}
	return "", false
}

// within says whether the pins of one fragment are all in another.
func within(few, many string) bool {
	x, err1 := identity.ParsePins(few)
	y, err2 := identity.ParsePins(many)
	return err1 == nil && err2 == nil && !slices.ContainsFunc(x, func(pin [32]byte) bool { return !slices.Contains(y, pin) })
}

// trust is the keys that a client insists on. The site itself may say which
// count from now on: only over a connection that one of them vouches for.
type trust struct {
	mu   sync.Mutex
	pins identity.Pins
}

func (t *trust) now() identity.Pins {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.pins
}

// learn takes what an answer says of the site's keys; changed says that it is
// new. An answer without a word on them, or with none that can be read, changes
// nothing.
func (t *trust) learn(h http.Header) (before, now identity.Pins, changed bool) {
	said, err := identity.ParsePins(h.Get(identity.PinsHeader))
	t.mu.Lock()
	defer t.mu.Unlock()
	if err != nil || len(said) == 0 || slices.Equal(said, t.pins) {
		return t.pins, t.pins, false
	}
	before, t.pins = t.pins, said
	return before, said, true
}

// trusted is how a client knows a site: by the keys that its address pins, by
// the certificates that were given, or by those that this machine trusts.
func trusted(base *url.URL, ca []byte) (*tls.Config, *trust, error) {
	pins, err := identity.ParsePins(base.Fragment)
	if err != nil {
		return nil, nil, err
	}
	t := &trust{pins: pins}
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	switch {
	case len(pins) > 0 && len(ca) > 0:
		return nil, nil, anchorhold.Errorf(anchorhold.Invalid, "leave out the certificate",
			"the address pins the site's key, so that no certificate has a say")
	case len(pins) > 0:
		c.InsecureSkipVerify = true //nolint:gosec // the key itself is checked, which is stronger than a name and a date
		c.VerifyConnection = func(s tls.ConnectionState) error { return checkPins(t.now(), base.Host, s) }
		return c, t, nil
	case len(ca) > 0:
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(ca) {
			return nil, nil, anchorhold.Errorf(anchorhold.Invalid, "give the PEM file of the certificate that the owner gave you", "the file holds no certificate")
		}
	}
	return c, nil, nil
}

// checkPins refuses a server that holds none of the pinned keys. The handshake
// has proved by now that it holds the key of its first certificate.
func checkPins(pins identity.Pins, host string, s tls.ConnectionState) error {
	if len(s.PeerCertificates) == 0 {
		return errors.New("the server shows no certificate")
	}
	if pins.Match(s.PeerCertificates[0]) {
		return nil
	}
	return anchorhold.Errorf(anchorhold.Denied,
		"send it nothing; ask the site's owner, by another way than this network, whether the key was changed, and for the connection string of today",
		"whoever answers at %s has another key than the one in the address: sha256 of its key is %s", host,
		identity.PinOf(s.PeerCertificates[0]).Fragment()[len("sha256="):])
}
