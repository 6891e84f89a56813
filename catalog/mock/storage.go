package mock

import (
	"math"
	"strings"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/anchorhold/anchorhold"
)

// Dictionary is the storage of a column of text with a dictionary, which
// pandas reads as a categorical.
const Dictionary = "dictionary<utf8>"

// storage gives the Arrow type that a column is written with: the one of the
// fact "storage", so that code sees the same types on both sides, or the usual
// one of its column type.
func (c *column) storage() (arrow.DataType, error) {
	if c.Type.Nested() {
		return c.nestedStorage()
	}
	f, ok := c.Fact(anchorhold.FactStorage)
	if !ok {
		return usual(c.Type), nil
	}
	name, _ := f.Value.(string)
	for _, t := range candidates(c.Type) {
		if t.String() == name {
			return t, nil
		}
	}
	switch {
	case c.Type == anchorhold.TypeString && name == Dictionary:
		return &arrow.DictionaryType{IndexType: arrow.PrimitiveTypes.Int32, ValueType: arrow.BinaryTypes.String}, nil
	case c.Type == anchorhold.TypeTimestamp && strings.HasPrefix(name, "timestamp["):
		if t, ok := timestamp(name); ok {
			return t, nil
		}
	case c.Type == anchorhold.TypeFloat && name == arrow.Null.String():
		return arrow.PrimitiveTypes.Float64, nil
	}
	return nil, wrong("leave the fact out, or name an Arrow type such as int32", "the fact %q of the column %q is not a way to store the type %s", f.Name, c.Name, c.Type)
}

func usual(t anchorhold.ColumnType) arrow.DataType {
	switch t {
	case anchorhold.TypeInt:
		return arrow.PrimitiveTypes.Int64
	case anchorhold.TypeFloat:
		return arrow.PrimitiveTypes.Float64
	case anchorhold.TypeBool:
		return arrow.FixedWidthTypes.Boolean
	case anchorhold.TypeDate:
		return arrow.FixedWidthTypes.Date32
	case anchorhold.TypeTimestamp:
		return &arrow.TimestampType{Unit: arrow.Microsecond}
	}
	return arrow.BinaryTypes.String
}

// candidates are the plain Arrow types of a column type.
func candidates(t anchorhold.ColumnType) []arrow.DataType {
	p := arrow.PrimitiveTypes
	switch t {
	case anchorhold.TypeInt:
		return []arrow.DataType{p.Int8, p.Int16, p.Int32, p.Int64, p.Uint8, p.Uint16, p.Uint32, p.Uint64}
	case anchorhold.TypeFloat:
		return []arrow.DataType{p.Float32, p.Float64}
	case anchorhold.TypeString:
		return []arrow.DataType{arrow.BinaryTypes.String, arrow.BinaryTypes.LargeString}
	case anchorhold.TypeDate:
		return []arrow.DataType{p.Date32, p.Date64}
	}
	return []arrow.DataType{usual(t)}
}

// timestamp reads "timestamp[us]" and "timestamp[us, tz=Europe/Zurich]".
func timestamp(name string) (arrow.DataType, bool) {
	inner := strings.TrimSuffix(strings.TrimPrefix(name, "timestamp["), "]")
	unit, zone, _ := strings.Cut(inner, ", tz=")
	for _, u := range []arrow.TimeUnit{arrow.Second, arrow.Millisecond, arrow.Microsecond, arrow.Nanosecond} {
		if u.String() == unit && len(zone) <= 64 {
			return &arrow.TimestampType{Unit: u, TimeZone: zone}, true
		}
	}
	return nil, false
}

// append adds a value to a builder of the column's storage. A whole number
// that a narrow type cannot hold is cut to its range.
func (c *column) append(b array.Builder, v value) {
	if v.missing {
		b.AppendNull()
		return
	}
	if c.appendParts(b, v) {
		return
	}
	switch b := b.(type) {
	case *array.StringBuilder:
		b.Append(v.text)
	case *array.LargeStringBuilder:
		b.Append(v.text)
	case *array.BinaryDictionaryBuilder:
		_ = b.AppendString(v.text) // fails only beyond 2^31 different texts
	case *array.Float64Builder:
		b.Append(v.real)
	case *array.Float32Builder:
		b.Append(float32(v.real))
	case *array.BooleanBuilder:
		b.Append(v.whole == 1)
	case *array.Date32Builder:
		b.Append(arrow.Date32(v.whole))
	case *array.Date64Builder:
		b.Append(arrow.Date64FromTime(time.Unix(v.whole*86400, 0).UTC()))
	case *array.TimestampBuilder:
		appendTime(b, time.UnixMicro(v.whole).UTC())
	default:
		appendWhole(b, v.whole)
	}
}

// appendTime leaves a time out that the unit cannot say: nanoseconds end in the
// year 2262.
func appendTime(b *array.TimestampBuilder, at time.Time) {
	t, ok := b.Type().(*arrow.TimestampType)
	if !ok {
		b.AppendNull()
		return
	}
	v, err := arrow.TimestampFromTime(at, t.Unit)
	if err != nil {
		b.AppendNull()
		return
	}
	b.Append(v)
}

func appendWhole(b array.Builder, v int64) {
	switch b := b.(type) {
	case *array.Int8Builder:
		b.Append(int8(clamp(v, math.MinInt8, math.MaxInt8)))
	case *array.Int16Builder:
		b.Append(int16(clamp(v, math.MinInt16, math.MaxInt16)))
	case *array.Int32Builder:
		b.Append(int32(clamp(v, math.MinInt32, math.MaxInt32)))
	case *array.Int64Builder:
		b.Append(v)
	case *array.Uint8Builder:
		b.Append(uint8(clamp(v, 0, math.MaxUint8)))
	case *array.Uint16Builder:
		b.Append(uint16(clamp(v, 0, math.MaxUint16)))
	case *array.Uint32Builder:
		b.Append(uint32(clamp(v, 0, math.MaxUint32)))
	case *array.Uint64Builder:
		b.Append(uint64(max(v, 0)))
	}
}

func clamp(v, low, high int64) int64 { return max(low, min(v, high)) }
