package codec

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/catalog/mock"
)

// maxPage bounds one page of a Parquet file, compressed or not: usual writers
// make pages of 1 MiB.
const maxPage = 64 << 20

// parquetSource reads a Parquet file page by page, never a whole row group.
type parquetSource struct {
	table
	name    string
	size    int64
	total   int64 // rows, as the footer says
	reader  pqarrow.RecordReader
	cols    []anchorhold.Column
	readers []arrowType
	batch   [][]Cell
	record  arrow.RecordBatch // whose rows are shown
	at      int               // rows of it that were
	nesting nesting
	beside  *parquetBeside // nil: not asked for
	err     error
}

// cellReader reads cell i of a column of one record batch.
type cellReader func(a arrow.Array, i int) Cell

// Parquet is the format of tables whose columns have types.
type Parquet struct{}

// Format implements Codec.
func (Parquet) Format() Format {
	return Format{
		Name: "parquet", Kind: anchorhold.KindTable, Title: "a Parquet file", Extensions: []string{".parquet", ".pq"},
		Media: "application/x-parquet", Sniff: func(head []byte) bool { return bytes.HasPrefix(head, []byte("PAR1")) },
	}
}

// Generate implements Codec.
func (Parquet) Generate(ctx context.Context, card mock.Card, seed uint64, w io.Writer) (int64, error) {
	return mock.Generate(ctx, card, seed, w, mock.Parquet)
}

// Open implements Codec.
func (Parquet) Open(in Input, o Options) (r Reader, err error) {
	defer recoverParquet(in.Name, &err)
	s, err := openParquet(in, o)
	if err != nil {
		return nil, err
	}
	return s, nil
}

func openParquet(in Input, o Options) (*parquetSource, error) {
	name, size := in.Name, in.Size
	props := parquet.NewReaderProperties(memory.DefaultAllocator)
	props.BufferedStreamEnabled = true
	props.MaxCompressedPageSize = maxPage
	props.MaxUncompressedPageSize = maxPage
	// A section reader seeks without moving the descriptor's offset, which others share.
	f, err := file.NewParquetReader(io.NewSectionReader(in.At, 0, size), file.WithReadProps(props))
	if err != nil {
		return nil, notParquet(name, err)
	}
	s := &parquetSource{name: name, size: size, total: f.NumRows()}
	pandas := ignoreArrowSchema(f)
	width := max(1, f.MetaData().Schema.NumColumns())
	fr, err := pqarrow.NewFileReader(f, pqarrow.ArrowReadProperties{BatchSize: int64(min(batchRows, max(1, batchCells/width)))}, memory.DefaultAllocator)
	if err != nil {
		return nil, notParquet(name, err)
	}
	schema, err := fr.Schema()
	if err != nil {
		return nil, notParquet(name, err)
	}
	if err := s.setColumns(schema, o, pandas); err != nil {
		return nil, err
	}
	if o.Beside {
		if s.beside, err = newParquetBeside(in, f, s.cols); err != nil {
			return nil, err
		}
	}
	if s.nesting = newNesting(s.cols); s.nesting.width > 0 {
		if err := checkRepeated(in, f); err != nil {
			return nil, err
		}
	}
	if f.NumRowGroups() > 0 && s.total > 0 {
		if s.reader, err = fr.GetRecordReader(context.Background(), nil, nil); err != nil {
			return nil, notParquet(name, err)
		}
	}
	s.width = s.nesting.rowWidth()
	s.batch = makeBatch(max(width, s.width))
	for i := range s.batch {
		s.batch[i] = s.batch[i][:s.width]
	}
	return s, nil
}

