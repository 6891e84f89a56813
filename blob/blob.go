// Package blob keeps files by the keyed hash of their content, encrypted: mocks,
// indexes, outputs, logs and copied-in assets.
//
// It promises that a blob that was put is on disk, complete and under its name,
// or not there at all; that the name of a blob confirms no guess about its
// content to anybody without the site's key; that its file tells nothing but
// its size without that key; that a file that was cut, altered, reordered or
// put in another's place is refused; and that any size needs the same memory.
// It must never change a blob in place, follow a path that a caller made up, or
// leave the content of one on the disk in the clear under a name. The tests kill
// a process in the middle of a put, cut, swap and alter files, race puts, and
// try names that climb; docs/spec/blob.md specifies the file, with vectors.
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
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/failpoint"
)

// An id names content: "b1-" says how it is hashed. How a blob is stored is said
// by the folder that it lies in: version 1 was the plain bytes, version 2 is
// encrypted. What version 0.1 stored is encrypted by the first Open.
const (
	idPrefix = "b1-"
	folder   = "v2"
	plainDir = "v1"
	tmpDir   = "tmp"
)

// Store is a folder of blobs. It is safe for use by several goroutines.
type Store struct {
	dir  string
	key  []byte
	held sync.RWMutex // see Hold
	name sync.Mutex   // held while a name is given or taken
}

