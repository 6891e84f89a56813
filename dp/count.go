package dp

import (
	"context"
	"math/big"

	"github.com/anchorhold/anchorhold/dp/internal/num"
)

// Partial is what is known exactly of a group of rows: how many there are, and
// for sums what the lattice points of one column add up to.
type Partial struct {
	Rows Int128
	Sum  Int128 // in steps
}

// maxRows bounds the rows of a group.
const maxRows = 1 << 47

// checkRows refuses a number of rows that nothing could have counted.
func checkRows(n Int128) error {
	if n.Sign() < 0 || n.Cmp(FromInt64(maxRows)) > 0 {
		return num.Refuse("number of rows in a partial", OutOfBounds, "the engine did not count")
	}
	return nil
}

// Number is a released count or sum: an unbiased value, which may lie outside
// of what is possible, and an interval, which does not.
type Number struct {
	noisy noisy
	step  *big.Rat
	least *big.Rat // what the true value is at least; nil if nothing is known
}

// Exact gives the released value.
func (n Number) Exact() *big.Rat {
	x := n.noisy.best()
	return x.Mul(x, n.step)
}

// In gives the same number with values of so many of a unit, which is above
// zero.
func (n Number) In(unit *big.Rat) (Number, error) {
	if err := num.Positive("unit", unit); err != nil {
		return Number{}, err
	}
	n.step = new(big.Rat).Mul(n.step, unit)
	if n.least != nil {
		n.least = new(big.Rat).Mul(n.least, unit)
	}
	return n, nil
}

// Float64 gives the released value, rounded to the nearest float64.
func (n Number) Float64() float64 {
	f, _ := n.Exact().Float64()
	return f
}

// Interval gives the smallest symmetric interval whose coverage is at least
// the level, by the exact distribution of the noise.
func (n Number) Interval(level float64) (Interval, error) {
	a, err := alpha(level)
	if err != nil {
		return Interval{}, err
	}
	return n.span(a).outward(), nil
}

func (n Number) span(alpha *big.Rat) span {
	s := n.noisy.span(alpha).scaled(n.step)
	if n.least != nil {
		s = span{most(s.low, n.least), most(s.high, n.least)}
	}
	return s
}

// Count counts rows in groups: COUNT(*), COUNT(x), and with one row for each
// unit COUNT(DISTINCT unit) and histograms.
//
// Promise: the released counts of all groups together satisfy Cost.
// Neighbours: add/remove one privacy unit. Sensitivity: a unit has at most
// Contribution.Rows rows in each of at most Contribution.Groups groups, so it
// changes as many counts by at most as much. Groups must not depend on data, or
// be chosen by a [Threshold] or [Partitions]. Source: Dwork and others, TCC
// 2006; CKS for the discrete noise.
type Count struct {
	add *additive
	per Contribution
}

// NewCount takes what may be spent on all groups together, and the bounds.
func NewCount(p Price, c Contribution) (*Count, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	a, err := newAdditive(p, c.Groups, big.NewInt(c.Rows))
	if err != nil {
		return nil, err
	}
	return &Count{a, c}, nil
}

// NewCountUnits counts privacy units, each once in each of its groups.
func NewCountUnits(p Price, groups int64) (*Count, error) {
	return NewCount(p, Contribution{Groups: groups, Rows: 1})
}

// Cost is what a release costs.
func (m *Count) Cost() []Cost { return []Cost{m.add.cost} }

// PlusMinus gives the half-width that intervals will have, before any data.
func (m *Count) PlusMinus(level float64) (float64, error) {
	return plusMinus(m.add, big.NewRat(1, 1), level)
}

func plusMinus(a *additive, step *big.Rat, level float64) (float64, error) {
	al, err := alpha(level)
	if err != nil {
		return 0, err
	}
	return point(new(big.Rat).Mul(a.plusMinus(al), step)).outward().High, nil
}

// Prepare has the noise for so many groups drawn, before data is touched.
func (m *Count) Prepare(pool *Pool, groups int) { pool.prepare(m.add.dist, groups) }

