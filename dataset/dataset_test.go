package dataset_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/blob"
	"github.com/anchorhold/anchorhold/books"
	"github.com/anchorhold/anchorhold/books/bookstest"
	"github.com/anchorhold/anchorhold/catalog"
	"github.com/anchorhold/anchorhold/dataset"
	"github.com/anchorhold/anchorhold/disclosure"
	"github.com/anchorhold/anchorhold/policy"
	"github.com/anchorhold/anchorhold/store"
)

// owner is who sits at the site's machine: nobody else may name files.
var owner = anchorhold.Principal{ID: "local:1000"}

// bench is a dataset service over fresh books and blobs.
type bench struct {
	*bookstest.Set
	*dataset.Service
	t *testing.T
}

func newBench(t *testing.T) *bench {
	t.Helper()
	set := bookstest.New(t)
	blobs, err := blob.Open(filepath.Join(t.TempDir(), "blobs"), set.Keys.BlobKey())
	if err != nil {
		t.Fatal(err)
	}
	return &bench{Set: set, t: t, Service: &dataset.Service{Books: set.Books, Blobs: blobs, IndexKey: disclosure.Key(set.Keys.IndexKey())}}
}

func (b *bench) add(n dataset.New) (anchorhold.Dataset, error) {
	b.t.Helper()
	b.confirmAll(n.Assets...)
	return b.Add(context.Background(), bookstest.Permit(b.t, owner, policy.DatasetAdd, policy.Site()), n)
}

func (b *bench) mustAdd(n dataset.New) anchorhold.Version {
	b.t.Helper()
	d, err := b.add(n)
	if err != nil {
		b.t.Fatal(err)
	}
	return b.patients(d)
}

func (b *bench) version(n dataset.NewAsset) (anchorhold.Dataset, error) {
	b.t.Helper()
	p := bookstest.Permit(b.t, owner, policy.DatasetVersion, policy.Resource{Type: policy.TypeDataset, ID: "heart"})
	b.confirmAll(n)
	return b.AddVersion(context.Background(), p, "heart", "patients", n)
}

func (b *bench) mustVersion(n dataset.NewAsset) anchorhold.Version {
	b.t.Helper()
	d, err := b.version(n)
	if err != nil {
		b.t.Fatal(err)
	}
	return b.patients(d)
}

func (b *bench) patients(d anchorhold.Dataset) anchorhold.Version {
	b.t.Helper()
	a, ok := d.Asset("patients")
	if !ok {
		b.t.Fatalf("no asset in %+v", d)
	}
	return a.Version
}

func (b *bench) ledger() (out []anchorhold.LedgerEntry) {
	b.t.Helper()
	err := b.View(context.Background(), func(tx store.Tx) (err error) {
		out, _, err = tx.ListLedger(store.LedgerFilter{}, store.Page{Limit: store.MaxLimit})
		return err
	})
	if err != nil {
		b.t.Fatal(err)
	}
	return out
}

