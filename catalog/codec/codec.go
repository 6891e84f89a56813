// Package codec reads and writes the formats in which an owner may hold an
// asset: each format is one Codec, and the rest of the site knows no other way
// to look into a file.
//
// A Codec promises to read foreign bytes in bounded memory, to stop at whatever
// is not of its format with a sentence that says what to write instead, and to
// execute nothing. It must never put a value of a file into an error, write to
// the file, or trust a length that the file itself states. Each is held by table
// tests of hostile files, by a fuzz target for every format, and by a canary
// that no error may show. docs/guides/codec.md adds a format step by step.
package codec

import (
	"context"
	"io"
	"os"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/catalog/mock"
)

// Limits of what is read. They bound memory, not the size of an asset: a file
// may have any number of rows.
const (
	MaxRowBytes    = 8 << 20 // one row of text: a CSV row with quoted line breaks, a line of JSON
	MaxColumns     = 10_000
	MaxNameBytes   = 255 // a column's name
	MaxMissing     = 100 // further texts for "no value"
	maxMissingText = 256 // bytes of one such text
)

// Format says what a codec is for.
type Format struct {
	Name       string   // as it stands in anchorhold.Source and anchorhold.Mock: "csv"
	Kind       string   // anchorhold.KindTable and so on
	Title      string   // in sentences: "a Parquet file"
	Extensions []string // lower-case, with the dot; the first is the usual one
	Media      string   // media type
	// Sniff says whether a file begins as this format does. Nil: its beginning
	// tells nothing, and only its extension does.
	Sniff func(head []byte) bool
	// Streams says that Open reads Input.Stream alone, once, from front to back;
	// otherwise it reads Input.At.
	Streams bool
	// MockFormat names the format of mocks, where it is another one.
	MockFormat string
}

// Mocks is the name of the format that mocks have.
func (f Format) Mocks() string {
	if f.MockFormat != "" {
		return f.MockFormat
	}
	return f.Name
}

// HeadBytes is how much of a file's beginning Sniff is shown.
const HeadBytes = 64

// Input is one open file.
type Input struct {
	Name   string      // base name, for messages
	Size   int64       // bytes
	At     io.ReaderAt // the content
	Stream io.Reader   // the content once more, from its beginning, for a format that streams

	// Of a folder there is none of these, but its files.
	Entries []Entry
	Open    func(i int) (io.ReadCloser, error)
}

// Options say how a file is read.
type Options struct {
	// Columns override what is found: a column named here takes the given
	// type (unless empty), description and unit. Every one must exist.
	Columns []anchorhold.Column

	// Missing are further texts that mean "no value" in a format of text,
	// beside the ones that pandas knows. They match whole cells, exactly.
	Missing []string

	// Beside asks for what lies beside the rows of a table, as a file that is
	// handed on whole is asked: see Besider.
	Beside bool
}

// Codec reads and writes one format.
type Codec interface {
	// Format says what the codec is for.
	Format() Format

	// Open looks at a file's beginning and gives its reader, or says why the
	// file cannot be offered.
	Open(in Input, o Options) (Reader, error)

	// Generate writes a mock made from a card alone, and gives its number of
	// rows. The same card and seed give the same bytes.
	Generate(ctx context.Context, card mock.Card, seed uint64, w io.Writer) (rows int64, err error)
}

// What Reader.Of says where rows do not belong to one column.
const (
	Each = -1 // every cell belongs to the column of its own position, as in a table
	None = -2 // no cell belongs to a column: nothing is measured
)

// Reader gives the values of a file as rows of cells: what the keyed index and
// measured facts are made of. A format that is no table decides itself what a
// row is; what can be copied as a whole should be one.
type Reader interface {
	// Columns describes the asset on its card. The types of a format of text
	// are final once Next has returned io.EOF.
	Columns() []anchorhold.Column
	// Width is the number of cells in every row, the same throughout.
	Width() int
	// Next gives the next rows, or io.EOF. They are valid until the next call.
	Next() ([][]Cell, error)
	// Of says which column all cells of the last rows belong to, or Each.
	Of() int
	// Rows is the number of rows, items or files read so far, as a person
	// counts them.
	Rows() int64
	// Position is how many bytes have been dealt with, roughly.
	Position() int64
	// Close gives back what reading took; the file is not the reader's to close.
	Close()
}

// Opener opens files in place of the codec of their format, such as one that has
// the codec work in a sandbox.
type Opener interface {
	// Open opens a file for which the codec named format was chosen. in is the
	// file's, without a stream; ctx holds until the reader is closed.
	Open(ctx context.Context, format string, f *os.File, in Input, o Options) (Reader, error)
}

// Accepter is a Reader whose columns can stand for more types than the one that
// Columns gives: a CSV column without any value stands for all.
type Accepter interface {
	// Accepts gives a set for each column.
	Accepts() []TypeSet
}

// Identifier is a Reader that knows itself which cells of a row identify people
// or things, by their positions.
type Identifier interface {
	// Identifiers gives the positions.
	Identifiers() []int
}

// table is the part of a Reader that all tables share.
type table struct {
	width int
	rows  int64
}

// Width implements Reader.
func (t *table) Width() int { return t.width }

// Of implements Reader.
func (t *table) Of() int { return Each }

// Rows implements Reader.
func (t *table) Rows() int64 { return t.rows }

// makeBatch gives rows for so many cells as memory for one batch may hold.
func makeBatch(width int) [][]Cell {
	n := min(batchRows, max(1, batchCells/width))
	flat := make([]Cell, n*width)
	rows := make([][]Cell, n)
	for i := range rows {
		rows[i], flat = flat[:width:width], flat[width:]
	}
	return rows
}

// What one batch may hold.
const (
	batchCells = 32 << 10
	batchRows  = 4096
	batchBytes = 1 << 20
)

// clip shortens text for an error message.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return s[:n] + "..."
}

// invalid makes an error about an owner's input.
func invalid(remedy, format string, args ...any) *anchorhold.Error {
	return anchorhold.Errorf(anchorhold.Invalid, remedy, format, args...)
}

// Unreadable is about a file that could be opened but not read. The cause may
// name bytes of the file and stays out of the message.
func Unreadable(name string, err error) error {
	return anchorhold.Errorf(anchorhold.Unavailable, "check the disk or network share that holds it and try again", "%s could not be read to its end", name).Because(err)
}
