package query

import (
	"math"
	"math/big"
)

// rep is how a value is held while it is computed, the same in every engine.
type rep uint8

const (
	isBool  rep = iota
	isInt       // 64 bits: value·10^scale, days since 1970, or microseconds since 1970
	isFloat     // 64 bits, never NaN
	isText
)

// phys is an expression that an engine computes. It is total: it gives a value
// of its range, or NULL, for any row. What emit knows is the list of its ops.
type phys struct {
	op    string
	args  []*phys
	rep   rep
	class class
	scale int // of an integer that is a number

	lo, hi   int64   // the range of an integer
	flo, fhi float64 // the range of a double
	tiny     float64 // a double is 0 or at least as far from it
	open     bool    // the owner states no bounds: it can only be compared
	nulls    bool    // can be NULL
	group    bool    // NULL is a group of its own
	set      []any   // every value that it can have, but NULL, where they are few
	unit     int     // the unit's component that it is, from 1
	key      int     // the component of a public table's key that it is, from 1
	kept     bool    // op "col": what it names was clamped to the range
	raw      *phys   // op "col" of a closed set: the same with any value
	cost     float64 // how long it is when it is written
	grow     float64 // how many times longer than a column's a text can be

	name string  // op "col"; the part of "datepart" and "datetrunc"
	of   *Column // op "leaf": the column as the table has it
	from string  // op "leaf": the table it is of
	i    int64   // op "int"
	f    float64 // op "float"
	s    string  // op "text"
	b    bool    // op "bool"
}

func (p *phys) with(op string, args ...*phys) *phys {
	p.op, p.args = op, args
	for _, a := range args {
		p.nulls = p.nulls || a.nulls
		p.group = p.group || a.group
	}
	return p.priced()
}

// priced adds up how long an expression is when it is written: some operations
// write what they are of several times.
func (p *phys) priced() *phys {
	p.cost = 1
	for _, a := range p.args {
		p.cost += max(a.cost, 1)
	}
	switch p.op {
	case "clamp", "sign", "mean", "total":
		p.cost *= 3
	case "flush", "sqrt", "closed", "totext", "textint", "textfloat":
		p.cost *= 2
	}
	return p
}

func intConst(v int64, scale int, c class) *phys {
	return &phys{op: "int", rep: isInt, class: c, i: v, scale: scale, lo: v, hi: v, set: []any{v}}
}

func floatConst(v float64) *phys {
	return &phys{op: "float", rep: isFloat, class: num, f: v, flo: v, fhi: v, tiny: math.Abs(v)}
}

func boolean2(op string, args ...*phys) *phys {
	return (&phys{rep: isBool, class: boolean, set: []any{false, true}}).with(op, args...)
}

// newInt makes an integer operation with the range [lo, hi].
func newInt(scale int, c class, lo, hi int64, op string, args ...*phys) *phys {
	return (&phys{rep: isInt, class: c, scale: scale, lo: lo, hi: hi}).with(op, args...)
}

func newFloat(lo, hi, tiny float64, op string, args ...*phys) *phys {
	return (&phys{rep: isFloat, class: num, flo: lo, fhi: hi, tiny: tiny}).with(op, args...)
}

// values gives every value that p can have but NULL, where there are at most
// so many.
func (p *phys) values(most int64) ([]any, bool) {
	if p.set != nil {
		return p.set, int64(len(p.set)) <= most
	}
	if p.rep != isInt || p.open || p.hi-p.lo >= most || p.hi-p.lo < 0 {
		return nil, false
	}
	var all []any
	for v := p.lo; v <= p.hi; v++ {
		all = append(all, v)
	}
	return all, true
}

// fits says whether the range of an exact operation can be held.
func fits(lo, hi *big.Int) bool {
	most := big.NewInt(mostInt)
	return lo.CmpAbs(most) <= 0 && hi.CmpAbs(most) <= 0
}

// corners gives the least and the greatest of an operation on two ranges.
func corners(x, y *phys, f func(r, a, b *big.Int) *big.Int) (lo, hi *big.Int) {
	for _, a := range []int64{x.lo, x.hi} {
		for _, b := range []int64{y.lo, y.hi} {
			v := f(new(big.Int), big.NewInt(a), big.NewInt(b))
			if lo == nil || v.Cmp(lo) < 0 {
				lo = v
			}
			if hi == nil || v.Cmp(hi) > 0 {
				hi = v
			}
		}
	}
	return lo, hi
}

