//go:build linux && (amd64 || arm64)

package sandboxed

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/catalog"
	"github.com/anchorhold/anchorhold/catalog/codec"
	"github.com/anchorhold/anchorhold/engine"
	"github.com/anchorhold/anchorhold/engine/duckdb"
	"github.com/anchorhold/anchorhold/engine/duckdb/duckdbtest"
)

// read gives a file's columns and cells as the catalogue reads them.
func read(t *testing.T, format string, content []byte, missing []string) (columns []engine.Column, cells [][]string) {
	t.Helper()
	c, ok := catalog.FormatNamed(format)
	if !ok {
		t.Fatal("no format", format)
	}
	in := codec.Input{Name: "x", Size: int64(len(content)), At: bytes.NewReader(content), Stream: bytes.NewReader(content)}
	r, err := c.Open(in, codec.Options{Missing: missing})
	if err != nil {
		t.Fatal(format, err)
	}
	defer r.Close()
	var whole [][]codec.Cell
	for {
		batch, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(format, err)
		}
		if of := r.Of(); of >= 0 { // a column alone, after those before it
			for i, row := range batch {
				at := int(r.Rows()) - len(batch) + i
				for len(cells) <= at {
					cells = append(cells, nil)
				}
				cells[at] = append(cells[at], textOf(row[0], r.Columns()[of].Type))
			}
			continue
		}
		for _, row := range batch {
			whole = append(whole, slices.Clone(row))
			for i := range row {
				whole[len(whole)-1][i].Text = strings.Clone(row[i].Text)
			}
		}
	}
	for _, row := range whole { // now that the types are known
		var line []string
		for i, cell := range row {
			line = append(line, textOf(cell, r.Columns()[i].Type))
		}
		cells = append(cells, line)
	}
	for _, col := range r.Columns() {
		columns = append(columns, engine.Column{Name: col.Name, Type: col.Type})
	}
	return columns, retype(columns, cells)
}

// textOf is a cell of a column by its kind and value.
func textOf(c codec.Cell, of anchorhold.ColumnType) string {
	if of == anchorhold.TypeString && c.Kind != codec.CellMissing {
		return strings.Clone(c.Text)
	}
	switch c.Kind {
	case codec.CellMissing:
		return "NULL"
	case codec.CellFloat:
		return strconv.FormatFloat(c.Float, 'g', -1, 64)
	case codec.CellText:
		return strings.Clone(c.Text)
	}
	return strconv.FormatInt(c.Int, 10)
}

// retype writes integers in a column of floats as floats.
func retype(columns []engine.Column, cells [][]string) [][]string {
	for _, row := range cells {
		for i, c := range columns {
			if f, err := strconv.ParseFloat(row[i], 64); err == nil && c.Type == anchorhold.TypeFloat {
				row[i] = strconv.FormatFloat(f, 'g', -1, 64)
			}
		}
	}
	return cells
}

// file is one for a test.
type file struct {
	name, format string
	content      []byte
	missing      []string
	columns      []engine.Column
	cells        [][]string // as the catalogue reads them
}

// compare reads files in one session and compares their cells with the
// catalogue's.
func compare(t *testing.T, w *duckdb.Workers, files []file) {
	t.Helper()
	dir := t.TempDir()
	of := duckdb.Dataset{Name: t.Name()}
	var paths []string
	for i := range files {
		f := &files[i]
		f.columns, f.cells = read(t, f.format, f.content, f.missing)
		path := filepath.Join(dir, strconv.Itoa(i))
		if err := os.WriteFile(path, f.content, 0o600); err != nil {
			t.Fatal(err)
		}
		paths = append(paths, path)
		of.Tables = append(of.Tables, duckdb.Table{Name: f.name, Format: f.format, Columns: f.columns, Missing: f.missing})
	}
	of.Open = duckdbtest.Files(paths...)
	e := w.Engine("somebody", of)
	for _, f := range files {
		t.Run(f.name, func(t *testing.T) { same(t, asked(t, e, f.name, f.columns), f.cells) })
	}
}

