package site

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io/fs"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/identity"
)

// tlsFile holds the site's own TLS key and certificate. The key is kept for as
// long as the file is: connection strings name it.
const tlsFile = "tls.pem"

// How long a certificate of the site's own is good, and how long before its end
// it is written anew for the same key. Whoever pins the key looks at neither.
const (
	certLife  = 5 * 365 * 24 * time.Hour
	certRenew = 90 * 24 * time.Hour
)

// selfSigned gives the path of the site's own key and certificate, made when
// they are first wanted and renewed before the certificate ends.
func (s *Site) selfSigned(listen, advertise string) (string, error) {
	path := filepath.Join(s.dir, tlsFile)
	names := certNames(listen, advertise)
	cert, err := tls.LoadX509KeyPair(path, path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return "", err
		}
		return path, s.writeCert(path, key, names)
	case err != nil:
		return "", anchorhold.Errorf(anchorhold.Invalid, "restore it from a backup, or remove it and give everybody the new connection string",
			"%s does not hold the site's TLS key and certificate", path).Because(err)
	}
	if err := onlyOurs(path); err != nil {
		return "", err
	}
	if time.Now().Add(certRenew).Before(cert.Leaf.NotAfter) && covers(cert.Leaf, names) {
		return path, nil
	}
	key, ok := cert.PrivateKey.(crypto.Signer)
	if !ok {
		return "", anchorhold.Errorf(anchorhold.Invalid, "remove it and give everybody the new connection string", "%s holds a key that cannot sign", path)
	}
	return path, s.writeCert(path, key, names)
}

// onlyOurs refuses a private key that others may read.
func onlyOurs(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return unusable(filepath.Dir(path), err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return anchorhold.Errorf(anchorhold.Denied, "set its mode to 0600, and think who may have read it", "others may read the TLS key in %s", path)
	}
	return nil
}

// certNames are the hosts for which a certificate is written, for clients that
// trust it as a file and so look at names.
func certNames(listen, advertise string) []string {
	names := []string{"localhost", "127.0.0.1", "::1"}
	if name, err := os.Hostname(); err == nil && name != "localhost" {
		names = append(names, name)
	}
	for _, address := range []string{listen, advertise} {
		host, _, err := net.SplitHostPort(address)
		if err != nil {
			host = address
		}
		if ip := net.ParseIP(host); host != "" && (ip == nil || !ip.IsUnspecified()) {
			names = append(names, host)
		}
	}
	return names
}

func covers(c *x509.Certificate, names []string) bool {
	for _, name := range names {
		if c.VerifyHostname(name) != nil {
			return false
		}
	}
	return true
}

// writeCert writes a key with a certificate for it, in one step, into a file
// that only this account reads.
func (s *Site) writeCert(path string, key crypto.Signer, names []string) error {
	now := time.Now()
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return err
	}
	c := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: s.config.Name},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(certLife),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
	}
	for _, name := range names {
		if ip := net.ParseIP(name); ip != nil {
			c.IPAddresses = append(c.IPAddresses, ip)
		} else {
			c.DNSNames = append(c.DNSNames, name)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		return err
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	var text bytes.Buffer
	err = errors.Join(pem.Encode(&text, &pem.Block{Type: "PRIVATE KEY", Bytes: secret}), pem.Encode(&text, &pem.Block{Type: "CERTIFICATE", Bytes: der}))
	if err != nil {
		return err
	}
	return replaceFile(path, text.Bytes())
}

// replaceFile writes a file that only this account reads: the old content or
// the new is there at every instant, and the new is durable at the end.
func replaceFile(path string, data []byte) error {
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, ".new-*") // mode 0600
	if err != nil {
		return unusable(dir, err)
	}
	defer os.Remove(f.Name()) //nolint:errcheck // it is gone when all went well
	_, err = f.Write(data)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return unusable(dir, err)
	}
	return syncDir(dir)
}

// syncDir makes what was renamed in a folder durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return unusable(dir, err)
	}
	return errors.Join(d.Sync(), d.Close())
}

// certificate is the TLS certificate of a door. It is read again when its files
// change, so that a renewed one needs no restart; files that do not fit
// together, as while they are being replaced, leave the old one in place.
type certificate struct {
	certFile, keyFile string

	mu      sync.Mutex
	next    identity.Pins // announced
	current *tls.Certificate
	seen    [2]fileStamp
	looked  time.Time
}

type fileStamp struct {
	size int64
	at   time.Time
}

// lookAgain is how often the files are looked at.
const lookAgain = 5 * time.Second

func openCertificate(certFile, keyFile string) (*certificate, error) {
	c := &certificate{certFile: certFile, keyFile: keyFile}
	if err := c.read(); err != nil {
		return nil, anchorhold.Errorf(anchorhold.Invalid, "give a PEM certificate and its PEM key", "the TLS certificate cannot be used").Because(err)
	}
	return c, nil
}

func (c *certificate) read() error {
	seen := [2]fileStamp{stampOf(c.certFile), stampOf(c.keyFile)}
	if c.current != nil && seen == c.seen {
		return nil
	}
	c.seen = seen
	loaded, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	if err != nil {
		return err
	}
	c.current = &loaded
	return nil
}

func stampOf(path string) fileStamp {
	info, err := os.Stat(path)
	if err != nil {
		return fileStamp{}
	}
	return fileStamp{info.Size(), info.ModTime()}
}

// pins names the key in use, and the one that is announced.
func (c *certificate) pins() identity.Pins {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append(identity.PinOf(c.current.Leaf), c.next...)
}

// announce has the door say which key comes next; none: it says that none does.
// A key that was changed is served from now on.
func (c *certificate) announce(next identity.Pins) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.read(); err != nil {
		return err
	}
	c.next = next
	return nil
}

func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := time.Now(); now.Sub(c.looked) > lookAgain {
		c.looked = now
		if err := c.read(); err != nil {
			slog.Warn("the renewed TLS certificate cannot be used; the old one serves on")
		}
	}
	return c.current, nil
}

func (c *certificate) config() *tls.Config {
	return &tls.Config{GetCertificate: c.get, MinVersion: tls.VersionTLS13}
}
