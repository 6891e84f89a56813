package sandbox

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/internal/plaintar"
)

// UnpackLimits bounds what Unpack accepts. Zero values take the defaults of
// DefaultUnpackLimits, except Dir.
type UnpackLimits struct {
	TotalBytes  int64 // of all files together
	FileBytes   int64 // of one file
	HeaderBytes int64 // of one entry's headers, extended ones included
	Entries     int
	MemoryBytes int64  // files up to this size are kept in memory, larger ones need Dir
	Dir         string // an existing directory without any of the names; "" keeps everything in memory
}

// DefaultUnpackLimits fits the results of one job.
func DefaultUnpackLimits() UnpackLimits {
	return UnpackLimits{
		TotalBytes: 256 << 20, FileBytes: 256 << 20, HeaderBytes: 16 << 10, Entries: 64, MemoryBytes: 1 << 20,
	}
}

// File is one file that came out of a guest. Its name is safe as a file name;
// its content is hostile.
type File struct {
	Name string
	Size int64
	path string // "" when the content is in memory
	data []byte
}

// Open reads the content from its beginning.
func (f File) Open() (io.ReadCloser, error) {
	if f.path == "" {
		return io.NopCloser(bytes.NewReader(f.data)), nil
	}
	return os.Open(f.path)
}

// Path is where the content lies on disk, or "" when it is in memory.
func (f File) Path() string { return f.path }

// Bytes is the content when it is in memory, else nil.
func (f File) Bytes() []byte { return f.data }

// tarBlock is the unit of the tar format (POSIX.1-2017, pax, "ustar
// Interchange Format").
const tarBlock = 512

// maxPadding is how many zero bytes may follow the end of the archive: writers
// fill up a record of 20 blocks, some of them more.
const maxPadding = 1 << 20

