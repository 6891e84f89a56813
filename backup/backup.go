// Package backup is the form of a backup: one encrypted stream of named parts.
//
// It promises that what a reader is given to its end is what the site wrote,
// whole and in order (the stream is an age file, and its last part is signed by
// the site); that nothing of it can be read without a recipient's key or the
// passphrase; and that names lead nowhere: only those of the specification are
// parts. It holds a few hundred KiB in memory however large the parts are. It
// must never write keys in the clear, and never report the end of a stream that
// was cut. docs/spec/backup.md specifies the form, with vectors; tests cut,
// alter, reorder and forge.
package backup

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"slices"
	"strings"
	"time"

	"filippo.io/age"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/identity/keys"
	"github.com/anchorhold/anchorhold/internal/plaintar"
)

// Names of the parts, in their order: Manifest first, End last.
const (
	ManifestPart = "manifest.json"
	SitePart     = "site.json"
	KeysPart     = "keys.json"
	DatabasePart = "site.db"
	BlobPrefix   = "blobs/"
	endPart      = "end.json"
)

// Manifest says what a backup is of.
type Manifest struct {
	V          int       `json:"v"`
	ID         string    `json:"id"`
	Site       string    `json:"site"` // name
	Key        string    `json:"key"`  // vkey
	Created    time.Time `json:"created"`
	Program    string    `json:"program"`    // version that wrote it
	Checkpoint string    `json:"checkpoint"` // signed head of the log in it
	Protection string    `json:"protection"` // what guarded the site's keys
}

// end closes a backup.
type end struct {
	V         int    `json:"v"`
	Parts     int    `json:"parts"`
	Digest    string `json:"digest"`    // sha256:..., of all parts
	Signature []byte `json:"signature"` // by the site's key
}

// maxSmall bounds the parts that are read as a whole.
const maxSmall = 1 << 20

// signed is what the site signs at the end. It begins with a text that says
// what it is, and that is neither an origin nor an envelope.
func signed(origin, digest string) []byte {
	return []byte("anchorhold-backup v1\n" + origin + "\n" + digest + "\n")
}

// tally hashes the parts as they pass.
type tally struct {
	sum   hash.Hash
	parts int
}

func newTally() *tally { return &tally{sum: sha256.New()} }

// add notes a part that has passed.
func (t *tally) add(name string, size int64, sum []byte) {
	fmt.Fprintf(t.sum, "%s\n%d\n%x\n", name, size, sum)
	t.parts++
}

func (t *tally) digest() string { return "sha256:" + hex.EncodeToString(t.sum.Sum(nil)) }

// Seal says to whom a backup is encrypted: to age recipients, or under a
// passphrase.
type Seal struct {
	Recipients []string
	Passphrase string
	WorkFactor int // of a passphrase, as a power of two; 0: age's
}

// recipients parses them.
func (s Seal) recipients() ([]age.Recipient, error) {
	switch {
	case s.Passphrase != "" && len(s.Recipients) > 0, s.Passphrase == "" && len(s.Recipients) == 0:
		return nil, anchorhold.Errorf(anchorhold.Invalid, "give --recipient age1... (several if you like), or a passphrase", "a backup is encrypted to recipients, or under a passphrase")
	case s.Passphrase != "":
		if len([]rune(s.Passphrase)) < keys.MinPassphrase {
			return nil, anchorhold.Errorf(anchorhold.Invalid, "choose a longer one: several random words", "a passphrase has at least %d characters", keys.MinPassphrase)
		}
		r, err := age.NewScryptRecipient(s.Passphrase)
		if err != nil {
			return nil, err
		}
		if s.WorkFactor > 0 {
			r.SetWorkFactor(s.WorkFactor)
		}
		return []age.Recipient{r}, nil
	}
	out, err := age.ParseRecipients(strings.NewReader(strings.Join(s.Recipients, "\n")))
	if err != nil {
		return nil, anchorhold.Errorf(anchorhold.Invalid, "copy the whole line that age-keygen -y prints, age1...", "this is not an age recipient").Because(err)
	}
	return out, nil
}

// Check says whether a seal can be used.
func (s Seal) Check() error {
	_, err := s.recipients()
	return err
}

// Writer writes a backup.
type Writer struct {
	sealed io.WriteCloser
	tar    *tar.Writer
	tally  *tally
	at     time.Time
}

// NewWriter begins a backup on w.
func NewWriter(w io.Writer, s Seal, m Manifest) (*Writer, error) {
	to, err := s.recipients()
	if err != nil {
		return nil, err
	}
	sealed, err := age.Encrypt(w, to...)
	if err != nil {
		// Recipients of two kinds that must not be mixed, for example.
		return nil, anchorhold.Errorf(anchorhold.Invalid, "give recipients of one kind", "the backup cannot be encrypted to these recipients").Because(err)
	}
	m.V = 1
	text, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return nil, err
	}
	b := &Writer{sealed: sealed, tar: tar.NewWriter(sealed), tally: newTally(), at: m.Created}
	if err := b.Add(ManifestPart, int64(len(text)), bytes.NewReader(text)); err != nil {
		return nil, err
	}
	return b, nil
}

