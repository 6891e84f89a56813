package dp

import (
	"context"
	"math"
	"math/big"

	"github.com/anchorhold/anchorhold/dp/internal/num"
	"github.com/anchorhold/anchorhold/dp/internal/sample"
)

// Choice is the exponential mechanism: it chooses one of several public
// candidates, rather one with a high score.
//
// Promise: the choice is ε-differentially private, and satisfies ε²/8-zCDP
// (bounded range). Neighbours: add/remove one privacy unit. Sensitivity: the
// caller's claim that a unit changes any score by at most Sensitivity. Candidate
// i has probability in proportion to exp(ε·score/2·sensitivity), exactly: a
// uniform candidate is accepted with its weight against the best score, by the
// exact Bernoulli(exp(−x)) of CKS, until one is. Source: McSherry and Talwar
// (FOCS 2007); Cesar and Rogers (arXiv 2004.07223).
type Choice struct {
	factor *big.Rat // ε/2Δ
	cost   Cost
}

// NewChoice takes what may be spent, and by how much a unit changes a score.
func NewChoice(epsilon, sensitivity *big.Rat) (*Choice, error) {
	if err := spendable("epsilon", epsilon); err != nil {
		return nil, err
	}
	if err := num.Positive("sensitivity", sensitivity); err != nil {
		return nil, err
	}
	factor := new(big.Rat).Quo(epsilon, sensitivity)
	return &Choice{
		factor.Quo(factor, big.NewRat(2, 1)),
		Cost{Mechanism: Exponential, Epsilon: new(big.Rat).Set(epsilon)},
	}, nil
}

// Cost is what one choice costs.
func (m *Choice) Cost() []Cost { return []Cost{m.cost} }

// Shortfall bounds, before any data, by how much the chosen candidate's score is
// below the best one, at a level: 2Δ/ε·ln(candidates/(1 − level)).
func (m *Choice) Shortfall(candidates int, level float64) (float64, error) {
	if _, err := alpha(level); err != nil {
		return 0, err
	}
	if candidates <= 0 {
		return 0, num.Refuse("candidates", Missing, "give at least one")
	}
	factor, _ := m.factor.Float64()
	return math.Log(float64(candidates)/(1-level)) / factor, nil
}

// maxCandidates bounds the candidates of a choice.
const maxCandidates = 1 << 20

// rounds is how many candidates are tried for each that there is, also after
// one was accepted, so that the time of a choice is not that of its acceptance.
// All are in vain with a probability of exp(−rounds) at most; then more follow.
const rounds = 8

// Choose gives the index of the chosen candidate.
func (m *Choice) Choose(ctx context.Context, pool *Pool, scores []*big.Rat) (int, error) {
	switch {
	case len(scores) == 0:
		return 0, num.Refuse("candidates", Missing, "give at least one")
	case len(scores) > maxCandidates:
		return 0, num.Refuse("candidates", TooLarge, "give at most 2²⁰")
	}
	var best *big.Rat
	for _, s := range scores {
		if err := num.Short("score", s); err != nil {
			return 0, err
		}
		if best == nil || s.Cmp(best) > 0 {
			best = s
		}
	}
	away := make([]*big.Rat, len(scores))
	for i, s := range scores {
		away[i] = new(big.Rat).Sub(best, s)
		away[i].Mul(away[i], m.factor)
	}
	source := sample.NewSource(pool.from)
	chosen := -1
	for n := 0; chosen < 0 || n < rounds*len(scores); n++ {
		if n%1024 == 0 {
			if err := ctx.Err(); err != nil {
				return 0, err
			}
		}
		i := int(source.Below(uint64(len(scores))))
		if accepted := source.Exp(away[i]); accepted && chosen < 0 {
			chosen = i
		}
	}
	return chosen, nil
}
