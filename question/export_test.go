package question

import (
	"context"
	"math/big"
	"os"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/exposure"
)

// stock is for how many answers noise is kept ready.
const stock = 1000

// Drawer has asked an engine once. It releases what was found as often as
// wanted: the step at which noise is drawn, and all that follows it.
type Drawer struct {
	s     *Service
	q     *prepared
	exact [][]group
	found finder
	drawn int
}

// Drawer makes one for a question.
func (s *Service) Drawer(ctx context.Context, who anchorhold.Principal, name string, a Asked) (*Drawer, error) {
	q, err := s.prepare(ctx, who, name, a)
	if err != nil {
		return nil, err
	}
	e, err := s.Engines.Engine(ctx, who.ID, q.dataset, func(ctx context.Context) ([]*os.File, error) { return s.Open(ctx, q.dataset) })
	if err != nil {
		return nil, err
	}
	exact, found, err := q.exact(ctx, e, s.Secret)
	return &Drawer{s: s, q: q, exact: exact, found: found}, err
}

// Draw gives the rows of one answer.
func (d *Drawer) Draw(ctx context.Context) ([][]any, error) {
	shown, err := d.release(ctx)
	if err != nil {
		return nil, err
	}
	rows, err := d.q.answered(shown)
	out := make([][]any, len(rows))
	for i, r := range rows {
		out[i] = r.Cells
	}
	return out, err
}

// Intervals gives those of one answer: of each group that is shown, by aggregate.
func (d *Drawer) Intervals(ctx context.Context, level float64) ([][]Interval, error) {
	shown, err := d.release(ctx)
	if err != nil {
		return nil, err
	}
	out := make([][]Interval, len(shown))
	for i, g := range shown {
		for _, a := range d.q.plan.Aggregates {
			e, err := estimateOf(a, g, level)
			if err != nil {
				return nil, err
			}
			value, _ := e.value.(float64)
			out[i] = append(out[i], Interval{value, e.ends[0].Low, e.ends[0].High})
		}
	}
	return out, nil
}

// Interval is one estimate.
type Interval struct{ Value, Low, High float64 }

func (d *Drawer) release(ctx context.Context) ([]noisy, error) {
	if d.drawn%stock == 0 { // or each draw would wait for the pool
		for i, p := range d.q.noise.parts {
			n := 3 * stock * len(d.exact[i])
			if p.chosen != nil {
				p.chosen.Prepare(d.s.Pool, n)
			}
			if p.totals != nil {
				p.totals.Prepare(d.s.Pool, n)
			}
		}
	}
	d.drawn++
	return d.q.release(ctx, d.s.Pool, d.exact, d.found)
}

// Price is what each answer costs.
func (d *Drawer) Price() exposure.Amount { return d.q.amount }

// Exact gives the sums of each part as the engine made them: by keys, then by
// column.
func (d *Drawer) Exact() []map[string][]*big.Int {
	out := make([]map[string][]*big.Int, len(d.exact))
	for i, groups := range d.exact {
		out[i] = map[string][]*big.Int{}
		for _, g := range groups {
			var sums []*big.Int
			for _, v := range g.values {
				sums = append(sums, v.Big())
			}
			out[i][keyText(g.keys)] = sums
		}
	}
	return out
}

// Most gives how much one unit can add to each column of a part, and to how many
// groups.
func (d *Drawer) Most(part int) (low, high []int64, groups int64) {
	p := d.q.plan.Parts[part]
	for _, c := range p.Columns {
		low, high = append(low, min(c.Lo, 0)), append(high, max(c.Hi, 0))
	}
	return low, high, p.Groups
}
