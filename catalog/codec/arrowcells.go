package codec

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"time"
	"unicode/utf8"

	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"

	"github.com/anchorhold/anchorhold"
)

// windowText is how much text of one column is held at once; a single longer
// text still is, up to MaxRowBytes.
const windowText = 4 << 20

// arrowColumn is one column of one batch: where its buffers lie, and how they
// are read.
type arrowColumn struct {
	field    arrowField
	validity io.ReaderAt // nil: no value is missing
	values   io.ReaderAt // numbers, truth values, or offsets, or views
	texts    []io.ReaderAt
	dict     []string
	scratch  []byte
	texted   int64 // bytes of texts that its rows showed
	starts   []int64
	rows     int64
	parts    []arrowColumn // of a nested one
}

// section is a buffer of a batch's body.
type section struct{ offset, length int64 }

// taking takes nodes and buffers of a batch in their order.
type taking struct {
	r       *arrowReader
	m       *arrowMessage
	unpack  func(section) (io.ReaderAt, error)
	nodes   [2]uint32 // where they begin, and how many there are; likewise
	buffers [2]uint32
	views   [2]uint32
	node    uint32 // the next one; likewise
	buffer  uint32
	view    uint32
	parts   []section
}

// readBatch finds the buffers of a batch.
func (r *arrowReader) readBatch(m *arrowMessage, table uint32, fields []arrowField) (arrowBatch, error) {
	fb := m.fb
	b := arrowBatch{rows: int64(fb.U64(fb.At(table, 0))), end: r.at}
	t := taking{r: r, m: m}
	t.nodes[0], t.nodes[1] = fb.Vector(fb.At(table, 1), 16)
	t.buffers[0], t.buffers[1] = fb.Vector(fb.At(table, 2), 16)
	t.views[0], t.views[1] = fb.Vector(fb.At(table, 4), 8)
	if fb.Bad || b.rows < 0 || b.rows > 8*(m.size+1)*1024 {
		return b, errArrow
	}
	var err error
	if t.unpack, err = r.unpacker(m, table); err != nil {
		return b, err
	}
	for _, f := range fields {
		c, err := t.column(f, b.rows)
		if err != nil {
			return b, err
		}
		b.columns = append(b.columns, c)
	}
	if fb.Bad || t.node != t.nodes[1] {
		return b, errArrow
	}
	if r.beside != nil {
		r.beside.batch(r.in, m, t.parts, int64(t.buffers[1]-t.buffer), int64(t.nodes[1]+t.buffers[1]+t.views[1]))
	}
	return b, nil
}

// column takes a column of so many rows, and its parts; rows below 0: as many as it
// has.
func (t *taking) column(f arrowField, rows int64) (arrowColumn, error) {
	fb := t.m.fb
	if t.node >= t.nodes[1] {
		return arrowColumn{}, errArrow
	}
	at := t.nodes[0] + 16*t.node
	t.node++
	c := arrowColumn{field: f, dict: t.r.dicts[f.id], rows: int64(fb.U64(at))}
	if rows >= 0 && c.rows != rows {
		return c, errors.New("a column is shorter than its batch")
	}
	if c.rows < 0 || c.rows > 8*(t.m.size+1)*1024 {
		return c, errArrow
	}
	extra := int64(0)
	if f.kind == arrowTextView && !f.dictionary {
		if t.view >= t.views[1] {
			return c, errArrow
		}
		extra = int64(fb.U64(t.views[0] + 8*t.view))
		t.view++
	}
	if err := c.take(t.next, extra, int64(fb.U64(at+8))); err != nil {
		return c, err
	}
	err := t.partsOf(&c)
	return c, err
}

// partsOf takes the parts of a nested column.
func (t *taking) partsOf(c *arrowColumn) error {
	f := c.field
	if f.dictionary {
		return nil
	}
	length := int64(-1)
	switch f.kind {
	case arrowStruct:
		length = c.rows
	case arrowFixedList:
		if length = c.rows * f.size; f.size < 0 || f.size > maxItems {
			return errArrow
		}
	}
	for _, part := range f.parts {
		p, err := t.column(part, length)
		if err != nil {
			return err
		}
		c.parts = append(c.parts, p)
	}
	return nil
}

// next takes a buffer.
func (t *taking) next() (io.ReaderAt, error) {
	if t.buffer >= t.buffers[1] {
		return nil, errArrow
	}
	at := t.buffers[0] + 16*t.buffer
	t.buffer++
	s := section{int64(t.m.fb.U64(at)), int64(t.m.fb.U64(at + 8))}
	t.parts = append(t.parts, s)
	return t.unpack(s)
}

