// Package tail knows the exact probabilities of the noise: of one value, of
// being at least so large, and how large it is at a level.
//
// Intervals and group selection are as good as these numbers, so they are
// enclosures: two integers of [Precision] binary places, rounded outward at
// each step, between which the true number certainly lies. A threshold that
// must hold is taken from the unfavourable end. Floating-point numbers may
// choose where to look first and must never decide.
package tail

import "math/big"

// Precision is how many binary places an enclosure has.
const Precision = 384

// Real encloses a real number: Low/2^Precision ≤ x ≤ High/2^Precision.
type Real struct{ Low, High *big.Int }

// unit is 1 with p places.
func unit(p uint) *big.Int { return new(big.Int).Lsh(big.NewInt(1), p) }

// ceilQuo gives ⌈x/y⌉ for y > 0.
func ceilQuo(x, y *big.Int) *big.Int {
	q, r := new(big.Int).DivMod(x, y, new(big.Int))
	if r.Sign() > 0 {
		q.Add(q, big.NewInt(1))
	}
	return q
}

// ceilRsh gives ⌈x/2^p⌉.
func ceilRsh(x *big.Int, p uint) *big.Int {
	q := new(big.Int).Neg(x)
	return q.Neg(q.Rsh(q, p))
}

// FromRat encloses a rational.
func FromRat(x *big.Rat) Real {
	n := new(big.Int).Lsh(x.Num(), Precision)
	return Real{new(big.Int).Div(n, x.Denom()), ceilQuo(n, x.Denom())}
}

// AtMost says whether x is certainly at most y.
func (x Real) AtMost(y *big.Rat) bool {
	n := new(big.Int).Lsh(y.Num(), Precision)
	return x.High.Cmp(n.Div(n, y.Denom())) <= 0
}

// Plus gives x + y.
func (x Real) Plus(y Real) Real {
	return Real{new(big.Int).Add(x.Low, y.Low), new(big.Int).Add(x.High, y.High)}
}

// Minus gives x − y.
func (x Real) Minus(y Real) Real {
	return Real{new(big.Int).Sub(x.Low, y.High), new(big.Int).Sub(x.High, y.Low)}
}

// Times gives x·y for x, y ≥ 0.
func (x Real) Times(y Real) Real {
	low := new(big.Int).Mul(x.Low, y.Low)
	return Real{low.Rsh(low, Precision), ceilRsh(new(big.Int).Mul(x.High, y.High), Precision)}
}

// Over gives x/y for x ≥ 0 and y > 0.
func (x Real) Over(y Real) Real {
	low := new(big.Int).Lsh(x.Low, Precision)
	return Real{low.Quo(low, y.High), ceilQuo(new(big.Int).Lsh(x.High, Precision), y.Low)}
}

// Scaled gives x·n for an integer n ≥ 0.
func (x Real) Scaled(n int64) Real {
	return Real{new(big.Int).Mul(x.Low, big.NewInt(n)), new(big.Int).Mul(x.High, big.NewInt(n))}
}

// Rats gives the two ends.
func (x Real) Rats() (low, high *big.Rat) {
	return new(big.Rat).SetFrac(x.Low, unit(Precision)), new(big.Rat).SetFrac(x.High, unit(Precision))
}

// Float64 gives the nearest float64 to the middle: for people and for plots.
func (x Real) Float64() float64 {
	sum := new(big.Int).Add(x.Low, x.High)
	f, _ := new(big.Rat).SetFrac(sum, unit(Precision+1)).Float64()
	return f
}

// ExpNeg encloses exp(−x) for a rational x ≥ 0.
//
// x is halved until it is below 2⁻⁸, where the alternating series ends soon and
// two neighbouring partial sums enclose its limit; then the result is squared
// as often. Each squaring doubles the relative error, so as many more places are
// carried.
func ExpNeg(x *big.Rat) Real {
	if limit := new(big.Rat).SetInt64(Precision); x.Cmp(limit) > 0 {
		return Real{new(big.Int), big.NewInt(1)} // exp(−x) < 2^−x
	}
	whole := new(big.Int).Quo(x.Num(), x.Denom())
	halvings := uint(whole.BitLen()) + 8
	places := Precision + halvings + 32

	n := new(big.Int).Lsh(x.Num(), places-halvings)
	low, high := new(big.Int).Div(n, x.Denom()), ceilQuo(n, x.Denom())
	// exp falls: the low end comes from the high end of x.
	low, high = expSeries(high, places, false), expSeries(low, places, true)
	for range halvings {
		low.Mul(low, low).Rsh(low, places)
		high = ceilRsh(high.Mul(high, high), places)
	}
	return Real{low.Rsh(low, places-Precision), ceilRsh(high, places-Precision)}
}

// expSeries bounds exp(−y) for 0 ≤ y ≤ 2⁻⁸, from above or from below: an
// alternating series of falling terms lies between its partial sums.
func expSeries(y *big.Int, places uint, above bool) *big.Int {
	sum := new(big.Int)
	// Enclosures of the term, since it is rounded at each step.
	low, high := unit(places), unit(places)
	for n := int64(1); ; n++ {
		adds := n%2 == 1
		if adds == above {
			sum = addTerm(sum, high, adds)
		} else {
			sum = addTerm(sum, low, adds)
		}
		if high.Cmp(big.NewInt(1)) <= 0 {
			// What follows is less than one unit of the last place.
			if above {
				return sum.Add(sum, big.NewInt(1))
			}
			return sum.Sub(sum, big.NewInt(1))
		}
		low = low.Quo(low.Mul(low, y).Rsh(low, places), big.NewInt(n))
		high = ceilQuo(ceilRsh(high.Mul(high, y), places), big.NewInt(n))
	}
}

func addTerm(sum, term *big.Int, adds bool) *big.Int {
	if adds {
		return sum.Add(sum, term)
	}
	return sum.Sub(sum, term)
}
