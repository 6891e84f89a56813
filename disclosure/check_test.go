package disclosure_test

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/disclosure"
)

// One value has one cell, wherever it was read.
func TestCellsAreNormal(t *testing.T) {
	day := time.Date(2024, 1, 5, 0, 0, 0, 0, time.UTC)
	noon := time.Date(2024, 1, 5, 13, 30, 0, 0, time.FixedZone("", 3600))
	same := disclosure.TextCell
	for _, c := range []struct {
		name string
		same []disclosure.Cell
	}{
		{"63", []disclosure.Cell{disclosure.IntCell(63), disclosure.FloatCell(63), disclosure.UintCell(63), same("63"), same(" 63.0 "), same("6.3e1"), same("+63"), same("６３")}},
		{"0.1", []disclosure.Cell{disclosure.FloatCell(0.1), disclosure.Float32Cell(0.1), same("0.1"), same(".10"), same("1E-1")}},
		{"0", []disclosure.Cell{disclosure.IntCell(0), disclosure.FloatCell(math.Copysign(0, -1)), same("-0.0"), disclosure.BoolCell(false), same("False")}},
		{"large", []disclosure.Cell{disclosure.UintCell(1 << 63), disclosure.FloatCell(1 << 63), same("9223372036854775808")}},
		{"text", []disclosure.Cell{same("Größe  m"), same(" größe\tM "), same("gro\u0308ße m")}},
		{"day", []disclosure.Cell{disclosure.TimeCell(day), same("2024-01-05"), same("2024-01-05 00:00:00"), same("2024-01-05T00:00:00Z"), same("2024-01-05T01:00:00+01:00")}},
		{"time", []disclosure.Cell{disclosure.TimeCell(noon), same("2024-01-05 12:30"), same("2024-01-05T12:30:00.000"), same("2024-01-05t13:30:00+01:00")}},
		{"missing", []disclosure.Cell{{}, same(""), same("  "), same("NaN"), disclosure.FloatCell(math.NaN()), disclosure.FloatCell(math.Inf(1))}},
	} {
		for i, cell := range c.same {
			if cell != c.same[0] {
				t.Errorf("%s: number %d is %+v, not %+v", c.name, i, cell, c.same[0])
			}
		}
	}
	for _, s := range []string{"inf", "0x10", "1_000", "1-2", "e5", "12e", "2024-13-01", "--1"} {
		if same(s).Kind() != disclosure.CellText {
			t.Errorf("%q is not text", s)
		}
	}
}

// people is a table with an identifier by its values (the number), one declared
// (the ward) and a unique measurement.
func people(t testing.TB) *disclosure.Index {
	var rows [][]string
	for i := range 40 {
		rows = append(rows, []string{
			fmt.Sprint(104729 + 7919*i), fmt.Sprintf("Name%c%c Surname", 'A'+i%26, 'a'+i/26),
			fmt.Sprint(20 + i), fmt.Sprintf("%.3f", 0.731+0.0137*float64(i)), []string{"ward seven", "ward nine"}[i%2],
		})
	}
	return indexOf(t, rows, make([]disclosure.Column, 4)[0], disclosure.Column{}, disclosure.Column{}, disclosure.Column{}, disclosure.Column{Identifier: true})
}

func resultOf(t testing.TB, checks []anchorhold.Check, name string) anchorhold.Check {
	t.Helper()
	for _, c := range checks {
		if c.Name == name {
			return c
		}
	}
	t.Fatalf("no check %s in %+v", name, checks)
	return anchorhold.Check{}
}

func sheet(rows ...[]any) disclosure.Cells {
	var s disclosure.Sheet
	for _, r := range rows {
		var row []disclosure.Cell
		for _, v := range r {
			row = append(row, disclosure.TextCell(fmt.Sprint(v)))
		}
		s.Rows = append(s.Rows, row)
	}
	return disclosure.Cells{Kind: "table", Sheets: []disclosure.Sheet{s}}
}

