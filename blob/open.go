package blob

import (
	"errors"
	"io"
	"os"

	"filippo.io/age"
)

// Blob is an open blob. It can be read from several goroutines by ReadAt.
type Blob struct {
	file  *os.File
	plain io.ReaderAt
	size  int64
	tmp   string // folder for what Descriptor makes

	at  int64  // where Read goes on
	buf []byte // what was read ahead of it
}

// Open opens a blob. An id that is not there is NotFound. The header and the
// end are checked now, every other part when it is read.
func (s *Store) Open(id string) (*Blob, error) {
	f, stored, err := s.file(id)
	if err != nil {
		return nil, err
	}
	plain, size, err := age.DecryptReaderAt(f, stored, opener{s.key, id})
	if err != nil {
		return nil, errors.Join(broken(err), f.Close())
	}
	return &Blob{file: f, plain: plain, size: size, tmp: s.tmp()}, nil
}

// broken is an error of the disk, or else of what lies on it.
func broken(err error) error {
	var disk *os.PathError
	if errors.As(err, &disk) {
		return unavailable("read", err)
	}
	return damaged()
}

// ReadAt implements io.ReaderAt.
func (b *Blob) ReadAt(p []byte, off int64) (int, error) {
	if off > b.size {
		return 0, io.EOF
	}
	n, err := b.plain.ReadAt(p, off)
	if err != nil && err != io.EOF { //nolint:errorlint // io.ReaderAt gives it bare
		err = broken(err)
	}
	return n, err
}

// Read implements io.Reader. It reads one chunk ahead: each call of ReadAt
// costs the cipher a buffer of that size.
func (b *Blob) Read(p []byte) (int, error) {
	if len(b.buf) == 0 {
		if b.at >= b.size {
			return 0, io.EOF
		}
		buf := make([]byte, min(b.size-b.at, chunk-b.at%chunk))
		n, err := b.ReadAt(buf, b.at)
		if n < len(buf) {
			return 0, errors.Join(err, io.ErrUnexpectedEOF)
		}
		b.buf = buf
	}
	n := copy(p, b.buf)
	b.buf = b.buf[n:]
	b.at += int64(n)
	return n, nil
}

// WriteTo implements io.WriterTo, for copies in few steps.
func (b *Blob) WriteTo(w io.Writer) (int64, error) {
	r := io.NewSectionReader(b, b.at, b.size-b.at)
	n, err := io.CopyBuffer(onlyWriter{w}, r, make([]byte, copySize))
	b.at += n
	b.buf = nil
	return n, err
}

// onlyWriter hides a writer's ReadFrom, which would choose smaller steps.
type onlyWriter struct{ io.Writer }

// Seek implements io.Seeker.
func (b *Blob) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += b.at
	case io.SeekEnd:
		offset += b.size
	}
	if offset < 0 {
		return 0, errors.New("blob: seek to before the beginning")
	}
	b.at, b.buf = offset, nil
	return offset, nil
}

// Close ends reading; descriptors from Descriptor stay open.
func (b *Blob) Close() error { return b.file.Close() }

// Size is the number of bytes.
func (b *Blob) Size() int64 { return b.size }

// Descriptor gives a read-only file of the content, at its beginning, to hand
// to a sandbox. The caller closes it. What a sandbox reads must be in the clear:
// up to inMemory bytes lie in memory, more in a file without a name beside the
// store, which is gone with its last descriptor, or with the machine's power.
// Blocks that such a file had are free space then, not overwritten.
func (b *Blob) Descriptor() (*os.File, error) {
	f, err := unnamed(b.tmp, b.size <= inMemory)
	if err != nil {
		return nil, unavailable("read", err)
	}
	defer f.Close() // another descriptor of it is given away
	n, err := io.CopyBuffer(onlyWriter{f}, io.NewSectionReader(b, 0, b.size), make([]byte, copySize))
	if err != nil {
		return nil, err
	}
	if n != b.size {
		return nil, unavailable("read", io.ErrUnexpectedEOF)
	}
	again, err := readOnly(f)
	if err != nil {
		return nil, unavailable("read", err)
	}
	return again, nil
}

// inMemory is the largest content that Descriptor keeps in memory.
const inMemory = 16 << 20
