package query

import (
	"fmt"
	"math"
	"math/big"
	"slices"
)

func (b *binder) number(n *node, args []*phys) (*phys, error) { //nolint:cyclop // a list, one case for each
	for i, a := range args {
		if a.op == "null" && a.class == null {
			return nullAs(a, intConst(0, 0, num)), nil
		}
		if a.class == num && !b.bounded(a) {
			args[i] = intConst(0, 0, num) // the question fails; others may be missing too
		}
	}
	switch n.op {
	case "+", "-", "*":
		return b.arithmetic(n, args[0], args[1])
	case "/":
		return b.divide(n, toFloat(args[0]), toFloat(args[1]))
	case "//", "%":
		return b.wholes(n, args[0], args[1])
	case "neg":
		x := args[0]
		if x.rep == isInt {
			return newInt(x.scale, num, -x.hi, -x.lo, "neg", x), nil
		}
		return newFloat(-x.fhi, -x.flo, x.tiny, "neg", x), nil
	case "abs", "sign", "floor", "ceil", "round", "sqrt":
		return b.unary(n, args[0])
	case "bucket":
		return b.bucket(n, args)
	case "length":
		return newInt(0, num, 0, math.MaxInt32, "length", args...), nil
	case "strpos":
		return newInt(0, num, 0, math.MaxInt32, "strpos", args...), nil
	case "part":
		return datePart(n.str, args[0]), nil
	case "datediff":
		return newInt(0, num, args[0].lo-args[1].hi, args[0].hi-args[1].lo, "-", args...), nil
	}
	return nil, b.refuse(n, "write it in another way", "an expression that cannot be used here")
}

func (b *binder) arithmetic(n *node, x, y *phys) (*phys, error) {
	if x.rep == isInt && y.rep == isInt {
		if p := exact(n.op, x, y); p != nil {
			return p, nil
		}
	}
	x, y = toFloat(x), toFloat(y)
	if n.op == "*" {
		if x.tiny*y.tiny < leastFloat {
			x, y = flush(x), flush(y)
		}
		if x.size()*y.size() > mostFloat {
			return nil, b.refuse(n, "scale its parts first", "a product that can be too large")
		}
		c := []float64{x.flo * y.flo, x.flo * y.fhi, x.fhi * y.flo, x.fhi * y.fhi}
		return newFloat(slices.Min(c), slices.Max(c), x.tiny*y.tiny*(1-1e-9), "*", x, y), nil
	}
	lo, hi := x.flo+y.flo, x.fhi+y.fhi
	if n.op == "-" {
		lo, hi = x.flo-y.fhi, x.fhi-y.flo
	}
	if max(math.Abs(lo), math.Abs(hi)) > mostFloat {
		return nil, b.refuse(n, "scale its parts first", "a sum that can be too large")
	}
	return newFloat(lo, hi, max(math.SmallestNonzeroFloat64, math.Ldexp(min(x.tiny, y.tiny), -54)), n.op, x, y), nil
}

// exact computes with integers; nil where the result may not fit.
func exact(op string, x, y *phys) *phys {
	f, scale := (*big.Int).Mul, x.scale+y.scale
	if op != "*" {
		scale = max(x.scale, y.scale)
		if x, y = rescale(x, scale), rescale(y, scale); x == nil || y == nil {
			return nil
		}
		if f = (*big.Int).Add; op == "-" {
			f = (*big.Int).Sub
		}
	}
	lo, hi := corners(x, y, f)
	if scale > 9 || !fits(lo, hi) {
		return nil
	}
	return newInt(scale, num, lo.Int64(), hi.Int64(), op, x, y)
}

// divide gives NULL for a division by 0.
func (b *binder) divide(n *node, x, y *phys) (*phys, error) {
	y, x = flush(y), flush(x)
	least := y.tiny
	if y.flo > 0 || y.fhi < 0 {
		least = max(least, min(math.Abs(y.flo), math.Abs(y.fhi)))
	}
	if y.size() == 0 {
		return nullAs(&phys{op: "null", class: null, nulls: true, group: true}, floatConst(0)), nil
	}
	size := x.size() / least
	if size > mostFloat {
		return nil, b.refuse(n, "state or filter the divisor's range", "a quotient that can be too large")
	}
	lo, hi := -size, size
	if x.flo >= 0 && y.flo >= 0 || x.fhi <= 0 && y.fhi <= 0 {
		lo = 0
	}
	if x.fhi <= 0 && y.flo >= 0 || x.flo >= 0 && y.fhi <= 0 {
		hi = 0
	}
	zero := newFloat(y.flo, y.fhi, y.tiny, "nullif", y, floatConst(0))
	p := newFloat(lo, hi, x.tiny/y.size()*(1-1e-9), "/", x, zero)
	p.nulls, p.group = true, true
	return p, nil
}

// wholes is division of whole numbers, towards zero, and its rest.
func (b *binder) wholes(n *node, x, y *phys) (*phys, error) {
	if x.rep != isInt || y.rep != isInt || x.scale != 0 || y.scale != 0 {
		return nil, b.refuse(n, "use FLOOR(x / y), or cast both to BIGINT", "// or % of numbers that are not whole")
	}
	lo, hi := wholeRange(n.op, x, y)
	if y.op == "int" && y.i > 0 {
		return newInt(0, num, lo, hi, n.op, x, y), nil
	}
	zero := newInt(0, num, y.lo, y.hi, "nullif", y, intConst(0, 0, num))
	p := newInt(0, num, lo, hi, n.op, x, zero)
	p.nulls, p.group = true, true
	return p, nil
}

