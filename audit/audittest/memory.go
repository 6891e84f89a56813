// Package audittest holds an audit log in memory, for the tests of audit and of
// the packages above it.
//
// It promises what audit.Tx and audit.Reader ask of a store, except durability
// and transactions: every call takes effect at once. Nothing but tests may use
// it. The tests of package audit run on it.
package audittest

import (
	"slices"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/audit"
)

// Memory is a log in memory. Its fields are open so that a test can play an
// adversary who owns the store.
type Memory struct {
	Leaves  [][]byte
	Tree    [][32]byte
	Times   []time.Time
	Signed  []byte         // newest checkpoint
	Waiting []audit.Queued // not sealed yet
}

var (
	_ audit.Tx     = (*Memory)(nil)
	_ audit.Reader = (*Memory)(nil)
)

// Clone copies the log, as a backup would.
func (m *Memory) Clone() *Memory {
	c := &Memory{Tree: slices.Clone(m.Tree), Times: slices.Clone(m.Times), Signed: slices.Clone(m.Signed)}
	for _, l := range m.Leaves {
		c.Leaves = append(c.Leaves, slices.Clone(l))
	}
	return c
}

// Size implements audit.Tx.
func (m *Memory) Size() (int64, error) { return int64(len(m.Leaves) + len(m.Waiting)), nil }

// Queue implements audit.Tx.
func (m *Memory) Queue(text []byte, at time.Time) (int64, error) {
	m.Waiting = append(m.Waiting, audit.Queued{Text: text, At: at})
	return int64(len(m.Leaves) + len(m.Waiting) - 1), nil
}

// Take implements audit.Tx.
func (m *Memory) Take() ([]audit.Queued, error) {
	queued := m.Waiting
	m.Waiting = nil
	return queued, nil
}

// AppendEntry implements audit.Tx.
func (m *Memory) AppendEntry(index int64, entry []byte, hashes [][32]byte, at time.Time) error {
	if index != int64(len(m.Leaves)) {
		return anchorhold.Errorf(anchorhold.Internal, "", "entry %d does not follow entry %d", index, len(m.Leaves)-1)
	}
	if tlog.StoredHashIndex(0, index) != int64(len(m.Tree)) {
		return anchorhold.Errorf(anchorhold.Internal, "", "the hashes of entry %d do not follow %d hashes", index, len(m.Tree))
	}
	m.Leaves, m.Tree, m.Times = append(m.Leaves, entry), append(m.Tree, hashes...), append(m.Times, at)
	return nil
}

// Hashes implements audit.Tx and audit.Reader.
func (m *Memory) Hashes(indexes []int64) ([][32]byte, error) {
	out := make([][32]byte, len(indexes))
	for i, x := range indexes {
		if x < 0 || x >= int64(len(m.Tree)) {
			return nil, anchorhold.Errorf(anchorhold.Internal, "", "hash %d is not stored", x)
		}
		out[i] = m.Tree[x]
	}
	return out, nil
}

// SetCheckpoint implements audit.Tx.
func (m *Memory) SetCheckpoint(_ int64, signedNote []byte) error {
	m.Signed = signedNote
	return nil
}

// Checkpoint implements audit.Reader.
func (m *Memory) Checkpoint() ([]byte, error) { return m.Signed, nil }

// Entries implements audit.Reader.
func (m *Memory) Entries(first int64, n int) ([][]byte, error) {
	if first < 0 || n < 0 || first+int64(n) > int64(len(m.Leaves)) {
		return nil, anchorhold.Errorf(anchorhold.Internal, "", "the log lacks an entry from %d on", first)
	}
	return m.Leaves[first : first+int64(n)], nil
}