// state is everything that an act could leave behind in the books.
func (b *bench) state() string {
	b.t.Helper()
	sets, _, err := b.List(context.Background(), store.DatasetFilter{}, store.Page{Limit: store.MaxLimit}, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	text, err := json.Marshal(sets)
	if err != nil {
		b.t.Fatal(err)
	}
	return fmt.Sprintf("%s, %d entries, %d ledger lines", text, len(b.Events()), len(b.ledger()))
}

// refuses makes sure that an act is refused with a sentence and a remedy, and
// leaves no trace.
func (b *bench) refuses(kind anchorhold.Kind, wants string, act func() error) {
	b.t.Helper()
	before := b.state()
	err := act()
	var e *anchorhold.Error
	if !errors.As(err, &e) || e.Kind != kind || e.Remedy == "" || !strings.Contains(e.Error(), wants) {
		b.t.Errorf("got %v (%s), want a refusal of kind %s that says %q and what to do", err, anchorhold.KindOf(err), kind, wants)
	}
	if e != nil && strings.Contains(e.Error(), canary) {
		b.t.Errorf("the refusal shows a cell: %v", e)
	}
	if after := b.state(); after != before {
		b.t.Errorf("it left something behind:\n%s\n%s", before, after)
	}
}

// canary stands in the cells of bad files: no error may show it.
const canary = "Zq7secret"

func write(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// hospital copies one of the demonstration's tables, to be changed.
func hospital(t *testing.T, name string) string {
	t.Helper()
	return write(t, name, read(t, "../demo/data/"+name))
}

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// parquetFile writes rows given as JSON.
func parquetFile(t *testing.T, age arrow.DataType, rows string) string {
	t.Helper()
	schema := arrow.NewSchema([]arrow.Field{
		{Name: "age", Type: age, Nullable: true},
		{Name: "weight", Type: arrow.PrimitiveTypes.Float64, Nullable: true},
		{Name: "ward", Type: arrow.BinaryTypes.String, Nullable: true},
	}, nil)
	return parquetOf(t, schema, rows)
}

// parquetOf writes rows of any columns.
func parquetOf(t *testing.T, schema *arrow.Schema, rows string) string {
	t.Helper()
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
	if err := errors.Join(w.Write(record), w.Close()); err != nil {
		t.Fatal(err)
	}
	return write(t, "patients.parquet", out.String())
}

// heart describes the dataset "heart" with one asset over a file.
func heart(path string, m *dataset.NewMock, columns ...anchorhold.Column) dataset.New {
	return dataset.New{
		Name: "heart", Title: "Heart disease", Description: "Angiography", License: "CC BY 4.0", Population: "cleveland",
		Assets: []dataset.NewAsset{{Name: "patients", Path: path, Columns: columns, Mock: m}},
	}
}

func stated(name string, value any) anchorhold.Fact {
	return anchorhold.Fact{Name: name, Value: value, Provenance: anchorhold.Stated}
}

func column(t *testing.T, v anchorhold.Version, name string) anchorhold.Column {
	t.Helper()
	for _, c := range v.Columns {
		if c.Name == name {
			return c
		}
	}
	t.Fatalf("no column %s in %+v", name, v.Columns)
	return anchorhold.Column{}
}

// provenances counts the facts of a version by where they come from.
func provenances(v anchorhold.Version) map[anchorhold.Provenance]int {
	n := map[anchorhold.Provenance]int{}
	for _, f := range v.Facts {
		n[f.Provenance]++
	}
	for _, c := range v.Columns {
		for _, f := range c.Facts {
			n[f.Provenance]++
		}
	}
	return n
}

func fact(c anchorhold.Column, name string) string {
	f, ok := c.Fact(name)
	if !ok {
		return "none"
	}
	return fmt.Sprint(f.Value, " ", f.Provenance)
}

func TestRealTables(t *testing.T) {
	abs, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		path       string
		rows       int64
		columns    int
		name, kind string
		last       string
	}{
		{"demo/data/cleveland.csv", 303, 14, "oldpeak", "float", "num"},
		{"demo/data/va.csv", 200, 14, "age", "int", "num"},
		{"catalog/testdata/heart/hungarian-semicolons.csv", 10, 14, "age", "int", "num"},
		{"catalog/testdata/adult.csv", 40, 15, " workclass", "string", " income"},
	} {
		b := newBench(t)
		path := filepath.Join(abs, c.path)
		before := read(t, path)
		v := b.mustAdd(heart(path, nil))
		if len(v.Columns) != c.columns || v.Columns[c.columns-1].Name != c.last || string(column(t, v, c.name).Type) != c.kind {
			t.Errorf("%s: the columns are %+v", c.path, v.Columns)
		}
		if v.Private == nil || v.Private.Rows != c.rows || v.Private.Path != path || v.Private.Format != "csv" || v.Private.Size != int64(len(before)) {
			t.Errorf("%s: the private side is %+v", c.path, v.Private)
		}
		if v.Number != 1 || v.Mock != nil || !anchorhold.IsID(anchorhold.PrefixVersion, v.ID) || len(provenances(v)) != 0 {
			t.Errorf("%s: the version is %+v", c.path, v)
		}
		if read(t, path) != before {
			t.Errorf("%s was changed", c.path)
		}
		if len(b.ledger()) != 0 {
			t.Errorf("%s: registering disclosed %+v", c.path, b.ledger())
		}
	}
}

func TestParquet(t *testing.T) {
	b := newBench(t)
	path := parquetFile(t, arrow.PrimitiveTypes.Int32, `[{"age":63,"weight":70.5,"ward":"east"},{"age":null,"weight":81.25,"ward":"west"}]`)
	v := b.mustAdd(heart(path, &dataset.NewMock{Generate: &dataset.Generate{Rows: 7}}))
	if v.Private.Format != "parquet" || v.Private.Rows != 2 || v.Mock == nil || v.Mock.Format != "parquet" || v.Mock.Rows != 7 {
		t.Errorf("the version is %+v", v)
	}
	if c := column(t, v, "age"); c.Type != anchorhold.TypeInt || fact(c, anchorhold.FactStorage) != "int32 stated" {
		t.Errorf("the column is %+v", c)
	}
	if n := provenances(v)[anchorhold.Measured]; n != 0 || len(b.ledger()) != 0 {
		t.Errorf("%d measured facts without a confirmation", n)
	}
}

// TestVersionIsCompleteBeforeItIsSeen looks at all that a version needs.
func TestVersionIsCompleteBeforeItIsSeen(t *testing.T) {
	b := newBench(t)
	path := hospital(t, "cleveland.csv")
	b.mustAdd(heart(path, &dataset.NewMock{Generate: &dataset.Generate{}}))
	d, err := b.Find(context.Background(), "heart")
	if err != nil {
		t.Fatal(err)
	}
	if d.Title != "Heart disease" || d.Description != "Angiography" || d.License != "CC BY 4.0" || d.Population != "cleveland" ||
		d.Visibility != anchorhold.VisibleToUsers || d.Quorum != 1 || !anchorhold.IsID(anchorhold.PrefixDataset, d.ID) || !d.Created.Equal(b.Clock.Now()) {
		t.Errorf("the dataset is %+v", d)
	}
	v := b.patients(d)
	ok, err := catalog.VerifyCommitment(v.Private.Secret, "heart/patients", strings.NewReader(read(t, path)), v.Commitment)
	if err != nil || !ok {
		t.Errorf("the commitment is not the file's: %v, %v", ok, err)
	}
	index, err := b.Blobs.Open(v.Private.Index)
	if err != nil {
		t.Fatal(err)
	}
	defer index.Close()
	if _, err := disclosure.OpenIndex(b.IndexKey, index, index.Size()); err != nil {
		t.Errorf("the keyed index: %v", err)
	}
	checkMock(t, b, v)
	var subjects []string
	for _, e := range b.Events() {
		if e.Action != "dataset.add" || e.Actor != owner.ID || strings.Contains(fmt.Sprint(e), path) {
			t.Errorf("the log says %+v", e)
		}
		subjects = append(subjects, e.Subject+" "+e.Digest)
	}
	if want := []string{v.ID + " " + v.Commitment, d.ID + " "}; len(subjects) != 2 || subjects[0] != want[0] || subjects[1] != want[1] {
		t.Errorf("the log speaks of %q, want %q", subjects, want)
	}
	b.VerifyLog()
}

func TestNothingIsKeptOfAnInspection(t *testing.T) {
	b := newBench(t)
	path := hospital(t, "cleveland.csv")
	before := b.state()
	i, err := b.Inspect(context.Background(), bookstest.Permit(t, owner, policy.DatasetAdd, policy.Site()), dataset.NewAsset{Name: "data", Path: path, Missing: []string{"?"}})
	if err != nil {
		t.Fatal(err)
	}
	if i.Rows != 303 || len(i.Columns) != 14 || len(i.Facts) != 1 || i.Facts[0].Provenance != anchorhold.Measured {
		t.Errorf("the inspection found %d rows, %d columns, %+v", i.Rows, len(i.Columns), i.Facts)
	}
	if c := i.Columns[0]; fact(c, anchorhold.FactMin) != "29 measured" || fact(c, anchorhold.FactMax) != "77 measured" {
		t.Errorf("the first column is %+v", c)
	}
	stored, err := b.Blobs.List()
	if err != nil || len(stored) != 0 || b.state() != before {
		t.Errorf("it left %d blobs, %v, and %s", len(stored), err, b.state())
	}
	b.refuses(anchorhold.NotFound, "there is no file", func() error {
		_, err := b.Inspect(context.Background(), bookstest.Permit(t, owner, policy.DatasetAdd, policy.Site()), dataset.NewAsset{Name: "data", Path: "/nowhere/patients.csv"})
		return err
	})
}

// TestBadFilesLeaveNothingBehind registers each alone, as the second asset of a
// dataset whose first is good, and as a new version.
func TestBadFilesLeaveNothingBehind(t *testing.T) {
	b := newBench(t)
	good := hospital(t, "cleveland.csv")
	n := heart(good, nil)
	n.Name = "kept"
	if _, err := b.add(n); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		path, says string
		kind       anchorhold.Kind
	}{
		"empty":             {write(t, "e.csv", ""), "is empty", anchorhold.Invalid},
		"header only":       {write(t, "h.csv", "a,b\n"), "no rows", anchorhold.Invalid},
		"Latin-1":           {write(t, "l.csv", "a,b\n"+canary+",M\xfcller\n"), "UTF-8", anchorhold.Invalid},
		"UTF-16":            {write(t, "u.csv", "\xff\xfea\x00,\x00b\x00\n\x001\x00,\x002\x00\n\x00"), "UTF-16", anchorhold.Invalid},
		"duplicate columns": {write(t, "d.csv", "a,b,a\n1,"+canary+",3\n"), "have the same name", anchorhold.Invalid},
		"torn row":          {write(t, "t.csv", "a,b\n1,2\n"+canary+"\n"), "", anchorhold.Invalid},
		"a spreadsheet":     {write(t, "s.csv", "PK\x03\x04"+canary), "workbook", anchorhold.Invalid},
		"no Parquet":        {write(t, "p.parquet", "a,b\n1,"+canary+"\n"), "not a Parquet file", anchorhold.Invalid},
		"cut Parquet":       {write(t, "c.parquet", "PAR1"+canary), "", anchorhold.Invalid},
		"directory":         {t.TempDir(), "holds no files", anchorhold.Invalid},
		"device":            {"/dev/null", "", anchorhold.Invalid},
		"absent":            {"/nowhere/patients.csv", "there is no file", anchorhold.NotFound},
		"no path":           {"", "no path", anchorhold.Invalid},
		"relative":          {"../demo/data/cleveland.csv", "no absolute path", anchorhold.Invalid},
		"relative with dot": {"./cleveland.csv", "no absolute path", anchorhold.Invalid},
		"home":              {"~/cleveland.csv", "no absolute path", anchorhold.Invalid},
	} {
		t.Run(name, func(t *testing.T) {
			mock := &dataset.NewMock{Generate: &dataset.Generate{}, Facts: []string{everything}}
			b.refuses(c.kind, c.says, func() error { _, err := b.add(heart(c.path, mock)); return err })
			n := heart(good, mock)
			n.Assets = append(n.Assets, dataset.NewAsset{Name: "second", Path: c.path})
			b.refuses(c.kind, c.says, func() error { _, err := b.add(n); return err })
			if c.path == "" || !filepath.IsAbs(c.path) {
				return // for a version, no path means the one of before
			}
			p := bookstest.Permit(t, owner, policy.DatasetVersion, policy.Resource{Type: policy.TypeDataset, ID: "kept"})
			b.refuses(c.kind, c.says, func() error {
				_, err := b.AddVersion(context.Background(), p, "kept", "patients", dataset.NewAsset{Path: c.path, Mock: mock})
				return err
			})
		})
	}
}

