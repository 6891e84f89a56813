package codec

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/catalog/mock"
)

// canary is planted in the values of bad files: no error may show it.
const canary = "Zq7secret"

func all() []Codec {
	return []Codec{CSV{}, Parquet{}, Arrow{}, ArrowStream{}, JSONLines{}, NPY{}, NPZ{}, Safetensors{}}
}

func input(name string, data []byte) Input {
	return Input{Name: name, Size: int64(len(data)), At: bytes.NewReader(data), Stream: bytes.NewReader(data)}
}

// readAll reads a file to its end: its columns, and its rows with the kind and
// value of each cell.
func readAll(c Codec, in Input) (cols []anchorhold.Column, rows []string, n int64, err error) {
	r, err := c.Open(in, Options{})
	if err != nil {
		return nil, nil, 0, err
	}
	defer r.Close()
	for {
		batch, err := r.Next()
		if errors.Is(err, io.EOF) {
			return r.Columns(), rows, r.Rows(), nil
		}
		if err != nil {
			return nil, nil, 0, err
		}
		for _, row := range batch {
			if len(row) != r.Width() {
				return nil, nil, 0, fmt.Errorf("a row of %d cells where %d are promised", len(row), r.Width())
			}
			rows = append(rows, words(row))
		}
	}
}

func words(row []Cell) string {
	var out []string
	for _, c := range row {
		switch c.Kind {
		case CellMissing:
			out = append(out, "-")
		case CellText:
			out = append(out, fmt.Sprintf("%q", c.Text))
		case CellFloat, CellInt:
			out = append(out, fmt.Sprint(c.Value()))
		default:
			out = append(out, fmt.Sprintf("%d:%d", c.Kind, c.Int))
		}
	}
	return strings.Join(out, " ")
}

// TestTablesOfEveryFormat: one table, as the libraries of owners write it in
// each format, is the same rows.
func TestTablesOfEveryFormat(t *testing.T) {
	_, want, n, err := readAll(Parquet{}, fixture(t, "table.parquet"))
	if err != nil || n != 23 || len(want) != 23 {
		t.Fatalf("%d rows, %v", n, err)
	}
	if want[4] != `1004 - - - "B" - 5:1709224201250000` || !strings.HasPrefix(want[1], `1001 0.25 3:0 "Genève" "B" 4:19783 `) {
		t.Fatalf("%s\n%s", want[4], want[1])
	}
	for name, c := range map[string]Codec{
		"plain.arrow": Arrow{}, "lz4.arrow": Arrow{}, "zstd.arrow": Arrow{}, "views.arrow": Arrow{}, "large.arrow": Arrow{},
		"pandas.feather": Arrow{}, "stream.arrows": ArrowStream{}, "table.jsonl": JSONLines{},
	} {
		cols, rows, n, err := readAll(c, fixture(t, name))
		if err != nil || n != 23 || len(cols) != 7 {
			t.Fatalf("%s: %d rows, %v: %v", name, n, err, errors.Unwrap(err))
		}
		for i := range rows {
			// A file with an index of texts keeps the empty one; in all formats it is a text.
			if rows[i] != want[i] {
				t.Errorf("%s, row %d:\n%s\n%s", name, i, rows[i], want[i])
			}
		}
		var types []anchorhold.ColumnType
		for _, c := range cols {
			types = append(types, c.Type)
		}
		if fmt.Sprint(types[:4], types[4:]) != "[int float bool string] [string date timestamp]" {
			t.Errorf("%s: %s", name, types)
		}
	}
}

func fixture(t testing.TB, name string) Input {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return input(name, data)
}

