package site_test

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/anchorhold/anchorhold/site"
)

// presented connects to a TLS door and gives the certificate that it shows,
// without believing it.
func presented(t *testing.T, address string) *x509.Certificate {
	t.Helper()
	c, err := tls.Dial("tcp", address, &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS13})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	return c.ConnectionState().PeerCertificates[0]
}

// The site makes a key once; the connection string names it, today and after
// any number of starts; nobody else can read it.
func TestSelfSigned(t *testing.T) {
	dir, _ := makeSite(t)
	var named []string
	for range 2 {
		url, connect, stop := serveWith(t, dir, site.ServeOptions{Listen: "127.0.0.1:0", SelfSigned: true, Advertise: "data.hospital.example:443"})
		shown := presented(t, strings.TrimPrefix(url, "https://"))
		sum := sha256.Sum256(shown.RawSubjectPublicKeyInfo)
		want := "https://data.hospital.example:443#sha256=" + base64.RawURLEncoding.EncodeToString(sum[:])
		if connect != want {
			t.Errorf("the connection string is %s, want %s", connect, want)
		}
		for _, name := range []string{"data.hospital.example", "localhost", "127.0.0.1"} {
			if err := shown.VerifyHostname(name); err != nil {
				t.Errorf("the certificate is not for %s: %v", name, err)
			}
		}
		trusting := x509.NewCertPool()
		trusting.AddCert(shown)
		c := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: trusting, MinVersion: tls.VersionTLS13}}}
		if code, body := get(t, c, url+"/v1/site", ""); code != 200 || !strings.Contains(body, connect) {
			t.Errorf("who trusts the certificate as a file: %d %s", code, body)
		}
		c.CloseIdleConnections()
		named = append(named, connect)
		if err := stop(); err != nil {
			t.Fatal(err)
		}
	}
	if named[0] != named[1] {
		t.Errorf("the key changed between two starts: %q", named)
	}
	file := filepath.Join(dir, "tls.pem")
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	refuse := func(what, want string) {
		t.Helper()
		s, err := site.Open(context.Background(), dir, site.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		o := site.ServeOptions{Listen: "127.0.0.1:0", SelfSigned: true, NewSandbox: newClosedBox}
		if err := s.Serve(context.Background(), o, func(string) { t.Errorf("%s: served", what) }); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v", what, err)
		}
	}
	if err := os.Chmod(file, 0o644); err != nil {
		t.Fatal(err)
	}
	refuse("a key that others can read", "others may read")
	if err := os.WriteFile(file, []byte("nonsense"), 0o600); err != nil {
		t.Fatal(err)
	}
	refuse("a damaged key", "does not hold")
}