func TestIdentifiers(t *testing.T) {
	index := people(t)
	for i, want := range []bool{true, true, false, false, true} {
		if got := index.Columns()[i]; got.Identifier != want {
			t.Errorf("column %d: identifier %v, want %v (%+v)", i, got.Identifier, want, got)
		}
	}
	for _, c := range []struct {
		name string
		cell string
		want anchorhold.CheckResult
	}{
		{"a number", "104729", anchorhold.CheckFailed},
		{"the same number as a float", "104729.0", anchorhold.CheckFailed},
		{"a near number", "104730", anchorhold.CheckPassed},
		{"a name, otherwise written", " NAMEAa   surname", anchorhold.CheckFailed},
		{"a name in a sentence", "we saw Nameba Surname, twice", anchorhold.CheckPassed},
		{"a name inside a sentence", "we saw (NameBa Surname), twice", anchorhold.CheckFailed},
		{"a number inside a sentence", "id=104729;x", anchorhold.CheckFailed},
		{"a measurement", "0.731", anchorhold.CheckPassed},
		{"an age", "20", anchorhold.CheckPassed},
		{"a declared value", "Ward Seven", anchorhold.CheckFailed},
		{"an ordinary word", "ward", anchorhold.CheckPassed},
	} {
		got := resultOf(t, check(t, index, sheet([]any{"mean", c.cell})), disclosure.CheckIdentifiers)
		want := c.want
		if c.name == "a name in a sentence" { // names end in a lower-case letter by row: this one is somebody
			want = anchorhold.CheckFailed
		}
		if got.Result != want {
			t.Errorf("%s: %s, want %s", c.name, got.Result, want)
		}
		if strings.Contains(got.Detail, "104729") || strings.Contains(strings.ToLower(got.Detail), "surname") {
			t.Errorf("%s: the detail holds a value: %s", c.name, got.Detail)
		}
	}
	labels := disclosure.Cells{Sheets: []disclosure.Sheet{{Labels: []disclosure.Cell{disclosure.TextCell("104729")}}}}
	if got := resultOf(t, check(t, index, labels), disclosure.CheckIdentifiers); got.Result != anchorhold.CheckFailed {
		t.Errorf("an identifier as a column's label: %+v", got)
	}
}

// Details name positions, so that an owner finds what was found.
func TestDetailsSayWhere(t *testing.T) {
	index := indexOf(t, readCSV(t, "testdata/heart.csv"))
	got := check(t, index, sheet(
		[]any{"mean", 1.5, 2.5, 3.5},
		[]any{63.0, 1.0, 1.0, 145.0, 233.0, 1.0, 2.0, 150.0, 0.0, 2.3, 3.0, 0.0, 6.0, 0},
		[]any{"x"},
	))
	if c := resultOf(t, got, disclosure.CheckPrivateRows); c.Detail != "patients: 1 part(s) of the output equal a private row: row 2" {
		t.Errorf("%+v", c)
	}
	if c := resultOf(t, got, disclosure.CheckIdentifiers); c.Result != anchorhold.CheckPassed || c.Detail != "" {
		t.Errorf("%+v", c)
	}
}

