package output

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"hash/crc32"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/compress"
	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/metadata"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"

	"github.com/anchorhold/anchorhold"
)

// refusedBecause checks that Parse refuses a file for a reason, in our words.
func refusedBecause(t *testing.T, entry ManifestEntry, data []byte, lim Limits, want reason) {
	t.Helper()
	c, cells, err := Parse(entry, data, declare(entry), lim)
	if err == nil {
		t.Fatalf("accepted as %d bytes", len(c.Data))
	}
	if c.Data != nil || cells.Sheets != nil {
		t.Error("a refusal came with data")
	}
	if got := reasonOf(t, err); got != want {
		t.Errorf("refused because %d (%v), want %d (%s)", got, err, want, want.sentence().message)
	}
}

// reasonOf checks that an error is one of the fixed sentences.
func reasonOf(t *testing.T, err error) reason {
	t.Helper()
	var e *anchorhold.Error
	if !errors.As(err, &e) || e.Remedy == "" {
		t.Fatalf("an error without a remedy: %v", err)
	}
	for r := range lastReason {
		if s := r.sentence(); s.message == e.Message && s.remedy == e.Remedy {
			var number refusal
			if errors.As(err, &number) {
				return number.number
			}
			return r
		}
	}
	t.Fatalf("not one of our sentences: %q", err)
	return 0
}

var tableEntry = ManifestEntry{Name: "result", Kind: KindTable, Python: "pandas.DataFrame", File: "result.parquet"}

// frameMeta describes a DataFrame with text labels.
func frameMeta(columns ...string) string {
	b, err := json.Marshal(map[string]any{"v": 1, "python": "pandas.DataFrame", "columns": columns, "column_names": []any{nil}, "index": []any{}})
	if err != nil {
		panic(err)
	}
	return string(b)
}

// writeParquet writes a file with the library, as hostile code may, too.
func writeParquet(t testing.TB, s *arrow.Schema, columns []arrow.Array, options ...parquet.WriterProperty) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := pqarrow.NewFileWriter(s, &out, parquet.NewWriterProperties(options...), pqarrow.NewArrowWriterProperties(pqarrow.WithStoreSchema()))
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Write(array.NewRecordBatch(s, columns, int64(columns[0].Len()))); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func schemaOf(meta string, fields ...arrow.Field) *arrow.Schema {
	m := arrow.NewMetadata([]string{"anchorhold"}, []string{meta})
	return arrow.NewSchema(fields, &m)
}

