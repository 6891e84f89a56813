package codec

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/catalog/mock"
)

// An array is read as rows along its last axis: of a matrix its rows, of a
// series single numbers, of a stack of images their lines. A longer axis than
// ArrayWidth is cut into rows of that length.
const (
	ArrayWidth = 4096 // the most cells of a row
	maxAxes    = 32
	// mockNumbers bounds a generated array or set of tensors.
	mockNumbers = 4 << 20
)

// dtype is a type of number as NumPy and safetensors store it, little-endian.
type dtype struct {
	name string // as NumPy calls it: the fact "storage"
	size int
	kind anchorhold.ColumnType
	read func([]byte) Cell
	put  func([]byte, float64)
}

// dtypes are all types of number that an array may have.
func dtypes() []dtype {
	return []dtype{
		{"bool", 1, anchorhold.TypeBool, func(b []byte) Cell { return Cell{Kind: CellBool, Int: int64(min(b[0], 1))} }, putWord(1)},
		{"int8", 1, anchorhold.TypeInt, readWord(true), putWord(1)},
		{"int16", 2, anchorhold.TypeInt, readWord(true), putWord(2)},
		{"int32", 4, anchorhold.TypeInt, readWord(true), putWord(4)},
		{"int64", 8, anchorhold.TypeInt, readWord(true), putWord(8)},
		{"uint8", 1, anchorhold.TypeInt, readWord(false), putWord(1)},
		{"uint16", 2, anchorhold.TypeInt, readWord(false), putWord(2)},
		{"uint32", 4, anchorhold.TypeInt, readWord(false), putWord(4)},
		{"uint64", 8, anchorhold.TypeInt, readWord(false), putWord(8)},
		{"float16", 2, anchorhold.TypeFloat, func(b []byte) Cell { return floatCell(half(binary.LittleEndian.Uint16(b))) }, putHalf},
		{"bfloat16", 2, anchorhold.TypeFloat, func(b []byte) Cell {
			return floatCell(shortest(math.Float32frombits(uint32(binary.LittleEndian.Uint16(b)) << 16)))
		}, func(b []byte, v float64) { binary.LittleEndian.PutUint16(b, uint16(math.Float32bits(float32(v))>>16)) }},
		{"float32", 4, anchorhold.TypeFloat, func(b []byte) Cell {
			return floatCell(shortest(math.Float32frombits(binary.LittleEndian.Uint32(b))))
		}, func(b []byte, v float64) { binary.LittleEndian.PutUint32(b, math.Float32bits(float32(v))) }},
		{"float64", 8, anchorhold.TypeFloat, func(b []byte) Cell {
			return floatCell(math.Float64frombits(binary.LittleEndian.Uint64(b)))
		}, func(b []byte, v float64) { binary.LittleEndian.PutUint64(b, math.Float64bits(v)) }},
	}
}

func dtypeNamed(name string) (dtype, bool) {
	for _, t := range dtypes() {
		if t.name == name {
			return t, true
		}
	}
	return dtype{}, false
}

func readWord(signed bool) func([]byte) Cell {
	return func(b []byte) Cell { return intCell(word(b, signed), signed || len(b) < 8) }
}

func putWord(size int) func([]byte, float64) {
	return func(b []byte, v float64) {
		var w [8]byte
		binary.LittleEndian.PutUint64(w[:], uint64(int64(v)))
		copy(b, w[:size])
	}
}

// half reads a number of 16 bits (IEEE 754 binary16).
func half(h uint16) float64 {
	sign := 1.0
	if h>>15 == 1 {
		sign = -1
	}
	exponent, fraction := int(h>>10&31), float64(h&1023)
	switch exponent {
	case 0:
		return sign * math.Ldexp(fraction, -24)
	case 31:
		if fraction > 0 {
			return math.NaN()
		}
		return math.Inf(int(sign))
	}
	return sign * math.Ldexp(1024+fraction, exponent-25)
}

// putHalf writes a number of 16 bits, cut where it has more.
func putHalf(b []byte, v float64) {
	bits := uint16(0)
	if math.Signbit(v) {
		bits, v = 1<<15, -v
	}
	fraction, exponent := math.Frexp(v) // v = fraction × 2^exponent, 1/2 ≤ fraction < 1
	switch {
	case v == 0 || exponent < -13:
	case exponent > 16:
		bits |= 31 << 10
	default:
		bits |= uint16(exponent+14)<<10 | uint16(math.Ldexp(fraction, 11))&1023
	}
	binary.LittleEndian.PutUint16(b, bits)
}

