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
	"errors"
	"runtime"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
	"golang.org/x/sync/errgroup"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/identity/keys"
)

// Tx is the caller's open transaction. Each method MUST see what earlier calls
// in the same transaction wrote, and nothing may become visible before the
// caller commits. Indexes of hashes are those of tlog.StoredHashIndex.
type Tx interface {
	// Size is the number of entries so far, those included that are queued.
	Size() (int64, error)
	// Queue keeps a text that Seal will make the next entry of, and gives the
	// index that it will have. A text MUST NOT become durable itself, and a commit
	// MUST fail while one is queued.
	Queue(text []byte, at time.Time) (int64, error)
	// Take gives all that is queued for this commit, in order, and forgets it: Size
	// is then what it was before.
	Take() ([]Queued, error)
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

// Queued is what will be an entry.
type Queued struct {
	Text []byte
	At   time.Time
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

// Append adds an event to the log within tx and returns its entry's index. The
// transaction must end with Seal, which encrypts what was appended: it does so
// for all that is committed together, on all processors.
func (l *Log) Append(tx Tx, e Event) (int64, error) {
	if l.signer == nil {
		return 0, ended()
	}
	text, err := e.encode()
	if err != nil {
		return 0, err
	}
	return tx.Queue(text, e.Time)
}

func ended() error {
	return anchorhold.Errorf(anchorhold.Internal, "", "a log that has ended takes no entry")
}

// Seal makes entries of what was appended, signs the checkpoint over all, and
// stores both within tx. Call it once, last, before the commit.
func (l *Log) Seal(tx Tx) error {
	if l.signer == nil {
		return ended()
	}
	if err := l.write(tx); err != nil {
		return err
	}
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

// write stores what was queued as entries.
func (l *Log) write(tx Tx) error {
	queued, err := tx.Take()
	if err != nil {
		return err
	}
	first, err := tx.Size()
	if err != nil {
		return err
	}
	sealed, err := l.seal(first, queued)
	if err != nil {
		return err
	}
	for i, x := range sealed {
		index := first + int64(i)
		hashes, err := tlog.StoredHashesForRecordHash(index, x.leaf, hashReader{tx})
		if err != nil {
			return err
		}
		if err := tx.AppendEntry(index, x.entry, plainHashes(hashes), queued[i].At); err != nil {
			return err
		}
	}
	return nil
}

// sealed is an entry with its leaf's hash in the tree.
type sealed struct {
	entry []byte
	leaf  tlog.Hash
}

// sealTogether is how many entries are worth another goroutine.
const sealTogether = 8

// seal encrypts what will be the entries from first on.
func (l *Log) seal(first int64, queued []Queued) ([]sealed, error) {
	out := make([]sealed, len(queued))
	part := max(sealTogether, (len(queued)+runtime.GOMAXPROCS(0)-1)/runtime.GOMAXPROCS(0))
	var workers errgroup.Group
	for from := 0; from < len(queued); from += part {
		to := min(from+part, len(queued))
		work := func() error {
			keys := newDeriver(l.prk)
			for i := from; i < to; i++ {
				entry, err := keys.sealEntry(l.origin, first+int64(i), queued[i].Text)
				if err != nil {
					return err
				}
				out[i] = sealed{entry, tlog.RecordHash(entry)}
			}
			return nil
		}
		if to == len(queued) { // the last part is this goroutine's
			return out, errors.Join(work(), workers.Wait())
		}
		workers.Go(work)
	}
	return out, nil
}

// Open reads an entry of this log.
func (l *Log) Open(index int64, entry []byte) (Event, error) {
	return OpenEntry(l.origin, index, entry, l.EntryKey(index))
}

// EntryKey gives the key of one entry, which opens that entry and no other. To
// hand it out is to show the entry.
func (l *Log) EntryKey(index int64) []byte {
	key, _ := newDeriver(l.prk).keys(entryContext(l.origin, index))
	return key
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