func TestBadDescriptionsAreRefused(t *testing.T) {
	b := newBench(t)
	path := hospital(t, "cleveland.csv")
	for name, change := range map[string]func(*dataset.New){
		"no name":             func(n *dataset.New) { n.Name = "" },
		"name with a slash":   func(n *dataset.New) { n.Name = "heart/../x" },
		"name with a blank":   func(n *dataset.New) { n.Name = "heart disease" },
		"name with an escape": func(n *dataset.New) { n.Name = "heart\x1b[2K" },
		"asset without name":  func(n *dataset.New) { n.Assets[0].Name = "" },
		"asset that climbs":   func(n *dataset.New) { n.Assets[0].Name = ".." },
		"unknown column":      func(n *dataset.New) { n.Assets[0].Columns = []anchorhold.Column{{Name: "agee"}} },
		"type that is none":   func(n *dataset.New) { n.Assets[0].Columns = []anchorhold.Column{{Name: "age", Type: "number"}} },
	} {
		n := heart(path, nil)
		change(&n)
		t.Log(name)
		b.refuses(anchorhold.Invalid, "", func() error { _, err := b.add(n); return err })
	}
}

func TestNamesAreTakenOnce(t *testing.T) {
	b := newBench(t)
	path := hospital(t, "cleveland.csv")
	b.mustAdd(heart(path, nil))
	b.refuses(anchorhold.Conflict, "anchorhold dataset version heart", func() error { _, err := b.add(heart(path, nil)); return err })
	// Of two at the same time one is refused, though both looked before.
	results := make(chan error, 2)
	p := bookstest.Permit(t, owner, policy.DatasetAdd, policy.Site())
	for range 2 {
		go func() {
			n := heart(path, nil)
			n.Name = "raced"
			_, err := b.Add(context.Background(), p, n)
			results <- err
		}()
	}
	first, second := <-results, <-results
	if (first == nil) == (second == nil) {
		t.Fatalf("got %v and %v, want one to win", first, second)
	}
	if anchorhold.KindOf(errors.Join(first, second)) != anchorhold.Conflict {
		t.Errorf("the loser was told %v", errors.Join(first, second))
	}
}

