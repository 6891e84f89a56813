package dp

import (
	"context"
	"math"
	"math/big"

	"github.com/anchorhold/anchorhold/dp/internal/num"
)

// Range is what one privacy unit adds to a total of one group, at least and at
// most.
type Range struct{ Low, High int64 }

// Totals releases several integers for each group, of which is known between
// what bounds one unit can move each: what a planner of questions has, whatever
// the integers stand for. [MeanOf], [TotalOf] and [VarianceOf] make values of
// them at no further cost.
//
// Promise: all totals of all groups together satisfy Cost, the sum of its
// parts. Neighbours: add/remove one privacy unit. Sensitivity: a unit adds a
// number from its Range to each total of at most so many groups, and nothing to
// others, so that it moves each by at most max(|Low|, |High|). Groups must not
// depend on data, or be chosen by a [Threshold] or [Partitions]. Source: as
// [Count].
type Totals struct {
	parts  []*additive
	ranges []Range
}

// NewTotals takes what may be spent on all totals together, and how it is
// divided; nil divides it equally.
func NewTotals(p Price, groups int64, ranges []Range, weights []int64) (*Totals, error) {
	if err := (Contribution{Groups: groups, Rows: 1}).check(); err != nil {
		return nil, err
	}
	switch {
	case len(ranges) == 0:
		return nil, num.Refuse("totals", Missing, "name at least one")
	case len(ranges) > maxTotals:
		return nil, num.Refuse("totals", TooLarge, "name at most 4096")
	case weights == nil:
		weights = make([]int64, len(ranges))
		for i := range weights {
			weights[i] = 1
		}
	case len(weights) != len(ranges):
		return nil, num.Refuse("weights", OutOfBounds, "give one for each total")
	}
	shares, err := p.Split(weights...)
	if err != nil {
		return nil, err
	}
	m := &Totals{ranges: append([]Range(nil), ranges...)}
	for i, r := range ranges {
		if r.Low > r.High {
			return nil, num.Refuse("range", Unordered, "give the lower end first")
		}
		per := new(big.Int).Abs(big.NewInt(r.Low))
		if high := new(big.Int).Abs(big.NewInt(r.High)); high.Cmp(per) > 0 {
			per = high
		}
		a, err := newAdditive(shares[i], groups, per)
		if err != nil {
			return nil, err
		}
		m.parts = append(m.parts, a)
	}
	return m, nil
}

// maxTotals bounds the totals of a group.
const maxTotals = 4096

// Cost is what a release costs: all totals.
func (m *Totals) Cost() []Cost {
	list := make([]Cost, len(m.parts))
	for i, a := range m.parts {
		list[i] = a.cost
	}
	return list
}

// PlusMinus gives the half-width that intervals of a total will have, before any
// data.
func (m *Totals) PlusMinus(total int, level float64) (float64, error) {
	if total < 0 || total >= len(m.parts) {
		return 0, num.Refuse("total", OutOfBounds, "name one of those that are released")
	}
	return plusMinus(m.parts[total], big.NewRat(1, 1), level)
}

// Noise says how large the noise of a total will be.
func (m *Totals) Noise(total int) Noise { return m.parts[total].about(big.NewRat(1, 1)) }

// Expected gives what a released total would look like that is x, without noise
// and without any data, to announce how precise answers that follow from it will
// be.
func (m *Totals) Expected(total int, x *big.Int) (Number, error) {
	if total < 0 || total >= len(m.parts) {
		return Number{}, num.Refuse("total", OutOfBounds, "name one of those that are released")
	}
	a := m.parts[total]
	return Number{noisy{new(big.Int).Rsh(x, a.shift), a}, big.NewRat(1, 1), m.ranges[total].least()}, nil
}

// least is what a total is at least; nil where it may be anything.
func (r Range) least() *big.Rat {
	if r.Low >= 0 {
		return new(big.Rat)
	}
	return nil
}

// Prepare has the noise for so many groups drawn, before data is touched.
func (m *Totals) Prepare(pool *Pool, groups int) {
	for _, a := range m.parts {
		pool.prepare(a.dist, groups)
	}
}

// Release adds noise to the totals of each group. A total that no number of
// units within its range adds up to is refused.
func (m *Totals) Release(ctx context.Context, pool *Pool, groups [][]Int128) ([][]Number, error) {
	columns := make([][]*big.Int, len(m.parts))
	for _, totals := range groups {
		if len(totals) != len(m.parts) {
			return nil, num.Refuse("totals in a partial", Missing, "the engine computed others than were asked for")
		}
		for i, x := range totals {
			if err := m.ranges[i].check(x.Big()); err != nil {
				return nil, err
			}
			columns[i] = append(columns[i], x.Big())
		}
	}
	out := make([][]Number, len(groups))
	for i, a := range m.parts {
		numbers, err := release(ctx, pool, a, columns[i], big.NewRat(1, 1), m.ranges[i].least())
		if err != nil {
			return nil, err
		}
		for j, n := range numbers {
			out[j] = append(out[j], n)
		}
	}
	return out, nil
}

