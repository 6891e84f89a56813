package catalog

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/catalog/codec"
)

func TestCheckName(t *testing.T) {
	for _, good := range []string{"a", "heart-cleveland", "0", strings.Repeat("x", 63)} {
		if err := CheckName("dataset", good); err != nil {
			t.Errorf("%q: %v", good, err)
		}
	}
	for _, bad := range []string{"", "-a", "Heart", "a_b", "a b", "a/b", "../a", "ä", strings.Repeat("x", 64), "a\n"} {
		checkRefusal(t, CheckName("asset", bad), "is not a name for an asset")
	}
}

// TestBadCSV is everything that people really hand in.
func TestBadCSV(t *testing.T) {
	row := "1," + canary + "\n"
	for _, c := range []struct{ name, content, want string }{
		{"empty", "", "is empty"},
		{"only line ends", "\n\r\n\n", "nothing but empty lines"},
		{"header only", "id,name\n", "has column names but no rows"},
		{"header without line end", "id,name", "has column names but no rows"},
		{"no header", "63,145," + canary + "\n67,160,x\n", "the column names seem to be missing"},
		{"duplicate columns", "id,name,id\n1," + canary + ",2\n", "columns 1 and 3 of bad.csv have the same name"},
		{"empty column name", "id,,name\n1,2," + canary + "\n", "column 2 of bad.csv has no name"},
		{"blank column name", "id,  \n" + row, "column 2 of bad.csv has no name"},
		{"pandas index", ",name\n0," + canary + "\n", "index=False"},
		{"line break in a name", "id,\"na\nme\"\n" + row, "control characters"},
		{"long column name", "id," + strings.Repeat("n", 256) + "\n" + row, "longer than 255 bytes"},
		{"too many columns", "c" + strings.Repeat(",c", codec.MaxColumns) + "\n", "the limit is 10000"},
		{"carriage returns alone", "id,name\r1," + canary + "\r2,x\r", "tr '\\r' '\\n'"},
		{"too few fields", "id,name\n" + row + "2\n", "line 3 of bad.csv does not have as many fields as the header, which has 2"},
		{"too many fields", "id,name\n" + row + "2," + canary + ",3\n", "line 3 of bad.csv"},
		{"ragged after a quoted line break", "id,name\n1,\"a\nb\"\n2\n", "line 4 of bad.csv"},
		{"Latin-1", "id,name\n" + row + "2,M\xfcller" + canary + "\n", "line 3 holds another encoding, at byte 23"},
		{"cut-off character at the end", "id,name\n1,M\xc3", "line 2 holds another encoding, at byte 11"},
		{"UTF-16", "\xff\xfei\x00d\x00\n\x00", "iconv -f UTF-16 -t UTF-8"},
		{"UTF-16 without mark", "i\x00d\x00\n\x001\x00\n\x00", "holds a NUL byte in line 1, at byte 1"},
		{"NUL byte", "id,name\n" + row + "2,a\x00b\n", "holds a NUL byte in line 3"},
		{"quote within a field", "id,name\n1,5\" " + canary + "\n", "line 2 of bad.csv holds a quotation mark in the wrong place"},
		{"quote never closed", "id,name\n1,\"" + canary + "\n2,x\n", "quotation mark in the wrong place, in the row that begins in line 2"},
		{"endless row", "id,name\n1,\"" + strings.Repeat(canary+"\n", codec.MaxRowBytes/9) + "\n", "a row of bad.csv is longer than 8 MiB"},
		{"Parquet", "PAR1....", "is a Parquet file, not CSV"},
		{"Excel", "PK\x03\x04....", "Excel workbook"},
		{"gzip", "\x1f\x8b\x08....", "is compressed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, _, err := readTable(writeFile(t, "bad.csv", c.content), ReadOptions{})
			checkRefusal(t, err, c.want)
		})
	}
}