// tensor is one named array: its type, its shape, and where its numbers come
// from.
type tensor struct {
	name  string
	dtype dtype
	shape []int64
	data  func() (io.ReadCloser, error) // once, from the beginning
}

// count is the number of values; ok is false where no file can hold them.
func count(shape []int64) (n int64, ok bool) {
	n = 1
	for _, s := range shape {
		if s < 0 || s > 0 && n > math.MaxInt64/16/s {
			return 0, false
		}
		n *= s
	}
	return n, len(shape) <= maxAxes
}

func (t tensor) width() int {
	if len(t.shape) < 2 {
		return 1
	}
	return int(max(1, min(t.shape[len(t.shape)-1], ArrayWidth)))
}

// column describes a tensor on the card. The length of its first axis is a
// number of rows, and left out.
func (t tensor) column(o anchorhold.Column) anchorhold.Column {
	o.Name, o.Type = t.name, t.dtype.kind
	o = withStorage(o, t.dtype.name)
	axes := make([]any, len(t.shape))
	for i, n := range t.shape {
		if axes[i] = float64(n); i == 0 {
			axes[i] = "n"
		}
	}
	facts := []anchorhold.Fact{{Name: anchorhold.FactShape, Value: axes, Provenance: anchorhold.Stated}}
	for _, f := range o.Facts {
		if f.Name != anchorhold.FactShape {
			facts = append(facts, f)
		}
	}
	o.Facts = facts
	return o
}

// tensorReader reads one tensor after the other.
type tensorReader struct {
	name    string
	tensors []tensor
	cols    []anchorhold.Column
	width   int
	items   bool // rows are counted along the first axis; otherwise tensors are
	at      int  // the tensor in hand
	in      io.ReadCloser
	buffer  *bufio.Reader
	left    int64 // values of it
	inAxis  int64 // values left along its last axis
	bytes   int64
	batch   [][]Cell
	scratch []byte
	done    bool
}

func newTensorReader(name string, tensors []tensor, o Options, items bool) (*tensorReader, error) {
	names := make([]string, len(tensors))
	for i, t := range tensors {
		names[i] = t.name
	}
	if err := checkColumnNames(name, names); err != nil {
		return nil, err
	}
	overrides, err := byName(name, names, o.Columns)
	if err != nil {
		return nil, err
	}
	r := &tensorReader{name: name, tensors: tensors, width: 1, items: items, at: -1}
	for _, t := range tensors {
		given := overrides[t.name]
		if given.Type != "" && given.Type != t.dtype.kind {
			return nil, invalid("leave its type out, or write the file with another one",
				"%q of %s is stored as %s and cannot be offered as %s", t.name, name, t.dtype.name, given.Type)
		}
		r.cols = append(r.cols, t.column(given))
		r.width = max(r.width, t.width())
	}
	r.batch = makeBatch(r.width)
	return r, nil
}

// Columns implements Reader.
func (r *tensorReader) Columns() []anchorhold.Column {
	return append([]anchorhold.Column(nil), r.cols...)
}

// Width implements Reader.
func (r *tensorReader) Width() int { return r.width }

// Of implements Reader.
func (r *tensorReader) Of() int { return max(0, min(r.at, len(r.tensors)-1)) }

// Rows implements Reader.
func (r *tensorReader) Rows() int64 {
	switch {
	case !r.done:
		return 0
	case !r.items:
		return int64(len(r.tensors))
	case len(r.tensors[0].shape) == 0:
		return 1
	}
	return r.tensors[0].shape[0]
}

// Position implements Reader.
func (r *tensorReader) Position() int64 { return r.bytes }

// Close implements Reader.
func (r *tensorReader) Close() {
	if r.in != nil {
		_ = r.in.Close() // opened for reading only
		r.in = nil
	}
}

// Next implements Reader.
func (r *tensorReader) Next() ([][]Cell, error) {
	for r.left == 0 {
		if err := r.open(); err != nil {
			return nil, err
		}
	}
	t := r.tensors[r.at]
	axis := int64(1)
	if len(t.shape) > 1 {
		axis = t.shape[len(t.shape)-1]
	}
	n := 0
	for ; n < len(r.batch) && r.left > 0; n++ {
		if r.inAxis == 0 {
			r.inAxis = axis
		}
		take := min(r.inAxis, int64(t.width()))
		if err := r.row(t, r.batch[n], int(take)); err != nil {
			return nil, err
		}
		r.inAxis -= take
		r.left -= take
	}
	return r.batch[:n], nil
}

