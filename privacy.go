package anchorhold

import (
	"fmt"
	"math/big"
	"regexp"
	"slices"
	"strings"
)

// Privacy is what an owner states about the people in a dataset, so that its
// questions can be answered under differential privacy without anybody's review.
//
// Nothing of it may be read from the private side: a bound that follows the data
// tells of the data. What is not stated cannot be asked: MissingPrivacy says what lacks
// before the first question.
type Privacy struct {
	Assets    map[string]AssetPrivacy `json:"assets"`
	MaxGroups int                     `json:"max_groups"`      // of one question, to which one unit contributes
	MaxRows   int                     `json:"max_rows"`        // of one unit, in one group
	Size      int64                   `json:"size,omitempty"`  // about how many units there are, as a guess that anybody may read; 0: not stated
	Price     *Price                  `json:"price,omitempty"` // of a question that names none
}

// Price is what one question costs. An empty delta is none: its mechanisms have
// δ = 0.
type Price struct {
	Epsilon string `json:"epsilon"` // decimal
	Delta   string `json:"delta,omitempty"`
}

// AssetPrivacy says whose the rows of a table are: one of Row, Unit, Via and
// Public.
type AssetPrivacy struct {
	Row    bool     `json:"row,omitempty"`    // each row is a unit of its own
	Unit   []string `json:"unit,omitempty"`   // the columns that name a unit
	Via    *Via     `json:"via,omitempty"`    // the unit stands in another table
	Public bool     `json:"public,omitempty"` // about nobody: codes, places, calendars
	Key    []string `json:"key,omitempty"`    // of a public table: the columns that name one of its rows, by which others join it

	Columns map[string]ColumnPrivacy `json:"columns,omitempty"`
}

// Via leads from the rows of a table to those of another that say whose they
// are: a foreign key, or a table that maps people to households. The key MUST
// be unique there: rows whose key several rows have belong to each of their units,
// and what is proved of a unit is proved of what the rows say that name it.
type Via struct {
	Columns []string `json:"columns"` // of this table
	Asset   string   `json:"asset"`
	Key     []string `json:"key"` // of that one, as many
}

// ColumnPrivacy says what may be asked of a column: a range, a closed set, or
// nothing. A column without any can be compared and counted, but not summed.
type ColumnPrivacy struct {
	Low    string   `json:"low,omitempty"` // decimal, or a date
	High   string   `json:"high,omitempty"`
	Domain []string `json:"domain,omitempty"` // every value that there can be
	Never  bool     `json:"never,omitempty"`  // not in any question
}

// Bounded says whether the column has a range.
func (c ColumnPrivacy) Bounded() bool { return c.Low != "" || c.High != "" }

// UnitOf follows the tables from one to the one whose columns name the unit, or
// whose rows are units; it is false where they lead nowhere, in a circle, or to a
// table that is about nobody.
func (p *Privacy) UnitOf(asset string) (path []Via, at AssetPrivacy, ok bool) {
	for range p.Assets {
		at, ok = p.Assets[asset]
		if !ok || at.Via == nil {
			return path, at, ok && (at.Row || len(at.Unit) > 0 || at.Public && len(path) == 0)
		}
		path = append(path, *at.Via)
		asset = at.Via.Asset
	}
	return nil, AssetPrivacy{}, false
}

// MissingPrivacy says what an owner has yet to state before anything is answered; a
// dataset for which it says something is review only.
func (d Dataset) MissingPrivacy() []string {
	if d.Privacy == nil {
		return []string{"whose the rows are: --unit COLUMN, or --unit row where each row is somebody else"}
	}
	out := d.Ambiguous()
	for _, a := range d.Assets {
		if a.Kind != KindTable {
			continue
		}
		if _, _, ok := d.Privacy.UnitOf(a.Name); !ok {
			out = append(out, fmt.Sprintf("whose the rows of %s are: --unit %s.COLUMN, --unit %s=row, --via %s.COLUMN=OTHER.KEY, or --public %s", a.Name, a.Name, a.Name, a.Name, a.Name))
		}
	}
	if d.Privacy.MaxGroups < 1 {
		out = append(out, "to how many groups of one question one unit may contribute: --max-groups N")
	}
	if d.Privacy.MaxRows < 1 {
		out = append(out, "how many rows of one unit may count in one group: --max-rows N")
	}
	return out
}

