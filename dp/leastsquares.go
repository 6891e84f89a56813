package dp

import (
	"math"
	"math/big"

	"github.com/anchorhold/anchorhold/dp/internal/num"
)

// LeastSquares fits column y to others with an intercept, from noisy moments:
// the coefficients come in the order of the columns, the intercept last.
//
// It costs nothing beyond the moments. The interval of a coefficient bounds how
// far it is from what least squares would give on the data itself, whatever the
// noise did within its own bounds; where these permit a singular matrix, it is
// unbounded: more rows or a higher price narrow it. It does not speak of
// sampling error. Bounds are computed in float64 and widened for its rounding.
func (s *Summary) LeastSquares(y int, columns ...int) ([]Estimate, error) {
	if err := s.check(true, append([]int{y}, columns...)...); err != nil {
		return nil, err
	}
	if len(columns) == 0 {
		return nil, num.Refuse("columns", Missing, "name at least one beside y")
	}
	seen := map[int]bool{y: true}
	for _, c := range columns {
		if seen[c] {
			return nil, num.Refuse("columns", OutOfBounds, "name each once, and y not among them")
		}
		seen[c] = true
	}
	f := fit{s, y, columns}
	out := make([]Estimate, len(columns)+1)
	for i := range out {
		out[i] = coefficient{f, i}
	}
	return out, nil
}

type fit struct {
	s       *Summary
	y       int
	columns []int
}

type coefficient struct {
	f     fit
	index int
}

func (c coefficient) Float64() float64 {
	beta, _ := c.f.solve(nil)
	return beta[c.index]
}

func (c coefficient) Interval(level float64) (Interval, error) {
	a, err := alpha(level)
	if err != nil {
		return Interval{}, err
	}
	beta, off := c.f.solve(a)
	return Interval{beta[c.index] - off[c.index], beta[c.index] + off[c.index]}, nil
}

// entry gives a moment of the unit-free variables (0 for the constant, then
// columns, then y), each of which is c/w and so between −1 and 1: its value and
// by how much the noise moved it at most, for a part alpha.
func (f fit) entry(i, j int, alpha *big.Rat) (value, off float64) {
	m := f.s.of
	column := func(i int) int {
		if i > len(f.columns) {
			return f.y
		}
		return f.columns[i-1]
	}
	width := func(i int) float64 { return float64(m.columns[column(i)].width()) }
	part, unit := 0, 1.0
	square := false
	switch {
	case i == 0 && j == 0:
	case i == 0:
		part, unit = 1+column(j), width(j)
	case j == 0:
		part, unit = 1+column(i), width(i)
	default:
		part, unit = m.pair(column(i), column(j)), width(i)*width(j)
		square = i == j
	}
	number := f.s.parts[part]
	value, _ = number.best().Float64()
	if alpha != nil {
		off, _ = number.from.plusMinus(alpha).Float64()
	}
	value, off = value/unit, off/unit
	if square { // (E/w² + n)/2
		rows, more := f.entry(0, 0, alpha)
		value, off = (value+rows)/2, (off+more)/2
	}
	return value, off
}

// solve gives the coefficients in the columns' units, and by how much each may
// be off except with a probability of alpha.
//
// With A = Â + E and b = b̂ + e for the true moments, β − β̂ = Â⁻¹(e − Eβ), so
// r = |β − β̂| satisfies r ≤ h + M·r with h = |Â⁻¹|(|e| + |E||β̂|) and
// M = |Â⁻¹||E|. If a norm of M is below 1, A is regular and r ≤ (1 − M)⁻¹h,
// which the iteration r ← h + M·r approaches from below; its rest is bounded by
// the norm.
func (f fit) solve(alpha *big.Rat) (beta, off []float64) {
	n := len(f.columns) + 1
	var each *big.Rat
	if alpha != nil {
		each = new(big.Rat).Quo(alpha, big.NewRat(int64(n*(n+1)/2+n), 1))
	}
	a, e := matrix(n), matrix(n)
	b, eb := make([]float64, n), make([]float64, n)
	for i := range n {
		for j := range n {
			a[i][j], e[i][j] = f.entry(i, j, each)
		}
		b[i], eb[i] = f.entry(i, n, each)
	}
	inverse, ok := invert(a)
	beta, off = make([]float64, n), make([]float64, n)
	for i := range off {
		off[i] = math.Inf(1)
	}
	if !ok {
		return f.units(beta, off)
	}
	for i := range n {
		for j := range n {
			beta[i] += inverse[i][j] * b[j]
		}
	}
	if alpha != nil {
		off = distance(inverse, e, beta, eb)
	}
	return f.units(beta, off)
}

