package output

import (
	"encoding/base64"
	"encoding/binary"
)

// A Parquet file written by Arrow repeats its schema under the key ARROW:schema,
// as a flatbuffer. Only that says which columns are categories, durations or have
// a named time zone. We read these few facts ourselves, with every offset checked
// and nothing followed deeper than a list's element, instead of giving a hostile
// flatbuffer to the library: its reader allocates what a vector claims and follows
// children without end, and what overflows a stack cannot be recovered from.
//
// Formats: https://github.com/apache/arrow/blob/main/format/Schema.fbs and
// https://flatbuffers.dev/internals/

// arrowKind is the part of Arrow's union Type that matters here.
type arrowKind uint8

// Members of the union Type.
const (
	arrowTimestamp  arrowKind = 10
	arrowList       arrowKind = 12
	arrowDuration   arrowKind = 18
	arrowLargeUTF8  arrowKind = 20
	arrowLargeList  arrowKind = 21
	maxArrowSchema            = 4 << 20
	maxZone                   = 64
	messageIsSchema           = 1
)

// arrowField is what ARROW:schema says of a column.
type arrowField struct {
	kind       arrowKind
	unit       int16  // of a timestamp or duration: 0 s, 1 ms, 2 µs, 3 ns
	zone       string // of a timestamp
	dictionary bool
	ordered    bool
	element    *arrowField // of a list
}

// readArrowSchema gives a fact sheet for each column; ok is false where the
// text is not a schema.
func readArrowSchema(text string) (fields []arrowField, ok bool) {
	if base64.StdEncoding.DecodedLen(len(text)) > maxArrowSchema {
		return nil, false
	}
	b, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(b) < 8 {
		return nil, false
	}
	if binary.LittleEndian.Uint32(b) == 0xffffffff { // continuation, since Arrow 0.15
		b = b[4:]
	}
	f := flatbuffer{b: b[4:]}
	message := f.table(f.u32(0))
	if f.u8(f.at(message, 1)) != messageIsSchema {
		return nil, false
	}
	schema := f.table(f.pointer(f.at(message, 2)))
	for _, at := range f.vector(f.at(schema, 1)) {
		fields = append(fields, f.field(at, true))
	}
	return fields, !f.bad
}

// flatbuffer reads at positions; bad is set when one lies outside.
type flatbuffer struct {
	b   []byte
	bad bool
}

// need says whether n bytes lie at a position. Position 0 holds the root offset
// and can be nothing else: it stands for an absent field.
func (f *flatbuffer) need(at uint32, n uint32) bool {
	if uint64(at)+uint64(n) > uint64(len(f.b)) {
		f.bad = true
	}
	return !f.bad
}

func (f *flatbuffer) u32(at uint32) uint32 {
	if !f.need(at, 4) {
		return 0
	}
	return binary.LittleEndian.Uint32(f.b[at:])
}

func (f *flatbuffer) u16(at uint32) uint16 {
	if !f.need(at, 2) {
		return 0
	}
	return binary.LittleEndian.Uint16(f.b[at:])
}

// u8 reads a byte; an absent one is 0.
func (f *flatbuffer) u8(at uint32) uint8 {
	if at == 0 || !f.need(at, 1) {
		return 0
	}
	return f.b[at]
}

// table is a table's position, checked to have a readable vtable.
func (f *flatbuffer) table(at uint32) uint32 {
	if at == 0 {
		f.bad = true
	}
	f.u32(at)
	return at
}

// at gives the position of a table's i-th field, 0 where it is absent.
func (f *flatbuffer) at(table uint32, i uint32) uint32 {
	back := int64(int32(f.u32(table)))
	vtable := int64(table) - back
	if f.bad || vtable < 0 || vtable+4 > int64(len(f.b)) {
		f.bad = true
		return 0
	}
	size := uint32(f.u16(uint32(vtable)))
	if 4+2*i+2 > size {
		return 0
	}
	offset := f.u16(uint32(vtable) + 4 + 2*i)
	if offset == 0 {
		return 0
	}
	return table + uint32(offset)
}

// pointer follows an offset.
func (f *flatbuffer) pointer(at uint32) uint32 {
	if at == 0 {
		return 0
	}
	to := uint64(at) + uint64(f.u32(at))
	if to > uint64(len(f.b)) {
		f.bad = true
		return 0
	}
	return uint32(to)
}

// vector gives the positions of the tables in a vector, which may be absent.
func (f *flatbuffer) vector(at uint32) []uint32 {
	at = f.pointer(at)
	if at == 0 {
		return nil
	}
	n := f.u32(at)
	if f.bad || uint64(n)*4 > uint64(len(f.b)) || !f.need(at+4, 4*n) {
		f.bad = true
		return nil
	}
	tables := make([]uint32, n)
	for i := range tables {
		tables[i] = f.pointer(at + 4 + 4*uint32(i))
	}
	return tables
}

// text gives a short string.
func (f *flatbuffer) text(at uint32) string {
	at = f.pointer(at)
	if at == 0 {
		return ""
	}
	n := f.u32(at)
	if f.bad || n > maxZone || !f.need(at+4, n) {
		f.bad = true
		return ""
	}
	return string(f.b[at+4 : at+4+n])
}

// field reads what matters of a Field.
func (f *flatbuffer) field(at uint32, outer bool) arrowField {
	at = f.table(at)
	a := arrowField{kind: arrowKind(f.u8(f.at(at, 2)))}
	kind := f.pointer(f.at(at, 3))
	switch a.kind {
	case arrowTimestamp:
		kind = f.table(kind)
		if u := f.at(kind, 0); u != 0 {
			a.unit = int16(f.u16(u))
		}
		a.zone = f.text(f.at(kind, 1))
	case arrowDuration:
		a.unit = 1 // the schema's default
		if u := f.at(f.table(kind), 0); u != 0 {
			a.unit = int16(f.u16(u))
		}
	case arrowList, arrowLargeList:
		if children := f.vector(f.at(at, 5)); outer && len(children) == 1 {
			element := f.field(children[0], false)
			a.element = &element
		}
	}
	if d := f.pointer(f.at(at, 4)); d != 0 {
		a.dictionary = true
		a.ordered = f.u8(f.at(f.table(d), 2)) != 0
	}
	return a
}
