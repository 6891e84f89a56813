package catalog

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/anchorhold/anchorhold"
)

// ReadOptions say how a table is read.
type ReadOptions struct {
	// Format is FormatCSV or FormatParquet; empty: by the file's extension,
	// and by its first bytes where the extension says nothing.
	Format string

	// Columns override what is found: a column named here takes the given
	// type (unless empty), description and unit. Every one must exist.
	Columns []anchorhold.Column

	// Missing are further texts that mean "no value" in a CSV file, beside the
	// ones that pandas knows. They match whole cells, exactly.
	Missing []string
}

// Table is an open table, read once from front to back, in batches. It holds a
// bounded amount of memory however large the file is.
type Table struct {
	path   string
	format string
	file   *os.File
	stamp  anchorhold.Stamp
	source source
	rows   int64
}

// source reads one format.
type source interface {
	// columns gives the columns; the types of a CSV file are final once next
	// has returned io.EOF.
	columns() []anchorhold.Column
	// next gives the next rows, or io.EOF. They are valid until the next call.
	next() ([][]Cell, error)
	// position is how many bytes of the file have been dealt with, roughly.
	position() int64
	close()
}

// Open opens a table. A symbolic link is followed, and Path says where it led.
func Open(path string, o ReadOptions) (*Table, error) {
	f, resolved, err := OpenFile(path)
	if err != nil {
		return nil, err
	}
	t, err := newTable(f, resolved, o, nil)
	if err != nil {
		f.Close()
		return nil, err
	}
	return t, nil
}

// newTable takes over f. tee receives the bytes of a CSV file as they are read.
func newTable(f *os.File, path string, o ReadOptions, tee io.Writer) (*Table, error) {
	stamp, err := StampOf(f)
	if err != nil {
		return nil, err
	}
	name := filepath.Base(path)
	if stamp.Size == 0 {
		return nil, invalid("check how it was written", "%s is empty", name)
	}
	format, err := formatOf(f, name, o.Format)
	if err != nil {
		return nil, err
	}
	t := &Table{path: path, format: format, file: f, stamp: stamp}
	if format == FormatParquet {
		t.source, err = newParquetSource(f, stamp.Size, name, o)
	} else {
		var r io.Reader = io.NewSectionReader(f, 0, stamp.Size)
		if tee != nil {
			r = io.TeeReader(r, tee)
		}
		t.source, err = newCSVSource(r, name, o)
	}
	if err != nil {
		return nil, err
	}
	return t, nil
}

// Path is where the file lies, absolute and free of symbolic links.
func (t *Table) Path() string { return t.path }

// Format is FormatCSV or FormatParquet.
func (t *Table) Format() string { return t.format }

// Stamp identifies the file as it was opened.
func (t *Table) Stamp() anchorhold.Stamp { return t.stamp }

// Rows is the number of rows read so far.
func (t *Table) Rows() int64 { return t.rows }

// Columns gives the columns in order. The types of a CSV file are known once
// Next has returned io.EOF, because they depend on every row.
func (t *Table) Columns() []anchorhold.Column { return t.source.columns() }

// Next gives the next rows, each with one cell per column, or io.EOF after the
// last. They are valid until the next call. A table without rows is an error.
func (t *Table) Next(ctx context.Context) ([][]Cell, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	rows, err := t.source.next()
	t.rows += int64(len(rows))
	if errors.Is(err, io.EOF) && t.rows == 0 {
		return nil, invalid("add the rows below it, or check how the file was written", "%s has column names but no rows", filepath.Base(t.path))
	}
	return rows, err
}

// Close closes the file.
func (t *Table) Close() error {
	t.source.close()
	return t.file.Close()
}

// OpenFile opens a regular file for reading and gives the absolute path that
// any symbolic links led to. The returned file is what its stamp and the
// commitment speak of: whoever passes it on needs no path any more.
func OpenFile(path string) (*os.File, string, error) {
	resolved, err := filepath.EvalSymlinks(path)
	if err == nil {
		resolved, err = filepath.Abs(resolved)
	}
	if err != nil {
		return nil, "", openError(path, err)
	}
	f, err := os.OpenFile(resolved, openFlags, 0)
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
		return nil, "", invalid("name a CSV or Parquet file", "%s is %s, not a file", path, kindOf(info.Mode()))
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
		return invalid("name a CSV or Parquet file", "%s is a special file, not a file with data", path).Because(err)
	}
	return invalid("check that it can be read, for example with: head -c 100 FILE", "the file %s cannot be opened", path).Because(err)
}

const parquetMagic = "PAR1"

// formatOf decides the format and refuses a file that is plainly another.
func formatOf(f *os.File, name, asked string) (string, error) {
	head := make([]byte, 4)
	n, err := f.ReadAt(head, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return "", readError(name, err)
	}
	isParquet := string(head[:n]) == parquetMagic
	format := asked
	if format == "" {
		format = byExtension(name, isParquet)
	}
	switch {
	case format != FormatCSV && format != FormatParquet:
		return "", invalid("use csv or parquet", "%q is not a format of tables", clip(format, 40))
	case format == FormatParquet && !isParquet:
		return "", invalid("check how it was written, or register it as CSV", "%s is not a Parquet file", name)
	case format == FormatCSV && isParquet:
		return "", invalid("give it the extension .parquet", "%s is a Parquet file, not CSV", name)
	case format == FormatCSV && (string(head[:n]) == "PK\x03\x04" || n >= 2 && head[0] == 0x1f && head[1] == 0x8b):
		return "", invalid("unpack it, or save the worksheet as CSV (UTF-8), and name that file", "%s is compressed or an Excel workbook, not CSV", name)
	}
	return format, nil
}

func byExtension(name string, isParquet bool) string {
	switch strings.ToLower(filepath.Ext(name)) {
	case ".csv", ".tsv":
		return FormatCSV
	case ".parquet", ".pq":
		return FormatParquet
	}
	if isParquet {
		return FormatParquet
	}
	return FormatCSV
}

// readError is about a file that could be opened but not read. The cause may
// name bytes of the file and stays out of the message.
func readError(name string, err error) error {
	return anchorhold.Errorf(anchorhold.Unavailable, "check the disk or network share that holds it and try again", "%s could not be read to its end", name).Because(err)
}
