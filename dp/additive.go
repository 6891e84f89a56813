package dp

import (
	"context"
	"math"
	"math/big"
	"sync"

	"github.com/anchorhold/anchorhold/dp/internal/num"
	"github.com/anchorhold/anchorhold/dp/internal/sample"
	"github.com/anchorhold/anchorhold/dp/internal/tail"
)

// additive adds independent noise to one integer total for each group.
//
// Sensitivity: adding or removing a unit changes at most `groups` totals by at
// most perGroup each, so the vector of totals by at most groups·perGroup in L1
// and √groups·perGroup in L2. Discrete Laplace noise of scale Δ₁/ε is
// ε-differentially private; discrete Gaussian noise of σ² = Δ₂²/2ρ satisfies
// ρ-zCDP (CKS, theorem 4, and its multivariate corollary for independent noise).
//
// Totals whose noise would have more than 2⁴⁰ steps are first divided by a
// fixed power of two and rounded down, which changes ⌊x/m⌋ by at most
// ⌈perGroup/m⌉: a coarser lattice, chosen from the parameters alone.
type additive struct {
	dist  sample.Distribution
	tail  tail.Tail
	cost  Cost
	shift uint
	size  float64 // the scale or σ², near enough for bounds of sums

	mu     sync.Mutex
	widths map[string]*big.Int // by alpha: the half-width
}

// Noise keeps at least 2⁴⁰ steps, and what a unit changes in a group at least
// 2¹¹, so that rounding up adds less than a thousandth to the noise.
const (
	noiseBits = 40
	noiseFine = 12
)

func newAdditive(p Price, groups int64, perGroup *big.Int) (*additive, error) {
	if p.amount == nil {
		return nil, num.Refuse("price", Missing, "make it with Epsilon or Rho")
	}
	if perGroup.Sign() <= 0 {
		return nil, num.Refuse("bounds", NotPositive, "give bounds of which one is not zero: nothing could be learnt within these")
	}
	a := &additive{widths: map[string]*big.Int{}}
	scale := a.noise(p, groups, perGroup)
	size := log2(scale)
	if p.kind == GaussianNoise {
		size /= 2
	}
	if spare := min(size-noiseBits, perGroup.BitLen()-noiseFine); spare > 0 {
		a.shift = uint(spare)
		m := new(big.Int).Lsh(big.NewInt(1), a.shift)
		coarse := new(big.Int).Add(perGroup, m)
		coarse.Sub(coarse, big.NewInt(1)).Rsh(coarse, a.shift)
		scale = a.noise(p, groups, coarse)
	}
	a.size, _ = scale.Float64()
	var err error
	if p.kind == LaplaceNoise {
		a.tail = tail.Laplace{Scale: scale}
		a.dist, err = sample.NewLaplace(scale)
	} else {
		a.tail = &tail.Gaussian{Variance: scale}
		a.dist, err = sample.NewGaussian(scale)
	}
	return a, err
}

// noise sets the cost and gives the scale of Laplace noise, or σ².
func (a *additive) noise(p Price, groups int64, perGroup *big.Int) *big.Rat {
	per := new(big.Rat).SetInt(perGroup)
	sensitivity := new(big.Rat).Mul(per, new(big.Rat).SetInt64(groups))
	if p.kind == LaplaceNoise {
		a.cost = Cost{Mechanism: Laplace, Epsilon: p.Amount()}
		return sensitivity.Quo(sensitivity, p.amount)
	}
	sensitivity.Mul(sensitivity, per) // groups·perGroup²
	variance := new(big.Rat).Quo(sensitivity, p.amount)
	variance.Quo(variance, big.NewRat(2, 1))
	a.cost = Cost{Mechanism: Gaussian, SquaredSensitivity: sensitivity, Variance: variance}
	return variance
}

// noisy is a total with noise, in units of 2^shift of its totals.
type noisy struct {
	value *big.Int
	from  *additive
}

// add adds noise to totals.
func (a *additive) add(ctx context.Context, pool *Pool, totals []*big.Int) ([]noisy, error) {
	draws, err := pool.take(ctx, a.dist, len(totals))
	if err != nil {
		return nil, err
	}
	out := make([]noisy, len(totals))
	for i, x := range totals {
		y := new(big.Int).Rsh(x, a.shift) // rounds down, also below zero
		out[i] = noisy{y.Add(y, draws[i].Big()), a}
	}
	return out, nil
}

// best gives the middle of what the total may be before its noise.
func (n noisy) best() *big.Rat {
	low, high := n.at(n.value)
	low.Add(low, high)
	return new(big.Rat).SetFrac(low, big.NewInt(2))
}

// at gives the totals that a rounded one may come from.
func (n noisy) at(x *big.Int) (low, high *big.Int) {
	low = new(big.Int).Lsh(x, n.from.shift)
	more := new(big.Int).Lsh(big.NewInt(1), n.from.shift)
	return low, more.Add(more, low).Sub(more, big.NewInt(1))
}

// span gives bounds between which the total lies, except with a probability of
// at most alpha.
func (n noisy) span(alpha *big.Rat) span {
	width := n.from.halfWidth(alpha)
	low, _ := n.at(new(big.Int).Sub(n.value, width))
	_, high := n.at(new(big.Int).Add(n.value, width))
	return span{new(big.Rat).SetInt(low), new(big.Rat).SetInt(high)}
}

// halfWidth gives the least k with |noise| > k with a probability of at most
// alpha. It is computed once: a table's cells share it.
func (a *additive) halfWidth(alpha *big.Rat) *big.Int {
	a.mu.Lock()
	defer a.mu.Unlock()
	key := alpha.RatString()
	if k, ok := a.widths[key]; ok {
		return k
	}
	k := tail.HalfWidth(a.tail, alpha)
	if len(a.widths) >= 64 {
		clear(a.widths) // what asks for ever new levels only computes them again
	}
	a.widths[key] = k
	return k
}

// plusMinus gives the half-width in units of the totals.
func (a *additive) plusMinus(alpha *big.Rat) *big.Rat {
	k := new(big.Int).Lsh(a.halfWidth(alpha), a.shift)
	more := new(big.Int).Lsh(big.NewInt(1), a.shift)
	return new(big.Rat).SetInt(k.Add(k, more).Sub(k, big.NewInt(1)))
}

// alpha gives 1 − level, exactly, or refuses the level.
func alpha(level float64) (*big.Rat, error) {
	switch {
	case math.IsNaN(level) || math.IsInf(level, 0):
		return nil, num.Refuse("level", NotFinite, "give a number between 0 and 1, such as 0.95")
	case level <= 0:
		return nil, num.Refuse("level", NotPositive, "give a number between 0 and 1, such as 0.95")
	case level >= 1:
		return nil, num.Refuse("level", TooLarge, "give a number below 1: nothing is certain")
	}
	return new(big.Rat).Sub(big.NewRat(1, 1), new(big.Rat).SetFloat64(level)), nil
}

// cumulant bounds log E exp(λ·noise) from above, in units of the totals.
func (a *additive) cumulant(lambda float64) float64 {
	lambda = math.Ldexp(lambda, int(a.shift))
	if a.cost.Mechanism == Gaussian {
		// The discrete Gaussian is subgaussian with σ² (CKS, corollary 17).
		return lambda * lambda * a.size / 2
	}
	// log (1−q)²/((1−q·e^λ)(1−q·e^−λ)), for λ below 1/scale.
	ratio := math.Sinh(lambda/2) / math.Sinh(1/(2*a.size))
	if ratio*ratio < 1 {
		return -math.Log1p(-ratio * ratio)
	}
	return math.Inf(1)
}