// Add adds a part of exactly size bytes.
func (w *Writer) Add(name string, size int64, r io.Reader) error {
	if !known(name) {
		return anchorhold.Errorf(anchorhold.Internal, "", "a backup has no such part")
	}
	sum := sha256.New()
	if err := w.put(name, size, io.TeeReader(r, sum)); err != nil {
		return err
	}
	w.tally.add(name, size, sum.Sum(nil))
	return nil
}

func (w *Writer) put(name string, size int64, r io.Reader) error {
	err := w.tar.WriteHeader(&tar.Header{Name: name, Size: size, Mode: 0o600, ModTime: w.at, Format: tar.FormatPAX})
	if err != nil {
		return err
	}
	n, err := io.CopyBuffer(struct{ io.Writer }{w.tar}, io.LimitReader(r, size), make([]byte, 256<<10))
	if err == nil && n != size {
		err = io.ErrUnexpectedEOF
	}
	return err
}

// Close signs and ends the backup.
func (w *Writer) Close(k *keys.SiteKeys) error {
	e := end{V: 1, Parts: w.tally.parts, Digest: w.tally.digest()}
	e.Signature = k.Sign(signed(k.Origin(), e.Digest))
	text, err := json.Marshal(e)
	if err != nil {
		return err
	}
	if err := w.put(endPart, int64(len(text)), bytes.NewReader(text)); err != nil {
		return err
	}
	if err := w.tar.Close(); err != nil {
		return err
	}
	return w.sealed.Close()
}

// order lists the parts before those of stored files.
func order() []string { return []string{ManifestPart, SitePart, KeysPart, DatabasePart} }

// known says whether a name is that of a part.
func known(name string) bool {
	if slices.Contains(order(), name) {
		return true
	}
	blob, ok := strings.CutPrefix(name, BlobPrefix)
	return ok && len(blob) == 64 && strings.Trim(blob, "0123456789abcdef") == ""
}

// Opener is what opens a backup: identities (AGE-SECRET-KEY lines), or a
// passphrase. Passphrase is asked only where one is needed.
type Opener struct {
	Identities string
	Passphrase func() (string, error)
}

// Reader reads a backup.
type Reader struct {
	Manifest Manifest
	// Authentic says that only who knew the passphrase can have written it. What
	// is encrypted to a recipient can come from anybody; then who wrote it is
	// known by its signature, under a key that the reader knew before.
	Authentic bool

	vkey  keys.VKey
	tar   *tar.Reader
	plain io.Reader
	tally *tally
	// before is the name of the part that was read last.
	before string
	last   struct {
		name string
		size int64
		sum  hash.Hash
	}
	done bool
}

// Open begins to read a backup.
func Open(r io.Reader, o Opener) (*Reader, error) {
	b := &Reader{tally: newTally()}
	var ids []age.Identity
	var err error
	if o.Identities != "" {
		ids, err = age.ParseIdentities(strings.NewReader(o.Identities))
		if err != nil {
			return nil, anchorhold.Errorf(anchorhold.Invalid, "give the file that age-keygen made", "the identity file holds no age identity") // the cause may repeat a secret
		}
	} else {
		ids = []age.Identity{&asked{ask: o.Passphrase}}
		b.Authentic = true
	}
	if b.plain, err = age.Decrypt(r, ids...); err != nil {
		return nil, closed(err)
	}
	b.tar = tar.NewReader(b.plain)
	name, size, part, err := b.Next()
	if err != nil {
		return nil, err
	}
	if name != ManifestPart || size > maxSmall {
		return nil, damaged(errors.New("it does not begin with its manifest"))
	}
	dec := json.NewDecoder(part)
	if err := dec.Decode(&b.Manifest); err != nil || b.Manifest.V != 1 {
		return nil, anchorhold.Errorf(anchorhold.Invalid, "use the program's version that wrote it", "the backup is of an unknown version").Because(err)
	}
	if b.vkey, err = keys.ParseVKey(b.Manifest.Key); err != nil {
		return nil, damaged(err)
	}
	_, err = io.Copy(io.Discard, part) // white space, so that the tally has all
	return b, err
}

// asked is a passphrase that is asked for when a file needs it.
type asked struct{ ask func() (string, error) }

