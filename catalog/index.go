package catalog

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/catalog/codec"
	"github.com/anchorhold/anchorhold/disclosure"
)

// indexer feeds a table's rows into the keyed index.
type indexer struct {
	to    *disclosure.Indexer
	width int
	// texts remembers the normal forms of texts that repeat, which are slow to
	// make: a bounded number for each column, by the text as written.
	texts []map[string]disclosure.Cell
}

// How many texts of a column are remembered, and up to which length.
const (
	rememberedTexts = 512
	rememberedBytes = 64
)

// newIndexer begins an index over rows of width cells; of a table, columns that
// identify are known as such. Behind them a row may have more cells, for the parts
// of nested ones.
func newIndexer(o Options, t *Table, cols []anchorhold.Column) (*indexer, error) {
	width, name := t.reader.Width(), t.content.name()
	declared := make([]disclosure.Column, width)
	for _, i := range t.identifiers() {
		declared[i].Identifier = true
	}
	for i, c := range cols {
		if width != len(cols) && t.Kind() != anchorhold.KindTable {
			break
		}
		f, _ := c.Fact(anchorhold.FactUnique)
		declared[i].Identifier = f.Value == true || slices.Contains(o.Identifiers, c.Name)
	}
	for _, id := range o.Identifiers {
		if !slices.ContainsFunc(cols, func(c anchorhold.Column) bool { return c.Name == id }) {
			return nil, invalid("check the spelling; names are compared exactly", "%s has no column %q", name, clip(id, 80))
		}
	}
	to, err := disclosure.NewIndexer(o.IndexKey, o.IndexWriter, declared)
	if err != nil {
		return nil, err
	}
	x := &indexer{to: to, width: width, texts: make([]map[string]disclosure.Cell, width)}
	for i := range x.texts {
		x.texts[i] = make(map[string]disclosure.Cell)
	}
	return x, nil
}

// add adds rows, column by column on all processors.
func (x *indexer) add(rows [][]Cell) error {
	for _, row := range rows {
		if len(row) != x.width {
			return anchorhold.Errorf(anchorhold.Internal, "", "a row has %d cells where %d were expected", len(row), x.width)
		}
	}
	return x.to.AddRows(len(rows), func(row, column int) disclosure.Cell {
		c := rows[row][column]
		if c.Kind == CellText {
			return x.text(column, c.Text)
		}
		return indexCell(c)
	})
}

func (x *indexer) text(column int, text string) disclosure.Cell {
	known := x.texts[column]
	if c, ok := known[text]; ok {
		return c
	}
	c := disclosure.TextCell(text)
	if len(known) < rememberedTexts && len(text) <= rememberedBytes {
		known[strings.Clone(text)] = c
	}
	return c
}

func (x *indexer) close() error { return x.to.Close() }

// Mixed says whether the index of a version has columns that are none of the
// data's: several arrays lie under each other in it, or the lines of one that has
// more than two axes, or parts of long lines.
func Mixed(v anchorhold.Version) bool {
	if v.KindOf() == anchorhold.KindTable {
		return false
	}
	if len(v.Columns) != 1 {
		return true
	}
	shape, _ := v.Columns[0].Fact(anchorhold.FactShape)
	axes, known := shape.Value.([]any)
	if !known || len(axes) > 2 {
		return true
	}
	if len(axes) < 2 {
		return false
	}
	width, known := axes[1].(float64)
	return !known || width > codec.ArrayWidth
}

// indexCell is a cell in the normal form of disclosure checks.
func indexCell(c Cell) disclosure.Cell {
	switch c.Kind {
	case CellInt:
		return disclosure.IntCell(c.Int)
	case CellFloat:
		return disclosure.FloatCell(c.Float)
	case CellBool:
		return disclosure.BoolCell(c.Int == 1)
	case CellDate:
		return disclosure.TimeCell(time.Unix(c.Int*86400, 0))
	case CellTimestamp:
		return disclosure.TimeCell(time.UnixMicro(c.Int).Add(time.Duration(c.Nano)))
	case CellText:
		return disclosure.TextCell(c.Text)
	}
	return disclosure.Cell{}
}

