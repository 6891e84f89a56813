package blob_test

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/blob"
	"github.com/anchorhold/anchorhold/failpoint"
)

// chunks is content of a few chunks of the stored form, no two alike.
func chunks(t testing.TB) []byte {
	t.Helper()
	data := make([]byte, 3*64<<10+1000)
	if _, err := rand.Read(data); err != nil {
		t.Fatal(err)
	}
	return data
}

func putBytes(t testing.TB, s *blob.Store, data []byte) blob.Info {
	t.Helper()
	info, err := s.Put(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	return info
}

func stored(dir string, info blob.Info) string {
	return filepath.Join(dir, "v2", strings.TrimPrefix(info.ID, "b1-"))
}

// readable says whether the whole of a blob can be read, by any of the ways.
func readable(s *blob.Store, id string) bool {
	b, err := s.Open(id)
	if err != nil {
		return false
	}
	defer b.Close()
	_, err = io.Copy(io.Discard, io.NewSectionReader(b, 0, b.Size()))
	return err == nil
}

// TestNothingInTheClear: the disk tells nothing of the content, also not what
// follows a repeated content.
func TestNothingInTheClear(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	secret := strings.Repeat("the patient's name is Ada Lovelace\n", 5000)
	info := put(t, s, secret)
	for _, f := range files(t, dir) {
		raw, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(raw, []byte("Ada")) {
			t.Errorf("%s holds the content", f)
		}
	}
	first, err := os.ReadFile(stored(dir, info))
	if err != nil {
		t.Fatal(err)
	}
	put(t, s, secret)
	if second, err := os.ReadFile(stored(dir, info)); err != nil || bytes.Equal(first[300:], second[300:]) {
		t.Error("the same content is encrypted to the same bytes", err)
	}
}

// TestEveryAlterationIsRefused: bits that flip anywhere, an end that is cut or
// added to, chunks in another order.
func TestEveryAlterationIsRefused(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	info := putBytes(t, s, chunks(t))
	path := stored(dir, info)
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	const sealed = 64<<10 + 16
	body := len(good) - 3*sealed - 1000 - 16
	swapped := bytes.Clone(good)
	copy(swapped[body:], good[body+sealed:body+2*sealed])
	copy(swapped[body+sealed:], good[body:body+sealed])
	altered := map[string][]byte{
		"chunks in another order": swapped,
		"a chunk taken out":       append(bytes.Clone(good[:body+sealed]), good[body+2*sealed:]...),
		"a chunk repeated":        append(bytes.Clone(good[:body+sealed]), good[body:]...),
		"the last chunk gone":     good[:body+3*sealed],
		"cut in a chunk":          good[:body+sealed+10],
		"cut by a byte":           good[:len(good)-1],
		"cut in the header":       good[:50],
		"empty":                   {},
		"a byte more":             append(bytes.Clone(good), 0),
		"plain":                   []byte("plain text that somebody put here"),
	}
	flips := []int{}
	for i := range body + 100 { // header, nonce, and the beginning of the first chunk
		flips = append(flips, i)
	}
	for i := body; i < len(good); i += 9973 {
		flips = append(flips, i)
	}
	for _, i := range append(flips, len(good)-1) {
		bad := bytes.Clone(good)
		bad[i] ^= 1
		altered["bit of byte "+hex.EncodeToString([]byte{byte(i >> 16), byte(i >> 8), byte(i)})] = bad
	}
	for name, data := range altered {
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		if readable(s, info.ID) {
			t.Errorf("%s: read as if nothing were", name)
		}
		if err := s.Check(info.ID); anchorhold.KindOf(err) != anchorhold.Internal {
			t.Errorf("%s: Check says %v", name, err)
		}
	}
	if err := os.WriteFile(path, good, 0o600); err != nil {
		t.Fatal(err)
	}
	if !readable(s, info.ID) || s.Check(info.ID) != nil {
		t.Error("the good one is refused")
	}
}

// TestSwappedBlobsAreRefused: a whole good file under the name of another, of
// the same site or of another.
func TestSwappedBlobsAreRefused(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	a, b := put(t, s, "content of one"), put(t, s, "content of two")
	raw, err := os.ReadFile(stored(dir, b))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(stored(dir, a), raw, 0o600); err != nil {
		t.Fatal(err)
	}
	if x, err := s.Open(a.ID); anchorhold.KindOf(err) != anchorhold.Internal || x != nil {
		t.Error("a swapped blob opens:", err)
	}
	elsewhere := filepath.Join(t.TempDir(), "blobs")
	other, err := blob.Open(elsewhere, key(2))
	if err != nil {
		t.Fatal(err)
	}
	foreign := put(t, other, "content of two")
	if raw, err = os.ReadFile(stored(elsewhere, foreign)); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(stored(dir, b), raw, 0o600); err != nil {
		t.Fatal(err)
	}
	if x, err := s.Open(b.ID); err == nil || x != nil {
		t.Error("another site's blob opens")
	}
}

// TestReading compares every way of reading with the content.
func TestReading(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	for _, size := range []int{0, 1, 64<<10 - 1, 64 << 10, 64<<10 + 1, 3 * 64 << 10, 300000} {
		data := chunks(t)
		data = bytes.Repeat(data, size/len(data)+1)[:size]
		info := putBytes(t, s, data)
		if list, err := s.List(); err != nil || len(list) == 0 {
			t.Fatal(err)
		} else {
			for _, l := range list {
				if l.ID == info.ID && l.Size != int64(size) {
					t.Errorf("listed with %d bytes, not %d", l.Size, size)
				}
			}
		}
		b, err := s.Open(info.ID)
		if err != nil || b.Size() != int64(size) {
			t.Fatal(err)
		}
		if all, err := io.ReadAll(io.LimitReader(b, 1<<30)); err != nil || !bytes.Equal(all, data) {
			t.Errorf("%d bytes: Read gives %d, %v", size, len(all), err)
		}
		if _, err := b.Seek(0, io.SeekStart); err != nil {
			t.Fatal(err)
		}
		var w bytes.Buffer
		if n, err := b.WriteTo(&w); err != nil || n != int64(size) || !bytes.Equal(w.Bytes(), data) {
			t.Errorf("%d bytes: WriteTo gives %d, %v", size, n, err)
		}
		for _, off := range []int64{0, 1, 64<<10 - 1, 64 << 10, int64(size) - 3, int64(size), int64(size) + 5} {
			p := make([]byte, 7)
			n, err := b.ReadAt(p, max(off, 0))
			want := data[min(max(off, 0), int64(size)):min(max(off, 0)+7, int64(size))]
			if !bytes.Equal(p[:n], want) || n < 7 && !errors.Is(err, io.EOF) {
				t.Errorf("%d bytes: ReadAt(%d) gives %d, %v", size, off, n, err)
			}
		}
		f, err := b.Descriptor()
		if err != nil {
			t.Fatal(err)
		}
		if all, err := io.ReadAll(f); err != nil || !bytes.Equal(all, data) {
			t.Errorf("%d bytes: the descriptor gives %d, %v", size, len(all), err)
		}
		f.Close()
		b.Close()
	}
}

// TestLargeDescriptor: what is too large for memory has no name on the disk.
func TestLargeDescriptor(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	data := bytes.Repeat(chunks(t), 100) // 20 MB
	b, err := s.Open(putBytes(t, s, data).ID)
	if err != nil {
		t.Fatal(err)
	}
	f, err := b.Descriptor()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if left := files(t, dir); len(left) != 1 {
		t.Errorf("a name is left: %v", left)
	}
	if all, err := io.ReadAll(f); err != nil || !bytes.Equal(all, data) {
		t.Errorf("%d bytes, %v", len(all), err)
	}
	if _, err := f.WriteAt([]byte("x"), 0); err == nil {
		t.Error("the descriptor can be written to")
	}
}

// plainStore is a store as version 0.1 left it.
func plainStore(t *testing.T, content ...string) (dir string, ids []string) {
	t.Helper()
	names := open(t, t.TempDir())
	dir = t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "v1"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, c := range content {
		id := put(t, names, c).ID
		if err := os.WriteFile(filepath.Join(dir, "v1", strings.TrimPrefix(id, "b1-")), []byte(c), 0o600); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
	}
	return dir, ids
}

func TestPlainBlobsAreEncrypted(t *testing.T) {
	dir, ids := plainStore(t, "first", "", strings.Repeat("third", 50000))
	s := open(t, dir)
	for i, want := range []string{"first", "", strings.Repeat("third", 50000)} {
		if got, err := s.ReadAll(ids[i], limit); err != nil || string(got) != want {
			t.Errorf("%d: %d bytes, %v", i, len(got), err)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "v1")); !errors.Is(err, os.ErrNotExist) {
		t.Error("the plain files are still there:", err)
	}
}

// TestDamagedPlainBlobs: what is not what its name says is not vouched for, and
// does not stop the others.
func TestDamagedPlainBlobs(t *testing.T) {
	dir, ids := plainStore(t, "first", "second")
	path := filepath.Join(dir, "v1", strings.TrimPrefix(ids[0], "b1-"))
	if err := os.WriteFile(path, []byte("forged"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "v1", "README"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		s := open(t, dir)
		if _, err := s.Open(ids[0]); anchorhold.KindOf(err) != anchorhold.Internal {
			t.Error("the forged one:", err)
		}
		if got, err := s.ReadAll(ids[1], limit); err != nil || string(got) != "second" {
			t.Errorf("%q, %v", got, err)
		}
	}
}

// TestKilledWhileEncrypting: wherever the first start after an upgrade is
// killed, the next finds everything.
func TestKilledWhileEncrypting(t *testing.T) {
	bin := filepath.Join(t.TempDir(), "put")
	if out, err := exec.Command("go", "build", "-trimpath", "-tags", "failpoints", "-o", bin, "./testdata/put").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, step := range []string{"blob.written", "blob.synced", "blob.renamed:2", "blob.encrypted", "blob.encrypted:2"} {
		t.Run(step, func(t *testing.T) {
			content := []string{"first", "second", "third"}
			dir, ids := plainStore(t, content...)
			cmd := exec.Command(bin, dir)
			cmd.Env = append(os.Environ(), failpoint.Variable+"="+step)
			if out, err := cmd.Output(); err == nil {
				t.Fatalf("it was not killed: %s", out)
			}
			s := open(t, dir)
			for i, id := range ids {
				if got, err := s.ReadAll(id, limit); err != nil || string(got) != content[i] {
					t.Errorf("%q, %v", got, err)
				}
			}
			if left := files(t, dir); len(left) != 3 {
				t.Error("left behind:", left)
			}
		})
	}
}

// TestHold: nothing goes while a backup copies.
func TestHold(t *testing.T) {
	s := open(t, t.TempDir())
	id := put(t, s, "x").ID
	release := s.Hold()
	gone := make(chan error)
	go func() { gone <- s.Remove(id) }()
	for range 100 {
		if !readable(s, id) {
			t.Fatal("removed while held")
		}
	}
	release()
	if err := <-gone; err != nil || readable(s, id) {
		t.Error(err)
	}
}

func BenchmarkPut(b *testing.B) {
	s := open(b, b.TempDir())
	const size = 64 << 20
	data := bytes.Repeat([]byte("0123456789abcdef"), size/16)
	b.SetBytes(size)
	b.ReportAllocs()
	for range b.N {
		if _, err := s.Put(bytes.NewReader(data), size); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkRead(b *testing.B) {
	s := open(b, b.TempDir())
	const size = 64 << 20
	info, err := s.Put(io.LimitReader(zeros{}, size), size)
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(size)
	b.ReportAllocs()
	for range b.N {
		f, err := s.Open(info.ID)
		if err != nil {
			b.Fatal(err)
		}
		if n, err := io.Copy(io.Discard, f); err != nil || n != size {
			b.Fatal(n, err)
		}
		f.Close()
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}