// distance bounds |β − β̂|.
func distance(inverse, e [][]float64, beta, eb []float64) []float64 {
	n := len(beta)
	moved := make([]float64, n) // |e| + |E||β̂|
	for i := range n {
		moved[i] = eb[i]
		for j := range n {
			moved[i] += e[i][j] * math.Abs(beta[j])
		}
	}
	h, m, norm := make([]float64, n), matrix(n), 0.0
	for i := range n {
		row := 0.0
		for k := range n {
			h[i] += math.Abs(inverse[i][k]) * moved[k]
			for j := range n {
				m[i][j] += math.Abs(inverse[i][k]) * e[k][j]
			}
		}
		for j := range n {
			row += m[i][j]
		}
		norm = math.Max(norm, row)
	}
	r := append([]float64(nil), h...)
	if norm >= 1-1e-6 {
		for i := range r {
			r[i] = math.Inf(1)
		}
		return r
	}
	largest := 0.0
	for _, x := range h {
		largest = math.Max(largest, x)
	}
	left := largest * norm / (1 - norm) // what the first h leaves out
	for range 200 {
		next := append([]float64(nil), h...)
		for i := range n {
			for j := range n {
				next[i] += m[i][j] * r[j]
			}
		}
		r, left = next, left*norm
	}
	for i := range r {
		r[i] = (r[i]+left)*(1+1e-9) + 1e-12*(1+math.Abs(beta[i]))
	}
	return r
}

// units brings unit-free coefficients to those of the columns, and puts the
// intercept last.
func (f fit) units(beta, off []float64) (inUnits, offInUnits []float64) {
	m := f.s.of
	half := func(i int) (width, middle float64) {
		l := m.columns[i]
		step, _ := l.step.Float64()
		return float64(l.width()) * step / 2, float64(l.centre()) * step / 2
	}
	wy, my := half(f.y)
	constant, constantOff := my+wy*beta[0], wy*off[0]
	for i, column := range f.columns {
		w, middle := half(column)
		b, o := beta[i+1]*wy/w, off[i+1]*wy/w
		inUnits, offInUnits = append(inUnits, b), append(offInUnits, o)
		constant -= b * middle
		if middle != 0 {
			constantOff += o * math.Abs(middle)
		}
	}
	return append(inUnits, constant), append(offInUnits, constantOff)
}

func matrix(n int) [][]float64 {
	m := make([][]float64, n)
	for i := range m {
		m[i] = make([]float64, n)
	}
	return m
}

// invert inverts a matrix by Gauss and Jordan with pivots; ok is false if it is
// singular as far as float64 can tell.
func invert(a [][]float64) (inverse [][]float64, ok bool) {
	n := len(a)
	inverse = matrix(n)
	work, largest := matrix(n), 0.0
	for i := range n {
		copy(work[i], a[i])
		inverse[i][i] = 1
		for _, x := range a[i] {
			largest = math.Max(largest, math.Abs(x))
		}
	}
	for c := range n {
		pivot := c
		for r := c + 1; r < n; r++ {
			if math.Abs(work[r][c]) > math.Abs(work[pivot][c]) {
				pivot = r
			}
		}
		work[c], work[pivot] = work[pivot], work[c]
		inverse[c], inverse[pivot] = inverse[pivot], inverse[c]
		if p := math.Abs(work[c][c]); p == 0 || p <= largest*1e-12 {
			return nil, false
		}
		by := 1 / work[c][c]
		for j := range n {
			work[c][j] *= by
			inverse[c][j] *= by
		}
		for r := range n {
			if r == c {
				continue
			}
			x := work[r][c]
			for j := range n {
				work[r][j] -= x * work[c][j]
				inverse[r][j] -= x * inverse[c][j]
			}
		}
	}
	return inverse, true
}
