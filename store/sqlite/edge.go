package sqlite

import (
	"maps"

	"github.com/anchorhold/anchorhold/audit"
)

// maxEdge bounds how many tree hashes are remembered; an act needs one for each
// level of the tree.
const maxEdge = 1024

// edge remembers the size of the audit log and the tree hashes that were
// written last, which every act reads: the right edge of the tree. What is
// committed never changes, so it can be read from memory. Only the one who
// commits uses it, and what a transaction adds is added here after its commit:
// nothing that was rolled back is ever remembered.
type edge struct {
	size   int64              // what is queued included; -1: not known
	hashes map[int64][32]byte // as they were read
	first  int64              // index of the first hash in run
	run    [][32]byte         // as they were appended: one after another

	queued []audit.Queued // texts that have an index, and are not entries yet

	// What is to be written just before the commit: entries, the last of them
	// with the checkpoint over all, which is one statement less for each act.
	entries    []entry
	checkpoint []byte

	anew bool // the log has ended and begins anew: nothing known before holds
}

// entry is an audit entry that is not written yet.
type entry struct {
	index, at    int64
	data, hashes []byte
}

func newEdge() *edge { return &edge{size: -1, hashes: map[int64][32]byte{}} }

// then is the edge as an open transaction sees it, to write on.
func (e *edge) then() *edge { return &edge{size: e.size, hashes: map[int64][32]byte{}} }

// absorb takes over what a transaction, or an update within one, has added.
func (e *edge) absorb(added *edge) {
	if added.anew {
		e.queued, e.entries, e.checkpoint, e.anew = nil, nil, nil, true
		clear(e.hashes)
		e.run = nil
	}
	e.size = added.size
	e.queued = append(e.queued, added.queued...)
	e.entries = append(e.entries, added.entries...)
	if added.checkpoint != nil {
		e.checkpoint = added.checkpoint
	}
	maps.Copy(e.hashes, added.hashes)
	switch {
	case len(added.run) == 0:
	case e.first+int64(len(e.run)) == added.first:
		e.run = append(e.run, added.run...)
	default:
		e.first, e.run = added.first, added.run
	}
}

// find looks for a hash.
func (e *edge) find(index int64) ([32]byte, bool) {
	if i := index - e.first; i >= 0 && i < int64(len(e.run)) {
		return e.run[i], true
	}
	h, ok := e.hashes[index]
	return h, ok
}

// trim forgets hashes when they are many: they can be read again, once what
// they belong to is committed.
func (e *edge) trim() {
	if len(e.hashes)+len(e.run) > maxEdge {
		clear(e.hashes)
		e.run = nil
	}
}
