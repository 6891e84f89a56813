package output

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/anchorhold/anchorhold/disclosure"
)

func entryOf(kind, python string) ManifestEntry {
	f, _ := formatOf(kind)
	return ManifestEntry{Name: "result", Kind: kind, Python: python, File: "result" + f.extension}
}

// parseDeclared reads a file that is declared to be of its kind.
func parseDeclared(e ManifestEntry, data []byte, lim Limits) (Canonical, disclosure.Cells, error) {
	return Parse(e, data, Declared{Name: e.Name, Kind: e.Kind}, lim)
}

// stands checks that a file is accepted and that its canonical form stands still.
func stands(t *testing.T, e ManifestEntry, data []byte, lim Limits) string {
	t.Helper()
	c, _, err := parseDeclared(e, data, lim)
	if err != nil {
		t.Fatalf("refused: %v", err)
	}
	again, _, err := parseDeclared(e, c.Data, lim)
	if err != nil || !bytes.Equal(again.Data, c.Data) {
		t.Fatalf("the canonical form does not stand: %v\n%q\n%q", err, c.Data, again.Data)
	}
	return string(c.Data)
}

func refuses(t *testing.T, e ManifestEntry, data []byte, lim Limits, want reason) {
	t.Helper()
	c, cells, err := parseDeclared(e, data, lim)
	if err == nil {
		t.Fatalf("%.200q was accepted as %.200q", data, c.Data)
	}
	if c.Data != nil || cells.Sheets != nil {
		t.Error("a refusal came with data")
	}
	if got := reasonOf(t, err); got != want {
		t.Errorf("%.200q: %v, want %s", data, err, want.sentence().message)
	}
}

// A kind that no type implies must be declared: "any" is not enough.
func TestKindsThatMustBeDeclared(t *testing.T) {
	for kind, python := range map[string]string{
		KindCSV: "str", KindSVG: "image/svg+xml", KindSafetensors: "dict", KindONNX: "onnx.ModelProto", KindSamples: "pandas.DataFrame",
	} {
		if _, _, err := Parse(entryOf(kind, python), nil, Declared{Name: "result", Kind: KindAny}, Limits{}); reasonOf(t, err) != otherKind {
			t.Errorf("%s: %v", kind, err)
		}
	}
}

func TestCSV(t *testing.T) {
	e := entryOf(KindCSV, "pandas.DataFrame")
	got := stands(t, e, []byte("\xef\xbb\xbfname,\"n\"\r\n\"a\",1\r\n\"x, \"\"y\"\"\nz\",\r\n"), Limits{})
	if want := "name,n\na,1\n\"x, \"\"y\"\"\nz\",\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	c, cells, err := parseDeclared(e, []byte("a,b\n1,x\n2,\n"), Limits{})
	if err != nil || c.Rows != 2 || c.Columns != 2 || len(cells.Sheets) != 1 || cells.Partial {
		t.Errorf("%+v, %+v, %v", c, cells, err)
	}
	if s := cells.Sheets[0]; s.Labels[0].Text() != "a" || s.Rows[1][0].Kind() != disclosure.CellInteger || s.Rows[1][1].Kind() != disclosure.CellMissing {
		t.Errorf("cells: %+v", s)
	}
	for text, want := range map[string]reason{
		"":                              badCSV,
		"a,b\n1\n":                      badCSV,
		"a\n\"x\n":                      badCSV,
		"a\nx\"y\n":                     badCSV,
		"a\n\"\"\n":                     badCSV,
		"a\n\x00\n":                     controlText,
		"a\n\x1b[2J\n":                  controlText,
		"a\n\xff\n":                     badText,
		"a\n1\n2\n3\n":                  tooManyRows,
		"a,b,c,d\n1,2,3,4\n":            tooManyColumns,
		"a\n" + strings.Repeat("x", 99): tooLongText,
	} {
		refuses(t, e, []byte(text), Limits{Rows: 2, Columns: 3, Text: 50}, want)
	}
}