// asked gives a table's cells as DuckDB reads them.
func asked(t *testing.T, e *duckdb.Engine, table string, columns []engine.Column) [][]string {
	t.Helper()
	s := engine.Statement{MaxRows: engine.MaxRows}
	var list []string
	for _, c := range columns {
		expression := engine.Quote(c.Name)
		c.Nullable = true
		if c.Type == anchorhold.TypeFloat {
			c.Type, expression = anchorhold.TypeString, "CAST("+expression+" AS VARCHAR)"
		}
		s.Columns = append(s.Columns, c)
		list = append(list, expression+" AS "+engine.Quote(c.Name))
	}
	s.SQL = "SELECT " + strings.Join(list, ", ") + " FROM " + engine.Quote(table)
	p, err := e.Partials(t.Context(), s)
	if err != nil {
		t.Fatal(err, errors.Unwrap(err))
	}
	cells := make([][]string, p.Rows)
	for i := range cells {
		for _, v := range p.Values {
			switch {
			case v.IsNull(i):
				cells[i] = append(cells[i], "NULL")
			case v.Texts != nil:
				cells[i] = append(cells[i], v.Texts[i])
			default:
				cells[i] = append(cells[i], v.Ints[i].BigInt().String())
			}
		}
	}
	return retype(columns, cells)
}

// same compares rows in whatever order.
func same(t *testing.T, got, want [][]string) {
	t.Helper()
	lines := func(cells [][]string) []string {
		var out []string
		for _, row := range cells {
			out = append(out, strings.Join(row, "|"))
		}
		slices.Sort(out)
		return out
	}
	g, w := lines(got), lines(want)
	if len(g) != len(w) || len(g) == 0 {
		t.Errorf("%d rows, not %d", len(g), len(w))
	}
	for i := range min(len(g), len(w)) {
		if g[i] != w[i] {
			t.Errorf("%q should be %q", g[i], w[i])
		}
	}
}

// What the catalogue registered is what DuckDB reads, in all that CSV files do.
func TestReadsCSVAsTheCatalogueDoes(t *testing.T) {
	w := workers(t, box(t))
	var files []file
	for name, text := range map[string]string{
		"plain":        "id,who,x\n1,a,0.5\n2,b,1.5\n",
		"no line end":  "id,who\n1,a\n2,b",
		"line ends":    "id,who\r\n1,a\r\n2,b c\r\n",
		"mark":         "\xef\xbb\xbfid,who\n1,a\n",
		"empty lines":  "id,who\n1,a\n\n\n2,b\n\n",
		"lines before": "\n\n\nid,who\n1,a\n2,b\n",
		"and with CR":  "\r\n\r\nid,who\r\n1,a\r\n\r\n2,b\r\n",
		"semicolons":   "id;who;x\n1;a,b;0.5\n",
		"tabs":         "id\twho\n1\ta b\n2\t\n",
		"quotes":       "id,\"w,h\"\"o\"\n1,\"a \"\"b\"\" c\"\n2,\"\"\n3,\",\"\n4,\"x\ny\"\n",
		"integers":     "a,b\n+5,1\n 7,2\n7 ,3\n0012,4\n-0,5\n9223372036854775807,6\n-9223372036854775808,7\n,8\nNA,9\n",
		"too wide":     "a\n9223372036854775808\n1\n",
		"floats":       "a,b\n1.,1\n.5,2\n1e5,3\n1E+05,4\ninf,5\n-Infinity,6\n+inf,7\nNaN,8\n 1.5,9\n-0.0,10\n1e400,11\n5e-324,12\n0.1,13\n123456789.123456789,14\n3,15\n",
		"bools":        "a,b\nTrue,1\nFALSE,2\ntrue,3\n,4\n",
		"dates":        "a,b\n2020-01-31,1\n1900-02-28,2\n0001-01-01,3\n9999-12-31,4\nNA,5\n",
		"timestamps":   "a,b\n2020-01-31 12:00:00,1\n2020-01-31T12:00:00,2\n2020-01-31T12:00:00Z,3\n2020-01-31 12:00:00+02:00,4\n2020-01-31 12:00:00.123456,5\n2020-01-31 12:00,6\n1969-12-31 23:59:59.5,7\n",
		"texts":        "a,b\n x,1\nx ,2\nNULL,3\nnull,4\n#N/A,5\nnone,6\nZoë,7\n李,8\n'x',9\n\\,10\n\\N,11\n# a,12\n",
		"missing":      "a,b\n?,1\nx,2\n-,3\n\"?\",4\n",
		"one column":   "a\n1\n2\n",
		"mixed":        "a,b\n1,1\nx,2\n2020-01-01,3\n",
		"many columns": manyColumns(),
	} {
		files = append(files, file{name: name, format: "csv", content: []byte(text), missing: []string{"?", "-"}})
	}
	compare(t, w, files)
}

