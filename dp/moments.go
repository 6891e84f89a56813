package dp

import (
	"context"
	"math"
	"math/big"

	"github.com/anchorhold/anchorhold/dp/internal/num"
)

// MomentsPartial is what is known exactly of some columns in a group of rows
// that have a value in each of them. Sums and products are of lattice points,
// in steps.
type MomentsPartial struct {
	Rows     Int128
	Sums     []Int128 // of each column
	Products []Int128 // of each pair, in the order of Pairs; if they are asked for
}

// Pairs gives the order of products of n columns: (0,0), (0,1), …, (1,1), ….
func Pairs(n int) [][2]int {
	var list [][2]int
	for i := range n {
		for j := i; j < n; j++ {
			list = append(list, [2]int{i, j})
		}
	}
	return list
}

// Moments releases the noisy count, sums and, if asked for, products of some
// columns in groups. Everything that follows from these costs nothing more: AVG,
// VARIANCE, STDDEV, covariance, correlation and least squares.
//
// Promise: all that is released satisfies Cost, the sum of its parts: an
// average is charged for its sum and for its count.
// Neighbours: add/remove one privacy unit. Sensitivity: with a value's distance
// from the middle of its bounds in half steps, c = 2x − low − high, one row
// changes the count by 1, a sum of c by at most w = high − low, a sum of cᵢ·cⱼ by
// at most wᵢ·wⱼ, and a sum of 2c² − w² by at most w². A unit has at most
// Contribution.Rows rows in each of at most Contribution.Groups groups. Centring
// halves what a sum needs, and gives no information: the middle is known.
// Source: noisy sum around the midpoint as in Li, Lyu, Su and Yang,
// "Differential Privacy: From Theory to Practice" (2016), §2.5; the
// sufficient statistics of least squares as in Vu and Slavković (2009) and
// Sheffet (ICML 2017).
type Moments struct {
	columns  []*Lattice
	products bool
	parts    []*additive // count, sums, products
	rows     int64
}

// maxColumns bounds columns: more would leave each with next to nothing.
const maxColumns = 64

// Weights of the parts of a price. A count blurs an average by no more than the
// distance of the average from the middle; its sum blurs it always.
const (
	countWeight = 1
	sumWeight   = 3
	pairWeight  = 3
)

// NewMoments takes what may be spent on all groups and parts together.
func NewMoments(p Price, c Contribution, products bool, columns ...*Lattice) (*Moments, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	switch {
	case len(columns) == 0:
		return nil, num.Refuse("columns", Missing, "name at least one")
	case len(columns) > maxColumns:
		return nil, num.Refuse("columns", TooLarge, "name at most 64")
	}
	weights, per := []int64{countWeight}, []*big.Int{big.NewInt(1)}
	for _, l := range columns {
		if l == nil {
			return nil, num.Refuse("lattice", Missing, "give bounds: without them one value could be anything")
		}
		weights, per = append(weights, sumWeight), append(per, big.NewInt(l.width()))
	}
	if products {
		for _, pair := range Pairs(len(columns)) {
			w := num.Product(columns[pair[0]].width(), columns[pair[1]].width()).Big()
			weights, per = append(weights, pairWeight), append(per, w)
		}
	}
	shares, err := p.Split(weights...)
	if err != nil {
		return nil, err
	}
	m := &Moments{columns: columns, products: products, rows: c.Rows}
	for i, share := range shares {
		a, err := newAdditive(share, c.Groups, per[i].Mul(per[i], big.NewInt(c.Rows)))
		if err != nil {
			return nil, err
		}
		m.parts = append(m.parts, a)
	}
	return m, nil
}

// Cost is what a release costs: all parts.
func (m *Moments) Cost() []Cost {
	list := make([]Cost, len(m.parts))
	for i, a := range m.parts {
		list[i] = a.cost
	}
	return list
}

// Prepare has the noise for so many groups drawn, before data is touched.
func (m *Moments) Prepare(pool *Pool, groups int) {
	for _, a := range m.parts {
		pool.prepare(a.dist, groups)
	}
}