// setColumns describes the columns of a schema, or says which one cannot be
// offered.
func (s *parquetSource) setColumns(schema *arrow.Schema, o Options, pandas pandasSchema) error {
	names := make([]string, schema.NumFields())
	for i, f := range schema.Fields() {
		names[i] = f.Name
	}
	if err := checkColumnNames(s.name, names); err != nil {
		return err
	}
	if pandas.hasIndex(names) {
		return invalid("write it with df.reset_index().to_parquet(FILE, index=False)", "%s stores an index of pandas beside its columns", s.name)
	}
	overrides, err := byName(s.name, names, o.Columns)
	if err != nil {
		return err
	}
	for _, f := range schema.Fields() {
		read, odd, remedy := arrowTypeOf(f.Type, 0)
		kind := read.kind
		if why := pandas.refuses(f, kind); why != "" {
			odd, remedy = f.Type, why
		}
		if odd != nil {
			return invalid(remedy, "column %q of %s has the type %s, which cannot be offered", f.Name, s.name, clip(odd.String(), 80))
		}
		c := overrides[f.Name]
		if c.Type != "" && c.Type != kind {
			return invalid("leave its type out, or write the file with another one",
				"column %q of %s is stored as %s and cannot be offered as %s", f.Name, s.name, f.Type, c.Type)
		}
		c.Name, c.Type, c.Required, c.Fields = f.Name, kind, !f.Nullable, read.fields
		if kind.Nested() {
			c.Facts = withoutStorage(c.Facts)
			if err := checkFields(s.name, c.Name, c.Fields, 1); err != nil {
				return err
			}
		} else {
			c = withStorage(c, pandas.storage(f))
		}
		s.cols = append(s.cols, c)
		s.readers = append(s.readers, read)
	}
	return nil
}

// withoutStorage drops a storage fact that came with the owner's overrides,
// perhaps from an earlier version: the file itself says how it is stored.
func withoutStorage(facts []anchorhold.Fact) []anchorhold.Fact {
	var out []anchorhold.Fact
	for _, f := range facts {
		if f.Name != anchorhold.FactStorage {
			out = append(out, f)
		}
	}
	return out
}

// UsualStorage is the Arrow type that a column type has unless a fact says
// otherwise.
func UsualStorage(t anchorhold.ColumnType) string {
	switch t {
	case anchorhold.TypeInt:
		return "int64"
	case anchorhold.TypeFloat:
		return "float64"
	case anchorhold.TypeBool:
		return "bool"
	case anchorhold.TypeDate:
		return "date32"
	case anchorhold.TypeTimestamp:
		return "timestamp[us]"
	}
	return "utf8"
}

func otherTypeRemedy(t arrow.DataType) string {
	switch t.ID() {
	case arrow.DECIMAL32, arrow.DECIMAL64, arrow.DECIMAL128, arrow.DECIMAL256, arrow.FLOAT16:
		return "write it as float64, or as whole numbers of the smallest unit (in pandas: astype(\"float64\"))"
	case arrow.TIME32, arrow.TIME64, arrow.DURATION:
		return "write it as a number of seconds"
	case arrow.BINARY, arrow.LARGE_BINARY, arrow.FIXED_SIZE_BINARY:
		return "leave it out, or write it as text"
	}
	return "write it as a number, a text, a date or a timestamp"
}

// as gives an array as what the schema said it is. That it is something else is
// a fault of the file, which recoverParquet reports.
func as[T arrow.Array](a arrow.Array) T {
	t, ok := a.(T)
	if !ok {
		panic("a column's data is of another type than its schema")
	}
	return t
}

func readInt(a arrow.Array, i int) Cell {
	c := Cell{Kind: CellInt}
	switch a := a.(type) {
	case *array.Int8:
		c.Int = int64(a.Value(i))
	case *array.Int16:
		c.Int = int64(a.Value(i))
	case *array.Int32:
		c.Int = int64(a.Value(i))
	case *array.Int64:
		c.Int = a.Value(i)
	case *array.Uint8:
		c.Int = int64(a.Value(i))
	case *array.Uint16:
		c.Int = int64(a.Value(i))
	case *array.Uint32:
		c.Int = int64(a.Value(i))
	case *array.Uint64:
		if v := a.Value(i); v <= math.MaxInt64 {
			c.Int = int64(v)
		} else {
			c.Kind, c.Float = CellFloat, float64(v)
		}
	}
	return c
}

func readFloat(a arrow.Array, i int) Cell {
	var f float64
	switch a := a.(type) {
	case *array.Float32:
		f = shortest(a.Value(i))
	case *array.Float64:
		f = a.Value(i)
	}
	if math.IsNaN(f) {
		return Cell{} // as pandas has it
	}
	return Cell{Kind: CellFloat, Float: f}
}

// shortest widens by way of the shortest decimal form: what was written as 0.1
// is read as 0.1.
func shortest(v float32) float64 {
	f, err := strconv.ParseFloat(strconv.FormatFloat(float64(v), 'g', -1, 32), 64)
	if err != nil {
		return float64(v)
	}
	return f
}

func readBool(a arrow.Array, i int) Cell {
	if as[*array.Boolean](a).Value(i) {
		return Cell{Kind: CellBool, Int: 1}
	}
	return Cell{Kind: CellBool}
}

