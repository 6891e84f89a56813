package tail

import (
	"math"
	"math/big"
	"sync"
)

// summedBelow is up to which σ² the discrete Gaussian is summed term by term.
// Above, the integral that bounds it is within 1/σ² of it.
const summedBelow = 4096

// Gaussian is the discrete Gaussian distribution of parameter σ².
type Gaussian struct {
	Variance *big.Rat

	once  sync.Once
	tails []Real // tails[k] = Σ_{z ≥ k} exp(−z²/2σ²), for small σ²
	total Real   // Σ over all z
}

// sum fills tails from the far end, where a term is below the last place.
func (d *Gaussian) sum() {
	d.once.Do(func() {
		// exp(−z²/2σ²) from its neighbours: f(z+1) = f(z)·r(z), r(z+1) = r(z)·q²
		// for q = exp(−1/2σ²), r(z) = q^(2z+1).
		q := ExpNeg(new(big.Rat).Quo(big.NewRat(1, 2), d.Variance))
		f, r, q2 := FromRat(big.NewRat(1, 1)), q, q.Times(q)
		terms := []Real{f}
		for f.High.Cmp(big.NewInt(1)) > 0 {
			f, r = f.Times(r), r.Times(q2)
			terms = append(terms, f)
		}
		// From the last term at z on, which is at most one unit of the last place,
		// they fall at least as a geometric series of ratio exp(−a) for
		// a = (2z+1)/2σ²; its sum is at most 1 + 1/a ≤ 1 + z, as z ≥ σ by far.
		rest := Real{new(big.Int), big.NewInt(int64(2*len(terms) + 2))}
		d.tails = make([]Real, len(terms)+1)
		d.tails[len(terms)] = rest
		for k := len(terms) - 1; k >= 0; k-- {
			d.tails[k] = d.tails[k+1].Plus(terms[k])
		}
		d.total = d.tails[0].Plus(d.tails[1])
	})
}

// small says whether the distribution is summed term by term.
func (d *Gaussian) small() bool { return d.Variance.Cmp(big.NewRat(summedBelow, 1)) < 0 }

// AtLeast sums the exact tail for small σ². For others it bounds it from above
// by the normal distribution's tail Q at k − ½.
//
// Where exp(−z²/2σ²) is convex, z ≥ σ, each term is at most the integral over
// the unit around it, so that the sum is at most that of the density from
// k − ½; and the sum over all z is at least σ√2π, by Poisson summation. Below σ
// the error of the midpoint rule, at most 1/8 ∫|f″| < 0.122/σ² of the whole, is
// added.
func (d *Gaussian) AtLeast(k *big.Int) Real {
	if d.small() {
		d.sum()
		last := len(d.tails) - 1
		if !k.IsInt64() || k.Int64() > int64(last) {
			k = big.NewInt(int64(last))
		}
		return d.tails[k.Int64()].Over(d.total)
	}
	from := new(big.Rat).SetFrac(new(big.Int).Sub(new(big.Int).Lsh(k, 1), big.NewInt(1)), big.NewInt(2))
	y := new(big.Rat).Quo(from.Mul(from, from), d.Variance)
	tail := normalTail(y)
	if y.Cmp(big.NewRat(1, 1)) < 0 {
		tail = tail.Plus(FromRat(new(big.Rat).Quo(big.NewRat(122, 1000), d.Variance)))
	}
	return tail
}

// Mass is the probability of z, for small σ².
func (d *Gaussian) Mass(z int64) Real {
	d.sum()
	x := new(big.Rat).SetInt(new(big.Int).Mul(big.NewInt(z), big.NewInt(z)))
	x.Quo(x, d.Variance).Quo(x, big.NewRat(2, 1))
	return ExpNeg(x).Over(d.total)
}

func (d *Gaussian) guess(p float64) float64 {
	variance, _ := d.Variance.Float64()
	return math.Sqrt(2*variance)*math.Erfcinv(math.Min(2*p, 1)) + 0.5
}

// pi is 10⁹⁹·π rounded down.
const pi = "3141592653589793238462643383279502884197169399375105820974944592307816406286208998628034825342117067"

// piAbove is a rational just above π.
func piAbove() *big.Rat {
	n, _ := new(big.Int).SetString(pi, 10)
	return new(big.Rat).SetFrac(n.Add(n, big.NewInt(1)), new(big.Int).Exp(big.NewInt(10), big.NewInt(99), nil))
}

// normalTail bounds Q(√y) = P(N(0,1) ≥ √y) from above, for y ≥ 0.
//
// Q(x) = ½ − φ(x)·Σ x^(2n+1)/(1·3·…·(2n+1)), whose terms are all positive:
// what is left out or rounded down only raises the bound. It has a hundred
// decimal places, so that it is good for any δ that one would use; it never
// falls below them.
func normalTail(y *big.Rat) Real {
	if y.Cmp(big.NewRat(500, 1)) > 0 {
		// Q(√500) < 10⁻¹¹⁰: below the places of π.
		y = big.NewRat(500, 1)
	}
	// √(y/2π), and exp(−y/16), whose eighth power keeps its relative accuracy
	// where exp(−y/2) itself would have lost its last places; both rounded down.
	inside := FromRat(new(big.Rat).Quo(y, new(big.Rat).Mul(big.NewRat(2, 1), piAbove()))).Low
	front := new(big.Int).Sqrt(new(big.Int).Lsh(inside, Precision))
	decay := ExpNeg(new(big.Rat).Quo(y, big.NewRat(16, 1))).Low
	front.Mul(front, new(big.Int).Exp(decay, big.NewInt(8), nil))

	sum, term := new(big.Int), unit(Precision)
	for n := int64(1); term.Sign() > 0; n++ {
		sum.Add(sum, term)
		term.Mul(term, y.Num()).Quo(term, y.Denom()).Quo(term, big.NewInt(2*n+1))
	}
	below := sum.Mul(sum, front)
	below.Rsh(below, 9*Precision) // sum, root and the eighth power have ten times the places
	high := new(big.Int).Sub(new(big.Int).Rsh(unit(Precision), 1), below)
	return Real{new(big.Int), high}
}
