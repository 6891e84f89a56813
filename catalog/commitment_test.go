package catalog

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
)

func secretOf(b byte) []byte { return bytes.Repeat([]byte{b}, SecretSize) }

func mustCommit(t *testing.T, secret []byte, label string, data []byte) string {
	t.Helper()
	c, size, err := Commit(secret, label, bytes.NewReader(data))
	if err != nil || size != int64(len(data)) {
		t.Fatalf("%d bytes, %v", size, err)
	}
	return c
}

// repeated is content that is a text over and over.
type repeated struct {
	Path, Repeat string
	Size         int
}

func (r repeated) content() []byte {
	return []byte(strings.Repeat(r.Repeat, r.Size/max(1, len(r.Repeat))+1)[:r.Size])
}

// commitmentVector is one file, or the files of a folder.
type commitmentVector struct {
	repeated
	Secret, Label, Commitment string
	Files                     []repeated
}

// folderCommitment commits to a folder that lies on the disk, as a site does.
func folderCommitment(t *testing.T, secret []byte, v commitmentVector) string {
	t.Helper()
	dir := t.TempDir()
	for _, f := range v.Files {
		path := filepath.Join(dir, filepath.FromSlash(f.Path))
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, f.content(), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	c, err := OpenContent(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	to, err := newCommitter(secret, v.Label)
	if err == nil {
		err = c.commit(context.Background(), to, &progress{})
	}
	if err != nil {
		t.Fatal(err)
	}
	return to.commitment()
}

// TestCommitmentVectors compares with an independent implementation.
func TestCommitmentVectors(t *testing.T) {
	text, err := os.ReadFile("../docs/spec/vectors/commitment.json")
	if err != nil {
		t.Fatal(err)
	}
	var vectors []commitmentVector
	if err := json.Unmarshal(text, &vectors); err != nil || len(vectors) < 12 {
		t.Fatalf("%d vectors, %v", len(vectors), err)
	}
	for _, v := range vectors {
		secret, err := hex.DecodeString(v.Secret)
		if err != nil {
			t.Fatal(err)
		}
		if len(v.Files) > 0 {
			if got := folderCommitment(t, secret, v); got != v.Commitment {
				t.Errorf("%s, %d files: %s, want %s", v.Label, len(v.Files), got, v.Commitment)
			}
			continue
		}
		data := v.content()
		if got := mustCommit(t, secret, v.Label, data); got != v.Commitment {
			t.Errorf("%s, %d bytes: %s, want %s", v.Label, v.Size, got, v.Commitment)
		}
		got, _, err := Commit(secret, v.Label, iotest.HalfReader(bytes.NewReader(data)))
		if err != nil || got != v.Commitment {
			t.Errorf("%s, %d bytes in pieces: %s, %v", v.Label, v.Size, got, err)
		}
	}
}

// TestCommitmentHides: equal files under two secrets have nothing in common,
// and all commitments have one form whatever is committed to.
func TestCommitmentHides(t *testing.T) {
	data := []byte("age,sex\n63,1\n")
	seen := map[string]bool{}
	for range 64 {
		secret := make([]byte, SecretSize)
		rand.Read(secret)
		for _, d := range [][]byte{data, {}, make([]byte, 2*ChunkSize)} {
			c := mustCommit(t, secret, "heart/patients", d)
			if seen[c] || len(c) != len("sha256:")+64 {
				t.Fatalf("a commitment came twice or tells a size: %s", c)
			}
			seen[c] = true
		}
	}
	// Somebody who guesses the content needs the secret too: of 256 bits, one
	// that is wrong changes all.
	a, b := secretOf(0), secretOf(0)
	b[31] ^= 1
	if mustCommit(t, a, "l", data) == mustCommit(t, b, "l", data) {
		t.Error("the last bit of the secret does not matter")
	}
}

func TestCommitmentBinds(t *testing.T) {
	data := bytes.Repeat([]byte("0123456789"), 300_000) // three chunks
	secret := secretOf(7)
	commitment := mustCommit(t, secret, "heart/patients", data)
	same, err := VerifyCommitment(secret, "heart/patients", bytes.NewReader(data), commitment)
	if err != nil || !same {
		t.Fatalf("%v, %v", same, err)
	}
	swapped := append(append(append([]byte(nil), data[ChunkSize:2*ChunkSize]...), data[:ChunkSize]...), data[2*ChunkSize:]...)
	flipped := bytes.Clone(data)
	flipped[2*ChunkSize] ^= 1
	for what, other := range map[string][]byte{
		"a flipped bit": flipped, "swapped chunks": swapped, "one byte less": data[:len(data)-1],
		"one byte more": append(bytes.Clone(data), 0), "nothing": nil,
	} {
		if same, _ := VerifyCommitment(secret, "heart/patients", bytes.NewReader(other), commitment); same {
			t.Errorf("%s passes", what)
		}
	}
	if same, _ := VerifyCommitment(secret, "heart/visits", bytes.NewReader(data), commitment); same {
		t.Error("another label passes")
	}
}

func TestOpenChunk(t *testing.T) {
	secret := secretOf(9)
	for _, size := range []int{1, ChunkSize, ChunkSize + 1, 5*ChunkSize + 3} {
		data := bytes.Repeat([]byte("anchor"), size/6+1)[:size]
		commitment := mustCommit(t, secret, "a/b", data)
		for i := range (size-1)/ChunkSize + 1 {
			o, err := OpenChunk(secret, "a/b", bytes.NewReader(data), uint64(i))
			if err != nil {
				t.Fatal(err)
			}
			if !o.Verify(commitment) || !bytes.Equal(o.Chunk, data[i*ChunkSize:min(size, (i+1)*ChunkSize)]) {
				t.Errorf("chunk %d of %d bytes does not open", i, size)
			}
			for what, tamper := range map[string]func(*Opening){
				"chunk": func(o *Opening) { o.Chunk = append(bytes.Clone(o.Chunk[1:]), 'x') },
				"label": func(o *Opening) { o.Label = "a/c" },
				"size":  func(o *Opening) { o.Size++ },
				"index": func(o *Opening) { o.Index++ },
				"salt":  func(o *Opening) { o.Salt = secretOf(1) },
				"blind": func(o *Opening) { o.Blind = nil },
				"path":  func(o *Opening) { o.Path = append(o.Path, secretOf(1)) },
			} {
				bad := o
				tamper(&bad)
				if bad.Verify(commitment) {
					t.Errorf("chunk %d of %d bytes opens with another %s", i, size, what)
				}
			}
		}
		if _, err := OpenChunk(secret, "a/b", bytes.NewReader(data), 99); err == nil {
			t.Error("a chunk that does not exist opens")
		}
	}
}

func TestCommitmentErrors(t *testing.T) {
	broken := errors.New("broken")
	if _, _, err := Commit(secretOf(0), "l", iotest.ErrReader(broken)); !errors.Is(err, broken) {
		t.Errorf("Commit: %v", err)
	}
	if _, err := OpenChunk(secretOf(0), "l", iotest.ErrReader(broken), 0); !errors.Is(err, broken) {
		t.Errorf("OpenChunk: %v", err)
	}
	if _, _, err := Commit(secretOf(0)[:16], "l", strings.NewReader("x")); err == nil {
		t.Error("a short secret is taken")
	}
}