// Release adds noise to the moments of each group.
func (m *Moments) Release(ctx context.Context, pool *Pool, partials []MomentsPartial) ([]*Summary, error) {
	totals := make([][]*big.Int, len(m.parts))
	for _, p := range partials {
		centred, err := m.centred(p)
		if err != nil {
			return nil, err
		}
		for i, x := range centred {
			totals[i] = append(totals[i], x)
		}
	}
	out := make([]*Summary, len(partials))
	for i := range out {
		out[i] = &Summary{of: m}
	}
	for i, a := range m.parts {
		values, err := a.add(ctx, pool, totals[i])
		if err != nil {
			return nil, err
		}
		for j, v := range values {
			out[j].parts = append(out[j].parts, v)
		}
	}
	return out, nil
}

// Expected gives what a release of a group would look like that has so many
// rows, without noise and without any data, to announce how precise its answers
// will be: values are spread evenly, around a quarter of the range off its
// middle.
func (m *Moments) Expected(rows int64) (*Summary, error) {
	if err := checkRows(FromInt64(rows)); err != nil {
		return nil, err
	}
	s := &Summary{of: m}
	put := func(numerator, denominator int64, per *big.Int) {
		a := m.parts[len(s.parts)]
		x := new(big.Int).Mul(per, big.NewInt(rows))
		x.Mul(x, big.NewInt(numerator)).Quo(x, big.NewInt(denominator))
		s.parts = append(s.parts, noisy{x.Rsh(x, a.shift), a})
	}
	put(1, 1, big.NewInt(1))
	for _, l := range m.columns {
		put(1, 2, big.NewInt(l.width()))
	}
	if m.products {
		for _, pair := range Pairs(len(m.columns)) {
			w := num.Product(m.columns[pair[0]].width(), m.columns[pair[1]].width()).Big()
			if pair[0] == pair[1] {
				put(-1, 3, w) // 2·(w²/3) − w²
			} else {
				put(1, 4, w)
			}
		}
	}
	return s, nil
}

// centred gives the totals to which noise is added, or refuses a partial that
// cannot come from rows within the bounds.
func (m *Moments) centred(p MomentsPartial) ([]*big.Int, error) {
	pairs := Pairs(len(m.columns))
	if len(p.Sums) != len(m.columns) || m.products && len(p.Products) != len(pairs) {
		return nil, num.Refuse("sums in a partial", Missing, "the engine computed others than were asked for")
	}
	rows := p.Rows.Big()
	totals := []*big.Int{rows}
	for i, l := range m.columns {
		if err := l.checkSum(p.Rows, p.Sums[i]); err != nil {
			return nil, err
		}
		c := p.Sums[i].Big()
		c.Lsh(c, 1).Sub(c, new(big.Int).Mul(rows, big.NewInt(l.centre())))
		totals = append(totals, c)
	}
	if !m.products {
		return totals, nil
	}
	for k, pair := range pairs {
		a, b := m.columns[pair[0]], m.columns[pair[1]]
		// Σ(2x−kₐ)(2y−k_b) = 4Σxy − 2k_bΣx − 2kₐΣy + kₐk_bn
		x := p.Products[k].Big()
		x.Lsh(x, 2)
		x.Sub(x, new(big.Int).Mul(big.NewInt(2*b.centre()), p.Sums[pair[0]].Big()))
		x.Sub(x, new(big.Int).Mul(big.NewInt(2*a.centre()), p.Sums[pair[1]].Big()))
		x.Add(x, new(big.Int).Mul(num.Product(a.centre(), b.centre()).Big(), rows))
		limit := new(big.Int).Mul(num.Product(a.width(), b.width()).Big(), rows)
		if x.CmpAbs(limit) > 0 || pair[0] == pair[1] && x.Sign() < 0 {
			return nil, num.Refuse("products in a partial", OutOfBounds, "the engine did not clamp values to their bounds")
		}
		if pair[0] == pair[1] {
			// Cauchy and Schwarz: (Σc)² ≤ n·Σc².
			sum := new(big.Int).Mul(totals[1+pair[0]], totals[1+pair[0]])
			if sum.Cmp(new(big.Int).Mul(rows, x)) > 0 {
				return nil, num.Refuse("products in a partial", OutOfBounds, "the engine did not add up the same rows")
			}
			x.Lsh(x, 1).Sub(x, limit) // Σ(2c² − w²)
		}
		totals = append(totals, x)
	}
	return totals, nil
}

