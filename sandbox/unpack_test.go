package sandbox_test

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/internal/plaintar/plaintartest"
	"github.com/anchorhold/anchorhold/sandbox"
)

type entry struct {
	h    tar.Header
	data string
}

func file(name, data string) entry {
	return entry{tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644, Size: int64(len(data))}, data}
}

func archive(t testing.TB, entries ...entry) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, e := range entries {
		if err := w.WriteHeader(&e.h); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, e.data); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func content(t *testing.T, f sandbox.File) string {
	t.Helper()
	r, err := f.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestUnpackKeepsFilesInOrder(t *testing.T) {
	big := strings.Repeat("x", 5000)
	stream := archive(t, file("manifest.json", "{}"), file("result.parquet", big), file("empty.txt", ""),
		entry{tar.Header{Typeflag: tar.TypeReg, Name: "timed.json", Size: 1, ModTime: time.Unix(1, 5), Format: tar.FormatPAX}, "1"})
	for name, dir := range map[string]string{"in memory": "", "on disk": t.TempDir()} {
		t.Run(name, func(t *testing.T) {
			files, err := sandbox.Unpack(bytes.NewReader(append(stream, make([]byte, 10240)...)),
				sandbox.UnpackLimits{Dir: dir, MemoryBytes: 100})
			if err != nil {
				t.Fatal(err)
			}
			var names []string
			for _, f := range files {
				names = append(names, f.Name)
			}
			if want := []string{"manifest.json", "result.parquet", "empty.txt", "timed.json"}; !slices.Equal(names, want) {
				t.Fatalf("names %q, want %q", names, want)
			}
			if got := content(t, files[1]); got != big {
				t.Fatalf("content has %d bytes, want %d", len(got), len(big))
			}
			if string(files[0].Bytes()) != "{}" || files[0].Path() != "" {
				t.Fatal("a small file was not kept in memory")
			}
			if dir == "" {
				return
			}
			st, err := os.Lstat(files[1].Path())
			if err != nil {
				t.Fatal(err)
			}
			if st.Mode() != 0o600 {
				t.Fatalf("mode %v, want 0600", st.Mode())
			}
		})
	}
}

func TestUnpackRefuses(t *testing.T) {
	typed := func(flag byte, link string) entry {
		return entry{tar.Header{Typeflag: flag, Name: "result.json", Linkname: link}, ""}
	}
	pax := func(records map[string]string) entry {
		e := file("result.json", "1")
		e.h.PAXRecords, e.h.Format = records, tar.FormatPAX
		return e
	}
	setuid := file("result.json", "1")
	setuid.h.Mode = 0o4755
	gnu := file("result.json", "1")
	gnu.h.Format = tar.FormatGNU
	sparse := pax(map[string]string{"ANCHORHOLD.x": "1"})
	good := archive(t, file("result.json", "12345"))
	cases := []struct {
		name   string
		stream []byte
		says   string
	}{
		{"nothing at all", nil, "cut off"},
		{"symbolic link", archive(t, typed(tar.TypeSymlink, "/etc/passwd")), "not a regular file"},
		{"hard link", archive(t, typed(tar.TypeLink, "result.json")), "not a regular file"},
		{"character device", archive(t, typed(tar.TypeChar, "")), "not a regular file"},
		{"block device", archive(t, typed(tar.TypeBlock, "")), "not a regular file"},
		{"fifo", archive(t, typed(tar.TypeFifo, "")), "not a regular file"},
		{"directory", archive(t, typed(tar.TypeDir, "")), "not a regular file"},
		{"GNU format", archive(t, gnu), "format"},
		{"unknown extended header", archive(t, sparse), "extended header"},
		{"extended attribute", archive(t, pax(map[string]string{"SCHILY.xattr.user.x": "1"})), "extended header"},
		{"absolute name", archive(t, file("/etc/cron.d/x", "1")), "name"},
		{"path", archive(t, file("a/b", "1")), "name"},
		{"parent", archive(t, file("..", "1")), "name"},
		{"climbing out", archive(t, file("../../x", "1")), "name"},
		{"hidden", archive(t, file(".bashrc", "1")), "name"},
		{"option", archive(t, file("-rf", "1")), "name"},
		{"empty name", archive(t, file("", "1")), "name"},
		{"control characters", archive(t, file("a\x1b[2Jb", "1")), "name"},
		{"newline", archive(t, file("a\nb", "1")), "name"},
		{"right-to-left override", archive(t, file("a\u202eb", "1")), "name"},
		{"backslash", archive(t, file(`a\b`, "1")), "name"},
		{"colon", archive(t, file("a:b", "1")), "name"},
		{"long name", archive(t, file(strings.Repeat("n", 129), "1")), "name"},
		{"same name twice", archive(t, file("a", "1"), file("a", "2")), "earlier"},
		{"cut off in a file", good[:tarBlock+2], "cut off"},
		{"cut off before the end marker", good[:2*tarBlock], "cut off"},
		{"half an end marker", good[:3*tarBlock], "cut off"},
		{"bytes after the end", append(slices.Clone(good), "more"...), "after its end"},
		{"not tar", []byte(strings.Repeat("hello ", 500)), "not readable"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			files, err := sandbox.Unpack(bytes.NewReader(c.stream), sandbox.UnpackLimits{Dir: dir, MemoryBytes: 1})
			if err == nil {
				t.Fatalf("accepted %d files", len(files))
			}
			if anchorhold.KindOf(err) != anchorhold.Invalid || !strings.Contains(err.Error(), c.says) {
				t.Fatalf("%v, want Invalid with %q", err, c.says)
			}
			if left, _ := os.ReadDir(dir); len(left) != 0 {
				t.Fatalf("left %d files behind", len(left))
			}
		})
	}
	// The mode in the stream is not refused but has no effect.
	files, err := sandbox.Unpack(bytes.NewReader(archive(t, setuid)), sandbox.UnpackLimits{})
	if err != nil || len(files) != 1 {
		t.Fatalf("%v, %d files", err, len(files))
	}
}