// take takes the buffers of a column in their order.
func (c *arrowColumn) take(next func() (io.ReaderAt, error), extra, missing int64) (err error) {
	kind := c.field.kind
	if c.field.dictionary {
		kind = arrowInt
	}
	if kind == arrowNull {
		return nil // it has none
	}
	if c.validity, err = next(); err != nil {
		return err
	}
	if missing == 0 {
		c.validity = nil // the buffer may be left out
	}
	if kind == arrowStruct || kind == arrowFixedList {
		return nil
	}
	if c.values, err = next(); err != nil {
		return err
	}
	n := int64(0)
	switch kind {
	case arrowText, arrowLargeText:
		n = 1
	case arrowTextView:
		n = extra
	}
	if n < 0 || n > 1<<16 {
		return errArrow
	}
	for range n {
		t, err := next()
		if err != nil {
			return err
		}
		c.texts = append(c.texts, t)
	}
	return nil
}

// unpacker gives the content of a buffer: where it lies, or unpacked into memory
// where the batch is compressed.
func (r *arrowReader) unpacker(m *arrowMessage, table uint32) (func(section) (io.ReaderAt, error), error) {
	fb := m.fb
	compression := fb.Pointer(fb.At(table, 3))
	method := byte(0)
	if compression != 0 {
		method = fb.U8(fb.At(fb.Table(compression), 0))
	}
	if fb.Bad || method > 1 {
		return nil, errArrow
	}
	left := int64(maxArrowBody)
	return func(s section) (io.ReaderAt, error) {
		if s.offset < 0 || s.length < 0 || s.offset > m.size || s.length > m.size-s.offset {
			return nil, errArrow
		}
		raw := io.NewSectionReader(r.in.At, m.body+s.offset, s.length)
		if compression == 0 || s.length == 0 {
			return raw, nil
		}
		head := make([]byte, 8)
		if _, err := raw.ReadAt(head, 0); err != nil {
			return nil, errArrow
		}
		size := int64(binary.LittleEndian.Uint64(head))
		packed := io.NewSectionReader(raw, 8, s.length-8)
		if size == -1 {
			return packed, nil // not worth compressing
		}
		if left -= size; size < 0 || left < 0 {
			return nil, anchorhold.Errorf(anchorhold.TooLarge, "write smaller batches (in pyarrow: chunksize=65536), or without compression",
				"a compressed batch of %s holds more than %d MiB", r.in.Name, maxArrowBody>>20)
		}
		return decompress(method, packed, size)
	}, nil
}

// decompress unpacks exactly size bytes.
func decompress(method byte, packed io.Reader, size int64) (io.ReaderAt, error) {
	var plain io.Reader = lz4.NewReader(packed)
	if method == 1 {
		z, err := zstd.NewReader(packed, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxArrowBody), zstd.WithDecoderMaxMemory(2*maxArrowBody))
		if err != nil {
			return nil, err
		}
		defer z.Close()
		plain = z
	}
	var out bytes.Buffer
	if _, err := io.Copy(&out, io.LimitReader(plain, size+1)); err != nil {
		return nil, err
	}
	if int64(out.Len()) != size {
		return nil, errors.New("a buffer unpacks to another length than it says")
	}
	return bytes.NewReader(out.Bytes()), nil
}

// wordSize is the number of bytes of one value, 0 for truth values.
func (c *arrowColumn) wordSize() int {
	f := c.field
	if f.dictionary {
		f = *f.index
	}
	switch f.kind {
	case arrowInt, arrowFloat:
		return f.bits / 8
	case arrowText, arrowList, arrowMap:
		return 4
	case arrowLargeText, arrowTimestamp, arrowLargeList:
		return 8
	case arrowTextView:
		return 16
	case arrowDate:
		if f.millis {
			return 8
		}
		return 4
	}
	return 0
}

// readAt reads exactly n bytes of a buffer into memory that is used again.
func (c *arrowColumn) readAt(src io.ReaderAt, at int64, n int) ([]byte, error) {
	if cap(c.scratch) < n {
		c.scratch = make([]byte, n)
	}
	b := c.scratch[:n]
	if got, err := src.ReadAt(b, at); got < n {
		if err == nil || errors.Is(err, io.EOF) {
			err = errArrow
		}
		return nil, err
	}
	return b, nil
}

