package codec

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"io"
	"math"
	"regexp"
	"slices"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/anchorhold/anchorhold"
)

// Beside says what a file of a table carries beside its rows: whoever gets the file
// gets that too, and no comparison of rows sees it.
type Beside string

// What there can be. The names that usual writers give themselves, pandas' notes
// of types, and statistics and dictionaries whose values rows have, are nothing.
const (
	BesideNothing Beside = ""
	BesideNotes   Beside = "notes of its own"
	BesideValues  Beside = "dictionaries, statistics or indexes with values that none of its rows has"
	BesideFilter  Beside = "filters that tell which values there are"
	BesideBytes   Beside = "bytes that belong to none of its parts"
)

// Known says whether it is one of these, of one that came from elsewhere.
func (b Beside) Known() bool {
	return slices.Contains([]Beside{BesideNothing, BesideNotes, BesideValues, BesideFilter, BesideBytes}, b)
}

// Besider is a Reader that knows what lies beside its rows, once it has read them
// and if Options.Beside asked for it.
type Besider interface {
	// Beside gives the first that was found.
	Beside() Beside
}

// finding is what was found.
type finding struct{ beside Beside }

// found keeps the first.
func (b *finding) found(what Beside) {
	if b.beside == BesideNothing {
		b.beside = what
	}
}

// maxClaims bounds the memory that values take which rows have still to show.
const maxClaims = 64 << 20

// claims are values that a file says of a column, in plain encoding, until a row
// has them. Of a long text its beginning is enough: writers cut statistics.
type claims struct {
	whole map[string]bool
	cut   map[int]map[string]bool // by length
	size  int
}

const (
	cutFrom = 16 // bytes
	cutRest = 4  // at the end of a cut text, which the greatest one is raised in
)

// add adds a value; zeros and the empty text say nothing.
func (c *claims) add(v []byte, mayBeCut bool) (fits bool) {
	if zero(v) {
		return true
	}
	if c.whole == nil {
		c.whole, c.cut = map[string]bool{}, map[int]map[string]bool{}
	}
	if c.size += len(v) + 64; c.size > maxClaims {
		return false
	}
	if mayBeCut && len(v) >= cutFrom {
		n := len(v) - cutRest
		if c.cut[n] == nil {
			c.cut[n] = map[string]bool{}
		}
		c.cut[n][string(v[:n])] = true
		return true
	}
	c.whole[string(v)] = true
	return true
}

func zero(v []byte) bool {
	for i, b := range v {
		if b != 0 && (i != len(v)-1 || b != 0x80) { // or the zero below zero
			return len(v) == 1 && b == 1 // a truth value
		}
	}
	return true
}

func (c *claims) open() bool { return len(c.whole)+len(c.cut) > 0 }

// see takes back what the rows of an array show.
func (c *claims) see(a arrow.Array) {
	for i := range a.Len() {
		if !c.open() {
			return
		}
		if a.IsNull(i) {
			continue
		}
		switch a := a.(type) {
		case *array.String:
			c.text(a.Value(i))
		case *array.Float32:
			c.number(uint64(math.Float32bits(a.Value(i))))
		case *array.Float64:
			c.number(math.Float64bits(a.Value(i)))
		case *array.Timestamp:
			c.number(uint64(a.Value(i)))
		case *array.Date32:
			c.number(uint64(a.Value(i)))
		case *array.Uint64:
			c.number(a.Value(i))
		default:
			c.number(uint64(readInt(a, i).Int))
		}
	}
}

func (c *claims) text(v string) {
	delete(c.whole, v)
	for n, all := range c.cut {
		if n <= len(v) {
			if delete(all, v[:n]); len(all) == 0 {
				delete(c.cut, n)
			}
		}
	}
}

// number takes back a number of four or eight bytes.
func (c *claims) number(v uint64) {
	b := binary.LittleEndian.AppendUint64(nil, v)
	delete(c.whole, string(b))
	delete(c.whole, string(b[:4]))
}