// column makes an array of a type from JSON.
func columnFrom(t testing.TB, typ arrow.DataType, text string) arrow.Array {
	t.Helper()
	a, _, err := array.FromJSON(memory.DefaultAllocator, typ, strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// oneColumn is a file with one column named x.
func oneColumn(t testing.TB, typ arrow.DataType, text string, options ...parquet.WriterProperty) []byte {
	t.Helper()
	a := columnFrom(t, typ, text)
	return writeParquet(t, schemaOf(frameMeta("x"), arrow.Field{Name: "x", Type: typ, Nullable: true}), []arrow.Array{a}, options...)
}

// withFooter rewrites the footer of a file.
func withFooter(t testing.TB, data []byte, change func(*metadata.FileMetaData)) []byte {
	t.Helper()
	r, err := file.NewParquetReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	change(r.MetaData())
	var footer bytes.Buffer
	if _, err := r.MetaData().WriteTo(&footer, nil); err != nil {
		t.Fatal(err)
	}
	return withFooterBytes(data, footer.Bytes())
}

func withFooterBytes(data, footer []byte) []byte {
	end := len(data) - 8
	start := end - int(binary.LittleEndian.Uint32(data[end:]))
	out := append(bytes.Clone(data[:start]), footer...)
	out = binary.LittleEndian.AppendUint32(out, uint32(len(footer)))
	return append(out, "PAR1"...)
}

func TestHostileTablesAreRefused(t *testing.T) {
	good := oneColumn(t, arrow.PrimitiveTypes.Int64, `[1, 2, 3]`)
	binaryList := arrow.ListOf(arrow.BinaryTypes.Binary)
	zoned := &arrow.TimestampType{Unit: arrow.Millisecond, TimeZone: "patient 4711"}
	structType := arrow.StructOf(arrow.Field{Name: "a", Type: arrow.PrimitiveTypes.Int64})
	withMeta := func(meta string) []byte {
		return writeParquet(t, schemaOf(meta, arrow.Field{Name: "x", Type: arrow.PrimitiveTypes.Int64}), []arrow.Array{columnFrom(t, arrow.PrimitiveTypes.Int64, `[1, 2]`)})
	}
	footer := func(list byte, n uint64) []byte { // a struct whose field 2 is a list that claims n structs
		return append(binary.AppendUvarint([]byte{0x29, 0xf0 | list}, n), 0, 0)
	}
	for _, c := range []struct {
		name string
		data []byte
		lim  Limits
		want reason
	}{
		{"empty", nil, Limits{}, notParquet},
		{"only magic", []byte("PAR1PAR1PAR1"), Limits{}, notParquet},
		{"encrypted", append([]byte("PARE"), good[4:]...), Limits{}, encryptedParquet},
		{"no end", good[:len(good)-1], Limits{}, notParquet},
		{"a trillion rows", withFooter(t, good, func(m *metadata.FileMetaData) { m.NumRows = 1e12 }), Limits{}, tooManyRows},
		{"a trillion rows in a group", withFooter(t, good, func(m *metadata.FileMetaData) { m.RowGroups[0].NumRows = 1e12 }), Limits{}, badFooter},
		{"negative rows", withFooter(t, good, func(m *metadata.FileMetaData) { m.NumRows = -3 }), Limits{}, badFooter},
		{"more rows than pages hold", withFooter(t, good, func(m *metadata.FileMetaData) { m.NumRows, m.RowGroups[0].NumRows = 9, 9 }), Limits{}, damagedFile},
		{"fewer rows than groups say", withFooter(t, good, func(m *metadata.FileMetaData) { m.NumRows = 2 }), Limits{}, badFooter},
		{"a list of a hundred million", withFooterBytes(good, footer(thriftStruct, 100_000_000)), Limits{}, badFooter},
		{"a schema of ten thousand", withFooterBytes(good, append(footer(thriftByte, 30_000), make([]byte, 30_000)...)), Limits{}, tooManyColumns},
		{"endless nesting", withFooterBytes(good, bytes.Repeat([]byte{0x1c}, 10_000)), Limits{}, badFooter},
		{"rows over the limit", good, Limits{Rows: 2}, tooManyRows},
		{"bytes over the limit", good, Limits{Bytes: 100}, tooManyBytes},
		{"memory over the limit", good, Limits{Memory: 1000}, tooMuchMemory},
		{"zstandard", oneColumn(t, arrow.PrimitiveTypes.Int64, `[1]`, parquet.WithCompression(compress.Codecs.Zstd)), Limits{}, badCodec},
		{"bytes", oneColumn(t, arrow.BinaryTypes.Binary, `["YQ=="]`), Limits{}, badType},
		{"lists of bytes", oneColumn(t, binaryList, `[["YQ=="]]`), Limits{}, nestedColumn},
		{"lists of lists", oneColumn(t, arrow.ListOf(arrow.ListOf(arrow.PrimitiveTypes.Int8)), `[[[1]]]`), Limits{}, nestedColumn},
		{"structs", oneColumn(t, structType, `[{"a": 1}]`), Limits{}, badType},
		{"times of day", oneColumn(t, arrow.FixedWidthTypes.Time64us, `["12:00:00"]`), Limits{}, badType},
		{"text that is no UTF-8", writeParquet(t, schemaOf(frameMeta("x"), arrow.Field{Name: "x", Type: arrow.BinaryTypes.String}), []arrow.Array{invalidText()}), Limits{}, badText},
		{"text over the limit", oneColumn(t, arrow.BinaryTypes.String, `["abcdef"]`), Limits{Text: 5}, tooLongText},
		{"no description", withMeta(""), Limits{}, badMetadata},
		{"description of other columns", withMeta(frameMeta("y")), Limits{}, otherColumns},
		{"description of more columns", withMeta(frameMeta("x", "y")), Limits{}, otherColumns},
		{"description with a stowaway", withMeta(strings.Replace(frameMeta("x"), "{", `{"note":"4711",`, 1)), Limits{}, badMetadata},
		{"description that repeats itself", withMeta(strings.Replace(frameMeta("x"), "{", `{"v":1,`, 1)), Limits{}, badMetadata},
		{"description of another type", withMeta(strings.Replace(frameMeta("x"), "DataFrame", "Series", 1)), Limits{}, otherPython},
		{"range of another length", withMeta(strings.Replace(frameMeta("x"), "{", `{"range_index":{"start":0,"stop":9,"step":1},`, 1)), Limits{}, otherColumns},
		{"range without step", withMeta(strings.Replace(frameMeta("x"), "{", `{"range_index":{"start":0,"stop":2,"step":0},`, 1)), Limits{}, badMetadata},
		{"escape sequence in a label", withMeta(frameMeta("\x1b[2J")), Limits{}, badMetadata},
		{"time zone with a message", writeParquet(t, schemaOf(frameMeta("x"), arrow.Field{Name: "x", Type: zoned, Nullable: true}), []arrow.Array{array.MakeArrayOfNull(memory.DefaultAllocator, zoned, 1)}), Limits{}, badZone},
	} {
		t.Run(c.name, func(t *testing.T) { refusedBecause(t, tableEntry, c.data, c.lim, c.want) })
	}
}

func invalidText() arrow.Array {
	b := array.NewStringBuilder(memory.DefaultAllocator)
	b.Append("a\xff")
	return b.NewArray()
}

// A dictionary of one long text, referred to by many rows, is a small file and
// would be large in memory.
func TestDictionaryBombIsRefused(t *testing.T) {
	b := array.NewStringBuilder(memory.DefaultAllocator)
	for range 100_000 {
		b.Append(strings.Repeat("x", 1000))
	}
	data := writeParquet(t, schemaOf(frameMeta("x"), arrow.Field{Name: "x", Type: arrow.BinaryTypes.String}), []arrow.Array{b.NewArray()},
		parquet.WithCompression(compress.Codecs.Snappy))
	if len(data) > 200_000 {
		t.Fatalf("the bomb has %d bytes", len(data))
	}
	refusedBecause(t, tableEntry, data, Limits{Memory: 32 << 20}, tooMuchMemory)
}

// Nothing of what the library lets a writer add comes through.
func TestCanonicalTableHasNoStowaways(t *testing.T) {
	const secret = "PATIENT-4711"
	m := arrow.NewMetadata([]string{"anchorhold", "note"}, []string{frameMeta("x"), secret})
	fieldNote := arrow.NewMetadata([]string{"note"}, []string{secret})
	s := arrow.NewSchema([]arrow.Field{{Name: "x", Type: arrow.PrimitiveTypes.Int64, Nullable: true, Metadata: fieldNote}}, &m)
	data := writeParquet(t, s, []arrow.Array{columnFrom(t, arrow.PrimitiveTypes.Int64, `[1, null]`)},
		parquet.WithCreatedBy(secret), parquet.WithRootName(secret), parquet.WithPageIndexEnabled(true))
	data = append(append([]byte("PAR1"), secret...), data[4:]...) // every offset is wrong now
	if _, _, err := Parse(tableEntry, data, declare(tableEntry), Limits{}); err == nil {
		t.Error("a file with shifted pages was accepted")
	}
	data = append([]byte("PAR1"), data[4+len(secret):]...)
	c, _, err := Parse(tableEntry, data, declare(tableEntry), Limits{})
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(c.Data, []byte(secret)) {
		t.Error("the secret came through")
	}
	plain, _, err := Parse(tableEntry, oneColumn(t, arrow.PrimitiveTypes.Int64, `[1, null]`, parquet.WithCompression(compress.Codecs.Gzip)), declare(tableEntry), Limits{})
	if err != nil || !bytes.Equal(plain.Data, c.Data) {
		t.Errorf("the same values give other bytes (%v)", err)
	}
}

// Truncated and damaged files are refused or understood; nothing else happens.
func TestDamagedFilesNeverBreakTheParser(t *testing.T) {
	entries, files := given(t)
	random := rand.New(rand.NewPCG(1, 2))
	for _, e := range entries {
		data := files[e.File]
		for cut := 0; cut < len(data); cut += 1 + len(data)/60 {
			if _, _, err := Parse(e, data[:cut], declare(e), Limits{Memory: 1 << 24}); err != nil {
				reasonOf(t, err)
			} else if e.Kind != KindText && e.File != "chunks.png" {
				t.Errorf("%s cut to %d of %d bytes was accepted", e.File, cut, len(data))
			}
		}
		for range 60 {
			bad := bytes.Clone(data)
			for range 1 + random.IntN(3) {
				bad[random.IntN(len(bad))] ^= 1 << random.IntN(8)
			}
			c, _, err := Parse(e, bad, declare(e), Limits{Memory: 1 << 24, Pixels: 1 << 20})
			if err != nil {
				reasonOf(t, err)
				continue
			}
			if again, _, err := Parse(e, c.Data, declare(e), Limits{}); err != nil || !bytes.Equal(again.Data, c.Data) {
				t.Errorf("%s: the canonical form of a damaged file is not canonical: %v", e.File, err)
			}
		}
	}
}

func TestHostileArraysAreRefused(t *testing.T) {
	npy := func(header string, body string) []byte {
		b := append([]byte("\x93NUMPY\x01\x00"), byte(len(header)), byte(len(header)>>8))
		return append(append(b, header...), body...)
	}
	e := ManifestEntry{Name: "result", Kind: KindArray, Python: "numpy.ndarray", File: "result.npy"}
	for _, c := range []struct {
		name, header, body string
		want               reason
	}{
		{"objects", "{'descr': '|O', 'fortran_order': False, 'shape': (1,), }", "cos\nsystem\n.", objectArray},
		{"objects with a size", "{'descr': '|O8', 'fortran_order': False, 'shape': (1,), }", "12345678", objectArray},
		{"records", "{'descr': [('a', '<f8')], 'fortran_order': False, 'shape': (1,), }", "12345678", objectArray},
		{"bytes", "{'descr': '|S3', 'fortran_order': False, 'shape': (1,), }", "abc", objectArray},
		{"void", "{'descr': '|V3', 'fortran_order': False, 'shape': (1,), }", "abc", objectArray},
		{"long double", "{'descr': '<f16', 'fortran_order': False, 'shape': (1,), }", "1234567812345678", badArray},
		{"an expression", "{'descr': __import__('os'), 'fortran_order': False, 'shape': (1,), }", "", badArray},
		{"a member twice", "{'descr': '<i1', 'descr': '<i1', 'fortran_order': False, 'shape': (1,), }", "1", badArray},
		{"a member too many", "{'descr': '<i1', 'fortran_order': False, 'shape': (1,), 'note': '4711', }", "1", badArray},
		{"a member missing", "{'descr': '<i1', 'shape': (1,), }", "1", badArray},
		{"text after the header", "{'descr': '<i1', 'fortran_order': False, 'shape': (1,), } 4711", "1", badArray},
		{"bytes after the elements", "{'descr': '<i1', 'fortran_order': False, 'shape': (1,), }", "1 and 4711", badDimensions},
		{"too few bytes", "{'descr': '<i8', 'fortran_order': False, 'shape': (2,), }", "12345678", badDimensions},
		{"a shape that overflows", "{'descr': '<i8', 'fortran_order': False, 'shape': (4294967296, 4294967296), }", "", badDimensions},
		{"a shape that overflows slowly", "{'descr': '<i8', 'fortran_order': False, 'shape': (60000000, 60000000, 60000000), }", "", badDimensions},
		{"a negative shape", "{'descr': '<i8', 'fortran_order': False, 'shape': (-1,), }", "", badArray},
		{"a number for a shape", "{'descr': '<i8', 'fortran_order': False, 'shape': (1), }", "12345678", badArray},
		{"forty axes", "{'descr': '<i1', 'fortran_order': False, 'shape': (" + strings.Repeat("1, ", 40) + "), }", "1", badArray},
		{"dates without unit", "{'descr': '<M8', 'fortran_order': False, 'shape': (1,), }", "12345678", badArray},
		{"dates of 25 seconds", "{'descr': '<M8[25s]', 'fortran_order': False, 'shape': (1,), }", "12345678", badArray},
		{"half a surrogate", "{'descr': '<U1', 'fortran_order': False, 'shape': (1,), }", "\x00\xd8\x00\x00", badText},
		{"no character", "{'descr': '<U1', 'fortran_order': False, 'shape': (1,), }", "\xff\xff\xff\xff", badText},
	} {
		t.Run(c.name, func(t *testing.T) { refusedBecause(t, e, npy(c.header, c.body), Limits{}, c.want) })
	}
	t.Run("a header of four gigabytes", func(t *testing.T) {
		refusedBecause(t, e, []byte("\x93NUMPY\x02\x00\xff\xff\xff\xff{}"), Limits{}, badArray)
	})
	t.Run("not a number has one form", func(t *testing.T) {
		header := "{'descr': '<f8', 'fortran_order': False, 'shape': (1,), }"
		a, _, err := Parse(e, npy(header, "SECRET\xf8\x7f"), declare(e), Limits{})
		if err != nil || bytes.Contains(a.Data, []byte("SECRET")) {
			t.Errorf("%q, %v", a.Data, err)
		}
	})
}

func TestHostileValuesAreRefused(t *testing.T) {
	for _, c := range []struct {
		name, python, text string
		want               reason
	}{
		{"nothing", "None", "", badJSON},
		{"two values", "int", "1 2", badJSON},
		{"text after it", "int", "1x", badJSON},
		{"a name twice", "dict", `{"a":1,"a":2}`, badJSON},
		{"a name twice, escaped", "dict", `{"a":1,"\u0061":2}`, badJSON},
		{"NaN", "float", "NaN", badJSON},
		{"a comment", "int", "/* 4711 */ 1", badJSON},
		{"a byte order mark", "int", "\ufeff1", badJSON},
		{"half a surrogate", "str", `"\ud800"`, badJSON},
		{"no UTF-8", "str", "\"\xff\"", badText},
		{"a huge integer", "int", "18446744073709551616", bigInteger},
		{"a huge float", "float", "1e999", bigNumber},
		{"a number of a thousand digits", "float", "0." + strings.Repeat("1", 1000), bigNumber},
		{"nesting", "list", strings.Repeat("[", 100) + strings.Repeat("]", 100), deepJSON},
		{"endless nesting", "list", strings.Repeat("[", 100_000), deepJSON},
		{"not an int", "int", "1.0", otherPython},
		{"not a dict", "dict", "[]", otherPython},
		{"not a bool", "numpy.bool", "1", otherPython},
		{"None in a container is fine, a float None is not an int", "numpy.int64", "null", otherPython},
		{"a type of its own", "evil.Class", "1", wrongPython},
		{"a long text", "str", `"` + strings.Repeat("x", 2000) + `"`, tooLongText},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := ManifestEntry{Name: "result", Kind: KindJSON, Python: c.python, File: "result.json"}
			refusedBecause(t, e, []byte(c.text), Limits{Text: 1000}, c.want)
		})
	}
	for text, want := range map[string]string{
		` [ 1 , 1.0, -0 , 1E2, 0.10 ] `:  `[1,1.0,0,100.0,0.1]`,
		`["\u0041\/\u00e9", "é"]`:        `["A/é","é"]`,
		`[1.0e-7, 1e16, -0.0, 12345678]`: `[1e-07,1e+16,-0.0,12345678]`,
	} {
		e := ManifestEntry{Name: "result", Kind: KindJSON, Python: "list", File: "result.json"}
		if c, _, err := Parse(e, []byte(text), declare(e), Limits{}); err != nil || string(c.Data) != want {
			t.Errorf("%s became %s, %v; want %s", text, c.Data, err, want)
		}
	}
}

