package audit_test

import (
	"testing"

	formats "github.com/transparency-dev/formats/log"
	"github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/anchorhold/anchorhold/audit"
)

// TestIndependentCheckpoint: the C2SP implementation of transparency-dev and
// the note package of Go's checksum database read our checkpoints.
func TestIndependentCheckpoint(t *testing.T) {
	s := newSite(t, "hospital.example/heart", 1)
	for _, n := range []int{0, 1, 299} {
		want := s.grow(n)
		verifier, err := note.NewVerifier(s.keys.VKey().String())
		check(t, err)
		got, rest, _, err := formats.ParseCheckpoint(s.store.Signed, s.keys.Origin(), verifier)
		if err != nil || int64(got.Size) != want.Size || [32]byte(got.Hash) != want.Root || len(rest) != 0 {
			t.Errorf("%+v, %q, %v; want %+v", got, rest, err, want)
		}
		if opened, err := note.Open(s.store.Signed, note.VerifierList(verifier)); err != nil || len(opened.Sigs) != 1 {
			t.Error(opened, err)
		}
		if hasher := rfc6962.DefaultHasher; want.Size == 0 && [32]byte(hasher.EmptyRoot()) != want.Root {
			t.Error("the empty tree has another root")
		}
	}
	if s.keys.VKey().ID() == "" || formats.ID(s.keys.Origin()) == "" {
		t.Error("the log has no name")
	}
}

func slicesOf(in [][32]byte) [][]byte {
	var out [][]byte
	for _, h := range in {
		out = append(out, h[:])
	}
	return out
}

// TestIndependentProofs: the Merkle implementation of transparency-dev accepts
// our inclusion and consistency proofs, and refuses where we refuse.
func TestIndependentProofs(t *testing.T) {
	s := newSite(t, "a.example", 1)
	const size = 40
	heads := map[int64]audit.Checkpoint{}
	for i := range int64(size + 1) {
		if i > 0 {
			s.append(event(int(i)))
		}
		heads[i] = s.seal()
	}
	h := rfc6962.DefaultHasher
	for n := int64(1); n <= size; n++ {
		root := heads[n].Root
		for i := range n {
			p, err := audit.Inclusion(s.store, i, n)
			check(t, err)
			leaf := h.HashLeaf(s.store.Leaves[i])
			if err := proof.VerifyInclusion(h, uint64(i), uint64(n), leaf, slicesOf(p), root[:]); err != nil {
				t.Fatalf("inclusion of %d in %d: %v", i, n, err)
			}
			check(t, audit.CheckInclusion(heads[n], i, s.store.Leaves[i], p))
			wrong := (i + 1) % n
			ours := audit.CheckInclusion(heads[n], wrong, s.store.Leaves[i], p)
			theirs := proof.VerifyInclusion(h, uint64(wrong), uint64(n), leaf, slicesOf(p), root[:])
			if (ours == nil) != (theirs == nil) || (wrong != i && ours == nil) {
				t.Fatalf("entry %d as %d in %d: we say %v, they say %v", i, wrong, n, ours, theirs)
			}
		}
		for old := int64(1); old <= n; old++ {
			p, err := audit.Consistency(s.store, old, n)
			check(t, err)
			oldRoot := heads[old].Root
			if err := proof.VerifyConsistency(h, uint64(old), uint64(n), slicesOf(p), oldRoot[:], root[:]); err != nil {
				t.Fatalf("consistency of %d with %d: %v", old, n, err)
			}
			check(t, audit.CheckConsistency(heads[old], heads[n], p))
		}
		check(t, audit.CheckConsistency(heads[0], heads[n], nil))
	}
	if _, err := audit.Inclusion(s.store, 3, 3); err == nil {
		t.Error("a proof for an entry outside of the tree")
	}
	if _, err := audit.Consistency(s.store, 4, 3); err == nil {
		t.Error("a proof backwards")
	}
}

// TestIndependentTiles: the tile client of Go's checksum database rebuilds
// every leaf hash from our tiles, checking each against the signed root.
func TestIndependentTiles(t *testing.T) {
	s := newSite(t, "a.example", 1)
	c := s.grow(700)
	r := tlog.TileHashReader(tlog.Tree{N: c.Size, Hash: c.Root}, tileReader{s})
	var indexes []int64
	for i := range c.Size {
		indexes = append(indexes, tlog.StoredHashIndex(0, i))
	}
	hashes, err := r.ReadHashes(indexes)
	check(t, err)
	for i, h := range hashes {
		if h != tlog.RecordHash(s.store.Leaves[i]) {
			t.Fatalf("leaf %d differs", i)
		}
	}
}

