package blob_test

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/blob"
)

var writeVectors = flag.Bool("write-vectors", false, "write docs/spec/vectors/blob.json anew")

const vectorFile = "../docs/spec/vectors/blob.json"

// blobVector is a stored blob. Content is what it holds, Times over.
type blobVector struct {
	Name    string `json:"name"`
	ID      string `json:"id"`
	Content string `json:"content,omitempty"`
	Times   int    `json:"times,omitempty"`
	File    string `json:"file_base64"`
}

type blobVectors struct {
	Key     string       `json:"blob_key_hex"`
	Blobs   []blobVector `json:"blobs"`
	Refused []blobVector `json:"refused"`
}

func makeVectors(t *testing.T) blobVectors {
	dir := t.TempDir()
	s := open(t, dir)
	v := blobVectors{Key: hex.EncodeToString(key(1))}
	var raw [][]byte
	add := func(name, content string, times int) {
		info := put(t, s, strings.Repeat(content, times))
		file, err := os.ReadFile(stored(dir, info))
		if err != nil {
			t.Fatal(err)
		}
		raw = append(raw, file)
		v.Blobs = append(v.Blobs, blobVector{name, info.ID, content, times, base64.StdEncoding.EncodeToString(file)})
	}
	add("empty", "", 1)
	add("short", "a mean of 54.4 years\n", 1)
	add("two chunks", "0123456789abcdef", 4097)
	short, long := raw[1], raw[2]
	refuse := func(name string, of int, file []byte) {
		v.Refused = append(v.Refused, blobVector{Name: name, ID: v.Blobs[of].ID, File: base64.StdEncoding.EncodeToString(file)})
	}
	flip := func(b []byte, at int) []byte {
		b = append([]byte{}, b...)
		b[at] ^= 1
		return b
	}
	refuse("under the name of another", 1, raw[0])
	refuse("a bit of the stanza", 1, flip(short, 60))
	refuse("a bit of the header's MAC", 1, flip(short, 140))
	refuse("a bit of the nonce", 1, flip(short, 170))
	refuse("a bit of the content", 1, flip(short, len(short)-20))
	refuse("a bit of the tag", 1, flip(short, len(short)-1))
	refuse("without its last byte", 1, short[:len(short)-1])
	refuse("without its last chunk", 2, long[:len(long)-32])
	refuse("plain", 1, []byte("a mean of 54.4 years\n"))
	return v
}

func TestVectors(t *testing.T) {
	if *writeVectors {
		data, err := json.MarshalIndent(makeVectors(t), "", " ")
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(vectorFile, append(data, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	data, err := os.ReadFile(vectorFile)
	if err != nil {
		t.Fatal(err)
	}
	var v blobVectors
	if err := json.Unmarshal(data, &v); err != nil {
		t.Fatal(err)
	}
	k, err := hex.DecodeString(v.Key)
	if err != nil || len(v.Blobs) == 0 || len(v.Refused) == 0 {
		t.Fatal("the vectors are not whole", err)
	}
	dir := t.TempDir()
	s, err := blob.Open(dir, k)
	if err != nil {
		t.Fatal(err)
	}
	lay := func(b blobVector) {
		file, err := base64.StdEncoding.DecodeString(b.File)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "v2", strings.TrimPrefix(b.ID, "b1-")), file, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, b := range v.Blobs {
		lay(b)
		if got, err := s.ReadAll(b.ID, limit); err != nil || string(got) != strings.Repeat(b.Content, b.Times) {
			t.Errorf("%s: %d bytes, %v", b.Name, len(got), err)
		}
	}
	for _, b := range v.Refused {
		lay(b)
		if _, err := s.ReadAll(b.ID, limit); anchorhold.KindOf(err) != anchorhold.Internal {
			t.Errorf("%s: %v", b.Name, err)
		}
	}
}