// tensors writes a safetensors file with any header.
func tensors(header string, body []byte) []byte {
	return append(append(binary.LittleEndian.AppendUint64(nil, uint64(len(header))), header...), body...)
}

func TestSafetensors(t *testing.T) {
	e := entryOf(KindSafetensors, "dict")
	nan := binary.LittleEndian.AppendUint32(nil, 0x7fdead01)
	body := append(append([]byte{1, 2, 3, 4, 5, 6, 7, 8}, nan...), 0x81, 0x7f)
	got := stands(t, e, tensors(`{"__metadata__":{"secret":"patient 4711"},"z":{"dtype":"I64","shape":[1],"data_offsets":[0,8]},`+
		`"a":{"dtype":"F32","shape":[1,1],"data_offsets":[8,12]},"b":{"dtype":"BF16","shape":[],"data_offsets":[12,14]},`+
		`"e":{"dtype":"U8","shape":[0,3],"data_offsets":[8,8]}}   `, body), Limits{})
	if strings.Contains(got, "4711") || !strings.HasPrefix(got[8:], `{"a":{"dtype":"F32","shape":[1,1],"data_offsets":[0,4]},"b":`) {
		t.Errorf("got %q", got)
	}
	if !strings.Contains(got, "\x00\x00\xc0\x7f\xc0\x7f\x01\x02") {
		t.Errorf("what is not a number keeps its bits: %q", got)
	}
	_, cells, err := parseDeclared(e, tensors(`{"w":{"dtype":"F64","shape":[2],"data_offsets":[0,16]}}`, make([]byte, 16)), Limits{})
	if err != nil || cells.Partial || len(cells.Sheets) != 2 || len(cells.Sheets[1].Rows) != 2 {
		t.Errorf("cells: %+v, %v", cells, err)
	}
	one := `{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}}`
	for header, body := range map[string]string{
		one:              "12345",
		one + " ":        "123",
		"{}":             "",
		"[]":             "",
		`{"a":1}`:        "",
		one[:len(one)-1]: "1234",
		one + "{}":       "1234",
		`{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4],"x":1}}`:                                               "1234",
		`{"a":{"dtype":"O","shape":[4],"data_offsets":[0,4]}}`:                                                      "1234",
		`{"a":{"dtype":"U8","shape":[-4],"data_offsets":[0,4]}}`:                                                    "1234",
		`{"a":{"dtype":"U8","shape":[4],"data_offsets":[4,0]}}`:                                                     "1234",
		`{"a":{"dtype":"U8","shape":[3],"data_offsets":[1,4]}}`:                                                     "1234",
		`{"a":{"dtype":"U8","shape":[9223372036854775807,9223372036854775807],"data_offsets":[0,4]}}`:               "1234",
		`{"a":{"dtype":"U8","shape":[3],"data_offsets":[0,3]},"b":{"dtype":"U8","shape":[3],"data_offsets":[1,4]}}`: "1234",
		`{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}}`: "1234",
		`{"` + strings.Repeat("n", 2000) + `":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}}`:                     "1234",
		`{"a\u001b":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}}`:                                               "1234",
		`{"a":{"dtype":"U8","shape":[` + strings.Repeat("1,", 40) + `4],"data_offsets":[0,4]}}`:                     "1234",
	} {
		refuses(t, e, tensors(header, []byte(body)), Limits{}, badTensors)
	}
	for _, data := range []string{"", "1234567", "\xff\xff\xff\xff\xff\xff\xff\x7f{}"} {
		refuses(t, e, []byte(data), Limits{}, badTensors)
	}
}

// field writes one field of a protocol buffer.
func field(number protowire.Number, value any) []byte {
	switch v := value.(type) {
	case int:
		return protowire.AppendVarint(protowire.AppendTag(nil, number, protowire.VarintType), uint64(v))
	case float32:
		return protowire.AppendFixed32(protowire.AppendTag(nil, number, protowire.Fixed32Type), math.Float32bits(v))
	case string:
		return protowire.AppendString(protowire.AppendTag(nil, number, protowire.BytesType), v)
	case []byte:
		return protowire.AppendBytes(protowire.AppendTag(nil, number, protowire.BytesType), v)
	}
	panic(fmt.Sprintf("%T", value))
}

