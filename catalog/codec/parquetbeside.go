package codec

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"io"
	"regexp"
	"slices"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/compress"
	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/metadata"

	"github.com/anchorhold/anchorhold"
)

// parquetBeside looks for what a Parquet file carries beside its rows: its footer,
// the headers of its pages, its dictionaries and indexes, field by field, and
// whether these and the pages are the whole file. It does not look for bytes that
// a decoder of values would pass over within a page.
type parquetBeside struct {
	in Input
	finding
	columns fileNames
	claims  []claims // of each column, or of each that a nested one is stored in
	said    [][]byte // what the footer says of each column of each row group, and all behind it
	ends    []int64  // where the pages of each end
	parts   [][2]int64
}

// span is a part of the file, from and to.
func (p *parquetBeside) span(from, length int64) {
	if from < 0 || length < 0 || from > p.in.Size-length {
		p.found(BesideBytes)
		return
	}
	p.parts = append(p.parts, [2]int64{from, from + length})
}

const parquetTail = 8 // the footer's length, and the mark

func newParquetBeside(in Input, f *file.Reader, columns []anchorhold.Column) (*parquetBeside, error) {
	p := &parquetBeside{in: in, columns: newFileNames(columns), claims: make([]claims, f.MetaData().Schema.NumColumns())}
	end := make([]byte, parquetTail)
	if _, err := in.At.ReadAt(end, in.Size-parquetTail); err != nil && !errors.Is(err, io.EOF) {
		return nil, Unreadable(in.Name, err)
	}
	length := int64(binary.LittleEndian.Uint32(end))
	if length > min(maxPage, in.Size-parquetTail) {
		return nil, notParquet(in.Name, errors.New("its footer is too long"))
	}
	footer := make([]byte, length)
	if _, err := in.At.ReadAt(footer, in.Size-parquetTail-length); err != nil && !errors.Is(err, io.EOF) {
		return nil, Unreadable(in.Name, err)
	}
	p.footer(footer)
	p.span(0, 4)
	p.span(in.Size-parquetTail-length, length+parquetTail)
	for i := range f.NumRowGroups() {
		group := f.MetaData().RowGroup(i)
		if group.NumColumns() != len(p.claims) {
			return nil, notParquet(in.Name, errors.New("a row group has another number of columns"))
		}
		for j := range p.claims {
			chunk, err := group.ColumnChunk(j)
			if err != nil {
				return nil, notParquet(in.Name, err)
			}
			if err := p.chunk(j, chunk); err != nil {
				return nil, err
			}
		}
	}
	p.whole()
	return p, nil
}

// repeated says whether a gap is the beginning of what the footer says of the column
// before it: so Arrow for Go leaves one where that is longer than its buffer.
func (p *parquetBeside) repeated(at, n int64) bool {
	i := slices.Index(p.ends, at)
	if i < 0 || i >= len(p.said) || n < thriftBuffer || n > int64(len(p.said[i])) {
		return false
	}
	gap := make([]byte, n)
	_, err := p.in.At.ReadAt(gap, at)
	return err == nil && bytes.Equal(gap, p.said[i][:n])
}

const thriftBuffer = 4096

// claim notes a value that some row of a column has to show.
func (p *parquetBeside) claim(j int, v []byte, mayBeCut bool) {
	if j < 0 || j >= len(p.claims) {
		p.found(BesideNotes)
	} else if !p.claims[j].add(v, mayBeCut) {
		p.found(BesideValues)
	}
}

// whole says whether parts lie side by side, with nothing between.
func (p *parquetBeside) whole() {
	slices.SortFunc(p.parts, func(a, b [2]int64) int { return cmp.Compare(a[0], b[0]) })
	at := int64(0)
	for _, part := range p.parts {
		if part[0] < at || !zeroed(p.in.At, at, part[0]-at) && !p.repeated(at, part[0]-at) {
			p.found(BesideBytes)
		}
		at = max(at, part[1])
	}
}

