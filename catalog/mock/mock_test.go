package mock

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"go/parser"
	"go/token"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"

	"github.com/anchorhold/anchorhold"
)

// TestGeneratorCannotReachFiles reads the imports of every source file: what
// is not on the list, above all os, syscall, net and the rest of this module,
// could reach the private side.
func TestGeneratorCannotReachFiles(t *testing.T) {
	const arrowModule = "github.com/apache/arrow-go/v18/"
	allowed := map[string]bool{
		"context": true, "crypto/sha256": true, "errors": true, "slices": true, "encoding/binary": true, "encoding/csv": true, "encoding/json": true,
		"fmt": true, "io": true, "math": true, "math/rand/v2": true, "strconv": true, "strings": true, "time": true,
		arrowModule + "arrow": true, arrowModule + "arrow/array": true, arrowModule + "arrow/memory": true,
		arrowModule + "parquet": true, arrowModule + "parquet/compress": true, arrowModule + "parquet/pqarrow": true,
		"github.com/anchorhold/anchorhold": true, // types only: it imports nothing of ours
	}
	files, err := filepath.Glob("*.go")
	if err != nil || len(files) < 4 {
		t.Fatalf("%v, %v", files, err)
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly|parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range file.Imports {
			if path, _ := strconv.Unquote(i.Path.Value); !allowed[path] {
				t.Errorf("%s imports %s", name, path)
			}
		}
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if regexp.MustCompile(`(?m)^//go:(linkname|embed)`).Match(text) {
			t.Errorf("%s reaches around its imports", name)
		}
	}
}

func fact(name string, v any) anchorhold.Fact {
	return anchorhold.Fact{Name: name, Value: v, Provenance: anchorhold.Stated}
}

func col(name string, t anchorhold.ColumnType, facts ...anchorhold.Fact) anchorhold.Column {
	return anchorhold.Column{Name: name, Type: t, Facts: facts}
}

func fullCard() Card {
	return Card{
		Facts: []anchorhold.Fact{fact(anchorhold.FactRows, 500.0)},
		Columns: []anchorhold.Column{
			col("patient_id", anchorhold.TypeInt),
			col("age", anchorhold.TypeInt, fact(anchorhold.FactMin, 29.0), fact(anchorhold.FactMax, 77.0)),
			col("oldpeak", anchorhold.TypeFloat, fact(anchorhold.FactMin, 0.0), fact(anchorhold.FactMax, 6.2), fact(anchorhold.FactMissingRate, 0.25)),
			col("cp", anchorhold.TypeInt, fact(anchorhold.FactCategories, []any{1.0, 2.0, 3.0, 4.0})),
			col("city", anchorhold.TypeString, fact(anchorhold.FactCategories, []any{"Bern", "Genf", "a,\"b\"\nc"})),
			col("admitted", anchorhold.TypeDate, fact(anchorhold.FactMin, "2020-02-28"), fact(anchorhold.FactMax, "2020-03-01")),
			col("at", anchorhold.TypeTimestamp, fact(anchorhold.FactMin, "2020-02-28T23:59:58Z"), fact(anchorhold.FactMax, "2020-02-29T00:00:01Z")),
			col("smokes", anchorhold.TypeBool),
			col("code", anchorhold.TypeString, fact(anchorhold.FactUnique, true)),
			col("free", anchorhold.TypeString, fact(anchorhold.FactMissingRate, 1.0)),
		},
	}
}