func TestUnknownThingsAreNotFound(t *testing.T) {
	b := newBench(t)
	if _, err := b.Find(context.Background(), "heart"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("got %v", err)
	}
	if _, err := b.version(dataset.NewAsset{}); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("got %v", err)
	}
	b.mustAdd(heart(hospital(t, "cleveland.csv"), nil))
	p := bookstest.Permit(t, owner, policy.DatasetVersion, policy.Resource{Type: policy.TypeDataset, ID: "heart"})
	b.refuses(anchorhold.NotFound, `no asset "nobody"`, func() error {
		_, err := b.AddVersion(context.Background(), p, "heart", "nobody", dataset.NewAsset{})
		return err
	})
	b.refuses(anchorhold.NotFound, "no mock", func() error { _, err := b.Mock(context.Background(), "heart", "patients"); return err })
	b.refuses(anchorhold.NotFound, "no mock", func() error { _, err := b.Mock(context.Background(), "heart", "nobody"); return err })
}

// TestOnlyTheMachineNamesFiles: a stolen token must not point the site at files.
func TestOnlyTheMachineNamesFiles(t *testing.T) {
	rules, err := policy.New()
	if err != nil {
		t.Fatal(err)
	}
	files := policy.Site()
	files.NamesFiles = true
	for _, role := range anchorhold.Roles() {
		for _, action := range []policy.Action{policy.DatasetAdd, policy.DatasetVersion} {
			if _, err := rules.Check(bookstest.User("olga", role), action, files); anchorhold.KindOf(err) != anchorhold.Denied {
				t.Errorf("an %s may %s: %v", role, action, err)
			}
		}
	}
}