// TestArrays: what NumPy and safetensors write is read along the last axis.
func TestArrays(t *testing.T) {
	matrix := []string{"0 0.125 0.25", "0.375 0.5 0.625", "0.75 0.875 1", "1.125 1.25 1.375"}
	mask := []string{"3:1 - -", "3:0 - -", "3:1 - -"}
	for _, c := range []struct {
		name  string
		codec Codec
		rows  []string
		n     int64
		cols  string
	}{
		{"matrix.npy", NPY{}, matrix, 4, "values float float32 [n 3]"},
		{"series.npy", NPY{}, []string{"1", "2", "1.099511627776e+12"}, 3, "values int  [n]"},
		{"scalar.npy", NPY{}, []string{"7"}, 1, "values int uint8 []"},
		{"stack.npy", NPY{}, []string{"0 1 2 3", "4 5 6 7", "8 9 10 11", "12 13 14 15", "16 17 18 19", "20 21 22 23"}, 2, "values int int16 [n 3 4]"},
		{"halves.npy", NPY{}, []string{"0", "1.5", "-2", "+Inf", "-", "5.960464477539063e-08"}, 6, "values float float16 [n]"},
		{"two.npz", NPZ{}, append(append([]string{}, matrix...), mask...), 2, "matrix float float32 [n 3], mask bool  [n]"},
		{"packed.npz", NPZ{}, append(append([]string{}, matrix...), mask...), 2, "matrix float float32 [n 3], mask bool  [n]"},
		{"two.safetensors", Safetensors{}, append(append([]string{}, matrix...), mask...), 2, "matrix float float32 [n 3], mask bool  [n]"},
	} {
		cols, rows, n, err := readAll(c.codec, fixture(t, c.name))
		if err != nil {
			t.Errorf("%s: %v: %v", c.name, err, errors.Unwrap(err))
			continue
		}
		if !reflect.DeepEqual(rows, c.rows) || n != c.n || describe(cols) != c.cols {
			t.Errorf("%s: %d, %q\n%q", c.name, n, describe(cols), rows)
		}
	}
}

func describe(cols []anchorhold.Column) string {
	var out []string
	for _, c := range cols {
		storage, _ := c.Fact(anchorhold.FactStorage)
		shape, _ := c.Fact(anchorhold.FactShape)
		name, _ := storage.Value.(string)
		out = append(out, fmt.Sprint(c.Name, " ", c.Type, " ", name, " ", shape.Value))
	}
	return strings.Join(out, ", ")
}

