package output

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"unicode/utf8"

	"github.com/anchorhold/anchorhold/disclosure"
)

// The cell stream, version 1: how cells go from the sandbox that parses to the
// process that compares them.
//
//	8 bytes  "AHCELLS" 0x01
//	u8       flags: 1 partial
//	uvarint  sheets; of each:
//	         uvarint  index columns
//	         uvarint  labels, and these as cells
//	         uvarint  rows; of each: uvarint cells, and these
//	cell     u8       kind, as disclosure.CellKind
//	         integer: varint; real: 8 bytes, little-endian; text and moment:
//	         uvarint length, UTF-8
const (
	cellsMagic     = "AHCELLS\x01"
	maxStreamCells = 4 << 20 // sheets, rows, labels and cells together
	flagPartial    = 1
)

// errStream is the one error of a stream that is not as it must be: it comes from
// a sandbox, so nothing is said of what was in it.
var errStream = errors.New("output: the stream of cells is damaged or too long")

// WriteCells writes cells as a stream. The kind is not part of it.
func WriteCells(w io.Writer, c disclosure.Cells) error {
	b := bufio.NewWriter(w)
	scratch := append([]byte(cellsMagic), 0)
	if c.Partial {
		scratch[len(cellsMagic)] = flagPartial
	}
	scratch = binary.AppendUvarint(scratch, uint64(len(c.Sheets)))
	for _, s := range c.Sheets {
		scratch = binary.AppendUvarint(scratch, uint64(s.Index))
		scratch = appendCells(scratch, s.Labels)
		scratch = binary.AppendUvarint(scratch, uint64(len(s.Rows)))
		for _, row := range s.Rows {
			scratch = appendCells(scratch, row)
			if _, err := b.Write(scratch); err != nil {
				return err
			}
			scratch = scratch[:0]
		}
	}
	if _, err := b.Write(scratch); err != nil {
		return err
	}
	return b.Flush()
}

func appendCells(b []byte, cells []disclosure.Cell) []byte {
	b = binary.AppendUvarint(b, uint64(len(cells)))
	for _, c := range cells {
		b = append(b, byte(c.Kind()))
		switch c.Kind() {
		case disclosure.CellInteger:
			v, _ := c.Integer()
			b = binary.AppendVarint(b, v)
		case disclosure.CellReal:
			f, _ := c.Number()
			b = binary.LittleEndian.AppendUint64(b, math.Float64bits(f))
		case disclosure.CellText, disclosure.CellMoment:
			b = binary.AppendUvarint(b, uint64(len(c.Text())))
			b = append(b, c.Text()...)
		}
	}
	return b
}

// ReadCells reads a stream from a sandbox, to its end and not beyond. Every value
// is normalised again, memory follows what was really sent, and there are at most
// a few million of everything.
func ReadCells(r io.Reader) (disclosure.Cells, error) {
	s := streamReader{in: bufio.NewReader(r), left: maxStreamCells}
	head := make([]byte, len(cellsMagic)+1)
	if _, err := io.ReadFull(s.in, head); err != nil || string(head[:len(cellsMagic)]) != cellsMagic || head[len(cellsMagic)] > flagPartial {
		return disclosure.Cells{}, errStream
	}
	c := disclosure.Cells{Partial: head[len(cellsMagic)] == flagPartial}
	for n := s.count(); n > 0 && !s.bad; n-- {
		c.Sheets = append(c.Sheets, s.sheet())
	}
	if _, err := s.in.ReadByte(); err != io.EOF || s.bad {
		return disclosure.Cells{}, errStream
	}
	return c, nil
}

type streamReader struct {
	in   *bufio.Reader
	left uint64
	bad  bool
}

func (s *streamReader) uvarint() uint64 {
	v, err := binary.ReadUvarint(s.in)
	if err != nil {
		s.bad = true
		return 0
	}
	return v
}

// count reads a number of things, each of which will take at least a byte.
func (s *streamReader) count() uint64 {
	n := s.uvarint()
	if n > s.left {
		s.bad = true
		return 0
	}
	s.left -= n
	return n
}

func (s *streamReader) sheet() disclosure.Sheet {
	index := s.uvarint()
	if index > maxLevels {
		s.bad = true
	}
	sheet := disclosure.Sheet{Index: int(min(index, maxLevels)), Labels: s.cells()}
	for n := s.count(); n > 0 && !s.bad; n-- {
		sheet.Rows = append(sheet.Rows, s.cells())
	}
	return sheet
}

func (s *streamReader) cells() []disclosure.Cell {
	var cells []disclosure.Cell
	for n := s.count(); n > 0 && !s.bad; n-- {
		cells = append(cells, s.cell())
	}
	return cells
}

func (s *streamReader) cell() disclosure.Cell {
	kind, err := s.in.ReadByte()
	if err != nil {
		s.bad = true
	}
	switch disclosure.CellKind(kind) {
	case disclosure.CellMissing:
	case disclosure.CellInteger:
		v, err := binary.ReadVarint(s.in)
		s.bad = s.bad || err != nil
		return disclosure.IntCell(v)
	case disclosure.CellReal:
		return disclosure.FloatCell(math.Float64frombits(binary.LittleEndian.Uint64(s.take(8))))
	case disclosure.CellText, disclosure.CellMoment:
		n := s.uvarint()
		if n > longestCell {
			s.bad = true
			return disclosure.Cell{}
		}
		b := s.take(int(n))
		s.bad = s.bad || !utf8.Valid(b)
		return disclosure.TextCell(string(b))
	default:
		s.bad = true
	}
	return disclosure.Cell{}
}

func (s *streamReader) take(n int) []byte {
	b := make([]byte, n)
	if _, err := io.ReadFull(s.in, b); err != nil {
		s.bad = true
	}
	return b
}