// zeroed says whether a part of a file holds nothing.
func zeroed(r io.ReaderAt, at, n int64) bool { return n == 0 || n > 0 && blank(r, at, n) }

// pandasNotes is all that pandas and pyarrow note of a table.
type pandasNotes struct {
	Index         []any             `json:"index_columns"`
	ColumnIndexes []pandasNote      `json:"column_indexes"`
	Columns       []pandasNote      `json:"columns"`
	Attributes    map[string]any    `json:"attributes"`
	Partition     map[string]any    `json:"partition_columns"`
	Creator       map[string]string `json:"creator"`
	Version       string            `json:"pandas_version"`
}

type pandasNote struct {
	Name     *string        `json:"name"`
	Field    *string        `json:"field_name"`
	Type     string         `json:"pandas_type"`
	Memory   string         `json:"numpy_type"`
	Metadata map[string]any `json:"metadata"`
}

var (
	typeName      = regexp.MustCompile(`^(list\[){0,12}[A-Za-z]{0,16}[0-9]{0,3}(\[[A-Za-z0-9_ ,=/+:-]{1,48}\]){0,2}\]{0,12}$`)
	versionNumber = regexp.MustCompile(`^[0-9]+(\.[0-9]+){0,3}((\.dev|rc|a|b|\.post)[0-9]{1,4})?(\+[0-9a-g.]{1,16})?$`)
	fieldNumber   = regexp.MustCompile(`^-?[0-9]{1,9}$`)
)

// plainPandas says whether notes of pandas speak of columns, their types and
// nothing else.
func plainPandas(text string, columns fileNames) bool {
	var n pandasNotes
	d := json.NewDecoder(strings.NewReader(text))
	d.DisallowUnknownFields()
	if d.Decode(&n) != nil || d.InputOffset() != int64(len(text)) || repeats(text) {
		return false
	}
	if len(n.Attributes)+len(n.Partition) > 0 || n.Version != "" && !versionNumber.MatchString(n.Version) {
		return false
	}
	if !n.plainCreator() {
		return false
	}
	if slices.ContainsFunc(n.Index, func(index any) bool { return !plainIndex(index, columns) }) {
		return false
	}
	if slices.ContainsFunc(n.ColumnIndexes, func(c pandasNote) bool { return c.Name != nil || c.Field != nil || !c.plain() }) {
		return false
	}
	known := func(s *string) bool { return s == nil || columns.has(*s) }
	return !slices.ContainsFunc(n.Columns, func(c pandasNote) bool { return !known(c.Name) || !known(c.Field) || !c.plain() })
}

func (n pandasNotes) plainCreator() bool {
	for key, value := range n.Creator {
		if key == "library" && slices.Contains([]string{"pyarrow", "fastparquet", "polars", "anchorhold"}, value) || key == "version" && versionNumber.MatchString(value) {
			continue
		}
		return false
	}
	return true
}

// plainIndex takes an index that only counts, and a column's name.
func plainIndex(index any, columns fileNames) bool {
	if name, ok := index.(string); ok {
		return columns.has(name)
	}
	counted, ok := index.(map[string]any)
	if !ok {
		return false
	}
	for key, value := range counted {
		_, number := value.(float64)
		switch key {
		case "kind":
			number = value == "range"
		case "name":
			number = value == nil
		case "start", "stop", "step":
		default:
			return false
		}
		if !number {
			return false
		}
	}
	return true
}

func (c pandasNote) plain() bool {
	for key, value := range c.Metadata {
		ok := false
		switch v := value.(type) {
		case nil, bool:
			ok = key == "ordered"
		case float64:
			ok = key == "num_categories"
		case string:
			ok = key == "timezone" && zoneName.MatchString(v) || key == "encoding" && v == "UTF-8"
		}
		if !ok {
			return false
		}
	}
	return typeName.MatchString(c.Type) && typeName.MatchString(c.Memory)
}

