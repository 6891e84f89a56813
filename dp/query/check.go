package query

import (
	"errors"
	"fmt"
	"math"
	"math/big"
	"slices"
)

// Check holds what an engine returned for a part against what can be true of
// it. Rows are keys, then the bin in a bins part, then the columns; integers
// are int64 or *big.Int. The engine and what ran it are not trusted: what is
// out of range is refused, and no value is named.
func (p *Part) Check(rows [][]any) error {
	if int64(len(rows)) > p.Most() {
		return errors.New("more groups than there can be")
	}
	if len(p.Set) == 0 && p.Aggregate < 0 && len(rows) != 1 {
		return errors.New("not one row for the whole")
	}
	seen := make(map[string]bool, len(rows))
	for _, row := range rows {
		id, err := p.checkRow(row)
		if err != nil {
			return err
		}
		if seen[id] {
			return errors.New("a group twice")
		}
		seen[id] = true
	}
	return nil
}

// Result is one column of the rows that an engine returns for a part.
type Result struct {
	Name        string
	Type        Type // Bool, Int or Text: dates are days, timestamps microseconds
	Nullable    bool
	Least, Most *big.Int // of an integer
}

// Results are the columns of a part's rows, in their order, each with what
// it can hold whatever the others do.
func (p *Part) Results() []Result {
	var all []Result
	for i, k := range p.Keys {
		r := Result{Name: fmt.Sprintf("k%d", i+1), Type: k.Type, Nullable: p.Public == nil || k.null, Least: big.NewInt(math.MinInt64), Most: big.NewInt(math.MaxInt64)}
		if k.Type != Bool && k.Type != Text {
			r.Type = Int
		}
		all = append(all, r)
	}
	if p.Aggregate >= 0 {
		all = append(all, Result{Name: "bin", Type: Int, Least: new(big.Int), Most: big.NewInt(p.bins.Count - 1)})
	}
	for _, c := range p.Columns {
		all = append(all, Result{Name: c.Name, Type: Int, Least: times2(min(c.Lo, 0), mostUnits), Most: times2(max(c.Hi, 0), mostUnits)})
	}
	return all
}

// Most is how many rows a part can have: of a bins part whose groups were selected,
// those of as many groups as can be named at once.
func (p *Part) Most() int64 {
	switch {
	case p.Aggregate >= 0:
		return int64(p.MostGroups()) * p.bins.Count
	case p.Public != nil:
		return int64(len(p.Public))
	}
	return mostGroups
}

// MostGroups is how many groups of a bins part can be asked for at once.
func (p *Part) MostGroups() int {
	if p.Public != nil {
		return len(p.Public)
	}
	return int(mostCells / p.bins.Count)
}

func (p *Part) checkRow(row []any) (string, error) {
	keys, want := len(p.Keys), len(p.Keys)+len(p.Columns)
	if p.Aggregate >= 0 {
		want++
	}
	if len(row) != want {
		return "", errors.New("another number of columns")
	}
	id := ""
	for i, k := range p.Keys {
		if err := k.check(row[i], p.Public != nil); err != nil {
			return "", err
		}
		id += fmt.Sprintf("%q|", fmt.Sprint(row[i]))
		if row[i] == nil {
			id += "NULL"
		}
	}
	if p.Aggregate >= 0 {
		bin, ok := row[keys].(int64)
		if !ok || bin < 0 || bin >= p.bins.Count {
			return "", errors.New("a bin that is not there")
		}
		n, ok := integerOf(row[keys+1])
		if !ok || n.Sign() < 0 || n.Cmp(times2(p.Columns[0].Hi, mostUnits)) > 0 {
			return "", errors.New("a number of rows out of range")
		}
		return id + fmt.Sprint(bin), nil
	}
	return id, p.checkColumns(row[keys:])
}

func (k Key) check(v any, public bool) error {
	ok := v == nil
	switch v.(type) {
	case bool:
		ok = k.Type == Bool
	case string:
		ok = k.Type == Text
	case int64:
		ok = k.Type != Bool && k.Type != Text
	}
	if !ok {
		return errors.New("a key of another type")
	}
	if public && !slices.Contains(k.set, v) {
		return errors.New("a group that is not public")
	}
	return nil
}

// checkColumns holds each sum against the number of units that made it.
func (p *Part) checkColumns(values []any) error {
	units, ok := integerOf(values[0])
	if !ok || units.Sign() < 0 || len(p.Keys) > 0 && units.Cmp(big.NewInt(max(1, p.Least))) < 0 || units.Cmp(big.NewInt(mostUnits)) > 0 {
		return errors.New("a number of units out of range")
	}
	for i, c := range p.Columns[1:] {
		v, ok := integerOf(values[i+1])
		lo, hi := times2(min(c.Lo, 0), units.Int64()), times2(max(c.Hi, 0), units.Int64())
		if !ok || v.Cmp(lo) < 0 || v.Cmp(hi) > 0 {
			return errors.New("a sum beyond what its units can make")
		}
	}
	return nil
}

func times2(a, b int64) *big.Int { return new(big.Int).Mul(big.NewInt(a), big.NewInt(b)) }

func integerOf(v any) (*big.Int, bool) {
	switch v := v.(type) {
	case int64:
		return big.NewInt(v), true
	case *big.Int:
		return v, v != nil
	}
	return nil, false
}
