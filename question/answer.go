package question

import (
	"fmt"
	"math"
	"math/big"

	"github.com/anchorhold/anchorhold/dp"
	"github.com/anchorhold/anchorhold/dp/query"
)

// Cell is one value of an answer. Low and High are the ends of its interval, of an
// aggregate that is shown as it is; of an expression over several there is none. Of
// a list of quantiles Ends has the interval of each.
type Cell struct {
	Value any          `json:"value"`
	Low   *float64     `json:"low,omitempty"`
	High  *float64     `json:"high,omitempty"`
	Ends  [][2]float64 `json:"ends,omitempty"`
}

// estimate is a value that was made of released numbers, with its interval: a
// float64, a list of them, or nil where there is none.
type estimate struct {
	value any
	ends  []dp.Interval // as many as values
}

// show sets the ends of a cell.
func (e estimate) show(c *Cell) {
	switch e.value.(type) {
	case float64:
		c.Low, c.High = end(e.ends[0].Low), end(e.ends[0].High)
	case []float64:
		c.Ends = nil
		for _, i := range e.ends {
			c.Ends = append(c.Ends, [2]float64{i.Low, i.High})
		}
	}
}

// end is an end of an interval; one without an end has none.
func end(x float64) *float64 {
	if math.IsInf(x, 0) || math.IsNaN(x) {
		return nil
	}
	return &x
}

// estimateOf makes an aggregate of what was released of a group.
func estimateOf(a query.Aggregate, g noisy, level float64) (estimate, error) {
	if a.Kind == query.Quantiles {
		return quantilesOf(a, g, level)
	}
	e, err := valueOf(a, g)
	if err != nil {
		return estimate{}, refused(err)
	}
	i, err := e.Interval(level)
	if err != nil {
		return estimate{}, refused(err)
	}
	out := estimate{ends: []dp.Interval{i}}
	if f := e.Float64(); !math.IsNaN(f) {
		out.value = f
	}
	return out, nil
}

// valueOf makes one value of a group's numbers, at no further cost.
func valueOf(a query.Aggregate, g noisy) (dp.Estimate, error) {
	number := func(column int) dp.Number {
		if column < 0 || g.values[column] == nil {
			return dp.Number{}
		}
		return *g.values[column]
	}
	side := func(s query.Side) dp.Side {
		return dp.Side{Form: form(s.Values), Sum: number(s.Sum), Squares: number(s.Squares), SquareOffset: big.NewRat(s.Square.Center, 1)}
	}
	y := side(a.Side)
	pair := dp.Pair{Y: y, X: side(a.X), Count: number(a.Count), Products: number(a.Products)}
	switch a.Kind {
	case query.Units, query.Count:
		return number(a.Count), nil
	case query.Sum:
		return number(a.Sum).In(unit(a.Values))
	case query.Mean:
		return dp.MeanOf(pair.Count, y.Sum, y.Form)
	case query.Variance:
		return dp.VarianceOf(pair.Count, y.Sum, y.Squares, y.Form, y.SquareOffset, a.Sample)
	case query.Deviation:
		return dp.DeviationOf(pair.Count, y.Sum, y.Squares, y.Form, y.SquareOffset, a.Sample)
	case query.Covariance:
		return pair.Covariance(a.Sample)
	case query.Correlation:
		return pair.Correlation()
	case query.Slope:
		return pair.Slope()
	case query.Intercept:
		return pair.Intercept()
	case query.Quantiles:
	}
	return nil, fmt.Errorf("no value is made of %q", a.Kind)
}

// unit is what one step of a lattice stands for.
func unit(l query.Lattice) *big.Rat {
	u := new(big.Rat).SetFloat64(l.Scale)
	return u.Inv(u)
}

// form says what integers of a lattice, less its center, stand for.
func form(l query.Lattice) dp.Form {
	if l.Scale == 0 {
		return dp.Form{}
	}
	u := unit(l)
	return dp.Form{
		Offset: big.NewRat(l.Center, 1), Unit: u,
		Low: new(big.Rat).Mul(big.NewRat(l.Low, 1), u), High: new(big.Rat).Mul(big.NewRat(l.High, 1), u),
	}
}

// leastPart stands for the quantiles 0 and 1, which are the least and the greatest
// value: no group has so many rows that it differs from them.
const leastPart = 1.0 / (1 << 48)

// quantilesOf reads quantiles off a group's tree.
func quantilesOf(a query.Aggregate, g noisy, level float64) (estimate, error) {
	tree := g.trees[a.Tree]
	if tree == nil {
		return estimate{}, nil
	}
	var values []float64
	var out estimate
	for _, p := range a.Quantiles {
		q, err := tree.Quantile(min(max(p, leastPart), 1-leastPart))
		if err != nil {
			return out, refused(err)
		}
		i, err := q.Interval(level)
		if err != nil {
			return out, refused(err)
		}
		values, out.ends = append(values, q.Float64()), append(out.ends, i)
	}
	if out.value = values; len(values) == 1 {
		out.value = values[0]
	}
	return out, nil
}
