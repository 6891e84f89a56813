package disclosure

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
	"runtime"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/anchorhold/anchorhold"
)

// The index file, version 1. All integers are little-endian.
//
//	header   8 bytes  "AHINDEX" 0x01
//	         u32      columns, 1 to MaxColumns
//	         u32      rows in a full block, 1 to 4096
//	         u64      SipHash of a constant: tells whether a key is the right one
//	block    u32      rows in this block, 1 to the number above
//	         and for each column:
//	         u16      n, the number of distinct tokens in the block
//	         n × u64  base of each
//	         ⌈n/8⌉    bits: has this token a rest that is not 0? (lowest bit first)
//	         … × u64  those rests, in order
//	         codes    one for each row: 0 is missing, k is the k-th token; one
//	                  byte each where n < 256, two bytes otherwise
//	…        u32      0: no more blocks
//	trailer  for each column:
//	         u8       flags: 1 identifier as declared, 2 identifier by its values
//	         u64      cells that are not missing
//	         u64      distinct values, estimated
//	         u64      rows
//	         8 bytes  "AHINDEND"
//
// Blocks are small and tell columns apart, so a repeated value costs one or two
// bytes, a checking reader looks each distinct token up once a block, and both
// sides need memory for one block only.
const (
	indexMagic   = "AHINDEX\x01"
	indexEnd     = "AHINDEND"
	headerSize   = 8 + 4 + 4 + 8
	columnTail   = 1 + 8 + 8
	trailerTail  = 8 + 8
	maxBlockRows = 4096
	blockCells   = 1 << 18 // aimed at: rows × columns in a block

	flagDeclared = 1
	flagByValues = 2
)

// MaxColumns is the largest number of columns of an indexed table.
const MaxColumns = 1 << 14

// What makes a column identifying without its owner saying so.
const (
	identifierShare   = 0.9   // distinct values in values
	identifierRows    = 5     // values at least
	identifierInteger = 10000 // whole numbers from here on can be identifiers
)

// Column says what the owner declared about a column of the private table.
type Column struct {
	Identifier bool // its values identify people
}

// Indexer writes the keyed index of a private table. Its memory does not grow
// with the table. Columns are shared out over all processors: what is written
// does not depend on how many there are.
type Indexer struct {
	out     *bufio.Writer
	hands   []hand
	columns []columnState
	full    int // rows in a full block
	rows    int // rows in this block
	total   uint64
	err     error
}

// hand is what one goroutine works with.
type hand struct {
	hash  *hasher
	table *tokenTable
}

// mostHands bounds the memory that goroutines work with.
const mostHands = 16

// worthSharing is how many cells are worth another goroutine.
const worthSharing = 1024

// columnState is a column's part of the current block, and what is known of it
// so far.
type columnState struct {
	tokens   []token // of this block; a token that is zero stands for missing
	declared bool
	distinct *sketch
	values   uint64 // not missing
	naming   uint64 // texts and large whole numbers
	chunk    []byte // the column's part of the block that is being written
}

var errClosed = errors.New("disclosure: the index is closed")

// NewIndexer starts an index with the site's key on w. Columns are those of the
// table, in its order.
func NewIndexer(key Key, w io.Writer, columns []Column) (*Indexer, error) {
	if len(columns) == 0 || len(columns) > MaxColumns {
		return nil, anchorhold.Errorf(anchorhold.TooLarge, "register a table with fewer columns",
			"a private table must have between 1 and %d columns, and this one has %d", MaxColumns, len(columns))
	}
	x := &Indexer{
		out: bufio.NewWriterSize(w, 1<<16), hands: make([]hand, min(runtime.GOMAXPROCS(0), len(columns), mostHands)),
		columns: make([]columnState, len(columns)),
		full:    min(max(blockCells/len(columns), 1), maxBlockRows),
	}
	for i := range x.hands {
		x.hands[i] = hand{newHasher(key), newTokenTable()}
	}
	for i := range x.columns {
		x.columns[i] = columnState{tokens: make([]token, x.full), declared: columns[i].Identifier, distinct: newSketch()}
	}
	h := append([]byte(nil), indexMagic...)
	h = binary.LittleEndian.AppendUint32(h, uint32(len(columns)))
	h = binary.LittleEndian.AppendUint32(h, uint32(x.full))
	h = binary.LittleEndian.AppendUint64(h, x.hands[0].hash.keyCheck())
	_, x.err = x.out.Write(h)
	return x, x.err
}

// AddRow adds a private row; it must have one cell for each column.
func (x *Indexer) AddRow(row []Cell) error {
	if x.err == nil && len(row) != len(x.columns) {
		return anchorhold.Errorf(anchorhold.Invalid, "make every row as long as the header",
			"a row of the private table has %d cells where %d were expected", len(row), len(x.columns))
	}
	return x.AddRows(1, func(_, column int) Cell { return row[column] })
}