// fits says how many of the next n rows' texts may be held at once: at least
// one. It leaves their places in starts.
func (c *arrowColumn) fits(from int64, n int) (int, error) {
	if c.field.nested() && !c.field.dictionary {
		return c.itemsFit(from, n)
	}
	if c.field.dictionary || len(c.texts) == 0 && c.field.kind != arrowTextView {
		return n, nil
	}
	if c.field.kind == arrowTextView {
		return c.viewsFit(from, n)
	}
	size := c.wordSize()
	b, err := c.readAt(c.values, from*int64(size), (n+1)*size)
	if err != nil {
		return 0, err
	}
	c.starts = c.starts[:0]
	for i := range n + 1 {
		at := word(b[i*size:(i+1)*size], true)
		if at < 0 || i > 0 && at < c.starts[i-1] {
			return 0, errArrow
		}
		c.starts = append(c.starts, at)
	}
	for n > 1 && c.starts[n]-c.starts[0] > windowText {
		n /= 2
	}
	if c.starts[n]-c.starts[0] > MaxRowBytes {
		return 0, errLongText
	}
	return n, nil
}

// viewsFit is fits for texts of which each says its own length.
func (c *arrowColumn) viewsFit(from int64, n int) (int, error) {
	b, err := c.readAt(c.values, from*16, n*16)
	if err != nil {
		return 0, err
	}
	total := int64(0)
	for i := range n {
		if total += int64(binary.LittleEndian.Uint32(b[16*i:])); total > windowText && i > 0 {
			return i, nil
		}
	}
	return n, nil
}

var errLongText = anchorhold.Errorf(anchorhold.TooLarge, "shorten it, or offer such texts as files", "a text is longer than %d MiB", MaxRowBytes>>20)

// read writes the next rows of the column into position j of the cells.
func (c *arrowColumn) read(from int64, rows [][]Cell, j int) error {
	missing, err := c.missing(from, len(rows))
	if err != nil {
		return err
	}
	switch {
	case c.field.dictionary:
		err = c.readCodes(from, rows, j, missing)
	case c.field.kind == arrowNull:
		for _, row := range rows {
			row[j] = Cell{}
		}
	case c.field.kind == arrowBool:
		err = c.readBits(from, rows, j, missing)
	case c.field.kind == arrowText, c.field.kind == arrowLargeText:
		err = c.readTexts(rows, j, missing)
	case c.field.kind == arrowTextView:
		err = c.readViews(from, rows, j, missing)
	default:
		err = c.readWords(from, rows, j, missing)
	}
	return err
}

// missing says of each row whether its value is missing.
func (c *arrowColumn) missing(from int64, n int) (func(i int) bool, error) {
	if c.validity == nil {
		return func(int) bool { return false }, nil
	}
	first := from / 8
	b, err := c.readAt(c.validity, first, int((from+int64(n)+7)/8-first))
	if err != nil {
		return nil, err
	}
	bits := append([]byte(nil), b...)
	return func(i int) bool {
		at := from + int64(i) - 8*first
		return bits[at/8]>>(at%8)&1 == 0
	}, nil
}

func (c *arrowColumn) readBits(from int64, rows [][]Cell, j int, missing func(int) bool) error {
	first := from / 8
	b, err := c.readAt(c.values, first, int((from+int64(len(rows))+7)/8-first))
	if err != nil {
		return err
	}
	for i, row := range rows {
		at := from + int64(i) - 8*first
		if row[j] = (Cell{Kind: CellBool, Int: int64(b[at/8] >> (at % 8) & 1)}); missing(i) {
			row[j] = Cell{}
		}
	}
	return nil
}

func (c *arrowColumn) readWords(from int64, rows [][]Cell, j int, missing func(int) bool) error {
	size := c.wordSize()
	b, err := c.readAt(c.values, from*int64(size), len(rows)*size)
	if err != nil {
		return err
	}
	for i, row := range rows {
		if missing(i) {
			row[j] = Cell{}
			continue
		}
		row[j] = c.field.cell(b[i*size : (i+1)*size])
	}
	return nil
}

// word reads a little-endian integer of 1, 2, 4 or 8 bytes.
func word(b []byte, signed bool) int64 {
	switch len(b) {
	case 1:
		if signed {
			return int64(int8(b[0]))
		}
		return int64(b[0])
	case 2:
		v := binary.LittleEndian.Uint16(b)
		if signed {
			return int64(int16(v))
		}
		return int64(v)
	case 4:
		v := binary.LittleEndian.Uint32(b)
		if signed {
			return int64(int32(v))
		}
		return int64(v)
	}
	return int64(binary.LittleEndian.Uint64(b))
}

