package query

import (
	"math"
	"math/big"
)

// bucket is WIDTH_BUCKET(x, low, high, n): which of n equal parts of a range a value
// is in, from 1; 0 is below, and n+1 from the range's end on. Grouped by, it is a
// histogram whose groups all are known.
func (b *binder) bucket(n *node, args []*phys) (*phys, error) {
	count, _ := n.args[3].isInt()
	lowest, ok := n.args[1].asFloat()
	highest, also := n.args[2].asFloat()
	if !ok || !also || count < 1 || count > mostPublic || !(lowest < highest) || highest-lowest > 1e90 || highest-lowest < 1e-90 {
		return nil, b.refuse(n, "write WIDTH_BUCKET(x, low, high, n) with constants, such as WIDTH_BUCKET(age, 0, 120, 12)", "WIDTH_BUCKET without two ends in order and a number of parts from 1 to 10000")
	}
	three := together(args[:3])
	x, low, high := three[0], three[1], three[2]
	inner, err := b.inRange(n, x, low, high, count)
	if err != nil {
		return nil, err
	}
	zero, last := intConst(0, 0, num), intConst(count+1, 0, num)
	p := newInt(0, num, 0, count+1, "case", boolean2("<", x, low), zero, boolean2(">=", x, high), last, inner)
	p.lo, p.hi = ends(x, low, high, count)
	p.nulls, p.group = x.nulls, x.group
	return p, nil
}

// inRange is the part of a value that is in the range: at most count for others.
func (b *binder) inRange(n *node, x, low, high *phys, count int64) (*phys, error) {
	one, parts := intConst(1, 0, num), intConst(count, 0, num)
	if x.rep == isInt {
		width := high.i - low.i
		if most := new(big.Int).Mul(big.NewInt(width), big.NewInt(count)); fits(most, most) {
			off := newInt(0, num, 0, width, "-", clampInt(x, low.i, high.i), low)
			times := newInt(0, num, 0, width*count, "*", off, parts)
			return newInt(0, num, 1, count+1, "+", newInt(0, num, 0, count, "//", times, intConst(width, 0, num)), one), nil
		}
		x, low, high = toFloat(x), toFloat(low), toFloat(high)
	}
	off, err := b.arithmetic(&node{op: "-", at: n.at}, clampFloat(x, low.flo, high.flo), floatConst(low.flo))
	if err != nil {
		return nil, err
	}
	scaled, err := b.arithmetic(&node{op: "*", at: n.at}, off, floatConst(float64(count)/(high.flo-low.flo)))
	if err != nil {
		return nil, err
	}
	floor := newFloat(0, math.Ceil(scaled.fhi)+1, 1, "floor", scaled)
	part := newInt(0, num, 0, count+1, "toint", floor)
	return clampInt(newInt(0, num, 1, count+2, "+", part, one), 1, count), nil
}

// ends are the parts in which a column's least and greatest value can be.
func ends(x, low, high *phys, count int64) (first, last int64) {
	below, from := x.rep == isInt && x.lo < low.i, x.rep == isInt && x.hi >= high.i
	if x.rep == isFloat {
		below, from = x.flo < low.flo, x.fhi >= high.flo
	}
	if first, last = 1, count; below {
		first = 0
	}
	if from {
		last = count + 1
	}
	return first, last
}
