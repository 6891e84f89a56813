package disclosure

import (
	"context"
	"fmt"
	"strings"

	"github.com/anchorhold/anchorhold"
)

// Params are the thresholds of the checks.
type Params struct {
	MaxRows    int     // an output with more rows is not checked
	MaxCells   int     // nor one with more cells
	RowCells   int     // a private row needs this many cells to be copied as a row
	NearCells  int     // and this many must match for being near
	NearBits   float64 // by how many bits a near match must do more than single a row out
	SmallGroup int     // counts from 1 to one less than this are small
	Work       int     // comparisons, before an output counts as too large to check
	Mock       bool    // the run read mocks alone, so what is found may name columns
}

// subject is what the checks speak of.
func (p Params) subject() string {
	if p.Mock {
		return "the trial's result on the mock"
	}
	return "the output"
}

// DefaultParams are the thresholds that a site begins with.
func DefaultParams() Params {
	return Params{
		MaxRows: 10_000, MaxCells: 1_000_000,
		RowCells: 2, NearCells: 3, NearBits: 7, SmallGroup: 5, Work: 100_000_000,
	}
}

// Names of the checks.
const (
	CheckKindAndSize  = "kind-and-size"
	CheckPrivateRows  = "private-rows"
	CheckNearRows     = "near-rows"
	CheckIdentifiers  = "identifiers"
	CheckColumnCopies = "column-copies"
	CheckSmallGroups  = "small-groups"
)

// Table is a private table that a run could read.
type Table struct {
	Name  string // as the request's reviewers know it
	Index *Index
	// Mixed says that the index has columns that are none of the data's: several
	// arrays, or the lines of one, lie under each other in it. What is copied from
	// one of them cannot be told from chance.
	Mixed bool
}

// Check compares the cells of one output with every private table that its run
// could read. It gives one result for each of private-rows, near-rows,
// identifiers and column-copies, the worst over the tables, and small-groups
// where the output names counts as such. An error means that an index could not
// be read: no check was made, and nothing may be released on it.
func Check(ctx context.Context, tables []Table, cells Cells, p Params) ([]anchorhold.Check, error) {
	found := newFindings()
	if reason := unfit(cells, p); reason != "" {
		found.inapplicable(reason, CheckPrivateRows, CheckNearRows, CheckIdentifiers, CheckColumnCopies)
		return found.checks(), nil
	}
	for _, t := range tables {
		if err := found.compare(ctx, t, cells, p); err != nil {
			return nil, err
		}
	}
	checks := found.checks()
	if c, ok := smallGroups(cells, p); ok {
		checks = append(checks, c)
	}
	return checks, nil
}

// unfit says why an output cannot be checked at all.
func unfit(cells Cells, p Params) string {
	rows, n := cells.Count()
	switch {
	case cells.Kind == "image" || cells.Kind == "svg":
		return "an image cannot be compared with the private data; a person must look at it"
	case cells.Kind == "onnx":
		return "a model cannot be compared with the private data; a person must judge what it may have learnt by heart"
	case cells.Partial:
		return p.subject() + " has more or longer values than can be compared"
	case rows > p.MaxRows:
		return fmt.Sprintf("%s has more than %d rows", p.subject(), p.MaxRows)
	case n > p.MaxCells:
		return fmt.Sprintf("%s has more than %d cells", p.subject(), p.MaxCells)
	}
	return ""
}

// findings collects, over all tables, what each check found.
type findings struct {
	failed  map[string][]string
	cannot  map[string]string
	remarks map[string][]string
}

func newFindings() *findings {
	return &findings{failed: map[string][]string{}, cannot: map[string]string{}, remarks: map[string][]string{}}
}

func (f *findings) inapplicable(reason string, checks ...string) {
	for _, c := range checks {
		f.cannot[c] = reason
	}
}

// fail notes where something was found.
func (f *findings) fail(check, table, what string, at []place) {
	if len(at) == 0 {
		return
	}
	detail := fmt.Sprintf("%s: %d %s", table, len(at), what)
	for i, p := range at[:min(len(at), 3)] {
		detail += []string{": ", ", ", ", "}[i] + p.String()
	}
	if len(at) > 3 {
		detail += " and others"
	}
	f.failed[check] = append(f.failed[check], detail)
}

// compare checks against one table.
func (f *findings) compare(ctx context.Context, t Table, cells Cells, p Params) error {
	if t.Index.rows == 0 {
		return nil
	}
	q, ok := newQuery(t.Index, cells)
	if !ok {
		f.inapplicable("the output has too many different values to be compared",
			CheckPrivateRows, CheckNearRows, CheckIdentifiers, CheckColumnCopies)
		return nil
	}
	c := newComparison(t.Index, q, p)
	if err := c.count(ctx); err != nil {
		return err
	}
	c.weigh()
	if err := c.match(ctx); err != nil {
		return err
	}
	if c.tooMuch {
		f.inapplicable("comparing the output row by row would take too long", CheckPrivateRows, CheckNearRows)
	}
	if q.tooLong {
		f.inapplicable("the output has texts too long to be compared as rows", CheckPrivateRows, CheckNearRows)
	}
	if t.Mixed && c.couldCopy() {
		f.inapplicable(t.Name+" holds files, several arrays, or one of many axes: whether the output is copied from a part of it cannot be told", CheckColumnCopies)
	}
	f.fail(CheckPrivateRows, t.Name, "part(s) of the output equal a private row", c.copiedPlaces())
	f.fail(CheckNearRows, t.Name, "part(s) of the output are so near a private row that they single it out", c.places(c.near))
	f.fail(CheckIdentifiers, t.Name, "value(s) of the output identify somebody", c.namedPlaces())
	f.fail(CheckColumnCopies, t.Name, "part(s) of the output are copied from a private column", c.copies())
	if len(t.Index.columns) < p.RowCells {
		f.remarks[CheckPrivateRows] = append(f.remarks[CheckPrivateRows], t.Name+" has a single column: only copies of all of it are found")
	}
	return nil
}

// checks gives the results in a fixed order.
func (f *findings) checks() []anchorhold.Check {
	var out []anchorhold.Check
	for _, name := range []string{CheckPrivateRows, CheckNearRows, CheckIdentifiers, CheckColumnCopies} {
		c := anchorhold.Check{Name: name, Result: anchorhold.CheckPassed, Detail: strings.Join(f.remarks[name], "; ")}
		if reason, ok := f.cannot[name]; ok {
			c.Result, c.Detail = anchorhold.CheckInapplicable, reason
		}
		if what := f.failed[name]; len(what) > 0 {
			c.Result, c.Detail = anchorhold.CheckFailed, strings.Join(what, "; ")
		}
		out = append(out, c)
	}
	return out
}
