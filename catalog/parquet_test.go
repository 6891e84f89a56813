package catalog

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"

	"github.com/anchorhold/anchorhold"
)

// parquetBytes writes fields with the same JSON rows for each.
func parquetBytes(t testing.TB, fields []arrow.Field, metadata map[string]string, rows string) []byte {
	t.Helper()
	meta := arrow.MetadataFrom(metadata)
	schema := arrow.NewSchema(fields, &meta)
	record, _, err := array.RecordFromJSON(memory.DefaultAllocator, schema, strings.NewReader(rows))
	if err != nil {
		t.Fatal(err)
	}
	defer record.Release()
	var out bytes.Buffer
	w, err := pqarrow.NewFileWriter(schema, &out, parquet.NewWriterProperties(), pqarrow.NewArrowWriterProperties(pqarrow.WithStoreSchema()))
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Write(record); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func field(name string, t arrow.DataType) arrow.Field {
	return arrow.Field{Name: name, Type: t, Nullable: true}
}

var everyType = []struct {
	arrow   arrow.DataType
	json    string
	want    Cell
	kind    anchorhold.ColumnType
	storage string // "": the usual one
}{
	{arrow.PrimitiveTypes.Int8, `-8`, Cell{Kind: CellInt, Int: -8}, anchorhold.TypeInt, "int8"},
	{arrow.PrimitiveTypes.Int16, `-16`, Cell{Kind: CellInt, Int: -16}, anchorhold.TypeInt, "int16"},
	{arrow.PrimitiveTypes.Int32, `-32`, Cell{Kind: CellInt, Int: -32}, anchorhold.TypeInt, "int32"},
	{arrow.PrimitiveTypes.Int64, `-9223372036854775808`, Cell{Kind: CellInt, Int: math.MinInt64}, anchorhold.TypeInt, ""},
	{arrow.PrimitiveTypes.Uint8, `255`, Cell{Kind: CellInt, Int: 255}, anchorhold.TypeInt, "uint8"},
	{arrow.PrimitiveTypes.Uint16, `65535`, Cell{Kind: CellInt, Int: 65535}, anchorhold.TypeInt, "uint16"},
	{arrow.PrimitiveTypes.Uint32, `4294967295`, Cell{Kind: CellInt, Int: 4294967295}, anchorhold.TypeInt, "uint32"},
	{arrow.PrimitiveTypes.Uint64, `18446744073709551615`, Cell{Kind: CellFloat, Float: 1 << 64}, anchorhold.TypeInt, "uint64"},
	{arrow.PrimitiveTypes.Float32, `0.1`, Cell{Kind: CellFloat, Float: 0.1}, anchorhold.TypeFloat, "float32"},
	{arrow.PrimitiveTypes.Float64, `0.25`, Cell{Kind: CellFloat, Float: 0.25}, anchorhold.TypeFloat, ""},
	{arrow.FixedWidthTypes.Boolean, `true`, Cell{Kind: CellBool, Int: 1}, anchorhold.TypeBool, ""},
	{arrow.BinaryTypes.String, `"Zürich"`, Cell{Kind: CellText, Text: "Zürich"}, anchorhold.TypeString, ""},
	{arrow.BinaryTypes.LargeString, `"x"`, Cell{Kind: CellText, Text: "x"}, anchorhold.TypeString, ""},
	{arrow.PrimitiveTypes.Date32, `"1970-01-03"`, Cell{Kind: CellDate, Int: 2}, anchorhold.TypeDate, ""},
	{&arrow.TimestampType{Unit: arrow.Microsecond}, `"1970-01-01T00:00:01"`, Cell{Kind: CellTimestamp, Int: 1e6}, anchorhold.TypeTimestamp, ""},
	{&arrow.TimestampType{Unit: arrow.Nanosecond, TimeZone: "UTC"}, `"1970-01-01T00:00:00.000001002Z"`, Cell{Kind: CellTimestamp, Int: 1, Nano: 2}, anchorhold.TypeTimestamp, "timestamp[ns, tz=UTC]"},
	{&arrow.DictionaryType{IndexType: arrow.PrimitiveTypes.Int8, ValueType: arrow.BinaryTypes.String}, `"cat"`, Cell{Kind: CellText, Text: "cat"}, anchorhold.TypeString, ""},
	{arrow.Null, `null`, Cell{}, anchorhold.TypeFloat, "null"},
}

func TestParquetTypes(t *testing.T) {
	var fields []arrow.Field
	var row []string
	for i, c := range everyType {
		name := fmt.Sprintf("c%d", i)
		fields = append(fields, field(name, c.arrow))
		row = append(row, fmt.Sprintf("%q:%s", name, c.json))
	}
	path := writeFile(t, "types.parquet", string(parquetBytes(t, fields, nil, "[{"+strings.Join(row, ",")+"},{}]")))
	table, err := Open(path, ReadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer table.Close()
	rows, err := table.Next(t.Context())
	if err != nil || len(rows) != 2 {
		t.Fatalf("%d rows, %v", len(rows), err)
	}
	for i, c := range everyType {
		col := table.Columns()[i]
		storage := ""
		if f, ok := col.Fact(anchorhold.FactStorage); ok {
			storage, _ = f.Value.(string)
		}
		if rows[0][i] != c.want || rows[1][i] != (Cell{}) || col.Type != c.kind || storage != c.storage {
			t.Errorf("%s: %v then %v, column %+v", c.arrow, rows[0][i], rows[1][i], col)
		}
	}
}

func TestBadParquet(t *testing.T) {
	text := field("name", arrow.BinaryTypes.String)
	one := `[{"name":"` + canary + `"}]`
	good := parquetBytes(t, []arrow.Field{text}, nil, one)
	flipped := bytes.Clone(good)
	for i := 20; i < len(flipped)-200; i++ {
		flipped[i] ^= 0x55
	}
	unsupported := func(dt arrow.DataType, value string) []byte {
		return parquetBytes(t, []arrow.Field{text, field("odd", dt)}, nil, `[{"name":"`+canary+`","odd":`+value+`}]`)
	}
	for _, c := range []struct {
		name    string
		content []byte
		want    string
	}{
		{"truncated", good[:len(good)-9], "damaged or not a Parquet file"},
		{"magic only", []byte("PAR1PAR1"), "damaged or not a Parquet file"},
		{"pages overwritten", flipped, "damaged or not a Parquet file"},
		{"no rows", parquetBytes(t, []arrow.Field{text}, nil, `[]`), "has column names but no rows"},
		{"duplicate columns", parquetBytes(t, []arrow.Field{text, text}, nil, `[]`), "columns 1 and 2 of bad.parquet have the same name"},
		{"empty name", parquetBytes(t, []arrow.Field{text, field(" ", arrow.BinaryTypes.String)}, nil, `[]`), "column 2 of bad.parquet has no name"},
		{"pandas index", parquetBytes(t, []arrow.Field{text}, map[string]string{"pandas": `{"index_columns":["name"]}`}, one), "reset_index()"},
		{"unnamed pandas index", parquetBytes(t, []arrow.Field{field("__index_level_0__", arrow.PrimitiveTypes.Int64)}, nil, `[]`), "reset_index()"},
		{"pandas timedelta", parquetBytes(t, []arrow.Field{field("odd", arrow.PrimitiveTypes.Int64)},
			map[string]string{"pandas": `{"columns":[{"field_name":"odd","pandas_type":"object","numpy_type":"timedelta64[us]","metadata":null}]}`}, `[{"odd":1}]`), "total_seconds"},
		{"pandas categories of numbers", parquetBytes(t, []arrow.Field{field("odd", arrow.PrimitiveTypes.Int64)},
			map[string]string{"pandas": `{"columns":[{"field_name":"odd","pandas_type":"categorical","numpy_type":"int8"}]}`}, `[{"odd":1}]`), "without categories"},
		{"list", unsupported(arrow.ListOf(arrow.BinaryTypes.Binary), `["eA=="]`), `column "odd" of bad.parquet has the type binary`},
		{"struct", unsupported(arrow.StructOf(field("x", arrow.FixedWidthTypes.Time32s)), `{"x":"00:00:01"}`), "has the type time32[ms]"},
		{"binary", unsupported(arrow.BinaryTypes.Binary, `"AAAA"`), "write it as text"},
		{"decimal", unsupported(&arrow.Decimal128Type{Precision: 9, Scale: 2}, `"1.25"`), "float64"},
		{"half float", unsupported(arrow.FixedWidthTypes.Float16, `1`), "float64"},
		{"time of day", unsupported(arrow.FixedWidthTypes.Time32s, `"10:00:00"`), "seconds"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, _, err := readTable(writeFile(t, "bad.parquet", string(c.content)), ReadOptions{})
			checkRefusal(t, err, c.want)
		})
	}
	_, _, err := readTable(writeFile(t, "a.parquet", string(good)), ReadOptions{Columns: []anchorhold.Column{{Name: "name", Type: anchorhold.TypeInt}}})
	checkRefusal(t, err, "stored as utf8 and cannot be offered as int")
	_, _, err = readTable(writeFile(t, "a.csv", string(good)), ReadOptions{})
	checkRefusal(t, err, "is a Parquet file, not CSV")
}

func TestParquetPandasRangeIndexIsNoColumn(t *testing.T) {
	content := parquetBytes(t, []arrow.Field{field("a", arrow.PrimitiveTypes.Int64)},
		map[string]string{"pandas": `{"index_columns":[{"kind":"range","start":0,"stop":1,"step":1}]}`}, `[{"a":1}]`)
	columns, rows, err := readTable(writeFile(t, "range", string(content)), ReadOptions{})
	if err != nil || len(rows) != 1 || !reflect.DeepEqual(columns, []string{"a int"}) {
		t.Errorf("%v, %d rows, %v", columns, len(rows), err)
	}
}

// TestParquetPandasNotes: categories and time zones are kept for the mock.
func TestParquetPandasNotes(t *testing.T) {
	fields := []arrow.Field{field("c", arrow.BinaryTypes.String), field("t", &arrow.TimestampType{Unit: arrow.Microsecond, TimeZone: "UTC"})}
	for notes, want := range map[string][2]any{
		`{"columns":[{"field_name":"c","pandas_type":"categorical","metadata":{"num_categories":2}},{"field_name":"t","pandas_type":"datetimetz","metadata":{"timezone":"Europe/Zurich"}}]}`: {"dictionary<utf8>", "timestamp[us, tz=Europe/Zurich]"},
		`{"columns":[{"field_name":"t","metadata":{"timezone":"a\nb"}}]}`: {nil, "timestamp[us, tz=UTC]"},
		`{"columns":7}`: {nil, "timestamp[us, tz=UTC]"},
	} {
		content := parquetBytes(t, fields, map[string]string{"pandas": notes}, `[{"c":"x"}]`)
		table, err := Open(writeFile(t, "notes.parquet", string(content)), ReadOptions{})
		if err != nil {
			t.Fatal(err)
		}
		for i, c := range table.Columns() {
			if f, _ := c.Fact(anchorhold.FactStorage); f.Value != want[i] {
				t.Errorf("%s: column %s is stored as %v, want %v", notes, c.Name, f.Value, want[i])
			}
		}
		table.Close()
	}
}

// TestDamagedParquet changes bytes of a good file. The library alone would ask
// for more memory than there is, or run on for minutes, after some of them.
func TestDamagedParquet(t *testing.T) {
	fields := []arrow.Field{field("a", arrow.PrimitiveTypes.Int64), field("b", arrow.BinaryTypes.String)}
	good := parquetBytes(t, fields, map[string]string{"pandas": `{"columns":[]}`}, `[{"a":1,"b":"x"},{"b":"y"}]`)
	rng := rand.New(rand.NewPCG(1, 2))
	path := filepath.Join(t.TempDir(), "damaged.parquet")
	refused := 0
	for range 1000 {
		bad := bytes.Clone(good)
		for range 1 + rng.IntN(3) {
			bad[4+rng.IntN(len(bad)-8)] = byte(rng.IntN(256))
		}
		if err := os.WriteFile(path, bad, 0o600); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		if _, _, err := readTable(path, ReadOptions{}); err != nil {
			refused++
			checkRefusal(t, err, "")
		}
		if took := time.Since(began); took > 5*time.Second {
			t.Fatalf("a damaged file took %s", took)
		}
	}
	if refused < 150 {
		t.Errorf("only %d of 1000 damaged files were noticed", refused)
	}
}

func TestStorageComesFromTheFile(t *testing.T) {
	stale := anchorhold.Fact{Name: anchorhold.FactStorage, Value: "int8", Provenance: anchorhold.Stated}
	note := anchorhold.Fact{Name: anchorhold.FactMin, Value: 1.0, Provenance: anchorhold.Stated}
	o := ReadOptions{Columns: []anchorhold.Column{{Name: "a", Facts: []anchorhold.Fact{stale, note}}}}
	for name, content := range map[string]string{
		"a.csv":     "a\n1\n",
		"a.parquet": string(parquetBytes(t, []arrow.Field{field("a", arrow.PrimitiveTypes.Int64)}, nil, `[{"a":1}]`)),
	} {
		table, err := Open(writeFile(t, name, content), o)
		if err != nil {
			t.Fatal(err)
		}
		if got := table.Columns()[0].Facts; !reflect.DeepEqual(got, []anchorhold.Fact{note}) {
			t.Errorf("%s: %v", name, got)
		}
		table.Close()
	}
}

func FuzzParquet(f *testing.F) {
	fields := []arrow.Field{field("a", arrow.PrimitiveTypes.Int64), field("b", arrow.BinaryTypes.String)}
	f.Add(parquetBytes(f, fields, nil, `[{"a":1,"b":"x"},{"b":"y"}]`))
	f.Add([]byte("PAR1\x15\x04PAR1"))
	path := writeFile(f, "fuzz.parquet", "")
	f.Fuzz(func(t *testing.T, content []byte) {
		if len(content) > 1<<16 {
			return
		}
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		columns, rows, err := readTable(path, ReadOptions{Format: FormatParquet})
		if err != nil {
			checkRefusal(t, err, "")
		} else if len(rows) == 0 || len(columns) == 0 {
			t.Fatal("a table without rows or columns was read")
		}
		if took := time.Since(began); took > 10*time.Second {
			t.Fatalf("%d bytes took %s", len(content), took)
		}
	})
}
