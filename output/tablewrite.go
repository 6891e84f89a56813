package output

import (
	"bytes"
	"encoding/base64"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/flight"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/compress"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"

	"github.com/anchorhold/anchorhold/disclosure"
)

// createdBy is the same in every version of the program: the same values give
// the same bytes.
const createdBy = "anchorhold"

// writeTable writes columns as the one Parquet file that stands for them: one row
// group, plain encoding, dictionaries for categories only, no compression, no
// statistics, no page index, and as metadata the table's description and Arrow's
// schema.
func writeTable(columns []*column, meta *tableMeta, rows int64, lim Limits) ([]byte, error) {
	fields := make([]arrow.Field, len(columns)) // as Arrow knows them
	stored := make([]arrow.Field, len(columns)) // as Parquet stores them
	arrays := make([]arrow.Array, len(columns))
	options := []parquet.WriterProperty{
		parquet.WithAllocator(memory.NewGoAllocator()),
		parquet.WithCreatedBy(createdBy),
		parquet.WithVersion(parquet.V2_6),
		parquet.WithDataPageVersion(parquet.DataPageV1),
		parquet.WithCompression(compress.Codecs.Uncompressed),
		parquet.WithDictionaryDefault(false),
		parquet.WithDictionaryPageSizeLimit(lim.Memory),
		parquet.WithStats(false),
		parquet.WithPageIndexEnabled(false),
		parquet.WithMaxRowGroupLength(max(rows, 1)),
	}
	for i, c := range columns {
		fields[i], stored[i] = c.field, c.field
		c.done = c.finish()
		arrays[i] = storage(c.done)
		stored[i].Type = arrays[i].DataType()
		if c.field.Type.ID() == arrow.DICTIONARY {
			path := parquet.ColumnPath{c.field.Name}
			options = append(options, parquet.WithDictionaryPath(path, true), parquet.WithDictionaryCostFallbackPath(path, false))
		}
	}
	// PyArrow looks for the description in Arrow's schema, others in the file.
	about := arrow.NewMetadata([]string{tableMetaKey}, []string{meta.canonical()})
	schema := flight.SerializeSchema(arrow.NewSchema(fields, &about), memory.NewGoAllocator())
	about = arrow.NewMetadata([]string{tableMetaKey, arrowSchemaKey}, []string{meta.canonical(), base64.StdEncoding.EncodeToString(schema)})
	s := arrow.NewSchema(stored, &about)
	var out bytes.Buffer
	w, err := pqarrow.NewFileWriter(s, &out, parquet.NewWriterProperties(options...), pqarrow.NewArrowWriterProperties())
	if err != nil {
		return nil, refuseFor(badType, err)
	}
	if rows > 0 && len(columns) > 0 {
		record := array.NewRecordBatch(s, arrays, rows)
		if err := w.Write(record); err != nil {
			return nil, refuseFor(badType, err)
		}
	}
	if err := w.Close(); err != nil {
		return nil, refuseFor(badType, err)
	}
	return out.Bytes(), nil
}

// storage gives an array as the library can store it: it has no durations, which
// Parquet knows as whole numbers. Their type is in Arrow's schema.
func storage(a arrow.Array) arrow.Array {
	if a.DataType().ID() != arrow.DURATION {
		return a
	}
	d := a.Data()
	return array.NewInt64Data(array.NewData(arrow.PrimitiveTypes.Int64, d.Len(), d.Buffers(), nil, d.NullN(), d.Offset()))
}

