package postgres

import (
	"encoding/binary"
	"math/big"

	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/engine"
)

// PostgreSQL counts days and microseconds from 2000-01-01.
const (
	epochDays   = 10957
	epochMicros = epochDays * 86_400_000_000
)

// maxPrecision bounds the digits of a numeric column that stands for a float:
// wider ones may hold what no float does.
const maxPrecision = 300

// stands says whether a column of a table can stand for a registered type, whatever
// its rows hold.
func stands(oid uint32, mod int32, of anchorhold.ColumnType) bool {
	switch oid {
	case pgtype.Int2OID, pgtype.Int4OID, pgtype.Int8OID:
		return of == anchorhold.TypeInt || of == anchorhold.TypeFloat
	case pgtype.Float4OID, pgtype.Float8OID:
		return of == anchorhold.TypeFloat
	case pgtype.NumericOID:
		precision := (mod - 4) >> 16 & 0xffff
		return of == anchorhold.TypeFloat && mod >= 4 && precision <= maxPrecision
	case pgtype.BoolOID:
		return of == anchorhold.TypeBool
	case pgtype.TextOID, pgtype.VarcharOID, pgtype.BPCharOID:
		return of == anchorhold.TypeString
	case pgtype.DateOID:
		return of == anchorhold.TypeDate
	case pgtype.TimestampOID, pgtype.TimestamptzOID:
		return of == anchorhold.TypeTimestamp
	}
	return false
}

// reader reads the values of one column of a statement, which come in the binary
// form of its type.
type reader struct {
	text bool
	size int // of a value; 0: any
	read func(raw []byte) (engine.Int, bool)
}

// readerOf gives the reader of a column, where its type is the one asked for.
func readerOf(f pgconn.FieldDescription, c engine.Column) (reader, bool) {
	if f.Name != c.Name {
		return reader{}, false
	}
	switch f.DataTypeOID {
	case pgtype.Int2OID:
		return reader{size: 2, read: func(b []byte) (engine.Int, bool) { return small(int64(int16(binary.BigEndian.Uint16(b)))) }}, c.Type == anchorhold.TypeInt
	case pgtype.Int4OID:
		return reader{size: 4, read: func(b []byte) (engine.Int, bool) { return small(int64(int32(binary.BigEndian.Uint32(b)))) }}, c.Type == anchorhold.TypeInt
	case pgtype.Int8OID:
		return reader{size: 8, read: func(b []byte) (engine.Int, bool) { return small(int64(binary.BigEndian.Uint64(b))) }}, c.Type == anchorhold.TypeInt
	case pgtype.NumericOID:
		whole := f.TypeModifier < 4 || (f.TypeModifier-4)&0xffff == 0
		return reader{read: numeric}, c.Type == anchorhold.TypeInt && whole
	case pgtype.BoolOID:
		return reader{size: 1, read: func(b []byte) (engine.Int, bool) { return small(int64(b[0])) }}, c.Type == anchorhold.TypeBool
	case pgtype.DateOID:
		return reader{size: 4, read: func(b []byte) (engine.Int, bool) { return small(int64(int32(binary.BigEndian.Uint32(b))) + epochDays) }}, c.Type == anchorhold.TypeDate
	case pgtype.TimestampOID:
		return reader{size: 8, read: func(b []byte) (engine.Int, bool) {
			n := int64(binary.BigEndian.Uint64(b))
			if n > n+epochMicros {
				return engine.Int{}, false // infinity
			}
			return small(n + epochMicros)
		}}, c.Type == anchorhold.TypeTimestamp
	case pgtype.TextOID, pgtype.VarcharOID:
		return reader{text: true}, c.Type == anchorhold.TypeString
	}
	return reader{}, false
}

func small(n int64) (engine.Int, bool) { return decimal128.FromI64(n), true }

// numeric reads an integer of any length as far as 128 bits hold it.
func numeric(b []byte) (engine.Int, bool) {
	var n pgtype.Numeric
	if err := (pgtype.NumericCodec{}).PlanScan(nil, pgtype.NumericOID, pgtype.BinaryFormatCode, &n).Scan(b, &n); err != nil {
		return engine.Int{}, false
	}
	if !n.Valid || n.NaN || n.InfinityModifier != pgtype.Finite || n.Exp < 0 || n.Exp > 38 {
		return engine.Int{}, false
	}
	x := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(n.Exp)), nil)
	if x.Mul(x, n.Int); x.BitLen() > 127 {
		return engine.Int{}, false
	}
	return decimal128.FromBigInt(x), true
}

// take appends a value, which is the row-th of its column.
func (r reader) take(v *engine.Vector, row int, raw []byte) error {
	null := raw == nil
	if null && v.Null == nil {
		v.Null = make([]bool, row-1, 2*row)
	}
	if v.Null != nil {
		v.Null = append(v.Null, null)
	}
	switch {
	case r.text:
		v.Texts = append(v.Texts, string(raw))
		return nil
	case null:
		v.Ints = append(v.Ints, engine.Int{})
		return nil
	case r.size != 0 && len(raw) != r.size:
		return engine.Wrong("a value of another length than its type has")
	}
	n, ok := r.read(raw)
	if !ok {
		return engine.Wrong("a value that is no integer of 128 bits")
	}
	v.Ints = append(v.Ints, n)
	return nil
}
