package output

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What people write by hand is understood as they mean it, values and index, where
// it is allowed; see testdata/plain/make.py. Nothing else of their files leaves.
func TestPlainFilesAreUnderstood(t *testing.T) {
	for _, c := range []struct {
		file, kind string
		rows, cols int
		meta       string // of a table
	}{
		{"frame.parquet", KindTable, 2, 3, `"columns":["num","age","who"],"column_names":[null],"index":[],"range_index":{"start":0,"stop":2,"step":1}}`},
		{"named.parquet", KindTable, 2, 2, `"columns":["age","who"],"column_names":[null],"index":[{"column":"__index_0","name":"num"}]}`},
		{"unnamed.parquet", KindTable, 2, 3, `"columns":["num","age","who"],"column_names":[null],"index":[],"range_index":{"start":7,"stop":11,"step":2}}`},
		{"strange.parquet", KindTable, 2, 3, `"columns":["num","age","who"],"column_names":[null],"index":[{"column":"__index_0","name":null}]}`},
		{"levels.parquet", KindTable, 2, 1, `"columns":["age"],"column_names":[null],"index":[{"column":"__index_0","name":"who"},{"column":"__index_1","name":"num"}]}`},
		{"arrow.parquet", KindTable, 2, 2, `"columns":["num","age"],"column_names":[null],"index":[],"range_index":{"start":0,"stop":2,"step":1}}`},
		{"twice.parquet", KindTable, 1, 2, `"columns":["x","x"],"column_names":[null],"index":[],"range_index":{"start":0,"stop":1,"step":1}}`},
		{"table.csv", KindCSV, 2, 3, ""},
		{"value.json", KindJSON, 1, 0, ""},
		{"numbers.npy", KindArray, 2, 0, ""},
		{"figure.png", KindImage, 1, 0, ""},
	} {
		data, err := os.ReadFile(filepath.Join("testdata/plain", c.file))
		if err != nil {
			t.Fatal(err)
		}
		name := strings.TrimSuffix(c.file, filepath.Ext(c.file))
		e := ManifestEntry{Name: name, Kind: c.kind, Python: Types(c.kind)[0], File: c.file}
		got, cells, err := Parse(e, data, Declared{name, c.kind}, Limits{Plain: true})
		if err != nil || got.Rows != c.rows || got.Columns != c.cols || c.kind != KindImage && len(cells.Sheets) == 0 {
			t.Errorf("%s: %d rows, %d columns, %v", c.file, got.Rows, got.Columns, err)
			continue
		}
		for _, stowaway := range []string{"numpy_type", "pandas_version", "a stowaway", "parquet-cpp"} {
			if bytes.Contains(got.Data, []byte(stowaway)) {
				t.Errorf("%s: %q leaves with it", c.file, stowaway)
			}
		}
		if again, _, err := Parse(e, got.Data, Declared{name, c.kind}, Limits{}); err != nil || !bytes.Equal(again.Data, got.Data) {
			t.Errorf("%s: the canonical form is not canonical: %v", c.file, err)
		}
		if c.kind != KindTable {
			continue
		}
		if !bytes.Contains(got.Data, []byte(`{"v":1,"python":"pandas.DataFrame",`+c.meta)) {
			t.Errorf("%s: its description is not %s", c.file, c.meta)
		}
		if _, _, err := Parse(e, data, Declared{name, c.kind}, Limits{}); reasonOf(t, err) != badMetadata {
			t.Errorf("%s, where a runner has to describe it: %v", c.file, err)
		}
		e.Python = "pandas.Series"
		if _, _, err := Parse(e, data, Declared{name, c.kind}, Limits{Plain: true}); reasonOf(t, err) != otherPython {
			t.Errorf("%s as something else than a DataFrame: %v", c.file, err)
		}
	}
}

// The index keeps its values when it goes from the end of a file to its front.
func TestPlainIndexKeepsItsValues(t *testing.T) {
	data, err := os.ReadFile("testdata/plain/strange.parquet")
	if err != nil {
		t.Fatal(err)
	}
	e := ManifestEntry{Name: "strange", Kind: KindTable, Python: "pandas.DataFrame", File: "strange.parquet"}
	c, cells, err := Parse(e, data, Declared{"strange", KindTable}, Limits{Plain: true})
	if got, want := show(c, cells), "  \"z\" 0 57.5 \"a\"\n  \"a\" 1 57.5 \"ä\"\n"; err != nil || !strings.Contains(strings.ReplaceAll(got, "   ", "  "), want) {
		t.Errorf("%s\n%v", got, err)
	}
}

// What pandas is said to have said is hostile, too.
func TestPlainDescriptionsThatLie(t *testing.T) {
	for name, text := range map[string]string{
		"no JSON":              `{`,
		"not UTF-8":            "{\"index_columns\":[\"\xff\"]}",
		"a column that is not": `{"index_columns":["y"]}`,
		"one of two":           `{"index_columns":["x"]}`,
		"a column twice":       `{"index_columns":["n","n"]}`,
		"a range without ends": `{"index_columns":[{"kind":"range"}]}`,
		"a range and more":     `{"index_columns":[{"kind":"range","name":null,"start":0,"stop":2,"step":1},"n"]}`,
		"deep":                 strings.Repeat("[", 100) + strings.Repeat("]", 100),
	} {
		if got, err := pandasIndex(text, []string{"x", "n", "x"}); reasonOf(t, err) != badMetadata {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
	for _, text := range []string{``, `[]`, `{"index_columns":"n"}`} {
		if got, err := pandasIndex(text, []string{"n"}); err != nil || len(got.columns) > 0 || got.numbers != nil {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
}
