package mock

import (
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/anchorhold/anchorhold"
)

// number reads a fact's value, which may come from JSON or from Go.
func number(v any) (float64, bool) {
	var f float64
	switch v := v.(type) {
	case float64:
		f = v
	case int:
		f = float64(v)
	case int64:
		f = float64(v)
	case json.Number:
		n, err := v.Float64()
		if err != nil {
			return 0, false
		}
		f = n
	default:
		return 0, false
	}
	return f, !math.IsNaN(f) && !math.IsInf(f, 0)
}

// bound reads the fact min or max of a column in the units that it is drawn
// in: numbers, days or microseconds.
func (c *column) bound(name string) (v float64, known bool, err error) {
	f, ok := c.Fact(name)
	if !ok {
		return 0, false, nil
	}
	switch c.base {
	case anchorhold.TypeDate, anchorhold.TypeTimestamp:
		v, ok = moment(c.base, f.Value)
		if !ok {
			return 0, false, wrong("write it as 2024-12-31 or 2024-12-31T23:59:59Z", "the fact %q of the column %q is not a date", name, c.Name)
		}
	default:
		if v, ok = number(f.Value); !ok {
			return 0, false, wrong("state a number", "the fact %q of the column %q is not a number", name, c.Name)
		}
	}
	return v, true, nil
}

// moment reads a date or time as days or microseconds since 1970.
func moment(t anchorhold.ColumnType, v any) (float64, bool) {
	text, ok := v.(string)
	if !ok {
		return 0, false
	}
	at, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		if at, err = time.Parse(time.DateOnly, text); err != nil {
			return 0, false
		}
	}
	if t == anchorhold.TypeDate {
		return float64(at.Unix() / 86400), true
	}
	return float64(at.UnixMicro()), true
}

// defaults are the ranges of columns without stated bounds, and how wide a
// range is of which only one end is stated.
func defaults(t anchorhold.ColumnType) (low, high float64) {
	const firstDay, lastDay = 10957, 18261 // 2000-01-01 and 2019-12-31
	switch t {
	case anchorhold.TypeFloat:
		return 0, 1
	case anchorhold.TypeDate:
		return firstDay, lastDay
	case anchorhold.TypeTimestamp:
		return firstDay * 86400e6, (lastDay+1)*86400e6 - 1e6
	}
	return 0, 100
}

// bounds gives the range that a column is drawn from.
func (c *column) bounds() (low, high float64, err error) {
	low, hasLow, err := c.bound(anchorhold.FactMin)
	if err != nil {
		return 0, 0, err
	}
	high, hasHigh, err := c.bound(anchorhold.FactMax)
	if err != nil {
		return 0, 0, err
	}
	from, to := defaults(c.base)
	switch {
	case !hasLow && !hasHigh:
		low, high = from, to
	case !hasLow:
		low = high - (to - from)
	case !hasHigh:
		high = low + (to - from)
	}
	if low > high {
		return 0, 0, wrong("exchange them", "the fact min of the column %q is larger than its max", c.Name)
	}
	return low, high, nil
}

// Whole numbers beyond exact are not exact as JSON numbers. Times are written as
// text and may go on to latest, in microseconds.
const (
	exact  = 1 << 53
	latest = 1e18
)

func (c *column) fromWholes(unique bool) error {
	low, high, err := c.bounds()
	if err != nil {
		return err
	}
	low, high = math.Ceil(low), math.Floor(high)
	limit := float64(exact)
	if c.base == anchorhold.TypeTimestamp {
		limit = latest
	}
	if low > high || low < -limit || high > limit {
		return wrong("state bounds with a whole number between them, within ±2^53", "no whole number lies within the bounds of the column %q", c.Name)
	}
	c.low, c.high = low, high
	grain := 1.0
	if c.base == anchorhold.TypeTimestamp && high-low >= 1e6 {
		grain = 1e6 // whole seconds
	}
	count := int64((high-low)/grain) + 1
	if !unique {
		c.draw = func() value { return value{whole: int64(low) + c.rng.Int64N(count)*int64(grain)} }
		return nil
	}
	if _, bounded := c.Fact(anchorhold.FactMax); count < int64(c.rows) && bounded {
		return tooFew(count, "widen its bounds or state fewer rows", "the column %q cannot have a value of its own in each of %d rows within its bounds", c.Name, c.rows)
	}
	next := c.permutation()
	c.draw = func() value { return value{whole: int64(low) + next()*int64(grain)} }
	return nil
}

