package codec

import (
	"errors"
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/catalog/mock"
)

// Members of Arrow's union Type (Schema.fbs) that can be offered.
const (
	arrowNull      = 1
	arrowInt       = 2
	arrowFloat     = 3
	arrowText      = 5
	arrowBool      = 6
	arrowDate      = 8
	arrowTimestamp = 10
	arrowList      = 12
	arrowStruct    = 13
	arrowFixedList = 16
	arrowMap       = 17
	arrowLargeText = 20
	arrowLargeList = 21
	arrowTextView  = 24
)

// otherArrow names types that cannot be offered, as Arrow calls them.
var otherArrow = map[uint8]string{
	4: "binary", 7: "decimal", 9: "time", 11: "interval", 14: "union", 15: "fixed_size_binary",
	18: "duration", 19: "large_binary", 22: "run_end_encoded", 23: "binary_view",
}

// arrowField is what a schema says of a column.
type arrowField struct {
	name       string
	kind       uint8
	bits       int // of an integer or floating-point number
	signed     bool
	unit       arrow.TimeUnit
	zone       string
	millis     bool // a date in milliseconds
	dictionary bool
	id         int64 // of the dictionary
	index      *arrowField
	nullable   bool
	size       int64 // of each list, where all have the same
	parts      []arrowField
}

// nested says whether its values have parts.
func (f arrowField) nested() bool { return f.kindOnCard().Nested() }

func readArrowFields(name string, m *arrowMessage) ([]arrowField, error) {
	fb := m.fb
	if fb.U16(fb.At(m.table, 0)) != 0 && fb.At(m.table, 0) != 0 {
		return nil, notArrow(name, errors.New("it is written in big-endian order"))
	}
	tables := fb.Tables(fb.At(m.table, 1))
	if fb.Bad {
		return nil, notArrow(name, errArrow)
	}
	if len(tables) > MaxColumns {
		return nil, anchorhold.Errorf(anchorhold.TooLarge, "leave columns out, or turn columns into rows", "%s has %d columns; the limit is %d", name, len(tables), MaxColumns)
	}
	fields := make([]arrowField, len(tables))
	for i, at := range tables {
		fields[i] = m.field(fb.Table(at), 0)
	}
	if fb.Bad {
		return nil, notArrow(name, errArrow)
	}
	return fields, nil
}

func (m *arrowMessage) field(at uint32, depth int) arrowField {
	fb := m.fb
	f := arrowField{name: fb.Text(fb.At(at, 0), 4*MaxNameBytes), kind: fb.U8(fb.At(at, 2)), nullable: fb.U8(fb.At(at, 1)) != 0}
	if depth <= 2*maxNesting {
		for _, part := range fb.Tables(fb.At(at, 5)) {
			if f.parts = append(f.parts, m.field(fb.Table(part), depth+1)); fb.Bad || len(f.parts) > MaxColumns {
				fb.Bad = true
				break
			}
		}
	}
	if f.kind == arrowMap && len(f.parts) == 1 && len(f.parts[0].parts) == 2 {
		f.parts[0].parts[0].name, f.parts[0].parts[1].name = keyName, valueName
	}
	m.readType(&f, fb.Pointer(fb.At(at, 3)))
	if d := fb.Pointer(fb.At(at, 4)); d != 0 {
		d = fb.Table(d)
		f.dictionary, f.id = true, int64(fb.U64(fb.At(d, 0)))
		f.index = &arrowField{kind: arrowInt, bits: 32, signed: true}
		if t := fb.Pointer(fb.At(d, 1)); t != 0 {
			m.readType(f.index, t)
		}
	}
	return f
}