// Summary is what was released of one group: a count, sums and products with
// noise, and what follows from them.
type Summary struct {
	of    *Moments
	parts []noisy
}

// Count gives the number of rows.
func (s *Summary) Count() Number {
	return Number{s.parts[0], big.NewRat(1, 1), new(big.Rat)}
}

// view is the summary at exact numbers or at intervals: both are spans, so that
// a value and its interval come from the same formula.
type view struct {
	s     *Summary
	count span // the number of rows
	rows  span // the same, at least one
	parts []span
}

// at gives intervals that all hold except with a probability of at most alpha
// (Bonferroni over the parts that are looked at), or for nil the values.
func (s *Summary) at(alpha *big.Rat, looked ...int) view {
	v := view{s: s, parts: make([]span, len(s.parts))}
	one := big.NewRat(1, 1)
	each := alpha
	if alpha != nil {
		each = new(big.Rat).Quo(alpha, big.NewRat(int64(1+len(looked)), 1))
	}
	get := func(i int) span {
		if alpha == nil {
			return point(s.parts[i].best())
		}
		return s.parts[i].span(each)
	}
	// For means there is at least one row, or there is nothing to tell of.
	v.count = get(0)
	v.rows = span{most(v.count.low, one), most(v.count.high, one)}
	for _, i := range looked {
		v.parts[i] = get(i)
	}
	return v
}

// pair gives where a product's part is.
func (m *Moments) pair(i, j int) int {
	if i > j {
		i, j = j, i
	}
	n := len(m.columns)
	return 1 + n + i*n - i*(i-1)/2 + j - i
}

// middle gives where the mean of c is, in half steps.
func (v view) middle(i int) span {
	w := big.NewRat(v.s.of.columns[i].width(), 1)
	return v.parts[1+i].over(v.rows).within(new(big.Rat).Neg(w), w)
}

// mean gives where the mean of a column is.
func (v view) mean(i int) span {
	l := v.s.of.columns[i]
	half := new(big.Rat).Quo(l.step, big.NewRat(2, 1))
	return v.middle(i).shifted(big.NewRat(l.centre(), 1)).scaled(half)
}

// together gives where the mean of cᵢ·cⱼ is.
func (v view) together(i, j int) span {
	a, b := v.s.of.columns[i], v.s.of.columns[j]
	w := new(big.Rat).SetInt(num.Product(a.width(), b.width()).Big())
	mean := v.parts[v.s.of.pair(i, j)].over(v.rows)
	if i != j {
		return mean.within(new(big.Rat).Neg(w), w)
	}
	return mean.shifted(w).scaled(big.NewRat(1, 2)).within(new(big.Rat), w) // (E/n + w²)/2
}

// covariance gives where the covariance of two columns is, with the divisor n,
// in half steps of both.
func (v view) covariance(i, j int) span {
	a, b := v.s.of.columns[i], v.s.of.columns[j]
	w := new(big.Rat).SetInt(num.Product(a.width(), b.width()).Big())
	if i == j {
		return v.together(i, i).minus(v.middle(i).square()).within(new(big.Rat), w)
	}
	return v.together(i, j).minus(v.middle(i).times(v.middle(j))).within(new(big.Rat).Neg(w), w)
}

// sample changes the divisor from n to n − 1, for the n that are possible.
func (v view) sample(s span) span {
	return s.times(bessel(v.rows))
}

// real brings half steps of two columns to their unit.
func (v view) real(s span, i, j int) span {
	unit := new(big.Rat).Mul(v.s.of.columns[i].step, v.s.of.columns[j].step)
	return s.scaled(unit.Quo(unit, big.NewRat(4, 1)))
}

// derived is an estimate that is computed from a summary.
type derived struct {
	s      *Summary
	looked []int
	of     func(view) span
	root   bool // the square root of it
}

func (d derived) Float64() float64 {
	f, _ := d.of(d.s.at(nil, d.looked...)).low.Float64()
	if d.root {
		return math.Sqrt(f)
	}
	return f
}

func (d derived) Interval(level float64) (Interval, error) {
	a, err := alpha(level)
	if err != nil {
		return Interval{}, err
	}
	i := d.of(d.s.at(a, d.looked...)).outward()
	if d.root {
		i = rootOf(i)
	}
	return i, nil
}

