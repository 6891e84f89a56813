package account

import "math"

// pair is the worst pair of neighbours for one use of a mechanism on all units,
// told as the distribution of the privacy loss u when the unit is there: masses
// at points, a density between two losses, and a mass above every number. Every
// pair here is its own mirror image, so that the unit's absence costs the same.
type pair struct {
	atoms     []atom
	density   func(u float64) float64 // nil where there is none
	low, high float64                 // where the density is
	width     float64                 // over which the density is smooth
	below     float64                 // mass cut off below low
	above     float64                 // mass cut off above every loss
	slack     float64                 // by how much losses may be stated too large
}

type atom struct{ loss, mass float64 }

// exactAtoms is up to how many points of a lattice are taken one by one. Above,
// the lattice is so fine that a density and its rounding do.
const exactAtoms = 400_000

// pair gives the worst pair of an event, with no more than tail of the
// probability moved up: to a larger loss at the lower end, above every loss at
// the upper. ZCDP has a profile instead.
func (e Event) pair(tail float64) pair {
	switch c := e.ratio(); e.Mechanism {
	case Gaussian:
		return gaussianPair(c, 0, tail)
	case DiscreteGaussian:
		if reach := e.Parameter * normalReach(tail); reach <= exactAtoms/2 {
			return discreteGaussianPair(e.Parameter, e.Sensitivity, math.Ceil(reach))
		}
		return fineGaussianPair(e.Parameter, e.Sensitivity, tail)
	case Laplace:
		return laplacePair(c, 0)
	case DiscreteLaplace:
		if e.Sensitivity <= exactAtoms {
			return discreteLaplacePair(e.Parameter, e.Sensitivity)
		}
		return laplacePair(c, 2/e.Parameter)
	}
	return responsePair(e.Parameter)
}

// responsePair is randomised response: it dominates every ε-DP mechanism.
func responsePair(epsilon float64) pair {
	p := 1 / (1 + math.Exp(-epsilon))
	return pair{atoms: []atom{{-epsilon, p * math.Exp(-epsilon)}, {epsilon, p}}}
}

// gaussianPair has u ~ N(μ²/2, μ²), moved up by a shift.
func gaussianPair(mu, shift, tail float64) pair {
	reach := normalReach(tail)
	mean := mu*mu/2 + shift
	return pair{
		density: func(u float64) float64 {
			z := (u - mean) / mu
			return math.Exp(-z*z/2) / (mu * math.Sqrt(2*math.Pi))
		},
		low: mean - reach*mu, high: mean + reach*mu, width: mu / reach,
		below: upperTail(reach), above: upperTail(reach), slack: 2 * shift,
	}
}

// normalReach is a number of deviations that less than tail lies beyond.
func normalReach(tail float64) float64 { return math.Sqrt(2*math.Log(1/tail)) + 0.5 }

// upperTail bounds the mass of a normal distribution above z ≥ 1.
func upperTail(z float64) float64 { return math.Exp(-z*z/2) / (z * math.Sqrt(2*math.Pi)) }

// discreteGaussianPair sums over the lattice from -reach to reach+sensitivity.
func discreteGaussianPair(sigma, sensitivity, reach float64) pair {
	total := 0.0
	weight := func(x float64) float64 { return math.Exp(-x * x / (2 * sigma * sigma)) }
	for x := reach; x > 0; x-- {
		total += 2 * weight(x)
	}
	total++ // what lies beyond reach makes the true total larger, and each mass smaller
	// With the unit the answer moves by -sensitivity: a larger noise is a larger loss.
	p := pair{above: 2 * upperTail(reach/sigma) * sigma * math.Sqrt(2*math.Pi) / total}
	for x := -reach; x <= reach; x++ {
		u := (2*x*sensitivity + sensitivity*sensitivity) / (2 * sigma * sigma)
		p.atoms = append(p.atoms, atom{u, weight(x) / total})
	}
	return p
}

// fineGaussianPair bounds a discrete Gaussian of so fine a lattice that it has
// too many points to visit. Each point's mass is below that of the density
// within half a step of it, but for a factor that the curvature bounds; and
// within half a step the loss is lower by at most Δ/2σ².
func fineGaussianPair(sigma, sensitivity, tail float64) pair {
	mu := sensitivity / sigma
	p := gaussianPair(mu, mu/(2*sigma), tail)
	reach := normalReach(tail)
	factor := 1 + (reach*reach+1)/(12*sigma*sigma)
	plain := p.density
	p.density = func(u float64) float64 { return factor * plain(u) }
	p.below, p.above = p.below*factor, p.above*factor
	return p
}

// laplacePair has half of its mass at the largest loss c, the share of the other
// side at -c, and e^((u-c)/2)/4 between, all moved up by a shift.
func laplacePair(c, shift float64) pair {
	return pair{
		atoms:   []atom{{-c + shift, math.Exp(-c) / 2}, {c + shift, 0.5}},
		density: func(u float64) float64 { return math.Exp((u-shift-c)/2) / 4 },
		low:     -c + shift, high: c + shift, width: 1, slack: shift,
	}
}

// discreteLaplacePair has P(x) ∝ e^(-|x|/b) and losses (Δ-2x)/b between 0 and Δ.
func discreteLaplacePair(scale, sensitivity float64) pair {
	c := 1 / scale
	side := 1 / (1 + math.Exp(-c)) // of x ≤ 0
	p := pair{atoms: []atom{{-c * sensitivity, side * math.Exp(-c*sensitivity)}, {c * sensitivity, side}}}
	point := -math.Expm1(-c) * side
	for x := 1.0; x < sensitivity; x++ {
		p.atoms = append(p.atoms, atom{c * (sensitivity - 2*x), point * math.Exp(-c*x)})
	}
	return p
}

// The nodes and weights of Gauss and Legendre with four points, on (-1, 1).
const (
	node1, weight1 = 0.3399810435848562648, 0.6521451548625461426
	node2, weight2 = 0.8611363115940525752, 0.3478548451374538574
)

// within visits the points of a rule of integration between two losses.
func (p pair) within(low, high float64, visit func(u, mass float64)) {
	middle, half := (low+high)/2, (high-low)/2
	for _, n := range [4][2]float64{{-node2, weight2}, {-node1, weight1}, {node1, weight1}, {node2, weight2}} {
		u := middle + half*n[0]
		visit(u, p.density(u)*half*n[1])
	}
}

// integrate visits the whole distribution but for what was cut off.
func (p pair) integrate(step float64, visit func(u, mass float64)) {
	for _, a := range p.atoms {
		visit(a.loss, a.mass)
	}
	if p.density == nil {
		return
	}
	n := math.Ceil((p.high - p.low) / math.Min(step, p.width))
	for i := range int(n) {
		w := (p.high - p.low) / n
		p.within(p.low+float64(i)*w, p.low+float64(i+1)*w, visit)
	}
}
