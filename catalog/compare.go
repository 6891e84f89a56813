package catalog

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/catalog/codec"
)

// Ways in which a mock can be unlike its private side.
const (
	DiffFormat   = "format" // of the whole asset
	DiffAbsent   = "absent" // of a column, as all that follow
	DiffExtra    = "extra"
	DiffOrder    = "order"
	DiffType     = "type"
	DiffNulls    = "nulls"
	DiffNullable = "nullable" // of a column: whether its file declares that there may be no value
	DiffShape    = "shape"    // of an array: its number of axes, or the length of one but the first
	DiffUnseen   = "unseen"   // of the whole asset: not all of it could be compared
)

// Difference is one way in which a mock is not like its private side. It
// speaks of columns, never of values.
type Difference struct {
	Column  string // empty: of the whole asset; a part of a column is named COLUMN.PART
	What    string // DiffType and so on: what its code begins with
	Private string // the type or position on the private side
	Mock    string
}

// Code names the difference of an asset's mock, so that its owner can accept
// this one and no other: "type:patients.age".
func (d Difference) Code(asset string) string {
	if d.Column == "" {
		return d.What + ":" + asset
	}
	return d.What + ":" + asset + "." + d.Column
}

// String says it in a sentence.
func (d Difference) String() string {
	switch d.What {
	case DiffFormat:
		return fmt.Sprintf("the mock is %s and the private table is %s", d.Mock, d.Private)
	case DiffUnseen:
		return fmt.Sprintf("%s: look at both yourself", d.Private)
	case DiffAbsent:
		return fmt.Sprintf("the mock has no column %q", d.Column)
	case DiffExtra:
		return fmt.Sprintf("the mock has a column %q, which the private table does not have", d.Column)
	case DiffOrder:
		return fmt.Sprintf("column %q is number %s in the mock and number %s in the private table", d.Column, d.Mock, d.Private)
	case DiffNulls:
		return fmt.Sprintf("column %q has %s in the mock and %s in the private table", d.Column, d.Mock, d.Private)
	case DiffNullable:
		return fmt.Sprintf("column %q is declared as %s in the mock and as %s in the private table", d.Column, d.Mock, d.Private)
	}
	return fmt.Sprintf("column %q is %s in the mock and %s in the private table", d.Column, d.Mock, d.Private)
}

// Side is what a mock has to be like: the private side of a version.
type Side struct {
	Format  string // that its mock has; empty: any
	Columns []anchorhold.Column
	// Nulls says of each column whether it has missing values. Nil: that is not
	// compared, as for a mock that was made without knowing it.
	Nulls []bool
	// Unseen says why not all of it could be compared with a mock that was given;
	// empty: everything could.
	Unseen string
}

// Unseen says of a version why what a mock has of it could stay unseen: the index
// of its rows does not show everything.
func Unseen(v anchorhold.Version) string {
	switch {
	case v.Private != nil && v.Private.Opaque:
		return "of files, names, whole contents and lines of 4 to 32 words are compared, and other lines and what is no text are not, so that a part of these, or the same picture written anew, would not be found"
	case v.KindOf() == anchorhold.KindFiles:
		return "files are compared by names and line by line only, so that words which were copied in another order would not be found"
	case Mixed(v):
		return "arrays are compared row by row only, so that numbers which were copied in another order would not be found"
	}
	return ""
}

// MockFile is what was read of a mock that an owner gave.
type MockFile struct {
	Format  string
	Columns []anchorhold.Column
	Rows    int64
	Size    int64
}

// CompareMock reads a mock that an owner gave and says how it differs from the
// private side: names, order and types of columns, and whether they have missing
// values at all, must be the same, so that code which runs on one runs on the
// other. In CSV, whose types are read from the values,
// a mock may be narrower: whole numbers where the private side has decimals,
// dates where it has times, a column without values anywhere.
func CompareMock(ctx context.Context, private Side, path string, o ReadOptions) (MockFile, []Difference, error) {
	o.Beside = true
	t, err := open(ctx, path, o)
	if err != nil {
		return MockFile{}, nil, err
	}
	defer func() { _ = t.Close() }() // nothing was written
	nulls := newNullFinder(t)
	for {
		rows, err := t.Next(ctx)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return MockFile{}, nil, err
		}
		nulls.add(rows, t.of())
	}
	m := MockFile{Format: t.Format(), Columns: t.Columns(), Rows: t.Rows(), Size: t.stamp.Size}
	var out []Difference
	if private.Format != "" && m.Format != private.Format {
		out = append(out, Difference{What: DiffFormat, Private: private.Format, Mock: m.Format})
	}
	unseen := private.Unseen
	if beside := t.beside(); beside != codec.BesideNothing {
		unseen = "the mock carries " + string(beside) + ", which would be handed out with it and were compared with nothing"
	}
	if unseen != "" {
		out = append(out, Difference{What: DiffUnseen, Private: unseen})
	}
	out = append(out, differences(private.Columns, m.Columns, t.accepts())...)
	return m, append(out, nullDifferences(private, m.Columns, nulls.found)...), nil
}