// What cannot be checked never passes.
func TestWhatCannotBeCheckedIsHeld(t *testing.T) {
	index := people(t)
	p := disclosure.DefaultParams()
	p.MaxRows, p.MaxCells = 10, 50
	long := disclosure.Cells{Sheets: []disclosure.Sheet{{Rows: make([][]disclosure.Cell, 11)}}}
	for i := range long.Sheets[0].Rows {
		long.Sheets[0].Rows[i] = []disclosure.Cell{disclosure.IntCell(int64(i))}
	}
	wide := disclosure.Cells{Sheets: []disclosure.Sheet{{Rows: [][]disclosure.Cell{make([]disclosure.Cell, 51)}}}}
	for name, cells := range map[string]disclosure.Cells{
		"an image":       {Kind: "image"},
		"a part":         {Kind: "table", Partial: true},
		"too many rows":  long,
		"too many cells": wide,
	} {
		checks, err := disclosure.Check(context.Background(), []disclosure.Table{{Name: "t", Index: index}}, cells, p)
		if err != nil || len(checks) != 4 {
			t.Fatalf("%s: %v, %v", name, checks, err)
		}
		for _, c := range checks {
			if c.Result != anchorhold.CheckInapplicable || c.Detail == "" {
				t.Errorf("%s: %+v", name, c)
			}
		}
	}
	words := sheet([]any{strings.Repeat("many words ", 200)})
	checks := check(t, index, words)
	if c := resultOf(t, checks, disclosure.CheckNearRows); c.Result != anchorhold.CheckInapplicable {
		t.Errorf("a long text: %+v", c)
	}
	if c := resultOf(t, checks, disclosure.CheckIdentifiers); c.Result != anchorhold.CheckPassed {
		t.Errorf("a long text: %+v", c)
	}
}

// An output made to be slow to compare is held, and held soon.
func TestCostlyOutputsAreHeld(t *testing.T) {
	var rows [][]string
	for i := range 3000 {
		rows = append(rows, []string{fmt.Sprint(i % 7), fmt.Sprint(i % 11), fmt.Sprint(i % 13), fmt.Sprint(i % 17), fmt.Sprint(i % 19), fmt.Sprint(i % 23)})
	}
	index := indexOf(t, rows)
	var s disclosure.Sheet
	for i := range 9000 {
		s.Rows = append(s.Rows, []disclosure.Cell{
			disclosure.IntCell(int64(i % 7)), disclosure.IntCell(int64(i % 11)), disclosure.IntCell(int64(i % 13)), disclosure.IntCell(int64(i % 17)),
		})
	}
	p := disclosure.DefaultParams()
	p.NearBits, p.Work = -5, 10_000
	checks, err := disclosure.Check(context.Background(), []disclosure.Table{{Name: "t", Index: index}}, disclosure.Cells{Sheets: []disclosure.Sheet{s}}, p)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{disclosure.CheckPrivateRows, disclosure.CheckNearRows} {
		if c := resultOf(t, checks, name); c.Result == anchorhold.CheckPassed {
			t.Errorf("%+v", c)
		}
	}
}

// A row of values that everybody has is no row of anybody.
func TestCommonRowsAreNobodys(t *testing.T) {
	var rows [][]string
	for i := range 400 {
		rows = append(rows, []string{fmt.Sprint(i % 2), fmt.Sprint(i / 2 % 2), fmt.Sprint(i / 4 % 3)})
	}
	rows = append(rows, []string{"1", "1", "77"})
	index := indexOf(t, rows)
	if got := notPassed(check(t, index, sheet([]any{0, 1, 2}, []any{1, 1, 0}))); got != "" {
		t.Errorf("common values were stopped by %s", got)
	}
	if got := resultOf(t, check(t, index, sheet([]any{1, 1, 77})), disclosure.CheckPrivateRows); got.Result != anchorhold.CheckFailed {
		t.Errorf("the one row that is different: %+v", got)
	}
}

func TestEveryTableCounts(t *testing.T) {
	heart := disclosure.Table{Name: "hearts", Index: indexOf(t, readCSV(t, "testdata/heart.csv"))}
	staff := disclosure.Table{Name: "staff", Index: people(t)}
	cells := sheet([]any{"mean", "ward nine"})
	checks, err := disclosure.Check(context.Background(), []disclosure.Table{heart, staff}, cells, disclosure.DefaultParams())
	if err != nil {
		t.Fatal(err)
	}
	if c := resultOf(t, checks, disclosure.CheckIdentifiers); c.Result != anchorhold.CheckFailed || !strings.HasPrefix(c.Detail, "staff: ") {
		t.Errorf("%+v", c)
	}
	checks, err = disclosure.Check(context.Background(), nil, cells, disclosure.DefaultParams())
	if err != nil || notPassed(checks) != "" {
		t.Errorf("without a private table: %v, %v", checks, err)
	}
}

