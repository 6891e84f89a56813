package output

import (
	"encoding/base64"
	"encoding/binary"

	"github.com/anchorhold/anchorhold/internal/flatbuffer"
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
	f := &flatbuffer.Reader{B: b[4:]}
	message := f.Root()
	if f.U8(f.At(message, 1)) != messageIsSchema {
		return nil, false
	}
	schema := f.Table(f.Pointer(f.At(message, 2)))
	for _, at := range f.Tables(f.At(schema, 1)) {
		fields = append(fields, readField(f, at, true))
	}
	return fields, !f.Bad
}

// readField reads what matters of a Field.
func readField(f *flatbuffer.Reader, at uint32, outer bool) arrowField {
	at = f.Table(at)
	a := arrowField{kind: arrowKind(f.U8(f.At(at, 2)))}
	kind := f.Pointer(f.At(at, 3))
	switch a.kind {
	case arrowTimestamp:
		kind = f.Table(kind)
		if u := f.At(kind, 0); u != 0 {
			a.unit = int16(f.U16(u))
		}
		a.zone = f.Text(f.At(kind, 1), maxZone)
	case arrowDuration:
		a.unit = 1 // the schema's default
		if u := f.At(f.Table(kind), 0); u != 0 {
			a.unit = int16(f.U16(u))
		}
	case arrowList, arrowLargeList:
		if children := f.Tables(f.At(at, 5)); outer && len(children) == 1 {
			element := readField(f, children[0], false)
			a.element = &element
		}
	}
	if d := f.Pointer(f.At(at, 4)); d != 0 {
		a.dictionary = true
		a.ordered = f.U8(f.At(f.Table(d), 2)) != 0
	}
	return a
}