// rescale gives an integer with more digits behind the point; nil where they
// do not fit.
func rescale(x *phys, scale int) *phys {
	if x.scale == scale {
		return x
	}
	by := pow10(scale - x.scale)
	lo, hi := new(big.Int).Mul(big.NewInt(x.lo), by), new(big.Int).Mul(big.NewInt(x.hi), by)
	if x.open || !by.IsInt64() || !fits(lo, hi) {
		return nil
	}
	if x.op == "int" {
		return intConst(lo.Int64(), scale, x.class)
	}
	return newInt(scale, x.class, lo.Int64(), hi.Int64(), "*", x, intConst(by.Int64(), 0, num))
}

// align brings two numbers to one form: exact where both can be, doubles
// otherwise.
func align(x, y *phys) (*phys, *phys) {
	if x.rep == isInt && y.rep == isInt {
		scale := max(x.scale, y.scale)
		if a, b := rescale(x, scale), rescale(y, scale); a != nil && b != nil {
			return a, b
		}
	}
	return toFloat(x), toFloat(y)
}

// toFloat gives a number as a double.
func toFloat(x *phys) *phys {
	if x.rep != isInt {
		return x
	}
	unit := math.Pow10(x.scale)
	if x.op == "int" {
		return floatConst(float64(x.i) / unit)
	}
	p := newFloat(float64(x.lo)/unit, float64(x.hi)/unit, 1/unit/2, "tofloat", x)
	p.scale, p.open = x.scale, x.open
	return p
}

// flush reads doubles next to 0 as 0, so that a product of two is either 0
// because one of them is, or not 0 in any engine.
func flush(x *phys) *phys {
	if x.tiny >= flushed {
		return x
	}
	return newFloat(x.flo, x.fhi, flushed, "flush", x)
}

func (p *phys) size() float64 { return max(math.Abs(p.flo), math.Abs(p.fhi)) }

// clamp gives x no further than [lo, hi], which is within its own form.
func clampInt(x *phys, lo, hi int64) *phys {
	p := newInt(x.scale, x.class, min(max(x.lo, lo), hi), max(min(x.hi, hi), lo), "clamp", x, intConst(lo, x.scale, x.class), intConst(hi, x.scale, x.class))
	p.nulls, p.group, p.unit = x.nulls, x.group, x.unit
	return p
}

func clampFloat(x *phys, lo, hi float64) *phys {
	tiny := x.tiny
	for _, f := range []float64{lo, hi} {
		if f != 0 {
			tiny = min(tiny, math.Abs(f))
		}
	}
	return newFloat(min(max(x.flo, lo), hi), max(min(x.fhi, hi), lo), tiny, "clamp", x, floatConst(lo), floatConst(hi))
}

// floorDiv divides an integer by a positive constant, rounding down.
func floorDiv(x *phys, by int64) *phys {
	if by == 1 {
		return x
	}
	up := int64(0)
	if x.lo < 0 {
		up = (-x.lo + by - 1) / by
	}
	lo, hi := floorOf(x.lo, by), floorOf(x.hi, by)
	if up == 0 {
		return newInt(x.scale, x.class, lo, hi, "//", x, intConst(by, 0, num))
	}
	moved := newInt(x.scale, x.class, x.lo+up*by, x.hi+up*by, "+", x, intConst(up*by, 0, num))
	q := newInt(x.scale, x.class, lo+up, hi+up, "//", moved, intConst(by, 0, num))
	return newInt(x.scale, x.class, lo, hi, "-", q, intConst(up, 0, num))
}

func floorOf(v, by int64) int64 {
	q := v / by
	if v%by < 0 {
		q--
	}
	return q
}

// roundOff gives an integer with fewer digits behind the point, halves away
// from zero.
func roundOff(x *phys, scale int) *phys {
	by := pow10(x.scale - scale).Int64()
	half := intConst(by/2, 0, num)
	div := func(y *phys) *phys {
		sum := newInt(scale, num, 0, mostInt, "+", y, half)
		return newInt(scale, num, 0, mostInt, "//", sum, intConst(by, 0, num))
	}
	neg := newInt(scale, num, 0, mostInt, "neg", x)
	p := newInt(scale, num, roundTo(x.lo, by), roundTo(x.hi, by), "case", boolean2(">=", x, intConst(0, x.scale, num)), div(x),
		newInt(scale, num, 0, mostInt, "neg", div(neg)))
	p.nulls = x.nulls
	return p
}

func roundTo(v, by int64) int64 {
	if v < 0 {
		return -((-v + by/2) / by)
	}
	return (v + by/2) / by
}
