package dp

import (
	"context"
	"math"
	"math/big"
	"sync"

	"github.com/anchorhold/anchorhold/dp/internal/num"
)

// Quantiles releases a noisy tree of counts over a stated range, from which any
// quantile follows, and its interval, at no further cost.
//
// Promise: the tree satisfies Cost. Neighbours: add/remove one privacy unit.
// Sensitivity: the range of the lattice is divided into bins, and these into a
// tree with 16 children at each node; a row is in one node of each level, so a
// unit changes the counts of one level by at most Contribution.Rows in L1 (and
// in L2, if all fall into one node) in each of at most Contribution.Groups
// groups. Levels share the price. Source: Hay, Rastogi, Miklau and Suciu (VLDB
// 2010); the interval inverts a test at each bin, so that it needs to hold at
// the true one only.
//
// The quantile of a proportion p is the least value with at least p of all rows
// at or below it: an actual value, not one between two.
type Quantiles struct {
	bins   int
	levels []*additive // from the top; the last has the bins

	// Bin i holds the values from low + i·width to gap before the next, or to
	// top.
	low, width, gap, top *big.Rat

	mu    sync.Mutex
	known map[excess]float64 // what deviation computed
}

// excess is a sum of noises: which part of a bound each kind of node has, and
// how many there are.
type excess struct {
	alpha, p             float64
	first, others, below int
}

// maxKnown bounds what is kept: who asks for ever new levels computes anew.
const maxKnown = 1 << 14

// fanout is how many children a node has.
const fanout = 16

// maxBins bounds bins: below 1/65536 of a range, noise decides.
const maxBins = 1 << 16

// NewQuantiles takes what may be spent on all groups and levels together, and
// into how many bins of equally many points the lattice is divided, from 2 to
// 65536; as points are whole, it may become fewer.
func NewQuantiles(p Price, c Contribution, l *Lattice, bins int) (*Quantiles, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	switch {
	case l == nil:
		return nil, num.Refuse("lattice", Missing, "give bounds: quantiles are searched between them")
	case bins < 2:
		return nil, num.Refuse("bins", TooSmall, "give at least 2")
	case bins > maxBins || int64(bins) > l.width()+1:
		return nil, num.Refuse("bins", TooLarge, "give at most 65536, and not more than there are points between the bounds")
	}
	size := (l.width() + int64(bins)) / int64(bins) // points in a bin
	m := &Quantiles{
		bins: int((l.width() + size) / size),
		low:  l.Decode(big.NewInt(l.low)), width: l.Decode(big.NewInt(size)), gap: l.Step(), top: l.Decode(big.NewInt(l.high)),
	}
	return m.grow(p, c)
}

// NewQuantilesOfBins is NewQuantiles for bins of equal width above a lowest
// value, into which values were sorted by somebody else.
func NewQuantilesOfBins(p Price, c Contribution, low, width *big.Rat, bins int) (*Quantiles, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	if err := num.Short("lower bound", low); err != nil {
		return nil, err
	}
	if err := num.Positive("width of a bin", width); err != nil {
		return nil, err
	}
	switch {
	case bins < 2:
		return nil, num.Refuse("bins", TooSmall, "give at least 2")
	case bins > maxBins:
		return nil, num.Refuse("bins", TooLarge, "give at most 65536")
	}
	m := &Quantiles{bins: bins, low: new(big.Rat).Set(low), width: new(big.Rat).Set(width), gap: new(big.Rat)}
	m.top = new(big.Rat).Mul(width, big.NewRat(int64(bins), 1))
	m.top.Add(m.top, low)
	return m.grow(p, c)
}

// grow makes the tree.
func (m *Quantiles) grow(p Price, c Contribution) (*Quantiles, error) {
	m.known = map[excess]float64{}
	weights := make([]int64, depth(m.bins))
	for i := range weights {
		weights[i] = 1
	}
	shares, err := p.Split(weights...)
	if err != nil {
		return nil, err
	}
	for _, share := range shares {
		a, err := newAdditive(share, c.Groups, big.NewInt(c.Rows))
		if err != nil {
			return nil, err
		}
		m.levels = append(m.levels, a)
	}
	return m, nil
}

// depth is how many levels a tree over so many bins has.
func depth(bins int) int {
	levels := 1
	for n := fanout; n < bins; n *= fanout {
		levels++
	}
	return levels
}

// Cost is what a release costs: all levels.
func (m *Quantiles) Cost() []Cost {
	list := make([]Cost, len(m.levels))
	for i, a := range m.levels {
		list[i] = a.cost
	}
	return list
}

