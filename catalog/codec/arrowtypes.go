package codec

import (
	"errors"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/parquet/file"

	"github.com/anchorhold/anchorhold"
)

// arrowType is how values of an Arrow type are read: one by one, or with their
// parts.
type arrowType struct {
	kind   anchorhold.ColumnType
	read   cellReader // nil of a nested type
	parts  []arrowType
	fields []anchorhold.Column
	names  []string // of the parts of a struct
}

// arrowTypeOf maps an Arrow type; where it cannot be offered, odd is the one that
// cannot and remedy says what to write instead.
func arrowTypeOf(t arrow.DataType, depth int) (out arrowType, odd arrow.DataType, remedy string) {
	switch t := t.(type) {
	case *arrow.Int8Type, *arrow.Int16Type, *arrow.Int32Type, *arrow.Int64Type,
		*arrow.Uint8Type, *arrow.Uint16Type, *arrow.Uint32Type, *arrow.Uint64Type:
		return arrowType{kind: anchorhold.TypeInt, read: readInt}, nil, ""
	case *arrow.Float32Type, *arrow.Float64Type:
		return arrowType{kind: anchorhold.TypeFloat, read: readFloat}, nil, ""
	case *arrow.BooleanType:
		return arrowType{kind: anchorhold.TypeBool, read: readBool}, nil, ""
	case *arrow.StringType:
		return arrowType{kind: anchorhold.TypeString, read: readText}, nil, ""
	case *arrow.Date32Type:
		return arrowType{kind: anchorhold.TypeDate, read: readDate}, nil, ""
	case *arrow.TimestampType:
		return arrowType{kind: anchorhold.TypeTimestamp, read: readTimestamp(t.Unit)}, nil, ""
	case *arrow.NullType:
		return arrowType{kind: anchorhold.TypeFloat, read: readNull}, nil, ""
	}
	if depth > maxNesting {
		return out, t, "write it flatter"
	}
	switch t := t.(type) {
	case *arrow.MapType:
		key, item := t.KeyField(), t.ItemField()
		key.Name, item.Name = keyName, valueName
		return arrowType{kind: anchorhold.TypeMap}.with(depth, key, item)
	case *arrow.ListType:
		item := t.ElemField()
		item.Name = itemName
		return arrowType{kind: anchorhold.TypeList}.with(depth, item)
	case *arrow.StructType:
		return arrowType{kind: anchorhold.TypeStruct}.with(depth, t.Fields()...)
	}
	return out, t, otherTypeRemedy(t)
}

// with adds the parts of a nested type.
func (n arrowType) with(depth int, fields ...arrow.Field) (out arrowType, odd arrow.DataType, remedy string) {
	for _, f := range fields {
		part, odd, remedy := arrowTypeOf(f.Type, depth+1)
		if odd != nil {
			return n, odd, remedy
		}
		c := anchorhold.Column{Name: f.Name, Type: part.kind, Required: !f.Nullable, Fields: part.fields}
		if !part.kind.Nested() {
			c = withStorage(c, f.Type.String())
		}
		n.parts, n.fields, n.names = append(n.parts, part), append(n.fields, c), append(n.names, f.Name)
	}
	return n, nil, ""
}

// value reads value i of an array with its parts, of which left more may be.
func (n arrowType) value(a arrow.Array, i int, left *int) nestedValue {
	if *left--; *left < 0 || a.IsNull(i) {
		return nestedValue{}
	}
	if n.read != nil {
		return nestedValue{cell: n.read(a, i)}
	}
	switch a := a.(type) {
	case *array.Map:
		start, end := a.ValueOffsets(i)
		pair := structType(n)
		return n.list(as[*array.Struct](a.ListValues()), pair, start, end, left)
	case *array.List:
		start, end := a.ValueOffsets(i)
		return n.list(a.ListValues(), n.parts[0], start, end, left)
	}
	return n.structure(as[*array.Struct](a), i, left)
}

// structType is the type of the pairs of a map.
func structType(n arrowType) arrowType {
	n.kind = anchorhold.TypeStruct
	return n
}

func (n arrowType) list(values arrow.Array, item arrowType, start, end int64, left *int) nestedValue {
	items := []nestedValue{}
	for i := start; i < end && *left > 0; i++ {
		items = append(items, item.value(values, int(i), left))
	}
	if int64(len(items)) < end-start {
		*left = -1
	}
	return listOf(items)
}

func (n arrowType) structure(a *array.Struct, i int, left *int) nestedValue {
	parts := make([]nestedValue, len(n.parts))
	for j, part := range n.parts {
		parts[j] = part.value(a.Field(j), i, left)
	}
	return structOf(n.names, parts)
}

func tooManyItems(column string) error {
	return anchorhold.Errorf(anchorhold.TooLarge, "divide it over several rows", "a value of the column %q has more than %d parts", column, maxItems)
}

// maxPageValues bounds the values of one page of a column within lists: a page of
// few bytes can claim any number of them, all in one row.
const maxPageValues = 4 << 20

// checkRepeated refuses pages within lists that claim too much.
func checkRepeated(in Input, f *file.Reader) error {
	p := &parquetBeside{in: in, claims: make([]claims, f.MetaData().Schema.NumColumns())}
	for i := range f.NumRowGroups() {
		group := f.MetaData().RowGroup(i)
		for j := range group.NumColumns() {
			if f.MetaData().Schema.Column(j).MaxRepetitionLevel() == 0 {
				continue
			}
			chunk, err := group.ColumnChunk(j)
			if err != nil {
				return notParquet(in.Name, err)
			}
			if chunk.NumValues() > maxChunkValues {
				return anchorhold.Errorf(anchorhold.TooLarge, "write smaller row groups (in pandas: row_group_size=100_000)",
					"a row group of %s has more than %d values in lists", in.Name, maxChunkValues)
			}
			at, end, err := p.bounds(chunk)
			if err != nil {
				return err
			}
			for at < end {
				page, err := p.page(j, at, end)
				if err != nil {
					return err
				}
				if page == nil || page.values > maxPageValues {
					return notParquet(in.Name, errors.New("a page of a list that is none"))
				}
				at += page.head + page.packed
			}
		}
	}
	return nil
}

// maxChunkValues bounds the values in lists of one row group.
const maxChunkValues = 64 << 20
