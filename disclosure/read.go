package disclosure

import (
	"bufio"
	"context"
	"encoding/binary"
	"io"

	"github.com/anchorhold/anchorhold"
)

// Index is an opened keyed index. Only its shape is in memory; checks read it
// block by block.
type Index struct {
	src     io.ReaderAt
	end     int64 // where the trailer begins
	hash    *hasher
	columns []ColumnSummary
	full    int
	rows    uint64
}

// ColumnSummary is what the index knows of a column.
type ColumnSummary struct {
	Identifier bool   // declared, or by its values: nearly all distinct, text or large whole numbers
	Declared   bool   // by the owner
	Values     uint64 // cells that are not missing
	Distinct   uint64 // distinct values, estimated within about 1 %
}

// Rows is the number of rows of the private table.
func (x *Index) Rows() uint64 { return x.rows }

// Columns says what is known of each column, in the table's order.
func (x *Index) Columns() []ColumnSummary { return append([]ColumnSummary(nil), x.columns...) }

// damaged is the error for an index that is not as the Indexer wrote it.
func damaged(what string) *anchorhold.Error {
	return anchorhold.Errorf(anchorhold.Internal, "register the private table again as a new version",
		"the keyed index of a private table is damaged: %s", what)
}

// OpenIndex opens an index of a given size that was written with key. Another
// key is an error: with it every check would pass.
func OpenIndex(key Key, src io.ReaderAt, size int64) (*Index, error) {
	head := make([]byte, headerSize)
	if size < headerSize+4+columnTail+trailerTail {
		return nil, damaged("it is too short")
	}
	if _, err := src.ReadAt(head, 0); err != nil {
		return nil, damaged("it cannot be read")
	}
	x := &Index{src: src, hash: newHasher(key)}
	columns := binary.LittleEndian.Uint32(head[8:])
	x.full = int(binary.LittleEndian.Uint32(head[12:]))
	tail := int64(columns)*columnTail + trailerTail
	switch {
	case string(head[:8]) != indexMagic:
		return nil, damaged("it does not begin as an index of this version does")
	case columns == 0 || columns > MaxColumns || size < headerSize+4+tail:
		return nil, damaged("its number of columns cannot be right")
	case x.full == 0 || x.full > maxBlockRows || x.full > max(blockCells/int(columns), 1):
		return nil, damaged("its block size cannot be right")
	case binary.LittleEndian.Uint64(head[16:]) != x.hash.keyCheck():
		return nil, damaged("it was written with another key")
	}
	x.end = size - tail
	if err := x.readTrailer(int(columns), tail); err != nil {
		return nil, err
	}
	return x, nil
}

func (x *Index) readTrailer(columns int, tail int64) error {
	b := make([]byte, tail)
	if n, err := x.src.ReadAt(b, x.end); n < len(b) {
		return damaged("its end cannot be read").Because(err)
	}
	if string(b[len(b)-len(indexEnd):]) != indexEnd {
		return damaged("its end is missing")
	}
	for range columns {
		x.columns = append(x.columns, ColumnSummary{
			Identifier: b[0] != 0, Declared: b[0]&flagDeclared != 0,
			Values: binary.LittleEndian.Uint64(b[1:]), Distinct: binary.LittleEndian.Uint64(b[9:]),
		})
		b = b[columnTail:]
	}
	x.rows = binary.LittleEndian.Uint64(b)
	return nil
}

// chunk is one column of one block.
type chunk struct {
	tokens []token  // distinct
	codes  []uint16 // one for each row: 0 is missing, k is tokens[k-1]
}

// scan reads the blocks one after the other into the same memory and hands them
// to visit, until the end or until visit says stop.
func (x *Index) scan(ctx context.Context, visit func(rows int, columns []chunk) (more bool)) error {
	r := blockReader{in: bufio.NewReaderSize(io.NewSectionReader(x.src, headerSize, x.end-headerSize), 1<<16)}
	columns := make([]chunk, len(x.columns))
	seen := uint64(0)
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		rows := int(r.u32())
		if r.failed || rows > x.full {
			return damaged("a block's size cannot be right")
		}
		if rows == 0 {
			break
		}
		for i := range columns {
			if !r.chunk(&columns[i], rows) {
				return damaged("a block cannot be read")
			}
		}
		seen += uint64(rows)
		if !visit(rows, columns) {
			return nil
		}
	}
	if _, err := r.in.ReadByte(); err != io.EOF || seen != x.rows {
		return damaged("its number of rows is not what its end says")
	}
	return nil
}

// blockReader reads the parts of a block; failed is set by the first error.
type blockReader struct {
	in      *bufio.Reader
	scratch []byte
	failed  bool
}

// take reads n bytes, which are good until the next call.
func (r *blockReader) take(n int) []byte {
	if cap(r.scratch) < n {
		r.scratch = make([]byte, max(n, 8*maxBlockRows))
	}
	b := r.scratch[:n]
	if _, err := io.ReadFull(r.in, b); err != nil {
		r.failed = true
		clear(b)
	}
	return b
}

func (r *blockReader) u32() uint32 { return binary.LittleEndian.Uint32(r.take(4)) }

// chunk reads one column of a block of so many rows.
func (r *blockReader) chunk(c *chunk, rows int) bool {
	n := int(binary.LittleEndian.Uint16(r.take(2)))
	if r.failed || n > rows {
		return false
	}
	c.tokens, c.codes = c.tokens[:0], c.codes[:0]
	for b := r.take(8 * n); len(b) > 0; b = b[8:] {
		c.tokens = append(c.tokens, token{base: binary.LittleEndian.Uint64(b)})
	}
	has := append([]byte(nil), r.take((n+7)/8)...)
	for i := range c.tokens {
		if has[i/8]>>(i%8)&1 == 1 {
			c.tokens[i].rest = binary.LittleEndian.Uint64(r.take(8))
		}
	}
	width := 1
	if n >= 256 {
		width = 2
	}
	b := r.take(width * rows)
	for i := range rows {
		code := uint16(b[i*width])
		if width == 2 {
			code |= uint16(b[i*2+1]) << 8
		}
		if int(code) > n {
			return false
		}
		c.codes = append(c.codes, code)
	}
	return !r.failed
}