func fields(all ...[]byte) []byte { return bytes.Join(all, nil) }

// tensorOf is a float tensor [2] with raw weights.
func tensorOf(more ...[]byte) []byte {
	raw := binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(nil, math.Float32bits(1.5)), 0x7fdead01)
	return fields(append([][]byte{field(9, raw), field(1, 2), field(2, 1), field(8, "w")}, more...)...)
}

func modelOf(graph []byte, more ...[]byte) []byte {
	return fields(append([][]byte{field(1, 8), field(2, "made by somebody"), field(7, graph), field(8, field(2, 17))}, more...)...)
}

func TestONNX(t *testing.T) {
	e := entryOf(KindONNX, "onnx.ModelProto")
	node := fields(field(1, "x"), field(1, "w"), field(2, "y"), field(4, "MatMul"), field(6, "patient 4711"),
		field(5, fields(field(1, "alpha"), field(2, float32(0.5)), field(20, 1))))
	value := fields(field(1, "x"), field(2, field(1, fields(field(1, 1), field(2, field(1, field(1, 2)))))))
	graph := fields(field(2, "g"), field(1, node), field(5, tensorOf(field(12, "patient 4711"), field(14, 0))), field(11, value), field(12, value),
		field(16, fields(field(1, "k"), field(2, "patient 4711"))))
	got := stands(t, e, modelOf(graph, field(14, fields(field(1, "k"), field(2, "patient 4711"))), field(6, "patient 4711")), Limits{})
	for _, gone := range []string{"4711", "somebody", "\x01\xad\xde"} {
		if strings.Contains(got, gone) {
			t.Errorf("%q is left", gone)
		}
	}
	for _, kept := range []string{"MatMul", "alpha", "\x00\x00\xc0\x3f\x00\x00\xc0\x7f"} {
		if !strings.Contains(got, kept) {
			t.Errorf("%q is lost in %q", kept, got)
		}
	}
	deep := []byte{}
	for range 70 {
		deep = fields(field(1, fields(field(5, fields(field(6, deep))))))
	}
	for name, c := range map[string]struct {
		data []byte
		want reason
	}{
		"empty":              {nil, badModel},
		"no graph":           {field(1, 8), badModel},
		"cut off":            {modelOf(graph)[:40], badModel},
		"not a buffer":       {[]byte("\x80\x04\x95pickle"), unknownField},
		"unknown field":      {modelOf(graph, field(99, "x")), unknownField},
		"unknown in a node":  {modelOf(field(1, field(42, 1))), unknownField},
		"other files":        {modelOf(field(5, tensorOf(field(13, fields(field(1, "location"), field(2, "/etc/passwd")))))), externalModel},
		"training":           {modelOf(graph, field(20, "x")), externalModel},
		"raw too long":       {modelOf(field(5, tensorOf(field(9, "123456789")))), badModel},
		"shape too large":    {modelOf(field(5, tensorOf(field(1, 1<<40)))), badModel},
		"negative shape":     {modelOf(field(5, tensorOf(field(1, -1)))), badModel},
		"raw of texts":       {modelOf(field(5, tensorOf(field(2, 8)))), badModel},
		"number for a text":  {modelOf(field(2, 5)), badModel},
		"text for a number":  {modelOf(graph, field(5, "x")), badModel},
		"control characters": {modelOf(field(2, "\x1b[2J")), badModel},
		"deep":               {modelOf(deep), badModel},
	} {
		t.Run(name, func(t *testing.T) { refuses(t, e, c.data, Limits{}, c.want) })
	}
}

const svgHead = `<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" `

