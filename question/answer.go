package question

import (
	"math"

	"github.com/anchorhold/anchorhold/dp"
	"github.com/anchorhold/anchorhold/dp/query"
)

// Cell is one value of an answer. Low and High are the ends of its interval, of an
// aggregate that is shown as it is; of an expression over several there is none.
type Cell struct {
	Value any      `json:"value"`
	Low   *float64 `json:"low,omitempty"`
	High  *float64 `json:"high,omitempty"`
}

// estimate is a value that was made of released numbers, with its interval.
type estimate struct {
	value     float64
	low, high float64
}

// estimateOf makes an aggregate of the released columns of a group.
func estimateOf(a query.Aggregate, g noisy, level float64) (estimate, error) {
	switch a.Kind {
	case query.Units:
		column := a.Count
		if column < 0 {
			column = 0
		}
		return single(*g.values[column], 1, level)
	case query.Count:
		return single(*g.values[a.Count], 1, level)
	case query.Sum:
		return single(*g.values[a.Sum], a.Values.Scale, level)
	case query.Mean:
		return mean(a, g, level)
	case query.Variance, query.Deviation:
		return variance(a, g, level)
	case query.Quantiles:
	}
	return estimate{}, errNotYet
}

// single is one released number, in units of a lattice.
func single(n dp.Number, scale, level float64) (estimate, error) {
	i, err := n.Interval(level)
	return estimate{n.Float64() / scale, i.Low / scale, i.High / scale}, err
}

// mean is the centre of the range and a quotient. Its interval is that of all
// quotients of the parts' intervals, each of which holds with half of the
// probability of a miss; it is the whole range where the count may be none.
func mean(a query.Aggregate, g noisy, level float64) (estimate, error) {
	half := 1 - (1-level)/2
	n, err := single(*g.values[a.Count], 1, half)
	if err != nil {
		return estimate{}, err
	}
	s, err := single(*g.values[a.Sum], 1, half)
	if err != nil {
		return estimate{}, err
	}
	centre := float64(a.Values.Center)
	out := estimate{value: centre + s.value/math.Max(n.value, 1), low: math.Inf(-1), high: math.Inf(1)}
	if n.low >= 1 {
		q := quotient(s, n)
		out.low, out.high = centre+q.low, centre+q.high
	}
	return out.scaled(a.Values.Scale), nil
}

// variance is the mean square less the square of the mean, both of values less the
// centre.
func variance(a query.Aggregate, g noisy, level float64) (estimate, error) {
	third := 1 - (1-level)/3
	n, err := single(*g.values[a.Count], 1, third)
	if err != nil {
		return estimate{}, err
	}
	s, err := single(*g.values[a.Sum], 1, third)
	if err != nil {
		return estimate{}, err
	}
	q, err := single(*g.values[a.Squares], 1, third)
	if err != nil {
		return estimate{}, err
	}
	count := math.Max(n.value, 2)
	centre := float64(a.Square.Center)
	out := estimate{value: centre + q.value/count - (s.value/count)*(s.value/count), low: 0, high: math.Inf(1)}
	if n.low >= 2 {
		squares, first := quotient(q, n), quotient(s, n)
		least, most := squareEnds(first)
		out.low, out.high = centre+squares.low-most, centre+squares.high-least
	}
	if a.Sample {
		out.value *= count / (count - 1)
		out.low, out.high = out.low*bessel(n.high), out.high*bessel(n.low)
	}
	out = out.scaled(a.Square.Scale)
	out.value, out.low = math.Max(out.value, 0), math.Max(out.low, 0)
	out.high = math.Max(out.high, out.low)
	if a.Kind == query.Deviation {
		out = estimate{math.Sqrt(out.value), math.Sqrt(out.low), math.Sqrt(out.high)}
	}
	return out, nil
}

func bessel(n float64) float64 {
	n = math.Max(n, 2)
	return n / (n - 1)
}

// quotient is the interval of all quotients; the divisor is positive.
func quotient(x, by estimate) estimate {
	a, b, c, d := x.low/by.low, x.low/by.high, x.high/by.low, x.high/by.high
	return estimate{x.value / by.value, math.Min(math.Min(a, b), math.Min(c, d)), math.Max(math.Max(a, b), math.Max(c, d))}
}

// squareEnds are the least and the greatest square of an interval.
func squareEnds(x estimate) (least, most float64) {
	most = math.Max(x.low*x.low, x.high*x.high)
	if x.low > 0 || x.high < 0 {
		least = math.Min(x.low*x.low, x.high*x.high)
	}
	return least, most
}

func (e estimate) scaled(by float64) estimate {
	return estimate{e.value / by, e.low / by, e.high / by}
}