func TestSmallGroupsOnlyWhereCountsAreNamed(t *testing.T) {
	index := people(t)
	cell := disclosure.TextCell
	table := func(label string, counts ...int64) disclosure.Cells {
		s := disclosure.Sheet{Index: 1, Labels: []disclosure.Cell{cell("sex"), cell(label)}}
		for i, n := range counts {
			s.Rows = append(s.Rows, []disclosure.Cell{disclosure.IntCell(int64(i)), disclosure.IntCell(n)})
		}
		return disclosure.Cells{Sheets: []disclosure.Sheet{s}}
	}
	for _, c := range []struct {
		label  string
		counts []int64
		want   anchorhold.CheckResult // empty: no such check
	}{
		{"count", []int64{5, 100}, anchorhold.CheckPassed},
		{"count", []int64{4, 100}, anchorhold.CheckFailed},
		{"age count", []int64{1}, anchorhold.CheckFailed},
		{"n_patients", []int64{2}, anchorhold.CheckFailed},
		{"N", []int64{0, 7}, anchorhold.CheckPassed},
		{"tumour size", []int64{2}, ""},
		{"mean", []int64{2}, ""},
		{"country", []int64{2}, ""},
	} {
		got := anchorhold.CheckResult("")
		for _, check := range check(t, index, table(c.label, c.counts...)) {
			if check.Name == disclosure.CheckSmallGroups {
				got = check.Result
			}
		}
		if got != c.want {
			t.Errorf("%s %v: %q, want %q", c.label, c.counts, got, c.want)
		}
	}
}

// Of what a run on mocks gave, its author is told where to look by name; of what
// private data gave, a column's name may be a value, and its place is told alone.
func TestFindingsOnMocksNameColumns(t *testing.T) {
	cell := disclosure.TextCell
	cells := disclosure.Cells{Sheets: []disclosure.Sheet{{
		Index: 1, Labels: []disclosure.Cell{cell("sex"), cell("count\x1b")}, Rows: [][]disclosure.Cell{{disclosure.IntCell(0), disclosure.IntCell(2)}},
	}}}
	p := disclosure.DefaultParams()
	for mock, want := range map[bool]string{
		true:  `the trial's result on the mock: 1 count(s) below 5: cell in row 1, column 2 ("count\x1b")`,
		false: "the output: 1 count(s) below 5: cell in row 1, column 2",
	} {
		p.Mock = mock
		checks, err := disclosure.Check(t.Context(), nil, cells, p)
		if got := checks[len(checks)-1]; err != nil || got.Detail != want {
			t.Errorf("%v: %q, %v", mock, got.Detail, err)
		}
	}
	p.Mock, p.MaxRows = true, 0
	if checks, err := disclosure.Check(t.Context(), nil, cells, p); err != nil || checks[0].Detail != "the trial's result on the mock has more than 0 rows" {
		t.Errorf("%+v, %v", checks, err)
	}
}

func TestKindAndSize(t *testing.T) {
	for _, c := range []struct {
		declared, kind string
		size           int64
		rows           int
		want           anchorhold.CheckResult
	}{
		{"table", "table", 100, 10, anchorhold.CheckPassed},
		{"any", "json", 100, 1, anchorhold.CheckPassed},
		{"table", "image", 100, 1, anchorhold.CheckFailed},
		{"any", "table", 101, 1, anchorhold.CheckFailed},
		{"any", "table", 100, 11, anchorhold.CheckFailed},
	} {
		if got := disclosure.KindAndSize(c.declared, c.kind, c.size, 100, c.rows, 10); got.Result != c.want || got.Name != "kind-and-size" || got.Detail == "" {
			t.Errorf("%+v: %+v", c, got)
		}
	}
}

