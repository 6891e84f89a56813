package codec

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/anchorhold/anchorhold"
)

// A column may hold lists, structs and maps. In the row of its table such a value
// is one cell: a text that is the same however the value was stored. What it is
// made of is shown once more behind the table's rows, as rows of their own, so
// that a copied part is found, too: all values of the row but those in lists, then
// the values of each list, or one row for each struct in it. A map is a list of
// structs of a key and a value.

// Limits of nested values.
const (
	maxNesting  = 12      // levels within a column
	maxItems    = 1 << 20 // values in one cell
	nestedWidth = 32      // cells of a row of parts, at least
)

// Names of what has none of its own.
const (
	itemName  = "item"  // of a list
	keyName   = "key"   // of a map
	valueName = "value" // of a map
)

// nestedValue is a value of a nested column, or a part of one.
type nestedValue struct {
	cell   Cell          // of a scalar; missing where the whole value is
	items  []nestedValue // of a list, and the parts of a struct
	names  []string      // of the parts of a struct
	nested bool
}

func missingValue(v nestedValue) bool { return !v.nested && v.cell.Kind == CellMissing }

// listOf and structOf put parts together.
func listOf(items []nestedValue) nestedValue { return nestedValue{items: items, nested: true} }

func structOf(names []string, parts []nestedValue) nestedValue {
	return nestedValue{items: parts, names: names, nested: true}
}

// neutral says whether a value says nothing: what lies under a missing one is such.
func (v nestedValue) neutral() bool {
	if v.nested && v.names == nil {
		return len(v.items) == 0
	}
	for _, item := range v.items {
		if !item.neutral() {
			return false
		}
	}
	c := v.cell
	return v.nested || c.Kind == CellMissing || c.Int == 0 && c.Float == 0 && c.Nano == 0 && c.Text == ""
}

// text writes a value as JSON that is the same for the same value: members by their
// names, numbers in their shortest form. It ends where it is too long.
func (v nestedValue) text(b []byte) []byte {
	switch {
	case len(b) > MaxRowBytes:
		return b
	case !v.nested:
		return appendScalar(b, v.cell)
	case v.names == nil:
		b = append(b, '[')
		for i, item := range v.items {
			if i > 0 {
				b = append(b, ',')
			}
			b = item.text(b)
		}
		return append(b, ']')
	}
	return v.object(b)
}

// object writes the members that have a value, by their names.
func (v nestedValue) object(b []byte) []byte {
	order := make([]int, 0, len(v.items))
	for i := range v.items {
		if !missingValue(v.items[i]) {
			order = append(order, i)
		}
	}
	slices.SortFunc(order, func(i, j int) int { return strings.Compare(v.names[i], v.names[j]) })
	b = append(b, '{')
	for n, i := range order {
		if n > 0 {
			b = append(b, ',')
		}
		b = appendQuoted(b, v.names[i])
		b = v.items[i].text(append(b, ':'))
	}
	return append(b, '}')
}

func appendQuoted(b []byte, s string) []byte {
	out, err := jsontext.AppendQuote(b, s)
	if err != nil { // what is not UTF-8 is replaced
		out, _ = jsontext.AppendQuote(b, strings.ToValidUTF8(s, "\ufffd"))
	}
	return out
}

func appendScalar(b []byte, c Cell) []byte {
	switch c.Kind {
	case CellMissing:
		return append(b, "null"...)
	case CellInt:
		return strconv.AppendInt(b, c.Int, 10)
	case CellFloat:
		if c.Float == math.Trunc(c.Float) && math.Abs(c.Float) < 1<<53 {
			return strconv.AppendInt(b, int64(c.Float), 10)
		}
		return strconv.AppendFloat(b, c.Float, 'g', -1, 64)
	case CellBool:
		return strconv.AppendBool(b, c.Int == 1)
	case CellDate:
		return appendQuoted(b, time.Unix(c.Int*86400, 0).UTC().Format(time.DateOnly))
	case CellTimestamp:
		return appendQuoted(b, time.UnixMicro(c.Int).Add(time.Duration(c.Nano)).UTC().Format(time.RFC3339Nano))
	}
	return appendQuoted(b, c.Text)
}

