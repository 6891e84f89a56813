//go:build unix

package catalog

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

func TestBadPaths(t *testing.T) {
	dir := t.TempDir()
	pipe := filepath.Join(dir, "pipe.csv")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	loop := filepath.Join(dir, "loop.csv")
	if err := os.Symlink(loop, loop); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ path, want string }{
		{filepath.Join(dir, "none.csv"), "there is no file"},
		{dir, "holds a link or a special file"},
		{pipe, "is a named pipe"},
		{"/dev/zero", "is a device"},
		{loop, "cannot be opened"},
	} {
		_, err := Open(c.path, ReadOptions{})
		checkRefusal(t, err, c.want)
	}
	_, err := Open(writeFile(t, "a.csv", "a\n1\n"), ReadOptions{Format: "xlsx"})
	checkRefusal(t, err, "is not a format of tables")
	_, err = Open(writeFile(t, "a.parquet", "a\n1\n"), ReadOptions{})
	checkRefusal(t, err, "is not a Parquet file")
}

func TestUnreadableFileIsExplained(t *testing.T) {
	checkRefusal(t, openError("x.csv", &os.PathError{Op: "open", Path: "x.csv", Err: syscall.EACCES}), "may not be read by this account")
}

func TestSymlinkIsFollowedAndItsTargetRecorded(t *testing.T) {
	target := writeFile(t, "real.csv", "a\n1\n")
	link := filepath.Join(t.TempDir(), "link.csv")
	if err := os.Symlink(target, link); err != nil {
		t.Fatal(err)
	}
	table, err := Open(link, ReadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer table.Close()
	want, err := filepath.EvalSymlinks(target)
	if err != nil {
		t.Fatal(err)
	}
	if table.Path() != want {
		t.Errorf("path %s, want %s", table.Path(), want)
	}
}