// Bins gives the number of bins.
func (m *Quantiles) Bins() int { return m.bins }

// Bin gives the bin of a value: the first or last for values beyond.
func (m *Quantiles) Bin(x *big.Rat) int {
	away := new(big.Rat).Sub(x, m.low)
	switch i := floor(away.Quo(away, m.width)); {
	case i.Sign() < 0:
		return 0
	case i.Cmp(big.NewInt(int64(m.bins))) >= 0:
		return m.bins - 1
	default:
		return int(i.Int64())
	}
}

// edges gives the values that a bin holds.
func (m *Quantiles) edges(bin int) span {
	low := new(big.Rat).Mul(m.width, big.NewRat(int64(bin), 1))
	low.Add(low, m.low)
	high := new(big.Rat).Add(low, m.width)
	return span{low, least(high.Sub(high, m.gap), m.top)}
}

// span gives how many bins a node of a level covers.
func (m *Quantiles) span(level int) int {
	n := 1
	for range len(m.levels) - 1 - level {
		n *= fanout
	}
	return n
}

// nodes gives how many nodes a level has.
func (m *Quantiles) nodes(level int) int {
	s := m.span(level)
	return (m.bins + s - 1) / s
}

// Prepare has the noise for so many groups drawn, before data is touched.
func (m *Quantiles) Prepare(pool *Pool, groups int) {
	for i, a := range m.levels {
		pool.prepare(a.dist, groups*m.nodes(i))
	}
}

// RankError bounds, before any data, how far from its proportion of the rows the
// released quantile is, in rows, at a level.
func (m *Quantiles) RankError(level float64) (float64, error) {
	if _, err := alpha(level); err != nil {
		return 0, err
	}
	// At every bin at once, two-sided, with the most nodes that a sum can have.
	below := 0
	for i := 1; i < len(m.levels); i++ {
		below += fanout - 1
	}
	return m.deviation(excess{(1 - level) / float64(2*m.bins), 1, m.nodes(0), 0, below}), nil
}

// Release adds noise to the tree of each group. A partial has one number of
// rows for each bin.
func (m *Quantiles) Release(ctx context.Context, pool *Pool, partials [][]Int128) ([]*Ranks, error) {
	out := make([]*Ranks, len(partials))
	for i, counts := range partials {
		if len(counts) != m.bins {
			return nil, num.Refuse("bins in a partial", OutOfBounds, "the engine counted others than were asked for")
		}
		for _, n := range counts {
			if err := checkRows(n); err != nil {
				return nil, err
			}
		}
		out[i] = &Ranks{of: m, tree: make([][]float64, len(m.levels)), nodes: make([][]*big.Int, len(m.levels))}
	}
	for level, a := range m.levels {
		n, size := m.nodes(level), m.span(level)
		totals := make([]*big.Int, 0, n*len(partials))
		for _, counts := range partials {
			for node := range n {
				total := new(big.Int)
				for _, c := range counts[node*size : min((node+1)*size, m.bins)] {
					total.Add(total, c.Big())
				}
				totals = append(totals, total)
			}
		}
		values, err := a.add(ctx, pool, totals)
		if err != nil {
			return nil, err
		}
		for i, v := range values {
			f, _ := v.best().Float64()
			ranks := out[i/n]
			ranks.nodes[level] = append(ranks.nodes[level], v.value)
			ranks.tree[level] = append(ranks.tree[level], f)
		}
	}
	for _, r := range out {
		r.accumulate()
	}
	return out, nil
}

// Ranks is what was released of one group: noisy numbers of rows below each
// bin, and what follows from them.
type Ranks struct {
	of   *Quantiles
	tree [][]float64
	rows float64 // the sum of the first level

	nodes [][]*big.Int // the tree as it was released

	cum []float64 // cum[j]: rows in bins below j
}

// accumulate adds up the largest nodes that lie below each bin.
func (r *Ranks) accumulate() {
	for _, x := range r.tree[0] {
		r.rows += x
	}
	r.cum = make([]float64, r.of.bins+1)
	for j := range r.cum {
		at := 0
		for level := range r.tree {
			size := r.of.span(level)
			for ; at+size <= j; at += size {
				r.cum[j] += r.tree[level][at/size]
			}
		}
	}
	// Below the last bin is everything; the last nodes may be cut off.
	r.cum[r.of.bins] = r.rows
}

