package audit_test

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"testing"

	"github.com/anchorhold/anchorhold/audit"
)

// treeHash is RFC 6962 §2.1 by its definition.
func treeHash(leaves [][]byte) [32]byte {
	switch len(leaves) {
	case 0:
		return sha256.Sum256(nil)
	case 1:
		return sha256.Sum256(append([]byte{0}, leaves[0]...))
	}
	k := 1
	for k*2 < len(leaves) {
		k *= 2
	}
	left, right := treeHash(leaves[:k]), treeHash(leaves[k:])
	return sha256.Sum256(slices.Concat([]byte{1}, left[:], right[:]))
}

func TestRange(t *testing.T) {
	var r audit.Range
	var leaves [][]byte
	for i := range 300 {
		if got := r.Root(); got != treeHash(leaves) || r.Size() != int64(i) {
			t.Fatalf("the root over %d entries is wrong", i)
		}
		e := fmt.Appendf(nil, "entry %d", i)
		leaves = append(leaves, e)
		r.Add(e)
	}
}
