package mock

import (
	"context"
	"encoding/csv"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/compress"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"

	"github.com/anchorhold/anchorhold"
)

// writeCSV writes a header and rows as pandas and Go read them back with the
// same types.
func writeCSV(ctx context.Context, cols []*column, rows int, w io.Writer) error {
	out := csv.NewWriter(w)
	record := make([]string, len(cols))
	for i, c := range cols {
		record[i] = c.Name
	}
	if err := out.Write(record); err != nil {
		return err
	}
	for row := range rows {
		if err := ended(ctx, row); err != nil {
			return err
		}
		for i, c := range cols {
			record[i] = c.cell(c.next(), len(cols) == 1)
		}
		if err := out.Write(record); err != nil {
			return err
		}
	}
	out.Flush()
	return out.Error()
}

// cell writes a value as text. alone: an empty line would be skipped by
// readers, so a missing value needs a text.
func (c *column) cell(v value, alone bool) string {
	switch {
	case v.missing && alone:
		return "NA"
	case v.missing:
		return ""
	case v.raw != "":
		return v.raw
	}
	return c.written(c.Type, v)
}

// written writes a value as text of a type.
func (c *column) written(t anchorhold.ColumnType, v value) string {
	switch t {
	case anchorhold.TypeString:
		return v.text
	case anchorhold.TypeFloat:
		text := strconv.FormatFloat(v.real, 'f', -1, 64)
		if !strings.Contains(text, ".") {
			text += ".0" // a float column must look like one
		}
		return text
	case anchorhold.TypeBool:
		if v.whole == 1 {
			return "True"
		}
		return "False"
	case anchorhold.TypeDate:
		return time.Unix(v.whole*86400, 0).UTC().Format(time.DateOnly)
	case anchorhold.TypeTimestamp:
		return time.UnixMicro(v.whole).UTC().Format("2006-01-02T15:04:05.999999")
	case anchorhold.TypeList, anchorhold.TypeStruct, anchorhold.TypeMap:
		return string(c.json(nil, v))
	}
	return strconv.FormatInt(v.whole, 10)
}

const batchRows = 4096

// writeParquet writes one row group per batch.
func writeParquet(ctx context.Context, cols []*column, rows int, w io.Writer) error {
	fields := make([]arrow.Field, len(cols))
	for i, c := range cols {
		t, err := c.storage()
		if err != nil {
			return err
		}
		fields[i] = arrow.Field{Name: c.Name, Type: t, Nullable: !c.Required}
	}
	schema := arrow.NewSchema(fields, nil)
	props := parquet.NewWriterProperties(parquet.WithCompression(compress.Codecs.Snappy))
	out, err := pqarrow.NewFileWriter(schema, w, props, pqarrow.NewArrowWriterProperties(pqarrow.WithStoreSchema()))
	if err != nil {
		return err
	}
	b := array.NewRecordBuilder(memory.DefaultAllocator, schema)
	defer b.Release()
	for done := 0; done < rows; {
		if err := ctx.Err(); err != nil {
			return err
		}
		n := min(batchRows, rows-done)
		for i, c := range cols {
			for range n {
				c.append(b.Field(i), c.next())
			}
		}
		batch := b.NewRecordBatch()
		err := out.Write(batch)
		batch.Release()
		if err != nil {
			return err
		}
		done += n
	}
	return out.Close()
}