// nesting is the part of a reader that shows what nested columns hold. Its zero
// value is of a table without any.
type nesting struct {
	columns int      // of the table
	width   int      // of a row; 0: no column is nested
	parts   [][]Cell // rows of parts that wait to be shown
	showing bool     // that the last rows were such
}

// newNesting looks for nested columns.
func newNesting(cols []anchorhold.Column) nesting {
	n := nesting{columns: len(cols)}
	for _, c := range cols {
		if c.Type.Nested() {
			n.width = max(len(cols)+leaves(cols), nestedWidth)
		}
	}
	return n
}

// leaves counts the values that a row can have outside of lists.
func leaves(cols []anchorhold.Column) (n int) {
	for _, c := range cols {
		switch c.Type {
		case anchorhold.TypeStruct:
			n += leaves(c.Fields)
		case anchorhold.TypeList, anchorhold.TypeMap:
		default:
			n++
		}
	}
	return n
}

// rowWidth is the number of cells of every row.
func (n *nesting) rowWidth() int { return max(n.columns, n.width) }

// full says whether so much waits that it has to be shown before more is read.
func (n *nesting) full() bool { return len(n.parts)*n.width >= batchCells }

// waiting gives the rows of parts that wait, or nothing.
func (n *nesting) waiting() [][]Cell {
	n.showing = len(n.parts) > 0
	rows := n.parts[:min(len(n.parts), batchRows)]
	if n.parts = n.parts[len(rows):]; len(n.parts) == 0 {
		n.parts = nil
	}
	return rows
}

// of is what Reader.Of says of the last rows.
func (n *nesting) of() int {
	if n.showing {
		return None
	}
	return Each
}

// put writes the values of a row's nested columns into their cells, and keeps what
// they are made of. What is no nested value stays as it is.
func (n *nesting) put(row []Cell, values []nestedValue) error {
	flat := make([]Cell, 0, n.width)
	structs := false
	for j, v := range values {
		if !v.nested {
			flat = append(flat, row[j])
			continue
		}
		text := v.text(nil)
		if len(text) > MaxRowBytes {
			return anchorhold.Errorf(anchorhold.TooLarge, "divide it over several rows", "a value of column %d is longer than %d MiB", j+1, MaxRowBytes>>20)
		}
		row[j] = Cell{Kind: CellText, Text: string(text)}
		structs = structs || v.names != nil
		flat = n.spread(flat, v)
	}
	if structs {
		n.add(flat)
	}
	return nil
}

// spread adds the values of a struct to a row, and makes rows of those of lists.
func (n *nesting) spread(row []Cell, v nestedValue) []Cell {
	switch {
	case !v.nested:
		return append(row, v.cell)
	case v.names != nil:
		for _, item := range v.items {
			row = n.spread(row, item)
		}
		return row
	}
	var flat []Cell
	for _, item := range v.items {
		if item.nested {
			n.add(n.spread(nil, item))
			continue
		}
		flat = append(flat, item.cell)
	}
	n.add(flat)
	return row
}

// add keeps a row of parts, in pieces as wide as a row is.
func (n *nesting) add(cells []Cell) {
	for len(cells) > 0 {
		row := make([]Cell, n.width)
		k := copy(row, cells)
		cells = cells[k:]
		for _, c := range row {
			if c.Kind != CellMissing {
				n.parts = append(n.parts, row)
				break
			}
		}
	}
}

// checkFields refuses names of parts that a card cannot show, and types that are
// nested too deep.
func checkFields(name, column string, fields []anchorhold.Column, depth int) error {
	if depth > maxNesting {
		return anchorhold.Errorf(anchorhold.TooLarge, "write it flatter", "the column %q of %s is nested deeper than %d levels", column, name, maxNesting)
	}
	names := make([]string, len(fields))
	for i, f := range fields {
		names[i] = f.Name
	}
	if err := checkColumnNames("the column "+strconv.Quote(column)+" of "+name, names); err != nil {
		return err
	}
	for _, f := range fields {
		if f.Type.Nested() {
			if err := checkFields(name, column, f.Fields, depth+1); err != nil {
				return err
			}
		}
	}
	return nil
}

// namesWithin are the names of columns and of all their parts, as a file may say
// them.
func namesWithin(cols []anchorhold.Column) (out []string) {
	for _, c := range cols {
		out = append(out, c.Name)
		out = append(out, namesWithin(c.Fields)...)
	}
	return out
}