// nullFinder finds the columns of a table that have missing values.
type nullFinder struct{ found []bool }

func newNullFinder(t *Table) *nullFinder { return &nullFinder{make([]bool, len(t.Columns()))} }

func (n *nullFinder) add(rows [][]Cell, of int) {
	if of != codec.Each {
		return
	}
	for _, row := range rows {
		for i, c := range row[:len(n.found)] {
			if c.Kind == CellMissing {
				n.found[i] = true
			}
		}
	}
}

// nullDifferences compares which columns have missing values: a whole number
// that may be missing is another type to pandas, and code that never met a
// missing value fails on the first.
func nullDifferences(private Side, mock []anchorhold.Column, found []bool) (out []Difference) {
	said := map[bool]string{true: "missing values", false: "no missing values"}
	for i, p := range private.Columns {
		j := slices.IndexFunc(mock, func(c anchorhold.Column) bool { return c.Name == p.Name })
		if i < len(private.Nulls) && j >= 0 && private.Nulls[i] != found[j] {
			out = append(out, Difference{Column: p.Name, What: DiffNulls, Private: said[private.Nulls[i]], Mock: said[found[j]]})
		}
	}
	return out
}

// differences compares two lists of columns; can are the types that each of
// the mock's may stand for.
func differences(private, mock []anchorhold.Column, can []typeSet) []Difference {
	return fieldDifferences("", private, mock, can)
}

// fieldDifferences compares columns, or the parts of one, whose names begin with
// within. Parts are compared as columns are: names, order, types, whether they may
// be missing.
func fieldDifferences(within string, private, mock []anchorhold.Column, can []typeSet) []Difference {
	var out []Difference
	ordered := true
	for i, p := range private {
		name := within + p.Name
		j := slices.IndexFunc(mock, func(c anchorhold.Column) bool { return c.Name == p.Name })
		if j < 0 {
			out = append(out, Difference{Column: name, What: DiffAbsent, Private: string(p.Type)})
			ordered = false
			continue
		}
		if i != j && ordered {
			// One sentence is enough: a column moved shifts all that follow.
			out = append(out, Difference{Column: name, What: DiffOrder, Private: fmt.Sprint(i + 1), Mock: fmt.Sprint(j + 1)})
			ordered = false
		}
		accepts := bit(mock[j].Type)
		if can != nil {
			accepts = can[j]
		}
		out = append(out, columnDifferences(name, p, mock[j], accepts)...)
	}
	for _, m := range mock {
		if !slices.ContainsFunc(private, func(c anchorhold.Column) bool { return c.Name == m.Name }) {
			out = append(out, Difference{Column: within + m.Name, What: DiffExtra, Mock: string(m.Type)})
		}
	}
	return out
}

// columnDifferences compares two columns of the same name.
func columnDifferences(name string, p, m anchorhold.Column, accepts typeSet) (out []Difference) {
	a, b := storageFact(p), storageFact(m)
	switch {
	case accepts&bit(p.Type) == 0:
		out = append(out, Difference{Column: name, What: DiffType, Private: string(p.Type), Mock: string(m.Type)})
	case p.Type.Nested() && m.Type == p.Type:
		out = append(out, fieldDifferences(name+".", p.Fields, m.Fields, nil)...)
	case a != b && p.Type == m.Type:
		out = append(out, Difference{Column: name, What: DiffType, Private: a, Mock: b})
	}
	if p.Required != m.Required {
		out = append(out, Difference{Column: name, What: DiffNullable, Private: declared(p), Mock: declared(m)})
	}
	if a, b := shapeFact(p), shapeFact(m); a != b {
		out = append(out, Difference{Column: name, What: DiffShape, Private: a, Mock: b})
	}
	return out
}

// declared says what a file declares of a column.
func declared(c anchorhold.Column) string {
	if c.Required {
		return "required"
	}
	return "nullable"
}

// shapeFact is the shape of an array as it matters to code: the length of its
// first axis may be any.
func shapeFact(c anchorhold.Column) string {
	f, ok := c.Fact(anchorhold.FactShape)
	if !ok {
		return ""
	}
	return fmt.Sprint(f.Value)
}

// storageFact is the exact type of a column of a Parquet file where it matters
// to code.
func storageFact(c anchorhold.Column) string {
	f, ok := c.Fact(anchorhold.FactStorage)
	if !ok {
		return codec.UsualStorage(c.Type)
	}
	s, _ := f.Value.(string)
	if s == "null" {
		return codec.UsualStorage(c.Type)
	}
	return s
}
