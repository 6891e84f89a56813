package intake

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"slices"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/catalog/codec"
	"github.com/anchorhold/anchorhold/sandbox"
)

// reader gives the rows that a guest reads. It implements codec.Reader.
type reader struct {
	session  session
	name     string
	asked    []anchorhold.Column
	in       *bufio.Reader
	release  func() bool
	head     header
	tail     tail
	of       int
	rows     int64
	position int64
	buf      []byte
	cells    []codec.Cell
	batch    [][]codec.Cell
	err      error
}

func newReader(ctx context.Context, s session, q question) (*reader, error) {
	r := &reader{session: s, name: q.Name, asked: q.Columns, in: bufio.NewReaderSize(s.Conn(), 256<<10), release: context.AfterFunc(ctx, s.Kill)}
	content, err := r.expect(frameHeader)
	if err == nil {
		err = r.header(content)
	}
	if err != nil {
		r.release()
		return nil, err
	}
	r.tail.Columns = r.head.Columns
	return r, nil
}

// expect reads a frame of one kind. Of any other, a refusal is one, and all else
// is nonsense.
func (r *reader) expect(kinds ...byte) ([]byte, error) {
	kind, content, err := sandbox.ReadFrame(r.in, r.buf, maxFrame)
	r.buf = content
	switch {
	case err != nil:
		return nil, noAnswer(r.name, err)
	case kind == frameRefused:
		var said refused
		if json.Unmarshal(content, &said) != nil {
			return nil, noAnswer(r.name, nil)
		}
		return nil, said.err(r.name)
	case !slices.Contains(kinds, kind):
		return nil, noAnswer(r.name, errors.New("a frame where another should be"))
	case kind == frameEnd:
		return nil, r.end(content)
	}
	return content, nil
}

func (r *reader) header(content []byte) error {
	if err := json.Unmarshal(content, &r.head); err != nil {
		return noAnswer(r.name, err)
	}
	bad := len(r.head.Columns) == 0 || len(r.head.Columns) > codec.MaxColumns || r.head.Width < 1 || r.head.Width > maxWidth
	for _, c := range r.head.Columns {
		bad = bad || !likely(c, r.asked)
	}
	for _, i := range r.head.Identifiers {
		bad = bad || i < 0 || i >= r.head.Width
	}
	if bad {
		return noAnswer(r.name, errors.New("columns that no file has"))
	}
	return nil
}

// end takes what is known at the end of a file, of the same columns, and gives
// io.EOF.
func (r *reader) end(content []byte) error {
	var t tail
	if err := json.Unmarshal(content, &t); err != nil {
		return noAnswer(r.name, err)
	}
	same := slices.EqualFunc(t.Columns, r.head.Columns, func(a, b anchorhold.Column) bool { return a.Name == b.Name && likely(a, r.asked) })
	if !same || len(t.Accepts) != len(t.Columns) || t.Rows < 0 || !t.Beside.Known() {
		return noAnswer(r.name, errors.New("other columns than at the beginning"))
	}
	r.tail, r.rows = t, t.Rows
	return io.EOF
}

// Columns implements codec.Reader.
func (r *reader) Columns() []anchorhold.Column { return slices.Clone(r.tail.Columns) }

// Accepts implements codec.Accepter.
func (r *reader) Accepts() []codec.TypeSet { return r.tail.Accepts }

// Identifiers implements codec.Identifier.
func (r *reader) Identifiers() []int { return r.head.Identifiers }

// Opaque says whether there was content that the rows did not show.
func (r *reader) Opaque() bool { return r.tail.Opaque }

// Beside implements codec.Besider.
func (r *reader) Beside() codec.Beside { return r.tail.Beside }

// Width implements codec.Reader.
func (r *reader) Width() int { return r.head.Width }

// Of implements codec.Reader.
func (r *reader) Of() int { return r.of }

// Rows implements codec.Reader.
func (r *reader) Rows() int64 { return r.rows }

// Position implements codec.Reader.
func (r *reader) Position() int64 { return r.position }

// Close implements codec.Reader: the session is over.
func (r *reader) Close() {
	r.release()
	r.session.Kill()
	_ = r.session.Conn().Close() // nothing more is read from it
}

// Next implements codec.Reader.
func (r *reader) Next() ([][]codec.Cell, error) {
	if r.err != nil {
		return nil, r.err
	}
	content, err := r.expect(frameRows, frameEnd)
	if err == nil {
		err = r.read(content)
	}
	if err != nil {
		r.err = err
		return nil, err
	}
	return r.batch, nil
}

// read takes the rows of a frame.
func (r *reader) read(content []byte) error {
	w := words{text: string(content)}
	n, of := w.uvarint(), w.varint()
	rows, position := w.varint(), w.varint()
	width := uint64(r.head.Width)
	if w.bad || n > maxRows || n*width > max(maxCells, width) || rows < 0 || position < 0 || of < codec.None || of >= int64(len(r.head.Columns)) ||
		of == codec.Each && r.head.Width < len(r.head.Columns) {
		return noAnswer(r.name, errCells)
	}
	r.of, r.rows, r.position = int(of), rows, position
	if need := int(n * width); cap(r.cells) < need {
		r.cells = make([]codec.Cell, need)
	}
	cells := r.cells[:n*width]
	r.batch = r.batch[:0]
	for range n {
		row := cells[:width:width]
		for i := range row {
			row[i] = w.cell()
		}
		r.batch, cells = append(r.batch, row), cells[width:]
	}
	if w.bad || w.at != len(w.text) {
		return noAnswer(r.name, errCells)
	}
	return nil
}
