// Package blob keeps files by the keyed hash of their content: mocks, indexes,
// outputs, logs and receipts.
//
// It promises that a blob that was put is on disk, complete and under its name,
// or not there at all; that the name of a blob confirms no guess about its
// content to anybody without the site's key; that only the account that runs
// the site can read it. It must never change a blob in place or follow a path
// that a caller made up. The tests kill a process in the middle of a put, cut
// and alter files, race puts, and try names that climb.
package blob

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/failpoint"
)

// The version of the stored form is part of the id and of the folder, not a
// header of the file: version 1 is the plain bytes, so that a blob's descriptor
// can be handed to a sandbox as it is. Encrypted blobs will be version 2, beside.
const (
	idPrefix = "b1-"
	folder   = "v1"
	tmpDir   = "tmp"
)

// Store is a folder of blobs. It is safe for use by several goroutines.
type Store struct {
	dir string
	key []byte
}

// Open opens the store in dir, makes it if it is absent, and removes what
// interrupted puts left behind. The key (32 bytes) is the site's blob key.
func Open(dir string, key []byte) (*Store, error) {
	if len(key) != 32 {
		return nil, anchorhold.Errorf(anchorhold.Internal, "", "the key of the blob store has %d bytes, not 32", len(key))
	}
	s := &Store{dir: dir, key: append([]byte{}, key...)}
	for _, d := range []string{dir, filepath.Join(dir, folder), filepath.Join(dir, tmpDir)} {
		if err := os.Mkdir(d, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, unavailable("opened", err)
		}
	}
	for _, d := range []string{filepath.Dir(dir), dir} {
		if err := syncDir(d); err != nil {
			return nil, unavailable("opened", err)
		}
	}
	if err := s.sweep(); err != nil {
		return nil, unavailable("cleaned", err)
	}
	return s, nil
}

// sweep removes temporary files that nobody is writing: a put holds a lock on
// its file, which the kernel drops when the process dies.
func (s *Store) sweep() error {
	tmp, err := os.ReadDir(filepath.Join(s.dir, tmpDir))
	if err != nil {
		return err
	}
	for _, e := range tmp {
		path := filepath.Join(s.dir, tmpDir, e.Name())
		f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		free := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) == nil
		if free {
			err = os.Remove(path)
		}
		if err := errors.Join(err, f.Close()); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// Info says what was put.
type Info struct {
	ID     string
	SHA256 string // 64 hexadecimal digits, of the content
	Size   int64  // bytes
}

// Put stores what r gives, to its end, and returns once it is on disk. More
// than limit bytes are TooLarge, and nothing is kept. The same content has the
// same id and is stored once, so an id may only be removed when nothing refers
// to it any more.
func (s *Store) Put(r io.Reader, limit int64) (Info, error) {
	tmp, err := s.temp()
	if err != nil {
		return Info{}, unavailable("written", err)
	}
	defer os.Remove(tmp.Name()) //nolint:errcheck // gone after the rename
	defer tmp.Close()           // synced before, else the put has failed
	info, err := s.fill(tmp, r, limit)
	if err != nil {
		return Info{}, err
	}
	failpoint.Hit("blob.written")
	if err := tmp.Sync(); err != nil {
		return Info{}, unavailable("written", err)
	}
	failpoint.Hit("blob.synced")
	path, err := s.path(info.ID)
	if err != nil {
		return Info{}, err
	}
	// Replacing a file of the same name replaces the same bytes; that it is
	// young again keeps a reaper of orphans off it.
	if err := os.Rename(tmp.Name(), path); err != nil {
		return Info{}, unavailable("written", err)
	}
	failpoint.Hit("blob.renamed")
	if err := syncDir(filepath.Dir(path)); err != nil {
		return Info{}, unavailable("written", err)
	}
	return info, nil
}

// temp makes a temporary file (mode 0600, O_EXCL) and locks it. Between the two
// a sweep may take it for a dead one and remove it; then there is another try.
func (s *Store) temp() (*os.File, error) {
	for {
		f, err := os.CreateTemp(filepath.Join(s.dir, tmpDir), "put-*")
		if err != nil {
			return nil, err
		}
		var st unix.Stat_t
		err = errors.Join(unix.Flock(int(f.Fd()), unix.LOCK_EX), unix.Fstat(int(f.Fd()), &st))
		if err == nil && st.Nlink > 0 {
			return f, nil
		}
		if err := errors.Join(err, f.Close()); err != nil {
			return nil, err
		}
	}
}

// fill copies r to w and names what went through.
func (s *Store) fill(w io.Writer, r io.Reader, limit int64) (Info, error) {
	plain, keyed := sha256.New(), s.keyed()
	src := &source{r: io.LimitReader(r, limit+1)}
	n, err := io.Copy(io.MultiWriter(w, plain, keyed), src)
	switch {
	case src.err != nil:
		return Info{}, src.err // the caller's own
	case err != nil:
		return Info{}, unavailable("written", err)
	case n > limit:
		return Info{}, anchorhold.Errorf(anchorhold.TooLarge, "make it smaller", "the file is larger than %d bytes", limit)
	}
	return Info{ID: idPrefix + hex.EncodeToString(keyed.Sum(nil)), SHA256: hex.EncodeToString(plain.Sum(nil)), Size: n}, nil
}

// source remembers an error of the reader, to tell it from one of the disk.
type source struct {
	r   io.Reader
	err error
}

func (s *source) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	if err != nil && err != io.EOF {
		s.err = err
	}
	return n, err
}

