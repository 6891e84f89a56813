package question

import (
	"bytes"
	"encoding/json"
	"io"
	"slices"
	"strconv"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/anchorhold/anchorhold"
)

// ArrowMedia is the media type of an answer as an Arrow file.
const ArrowMedia = "application/vnd.apache.arrow.file"

// answerKey is the name in an Arrow file's metadata under which the whole answer
// stands, as the receipt speaks of it.
const answerKey = "anchorhold.answer"

// WriteArrow writes an answer's file as an Arrow file: one column for each of
// the answer's, and beside each aggregate NAME.low and NAME.high, the ends of its
// interval. The schema's metadata says how it came about, and holds the file.
func WriteArrow(w io.Writer, file []byte) error {
	rec, err := record(file)
	if err != nil {
		return err
	}
	defer rec.Release()
	out, err := ipc.NewFileWriter(w, ipc.WithSchema(rec.Schema()))
	if err != nil {
		return err
	}
	if err := out.Write(rec); err != nil {
		return err
	}
	return out.Close()
}

// ReadArrow gives the answer's file that an Arrow file was written from, after
// writing it once more: every byte is the same. A library that reads Arrow is given
// nothing here that a stranger may have changed.
func ReadArrow(data []byte) (file []byte, err error) {
	remedy := "get the answer anew: anchorhold query get ID --format arrow; or check the file of --format json"
	at := bytes.Index(data, []byte(`{"v":`+strconv.Itoa(version)+`,"statement":`))
	if at < 0 {
		return nil, anchorhold.Errorf(anchorhold.Invalid, remedy, "this is no Arrow file of an answer")
	}
	var text json.RawMessage
	if err := json.NewDecoder(bytes.NewReader(data[at:])).Decode(&text); err != nil {
		return nil, anchorhold.Errorf(anchorhold.Invalid, remedy, "this is no Arrow file of an answer").Because(err)
	}
	var b bytes.Buffer
	if err := WriteArrow(&b, text); err != nil {
		return nil, err
	}
	if !bytes.Equal(b.Bytes(), data) {
		return nil, anchorhold.Errorf(anchorhold.Invalid, remedy, "the columns of the Arrow file are not those of the answer, or another version of the program wrote it")
	}
	return text, nil
}

// record is an answer as an Arrow table.
func record(file []byte) (arrow.RecordBatch, error) {
	f, err := ParseFile(file)
	if err != nil {
		return nil, err
	}
	var fields []arrow.Field
	var columns []arrow.Array
	add := func(name string, c arrow.Array) {
		fields = append(fields, arrow.Field{Name: name, Type: c.DataType(), Nullable: true})
		columns = append(columns, c)
	}
	for i, c := range f.Columns {
		add(c.Name, f.column(i))
		if c.Kind == kindKey || c.Kind == kindExpression {
			continue
		}
		add(c.Name+".low", f.ends(i, 0))
		add(c.Name+".high", f.ends(i, 1))
	}
	told, err := f.told(file)
	if err != nil {
		return nil, err
	}
	return array.NewRecordBatch(arrow.NewSchema(fields, told), columns, int64(len(f.Rows))), nil
}

// told is the metadata of an answer's table.
func (f File) told(file []byte) (*arrow.Metadata, error) {
	names := []string{answerKey, "anchorhold.level", "anchorhold.mechanism", "anchorhold.population", "anchorhold.statement"}
	values := []string{string(file), strconv.FormatFloat(f.Level, 'g', -1, 64), f.Mechanism, f.Population, f.Statement}
	for _, x := range []struct {
		name string
		of   any
	}{{"anchorhold.bounds", f.Bounds}, {"anchorhold.exposure", f.Price}, {"anchorhold.unit", f.Unit}} {
		text, err := json.Marshal(x.of)
		if err != nil {
			return nil, err
		}
		names, values = append(names, x.name), append(values, string(text))
	}
	m := arrow.NewMetadata(names, values)
	return &m, nil
}

