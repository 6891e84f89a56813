package disclosure

import (
	"fmt"
	"slices"
	"strings"

	"github.com/anchorhold/anchorhold"
)

// smallGroups looks at what the output itself names a count: a column or row
// whose label says so, as those of describe, value_counts and agg do. Whether any
// other whole number counts people cannot be told from the output, so without
// such a label there is no result at all: "passed" would promise too much.
func smallGroups(cells Cells, p Params) (anchorhold.Check, bool) {
	var small []place
	named := false
	for s, sheet := range cells.Sheets {
		for r, row := range sheet.Rows {
			rowCounts := slices.ContainsFunc(row[:min(sheet.Index, len(row))], namesCount)
			for c := sheet.Index; c < len(row); c++ {
				columnCounts := c < len(sheet.Labels) && namesCount(sheet.Labels[c])
				if !rowCounts && !columnCounts {
					continue
				}
				named = true
				if v, ok := row[c].Integer(); ok && v >= 1 && v < int64(p.SmallGroup) {
					at := place{shape: "cell in row", sheet: s, row: r, col: c}
					if p.Mock && c < len(sheet.Labels) {
						at.name = sheet.Labels[c].text
					}
					small = append(small, at)
				}
			}
		}
	}
	f := newFindings()
	f.fail(CheckSmallGroups, p.subject(), fmt.Sprintf("count(s) below %d", p.SmallGroup), small)
	check := anchorhold.Check{Name: CheckSmallGroups, Result: anchorhold.CheckPassed}
	if len(small) > 0 {
		check.Result, check.Detail = anchorhold.CheckFailed, f.failed[CheckSmallGroups][0]
	}
	return check, named
}

// namesCount says whether a label calls its numbers counts.
func namesCount(label Cell) bool {
	if label.kind != CellText {
		return false
	}
	words := strings.FieldsFunc(label.text, func(r rune) bool { return r == '_' || isSeparator(r) })
	for i, w := range words {
		switch w {
		case "count", "counts", "freq", "frequency", "nobs":
			return true
		case "n", "size":
			if len(words) == 1 || w == "n" && i == 0 {
				return true
			}
		}
	}
	return false
}

// KindAndSize makes the check that an output is of the declared kind and within
// the limits of size. The kind "any" declares nothing.
func KindAndSize(declared, kind string, size, maxSize int64, rows, maxRows int) anchorhold.Check {
	c := anchorhold.Check{Name: CheckKindAndSize, Result: anchorhold.CheckFailed}
	switch {
	case declared != kind && declared != "any":
		c.Detail = fmt.Sprintf("declared as %s, but it is %s", declared, kind)
	case size > maxSize:
		c.Detail = fmt.Sprintf("%d bytes, where automatic release allows %d", size, maxSize)
	case rows > maxRows:
		c.Detail = fmt.Sprintf("%d rows, where automatic release allows %d", rows, maxRows)
	default:
		c.Result = anchorhold.CheckPassed
		c.Detail = fmt.Sprintf("%s, %d bytes, %d rows", kind, size, rows)
	}
	return c
}