// readType reads what the kind of a field leaves open.
func (m *arrowMessage) readType(f *arrowField, at uint32) {
	fb := m.fb
	u16 := func(i uint32, absent int16) int16 {
		if p := fb.At(at, i); p != 0 {
			return int16(fb.U16(p))
		}
		return absent
	}
	switch f.kind {
	case arrowInt:
		at = fb.Table(at)
		if p := fb.At(at, 0); p != 0 {
			f.bits = int(fb.U32(p))
		}
		f.signed = fb.U8(fb.At(at, 1)) != 0
	case arrowFloat:
		at = fb.Table(at)
		f.bits = map[int16]int{1: 32, 2: 64}[u16(0, 0)]
	case arrowDate:
		at = fb.Table(at)
		f.millis = u16(0, 1) == 1
	case arrowTimestamp:
		at = fb.Table(at)
		unit := u16(0, 0)
		f.unit = arrow.TimeUnit(unit)
		if unit < 0 || unit > 3 {
			fb.Bad = true
		}
		f.zone = fb.Text(fb.At(at, 1), maxZone)
	case arrowFixedList:
		at = fb.Table(at)
		if p := fb.At(at, 0); p != 0 {
			f.size = int64(fb.U32(p))
		}
	}
}

// dataType is the Arrow type of what a field holds; nil where it cannot be
// offered.
func (f arrowField) dataType() arrow.DataType {
	switch f.kind {
	case arrowNull:
		return arrow.Null
	case arrowInt:
		return f.intType()
	case arrowFloat:
		switch f.bits {
		case 32:
			return arrow.PrimitiveTypes.Float32
		case 64:
			return arrow.PrimitiveTypes.Float64
		}
	case arrowText, arrowTextView:
		return arrow.BinaryTypes.String
	case arrowLargeText:
		return arrow.BinaryTypes.LargeString
	case arrowBool:
		return arrow.FixedWidthTypes.Boolean
	case arrowDate:
		if f.millis {
			return arrow.PrimitiveTypes.Date64
		}
		return arrow.PrimitiveTypes.Date32
	case arrowTimestamp:
		return &arrow.TimestampType{Unit: f.unit, TimeZone: f.zone}
	}
	return nil
}

func (f arrowField) intType() arrow.DataType {
	p := arrow.PrimitiveTypes
	types := map[int][2]arrow.DataType{8: {p.Uint8, p.Int8}, 16: {p.Uint16, p.Int16}, 32: {p.Uint32, p.Int32}, 64: {p.Uint64, p.Int64}}
	pair, ok := types[f.bits]
	if !ok {
		return nil
	}
	if f.signed {
		return pair[1]
	}
	return pair[0]
}

// columnType is what a field is on the card, with its exact storage where that
// is not the usual one.
func (f arrowField) columnType() (kind anchorhold.ColumnType, storage, other string) {
	t := f.dataType()
	if t == nil {
		name := otherArrow[f.kind]
		if name == "" {
			name = fmt.Sprintf("number %d of Arrow", f.kind)
		}
		if f.kind == arrowFloat {
			name = "float16"
		}
		return "", "", name
	}
	kind = f.kindOnCard()
	switch {
	case !f.dictionary:
		return kind, t.String(), ""
	case kind != anchorhold.TypeString || f.index.intType() == nil:
		return "", "", "dictionary of " + t.String()
	}
	return kind, mock.Dictionary, ""
}

func (f arrowField) kindOnCard() anchorhold.ColumnType {
	switch f.kind {
	case arrowText, arrowLargeText, arrowTextView:
		return anchorhold.TypeString
	case arrowInt:
		return anchorhold.TypeInt
	case arrowBool:
		return anchorhold.TypeBool
	case arrowDate:
		return anchorhold.TypeDate
	case arrowTimestamp:
		return anchorhold.TypeTimestamp
	case arrowList, arrowLargeList, arrowFixedList:
		return anchorhold.TypeList
	case arrowStruct:
		return anchorhold.TypeStruct
	case arrowMap:
		return anchorhold.TypeMap
	}
	return anchorhold.TypeFloat // floating-point numbers, and nothing at all
}

