package catalog

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/catalog/codec"
	"github.com/anchorhold/anchorhold/disclosure"
)

func TestRegister(t *testing.T) {
	var index bytes.Buffer
	path := "testdata/heart/cleveland.csv"
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var last [2]int64
	reg, err := Register(t.Context(), path, Options{
		ReadOptions: ReadOptions{Columns: []anchorhold.Column{{Name: "chol", Description: "cholesterol", Unit: "mg/dl"}}},
		Label:       "heart/patients", IndexWriter: &index, Propose: true,
		Progress: func(done, total int64) { last = [2]int64{done, total} },
	})
	if err != nil {
		t.Fatal(err)
	}
	size := int64(len(content))
	if reg.Rows != 20 || reg.Size != size || reg.Stamp.Size != size || reg.Format != FormatCSV || last != [2]int64{size, size} {
		t.Errorf("rows %d, size %d, stamp %v, format %s, progress %v", reg.Rows, reg.Size, reg.Stamp, reg.Format, last)
	}
	if !filepath.IsAbs(reg.Path) || len(reg.Secret) != SecretSize || len(reg.Columns) != 14 {
		t.Errorf("path %s, %d bytes of secret, %d columns", reg.Path, len(reg.Secret), len(reg.Columns))
	}
	if c := reg.Columns[4]; c.Unit != "mg/dl" || c.Type != anchorhold.TypeInt {
		t.Errorf("%+v", c)
	}
	if same, err := VerifyCommitment(reg.Secret, "heart/patients", bytes.NewReader(content), reg.Commitment); !same {
		t.Errorf("the commitment is not the file's: %v", err)
	}
	src := reg.Source()
	if src.Path != reg.Path || src.Rows != 20 || !bytes.Equal(src.Secret, reg.Secret) || src.Stamp != reg.Stamp {
		t.Errorf("%+v", src)
	}
	if x, err := disclosure.OpenIndex(disclosure.Key{}, bytes.NewReader(index.Bytes()), int64(index.Len())); err != nil || x.Rows() != 20 {
		t.Errorf("index: %v", err)
	}
	again, err := Register(t.Context(), path, Options{Label: "heart/patients"})
	if err != nil || again.Commitment == reg.Commitment {
		t.Errorf("two registrations of one file can be linked: %v", err)
	}
}

// TestRegisterParquetIsRegisterCSV: one table in two formats has the same
// columns, rows and facts, and its rows are found by the same index.
func TestRegisterParquetIsRegisterCSV(t *testing.T) {
	csvPath := writeFile(t, "t.csv", "id,when,share,ok,name\n1,2024-01-01,0.5,True,a\n2,2024-03-01,,False,b\n3,2024-02-01,1.5,,b\n")
	parquetPath := writeFile(t, "t.parquet", string(parquetBytes(t, []arrow.Field{
		field("id", arrow.PrimitiveTypes.Int64), field("when", arrow.PrimitiveTypes.Date32), field("share", arrow.PrimitiveTypes.Float64),
		field("ok", arrow.FixedWidthTypes.Boolean), field("name", arrow.BinaryTypes.String),
	}, nil, `[{"id":1,"when":"2024-01-01","share":0.5,"ok":true,"name":"a"},{"id":2,"when":"2024-03-01","ok":false,"name":"b"},{"id":3,"when":"2024-02-01","share":1.5,"name":"b"}]`)))
	var indexes [2]bytes.Buffer
	var regs [2]Registration
	for i, path := range []string{csvPath, parquetPath} {
		var err error
		regs[i], err = Register(t.Context(), path, Options{Label: "d/t", IndexWriter: &indexes[i], Propose: true, Identifiers: []string{"name"}})
		if err != nil {
			t.Fatal(err)
		}
	}
	if !reflect.DeepEqual(regs[0].Columns, regs[1].Columns) || !reflect.DeepEqual(regs[0].Proposal, regs[1].Proposal) {
		t.Errorf("%+v\n%+v", regs[0], regs[1])
	}
	if !bytes.Equal(indexes[0].Bytes(), indexes[1].Bytes()) {
		t.Error("the two indexes differ")
	}
	x, err := disclosure.OpenIndex(disclosure.Key{}, bytes.NewReader(indexes[0].Bytes()), int64(indexes[0].Len()))
	if err != nil || !x.Columns()[4].Declared {
		t.Errorf("the declared identifier is not in the index: %v", err)
	}
}

