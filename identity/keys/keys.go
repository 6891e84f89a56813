// Package keys holds a site's secrets and the public key by which others know
// it: an Ed25519 key that signs checkpoints and receipts, written as a C2SP
// vkey, and one master secret from which every other secret is derived.
//
// It promises that a secret is written to one file that only its owner can
// read, is never overwritten and survives a crash whole or not at all, is never
// printed, and that only sound public keys are accepted. The file can be sealed
// under a passphrase, a key file or a service's credential, so that the disk
// alone holds no secret. It must never print a secret, load one that others
// could read, or write a lock that it has not opened. The tests try every
// small-order point, every damaged vkey, loose permissions, links, torn files
// and wrong locks.
package keys

import (
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"fmt"

	"golang.org/x/mod/sumdb/note"

	"github.com/anchorhold/anchorhold"
)

// masterSize is the size of the master secret, in bytes.
const masterSize = 32

// SiteKeys is a site's secret material. It prints as its public key.
type SiteKeys struct {
	vkey    VKey
	signing ed25519.PrivateKey
	master  [masterSize]byte
}

// Generate draws fresh keys for a site whose log has this origin.
func Generate(origin string) (*SiteKeys, error) {
	var seed [ed25519.SeedSize]byte
	var master [masterSize]byte
	rand.Read(seed[:]) // never fails: crypto/rand ends the program instead
	rand.Read(master[:])
	return FromSecrets(origin, seed[:], master[:])
}

// FromSecrets makes keys from an Ed25519 seed (32 bytes) and a master secret
// (32 bytes). It exists for test vectors and for restoring a backup.
func FromSecrets(origin string, seed, master []byte) (*SiteKeys, error) {
	if len(seed) != ed25519.SeedSize || len(master) != masterSize {
		return nil, anchorhold.Errorf(anchorhold.Invalid, "restore the keys from a backup", "a secret of the site has the wrong size")
	}
	k := &SiteKeys{signing: ed25519.NewKeyFromSeed(seed)}
	copy(k.master[:], master)
	v, err := newVKey(origin, ed25519.PublicKey(k.signing[ed25519.SeedSize:])) // RFC 8032: seed ‖ public key
	if err != nil {
		return nil, err
	}
	k.vkey = v
	return k, nil
}

// Renew gives the keys of the same site under another origin: with a new key to
// sign with, so that nothing can be signed under the old origin any more, and
// the same master secret, under which its files and entries lie.
func (k *SiteKeys) Renew(origin string) (*SiteKeys, error) {
	var seed [ed25519.SeedSize]byte
	rand.Read(seed[:]) // never fails: crypto/rand ends the program instead
	return FromSecrets(origin, seed[:], k.master[:])
}

// VKey gives the public key.
func (k *SiteKeys) VKey() VKey { return k.vkey }

// Origin names the site's log.
func (k *SiteKeys) Origin() string { return k.vkey.origin }

// Sign signs msg with Ed25519. What is signed must begin with a text that says
// what it is: the same key signs notes (their first line is the origin, which
// holds no space) and DSSE envelopes (which begin with "DSSEv1 ").
func (k *SiteKeys) Sign(msg []byte) []byte { return ed25519.Sign(k.signing, msg) }

// NoteSigner gives the key as a signer of signed notes.
func (k *SiteKeys) NoteSigner() note.Signer { return noteSigner{k} }

// LogSecret is the secret (32 bytes) from which the keys of audit entries come.
func (k *SiteKeys) LogSecret() []byte { return k.derive("log", 32) }

// IndexKey is the SipHash key (16 bytes) of the indexes for disclosure checks.
func (k *SiteKeys) IndexKey() [16]byte { return [16]byte(k.derive("index", 16)) }

// GroupKey is the key (32 bytes) by which it is drawn which of somebody's groups
// count in answers to questions.
func (k *SiteKeys) GroupKey() []byte { return k.derive("group", 32) }

// BlobKey is the key (32 bytes) under which blobs are named.
func (k *SiteKeys) BlobKey() []byte { return k.derive("blob", 32) }

// derive gives a subkey of the master secret (RFC 5869). The info says the
// version and the use, so that no two uses share a key.
func (k *SiteKeys) derive(use string, size int) []byte {
	sub, err := hkdf.Key(sha256.New, k.master[:], nil, "anchorhold-site-v1 "+use, size)
	if err != nil {
		panic("keys: HKDF refused a constant size: " + err.Error()) // our own broken promise
	}
	return sub
}

// Format prints the public key whatever the verb, so that no %v, %+v or %x in
// a log line or an error can print a secret.
func (k *SiteKeys) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "site keys of %s", k.vkey) //nolint:errcheck // a printer has nobody to tell
}

// MarshalJSON refuses: secrets leave by Save only.
func (k *SiteKeys) MarshalJSON() ([]byte, error) {
	return nil, anchorhold.Errorf(anchorhold.Internal, "", "a site's secrets must not be encoded")
}

// noteSigner signs notes with a site's key.
type noteSigner struct{ k *SiteKeys }

// Name is the origin.
func (s noteSigner) Name() string { return s.k.vkey.origin }

// KeyHash is the first four bytes of SHA-256(name ‖ "\n" ‖ type ‖ key), as C2SP
// signed-note says.
func (s noteSigner) KeyHash() uint32 {
	h := sha256.New()
	h.Write([]byte(s.k.vkey.origin + "\n"))
	h.Write([]byte{algEd25519})
	h.Write([]byte(s.k.vkey.key))
	return binary.BigEndian.Uint32(h.Sum(nil))
}

// Sign signs a note's text.
func (s noteSigner) Sign(msg []byte) ([]byte, error) { return s.k.Sign(msg), nil }