// safeName is what an entry may be called: flat, printable ASCII, and neither
// hidden nor like an option.
var safeName = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$`)

// Unpack reads one tar stream (ustar or pax) to its end and keeps its files, in
// the stream's order. It accepts regular files with flat, distinct, plain names
// and nothing else: no directory, link, device, sparse file, and no extended
// header beyond name, size and times. A stream that was cut off, or that goes
// on after its end, is refused as a whole, and what was written is removed.
//
// Errors never repeat what the stream says: entries are named by number.
func Unpack(r io.Reader, l UnpackLimits) ([]File, error) {
	u := unpacker{l: withDefaults(l), in: &meteredReader{r: r}, seen: map[string]bool{}}
	if l.Dir != "" {
		root, err := os.OpenRoot(l.Dir)
		if err != nil {
			return nil, anchorhold.Errorf(anchorhold.Internal, "check the site's directory", "results cannot be stored").Because(err)
		}
		defer func() { _ = root.Close() }() // only read from
		u.root = root
	}
	err := u.all()
	if err != nil {
		u.remove()
		return nil, err
	}
	return u.files, nil
}

func withDefaults(l UnpackLimits) UnpackLimits {
	d := DefaultUnpackLimits()
	for _, p := range []struct {
		v *int64
		d int64
	}{
		{&l.TotalBytes, d.TotalBytes},
		{&l.FileBytes, d.FileBytes},
		{&l.HeaderBytes, d.HeaderBytes},
		{&l.MemoryBytes, d.MemoryBytes},
	} {
		if *p.v <= 0 {
			*p.v = p.d
		}
	}
	if l.Entries <= 0 {
		l.Entries = d.Entries
	}
	return l
}

type unpacker struct {
	l     UnpackLimits
	in    *meteredReader
	root  *os.Root
	seen  map[string]bool
	files []File
	total int64
}

func (u *unpacker) all() error {
	tr := tar.NewReader(u.in)
	for n := 1; ; n++ {
		// Allow the padding of the entry before and one set of headers.
		u.in.allow(u.l.HeaderBytes + 2*tarBlock)
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return u.end()
		}
		if err != nil {
			return u.readError(n, err)
		}
		if err := u.entry(tr, h, n); err != nil {
			return err
		}
	}
}

func (u *unpacker) entry(tr *tar.Reader, h *tar.Header, n int) error {
	if n > u.l.Entries {
		return tooLarge("the result has more than %d files", u.l.Entries)
	}
	if err := checkHeader(h, n); err != nil {
		return err
	}
	if u.seen[h.Name] {
		return refused(n, "has the name of an earlier one")
	}
	u.seen[h.Name] = true
	u.total += h.Size
	if h.Size > u.l.FileBytes || u.total > u.l.TotalBytes {
		return tooLarge("file %d makes the result larger than allowed", n)
	}
	u.in.allow(h.Size)
	f, err := u.keep(tr, h)
	if err != nil {
		return u.readError(n, err)
	}
	u.in.zeros = 0 // content must not be taken for the end marker
	u.files = append(u.files, f)
	return nil
}

// checkHeader refuses everything that is more than a plain file.
func checkHeader(h *tar.Header, n int) error {
	if odd := plaintar.Odd(h); odd != "" {
		return refused(n, odd)
	}
	if !safeName.MatchString(h.Name) {
		return refused(n, "has a name that is not allowed")
	}
	return nil
}

func (u *unpacker) keep(r io.Reader, h *tar.Header) (File, error) {
	f := File{Name: h.Name, Size: h.Size}
	if u.root == nil || h.Size <= u.l.MemoryBytes {
		// Grow with what really arrives: the declared size is a claim.
		var b bytes.Buffer
		if _, err := io.Copy(&b, r); err != nil {
			return f, err
		}
		f.data = b.Bytes()
		if f.data == nil {
			f.data = []byte{}
		}
		return f, nil
	}
	// O_EXCL never follows a link, and os.Root never leaves the directory.
	out, err := u.root.OpenFile(h.Name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return f, err
	}
	f.path = filepath.Join(u.l.Dir, h.Name) //nolint:gosec // G305: the name is flat, see safeName
	_, err = io.Copy(out, r)
	if err = errors.Join(err, out.Close()); err != nil {
		_ = u.root.Remove(h.Name)
	}
	return f, err
}

// end checks what follows the last entry: the end marker, then only zeros.
func (u *unpacker) end() error {
	if u.in.zeros < 2*tarBlock {
		return anchorhold.Errorf(anchorhold.Invalid, "see the run's log for why the program stopped early", "the result was cut off")
	}
	u.in.allow(maxPadding)
	buf := make([]byte, 4096)
	for {
		n, err := u.in.Read(buf)
		if n > 0 && len(bytes.Trim(buf[:n], "\x00")) > 0 {
			return anchorhold.Errorf(anchorhold.Invalid, "write one archive and close", "the result goes on after its end")
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return u.readError(len(u.files)+1, err)
		}
	}
}

func (u *unpacker) remove() {
	for _, f := range u.files {
		if f.path != "" {
			_ = u.root.Remove(f.Name)
		}
	}
}

func (u *unpacker) readError(n int, err error) error {
	var store *os.PathError // only our own files have paths
	switch {
	case errors.As(err, &store):
		return anchorhold.Errorf(anchorhold.Internal, "check the site's disk", "file %d of the result cannot be stored", n).Because(err)
	case errors.Is(err, errAllowance):
		return tooLarge("the headers of file %d of the result are larger than allowed", n)
	case errors.Is(err, io.ErrUnexpectedEOF):
		return anchorhold.Errorf(anchorhold.Invalid, "see the run's log for why the program stopped early", "the result was cut off in file %d", n)
	default:
		return refused(n, "is not readable as tar").Because(err)
	}
}

func refused(n int, why string) *anchorhold.Error {
	return anchorhold.Errorf(anchorhold.Invalid, "results are plain files with plain names", "file %d of the result %s", n, why)
}

func tooLarge(format string, args ...any) error {
	return anchorhold.Errorf(anchorhold.TooLarge, "return less, or ask the owner for a higher limit", "%s", fmt.Sprintf(format, args...))
}

var errAllowance = errors.New("allowance used up")

// meteredReader hands out no more bytes than were allowed, so that no header
// can make the tar reader buffer without bound, and counts the zero bytes at
// the end, so that an archive without its end marker is noticed.
type meteredReader struct {
	r     io.Reader
	left  int64
	zeros int
}

func (m *meteredReader) allow(n int64) { m.left = n }

func (m *meteredReader) Read(p []byte) (int, error) {
	if m.left <= 0 {
		return 0, m.exhausted()
	}
	if int64(len(p)) > m.left {
		p = p[:m.left]
	}
	n, err := m.r.Read(p)
	m.left -= int64(n)
	if tail := len(p[:n]) - len(bytes.TrimRight(p[:n], "\x00")); tail == n {
		m.zeros += n
	} else {
		m.zeros = tail
	}
	return n, err
}

// exhausted tells the end of the stream from one byte too many.
func (m *meteredReader) exhausted() error {
	var one [1]byte
	n, err := io.ReadFull(m.r, one[:])
	if n > 0 {
		return errAllowance
	}
	return err
}
