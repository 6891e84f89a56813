package catalog

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/disclosure"
)

// indexer feeds a table's rows into the keyed index.
type indexer struct {
	to  *disclosure.Indexer
	row []disclosure.Cell
	// texts remembers the normal forms of texts that repeat, which are slow to
	// make: a bounded number for each column, by the text as written.
	texts []map[string]disclosure.Cell
}

// How many texts of a column are remembered, and up to which length.
const (
	rememberedTexts = 512
	rememberedBytes = 64
)

func newIndexer(o Options, cols []anchorhold.Column, name string) (*indexer, error) {
	declared := make([]disclosure.Column, len(cols))
	for i, c := range cols {
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
	x := &indexer{to: to, row: make([]disclosure.Cell, len(cols)), texts: make([]map[string]disclosure.Cell, len(cols))}
	for i := range x.texts {
		x.texts[i] = make(map[string]disclosure.Cell)
	}
	return x, nil
}

func (x *indexer) add(row []Cell) error {
	for i, c := range row {
		if c.Kind == CellText {
			x.row[i] = x.text(i, c.Text)
			continue
		}
		x.row[i] = indexCell(c)
	}
	return x.to.AddRow(x.row)
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
// columns. A mock may be published only when every check passed; an owner can
// also have one generated, which is made from the card alone. The details
// speak of positions in the mock, never of values.
func CheckMock(ctx context.Context, index *disclosure.Index, path string, o ReadOptions) ([]anchorhold.Check, error) {
	t, err := Open(path, o)
	if err != nil {
		return nil, err
	}
	defer func() { _ = t.Close() }() // nothing was written
	var worst []anchorhold.Check
	for {
		rows, err := t.Next(ctx)
		if errors.Is(err, io.EOF) {
			return worst, nil
		}
		if err != nil {
			return nil, err
		}
		sheet := disclosure.Sheet{Rows: make([][]disclosure.Cell, len(rows))}
		for i, row := range rows {
			for _, c := range row {
				sheet.Rows[i] = append(sheet.Rows[i], indexCell(c))
			}
		}
		cells := disclosure.Cells{Kind: "table", Sheets: []disclosure.Sheet{sheet}}
		checks, err := disclosure.Check(ctx, []disclosure.Table{{Name: "the private table", Index: index}}, cells, disclosure.DefaultParams())
		if err != nil {
			return nil, err
		}
		worst = mergeChecks(worst, checks)
	}
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