func TestSVG(t *testing.T) {
	e := entryOf(KindSVG, "image/svg+xml")
	got := stands(t, e, []byte(`<?xml version="1.0"?>
<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "http://www.w3.org/Graphics/SVG/1.1/DTD/svg11.dtd">
<!-- patient 4711 -->`+svgHead+`class="4711" width="460.8pt" viewBox="0 0 460 345" version="1.1">
<metadata><x:RDF xmlns:x="http://example.org/">patient 4711</x:RDF></metadata><title>4711</title>
<defs><style type="text/css">*{stroke-linejoin: round; stroke-linecap: butt}</style></defs>
<g id="axes_4711"><path d="M 0 0 L 1,2 z" clip-path="url(#p4711)" style="fill: #ffffff; stroke:none"/>
<use xlink:href="#m4711" x="1" y="2" style="stroke: #000000"/><text x="1" style="font: 10px 'DejaVu Sans', sans-serif">ages &amp; sexes</text></g>
<defs><path id="m4711" d="M0 0"/><clipPath id="p4711"><rect width="1" height="2"/></clipPath></defs></svg>`), Limits{})
	if strings.Contains(got, "4711") || strings.Contains(got, "DOCTYPE") || strings.Contains(got, "example.org") {
		t.Errorf("something is left: %s", got)
	}
	for _, kept := range []string{
		`stroke-linejoin="round"`, `clip-path="url(#i1)"`, `xlink:href="#i2"`, `<path id="i2"`, `<clipPath id="i1"`, `>ages &amp; sexes</text>`,
		`style="font: 10px 'DejaVu Sans', sans-serif"`, `style="fill: #ffffff; stroke: none"`,
	} {
		if !strings.Contains(got, kept) {
			t.Errorf("%s is lost in %s", kept, got)
		}
	}
}

// Whatever could run, load, link or hide is refused or gone.
func TestHostileSVG(t *testing.T) {
	e := entryOf(KindSVG, "image/svg+xml")
	levels := `<path id="l0" d="M0 0"/>`
	for i := range 20 {
		levels += fmt.Sprintf(`<g id="l%d"><use xlink:href="#l%d"/><use xlink:href="#l%d"/></g>`, i+1, i, i)
	}
	for inside, want := range map[string]reason{
		`<script>alert(1)</script>`:                                                    unsafeSVG,
		`<g onload="alert(1)"/>`:                                                       unsafeSVG,
		`<a xlink:href="https://example.org"><path d=""/></a>`:                         unsafeSVG,
		`<foreignObject><p xmlns="http://www.w3.org/1999/xhtml">x</p></foreignObject>`: unsafeSVG,
		`<p xmlns="http://www.w3.org/1999/xhtml"/>`:                                    unsafeSVG,
		`<use xlink:href="https://example.org/x.svg#a"/>`:                              unsafeSVG,
		`<use href="javascript:alert(1)"/>`:                                            unsafeSVG,
		`<use xlink:href="#absent"/>`:                                                  unsafeSVG,
		`<image xlink:href="https://example.org/x.png"/>`:                              unsafeSVG,
		`<image xlink:href="data:image/svg+xml;base64,PHN2Zy8+"/>`:                     unsafeSVG,
		`<image xlink:href="data:image/png;base64,iVBORw0KGgo="/>`:                     notPNG,
		`<style>@import url(https://example.org)</style>`:                              unsafeSVG,
		`<style>*{fill: url(https://example.org)}</style>`:                             unsafeSVG,
		`<path style="fill: url(https://example.org/#a)" d=""/>`:                       unsafeSVG,
		`<path style="behavior: url(x)" d=""/>`:                                        unsafeSVG,
		`<path fill="url(//example.org)" d=""/>`:                                       unsafeSVG,
		`<path style="background: red" d=""/>`:                                         unsafeSVG,
		`<path d="M0 0" filter="url(#f)"/>`:                                            unsafeSVG,
		`<animate attributeName="href" to="javascript:alert(1)"/>`:                     unsafeSVG,
		`<set attributeName="onload" to="alert(1)"/>`:                                  unsafeSVG,
		`<path d="M0 0 javascript"/>`:                                                  unsafeSVG,
		`<text transform="rotate(1) translate(javascript)"/>`:                          unsafeSVG,
		`<?xml-stylesheet href="x.css"?>`:                                              unsafeSVG,
		`<svg/>`:                                                                       unsafeSVG,
		`<path id="a" d=""/><path id="a" d=""/>`:                                       badSVG,
		`hidden text`:                                                                  badSVG,
		`<text>&#x202e;</text>`:                                                        controlText,
		`<text>&undefined;</text>`:                                                     badSVG,
		`<path d="M0 0"`:                                                               badSVG,
		`<g><use id="u" xlink:href="#g"/></g><g id="g"><use xlink:href="#u"/></g>`:     unsafeSVG,
		levels: unsafeSVG,
		`<pattern id="p"><path d="" fill="url(#p)"/></pattern><path d="" fill="url(#p)"/>`:    unsafeSVG,
		strings.Repeat("<g>", 70) + strings.Repeat("</g>", 70):                                largeSVG,
		`<metadata>` + strings.Repeat("<x>", 70) + strings.Repeat("</x>", 70) + `</metadata>`: largeSVG,
	} {
		refuses(t, e, []byte(svgHead+">"+inside+"</svg>"), Limits{}, want)
	}
	for text, want := range map[string]reason{
		"":              badSVG,
		"<svg/>":        badSVG,
		"<html></html>": badSVG,
		`<!DOCTYPE svg [<!ENTITY a "b">]>` + svgHead + "/>": unsafeSVG,
		svgHead + "/>" + svgHead + "/>":                     badSVG,
		svgHead + `onload="x"/>`:                            unsafeSVG,
	} {
		refuses(t, e, []byte(text), Limits{}, want)
	}
}

