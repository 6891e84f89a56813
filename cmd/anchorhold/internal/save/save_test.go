package save_test

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/cmd/anchorhold/internal/save"
)

func text(s string) io.Reader { return strings.NewReader(s) }

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestWritesForOwnerOnly(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "deeper")
	path, err := save.File(dir, "result.json", false, text("{}"))
	if err != nil || path != filepath.Join(dir, "result.json") || read(t, path) != "{}" {
		t.Fatal(path, err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v", info.Mode())
	}
	alone(t, dir, "result.json")
}

// alone fails when anything but the named files is left in a folder.
func alone(t *testing.T, dir string, names ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	if strings.Join(got, " ") != strings.Join(names, " ") {
		t.Errorf("%s holds %q, want %q", dir, got, names)
	}
}

func TestHostileNames(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{
		"", ".", "..", "../x", "/etc/passwd", "a/b", `a\b`, `C:\x`, "C:x", ".bashrc", "a\nb", "a\x00b", "a\x1b[2J",
		strings.Repeat("x", 300), "nul:", "a?b",
	} {
		if path, err := save.File(dir, name, true, text("x")); anchorhold.KindOf(err) != anchorhold.Invalid {
			t.Errorf("%q was written to %q (%v)", name, path, err)
		}
	}
	alone(t, dir)
}

func TestNeverReplacesUnlessForced(t *testing.T) {
	dir := t.TempDir()
	for i, force := range []bool{false, false, true} {
		_, err := save.File(dir, "r", force, text([]string{"first", "second", "third"}[i]))
		if refused := err != nil; refused != (i == 1) {
			t.Errorf("write %d: %v", i, err)
		}
	}
	if got := read(t, filepath.Join(dir, "r")); got != "third" {
		t.Errorf("%q", got)
	}
	alone(t, dir, "r")
}

func TestFollowsNoLink(t *testing.T) {
	base := t.TempDir()
	outside := filepath.Join(base, "outside")
	if err := os.WriteFile(outside, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(base, "dir")
	os.Mkdir(dir, 0o700)
	for link, target := range map[string]string{"live": outside, "dangling": filepath.Join(base, "made"), "relative": "../outside"} {
		if err := os.Symlink(target, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
		for _, force := range []bool{false, true} {
			if _, err := save.File(dir, link, force, text("evil")); anchorhold.KindOf(err) != anchorhold.Conflict {
				t.Errorf("%s, force %v: %v", link, force, err)
			}
		}
	}
	os.Symlink(dir, filepath.Join(base, "alias"))
	if _, err := save.File(filepath.Join(base, "alias"), "r", false, text("x")); err == nil || !strings.Contains(err.Error(), "symbolic link") {
		t.Errorf("the folder is a link: %v", err)
	}
	if read(t, outside) != "precious" {
		t.Error("a link was followed")
	}
	if _, err := os.Stat(filepath.Join(base, "made")); !errors.Is(err, os.ErrNotExist) {
		t.Error("a dangling link was followed")
	}
	alone(t, dir, "dangling", "live", "relative")
}

func TestBrokenTransferLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	if _, err := save.File(dir, "kept", false, text("old")); err != nil {
		t.Fatal(err)
	}
	cut := io.MultiReader(text("half"), iotest.ErrReader(errors.New("reset")))
	if _, err := save.File(dir, "new", false, cut); err == nil {
		t.Error("half a file was taken for a whole one")
	}
	ours := anchorhold.Errorf(anchorhold.Denied, "ask", "not yours")
	if _, err := save.File(dir, "kept", true, iotest.ErrReader(ours)); !errors.Is(err, ours) {
		t.Errorf("%v", err)
	}
	if got := read(t, filepath.Join(dir, "kept")); got != "old" {
		t.Errorf("%q", got)
	}
	alone(t, dir, "kept")
}

// Somebody puts a file there while ours arrives.
func TestLosesARaceWithoutHarm(t *testing.T) {
	dir := t.TempDir()
	rival := iotest.DataErrReader(readerFunc(func(p []byte) (int, error) {
		os.WriteFile(filepath.Join(dir, "r"), []byte("theirs"), 0o600)
		return copy(p, "ours"), io.EOF
	}))
	if _, err := save.File(dir, "r", false, rival); anchorhold.KindOf(err) != anchorhold.Conflict {
		t.Error(err)
	}
	if got := read(t, filepath.Join(dir, "r")); got != "theirs" {
		t.Errorf("%q", got)
	}
	alone(t, dir, "r")
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func TestPath(t *testing.T) {
	dir := t.TempDir()
	if err := save.Path(filepath.Join(dir, "receipt.json"), false, text("r")); err != nil {
		t.Fatal(err)
	}
	if err := save.Path(filepath.Join(dir, ".own"), false, text("r")); err != nil {
		t.Errorf("a name that the person chose: %v", err)
	}
	if err := save.Path(filepath.Join(dir, "none", "receipt.json"), false, text("r")); err == nil || !strings.Contains(err.Error(), "open the folder") {
		t.Error(err)
	}
	if err := save.Path(filepath.Join(dir, "receipt.json"), false, text("r")); anchorhold.KindOf(err) != anchorhold.Conflict {
		t.Error(err)
	}
	alone(t, dir, ".own", "receipt.json")
}

func TestFolderThatIsAFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "f")
	os.WriteFile(file, nil, 0o600)
	if _, err := save.File(file, "r", false, text("x")); err == nil || !strings.Contains(err.Error(), "not a folder") {
		t.Error(err)
	}
}
