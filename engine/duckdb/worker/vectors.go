package worker

import (
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/engine"
)

// vectors are a batch's columns, which are those that were asked for.
func vectors(columns []engine.Column, batch arrow.RecordBatch) ([]engine.Vector, error) {
	if int(batch.NumCols()) != len(columns) {
		return nil, fmt.Errorf("%d columns, not %d", batch.NumCols(), len(columns))
	}
	out := make([]engine.Vector, len(columns))
	for i, c := range columns {
		if name := batch.ColumnName(i); name != c.Name {
			return nil, fmt.Errorf("column %d is called %q, not %q", i+1, name, c.Name)
		}
		v, err := vector(c, batch.Column(i))
		if err != nil {
			return nil, err
		}
		out[i] = v
	}
	return out, nil
}

func vector(c engine.Column, col arrow.Array) (engine.Vector, error) {
	var v engine.Vector
	n := col.Len()
	if col.NullN() > 0 {
		v.Null = make([]bool, n)
		for i := range n {
			v.Null[i] = col.IsNull(i)
		}
	}
	if c.Type == anchorhold.TypeString {
		text, ok := col.(*array.String)
		if !ok {
			return v, mistyped(c, col)
		}
		v.Texts = make([]string, n)
		for i := range n {
			if !col.IsNull(i) {
				v.Texts[i] = text.Value(i)
			}
		}
		return v, nil
	}
	at := integers(c.Type, col)
	if at == nil {
		return v, mistyped(c, col)
	}
	v.Ints = make([]engine.Int, n)
	for i := range n {
		if !col.IsNull(i) {
			v.Ints[i] = at(i)
		}
	}
	return v, nil
}

func mistyped(c engine.Column, col arrow.Array) error {
	return fmt.Errorf("column %q is a %s, not a %s", c.Name, col.DataType(), c.Type)
}

// integers reads a column of a type as integers; nil where it cannot be.
func integers(t anchorhold.ColumnType, col arrow.Array) func(int) engine.Int {
	switch col := col.(type) {
	case *array.Boolean:
		if t == anchorhold.TypeBool {
			return func(i int) engine.Int {
				if col.Value(i) {
					return decimal128.FromI64(1)
				}
				return decimal128.Num{}
			}
		}
	case *array.Date32:
		if t == anchorhold.TypeDate {
			return func(i int) engine.Int { return decimal128.FromI64(int64(col.Value(i))) }
		}
	case *array.Timestamp:
		if of, ok := col.DataType().(*arrow.TimestampType); ok && t == anchorhold.TypeTimestamp && of.Unit == arrow.Microsecond {
			return func(i int) engine.Int { return decimal128.FromI64(int64(col.Value(i))) }
		}
	default:
		if t == anchorhold.TypeInt {
			return numbers(col)
		}
	}
	return nil
}

func numbers(col arrow.Array) func(int) engine.Int {
	switch col := col.(type) {
	case *array.Int8:
		return signed(col.Value)
	case *array.Int16:
		return signed(col.Value)
	case *array.Int32:
		return signed(col.Value)
	case *array.Int64:
		return signed(col.Value)
	case *array.Uint64:
		return func(i int) engine.Int { return decimal128.FromU64(col.Value(i)) }
	case *array.Decimal128:
		if of, ok := col.DataType().(*arrow.Decimal128Type); ok && of.Scale == 0 {
			return col.Value
		}
	}
	return nil
}

func signed[T int8 | int16 | int32 | int64](at func(int) T) func(int) engine.Int {
	return func(i int) engine.Int { return decimal128.FromI64(int64(at(i))) }
}
