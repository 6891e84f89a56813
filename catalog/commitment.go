package catalog

import (
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"hash"
	"io"

	"github.com/transparency-dev/merkle/compact"
	"github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"

	"github.com/anchorhold/anchorhold"
)

// The commitment of a version, version 1 of the format
//
// A commitment binds a version to the bytes of its files and hides them: who
// sees it can neither confirm a guess of the content nor learn the size, the
// number of chunks, or that two versions or two sites hold equal files. All
// that it takes to check it is the version's secret and the file.
//
// Notation: u64(n) is n in eight bytes, big-endian; text(s) is u64(length of s
// in bytes) followed by the bytes of s; ‖ joins; HKDF is RFC 5869 with
// SHA-256.
//
//	secret      32 random bytes, drawn for the version, never published
//	label       the file's name within the dataset, "DATASET/ASSET" for a
//	            table; never a path of the host
//	PRK       = HKDF-Extract(salt = "anchorhold-commitment-v1", IKM = secret)
//	chunk_i     bytes i·2^20 up to (i+1)·2^20 of the file; the last one may be
//	            shorter; an empty file has none
//	salt_i    = HKDF-Expand(PRK, "anchorhold-commitment-v1 salt" ‖ text(label) ‖ u64(i), 32)
//	leaf_i    = SHA-256(0x00 ‖ salt_i ‖ chunk_i)
//	node      = SHA-256(0x01 ‖ left ‖ right)
//	root      = the Merkle tree hash of RFC 6962, section 2.1, over the leaves
//	            in order; SHA-256 of nothing for an empty file
//	blind     = HKDF-Expand(PRK, "anchorhold-commitment-v1 blind", 32)
//	c         = SHA-256("anchorhold-commitment-v1 root" ‖ blind ‖ u64(files) ‖
//	            for each file, sorted by label: text(label) ‖ u64(size) ‖ root)
//	published = "sha256:" and c in lower-case hexadecimal
//
// A table, an array and an archive are one file. Of a folder every file is one,
// under the label "DATASET/ASSET/" and its path within the folder, with slashes.
// docs/spec/commitment.md says the same; its vectors are in docs/spec/vectors/commitment.json.
const (
	commitmentDomain = "anchorhold-commitment-v1"

	// ChunkSize is the number of bytes under one leaf of a commitment.
	ChunkSize = 1 << 20

	// SecretSize is the length of a version's secret in bytes.
	SecretSize = 32
)

// Commit reads r to its end and gives the commitment to its bytes under a
// version's secret, with the number of bytes read.
func Commit(secret []byte, label string, r io.Reader) (commitment string, size int64, err error) {
	c, err := newCommitter(secret, label)
	if err != nil {
		return "", 0, err
	}
	size, err = io.CopyBuffer(c, struct{ io.Reader }{r}, make([]byte, 256<<10))
	if err != nil {
		return "", size, err
	}
	return c.commitment(), size, nil
}

// VerifyCommitment reads r to its end and says whether its bytes are the ones
// that commitment was made for. An error means that r could not be read.
func VerifyCommitment(secret []byte, label string, r io.Reader, commitment string) (bool, error) {
	got, _, err := Commit(secret, label, r)
	if err != nil {
		return false, err
	}
	return subtle.ConstantTimeCompare([]byte(got), []byte(commitment)) == 1, nil
}

// Opening shows that one chunk is part of what was committed to. It reveals
// the chunk, the size of the file and the hashes beside the chunk's way to the
// root, which stay hidden by their own salts; it reveals no other chunk.
type Opening struct {
	Label string   `json:"label"`
	Size  int64    `json:"size"`
	Index uint64   `json:"index"` // of the chunk, from 0
	Salt  []byte   `json:"salt"`
	Blind []byte   `json:"blind"`
	Path  [][]byte `json:"path"` // RFC 6962 inclusion proof
	Chunk []byte   `json:"chunk"`
}

// OpenChunk reads r, the whole file, and opens its chunk number index.
func OpenChunk(secret []byte, label string, r io.Reader, index uint64) (Opening, error) {
	c, err := newCommitter(secret, label)
	if err != nil {
		return Opening{}, err
	}
	var leaves [][]byte
	var chunk []byte
	buf := make([]byte, ChunkSize)
	for {
		n, err := io.ReadFull(r, buf)
		if n > 0 {
			if uint64(len(leaves)) == index {
				chunk = append(chunk, buf[:n]...)
			}
			i := uint64(len(leaves))
			leaves = append(leaves, leafHash(c.salt(i), buf[:n]))
			c.size += int64(n)
		}
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			break
		}
		if err != nil {
			return Opening{}, err
		}
	}
	if index >= uint64(len(leaves)) {
		return Opening{}, invalid("name a chunk from 0 on, each of 1 MiB", "the file has no chunk %d", index)
	}
	return Opening{
		Label: label, Size: c.size, Index: index, Chunk: chunk,
		Salt: c.salt(index), Blind: c.blind(), Path: inclusion(leaves, index),
	}, nil
}

// Verify says whether the opening belongs to a commitment.
func (o Opening) Verify(commitment string) bool {
	if o.Size <= 0 || len(o.Salt) != sha256.Size || len(o.Blind) != sha256.Size {
		return false
	}
	chunks := uint64((o.Size-1)/ChunkSize) + 1
	want := int64(ChunkSize)
	if o.Index == chunks-1 {
		want = o.Size - int64(chunks-1)*ChunkSize
	}
	if o.Index >= chunks || int64(len(o.Chunk)) != want {
		return false
	}
	root, err := proof.RootFromInclusionProof(rfc6962.DefaultHasher, o.Index, chunks, leafHash(o.Salt, o.Chunk), o.Path)
	if err != nil {
		return false
	}
	got := seal(o.Blind, o.Label, o.Size, root)
	return subtle.ConstantTimeCompare([]byte(got), []byte(commitment)) == 1
}