// tableCells gives a table's values, labels and unused categories to the checks.
func tableCells(columns []*column, meta *tableMeta, rows int64, lim Limits) disclosure.Cells {
	b := cellBuilder{left: lim.Cells}
	b.addSheet(disclosure.Sheet{Rows: [][]disclosure.Cell{meta.words()}})
	sheet := disclosure.Sheet{Index: len(meta.index), Labels: meta.labels()}
	if rows*int64(len(columns)) > int64(lim.Cells) {
		b.partial = true
		rows = 0
	}
	for i := range int(rows) {
		row := make([]disclosure.Cell, 0, len(columns))
		for _, c := range columns {
			row = appendCell(row, c.done, i)
		}
		sheet.Rows = append(sheet.Rows, row)
	}
	b.addSheet(sheet)
	for _, c := range columns {
		b.addSheet(c.unused())
		if t, ok := c.field.Type.(*arrow.TimestampType); ok && t.TimeZone != "" {
			b.addSheet(disclosure.Sheet{Labels: []disclosure.Cell{disclosure.TextCell(t.TimeZone)}})
		}
	}
	return b.cells()
}

// unused lists categories that no row has: pandas shows them all the same.
func (c *column) unused() disclosure.Sheet {
	used := make([]bool, len(c.categories))
	for _, code := range c.codes {
		if code >= 0 {
			used[code] = true
		}
	}
	s := disclosure.Sheet{}
	for i, text := range c.categories {
		if !used[i] {
			s.Rows = append(s.Rows, []disclosure.Cell{disclosure.TextCell(text)})
		}
	}
	return s
}

// appendCell appends the i-th value of an array; a list appends each element.
func appendCell(row []disclosure.Cell, a arrow.Array, i int) []disclosure.Cell {
	if a.IsNull(i) {
		return append(row, disclosure.Cell{})
	}
	switch a := a.(type) {
	case *array.List:
		start, end := a.ValueOffsets(i)
		for k := start; k < end; k++ {
			row = appendCell(row, a.ListValues(), int(k))
		}
		return row
	case *array.Dictionary:
		return appendCell(row, a.Dictionary(), a.GetValueIndex(i))
	}
	return append(row, scalarCell(a, i))
}

// scalarCell is the normalised cell of one value.
func scalarCell(a arrow.Array, i int) disclosure.Cell {
	switch a := a.(type) {
	case *array.Boolean:
		return disclosure.BoolCell(a.Value(i))
	case *array.Float16:
		return disclosure.Float32Cell(a.Value(i).Float32())
	case *array.Float32:
		return disclosure.Float32Cell(a.Value(i))
	case *array.Float64:
		return disclosure.FloatCell(a.Value(i))
	case *array.String:
		return disclosure.TextCell(a.Value(i))
	case *array.LargeString:
		return disclosure.TextCell(a.Value(i))
	case *array.Date32:
		return disclosure.TimeCell(a.Value(i).ToTime())
	case *array.Timestamp:
		return dateCell(int64(a.Value(i)), unitName(a.DataType()))
	case *array.Duration:
		return durationCell(int64(a.Value(i)), unitName(a.DataType()))
	case *array.Decimal128:
		return disclosure.TextCell(a.ValueStr(i))
	}
	return integerCell(a, i)
}

func integerCell(a arrow.Array, i int) disclosure.Cell {
	switch a := a.(type) {
	case *array.Int8:
		return disclosure.IntCell(int64(a.Value(i)))
	case *array.Int16:
		return disclosure.IntCell(int64(a.Value(i)))
	case *array.Int32:
		return disclosure.IntCell(int64(a.Value(i)))
	case *array.Int64:
		return disclosure.IntCell(a.Value(i))
	case *array.Uint8:
		return disclosure.UintCell(uint64(a.Value(i)))
	case *array.Uint16:
		return disclosure.UintCell(uint64(a.Value(i)))
	case *array.Uint32:
		return disclosure.UintCell(uint64(a.Value(i)))
	case *array.Uint64:
		return disclosure.UintCell(a.Value(i))
	}
	return disclosure.Cell{}
}

// unitName is NumPy's name of the unit of timestamps or durations.
func unitName(t arrow.DataType) string {
	if timed, ok := t.(arrow.TemporalWithUnit); ok {
		return [...]string{"s", "ms", "us", "ns"}[timed.TimeUnit()]
	}
	return ""
}
