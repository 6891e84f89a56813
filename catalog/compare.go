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

// Difference is one way in which a mock is not like its private table. It
// speaks of columns, never of values.
type Difference struct {
	Column  string `json:"column"`
	What    string `json:"what"`    // absent, extra, order or type
	Private string `json:"private"` // the type or position on the private side
	Mock    string `json:"mock"`
}

// String says it in a sentence.
func (d Difference) String() string {
	switch d.What {
	case "absent":
		return fmt.Sprintf("the mock has no column %q", d.Column)
	case "extra":
		return fmt.Sprintf("the mock has a column %q, which the private table does not have", d.Column)
	case "order":
		return fmt.Sprintf("column %q is number %s in the mock and number %s in the private table", d.Column, d.Mock, d.Private)
	}
	return fmt.Sprintf("column %q is %s in the mock and %s in the private table", d.Column, d.Mock, d.Private)
}

// MockFile is what was read of a mock that an owner gave.
type MockFile struct {
	Format  string
	Columns []anchorhold.Column
	Rows    int64
	Size    int64
}

// CompareMock reads a mock that an owner gave and says how it differs from the
// private columns: names, order and types must be the same, so that code which
// runs on one runs on the other. In CSV, whose types are read from the values,
// a mock may be narrower: whole numbers where the private side has decimals,
// dates where it has times, a column without values anywhere.
func CompareMock(ctx context.Context, private []anchorhold.Column, path string, o ReadOptions) (MockFile, []Difference, error) {
	t, err := Open(path, o)
	if err != nil {
		return MockFile{}, nil, err
	}
	defer func() { _ = t.Close() }() // nothing was written
	for err == nil {
		_, err = t.Next(ctx)
	}
	if !errors.Is(err, io.EOF) {
		return MockFile{}, nil, err
	}
	m := MockFile{Format: t.Format(), Columns: t.Columns(), Rows: t.Rows(), Size: t.stamp.Size}
	return m, differences(private, m.Columns, t.accepts()), nil
}

// differences compares two lists of columns; can are the types that each of
// the mock's may stand for.
func differences(private, mock []anchorhold.Column, can []typeSet) []Difference {
	var out []Difference
	ordered := true
	for i, p := range private {
		j := slices.IndexFunc(mock, func(c anchorhold.Column) bool { return c.Name == p.Name })
		if j < 0 {
			out = append(out, Difference{Column: p.Name, What: "absent", Private: string(p.Type)})
			ordered = false
			continue
		}
		if i != j && ordered {
			// One sentence is enough: a column moved shifts all that follow.
			out = append(out, Difference{Column: p.Name, What: "order", Private: fmt.Sprint(i + 1), Mock: fmt.Sprint(j + 1)})
			ordered = false
		}
		if can[j]&bit(p.Type) == 0 {
			out = append(out, Difference{Column: p.Name, What: "type", Private: string(p.Type), Mock: string(mock[j].Type)})
		} else if a, b := storageFact(p), storageFact(mock[j]); a != b && p.Type == mock[j].Type {
			out = append(out, Difference{Column: p.Name, What: "type", Private: a, Mock: b})
		}
	}
	for _, m := range mock {
		if !slices.ContainsFunc(private, func(c anchorhold.Column) bool { return c.Name == m.Name }) {
			out = append(out, Difference{Column: m.Name, What: "extra", Mock: string(m.Type)})
		}
	}
	return out
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
