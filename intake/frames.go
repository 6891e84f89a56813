package intake

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/catalog/codec"
)

// The protocol between the process of the site (host) and the one that reads
// (guest), in frames (sandbox.Frame).
//
//	host   Q  JSON of question; the open file travels with the first byte
//	guest  H  JSON of header
//	guest  B  rows: how many, to which column they belong, rows and bytes dealt with
//	          so far, as varints; then their cells
//	guest  E  JSON of refused, and nothing after it
//	guest  Z  JSON of tail, and nothing after it
const (
	frameQuestion = 'Q'
	frameHeader   = 'H'
	frameRows     = 'B'
	frameRefused  = 'E'
	frameEnd      = 'Z'

	// maxFrame bounds a frame: one row of a table, with the longest texts that a
	// codec reads. Usual frames hold rowsBytes.
	maxFrame  = 80 << 20
	rowsBytes = 1 << 20
	// maxRows bounds the rows of a frame, maxCells the memory that they take.
	maxRows  = 1 << 16
	maxCells = 1 << 20
	maxWidth = 1 << 16
)

// question is what the host asks for.
type question struct {
	Format  string              `json:"format"`
	Name    string              `json:"name"`
	Size    int64               `json:"size"`
	Columns []anchorhold.Column `json:"columns,omitempty"`
	Missing []string            `json:"missing,omitempty"`
	Beside  bool                `json:"beside,omitempty"`
}

// header is what is known of a file before its rows are.
type header struct {
	Columns     []anchorhold.Column `json:"columns"`
	Width       int                 `json:"width"`
	Identifiers []int               `json:"identifiers,omitempty"`
}

// tail is what is known at the end.
type tail struct {
	Columns []anchorhold.Column `json:"columns"`
	Accepts []codec.TypeSet     `json:"accepts"`
	Rows    int64               `json:"rows"`
	Opaque  bool                `json:"opaque,omitempty"`
	Beside  codec.Beside        `json:"beside,omitempty"`
}

// What follows the kind in a cell's first byte.
const (
	cellInt   = 1 << 4
	cellFloat = 1 << 5
	cellNano  = 1 << 6
	cellText  = 1 << 7
	cellKinds = 1<<4 - 1
)

// appendCell writes a cell, whatever its kind leaves unused.
func appendCell(b []byte, c codec.Cell) []byte {
	at := len(b)
	b = append(b, byte(c.Kind))
	if c.Int != 0 {
		b[at] |= cellInt
		b = binary.AppendVarint(b, c.Int)
	}
	if c.Float != 0 || math.Signbit(c.Float) {
		b[at] |= cellFloat
		b = binary.BigEndian.AppendUint64(b, math.Float64bits(c.Float))
	}
	if c.Nano != 0 {
		b[at] |= cellNano
		b = binary.BigEndian.AppendUint16(b, c.Nano)
	}
	if c.Text != "" {
		b[at] |= cellText
		b = binary.AppendUvarint(b, uint64(len(c.Text)))
		b = append(b, c.Text...)
	}
	return b
}

var errCells = errors.New("cells that are not cells")

// words reads what appendCell wrote. text is all of it as a string, so that the
// texts of a frame share one copy.
type words struct {
	text string
	at   int
	bad  bool
}

func (w *words) take(n int) string {
	if w.bad || n < 0 || n > len(w.text)-w.at {
		w.bad = true
		return ""
	}
	w.at += n
	return w.text[w.at-n : w.at]
}

func (w *words) byte() byte {
	if s := w.take(1); s != "" {
		return s[0]
	}
	return 0
}

func (w *words) uvarint() uint64 {
	var v uint64
	for shift := 0; shift < 64; shift += 7 {
		b := w.byte()
		v |= uint64(b&0x7f) << shift
		if b < 0x80 {
			return v
		}
	}
	w.bad = true
	return 0
}

func (w *words) varint() int64 {
	u := w.uvarint()
	return int64(u>>1) ^ -int64(u&1)
}

func (w *words) fixed(n int) (v uint64) {
	for _, b := range []byte(w.take(n)) {
		v = v<<8 | uint64(b)
	}
	return v
}

func (w *words) cell() codec.Cell {
	head := w.byte()
	c := codec.Cell{Kind: codec.CellKind(head & cellKinds)}
	if c.Kind > codec.CellText {
		w.bad = true
	}
	if head&cellInt != 0 {
		c.Int = w.varint()
	}
	if head&cellFloat != 0 {
		c.Float = math.Float64frombits(w.fixed(8))
	}
	if head&cellNano != 0 {
		c.Nano = uint16(w.fixed(2))
	}
	if head&cellText != 0 {
		n := w.uvarint()
		if n > maxFrame {
			w.bad = true
			return c
		}
		c.Text = w.take(int(n))
	}
	return c
}

func printable(s string) bool {
	return len(s) <= maxWords && utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl)
}

func descriptor(f *os.File) string { return fmt.Sprintf("/proc/self/fd/%d", f.Fd()) }