func TestHostileTextsAndImagesAreRefused(t *testing.T) {
	text := ManifestEntry{Name: "result", Kind: KindText, Python: "str", File: "result.txt"}
	for _, s := range []string{"a\x1b[2J", "a\rb", "a\x00", "a\u0085b", "\u009b2J"} {
		refusedBecause(t, text, []byte(s), Limits{}, controlText)
	}
	refusedBecause(t, text, []byte("a\xff"), Limits{}, badText)

	picture := ManifestEntry{Name: "result", Kind: KindImage, Python: "image/png", File: "result.png"}
	refusedBecause(t, picture, []byte("<svg/>"), Limits{}, notPNG)
	refusedBecause(t, picture, []byte("\x89PNG\r\n\x1a\n"), Limits{}, notPNG)
	refusedBecause(t, picture, pngHeader(100_000), Limits{}, tooManyPixels)
	refusedBecause(t, picture, pngHeader(1<<31-1), Limits{}, notPNG) // beyond what the library counts
}

// pngHeader is the beginning of a PNG that claims a size, all that a bomb needs.
func pngHeader(size uint32) []byte {
	chunk := []byte("IHDR")
	chunk = binary.BigEndian.AppendUint32(chunk, size)
	chunk = binary.BigEndian.AppendUint32(chunk, size)
	chunk = append(chunk, 8, 6, 0, 0, 0)
	b := append([]byte("\x89PNG\r\n\x1a\n"), 0, 0, 0, 13)
	b = append(b, chunk...)
	return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(chunk))
}

