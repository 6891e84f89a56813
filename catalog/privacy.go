package catalog

import (
	"cmp"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/anchorhold/anchorhold"
)

// Limits of what an owner states of a dataset's people. They keep every product
// of them far below what 128 bits hold.
const (
	maxGroups  = 999_999 // DuckDB picks so many rows of many, in their order
	maxRows    = 1_000_000_000
	maxUnits   = 1_000_000_000_000
	maxDomain  = 10_000 // values of a closed set
	maxKeyPart = 8      // columns of a composite key
	maxValue   = 20_000 // bytes of a text
)

// CheckPrivacy refuses what cannot be so, by the names and types of columns. What
// is not stated yet is no error: anchorhold.Dataset.MissingPrivacy tells. Whoever
// states it can ask beforehand, on any machine: a site is not needed for it.
func CheckPrivacy(d anchorhold.Dataset, p anchorhold.Privacy) error {
	for _, n := range []struct {
		what       string
		have, most int64
	}{{"groups of a unit", int64(p.MaxGroups), maxGroups}, {"rows of a unit", int64(p.MaxRows), maxRows}, {"units", p.Size, maxUnits}} {
		if n.have < 0 || n.have > n.most {
			return anchorhold.Errorf(anchorhold.Invalid, fmt.Sprintf("state from 1 to %d", n.most), "so many %s cannot be stated", n.what)
		}
	}
	if err := checkPrice(p.Price); err != nil {
		return err
	}
	if names := d.Ambiguous(); len(names) > 0 {
		return anchorhold.Errorf(anchorhold.Invalid, "offer "+strings.Join(names, "; "), "names that differ in their case alone are one name in SQL")
	}
	for name, of := range p.Assets {
		a, ok := d.Asset(name)
		if !ok || a.Kind != anchorhold.KindTable {
			return anchorhold.Errorf(anchorhold.NotFound, "see `anchorhold dataset show "+d.Name+"`", "the dataset has no table %q", name)
		}
		if err := checkUnit(d, p, a, of); err != nil {
			return err
		}
		for column, said := range of.Columns {
			if err := checkColumn(a, column, said); err != nil {
				return err
			}
		}
	}
	return nil
}

func checkPrice(p *anchorhold.Price) error {
	if p == nil {
		return nil
	}
	most := big.NewRat(1000, 1) // far beyond what says anything about privacy; as text it stays short
	if e, ok := anchorhold.ParseDecimal(p.Epsilon); !ok || e.Sign() <= 0 || e.Cmp(most) > 0 {
		return anchorhold.Errorf(anchorhold.Invalid, "write a number above 0, such as 0.1", "the epsilon of a question cannot be that")
	}
	if p.Delta == "" {
		return nil
	}
	if d, ok := anchorhold.ParseDecimal(p.Delta); !ok || d.Sign() <= 0 || d.Cmp(big.NewRat(1, 100)) > 0 {
		return anchorhold.Errorf(anchorhold.Invalid, "write a small number above 0, such as 1e-6, or leave it out", "the delta of a question cannot be that")
	}
	return nil
}

// checkUnit looks at whose the rows of a table are said to be.
func checkUnit(d anchorhold.Dataset, p anchorhold.Privacy, a anchorhold.Asset, of anchorhold.AssetPrivacy) error {
	ways := 0
	for _, said := range []bool{of.Row, len(of.Unit) > 0, of.Via != nil, of.Public} {
		if said {
			ways++
		}
	}
	if ways > 1 {
		return anchorhold.Errorf(anchorhold.Invalid, "say one: columns, row, another table, or public", "whose the rows of %q are is said more than once", a.Name)
	}
	if len(of.Key) > 0 && !of.Public {
		return anchorhold.Errorf(anchorhold.Invalid, "state it of a public table", "%q is not public: by which of its columns it is joined follows from its unit", a.Name)
	}
	for _, name := range of.Key {
		if c, said := of.Columns[name]; said && c.Bounded() {
			return anchorhold.Errorf(anchorhold.Invalid, "state no range of it", "%q is of the key of %q: values that are moved into a range name no row", name, a.Name)
		}
	}
	if err := cmp.Or(checkKey(a, of.Unit), checkKey(a, of.Key)); err != nil || of.Via == nil {
		return err
	}
	return checkVia(d, p, a, of)
}

// checkVia looks at a way to another table.
func checkVia(d anchorhold.Dataset, p anchorhold.Privacy, a anchorhold.Asset, of anchorhold.AssetPrivacy) error {
	other, ok := d.Asset(of.Via.Asset)
	if !ok || other.Kind != anchorhold.KindTable || other.Name == a.Name {
		return anchorhold.Errorf(anchorhold.NotFound, "name another table of the dataset", "%q cannot lead to %q", a.Name, of.Via.Asset)
	}
	if len(of.Via.Columns) == 0 || len(of.Via.Columns) != len(of.Via.Key) {
		return anchorhold.Errorf(anchorhold.Invalid, "name as many columns here as the key has there", "%q does not refer to a key of %q", a.Name, other.Name)
	}
	if err := cmp.Or(checkKey(a, of.Via.Columns), checkKey(other, of.Via.Key)); err != nil {
		return err
	}
	for i := range of.Via.Columns {
		if here, there := columnOf(a, of.Via.Columns[i]), columnOf(other, of.Via.Key[i]); here.Type != there.Type {
			return anchorhold.Errorf(anchorhold.Invalid, "refer to a key of the same type", "%q of %q is %s, and %q of %q is %s", here.Name, a.Name, here.Type, there.Name, other.Name, there.Type)
		}
	}
	if _, _, ends := p.UnitOf(a.Name); !ends && circular(p, a.Name) {
		return anchorhold.Errorf(anchorhold.Invalid, "let the last table name the unit itself", "from %q the tables lead back to it", a.Name)
	}
	return nil
}