// TestColumnTypes compares with what pandas 3 finds in the same cells.
func TestColumnTypes(t *testing.T) {
	for _, c := range []struct {
		want  anchorhold.ColumnType
		cells string // divided by |
	}{
		{anchorhold.TypeInt, "1|2|-3|+4"},
		{anchorhold.TypeInt, "007|8"},
		{anchorhold.TypeInt, "5 | 6"},
		{anchorhold.TypeInt, "1||NA|nan"},
		{anchorhold.TypeFloat, "1|2.5"},
		{anchorhold.TypeFloat, ".7|1.|1e5|-2E-3"},
		{anchorhold.TypeFloat, "inf|-Infinity|1"},
		{anchorhold.TypeFloat, "1e999|1"},
		{anchorhold.TypeFloat, "NA||null"},
		{anchorhold.TypeBool, "True|FALSE|true|"},
		{anchorhold.TypeString, "True|1"},
		{anchorhold.TypeString, " True|False"},
		{anchorhold.TypeString, "1_000"},
		{anchorhold.TypeString, "0x10"},
		{anchorhold.TypeString, "99999999999999999999"},
		{anchorhold.TypeString, "1|x|2"},
		{anchorhold.TypeString, "NAN"},
		{anchorhold.TypeString, "-|+|.|e5|1e|1e+|--1"},
		{anchorhold.TypeDate, "2024-02-29|1999-12-31|"},
		{anchorhold.TypeString, "2023-02-29"},
		{anchorhold.TypeTimestamp, "2024-02-29T10:00:00Z|2024-02-29 10:00|2024-02-29"},
		{anchorhold.TypeTimestamp, "2024-02-29 10:00:00.123456789+02:00"},
		{anchorhold.TypeString, "2024-02-29|5"},
		{anchorhold.TypeString, "1.2e-10-05"},
		{anchorhold.TypeFloat, "1.2e-10000|1.2e-10"},
	} {
		content := "first,x\n"
		for _, cell := range strings.Split(c.cells, "|") {
			content += "1," + cell + "\n"
		}
		columns, _, err := readTable(writeFile(t, "types.csv", content), ReadOptions{})
		if err != nil {
			t.Fatalf("%s: %v", c.cells, err)
		}
		if columns[1] != "x "+string(c.want) {
			t.Errorf("%s: %s, want %s", c.cells, columns[1], c.want)
		}
	}
}

func TestCells(t *testing.T) {
	path := writeFile(t, "cells.csv", "\xef\xbb\xbfa;b\r\n1;\"x;\"\"y\"\"\nz\"\r\n\r\n-2.5;Grüße\r\nTrue;2024-01-02\r\n;1970-01-01T00:00:01.000002003Z\r\n?;null\r\n")
	columns, rows, err := readTable(path, ReadOptions{Missing: []string{"?"}})
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"a string", "b string"}; !reflect.DeepEqual(columns, want) {
		t.Errorf("columns %v", columns)
	}
	want := [][]Cell{
		{{Kind: CellInt, Int: 1, Text: "1"}, {Kind: CellText, Text: "x;\"y\"\nz"}},
		{{Kind: CellFloat, Float: -2.5, Text: "-2.5"}, {Kind: CellText, Text: "Grüße"}},
		{{Kind: CellBool, Int: 1, Text: "True"}, {Kind: CellDate, Int: 19724, Text: "2024-01-02"}},
		{{}, {Kind: CellTimestamp, Int: 1000002, Nano: 3, Text: "1970-01-01T00:00:01.000002003Z"}},
		{{Text: "?"}, {Text: "null"}},
	}
	if !reflect.DeepEqual(rows, want) {
		t.Errorf("rows %v\nwant %v", rows, want)
	}
	if inf := codec.ParseCell("-inf"); !math.IsInf(inf.Float, -1) || inf.Kind != CellFloat {
		t.Errorf("-inf is %v", inf)
	}
}

func TestDelimiter(t *testing.T) {
	for head, want := range map[string]rune{
		"a,b\n1;2;3;4":           ',',
		"a;b;c,d\n":              ';',
		"a\tb":                   '\t',
		"\xef\xbb\xbf\n\na;b":    ';',
		"\"a,b,c\";d\n":          ';',
		"alone\n":                ',',
		"a,b;c\n":                ',',
		"a;b\tc":                 ';',
		"":                       ',',
		"\"never closed, a;b;c;": ',',
	} {
		if got := codec.Delimiter([]byte(head)); got != want {
			t.Errorf("%q: %q, want %q", head, got, want)
		}
	}
}

