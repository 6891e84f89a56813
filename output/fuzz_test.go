package output

import (
	"bytes"
	"encoding/base64"
	"testing"

	"github.com/apache/arrow-go/v18/parquet/file"
)

// fuzzParse checks for one kind that any bytes are refused in our words or have a
// canonical form that stands still.
func fuzzParse(f *testing.F, kind string, pythons ...string) {
	entries, files := given(f)
	for _, e := range entries {
		if e.Kind == kind {
			f.Add(files[e.File])
		}
	}
	format, _ := formatOf(kind)
	lim := Limits{Bytes: 1 << 20, Memory: 1 << 24, Pixels: 1 << 16, Cells: 1 << 14}
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, python := range pythons {
			e := ManifestEntry{Name: "result", Kind: kind, Python: python, File: "result" + format.extension}
			c, cells, err := parseDeclared(e, data, lim)
			if err != nil {
				reasonOf(t, err)
				continue
			}
			var stream bytes.Buffer
			if err := WriteCells(&stream, cells); err != nil {
				t.Fatal(err)
			}
			if _, err := ReadCells(&stream); err != nil {
				t.Fatalf("the host refuses the guest's cells: %v", err)
			}
			again, _, err := parseDeclared(e, c.Data, Limits{})
			if err != nil {
				t.Fatalf("the canonical form is refused: %v", err)
			}
			if !bytes.Equal(again.Data, c.Data) {
				t.Fatal("the canonical form is not canonical")
			}
		}
	})
}

func FuzzTable(f *testing.F) {
	fuzzParse(f, KindTable, "pandas.DataFrame", "pandas.Series", "pyarrow.Table")
}
func FuzzArray(f *testing.F) { fuzzParse(f, KindArray, "numpy.ndarray") }
func FuzzJSON(f *testing.F)  { fuzzParse(f, KindJSON, "dict", "list", "str", "float") }
func FuzzText(f *testing.F)  { fuzzParse(f, KindText, "str") }
func FuzzImage(f *testing.F) { fuzzParse(f, KindImage, "image/png") }

func FuzzCSV(f *testing.F) {
	f.Add([]byte("a,b\n1,\"x\ny\"\n"))
	fuzzParse(f, KindCSV, "pandas.DataFrame")
}

func FuzzSVG(f *testing.F) {
	f.Add([]byte(svgHead + `width="1"><g id="a" style="fill: red"><path d="M0 0"/></g><use xlink:href="#a"/><text>x</text></svg>`))
	fuzzParse(f, KindSVG, "image/svg+xml")
}

func FuzzSafetensors(f *testing.F) {
	f.Add(tensors(`{"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}`, make([]byte, 8)))
	fuzzParse(f, KindSafetensors, "dict")
}

func FuzzONNX(f *testing.F) {
	f.Add(modelOf(fields(field(2, "g"), field(5, tensorOf()))))
	fuzzParse(f, KindONNX, "onnx.ModelProto")
}

func FuzzReadCells(f *testing.F) {
	entries, files := given(f)
	for _, e := range entries {
		_, cells, err := Parse(e, files[e.File], declare(e), Limits{})
		var b bytes.Buffer
		if err != nil || WriteCells(&b, cells) != nil {
			f.Fatal(err)
		}
		f.Add(b.Bytes())
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		cells, err := ReadCells(bytes.NewReader(data))
		if err != nil {
			return
		}
		var once, twice bytes.Buffer
		if err := WriteCells(&once, cells); err != nil {
			t.Fatal(err)
		}
		again, err := ReadCells(bytes.NewReader(once.Bytes()))
		if err != nil {
			t.Fatalf("what was read cannot be written: %v", err)
		}
		if err := WriteCells(&twice, again); err != nil || !bytes.Equal(once.Bytes(), twice.Bytes()) {
			t.Fatal("cells change on the way")
		}
	})
}

func FuzzManifest(f *testing.F) {
	f.Add([]byte(`{"v":1,"ok":true,"outputs":[{"name":"a","kind":"json","python":"int","file":"a.json"}]}`))
	f.Add([]byte(`{"v":1,"ok":false,"error":{"type":"E","message":"m","traceback":"t"}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := ParseManifest(data, []Declared{{"a", KindAny}})
		if err != nil {
			reasonOf(t, err)
			return
		}
		if m.OK && (len(m.Outputs) != 1 || m.Outputs[0].Name != "a") {
			t.Errorf("accepted %+v", m)
		}
	})
}

func FuzzArrowSchema(f *testing.F) {
	_, files := given(f)
	for name, data := range files {
		r, err := file.NewParquetReader(bytes.NewReader(data))
		if err != nil {
			continue
		}
		if v := r.MetaData().KeyValueMetadata().FindValue(arrowSchemaKey); v != nil {
			b, err := base64.StdEncoding.DecodeString(*v)
			if err != nil {
				f.Fatal(name, err)
			}
			f.Add(b)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		fields, ok := readArrowSchema(base64.StdEncoding.EncodeToString(data))
		if ok && len(fields) > len(data)/4 {
			t.Errorf("%d fields in %d bytes", len(fields), len(data))
		}
	})
}
