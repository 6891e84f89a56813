package account

import "math"

// points is a pair as masses at losses: the distribution under P, and under Q
// with the same losses. What lies above every loss is under P alone.
type points struct {
	list  []atom
	above float64
	below float64 // how much of the lowest mass was lower
	slack float64
}

// connect turns a pair into points. A density is cut into cells of a step, and
// what lies in a cell is divided between its ends so that the masses under both
// P and Q stay what they were: "connecting the dots" of the privacy profile. The
// result dominates the pair, and is wrong by the square of the step alone.
func (p pair) connect(step float64) points {
	out := points{list: p.atoms, above: p.above, below: p.below, slack: p.slack}
	if p.density == nil {
		return out
	}
	first, share := math.Floor(p.low/step), newShare(step)
	cells := int(math.Ceil(p.high/step) - first)
	masses := make([]float64, cells+2)
	for i := range cells {
		low := math.Max(p.low, (first+float64(i))*step)
		high := math.Min(p.high, (first+float64(i+1))*step)
		parts := math.Ceil((high - low) / p.width)
		for k := range int(parts) {
			w := (high - low) / parts
			p.within(low+float64(k)*w, low+float64(k+1)*w, func(u, mass float64) {
				up := share.upper(u-(first+float64(i))*step) * mass
				masses[i] += mass - up
				masses[i+1] += up
			})
		}
	}
	out.list = append(make([]atom, 0, len(p.atoms)+cells+2), p.atoms...)
	if p.below > 0 {
		out.list = append(out.list, atom{p.low, p.below})
	}
	for i, m := range masses {
		if m > 0 {
			out.list = append(out.list, atom{(first + float64(i)) * step, m})
		}
	}
	return out
}

// share divides a mass within a cell between the cell's ends.
type share struct{ step, factor float64 }

func newShare(step float64) share { return share{step, math.Exp(step) / math.Expm1(step)} }

// upper is the part of a mass at t above a cell's lower end that goes to its
// upper end, so that the masses under P and Q are kept: (e^h - e^(h-t))/(e^h - 1).
func (s share) upper(t float64) float64 {
	t = math.Min(math.Max(t, 0), s.step)
	if t > 1e-3 {
		return -s.factor * math.Expm1(-t)
	}
	return s.factor * t * (1 - t/2*(1-t/3*(1-t/4*(1-t/5))))
}

// zcdpPoints is the worst profile of all ρ-zCDP mechanisms as a pair. No
// single pair of such a mechanism is the worst; but δ(ε) of each lies below the
// bound of the conversion, so that the pair whose profile is the largest convex
// function below the bound dominates them all (Zhu, Dong and Wang). The profile
// in both directions is the same, which gives the part of losses below 0.
func zcdpPoints(rho, tail, step float64) points {
	reach := zcdpEpsilon(rho, tail)
	n := int(math.Ceil(reach / step))
	type dot struct{ loss, delta float64 }
	var hull []dot
	profile := newConversion(rho)
	slope := func(a, b dot) float64 { // in e^ε
		return (b.delta - a.delta) / (math.Exp(a.loss) * math.Expm1(b.loss-a.loss))
	}
	for i := range n + 1 {
		u := float64(i) * step
		next := dot{u, math.Exp(profile.logDelta(u))}
		for len(hull) > 1 && slope(hull[len(hull)-2], hull[len(hull)-1]) >= slope(hull[len(hull)-1], next) {
			hull = hull[:len(hull)-1]
		}
		hull = append(hull, next)
	}
	last := len(hull) - 1
	out := points{above: hull[last].delta}
	rest := 1 - out.above
	beyond := 0.0 // minus the mass under Q of all losses above
	for i := last; i > 0; i-- {
		s := slope(hull[i-1], hull[i])
		q := math.Max(0, beyond-s)
		beyond = math.Min(beyond, s)
		p := q * math.Exp(hull[i].loss)
		out.list = append(out.list, atom{hull[i].loss, p}, atom{-hull[i].loss, q})
		rest -= p + q
	}
	out.list = append(out.list, atom{0, math.Max(0, rest)})
	return out
}

