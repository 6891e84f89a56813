package codec

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/catalog/mock"
)

// besideOf reads a file to its end and says what lies beside its rows.
func besideOf(c Codec, data []byte) (Beside, error) {
	r, err := c.Open(input("mock", data), Options{Beside: true})
	if err != nil {
		return "", err
	}
	defer r.Close()
	for {
		if _, err := r.Next(); errors.Is(err, io.EOF) {
			b, ok := r.(Besider)
			if !ok {
				return "", errors.New("it cannot tell")
			}
			return b.Beside(), nil
		} else if err != nil {
			return "", err
		}
	}
}

// What usual programs write, and what is generated here, has nothing beside rows.
func TestUsualFilesHaveNothingBeside(t *testing.T) {
	files := map[string]Codec{
		"stream.arrows": ArrowStream{}, "table.parquet": Parquet{}, "pandas.parquet": Parquet{}, "indexed.parquet": Parquet{},
		"categories.feather": Arrow{}, "pandas.feather": Arrow{}, "whole.arrow": Arrow{},
	}
	for _, name := range []string{"plain.arrow", "lz4.arrow", "zstd.arrow", "views.arrow", "large.arrow"} {
		files[name] = Arrow{}
	}
	for name, c := range files {
		want := BesideNothing
		if name != "whole.arrow" && strings.Contains(name, ".arrow") {
			// Their batches are ten rows cut out of a larger table, which pyarrow
			// writes with what follows them, up to 64 bytes.
			want = BesideValues
		}
		data, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		if b, err := besideOf(c, data); b != want || err != nil {
			t.Errorf("%s: %q, %v", name, b, err)
		}
	}
	card := mock.Card{}
	for _, kind := range []anchorhold.ColumnType{anchorhold.TypeInt, anchorhold.TypeFloat, anchorhold.TypeString, anchorhold.TypeBool, anchorhold.TypeDate, anchorhold.TypeTimestamp} {
		card.Columns = append(card.Columns, anchorhold.Column{Name: string(kind), Type: kind})
	}
	for _, c := range []Codec{Parquet{}, Arrow{}, ArrowStream{}} {
		var made bytes.Buffer
		if _, err := c.Generate(context.Background(), card, 1, &made); err != nil {
			t.Fatal(err)
		}
		if b, err := besideOf(c, made.Bytes()); b != BesideNothing || err != nil {
			t.Errorf("made as %s: %q, %v", c.Format().Name, b, err)
		}
	}
}

// texts makes a table of one column of texts.
func texts(notes, fieldNotes arrow.Metadata, values ...string) arrow.RecordBatch {
	b := array.NewStringBuilder(memory.DefaultAllocator)
	b.AppendValues(values, nil)
	schema := arrow.NewSchema([]arrow.Field{{Name: "w", Type: arrow.BinaryTypes.String, Nullable: true, Metadata: fieldNotes}}, &notes)
	return array.NewRecordBatch(schema, []arrow.Array{b.NewArray()}, int64(len(values)))
}