// AddRows adds n private rows, of which cell gives the cells. It is called by
// several goroutines at once, of which each has columns of its own, and by none
// after AddRows has returned.
func (x *Indexer) AddRows(n int, cell func(row, column int) Cell) error {
	for from := 0; from < n && x.err == nil; {
		part := min(n-from, x.full-x.rows)
		x.share(part, func(h hand, column int) {
			col := &x.columns[column]
			for i := range part {
				col.take(h.hash, x.rows+i, cell(from+i, column))
			}
		})
		from += part
		x.rows += part
		x.total += uint64(part)
		if x.rows == x.full {
			x.err = x.flush()
		}
	}
	return x.err
}

// take puts a cell into a row of the block.
func (c *columnState) take(h *hasher, row int, cell Cell) {
	t, ok := h.token(cell)
	c.tokens[row] = t
	if !ok {
		return
	}
	c.values++
	c.distinct.add(t.base ^ t.rest)
	if v, whole := cell.Integer(); cell.kind == CellText || whole && (v >= identifierInteger || v <= -identifierInteger) {
		c.naming++
	}
}

// share has work done for every column, which has so many rows, by as many
// goroutines as are worth it, and waits for all.
func (x *Indexer) share(rows int, work func(h hand, column int)) {
	var next atomic.Int64
	do := func(h hand) {
		for c := int(next.Add(1)) - 1; c < len(x.columns); c = int(next.Add(1)) - 1 {
			work(h, c)
		}
	}
	var others errgroup.Group
	for i := 1; i < min(len(x.hands), len(x.columns)*rows/worthSharing); i++ {
		others.Go(func() error { do(x.hands[i]); return nil })
	}
	do(x.hands[0])
	_ = others.Wait() // none of them fails
}

// Close writes what is left. It does not close the writer below.
func (x *Indexer) Close() error {
	if x.err != nil {
		return x.err
	}
	if x.rows > 0 {
		x.err = x.flush()
	}
	b := binary.LittleEndian.AppendUint32(nil, 0)
	for i := range x.columns {
		c := &x.columns[i]
		b = append(b, c.flags())
		b = binary.LittleEndian.AppendUint64(b, c.values)
		b = binary.LittleEndian.AppendUint64(b, uint64(c.distinct.estimate()+0.5))
	}
	b = binary.LittleEndian.AppendUint64(b, x.total)
	b = append(b, indexEnd...)
	if x.err == nil {
		_, x.err = x.out.Write(b)
	}
	if err := x.out.Flush(); x.err == nil {
		x.err = err
	}
	if x.err != nil {
		return x.err
	}
	x.err = errClosed
	return nil
}

func (c *columnState) flags() byte {
	var f byte
	if c.declared {
		f |= flagDeclared
	}
	if c.values >= identifierRows && float64(c.naming) >= identifierShare*float64(c.values) &&
		c.distinct.estimate() >= identifierShare*float64(c.values) {
		f |= flagByValues
	}
	return f
}

// flush writes the current block.
func (x *Indexer) flush() error {
	x.share(x.rows, func(h hand, column int) {
		c := &x.columns[column]
		c.chunk = h.table.appendChunk(c.chunk[:0], c.tokens[:x.rows])
	})
	_, err := x.out.Write(binary.LittleEndian.AppendUint32(nil, uint32(x.rows)))
	for i := range x.columns {
		if err == nil {
			_, err = x.out.Write(x.columns[i].chunk)
		}
	}
	x.rows = 0
	return err
}

// tokenTable numbers the distinct tokens of one column in one block: an open
// hash table twice as large as a block, emptied by moving to the next epoch.
type tokenTable struct {
	slots []tokenSlot
	epoch uint32
	order []token
	codes []uint16
}

type tokenSlot struct {
	token token
	epoch uint32
	code  uint16
}

func newTokenTable() *tokenTable {
	return &tokenTable{slots: make([]tokenSlot, 4*maxBlockRows)}
}

// number gives the code of a token, 1 for the first distinct one; 0 is missing.
func (t *tokenTable) number(k token) uint16 {
	if k == (token{}) {
		return 0
	}
	for i := (k.base ^ k.rest) % uint64(len(t.slots)); ; i = (i + 1) % uint64(len(t.slots)) {
		s := &t.slots[i]
		if s.epoch != t.epoch {
			t.order = append(t.order, k)
			*s = tokenSlot{token: k, epoch: t.epoch, code: uint16(len(t.order))}
			return s.code
		}
		if s.token == k {
			return s.code
		}
	}
}

// appendChunk appends one column of one block.
func (t *tokenTable) appendChunk(b []byte, tokens []token) []byte {
	t.epoch++
	t.order, t.codes = t.order[:0], t.codes[:0]
	for _, k := range tokens {
		t.codes = append(t.codes, t.number(k))
	}
	b = binary.LittleEndian.AppendUint16(b, uint16(len(t.order)))
	for _, k := range t.order {
		b = binary.LittleEndian.AppendUint64(b, k.base)
	}
	bits := len(b)
	b = append(b, make([]byte, (len(t.order)+7)/8)...)
	for i, k := range t.order {
		if k.rest != 0 {
			b[bits+i/8] |= 1 << (i % 8)
			b = binary.LittleEndian.AppendUint64(b, k.rest)
		}
	}
	for _, c := range t.codes {
		b = append(b, byte(c))
		if len(t.order) >= 256 {
			b = append(b, byte(c>>8))
		}
	}
	return b
}