// tileReader gives tlog our tiles by C2SP's names.
type tileReader struct{ s *site }

func (r tileReader) Height() int { return 8 }

func (r tileReader) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	var out [][]byte
	for _, tile := range tiles {
		data, err := audit.Tile(r.s.store, "tile/"+tile.Path()[len("tile/8/"):])
		if err != nil {
			return nil, err
		}
		out = append(out, data)
	}
	return out, nil
}

func (r tileReader) SaveTiles([]tlog.Tile, [][]byte) {}

// TestSplitView: a site that shows two histories is found out by whoever
// compares the two heads, whatever proof it offers.
func TestSplitView(t *testing.T) {
	one, two := newSite(t, "a.example", 1), newSite(t, "a.example", 1)
	one.grow(10)
	for i := range 10 {
		e := event(i)
		if i == 4 {
			e.Details = map[string]string{"dataset": "another"}
		}
		two.append(e)
	}
	headOne, headTwo := one.seal(), two.seal()
	if err := audit.CheckConsistency(headOne, headTwo, nil); err == nil {
		t.Error("two heads of one size pass")
	}
	later := two.grow(20)
	for _, from := range []*site{one, two} {
		p, err := audit.Consistency(from.store, 10, int64(len(from.store.Leaves)))
		check(t, err)
		if err := audit.CheckConsistency(headOne, later, p); err == nil {
			t.Error("a forked log passes as a continuation")
		}
	}
	p, err := audit.Consistency(two.store, 10, 30)
	check(t, err)
	check(t, audit.CheckConsistency(headTwo, later, p))
	for i := range p { // no part of the proof is idle
		p[i][0] ^= 1
		if audit.CheckConsistency(headTwo, later, p) == nil {
			t.Errorf("hash %d of the proof does not matter", i)
		}
		p[i][0] ^= 1
	}
	empty := newSite(t, "a.example", 1).seal()
	empty.Root[0] ^= 1
	if audit.CheckConsistency(empty, later, nil) == nil || audit.CheckConsistency(headTwo, later, append(p, [32]byte{})) == nil {
		t.Error("a false empty tree or a longer proof passes")
	}
	if audit.CheckConsistency(headTwo, headTwo, p) == nil {
		t.Error("a proof of nothing passes")
	}
	elsewhere := newSite(t, "b.example", 1).grow(30)
	if audit.CheckConsistency(headTwo, elsewhere, p) == nil {
		t.Error("another log passes as a continuation")
	}
}

// TestOpening: what a receipt carries checks out by itself, and only as a whole.
func TestOpening(t *testing.T) {
	s := newSite(t, "a.example", 1)
	s.grow(20)
	o, err := s.log.OpeningOf(s.store, 7)
	check(t, err)
	e, err := o.Check(s.keys.VKey())
	if err != nil || e.Subject != event(7).Subject {
		t.Fatal(e, err)
	}
	for name, change := range map[string]func(*audit.Opening){
		"origin":     func(o *audit.Opening) { o.Origin = "b.example" },
		"index":      func(o *audit.Opening) { o.Index = 8 },
		"below":      func(o *audit.Opening) { o.Index = -1 },
		"beyond":     func(o *audit.Opening) { o.Index = 20 },
		"size":       func(o *audit.Opening) { o.Size = 19 },
		"checkpoint": func(o *audit.Opening) { o.Checkpoint = newSite(t, "a.example", 5).storeAfter(20) },
		"proof":      func(o *audit.Opening) { o.Proof = o.Proof[1:] },
		"entry":      func(o *audit.Opening) { o.Entry = s.store.Leaves[8] },
		"key":        func(o *audit.Opening) { o.Key = make([]byte, 32) },
	} {
		c := o
		change(&c)
		if _, err := c.Check(s.keys.VKey()); err == nil {
			t.Errorf("another %s passes", name)
		}
	}
	if _, err := s.log.OpeningOf(s.store, 20); err == nil {
		t.Error("an opening of an entry that is not there")
	}
}

// storeAfter is the signed head after n entries.
func (s *site) storeAfter(n int) []byte {
	s.grow(n)
	return s.store.Signed
}
