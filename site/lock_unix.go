//go:build unix

package site

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/anchorhold/anchorhold"
)

// checkOwner refuses a directory that is somebody else's or that others may
// write: who can put files there would choose what the site opens, and files
// that root makes would lock their owner out.
func checkOwner(dir string) error {
	info, err := os.Stat(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // there is no site: the next step says so
	}
	if err != nil {
		return unusable(dir, err)
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok || int(st.Uid) != os.Geteuid() {
		return anchorhold.Errorf(anchorhold.Denied, "act as the account that it belongs to", "the directory %s belongs to another account", dir)
	}
	if info.Mode().Perm()&0o022 != 0 {
		return anchorhold.Errorf(anchorhold.Denied, "close it: chmod go-w "+dir, "others may write to the directory %s", dir)
	}
	return nil
}

// lock makes sure that one process at a time has the site open.
func lock(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, lockFile), os.O_CREATE|os.O_RDWR|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, unusable(dir, err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(anchorhold.Errorf(anchorhold.Unavailable, "stop the other process, or use it: it is being served",
			"the site in %s is open in another process", dir).Because(err), f.Close())
	}
	return f, nil
}

// sameDisk says whether two paths lie on one file system; where that cannot be
// told, they do.
func sameDisk(a, b string) bool {
	x, errX := os.Stat(a)
	y, errY := os.Stat(b)
	if errX != nil || errY != nil {
		return !errors.Is(errY, fs.ErrNotExist) // a key file that is not there now lies elsewhere
	}
	sx, okX := x.Sys().(*syscall.Stat_t)
	sy, okY := y.Sys().(*syscall.Stat_t)
	return !okX || !okY || sx.Dev == sy.Dev
}