func TestOwnersColumns(t *testing.T) {
	path := writeFile(t, "own.csv", "id,2024,code\n1,5,007\n2,,x\n")
	_, _, err := readTable(path, ReadOptions{})
	checkRefusal(t, err, "seem to be missing")
	given := []anchorhold.Column{
		{Name: "2024", Type: anchorhold.TypeFloat, Description: "cases", Unit: "1/a"},
		{Name: "code", Type: anchorhold.TypeString},
	}
	table, err := Open(path, ReadOptions{Columns: given})
	if err != nil {
		t.Fatal(err)
	}
	defer table.Close()
	for err == nil {
		_, err = table.Next(t.Context())
	}
	want := []anchorhold.Column{{Name: "id", Type: anchorhold.TypeInt}, given[0], given[1]}
	if !reflect.DeepEqual(table.Columns(), want) {
		t.Errorf("%+v", table.Columns())
	}
}

func TestBadOptions(t *testing.T) {
	path := writeFile(t, "a.csv", "id,name\n1,a\n2,"+canary+"\n")
	many := make([]string, codec.MaxMissing+1)
	for _, c := range []struct {
		o    ReadOptions
		want string
	}{
		{ReadOptions{Columns: []anchorhold.Column{{Name: "Name"}}}, `a.csv has no column "Name"`},
		{ReadOptions{Columns: []anchorhold.Column{{Name: "name", Type: "text"}}}, `"text" is not a type`},
		{ReadOptions{Columns: []anchorhold.Column{{Name: "name", Type: anchorhold.TypeInt}}}, `line 2 of a.csv: the cell in column "name" is not of the type int`},
		{ReadOptions{Missing: many}, "more than the limit"},
		{ReadOptions{Missing: []string{"a\nb"}}, "line break"},
	} {
		_, _, err := readTable(path, c.o)
		checkRefusal(t, err, c.want)
	}
}

// TestRealTables reads rows of the real collections as they are used.
func TestRealTables(t *testing.T) {
	for name, want := range map[string]string{
		"heart/cleveland.csv": "[age int sex int cp int trestbps int chol int fbs int restecg int thalach int exang int oldpeak float slope int ca int thal int num int]",
		"adult.csv": "[age int  workclass string  fnlwgt int  education string  education-num int  marital-status string  occupation string" +
			"  relationship string  race string  sex string  capital-gain int  capital-loss int  hours-per-week int  native-country string  income string]",
	} {
		columns, rows, err := readTable(filepath.Join("testdata", name), ReadOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprint(columns); got != want {
			t.Errorf("%s: %s", name, got)
		}
		if len(rows) < 20 {
			t.Errorf("%s: %d rows", name, len(rows))
		}
	}
	_, rows, err := readTable("testdata/heart/hungarian-semicolons.csv", ReadOptions{Missing: []string{"?"}})
	if err != nil {
		t.Fatal(err)
	}
	if len(rows) != 10 || rows[0][13].Int != 0 || rows[0][12].Kind != CellMissing {
		t.Errorf("%d rows, first %v", len(rows), rows[0])
	}
}

// TestCharactersAcrossReads puts a character of every length across the edge
// of the reader's buffer.
func TestCharactersAcrossReads(t *testing.T) {
	for _, char := range []string{"é", "€", "𝄞"} {
		for shift := range len(char) {
			cell := strings.Repeat("x", codec.CSVBuffer-4-shift) + char
			columns, rows, err := readTable(writeFile(t, "edge.csv", "a\n"+cell+"\n"+char+"\n"), ReadOptions{})
			if err != nil {
				t.Fatalf("%s shifted by %d: %v", char, shift, err)
			}
			if columns[0] != "a string" || rows[0][0].Text != cell || rows[1][0].Text != char {
				t.Errorf("%s shifted by %d was read differently", char, shift)
			}
		}
	}
}

func FuzzCSV(f *testing.F) {
	for _, name := range []string{"adult.csv", "heart/va.csv", "heart/hungarian-semicolons.csv"} {
		b, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add([]byte("\xef\xbb\xbfa\tb\n\"x\"\"\ny\"\t2024-01-01\n"))
	f.Add([]byte("a,b\n1,\xff\n"))
	f.Fuzz(func(t *testing.T, content []byte) {
		columns, rows, err := readTable(writeFile(t, "fuzz.csv", string(content)), ReadOptions{Missing: []string{"?"}})
		if err != nil {
			checkRefusal(t, err, "")
			return
		}
		for _, row := range rows {
			if len(row) != len(columns) {
				t.Fatalf("a row has %d cells for %d columns", len(row), len(columns))
			}
		}
	})
}
