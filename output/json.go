package output

import (
	"bytes"
	"errors"
	"io"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/anchorhold/anchorhold/disclosure"
)

// jsonKind sorts JSON values.
type jsonKind uint8

const (
	jsonAbsent jsonKind = iota
	jsonNull
	jsonTrue
	jsonFalse
	jsonString
	jsonInteger // a literal without fraction and exponent
	jsonFloat
	jsonArray
	jsonObject
)

// jsonValue is a decoded JSON value. Objects keep the order of their names,
// which means something to a Python dict.
type jsonValue struct {
	kind  jsonKind
	text  string // of a string; the canonical literal of a number
	names []string
	items []*jsonValue // elements, or the values of names
}

// maxJSONValues bounds the memory that a file of many tiny values turns into,
// about 100 bytes for each. Who returns more of them wants an array.
const maxJSONValues = 2 << 20

// readJSON decodes strictly: one value and nothing after it, UTF-8 without lone
// surrogates, no duplicate names (all by the library), numbers that 64 bits
// hold, and no deeper than lim.Depth.
func readJSON(data []byte, lim Limits) (*jsonValue, error) {
	d := jsontext.NewDecoder(bytes.NewReader(data))
	r := jsonReader{from: d, lim: lim}
	v, err := r.value(0)
	if err != nil {
		return nil, err
	}
	if _, err := d.ReadToken(); !errors.Is(err, io.EOF) {
		return nil, refuse(badJSON)
	}
	return v, nil
}

type jsonReader struct {
	from   *jsontext.Decoder
	lim    Limits
	values int
}

func (r *jsonReader) value(depth int) (*jsonValue, error) {
	if depth > r.lim.Depth {
		return nil, refuse(deepJSON)
	}
	if r.values++; r.values > maxJSONValues {
		return nil, refuse(tooMuchMemory)
	}
	tok, err := r.from.ReadToken()
	if err != nil {
		return nil, refuse(badJSON)
	}
	switch tok.Kind() {
	case 'n':
		return &jsonValue{kind: jsonNull}, nil
	case 't':
		return &jsonValue{kind: jsonTrue}, nil
	case 'f':
		return &jsonValue{kind: jsonFalse}, nil
	case '"':
		text, err := r.string(tok)
		return &jsonValue{kind: jsonString, text: text}, err
	case '0':
		return number(tok.String())
	case '[':
		return r.array(depth)
	case '{':
		return r.object(depth)
	}
	return nil, refuse(badJSON)
}

func (r *jsonReader) string(tok jsontext.Token) (string, error) {
	s := tok.String()
	if len(s) > r.lim.Text {
		return "", refuse(tooLongText)
	}
	return s, nil
}

func (r *jsonReader) array(depth int) (*jsonValue, error) {
	v := &jsonValue{kind: jsonArray}
	for r.from.PeekKind() != ']' {
		item, err := r.value(depth + 1)
		if err != nil {
			return nil, err
		}
		v.items = append(v.items, item)
	}
	_, err := r.from.ReadToken()
	return v, err
}

func (r *jsonReader) object(depth int) (*jsonValue, error) {
	v := &jsonValue{kind: jsonObject}
	for r.from.PeekKind() != '}' {
		tok, err := r.from.ReadToken()
		if err != nil || tok.Kind() != '"' {
			return nil, refuse(badJSON)
		}
		name, err := r.string(tok)
		if err != nil {
			return nil, err
		}
		item, err := r.value(depth + 1)
		if err != nil {
			return nil, err
		}
		v.names, v.items = append(v.names, name), append(v.items, item)
	}
	_, err := r.from.ReadToken()
	return v, err
}

// number puts a literal in canonical form: whole numbers stay whole, floats
// stay floats (Python tells 1 from 1.0), each in its shortest notation.
func number(literal string) (*jsonValue, error) {
	if len(literal) > 400 {
		return nil, refuse(bigNumber)
	}
	if !strings.ContainsAny(literal, ".eE") {
		if i, err := strconv.ParseInt(literal, 10, 64); err == nil {
			return &jsonValue{kind: jsonInteger, text: strconv.FormatInt(i, 10)}, nil
		}
		u, err := strconv.ParseUint(literal, 10, 64)
		if err != nil {
			return nil, refuse(bigInteger)
		}
		return &jsonValue{kind: jsonInteger, text: strconv.FormatUint(u, 10)}, nil
	}
	f, err := strconv.ParseFloat(literal, 64)
	if err != nil || math.IsInf(f, 0) {
		return nil, refuse(bigNumber)
	}
	text := strconv.FormatFloat(f, 'g', -1, 64)
	if !strings.ContainsAny(text, ".e") {
		text += ".0"
	}
	return &jsonValue{kind: jsonFloat, text: text}, nil
}

