// Package wire is the conversation between the process of the site (host) and the
// worker program in its sandbox (guest), in frames (sandbox.Frame).
//
// It promises that what a guest sends is bounded before memory is taken for it, and
// is of the columns that were asked for or an error; the worker has read files that
// nobody vouches for. It never carries a message of the database: one word says
// why there is no answer. The fuzz target reads what no worker writes.
//
//	host   P  a text of SQL; only in a session that has opened nothing
//	guest  A  what json_serialize_sql says of it
//
//	host   W  nothing: get ready, in a session that has opened nothing
//	guest  K  nothing
//
//	host   O  JSON of Opening, the files of its tables with it; once
//	guest  K  nothing: they are open
//	host   R  JSON of Run
//	guest  B  rows (AppendBatch), any number of times
//	guest  Z  JSON of End
//
//	guest  E  JSON of Refusal, instead of any of these
package wire

import (
	"encoding/binary"
	"errors"
	"math/bits"

	"github.com/apache/arrow-go/v18/arrow/decimal128"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/engine"
)

// The kinds of frame.
const (
	FrameParse   = 'P'
	FrameTree    = 'A'
	FrameWarm    = 'W'
	FrameOpen    = 'O'
	FrameOpened  = 'K'
	FrameRun     = 'R'
	FrameBatch   = 'B'
	FrameEnd     = 'Z'
	FrameRefused = 'E'
)

// Bounds of the conversation.
const (
	MaxFrame   = 8 << 20 // bytes
	MaxBatch   = 1 << 16 // rows
	BatchBytes = 1 << 20 // of a usual batch
	MaxParse   = 1 << 16 // bytes of a researcher's SQL
)

// Opening is what a session is about: its tables, and what DuckDB may use.
type Opening struct {
	Tables  []Table `json:"tables"`
	Memory  int64   `json:"memory"` // bytes
	Spill   int64   `json:"spill"`  // bytes below /tmp
	Threads int     `json:"threads"`
}

// Table is a table, whose file is the one of the same number.
type Table struct {
	Name      string          `json:"name"`
	Format    string          `json:"format"` // of a codec
	Columns   []engine.Column `json:"columns"`
	Missing   []string        `json:"missing,omitempty"`   // texts of a CSV file that mean "no value"
	Delimiter string          `json:"delimiter,omitempty"` // of a CSV file
	Skip      int             `json:"skip,omitempty"`      // empty lines before a CSV file's header
}

// Run is one statement.
type Run struct {
	SQL     string          `json:"sql"`
	Columns []engine.Column `json:"columns"`
	MaxRows int             `json:"max_rows"`
	Keep    *Keep           `json:"keep,omitempty"`
}

// Keep is a statement in two steps: the worker keeps the rows of First under a name,
// unless it has them, and answers Then, which reads them by it. Where they cannot be
// kept it executes the statement as a whole.
type Keep struct {
	Name  string `json:"name"`
	First string `json:"first"`
	Then  string `json:"then"`
}

// End says how many rows there were.
type End struct {
	Rows int `json:"rows"`
}

// Refusal says why there is no answer.
type Refusal struct {
	Why engine.Failure `json:"why"`
}

// ErrBatch is the error for rows that are none.
var ErrBatch = errors.New("rows that are not rows")

// AppendBatch writes rows from..to of columns. Integers take as many bytes as the
// largest of them needs.
func AppendBatch(b []byte, values []engine.Vector, from, to int) []byte {
	b = binary.AppendUvarint(b, uint64(to-from))
	for _, v := range values {
		if v.Null == nil {
			b = append(b, 0)
		} else {
			b = append(b, 1)
			for _, null := range v.Null[from:to] {
				b = append(b, flag(null))
			}
		}
		if v.Ints != nil {
			b = appendInts(b, v.Ints[from:to])
			continue
		}
		for _, text := range v.Texts[from:to] {
			b = binary.AppendUvarint(b, uint64(len(text)))
			b = append(b, text...)
		}
	}
	return b
}

