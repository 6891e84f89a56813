package account

import "math/big"

// Charge is what answers cost, in both currencies at once: a limit counts in
// one of them.
type Charge struct {
	Pure  Epsilon `json:"pure"`  // Infinite for a mechanism that is not (ε, δ) for the δ here
	Rho   Rho     `json:"rho"`   // the answer is δ-approximately ρ-zCDP
	Delta Delta   `json:"delta"` // 0 for most mechanisms
}

// PureCharge is the cost of an ε-DP mechanism: ρ = ε²/2.
func PureCharge(e Epsilon) (Charge, error) {
	if e <= 0 {
		return Charge{}, refuse("state an epsilon above zero", "epsilon is %s", e)
	}
	return Charge{Pure: e, Rho: square(e, 2)}, nil
}

// ExponentialCharge is the cost of an exponential mechanism, whose loss lies in
// a range of width ε: ρ = ε²/8.
func ExponentialCharge(e Epsilon) (Charge, error) {
	if e <= 0 {
		return Charge{}, refuse("state an epsilon above zero", "epsilon is %s", e)
	}
	return Charge{Pure: e, Rho: square(e, 8)}, nil
}

// ApproximateCharge is the cost of an (ε, δ)-DP mechanism, such as the
// selection of groups by a threshold: δ-approximately ε²/2-zCDP.
func ApproximateCharge(e Epsilon, d Delta) (Charge, error) {
	c, err := PureCharge(e)
	if err != nil {
		return Charge{}, err
	}
	if d <= 0 || d >= Delta(unit(deltaPlaces)) {
		return Charge{}, refuse("state a delta between 0 and 1", "delta is %s", d)
	}
	c.Delta = d
	return c, nil
}

// GaussianCharge is the cost of a Gaussian or discrete Gaussian mechanism with
// a sensitivity in the Euclidean norm: ρ = Δ²/2σ². Both are given squared, for
// the square of a sensitivity over several answers is rational when the
// sensitivity is not.
func GaussianCharge(squaredSensitivity, variance *big.Rat) (Charge, error) {
	if squaredSensitivity.Sign() <= 0 {
		return Charge{}, refuse("state a sensitivity above zero", "the sensitivity is not above zero")
	}
	if variance.Sign() <= 0 {
		return Charge{}, refuse("state a variance above zero", "the variance is not above zero")
	}
	r := new(big.Rat).Quo(squaredSensitivity, variance)
	r.Mul(r, big.NewRat(1, 2))
	return Charge{Pure: Infinite, Rho: Rho(units(r, epsilonPlaces, true))}, nil
}

// square is ε²/by in ρ, rounded up.
func square(e Epsilon, by int64) Rho {
	if e == Infinite {
		return Infinite
	}
	r := new(big.Rat).Mul(e.Rat(), e.Rat())
	return Rho(units(r.Mul(r, big.NewRat(1, by)), epsilonPlaces, true))
}

// Plus adds two charges: sequential composition.
func (c Charge) Plus(d Charge) Charge {
	return Charge{plus(c.Pure, d.Pure), plus(c.Rho, d.Rho), plus(c.Delta, d.Delta)}
}

// Times is the charge of n such answers.
func (c Charge) Times(n int64) Charge {
	return Charge{times(c.Pure, n), times(c.Rho, n), times(c.Delta, n)}
}

func times[T ~int64](a T, n int64) T {
	if n > 0 && int64(a) > Infinite/n {
		return Infinite
	}
	return a * T(n)
}

// Epsilon gives the smallest ε that is known to hold with δ for what the charge
// covers: by conversion from zCDP with what the answers' own δ leave, or by
// plain addition, whichever is smaller. Infinite where δ is too small.
func (c Charge) Epsilon(d Delta) Epsilon {
	best := Epsilon(Infinite)
	if c.Delta <= d {
		best = c.Pure
	}
	if c.Delta < d {
		best = min(best, c.Rho.Epsilon(d-c.Delta))
	}
	return best
}