func arrowColumns(name string, fields []arrowField, o Options) ([]anchorhold.Column, error) {
	names := make([]string, len(fields))
	for i, f := range fields {
		names[i] = f.name
	}
	if err := checkColumnNames(name, names); err != nil {
		return nil, err
	}
	overrides, err := byName(name, names, o.Columns)
	if err != nil {
		return nil, err
	}
	var cols []anchorhold.Column
	for _, f := range fields {
		if pandasIndexName.MatchString(f.name) {
			return nil, invalid("write it with df.reset_index().to_feather(FILE)", "%s stores an index of pandas beside its columns", name)
		}
		found, other := f.column(0)
		if other != "" {
			return nil, invalid("write it as numbers, texts, dates or timestamps, or as lists, structs and maps of these", "column %q of %s has the type %s, which cannot be offered", f.name, name, other)
		}
		c := overrides[f.name]
		if c.Type != "" && c.Type != found.Type {
			return nil, invalid("leave its type out, or write the file with another one",
				"column %q of %s is stored as %s and cannot be offered as %s", f.name, name, found.Type, c.Type)
		}
		c.Name, c.Type, c.Required, c.Fields = f.name, found.Type, found.Required, found.Fields
		c.Facts = append(withoutStorage(c.Facts), found.Facts...)
		if err := checkFields(name, c.Name, c.Fields, 1); c.Type.Nested() && err != nil {
			return nil, err
		}
		cols = append(cols, c)
	}
	return cols, nil
}

// column describes a field with its parts, or names the type that cannot be
// offered.
func (f arrowField) column(depth int) (c anchorhold.Column, other string) {
	c = anchorhold.Column{Name: f.name, Required: !f.nullable}
	if !f.nested() || f.dictionary {
		kind, storage, other := f.columnType()
		c.Type = kind
		return withStorage(c, storage), other
	}
	c.Type = f.kindOnCard()
	parts, names := f.parts, []string{itemName}
	switch {
	case c.Type == anchorhold.TypeStruct && len(parts) > 0 && depth <= maxNesting:
		names = nil
	case len(parts) != 1 || depth > maxNesting:
		return c, string(c.Type) + " without parts, or within too many others"
	case c.Type == anchorhold.TypeMap:
		if parts, names = parts[0].parts, []string{keyName, valueName}; len(parts) != 2 {
			return c, "map of other parts"
		}
	}
	for i, p := range parts {
		part, other := p.column(depth + 1)
		if other != "" {
			return c, other
		}
		if names != nil {
			part.Name = names[i]
		}
		c.Fields = append(c.Fields, part)
	}
	return c, ""
}

// withStorage notes the exact type of a column where its column type does not
// say it. A fact that came with the owner's overrides, perhaps from an earlier
// version, is dropped: the file itself says how it is stored.
func withStorage(c anchorhold.Column, storage string) anchorhold.Column {
	c.Facts = withoutStorage(c.Facts)
	if storage != UsualStorage(c.Type) {
		c.Facts = append(c.Facts, anchorhold.Fact{Name: anchorhold.FactStorage, Value: storage, Provenance: anchorhold.Stated})
	}
	return c
}

// ipcWriter is what writes batches as a file or as a stream.
type ipcWriter interface {
	Write(batch arrow.RecordBatch) error
	Close() error
}

type ipcSchema struct{ schema *arrow.Schema }

// plainSchema leaves out what Parquet adds to a schema.
func plainSchema(s *arrow.Schema) *arrow.Schema {
	fields := make([]arrow.Field, s.NumFields())
	for i, f := range s.Fields() {
		fields[i] = arrow.Field{Name: f.Name, Type: f.Type, Nullable: f.Nullable}
	}
	return arrow.NewSchema(fields, nil)
}

func withSchema(b arrow.RecordBatch, s *arrow.Schema) arrow.RecordBatch {
	return array.NewRecordBatch(s, b.Columns(), b.NumRows())
}
