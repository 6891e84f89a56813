// Package receipt makes and verifies receipts: one file that says which code
// answered, on which versions of which data, by whose decision, and what left,
// or which question in SQL was answered with which noise and what it cost, as an
// in-toto statement in a DSSE envelope that the site signed, with the
// proof that the release is in the site's audit log.
//
// It promises that a receipt that verifies says what the site signed and
// logged, with nothing but the file and the site's public key at hand, and that
// each refusal says which step failed. It must never need the network and never
// hold a private value. The tests flip every byte of a receipt, forge each part
// with real keys of another site, and fuzz the parser; docs/spec/receipt.md is
// the format, with vectors that the Python verifier checks too.
package receipt

import (
	"bytes"
	"context"
	"crypto"
	"encoding/base64"
	"encoding/json"
	"errors"

	"github.com/secure-systems-lab/go-securesystemslib/dsse"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/audit"
	"github.com/anchorhold/anchorhold/digest"
	"github.com/anchorhold/anchorhold/identity/keys"
)

// MaxFile is the largest receipt that is read, in bytes.
const MaxFile = 1 << 20

// Limits of the file's lists.
const (
	maxSignatures = 8
	maxProof      = 63
)

// Sealed is a signed statement whose release is not logged yet. Digest is what
// the entry of the release must carry as its Event.Digest, with
// audit.ActionRelease as the action and the release's id as the subject, or
// audit.ActionAnswer and the question's.
type Sealed struct {
	Envelope dsse.Envelope
	Digest   string // "sha256:..." of the payload
}

// Sign checks a statement and signs it. Call it before the entry of the release
// is appended: the entry commits to the digest.
func Sign(s Statement, k *keys.SiteKeys) (Sealed, error) {
	if s.site() != k.Origin() {
		return Sealed{}, anchorhold.Errorf(anchorhold.Internal, "", "a receipt names another site than the one that signs it")
	}
	payload, err := s.payload()
	if err != nil {
		return Sealed{}, err
	}
	signer, err := dsse.NewEnvelopeSigner(dsseSigner{k})
	if err != nil {
		return Sealed{}, notSigned(err)
	}
	env, err := signer.SignPayload(context.Background(), PayloadType, payload)
	if err != nil {
		return Sealed{}, notSigned(err)
	}
	return Sealed{Envelope: *env, Digest: digest.SHA256(payload)}, nil
}

// KeyIDs names the keys that signed.
func (s Sealed) KeyIDs() (out []string) {
	for _, sig := range s.Envelope.Signatures {
		out = append(out, sig.KeyID)
	}
	return out
}

func notSigned(err error) error {
	return anchorhold.Errorf(anchorhold.Internal, "", "the receipt could not be signed").Because(err)
}

// file is a receipt's JSON, version 1 (docs/spec/receipt.md §1).
type file struct {
	V        int           `json:"v"`
	Envelope dsse.Envelope `json:"envelope"`
	Log      logPart       `json:"log"`
}

type logPart struct {
	Origin     string   `json:"origin"`
	Index      int64    `json:"index"`
	Size       int64    `json:"size"`
	Checkpoint string   `json:"checkpoint"`
	Proof      []string `json:"proof"`
	Entry      string   `json:"entry"`
	Key        string   `json:"key"`
}

// Receipt is a receipt file, read but not verified.
type Receipt struct {
	Envelope dsse.Envelope
	Log      audit.Opening
}

// Build makes the receipt from the signed statement and the opening of its log
// entry, once that entry is committed.
func Build(s Sealed, o audit.Opening) Receipt { return Receipt{Envelope: s.Envelope, Log: o} }

// Complete makes the receipt file of a stored envelope; open gives the opening of
// its log entry for the ids of the keys that signed it.
func Complete(envelope []byte, open func(signers []string) (audit.Opening, error)) ([]byte, error) {
	var s Sealed
	if err := json.Unmarshal(envelope, &s.Envelope); err != nil {
		return nil, err
	}
	o, err := open(s.KeyIDs())
	if err != nil {
		return nil, err
	}
	return Build(s, o).Marshal()
}