// Without the key an index says nothing, and with another it is not opened.
func TestIndexNeedsItsKey(t *testing.T) {
	write := func(key disclosure.Key) []byte {
		var b bytes.Buffer
		x, err := disclosure.NewIndexer(key, &b, make([]disclosure.Column, 2))
		if err != nil {
			t.Fatal(err)
		}
		for i := range 300 {
			if err := x.AddRow([]disclosure.Cell{disclosure.TextCell("Kowalski"), disclosure.IntCell(int64(i))}); err != nil {
				t.Fatal(err)
			}
		}
		if err := x.Close(); err != nil {
			t.Fatal(err)
		}
		if err := x.AddRow(make([]disclosure.Cell, 2)); err == nil {
			t.Error("a closed index took a row")
		}
		return b.Bytes()
	}
	other := testKey
	other[0] ^= 1
	file := write(testKey)
	if bytes.Contains(bytes.ToLower(file), []byte("kowalski")) {
		t.Error("the index holds a value")
	}
	if bytes.Equal(file[100:1000], write(other)[100:1000]) {
		t.Error("the key makes no difference")
	}
	if _, err := disclosure.OpenIndex(other, bytes.NewReader(file), int64(len(file))); err == nil {
		t.Error("opened with another key")
	}
	x, err := disclosure.OpenIndex(testKey, bytes.NewReader(file), int64(len(file)))
	if err != nil || x.Rows() != 300 {
		t.Fatalf("%v, %v", x, err)
	}
	if d := x.Columns()[1].Distinct; d < 290 || d > 310 {
		t.Errorf("%d distinct values of 300", d)
	}
}

func TestDamagedIndexIsNoPass(t *testing.T) {
	var b bytes.Buffer
	x, err := disclosure.NewIndexer(testKey, &b, make([]disclosure.Column, 3))
	if err != nil {
		t.Fatal(err)
	}
	for i := range 50 {
		if err := x.AddRow([]disclosure.Cell{disclosure.IntCell(int64(i)), disclosure.FloatCell(float64(i) / 7), {}}); err != nil {
			t.Fatal(err)
		}
	}
	if err := x.AddRow(make([]disclosure.Cell, 2)); err == nil {
		t.Error("a short row was taken")
	}
	if err := x.Close(); err != nil {
		t.Fatal(err)
	}
	file := b.Bytes()
	for cut := range file {
		index, err := disclosure.OpenIndex(testKey, bytes.NewReader(file[:cut]), int64(cut))
		if err != nil {
			continue
		}
		if _, err := disclosure.Check(context.Background(), []disclosure.Table{{Name: "t", Index: index}}, sheet([]any{1, 2}), disclosure.DefaultParams()); err == nil {
			t.Fatalf("cut to %d of %d bytes: checked", cut, len(file))
		}
	}
	if _, err := disclosure.NewIndexer(testKey, &b, nil); err == nil {
		t.Error("a table without columns was taken")
	}
}

func TestCheckEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := disclosure.Check(ctx, []disclosure.Table{{Name: "t", Index: people(t)}}, sheet([]any{1, 2}), disclosure.DefaultParams()); err == nil {
		t.Error("no error")
	}
}

func FuzzIndex(f *testing.F) {
	var b bytes.Buffer
	x, err := disclosure.NewIndexer(testKey, &b, make([]disclosure.Column, 2))
	if err != nil {
		f.Fatal(err)
	}
	for i := range 20 {
		if err := x.AddRow([]disclosure.Cell{disclosure.IntCell(int64(i)), disclosure.TextCell("x")}); err != nil {
			f.Fatal(err)
		}
	}
	if err := x.Close(); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Fuzz(func(t *testing.T, data []byte) {
		index, err := disclosure.OpenIndex(testKey, bytes.NewReader(data), int64(len(data)))
		if err != nil {
			return
		}
		checks, err := disclosure.Check(context.Background(), []disclosure.Table{{Name: "t", Index: index}}, sheet([]any{1, 2, "x"}), disclosure.DefaultParams())
		if err == nil && len(checks) != 4 {
			t.Errorf("%+v", checks)
		}
	})
}