// committer computes a commitment from a stream of writes. Write never fails.
type committer struct {
	prk    []byte
	label  string
	size   int64
	tree   *compact.Range
	leaf   hash.Hash // of the chunk that is being filled
	filled int
	total  int64  // bytes of all files that ended
	files  int    // ended before this one
	parts  []byte // what is sealed of them
	begun  bool   // several files: begin was called
}

func newCommitter(secret []byte, label string) (*committer, error) {
	if len(secret) != SecretSize {
		return nil, anchorhold.Errorf(anchorhold.Internal, "", "the secret of a commitment has %d bytes instead of %d", len(secret), SecretSize)
	}
	prk, err := hkdf.Extract(sha256.New, secret, []byte(commitmentDomain))
	if err != nil {
		return nil, err
	}
	ranges := compact.RangeFactory{Hash: rfc6962.DefaultHasher.HashChildren}
	return &committer{prk: prk, label: label, tree: ranges.NewEmptyRange(0), leaf: sha256.New()}, nil
}

// Write implements io.Writer.
func (c *committer) Write(p []byte) (int, error) {
	written := len(p)
	c.size += int64(written)
	for len(p) > 0 {
		if c.filled == 0 {
			c.leaf.Reset()
			c.leaf.Write([]byte{0})
			c.leaf.Write(c.salt(c.tree.End()))
		}
		n := min(len(p), ChunkSize-c.filled)
		c.leaf.Write(p[:n])
		c.filled += n
		p = p[n:]
		if c.filled == ChunkSize {
			c.closeLeaf()
		}
	}
	return written, nil
}

func (c *committer) closeLeaf() {
	// Append only fails for a nil visitor's error or an overflow of 2^63 leaves.
	_ = c.tree.Append(c.leaf.Sum(nil), nil)
	c.filled = 0
}

// begin begins the next of several files, in the order of their labels.
func (c *committer) begin(label string) {
	if c.begun {
		c.end()
	}
	c.begun, c.label, c.size = true, label, 0
	ranges := compact.RangeFactory{Hash: rfc6962.DefaultHasher.HashChildren}
	c.tree = ranges.NewEmptyRange(0)
}

// end notes what there is to seal of the file that was written.
func (c *committer) end() {
	if c.filled > 0 {
		c.closeLeaf()
	}
	root := rfc6962.DefaultHasher.EmptyRoot()
	if c.tree.End() > 0 {
		root, _ = c.tree.GetRootHash(nil) // fails only for a range that does not begin at 0
	}
	c.total += c.size
	c.files++
	c.parts = appendFile(c.parts, c.label, c.size, root)
}

// commitment ends the stream.
func (c *committer) commitment() string {
	c.end()
	return sealAll(c.blind(), c.files, c.parts)
}

func (c *committer) salt(i uint64) []byte {
	info := appendText([]byte(commitmentDomain+" salt"), c.label)
	return c.expand(binary.BigEndian.AppendUint64(info, i))
}

func (c *committer) blind() []byte { return c.expand([]byte(commitmentDomain + " blind")) }

func (c *committer) expand(info []byte) []byte {
	out, err := hkdf.Expand(sha256.New, c.prk, string(info), sha256.Size)
	if err != nil {
		panic("catalog: HKDF refused 32 bytes: " + err.Error())
	}
	return out
}

func leafHash(salt, chunk []byte) []byte {
	h := sha256.New()
	h.Write([]byte{0})
	h.Write(salt)
	h.Write(chunk)
	return h.Sum(nil)
}

// seal binds label, size and root under the blind: the published commitment of
// a version with one file.
func seal(blind []byte, label string, size int64, root []byte) string {
	return sealAll(blind, 1, appendFile(nil, label, size, root))
}

func appendFile(b []byte, label string, size int64, root []byte) []byte {
	b = appendText(b, label)
	b = binary.BigEndian.AppendUint64(b, uint64(size))
	return append(b, root...)
}

// sealAll is seal for several files, in the order of their labels.
func sealAll(blind []byte, files int, parts []byte) string {
	b := append([]byte(commitmentDomain+" root"), blind...)
	b = binary.BigEndian.AppendUint64(b, uint64(files))
	sum := sha256.Sum256(append(b, parts...))
	return "sha256:" + hex.EncodeToString(sum[:])
}

func appendText(b []byte, s string) []byte {
	return append(binary.BigEndian.AppendUint64(b, uint64(len(s))), s...)
}

// inclusion gives the RFC 6962 audit path of leaf index.
func inclusion(leaves [][]byte, index uint64) [][]byte {
	if len(leaves) <= 1 {
		return [][]byte{}
	}
	split := 1
	for split*2 < len(leaves) {
		split *= 2
	}
	if index < uint64(split) {
		return append(inclusion(leaves[:split], index), treeHash(leaves[split:]))
	}
	return append(inclusion(leaves[split:], index-uint64(split)), treeHash(leaves[:split]))
}

func treeHash(leaves [][]byte) []byte {
	ranges := compact.RangeFactory{Hash: rfc6962.DefaultHasher.HashChildren}
	r := ranges.NewEmptyRange(0)
	for _, l := range leaves {
		_ = r.Append(l, nil)
	}
	root, _ := r.GetRootHash(nil)
	return root
}
