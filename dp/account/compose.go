package account

import (
	"math"
	"math/cmplx"

	"gonum.org/v1/gonum/dsp/fourier"
)

// profile is the distribution of the loss of all events together, in one
// direction of neighbours, from which δ(ε) is read.
//
// Its masses are tilted: each is m·e^(θl) up to a common factor, with the θ at
// which most of the tilted mass lies about the ε in question. Then both the width of
// the grid and the errors of arithmetic are small against the δ in question,
// however small that is.
type profile struct {
	step     float64
	theta    float64
	cumulant float64   // of the grids that were convolved, at theta
	first    int       // multiple of step at which the window begins
	mass     []float64 // tilted, each an upper bound
	beyond   float64   // bound on the tilted mass above the window
	above    float64   // mass above every loss, not tilted
}

// laid is one kind of event on the grid.
type laid struct {
	grid
	count float64
}

// compose convolves kinds of event on a window of a grid that holds all but
// little of the tilted mass. What is outside is folded in: mass from below only
// makes losses larger, and mass from above is bounded by a further tilt.
func compose(parts []laid, step, theta, bottom, further float64) profile {
	out := profile{step: step, theta: theta}
	low, high, moved, kept := 0.0, 0.0, 0.0, 0.0
	for i := range parts {
		p := &parts[i]
		low += p.count * float64(p.first)
		high += p.count * float64(p.first+len(p.mass)-1)
		moved += p.count * p.log(theta+further, step)
		kept += p.count * math.Log1p(-math.Min(p.above, 1))
		out.cumulant += p.count * p.tilt(theta, step)
	}
	out.above = -math.Expm1(kept)
	if bottom = math.Floor(bottom / step); bottom > low {
		low = bottom
	}
	if top := math.Ceil((moved - out.cumulant + room) / further / step); top < high {
		high, out.beyond = top, math.Exp(-room)
	}
	if !(high-low < 2*maxWindow && math.Abs(low) < 1<<52) {
		return profile{step: step, above: 1} // outside of what a grid can hold: nothing is promised
	}
	out.first = int(low)
	out.mass = convolve(parts, length(int(high-low)+1), out.first)
	return out
}

// log is log E[e^(θl)].
func (g *grid) log(theta, step float64) float64 {
	var sum logSum
	for i, m := range g.mass {
		sum.add(math.Log(m) + theta*float64(g.first+i)*step)
	}
	return sum.log()
}

// tilt multiplies the masses by e^(θl) and divides them by their sum, whose
// logarithm it gives.
func (g *grid) tilt(theta, step float64) float64 {
	log := g.log(theta, step)
	for i, m := range g.mass {
		g.mass[i] = math.Exp(math.Log(m) + theta*float64(g.first+i)*step - log)
	}
	return log
}

// centre is the multiple of the step nearest to the mean.
func (g *grid) centre() int {
	mean := 0.0
	for i, m := range g.mass {
		mean += m * float64(i)
	}
	return g.first + int(math.Round(mean))
}

// length rounds up to a length that the transform is quick for.
func length(n int) int {
	best := 16
	for best < n {
		best *= 2
	}
	for _, odd := range []int{3, 5, 9, 15} {
		m := 16 * odd
		for m < n {
			m *= 2
		}
		best = min(best, m)
	}
	return best
}

// convolve gives the masses of the sum of all losses at the n multiples of the
// step from first on, those outside folded in. Each has the largest error of the
// arithmetic added.
func convolve(parts []laid, n, first int) []float64 {
	const ulp = 0x1p-52
	noise := 6 * ulp * math.Log2(float64(n)) // of one coefficient, of masses that sum to 1
	transform := fourier.NewFFT(n)
	product, lost := make([]complex128, n/2+1), make([]float64, n/2+1)
	for k := range product {
		product[k] = 1
	}
	row, turn := make([]float64, n), 0
	var coefficients []complex128
	for _, p := range parts {
		clear(row)
		centre := p.centre() // moved there, the phases turn slowly
		for j, m := range p.mass {
			row[wrap(p.first+j-centre, n)] += m
		}
		turn = wrap(turn+int(math.Mod(p.count*float64(centre), float64(n))), n)
		coefficients = transform.Coefficients(coefficients, row)
		for k, z := range coefficients {
			size, angle := cmplx.Polar(z)
			size = math.Min(size, 1)
			lost[k] += p.count * (noise/math.Max(size, noise) + 8*ulp)
			product[k] *= cmplx.Rect(math.Pow(size, p.count), math.Remainder(p.count*angle, 2*math.Pi))
		}
	}
	wrong := 0.0
	for k, z := range product {
		wrong += 2 * cmplx.Abs(z) * (math.Min(lost[k], 1) + noise)
	}
	sums, out := transform.Sequence(row, product), make([]float64, n)
	for i := range out {
		out[i] = math.Max(0, sums[wrap(first+i-turn, n)]/float64(n)) + wrong/float64(n)
	}
	return out
}

func wrap(i, n int) int {
	if i %= n; i < 0 {
		i += n
	}
	return i
}

// descend visits the multiples of the step in the window from the top, each with
// δ there, the mass above, and δ one step up, all in units of e^unit and without
// the mass above every loss. It ends when visit says so, at the bottom, or when
// the unit does not hold the numbers.
func (p profile) descend(unit float64, visit func(loss, delta, higher float64) bool) {
	n := len(p.mass)
	at := func(i int) float64 { return float64(p.first+i) * p.step }
	weight := func(i int) float64 { return math.Exp(p.cumulant - p.theta*at(i) - unit) }
	sum := p.beyond * weight(n-1)
	delta, shrink, grow := sum, math.Exp(-p.step), -math.Expm1(-p.step)
	for i := n - 1; i >= 0; i-- {
		higher := delta
		if i < n-1 {
			sum += p.mass[i+1] * weight(i+1)
			delta = shrink*delta + grow*sum
		}
		if !visit(at(i), delta, higher) {
			return
		}
	}
}

// epsilon gives the smallest ε ≥ 0 in the window at which δ is no more than
// delta.
func (p profile) epsilon(delta float64) float64 {
	left := delta - p.above
	if left <= 0 {
		return math.Inf(1)
	}
	unit := math.Log(left)
	found := math.Inf(1)
	p.descend(unit, func(loss, here, higher float64) bool {
		switch {
		case higher > 1:
			return false // not even the top of the window
		case here <= 1 && loss > 0:
			found = loss
			return true
		case here <= 1:
			found = 0
			return false
		}
		// Between two multiples δ is a line in e^ε.
		found = math.Max(0, loss+math.Log1p((here-1)/(here-higher)*math.Expm1(p.step)))
		return false
	})
	return found
}

// delta gives δ at an ε.
func (p profile) delta(epsilon, unit float64) float64 {
	if p.above >= 1 {
		return 1
	}
	found := math.NaN()
	p.descend(unit, func(loss, here, higher float64) bool {
		if loss > epsilon {
			found = here
			return true
		}
		share := math.Expm1(epsilon-loss) / math.Expm1(p.step)
		found = here + (higher-here)*math.Min(1, share)
		return false
	})
	return math.Min(1, found*math.Exp(unit)+p.above)
}
