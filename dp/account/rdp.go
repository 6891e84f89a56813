package account

import "math"

// RDP is a Rényi divergence by its order above 1: an upper bound for both
// directions of neighbours. It is infinite where none is known.
type RDP func(order float64) float64

// RDP gives the curve of the event, all uses together.
func (e Event) RDP() RDP {
	one := e.divergence()
	return func(order float64) float64 { return float64(e.Count) * one(order) }
}

// Compose adds the curves of events that are all fixed beforehand.
func Compose(curves ...RDP) RDP {
	return func(order float64) float64 {
		sum := 0.0
		for _, c := range curves {
			sum += c(order)
		}
		return sum
	}
}

// Epsilon converts at the order that gives the least ε, and names that order.
func (r RDP) Epsilon(delta float64) (epsilon, order float64) {
	logDelta := math.Log(delta)
	epsilon, order = math.Inf(1), math.Inf(1)
	try := func(t float64) float64 {
		a := math.Exp(t)
		e := convert(up(r(1+a)), a, logDelta)
		if math.IsNaN(e) {
			return math.Inf(1)
		}
		if e < epsilon {
			epsilon, order = e, 1+a
		}
		return e
	}
	minimise(try, -7, 24)
	for _, whole := range []float64{math.Floor(order), math.Ceil(order)} {
		if whole > 1 && !math.IsInf(whole, 1) {
			try(math.Log(whole - 1))
		}
	}
	return math.Max(0, epsilon), order
}

// divergence gives the curve of one use.
func (e Event) divergence() RDP {
	whole := e.unsampled()
	if !e.sampled() || e.Mechanism == ZCDP {
		return whole
	}
	q := e.SamplingProbability
	var sample RDP
	switch e.Mechanism {
	case Gaussian:
		sample = func(order float64) float64 { return sampledGaussian(order, q, e.ratio()) }
	case DiscreteGaussian:
		// At whole orders the moments are those of the Gaussian: a sum over the
		// lattice does not change when it is moved by whole steps. The divergence
		// grows with the order.
		sample = func(order float64) float64 { return sampledGaussian(math.Ceil(order), q, e.ratio()) }
	default:
		sample = sampledBounded(e.pair(0x1p-60), q, e.pure())
	}
	return func(order float64) float64 { return math.Min(sample(order), whole(order)) }
}

// unsampled gives the curve of one use on all units.
func (e Event) unsampled() RDP {
	c := e.ratio()
	switch e.Mechanism {
	case Gaussian, DiscreteGaussian:
		return func(order float64) float64 { return order * c * c / 2 }
	case Laplace:
		return func(order float64) float64 { return math.Min(laplaceDivergence(order, c), c) }
	case DiscreteLaplace:
		return sampledBounded(e.pair(0x1p-60), 1, c)
	case Exponential:
		eps := e.Parameter
		return func(order float64) float64 { return math.Min(order*eps*eps/8, responseDivergence(order, eps)) }
	case Pure:
		return func(order float64) float64 { return responseDivergence(order, e.Parameter) }
	}
	return func(order float64) float64 { return order * e.Parameter }
}

// laplaceDivergence is Mironov's closed form for a sensitivity of c scales.
func laplaceDivergence(order, c float64) float64 {
	a := order - 1
	first := math.Log(order/(2*order-1)) + a*c
	second := math.Log(a/(2*order-1)) - order*c
	return (first + math.Log1p(math.Exp(second-first)) + 0x1p-48*(1+a*c)) / a
}

// responseDivergence is that of randomised response.
func responseDivergence(order, epsilon float64) float64 {
	a := order - 1
	// log((e^(αε) + e^((1-α)ε)) / (1 + e^ε)), with e^(αε) taken out.
	log := order*epsilon + math.Log1p(math.Exp((1-2*order)*epsilon)) - epsilon - math.Log1p(math.Exp(-epsilon))
	return math.Min(epsilon, (log+0x1p-48*(1+order*epsilon))/a)
}

// sampledGaussian is the divergence of a Gaussian on a Poisson sample, of any
// order: log E[(1-q+q·e^(μx-μ²/2))^α] for a standard normal x, divided by α-1
// (Mironov, Talwar and Zhang). That direction is the worse one. The integrand is
// analytic, so that the rule of equal steps is exact but for rounding.
func sampledGaussian(order, q, mu float64) float64 {
	if order*mu > 2000 {
		return math.Inf(1) // then sampling helps little: what all units cost is taken
	}
	step := 0.25 / math.Max(1, mu)
	const reach = 13
	var sum logSum
	for x := -float64(reach); x <= order*mu+reach; x += step {
		l := amplify(mu*x-mu*mu/2, q)
		sum.add(order*l - x*x/2)
	}
	log := sum.log() + math.Log(step) - math.Log(2*math.Pi)/2
	return (math.Max(0, log) + 0x1p-47*(1+math.Abs(log))) / (order - 1)
}

// sampledBounded is the divergence of a mechanism whose loss is bounded, on a
// Poisson sample: an integral over its worst pair, or at most the largest loss.
func sampledBounded(p pair, q, largest float64) RDP {
	var points []atom
	const panels = 2000
	step := math.Max((p.high-p.low)/panels, 0x1p-40)
	p.integrate(step, func(u, mass float64) { points = append(points, atom{u, mass}) })
	return func(order float64) float64 {
		if p.density != nil && order*step > 2 {
			return largest // too steep for the rule of integration
		}
		var sum logSum
		for _, at := range points {
			sum.add(math.Log(at.mass) - at.loss + p.slack + order*amplify(at.loss, q))
		}
		log := sum.log()
		return math.Min(largest, (math.Max(0, log)+0x1p-46*(1+order*largest))/(order-1))
	}
}

// logSum adds numbers that are given by their logarithms.
type logSum struct{ largest, sum float64 }

func (s *logSum) add(log float64) {
	switch {
	case math.IsInf(log, -1):
	case s.sum == 0:
		s.largest, s.sum = log, 1
	case log <= s.largest:
		s.sum += math.Exp(log - s.largest)
	default:
		s.sum = s.sum*math.Exp(s.largest-log) + 1
		s.largest = log
	}
}

func (s *logSum) log() float64 {
	if s.sum == 0 {
		return math.Inf(-1)
	}
	return s.largest + math.Log(s.sum)
}