// CheckMock compares a mock that an owner gave with the keyed index of its
// private table: rows equal or near to private ones, identifiers, copied
// columns. A mock may be published only when no private row and no identifier
// is in it; an owner can also have one generated, which is made from the card
// alone. The details speak of positions in the mock (in a long one, counted
// from the beginning of a part), never of values.
func CheckMock(ctx context.Context, index *disclosure.Index, path string, o ReadOptions) ([]anchorhold.Check, error) {
	t, err := open(ctx, path, o)
	if err != nil {
		return nil, err
	}
	defer func() { _ = t.Close() }() // nothing was written
	c := mockChecker{index: index, limits: disclosure.DefaultParams()}
	for {
		rows, err := t.Next(ctx)
		if errors.Is(err, io.EOF) {
			err := c.flush(ctx)
			return c.found(t.Kind()), err
		}
		if err != nil {
			return nil, err
		}
		for _, row := range rows {
			if err := c.add(ctx, row); err != nil {
				return nil, err
			}
		}
	}
}

// mockChecker compares a mock in parts as large as the checks take.
type mockChecker struct {
	index  *disclosure.Index
	limits disclosure.Params
	part   disclosure.Sheet
	cells  int
	worst  []anchorhold.Check
	value  disclosure.Cell // the only one so far
	many   bool            // that there were several
}

// found is what the comparison found. An array of one value throughout, such as
// zeros, is in common with whoever has the value, and copies nobody's row.
func (m *mockChecker) found(kind string) []anchorhold.Check {
	if m.many || kind != anchorhold.KindArray && kind != anchorhold.KindTensors {
		return m.worst
	}
	return slices.DeleteFunc(m.worst, func(c anchorhold.Check) bool { return c.Name != disclosure.CheckIdentifiers })
}

func (m *mockChecker) add(ctx context.Context, row []Cell) error {
	if len(m.part.Rows) == m.limits.MaxRows || m.cells+len(row) > m.limits.MaxCells {
		if err := m.flush(ctx); err != nil {
			return err
		}
	}
	cells := make([]disclosure.Cell, len(row))
	for i, c := range row {
		c.Text = strings.Clone(c.Text) // the batch it points into is about to be reused
		cells[i] = indexCell(c)
		if m.value.Missing() {
			m.value = cells[i]
		}
		m.many = m.many || !cells[i].Missing() && cells[i] != m.value
	}
	m.part.Rows = append(m.part.Rows, cells)
	m.cells += len(cells)
	return nil
}

func (m *mockChecker) flush(ctx context.Context) error {
	table := disclosure.Table{Name: "the private side", Index: m.index}
	checks, err := disclosure.Check(ctx, []disclosure.Table{table}, disclosure.Cells{Kind: "table", Sheets: []disclosure.Sheet{m.part}}, m.limits)
	if err != nil {
		return err
	}
	for i := range checks { // which know outputs only
		checks[i].Detail = strings.ReplaceAll(checks[i].Detail, "the output", "the mock")
	}
	m.worst = mergeChecks(m.worst, checks)
	m.part.Rows, m.cells = nil, 0
	return nil
}

// mergeChecks keeps the worse of two results of each check. Groups that are
// small in a mock say nothing of anybody.
func mergeChecks(worst, next []anchorhold.Check) []anchorhold.Check {
	rank := map[anchorhold.CheckResult]int{anchorhold.CheckPassed: 0, anchorhold.CheckInapplicable: 1, anchorhold.CheckFailed: 2}
	for _, c := range next {
		if c.Name == disclosure.CheckSmallGroups {
			continue
		}
		i := slices.IndexFunc(worst, func(w anchorhold.Check) bool { return w.Name == c.Name })
		switch {
		case i < 0:
			worst = append(worst, c)
		case rank[c.Result] > rank[worst[i].Result]:
			worst[i] = c
		}
	}
	return worst
}
