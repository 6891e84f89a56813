package output

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/anchorhold/anchorhold/disclosure"
)

// The keys of a Parquet file's metadata that are read. All others are left out.
const (
	tableMetaKey   = "anchorhold"
	arrowSchemaKey = "ARROW:schema"
	maxTableMeta   = 4 << 20
	maxColumnName  = 1 << 10
	maxLevels      = 64
	indexPrefix    = "__index_"
)

// tableMeta is the description of a table, as the runner writes it: what pandas
// knows and Parquet does not.
type tableMeta struct {
	python      string
	columns     []*jsonValue // a label each: a scalar, or one scalar a level
	columnNames []*jsonValue // a name for each level of labels
	index       []*jsonValue // a name for each level of the index
	rangeIndex  *rangeIndex
	seriesName  *jsonValue // nil: none
	dtypes      *jsonValue // nil: none; types of pandas by column, where Arrow's type does not tell
}

// rangeIndex is an index that is a range and needs no column.
type rangeIndex struct{ start, stop, step int64 }

// readTableMeta reads the description strictly: everything in it is known.
func readTableMeta(text string) (tableMeta, error) {
	var m tableMeta
	if len(text) > maxTableMeta || !utf8.ValidString(text) {
		return m, refuse(badMetadata)
	}
	v, err := readJSON([]byte(text), Limits{Depth: 4, Text: maxColumnName})
	if err != nil {
		return m, refuse(badMetadata)
	}
	o := v.fields()
	if version, ok := o.take("v").integer(); !ok || version != 1 {
		return m, refuse(badMetadata)
	}
	m.python = o.text("python")
	m.columns = o.list("columns", isLabel)
	m.columnNames = o.list("column_names", isScalarLabel)
	m.readIndex(o)
	if s := o.take("series_name"); s.kind != jsonAbsent {
		m.seriesName = s
		o.bad = o.bad || !isLabel(s)
	}
	m.readDtypes(o)
	if !o.done() || len(m.index) > maxLevels || len(m.columnNames) > maxLevels {
		return m, refuse(badMetadata)
	}
	return m, nil
}

// list takes a field that is an array of values that each satisfy is. An absent
// or null field is an empty array.
func (f *objectFields) list(name string, is func(*jsonValue) bool) []*jsonValue {
	v := f.take(name)
	if v.kind == jsonAbsent || v.kind == jsonNull {
		return nil
	}
	f.bad = f.bad || v.kind != jsonArray
	for _, item := range v.items {
		f.bad = f.bad || !is(item)
	}
	return v.items
}

func (m *tableMeta) readIndex(o *objectFields) {
	isLevel := func(v *jsonValue) bool { return v.kind == jsonObject }
	for i, level := range o.list("index", isLevel) {
		f := level.fields()
		o.bad = o.bad || f.text("column") != indexColumn(i)
		name := f.take("name")
		if name.kind == jsonAbsent {
			name = &jsonValue{kind: jsonNull}
		}
		o.bad = o.bad || !isLabel(name) || !f.done()
		m.index = append(m.index, name)
	}
	v := o.take("range_index")
	if v.kind == jsonAbsent || v.kind == jsonNull {
		return
	}
	f := v.fields()
	start, ok1 := f.take("start").integer()
	stop, ok2 := f.take("stop").integer()
	step, ok3 := f.take("step").integer()
	o.bad = o.bad || !ok1 || !ok2 || !ok3 || step == 0 || !f.done() || len(m.index) > 0
	m.rangeIndex = &rangeIndex{start, stop, step}
}

// readDtypes reads which columns have a type of pandas that shares its Arrow type
// with another.
func (m *tableMeta) readDtypes(o *objectFields) {
	v := o.take("dtypes")
	if v.kind == jsonAbsent {
		return
	}
	m.dtypes = v
	o.bad = o.bad || v.kind != jsonObject
	for _, item := range v.items {
		o.bad = o.bad || item.kind != jsonString || !oneOf(item.text,
			"Int8", "Int16", "Int32", "Int64", "UInt8", "UInt16", "UInt32", "UInt64",
			"Float32", "Float64", "boolean", "string", "object", "arrow")
	}
}

// holds says whether a range has so many elements. Far ends are refused, so
// that nothing overflows.
func (r rangeIndex) holds(rows int64) bool {
	const far = 1 << 61
	if max(r.start, r.stop, r.step) > far || min(r.start, r.stop, r.step) < -far {
		return false
	}
	length, n := r.stop-r.start, int64(0)
	if length > 0 == (r.step > 0) && length != 0 {
		n = length / r.step
		if length%r.step != 0 {
			n++
		}
	}
	return n == rows
}

func isScalarLabel(v *jsonValue) bool {
	return v.scalar() && v.kind != jsonAbsent && isPlainText(v.text)
}