func TestOutputsMustBeAsDeclared(t *testing.T) {
	good := ManifestEntry{Name: "result", Kind: KindText, Python: "str", File: "result.txt"}
	for _, c := range []struct {
		name     string
		change   func(*ManifestEntry)
		declared Declared
		want     reason
	}{
		{"another name", func(*ManifestEntry) {}, Declared{"other", KindAny}, undeclaredOutput},
		{"another kind", func(*ManifestEntry) {}, Declared{"result", KindTable}, otherKind},
		{"no such kind", func(e *ManifestEntry) { e.Kind = "pickle" }, Declared{"result", KindAny}, unknownKind},
		{"any is no kind", func(e *ManifestEntry) { e.Kind = KindAny }, Declared{"result", KindAny}, unknownKind},
		{"a path for a name", func(e *ManifestEntry) { e.Name, e.File = "../result", "../result.txt" }, Declared{"../result", KindAny}, undeclaredOutput},
		{"another file", func(e *ManifestEntry) { e.File = "result.html" }, Declared{"result", KindAny}, wrongFileName},
		{"another type", func(e *ManifestEntry) { e.Python = "builtins.eval" }, Declared{"result", KindAny}, wrongPython},
	} {
		e := good
		c.change(&e)
		_, _, err := Parse(e, []byte("x"), c.declared, Limits{})
		if err == nil {
			t.Errorf("%s: accepted", c.name)
		} else if got := reasonOf(t, err); got != c.want {
			t.Errorf("%s: refused because %d, want %d", c.name, got, c.want)
		}
	}
}