func manyColumns() string {
	var head, row []string
	for i := range 300 {
		head, row = append(head, "c"+strconv.Itoa(i)), append(row, strconv.Itoa(i))
	}
	return strings.Join(head, ",") + "\n" + strings.Join(row, ",") + "\n"
}

// batch has a column of every kind that formats keep.
func batch(t *testing.T) arrow.RecordBatch {
	t.Helper()
	zone := &arrow.TimestampType{Unit: arrow.Millisecond, TimeZone: "Europe/Berlin"}
	dictionary := &arrow.DictionaryType{IndexType: arrow.PrimitiveTypes.Int8, ValueType: arrow.BinaryTypes.String}
	fields := []arrow.Field{
		{Name: "i8", Type: arrow.PrimitiveTypes.Int8},
		{Name: "u32", Type: arrow.PrimitiveTypes.Uint32},
		{Name: "i64", Type: arrow.PrimitiveTypes.Int64},
		{Name: "f32", Type: arrow.PrimitiveTypes.Float32},
		{Name: "f64", Type: arrow.PrimitiveTypes.Float64},
		{Name: "b", Type: arrow.FixedWidthTypes.Boolean},
		{Name: "s", Type: arrow.BinaryTypes.String},
		{Name: "d", Type: arrow.FixedWidthTypes.Date32},
		{Name: "us", Type: &arrow.TimestampType{Unit: arrow.Microsecond}},
		{Name: "ms", Type: zone},
		{Name: "k", Type: dictionary},
	}
	for i := range fields {
		fields[i].Nullable = true
	}
	b := array.NewRecordBuilder(memory.DefaultAllocator, arrow.NewSchema(fields, nil))
	const rows = 5000
	for i := range rows {
		if i%7 == 3 {
			for _, f := range b.Fields() {
				f.AppendNull()
			}
			continue
		}
		values := []string{
			strconv.Itoa(i%256 - 128), strconv.Itoa(i * 800_000), strconv.FormatInt(int64(i)*1_844_674_407_370_955, 10),
			strconv.FormatFloat(float64(i)/8, 'g', -1, 32), strconv.FormatFloat(float64(i)/3, 'g', -1, 64), strconv.FormatBool(i%2 == 0),
			strings.Repeat("é", i%40) + strconv.Itoa(i), time.Unix(int64(i)*86400*7, 0).UTC().Format(time.DateOnly),
			time.UnixMicro(int64(i) * 1_000_003).UTC().Format("2006-01-02T15:04:05.999999"), time.UnixMilli(int64(i) * 1003).UTC().Format("2006-01-02T15:04:05.999Z"),
			"k" + strconv.Itoa(i%5),
		}
		for c, v := range values {
			if err := b.Field(c).AppendValueFromString(v); err != nil {
				t.Fatal(fields[c].Name, err)
			}
		}
	}
	return b.NewRecordBatch()
}

