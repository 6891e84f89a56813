//go:build linux && (amd64 || arm64)

package gvisor

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/anchorhold/anchorhold"
)

// gVisor looks for these beside the program, and with the STRICT policy it
// refuses to start without them. They are our own program under other names.
const sidecarDir = "gvisor-bin"

func sidecars() []string { return []string{"gvisor_sentry", "gvisor-sentry-prewarmer"} }

// account is a user and a group of the host.
type account struct{ uid, gid int }

// prepareProgram finds a copy of the program that the run account can execute
// and that has its sidecar links: the installed one when it is so, else a copy
// in the state directory, named by its content.
func prepareProgram(executable, state string, run account) (string, error) {
	src, err := os.Open(executable)
	if err != nil {
		return "", startError("check the program's installation", "the program cannot read itself").Because(err)
	}
	defer src.Close()
	if path, err := filepath.EvalSymlinks(executable); err == nil && hasSidecars(path) && reachable(path, run) == nil {
		return path, nil
	}
	h := sha256.New()
	if _, err := io.Copy(h, src); err != nil {
		return "", startError("check the disk", "the program cannot read itself").Because(err)
	}
	dir := filepath.Join(state, "bin-"+hex.EncodeToString(h.Sum(nil))[:32])
	path := filepath.Join(dir, "anchorhold")
	if !hasSidecars(path) {
		if err := install(src, dir); err != nil {
			return "", startError("check that the state directory is writable and has room",
				"the program cannot be copied to %s", state).Because(err)
		}
	}
	removeOtherPrograms(state, dir)
	return path, reachable(path, run)
}

// install copies src to dir/anchorhold with its sidecars, all or nothing.
func install(src *os.File, dir string) error {
	if _, err := src.Seek(0, io.SeekStart); err != nil {
		return err
	}
	tmp, err := os.MkdirTemp(filepath.Dir(dir), "bin-tmp-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(tmp) }() // gone when it was renamed
	path := filepath.Join(tmp, "anchorhold")
	dst, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(dst, src)
	if err := errors.Join(err, openToAll(path), dst.Sync(), dst.Close()); err != nil {
		return err
	}
	side := filepath.Join(tmp, sidecarDir)
	if err := os.Mkdir(side, 0o755); err != nil {
		return err
	}
	for _, name := range sidecars() {
		if err := os.Link(path, filepath.Join(side, name)); err != nil {
			return err
		}
	}
	// The run account runs it; and whatever the umask was.
	if err := errors.Join(openToAll(side), openToAll(tmp), os.RemoveAll(dir)); err != nil {
		return err
	}
	return os.Rename(tmp, dir)
}

// openToAll lets every account enter a directory or run a program: there is no
// secret in it.
func openToAll(path string) error {
	return os.Chmod(path, 0o755) //nolint:gosec // G302: the run account must get in
}

// hasSidecars says whether the links beside path are the same file as path.
func hasSidecars(path string) bool {
	want, err := os.Stat(path)
	if err != nil {
		return false
	}
	for _, name := range sidecars() {
		got, err := os.Stat(filepath.Join(filepath.Dir(path), sidecarDir, name))
		if err != nil || !os.SameFile(want, got) {
			return false
		}
	}
	return true
}

// Place gives a path of a static program under which guests can be shown it: its
// own where the run account can reach that, else that of a copy, named by its
// content.
func (s *Sandbox) Place(program string) (string, error) {
	if reachable(program, s.run) == nil {
		return program, nil
	}
	src, err := os.Open(program)
	if err != nil {
		return "", startError("check the program's installation", "%s cannot be read", program).Because(err)
	}
	defer src.Close()
	h := sha256.New()
	if _, err := io.Copy(h, src); err != nil {
		return "", startError("check the disk", "%s cannot be read", program).Because(err)
	}
	copies := filepath.Join(filepath.Dir(s.runDir), filepath.Base(program)+"-")
	path := copies + hex.EncodeToString(h.Sum(nil))[:32]
	if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
		old, _ := filepath.Glob(copies + "*") // of other versions
		if err := copyProgram(src, path); err != nil {
			return "", startError("check that the state directory is writable and has room", "%s cannot be copied to %s", program, filepath.Dir(path)).Because(err)
		}
		for _, other := range old {
			_ = os.Remove(other)
		}
	}
	return path, reachable(path, s.run)
}

// copyProgram copies src to path, all or nothing.
func copyProgram(src *os.File, path string) error {
	if _, err := src.Seek(0, io.SeekStart); err != nil {
		return err
	}
	dst, err := os.CreateTemp(filepath.Dir(path), "copy-")
	if err != nil {
		return err
	}
	_, err = io.Copy(dst, src)
	if err := errors.Join(err, openToAll(dst.Name()), dst.Sync(), dst.Close()); err != nil {
		return errors.Join(err, os.Remove(dst.Name()))
	}
	return os.Rename(dst.Name(), path)
}

// removeOtherPrograms deletes copies of other versions; nothing runs from them,
// since the state directory is locked.
func removeOtherPrograms(state, keep string) {
	old, _ := filepath.Glob(filepath.Join(state, "bin-*"))
	for _, dir := range old {
		if dir != keep {
			_ = os.RemoveAll(dir)
		}
	}
}

// reachable says whether an account may execute path, and names the first
// directory that keeps it out.
func reachable(path string, who account) error {
	parts := strings.Split(strings.TrimPrefix(path, "/"), "/")
	at := "/"
	for i := 0; i <= len(parts); i++ {
		var st unix.Stat_t
		if err := unix.Stat(at, &st); err != nil {
			return startError("check the path", "%s cannot be reached", at).Because(err)
		}
		if !mayExecute(&st, who) {
			if i == len(parts) {
				return startError("make it executable: chmod 755 "+at, "the run account (uid %d) may not execute %s", who.uid, at)
			}
			return startError(fmt.Sprintf("open it with chmod o+x %s, or choose a state directory elsewhere, such as below /var/lib", at),
				"the run account (uid %d) may not enter %s", who.uid, at)
		}
		if i < len(parts) {
			at = filepath.Join(at, parts[i])
		}
	}
	return nil
}

func mayExecute(st *unix.Stat_t, who account) bool {
	switch {
	case int(st.Uid) == who.uid:
		return st.Mode&0o100 != 0
	case int(st.Gid) == who.gid:
		return st.Mode&0o010 != 0
	default:
		return st.Mode&0o001 != 0
	}
}

// startError is the error of a boundary that cannot be set up.
func startError(remedy, format string, args ...any) *anchorhold.Error {
	return anchorhold.Errorf(anchorhold.Unavailable, remedy, "the sandbox cannot start: "+format, args...)
}