// ends are the lower ends of a column's intervals, or for 1 the upper ones; of
// lists, lists.
func (f File) ends(i, end int) arrow.Array {
	typ := arrow.PrimitiveTypes.Float64
	if slices.ContainsFunc(f.Rows, func(row []Cell) bool { return row[i].Ends != nil }) {
		typ = arrow.ListOf(typ)
	}
	b := array.NewBuilder(memory.DefaultAllocator, typ)
	defer b.Release()
	for _, row := range f.Rows {
		var v any
		if x := []*float64{row[i].Low, row[i].High}[end]; x != nil {
			v = *x
		}
		if row[i].Ends != nil {
			list := []any{}
			for _, pair := range row[i].Ends {
				list = append(list, pair[end])
			}
			v = list
		}
		appendValue(b, v)
	}
	return b.NewArray()
}

// column is a column of an answer with the type that its values have.
func (f File) column(i int) arrow.Array {
	typ := f.Columns[i].arrowType()
	for _, row := range f.Rows { // an expression may have any type, but only one
		switch row[i].Value.(type) {
		case nil:
			continue
		case string:
			if typ.ID() != arrow.DATE32 && typ.ID() != arrow.TIMESTAMP {
				typ = arrow.BinaryTypes.String
			}
		case bool:
			typ = arrow.FixedWidthTypes.Boolean
		case []any:
			typ = arrow.ListOf(arrow.PrimitiveTypes.Float64)
		}
		break
	}
	b := array.NewBuilder(memory.DefaultAllocator, typ)
	defer b.Release()
	for _, row := range f.Rows {
		appendValue(b, row[i].Value)
	}
	return b.NewArray()
}

func appendValue(to array.Builder, v any) { //nolint:cyclop // a list, one case for each
	switch b := to.(type) {
	case *array.Float64Builder:
		if x, ok := v.(float64); ok {
			b.Append(x)
			return
		}
	case *array.Int64Builder:
		if x, ok := v.(int64); ok {
			b.Append(x)
			return
		}
	case *array.StringBuilder:
		if x, ok := v.(string); ok {
			b.Append(x)
			return
		}
	case *array.BooleanBuilder:
		if x, ok := v.(bool); ok {
			b.Append(x)
			return
		}
	case *array.Date32Builder:
		if x, ok := timeOf(v); ok {
			b.Append(arrow.Date32FromTime(x))
			return
		}
	case *array.TimestampBuilder:
		if x, ok := timeOf(v); ok {
			b.AppendTime(x)
			return
		}
	case *array.ListBuilder:
		appendList(b, v)
		return
	}
	to.AppendNull()
}

func appendList(b *array.ListBuilder, v any) {
	list, ok := v.([]any)
	b.Append(ok)
	for _, x := range list {
		appendValue(b.ValueBuilder(), x)
	}
}

// The forms in which days and times stand in an answer.
const (
	dayForm  = time.DateOnly
	timeForm = "2006-01-02 15:04:05.999999"
)

func timeOf(v any) (time.Time, bool) {
	text, ok := v.(string)
	if !ok {
		return time.Time{}, false
	}
	for _, form := range []string{dayForm, timeForm} {
		if t, err := time.Parse(form, text); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}

func (i *QuotedItem) arrowType() arrow.DataType {
	if i.Kind == kindKey {
		switch i.Type {
		case anchorhold.TypeInt:
			return arrow.PrimitiveTypes.Int64
		case anchorhold.TypeString:
			return arrow.BinaryTypes.String
		case anchorhold.TypeBool:
			return arrow.FixedWidthTypes.Boolean
		case anchorhold.TypeDate:
			return arrow.FixedWidthTypes.Date32
		case anchorhold.TypeTimestamp:
			return arrow.FixedWidthTypes.Timestamp_us
		}
	}
	return arrow.PrimitiveTypes.Float64
}