// encoded writes a batch in a format.
func encoded(t *testing.T, format string, b arrow.RecordBatch) []byte {
	t.Helper()
	var out bytes.Buffer
	var err error
	switch format {
	case "parquet":
		var w *pqarrow.FileWriter
		w, err = pqarrow.NewFileWriter(b.Schema(), &out, parquet.NewWriterProperties(), pqarrow.NewArrowWriterProperties(pqarrow.WithStoreSchema()))
		if err == nil {
			err = errors.Join(w.Write(b), w.Close())
		}
	case "arrow":
		var w *ipc.FileWriter
		w, err = ipc.NewFileWriter(&out, ipc.WithSchema(b.Schema()))
		if err == nil {
			err = errors.Join(w.Write(b.NewSlice(0, 1234)), w.Write(b.NewSlice(1234, b.NumRows())), w.Close())
		}
	case "arrows":
		w := ipc.NewWriter(&out, ipc.WithSchema(b.Schema()), ipc.WithZstd())
		err = errors.Join(w.Write(b.NewSlice(0, 1234)), w.Write(b.NewSlice(1234, b.NumRows())), w.Close())
	case "jsonl":
		out.WriteString(`{"id": 1, "s": "a", "x": 0.5, "b": true, "d": "2020-01-31", "t": "2020-01-31T12:00:00"}` + "\n\n" +
			`{"s": "null", "id": 9223372036854775807, "x": 3, "b": null, "d": null}` + "\n" + `{"id": null, "s": "\"q\"\n\u00e9", "x": -1e300, "b": false, "t": "2020-01-31 12:00:00Z"}`)
	}
	if err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// What the catalogue registered is what DuckDB reads, in every format of tables.
func TestReadsFormatsAsTheCatalogueDoes(t *testing.T) {
	w := workers(t, box(t))
	b := batch(t)
	var files []file
	for _, format := range []string{"parquet", "arrow", "arrows", "jsonl"} {
		files = append(files, file{name: format, format: format, content: encoded(t, format, b)})
	}
	compare(t, w, files)
}

// A file that is cut, altered or something else makes no answer of another kind
// than a word, and does no harm to the next question.
func TestHostileFiles(t *testing.T) {
	w := workers(t, box(t))
	b := batch(t)
	column := []engine.Column{{Name: "i64", Type: anchorhold.TypeInt}}
	for _, format := range []string{"parquet", "arrow", "arrows", "csv", "jsonl"} {
		good := []byte("i64\n1\n2\n")
		switch format {
		case "jsonl":
			good = []byte("{\"i64\": 1}\n{\"i64\": 2}\n")
		case "csv":
		default:
			good = encoded(t, format, b)
		}
		files := map[string][]byte{
			"cut": good[:len(good)/2], "a long line": append(slices.Clone(good), bytes.Repeat([]byte("9"), 20<<20)...),
		}
		for _, step := range []int{7, 101} {
			bad := slices.Clone(good)
			for i := step; i < len(bad); i += step * 13 {
				bad[i] ^= byte(step)
			}
			files["altered by "+strconv.Itoa(step)] = bad
		}
		for name, content := range files {
			t.Run(format+" "+name, func(t *testing.T) {
				path := filepath.Join(t.TempDir(), "file")
				if err := os.WriteFile(path, content, 0o600); err != nil {
					t.Fatal(err)
				}
				e := w.Engine("somebody", duckdb.Dataset{
					Name: t.Name(), Tables: []duckdb.Table{{Name: "x", Format: format, Columns: column}}, Open: duckdbtest.Files(path),
				})
				defer e.Close()
				_, err := e.Partials(t.Context(), engine.Statement{
					SQL: "SELECT COUNT(i64) AS n FROM x", Columns: []engine.Column{{Name: "n", Type: anchorhold.TypeInt}}, MaxRows: 1,
				})
				if err != nil && engine.FailureOf(err) == "" {
					t.Error(err)
				}
			})
		}
	}
}
