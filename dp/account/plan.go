package account

import (
	"fmt"
	"math"
	"strings"
)

// Plan bounds the ε of events that are all fixed beforehand, in the ways that
// the package knows. Each is an upper bound by itself; the smallest holds.
type Plan struct {
	Delta float64 `json:"delta"`
	Pure  Bound   `json:"pure"` // plain addition of ε
	ZCDP  Bound   `json:"zcdp"`
	RDP   Bound   `json:"rdp"`
	PLD   Bound   `json:"pld"`
}

// Bound is an upper bound on ε, or the reason why there is none.
type Bound struct {
	Epsilon *float64 `json:"epsilon"`
	Order   float64  `json:"order,omitzero"`  // of the Rényi divergence that gave it
	Reason  string   `json:"reason,omitzero"` // why there is no bound
	Note    string   `json:"note,omitzero"`   // what the bound does not use
}

// NewPlan bounds the ε of the events together at a δ between 0 and 1.
func NewPlan(events []Event, delta float64) (*Plan, error) {
	if !(delta > 0 && delta < 1) {
		return nil, refuse("state a delta between 0 and 1, such as 1e-6", "delta is %v", delta)
	}
	if delta < minDelta {
		return nil, refuse("state a larger delta", "delta is %v, below %v", delta, minDelta)
	}
	if err := checkAll(events); err != nil {
		return nil, err
	}
	return &Plan{
		Delta: delta,
		Pure:  planPure(events),
		ZCDP:  planZCDP(events, delta),
		RDP:   planRDP(events, delta),
		PLD:   planPLD(events, delta),
	}, nil
}

// minDelta is the smallest δ of a plan: arithmetic is tested down to here.
const minDelta = 1e-100

const unamplified = "sampling is not counted: zCDP knows no amplification by it"

// planZCDP adds ρ. What sees a sample of the units only is counted as if it saw
// all: a sample never reveals more (quasi-convexity of Rényi divergence).
func planZCDP(events []Event, delta float64) Bound {
	rho, note := 0.0, ""
	for _, e := range events {
		rho += float64(e.Count) * e.rho()
		if e.sampled() {
			note = unamplified
		}
	}
	return bounded(zcdpEpsilon(up(rho), delta), note)
}

// planPure adds the largest losses: what anybody can check by hand.
func planPure(events []Event) Bound {
	sum := 0.0
	for i, e := range events {
		sum += float64(e.Count) * e.pure()
		if math.IsInf(sum, 1) {
			return Bound{Reason: fmt.Sprintf("events[%d]: %s has no pure epsilon", i, e.Mechanism)}
		}
	}
	return bounded(up(sum), "")
}

// planRDP adds Rényi divergences.
func planRDP(events []Event, delta float64) Bound {
	note := ""
	curves := make([]RDP, len(events))
	for i, e := range events {
		curves[i] = e.RDP()
		if e.sampled() && e.Mechanism == ZCDP {
			note = fmt.Sprintf("events[%d]: sampling is not counted: of a zCDP mechanism too little is known", i)
		}
	}
	epsilon, order := Compose(curves...).Epsilon(delta)
	b := bounded(epsilon, note)
	b.Order = order
	return b
}

// planPLD composes distributions of the privacy loss.
func planPLD(events []Event, delta float64) Bound {
	p, err := NewPLD(events)
	if err != nil {
		return Bound{Reason: err.Error()}
	}
	epsilon, near := p.Epsilon(delta)
	if math.IsInf(epsilon, 0) || math.IsNaN(epsilon) {
		return Bound{Reason: "these events are outside of what the grid of losses can hold"}
	}
	var notes []string
	if !near {
		notes = append(notes, "so many and so different events that this bound may be more than 0.001 too large")
	}
	for i, e := range events {
		switch e.Mechanism {
		case ZCDP:
			notes = append(notes, fmt.Sprintf("events[%d]: a zCDP mechanism is counted as the worst that its rho permits", i))
		case Exponential:
			notes = append(notes, fmt.Sprintf("events[%d]: an exponential mechanism is counted as the worst that its epsilon permits", i))
		}
	}
	return bounded(epsilon, strings.Join(notes[:min(len(notes), 4)], "; "))
}

// rho is the zCDP parameter of one use.
func (e Event) rho() float64 {
	switch e.Mechanism {
	case Gaussian, DiscreteGaussian:
		return e.ratio() * e.ratio() / 2
	case Laplace, DiscreteLaplace:
		// What ε-DP implies: no more is known for every order and scale.
		return e.ratio() * e.ratio() / 2
	case Exponential:
		return e.Parameter * e.Parameter / 8
	case Pure:
		return e.Parameter * e.Parameter / 2
	}
	return e.Parameter
}

// pure is the largest loss of one use, infinite where there is none. A sample
// of probability q turns e^ε into 1−q+q·e^ε, and no loss the other way exceeds it.
func (e Event) pure() float64 {
	largest := math.Inf(1)
	switch e.Mechanism {
	case Laplace, DiscreteLaplace:
		largest = e.ratio()
	case Exponential, Pure:
		largest = e.Parameter
	}
	return amplify(largest, e.SamplingProbability)
}

// amplify is log(1−q+q·e^l), without overflow.
func amplify(loss, q float64) float64 {
	if q == 1 {
		return loss
	}
	if loss > 30 {
		return loss + math.Log(q+(1-q)*math.Exp(-loss))
	}
	return math.Log1p(q * math.Expm1(loss))
}

// up rounds by more than a sum of up to maxEvents floats is wrong.
func up(x float64) float64 { return x * (1 + 0x1p-36) }

func bounded(epsilon float64, note string) Bound { return Bound{Epsilon: &epsilon, Note: note} }
