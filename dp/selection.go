package dp

import (
	"context"
	"math"
	"math/big"

	"github.com/anchorhold/anchorhold/dp/internal/num"
	"github.com/anchorhold/anchorhold/dp/internal/sample"
	"github.com/anchorhold/anchorhold/dp/internal/tail"
)

// Which groups an answer has can tell of a person: a diagnosis that only one
// person has. Where the owner states a column's domain, all its groups are shown
// and nothing is spent. Where groups come from data, they are selected by
// Partitions or by a Threshold; who counted no unit in a group does not name it.

// leastDelta is the least δ: below it no threshold is found in sensible time,
// and nobody can tell it from none.
func leastDelta() *big.Rat { return twoTo(-200) }

// checkSelection refuses parameters of a selection and gives the part of δ for
// each group.
func checkSelection(delta *big.Rat, groups int64) (*big.Rat, error) {
	if err := num.Between("delta", delta, leastDelta(), big.NewRat(1, 2)); err != nil {
		return nil, err
	}
	if err := (Contribution{Groups: groups, Rows: 1}).check(); err != nil {
		return nil, err
	}
	return new(big.Rat).Quo(delta, new(big.Rat).SetInt64(groups)), nil
}

// Partitions selects groups by the number of units in them, at the best price
// for that alone.
//
// Promise: which groups are shown is (ε, δ)-differentially private; a group of
// one unit is shown with a probability of at most δ divided by the groups that a
// unit may be in, exactly, and a group of none never.
// Neighbours: add/remove one privacy unit. Sensitivity: a unit changes the
// number of units by one in at most so many groups, each of which has its part
// of ε and δ. Adding discrete Laplace noise, truncated to −k … k, to a number and
// showing it where the sum is above k moves all but the one noise value k onto
// values within a factor exp(ε), and that value has at most its part of δ: k is
// one of two neighbouring bounds, chosen by a coin that does not know the data so
// that the average is just that. Source: Desfontaines, Voss, Gipson and
// Mandayam, "Differentially private partition selection" (arXiv 2006.03684), who
// show that nothing shows more groups.
type Partitions struct {
	dist  *sample.Truncated
	most  Int128
	early uint32 // of 2³² draws, those from the lower bound
	cost  Cost
}

// NewPartitions takes what may be spent on the selection, and in how many
// groups a unit is at most.
func NewPartitions(epsilon, delta *big.Rat, groups int64) (*Partitions, error) {
	if err := spendable("epsilon", epsilon); err != nil {
		return nil, err
	}
	each, err := checkSelection(delta, groups)
	if err != nil {
		return nil, err
	}
	scale := new(big.Rat).Quo(new(big.Rat).SetInt64(groups), epsilon)
	most := tail.Laplace{Scale: scale}.TruncateAt(each)
	if !most.IsUint64() {
		return nil, num.Refuse("epsilon", TooSmall, "give a larger epsilon or fewer groups per unit")
	}
	early := mixture(tail.Laplace{Scale: scale}, most, each)
	dist, err := sample.NewTruncated(scale, most.Uint64(), early)
	if err != nil {
		return nil, err
	}
	limit, _ := num.FromBig(most)
	return &Partitions{dist, limit, early, Cost{Mechanism: Selection, Epsilon: new(big.Rat).Set(epsilon), Delta: new(big.Rat).Set(delta)}}, nil
}

// mixture gives which part in 2³² of the draws may come from the bound most − 1
// so that the edge has a probability of at most p: it rounds down, and takes the
// unfavourable end of each probability.
func mixture(d tail.Laplace, most *big.Int, p *big.Rat) uint32 {
	_, high := d.Edge(new(big.Int).Sub(most, big.NewInt(1))).Rats()
	_, low := d.Edge(most).Rats()
	// λ·high + (1−λ)·low ≤ p
	room, apart := new(big.Rat).Sub(p, low), new(big.Rat).Sub(high, low)
	part := floor(room.Quo(room, apart).Mul(room, twoTo(32)))
	return uint32(min(part.Uint64(), math.MaxUint32))
}

// Cost is what a selection costs.
func (m *Partitions) Cost() []Cost { return []Cost{m.cost} }

