package catalog

import (
	"cmp"
	"context"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/catalog/codec"
)

// What is proposed as the closed set of a column's values: few of them, and
// each standing for several rows, so that nobody's own value is on a card.
const (
	maxCategories   = 20
	rowsPerCategory = 10 // of every single one: a value that few rows have says something of those few
	rowsForExtremes = 50 // a smallest or largest value is somebody's; in a small table everybody is somebody
	maxCategoryText = 64 // bytes
)

// Proposal holds facts measured from the private side. It is for the owner's
// eyes: whoever confirms a fact for a card discloses it, and the caller writes
// each confirmed one into the ledger.
type Proposal struct {
	Version []anchorhold.Fact   `json:"version"` // of the whole table: its rows
	Columns []anchorhold.Column `json:"columns"` // every column with its measured facts only

	keys []*keyFinder // of each column
}

// ProposeFacts reads a table and measures the facts that a mock can use: the
// number of rows, each column's smallest and largest value, its categories
// where there are few, its share of missing values, whether it has a value of its
// own in each row, and how all its texts are written.
func ProposeFacts(ctx context.Context, path string, o ReadOptions) (Proposal, error) {
	t, err := open(ctx, path, o)
	if err != nil {
		return Proposal{}, err
	}
	defer func() { _ = t.Close() }() // nothing was written
	s := sinks{facts: newFactCounter(len(t.Columns())), nulls: newNullFinder(t)}
	if err := s.drain(ctx, t, &progress{}); err != nil {
		return Proposal{}, err
	}
	return s.facts.propose(t.Columns(), t.Rows()), nil
}

// factCounter keeps a bounded summary of every column.
type factCounter struct {
	cols []columnCount
	most int // values of keys that are remembered
	room int // for how many more there is room; those of a column that was given up count until it is looked at again
}

type columnCount struct {
	missing  int64
	present  int64
	numeric  bounds
	temporal bounds
	distinct map[Cell]int64 // rows with each value; nil once there are too many
	keys     keyFinder
	shape    shapeFinder
}

// bounds of numbers, or of dates in microseconds.
type bounds struct {
	seen     bool
	min, max float64
}

func (b *bounds) add(v float64) {
	if !b.seen {
		b.seen, b.min, b.max = true, v, v
		return
	}
	b.min, b.max = min(b.min, v), max(b.max, v)
}

func newFactCounter(columns int) *factCounter {
	f := &factCounter{cols: make([]columnCount, columns), most: maxKeys, room: maxKeys}
	for i := range f.cols {
		f.cols[i].keys.seen = make(map[uint64]struct{})
		f.cols[i].distinct = make(map[Cell]int64)
	}
	return f
}

const dayMicros = 24 * 3600 * 1e6

// add counts a row. Its cells belong to the columns of their positions, or all
// to one.
func (f *factCounter) add(row []Cell, of int) {
	if of == codec.None {
		return
	}
	for i, c := range row {
		if of != codec.Each {
			i = of
		} else if i == len(f.cols) {
			return // cells behind the columns are empty
		}
		col := &f.cols[i]
		switch c.Kind {
		case CellMissing:
			if of == codec.Each { // shorter arrays are filled up with such
				col.missing++
			}
			continue
		case CellInt, CellFloat:
			if v := c.Value(); !math.IsInf(v, 0) {
				col.numeric.add(v)
			}
		case CellDate:
			col.temporal.add(float64(c.Int) * dayMicros)
		case CellTimestamp:
			col.temporal.add(float64(c.Int))
		}
		col.present++
		col.count(c)
		if of != codec.Each {
			continue // only tables have keys, and texts
		}
		col.shape.add(c)
		if col.keys.add(c) {
			if f.room--; f.room < 0 {
				f.forgetLongest()
			}
		}
	}
}

func (c *columnCount) count(v Cell) {
	if c.distinct == nil {
		return
	}
	if _, known := c.distinct[v]; known {
		c.distinct[v]++
		return
	}
	if len(c.distinct) == maxCategories || len(v.Text) > maxCategoryText {
		c.distinct = nil
		return
	}
	v.Text = strings.Clone(v.Text) // the batch it points into is about to be reused
	c.distinct[v] = 1
}

