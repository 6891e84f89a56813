// Package client speaks to a site over its HTTP API, so that the command line
// and other Go programs ask and decide in the way that every other client does.
//
// It promises that a write is done at most once however often the network
// fails (one idempotency key per act, kept over retries), that a token is sent
// to the named site only (no redirects, no plain HTTP beyond loopback), and
// that a site's refusals come back as *anchorhold.Error. It must never hold a
// rule of the site: what is permitted is decided there. The tests run it
// against servers that fail, redirect, lie about lists and answer garbage.
package client

import (
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"syscall"
	"time"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/identity"
)

// Options adjust a Client; the zero value is good.
type Options struct {
	// Token is the bearer token; empty sends none.
	Token string
	// CA is the PEM text of the certificates that may vouch for the site, in
	// place of those that this machine trusts. An address that pins the site's
	// key needs none.
	CA []byte
	// Learned is told the address before and after the site said, over a
	// connection that a pinned key vouched for, that other keys count from now
	// on; nil: nobody is.
	Learned func(before, now string)
	// Transport carries the requests in place of the client's own; with it the
	// caller vouches for where they go.
	Transport http.RoundTripper
	// Attempts is how often one act is tried; 0 means DefaultAttempts.
	Attempts int
	// Backoff says how long to wait before attempt n (2, 3, ...); nil doubles
	// from 200 ms with jitter.
	Backoff func(n int) time.Duration
}

// DefaultAttempts is how often an act is tried before a client gives up: about
// three seconds in all.
const DefaultAttempts = 5

// Client speaks to one site as one principal. It is safe for concurrent use.
type Client struct {
	base     *url.URL // without pins
	trust    *trust   // nil where no key is pinned
	learned  func(before, now string)
	token    string
	http     *http.Client
	attempts int
	backoff  func(n int) time.Duration
}

// New makes a client for the site at an address such as
// "https://data.hospital.example", "http://127.0.0.1:7440", or a connection
// string "https://host:port#sha256=PIN", which trusts that key and no other.
// Plain HTTP is refused unless the host is this machine. Nothing is sent yet.
func New(address string, o Options) (*Client, error) {
	base, err := ParseAddress(address)
	if err != nil {
		return nil, err
	}
	config, trust, err := trusted(base, o.CA)
	if err != nil {
		return nil, err
	}
	c := build(base, o, networkTransport(base.Scheme == "http", config))
	c.trust = trust
	return c, nil
}

// NewSocket makes a client for the site that serves a Unix socket; the site
// learns from the kernel who is calling.
func NewSocket(path string, o Options) *Client {
	return build(localBase(), o, socketTransport(path))
}

// NewHandler makes a client that calls a handler in this process: the same
// operations on a site that is not serving.
func NewHandler(h http.Handler, o Options) *Client {
	return build(localBase(), o, handlerTransport{h})
}

// localBase is the address that stands in requests which cross no network.
func localBase() *url.URL { return &url.URL{Scheme: "http", Host: "localhost"} }

func build(base *url.URL, o Options, transport http.RoundTripper) *Client {
	c := &Client{token: o.Token, attempts: o.Attempts, backoff: o.Backoff, learned: o.Learned}
	c.base = &url.URL{Scheme: base.Scheme, Host: base.Host, Path: base.Path}
	if c.attempts <= 0 {
		c.attempts = DefaultAttempts
	}
	if c.backoff == nil {
		c.backoff = doubling
	}
	if o.Transport != nil {
		transport = o.Transport
	}
	c.http = &http.Client{
		Transport: transport,
		// A redirect could carry the token, or an answer, somewhere else.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return c
}

// Address is the site's address as the client uses it, without a trailing
// slash and with the keys that it insists on by now, if any.
func (c *Client) Address() string {
	if c.trust == nil {
		return c.base.String()
	}
	return c.withPins(c.trust.now())
}

func (c *Client) withPins(p identity.Pins) string { return c.base.String() + "#" + p.Fragment() }

// learn takes what an answer says of the site's keys.
func (c *Client) learn(h http.Header) {
	if c.trust == nil {
		return
	}
	if before, now, changed := c.trust.learn(h); changed && c.learned != nil {
		c.learned(c.withPins(before), c.withPins(now))
	}
}

// Close gives idle connections back.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// ParseAddress checks a site's address: https, or http to this machine, with a
// host, without user and query, and with no fragment but pinned keys. A trailing
// slash is dropped.
func ParseAddress(address string) (*url.URL, error) {
	const form = "give an address such as https://data.hospital.example or http://127.0.0.1:7440"
	u, err := url.Parse(strings.TrimSpace(address))
	if err != nil || u.Host == "" || u.Hostname() == "" {
		return nil, anchorhold.Errorf(anchorhold.Invalid, form, "that is not the address of a site")
	}
	if u.User != nil || u.RawQuery != "" || u.ForceQuery {
		return nil, anchorhold.Errorf(anchorhold.Invalid, form, "the address of a site has no user name and no query")
	}
	if _, err := identity.ParsePins(u.Fragment); err != nil {
		return nil, err
	}
	u.Path, u.RawPath = strings.TrimRight(u.Path, "/"), ""
	switch u.Scheme {
	case "https":
		return u, nil
	case "http":
		if u.Fragment != "" {
			return nil, anchorhold.Errorf(anchorhold.Invalid, "use https://, or leave out what stands behind #",
				"plain http proves no key, and the address pins one")
		}
		if IsLoopback(u.Hostname()) {
			return u, nil
		}
		return nil, anchorhold.Errorf(anchorhold.Invalid, "use https://, or http:// on the site's own machine",
			"plain http to another machine would show the token and the answers to everybody between")
	}
	return nil, anchorhold.Errorf(anchorhold.Invalid, form, "the address of a site begins with https:// or http://")
}

// IsLoopback says whether a host name or IP address means this machine.
func IsLoopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}

// networkTransport dials the network. Plain connections are checked once more
// after the name was resolved, since "localhost" means what a resolver says.
func networkTransport(plain bool, trust *tls.Config) *http.Transport {
	d := &net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}
	t := &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		TLSHandshakeTimeout: 10 * time.Second,
		TLSClientConfig:     trust,
		ForceAttemptHTTP2:   true,
		IdleConnTimeout:     time.Minute,
	}
	if plain {
		t.Proxy = nil
		d.Control = func(_, address string, _ syscall.RawConn) error { return mustBeLoopback(address) }
	}
	t.DialContext = d.DialContext
	return t
}

// mustBeLoopback refuses an address that was resolved to another machine.
func mustBeLoopback(address string) error {
	host, _, err := net.SplitHostPort(address)
	if err == nil && IsLoopback(host) {
		return nil
	}
	return anchorhold.Errorf(anchorhold.Invalid, "use https://", "the address means another machine, and plain http does not leave this one")
}

// drain reads the rest of a small body, so that its connection is used again.
func drain(body io.ReadCloser) {
	io.CopyN(io.Discard, body, 64<<10) //nolint:errcheck // only a courtesy to the connection
	body.Close()
}
