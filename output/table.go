package output

import (
	"bytes"
	"context"
	"errors"
	"io"
	"regexp"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/compress"
	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/metadata"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"
	"github.com/apache/arrow-go/v18/parquet/schema"
)

// batchRows is how many rows are decoded at a time.
const batchRows = 1 << 14

// tableReader decodes a hostile Parquet file.
type tableReader struct {
	lim   Limits
	mem   *budget
	file  *file.Reader
	rows  int64
	meta  tableMeta
	order []int // where each column of the file goes, if not where it is
	// counted is an index that the file has no column for.
	counted *rangeIndex
	arrow   []arrowField // what ARROW:schema says, or nothing
}

// parseTable is the parser of the kind table: the file is decoded within limits
// into columns of known types, and these are written as a new file.
func parseTable(entry ManifestEntry, data []byte, lim Limits) (parsed, error) {
	if err := checkFooter(data, lim); err != nil {
		return parsed{}, err
	}
	t := tableReader{lim: lim, mem: &budget{left: lim.Memory}}
	if err := t.open(data, entry.Python); err != nil {
		return parsed{}, err
	}
	columns, err := t.read()
	if err != nil {
		return parsed{}, err
	}
	out, err := writeTable(columns, &t.meta, t.rows, lim)
	if err != nil {
		return parsed{}, err
	}
	return parsed{
		data: out, rows: int(t.rows), columns: len(t.meta.columns),
		cells: tableCells(columns, &t.meta, t.rows, lim),
	}, nil
}

// open reads and checks all that the file says of itself.
func (t *tableReader) open(data []byte, python string) error {
	props := parquet.NewReaderProperties(t.mem)
	props.BufferedStreamEnabled = true // reserve memory by page, not by what a chunk claims
	props.MaxCompressedPageSize = int64(len(data))
	props.MaxUncompressedPageSize = t.lim.Memory
	r, err := file.NewParquetReader(bytes.NewReader(data), file.WithReadProps(props))
	if err != nil {
		return refuseFor(badFooter, err)
	}
	t.file = r
	if err := t.checkShape(r.MetaData()); err != nil {
		return err
	}
	if err := t.readKeys(r.MetaData()); err != nil {
		return err
	}
	names := t.fileNames()
	if t.order != nil {
		names = t.meta.names() // made from the file's
	}
	return t.meta.check(python, names, t.rows)
}

// checkShape checks numbers of rows and columns and how columns are stored.
func (t *tableReader) checkShape(md *metadata.FileMetaData) error {
	t.rows = md.GetNumRows()
	root := md.Schema.Root()
	switch {
	case t.rows < 0:
		return refuse(badFooter)
	case t.rows > t.lim.Rows:
		return refuse(tooManyRows)
	case root.NumFields() > t.lim.Columns:
		return refuse(tooManyColumns)
	case root.NumFields() != md.Schema.NumColumns():
		return refuse(nestedColumn) // structs, maps, lists of these
	}
	sum := int64(0)
	for i := range t.file.NumRowGroups() {
		group := md.RowGroup(i)
		n := group.NumRows()
		if n < 0 || n > t.rows-sum || group.NumColumns() != md.Schema.NumColumns() {
			return refuse(badFooter)
		}
		sum += n
		if err := checkChunks(group); err != nil {
			return err
		}
	}
	if sum != t.rows {
		return refuse(badFooter)
	}
	return nil
}

// checkChunks admits only codecs whose decoder writes no more than it was told
// to; the library's Zstandard decoder writes what the data asks for.
func checkChunks(group *metadata.RowGroupMetaData) error {
	for j := range group.NumColumns() {
		chunk, err := group.ColumnChunk(j)
		if err != nil {
			return refuseFor(badFooter, err)
		}
		switch chunk.Compression() {
		case compress.Codecs.Uncompressed, compress.Codecs.Snappy, compress.Codecs.Gzip, compress.Codecs.Lz4Raw:
		default:
			return refuse(badCodec)
		}
	}
	return nil
}

