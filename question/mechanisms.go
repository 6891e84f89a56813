package question

import (
	"context"
	"math/big"
	"slices"

	"github.com/anchorhold/anchorhold/dp"
	"github.com/anchorhold/anchorhold/dp/query"
)

// mechanisms are what a plan's partials are released by: one number for each column
// that an answer is made of, all at the same share of the price, and a tree of
// numbers for quantiles. A column is what one unit adds to it in each of its
// groups, as a whole: an integer between its ends.
type mechanisms struct {
	plan  *query.Plan
	parts []part // as the plan's
}

type part struct {
	columns []int         // that answers are made of, in the order of totals
	totals  *dp.Totals    // nil without any
	chosen  *dp.Threshold // of the number of units; nil: all groups are named
	ranks   *dp.Quantiles // of a bins part
}

// treeShare is the share of a tree of quantiles, beside one of a number: it has
// several levels, each of which has noise of its own.
const treeShare = 3

// selects says whether groups come from the data.
func selects(plan *query.Plan) bool {
	return slices.ContainsFunc(plan.Parts, func(p query.Part) bool { return p.Public == nil })
}

// newMechanisms shares a price among the columns that a plan's answers are made of.
func newMechanisms(plan *query.Plan, p price) (*mechanisms, error) {
	whole, err := p.noise()
	if err != nil {
		return nil, err
	}
	m := &mechanisms{plan: plan, parts: make([]part, len(plan.Parts))}
	var weights []int64
	selections := int64(0)
	for i := range plan.Parts {
		of := &plan.Parts[i]
		if of.Aggregate >= 0 {
			weights = append(weights, treeShare)
			continue
		}
		if of.Public == nil {
			weights = append(weights, 1)
			selections++
		}
		m.parts[i].columns = columns(plan, of)
		if n := len(m.parts[i].columns); n > 0 {
			weights = append(weights, int64(n))
		}
	}
	// Each part that selects its groups spends a δ: together the one that is charged.
	delta := p.selection.Rat()
	delta.Quo(delta, big.NewRat(max(selections, 1), 1))
	prices, err := whole.Split(weights...)
	if err != nil {
		return nil, refused(err)
	}
	for i := range plan.Parts {
		if prices, err = m.make(i, prices, delta); err != nil {
			return nil, refused(err)
		}
	}
	return m, nil
}

// columns gives the columns of a part that answers are made of, in order, but for
// the number of units, where that is released by the selection.
func columns(plan *query.Plan, of *query.Part) []int {
	var out []int
	for _, a := range plan.Aggregates {
		for _, c := range a.Columns() {
			if !slices.Contains(out, c) && (c > 0 || of.Public != nil) {
				out = append(out, c)
			}
		}
	}
	slices.Sort(out)
	return out
}

// make makes a part's mechanisms, and takes their prices off the front of a list.
func (m *mechanisms) make(i int, prices []dp.Price, selection *big.Rat) (left []dp.Price, err error) {
	of, p := &m.plan.Parts[i], &m.parts[i]
	if of.Aggregate >= 0 {
		p.ranks, err = tree(prices[0], of, m.plan.Aggregates[of.Aggregate])
		return prices[1:], err
	}
	if of.Public == nil {
		chosen, err := dp.NewThreshold(prices[0], selection, of.Groups)
		if err != nil {
			return nil, err
		}
		p.chosen = chosen.From(of.Least)
		prices = prices[1:]
	}
	if len(p.columns) == 0 {
		return prices, nil
	}
	ranges := make([]dp.Range, len(p.columns))
	for j, c := range p.columns {
		ranges[j] = dp.Range{Low: of.Columns[c].Lo, High: of.Columns[c].Hi}
	}
	p.totals, err = dp.NewTotals(prices[0], of.Groups, ranges, nil)
	return prices[1:], err
}

// tree is the mechanism of a bins part.
func tree(p dp.Price, of *query.Part, a query.Aggregate) (*dp.Quantiles, error) {
	per := dp.Contribution{Groups: of.Groups, Rows: of.Columns[0].Hi}
	step := unit(a.Values)
	from := new(big.Rat).Mul(big.NewRat(a.Values.Low, 1), step)
	if !a.Bins.Whole { // a bin holds what is nearest to it
		half := new(big.Rat).Quo(step, big.NewRat(2, 1))
		return dp.NewQuantilesOfBins(p, per, from.Sub(from, half), step, int(a.Bins.Count))
	}
	l, err := dp.NewLattice(step, from, new(big.Rat).Mul(big.NewRat(a.Values.High, 1), step))
	if err != nil {
		return nil, err
	}
	return dp.NewQuantiles(p, per, l, int(a.Bins.Count))
}