func (f *factCounter) propose(cols []anchorhold.Column, rows int64) Proposal {
	p := Proposal{Version: []anchorhold.Fact{measured(anchorhold.FactRows, float64(rows))}}
	for i, c := range cols {
		p.Columns = append(p.Columns, anchorhold.Column{Name: c.Name, Type: c.Type, Facts: f.cols[i].facts(c.Type, rows)})
		p.keys = append(p.keys, &f.cols[i].keys)
	}
	return p
}

func measured(name string, value any) anchorhold.Fact {
	return anchorhold.Fact{Name: name, Value: value, Provenance: anchorhold.Measured}
}

func (c *columnCount) facts(t anchorhold.ColumnType, rows int64) []anchorhold.Fact {
	var facts []anchorhold.Fact
	categories := c.categories(t)
	if len(categories) > 0 && !c.rare() {
		facts = append(facts, measured(anchorhold.FactCategories, categories))
	}
	facts = append(facts, c.forms(t, len(categories) > 0)...)
	switch {
	case len(categories) > 0 && !c.rare(): // which say it already
	case c.present < rowsForExtremes:
	case (t == anchorhold.TypeInt || t == anchorhold.TypeFloat) && c.numeric.seen:
		facts = append(facts, measured(anchorhold.FactMin, c.numeric.min), measured(anchorhold.FactMax, c.numeric.max))
	case (t == anchorhold.TypeDate || t == anchorhold.TypeTimestamp) && c.temporal.seen:
		facts = append(facts, measured(anchorhold.FactMin, timeText(t, c.temporal.min)), measured(anchorhold.FactMax, timeText(t, c.temporal.max)))
	}
	if c.missing > 0 {
		// A thousandth is as exact as a mock needs and does not give the count away.
		rate := max(0.001, math.Round(1000*float64(c.missing)/float64(rows))/1000)
		facts = append(facts, measured(anchorhold.FactMissingRate, rate))
	}
	return facts
}

// forms says how values are: each its own, and all written alike.
func (c *columnCount) forms(t anchorhold.ColumnType, few bool) (facts []anchorhold.Fact) {
	if (t == anchorhold.TypeInt || t == anchorhold.TypeString) && c.present >= rowsPerCategory && c.keys.unique() {
		facts = append(facts, measured(anchorhold.FactUnique, true))
	}
	if pattern := c.shape.pattern(); t == anchorhold.TypeString && c.present >= rowsForExtremes && pattern != "" && !few {
		facts = append(facts, measured(anchorhold.FactPattern, pattern))
	}
	return facts
}

// rare says whether any value stands for so few rows that naming it would speak
// of them.
func (c *columnCount) rare() bool {
	for _, n := range c.distinct {
		if n < rowsPerCategory {
			return true
		}
	}
	return false
}

func timeText(t anchorhold.ColumnType, micros float64) string {
	at := time.UnixMicro(int64(micros)).UTC()
	if t == anchorhold.TypeDate {
		return at.Format(dayLayout)
	}
	return at.Format(time.RFC3339)
}

// categories gives the distinct values in order, as JSON would hold them:
// numbers of a numeric column, texts of a column of text, nothing otherwise.
func (c *columnCount) categories(t anchorhold.ColumnType) []any {
	var out []any
	switch t {
	case anchorhold.TypeInt, anchorhold.TypeFloat:
		var values []float64
		for v := range c.distinct {
			if math.IsInf(v.Value(), 0) {
				return nil
			}
			values = append(values, v.Value())
		}
		slices.Sort(values)
		for _, v := range slices.Compact(values) {
			out = append(out, v)
		}
	case anchorhold.TypeString:
		var values []string
		for v := range c.distinct {
			values = append(values, v.Text)
		}
		slices.SortFunc(values, cmp.Compare)
		for _, v := range values {
			out = append(out, v)
		}
	}
	return out
}
