package client

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/url"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/identity"
)

// SameSite says whether two addresses mean one site, and gives the address that
// says more of it. Keys that are pinned in both must be the same: whoever has
// another key is another site.
func SameSite(a, b string) (address string, same bool) {
	x, err1 := ParseAddress(a)
	y, err2 := ParseAddress(b)
	if err1 != nil || err2 != nil || x.Scheme != y.Scheme || x.Host != y.Host || x.Path != y.Path {
		return "", false
	}
	switch {
	case y.Fragment == "" || x.Fragment == y.Fragment:
		return x.String(), true
	case x.Fragment == "":
		return y.String(), true
	}
	return "", false
}

// trusted is how a client knows a site: by the keys that its address pins, by
// the certificates that were given, or by those that this machine trusts.
func trusted(base *url.URL, ca []byte) (*tls.Config, error) {
	pins, err := identity.ParsePins(base.Fragment)
	if err != nil {
		return nil, err
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	switch {
	case len(pins) > 0 && len(ca) > 0:
		return nil, anchorhold.Errorf(anchorhold.Invalid, "leave out the certificate",
			"the address pins the site's key, so that no certificate has a say")
	case len(pins) > 0:
		c.InsecureSkipVerify = true //nolint:gosec // the key itself is checked, which is stronger than a name and a date
		c.VerifyConnection = func(s tls.ConnectionState) error { return checkPins(pins, base.Host, s) }
	case len(ca) > 0:
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(ca) {
			return nil, anchorhold.Errorf(anchorhold.Invalid, "give the PEM file of the certificate that the owner gave you", "the file holds no certificate")
		}
	}
	return c, nil
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
