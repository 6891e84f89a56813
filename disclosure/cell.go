package disclosure

import (
	"math"
	"strconv"
	"strings"
	"time"

	"golang.org/x/text/unicode/norm"
)

// CellKind sorts normalised cells.
type CellKind uint8

// The kinds of cell. The numbers are part of the cell stream's format.
const (
	CellMissing CellKind = 0 // no value; has no token
	CellInteger CellKind = 1 // a whole number in the range of int64
	CellReal    CellKind = 2 // any other finite number
	CellText    CellKind = 3 // text
	CellMoment  CellKind = 4 // a date or a time
)

// Cell is one value in its normal form. The same value gives the same cell
// wherever it was read: 63, 63.0, true to 1, "63" and " 63.0 " are one number;
// text is trimmed, its inner white space collapsed, in Unicode form NFKC and in
// lower case; dates and times are in UTC, and midnight is the bare date. The
// zero value is a missing cell. Cells are comparable with ==.
type Cell struct {
	kind CellKind
	bits uint64 // int64 or float64
	text string // text, or the canonical form of a moment
}

// Kind says which kind of value the cell holds.
func (c Cell) Kind() CellKind { return c.kind }

// Missing says whether the cell holds no value.
func (c Cell) Missing() bool { return c.kind == CellMissing }

// Integer gives the value of an integer cell.
func (c Cell) Integer() (int64, bool) { return int64(c.bits), c.kind == CellInteger }

// Number gives the value of an integer or real cell as a float64.
func (c Cell) Number() (float64, bool) {
	switch c.kind {
	case CellInteger:
		return float64(int64(c.bits)), true
	case CellReal:
		return math.Float64frombits(c.bits), true
	}
	return 0, false
}

// Text gives the normal form of a text or moment cell.
func (c Cell) Text() string { return c.text }

// IntCell makes a cell of a whole number.
func IntCell(v int64) Cell { return Cell{kind: CellInteger, bits: uint64(v)} }

// UintCell makes a cell of an unsigned number.
func UintCell(v uint64) Cell {
	if v <= math.MaxInt64 {
		return IntCell(int64(v))
	}
	return FloatCell(float64(v))
}

// BoolCell makes a cell of a truth value: the numbers 1 and 0, as Python has it.
func BoolCell(v bool) Cell {
	if v {
		return IntCell(1)
	}
	return IntCell(0)
}

// FloatCell makes a cell of a float64. NaN and the infinities are missing;
// whole numbers in the range of int64 become integers.
func FloatCell(v float64) Cell {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return Cell{}
	}
	if v == math.Trunc(v) && v >= -(1<<63) && v < 1<<63 {
		return IntCell(int64(v))
	}
	return Cell{kind: CellReal, bits: math.Float64bits(v)}
}

// Float32Cell makes a cell of a float32 by its shortest decimal form, so that
// 0.1 stored with 32 bits is the same cell as 0.1 stored with 64.
func Float32Cell(v float32) Cell {
	f, err := strconv.ParseFloat(strconv.FormatFloat(float64(v), 'g', -1, 32), 64)
	if err != nil {
		return Cell{}
	}
	return FloatCell(f)
}

// TimeCell makes a cell of a date or time.
func TimeCell(t time.Time) Cell {
	t = t.UTC()
	layout := time.RFC3339Nano
	if t.Hour() == 0 && t.Minute() == 0 && t.Second() == 0 && t.Nanosecond() == 0 {
		layout = time.DateOnly
	}
	return Cell{kind: CellMoment, text: t.Format(layout)}
}

// TextCell makes a cell of text: a number, truth value, date or time where the
// text reads as one, missing where it is empty or "nan", else text.
func TextCell(s string) Cell {
	s = normalText(s)
	switch s {
	case "", "nan":
		return Cell{}
	case "true":
		return IntCell(1)
	case "false":
		return IntCell(0)
	}
	if c, ok := numberFromText(s); ok {
		return c
	}
	if t, ok := timeFromText(s); ok {
		return TimeCell(t)
	}
	return Cell{kind: CellText, text: s}
}

// normalText trims, collapses white space, and puts text in NFKC and lower case.
func normalText(s string) string {
	if !isASCII(s) {
		s = norm.NFKC.String(strings.ToLower(norm.NFKC.String(s)))
	}
	return strings.Join(strings.Fields(strings.ToLower(s)), " ")
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}

// longestNumber bounds the text that is tried as a number: a longer string of
// digits is an identifier or a joke.
const longestNumber = 40

// numberFromText reads plain decimal notation. Go's own parser also knows
// "inf", hexadecimal and underscores, which are words here.
func numberFromText(s string) (Cell, bool) {
	if len(s) > longestNumber || !strings.ContainsAny(s[:1], "0123456789+-.") {
		return Cell{}, false
	}
	if strings.Trim(s, "0123456789+-.e") != "" {
		return Cell{}, false
	}
	if i, err := strconv.ParseInt(s, 10, 64); err == nil {
		return IntCell(i), true
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return Cell{}, false
	}
	return FloatCell(f), true
}

// timeFromText reads ISO 8601 dates and times; a time without zone is UTC.
func timeFromText(s string) (time.Time, bool) {
	if len(s) < 10 || len(s) > 40 || s[4] != '-' || s[7] != '-' {
		return time.Time{}, false
	}
	s = strings.ToUpper(s)
	if len(s) > 10 && s[10] == ' ' {
		s = s[:10] + "T" + s[11:]
	}
	for _, layout := range [...]string{
		time.DateOnly, time.RFC3339Nano, "2006-01-02T15:04:05.999999999", "2006-01-02T15:04Z07:00", "2006-01-02T15:04",
	} {
		if t, err := time.Parse(layout, s); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}

// Cells are the values of one output as the checks see them.
type Cells struct {
	Kind    string  // table, array, json, text or image
	Partial bool    // there was more than the limits let through: no check can pass
	Sheets  []Sheet // for a table: the table, its labels, its unused categories
}

// Sheet is a rectangle of cells, or a ragged list of rows.
type Sheet struct {
	Index  int    // number of leading cells of each row that name the row
	Labels []Cell // one for each column, where columns have names
	Rows   [][]Cell
}

// Count gives the number of rows and of cells, labels included.
func (c Cells) Count() (rows, cells int) {
	for _, s := range c.Sheets {
		rows += len(s.Rows)
		cells += len(s.Labels)
		for _, r := range s.Rows {
			cells += len(r)
		}
	}
	return rows, cells
}
