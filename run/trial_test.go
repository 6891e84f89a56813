package run

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/blob"
	"github.com/anchorhold/anchorhold/books/bookstest"
	"github.com/anchorhold/anchorhold/disclosure"
	"github.com/anchorhold/anchorhold/output"
	"github.com/anchorhold/anchorhold/sandbox"
	"github.com/anchorhold/anchorhold/store"
)

const secret = "canary-of-the-private-side"

// trialBench is a service over one dataset with both sides, and a trial on it.
func trialBench(t *testing.T) (*Service, anchorhold.Run, string) {
	t.Helper()
	set := bookstest.New(t)
	blobs, err := blob.Open(filepath.Join(t.TempDir(), "blobs"), set.Keys.BlobKey())
	if err != nil {
		t.Fatal(err)
	}
	private := filepath.Join(t.TempDir(), secret+".csv")
	if err := os.WriteFile(private, []byte("age\n77\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	mock, err := blobs.Put(strings.NewReader("age\n1\n2\n"), 100)
	if err != nil {
		t.Fatal(err)
	}
	v := anchorhold.Version{
		ID: anchorhold.NewID(anchorhold.PrefixVersion), Number: 1, Columns: []anchorhold.Column{{Name: "age", Type: anchorhold.TypeInt}},
		Mock:    &anchorhold.Mock{Format: "csv", Size: mock.Size, SHA256: mock.SHA256, Blob: mock.ID},
		Private: &anchorhold.Source{Path: private, Format: "parquet", Secret: []byte(secret), Index: "blob:" + secret},
	}
	run := anchorhold.Run{ID: anchorhold.NewID(anchorhold.PrefixRun), Side: anchorhold.SideMock, State: anchorhold.RunRunning, Attempt: 1, Queued: set.Clock.Now()}
	err = set.Store.Update(context.Background(), func(tx store.Tx) error {
		for _, err := range []error{
			tx.PutDataset(anchorhold.Dataset{ID: "dat-heart", Name: "heart", Population: "heart", Visibility: anchorhold.VisibleToUsers, Quorum: 1}),
			tx.PutVersion("heart", "patients", v), tx.PutRun(run),
			tx.PutTrial(anchorhold.Trial{
				Run: run.ID, Author: "pri-1", Code: anchorhold.Code{
					Files: []anchorhold.File{{Path: "main.py", Text: "def f(patients): pass"}}, Entry: "main.py:f",
					Parameters: []anchorhold.Parameter{{Name: "patients", Kind: "asset", Type: "dataframe"}}, Outputs: []anchorhold.OutputDecl{{Name: "result", Kind: "any"}},
				},
				Assets:  map[string]anchorhold.AssetRef{"patients": {Dataset: "heart", Asset: "patients", Version: v.ID}},
				Created: set.Clock.Now(),
			}),
		} {
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return &Service{Books: set.Books, Blobs: blobs, Limits: sandbox.DefaultLimits()}, run, private
}

// spell writes everything that a value leads to, unexported fields included.
func spell(v reflect.Value, b *strings.Builder, seen map[uintptr]bool) {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if v.IsNil() || v.Kind() == reflect.Pointer && seen[v.Pointer()] {
			return
		}
		if v.Kind() == reflect.Pointer {
			seen[v.Pointer()] = true
		}
		spell(v.Elem(), b, seen)
	case reflect.Struct:
		for _, f := range v.Fields() {
			spell(f, b, seen)
		}
	case reflect.Slice, reflect.Array:
		if v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.Uint8 {
			fmt.Fprintf(b, "%s\n", v.Bytes())
			return
		}
		for i := range v.Len() {
			spell(v.Index(i), b, seen)
		}
	case reflect.Map:
		for _, k := range v.MapKeys() {
			spell(k, b, seen)
			spell(v.MapIndex(k), b, seen)
		}
	default:
		fmt.Fprintf(b, "%v\n", v)
	}
}

// Nothing that a trial is made of, or is handed to its sandbox, leads to the
// private side: no path, no key, no index, no descriptor.
func TestNoPrivateSideIsInReachOfATrial(t *testing.T) {
	s, run, private := trialBench(t)
	task, err := s.load(context.Background(), run)
	if err != nil {
		t.Fatal(err)
	}
	defer task.close()
	if err := errors.Join(s.open(context.Background(), task), s.hand(context.Background(), task)); err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	spell(reflect.ValueOf(task), &all, map[uintptr]bool{})
	if strings.Contains(all.String(), secret) {
		t.Errorf("the task holds something of the private side:\n%s", all.String())
	}
	text, err := json.Marshal(task.job(s.Limits))
	if err != nil || strings.Contains(string(text), secret) || !strings.Contains(string(text), `"csv"`) {
		t.Errorf("the job: %s, %v", text, err)
	}
	if len(task.handed) != 1 {
		t.Fatalf("%d files are handed over", len(task.handed))
	}
	of, err := os.Stat(private)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range task.handed {
		info, err := f.Stat()
		if err != nil || os.SameFile(of, info) {
			t.Errorf("the private file is handed over (%v)", err)
		}
		got := make([]byte, 100)
		n, _ := f.ReadAt(got, 0)
		if string(got[:n]) != "age\n1\n2\n" {
			t.Errorf("what is handed over holds %q", got[:n])
		}
	}
	if tables, closeAll, err := s.indexes(task); err != nil || len(tables) != 0 {
		t.Errorf("%d indexes of private rows were opened, %v", len(tables), err)
	} else {
		closeAll()
	}
	if l := task.limits(s.Limits); l.Wall > trialTime || l.Memory != s.Limits.Memory {
		t.Errorf("the limits are %+v", l)
	}
}

// A run on private data is made from its request alone: a trial's record cannot
// make it one, nor the other way round.
func TestSidesAreNotMixed(t *testing.T) {
	s, run, _ := trialBench(t)
	run.Side = ""
	if _, err := s.load(context.Background(), run); err == nil {
		t.Error("a trial was loaded as a run on private data, without a grant")
	}
	run.Side, run.ID = anchorhold.SideMock, anchorhold.NewID(anchorhold.PrefixRun)
	if _, err := s.load(context.Background(), run); err == nil {
		t.Error("a run without a trial was loaded as one on the mocks")
	}
}

func TestOutputsOfRunsOnPrivateDataAreNotHandedOut(t *testing.T) {
	s, run, _ := trialBench(t)
	info, err := s.Blobs.Put(strings.NewReader("x"), 10)
	if err != nil {
		t.Fatal(err)
	}
	run.Outputs = []anchorhold.Output{{Name: "result", Blob: info.ID}}
	if _, f, err := s.Output(context.Background(), run, "result"); err != nil {
		t.Error(err)
	} else {
		f.Close()
	}
	run.Side = ""
	if _, _, err := s.Output(context.Background(), run, "result"); anchorhold.KindOf(err) != anchorhold.NotFound {
		t.Errorf("got %v", err)
	}
}

func TestPreviewsPrint(t *testing.T) {
	cell := disclosure.TextCell("Smith\x1b[2J\u202e" + strings.Repeat("x", 100))
	rows := make([][]disclosure.Cell, 20)
	for i := range rows {
		rows[i] = []disclosure.Cell{cell, disclosure.IntCell(int64(i))}
	}
	cells := disclosure.Cells{Sheets: []disclosure.Sheet{{Labels: []disclosure.Cell{cell}}, {Labels: []disclosure.Cell{cell, cell}, Rows: rows}}}
	for _, c := range []output.Canonical{
		{Kind: output.KindTable, Rows: 20, Columns: 2},
		{Kind: output.KindText, Data: []byte(strings.Repeat("é\x00\x9b", 1000))},
		{Kind: output.KindJSON, Data: []byte(`{"a":1}`)},
		{Kind: output.KindImage},
	} {
		got := preview(c, cells)
		if strings.ContainsAny(got, "\x00\x1b\u202e\u009b") || len(got) > 4096 {
			t.Errorf("%s: %q", c.Kind, got)
		}
	}
	if got := preview(output.Canonical{Kind: output.KindTable, Rows: 20, Columns: 2}, cells); strings.Count(got, "\n") != previewRows+2 || !strings.HasSuffix(got, "...") {
		t.Errorf("a table: %q", got)
	}
	names := disclosure.Cells{Sheets: []disclosure.Sheet{{Rows: [][]disclosure.Cell{{disclosure.TextCell("mean"), {}}}}}}
	if got := preview(output.Canonical{Kind: output.KindTable, Columns: 1}, names); got != "rows: 0, columns: 1" {
		t.Errorf("a table without rows: %q", got)
	}
}

// A run gets what its author expects where that is less than the site's limits,
// and never more.
func TestExpectedResourcesAreLimits(t *testing.T) {
	site := sandbox.DefaultLimits()
	for _, side := range []anchorhold.Side{"", anchorhold.SideMock} {
		plain := (&task{run: anchorhold.Run{Side: side}}).limits(site)
		less := anchorhold.Resources{CPUSeconds: 3, Memory: 300 << 20, WallSeconds: 5}
		got := (&task{run: anchorhold.Run{Side: side}, expect: &less}).limits(site)
		want := plain
		want.CPUTime, want.Memory, want.Wall = 3*time.Second, 300<<20, 5*time.Second
		if got != want {
			t.Errorf("%q: %+v, want %+v", side, got, want)
		}
		more := anchorhold.Resources{CPUSeconds: 1 << 20, Memory: 1 << 50}
		if got := (&task{run: anchorhold.Run{Side: side}, expect: &more}).limits(site); got != plain {
			t.Errorf("%q: more than the site allows: %+v", side, got)
		}
	}
}