// Release counts each group with noise.
func (m *Count) Release(ctx context.Context, pool *Pool, partials []Partial) ([]Number, error) {
	totals := make([]*big.Int, len(partials))
	for i, p := range partials {
		if err := checkRows(p.Rows); err != nil {
			return nil, err
		}
		totals[i] = p.Rows.Big()
	}
	return release(ctx, pool, m.add, totals, big.NewRat(1, 1), new(big.Rat))
}

// release gives each total, which is at least least, with noise.
func release(ctx context.Context, pool *Pool, a *additive, totals []*big.Int, step, least *big.Rat) ([]Number, error) {
	values, err := a.add(ctx, pool, totals)
	if err != nil {
		return nil, err
	}
	out := make([]Number, len(values))
	for i, v := range values {
		out[i] = Number{v, step, least}
	}
	return out, nil
}

// Simultaneous gives an interval for each of several numbers, such as the cells
// of a histogram, all of which hold together at the level (by Bonferroni's
// inequality, which holds for any numbers).
func Simultaneous(numbers []Number, level float64) ([]Interval, error) {
	a, err := alpha(level)
	if err != nil {
		return nil, err
	}
	if len(numbers) == 0 {
		return nil, nil
	}
	a.Quo(a, big.NewRat(int64(len(numbers)), 1))
	out := make([]Interval, len(numbers))
	for i, n := range numbers {
		out[i] = n.span(a).outward()
	}
	return out, nil
}

// Sum adds up a column in groups: SUM(x).
//
// Promise: the released sums of all groups together satisfy Cost.
// Neighbours: add/remove one privacy unit. Sensitivity: a unit contributes at
// most Contribution.Rows values between the lattice's bounds to each of at most
// Contribution.Groups sums: each changes by at most Rows·max(|low|, |high|). For
// bounds on what a unit adds to a group as a whole, the caller clamps that whole
// and says that it is one row. Source: as Count.
type Sum struct {
	add     *additive
	lattice *Lattice
}

// NewSum takes what may be spent on all groups together, the bounds on
// contributions, and where values lie.
func NewSum(p Price, c Contribution, l *Lattice) (*Sum, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	if l == nil {
		return nil, num.Refuse("lattice", Missing, "give bounds: without them one value could be anything")
	}
	a, err := newAdditive(p, c.Groups, new(big.Int).Mul(big.NewInt(c.Rows), big.NewInt(l.largest())))
	if err != nil {
		return nil, err
	}
	return &Sum{a, l}, nil
}

// Cost is what a release costs.
func (m *Sum) Cost() []Cost { return []Cost{m.add.cost} }

// PlusMinus gives the half-width that intervals will have, before any data.
func (m *Sum) PlusMinus(level float64) (float64, error) {
	return plusMinus(m.add, m.lattice.step, level)
}

// Prepare has the noise for so many groups drawn, before data is touched.
func (m *Sum) Prepare(pool *Pool, groups int) { pool.prepare(m.add.dist, groups) }

// Release adds noise to the sum of each group. A partial whose sum cannot come
// from its number of rows within the bounds is refused.
func (m *Sum) Release(ctx context.Context, pool *Pool, partials []Partial) ([]Number, error) {
	totals := make([]*big.Int, len(partials))
	for i, p := range partials {
		if err := m.lattice.checkSum(p.Rows, p.Sum); err != nil {
			return nil, err
		}
		totals[i] = p.Sum.Big()
	}
	var least *big.Rat
	if m.lattice.low >= 0 {
		least = new(big.Rat)
	}
	return release(ctx, pool, m.add, totals, m.lattice.Step(), least)
}

// checkSum refuses a sum of n values that cannot all lie within the bounds.
func (l *Lattice) checkSum(n, sum Int128) error {
	if err := checkRows(n); err != nil {
		return err
	}
	rows, total := n.Big(), sum.Big()
	low, high := new(big.Int).Mul(rows, big.NewInt(l.low)), new(big.Int).Mul(rows, big.NewInt(l.high))
	if total.Cmp(low) < 0 || total.Cmp(high) > 0 {
		return num.Refuse("sum in a partial", OutOfBounds, "the engine did not clamp values to their bounds")
	}
	return nil
}
