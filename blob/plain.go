package blob

import (
	"errors"
	"io/fs"
	"log/slog"
	"math"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/failpoint"
)

// encryptPlain encrypts what version 0.1 stored plain, one file after another:
// each is removed once its encrypted form is durable, so that a crash between
// leaves both, and the next Open goes on. A file that is not what its name says
// stays where it is and is found damaged when somebody opens it: to encrypt it
// would vouch for it.
func (s *Store) encryptPlain() error {
	dir := filepath.Join(s.dir, plainDir)
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return unavailable("encrypted", err)
	}
	kept := 0
	for _, e := range entries {
		ok, err := s.encryptOne(idPrefix + e.Name())
		if err != nil {
			return err
		}
		if !ok {
			kept++
		}
	}
	if kept > 0 {
		slog.Warn("some stored files are not what their names say; they were left aside", "files", kept, "in", plainDir)
		return nil
	}
	if err := os.Remove(dir); err != nil {
		return unavailable("encrypted", err)
	}
	return nil
}

// encryptOne says whether a plain file is gone.
func (s *Store) encryptOne(id string) (gone bool, err error) {
	path, err := s.path(plainDir, id)
	if err != nil {
		return false, nil //nolint:nilerr // not a file of ours
	}
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return false, nil //nolint:nilerr // a link, or nothing that can be read: not a blob
	}
	defer f.Close() //nolint:errcheck // opened for reading: nothing to lose
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return false, nil //nolint:nilerr // as above
	}
	if _, err := s.put(f, math.MaxInt64-1, id); err != nil {
		if anchorhold.KindOf(err) == anchorhold.Internal {
			return false, nil // damaged: not what its name says
		}
		return false, err
	}
	failpoint.Hit("blob.encrypted")
	if err := os.Remove(path); err != nil {
		return false, unavailable("encrypted", err)
	}
	return true, syncDir(filepath.Dir(path))
}
