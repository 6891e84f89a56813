package client_test

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/client"
	"github.com/anchorhold/anchorhold/identity"
)

// secure is a site behind TLS that counts who gets through.
func secure(t *testing.T) (s *httptest.Server, calls *atomic.Int32) {
	t.Helper()
	calls = &atomic.Int32{}
	s = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		calls.Add(1)
		fmt.Fprint(w, `{"id":"pri-1"}`)
	}))
	t.Cleanup(s.Close)
	return s, calls
}

func TestPinnedKey(t *testing.T) {
	s, calls := secure(t)
	own := identity.PinOf(s.Certificate())
	other := identity.PinOf(&x509.Certificate{RawSubjectPublicKeyInfo: []byte("another key")})
	both := append(append(identity.Pins{}, other...), own...)
	// The certificate is for other names than this one: the key is what counts.
	url := strings.Replace(s.URL, "127.0.0.1", "localhost", 1)
	for _, good := range []identity.Pins{own, both} {
		c, err := client.New(url+"#"+good.Fragment(), client.Options{Token: "t"})
		if err != nil {
			t.Fatal(err)
		}
		if me, err := c.Me(t.Context()); err != nil || me.ID != "pri-1" {
			t.Errorf("with the right key: %+v, %v", me, err)
		}
		if want := url + "#" + good.Fragment(); c.Address() != want {
			t.Errorf("the address is %s, want %s", c.Address(), want)
		}
		c.Close()
	}
	before := calls.Load()
	c, err := client.New(url+"#"+other.Fragment(), client.Options{Token: "t", Backoff: at0})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_, err = c.Me(t.Context())
	if anchorhold.KindOf(err) != anchorhold.Denied || !strings.Contains(err.Error(), "another key") || !strings.Contains(err.Error(), "ask the site's owner") {
		t.Errorf("with another key: %v", err)
	}
	if calls.Load() != before {
		t.Errorf("a server with another key was sent %d requests", calls.Load()-before)
	}
}

// TestLearntKeys: what a site says of its keys counts over a connection that a
// pinned key vouches for, and over no other.
func TestLearntKeys(t *testing.T) {
	var says atomic.Value
	says.Store("")
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set(identity.PinsHeader, says.Load().(string))
		fmt.Fprint(w, `{"id":"pri-1"}`)
	}))
	t.Cleanup(s.Close)
	own := identity.PinOf(s.Certificate())
	next := identity.PinOf(&x509.Certificate{RawSubjectPublicKeyInfo: []byte("the next key")})
	both := append(append(identity.Pins{}, own...), next...)
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	loose, err := client.New(s.URL, client.Options{CA: ca, Learned: func(_, now string) { t.Errorf("learnt %s where no key is pinned", now) }})
	if err != nil {
		t.Fatal(err)
	}
	defer loose.Close()
	learnt := 0
	c, err := client.New(s.URL+"#"+own.Fragment(), client.Options{Backoff: at0, Learned: func(string, string) { learnt++ }})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for _, step := range []struct {
		says  string
		want  identity.Pins
		times int
	}{
		{"", own, 0},
		{own.Fragment(), own, 0},
		{"sha256=torn", own, 0},
		{both.Fragment(), both, 1},
		{"", both, 1},
		{both.Fragment(), both, 1},
		{own.Fragment(), own, 2}, // taken back
		{next.Fragment(), next, 3},
	} {
		says.Store(step.says)
		for _, c := range []*client.Client{c, loose} {
			if _, err := c.Me(t.Context()); err != nil {
				t.Fatalf("%q: %v", step.says, err)
			}
		}
		if want := s.URL + "#" + step.want.Fragment(); c.Address() != want || learnt != step.times || loose.Address() != s.URL {
			t.Errorf("%q: %s after %d lessons, want %s after %d", step.says, c.Address(), learnt, want, step.times)
		}
	}
	c.Close() // the next connection must be of the new key, and this server has the old one
	if _, err := c.Me(t.Context()); anchorhold.KindOf(err) != anchorhold.Denied {
		t.Errorf("the old key counts still: %v", err)
	}
}

func TestGivenCertificate(t *testing.T) {
	s, _ := secure(t)
	own := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	for name, c := range map[string]struct {
		url  string
		ca   []byte
		want anchorhold.Kind // empty: it works
		when string
	}{
		"its own":             {s.URL, own, "", ""},
		"none":                {s.URL, nil, anchorhold.Unavailable, "call"},
		"a file of something": {s.URL, []byte("hello"), anchorhold.Invalid, "make"},
		"beside a pinned key": {s.URL + "#" + identity.PinOf(s.Certificate()).Fragment(), own, anchorhold.Invalid, "make"},
	} {
		made, err := client.New(c.url, client.Options{CA: c.ca, Backoff: at0})
		if err == nil {
			_, err = made.Me(t.Context())
		} else if c.when != "make" {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if c.want == "" && err != nil || c.want != "" && anchorhold.KindOf(err) != c.want {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
	}
}

func TestSameSite(t *testing.T) {
	a := identity.PinOf(&x509.Certificate{RawSubjectPublicKeyInfo: []byte("a")}).Fragment()
	b := identity.PinOf(&x509.Certificate{RawSubjectPublicKeyInfo: []byte("b")}).Fragment()
	const at = "https://a.example"
	for _, c := range []struct{ x, y, want string }{
		{at, at + "/", at},
		{at, at + "#" + a, at + "#" + a},
		{at + "#" + a, at, at + "#" + a},
		{at + "/#" + a, at + "#" + a, at + "#" + a},
		{at + "#" + a, at + "#" + b, ""},
		{at + "#" + a, at + "#" + a + "," + b[len("sha256="):], at + "#" + a + "," + b[len("sha256="):]},
		{at, at + "#" + a + "," + b[len("sha256="):], at + "#" + a + "," + b[len("sha256="):]},
		{at + "#" + a + "," + b[len("sha256="):], at + "#" + a, ""}, // a key that nobody vouches for
		{at, "https://a.example:444", ""},
		{at, "https://b.example", ""},
		{at, "", ""},
		{"http://127.0.0.1:1", "https://127.0.0.1:1", ""},
		{at, at + "#nonsense", ""},
	} {
		if got, same := client.SameSite(c.x, c.y); got != c.want || same != (c.want != "") {
			t.Errorf("%q and %q: got %q, %v", c.x, c.y, got, same)
		}
	}
}