// cell reads one value of fixed size.
func (f arrowField) cell(b []byte) Cell {
	switch f.kind {
	case arrowInt:
		return intCell(word(b, f.signed), f.signed)
	case arrowFloat:
		if f.bits == 32 {
			return floatCell(shortest(math.Float32frombits(binary.LittleEndian.Uint32(b))))
		}
		return floatCell(math.Float64frombits(binary.LittleEndian.Uint64(b)))
	case arrowDate:
		days := word(b, true)
		if f.millis {
			days = int64(math.Floor(float64(days) / 86_400_000))
		}
		return Cell{Kind: CellDate, Int: days}
	}
	return timestampCell(Cell{}, stamp(word(b, true), int(f.unit)))
}

// stamp is a number of seconds, or of their 1000th, 10^6th or 10^9th parts.
func stamp(v int64, unit int) time.Time {
	switch unit {
	case 0:
		return time.Unix(v, 0)
	case 1:
		return time.UnixMilli(v)
	case 2:
		return time.UnixMicro(v)
	}
	return time.Unix(0, v)
}

// intCell is a whole number; one beyond the signed ones is its nearest float.
func intCell(v int64, signed bool) Cell {
	if !signed && v < 0 {
		return Cell{Kind: CellFloat, Float: float64(uint64(v))}
	}
	return Cell{Kind: CellInt, Int: v}
}

// floatCell is a number; what is none is a missing value, as pandas has it.
func floatCell(v float64) Cell {
	if math.IsNaN(v) {
		return Cell{}
	}
	return Cell{Kind: CellFloat, Float: v}
}

func (c *arrowColumn) readCodes(from int64, rows [][]Cell, j int, missing func(int) bool) error {
	size := c.wordSize()
	b, err := c.readAt(c.values, from*int64(size), len(rows)*size)
	if err != nil {
		return err
	}
	for i, row := range rows {
		if missing(i) {
			row[j] = Cell{}
			continue
		}
		code := word(b[i*size:(i+1)*size], c.field.index.signed)
		if code < 0 || code >= int64(len(c.dict)) {
			return errors.New("a value stands for a word that its dictionary does not have")
		}
		row[j] = Cell{Kind: CellText, Text: c.dict[code]}
	}
	return nil
}

func (c *arrowColumn) readTexts(rows [][]Cell, j int, missing func(int) bool) error {
	first := c.starts[0]
	size := int(c.starts[len(rows)] - first)
	text := make([]byte, size)
	if n, err := c.texts[0].ReadAt(text, first); n < size {
		return errors.Join(errArrow, err)
	}
	if !utf8.Valid(text) {
		return errors.New("a text is not UTF-8")
	}
	all := string(text)
	for i, row := range rows {
		if row[j] = (Cell{Kind: CellText, Text: all[c.starts[i]-first : c.starts[i+1]-first]}); missing(i) {
			row[j] = Cell{}
		}
	}
	return nil
}

// readViews reads texts of up to twelve bytes where they stand, and longer ones
// from where they point.
func (c *arrowColumn) readViews(from int64, rows [][]Cell, j int, missing func(int) bool) error {
	b, err := c.readAt(c.values, from*16, len(rows)*16)
	if err != nil {
		return err
	}
	for i, row := range rows {
		if missing(i) {
			row[j] = Cell{}
			continue
		}
		text, err := c.viewed(b[16*i : 16*i+16])
		if err != nil {
			return err
		}
		if !utf8.ValidString(text) {
			return errors.New("a text is not UTF-8")
		}
		row[j] = Cell{Kind: CellText, Text: text}
	}
	return nil
}

func (c *arrowColumn) viewed(view []byte) (string, error) {
	n := int64(int32(binary.LittleEndian.Uint32(view)))
	if n >= 0 && n <= 12 {
		return string(view[4 : 4+n]), nil
	}
	if n < 0 {
		return "", errArrow
	}
	if n > windowText {
		return "", errLongText
	}
	buffer, at := binary.LittleEndian.Uint32(view[8:]), int64(int32(binary.LittleEndian.Uint32(view[12:])))
	if int64(buffer) >= int64(len(c.texts)) || at < 0 {
		return "", errArrow
	}
	text := make([]byte, n)
	if got, err := c.texts[buffer].ReadAt(text, at); int64(got) < n {
		return "", errors.Join(errArrow, err)
	}
	return string(text), nil
}