// Open opens the store in dir, makes it if it is absent, removes what
// interrupted puts left behind, and encrypts what an earlier version stored
// plain. The key (32 bytes) is the site's blob key.
func Open(dir string, key []byte) (*Store, error) {
	if len(key) != 32 {
		return nil, anchorhold.Errorf(anchorhold.Internal, "", "the key of the blob store has %d bytes, not 32", len(key))
	}
	s := &Store{dir: dir, key: append([]byte{}, key...)}
	for _, d := range []string{dir, filepath.Join(dir, folder), s.tmp()} {
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
	if err := s.encryptPlain(); err != nil {
		return nil, err
	}
	return s, nil
}

// tmp is the folder of what is not whole yet.
func (s *Store) tmp() string { return filepath.Join(s.dir, tmpDir) }

// sweep removes temporary files that nobody is writing: a put holds a lock on
// its file, which the kernel drops when the process dies.
func (s *Store) sweep() error {
	tmp, err := os.ReadDir(s.tmp())
	if err != nil {
		return err
	}
	for _, e := range tmp {
		path := filepath.Join(s.tmp(), e.Name())
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
	info, err := s.put(r, limit, "")
	return info, err
}

// put stores what r gives, if it has the id that is wanted; empty: any.
func (s *Store) put(r io.Reader, limit int64, want string) (Info, error) {
	tmp, err := s.temporary()
	if err != nil {
		return Info{}, unavailable("written", err)
	}
	defer os.Remove(tmp.Name()) //nolint:errcheck // gone after the rename
	defer tmp.Close()           // synced before, else the put has failed
	info, err := s.fill(tmp, r, limit)
	if err != nil {
		return Info{}, err
	}
	if want != "" && info.ID != want {
		return Info{}, damaged()
	}
	return info, s.install(tmp, info.ID)
}

// install makes a finished temporary file durable under the name of an id.
func (s *Store) install(tmp *os.File, id string) error {
	failpoint.Hit("blob.written")
	if err := tmp.Sync(); err != nil {
		return unavailable("written", err)
	}
	failpoint.Hit("blob.synced")
	path, err := s.path(folder, id)
	if err != nil {
		return err
	}
	// Replacing a file of the same name replaces the same content; that it is
	// young again keeps a reaper of orphans off it.
	s.name.Lock()
	err = os.Rename(tmp.Name(), path)
	s.name.Unlock()
	if err != nil {
		return unavailable("written", err)
	}
	failpoint.Hit("blob.renamed")
	if err := syncDir(filepath.Dir(path)); err != nil {
		return unavailable("written", err)
	}
	return nil
}

// temporary makes a temporary file (mode 0600, O_EXCL) and locks it. Between the two
// a sweep may take it for a dead one and remove it; then there is another try.
func (s *Store) temporary() (*os.File, error) {
	for {
		f, err := os.CreateTemp(s.tmp(), "put-*")
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

// fill encrypts r into a file and names what went through. Who the content is
// shows only at its end, and the file is bound to that name: so its header is
// written last, in the room that was left for it.
func (s *Store) fill(f *os.File, r io.Reader, limit int64) (Info, error) {
	seal, err := newSeal(f)
	if err != nil {
		return Info{}, unavailable("written", err)
	}
	plain, keyed := sha256.New(), s.keyed()
	src := &source{r: io.LimitReader(r, limit+1)}
	n, err := io.CopyBuffer(io.MultiWriter(seal, plain, keyed), src, make([]byte, copySize))
	switch {
	case src.err != nil:
		return Info{}, src.err // the caller's own
	case err != nil:
		return Info{}, unavailable("written", err)
	case n > limit:
		return Info{}, anchorhold.Errorf(anchorhold.TooLarge, "make it smaller", "the file is larger than %d bytes", limit)
	}
	info := Info{ID: idOf(keyed), SHA256: hex.EncodeToString(plain.Sum(nil)), Size: n}
	if err := seal.finish(s.key, info.ID); err != nil {
		return Info{}, unavailable("written", err)
	}
	return info, nil
}

// copySize is how much is read at once.
const copySize = 256 << 10

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

// idOf is the id that a keyed hash gives.
func idOf(h hash.Hash) string { return idPrefix + hex.EncodeToString(h.Sum(nil)) }

// nameOf is the name of the file of a blob.
func nameOf(id string) (string, error) {
	name, ok := strings.CutPrefix(id, idPrefix)
	if !ok || len(name) != 64 || strings.Trim(name, "0123456789abcdef") != "" {
		return "", absent()
	}
	return name, nil
}

// path is where a blob lies in a folder. Only ids in exactly the form that Put
// gives lead anywhere.
func (s *Store) path(in, id string) (string, error) {
	name, err := nameOf(id)
	if err != nil {
		return "", err
	}
	return filepath.Join(s.dir, in, name), nil
}

func absent() error {
	return anchorhold.Errorf(anchorhold.NotFound, "run anchorhold doctor", "the site's store lacks a file that it should have")
}

func damaged() error {
	return anchorhold.Errorf(anchorhold.Internal, "restore it from a backup", "a file of the site's store was altered or damaged")
}

// file opens the stored form of a blob.
func (s *Store) file(id string) (*os.File, int64, error) {
	path, err := s.path(folder, id)
	if err != nil {
		return nil, 0, err
	}
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, 0, s.why(id)
	}
	if err != nil {
		return nil, 0, unavailable("read", err)
	}
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return nil, 0, unavailable("read", errors.Join(err, f.Close()))
	}
	return f, info.Size(), nil
}

// why tells an absent blob from one that was found damaged when what version
// 0.1 had stored was encrypted.
func (s *Store) why(id string) error {
	if path, err := s.path(plainDir, id); err == nil {
		if _, err := os.Lstat(path); err == nil {
			return damaged()
		}
	}
	return absent()
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
	h := s.keyed()
	data, err := io.ReadAll(io.TeeReader(b, h))
	if err != nil {
		return nil, err
	}
	if idOf(h) != id {
		return nil, damaged()
	}
	return data, nil
}

// Check reads a whole blob and compares it with its name.
func (s *Store) Check(id string) error {
	b, err := s.Open(id)
	if err != nil {
		return err
	}
	defer b.Close() //nolint:errcheck // opened for reading: nothing to lose
	return s.same(b, id)
}

// Hold keeps every blob in place until what it returns is called: Remove waits.
// A backup copies blobs under it.
func (s *Store) Hold() (release func()) {
	s.held.RLock()
	return s.held.RUnlock
}

// Remove removes a blob. One that is not there is no error, so that a removal
// that was interrupted can be done again.
func (s *Store) Remove(id string) error { return s.remove(id, time.Time{}) }

// RemoveOlder removes a blob unless it was put, or put again, since a time: to
// reap what nothing refers to, beside those who put.
func (s *Store) RemoveOlder(id string, before time.Time) error { return s.remove(id, before) }

func (s *Store) remove(id string, before time.Time) error {
	path, err := s.path(folder, id)
	if err != nil {
		return err
	}
	s.held.Lock()
	defer s.held.Unlock()
	s.name.Lock()
	defer s.name.Unlock()
	if info, err := os.Lstat(path); err == nil && !before.IsZero() && !info.ModTime().Before(before) {
		return nil
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
	Size int64     // bytes of content
	Put  time.Time // when it was put, or put again
}

// List gives every blob in the order of ids. To reap orphans, remove with
// RemoveOlder those that nothing refers to and that were put longer ago than any
// act takes: a blob is put before the row that refers to it is committed.
func (s *Store) List() ([]Stored, error) {
	entries, err := os.ReadDir(filepath.Join(s.dir, folder))
	if err != nil {
		return nil, unavailable("listed", err)
	}
	var out []Stored
	for _, e := range entries {
		id := idPrefix + e.Name()
		if _, err := s.path(folder, id); err != nil {
			continue // not ours
		}
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue // removed meanwhile
		}
		if err != nil {
			return nil, unavailable("listed", err)
		}
		out = append(out, Stored{ID: id, Size: plainSize(info.Size()), Put: info.ModTime()})
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