// A sample holds what the owner allows, whatever the code wrote.
func TestSamples(t *testing.T) {
	e := entryOf(KindSamples, "pandas.DataFrame")
	mem := memory.NewGoAllocator()
	texts := array.NewStringBuilder(mem)
	texts.AppendValues([]string{"ann", "bob"}, nil)
	ages := array.NewInt64Builder(mem)
	ages.AppendValues([]int64{41, 42}, nil)
	names, years := texts.NewArray(), ages.NewArray()
	file := func(meta string, columns ...string) []byte {
		var f []arrow.Field
		var arrays []arrow.Array
		for _, c := range columns {
			one := arrow.Field{Name: c, Type: arrow.PrimitiveTypes.Int64}
			a := years
			if c == "name" || c == "__index_0" {
				one.Type, a = arrow.BinaryTypes.String, names
			}
			f, arrays = append(f, one), append(arrays, a)
		}
		about := arrow.NewMetadata([]string{tableMetaKey}, []string{meta})
		return writeParquet(t, arrow.NewSchema(f, &about), arrays)
	}
	lim := Limits{Samples: &Samples{Rows: 2, Columns: []string{"name", "age"}, Masked: []string{"name"}}}
	c, cells, err := parseDeclared(e, file(frameMeta("name", "age"), "name", "age"), lim)
	if err != nil || c.Rows != 2 || c.Columns != 1 || bytes.Contains(c.Data, []byte("ann")) {
		t.Fatalf("%+v, %v", c, err)
	}
	if text, _ := json.Marshal(show(c, cells)); bytes.Contains(text, []byte("ann")) {
		t.Errorf("the checks see a masked value: %s", text)
	}
	indexed := `{"v":1,"python":"pandas.DataFrame","columns":["age"],"column_names":[null],"index":[{"column":"__index_0","name":"name"}]}`
	c, _, err = parseDeclared(e, file(indexed, "__index_0", "age"), lim)
	if err != nil || bytes.Contains(c.Data, []byte("ann")) {
		t.Errorf("the index came along: %v", err)
	}
	stands(t, e, file(frameMeta("age"), "age"), lim)
	refuses(t, e, file(frameMeta("years"), "years"), lim, foreignSamples)
	refuses(t, e, file(frameMeta("name"), "name"), lim, foreignSamples)
	refuses(t, e, file(frameMeta("age"), "age"), Limits{Samples: &Samples{Rows: 1, Columns: []string{"age"}}}, tooManySamples)
	refuses(t, e, file(frameMeta("age"), "age"), Limits{}, noSamples)
}