func (c *column) fromReals(unique bool) error {
	low, high, err := c.bounds()
	if err != nil {
		return err
	}
	c.low, c.high = low, high
	c.digits = max(1, decimals(low), decimals(high))
	if unique || high-low < 1 {
		c.digits = 6
	}
	scale := math.Pow10(c.digits)
	span := high - low
	if unique {
		next := c.permutation()
		c.draw = func() value { return value{real: low + span*float64(next())/float64(c.rows)} }
		return nil
	}
	c.draw = func() value {
		v := low + span*c.rng.Float64()
		if r := math.Round(v*scale) / scale; r >= low && r <= high && !math.IsInf(r, 0) {
			v = r
		}
		return value{real: v}
	}
	return nil
}

// decimals counts the digits that a number is written with after its point.
func decimals(f float64) int {
	text := strconv.FormatFloat(f, 'f', -1, 64)
	if i := strings.IndexByte(text, '.'); i >= 0 {
		return min(6, len(text)-i-1)
	}
	return 0
}

// fromCategories draws from a closed set of values.
func (c *column) fromCategories(f anchorhold.Fact) error {
	list, err := c.list(f.Value)
	if err != nil {
		return err
	}
	if len(list) == 0 {
		return wrong("list at least one value, or leave the fact out", "the fact %q of the column %q is empty", f.Name, c.Name)
	}
	for i, v := range list {
		at := v.real + float64(v.whole)
		if i == 0 {
			c.low, c.high = at, at
		}
		c.low, c.high = min(c.low, at), max(c.high, at)
	}
	c.draw = func() value { return list[c.rng.IntN(len(list))] }
	return nil
}

// fromKeys draws from the values of the column that it refers to, so that a join
// finds rows on both sides.
func (c *column) fromKeys(f anchorhold.Fact, keys []any, unique bool) error {
	list, err := c.list(keys)
	if err != nil {
		return err
	}
	if len(list) == 0 {
		return wrong("have a mock made of it first, or leave the fact out", "the column %q refers to %v, which has no mock with values", c.Name, f.Value)
	}
	if !unique {
		c.draw = func() value { return list[c.rng.IntN(len(list))] }
		return nil
	}
	if len(list) < c.rows {
		return tooFew(int64(len(list)), "state fewer rows", "the column %q cannot have a value of its own in each of %d rows: it refers to a mock of fewer", c.Name, c.rows)
	}
	next := permutationOf(c.rng, int64(len(list)))
	c.draw = func() value { return list[next()] }
	return nil
}

// list reads categories as values of the column's type.
func (c *column) list(v any) ([]value, error) {
	var items []any
	switch v := v.(type) {
	case []any:
		items = v
	case []string:
		for _, s := range v {
			items = append(items, s)
		}
	case []float64:
		for _, f := range v {
			items = append(items, f)
		}
	}
	out := make([]value, 0, len(items))
	for _, item := range items {
		got, ok := c.category(item)
		if !ok {
			return nil, wrong("list values of that type", "a category of the column %q is not of its type, %s", c.Name, c.Type)
		}
		out = append(out, got)
	}
	return out, nil
}

func (c *column) category(item any) (value, bool) {
	switch c.base {
	case anchorhold.TypeString:
		if s, ok := item.(string); ok {
			return value{text: s}, true
		}
		f, ok := number(item)
		return value{text: strconv.FormatFloat(f, 'f', -1, 64)}, ok
	case anchorhold.TypeInt:
		f, ok := number(item)
		return value{whole: int64(f)}, ok && f == math.Trunc(f) && math.Abs(f) <= exact
	case anchorhold.TypeFloat:
		f, ok := number(item)
		c.digits = max(c.digits, decimals(f))
		return value{real: f}, ok
	case anchorhold.TypeBool:
		b, ok := item.(bool)
		if b {
			return value{whole: 1}, ok
		}
		return value{}, ok
	}
	at, ok := moment(c.base, item)
	return value{whole: int64(at)}, ok
}