func asParquet(t *testing.T, batch arrow.RecordBatch, o ...parquet.WriterProperty) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := pqarrow.NewFileWriter(batch.Schema(), &out, parquet.NewWriterProperties(o...), pqarrow.NewArrowWriterProperties(pqarrow.WithStoreSchema()))
	if err == nil {
		err = errors.Join(w.Write(batch), w.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func asArrow(t *testing.T, batch arrow.RecordBatch) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := ipc.NewFileWriter(&out, ipc.WithSchema(batch.Schema()))
	if err == nil {
		err = errors.Join(w.Write(batch), w.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// insert puts bytes before the footer of a Parquet file.
func insert(data []byte, text string) []byte {
	at := len(data) - parquetTail - int(binary.LittleEndian.Uint32(data[len(data)-parquetTail:]))
	return bytes.Join([][]byte{data[:at], []byte(text), data[at:]}, nil)
}

// behindFooter makes the footer longer than what it says.
func behindFooter(data []byte, text string) []byte {
	at := len(data) - parquetTail
	n := binary.LittleEndian.Uint32(data[at:]) + uint32(len(text))
	return bytes.Join([][]byte{data[:at], []byte(text), binary.LittleEndian.AppendUint32(nil, n), []byte("PAR1")}, nil)
}

func TestWhatLiesBesideRows(t *testing.T) {
	none := arrow.Metadata{}
	note := arrow.NewMetadata([]string{"who"}, []string{canary})
	pandas := func(text string) arrow.Metadata { return arrow.NewMetadata([]string{"pandas"}, []string{text}) }
	plain := asParquet(t, texts(none, none, "alpha", "omega"), parquet.WithDictionaryDefault(false))
	indexed := asParquet(t, texts(none, none, "alpha", "omega"), parquet.WithPageIndexEnabled(true))
	ipcPlain := asArrow(t, texts(none, none, "alpha", "omega"))
	for name, c := range map[string]struct {
		codec Codec
		data  []byte
		want  Beside
	}{
		"nothing":                      {Parquet{}, plain, ""},
		"nothing, with a dictionary":   {Parquet{}, asParquet(t, texts(none, none, "alpha", "alpha")), ""},
		"nothing, with indexes":        {Parquet{}, indexed, ""},
		"long texts":                   {Parquet{}, asParquet(t, texts(none, none, strings.Repeat("long ", 100))), ""},
		"a note of the file":           {Parquet{}, asParquet(t, texts(note, none, "a")), BesideNotes},
		"a note of a column":           {Parquet{}, asParquet(t, texts(none, note, "a")), BesideNotes},
		"attributes of pandas":         {Parquet{}, asParquet(t, texts(pandas(`{"columns": [], "attributes": {"who": "`+canary+`"}}`), none, "a")), BesideNotes},
		"a name twice":                 {Parquet{}, asParquet(t, texts(pandas(`{"columns": [], "creator": {"library": "pyarrow", "library": "pyarrow"}}`), none, "a")), BesideNotes},
		"a column that is none":        {Parquet{}, asParquet(t, texts(pandas(`{"columns": [{"name": "`+canary+`", "field_name": "w", "pandas_type": "unicode", "numpy_type": "object", "metadata": null}]}`), none, "a")), BesideNotes},
		"a type that is none":          {Parquet{}, asParquet(t, texts(pandas(`{"columns": [{"name": "w", "field_name": "w", "pandas_type": "`+canary+` is 83", "numpy_type": "object", "metadata": null}]}`), none, "a")), BesideNotes},
		"notes of pandas":              {Parquet{}, asParquet(t, texts(pandas(`{"columns": [{"name": "w", "field_name": "w", "pandas_type": "unicode", "numpy_type": "object", "metadata": null}]}`), none, "a")), ""},
		"a writer's name":              {Parquet{}, asParquet(t, texts(none, none, "a"), parquet.WithCreatedBy(canary)), BesideNotes},
		"a root's name":                {Parquet{}, asParquet(t, texts(none, none, "a"), parquet.WithRootName(canary)), BesideNotes},
		"a filter":                     {Parquet{}, asParquet(t, texts(none, none, "a"), parquet.WithBloomFilterEnabled(true)), BesideFilter},
		"bytes before the footer":      {Parquet{}, insert(plain, canary), BesideBytes},
		"bytes behind the footer":      {Parquet{}, behindFooter(plain, canary), BesideBytes},
		"nothing, of Arrow":            {Arrow{}, ipcPlain, ""},
		"a note of an Arrow file":      {Arrow{}, asArrow(t, texts(note, none, "a")), BesideNotes},
		"a note of an Arrow column":    {Arrow{}, asArrow(t, texts(none, note, "a")), BesideNotes},
		"a missing text that is there": {Arrow{}, asArrow(t, missingText()), BesideValues},
		"a missing number that is":     {Arrow{}, asArrow(t, missingNumber()), BesideValues},
		"a word of no row":             {Arrow{}, asArrow(t, unusedWord()), BesideValues},
		"a word of no row, in Parquet": {Parquet{}, asParquet(t, unusedWord()), BesideValues},
	} {
		if b, err := besideOf(c.codec, c.data); b != c.want || err != nil {
			t.Errorf("%s: %q, %v", name, b, err)
		}
	}
	// Arrow for Go repeats a part of the footer where statistics are long.
	for _, n := range []int{2100, 3000, 5000, 40000} {
		long := []string{strings.Repeat("a", n), strings.Repeat("b", n)}
		data := asParquet(t, texts(none, none, long...), parquet.WithMaxStatsSize(1<<20))
		if b, err := besideOf(Parquet{}, data); b != BesideNothing || err != nil {
			t.Errorf("statistics of %d bytes: %q, %v", n, b, err)
		}
		at := len(data) - parquetTail - int(binary.LittleEndian.Uint32(data[len(data)-parquetTail:]))
		data[at-100]++ // in the gap before the footer
		if b, err := besideOf(Parquet{}, data); b != BesideBytes || err != nil {
			t.Errorf("statistics of %d bytes, another byte in their copy: %q, %v", n, b, err)
		}
	}
	// The rows come first in a file; what says the same again comes after them.
	for name, data := range map[string][]byte{"statistics": plain, "indexes": indexed} {
		said := bytes.Count(data, []byte("omega")) - 1
		for i := range said {
			if b, err := besideOf(Parquet{}, swapLast(data, "omega", "sigma", i+1)); b != BesideValues || err != nil {
				t.Errorf("%s of another value, %d: %q, %v", name, i, b, err)
			}
		}
		if said < 2 {
			t.Errorf("%d %s", said, name)
		}
	}
}

// swapLast changes one text, counted from the end of a file.
func swapLast(data []byte, from, to string, number int) []byte {
	out, at := bytes.Clone(data), len(data)
	for range number {
		at = bytes.LastIndex(out[:at], []byte(from))
	}
	copy(out[at:], to)
	return out
}

// missingText is a table in which the second text is missing, and lies there.
func missingText() arrow.RecordBatch {
	full := texts(arrow.Metadata{}, arrow.Metadata{}, "alpha", canary)
	buffers := full.Column(0).Data().Buffers()
	data := array.NewData(arrow.BinaryTypes.String, 2, []*memory.Buffer{memory.NewBufferBytes([]byte{1}), buffers[1], buffers[2]}, nil, 1, 0)
	return array.NewRecordBatch(full.Schema(), []arrow.Array{array.NewStringData(data)}, 2)
}

func missingNumber() arrow.RecordBatch {
	values := binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64(nil, 5), 83)
	data := array.NewData(arrow.PrimitiveTypes.Int64, 2, []*memory.Buffer{memory.NewBufferBytes([]byte{1}), memory.NewBufferBytes(values)}, nil, 1, 0)
	schema := arrow.NewSchema([]arrow.Field{{Name: "n", Type: arrow.PrimitiveTypes.Int64, Nullable: true}}, nil)
	return array.NewRecordBatch(schema, []arrow.Array{array.NewInt64Data(data)}, 2)
}

// unusedWord is a table of categories, of which no row has the second.
func unusedWord() arrow.RecordBatch {
	kind := &arrow.DictionaryType{IndexType: arrow.PrimitiveTypes.Int8, ValueType: arrow.BinaryTypes.String}
	codes := array.NewInt8Builder(memory.DefaultAllocator)
	codes.AppendValues([]int8{0, 0}, nil)
	dict := texts(arrow.Metadata{}, arrow.Metadata{}, "alpha", canary).Column(0)
	schema := arrow.NewSchema([]arrow.Field{{Name: "c", Type: kind, Nullable: true}}, nil)
	return array.NewRecordBatch(schema, []arrow.Array{array.NewDictionaryArray(kind, codes.NewArray(), dict)}, 2)
}