// circular says whether following the tables from one never ends.
func circular(p anchorhold.Privacy, name string) bool {
	at := name
	for range len(p.Assets) + 1 {
		of, ok := p.Assets[at]
		if !ok || of.Via == nil {
			return false
		}
		at = of.Via.Asset
	}
	return true
}

// checkKey wants columns whose values are told apart in one way by every engine.
func checkKey(a anchorhold.Asset, columns []string) error {
	if len(columns) > maxKeyPart {
		return anchorhold.Errorf(anchorhold.Invalid, fmt.Sprintf("name at most %d columns", maxKeyPart), "the key of %q has too many columns", a.Name)
	}
	for i, name := range columns {
		c := columnOf(a, name)
		switch {
		case c.Name == "":
			return noColumn(a, name)
		case slices.Contains(columns[:i], name):
			return anchorhold.Errorf(anchorhold.Invalid, "name each column once", "%q stands twice in a key of %q", name, a.Name)
		case c.Type == anchorhold.TypeFloat:
			return anchorhold.Errorf(anchorhold.Invalid, "name a column of whole numbers, text or dates", "%q of %q is a floating-point number, which names nobody", name, a.Name)
		}
	}
	return nil
}

func columnOf(a anchorhold.Asset, name string) anchorhold.Column {
	i := slices.IndexFunc(a.Version.Columns, func(c anchorhold.Column) bool { return c.Name == name })
	if i < 0 {
		return anchorhold.Column{}
	}
	return a.Version.Columns[i]
}

func noColumn(a anchorhold.Asset, name string) error {
	return anchorhold.Errorf(anchorhold.NotFound, "check the spelling; names are compared exactly", "%q has no column %q", a.Name, name)
}

func checkColumn(a anchorhold.Asset, name string, said anchorhold.ColumnPrivacy) error {
	c := columnOf(a, name)
	if c.Name == "" {
		return noColumn(a, name)
	}
	ways := 0
	for _, is := range []bool{said.Bounded(), len(said.Domain) > 0, said.Never} {
		if is {
			ways++
		}
	}
	if ways != 1 {
		return anchorhold.Errorf(anchorhold.Invalid, "state a range, a closed set, or never", "of %q one of these has to be stated", name)
	}
	if said.Bounded() {
		return checkRange(c, said)
	}
	return checkDomain(c, said.Domain)
}

// checkRange wants two ends of the column's type, in order.
func checkRange(c anchorhold.Column, said anchorhold.ColumnPrivacy) error {
	var ordered bool
	switch c.Type {
	case anchorhold.TypeInt, anchorhold.TypeFloat:
		low, ok := anchorhold.ParseDecimal(said.Low)
		high, also := anchorhold.ParseDecimal(said.High)
		ordered = ok && also && low.Cmp(high) < 0
	case anchorhold.TypeDate, anchorhold.TypeTimestamp:
		low, ok := time.Parse(time.DateOnly, said.Low)
		high, also := time.Parse(time.DateOnly, said.High)
		ordered = ok == nil && also == nil && low.Before(high)
	default:
		return anchorhold.Errorf(anchorhold.Invalid, "state a closed set, or never", "%q is %s, which has no range", c.Name, c.Type)
	}
	if !ordered {
		return anchorhold.Errorf(anchorhold.Invalid, "write the smallest and the largest value, such as 0..120 or 2010-01-01..2020-12-31",
			"the range of %q cannot be read as two values of a %s, the smaller first", c.Name, c.Type)
	}
	return nil
}

// checkDomain wants each value once, and of the column's type.
func checkDomain(c anchorhold.Column, values []string) error {
	if len(values) > maxDomain {
		return anchorhold.Errorf(anchorhold.TooLarge, "leave the set open: groups are then found from the data, with noise", "the closed set of %q has more than %d values", c.Name, maxDomain)
	}
	seen := map[string]bool{}
	for _, v := range values {
		if !canStandIn(c.Type, v) || seen[v] {
			return anchorhold.Errorf(anchorhold.Invalid, "write each value once, as it stands in the data: "+"sex=0,1 or ward=north,south",
				"the closed set of %q holds a value twice, or one that no %s can have", c.Name, c.Type)
		}
		seen[v] = true
	}
	return nil
}

// canStandIn says whether a column of a type can hold what a text says.
func canStandIn(t anchorhold.ColumnType, v string) bool {
	switch t {
	case anchorhold.TypeInt:
		r, ok := anchorhold.ParseDecimal(v)
		return ok && r.IsInt()
	case anchorhold.TypeBool:
		return v == "true" || v == "false"
	case anchorhold.TypeDate:
		_, err := time.Parse(time.DateOnly, v)
		return err == nil
	case anchorhold.TypeString:
		return len(v) <= maxValue && utf8.ValidString(v) && !strings.ContainsFunc(v, unicode.IsControl)
	default:
		return false
	}
}