// keyed is the hash that names blobs: HMAC-SHA-256 under the site's key.
func (s *Store) keyed() hash.Hash { return hmac.New(sha256.New, s.key) }

// path is where a blob lies. Only ids in exactly the form that Put gives lead
// anywhere.
func (s *Store) path(id string) (string, error) {
	name, ok := strings.CutPrefix(id, idPrefix)
	if !ok || len(name) != 64 || strings.Trim(name, "0123456789abcdef") != "" {
		return "", absent()
	}
	return filepath.Join(s.dir, folder, name), nil
}

func absent() error {
	return anchorhold.Errorf(anchorhold.NotFound, "run anchorhold doctor", "the site's store lacks a file that it should have")
}

// Blob is an open blob. It can be read from several goroutines by ReadAt.
type Blob struct {
	file *os.File
	size int64
}

// Open opens a blob. An id that is not there is NotFound.
func (s *Store) Open(id string) (*Blob, error) {
	path, err := s.path(id)
	if err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, absent()
	}
	if err != nil {
		return nil, unavailable("read", err)
	}
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return nil, unavailable("read", errors.Join(err, f.Close()))
	}
	return &Blob{file: f, size: info.Size()}, nil
}

// Read implements io.Reader.
func (b *Blob) Read(p []byte) (int, error) { return b.file.Read(p) }

// ReadAt implements io.ReaderAt.
func (b *Blob) ReadAt(p []byte, off int64) (int, error) { return b.file.ReadAt(p, off) }

// Seek implements io.Seeker.
func (b *Blob) Seek(offset int64, whence int) (int64, error) { return b.file.Seek(offset, whence) }

// Close ends reading; descriptors from Descriptor stay open.
func (b *Blob) Close() error { return b.file.Close() }

// Size is the number of bytes.
func (b *Blob) Size() int64 { return b.size }

// Descriptor gives a read-only file of the content, at its beginning, to hand
// to a sandbox. The caller closes it.
func (b *Blob) Descriptor() (*os.File, error) {
	f, err := os.Open(filepath.Join("/proc/self/fd", strconv.FormatUint(uint64(b.file.Fd()), 10)))
	if err != nil {
		return nil, unavailable("read", err)
	}
	return f, nil
}

// ReadAll reads a whole blob of at most limit bytes and checks it against its
// name: content that is not what was put is an Internal error, never returned.
func (s *Store) ReadAll(id string, limit int64) ([]byte, error) {
	b, err := s.Open(id)
	if err != nil {
		return nil, err
	}
	defer b.Close() //nolint:errcheck // opened for reading: nothing to lose
	if b.size > limit {
		return nil, anchorhold.Errorf(anchorhold.TooLarge, "", "the file is larger than %d bytes", limit)
	}
	data, err := io.ReadAll(io.LimitReader(b, limit))
	if err != nil {
		return nil, unavailable("read", err)
	}
	h := s.keyed()
	h.Write(data)
	if idPrefix+hex.EncodeToString(h.Sum(nil)) != id {
		return nil, anchorhold.Errorf(anchorhold.Internal, "restore it from a backup", "a file of the site's store was altered or damaged")
	}
	return data, nil
}

// Remove removes a blob. One that is not there is no error, so that a removal
// that was interrupted can be done again.
func (s *Store) Remove(id string) error {
	path, err := s.path(id)
	if err != nil {
		return err
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return unavailable("removed", err)
	}
	if err := syncDir(filepath.Dir(path)); err != nil {
		return unavailable("removed", err)
	}
	return nil
}

// Stored is a blob as List gives it.
type Stored struct {
	ID   string
	Size int64     // bytes
	Put  time.Time // when it was put, or put again
}

// List gives every blob in the order of ids. To reap orphans, remove those that
// nothing refers to and that were put longer ago than any act takes: a blob is
// put before the row that refers to it is committed.
func (s *Store) List() ([]Stored, error) {
	entries, err := os.ReadDir(filepath.Join(s.dir, folder))
	if err != nil {
		return nil, unavailable("listed", err)
	}
	var out []Stored
	for _, e := range entries {
		id := idPrefix + e.Name()
		if _, err := s.path(id); err != nil {
			continue // not ours
		}
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue // removed meanwhile
		}
		if err != nil {
			return nil, unavailable("listed", err)
		}
		out = append(out, Stored{ID: id, Size: info.Size(), Put: info.ModTime()})
	}
	return out, nil
}

// syncDir makes names in a folder durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func unavailable(what string, err error) error {
	return anchorhold.Errorf(anchorhold.Unavailable, "check the disk's space and health, and the site's folder", "a file of the site's store could not be %s", what).Because(err)
}