func isLabel(v *jsonValue) bool {
	if v.kind != jsonArray {
		return isScalarLabel(v)
	}
	for _, item := range v.items {
		if !isScalarLabel(item) {
			return false
		}
	}
	return len(v.items) <= maxLevels
}

// isPlainText says whether a name can be shown.
func isPlainText(s string) bool {
	if len(s) > maxColumnName {
		return false
	}
	for _, r := range s {
		if unicode.IsControl(r) && r != '\n' && r != '\t' {
			return false
		}
	}
	return true
}

func indexColumn(i int) string { return fmt.Sprint(indexPrefix, i) }

// check compares the description with the file: index levels lead under their
// numbers, and one label stands for each other column.
func (m *tableMeta) check(python string, names []string, rows int64) error {
	if m.python != python {
		return refuse(otherPython)
	}
	if !slices.Equal(names, m.names()) {
		return refuse(otherColumns)
	}
	if m.dtypes != nil {
		for _, name := range m.dtypes.names {
			if !slices.Contains(names, name) {
				return refuse(otherColumns)
			}
		}
	}
	if m.rangeIndex != nil && !m.rangeIndex.holds(rows) {
		return refuse(otherColumns)
	}
	if python == "pandas.Series" && len(m.columns) != 1 {
		return refuse(otherColumns)
	}
	return nil
}

// names gives the canonical names of the file's columns: index levels by number,
// the others by their labels where these are distinct texts, else by number.
func (m *tableMeta) names() []string {
	var names []string
	for i := range m.index {
		names = append(names, indexColumn(i))
	}
	seen := map[string]bool{}
	distinct := true
	for _, l := range m.columns {
		distinct = distinct && l.kind == jsonString && !seen[l.text] && !strings.HasPrefix(l.text, indexPrefix)
		seen[l.text] = true
	}
	for i, l := range m.columns {
		if distinct {
			names = append(names, l.text)
		} else {
			names = append(names, fmt.Sprintf("c%d", i))
		}
	}
	return names
}

// canonical writes the description anew, members in a fixed order.
func (m *tableMeta) canonical() string {
	list := func(items []*jsonValue) *jsonValue { return &jsonValue{kind: jsonArray, items: items} }
	text := func(s string) *jsonValue { return &jsonValue{kind: jsonString, text: s} }
	whole := func(n int64) *jsonValue { return &jsonValue{kind: jsonInteger, text: fmt.Sprint(n)} }
	levels := list(nil)
	for i, name := range m.index {
		levels.items = append(levels.items, &jsonValue{
			kind: jsonObject, names: []string{"column", "name"}, items: []*jsonValue{text(indexColumn(i)), name},
		})
	}
	v := &jsonValue{
		kind:  jsonObject,
		names: []string{"v", "python", "columns", "column_names", "index"},
		items: []*jsonValue{whole(1), text(m.python), list(m.columns), list(m.columnNames), levels},
	}
	if r := m.rangeIndex; r != nil {
		v.names = append(v.names, "range_index")
		v.items = append(v.items, &jsonValue{
			kind: jsonObject, names: []string{"start", "stop", "step"},
			items: []*jsonValue{whole(r.start), whole(r.stop), whole(r.step)},
		})
	}
	if m.seriesName != nil {
		v.names, v.items = append(v.names, "series_name"), append(v.items, m.seriesName)
	}
	if m.dtypes != nil {
		v.names, v.items = append(v.names, "dtypes"), append(v.items, m.dtypes)
	}
	return string(v.append(nil))
}

// labels are the column labels as cells, a label of several levels joined.
func (m *tableMeta) labels() []disclosure.Cell {
	cells := make([]disclosure.Cell, 0, len(m.index)+len(m.columns))
	for _, l := range m.index {
		cells = append(cells, l.labelCell())
	}
	for _, l := range m.columns {
		cells = append(cells, l.labelCell())
	}
	return cells
}

// words are all scalars of the description, each as a cell of its own: a private
// row can hide in labels, too.
func (m *tableMeta) words() []disclosure.Cell {
	var cells []disclosure.Cell
	var add func(v *jsonValue)
	add = func(v *jsonValue) {
		if v.kind != jsonArray {
			cells = append(cells, v.cell())
			return
		}
		for _, item := range v.items {
			add(item)
		}
	}
	for _, list := range [][]*jsonValue{m.columns, m.columnNames, m.index} {
		for _, v := range list {
			add(v)
		}
	}
	if m.seriesName != nil {
		add(m.seriesName)
	}
	if r := m.rangeIndex; r != nil && (r.start != 0 || r.step != 1) {
		cells = append(cells, disclosure.IntCell(r.start), disclosure.IntCell(r.step), disclosure.IntCell(r.stop))
	}
	return cells
}

func (v *jsonValue) labelCell() disclosure.Cell {
	if v.kind != jsonArray {
		return v.cell()
	}
	text := ""
	for _, item := range v.items {
		text += " " + item.text
	}
	return disclosure.TextCell(text)
}