// prepare has noise drawn before data is touched, for as many groups as are named,
// or as a dataset of that size can have.
func (m *mechanisms) prepare(pool *dp.Pool) {
	const found = 256 // groups that come from the data: more are drawn when they are there
	for i, p := range m.parts {
		groups := len(m.plan.Parts[i].Public)
		if m.plan.Parts[i].Public == nil {
			groups = found
		}
		if p.chosen != nil {
			p.chosen.Prepare(pool, groups)
		}
		if p.totals != nil {
			p.totals.Prepare(pool, groups)
		}
		if p.ranks != nil {
			p.ranks.Prepare(pool, min(groups, len(m.plan.Parts[i].Public)+found/16))
		}
	}
}

// group is a group of a part, or one bin of it, with its exact integers, as the
// engine gave them.
type group struct {
	keys   []any
	bin    int         // of a row of a bins part
	values []dp.Int128 // by column
}

// noisy is a group that is shown, with what was released of it.
type noisy struct {
	part   int
	keys   []any
	values []*dp.Number // by column; nil where no answer is made of it
	trees  []*dp.Ranks  // by the aggregate that has it; nil without one
}

// release adds noise to the groups of one part and leaves out those that are not
// to be shown.
func (m *mechanisms) release(ctx context.Context, pool *dp.Pool, which int, groups []group) ([]noisy, error) {
	p, of := m.parts[which], m.plan.Parts[which]
	out := make([]noisy, len(groups))
	totals := make([][]dp.Int128, len(groups))
	units := make([]dp.Partial, len(groups))
	for i, g := range groups {
		out[i] = noisy{part: which, keys: g.keys, values: make([]*dp.Number, len(of.Columns)), trees: make([]*dp.Ranks, len(m.plan.Aggregates))}
		units[i].Rows = g.values[0]
		for _, c := range p.columns {
			totals[i] = append(totals[i], g.values[c])
		}
	}
	if p.totals != nil {
		numbers, err := p.totals.Release(ctx, pool, totals)
		if err != nil {
			return nil, err
		}
		for i := range out {
			for j, c := range p.columns {
				out[i].values[c] = &numbers[i][j]
			}
		}
	}
	if p.chosen == nil {
		return out, nil
	}
	shown, err := p.chosen.Release(ctx, pool, units)
	if err != nil {
		return nil, err
	}
	kept := out[:0]
	for i, n := range shown {
		if n != nil {
			out[i].values[0] = n
			kept = append(kept, out[i])
		}
	}
	return kept, nil
}

// releaseTrees adds noise to the bins of groups that are shown already.
func (m *mechanisms) releaseTrees(ctx context.Context, pool *dp.Pool, which int, shown []noisy, bins [][]dp.Int128) error {
	trees, err := m.parts[which].ranks.Release(ctx, pool, bins)
	if err != nil {
		return err
	}
	for i, t := range trees {
		shown[i].trees[m.plan.Parts[which].Aggregate] = t
	}
	return nil
}

// expected is a group as a part might release it that has so many rows, without
// noise and without any data: values are spread evenly, around a quarter of their
// range off its middle. It serves to announce how precise an answer will be.
func (m *mechanisms) expected(which int, rows int64) (noisy, error) {
	p, of := m.parts[which], m.plan.Parts[which]
	out := noisy{part: which, values: make([]*dp.Number, len(of.Columns)), trees: make([]*dp.Ranks, len(m.plan.Aggregates))}
	for j, c := range p.columns {
		x := big.NewRat(rows, 1) // of units, and of rows
		for _, a := range m.plan.Aggregates {
			if each := perRow(a, c); each != nil {
				x.Mul(big.NewRat(rows, 1), each)
				break
			}
		}
		n, err := p.totals.Expected(j, new(big.Int).Div(x.Num(), x.Denom()))
		if err != nil {
			return out, err
		}
		out.values[c] = &n
	}
	return out, nil
}

// perRow is what a row of an expected group adds to a column of sums; nil of others.
func perRow(a query.Aggregate, column int) *big.Rat {
	for _, s := range []query.Side{a.Side, a.X} {
		h := big.NewRat(half(s.Values), 1)
		switch column {
		case s.Sum:
			if a.Kind == query.Sum {
				return nil
			}
			return h.Quo(h, big.NewRat(2, 1))
		case s.Squares: // h²/3 less the center
			h.Mul(h, h).Quo(h, big.NewRat(3, 1))
			return h.Sub(h, big.NewRat(s.Square.Center, 1))
		}
	}
	if column == a.Products { // with a correlation of one half
		h := big.NewRat(half(a.Values), 1)
		h.Mul(h, big.NewRat(half(a.X.Values), 1))
		return h.Mul(h, big.NewRat(7, 24))
	}
	return nil
}

// half is how far an integer can be from the center.
func half(l query.Lattice) int64 {
	return max(l.High-l.Center, l.Center-l.Low)
}