// see looks at rows of all columns, in their order.
func (p *parquetBeside) see(columns []arrow.Array) {
	leaf := 0
	for _, a := range columns {
		p.seeLeaves(a, &leaf)
	}
}

// seeLeaves looks at an array, or at those that it is made of.
func (p *parquetBeside) seeLeaves(a arrow.Array, leaf *int) {
	switch a := a.(type) {
	case *array.Map:
		p.seeLeaves(a.ListValues(), leaf)
	case *array.List:
		p.seeLeaves(a.ListValues(), leaf)
	case *array.Struct:
		for i := range a.NumField() {
			p.seeLeaves(a.Field(i), leaf)
		}
	default:
		if p.claims[*leaf].open() {
			p.claims[*leaf].see(a)
		}
		*leaf++
	}
}

// end says what was found, when all rows were seen.
func (p *parquetBeside) end() Beside {
	for j := range p.claims {
		if p.claims[j].open() {
			p.found(BesideValues)
		}
	}
	return p.beside
}

// What a footer has, by its numbers in parquet.thrift; prefixes end in a dot.
var (
	footerNumbers = paths("1 2 2.1 2.2 2.3 2.5 2.6 2.7 2.8 2.9 2.10 2.10. 3 4 4.1 4.1.2 4.1.3 4.1.3.1 4.1.3.2 4.1.3.4 4.1.3.5 4.1.3.6 4.1.3.7 4.1.3.9 4.1.3.10 " +
		"4.1.3.11 4.1.3.12 4.1.3.12.3 4.1.3.12.4 4.1.3.12.7 4.1.3.12.8 4.1.3.13 4.1.3.13. 4.1.3.16 4.1.3.16. 4.1.4 4.1.5 4.1.6 4.1.7 4.2 4.3 4.4 4.4. 4.5 4.6 4.7 5 7 7.1")
	statistics = paths("4.1.3.12.1 4.1.3.12.2 4.1.3.12.5 4.1.3.12.6 5.5.1 5.5.2 5.5.5 5.5.6 8.8.1 8.8.2 8.8.5 8.8.6")
	pageFields = paths("1 2 3 4 5 5.1 5.2 5.3 5.4 5.5 5.5.3 5.5.4 5.5.7 5.5.8 7 7.1 7.2 7.3 8 8.1 8.2 8.3 8.4 8.5 8.6 8.7 8.8 8.8.3 8.8.4 8.8.7 8.8.8")
	indexField = paths("1 1.1 1.2 1.3 2 4 5 6 7")
)

func paths(list string) map[string]bool {
	out := map[string]bool{}
	for p := range strings.FieldsSeq(list) {
		out[p] = true
	}
	return out
}

func listed(known map[string]bool, path string) bool {
	if known[path] {
		return true
	}
	for i := range len(path) {
		if path[i] == '.' && known[path[:i+1]] {
			return true
		}
	}
	return false
}

var (
	schemaName = regexp.MustCompile(`^(schema|root|arrow_schema|duckdb_schema|spark_schema|hive_schema|message|m)?$`)
	writerName = regexp.MustCompile(`^(parquet-cpp|parquet-cpp-arrow|parquet-go|parquet-mr|parquet-rs|parquet2?|arrow2|Arrow2 - Native Rust implementation of Arrow|Polars|DuckDB|fastparquet-python|Arrow)?` +
		`( version)? ?v?([0-9]{1,4}(\.[0-9]{1,4}){0,3}(-SNAPSHOT|-dev[0-9]{1,5}|\.dev[0-9]{1,5})?)?( \(build [0-9a-f]{0,40}\))?$`)
)

func (p *parquetBeside) footer(b []byte) {
	t := thriftReader{b: b}
	column, key := -1, ""
	t.seen = func(path string, text []byte, _ int64) {
		switch path {
		case "4.1":
			p.said = append(p.said, b[t.at:])
		case "4.1.2":
			column++
		case "4.2":
			column = -1
		case "4.1.3.14", "4.1.3.15":
			p.found(BesideFilter)
			return
		case "5.1":
			key = string(text)
		}
		switch {
		case text == nil && listed(footerNumbers, path):
		case text != nil && statistics[path]:
			p.claim(column, text, true)
		case text == nil || !p.plainText(path, key, string(text)):
			p.found(BesideNotes)
		}
	}
	if t.structure("", 0); t.bad || t.at != len(b) {
		p.found(BesideBytes)
	}
}

