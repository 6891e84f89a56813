package query

import (
	"fmt"
	"math"
	"math/big"
	"strings"
	"time"
)

// Privacy is what an owner stated about a dataset. It is never measured.
type Privacy struct {
	Tables    map[string]TablePrivacy // by the tables' names
	MaxGroups int64                   // groups to which one unit contributes; 0: not stated
	MaxRows   int64                   // rows of one unit in one group; 0: not stated
	Size      int64                   // about how many units there are; 0: not stated
}

// TablePrivacy says whose rows a table holds: nobody's (Public), one unit's
// each (Row), or those of the unit that the columns Unit name. With Via the
// columns Unit are those of the table at the end of the path. A public table is
// joined by the columns Key: rows that have a key in common are left out.
type TablePrivacy struct {
	Public, Row bool
	Key         []string
	Unit        []string
	Via         []Link
	Columns     map[string]ColumnPrivacy
}

// Link is one step of a path to the unit: rows whose Columns equal the Key of
// a row of Table belong to that row's unit.
type Link struct {
	Columns []string
	Table   string
	Key     []string
}

// ColumnPrivacy is what is stated about one column: the bounds of its values
// (outside of them a value is read as the nearest bound) or their closed set
// (any other is read as NULL), whether NULL is one of them, and whether
// questions may use it at all.
type ColumnPrivacy struct {
	Lo, Hi string
	Domain []string
	Null   bool
	Never  bool
}

func (p Privacy) table(name string) (TablePrivacy, bool) {
	for n, t := range p.Tables {
		if strings.EqualFold(n, name) {
			return t, true
		}
	}
	return TablePrivacy{}, false
}

func (t TablePrivacy) column(name string) ColumnPrivacy {
	for n, c := range t.Columns {
		if strings.EqualFold(n, name) {
			return c
		}
	}
	return ColumnPrivacy{}
}

// The ranges in which integers and doubles are computed: no operation on
// values inside of them can overflow before it is checked again.
const (
	mostInt   = int64(1) << 62
	firstDay  = -719162 // 0001-01-01
	lastDay   = 2932896 // 9999-12-31
	dayMicros = int64(86_400_000_000)
)

var (
	mostFloat  = math.Ldexp(1, 1000)
	leastFloat = math.Ldexp(1, -1000)
	flushed    = math.Ldexp(1, -200)
)

// scaled reads a decimal number as an integer of 10^-scale; what lies between
// two is rounded to the nearest.
func scaled(s string, scale int) (int64, bool) {
	if !plainNumber(s) {
		return 0, false
	}
	r, ok := new(big.Rat).SetString(s)
	if !ok {
		return 0, false
	}
	r.Mul(r, new(big.Rat).SetInt(pow10(scale)))
	two := big.NewInt(2)
	n := new(big.Int).Add(new(big.Int).Mul(r.Num(), two), r.Denom())
	n.Div(n, new(big.Int).Mul(r.Denom(), two))
	return n.Int64(), n.IsInt64() && n.CmpAbs(big.NewInt(mostInt)) <= 0
}

// stated reads a value of a column's bounds or closed set, in the form in
// which it is computed.
func (c Column) stated(s string) (any, error) { //nolint:cyclop // a list, one case for each
	bad := fmt.Errorf("what is stated about column %s is not %s", c.Name, c.Type.class())
	switch c.Type {
	case Int, Decimal:
		if v, ok := scaled(s, c.scale()); ok {
			return v, nil
		}
	case Double:
		var f float64
		if _, err := fmt.Sscan(s, &f); err == nil && plainNumber(s) && (f == 0 || math.Abs(f) >= 1e-100) {
			return f, nil
		}
	case Text:
		if !strings.Contains(s, "\x00") {
			return s, nil
		}
	case Bool:
		if s == "true" || s == "false" {
			return s == "true", nil
		}
	case Date:
		if t, err := time.Parse("2006-01-02", s); err == nil && t.Year() > 0 {
			return t.Unix() / 86400, nil
		}
	case Timestamp:
		for _, layout := range []string{"2006-01-02", "2006-01-02 15:04:05"} {
			if t, err := time.Parse(layout, s); err == nil && t.Year() > 0 {
				return t.UnixMicro(), nil
			}
		}
	}
	return nil, bad
}

func (c Column) scale() int {
	if c.Type == Decimal {
		return c.Scale
	}
	return 0
}
