package output

import (
	"github.com/anchorhold/anchorhold/disclosure"
)

// longestCell bounds the text of one cell of the checks. Longer texts make the
// checks inapplicable: what cannot be compared does not leave by itself.
const longestCell = 4 << 10

// maxCellText bounds the texts of all cells together, for the same reason.
const maxCellText = 64 << 20

// cellBuilder collects cells until there are too many.
type cellBuilder struct {
	sheets  []disclosure.Sheet
	left    int // cells
	text    int // bytes used
	partial bool
}

func (b *cellBuilder) cells() disclosure.Cells {
	return disclosure.Cells{Sheets: b.sheets, Partial: b.partial}
}

// spend says whether n more cells fit.
func (b *cellBuilder) spend(n int) bool {
	if n > b.left {
		b.partial = true
		b.left = 0
		return false
	}
	b.left -= n
	return true
}

// cut leaves out a text that is too long, and notes that it did.
func (b *cellBuilder) cut(c disclosure.Cell) disclosure.Cell {
	if b.text += len(c.Text()); b.text > maxCellText || len(c.Text()) > longestCell {
		b.partial = true
		return disclosure.Cell{}
	}
	return c
}

// addSheet adds a sheet whose rows are whole already.
func (b *cellBuilder) addSheet(s disclosure.Sheet) {
	n := len(s.Labels)
	for _, r := range s.Rows {
		n += len(r)
	}
	if n == 0 || !b.spend(n) {
		return
	}
	for i := range s.Labels {
		s.Labels[i] = b.cut(s.Labels[i])
	}
	for _, r := range s.Rows {
		for i := range r {
			r[i] = b.cut(r[i])
		}
	}
	b.sheets = append(b.sheets, s)
}

// addJSON makes sheets of a value, so that a row is a row however it is nested:
// an array or object of scalars is one row; containers side by side in one
// container are the rows of one sheet; what lies deeper makes sheets of its own.
// Names of members stand before the rows they name, or above the columns.
func (b *cellBuilder) addJSON(v *jsonValue) {
	if v.scalar() {
		b.addSheet(disclosure.Sheet{Rows: [][]disclosure.Cell{{v.cell()}}})
		return
	}
	var together disclosure.Sheet
	own := disclosure.Sheet{}
	var ownRow []disclosure.Cell
	for i, item := range v.items {
		if item.scalar() {
			ownRow = append(ownRow, item.cell())
			if v.kind == jsonObject {
				own.Labels = append(own.Labels, disclosure.TextCell(v.names[i]))
			}
			continue
		}
		if !item.flat() {
			if v.kind == jsonObject {
				b.addSheet(disclosure.Sheet{Labels: []disclosure.Cell{disclosure.TextCell(v.names[i])}})
			}
			b.addJSON(item)
			continue
		}
		together.Rows = append(together.Rows, b.jsonRow(v, i, &together))
	}
	if len(ownRow) > 0 {
		own.Rows = [][]disclosure.Cell{ownRow}
		if v.kind == jsonArray && len(ownRow) > 1 { // a column of values
			own.Rows = columnOf(ownRow)
		}
		b.addSheet(own)
	}
	b.addSheet(together)
}

func columnOf(cells []disclosure.Cell) [][]disclosure.Cell {
	rows := make([][]disclosure.Cell, len(cells))
	for i := range cells {
		rows[i] = cells[i : i+1]
	}
	return rows
}

// flat says whether a container holds scalars only.
func (v *jsonValue) flat() bool {
	for _, item := range v.items {
		if !item.scalar() {
			return false
		}
	}
	return true
}

// jsonRow makes a row of the i-th member of v, a flat container.
func (b *cellBuilder) jsonRow(v *jsonValue, i int, s *disclosure.Sheet) []disclosure.Cell {
	var row []disclosure.Cell
	if v.kind == jsonObject {
		s.Index = 1
		row = append(row, disclosure.TextCell(v.names[i]))
	}
	item := v.items[i]
	if item.kind == jsonObject && len(s.Labels) == 0 {
		s.Labels = make([]disclosure.Cell, s.Index, s.Index+len(item.names))
		for _, n := range item.names {
			s.Labels = append(s.Labels, disclosure.TextCell(n))
		}
	} else if item.kind == jsonObject && !sameNames(item.names, s) {
		// Names of a member that differ from those above the sheet are values too.
		for _, n := range item.names {
			row = append(row, disclosure.TextCell(n))
		}
	}
	for _, x := range item.items {
		row = append(row, x.cell())
	}
	return row
}

func sameNames(names []string, s *disclosure.Sheet) bool {
	if len(names) != len(s.Labels)-s.Index {
		return false
	}
	for i, n := range names {
		if disclosure.TextCell(n) != s.Labels[s.Index+i] {
			return false
		}
	}
	return true
}
