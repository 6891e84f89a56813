package tail

import (
	"math"
	"math/big"
)

// Tail is a symmetric distribution of integers whose tail is known.
type Tail interface {
	// AtLeast encloses or bounds from above the probability that the noise is
	// k or more, k ≥ 1: its High end is certain, and close.
	AtLeast(k *big.Int) Real
	// guess is near the least k with AtLeast(k) ≤ p.
	guess(p float64) float64
}

// Least is the least probability that thresholds can be asked for, 2⁻²⁵⁶.
func Least() *big.Rat { return new(big.Rat).SetFrac(big.NewInt(1), unit(256)) }

// Threshold gives the least k ≥ 1 with a probability of at most p, p ≥ Least(),
// that the noise is k or more. It is certain that k is enough; k − 1 is enough only
// within the accuracy of AtLeast.
func Threshold(d Tail, p *big.Rat) *big.Int {
	holds := func(k *big.Int) bool { return d.AtLeast(k).AtMost(p) }
	f, _ := p.Float64()
	start := d.guess(math.Max(f, 1e-300))
	low := big.NewInt(0) // not enough, or 0
	high := big.NewInt(1)
	if start > 1 && start < 1e40 {
		high, _ = big.NewFloat(start).Int(nil)
		if high.Sign() == 0 {
			high.SetInt64(1)
		}
	}
	// Widen by growing steps until the answer is between low and high.
	step := big.NewInt(1)
	if !holds(high) {
		for !holds(high) {
			low.Set(high)
			high.Add(high, step)
			step.Lsh(step, 1)
		}
	} else {
		for probe := new(big.Int).Sub(high, step); probe.Sign() > 0 && holds(probe); probe.Sub(high, step) {
			high.Set(probe)
			step.Lsh(step, 1)
		}
		if probe := new(big.Int).Sub(high, step); probe.Sign() > 0 {
			low.Set(probe)
		}
	}
	for one := big.NewInt(1); new(big.Int).Sub(high, low).Cmp(one) > 0; {
		mid := new(big.Int).Add(low, high)
		if mid.Rsh(mid, 1); holds(mid) {
			high.Set(mid)
		} else {
			low.Set(mid)
		}
	}
	return high
}

// HalfWidth gives the least k ≥ 0 with |noise| > k with a probability of at
// most alpha.
func HalfWidth(d Tail, alpha *big.Rat) *big.Int {
	half := new(big.Rat).Quo(alpha, big.NewRat(2, 1))
	return new(big.Int).Sub(Threshold(d, half), big.NewInt(1))
}

// Laplace is the discrete Laplace distribution of a scale.
type Laplace struct{ Scale *big.Rat }

// over gives n/scale.
func (d Laplace) over(n *big.Int) *big.Rat {
	return new(big.Rat).Quo(new(big.Rat).SetInt(n), d.Scale)
}

// AtLeast is q^k/(1+q).
func (d Laplace) AtLeast(k *big.Int) Real {
	q := ExpNeg(d.over(big.NewInt(1)))
	return ExpNeg(d.over(k)).Over(FromRat(big.NewRat(1, 1)).Plus(q))
}

func (d Laplace) guess(p float64) float64 {
	scale, _ := d.Scale.Float64()
	return -scale * math.Log(p*(1+math.Exp(-1/scale)))
}

// Mass is the probability of z: (1−q)/(1+q)·q^|z|.
func (d Laplace) Mass(z int64) Real {
	one := FromRat(big.NewRat(1, 1))
	q := ExpNeg(d.over(big.NewInt(1)))
	m := ExpNeg(d.over(new(big.Int).Abs(big.NewInt(z))))
	return one.Minus(q).Times(m).Over(one.Plus(q))
}

// Edge is the probability that the Laplace distribution, truncated to −most …
// most, is most: q^most·(1−q)/(1 + q − 2·q^(most+1)).
func (d Laplace) Edge(most *big.Int) Real {
	one := FromRat(big.NewRat(1, 1))
	q := ExpNeg(d.over(big.NewInt(1)))
	next := ExpNeg(d.over(new(big.Int).Add(most, big.NewInt(1))))
	return ExpNeg(d.over(most)).Times(one.Minus(q)).Over(one.Plus(q).Minus(next.Scaled(2)))
}

// TruncateAt gives the least bound most ≥ 1 for which Edge(most) ≤ p.
func (d Laplace) TruncateAt(p *big.Rat) *big.Int {
	return Threshold(edge{d}, p)
}

// edge looks at the truncated distribution as if its edge were a tail: it falls
// as a tail does.
type edge struct{ d Laplace }

func (e edge) AtLeast(k *big.Int) Real { return e.d.Edge(k) }

func (e edge) guess(p float64) float64 {
	scale, _ := e.d.Scale.Float64()
	q := math.Exp(-1 / scale)
	return -scale * math.Log(p*(1+q)/(1-q+2*p*q))
}
