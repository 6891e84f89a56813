package output

import (
	"regexp"
	"slices"
	"unicode/utf8"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
)

// pandasKey is where pandas writes which columns of a file are a table's index.
const pandasKey = "pandas"

// unnamedLevel is what pandas calls a level of an index without a name.
var unnamedLevel = regexp.MustCompile(`^__index_level_\d{1,3}__$`)

// describe makes the description of a table that no runner wrote: a DataFrame of
// the file's columns, with the index that pandas, if it was pandas, says it had.
// All else of what pandas says is left out: types are those of the file.
func (t *tableReader) describe(pandas string) error {
	names := t.fileNames()
	for _, name := range names {
		if !utf8.ValidString(name) || !isPlainText(name) {
			return refuse(badColumnName)
		}
	}
	index, err := pandasIndex(pandas, names)
	if err != nil {
		return err
	}
	m := tableMeta{python: "pandas.DataFrame", columnNames: []*jsonValue{{kind: jsonNull}}, rangeIndex: index.numbers}
	first := len(index.columns)
	if index.name != nil { // a range without a column has no name with us
		if !m.rangeIndex.holds(t.rows) {
			return refuse(otherColumns)
		}
		t.counted, m.rangeIndex, m.index, first = m.rangeIndex, nil, []*jsonValue{index.name}, 1
	}
	t.order = make([]int, len(names))
	for i, name := range names {
		if level := slices.Index(index.columns, name); level >= 0 {
			t.order[i] = level
			continue
		}
		t.order[i] = first + len(m.columns)
		m.columns = append(m.columns, &jsonValue{kind: jsonString, text: name})
	}
	for _, name := range index.columns {
		label := &jsonValue{kind: jsonString, text: name}
		if unnamedLevel.MatchString(name) {
			label = &jsonValue{kind: jsonNull}
		}
		m.index = append(m.index, label)
	}
	if len(m.index) == 0 && m.rangeIndex == nil {
		m.rangeIndex = &rangeIndex{0, t.rows, 1}
	}
	t.meta = m
	return nil
}

// plainIndex is the index of a table of pandas: columns of the file, or a range
// of numbers, which needs none.
type plainIndex struct {
	columns []string
	numbers *rangeIndex
	name    *jsonValue // of numbers; nil: none
}

func pandasIndex(text string, names []string) (index plainIndex, err error) {
	if text == "" {
		return index, nil
	}
	if len(text) > maxTableMeta || !utf8.ValidString(text) {
		return index, refuse(badMetadata)
	}
	v, err := readJSON([]byte(text), Limits{Depth: 8, Text: maxTableMeta})
	if err != nil {
		return index, refuse(badMetadata)
	}
	levels := v.fields().take("index_columns").items
	if len(levels) > maxLevels {
		return index, refuse(badMetadata)
	}
	for _, level := range levels {
		if level.kind == jsonString {
			first := slices.Index(names, level.text)
			if first < 0 || slices.Contains(names[first+1:], level.text) || slices.Contains(index.columns, level.text) {
				return index, refuse(badMetadata)
			}
			index.columns = append(index.columns, level.text)
			continue
		}
		if len(levels) > 1 || !index.readRange(level.fields()) {
			return index, refuse(badMetadata)
		}
	}
	return index, nil
}

// readRange reads an index that is a range.
func (x *plainIndex) readRange(f *objectFields) bool {
	start, ok1 := f.take("start").integer()
	stop, ok2 := f.take("stop").integer()
	step, ok3 := f.take("step").integer()
	name := f.take("name")
	if name.kind == jsonString {
		x.name = name
	}
	x.numbers = &rangeIndex{start, stop, step}
	return ok1 && ok2 && ok3 && step != 0 && name.scalar() && isPlainText(name.text)
}

// place is where a column of the file goes.
func (t *tableReader) place(i int) int {
	if t.order == nil {
		return i
	}
	return t.order[i]
}

// inOrder puts the file's columns where they go, after the index that has none.
func (t *tableReader) inOrder(columns []*column) []*column {
	if t.counted == nil && t.order == nil {
		return columns
	}
	out := make([]*column, len(t.meta.names()))
	for i, c := range columns {
		out[t.place(i)] = c
	}
	if r := t.counted; r != nil {
		numbers := array.NewInt64Builder(t.mem)
		for i := range t.rows {
			numbers.Append(r.start + i*r.step)
		}
		out[0] = newColumn(arrow.Field{Name: indexColumn(0), Type: arrow.PrimitiveTypes.Int64, Nullable: true}, t.mem, t.lim)
		out[0].builder = numbers
	}
	return out
}