// check refuses a total that is not the sum of at most maxRows numbers of the
// range: of none, it is 0.
func (r Range) check(x *big.Int) error {
	low := new(big.Int).Mul(big.NewInt(min(r.Low, 0)), big.NewInt(maxRows))
	high := new(big.Int).Mul(big.NewInt(max(r.High, 0)), big.NewInt(maxRows))
	if x.Cmp(low) < 0 || x.Cmp(high) > 0 {
		return num.Refuse("total in a partial", OutOfBounds, "the engine did not bound what units add to it")
	}
	return nil
}

// Form says which values integers stand for: the integer x stands for
// (x + Offset)·Unit, which lies between Low and High. Unit is above zero.
type Form struct{ Offset, Unit, Low, High *big.Rat }

func (f Form) check() error {
	if err := checkBounds(f.Low, f.High); err != nil {
		return err
	}
	if err := num.Short("offset", f.Offset); err != nil {
		return err
	}
	return num.Positive("unit", f.Unit)
}

// combined is an estimate that follows from several numbers. Its interval is
// computed where each of them lies in its own, at a level that lets all do so
// (Bonferroni): no independence is assumed. A span of nothing has no ends.
type combined struct {
	numbers []Number
	of      func([]span) span
	root    bool
}

func (c combined) Float64() float64 {
	at := make([]span, len(c.numbers))
	for i, n := range c.numbers {
		at[i] = point(n.Exact())
	}
	s := c.of(at)
	if s.low == nil {
		return math.NaN()
	}
	f, _ := s.low.Float64()
	if c.root {
		return math.Sqrt(f)
	}
	return f
}

func (c combined) Interval(level float64) (Interval, error) {
	a, err := alpha(level)
	if err != nil {
		return Interval{}, err
	}
	a.Quo(a, big.NewRat(int64(len(c.numbers)), 1))
	at := make([]span, len(c.numbers))
	for i, n := range c.numbers {
		at[i] = n.span(a)
	}
	s := c.of(at)
	if s.low == nil {
		return Interval{math.Inf(-1), math.Inf(1)}, nil
	}
	i := s.outward()
	if c.root {
		i = rootOf(i)
	}
	return i, nil
}

// rootOf gives the square roots of an interval of numbers that are at least 0.
func rootOf(i Interval) Interval {
	return Interval{
		math.Max(0, math.Nextafter(math.Sqrt(i.Low), math.Inf(-1))),
		math.Nextafter(math.Sqrt(i.High), math.Inf(1)),
	}
}

// atLeast moves both ends up to a limit.
func (s span) atLeast(limit *big.Rat) span {
	return span{most(s.low, limit), most(s.high, limit)}
}

// MeanOf gives the average of values from a released count of them and sum of
// their integers. Its interval is for a group with at least one value.
func MeanOf(count, sum Number, f Form) (Estimate, error) {
	if err := f.check(); err != nil {
		return nil, err
	}
	return combined{numbers: []Number{count, sum}, of: func(at []span) span {
		n := at[0].atLeast(big.NewRat(1, 1))
		return at[1].over(n).shifted(f.Offset).scaled(f.Unit).within(f.Low, f.High)
	}}, nil
}

// TotalOf gives the sum of values from a released count of them and sum of
// their integers.
func TotalOf(count, sum Number, f Form) (Estimate, error) {
	if err := f.check(); err != nil {
		return nil, err
	}
	return combined{numbers: []Number{count, sum}, of: func(at []span) span {
		return at[1].plus(at[0].times(point(f.Offset))).scaled(f.Unit)
	}}, nil
}

// VarianceOf gives the variance of values from a released count of them, sum of
// their integers, and sum of the integers' squares, from each of which
// squareOffset was taken: with the divisor n, or n − 1 if sample is true. Its
// interval is for a group with at least one value, or two.
func VarianceOf(count, sum, squares Number, f Form, squareOffset *big.Rat, sample bool) (Estimate, error) {
	if err := f.check(); err != nil {
		return nil, err
	}
	if err := num.Short("offset of squares", squareOffset); err != nil {
		return nil, err
	}
	// No variance is above that of half of the values at each bound.
	half := new(big.Rat).Sub(f.High, f.Low)
	half.Quo(half, big.NewRat(2, 1))
	largest := new(big.Rat).Mul(half, half)
	unit := new(big.Rat).Mul(f.Unit, f.Unit)
	return combined{numbers: []Number{count, sum, squares}, of: func(at []span) span {
		n := at[0].atLeast(big.NewRat(1, 1))
		mean := at[1].over(n)
		v := at[2].over(n).shifted(squareOffset).minus(mean.square()).scaled(unit).within(new(big.Rat), largest)
		if sample {
			v = v.times(bessel(n))
		}
		return v
	}}, nil
}

// bessel gives n/(n − 1) for n of at least two.
func bessel(n span) span {
	factor := func(n *big.Rat) *big.Rat {
		n = most(n, big.NewRat(2, 1))
		return new(big.Rat).Quo(n, new(big.Rat).Sub(n, big.NewRat(1, 1)))
	}
	return span{factor(n.high), factor(n.low)}
}

// DeviationOf gives the square root of what VarianceOf gives.
func DeviationOf(count, sum, squares Number, f Form, squareOffset *big.Rat, sample bool) (Estimate, error) {
	e, err := VarianceOf(count, sum, squares, f, squareOffset, sample)
	if err != nil {
		return nil, err
	}
	c, _ := e.(combined)
	c.root = true
	return c, nil
}