func readText(a arrow.Array, i int) Cell {
	return Cell{Kind: CellText, Text: as[*array.String](a).Value(i)}
}

func readDate(a arrow.Array, i int) Cell {
	return Cell{Kind: CellDate, Int: int64(as[*array.Date32](a).Value(i))}
}

func readTimestamp(unit arrow.TimeUnit) cellReader {
	return func(a arrow.Array, i int) Cell {
		return timestampCell(Cell{}, as[*array.Timestamp](a).Value(i).ToTime(unit))
	}
}

func readNull(arrow.Array, int) Cell { return Cell{} }

// Columns implements Reader.
func (s *parquetSource) Columns() []anchorhold.Column {
	return append([]anchorhold.Column(nil), s.cols...)
}

// Position implements Reader: it shares the file's size out over its rows.
func (s *parquetSource) Position() int64 {
	if s.total <= 0 {
		return 0
	}
	return int64(float64(s.size) * min(1, float64(s.rows)/float64(s.total)))
}

// Beside implements Besider.
func (s *parquetSource) Beside() Beside {
	if s.beside == nil {
		return BesideNothing
	}
	return s.beside.end()
}

// Close implements Reader.
func (s *parquetSource) Close() {
	if s.reader != nil {
		s.reader.Release()
	}
}

// Next implements Reader.
func (s *parquetSource) Next() (rows [][]Cell, err error) {
	if s.err != nil {
		return nil, s.err
	}
	if parts := s.nesting.waiting(); len(parts) > 0 {
		return parts, nil
	}
	defer func() { s.err = err }()
	defer recoverParquet(s.name, &err)
	if s.record == nil || s.at == int(s.record.NumRows()) {
		if err := s.next(); err != nil {
			return nil, err
		}
	}
	n := int(s.record.NumRows()) - s.at
	for j, read := range s.readers {
		a := s.record.Column(j)
		for i := range n {
			s.batch[i][j] = Cell{}
			if read.read != nil && !a.IsNull(s.at+i) {
				s.batch[i][j] = read.read(a, s.at+i)
			}
		}
	}
	if s.nesting.width > 0 {
		if n, err = s.nested(n); err != nil {
			return nil, err
		}
	}
	s.at += n
	s.rows += int64(n)
	return s.batch[:n], nil
}

// next goes to the next batch of rows.
func (s *parquetSource) next() error {
	if s.reader == nil || !s.reader.Next() {
		return s.ended()
	}
	s.record, s.at = s.reader.RecordBatch(), 0
	if int(s.record.NumRows()) > len(s.batch) || int(s.record.NumCols()) != len(s.cols) {
		return notParquet(s.name, errors.New("a batch has another shape than asked for"))
	}
	if s.beside != nil {
		s.beside.see(s.record.Columns())
	}
	return nil
}

// nested reads the nested columns of up to n rows, and gives how many it did.
func (s *parquetSource) nested(n int) (int, error) {
	values := make([]nestedValue, len(s.cols))
	for i := range n {
		clear(s.batch[i][len(s.cols):])
		for j, read := range s.readers {
			if read.read != nil {
				continue
			}
			left := maxItems
			if values[j] = read.value(s.record.Column(j), s.at+i, &left); left < 0 {
				return 0, tooManyItems(s.cols[j].Name)
			}
		}
		if err := s.nesting.put(s.batch[i], values); err != nil {
			return 0, err
		}
		if s.nesting.full() {
			return i + 1, nil
		}
	}
	return n, nil
}

// Of implements Reader.
func (s *parquetSource) Of() int { return s.nesting.of() }

func (s *parquetSource) ended() error {
	if s.reader != nil {
		if err := s.reader.Err(); err != nil && !errors.Is(err, io.EOF) {
			return notParquet(s.name, err)
		}
	}
	if s.rows != s.total {
		return notParquet(s.name, fmt.Errorf("%d rows instead of %d", s.rows, s.total))
	}
	return io.EOF
}

// recoverParquet turns a panic of the Parquet library, which bad files can
// cause, into an error.
func recoverParquet(name string, err *error) {
	if r := recover(); r != nil {
		*err = notParquet(name, fmt.Errorf("%v", r))
	}
}

func notParquet(name string, cause error) error {
	return invalid("write the file again; encrypted files and pages over 64 MiB are not read", "%s is damaged or not a Parquet file that can be read", name).Because(cause)
}
