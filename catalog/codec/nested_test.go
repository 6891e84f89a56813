package codec

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/catalog/mock"
)

// nestedRows are the rows of a table, and those of the parts of its nested columns.
func nestedRows(c Codec, in Input) (cols []anchorhold.Column, rows, parts []string, err error) {
	r, err := c.Open(in, Options{})
	if err != nil {
		return nil, nil, nil, err
	}
	defer r.Close()
	for {
		batch, err := r.Next()
		if err != nil {
			return r.Columns(), rows, parts, err
		}
		for _, row := range batch {
			if r.Of() == Each {
				rows = append(rows, words(row[:len(r.Columns())]))
			} else {
				parts = append(parts, strings.TrimRight(words(row), " -"))
			}
		}
	}
}

func types(cols []anchorhold.Column) string {
	var out []string
	for _, c := range cols {
		said := c.Name + " " + string(c.Type)
		if c.Required {
			said += "!"
		}
		if len(c.Fields) > 0 {
			said += "(" + types(c.Fields) + ")"
		}
		out = append(out, said)
	}
	return strings.Join(out, ", ")
}

// TestNestedTables: one table of lists, structs and maps is the same rows, and the
// same rows of parts, however it is stored.
func TestNestedTables(t *testing.T) {
	const want = "id int!, home struct(town string, zip int!), doses list(item float), visits list(item struct(ward string, codes list(item int))), marks map(key string!, value int)"
	_, rows, parts, err := nestedRows(Parquet{}, fixture(t, "nested.parquet"))
	if len(rows) != 23 || rows[3] != `1003 "{\"town\":\"Bern\",\"zip\":3003}" "[0.75,1.75,2.75]" "[]" "[]"` || rows[4] != `1004 - - "[{\"codes\":[4,0],\"ward\":\"A\"}]" "[{\"key\":\"m0\",\"value\":4}]"` {
		t.Fatalf("%d rows, %v: %q %q", len(rows), err, rows[3], rows[4])
	}
	for _, part := range []string{`0.75 1.75 2.75`, `1003 "Bern" 3003`, `0.25`, `"A"`, `"m0" 4`, `4 0`} {
		if !slices.Contains(parts, part) {
			t.Errorf("no part %s in %q", part, parts)
		}
	}
	for name, c := range map[string]Codec{
		"nested.parquet": Parquet{}, "nestedpandas.parquet": Parquet{}, "nestedindex.parquet": Parquet{}, "nested.arrow": Arrow{}, "nestedzstd.arrow": Arrow{}, "nestedlarge.arrows": ArrowStream{},
	} {
		cols, r, p, err := nestedRows(c, fixture(t, name))
		slices.Sort(p)
		slices.Sort(parts)
		if !slices.Equal(r, rows) || !slices.Equal(p, parts) || types(cols) != want {
			t.Errorf("%s: %v: %v, %s\n%q\n%q", name, err, errors.Unwrap(err), types(cols), r, p)
		}
		data, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		if b, err := besideOf(c, data); b != BesideNothing && name != "nestedzstd.arrow" || err != nil {
			t.Errorf("%s: %q beside, %v", name, b, err)
		}
	}
	// JSON knows no maps, and declares nothing.
	cols, r, _, _ := nestedRows(JSONLines{}, fixture(t, "nested.jsonl"))
	if got := types(cols); got != "id int, home struct(town string, zip int), doses list(item float), visits list(item struct(ward string, codes list(item int))), marks struct(m0 int, m1 int)" {
		t.Error(got)
	}
	for i := range r {
		if a, b := strings.Split(r[i], ` "{\"m`)[0], rows[i]; !strings.HasPrefix(b, strings.TrimSuffix(a, ` "{}"`)) && !strings.HasSuffix(b, "-") {
			t.Errorf("row %d: %s, want %s", i, a, b)
		}
	}
}

// TestNestedMocks: what is generated has the same columns, and nothing else.
func TestNestedMocks(t *testing.T) {
	for name, c := range map[string]Codec{"nested.parquet": Parquet{}, "nested.arrow": Arrow{}, "nestedlarge.arrows": ArrowStream{}, "nested.jsonl": JSONLines{}} {
		cols, _, _, _ := nestedRows(c, fixture(t, name))
		var made, again bytes.Buffer
		card := mock.Card{Columns: cols}
		if n, err := c.Generate(context.Background(), card, 7, &made); err != nil || n != mock.DefaultRows {
			t.Fatalf("%s: %d, %v", name, n, err)
		}
		if _, err := c.Generate(context.Background(), card, 7, &again); err != nil || !bytes.Equal(made.Bytes(), again.Bytes()) {
			t.Errorf("%s: not the same bytes, %v", name, err)
		}
		got, rows, parts, err := nestedRows(c, input("mock", made.Bytes()))
		if types(got) != types(cols) || len(rows) != mock.DefaultRows || len(parts) < mock.DefaultRows {
			t.Errorf("%s: %v, %s instead of %s", name, err, types(got), types(cols))
		}
		if name == "nested.jsonl" {
			continue
		}
		if b, err := besideOf(c, made.Bytes()); b != BesideNothing || err != nil {
			t.Errorf("%s: %q beside, %v", name, b, err)
		}
	}
}