// Prepare has the noise for so many groups drawn, before data is touched.
func (m *Partitions) Prepare(pool *Pool, groups int) { pool.prepare(m.dist, groups) }

// Select says of each group whether it is shown. What is not shown, and how many
// there were, must not be told to anybody.
func (m *Partitions) Select(ctx context.Context, pool *Pool, units []Int128) ([]bool, error) {
	for _, n := range units {
		if err := checkRows(n); err != nil {
			return nil, err
		}
	}
	draws, err := pool.take(ctx, m.dist, len(units))
	if err != nil {
		return nil, err
	}
	shown := make([]bool, len(units))
	for i, n := range units {
		sum, _ := n.Add(draws[i]) // both are far from 2¹²⁷
		shown[i] = sum.Cmp(m.most) > 0
	}
	return shown, nil
}

// Threshold counts units in groups and shows the groups whose noisy count is
// large enough: the selection costs a δ and nothing else where the counts are
// wanted anyway.
//
// Promise: Cost, whose δ bounds the probability that any group that exists
// because of one unit alone is shown. Neighbours: add/remove one privacy unit.
// Sensitivity: as [Count] for groups that others are in, too; a group that is
// only there with the unit has a count of one, and one plus noise reaches the
// threshold with a probability of at most δ divided by the groups that a unit
// may be in, by the exact tail of the noise. Source: Korolova, Kenthapadi,
// Mishra and Ntoulas (WWW 2009); Wilson and others (arXiv 1909.01917).
type Threshold struct {
	count *Count
	least *big.Int
	from  int64 // units; groups of fewer are none
	cost  Cost
}

// NewThreshold takes what may be spent on counts, the δ, and in how many groups
// a unit is at most.
func NewThreshold(p Price, delta *big.Rat, groups int64) (*Threshold, error) {
	each, err := checkSelection(delta, groups)
	if err != nil {
		return nil, err
	}
	count, err := NewCountUnits(p, groups)
	if err != nil {
		return nil, err
	}
	least := tail.Threshold(count.add.tail, each)
	least.Add(least, big.NewInt(1)) // 1 + noise ≥ least
	return &Threshold{count, least, 1, Cost{Mechanism: Selection, Delta: new(big.Rat).Set(delta)}}, nil
}

// From has groups of fewer than so many units taken for none, which who computes
// partials need not give then. A group that is one of that many because of one unit
// alone is what a group of one was: the threshold moves up by as many as are
// missing from it, and the same promise holds (as pre-thresholding in Google's
// library).
func (m *Threshold) From(units int64) *Threshold {
	if units <= m.from {
		return m
	}
	more := big.NewInt(units - m.from)
	return &Threshold{m.count, more.Add(more, m.least), units, m.cost}
}

// Cost is what a release costs: the counts, and the δ.
func (m *Threshold) Cost() []Cost { return append(m.count.Cost(), m.cost) }

// Least gives the noisy count from which on a group is shown.
func (m *Threshold) Least() *big.Int { return new(big.Int).Set(m.least) }

// PlusMinus gives the half-width that intervals will have, before any data.
func (m *Threshold) PlusMinus(level float64) (float64, error) { return m.count.PlusMinus(level) }

// Prepare has the noise for so many groups drawn, before data is touched.
func (m *Threshold) Prepare(pool *Pool, groups int) { m.count.Prepare(pool, groups) }

// Release gives the noisy number of units of each group that is shown, and nil
// for others. Intervals have their level over all groups: among small groups
// those are shown whose noise was large. What is not shown, and how many there were, must not be told to
// anybody.
func (m *Threshold) Release(ctx context.Context, pool *Pool, partials []Partial) ([]*Number, error) {
	numbers, err := m.count.Release(ctx, pool, partials)
	if err != nil {
		return nil, err
	}
	out := make([]*Number, len(numbers))
	for i, n := range numbers {
		if partials[i].Rows.Cmp(FromInt64(m.from)) >= 0 && n.noisy.value.Cmp(m.least) >= 0 {
			out[i] = &n
		}
	}
	return out, nil
}