// integer gives the value of a whole number in the range of int64.
func (v *jsonValue) integer() (int64, bool) {
	if v.kind != jsonInteger {
		return 0, false
	}
	i, err := strconv.ParseInt(v.text, 10, 64)
	return i, err == nil
}

// append writes the value in canonical form: no white space, names in their
// order, strings with the fewest escapes.
func (v *jsonValue) append(b []byte) []byte {
	switch v.kind {
	case jsonNull:
		return append(b, "null"...)
	case jsonTrue:
		return append(b, "true"...)
	case jsonFalse:
		return append(b, "false"...)
	case jsonString:
		return appendQuoted(b, v.text)
	case jsonArray:
		b = append(b, '[')
		for i, item := range v.items {
			if i > 0 {
				b = append(b, ',')
			}
			b = item.append(b)
		}
		return append(b, ']')
	case jsonObject:
		b = append(b, '{')
		for i, item := range v.items {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(appendQuoted(b, v.names[i]), ':')
			b = item.append(b)
		}
		return append(b, '}')
	}
	return append(b, v.text...)
}

// appendQuoted writes a string. The library fails on invalid UTF-8 only, which
// no string here holds.
func appendQuoted(b []byte, s string) []byte {
	out, err := jsontext.AppendQuote(b, s)
	if err != nil {
		panic("internal error: invalid UTF-8 in a checked string")
	}
	return out
}

// objectFields takes an object apart; done says whether nothing is left.
type objectFields struct {
	of   *jsonValue
	left map[string]*jsonValue
	bad  bool
}

func (v *jsonValue) fields() *objectFields {
	f := &objectFields{of: v, left: map[string]*jsonValue{}, bad: v.kind != jsonObject}
	if !f.bad {
		for i, n := range v.names {
			f.left[n] = v.items[i]
		}
	}
	return f
}

// take removes a field; an absent one is a value of kind jsonAbsent.
func (f *objectFields) take(name string) *jsonValue {
	v, ok := f.left[name]
	if !ok {
		return &jsonValue{}
	}
	delete(f.left, name)
	return v
}

// text takes a field that must be a string.
func (f *objectFields) text(name string) string {
	v := f.take(name)
	if v.kind != jsonString {
		f.bad = true
	}
	return v.text
}

func (f *objectFields) done() bool { return !f.bad && len(f.left) == 0 }

// parseJSON is the parser of the kind json.
func parseJSON(entry ManifestEntry, data []byte, lim Limits) (parsed, error) {
	if !utf8.Valid(data) {
		return parsed{}, refuse(badText)
	}
	v, err := readJSON(data, lim)
	if err != nil {
		return parsed{}, err
	}
	if !v.isPython(entry.Python) {
		return parsed{}, refuse(otherPython)
	}
	b := cellBuilder{left: lim.Cells}
	b.addJSON(v)
	return parsed{data: v.append(nil), rows: 1, cells: b.cells()}, nil
}

// isPython says whether a value can have been of a Python type. A NumPy scalar
// is written as Python's own scalar; a float that is not a number, as null.
func (v *jsonValue) isPython(python string) bool {
	if family := numpyScalar(python); family != 0 {
		python = map[byte]string{'b': "bool", 'i': "int", 'u': "int", 'f': "float", 's': "str"}[family]
	}
	switch python {
	case "int":
		return v.kind == jsonInteger
	case "float":
		return v.kind == jsonFloat || v.kind == jsonInteger || v.kind == jsonNull
	case "bool":
		return v.kind == jsonTrue || v.kind == jsonFalse
	case "None":
		return v.kind == jsonNull
	case "str":
		return v.kind == jsonString
	case "list", "tuple":
		return v.kind == jsonArray
	}
	return python == "dict" && v.kind == jsonObject
}

// cell is the normalised cell of a scalar.
func (v *jsonValue) cell() disclosure.Cell {
	switch v.kind {
	case jsonTrue, jsonFalse:
		return disclosure.BoolCell(v.kind == jsonTrue)
	case jsonString, jsonInteger, jsonFloat:
		return disclosure.TextCell(v.text)
	}
	return disclosure.Cell{}
}

// scalar says whether the value is neither array nor object.
func (v *jsonValue) scalar() bool { return v.kind != jsonArray && v.kind != jsonObject }
