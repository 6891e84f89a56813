//go:build unix

package site

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"

	"github.com/anchorhold/anchorhold"
)

// lock makes sure that one process at a time has the site open.
func lock(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, lockFile), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, unusable(dir, err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(anchorhold.Errorf(anchorhold.Unavailable, "stop the other process, or use it: it is being served",
			"the site in %s is open in another process", dir).Because(err), f.Close())
	}
	return f, nil
}