// Unwrap implements age.Identity.
func (a *asked) Unwrap(stanzas []*age.Stanza) ([]byte, error) {
	if len(stanzas) != 1 || stanzas[0].Type != "scrypt" {
		return nil, anchorhold.Errorf(anchorhold.Denied, "use --identity FILE with one of their keys", "the backup is encrypted to recipients")
	}
	if a.ask == nil {
		return nil, anchorhold.Errorf(anchorhold.Denied, "give the passphrase", "the backup is encrypted under a passphrase")
	}
	phrase, err := a.ask()
	if err != nil {
		return nil, err
	}
	id, err := age.NewScryptIdentity(phrase)
	if err != nil {
		return nil, err
	}
	return id.Unwrap(stanzas)
}

// closed says why a backup does not open.
func closed(err error) error {
	var told *anchorhold.Error
	var none *age.NoIdentityMatchError
	switch {
	case errors.As(err, &told):
		return told
	case errors.As(err, &none) && len(none.StanzaTypes) == 1 && none.StanzaTypes[0] == "scrypt":
		return anchorhold.Errorf(anchorhold.Denied, "give the passphrase with which it was made, with no --identity", "the backup does not open with this passphrase or identity")
	case errors.As(err, &none), errors.Is(err, age.ErrIncorrectIdentity):
		return anchorhold.Errorf(anchorhold.Denied, "give an identity of one of its recipients", "the backup does not open with this identity")
	}
	return damaged(err)
}

func damaged(err error) error {
	return anchorhold.Errorf(anchorhold.Invalid, "use another backup", "the backup is damaged, cut or not a backup").Because(err)
}

// Next gives the next part, to be read before the one after it. At the end,
// once the site's signature over all parts has been found to hold, the error is
// io.EOF; every other error means that nothing that was read may be used.
func (b *Reader) Next() (name string, size int64, part io.Reader, err error) {
	if b.done {
		return "", 0, nil, io.EOF
	}
	if err := b.pass(); err != nil {
		return "", 0, nil, err
	}
	h, err := b.tar.Next()
	if err == io.EOF { //nolint:errorlint // archive/tar gives it bare
		err = io.ErrUnexpectedEOF // the stream ended, the backup did not
	}
	if err != nil {
		return "", 0, nil, damaged(err)
	}
	if odd := plaintar.Odd(h); odd != "" {
		return "", 0, nil, damaged(errors.New("a part " + odd))
	}
	if h.Name == endPart {
		return "", 0, nil, b.finish(h)
	}
	if !b.follows(h.Name) {
		return "", 0, nil, damaged(errors.New("an unknown part, or one in another's place"))
	}
	b.last.name, b.last.size, b.last.sum = h.Name, h.Size, sha256.New()
	return h.Name, h.Size, partReader{io.TeeReader(b.tar, b.last.sum)}, nil
}

// follows says whether a name is that of a part that comes after those which
// were read: each comes once, in the order of the specification.
func (b *Reader) follows(name string) bool {
	place, before := slices.Index(order(), name), slices.Index(order(), b.before)
	ok := known(name)
	switch {
	case b.before == "", place > before && before >= 0:
	case place >= 0: // a second time, or too late
		ok = false
	default:
		ok = ok && (before >= 0 || name > b.before)
	}
	b.before = name
	return ok
}

// partReader makes errors of the stream ones that a person can act on.
type partReader struct{ r io.Reader }

// Read implements io.Reader.
func (p partReader) Read(buf []byte) (int, error) {
	n, err := p.r.Read(buf)
	if err != nil && err != io.EOF { //nolint:errorlint // io.Reader gives it bare
		err = damaged(err)
	}
	return n, err
}

// pass ends the part before: what nobody read of it is read now.
func (b *Reader) pass() error {
	if b.last.sum == nil {
		return nil
	}
	if _, err := io.Copy(b.last.sum, b.tar); err != nil {
		return damaged(err)
	}
	b.tally.add(b.last.name, b.last.size, b.last.sum.Sum(nil))
	b.last.sum = nil
	return nil
}

func (b *Reader) finish(h *tar.Header) error {
	var e end
	text, err := io.ReadAll(io.LimitReader(b.tar, maxSmall))
	if err == nil {
		err = json.Unmarshal(text, &e)
	}
	if err != nil || h.Size > maxSmall || e.V != 1 || e.Parts != b.tally.parts || e.Digest != b.tally.digest() {
		return damaged(err)
	}
	if !b.vkey.Verify(signed(b.vkey.Origin(), e.Digest), e.Signature) {
		return damaged(errors.New("the site's signature does not hold"))
	}
	if _, err := b.tar.Next(); err != io.EOF { //nolint:errorlint // archive/tar gives it bare
		return damaged(errors.New("parts after the end"))
	}
	if _, err := io.Copy(io.Discard, b.plain); err != nil { // age's own end
		return damaged(err)
	}
	b.done = true
	return io.EOF
}

// Small reads a part that is known to be small.
func Small(r io.Reader) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxSmall+1))
	if err == nil && len(data) > maxSmall {
		err = damaged(errors.New("a part is too large"))
	}
	return data, err
}
