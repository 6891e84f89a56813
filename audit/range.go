package audit

import (
	"crypto/sha256"

	"golang.org/x/mod/sumdb/tlog"
)

// Range is the tree over entries that were added one after another, in little
// memory: the roots of its perfect subtrees, from the largest to the smallest.
// It finds out whether a log that is read from its beginning is the one of a
// checkpoint on the way.
type Range struct {
	size  int64
	roots []tlog.Hash
}

// Add adds the next entry.
func (r *Range) Add(entry []byte) {
	h := sha256.New()
	h.Write([]byte{0})
	h.Write(entry)
	var leaf tlog.Hash
	h.Sum(leaf[:0])
	r.roots = append(r.roots, leaf)
	r.size++
	for n := r.size; n&1 == 0; n >>= 1 { // two subtrees of one size are one of the next
		last := len(r.roots) - 1
		r.roots[last-1] = nodeHash(r.roots[last-1], r.roots[last])
		r.roots = r.roots[:last]
	}
}

// Size is the number of entries so far.
func (r *Range) Size() int64 { return r.size }

// Root is the hash of the tree so far.
func (r *Range) Root() [32]byte {
	if r.size == 0 {
		return emptyRoot()
	}
	acc := r.roots[len(r.roots)-1]
	for i := len(r.roots) - 2; i >= 0; i-- {
		acc = nodeHash(r.roots[i], acc)
	}
	return acc
}