// Ambiguous says which names differ in nothing but their case: in SQL they are the
// same.
func (d Dataset) Ambiguous() []string {
	var out []string
	tables := map[string]string{}
	for _, a := range d.Assets {
		if a.Kind != KindTable {
			continue
		}
		if other, ok := tables[strings.ToLower(a.Name)]; ok {
			out = append(out, fmt.Sprintf("other names for the tables %s and %s, which differ in their case alone", other, a.Name))
		}
		tables[strings.ToLower(a.Name)] = a.Name
		columns := map[string]string{}
		for _, c := range a.Version.Columns {
			if other, ok := columns[strings.ToLower(c.Name)]; ok {
				out = append(out, fmt.Sprintf("other names for the columns %s and %s of %s, which differ in their case alone", other, c.Name, a.Name))
			}
			columns[strings.ToLower(c.Name)] = c.Name
		}
	}
	return out
}

// WorstCases says in words how far one unit can move an answer, for every column
// with a range.
func (d Dataset) WorstCases() []string {
	if d.Privacy == nil || len(d.MissingPrivacy()) > 0 {
		return nil
	}
	var out []string
	for _, a := range d.Assets {
		_, at, ok := d.Privacy.UnitOf(a.Name)
		if !ok || at.Public {
			continue
		}
		rows, groups := d.Privacy.MaxRows, d.Privacy.MaxGroups
		if d.Privacy.Assets[a.Name].Row {
			rows, groups = 1, 1
		}
		who := "one row"
		if !at.Row {
			who = "one " + strings.Join(at.Unit, "+")
		}
		out = append(out, fmt.Sprintf("%s: %s can move a count by at most %d, in %s", a.Name, who, rows, groupsText(groups)))
		for _, name := range sortedKeys(d.Privacy.Assets[a.Name].Columns) {
			c := d.Privacy.Assets[a.Name].Columns[name]
			if most, ok := c.largest(); ok {
				most.Mul(most, new(big.Rat).SetInt64(int64(rows)))
				out = append(out, fmt.Sprintf("%s: %s can move a sum of %s by at most %s in a group", a.Name, who, name, decimalText(most)))
			}
		}
	}
	return out
}

func groupsText(n int) string {
	if n == 1 {
		return "one group"
	}
	return fmt.Sprintf("%d groups of a question", n)
}

// largest is the largest distance from 0 that a value of the range has.
func (c ColumnPrivacy) largest() (*big.Rat, bool) {
	low, ok := ParseDecimal(c.Low)
	high, also := ParseDecimal(c.High)
	if !ok || !also {
		return nil, false
	}
	low.Abs(low)
	high.Abs(high)
	if low.Cmp(high) > 0 {
		return low, true
	}
	return high, true
}

// decimal is a number as an owner writes it; an exponent of more than two digits
// would be a number that nobody means, and takes long to read.
var decimal = regexp.MustCompile(`^-?[0-9]{1,30}(\.[0-9]{1,30})?([eE]-?[0-9]{1,2})?$`)

// ParseDecimal reads a decimal number exactly, such as -0.5 or 1e-6.
func ParseDecimal(text string) (*big.Rat, bool) {
	if !decimal.MatchString(text) {
		return nil, false
	}
	return new(big.Rat).SetString(text)
}

// decimalText writes a number with as many digits as it has: those of a decimal
// number are finite.
func decimalText(r *big.Rat) string {
	n, exact := r.FloatPrec()
	if !exact {
		n = 6
	}
	return r.FloatString(n)
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