// wholeRange is the range of x // y or x % y, which has the sign of x.
func wholeRange(op string, x, y *phys) (lo, hi int64) {
	if op == "//" && y.op == "int" && y.i > 0 {
		return x.lo / y.i, x.hi / y.i
	}
	size := max(x.hi, -x.lo)
	if op == "%" {
		size = max(min(size, max(y.hi, -y.lo)-1), 0)
	}
	lo, hi = -size, size
	if x.lo >= 0 && (op == "%" || y.lo >= 0) {
		lo = 0
	}
	return lo, hi
}

func (b *binder) unary(n *node, x *phys) (*phys, error) {
	digits := 0
	if n.op == "round" && len(n.args) == 2 {
		d, _ := n.args[1].isInt()
		digits = int(min(d, 9))
	}
	if x.rep == isInt {
		return intUnary(n.op, x, digits)
	}
	lo, hi := x.flo, x.fhi
	switch n.op {
	case "abs":
		low := 0.0
		if lo > 0 || hi < 0 {
			low = min(math.Abs(lo), math.Abs(hi))
		}
		return newFloat(low, x.size(), x.tiny, "abs", x), nil
	case "sign":
		p := newInt(0, num, -1, 1, "sign", x)
		return p, nil
	case "floor", "ceil":
		return newFloat(math.Floor(lo), math.Ceil(hi), 1, n.op, x), nil
	case "sqrt":
		p := newFloat(0, math.Sqrt(max(hi, 0)), math.Sqrt(x.tiny)*(1-1e-9), "sqrt", x)
		p.nulls, p.group = p.nulls || lo < 0, p.group || lo < 0
		return p, nil
	}
	return b.roundFloat(n, x, digits)
}

// roundFloat rounds halves away from zero.
func (b *binder) roundFloat(n *node, x *phys, digits int) (*phys, error) {
	unit := floatConst(math.Pow10(digits))
	scaled, err := b.arithmetic(&node{op: "*", at: n.at}, x, unit)
	if err != nil {
		return nil, err
	}
	up := newFloat(0, math.Ceil(scaled.fhi)+1, 1, "floor", newFloat(0, scaled.fhi+1, math.SmallestNonzeroFloat64, "+", scaled, floatConst(0.5)))
	down := newFloat(0, math.Ceil(-scaled.flo)+1, 1, "floor", newFloat(0, 1-scaled.flo, math.SmallestNonzeroFloat64, "-", floatConst(0.5), scaled))
	p := newFloat(math.Floor(scaled.flo)-1, math.Ceil(scaled.fhi)+1, 1, "case", boolean2(">=", scaled, floatConst(0)), up, newFloat(0, 0, 1, "neg", down))
	p.nulls, p.group = x.nulls, x.group
	if digits == 0 {
		return p, nil
	}
	return newFloat(p.flo/unit.f, p.fhi/unit.f, 0.5/unit.f, "/", p, unit), nil
}

func intUnary(op string, x *phys, digits int) (*phys, error) {
	switch op {
	case "abs":
		lo := int64(0)
		if x.lo > 0 {
			lo = x.lo
		} else if x.hi < 0 {
			lo = -x.hi
		}
		return newInt(x.scale, num, lo, max(x.hi, -x.lo), "abs", x), nil
	case "sign":
		return newInt(0, num, -1, 1, "sign", x), nil
	case "floor":
		p := floorDiv(x, pow10(x.scale).Int64())
		return unscaled(p), nil
	case "ceil":
		neg := newInt(x.scale, num, -x.hi, -x.lo, "neg", x)
		p := unscaled(floorDiv(neg, pow10(x.scale).Int64()))
		return newInt(0, num, -p.hi, -p.lo, "neg", p), nil
	case "sqrt":
		f := toFloat(x)
		p := newFloat(0, math.Sqrt(max(f.fhi, 0)), math.Sqrt(f.tiny)*(1-1e-9), "sqrt", f)
		p.nulls, p.group = p.nulls || x.lo < 0, p.group || x.lo < 0
		return p, nil
	}
	if digits >= x.scale {
		return x, nil
	}
	return roundOff(x, digits), nil
}

// unscaled reads an integer that was divided by its scale as whole.
func unscaled(p *phys) *phys {
	q := *p
	q.scale = 0
	return &q
}

// roundFloatAt gives a double as an integer of 10^-scale, halves to even.
func (b *binder) roundFloatAt(n *node, x *phys, scale int) (*phys, error) {
	y, err := b.arithmetic(&node{op: "*", at: n.at}, x, floatConst(math.Pow10(scale)))
	if err != nil {
		return nil, err
	}
	if y.size() > float64(mostInt) {
		return nil, b.refuse(n, fmt.Sprintf("clamp it first: LEAST(GREATEST(x, 0), %d)", 1000), "a whole number that may not fit")
	}
	return newInt(scale, num, int64(math.RoundToEven(y.flo)), int64(math.RoundToEven(y.fhi)), "toint", y), nil
}
