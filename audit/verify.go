package audit

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"slices"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/identity/keys"
)

// Verify reads the whole log from src, recomputes every hash from the entries
// and compares them with the tiles and with the checkpoint that the site
// signed, which it returns. The first entry or file that is wrong is named in
// the error. For each entry that its tile vouches for, in order, it calls each
// (unless nil), which must not keep the slice; an error of each ends it.
//
// It shows that entries and checkpoint belong together. That others were shown
// the same log, only comparing checkpoints can show: see CheckConsistency.
func Verify(src Source, vkey keys.VKey, each func(index int64, entry []byte) error) (Checkpoint, error) {
	signed, err := src(CheckpointPath, MaxCheckpoint)
	if err != nil {
		return Checkpoint{}, err
	}
	c, err := ParseCheckpoint(signed, vkey)
	if err != nil {
		return Checkpoint{}, err
	}
	v := &verification{src: src, each: each, size: c.Size, h: sha256.New()}
	for n := int64(0); n*tileWidth < c.Size; n++ {
		if err := v.bundle(n); err != nil {
			return Checkpoint{}, err
		}
	}
	if err := v.partials(); err != nil {
		return Checkpoint{}, err
	}
	if v.root() != c.Root {
		return Checkpoint{}, anchorhold.Errorf(anchorhold.Invalid, "keep a copy: it shows that the log was altered after it was signed",
			"the entries of the log are not those that the checkpoint signs")
	}
	return c, nil
}

// verification is a log on its way from the first entry to the last. rows[L]
// holds the hashes of level L since the last full tile: at most 255, so that a
// log of any length is verified in little memory.
type verification struct {
	src  Source
	each func(int64, []byte) error
	size int64
	h    hash.Hash
	rows [][]tlog.Hash
	done []int64 // full tiles of each level
}

// bundle verifies the entries of one tile.
func (v *verification) bundle(n int64) error {
	w := int(min(tileWidth, v.size-n*tileWidth))
	path := tilePath(tlog.Tile{H: tileHeight, L: -1, N: n, W: w})
	data, err := v.src(path, int64(w)*(2+MaxEntry))
	if err != nil {
		return err
	}
	entries, ok := splitBundle(data, w)
	if !ok {
		return anchorhold.Errorf(anchorhold.Invalid, "export the log anew", "the log's file %s does not hold the %d entries from %d on", path, w, n*tileWidth)
	}
	leaves := make([]tlog.Hash, w)
	for i, e := range entries {
		v.leafHash(&leaves[i], e)
	}
	if err := v.compare(tlog.Tile{H: tileHeight, L: 0, N: n, W: w}, leaves); err != nil {
		return err
	}
	if v.each != nil {
		for i, e := range entries {
			if err := v.each(n*tileWidth+int64(i), e); err != nil {
				return err
			}
		}
	}
	return v.add(0, leaves)
}

// splitBundle cuts a bundle into exactly w entries.
func splitBundle(data []byte, w int) ([][]byte, bool) {
	entries := make([][]byte, 0, w)
	for range w {
		if len(data) < 2 {
			return nil, false
		}
		n := int(binary.BigEndian.Uint16(data))
		if data = data[2:]; len(data) < n {
			return nil, false
		}
		entries = append(entries, data[:n:n])
		data = data[n:]
	}
	return entries, len(data) == 0
}

// leafHash is SHA-256(0x00 ‖ entry), RFC 6962 §2.1, without the allocations of
// tlog.RecordHash.
func (v *verification) leafHash(out *tlog.Hash, entry []byte) {
	v.h.Reset()
	v.h.Write([]byte{0})
	v.h.Write(entry)
	v.h.Sum(out[:0])
}

// nodeHash is SHA-256(0x01 ‖ left ‖ right).
func nodeHash(left, right tlog.Hash) tlog.Hash {
	var b [1 + 2*tlog.HashSize]byte
	b[0] = 1
	copy(b[1:], left[:])
	copy(b[1+tlog.HashSize:], right[:])
	return sha256.Sum256(b[:])
}

// compare reads a tile and compares it with the hashes that the entries gave.
func (v *verification) compare(t tlog.Tile, want []tlog.Hash) error {
	path := tilePath(t)
	data, err := v.src(path, tileWidth*tlog.HashSize)
	if err != nil {
		return err
	}
	if len(data) != len(want)*tlog.HashSize {
		return anchorhold.Errorf(anchorhold.Invalid, "export the log anew", "the log's file %s has the wrong size", path)
	}
	for i := range want {
		if bytes.Equal(want[i][:], data[i*tlog.HashSize:(i+1)*tlog.HashSize]) {
			continue
		}
		first := (t.N*tileWidth + int64(i)) << (tileHeight * t.L)
		if t.L == 0 {
			return altered("entry %d of the log is not the one that was logged", first)
		}
		return altered("the log differs from its tiles in the entries from %d on", first)
	}
	return nil
}

func altered(format string, index int64) error {
	return anchorhold.Errorf(anchorhold.Invalid, "keep a copy: it shows that the log was altered after it was signed", format, index)
}

// add puts hashes of a level to its row; a full row is a tile, whose root goes
// to the level above. At level 0 the tile was compared already.
func (v *verification) add(level int, hashes []tlog.Hash) error {
	if level == len(v.rows) {
		v.rows = append(v.rows, nil)
		v.done = append(v.done, 0)
	}
	v.rows[level] = append(v.rows[level], hashes...)
	row := v.rows[level]
	if len(row) < tileWidth {
		return nil
	}
	if level > 0 {
		if err := v.compare(tlog.Tile{H: tileHeight, L: level, N: v.done[level], W: tileWidth}, row); err != nil {
			return err
		}
	}
	v.done[level]++
	v.rows[level] = row[:0]
	return v.add(level+1, []tlog.Hash{perfect(row)})
}

// partials compares the tiles of the upper levels that are not full.
func (v *verification) partials() error {
	for level := 1; level < len(v.rows); level++ {
		if row := v.rows[level]; len(row) > 0 {
			if err := v.compare(tlog.Tile{H: tileHeight, L: level, N: v.done[level], W: len(row)}, row); err != nil {
				return err
			}
		}
	}
	return nil
}

// root folds what the rows hold: the perfect subtrees from the largest (the top
// level's first) to the smallest, joined from the right (RFC 6962 §2.1).
func (v *verification) root() tlog.Hash {
	var subtrees []tlog.Hash
	for _, row := range slices.Backward(v.rows) {
		for len(row) > 0 {
			n := 1
			for n*2 <= len(row) {
				n *= 2
			}
			subtrees = append(subtrees, perfect(row[:n]))
			row = row[n:]
		}
	}
	if len(subtrees) == 0 {
		return emptyRoot()
	}
	acc := subtrees[len(subtrees)-1]
	for _, h := range slices.Backward(subtrees[:len(subtrees)-1]) {
		acc = nodeHash(h, acc)
	}
	return acc
}

// perfect is the root over a power of two of hashes.
func perfect(row []tlog.Hash) tlog.Hash {
	if len(row) == 1 {
		return row[0]
	}
	return nodeHash(perfect(row[:len(row)/2]), perfect(row[len(row)/2:]))
}
