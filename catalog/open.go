package catalog

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/catalog/codec"
)

// ReadOptions say how a table is read.
type ReadOptions struct {
	// Format names a codec; empty: by the file's extension, and by its first
	// bytes where the extension says nothing.
	Format string

	// Columns override what is found: a column named here takes the given
	// type (unless empty), description and unit. Every one must exist.
	Columns []anchorhold.Column

	// Missing are further texts that mean "no value" in a CSV file, beside the
	// ones that pandas knows. They match whole cells, exactly.
	Missing []string

	// Beside asks for what lies beside the rows of a table.
	Beside bool

	// Opener reads files in this package's stead; folders, of which nothing is
	// decoded, are read here. Nil: everything is.
	Opener codec.Opener
}

// Table is an open asset whose values are read once from front to back, in
// batches. It holds a bounded amount of memory however large the asset is.
type Table struct {
	content *Content
	format  codec.Format
	stamp   anchorhold.Stamp
	reader  codec.Reader
	// elsewhere says that the bytes of the file do not pass through here.
	elsewhere bool
}

// Open opens a table, or what else can be offered. A symbolic link is followed,
// and Path says where it led.
func Open(path string, o ReadOptions) (*Table, error) { return open(context.Background(), path, o) }

func open(ctx context.Context, path string, o ReadOptions) (*Table, error) {
	c, err := OpenContent(path)
	if err != nil {
		return nil, err
	}
	t, err := newTable(ctx, c, o, nil)
	if err != nil {
		_ = c.Close() // opened for reading only
		return nil, err
	}
	return t, nil
}

// OpenTable opens content, which the table takes over if there is no error.
func OpenTable(ctx context.Context, c *Content, o ReadOptions) (*Table, error) {
	return newTable(ctx, c, o, nil)
}

// newTable takes over c. tee receives the bytes of a format that streams as they
// are read here.
func newTable(ctx context.Context, content *Content, o ReadOptions, tee io.Writer) (*Table, error) {
	stamp, err := content.Stamp()
	if err != nil {
		return nil, err
	}
	name := content.name()
	if stamp.Size == 0 {
		return nil, invalid("check how it was written", "%s is empty", name)
	}
	c, err := content.codec(o.Format)
	if err != nil {
		return nil, err
	}
	t := &Table{content: content, format: c.Format(), stamp: stamp}
	how := codec.Options{Columns: o.Columns, Missing: o.Missing, Beside: o.Beside}
	if o.Opener != nil && content.file != nil {
		t.elsewhere = true
		t.reader, err = o.Opener.Open(ctx, t.format.Name, content.file, content.input(stamp.Size, nil), how)
	} else {
		t.reader, err = c.Open(content.input(stamp.Size, tee), how)
	}
	if err != nil {
		return nil, err
	}
	return t, nil
}

// codec is the codec of a content's format.
func (c *Content) codec(asked string) (codec.Codec, error) {
	if c.root != nil {
		return codec.Folder{}, nil
	}
	head := make([]byte, codec.HeadBytes)
	n, err := c.file.ReadAt(head, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, codec.Unreadable(c.name(), err)
	}
	return chooseFormat(head[:n], c.name(), asked)
}

// Path is where the file lies, absolute and free of symbolic links.
func (t *Table) Path() string { return t.content.path }

// Format is the name of the file's format.
func (t *Table) Format() string { return t.format.Name }

// Kind is the kind of asset that the file is.
func (t *Table) Kind() string { return t.format.Kind }

// Stamp identifies the file as it was opened.
func (t *Table) Stamp() anchorhold.Stamp { return t.stamp }

// Rows is the number of rows read so far.
func (t *Table) Rows() int64 { return t.reader.Rows() }

// Columns gives the columns in order. The types of a CSV file are known once
// Next has returned io.EOF, because they depend on every row.
func (t *Table) Columns() []anchorhold.Column { return t.reader.Columns() }

// Next gives the next rows, each with one cell per column, or io.EOF after the
// last. They are valid until the next call. A table without rows is an error.
func (t *Table) Next(ctx context.Context) ([][]Cell, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	rows, err := t.reader.Next()
	if errors.Is(err, io.EOF) && t.Rows() == 0 {
		return nil, invalid("add the rows below it, or check how the file was written", "%s has column names but no rows", t.content.name())
	}
	return rows, err
}

// of says which column the cells of the last rows belong to, or codec.Each.
func (t *Table) of() int { return t.reader.Of() }

// identifiers are the cells of a row of which the format itself knows that they
// identify.
func (t *Table) identifiers() []int {
	if r, ok := t.reader.(codec.Identifier); ok {
		return r.Identifiers()
	}
	return nil
}

// opaque says whether there was content that the rows did not show.
func (t *Table) opaque() bool {
	r, ok := t.reader.(interface{ Opaque() bool })
	return ok && r.Opaque()
}

// beside says what lies beside the rows that were read, if that was asked for.
func (t *Table) beside() codec.Beside {
	if r, ok := t.reader.(codec.Besider); ok {
		return r.Beside()
	}
	return codec.BesideNothing
}

// accepts gives the types that each column may stand for.
func (t *Table) accepts() []typeSet {
	if a, ok := t.reader.(codec.Accepter); ok {
		return a.Accepts()
	}
	var out []typeSet
	for _, c := range t.Columns() {
		out = append(out, bit(c.Type))
	}
	return out
}

// Close closes the file.
func (t *Table) Close() error {
	t.reader.Close()
	return t.content.Close()
}

// OpenFile opens a regular file for reading and gives the absolute path that
// any symbolic links led to. The returned file is what its stamp and the
// commitment speak of: whoever passes it on needs no path any more.
//
// A path that is an open descriptor of this very process is opened as it is:
// what a blob is decrypted into has no other name.
func OpenFile(path string) (*os.File, string, error) {
	resolved, flags, err := path, os.O_RDONLY, error(nil)
	if filepath.Dir(path) != "/proc/self/fd" {
		flags = openFlags
		resolved, err = filepath.EvalSymlinks(path)
	}
	if err == nil {
		resolved, err = filepath.Abs(resolved)
	}
	if err != nil {
		return nil, "", openError(path, err)
	}
	f, err := os.OpenFile(resolved, flags, 0)
	if err != nil {
		return nil, "", openError(path, err)
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, "", openError(path, err)
	}
	if !info.Mode().IsRegular() {
		f.Close()
		return nil, "", invalid("name a file with data, or a folder", "%s is %s, not a file", path, kindOf(info.Mode()))
	}
	return f, resolved, nil
}

func kindOf(m fs.FileMode) string {
	switch {
	case m.IsDir():
		return "a directory"
	case m&fs.ModeNamedPipe != 0:
		return "a named pipe"
	case m&fs.ModeDevice != 0:
		return "a device"
	}
	return "a special file"
}

func openError(path string, err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return anchorhold.Errorf(anchorhold.NotFound, "check the path; a relative one starts at the current directory", "there is no file %s", path).Because(err)
	case errors.Is(err, fs.ErrPermission):
		return invalid("give the site's account permission to read it, for example with chmod or setfacl", "the file %s may not be read by this account", path).Because(err)
	case errors.Is(err, syscall.ENXIO):
		return invalid("name a file with data, or a folder", "%s is a special file, not a file with data", path).Because(err)
	}
	return invalid("check that it can be read, for example with: head -c 100 FILE", "the file %s cannot be opened", path).Because(err)
}
