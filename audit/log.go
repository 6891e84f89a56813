// Package audit is a site's append-only transparency log: C2SP tlog-tiles with
// signed-note checkpoints over encrypted entries.
//
// It promises that an act, its entry and the signed checkpoint over both become
// durable together (it writes only inside a transaction of its caller), that
// anybody can detect an altered, removed, reordered or foreign entry with the
// public key alone, and that one entry can be opened to somebody without the
// others. It must never hold state that a rolled-back transaction would leave
// wrong, and never log a private value. Tests attack each of these, compare
// checkpoints and proofs with independent implementations of C2SP and RFC 6962,
// and fuzz every parser; docs/spec/log.md specifies the formats, with vectors.
package audit

import (
	"crypto/hkdf"
	"crypto/sha256"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/identity/keys"
)

// Tx is the caller's open transaction. Each method MUST see what earlier calls
// in the same transaction wrote, and nothing may become visible before the
// caller commits. Indexes of hashes are those of tlog.StoredHashIndex.
type Tx interface {
	// Size is the number of entries so far.
	Size() (int64, error)
	// AppendEntry stores the entry with the next index, and the tree hashes that
	// it completes: those from tlog.StoredHashIndex(0, index) on. It MUST fail
	// when the index is not Size. The time is for listing only.
	AppendEntry(index int64, entry []byte, hashes [][32]byte, at time.Time) error
	// Hashes gives stored tree hashes, in the order asked for. It MUST fail when
	// one is missing.
	Hashes(indexes []int64) ([][32]byte, error)
	// SetCheckpoint replaces the newest checkpoint.
	SetCheckpoint(size int64, signedNote []byte) error
}

// Log writes and reads the audit log of one site. It holds secrets and no other
// state, so it is safe for use by several goroutines; the order of entries is
// the order of the transactions.
type Log struct {
	origin string
	signer note.Signer
	prk    []byte
}

// New makes the log of a site from its keys.
func New(k *keys.SiteKeys) (*Log, error) {
	prk, err := hkdf.Extract(sha256.New, k.LogSecret(), nil)
	if err != nil {
		return nil, anchorhold.Errorf(anchorhold.Internal, "", "the log's secret cannot be used").Because(err)
	}
	return &Log{origin: k.Origin(), signer: k.NoteSigner(), prk: prk}, nil
}

// Past gives the log as it was under an earlier origin of the site: to read, not
// to write. The secret of entries is the same; origin and index make their keys.
func (l *Log) Past(origin string) *Log { return &Log{origin: origin, prk: l.prk} }

// Append encrypts an event and adds it to the log within tx. It returns the
// entry's index. The transaction must end with Seal, else the newest checkpoint
// does not cover the entry.
func (l *Log) Append(tx Tx, e Event) (int64, error) {
	if l.signer == nil {
		return 0, anchorhold.Errorf(anchorhold.Internal, "", "a log that has ended takes no entry")
	}
	text, err := e.encode()
	if err != nil {
		return 0, err
	}
	index, err := tx.Size()
	if err != nil {
		return 0, err
	}
	entry, err := sealEntry(l.prk, l.origin, index, text)
	if err != nil {
		return 0, err
	}
	hashes, err := tlog.StoredHashesForRecordHash(index, tlog.RecordHash(entry), hashReader{tx})
	if err != nil {
		return 0, err
	}
	return index, tx.AppendEntry(index, entry, plainHashes(hashes), e.Time)
}

// Seal signs the checkpoint over all entries, those of tx included, and stores
// it within tx. Call it once, last, before the commit.
func (l *Log) Seal(tx Tx) error {
	size, err := tx.Size()
	if err != nil {
		return err
	}
	root, err := tlog.TreeHash(size, hashReader{tx})
	if err != nil {
		return err
	}
	signed, err := signCheckpoint(Checkpoint{Origin: l.origin, Size: size, Root: root}, l.signer)
	if err != nil {
		return err
	}
	return tx.SetCheckpoint(size, signed)
}

// Open reads an entry of this log.
func (l *Log) Open(index int64, entry []byte) (Event, error) {
	key, err := l.EntryKey(index)
	if err != nil {
		return Event{}, err
	}
	return OpenEntry(l.origin, index, entry, key)
}

// EntryKey gives the key of one entry, which opens that entry and no other. To
// hand it out is to show the entry.
func (l *Log) EntryKey(index int64) ([]byte, error) {
	key, _, err := entryKeys(l.prk, entryContext(l.origin, index))
	return key, err
}

// hasher gives stored hashes: a Tx or a Reader.
type hasher interface {
	Hashes(indexes []int64) ([][32]byte, error)
}

// hashReader lets tlog read stored hashes.
type hashReader struct{ h hasher }

// ReadHashes implements tlog.HashReader. Half of all appends need no stored
// hash; those cost no query.
func (r hashReader) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	if len(indexes) == 0 {
		return nil, nil
	}
	got, err := r.h.Hashes(indexes)
	if err != nil {
		return nil, err
	}
	if len(got) != len(indexes) {
		return nil, anchorhold.Errorf(anchorhold.Internal, "", "the store gave %d of %d hashes of the audit log", len(got), len(indexes))
	}
	out := make([]tlog.Hash, len(got))
	for i, h := range got {
		out[i] = h
	}
	return out, nil
}

func plainHashes(in []tlog.Hash) [][32]byte {
	out := make([][32]byte, len(in))
	for i, h := range in {
		out[i] = h
	}
	return out
}