// check refuses a column that is not there, or products that were not released.
func (s *Summary) check(products bool, columns ...int) error {
	for _, i := range columns {
		if i < 0 || i >= len(s.of.columns) {
			return num.Refuse("column", OutOfBounds, "name one of the columns that were released")
		}
	}
	if products && !s.of.products {
		return num.Refuse("products", Missing, "ask for them with NewMoments")
	}
	return nil
}

// Mean gives the average of a column, within its bounds. The interval is for a
// group with at least one row.
func (s *Summary) Mean(i int) (Estimate, error) {
	if err := s.check(false, i); err != nil {
		return nil, err
	}
	return derived{s: s, looked: []int{1 + i}, of: func(v view) span { return v.mean(i) }}, nil
}

// Sum gives the sum of a column. A [Sum] by itself is more precise where bounds
// are close to zero on one side; this one costs nothing more beside a mean.
func (s *Summary) Sum(i int) (Estimate, error) {
	if err := s.check(false, i); err != nil {
		return nil, err
	}
	return derived{s: s, looked: []int{1 + i}, of: func(v view) span {
		l := v.s.of.columns[i]
		centre := point(big.NewRat(l.centre(), 1))
		half := new(big.Rat).Quo(l.step, big.NewRat(2, 1))
		return v.parts[1+i].plus(v.count.times(centre)).scaled(half)
	}}, nil
}

// Covariance gives the covariance of two columns, or of one with itself its
// variance: with the divisor n, or n − 1 if sample is true.
func (s *Summary) Covariance(i, j int, sample bool) (Estimate, error) {
	if err := s.check(true, i, j); err != nil {
		return nil, err
	}
	looked := []int{1 + i, s.of.pair(i, j)}
	if i != j {
		looked = append(looked, 1+j)
	}
	return derived{s: s, looked: looked, of: func(v view) span {
		c := v.covariance(i, j)
		if sample {
			c = v.sample(c)
		}
		return v.real(c, i, j)
	}}, nil
}

// Variance gives VAR_POP, or VAR_SAMP if sample is true.
func (s *Summary) Variance(i int, sample bool) (Estimate, error) { return s.Covariance(i, i, sample) }

// Stddev gives the square root of Variance.
func (s *Summary) Stddev(i int, sample bool) (Estimate, error) {
	e, err := s.Variance(i, sample)
	if err != nil {
		return nil, err
	}
	d, _ := e.(derived)
	d.root = true
	return d, nil
}

// Correlation gives Pearson's coefficient of two columns, 0 where a released
// variance is not above zero.
func (s *Summary) Correlation(i, j int) (Estimate, error) {
	if err := s.check(true, i, j); err != nil {
		return nil, err
	}
	looked := []int{1 + i, 1 + j, s.of.pair(i, i), s.of.pair(i, j), s.of.pair(j, j)}
	if i == j {
		looked = []int{1 + i, s.of.pair(i, i)}
	}
	return derived{s: s, looked: looked, of: func(v view) span {
		return quotientOfRoot(v.covariance(i, j), v.covariance(i, i).times(v.covariance(j, j)))
	}}, nil
}

// quotientOfRoot gives c/√v within −1 and 1.
func quotientOfRoot(c, v span) span {
	whole := span{big.NewRat(-1, 1), big.NewRat(1, 1)}
	if v.low.Sign() <= 0 {
		if c.low.Cmp(c.high) == 0 {
			return point(new(big.Rat)) // a value, not an interval
		}
		return whole
	}
	root := span{rootBelow(v.low), rootBelow(v.high)}
	if v.low.Cmp(v.high) != 0 {
		root.high = new(big.Rat).Mul(root.high, big.NewRat(1<<40+1, 1<<40))
	}
	return c.over(root).within(whole.low, whole.high)
}

// rootBelow gives √x rounded down by less than one part in 2⁶⁰, for x > 0.
func rootBelow(x *big.Rat) *big.Rat {
	// √(n/d) = √(n·d·4^k)/(d·2^k)
	nd := new(big.Int).Mul(x.Num(), x.Denom())
	const k = 64
	nd.Lsh(nd, 2*k).Sqrt(nd)
	return new(big.Rat).SetFrac(nd, new(big.Int).Lsh(x.Denom(), k))
}