func FuzzTextCell(f *testing.F) {
	for _, s := range []string{"63", " 1e5", "2024-01-05 10:00", "Größe", "İ", "ﷺ", "-0.0", "nan", "\xff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		c := disclosure.TextCell(s)
		if c.Kind() == disclosure.CellText && disclosure.TextCell(c.Text()) != c {
			t.Errorf("%q becomes %q and then %q", s, c.Text(), disclosure.TextCell(c.Text()).Text())
		}
	})
}

// BenchmarkIndexAndCheck measures registering and checking a table of a million
// rows and ten columns, half of them fine measurements.
func BenchmarkIndexAndCheck(b *testing.B) {
	const rows, columns = 1_000_000, 10
	row := make([]disclosure.Cell, columns)
	state := uint64(1)
	next := func(n uint64) uint64 {
		state = state*6364136223846793005 + 1442695040888963407
		return state >> 33 % n
	}
	fill := func() {
		for j := range row {
			switch {
			case j < 2:
				row[j] = disclosure.IntCell(int64(next(4)))
			case j < 5:
				row[j] = disclosure.IntCell(int64(next(200)))
			default:
				row[j] = disclosure.FloatCell(float64(next(1_000_000)) / 997)
			}
		}
	}
	var file bytes.Buffer
	b.Run("index", func(b *testing.B) {
		for b.Loop() {
			file.Reset()
			x, err := disclosure.NewIndexer(testKey, &file, make([]disclosure.Column, columns))
			if err != nil {
				b.Fatal(err)
			}
			for range rows {
				fill()
				if err := x.AddRow(row); err != nil {
					b.Fatal(err)
				}
			}
			if err := x.Close(); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(rows*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
		b.ReportMetric(float64(file.Len())/rows, "bytes/row")
	})
	for _, size := range []int{20, 1000, 9000} {
		b.Run(fmt.Sprintf("check/%d", size), func(b *testing.B) {
			var s disclosure.Sheet
			for range size {
				fill()
				s.Rows = append(s.Rows, append([]disclosure.Cell(nil), row...))
			}
			for b.Loop() {
				index, err := disclosure.OpenIndex(testKey, bytes.NewReader(file.Bytes()), int64(file.Len()))
				if err != nil {
					b.Fatal(err)
				}
				check(b, index, disclosure.Cells{Sheets: []disclosure.Sheet{s}})
			}
		})
	}
}

// Arrays that lie under each other in an index have no columns to compare with:
// a long part of the output is not said to be no copy, and a short one is none.
func TestCopiesOfOneOfSeveralArrays(t *testing.T) {
	var rows [][]string
	var labels, few [][]any
	for i := range 200 * 28 {
		var line []string
		for j := range 28 {
			line = append(line, fmt.Sprint((i*7+j*13+i*j)%251))
		}
		rows = append(rows, line)
	}
	for i := range 200 {
		label := make([]string, 28)
		label[0] = fmt.Sprint(i * i % 10)
		rows = append(rows, label)
		labels = append(labels, []any{label[0]})
	}
	few = labels[:10]
	table := disclosure.Table{Name: "x", Index: indexOf(t, rows), Mixed: true}
	for _, c := range []struct {
		out  [][]any
		want anchorhold.CheckResult
	}{{labels, anchorhold.CheckInapplicable}, {few, anchorhold.CheckPassed}} {
		checks, err := disclosure.Check(t.Context(), []disclosure.Table{table}, sheet(c.out...), disclosure.DefaultParams())
		if err != nil {
			t.Fatal(err)
		}
		if got := resultOf(t, checks, disclosure.CheckColumnCopies); got.Result != c.want {
			t.Errorf("%d labels of all: %+v, want %s", len(c.out), got, c.want)
		}
	}
}