// fileNames are what a file may call its columns and their parts.
type fileNames []string

// wrapperNames are names that writers give to the parts of lists and maps.
var wrapperNames = strings.Fields("list element item array array_element bag map key_value key value entries")

func newFileNames(columns []anchorhold.Column) fileNames {
	names := namesWithin(columns)
	if newNesting(columns).width > 0 {
		names = append(names, wrapperNames...)
	}
	return names
}

func (n fileNames) has(name string) bool { return slices.Contains(n, name) }

// repeats says whether an object of JSON text has a name twice: the first is not
// heard. It is called with text that is JSON.
func repeats(text string) bool {
	d := json.NewDecoder(strings.NewReader(text))
	var names []map[string]bool // nil of a list
	key := false
	for {
		token, err := d.Token()
		if err != nil {
			return false
		}
		inner := len(names) - 1
		switch token {
		case json.Delim('{'):
			names, key = append(names, map[string]bool{}), true
			continue
		case json.Delim('['):
			names, key = append(names, nil), false
			continue
		case json.Delim('}'), json.Delim(']'):
			names = names[:inner]
			key = inner > 0 && names[inner-1] != nil
			continue
		}
		if name, ok := token.(string); ok && key {
			if names[inner][name] {
				return true
			}
			names[inner][name], key = true, false
			continue
		}
		key = inner >= 0 && names[inner] != nil
	}
}

// plainArrowSchema says whether a schema of Arrow says nothing but columns and
// types. What it may take is bounded too: between its tables anything could lie.
func (m *arrowMessage) plainArrowSchema(schema uint32, columns fileNames) bool {
	fb := m.fb
	most := 1024 + m.extra
	if !m.plainFields(fb.Tables(fb.At(schema, 1)), columns, &most, 0) {
		return false
	}
	for _, kv := range fb.Tables(fb.At(schema, 2)) {
		kv = fb.Table(kv)
		text := fb.Text(fb.At(kv, 1), maxPandasSchema)
		if fb.Text(fb.At(kv, 0), 64) != pandasSchemaKey || !plainPandas(text, columns) {
			return false
		}
		most += len(text)
	}
	return !fb.Bad && len(fb.B) <= most
}

// plainFields says whether fields say nothing but their names, types and parts, and
// adds what they may take.
func (m *arrowMessage) plainFields(fields []uint32, columns fileNames, most *int, depth int) bool {
	fb := m.fb
	for _, at := range fields {
		at = fb.Table(at)
		name := fb.Text(fb.At(at, 0), 4*MaxNameBytes)
		if !columns.has(name) || depth > 2*maxNesting || *most > maxArrowMetadata {
			return false
		}
		*most += 320 + 2*len(name)
		for _, kv := range fb.Tables(fb.At(at, 6)) {
			kv = fb.Table(kv)
			if fb.Text(fb.At(kv, 0), 64) != "PARQUET:field_id" || !fieldNumber.MatchString(fb.Text(fb.At(kv, 1), 64)) {
				return false
			}
		}
		if !m.plainFields(fb.Tables(fb.At(at, 5)), columns, most, depth+1) {
			return false
		}
	}
	return !fb.Bad
}

// decodeMessage reads one message that stands alone, with or without the mark of
// the end behind it.
func decodeMessage(b []byte) (*arrowMessage, error) {
	b = bytes.TrimSuffix(b, []byte{0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0})
	r := &arrowReader{in: Input{Size: int64(len(b)), At: bytes.NewReader(b)}}
	m, err := r.message()
	if err == nil && (m == nil || m.header != arrowSchemaMessage || m.size != 0 || int64(len(b))-m.body >= 8 || !zeroed(r.in.At, m.body, int64(len(b))-m.body)) {
		err = errArrow
	}
	return m, err
}
