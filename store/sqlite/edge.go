package sqlite

import "maps"

// maxEdge bounds how many tree hashes are remembered; an act needs one for each
// level of the tree.
const maxEdge = 1024

// edge remembers the size of the audit log and the tree hashes that were
// written last, which every act reads: the right edge of the tree. What is
// committed never changes, so it can be read from memory. Only the one who
// commits uses it, and what a transaction adds is added here after its commit:
// nothing that was rolled back is ever remembered.
type edge struct {
	size   int64 // -1: not known
	hashes map[int64][32]byte

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
		e.entries, e.checkpoint, e.anew = nil, nil, true
		clear(e.hashes)
	}
	e.size = added.size
	e.entries = append(e.entries, added.entries...)
	if added.checkpoint != nil {
		e.checkpoint = added.checkpoint
	}
	maps.Copy(e.hashes, added.hashes)
}

// trim forgets hashes when they are many: they can be read again, once what
// they belong to is committed.
func (e *edge) trim() {
	if len(e.hashes) > maxEdge {
		clear(e.hashes)
	}
}
