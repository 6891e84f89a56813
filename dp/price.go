package dp

import (
	"math/big"

	"github.com/anchorhold/anchorhold/dp/internal/num"
)

// Limits of what one mechanism may be asked to spend. Above, an answer would be
// no more than the data with a formality; below, it is noise and nothing else.
const (
	mostSpent  = 1 << 10
	leastSpent = 30 // as 2^−leastSpent
)

// Kind says which noise a price buys.
type Kind string

// The kinds of noise. Laplace is for limits of pure ε; Gaussian needs a δ, and
// is better as soon as a unit is in more than about three groups.
const (
	LaplaceNoise  Kind = "discrete_laplace"
	GaussianNoise Kind = "discrete_gaussian"
)

// Price is what a mechanism may spend: ε of pure differential privacy, for
// Laplace noise, or ρ of zero-concentrated differential privacy, for Gaussian
// noise (Bun and Steinke, arXiv 1605.02065). The zero Price buys nothing and is
// refused.
type Price struct {
	kind   Kind
	amount *big.Rat
}

// Epsilon is the price of Laplace noise.
func Epsilon(epsilon *big.Rat) (Price, error) { return newPrice(LaplaceNoise, "epsilon", epsilon) }

// Rho is the price of Gaussian noise.
func Rho(rho *big.Rat) (Price, error) { return newPrice(GaussianNoise, "rho", rho) }

func newPrice(kind Kind, name string, amount *big.Rat) (Price, error) {
	if err := spendable(name, amount); err != nil {
		return Price{}, err
	}
	return Price{kind, new(big.Rat).Set(amount)}, nil
}

func spendable(name string, amount *big.Rat) error {
	return num.Between(name, amount, twoTo(-leastSpent), big.NewRat(mostSpent, 1))
}

// Kind says which noise it buys.
func (p Price) Kind() Kind { return p.kind }

// Amount gives ε or ρ.
func (p Price) Amount() *big.Rat {
	if p.amount == nil {
		return new(big.Rat)
	}
	return new(big.Rat).Set(p.amount)
}

// Split divides a price in proportion to weights: what the parts spend adds up
// to it exactly.
func (p Price) Split(weights ...int64) ([]Price, error) {
	if p.amount == nil {
		return nil, num.Refuse("price", Missing, "make it with Epsilon or Rho")
	}
	total := new(big.Int)
	for _, w := range weights {
		if w <= 0 {
			return nil, num.Refuse("weight", NotPositive, "give whole numbers greater than zero")
		}
		total.Add(total, big.NewInt(w))
	}
	parts := make([]Price, len(weights))
	for i, w := range weights {
		share := new(big.Rat).SetFrac(big.NewInt(w), total)
		share.Mul(share, p.amount)
		if err := spendable("part of the price", share); err != nil {
			return nil, err
		}
		parts[i] = Price{p.kind, share}
	}
	return parts, nil
}

// Mechanism says how a cost arises.
type Mechanism string

// The mechanisms whose costs differ.
const (
	Laplace     Mechanism = "discrete_laplace"
	Gaussian    Mechanism = "discrete_gaussian"
	Exponential Mechanism = "exponential"
	Selection   Mechanism = "selection" // groups by a threshold: adds a δ
)

// Cost is what one use of a mechanism may reveal about a privacy unit: exact
// numbers for an accountant, who composes them. Costs of several mechanisms add
// up; none of them depends on data.
type Cost struct {
	Mechanism Mechanism

	// Laplace, Exponential and Selection: pure ε, and for Selection the δ.
	Epsilon *big.Rat
	Delta   *big.Rat // nil means 0

	// Gaussian: the square of the L2 sensitivity, and σ², in the same unit.
	SquaredSensitivity *big.Rat
	Variance           *big.Rat
}

// Rho gives the cost as ρ of zCDP, δ apart: Δ²/2σ² for Gaussian noise (CKS,
// theorem 4), ε²/8 for the exponential mechanism (Cesar and Rogers, arXiv
// 2004.07223) and ε²/2 for what is ε-differentially private. It is nil for a
// Selection that has no ε.
func (c Cost) Rho() *big.Rat {
	if c.Mechanism == Gaussian {
		half := new(big.Rat).Quo(c.SquaredSensitivity, c.Variance)
		return half.Quo(half, big.NewRat(2, 1))
	}
	if c.Epsilon == nil {
		return nil
	}
	part := int64(2)
	if c.Mechanism == Exponential {
		part = 8
	}
	square := new(big.Rat).Mul(c.Epsilon, c.Epsilon)
	return square.Quo(square, big.NewRat(part, 1))
}

// Contribution bounds what one privacy unit contributes. Who makes partials
// enforces it; mechanisms take their sensitivity from it.
type Contribution struct {
	Groups int64 // in how many groups a unit is, at most
	Rows   int64 // with how many rows in each of them, at most
}

// maxContribution bounds both numbers. Products are computed without limits, and
// refused where the noise that they ask for is too large to be drawn.
const maxContribution = 1 << 40

func (c Contribution) check() error {
	for _, p := range []struct {
		name string
		n    int64
	}{{"groups per unit", c.Groups}, {"rows per unit and group", c.Rows}} {
		switch {
		case p.n <= 0:
			return num.Refuse(p.name, NotPositive, "give a whole number greater than zero")
		case p.n > maxContribution:
			return num.Refuse(p.name, TooLarge, "give at most 2⁴⁰")
		}
	}
	return nil
}
