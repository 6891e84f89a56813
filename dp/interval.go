package dp

import (
	"math"
	"math/big"
)

// Interval is where a true value lies with at least the probability that was
// asked for, over the mechanism's noise. Its ends are rounded outward.
type Interval struct{ Low, High float64 }

// Estimate is a released value with its accuracy. All of it is computed from
// what was released and from parameters: nobody is told more by asking for
// another level.
type Estimate interface {
	// Float64 gives the value, rounded to the nearest float64.
	Float64() float64
	// Interval gives where the true value is, at a level between 0 and 1.
	Interval(level float64) (Interval, error)
}

// span is an interval of exact ends.
type span struct{ low, high *big.Rat }

func point(x *big.Rat) span { return span{x, x} }

// outward rounds the ends to float64.
func (s span) outward() Interval {
	low, exact := s.low.Float64()
	low = math.Min(low, math.MaxFloat64)
	if !exact && !math.IsInf(low, -1) && new(big.Rat).SetFloat64(low).Cmp(s.low) > 0 {
		low = math.Nextafter(low, math.Inf(-1))
	}
	high, exact := s.high.Float64()
	high = math.Max(high, -math.MaxFloat64)
	if !exact && !math.IsInf(high, 1) && new(big.Rat).SetFloat64(high).Cmp(s.high) < 0 {
		high = math.Nextafter(high, math.Inf(1))
	}
	return Interval{low, high}
}

// scaled gives s·x for x ≥ 0, and shifted s + x.
func (s span) scaled(x *big.Rat) span {
	return span{new(big.Rat).Mul(s.low, x), new(big.Rat).Mul(s.high, x)}
}

func (s span) shifted(x *big.Rat) span { return s.plus(point(x)) }

func (s span) plus(o span) span {
	return span{new(big.Rat).Add(s.low, o.low), new(big.Rat).Add(s.high, o.high)}
}

func (s span) minus(o span) span {
	return span{new(big.Rat).Sub(s.low, o.high), new(big.Rat).Sub(s.high, o.low)}
}

// times gives all products.
func (s span) times(o span) span {
	products := []*big.Rat{
		new(big.Rat).Mul(s.low, o.low), new(big.Rat).Mul(s.low, o.high),
		new(big.Rat).Mul(s.high, o.low), new(big.Rat).Mul(s.high, o.high),
	}
	out := point(products[0])
	for _, p := range products[1:] {
		if p.Cmp(out.low) < 0 {
			out.low = p
		}
		if p.Cmp(out.high) > 0 {
			out.high = p
		}
	}
	return out
}

// square gives all squares.
func (s span) square() span {
	first, last := new(big.Rat).Mul(s.low, s.low), new(big.Rat).Mul(s.high, s.high)
	out := span{least(first, last), most(first, last)}
	if s.low.Sign() <= 0 && s.high.Sign() >= 0 {
		out.low = new(big.Rat)
	}
	return out
}

// over gives all quotients by positive numbers.
func (s span) over(o span) span {
	return s.times(span{new(big.Rat).Inv(o.high), new(big.Rat).Inv(o.low)})
}

// within moves both ends between two limits: where a true value certainly lies
// between them, this loses no coverage.
func (s span) within(low, high *big.Rat) span {
	return span{clampRat(s.low, low, high), clampRat(s.high, low, high)}
}

func clampRat(x, low, high *big.Rat) *big.Rat {
	return least(most(x, low), high)
}

func least(x, y *big.Rat) *big.Rat {
	if y.Cmp(x) < 0 {
		return y
	}
	return x
}

func most(x, y *big.Rat) *big.Rat {
	if y.Cmp(x) > 0 {
		return y
	}
	return x
}