// open goes to the next tensor.
func (r *tensorReader) open() error {
	r.Close()
	if r.at++; r.at >= len(r.tensors) {
		r.at, r.done = len(r.tensors), true
		return io.EOF
	}
	t := r.tensors[r.at]
	in, err := t.data()
	if err != nil {
		return explain(r.name, err)
	}
	r.in, r.inAxis = in, 0
	r.left, _ = count(t.shape) // it was checked when the file was opened
	if r.buffer == nil {
		r.buffer = bufio.NewReaderSize(nil, CSVBuffer)
	}
	r.buffer.Reset(in)
	return nil
}

func (r *tensorReader) row(t tensor, row []Cell, n int) error {
	size := n * t.dtype.size
	if cap(r.scratch) < size {
		r.scratch = make([]byte, size)
	}
	b := r.scratch[:size]
	if _, err := io.ReadFull(r.buffer, b); err != nil {
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return damagedArray(r.name, err)
		}
		return explain(r.name, err)
	}
	r.bytes += int64(size)
	for i := range n {
		row[i] = t.dtype.read(b[i*t.dtype.size : (i+1)*t.dtype.size])
	}
	clear(row[n:])
	return nil
}

func damagedArray(name string, cause error) error {
	return invalid("write the file again", "%s is damaged or not a file of arrays that can be read", name).Because(cause)
}

// shapeOf reads the fact "shape" of a card, with its first axis of so many rows.
func shapeOf(c anchorhold.Column, rows int64) ([]int64, error) {
	f, ok := c.Fact(anchorhold.FactShape)
	axes, isList := f.Value.([]any)
	if !ok || !isList || len(axes) > maxAxes {
		return nil, invalid("state the lengths of its axes, such as [\"n\", 28, 28]", "the fact %q of %q is not a shape", anchorhold.FactShape, c.Name)
	}
	shape := make([]int64, len(axes))
	for i, a := range axes {
		switch v := a.(type) {
		case float64:
			shape[i] = int64(v)
		default:
			shape[i] = rows
		}
		if shape[i] < 0 {
			return nil, invalid("state lengths from 0 on", "the fact %q of %q is not a shape", anchorhold.FactShape, c.Name)
		}
	}
	return shape, nil
}

// mockTensor is an array that a card describes, with the numbers to fill it.
type mockTensor struct {
	tensor
	values int64
	draw   func() float64
}

// mockTensors plans a mock of arrays: so many rows as the card states, or fewer
// where all of them would be too large.
func mockTensors(card mock.Card, seed uint64) (out []mockTensor, rows int64, err error) {
	rows, err = mock.Rows(card)
	if err != nil {
		return nil, 0, err
	}
	for {
		out = nil
		total := int64(0)
		for i, c := range card.Columns {
			shape, err := shapeOf(c, rows)
			if err != nil {
				return nil, 0, err
			}
			n, ok := count(shape)
			if total += n; !ok || total > mockNumbers {
				break
			}
			t, err := mockTensorOf(c, shape, i, seed)
			if err != nil {
				return nil, 0, err
			}
			out = append(out, t)
		}
		if len(out) == len(card.Columns) {
			return out, rows, nil
		}
		if rows == 1 {
			return nil, 0, anchorhold.Errorf(anchorhold.TooLarge, "give a mock of your own", "a mock of these shapes holds more than %d numbers", mockNumbers)
		}
		rows /= 2
	}
}

func mockTensorOf(c anchorhold.Column, shape []int64, i int, seed uint64) (mockTensor, error) {
	storage := UsualStorage(c.Type)
	if f, ok := c.Fact(anchorhold.FactStorage); ok {
		storage, _ = f.Value.(string)
	}
	t, ok := dtypeNamed(storage)
	if !ok || t.kind != c.Type {
		return mockTensor{}, invalid("name a type of NumPy, such as float32", "the fact %q of %q is not a type of number for %s", anchorhold.FactStorage, c.Name, c.Type)
	}
	n, _ := count(shape)
	draw, err := mock.Numbers(c, n, seed, i)
	if err != nil {
		return mockTensor{}, err
	}
	return mockTensor{tensor: tensor{name: c.Name, dtype: t, shape: shape}, values: n, draw: draw}, nil
}

// write writes the numbers of a mock.
func (t mockTensor) write(ctx context.Context, w io.Writer) error {
	b := make([]byte, t.dtype.size)
	for i := range t.values {
		if i%4096 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		t.dtype.put(b, t.draw())
		if _, err := w.Write(b); err != nil {
			return fmt.Errorf("writing a mock: %w", err)
		}
	}
	return nil
}
