package blob

import (
	"io"
	"os"

	"filippo.io/age"

	"github.com/anchorhold/anchorhold"
)

// Stored opens a blob in the form in which it lies on the disk, for a backup.
// The caller closes it.
func (s *Store) Stored(id string) (f *os.File, size int64, err error) { return s.file(id) }

// PutStored takes a blob in the form that Stored gave, if its content is what
// the id says. It is read twice: nothing takes its name before it was checked.
func (s *Store) PutStored(id string, r io.Reader) error {
	tmp, err := s.temporary()
	if err != nil {
		return unavailable("written", err)
	}
	defer os.Remove(tmp.Name()) //nolint:errcheck // gone after the rename
	defer tmp.Close()           // synced before, else the put has failed
	src := &source{r: r}
	n, err := io.CopyBuffer(onlyWriter{tmp}, src, make([]byte, copySize))
	switch {
	case src.err != nil:
		return src.err // the caller's own
	case err != nil:
		return unavailable("written", err)
	}
	plain, size, err := age.DecryptReaderAt(tmp, n, opener{s.key, id})
	if err != nil {
		return broken(err)
	}
	b := &Blob{file: tmp, plain: plain, size: size}
	if err := s.same(b, id); err != nil {
		return err
	}
	return s.install(tmp, id)
}

// same compares the content of an open blob with its name.
func (s *Store) same(b *Blob, id string) error {
	h := s.keyed()
	if _, err := io.Copy(h, b); err != nil {
		return err
	}
	if idOf(h) != id {
		return damaged()
	}
	return nil
}

// Name gives the digits under which a blob lies, and IDOf the id again; a name
// that is none is NotFound.
func Name(id string) (string, error) { return nameOf(id) }

// IDOf is the id of the blob with a name.
func IDOf(name string) (string, error) {
	if _, err := nameOf(idPrefix + name); err != nil {
		return "", anchorhold.Errorf(anchorhold.Invalid, "", "this is not the name of a stored file")
	}
	return idPrefix + name, nil
}