func flag(set bool) byte {
	if set {
		return 1
	}
	return 0
}

func appendInts(b []byte, ints []engine.Int) []byte {
	width := 1
	for _, x := range ints {
		width = max(width, widthOf(x))
	}
	b = append(b, byte(width))
	var whole [16]byte
	for _, x := range ints {
		binary.LittleEndian.PutUint64(whole[:], x.LowBits())
		binary.LittleEndian.PutUint64(whole[8:], uint64(x.HighBits()))
		b = append(b, whole[:width]...)
	}
	return b
}

// widthOf is the number of bytes that hold an integer with its sign.
func widthOf(x engine.Int) int {
	hi, lo := uint64(x.HighBits()), x.LowBits()
	if x.HighBits() < 0 {
		hi, lo = ^hi, ^lo
	}
	n := bits.Len64(lo)
	if hi != 0 {
		n = 64 + bits.Len64(hi)
	}
	return n/8 + 1
}

// ReadBatch reads what AppendBatch wrote, of columns of these types, behind the
// rows that are there. It never makes more of them than most.
func ReadBatch(content []byte, into *engine.Partials, most int) error {
	r := reader{rest: content}
	n := r.uvarint()
	if r.bad || n > MaxBatch || int(n) > most-into.Rows {
		return ErrBatch
	}
	rows := int(n)
	for i, c := range into.Columns {
		v := &into.Values[i]
		r.nulls(v, into.Rows, rows)
		if c.Type == anchorhold.TypeString {
			r.texts(v, rows)
		} else {
			r.ints(v, rows)
		}
		if r.bad {
			return ErrBatch
		}
	}
	if len(r.rest) != 0 {
		return ErrBatch
	}
	into.Rows += rows
	return nil
}

type reader struct {
	rest []byte
	bad  bool
}

func (r *reader) take(n int) []byte {
	if r.bad || n < 0 || n > len(r.rest) {
		r.bad = true
		return nil
	}
	out := r.rest[:n]
	r.rest = r.rest[n:]
	return out
}

func (r *reader) uvarint() uint64 {
	v, n := binary.Uvarint(r.rest)
	if n <= 0 {
		r.bad = true
		return 0
	}
	r.take(n)
	return v
}

func (r *reader) byte() byte {
	if b := r.take(1); b != nil {
		return b[0]
	}
	return 0
}

// nulls reads which of the next rows are missing; before them are so many.
func (r *reader) nulls(v *engine.Vector, before, rows int) {
	switch r.byte() {
	case 0:
		if v.Null != nil {
			v.Null = append(v.Null, make([]bool, rows)...)
		}
	case 1:
		if v.Null == nil {
			v.Null = make([]bool, before)
		}
		for _, b := range r.take(rows) {
			if b > 1 {
				r.bad = true
			}
			v.Null = append(v.Null, b == 1)
		}
	default:
		r.bad = true
	}
}

func (r *reader) ints(v *engine.Vector, rows int) {
	width := int(r.byte())
	if width < 1 || width > 16 {
		r.bad = true
		return
	}
	if v.Ints == nil {
		v.Ints = []engine.Int{}
	}
	for b := r.take(rows * width); len(b) > 0; b = b[width:] {
		var whole [16]byte
		if b[width-1]&0x80 != 0 {
			for i := width; i < 16; i++ {
				whole[i] = 0xff
			}
		}
		copy(whole[:], b[:width])
		v.Ints = append(v.Ints, decimal128.New(int64(binary.LittleEndian.Uint64(whole[8:])), binary.LittleEndian.Uint64(whole[:])))
	}
}

func (r *reader) texts(v *engine.Vector, rows int) {
	if v.Texts == nil {
		v.Texts = []string{}
	}
	for range rows {
		n := r.uvarint()
		if n > engine.MaxText {
			r.bad = true
		}
		text := r.take(int(n))
		if r.bad {
			return
		}
		v.Texts = append(v.Texts, string(text))
	}
}
