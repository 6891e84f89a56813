package codec

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"slices"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/internal/flatbuffer"
)

// arrowBeside looks for what an Arrow file or stream carries beside its rows:
// notes, words of a dictionary that no row uses, values under rows whose value is
// missing, and whatever buffers hold before, between and behind what rows need.
type arrowBeside struct {
	finding
	columns fileNames
	used    map[int64][]bool // of each dictionary, by its words
}

func newArrowBeside(in Input, m *arrowMessage, columns []anchorhold.Column) *arrowBeside {
	b := &arrowBeside{used: map[int64][]bool{}, columns: newFileNames(columns)}
	if !m.plain() || !m.plainArrowSchema(m.table, b.columns) || m.size != 0 {
		b.found(BesideNotes)
	}
	if m.start >= 8 && !zeroed(in.At, int64(len(arrowMagic)), m.start-int64(len(arrowMagic))) {
		b.found(BesideBytes)
	}
	return b
}

// plain says whether a message has no notes of its own.
func (m *arrowMessage) plain() bool { return m.fb.At(m.fb.Root(), 4) == 0 && !m.fb.Bad }

// batch looks at a batch's message and at what lies between its buffers.
func (b *arrowBeside) batch(in Input, m *arrowMessage, parts []section, left, counted int64) {
	if !m.plain() {
		b.found(BesideNotes)
	}
	if int64(len(m.fb.B)) > 512+16*counted {
		b.found(BesideBytes)
	}
	slices.SortFunc(parts, func(a, b section) int { return cmp.Compare(a.offset, b.offset) })
	at := int64(0)
	for _, s := range append(parts, section{offset: (m.size + 7) &^ 7}) {
		if left > 0 || s.offset > at && !zeroed(in.At, m.body+at, s.offset-at) {
			b.found(BesideBytes)
		}
		at = max(at, s.offset+s.length)
	}
}

// dictionary begins to watch which words are used, of one that goes on or that
// takes the place of another.
func (b *arrowBeside) dictionary(id int64, delta bool, words int) {
	if !delta {
		b.unused(id)
		b.used[id] = nil
	}
	b.used[id] = append(b.used[id], make([]bool, words-len(b.used[id]))...)
}

func (b *arrowBeside) unused(id int64) {
	if slices.Contains(b.used[id], false) {
		b.found(BesideValues)
	}
}

// column looks at n rows of a column that were just read, of so many in its batch.
func (b *arrowBeside) column(c *arrowColumn, from int64, n int, rows int64) error {
	missing, err := c.missing(from, n)
	if err != nil {
		return err
	}
	var need int64
	switch {
	case c.field.kind == arrowNull && !c.field.dictionary:
		return nil
	case c.field.kind == arrowBool && !c.field.dictionary:
		need = (rows + 7) / 8
		err = b.bits(c, from, n, missing)
	case (c.field.kind == arrowText || c.field.kind == arrowLargeText) && !c.field.dictionary:
		need = (rows + 1) * int64(c.wordSize())
		b.texts(c, from, n, missing)
	default:
		size := c.wordSize()
		need = rows * int64(size)
		var raw []byte
		if raw, err = c.readAt(c.values, from*int64(size), n*size); err == nil {
			for i := range n {
				b.word(c, raw[i*size:(i+1)*size], missing(i))
			}
		}
	}
	if err == nil && from+int64(n) == rows {
		b.behind(c.values, need)
		b.behind(c.validity, (rows+7)/8)
		for _, t := range c.texts {
			b.behind(t, c.texted)
		}
	}
	return err
}

// behind looks at what a buffer has more than is needed. Of texts in several
// buffers their sum is, which no one can have more of than all.
func (b *arrowBeside) behind(buffer io.ReaderAt, need int64) {
	sized, ok := buffer.(interface{ Size() int64 })
	if ok && sized.Size() > need && !zeroed(buffer, need, sized.Size()-need) {
		b.found(BesideValues)
	}
}

func (b *arrowBeside) bits(c *arrowColumn, from int64, n int, missing func(int) bool) error {
	first := from / 8
	raw, err := c.readAt(c.values, first, int((from+int64(n)+7)/8-first))
	if err != nil {
		return err
	}
	for i := range n {
		at := from + int64(i) - 8*first
		if missing(i) && raw[at/8]>>(at%8)&1 == 1 {
			b.found(BesideValues)
		}
	}
	return nil
}

func (b *arrowBeside) texts(c *arrowColumn, from int64, n int, missing func(int) bool) {
	if from == 0 && c.starts[0] != 0 {
		b.found(BesideValues)
	}
	for i := range n {
		if missing(i) && c.starts[i+1] != c.starts[i] {
			b.found(BesideValues)
		}
	}
	c.texted = c.starts[n]
}

// word looks at a number, a code or a view of a text.
func (b *arrowBeside) word(c *arrowColumn, raw []byte, missing bool) {
	switch {
	case missing:
		if !neutral(raw) {
			b.found(BesideValues)
		}
	case c.field.dictionary:
		if code := word(raw, c.field.index.signed); code >= 0 && code < int64(len(b.used[c.field.id])) {
			b.used[c.field.id][code] = true
		}
	case c.field.kind == arrowTextView:
		n := int64(binary.LittleEndian.Uint32(raw))
		if n > 12 {
			c.texted += n
		} else if !zero(raw[4+n:]) {
			b.found(BesideValues)
		}
	}
}

// neutral says whether a word stands for no value by itself too: nothing, one, no
// number, no time, no code.
func neutral(raw []byte) bool {
	if len(raw) == 16 {
		return zero(raw)
	}
	v := word(raw, true)
	same := []int64{0, 1, -1}
	switch len(raw) {
	case 8:
		same = append(same, math.MinInt64, 0x7ff8<<48, -8<<48)
	case 4:
		same = append(same, math.MinInt32, 0x7fc00000, -0x400000)
	}
	return slices.Contains(same, v)
}

// end looks at what lies behind the last batch.
func (b *arrowBeside) end(in Input, at int64) error {
	for id := range b.used {
		b.unused(id)
	}
	if at < in.Size {
		at += 8 // the mark of the end
	}
	tail := make([]byte, 10)
	if n, err := in.At.ReadAt(tail, in.Size-10); n < 10 || !bytes.HasSuffix(tail, []byte(arrowMagic)) {
		if err != nil && !errors.Is(err, io.EOF) {
			return Unreadable(in.Name, err)
		}
		if at < in.Size {
			b.found(BesideBytes)
		}
		return nil
	}
	size := int64(binary.LittleEndian.Uint32(tail))
	return b.footer(in, at, size)
}

// footer looks at the index behind a file's batches, and at what lies before it.
func (b *arrowBeside) footer(in Input, at, size int64) error {
	if size > maxArrowMetadata || at > in.Size-10-size || !zeroed(in.At, at, in.Size-10-size-at) {
		b.found(BesideBytes)
		return nil
	}
	footer := make([]byte, size)
	if _, err := in.At.ReadAt(footer, in.Size-10-size); err != nil && !errors.Is(err, io.EOF) {
		return Unreadable(in.Name, err)
	}
	m := &arrowMessage{fb: &flatbuffer.Reader{B: footer}}
	root := m.fb.Root()
	for _, list := range []uint32{2, 3} {
		_, n := m.fb.Vector(m.fb.At(root, list), 24)
		m.extra += 24 * int(n)
	}
	if !m.plain() || !m.plainArrowSchema(m.fb.Table(m.fb.Pointer(m.fb.At(root, 1))), b.columns) {
		b.found(BesideNotes)
	}
	return nil
}