// plainText says whether a text of a footer is a usual one in its place.
func (p *parquetBeside) plainText(path, key, text string) bool {
	switch path {
	case "2.4":
		return p.columns.has(text) || schemaName.MatchString(text)
	case "4.1.3.3":
		return p.columns.has(text)
	case "5.1":
		return key == pandasSchemaKey || key == arrowSchemaKey
	case "5.2":
		return p.plainNote(key, text)
	case "6":
		return writerName.MatchString(text)
	}
	return false
}

// plainNote says whether a note is what usual writers note of types.
func (p *parquetBeside) plainNote(key, text string) bool {
	if key == pandasSchemaKey {
		return len(text) <= maxPandasSchema && plainPandas(text, p.columns)
	}
	b, err := base64.StdEncoding.DecodeString(text)
	if err != nil || key != arrowSchemaKey {
		return false
	}
	m, err := decodeMessage(b)
	return err == nil && m.plain() && m.plainArrowSchema(m.table, p.columns)
}

// chunk looks at the pages of a column in one row group, and its indexes.
func (p *parquetBeside) chunk(j int, c *metadata.ColumnChunkMetaData) error {
	at, end, err := p.bounds(c)
	if err != nil {
		return err
	}
	p.span(at, end-at)
	p.ends = append(p.ends, end)
	values := int64(0)
	for at < end {
		page, err := p.page(j, at, end)
		if err != nil {
			return err
		}
		if page == nil {
			p.found(BesideBytes)
			return nil
		}
		if page.dictionary {
			if err := p.dictionary(j, c, page, at); err != nil {
				return err
			}
		}
		values += page.values
		at += page.head + page.packed
	}
	if values != c.NumValues() {
		p.found(BesideBytes)
	}
	return p.indexes(j, c)
}

// bounds says where the pages of a column lie, of one row group.
func (p *parquetBeside) bounds(c *metadata.ColumnChunkMetaData) (at, end int64, err error) {
	at = c.DataPageOffset()
	if first := c.DictionaryPageOffset(); c.HasDictionaryPage() && first > 0 && first < at {
		at = first
	}
	end = at + c.TotalCompressedSize()
	if at < 0 || end < at || end > p.in.Size {
		return 0, 0, notParquet(p.in.Name, errors.New("a column lies outside of the file"))
	}
	return at, end, nil
}

// indexes looks at the indexes of a column in one row group.
func (p *parquetBeside) indexes(j int, c *metadata.ColumnChunkMetaData) error {
	for _, index := range []*metadata.IndexLocation{c.GetColumnIndexLocation(), c.GetOffsetIndexLocation()} {
		if index != nil {
			if err := p.index(j, *index); err != nil {
				return err
			}
		}
	}
	return nil
}

// parquetPage is what a page's header says.
type parquetPage struct {
	head, packed, size, values, entries int64
	dictionary                          bool
	odd                                 bool     // it has fields that are not known
	claimed                             [][]byte // values of its statistics
}

// field takes a field of the header.
func (g *parquetPage) field(path string, text []byte, number int64) {
	if text != nil && statistics[path] {
		g.claimed = append(g.claimed, text)
		return
	}
	g.odd = g.odd || text != nil || !listed(pageFields, path)
	switch path {
	case "2":
		g.size = number
	case "3":
		g.packed = number
	case "5.1", "8.1":
		g.values = number
	case "7.1":
		g.dictionary, g.entries = true, number
	}
}

const maxPageHead = 1 << 20