func TestPrivateSideIsHidden(t *testing.T) {
	b := newBench(t)
	path := hospital(t, "cleveland.csv")
	b.mustAdd(heart(path, &dataset.NewMock{Generate: &dataset.Generate{Rows: 5}}))
	b.mustVersion(dataset.NewAsset{})
	sets, _, err := b.List(context.Background(), store.DatasetFilter{}, store.Page{}, nil)
	if err != nil || len(sets) != 1 {
		t.Fatalf("got %d datasets, %v", len(sets), err)
	}
	v := b.patients(sets[0])
	shown := catalog.HideFrom(sets[0])
	text, err := json.Marshal(shown)
	if err != nil {
		t.Fatal(err)
	}
	if b.patients(shown).Private != nil || b.patients(sets[0]).Private == nil {
		t.Error("what is shown has a private side, or hiding it changed the original")
	}
	for what, secret := range map[string]string{
		"path": path, "file name": filepath.Base(path), "the word": "private", "number of rows": ":303", "size": fmt.Sprint(v.Private.Size),
		"index": v.Private.Index, "mock's blob": v.Mock.Blob,
	} {
		if strings.Contains(string(text), secret) {
			t.Errorf("the %s is shown: %s", what, text)
		}
	}
}

func TestListPages(t *testing.T) {
	b := newBench(t)
	path := hospital(t, "va.csv")
	for _, name := range []string{"c", "a", "b"} {
		n := heart(path, nil)
		n.Name, n.Population, n.Visibility, n.Quorum = name, "", anchorhold.VisibleToNamed, 2
		if _, err := b.add(n); err != nil {
			t.Fatal(err)
		}
	}
	got := ""
	page := store.Page{Limit: 2}
	for range 2 {
		sets, next, err := b.List(context.Background(), store.DatasetFilter{}, page, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range sets {
			got += d.Name
			if d.Population != d.Name || d.Visibility != anchorhold.VisibleToNamed || d.Quorum != 2 {
				t.Errorf("the dataset is %+v", d)
			}
		}
		page.Cursor = next
	}
	if got != "abc" || page.Cursor != "" {
		t.Errorf("the pages hold %q, and then %q", got, page.Cursor)
	}
}

// late is a store in which something happens just before the first act.
type late struct {
	store.Store
	before func(store.Tx) error
}

func (l *late) Update(ctx context.Context, fn func(store.Tx) error) error {
	if before := l.before; before != nil {
		l.before = nil
		if err := l.Store.Update(ctx, before); err != nil {
			return err
		}
	}
	return l.Store.Update(ctx, fn)
}

// A dataset that is withdrawn while the file of its next version is being read
// takes no version: index and mock of it would stay.
func TestWithdrawnWhileItsFileIsRead(t *testing.T) {
	b := newBench(t)
	path := filepath.Join(t.TempDir(), "patients.csv")
	if err := os.WriteFile(path, []byte("id,age\n1,40\n2,41\n3,42\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	b.mustAdd(dataset.New{Name: "heart", Assets: []dataset.NewAsset{{Name: "patients", Path: path}}})
	b.Service.Books = &books.Books{Log: b.Log, Now: b.Clock.Now, Store: &late{b.Store, func(tx store.Tx) error {
		d, err := tx.Dataset("heart")
		d.State = anchorhold.DatasetWithdrawn
		return errors.Join(err, tx.PutDataset(d))
	}}}
	_, err := b.version(dataset.NewAsset{})
	if anchorhold.KindOf(err) != anchorhold.Conflict {
		t.Errorf("a withdrawn dataset has a new version: %v", err)
	}
}
