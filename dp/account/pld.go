package account

import "math"

// PLD bounds what events cost that are all fixed beforehand, by the
// distribution of their privacy loss. It is the sharpest accountant here: upper
// bounds within 10⁻³ of what is true, unless [PLD.Epsilon] says otherwise.
//
// It must not be used to decide, after some answers, whether another may be
// given: as a filter it is not valid for analysts who adapt.
type PLD struct{ events []Event }

// NewPLD takes events that are all fixed beforehand.
func NewPLD(events []Event) (*PLD, error) {
	if err := checkAll(events); err != nil {
		return nil, err
	}
	return &PLD{merge(events)}, nil
}

// merge makes one of equal events, of all Gaussians on all units (together they
// are one), and of all zCDP on all units.
func merge(events []Event) []Event {
	var out []Event
	at := map[Event]int{}
	var mu, rho float64
	for _, e := range events {
		switch {
		case e.Mechanism == Gaussian && !e.sampled():
			mu += float64(e.Count) * e.ratio() * e.ratio()
			continue
		case e.Mechanism == ZCDP && !e.sampled():
			rho += float64(e.Count) * e.Parameter
			continue
		case e.Mechanism.adds() && !e.Mechanism.discrete():
			e.Parameter, e.Sensitivity = e.Parameter/e.Sensitivity, 1
		}
		kind := e
		kind.Count = 0
		i, known := at[kind]
		if !known {
			at[kind], out = len(out), append(out, kind)
			i = len(out) - 1
		}
		out[i].Count += e.Count
	}
	if mu > 0 {
		out = append(out, Event{Gaussian, 1 / math.Sqrt(up(mu)), 1, 1, 1})
	}
	if rho > 0 {
		out = append(out, Event{ZCDP, up(rho), 1, 1, 1})
	}
	return out
}

// Epsilon gives an upper bound on ε at δ, infinite where none was found, and
// whether it is within 10⁻³: when the sum has so many and so different events
// that the grid has to be coarser, it may be further above.
func (p *PLD) Epsilon(delta float64) (epsilon float64, near bool) {
	near = true
	logDelta := math.Log(delta)
	for _, d := range p.directions() {
		c := p.outline(d, delta)
		prof, fine := c.profile(c.tilts.forDelta(logDelta))
		epsilon = math.Max(epsilon, prof.epsilon(delta))
		near = near && fine
	}
	if math.IsNaN(epsilon) || math.IsInf(epsilon, 1) {
		return p.largest(), false
	}
	return math.Min(epsilon, p.largest()), near
}

// Delta gives an upper bound on δ at any ε, also a negative one.
func (p *PLD) Delta(epsilon float64) float64 {
	if epsilon >= p.largest() {
		return 0
	}
	delta := 0.0
	for _, d := range p.directions() {
		_, logDelta := p.outline(d, minDelta).tilts.forEpsilon(epsilon)
		if logDelta < math.Log(minDelta) {
			delta = math.Max(delta, 2*minDelta) // with what was cut off
			continue
		}
		c := p.outline(d, math.Exp(logDelta-5))
		theta, unit := c.tilts.forEpsilon(epsilon)
		prof, _ := c.profile(theta)
		delta = math.Max(delta, prof.delta(epsilon, unit))
	}
	return delta
}

// TruePositive bounds how often an attacker recognises that a unit is there,
// or is not there, who is wrong about it with probability fpr.
func (p *PLD) TruePositive(fpr float64) float64 {
	best := 0.0
	for _, d := range p.directions() {
		c := p.outline(d, 1e-6*math.Max(fpr, 1e-12))
		prof, _ := c.profile(0)
		rate := 1.0
		prof.descend(0, func(loss, delta, _ float64) bool {
			rate = math.Min(rate, delta+prof.above+math.Exp(loss)*fpr)
			return true
		})
		best = math.Max(best, rate)
	}
	return best
}

// largest is the largest loss that all events can have together.
func (p *PLD) largest() float64 {
	sum := 0.0
	for _, e := range p.events {
		sum += float64(e.Count) * e.pure()
	}
	return up(sum)
}

// directions are those in which the events may cost differently.
func (p *PLD) directions() []direction {
	for _, e := range p.events {
		if e.sampled() {
			return []direction{removal, addition}
		}
	}
	return []direction{removal}
}

// outline is a composition in one direction, roughly: enough to choose a tilt,
// a window and a step.
type outline struct {
	events    []Event
	direction direction
	tail      float64 // of each use
	steep     []points
	tilts     tilts
}

// rough is into how many parts a density is cut for an outline.
const rough = 600

func (p *PLD) outline(d direction, delta float64) outline {
	uses := 0.0
	for _, e := range p.events {
		uses += float64(e.Count)
	}
	o := outline{events: p.events, direction: d, tail: 1e-6 * delta / uses}
	for _, e := range p.events {
		base := e.points(o.tail, math.Inf(1))
		o.steep = append(o.steep, base)
		o.tilts = append(o.tilts, base.sample(e.SamplingProbability, d).tilted(float64(e.Count)))
	}
	return o
}

// points gives the event's worst pair as points, at a step that is neither wider
// than what an outline takes nor so small that there were too many.
func (e Event) points(tail, step float64) points {
	within := func(width float64) float64 {
		return math.Max(math.Min(step, width/rough), width/maxCells)
	}
	if e.Mechanism == ZCDP {
		return zcdpPoints(e.Parameter, tail, within(zcdpEpsilon(e.Parameter, tail)))
	}
	p := e.pair(tail)
	return p.connect(within(p.high - p.low))
}

const (
	maxCells  = 1 << 20 // of one density
	maxWindow = 1 << 21 // points of a convolution, or of one event's losses
	tolerance = 2e-4    // what the steps of the grid may cost in ε
	finest    = 2e-4    // the step for few events: losses at points are moved by up to a step
	few       = 50
)

// profile composes with a tilt, and says whether the step was as small as the
// tolerance wants it: the loss of each use is wrong by the square of the step,
// times how much the tilt makes of it.
func (o outline) profile(theta float64) (profile, bool) {
	uses := 0.0
	for _, e := range o.events {
		uses += float64(e.Count)
	}
	wanted := math.Min(math.Sqrt(8*tolerance/(uses*(1+theta))), finest/math.Sqrt(math.Min(uses, few))*math.Max(1, math.Min(7, uses/few)))
	low, high, further := o.tilts.window(theta)
	step := math.Max(wanted, math.Max(high-low, o.tilts.widest())/maxWindow)
	parts := make([]laid, len(o.events))
	for i, e := range o.events {
		inner := step
		if e.sampled() { // a wide step of a loss may be a small one of its sample's
			if s := o.steep[i].steepness(e.SamplingProbability, theta); s > 0 {
				inner = step / 2 / math.Sqrt(math.Max(1e-12, s))
			}
		}
		parts[i] = laid{e.points(o.tail, inner).sample(e.SamplingProbability, o.direction).lay(step), float64(e.Count)}
	}
	return compose(parts, step, theta, low, further), step <= 4*wanted
}