func TestUnpackLimits(t *testing.T) {
	many := func(n int) []byte {
		var es []entry
		for i := range n {
			es = append(es, file("f"+string(rune('a'+i)), "0123456789"))
		}
		return archive(t, es...)
	}
	long := file("a", "1")
	long.h.Format, long.h.Uname = tar.FormatPAX, strings.Repeat("u", 40<<10)
	claim := archive(t, entry{tar.Header{Typeflag: tar.TypeReg, Name: "a"}, ""})
	copy(claim[124:], "77777777777\x00") // 8 GiB claimed, nothing there
	fixChecksum(claim)
	cases := []struct {
		name   string
		stream []byte
		l      sandbox.UnpackLimits
		ok     bool
	}{
		{"as many files as allowed", many(3), sandbox.UnpackLimits{Entries: 3}, true},
		{"one file too many", many(4), sandbox.UnpackLimits{Entries: 3}, false},
		{"as large as allowed", many(1), sandbox.UnpackLimits{FileBytes: 10}, true},
		{"one file too large", many(1), sandbox.UnpackLimits{FileBytes: 9}, false},
		{"all together as allowed", many(3), sandbox.UnpackLimits{TotalBytes: 30}, true},
		{"all together too large", many(3), sandbox.UnpackLimits{TotalBytes: 29}, false},
		{"headers too large", archive(t, long), sandbox.UnpackLimits{}, false},
		{"a size that is only claimed", claim, sandbox.UnpackLimits{}, false},
		{"padding without end", append(many(1), make([]byte, 2<<20)...), sandbox.UnpackLimits{}, false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, err := sandbox.Unpack(bytes.NewReader(c.stream), c.l)
			if c.ok != (err == nil) {
				t.Fatalf("error %v, want ok=%v", err, c.ok)
			}
			if err != nil && anchorhold.KindOf(err) != anchorhold.TooLarge {
				t.Fatalf("%v is not TooLarge", err)
			}
		})
	}
}

