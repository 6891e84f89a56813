package site

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// A renewed certificate serves without a restart, and half a renewal does not
// end the service.
func TestCertificatesAreReadAgain(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "given.pem")
	s := &Site{dir: dir}
	renew := func() {
		t.Helper()
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.writeCert(path, key, []string{"localhost"}); err != nil {
			t.Fatal(err)
		}
	}
	serving := func(c *certificate) string {
		t.Helper()
		c.looked = time.Time{} // long ago
		got, err := c.get(nil)
		if err != nil {
			t.Fatal(err)
		}
		return got.Leaf.SerialNumber.String()
	}
	renew()
	c, err := openCertificate(path, path)
	if err != nil {
		t.Fatal(err)
	}
	first := serving(c)
	if err := os.WriteFile(path, []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := serving(c); got != first {
		t.Errorf("while files are replaced, %s serves in place of %s", got, first)
	}
	renew()
	if got := serving(c); got == first {
		t.Error("the renewed certificate does not serve")
	}
}

// The certificate ends some day; the key, which people pinned, stays.
func TestRenewalKeepsTheKey(t *testing.T) {
	s := &Site{dir: t.TempDir()}
	path, err := s.selfSigned("127.0.0.1:1", "")
	if err != nil {
		t.Fatal(err)
	}
	before, err := openCertificate(path, path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.selfSigned("127.0.0.1:1", "new.example"); err != nil {
		t.Fatal(err)
	}
	after, err := openCertificate(path, path)
	if err != nil {
		t.Fatal(err)
	}
	if after.current.Leaf.SerialNumber.Cmp(before.current.Leaf.SerialNumber) == 0 || after.pins().Fragment() != before.pins().Fragment() {
		t.Error("a further name wants a new certificate for the same key")
	}
}
