package output

import (
	"math"
	"unicode/utf8"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/float16"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

// column collects the values of one column in canonical form: NaN has one bit
// pattern, missing values have none, texts are checked, categories are listed
// once and in order.
type column struct {
	field   arrow.Field
	builder array.Builder // of anything but categories
	mem     memory.Allocator
	lim     Limits

	categories []string // of categories: in order of appearance in the file
	number     map[string]int32
	codes      []int32 // -1: missing

	done arrow.Array // all values, once they are read
}

func newColumn(field arrow.Field, mem memory.Allocator, lim Limits) *column {
	c := &column{field: field, mem: mem, lim: lim}
	if field.Type.ID() == arrow.DICTIONARY {
		c.number = map[string]int32{}
	} else {
		c.builder = array.NewBuilder(mem, field.Type)
	}
	return c
}

// add appends the values of an array that the library decoded.
func (c *column) add(from arrow.Array) error {
	if c.builder == nil {
		d, ok := from.(*array.Dictionary)
		if !ok {
			return refuse(badType)
		}
		return c.addCategories(d)
	}
	return c.copy(c.builder, from)
}

// finish gives the whole column.
func (c *column) finish() arrow.Array {
	if c.builder != nil {
		return c.builder.NewArray()
	}
	codes := array.NewInt32Builder(c.mem)
	for _, v := range c.codes {
		if v < 0 {
			codes.AppendNull()
		} else {
			codes.Append(v)
		}
	}
	texts := array.NewStringBuilder(c.mem)
	texts.AppendValues(c.categories, nil)
	return array.NewDictionaryArray(c.field.Type, codes.NewArray(), texts.NewArray())
}

// addCategories appends coded texts. Each chunk of a file has a dictionary of its
// own; all its entries are kept, used or not, since pandas shows them.
func (c *column) addCategories(from *array.Dictionary) error {
	texts, ok := from.Dictionary().(*array.String)
	if !ok {
		return refuse(badType)
	}
	known := make([]int32, texts.Len())
	for i := range known {
		if texts.IsNull(i) {
			known[i] = -1
			continue
		}
		s := texts.Value(i)
		if err := c.checkText(s); err != nil {
			return err
		}
		n, ok := c.number[s]
		if !ok {
			n = int32(len(c.categories))
			s = string([]byte(s)) // the array's memory is reused
			c.number[s] = n
			c.categories = append(c.categories, s)
		}
		known[i] = n
	}
	for i := range from.Len() {
		code := int32(-1)
		if from.IsValid(i) {
			at := from.GetValueIndex(i)
			if at < 0 || at >= len(known) {
				return refuse(damagedFile)
			}
			code = known[at]
		}
		c.codes = append(c.codes, code)
	}
	return nil
}

func (c *column) checkText(s string) error {
	if len(s) > c.lim.Text {
		return refuse(tooLongText)
	}
	if !utf8.ValidString(s) {
		return refuse(badText)
	}
	return nil
}

// copy appends values one by one to a builder of the canonical type.
func (c *column) copy(to array.Builder, from arrow.Array) error {
	switch b := to.(type) {
	case *array.Float64Builder:
		return copyValues(b, from, func(v float64) (float64, error) {
			if math.IsNaN(v) {
				v = math.Float64frombits(nan64)
			}
			return v, nil
		})
	case *array.Float32Builder:
		return copyValues(b, from, func(v float32) (float32, error) {
			if v != v {
				v = math.Float32frombits(nan32)
			}
			return v, nil
		})
	case *array.Float16Builder:
		return copyValues(b, from, func(v float16.Num) (float16.Num, error) {
			if v.IsNaN() {
				v = float16.FromBits(nan16)
			}
			return v, nil
		})
	case *array.StringBuilder:
		return copyValues(b, from, c.text)
	case *array.LargeStringBuilder:
		return copyValues(b, from, c.text)
	case *array.TimestampBuilder:
		return c.copyTimes(b, from)
	case *array.DurationBuilder:
		return copyConverted(b, from, func(v int64) (arrow.Duration, error) { return arrow.Duration(v), nil })
	case *array.Decimal128Builder:
		return c.copyDecimals(b, from)
	case *array.ListBuilder:
		return c.copyLists(b, from)
	case *array.NullBuilder:
		b.AppendNulls(from.Len())
		return nil
	}
	return copyPlain(to, from)
}

func (c *column) text(s string) (string, error) { return s, c.checkText(s) }

// copyPlain copies values that have one form only.
func copyPlain(to array.Builder, from arrow.Array) error {
	switch b := to.(type) {
	case *array.BooleanBuilder:
		return copyValues(b, from, same[bool])
	case *array.Int8Builder:
		return copyValues(b, from, same[int8])
	case *array.Int16Builder:
		return copyValues(b, from, same[int16])
	case *array.Int32Builder:
		return copyValues(b, from, same[int32])
	case *array.Int64Builder:
		return copyValues(b, from, same[int64])
	case *array.Uint8Builder:
		return copyValues(b, from, same[uint8])
	case *array.Uint16Builder:
		return copyValues(b, from, same[uint16])
	case *array.Uint32Builder:
		return copyValues(b, from, same[uint32])
	case *array.Uint64Builder:
		return copyValues(b, from, same[uint64])
	case *array.Date32Builder:
		return copyValues(b, from, same[arrow.Date32])
	}
	return refuse(badType)
}

func same[T any](v T) (T, error) { return v, nil }

// appender is what the builders of the library have in common.
type appender[T any] interface {
	Append(T)
	AppendNull()
}

// values is what its arrays have in common.
type values[T any] interface {
	Len() int
	IsNull(int) bool
	Value(int) T
}

func copyValues[T any](to appender[T], from arrow.Array, convert func(T) (T, error)) error {
	return copyConverted(to, from, convert)
}

// copyConverted appends each value as convert gives it.
func copyConverted[S, T any](to appender[T], from arrow.Array, convert func(S) (T, error)) error {
	source, ok := from.(values[S])
	if !ok {
		return refuse(badType)
	}
	for i := range source.Len() {
		if source.IsNull(i) {
			to.AppendNull()
			continue
		}
		v, err := convert(source.Value(i))
		if err != nil {
			return err
		}
		to.Append(v)
	}
	return nil
}

// copyTimes copies timestamps; those of whole seconds are stored as
// milliseconds.
func (c *column) copyTimes(to *array.TimestampBuilder, from arrow.Array) error {
	source, ok := from.DataType().(*arrow.TimestampType)
	target, isTimes := to.Type().(*arrow.TimestampType)
	if !ok || !isTimes {
		return refuse(badType)
	}
	seconds := target.Unit == arrow.Second && source.Unit == arrow.Millisecond
	return copyConverted(to, from, func(v arrow.Timestamp) (arrow.Timestamp, error) {
		if !seconds {
			return v, nil
		}
		if v%1000 != 0 {
			return 0, refuse(badPrecision)
		}
		return v / 1000, nil
	})
}

// copyDecimals copies decimals, each of which its declared precision must hold.
func (c *column) copyDecimals(to *array.Decimal128Builder, from arrow.Array) error {
	t, ok := from.DataType().(*arrow.Decimal128Type)
	source, isDecimal := from.(*array.Decimal128)
	if !ok || !isDecimal || t.Scale < 0 || t.Scale > t.Precision || t.Precision < 1 {
		return refuse(badType)
	}
	for i := range source.Len() {
		if source.IsNull(i) {
			to.AppendNull()
			continue
		}
		v := source.Value(i)
		if !v.FitsInPrecision(t.Precision) {
			return refuse(badPrecision)
		}
		to.Append(v)
	}
	return nil
}

// copyLists copies lists of scalars.
func (c *column) copyLists(to *array.ListBuilder, from arrow.Array) error {
	source, ok := from.(*array.List)
	if !ok {
		return refuse(badType)
	}
	for i := range source.Len() {
		if source.IsNull(i) {
			to.AppendNull()
			continue
		}
		to.Append(true)
		start, end := source.ValueOffsets(i)
		part := array.NewSlice(source.ListValues(), start, end)
		err := c.copy(to.ValueBuilder(), part)
		part.Release()
		if err != nil {
			return err
		}
	}
	return nil
}
