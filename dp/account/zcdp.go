package account

import "math"

// Epsilon gives the ε that ρ-zCDP implies with δ, rounded up: the conversion of
// Canonne, Kamath and Steinke, minimised over the order. Every order gives a
// valid bound, so that a minimum that is not quite found costs tightness alone.
func (r Rho) Epsilon(d Delta) Epsilon {
	switch {
	case r == 0:
		return 0
	case r == Infinite || d <= 0:
		return Infinite
	case d >= Delta(unit(deltaPlaces)):
		return 0
	}
	e := zcdpEpsilon(r.Float(), d.Float())
	return Epsilon(fromFloat(e, epsilonPlaces, true))
}

// RhoFor is the largest ρ whose ε at δ is no more than e; 0 where none is.
func RhoFor(e Epsilon, d Delta) Rho {
	if e <= 0 || d <= 0 {
		return 0
	}
	// ρ-zCDP is never better than ρ-DP at tiny δ: twice ε and a bit bounds ρ.
	fits, beyond := Rho(0), Rho(2*min(int64(e), Infinite/4)+unit(epsilonPlaces))
	for beyond < Infinite/2 && beyond.Epsilon(d) <= e {
		fits, beyond = beyond, 2*beyond
	}
	for beyond-fits > 1 {
		if middle := fits + (beyond-fits)/2; middle.Epsilon(d) <= e {
			fits = middle
		} else {
			beyond = middle
		}
	}
	return fits
}

// zcdpEpsilon gives an upper bound on the ε that ρ implies with δ.
func zcdpEpsilon(rho, delta float64) float64 {
	if rho == 0 {
		return 0
	}
	logDelta := math.Log(delta)
	at := func(t float64) float64 {
		a := math.Exp(t)
		return convert(rho*(1+a), a, logDelta)
	}
	middle := math.Log(math.Max(-logDelta, 0x1p-40)/rho) / 2
	t := minimise(at, middle-12, middle+12)
	return math.Max(0, at(t))
}

// convert gives the ε that a Rényi divergence of order 1+a implies with δ
// (Canonne, Kamath and Steinke, proposition 12), rounded up by more than the
// arithmetic's error.
func convert(divergence, a, logDelta float64) float64 {
	up := divergence - math.Log1p(1/a)
	tail := (-logDelta - math.Log1p(a)) / a
	return up + tail + 0x1p-48*(divergence+math.Log1p(1/a)+(math.Abs(logDelta)+math.Log1p(a))/a)
}

// zcdpLogDelta gives the logarithm of the δ that ρ-zCDP implies with ε ≥ 0,
// rounded up: the same conversion the other way, or what the divergence of
// order 1 says of total variation (Pinsker; Bretagnolle and Huber).
func zcdpLogDelta(rho, epsilon float64) float64 {
	at := func(t float64) float64 {
		a := math.Exp(t)
		up, down := a*(1+a)*rho, a*epsilon+(1+a)*math.Log1p(1/a)+t
		return up - down + 0x1p-48*(up+math.Abs(down)+2*math.Abs(t))
	}
	middle := math.Log(math.Max(epsilon, rho) / rho)
	best := at(minimise(at, middle-12, middle+4))
	variation := math.Min(rho/2, -math.Expm1(-rho))
	return math.Min(best, math.Min(0, math.Log(variation)/2+0x1p-48))
}

// minimise looks for the minimum of a function with one valley: a few points to
// find it, and a golden section within.
func minimise(f func(float64) float64, low, high float64) float64 {
	const points = 24
	best, value := low, math.Inf(1)
	step := (high - low) / points
	for i := range points + 1 {
		if x := low + float64(i)*step; f(x) < value {
			best, value = x, f(x)
		}
	}
	a, b := math.Max(low, best-step), math.Min(high, best+step)
	ratio := (math.Sqrt(5) - 1) / 2
	c, d := b-ratio*(b-a), a+ratio*(b-a)
	fc, fd := f(c), f(d)
	for b-a > 1e-9*(1+math.Abs(a)) {
		if fc < fd {
			b, d, fd = d, c, fc
			c = b - ratio*(b-a)
			fc = f(c)
		} else {
			a, c, fc = c, d, fd
			d = a + ratio*(b-a)
			fd = f(d)
		}
	}
	if x := (a + b) / 2; f(x) < value {
		return x
	}
	return best
}
