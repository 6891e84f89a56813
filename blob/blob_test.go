package blob_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/iotest"

	"golang.org/x/sys/unix"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/blob"
	"github.com/anchorhold/anchorhold/failpoint"
)

const limit = 1 << 20

func key(b byte) []byte { return bytes.Repeat([]byte{b}, 32) }

func open(t testing.TB, dir string) *blob.Store {
	t.Helper()
	s, err := blob.Open(dir, key(1))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func put(t testing.TB, s *blob.Store, content string) blob.Info {
	t.Helper()
	info, err := s.Put(strings.NewReader(content), limit)
	if err != nil {
		t.Fatal(err)
	}
	return info
}

func TestPutAndRead(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "blobs")
	s := open(t, dir)
	for _, content := range []string{"", "a", strings.Repeat("largest", limit/7)} {
		info := put(t, s, content)
		sum := sha256.Sum256([]byte(content))
		if info.Size != int64(len(content)) || info.SHA256 != hex.EncodeToString(sum[:]) {
			t.Errorf("%+v", info)
		}
		got, err := open(t, dir).ReadAll(info.ID, limit) // another process's view
		if err != nil || string(got) != content {
			t.Errorf("%d bytes, %v; want %d", len(got), err, len(content))
		}
	}
}

func TestOpenBlob(t *testing.T) {
	s := open(t, t.TempDir())
	b, err := s.Open(put(t, s, "0123456789").ID)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Seek(5, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	rest, err := io.ReadAll(b)
	if err != nil || string(rest) != "56789" || b.Size() != 10 {
		t.Errorf("%q, %v", rest, err)
	}
	at := make([]byte, 2)
	if _, err := b.ReadAt(at, 2); err != nil || string(at) != "23" {
		t.Errorf("%q, %v", at, err)
	}
	f, err := b.Descriptor()
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	all, err := io.ReadAll(f)
	if err != nil || string(all) != "0123456789" {
		t.Errorf("the descriptor gives %q, %v", all, err)
	}
	if _, err := f.WriteString("x"); err == nil {
		t.Error("the descriptor can be written to")
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
}

// TestNamesConfirmNothing: who does not hold the key cannot tell from a name
// what the content is.
func TestNamesConfirmNothing(t *testing.T) {
	dir := t.TempDir()
	one := put(t, open(t, filepath.Join(dir, "a")), "guess")
	other, err := blob.Open(filepath.Join(dir, "b"), key(2))
	if err != nil {
		t.Fatal(err)
	}
	if two := put(t, other, "guess"); one.ID == two.ID || one.SHA256 != two.SHA256 {
		t.Error("the name does not depend on the key")
	}
	if strings.Contains(one.ID, one.SHA256) {
		t.Error("the name is the plain hash")
	}
	for _, k := range [][]byte{nil, key(1)[:31], append(key(1), 1)} {
		if _, err := blob.Open(filepath.Join(dir, "c"), k); err == nil {
			t.Errorf("a key of %d bytes is accepted", len(k))
		}
	}
}

func TestOnlyTheOwnerReads(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "blobs")
	s := open(t, dir)
	put(t, s, "private")
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err == nil && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v", path, info.Mode())
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// TestNothingIsKeptOfAFailedPut: too large, a broken source, a source that
// stalls after the limit.
func TestNothingIsKeptOfAFailedPut(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	if _, err := s.Put(strings.NewReader("12345678901"), 10); anchorhold.KindOf(err) != anchorhold.TooLarge {
		t.Error(err)
	}
	if info, err := s.Put(strings.NewReader("1234567890"), 10); err != nil || s.Remove(info.ID) != nil {
		t.Error("exactly the limit:", err)
	}
	broken := errors.New("line cut")
	if _, err := s.Put(io.MultiReader(strings.NewReader("123"), iotest.ErrReader(broken)), 10); !errors.Is(err, broken) {
		t.Error(err)
	}
	if left := files(t, dir); len(left) != 0 {
		t.Error("left behind:", left)
	}
}

// files lists what lies below dir.
func files(t testing.TB, dir string) []string {
	t.Helper()
	var out []string
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			out = append(out, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestAlteredContentIsNotReturned: bits that rot or are changed on disk.
func TestAlteredContentIsNotReturned(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	info := put(t, s, "approved result")
	path := files(t, dir)[0]
	for _, content := range []string{"approved resulT", "", "approved result "} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if data, err := s.ReadAll(info.ID, limit); anchorhold.KindOf(err) != anchorhold.Internal || data != nil {
			t.Errorf("%q, %v", data, err)
		}
	}
	// Putting the same content again heals it.
	put(t, s, "approved result")
	if _, err := s.ReadAll(info.ID, 3); anchorhold.KindOf(err) != anchorhold.TooLarge {
		t.Error("beyond the limit:", err)
	}
	if data, err := s.ReadAll(info.ID, limit); err != nil || string(data) != "approved result" {
		t.Errorf("%q, %v", data, err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/etc/hostname", path); err != nil {
		t.Fatal(err)
	}
	if b, err := s.Open(info.ID); err == nil || b != nil {
		t.Error("a link was followed")
	}
}

func TestNamesThatClimb(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	good := put(t, s, "x").ID
	for _, id := range []string{
		"", "x", good[3:], "b2-" + good[3:], good + "0", good[:len(good)-1], strings.ToUpper(good), "b1-" + strings.Repeat("g", 64),
		"b1-../../../../../../../../../../../../../../../../../../etc/passwd", "b1-" + strings.Repeat("../", 21) + "a", good + "\x00", "b1-" + strings.Repeat("0", 64),
	} {
		if b, err := s.Open(id); anchorhold.KindOf(err) != anchorhold.NotFound || b != nil {
			t.Errorf("Open(%q): %v", id, err)
		}
		if _, err := s.ReadAll(id, limit); anchorhold.KindOf(err) != anchorhold.NotFound {
			t.Errorf("ReadAll(%q): %v", id, err)
		}
		if err := s.Remove(id); err != nil && anchorhold.KindOf(err) != anchorhold.NotFound {
			t.Errorf("Remove(%q): %v", id, err)
		}
	}
	if len(files(t, dir)) != 1 {
		t.Error("a file is gone")
	}
}

func TestListAndRemove(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	a, b := put(t, s, "aa"), put(t, s, "bbb")
	if again := put(t, s, "aa"); again != a {
		t.Errorf("%+v and %+v", again, a)
	}
	if err := os.WriteFile(filepath.Join(dir, "v2", "README"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	list, err := s.List()
	if err != nil || len(list) != 2 || list[0].ID >= list[1].ID {
		t.Fatal(list, err)
	}
	for _, l := range list {
		if (l.ID == a.ID && l.Size != 2) || (l.ID == b.ID && l.Size != 3) || l.Put.IsZero() {
			t.Errorf("%+v", l)
		}
	}
	for range 2 { // the second time it is gone already
		if err := s.Remove(a.ID); err != nil {
			t.Fatal(err)
		}
	}
	if list, err := s.List(); err != nil || len(list) != 1 || list[0].ID != b.ID {
		t.Error(list, err)
	}
	if _, err := s.Open(a.ID); anchorhold.KindOf(err) != anchorhold.NotFound {
		t.Error(err)
	}
}

func TestPutsAtOnce(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			content := strings.Repeat(string(rune('a'+i%4)), 5000)
			info, err := s.Put(iotest.HalfReader(strings.NewReader(content)), limit)
			if err != nil {
				t.Error(err)
				return
			}
			if _, err := blob.Open(dir, key(1)); err != nil { // sweeps while others write
				t.Error(err)
			}
			if got, err := s.ReadAll(info.ID, limit); err != nil || string(got) != content {
				t.Error(len(got), err)
			}
		})
	}
	wg.Wait()
	if left := files(t, dir); len(left) != 4 {
		t.Error(left)
	}
}

// TestSweepSparesWriters: opening the store removes what dead puts left and
// nothing that a living one writes.
func TestSweepSparesWriters(t *testing.T) {
	dir := t.TempDir()
	open(t, dir)
	dead, living := filepath.Join(dir, "tmp", "put-1"), filepath.Join(dir, "tmp", "put-2")
	for _, p := range []string{dead, living} {
		if err := os.WriteFile(p, []byte("half"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	f, err := os.Open(living)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	open(t, dir)
	if left := files(t, dir); len(left) != 1 || left[0] != living {
		t.Error(left)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	open(t, dir)
	if left := files(t, dir); len(left) != 0 {
		t.Error(left)
	}
}

// TestKilled kills a process at each durable step of a put: afterwards the blob
// is whole or absent, and nothing else is left.
func TestKilled(t *testing.T) {
	bin := filepath.Join(t.TempDir(), "put")
	if out, err := exec.Command("go", "build", "-trimpath", "-tags", "failpoints", "-o", bin, "./testdata/put").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, step := range []string{"blob.written", "blob.synced", "blob.renamed", "never"} {
		t.Run(step, func(t *testing.T) {
			dir := t.TempDir()
			cmd := exec.Command(bin, dir)
			cmd.Env = append(os.Environ(), failpoint.Variable+"="+step)
			cmd.Stdin = strings.NewReader("content")
			out, err := cmd.Output()
			if (err == nil) != (step == "never") {
				t.Fatalf("%v, %s", err, out)
			}
			s := open(t, dir)
			list, err := s.List()
			if err != nil || len(list) != len(files(t, dir)) {
				t.Fatal(list, files(t, dir), err)
			}
			if whole := step == "blob.renamed" || step == "never"; whole != (len(list) == 1) {
				t.Error(list)
			}
			for _, l := range list {
				if data, err := s.ReadAll(l.ID, limit); err != nil || string(data) != "content" {
					t.Errorf("%q, %v", data, err)
				}
			}
		})
	}
}

func TestOpenRefuses(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, d := range []string{filepath.Join(dir, "no", "such"), filepath.Join(file, "x"), file} {
		if s, err := blob.Open(d, key(1)); anchorhold.KindOf(err) != anchorhold.Unavailable || s != nil {
			t.Errorf("%s: %v", d, err)
		}
	}
}