// TestRefusals is what people hand in that is not to be offered, and what it
// should be written as.
func TestRefusals(t *testing.T) {
	for _, c := range []struct {
		codec Codec
		in    Input
		want  string
	}{
		{NPY{}, fixture(t, "objects.npy"), "unpickled"},
		{NPY{}, fixture(t, "columns.npy"), "column by column"},
		{NPY{}, fixture(t, "big.npy"), "big-endian"},
		{NPY{}, fixture(t, "times.npy"), "not an array of plain numbers"},
		{NPY{}, fixture(t, "fields.npy"), "not an array of plain numbers"},
		{NPY{}, input("a.npy", cut(t, "matrix.npy", -1)), "is damaged"},
		{NPY{}, input("a.npy", append(cut(t, "matrix.npy", 0), 0)), "is damaged"},
		{NPY{}, npyOf("{'descr': '<f8', 'fortran_order': False, 'shape': (9223372036854775807, 9), }"), "is damaged"},
		{NPZ{}, input("a.npz", []byte("PK\x03\x04 nothing else")), "is damaged"},
		{JSONLines{}, input("a.jsonl", []byte("{\"a\":1}\n{\"a\":{\"b\":\""+canary+"\"}}\n")), `line 2 of a.jsonl: the value of "a" is not of the type`},
		{JSONLines{}, input("a.jsonl", []byte("{\"a\":1}\n{\"a\":2,\"b\":3}\n")), "does not have"},
		{JSONLines{}, input("a.jsonl", []byte("{\"a\":1}\n{\"a\":\""+canary+"\"}\n")), `line 2 of a.jsonl: the value of "a" is not of the type`},
		{JSONLines{}, input("a.jsonl", []byte("{\"a\":1,\"a\":2}\n")), "line 1 of a.jsonl is not one JSON object"},
		{JSONLines{}, input("a.jsonl", []byte("[1,2]\n")), "is not one JSON object"},
		{JSONLines{}, input("a.jsonl", []byte("{\"a\":1} {\"a\":2}\n")), "is not one JSON object"},
		{JSONLines{}, input("a.jsonl", []byte("\n\n")), "nothing but empty lines"},
		{JSONLines{}, input("a.jsonl", []byte("{\"a\":\""+strings.Repeat("x", MaxRowBytes)+"\"}")), "longer than 8 MiB"},
		{JSONLines{}, input("a.jsonl", []byte("{\"a\":\"\xff\"}")), "not UTF-8"},
		{Safetensors{}, tensorFile(`{}`, 0), "holds no tensor"},
		{Safetensors{}, tensorFile(`{"a":{"dtype":"F64","shape":[1],"data_offsets":[0,8]}}`, 16), "is damaged"},
		{Safetensors{}, tensorFile(`{"a":{"dtype":"F64","shape":[1],"data_offsets":[8,16]}}`, 16), "is damaged"},
		{Safetensors{}, tensorFile(`{"a":{"dtype":"F64","shape":[1],"data_offsets":[0,8]},"b":{"dtype":"F64","shape":[1],"data_offsets":[0,8]}}`, 8), "is damaged"},
		{Safetensors{}, tensorFile(`{"a":{"dtype":"F8_E4M3","shape":[1],"data_offsets":[0,1]}}`, 1), "cannot be offered"},
		{Safetensors{}, tensorFile(`{"a":{"dtype":"F64","shape":[4294967296,4294967296],"data_offsets":[0,0]}}`, 0), "is damaged"},
		{Safetensors{}, tensorFile(`{"a":{"dtype":"F64","shape":[-1],"data_offsets":[0,-8]}}`, 0), "is damaged"},
		{Safetensors{}, input("a.safetensors", binary.LittleEndian.AppendUint64(nil, 1<<62)), "is damaged"},
		{Arrow{}, input("a.arrow", cut(t, "plain.arrow", -700)), "is damaged"},
		{Arrow{}, input("a.arrow", []byte("ARROW1\x00\x00")), "is damaged"},
		{Arrow{}, fixture(t, "polars.arrow"), "as files of Polars have none"},
	} {
		_, _, _, err := readAll(c.codec, c.in)
		var e *anchorhold.Error
		if !errors.As(err, &e) || !strings.Contains(e.Message, c.want) || e.Remedy == "" {
			t.Errorf("%s: %v, want %q", c.in.Name, err, c.want)
		}
		if err != nil && strings.Contains(err.Error(), canary) {
			t.Errorf("%s: a value is shown: %v", c.in.Name, err)
		}
	}
}

// cut gives a file without its last bytes.
func cut(t *testing.T, name string, by int) []byte {
	t.Helper()
	in := fixture(t, name)
	data := make([]byte, in.Size)
	if _, err := in.At.ReadAt(data, 0); err != nil {
		t.Fatal(err)
	}
	return data[:len(data)+by]
}

func npyOf(header string) Input {
	b := append([]byte(npyMagic), 1, 0)
	b = binary.LittleEndian.AppendUint16(b, uint16(len(header)))
	return input("a.npy", append(b, header...))
}

func tensorFile(header string, body int) Input {
	b := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	return input("a.safetensors", append(append(b, header...), make([]byte, body)...))
}

