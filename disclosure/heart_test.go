package disclosure_test

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/disclosure"
)

var testKey = disclosure.Key{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}

// indexOf builds and opens the index of a table of texts.
func indexOf(t testing.TB, rows [][]string, columns ...disclosure.Column) *disclosure.Index {
	t.Helper()
	if columns == nil {
		columns = make([]disclosure.Column, len(rows[0]))
	}
	var file bytes.Buffer
	x, err := disclosure.NewIndexer(testKey, &file, columns)
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range rows {
		cells := make([]disclosure.Cell, len(row))
		for i, s := range row {
			if s != "?" {
				cells[i] = disclosure.TextCell(s)
			}
		}
		if err := x.AddRow(cells); err != nil {
			t.Fatal(err)
		}
	}
	if err := x.Close(); err != nil {
		t.Fatal(err)
	}
	index, err := disclosure.OpenIndex(testKey, bytes.NewReader(file.Bytes()), int64(file.Len()))
	if err != nil {
		t.Fatal(err)
	}
	return index
}

func readCSV(t testing.TB, path string) [][]string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(bytes.NewReader(text)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

// analysis is an output of testdata/analyses.py.
type analysis struct {
	Name   string
	Leak   bool
	Sheets []struct {
		Index  int
		Labels []json.RawMessage
		Rows   [][]json.RawMessage
	}
}

func (a analysis) cells() disclosure.Cells {
	var out disclosure.Cells
	for _, s := range a.Sheets {
		sheet := disclosure.Sheet{Index: s.Index, Labels: cellsOf(s.Labels)}
		for _, r := range s.Rows {
			sheet.Rows = append(sheet.Rows, cellsOf(r))
		}
		out.Sheets = append(out.Sheets, sheet)
	}
	return out
}

func cellsOf(raw []json.RawMessage) []disclosure.Cell {
	cells := make([]disclosure.Cell, len(raw))
	for i, r := range raw {
		var text string
		if json.Unmarshal(r, &text) != nil {
			text = string(r)
		}
		if text != "null" {
			cells[i] = disclosure.TextCell(text)
		}
	}
	return cells
}

func check(t testing.TB, index *disclosure.Index, cells disclosure.Cells) []anchorhold.Check {
	t.Helper()
	checks, err := disclosure.Check(context.Background(), []disclosure.Table{{Name: "patients", Index: index}}, cells, disclosure.DefaultParams())
	if err != nil {
		t.Fatal(err)
	}
	return checks
}

// notPassed names the checks that stop an automatic release.
func notPassed(checks []anchorhold.Check) string {
	var names []string
	for _, c := range checks {
		if c.Result != anchorhold.CheckPassed {
			names = append(names, fmt.Sprintf("%s (%s)", c.Name, c.Result))
		}
	}
	return strings.Join(names, ", ")
}

// stoppedAnyhow are ordinary analyses that a person should look at: they show
// values or counts of fewer than five people, as their labels say.
func stoppedAnyhow() map[string]string {
	return map[string]string{
		"ages and how many": "small-groups (failed)", // three people are about 30
		"histogram":         "small-groups (failed)", // and in the first bin
	}
}

func TestOrdinaryAnalysesPassAndLeaksAreCaught(t *testing.T) {
	text, err := os.ReadFile("testdata/analyses.json")
	if err != nil {
		t.Fatal(err)
	}
	var analyses []analysis
	if err := json.Unmarshal(text, &analyses); err != nil {
		t.Fatal(err)
	}
	index := indexOf(t, readCSV(t, "testdata/heart.csv"))
	for _, a := range analyses {
		t.Run(a.Name, func(t *testing.T) {
			got := notPassed(check(t, index, a.cells()))
			t.Logf("leak %v, stopped by: %s", a.Leak, got)
			want, small := stoppedAnyhow()[a.Name]
			switch {
			case a.Leak && got == "":
				t.Error("private rows passed")
			case !a.Leak && !small && got != "":
				t.Errorf("an ordinary analysis was stopped by %s", got)
			case small && got != want:
				t.Errorf("stopped by %q, want %q", got, want)
			}
		})
	}
}