// conversion is the bound of zcdpLogDelta at many orders: each is a line in ε.
type conversion struct {
	most  float64 // whatever ε is
	lines []struct{ slope, start float64 }
	at    int
}

func newConversion(rho float64) *conversion {
	c := &conversion{most: zcdpLogDelta(rho, 0)}
	middle := math.Max(0, -math.Log(rho)/2)
	for t := -12.0; t < middle+8; t += 0.004 {
		a := math.Exp(t)
		up, down := a*(1+a)*rho, (1+a)*math.Log1p(1/a)+t
		c.lines = append(c.lines, struct{ slope, start float64 }{-a, up - down + 0x1p-48*(up+math.Abs(down)+2*math.Abs(t))})
	}
	return c
}

// logDelta takes ε in growing order: the best order grows with it.
func (c *conversion) logDelta(epsilon float64) float64 {
	line := func(i int) float64 { return c.lines[i].start + c.lines[i].slope*epsilon }
	for c.at+1 < len(c.lines) && line(c.at+1) <= line(c.at) {
		c.at++
	}
	return math.Min(c.most, line(c.at)+0x1p-48*-c.lines[c.at].slope*epsilon)
}

// direction says which neighbour has the unit.
type direction int

const (
	removal  direction = iota // P has it: the loss of P against Q
	addition                  // Q has it
)

// sample gives the points when the mechanism sees a Poisson sample of the units
// (Zhu, Dong and Wang): with probability q the unit is there. The pairs are
// their own mirror images, so that Q has the masses of P at the negative losses.
func (p points) sample(q float64, d direction) points {
	if q == 1 {
		return p
	}
	out := points{list: make([]atom, 0, 2*len(p.list)), above: q*p.above + (1-q)*p.below}
	if d == addition {
		out.above = p.above
		for _, a := range p.list {
			out.list = append(out.list, atom{-amplify(-a.loss, q), a.mass})
		}
		return out
	}
	lowest := 0.0
	for _, a := range p.list {
		lowest = math.Min(lowest, -a.loss)
		out.list = append(out.list,
			atom{amplify(a.loss, q), q * a.mass},
			atom{amplify(-a.loss+p.slack, q), (1 - q) * a.mass})
	}
	// What was cut off above, seen from Q, has the lowest losses.
	out.list = append(out.list, atom{amplify(lowest, q), (1 - q) * p.above})
	return out
}

// steepness is the mean square of the slope of a sample's loss in the loss of
// the whole, under the masses tilted by theta: how much of an error in one
// becomes an error in the other.
func (p points) steepness(q, theta float64) float64 {
	if q == 1 {
		return 1
	}
	var sum, square logSum
	for _, a := range p.list {
		l := amplify(a.loss, q)
		m := math.Log(a.mass) + amplify(-a.loss, 1-q) + theta*l
		sum.add(m)
		square.add(m + 2*(math.Log(q)+a.loss-l))
	}
	return math.Exp(square.log() - sum.log())
}

// grid is points at whole multiples of a step.
type grid struct {
	first int
	mass  []float64
	above float64
}

// lay puts points on a grid, connecting the dots. Of losses that no grid can
// hold nothing is promised: all of their mass is above.
func (p points) lay(step float64) grid {
	low, high := math.Inf(1), math.Inf(-1)
	for _, a := range p.list {
		if !(a.mass <= 0) {
			low, high = math.Min(low, a.loss), math.Max(high, a.loss)
		}
	}
	if !((high-low)/step < 2*maxWindow && math.Abs(low/step) < 1<<52) {
		return grid{mass: []float64{1}, above: 1}
	}
	first, share := math.Floor(low/step), newShare(step)
	g := grid{first: int(first), mass: make([]float64, int(math.Floor(high/step)-first)+2), above: p.above}
	for _, a := range p.list {
		if a.mass <= 0 {
			continue
		}
		i := math.Floor(a.loss / step)
		up := share.upper(a.loss-i*step) * a.mass
		g.mass[int(i-first)] += a.mass - up
		g.mass[int(i-first)+1] += up
	}
	return g
}