func TestRegisterRefusesAFileThatChanges(t *testing.T) {
	for what, change := range map[string]func(path string) error{
		"appended": func(path string) error {
			f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
			if err != nil {
				return err
			}
			defer f.Close()
			_, err = f.WriteString("1,2\n")
			return err
		},
		"truncated": func(path string) error { return os.Truncate(path, 10) },
		"touched":   func(path string) error { return os.Chtimes(path, time.Unix(1, 0), time.Unix(1, 0)) },
	} {
		path := writeFile(t, "busy.csv", "a,b\n"+strings.Repeat("1,2\n", 3*codec.CSVBuffer))
		done := false
		_, err := Register(t.Context(), path, Options{Label: "d/a", Progress: func(int64, int64) {
			if !done {
				done = true
				if err := change(path); err != nil {
					t.Error(err)
				}
			}
		}})
		if err == nil || !strings.Contains(err.Error(), "changed while it was being read") {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestRegisterStopsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	path := writeFile(t, "long.csv", "a,b\n"+strings.Repeat("1,2\n", 50_000))
	_, err := Register(ctx, path, Options{Label: "d/a", Progress: func(int64, int64) { cancel() }})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

func TestRegisterErrors(t *testing.T) {
	path := writeFile(t, "a.csv", "id,name\n1,"+canary+"\n")
	_, err := Register(t.Context(), path, Options{Label: "d/a", IndexWriter: io.Discard, Identifiers: []string{"nam"}})
	checkRefusal(t, err, `a.csv has no column "nam"`)
	_, err = Register(t.Context(), filepath.Join(t.TempDir(), "none"), Options{Label: "d/a"})
	checkRefusal(t, err, "there is no file")
	full := errors.New("disk full")
	if _, err = Register(t.Context(), path, Options{Label: "d/a", IndexWriter: failing{full}}); !errors.Is(err, full) {
		t.Errorf("a failing index writer: %v", err)
	}
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

// bigCSV makes a CSV file of about so many bytes.
func bigCSV(t testing.TB, size int) string {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "big.csv"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	fmt.Fprint(f, "id,age,when,share,city,note\n")
	var block bytes.Buffer
	for n, written := 0, 0; written < size; written += block.Len() {
		block.Reset()
		for range 1000 {
			fmt.Fprintf(&block, "%d,%d,2024-%02d-%02d,%.4f,city-%d,Grüße aus der %d. Zeile\n", n, n%90, n%12+1, n%28+1, float64(n)/7, n%50, n)
			n++
		}
		if _, err := f.Write(block.Bytes()); err != nil {
			t.Fatal(err)
		}
	}
	return f.Name()
}

// bigParquet makes a Parquet file of one row group.
func bigParquet(t testing.TB, rows int) string {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "big.parquet"))
	if err != nil {
		t.Fatal(err)
	}
	schema := arrow.NewSchema([]arrow.Field{field("id", arrow.PrimitiveTypes.Int64), field("share", arrow.PrimitiveTypes.Float64), field("note", arrow.BinaryTypes.String)}, nil)
	w, err := pqarrow.NewFileWriter(schema, f, parquet.NewWriterProperties(parquet.WithMaxRowGroupLength(1<<40)), pqarrow.DefaultWriterProps())
	if err != nil {
		t.Fatal(err)
	}
	b := array.NewRecordBuilder(memory.DefaultAllocator, schema)
	defer b.Release()
	w.NewBufferedRowGroup()
	for n := 0; n < rows; {
		for range 10_000 {
			b.Field(0).(*array.Int64Builder).Append(int64(n))
			b.Field(1).(*array.Float64Builder).Append(float64(n) / 7)
			b.Field(2).(*array.StringBuilder).Append(fmt.Sprintf("row number %d of many", n*7919))
			n++
		}
		batch := b.NewRecordBatch()
		err := w.WriteBuffered(batch)
		batch.Release()
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return f.Name()
}

// TestRegisterIsBoundedInMemory reads files much larger than what it may hold.
func TestRegisterIsBoundedInMemory(t *testing.T) {
	const bound = 24 << 20
	for _, path := range []string{bigCSV(t, 40<<20), bigParquet(t, 900_000)} {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		runtime.GC()
		var before, now runtime.MemStats
		runtime.ReadMemStats(&before)
		var peak uint64
		calls := 0
		_, err = Register(t.Context(), path, Options{Label: "d/a", IndexWriter: io.Discard, Propose: true, Progress: func(int64, int64) {
			if calls++; calls%20 == 0 {
				runtime.ReadMemStats(&now)
				peak = max(peak, now.HeapAlloc)
			}
		}})
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%s: %d MiB, heap grew by %d MiB", filepath.Base(path), info.Size()>>20, (int64(peak)-int64(before.HeapAlloc))>>20)
		if info.Size() < 3*bound/2 || peak == 0 || peak-before.HeapAlloc > bound {
			t.Errorf("%s of %d bytes took %d bytes of memory", filepath.Base(path), info.Size(), peak-before.HeapAlloc)
		}
	}
}

func BenchmarkRegisterCSV(b *testing.B) { benchmarkRegister(b, bigCSV(b, 32<<20)) }

func BenchmarkRegisterParquet(b *testing.B) { benchmarkRegister(b, bigParquet(b, 1_000_000)) }

func benchmarkRegister(b *testing.B, path string) {
	info, err := os.Stat(path)
	if err != nil {
		b.Fatal(err)
	}
	for _, index := range []io.Writer{nil, io.Discard} {
		b.Run(map[bool]string{true: "without index", false: "with index"}[index == nil], func(b *testing.B) {
			b.SetBytes(info.Size())
			for b.Loop() {
				if _, err := Register(b.Context(), path, Options{Label: "d/a", IndexWriter: index}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// An owner reads what could stay unseen of what they offer, and of nothing else.
func TestUnseen(t *testing.T) {
	for name, c := range map[string]struct {
		version anchorhold.Version
		want    string
	}{
		"a table":          {anchorhold.Version{}, ""},
		"texts":            {anchorhold.Version{Kind: anchorhold.KindFiles, Private: &anchorhold.Source{}}, "files are compared by names and line by line"},
		"texts and images": {anchorhold.Version{Kind: anchorhold.KindFiles, Private: &anchorhold.Source{Opaque: true}}, "of files, names, whole contents and lines of 4 to 32 words"},
		"two arrays":       {anchorhold.Version{Kind: anchorhold.KindTensors}, "arrays are compared row by row"},
	} {
		if got := Unseen(c.version); !strings.HasPrefix(got, c.want) || (got == "") != (c.want == "") {
			t.Errorf("%s: %q", name, got)
		}
	}
}

// What an index cannot tell by columns is known by kind and shape.
func TestMixedIndexes(t *testing.T) {
	column := func(axes ...any) anchorhold.Column {
		return anchorhold.Column{Facts: []anchorhold.Fact{{Name: anchorhold.FactShape, Value: axes}}}
	}
	for name, c := range map[string]struct {
		kind    string
		columns []anchorhold.Column
		want    bool
	}{
		"a table":            {"", []anchorhold.Column{{}, {}}, false},
		"a series":           {anchorhold.KindArray, []anchorhold.Column{column("n")}, false},
		"a matrix":           {anchorhold.KindArray, []anchorhold.Column{column("n", 30.0)}, false},
		"a wide matrix":      {anchorhold.KindArray, []anchorhold.Column{column("n", 5000.0)}, true},
		"images":             {anchorhold.KindArray, []anchorhold.Column{column("n", 28.0, 28.0)}, true},
		"one matrix by name": {anchorhold.KindTensors, []anchorhold.Column{column("n", 30.0)}, false},
		"two series":         {anchorhold.KindTensors, []anchorhold.Column{column("n"), column("n")}, true},
		"no shape":           {anchorhold.KindArray, []anchorhold.Column{{}}, true},
		"files":              {anchorhold.KindFiles, nil, true},
	} {
		if got := Mixed(anchorhold.Version{Kind: c.kind, Columns: c.columns}); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