// composition says how many nodes make up cum[j]: of the first level, and of
// those below.
func (r *Ranks) composition(j int) (first, below int) {
	if j == r.of.bins {
		return r.of.nodes(0), 0
	}
	at := 0
	for level := range r.tree {
		size := r.of.span(level)
		n := (j - at) / size
		at += n * size
		if level == 0 {
			first = n
		} else {
			below += n
		}
	}
	return first, below
}

// Quantile gives the quantile of a proportion p between 0 and 1.
func (r *Ranks) Quantile(p float64) (Estimate, error) {
	switch {
	case math.IsNaN(p) || math.IsInf(p, 0):
		return nil, num.Refuse("proportion", NotFinite, "give a number between 0 and 1, such as 0.5")
	case p <= 0:
		return nil, num.Refuse("proportion", NotPositive, "give a number between 0 and 1, such as 0.5")
	case p >= 1:
		return nil, num.Refuse("proportion", TooLarge, "give a number between 0 and 1, such as 0.5")
	}
	return quantile{r, p}, nil
}

// Median gives the quantile of one half.
func (r *Ranks) Median() Estimate { return quantile{r, 0.5} }

type quantile struct {
	r *Ranks
	p float64
}

// excess is the noisy number of rows below bin j, less the part p of all.
func (q quantile) excess(j int) float64 { return q.r.cum[j] - q.p*q.r.rows }

// Float64 gives the middle between the first bin at whose end the part p is
// reached, and the last before which it is not: noise may let it be reached more
// than once.
func (q quantile) Float64() float64 {
	m := q.r.of
	first, last := m.bins, 1
	for j := m.bins; j >= 1; j-- {
		if q.excess(j) >= 0 {
			first = j
		}
	}
	for j := 1; j < m.bins; j++ {
		if q.excess(j) < 0 {
			last = j + 1
		}
	}
	a, b := m.edges(first-1), m.edges(last-1)
	middle := a.plus(b)
	sum := new(big.Rat).Add(middle.low, middle.high)
	f, _ := sum.Quo(sum, big.NewRat(4, 1)).Float64()
	return f
}

// Interval gives a range that holds the quantile of a group with at least one
// row. The true bin is the first at whose end the part p is reached. So at its
// end the noisy excess is not far below zero, and before it not far above, each
// except with half of what the level leaves.
func (q quantile) Interval(level float64) (Interval, error) {
	if _, err := alpha(level); err != nil {
		return Interval{}, err
	}
	m := q.r.of
	slack := func(j int) float64 {
		first, below := q.r.composition(j)
		return m.deviation(excess{(1 - level) / 2, q.p, first, m.nodes(0) - first, below})
	}
	from, to := 0, 0
	for j := 1; j <= m.bins; j++ {
		reached := j == m.bins || q.excess(j) >= -slack(j)
		before := j == 1 || q.excess(j-1) <= slack(j-1)
		if reached && before {
			if from == 0 {
				from = j
			}
			to = j
		}
	}
	if from == 0 {
		from, to = 1, m.bins
	}
	return span{m.edges(from - 1).low, m.edges(to - 1).high}.outward(), nil
}

// deviation gives what the noise of an excess exceeds with a probability of at
// most alpha, by Chernoff's bound: the noise of `first` nodes counts 1 − p times,
// that of `others` −p times, that of `below` once. (For p = 1, which is used for
// a bound on all, every node counts once.)
func (m *Quantiles) deviation(e excess) float64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	if bound, ok := m.known[e]; ok {
		return bound
	}
	in := 1 - e.p
	if e.p == 1 {
		in = 1
	}
	// The least over λ of (Σ log E exp(λ·c·Z) + log 1/α)/λ, searched over a fine
	// range of λ: each gives a bound that holds.
	bound := math.Inf(1)
	unit := m.levels[0]
	size, _ := unit.plusMinus(big.NewRat(1, 3)).Float64()
	for i := -60; i <= 30; i++ {
		lambda := math.Pow(2, float64(i)/6) / (size + 0.5)
		sum := float64(e.first)*unit.cumulant(lambda*in) + float64(e.others)*unit.cumulant(lambda*e.p) + float64(e.below)*unit.cumulant(lambda)
		if b := (sum - math.Log(e.alpha)) / lambda; b < bound {
			bound = b
		}
	}
	// Rounding down to a coarser lattice moves each node by less than a unit.
	nodes := float64(e.first + e.others + e.below)
	bound = bound*(1+1e-9) + math.Ldexp(nodes, int(unit.shift)) - nodes
	if len(m.known) >= maxKnown {
		clear(m.known)
	}
	m.known[e] = bound
	return bound
}
