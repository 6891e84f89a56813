package audit

import (
	"golang.org/x/mod/sumdb/tlog"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/identity/keys"
)

// Reader reads what committed transactions have stored. One Reader MUST show
// one state: a checkpoint and at least the entries and hashes that it covers.
type Reader interface {
	// Checkpoint is the newest signed checkpoint; nil before the first.
	Checkpoint() ([]byte, error)
	// Hashes is as in Tx.
	Hashes(indexes []int64) ([][32]byte, error)
	// Entries gives n entries from first on. It MUST fail when one is missing.
	Entries(first int64, n int) ([][]byte, error)
}

// Inclusion proves that the entry at index is in the tree of the first size
// entries: the audit path of RFC 6962 §2.1.1, from the leaf upwards.
func Inclusion(r Reader, index, size int64) ([][32]byte, error) {
	if index < 0 || index >= size {
		return nil, anchorhold.Errorf(anchorhold.Invalid, "ask for a checkpoint that covers the entry", "the tree of %d entries has no entry %d", size, index)
	}
	p, err := tlog.ProveRecord(size, index, hashReader{r})
	if err != nil {
		return nil, err
	}
	return plainHashes(p), nil
}

// CheckInclusion says whether proof shows that entry is at index of the tree of
// a checkpoint.
func CheckInclusion(c Checkpoint, index int64, entry []byte, proof [][32]byte) error {
	if index < 0 || index >= c.Size {
		return anchorhold.Errorf(anchorhold.Invalid, "", "the checkpoint does not cover the entry")
	}
	if err := tlog.CheckRecord(treeHashes(proof), c.Size, c.Root, index, tlog.RecordHash(entry)); err != nil {
		return anchorhold.Errorf(anchorhold.Invalid, "", "the proof does not show that the entry is in the log").Because(err)
	}
	return nil
}

// Consistency proves that the log of oldSize entries is a prefix of the one of
// newSize: the proof of RFC 6962 §2.1.2. It is empty when either tree is empty
// or both are the same.
func Consistency(r Reader, oldSize, newSize int64) ([][32]byte, error) {
	if oldSize < 0 || oldSize > newSize {
		return nil, anchorhold.Errorf(anchorhold.Invalid, "give the older size first", "%d is not the size of an older tree than %d", oldSize, newSize)
	}
	if oldSize == 0 || oldSize == newSize {
		return nil, nil
	}
	p, err := tlog.ProveTree(newSize, oldSize, hashReader{r})
	if err != nil {
		return nil, err
	}
	return plainHashes(p), nil
}

// CheckConsistency says whether proof shows that an older checkpoint's log is a
// prefix of a newer one's. An error for two checkpoints that the site signed is
// evidence that it showed two histories.
func CheckConsistency(older, newer Checkpoint, proof [][32]byte) error {
	fork := anchorhold.Errorf(anchorhold.Invalid, "keep both checkpoints: together they show that the site has two histories",
		"the two checkpoints are not of one append-only log")
	switch {
	case older.Origin != newer.Origin || older.Size > newer.Size:
		return anchorhold.Errorf(anchorhold.Invalid, "give two checkpoints of one log, the older first", "the checkpoints cannot be compared")
	case older.Size == newer.Size && older.Root != newer.Root,
		older.Size == 0 && tlog.Hash(older.Root) != emptyRoot():
		return fork
	case older.Size == newer.Size || older.Size == 0:
		if len(proof) != 0 { // nothing to prove, so nothing may be claimed
			return anchorhold.Errorf(anchorhold.Invalid, "", "the consistency proof has the wrong length")
		}
		return nil
	}
	if err := tlog.CheckTree(treeHashes(proof), newer.Size, newer.Root, older.Size, older.Root); err != nil {
		return fork.Because(err)
	}
	return nil
}

// emptyRoot is the root hash of the tree without entries.
func emptyRoot() tlog.Hash {
	h, _ := tlog.TreeHash(0, nil) // reads nothing
	return h
}

func treeHashes(in [][32]byte) []tlog.Hash {
	out := make([]tlog.Hash, len(in))
	for i, h := range in {
		out[i] = h
	}
	return out
}

// Opening is one entry with all that somebody needs to check and read it.
type Opening struct {
	Origin     string
	Index      int64
	Size       int64  // of the checkpoint's tree
	Checkpoint []byte // signed note
	Proof      [][32]byte
	Entry      []byte
	Key        []byte // opens this entry and no other
}

// OpeningOf makes the opening of the entry at index against the newest
// checkpoint. The entry must be committed.
func (l *Log) OpeningOf(r Reader, index int64) (Opening, error) {
	signed, size, err := newest(r)
	if err != nil {
		return Opening{}, err
	}
	proof, err := Inclusion(r, index, size)
	if err != nil {
		return Opening{}, err
	}
	entries, err := r.Entries(index, 1)
	if err != nil {
		return Opening{}, err
	}
	if len(entries) != 1 {
		return Opening{}, missingEntries()
	}
	return Opening{
		Origin: l.origin, Index: index, Size: size, Checkpoint: signed, Proof: proof, Entry: entries[0], Key: l.EntryKey(index),
	}, nil
}

// Check verifies the opening with the site's public key and reads its event.
func (o Opening) Check(vkey keys.VKey) (Event, error) {
	c, err := ParseCheckpoint(o.Checkpoint, vkey)
	if err != nil {
		return Event{}, err
	}
	if c.Size != o.Size || c.Origin != o.Origin {
		return Event{}, anchorhold.Errorf(anchorhold.Invalid, "", "the opening does not belong to its checkpoint")
	}
	if err := CheckInclusion(c, o.Index, o.Entry, o.Proof); err != nil {
		return Event{}, err
	}
	return OpenEntry(o.Origin, o.Index, o.Entry, o.Key)
}

func missingEntries() error {
	return anchorhold.Errorf(anchorhold.Internal, "run anchorhold audit verify", "the store does not hold the entries of the audit log")
}