// readKeys takes what is needed from the file's metadata and hides the rest from
// the library.
func (t *tableReader) readKeys(md *metadata.FileMetaData) error {
	described, pandas := false, ""
	for _, kv := range md.FileMetaData.KeyValueMetadata {
		switch kv.Key {
		case tableMetaKey:
			if described {
				return refuse(badMetadata)
			}
			described = true
			var err error
			if t.meta, err = readTableMeta(kv.GetValue()); err != nil {
				return err
			}
		case arrowSchemaKey:
			fields, ok := readArrowSchema(kv.GetValue())
			if !ok || len(fields) != md.Schema.NumColumns() {
				return refuse(badMetadata)
			}
			t.arrow = fields
		case pandasKey:
			pandas = kv.GetValue()
		}
	}
	if !described {
		if !t.lim.Plain {
			return refuse(badMetadata)
		}
		if err := t.describe(pandas); err != nil {
			return err
		}
	}
	md.FileMetaData.KeyValueMetadata = nil
	if t.arrow == nil {
		t.arrow = make([]arrowField, md.Schema.NumColumns())
	}
	return nil
}

func (t *tableReader) fileNames() []string {
	root := t.file.MetaData().Schema.Root()
	names := make([]string, root.NumFields())
	for i := range names {
		names[i] = root.Field(i).Name()
	}
	return names
}

// read decodes all rows, some at a time, into canonical columns.
func (t *tableReader) read() ([]*column, error) {
	props := pqarrow.ArrowReadProperties{BatchSize: batchRows} // not Parallel: a panic elsewhere could not be caught
	for i, a := range t.arrow {
		props.SetReadDict(i, a.dictionary && isText(t.file.MetaData().Schema.Column(i)))
	}
	r, err := pqarrow.NewFileReader(t.file, props, t.mem)
	if err != nil {
		return nil, refuseFor(badFooter, err)
	}
	columns, err := t.columns(r)
	if err != nil {
		return nil, err
	}
	if len(columns) == 0 || t.rows == 0 {
		return t.inOrder(columns), nil
	}
	if err := t.readRows(r, columns); err != nil {
		return nil, err
	}
	return t.inOrder(columns), nil
}

// readRows fills the columns.
func (t *tableReader) readRows(r *pqarrow.FileReader, columns []*column) error {
	records, err := r.GetRecordReader(context.Background(), nil, nil)
	if err != nil {
		return refuseFor(damagedFile, err)
	}
	defer records.Release()
	done := int64(0)
	for {
		record, err := records.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return refuseFor(damagedFile, err)
		}
		done += record.NumRows()
		if done > t.rows || int(record.NumCols()) != len(columns) {
			return refuse(damagedFile)
		}
		for i, c := range columns {
			if err := c.add(record.Column(i)); err != nil {
				return err
			}
		}
	}
	if done != t.rows {
		return refuse(damagedFile)
	}
	return nil
}

// columns prepares a canonical column for each field of the file.
func (t *tableReader) columns(r *pqarrow.FileReader) ([]*column, error) {
	s, err := r.Schema()
	if err != nil {
		return nil, refuseFor(badType, err)
	}
	if s.NumFields() != len(t.arrow) {
		return nil, refuse(nestedColumn)
	}
	names := t.meta.names()
	columns := make([]*column, s.NumFields())
	for i, f := range s.Fields() {
		name := names[t.place(i)]
		if !isPlainText(name) {
			return nil, refuse(badColumnName)
		}
		to, err := canonicalType(f.Type, &t.arrow[i])
		if err != nil {
			return nil, err
		}
		columns[i] = newColumn(arrow.Field{Name: name, Type: to, Nullable: f.Nullable}, t.mem, t.lim)
	}
	return columns, nil
}

// isText says whether a Parquet column holds text.
func isText(c *schema.Column) bool {
	_, ok := c.LogicalType().(schema.StringLogicalType)
	return ok || c.ConvertedType() == schema.ConvertedTypes.UTF8
}

