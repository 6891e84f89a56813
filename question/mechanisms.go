package question

import (
	"context"
	"math/big"
	"slices"

	"github.com/anchorhold/anchorhold/dp"
	"github.com/anchorhold/anchorhold/dp/query"
)

// mechanisms are what a plan's partials are released by: one for each column that
// an answer is made of, all at the same share of the price. A column is what one
// unit adds to it in each of its groups, as a whole: an integer between its ends.
type mechanisms struct {
	plan  *query.Plan
	parts []part // as the plan's
}

type part struct {
	sums   []*dp.Sum     // by column; nil where no answer is made of it
	chosen *dp.Threshold // of the number of units; nil: all groups are named
}

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
	wanted := columns(plan)
	m := &mechanisms{plan: plan, parts: make([]part, len(plan.Parts))}
	shares, selections := 0, int64(0)
	for i, of := range plan.Parts {
		shares += len(wanted[i])
		if of.Public == nil && !slices.Contains(wanted[i], 0) {
			shares++
		}
		if of.Public == nil {
			selections++
		}
	}
	// Each part that selects its groups spends a δ: together the one that is charged.
	delta := p.selection.Rat()
	delta.Quo(delta, big.NewRat(max(selections, 1), 1))
	weights := make([]int64, shares)
	for i := range weights {
		weights[i] = 1
	}
	prices, err := whole.Split(weights...)
	if err != nil {
		return nil, refused(err)
	}
	for i := range plan.Parts {
		if prices, err = m.parts[i].make(&plan.Parts[i], wanted[i], prices, delta); err != nil {
			return nil, refused(err)
		}
	}
	return m, nil
}

// columns gives the columns of each part that answers are made of, in order.
func columns(plan *query.Plan) [][]int {
	out := make([][]int, len(plan.Parts))
	for i, p := range plan.Parts {
		for c := range p.Columns {
			if p.Aggregate < 0 && uses(plan, c) {
				out[i] = append(out[i], c)
			}
		}
	}
	return out
}

func uses(plan *query.Plan, column int) bool {
	for _, a := range plan.Aggregates {
		if a.Kind == query.Units && a.Count < 0 && column == 0 || a.Count == column || a.Sum == column || a.Squares == column {
			return true
		}
	}
	return false
}

// make takes its prices off the front of a list.
func (p *part) make(of *query.Part, wanted []int, prices []dp.Price, selection *big.Rat) ([]dp.Price, error) {
	p.sums = make([]*dp.Sum, len(of.Columns))
	per := dp.Contribution{Groups: of.Groups, Rows: 1} // what a unit adds to a group is clamped as a whole
	if of.Public == nil {
		chosen, err := dp.NewThreshold(prices[0], selection, of.Groups)
		if err != nil {
			return nil, err
		}
		p.chosen = chosen.From(of.Least)
		prices = prices[1:]
	}
	for _, c := range wanted {
		if c == 0 && p.chosen != nil {
			continue // the number of units is released by the selection
		}
		column := of.Columns[c]
		// A unit whose values are all missing may add nothing, whatever its bounds are.
		l, err := dp.NewLattice(big.NewRat(1, 1), big.NewRat(min(column.Lo, 0), 1), big.NewRat(max(column.Hi, 0), 1))
		if err != nil {
			return nil, err
		}
		if p.sums[c], err = dp.NewSum(prices[0], per, l); err != nil {
			return nil, err
		}
		prices = prices[1:]
	}
	return prices, nil
}

// prepare has noise drawn before data is touched, for as many groups as are named,
// or as a dataset of that size can have.
func (m *mechanisms) prepare(pool *dp.Pool) {
	const found = 256 // groups that come from the data: more are drawn when they are there
	for i, p := range m.parts {
		groups := len(m.plan.Parts[i].Public)
		if p.chosen != nil {
			groups = found
			p.chosen.Prepare(pool, groups)
		}
		for _, s := range p.sums {
			if s != nil {
				s.Prepare(pool, groups)
			}
		}
	}
}

// group is a group of a part with its exact integers, as the engine gave them.
type group struct {
	keys   []any
	values []dp.Int128 // by column
}

// noisy is a group that is shown, with what was released of it.
type noisy struct {
	part   int
	keys   []any
	values []*dp.Number // by column; nil where no answer is made of it
}

// release adds noise to the groups of one part and leaves out those that are not
// to be shown.
func (m *mechanisms) release(ctx context.Context, pool *dp.Pool, which int, groups []group) ([]noisy, error) {
	p := m.parts[which]
	out := make([]noisy, len(groups))
	partials := make([]dp.Partial, len(groups))
	for i, g := range groups {
		out[i] = noisy{part: which, keys: g.keys, values: make([]*dp.Number, len(p.sums))}
		partials[i].Rows = g.values[0]
	}
	for c, s := range p.sums {
		if s == nil {
			continue
		}
		for i, g := range groups {
			partials[i].Sum = g.values[c]
		}
		numbers, err := s.Release(ctx, pool, partials)
		if err != nil {
			return nil, err
		}
		for i := range numbers {
			out[i].values[c] = &numbers[i]
		}
	}
	if p.chosen == nil {
		return out, nil
	}
	shown, err := p.chosen.Release(ctx, pool, partials)
	if err != nil {
		return nil, err
	}
	kept := out[:0]
	for i, units := range shown {
		if units != nil {
			out[i].values[0] = units
			kept = append(kept, out[i])
		}
	}
	return kept, nil
}