func TestUnpackSparse(t *testing.T) {
	rest := archive(t, file("b", "1"))
	for name, entry := range plaintartest.Sparse("a", 1<<32-1) {
		if files, err := sandbox.Unpack(bytes.NewReader(slices.Concat(entry, rest)), sandbox.UnpackLimits{FileBytes: 1 << 33, TotalBytes: 1 << 33}); err == nil {
			t.Errorf("%s: accepted %d files", name, len(files))
		}
	}
}

func TestUnpackNeverWritesThroughLinks(t *testing.T) {
	dir, outside := t.TempDir(), filepath.Join(t.TempDir(), "target")
	if err := os.WriteFile(outside, []byte("untouched"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, filepath.Join(dir, "result.bin")); err != nil {
		t.Fatal(err)
	}
	_, err := sandbox.Unpack(bytes.NewReader(archive(t, file("other.bin", "12345"), file("result.bin", "12345"))),
		sandbox.UnpackLimits{Dir: dir, MemoryBytes: 1})
	var path *fs.PathError
	if !errors.As(err, &path) || anchorhold.KindOf(err) != anchorhold.Internal {
		t.Fatalf("%v, want Internal", err)
	}
	if b, _ := os.ReadFile(outside); string(b) != "untouched" {
		t.Fatal("wrote through a link")
	}
	if _, err := os.Lstat(filepath.Join(dir, "other.bin")); !errors.Is(err, fs.ErrNotExist) {
		t.Fatal("the first file was left behind")
	}
}

// TestUnpackErrorsRepeatNothing looks for the stream's own words in errors.
func TestUnpackErrorsRepeatNothing(t *testing.T) {
	for _, e := range []entry{
		file("SECRET/x", "1"),
		{tar.Header{Typeflag: tar.TypeSymlink, Name: "SECRET", Linkname: "SECRET"}, ""},
	} {
		if _, err := sandbox.Unpack(bytes.NewReader(archive(t, e)), sandbox.UnpackLimits{}); err == nil || strings.Contains(err.Error(), "SECRET") {
			t.Errorf("error %v", err)
		}
	}
}

const tarBlock = 512

// fixChecksum makes a changed first header valid again.
func fixChecksum(b []byte) {
	copy(b[148:156], "        ")
	sum := 0
	for _, c := range b[:tarBlock] {
		sum += int(c)
	}
	octal := []byte("0000000\x00")
	for i := 6; i >= 0; i-- {
		octal[i] = byte('0' + sum&7)
		sum >>= 3
	}
	copy(b[148:156], octal)
}

func FuzzUnpack(f *testing.F) {
	f.Add(archive(f, file("manifest.json", "{}"), file("result.json", "1")))
	f.Add(archive(f, entry{tar.Header{Typeflag: tar.TypeSymlink, Name: "a", Linkname: "/etc/passwd"}, ""}))
	f.Add(archive(f, entry{tar.Header{Typeflag: tar.TypeReg, Name: "a", Size: 1, Format: tar.FormatPAX, ModTime: time.Unix(1, 5)}, "1"}))
	f.Add([]byte{})
	l := sandbox.UnpackLimits{TotalBytes: 4096, FileBytes: 2048, HeaderBytes: 4096, Entries: 4, MemoryBytes: 16}
	f.Fuzz(func(t *testing.T, stream []byte) {
		files, err := sandbox.Unpack(bytes.NewReader(stream), l)
		if err != nil {
			if files != nil {
				t.Fatal("files with an error")
			}
			return
		}
		total, names := int64(0), map[string]bool{}
		for _, file := range files {
			if names[file.Name] || file.Name != filepath.Base(file.Name) || strings.HasPrefix(file.Name, ".") {
				t.Fatalf("name %q", file.Name)
			}
			names[file.Name] = true
			if int64(len(file.Bytes())) != file.Size {
				t.Fatal("size differs from content")
			}
			total += file.Size
		}
		if total > l.TotalBytes || len(files) > l.Entries {
			t.Fatal("over the limits")
		}
	})
}