// page reads a header; nil where none is.
func (p *parquetBeside) page(j int, at, end int64) (*parquetPage, error) {
	for most := int64(4 << 10); ; most *= 16 {
		b := make([]byte, min(most, end-at))
		if _, err := p.in.At.ReadAt(b, at); err != nil && !errors.Is(err, io.EOF) {
			return nil, Unreadable(p.in.Name, err)
		}
		page := parquetPage{}
		t := thriftReader{b: b, seen: page.field}
		t.structure("", 0)
		if t.bad && most < maxPageHead && most < end-at {
			continue
		}
		page.head = int64(t.at)
		if t.bad || page.packed < 0 || page.values < 0 || page.packed > end-at-page.head {
			return nil, nil //nolint:nilnil // what is there is no page
		}
		if page.odd {
			p.found(BesideNotes)
		}
		for _, v := range page.claimed {
			p.claim(j, v, true)
		}
		return &page, nil
	}
}

// dictionary claims the values of a dictionary: of each some row has to have it.
func (p *parquetBeside) dictionary(j int, c *metadata.ColumnChunkMetaData, page *parquetPage, at int64) error {
	if page.packed > maxPage || page.size < 0 || page.size > maxPage {
		return notParquet(p.in.Name, errors.New("a dictionary is too long"))
	}
	packed := make([]byte, page.packed)
	if _, err := p.in.At.ReadAt(packed, at+page.head); err != nil && !errors.Is(err, io.EOF) {
		return Unreadable(p.in.Name, err)
	}
	b := packed
	if c.Compression() != compress.Codecs.Uncompressed {
		codec, err := compress.GetCodec(c.Compression())
		if err != nil {
			return notParquet(p.in.Name, err)
		}
		if b, err = compress.Decode(codec, make([]byte, page.size), packed); err != nil {
			return notParquet(p.in.Name, err)
		}
	}
	for range page.entries {
		v, rest, ok := plainValue(b, c.Type())
		if !ok {
			p.found(BesideBytes)
			return nil
		}
		p.claim(j, v, false)
		b = rest
	}
	if len(b) > 0 {
		p.found(BesideBytes)
	}
	return nil
}

const julianEpoch, dayNanos = 2440588, 86400 * 1_000_000_000

// plainValue cuts the first value off a dictionary.
func plainValue(b []byte, t parquet.Type) (v, rest []byte, ok bool) {
	var n int
	switch t {
	case parquet.Types.Int32, parquet.Types.Float:
		n = 4
	case parquet.Types.Int64, parquet.Types.Double:
		n = 8
	case parquet.Types.Int96: // nanoseconds of a day, and the day
		if len(b) < 12 {
			return nil, nil, false
		}
		nanos := int64(binary.LittleEndian.Uint64(b)) + (int64(binary.LittleEndian.Uint32(b[8:]))-julianEpoch)*dayNanos
		return binary.LittleEndian.AppendUint64(nil, uint64(nanos)), b[12:], true
	case parquet.Types.ByteArray:
		if len(b) < 4 {
			return nil, nil, false
		}
		n = int(binary.LittleEndian.Uint32(b))
		b = b[4:]
	default:
		return nil, nil, false
	}
	if n > len(b) {
		return nil, nil, false
	}
	return b[:n], b[n:], true
}

// index looks at an index of pages.
func (p *parquetBeside) index(j int, where metadata.IndexLocation) error {
	p.span(where.Offset, int64(where.Length))
	if where.Length < 0 || where.Length > maxPage {
		return notParquet(p.in.Name, errors.New("an index is too long"))
	}
	b := make([]byte, where.Length)
	if _, err := p.in.At.ReadAt(b, where.Offset); err != nil && !errors.Is(err, io.EOF) {
		return Unreadable(p.in.Name, err)
	}
	t := thriftReader{b: b, seen: func(path string, text []byte, _ int64) {
		switch {
		case text != nil && (path == "2" || path == "3"):
			p.claim(j, text, true)
		case text != nil || !indexField[path]:
			p.found(BesideNotes)
		}
	}}
	if t.structure("", 0); t.bad || t.at != len(b) {
		p.found(BesideBytes)
	}
	return nil
}