// Marshal gives the receipt file: canonical JSON.
func (r Receipt) Marshal() ([]byte, error) {
	b64 := base64.StdEncoding.EncodeToString
	f := file{V: 1, Envelope: r.Envelope, Log: logPart{
		Origin: r.Log.Origin, Index: r.Log.Index, Size: r.Log.Size, Checkpoint: string(r.Log.Checkpoint),
		Proof: []string{}, Entry: b64(r.Log.Entry), Key: b64(r.Log.Key),
	}}
	for _, h := range r.Log.Proof {
		f.Log.Proof = append(f.Log.Proof, b64(h[:]))
	}
	return digest.Marshal(f)
}

// Parse reads a receipt file and checks its form only. It accepts exactly the
// members of version 1, each once and spelt as specified.
func Parse(data []byte) (Receipt, error) {
	if len(data) > MaxFile {
		return Receipt{}, refuse(ReasonFormat, nil)
	}
	canonical, err := digest.Canonical(data)
	if err != nil {
		return Receipt{}, refuse(ReasonFormat, err)
	}
	var version struct {
		V *int64 `json:"v"`
	}
	if err := json.Unmarshal(data, &version); err != nil || version.V == nil {
		return Receipt{}, refuse(ReasonFormat, err)
	}
	if *version.V != 1 {
		return Receipt{}, refuse(ReasonVersion, nil)
	}
	var f file
	if err := json.Unmarshal(data, &f); err != nil { // not canonical: 1.0 is no plain integer
		return Receipt{}, refuse(ReasonFormat, err)
	}
	// Unknown, missing and misspelt members, which encoding/json forgives, make
	// a difference here.
	if again, err := digest.Marshal(f); err != nil || !bytes.Equal(again, canonical) {
		return Receipt{}, refuse(ReasonFormat, err)
	}
	return f.receipt()
}

// receipt decodes the texts of a file.
func (f file) receipt() (Receipt, error) {
	d := decoder{ok: true}
	r := Receipt{Envelope: f.Envelope, Log: audit.Opening{
		Origin: f.Log.Origin, Index: f.Log.Index, Size: f.Log.Size, Checkpoint: []byte(f.Log.Checkpoint),
		Entry: d.base64(f.Log.Entry), Key: d.base64(f.Log.Key),
	}}
	for _, p := range f.Log.Proof {
		h := d.base64(p)
		if len(h) != 32 {
			return Receipt{}, refuse(ReasonFormat, errors.New("a hash of the proof has the wrong size"))
		}
		r.Log.Proof = append(r.Log.Proof, [32]byte(h))
	}
	d.base64(f.Envelope.Payload)
	for _, s := range f.Envelope.Signatures {
		d.base64(s.Sig)
	}
	n := len(f.Envelope.Signatures)
	counts := n >= 1 && n <= maxSignatures && len(f.Log.Proof) <= maxProof && f.Log.Proof != nil
	inTree := f.Log.Index >= 0 && f.Log.Index < f.Log.Size && f.Log.Size < 1<<53
	if !d.ok || !counts || !inTree || len(r.Log.Key) != audit.KeySize {
		return Receipt{}, refuse(ReasonFormat, nil)
	}
	return r, nil
}

// decoder decodes canonical base64 and remembers whether all of it was.
type decoder struct{ ok bool }

func (d *decoder) base64(s string) []byte {
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil || base64.StdEncoding.EncodeToString(b) != s {
		d.ok = false
	}
	return b
}

// dsseSigner signs envelopes with a site's key.
type dsseSigner struct{ k *keys.SiteKeys }

// Sign signs the pre-authentication encoding.
func (s dsseSigner) Sign(_ context.Context, data []byte) ([]byte, error) { return s.k.Sign(data), nil }

// KeyID is ORIGIN+HASH.
func (s dsseSigner) KeyID() (string, error) { return s.k.VKey().ID(), nil }

// dsseVerifier verifies envelopes with a site's public key.
type dsseVerifier struct{ v keys.VKey }

// Verify says whether sig is the site's.
func (v dsseVerifier) Verify(_ context.Context, data, sig []byte) error {
	if !v.v.Verify(data, sig) {
		return errors.New("the signature is not the site's")
	}
	return nil
}

// KeyID is ORIGIN+HASH.
func (v dsseVerifier) KeyID() (string, error) { return v.v.ID(), nil }

// Public is the Ed25519 public key.
func (v dsseVerifier) Public() crypto.PublicKey { return v.v.Public() }