// TestMocksOfEveryFormat: what each codec generates from a card has that card's
// columns, and is the same whenever it is made.
func TestMocksOfEveryFormat(t *testing.T) {
	fact := func(name string, v any) anchorhold.Fact {
		return anchorhold.Fact{Name: name, Value: v, Provenance: anchorhold.Stated}
	}
	table := mock.Card{Facts: []anchorhold.Fact{fact(anchorhold.FactRows, 50.0)}, Columns: []anchorhold.Column{
		{Name: "id", Type: anchorhold.TypeInt},
		{Name: "x", Type: anchorhold.TypeFloat, Facts: []anchorhold.Fact{fact(anchorhold.FactMissingRate, 0.3)}},
		{Name: "ok", Type: anchorhold.TypeBool},
		{Name: "who", Type: anchorhold.TypeString},
		{Name: "day", Type: anchorhold.TypeDate},
		{Name: "at", Type: anchorhold.TypeTimestamp},
	}}
	arrays := mock.Card{Facts: table.Facts, Columns: []anchorhold.Column{
		{Name: ArrayName, Type: anchorhold.TypeFloat, Facts: []anchorhold.Fact{
			fact(anchorhold.FactStorage, "float32"), fact(anchorhold.FactShape, []any{"n", 3.0, 4.0}), fact(anchorhold.FactMin, 1.0), fact(anchorhold.FactMax, 2.0),
		}},
		{Name: "mask", Type: anchorhold.TypeBool, Facts: []anchorhold.Fact{fact(anchorhold.FactStorage, "bool"), fact(anchorhold.FactShape, []any{"n"})}},
	}}
	one := mock.Card{Facts: arrays.Facts, Columns: arrays.Columns[:1]}
	for _, c := range all() {
		f := c.Format()
		card := map[string]mock.Card{anchorhold.KindTable: table, anchorhold.KindTensors: arrays, anchorhold.KindArray: one}[f.Kind]
		var made, again bytes.Buffer
		n, err := c.Generate(t.Context(), card, 7, &made)
		if err != nil {
			t.Errorf("%s: %v", f.Name, err)
			continue
		}
		if _, err := c.Generate(t.Context(), card, 7, &again); err != nil || !bytes.Equal(made.Bytes(), again.Bytes()) {
			t.Errorf("%s: the same card and seed give other bytes (%v)", f.Name, err)
		}
		if f.Sniff != nil && !f.Sniff(made.Bytes()[:min(made.Len(), HeadBytes)]) {
			t.Errorf("%s: its own mock does not begin as the format does", f.Name)
		}
		cols, _, rows, err := readAll(c, input("mock"+f.Extensions[0], made.Bytes()))
		if err != nil || rows != n {
			t.Errorf("%s: %d rows instead of %d, %v: %v", f.Name, rows, n, err, errors.Unwrap(err))
			continue
		}
		for i, want := range card.Columns {
			if cols[i].Name != want.Name || cols[i].Type != want.Type {
				t.Errorf("%s: column %+v instead of %+v", f.Name, cols[i], want)
			}
		}
	}
}

func TestGenerateStopsWithItsContext(t *testing.T) {
	ended, stop := context.WithCancel(t.Context())
	stop()
	card := mock.Card{Columns: []anchorhold.Column{{Name: ArrayName, Type: anchorhold.TypeFloat, Facts: []anchorhold.Fact{
		{Name: anchorhold.FactShape, Value: []any{"n", 1000.0}},
	}}}}
	if _, err := (NPY{}).Generate(ended, card, 1, io.Discard); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

// fuzzCodec reads whatever comes: it ends with rows or with a sentence, and
// never with more memory than a file of that size deserves.
func fuzzCodec(f *testing.F, c Codec, names ...string) {
	f.Helper()
	for _, name := range names {
		data, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		_, _ = besideOf(c, data) // whatever it finds, it does not panic
		cols, rows, n, err := readAll(c, input("fuzz", data))
		var e *anchorhold.Error
		switch {
		case err != nil && !errors.As(err, &e):
			t.Errorf("no error for people: %v", err)
		case err == nil && (len(cols) == 0 || n < 0 || int64(len(rows)) > 64*int64(len(data))*1024):
			t.Errorf("%d columns, %d rows", len(cols), n)
		}
	})
}

func FuzzArrow(f *testing.F) {
	fuzzCodec(f, Arrow{}, "plain.arrow", "lz4.arrow", "zstd.arrow", "views.arrow", "large.arrow", "pandas.feather", "nested.arrow", "nestedzstd.arrow")
}

func FuzzJSONLines(f *testing.F) { fuzzCodec(f, JSONLines{}, "table.jsonl", "nested.jsonl") }
func FuzzNPY(f *testing.F) {
	fuzzCodec(f, NPY{}, "matrix.npy", "stack.npy", "halves.npy", "objects.npy")
}
func FuzzNPZ(f *testing.F)         { fuzzCodec(f, NPZ{}, "two.npz", "packed.npz") }
func FuzzSafetensors(f *testing.F) { fuzzCodec(f, Safetensors{}, "two.safetensors") }