// TestNestedRefusals: what is too deep, too much, or of two types.
func TestNestedRefusals(t *testing.T) {
	deep := strings.Repeat("[", 40) + strings.Repeat("]", 40)
	for text, want := range map[string]string{
		`{"a":[1,"` + canary + `"]}`:                   "not of the type",
		`{"a":[{"b":1}, [2]]}`:                         "not of the type",
		`{"a":{"b":1}}` + "\n" + `{"a":[2]}`:           "not of the type",
		`{"a":` + deep + `}`:                           "nested deeper",
		`{"a":{"` + canary + `\n":1}}`:                 "has a name that no column can have",
		`{"a":{"b":1,"b":2}}`:                          "is not one JSON object",
		`{"a":[` + strings.Repeat("1,", 1<<20) + `1]}`: "more than",
	} {
		_, _, _, err := nestedRows(JSONLines{}, input("a.jsonl", []byte(text)))
		var e *anchorhold.Error
		if !errors.As(err, &e) || !strings.Contains(e.Message, want) || strings.Contains(err.Error(), canary) {
			t.Errorf("%.60s: %v", text, err)
		}
	}
}

// TestNothingIsHiddenInNestedColumns: values that belong to no list, and those under
// missing lists and structs.
func TestNothingIsHiddenInNestedColumns(t *testing.T) {
	words := texts(arrow.Metadata{}, arrow.Metadata{}, "alpha", canary).Column(0)
	offsets := func(at ...int32) *memory.Buffer { return memory.NewBufferBytes(arrow.Int32Traits.CastToBytes(at)) }
	bits := func(b byte) *memory.Buffer { return memory.NewBufferBytes([]byte{b}) }
	table := func(kind arrow.DataType, rows, missing int, buffers []*memory.Buffer) arrow.RecordBatch {
		a := array.MakeFromData(array.NewData(kind, rows, buffers, []arrow.ArrayData{words.Data()}, missing, 0))
		schema := arrow.NewSchema([]arrow.Field{{Name: "c", Type: kind, Nullable: true}}, nil)
		return array.NewRecordBatch(schema, []arrow.Array{a}, int64(rows))
	}
	list := arrow.ListOf(arrow.BinaryTypes.String)
	structure := arrow.StructOf(arrow.Field{Name: "w", Type: arrow.BinaryTypes.String, Nullable: true})
	for name, c := range map[string]struct {
		batch arrow.RecordBatch
		want  Beside
	}{
		"all are of a row":          {table(list, 1, 0, []*memory.Buffer{nil, offsets(0, 2)}), ""},
		"one under a missing list":  {table(list, 2, 1, []*memory.Buffer{bits(1), offsets(0, 1, 2)}), BesideValues},
		"one under a missing part":  {table(structure, 2, 1, []*memory.Buffer{bits(1)}), BesideValues},
		"all are of a struct":       {table(structure, 2, 0, []*memory.Buffer{nil}), ""},
		"one of a list of two each": {table(arrow.FixedSizeListOf(1, arrow.BinaryTypes.String), 2, 1, []*memory.Buffer{bits(1)}), BesideValues},
	} {
		if b, err := besideOf(Arrow{}, asArrow(t, c.batch)); b != c.want || err != nil {
			t.Errorf("%s: %q, %v", name, b, err)
		}
	}
	// The library leaves out what is behind the last list; others write it.
	data := asArrow(t, table(list, 1, 0, []*memory.Buffer{nil, offsets(0, 2)}))
	at := bytes.LastIndex(data[:max(0, bytes.Index(data, arrow.Int32Traits.CastToBytes([]int32{0, 5, 14})))], arrow.Int32Traits.CastToBytes([]int32{0, 2}))
	for _, change := range []struct {
		at int
		to byte
	}{{at + 4, 1}, {at, 1}} {
		odd := bytes.Clone(data)
		odd[change.at] = change.to
		if b, err := besideOf(Arrow{}, odd); at < 0 || b != BesideValues || err != nil {
			t.Errorf("byte %d: %q, %v", change.at-at, b, err)
		}
	}
}
