package account

import (
	"math"
	"slices"
)

// tilted is points with the logarithms of their masses, to be weighted by
// e^(θ·loss) for many θ.
type tilted struct {
	loss, log []float64
	count     float64
}

func (p points) tilted(count float64) tilted {
	t := tilted{count: count}
	for _, a := range p.list {
		if a.mass > 0 {
			t.loss, t.log = append(t.loss, a.loss), append(t.log, math.Log(a.mass))
		}
	}
	return t
}

// tilts are the kinds of event of a composition.
type tilts []tilted

// cumulant is log E[e^(θL)] of the sum of all finite losses.
func (ts tilts) cumulant(theta float64) float64 {
	total := 0.0
	for _, t := range ts {
		var sum logSum
		for i, l := range t.loss {
			sum.add(t.log[i] + theta*l)
		}
		total += t.count * sum.log()
	}
	return total
}

// chernoff is the logarithm of the best bound on δ at an ε that one θ gives.
func (ts tilts) chernoff(theta, epsilon float64) float64 {
	return ts.cumulant(theta) - theta*epsilon + theta*math.Log(theta) - (1+theta)*math.Log1p(theta)
}

// The tilts that are looked at, as logarithms. A larger one would serve a δ that
// only the largest loss of all meets, and make more of a step of the grid than
// arithmetic bears.
const lowestTilt, highestTilt = -9, 10

// forDelta gives the θ at which the bound on ε for a δ is best.
func (ts tilts) forDelta(logDelta float64) float64 {
	return math.Exp(minimise(func(t float64) float64 {
		return (ts.chernoff(math.Exp(t), 0) - logDelta) / math.Exp(t)
	}, lowestTilt, highestTilt))
}

// forEpsilon gives the θ at which the bound on δ for an ε is best, and the
// logarithm of that bound.
func (ts tilts) forEpsilon(epsilon float64) (theta, logDelta float64) {
	t := minimise(func(t float64) float64 { return ts.chernoff(math.Exp(t), epsilon) }, lowestTilt, highestTilt)
	return math.Exp(t), math.Min(0, ts.chernoff(math.Exp(t), epsilon))
}

// room is minus the logarithm of the tilted mass that may lie outside of the
// window on either side.
const room = 30

// window gives losses below and above which less than e^-room of the tilted mass
// lies, by bounds of Chernoff's kind, and the further tilt that shows it above.
func (ts tilts) window(theta float64) (low, high, further float64) {
	at := ts.cumulant(theta)
	scale := math.Min(-math.Log(math.Max(ts.spread(theta), 1e-9)), highestTilt)
	up := func(t float64) float64 { return (ts.cumulant(theta+math.Exp(t)) - at + room) / math.Exp(t) }
	down := func(t float64) float64 { return (ts.cumulant(theta-math.Exp(t)) - at + room) / math.Exp(t) }
	above, below := minimise(up, scale-3, scale+2), minimise(down, scale-3, scale+2)
	return -down(below), up(above), math.Exp(above)
}

// widest is the largest range of the losses of one event.
func (ts tilts) widest() float64 {
	wide := 0.0
	for _, t := range ts {
		wide = math.Max(wide, slices.Max(t.loss)-slices.Min(t.loss))
	}
	return wide
}

// spread is the standard deviation of the sum of losses under tilted masses.
func (ts tilts) spread(theta float64) float64 {
	total := 0.0
	for _, t := range ts {
		var sum logSum
		for i, l := range t.loss {
			sum.add(t.log[i] + theta*l)
		}
		log, mean, square := sum.log(), 0.0, 0.0
		for i, l := range t.loss {
			mean += math.Exp(t.log[i]+theta*l-log) * l
		}
		for i, l := range t.loss {
			square += math.Exp(t.log[i]+theta*l-log) * (l - mean) * (l - mean)
		}
		total += t.count * square
	}
	return math.Sqrt(total)
}