func generate(t *testing.T, c Card, seed uint64, format string) []byte {
	t.Helper()
	var out bytes.Buffer
	if _, err := Generate(t.Context(), c, seed, &out, format); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func readCSV(t *testing.T, b []byte) (header []string, rows [][]string) {
	t.Helper()
	all, err := csv.NewReader(bytes.NewReader(b)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	return all[0], all[1:]
}

// TestSameCardAndSeedGiveTheSameBytes also pins the bytes themselves: a mock
// that an owner has seen is the mock that others get.
func TestSameCardAndSeedGiveTheSameBytes(t *testing.T) {
	for _, format := range []string{CSV, Parquet} {
		first := generate(t, fullCard(), 7, format)
		// A card that went through JSON is the same card.
		text, err := json.Marshal(fullCard())
		if err != nil {
			t.Fatal(err)
		}
		var again Card
		if err := json.Unmarshal(text, &again); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(first, generate(t, again, 7, format)) {
			t.Errorf("%s: the same card and seed gave other bytes", format)
		}
		if bytes.Equal(first, generate(t, fullCard(), 8, format)) {
			t.Errorf("%s: another seed gave the same bytes", format)
		}
	}
	_, rows := readCSV(t, generate(t, fullCard(), 7, CSV))
	want := "416 36 3.7 4 a,\"b\"\nc 2020-03-01 2020-02-28T23:59:58 True code-000369 "
	if got := strings.Join(rows[0], " "); got != want {
		t.Errorf("the first row is %q, it was %q", got, want)
	}
}

func TestOneColumnsFactsLeaveTheOthersAlone(t *testing.T) {
	card := fullCard()
	_, before := readCSV(t, generate(t, card, 1, CSV))
	card.Columns[2].Facts = append(card.Columns[2].Facts[:2:2], fact(anchorhold.FactMissingRate, 0.9))
	_, after := readCSV(t, generate(t, card, 1, CSV))
	for i := range before {
		for j := range before[i] {
			if j != 2 && before[i][j] != after[i][j] || j == 2 && after[i][j] != "" && before[i][j] != "" && before[i][j] != after[i][j] {
				t.Fatalf("row %d column %d: %s became %s", i, j, before[i][j], after[i][j])
			}
		}
	}
}

func TestValuesKeepToTheCard(t *testing.T) {
	card := fullCard()
	header, rows := readCSV(t, generate(t, card, 3, CSV))
	if len(rows) != 500 {
		t.Fatalf("%d rows", len(rows))
	}
	seen := make([]map[string]int, len(header))
	for i, c := range card.Columns {
		if header[i] != c.Name {
			t.Errorf("column %d is %s", i, header[i])
		}
		seen[i] = map[string]int{}
		for _, r := range rows {
			seen[i][r[i]]++
		}
	}
	for i, size := range map[int]int{0: 500, 3: 4, 4: 3, 5: 3, 6: 4, 7: 2, 8: 500, 9: 1} {
		if len(seen[i]) != size {
			t.Errorf("%s has %d different values, want %d", header[i], len(seen[i]), size)
		}
	}
	if missing := seen[2][""]; missing < 75 || missing > 175 {
		t.Errorf("of 500 cells %d are missing, a quarter was asked for", missing)
	}
	for _, r := range rows {
		if age, err := strconv.Atoi(r[1]); err != nil || age < 29 || age > 77 {
			t.Errorf("age %s", r[1])
		}
		if r[2] == "" {
			continue
		}
		if v, err := strconv.ParseFloat(r[2], 64); err != nil || v < 0 || v > 6.2 || !regexp.MustCompile(`^\d\.\d$`).MatchString(r[2]) {
			t.Errorf("oldpeak %s", r[2])
		}
	}
}

// TestParquetHoldsTheSameValues: one card and seed give one table, whichever
// the format.
func TestParquetHoldsTheSameValues(t *testing.T) {
	card := fullCard()
	_, rows := readCSV(t, generate(t, card, 3, CSV))
	table := readParquet(t, generate(t, card, 3, Parquet))
	defer table.Release()
	if int(table.NumRows()) != len(rows) || int(table.NumCols()) != len(card.Columns) {
		t.Fatalf("%d rows, %d columns", table.NumRows(), table.NumCols())
	}
	ages := table.Column(1).Data().Chunk(0).(*array.Int64)
	peaks := table.Column(2).Data().Chunk(0).(*array.Float64)
	cities := table.Column(4).Data().Chunk(0).(*array.String)
	days := table.Column(5).Data().Chunk(0).(*array.Date32)
	for i, r := range rows {
		peak := ""
		if !peaks.IsNull(i) {
			peak = strconv.FormatFloat(peaks.Value(i), 'f', 1, 64)
		}
		got := fmt.Sprint(ages.Value(i), peak, cities.Value(i), days.Value(i).FormattedString())
		if want := fmt.Sprint(mustInt(t, r[1]), r[2], r[4], r[5]); got != want {
			t.Fatalf("row %d: %s, in CSV %s", i, got, want)
		}
	}
}

func mustInt(t *testing.T, s string) int64 {
	t.Helper()
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func readParquet(t *testing.T, b []byte) arrow.Table {
	t.Helper()
	table, err := pqarrow.ReadTable(t.Context(), bytes.NewReader(b), parquet.NewReaderProperties(memory.DefaultAllocator), pqarrow.ArrowReadProperties{}, memory.DefaultAllocator)
	if err != nil {
		t.Fatal(err)
	}
	return table
}

func TestStorage(t *testing.T) {
	stored := func(ct anchorhold.ColumnType, name string) anchorhold.Column {
		return col(strings.ReplaceAll(name, "/", "_"), ct, fact(anchorhold.FactStorage, name))
	}
	cols := []anchorhold.Column{
		stored(anchorhold.TypeInt, "int8"), stored(anchorhold.TypeInt, "int16"), stored(anchorhold.TypeInt, "int32"), stored(anchorhold.TypeInt, "int64"),
		stored(anchorhold.TypeInt, "uint8"), stored(anchorhold.TypeInt, "uint16"), stored(anchorhold.TypeInt, "uint32"), stored(anchorhold.TypeInt, "uint64"),
		stored(anchorhold.TypeFloat, "float32"), stored(anchorhold.TypeBool, "bool"), stored(anchorhold.TypeString, "large_utf8"),
		stored(anchorhold.TypeTimestamp, "timestamp[ms, tz=Europe/Zurich]"), stored(anchorhold.TypeTimestamp, "timestamp[ns]"),
		stored(anchorhold.TypeString, Dictionary), stored(anchorhold.TypeFloat, "null"),
	}
	table := readParquet(t, generate(t, Card{Columns: cols}, 1, Parquet))
	defer table.Release()
	var got []string
	for i := range cols {
		got = append(got, table.Schema().Field(i).Type.String())
	}
	want := []string{
		"int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float32", "bool", "large_utf8",
		"timestamp[ms, tz=Europe/Zurich]", "timestamp[ns]", "dictionary<values=utf8, indices=int32, ordered=false>", "float64",
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
	wide := col("n", anchorhold.TypeInt, fact(anchorhold.FactStorage, "int8"), fact(anchorhold.FactMin, 120.0), fact(anchorhold.FactMax, 1000.0))
	narrow := readParquet(t, generate(t, Card{Columns: []anchorhold.Column{wide}}, 1, Parquet))
	defer narrow.Release()
	for _, v := range narrow.Column(0).Data().Chunk(0).(*array.Int8).Int8Values() {
		if v < 120 {
			t.Errorf("a value beyond the type wrapped to %d", v)
		}
	}
}

func TestTimesBeyondNanosecondsAreMissing(t *testing.T) {
	late := col("at", anchorhold.TypeTimestamp, fact(anchorhold.FactStorage, "timestamp[ns]"), fact(anchorhold.FactMin, "9999-12-31T00:00:00Z"), fact(anchorhold.FactMax, "9999-12-31T23:00:00Z"))
	table := readParquet(t, generate(t, Card{Columns: []anchorhold.Column{late}}, 1, Parquet))
	defer table.Release()
	if a := table.Column(0).Data().Chunk(0); a.NullN() != a.Len() {
		t.Errorf("%d of %d times wrapped into another year", a.Len()-a.NullN(), a.Len())
	}
}

func TestDefaults(t *testing.T) {
	var card Card
	for _, ct := range []anchorhold.ColumnType{
		anchorhold.TypeInt, anchorhold.TypeFloat, anchorhold.TypeBool, anchorhold.TypeDate, anchorhold.TypeTimestamp, anchorhold.TypeString,
	} {
		card.Columns = append(card.Columns, col(string(ct), ct))
	}
	_, rows := readCSV(t, generate(t, card, 0, CSV))
	if len(rows) != DefaultRows {
		t.Errorf("%d rows", len(rows))
	}
	form := regexp.MustCompile(`^(\d\d?|100) [01]\.\d+ (True|False) 20[01]\d-\d\d-\d\d 20[01]\d-\d\d-\d\dT\d\d:\d\d:\d\d string-\d\d$`)
	for _, r := range rows {
		if s := strings.Join(r, " "); !form.MatchString(s) {
			t.Errorf("row %q", s)
		}
	}
}

func TestHalfOpenRanges(t *testing.T) {
	for _, c := range []struct {
		fact      anchorhold.Fact
		low, high int64
	}{
		{fact(anchorhold.FactMin, 1000.0), 1000, 1100},
		{fact(anchorhold.FactMax, -5.0), -105, -5},
		{fact(anchorhold.FactMin, 50), 50, 150},
	} {
		_, rows := readCSV(t, generate(t, Card{Columns: []anchorhold.Column{col("n", anchorhold.TypeInt, c.fact)}}, 1, CSV))
		for _, r := range rows {
			if n := mustInt(t, r[0]); n < c.low || n > c.high {
				t.Errorf("%v: %d", c.fact, n)
			}
		}
	}
}

func TestLoneMissingCellsAreNoEmptyLines(t *testing.T) {
	card := Card{Columns: []anchorhold.Column{col("n", anchorhold.TypeInt, fact(anchorhold.FactMissingRate, 0.5))}}
	_, rows := readCSV(t, generate(t, card, 1, CSV))
	if len(rows) != DefaultRows {
		t.Errorf("%d rows of %d come back", len(rows), DefaultRows)
	}
}

func TestARowAtLeastHasAValue(t *testing.T) {
	card := Card{Columns: []anchorhold.Column{col("n", anchorhold.TypeDate, fact(anchorhold.FactMissingRate, 0.999999))}}
	for seed := range uint64(50) {
		if _, rows := readCSV(t, generate(t, card, seed, CSV)); rows[0][0] == "NA" {
			t.Fatal("a column's type cannot be seen: it has no value")
		}
	}
}

func TestManyRowsAreCapped(t *testing.T) {
	card := Card{Facts: []anchorhold.Fact{fact(anchorhold.FactRows, 1e12)}, Columns: []anchorhold.Column{col("id", anchorhold.TypeInt)}}
	var out bytes.Buffer
	n, err := Generate(t.Context(), card, 1, &out, CSV)
	if err != nil || n != MaxRows || bytes.Count(out.Bytes(), []byte{'\n'}) != MaxRows+1 {
		t.Errorf("%d rows, %v", n, err)
	}
}

func TestContradictions(t *testing.T) {
	for want, c := range map[string]Card{
		"needs columns":                      {},
		"is not a number of rows":            {Facts: []anchorhold.Fact{fact(anchorhold.FactRows, "many")}, Columns: []anchorhold.Column{col("a", anchorhold.TypeInt)}},
		`"text" is not a type`:               {Columns: []anchorhold.Column{col("a", "text")}},
		"is larger than its max":             {Columns: []anchorhold.Column{col("a", anchorhold.TypeInt, fact(anchorhold.FactMin, 2.0), fact(anchorhold.FactMax, 1.0))}},
		"no whole number lies":               {Columns: []anchorhold.Column{col("a", anchorhold.TypeInt, fact(anchorhold.FactMin, 0.2), fact(anchorhold.FactMax, 0.8))}},
		`"min" of the column "a" is not a n`: {Columns: []anchorhold.Column{col("a", anchorhold.TypeInt, fact(anchorhold.FactMin, math.NaN()))}},
		`"max" of the column "a" is not a d`: {Columns: []anchorhold.Column{col("a", anchorhold.TypeDate, fact(anchorhold.FactMax, "tomorrow"))}},
		"is not a share":                     {Columns: []anchorhold.Column{col("a", anchorhold.TypeInt, fact(anchorhold.FactMissingRate, 1.5))}},
		"is empty":                           {Columns: []anchorhold.Column{col("a", anchorhold.TypeInt, fact(anchorhold.FactCategories, []any{}))}},
		"is not of its type, int":            {Columns: []anchorhold.Column{col("a", anchorhold.TypeInt, fact(anchorhold.FactCategories, []any{1.5}))}},
		"is not of its type, bool":           {Columns: []anchorhold.Column{col("a", anchorhold.TypeBool, fact(anchorhold.FactCategories, []any{"yes"}))}},
		"a value of its own in each of 100":  {Facts: []anchorhold.Fact{fact(anchorhold.FactRows, 100.0)}, Columns: []anchorhold.Column{col("id", anchorhold.TypeInt, fact(anchorhold.FactMax, 10.0), fact(anchorhold.FactMin, 1.0))}},
	} {
		_, err := Generate(t.Context(), c, 1, &bytes.Buffer{}, CSV)
		if err == nil || !strings.Contains(err.Error(), want) || anchorhold.KindOf(err) != anchorhold.Invalid {
			t.Errorf("%v, want %q", err, want)
		}
	}
	odd := Card{Columns: []anchorhold.Column{col("a", anchorhold.TypeInt, fact(anchorhold.FactStorage, "utf8"))}}
	if _, err := Generate(t.Context(), odd, 1, &bytes.Buffer{}, Parquet); err == nil || !strings.Contains(err.Error(), "not a way to store") {
		t.Errorf("%v", err)
	}
	if _, err := Generate(t.Context(), fullCard(), 1, &bytes.Buffer{}, "xlsx"); err == nil {
		t.Error("a mock in an unknown format")
	}
}

func TestEndedContextStopsGeneration(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, format := range []string{CSV, Parquet} {
		if _, err := Generate(ctx, fullCard(), 1, &bytes.Buffer{}, format); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", format, err)
		}
	}
}