func TestManifest(t *testing.T) {
	declared := []Declared{{"a", KindAny}, {"b", KindTable}}
	one := `{"name":"a","kind":"json","python":"int","file":"a.json"}`
	two := `{"name":"b","kind":"table","python":"pandas.DataFrame","file":"b.parquet"}`
	m, err := ParseManifest([]byte(`{"v":1,"ok":true,"outputs":[`+two+`,`+one+`]}`), declared)
	if err != nil || !m.OK || len(m.Outputs) != 2 || m.Outputs[1] != (ManifestEntry{"a", "json", "int", "a.json"}) {
		t.Errorf("%+v, %v", m, err)
	}
	m, err = ParseManifest([]byte(`{"v":1,"ok":false,"error":{"type":"ValueError","message":"x\u001b[2J\u202e","traceback":"l\n"}}`), declared)
	if err != nil || m.OK || m.Failure != (Failure{"ValueError", "x\ufffd[2J\ufffd", "l\n"}) {
		t.Errorf("%+v, %v", m, err)
	}
	for name, text := range map[string]string{
		"nothing":               ``,
		"another version":       `{"v":2,"ok":true,"outputs":[` + one + `,` + two + `]}`,
		"an output missing":     `{"v":1,"ok":true,"outputs":[` + one + `]}`,
		"an output twice":       `{"v":1,"ok":true,"outputs":[` + one + `,` + one + `,` + two + `]}`,
		"an output too many":    `{"v":1,"ok":true,"outputs":[` + one + `,` + two + `,` + strings.ReplaceAll(one, `"a`, `"c`) + `]}`,
		"a member too many":     `{"v":1,"ok":true,"outputs":[` + one + `,` + two + `],"x":1}`,
		"a number for a name":   `{"v":1,"ok":true,"outputs":[{"name":1,"kind":"json","python":"int","file":"a.json"},` + two + `]}`,
		"an error without type": `{"v":1,"ok":false,"error":{"message":"x","traceback":""}}`,
		"no error":              `{"v":1,"ok":false}`,
		"too long":              `"` + strings.Repeat("x", maxManifest) + `"`,
	} {
		if m, err := ParseManifest([]byte(text), declared); err == nil {
			t.Errorf("%s: accepted as %+v", name, m)
		} else if reasonOf(t, err) != badManifest {
			t.Errorf("%s: %v", name, err)
		}
	}
}