// Limit is the most that may be learnt about one unit, in the currency in which
// it is enforced. Σδ of the answers is never spent twice: an (ε, δ) of the
// owner is split once into δ_conv for converting ρ, and the rest for answers.
type Limit struct {
	Epsilon    Epsilon `json:"epsilon"`              // as the owner stated it
	Delta      Delta   `json:"delta"`                // 0 for pure ε
	Conversion Delta   `json:"conversion,omitempty"` // δ_conv
	Rho        Rho     `json:"rho,omitempty"`        // what Σρ may reach, when δ > 0
}

// PureLimit admits δ = 0 mechanisms alone, up to Σε ≤ ε.
func PureLimit(e Epsilon) (Limit, error) {
	if e <= 0 || e == Infinite {
		return Limit{}, refuse("state an epsilon above zero", "epsilon is %s", e)
	}
	return Limit{Epsilon: e}, nil
}

// NewLimit is (ε, δ), of which half of δ is kept for conversion.
func NewLimit(e Epsilon, d Delta) (Limit, error) { return SplitLimit(e, d, d/2) }

// SplitLimit is (ε, δ) with δ = δ_conv + Σδ of the answers: ρ_max is the
// largest ρ whose ε at δ_conv is no more than ε.
func SplitLimit(e Epsilon, d, conversion Delta) (Limit, error) {
	if e <= 0 || e == Infinite {
		return Limit{}, refuse("state an epsilon above zero", "epsilon is %s", e)
	}
	if d <= 0 || d >= Delta(unit(deltaPlaces)) {
		return Limit{}, refuse("state a delta between 0 and 1, such as 1e-6", "delta is %s", d)
	}
	if conversion <= 0 || conversion > d {
		return Limit{}, refuse("keep some of delta, and no more than all of it, for conversion", "delta %s cannot be split so that %s is for conversion", d, conversion)
	}
	r := RhoFor(e, conversion)
	if r == 0 {
		return Limit{}, refuse("state a larger epsilon or delta", "with epsilon %s and delta %s nothing could ever be answered", e, d)
	}
	return Limit{Epsilon: e, Delta: d, Conversion: conversion, Rho: r}, nil
}

// Pure says whether the limit counts in ε and admits δ = 0 mechanisms alone.
func (l Limit) Pure() bool { return l.Delta == 0 }

// Admits is the filter: whether what was spent and one more charge stay within
// the limit. It looks at sums alone, so that it is valid for analysts who
// choose each question by the answers before.
func (l Limit) Admits(spent, more Charge) bool {
	sum := spent.Plus(more)
	if l.Pure() {
		return sum.Delta == 0 && sum.Pure <= l.Epsilon
	}
	return sum.Rho <= l.Rho && sum.Delta <= l.Delta-l.Conversion
}

// Left is what may still be spent, zero in a currency that is used up or that
// the limit does not count in.
func (l Limit) Left(spent Charge) Charge {
	if l.Pure() {
		if spent.Delta > 0 {
			return Charge{}
		}
		return Charge{Pure: max(0, l.Epsilon-spent.Pure)}
	}
	return Charge{Rho: max(0, l.Rho-spent.Rho), Delta: max(0, l.Delta-l.Conversion-spent.Delta)}
}

// Fits is how many more charges of one kind the limit admits: how often a
// typical question can still be asked.
func (l Limit) Fits(spent, each Charge) int64 {
	if !l.Admits(spent, Charge{}) || !l.Admits(spent, each) {
		return 0
	}
	left, n := l.Left(spent), int64(Infinite)
	fit := func(left, each int64) {
		if each > 0 {
			n = min(n, left/each)
		}
	}
	if l.Pure() {
		fit(int64(left.Pure), int64(each.Pure))
		return n
	}
	fit(int64(left.Rho), int64(each.Rho))
	fit(int64(left.Delta), int64(each.Delta))
	return n
}