// canonicalType decides the type that a column leaves with: what Parquet says,
// made precise by what Arrow said when it wrote the file.
func canonicalType(from arrow.DataType, says *arrowField) (arrow.DataType, error) {
	switch t := from.(type) {
	case *arrow.TimestampType:
		return timestampType(t, says)
	case *arrow.Decimal128Type, *arrow.StringType, *arrow.Int64Type:
		return preciseType(t, says), nil
	case *arrow.DictionaryType:
		if t.ValueType.ID() == arrow.STRING {
			return &arrow.DictionaryType{IndexType: arrow.PrimitiveTypes.Int32, ValueType: arrow.BinaryTypes.String, Ordered: says.ordered}, nil
		}
	case *arrow.ListType:
		inner := &arrowField{}
		if says.element != nil {
			inner = says.element
		}
		if !isScalarType(t.Elem()) || inner.kind == arrowDuration {
			return nil, refuse(nestedColumn)
		}
		element, err := canonicalType(t.Elem(), inner)
		if err != nil {
			return nil, err
		}
		return arrow.ListOfField(arrow.Field{Name: "element", Type: element, Nullable: true}), nil
	}
	if !isScalarType(from) {
		return nil, refuse(badType)
	}
	return from, nil
}

// preciseType makes durations and large texts of what Parquet knows as whole
// numbers and texts.
func preciseType(from arrow.DataType, says *arrowField) arrow.DataType {
	switch {
	case from.ID() == arrow.STRING && says.kind == arrowLargeUTF8:
		return arrow.BinaryTypes.LargeString
	case from.ID() == arrow.INT64 && says.kind == arrowDuration && says.unit >= 0 && says.unit <= 3:
		return &arrow.DurationType{Unit: arrow.TimeUnit(says.unit)}
	}
	return from
}

// zone is what a name of a time zone looks like: "UTC", "Europe/Vienna" or
// "+05:30".
var zone = regexp.MustCompile(`^[A-Za-z0-9+-][A-Za-z0-9_+:/-]{0,63}$`)

// timestampType restores the time zone, and whole seconds, which Parquet stores
// as thousands of milliseconds.
func timestampType(from *arrow.TimestampType, says *arrowField) (arrow.DataType, error) {
	to := &arrow.TimestampType{Unit: from.Unit, TimeZone: from.TimeZone}
	if says.kind != arrowTimestamp {
		return to, nil
	}
	if (says.zone == "") != (from.TimeZone == "") {
		return nil, refuse(badType)
	}
	if says.zone != "" {
		if !zone.MatchString(says.zone) {
			return nil, refuse(badZone)
		}
		to.TimeZone = says.zone
	}
	if says.unit == 0 && from.Unit == arrow.Millisecond {
		to.Unit = arrow.Second
	}
	return to, nil
}

// isScalarType says whether a type of the library's reader may leave.
func isScalarType(t arrow.DataType) bool {
	switch t.ID() {
	case arrow.BOOL, arrow.INT8, arrow.INT16, arrow.INT32, arrow.INT64,
		arrow.UINT8, arrow.UINT16, arrow.UINT32, arrow.UINT64,
		arrow.FLOAT16, arrow.FLOAT32, arrow.FLOAT64, arrow.STRING, arrow.DATE32,
		arrow.TIMESTAMP, arrow.DECIMAL128, arrow.NULL:
		return true
	}
	return false
}

// errBudget is the panic of a spent budget.
var errBudget = errors.New("the memory limit is reached")

// budget is an allocator with an end. Arrow's allocators cannot fail, so it
// panics, and Parse turns that into a refusal: a dictionary of one long text
// that a million rows refer to ends here.
type budget struct {
	memory.GoAllocator
	left int64
}

// Allocate implements memory.Allocator.
func (b *budget) Allocate(size int) []byte {
	b.spend(int64(size))
	return b.GoAllocator.Allocate(size)
}

// Reallocate implements memory.Allocator.
func (b *budget) Reallocate(size int, old []byte) []byte {
	b.spend(int64(size - len(old)))
	return b.GoAllocator.Reallocate(size, old)
}

// Free implements memory.Allocator.
func (b *budget) Free(old []byte) {
	b.left += int64(len(old))
	b.GoAllocator.Free(old)
}

func (b *budget) spend(n int64) {
	if b.left -= n; b.left < 0 {
		panic(errBudget)
	}
}
