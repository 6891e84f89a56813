package account

import (
	"math"
	"math/rand/v2"
	"testing"
)

func pld(t testing.TB, events ...Event) *PLD {
	t.Helper()
	p, err := NewPLD(events)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// What one exact formula says, the accountant says within its promise.
func near(t *testing.T, what string, got, exact float64) {
	t.Helper()
	if !(got >= exact-1e-9) || !(got <= exact+1e-3) {
		t.Errorf("%s: %v, exactly %v", what, got, exact)
	}
}

// solve finds where a decreasing function is a value.
func solve(value, low, high float64, f func(float64) float64) float64 {
	for range 200 {
		if middle := (low + high) / 2; f(middle) > value {
			low = middle
		} else {
			high = middle
		}
	}
	return high
}

func TestGaussianIsExact(t *testing.T) {
	for _, sigma := range []float64{.3, 1, 300} {
		for _, delta := range []float64{.01, 1e-6, 1e-40} {
			mu := 1 / sigma
			exact := solve(delta, 0, 200, func(e float64) float64 {
				return upperNormal(e/mu-mu/2) - math.Exp(e)*upperNormal(e/mu+mu/2)
			})
			got, _ := pld(t, event(Gaussian, sigma, 1, 1)).Epsilon(delta)
			near(t, "Gaussian", got, exact)
			four, _ := pld(t, event(Gaussian, 2*sigma, 1, 4)).Epsilon(delta)
			near(t, "four Gaussians of twice the deviation", four, exact)
		}
	}
}

func TestSampledGaussianIsExact(t *testing.T) {
	for _, q := range []float64{1e-3, .1, .7} {
		for _, sigma := range []float64{.7, 3} {
			for _, delta := range []float64{1e-2, 1e-7} {
				remove := func(e float64) float64 {
					x := (sigma*sigma)*math.Log1p(math.Expm1(e)/q) + .5
					return q*upperNormal((x-1)/sigma) - (math.Expm1(e)+q)*upperNormal(x/sigma)
				}
				add := func(e float64) float64 { // the unit is in Q
					y := math.Expm1(-e)/q + 1
					if y <= 0 {
						return 0
					}
					x := (sigma*sigma)*math.Log(y) + .5
					return (1-math.Exp(e)*(1-q))*upperNormal(-x/sigma) - math.Exp(e)*q*upperNormal((1-x)/sigma)
				}
				exact := solve(delta, 0, 50, func(e float64) float64 { return math.Max(remove(e), add(e)) })
				got, _ := pld(t, event(Gaussian, sigma, q, 1)).Epsilon(delta)
				near(t, "sampled Gaussian", got, exact)
			}
		}
	}
}

func TestLaplaceIsExact(t *testing.T) {
	for _, c := range []float64{.05, 1, 12} {
		for _, delta := range []float64{1e-2, 1e-6, 1e-12} {
			exact := math.Max(0, c+2*math.Log1p(-delta))
			got, _ := pld(t, event(Laplace, 1/c, 1, 1)).Epsilon(delta)
			near(t, "Laplace", got, exact)
		}
	}
}

// exactly composes points one by one, without a grid: δ(ε) of n uses.
func exactly(p points, n int, epsilon float64) float64 {
	sums := []atom{{0, 1}}
	for range n {
		var next []atom
		for _, s := range sums {
			for _, a := range p.list {
				next = append(next, atom{s.loss + a.loss, s.mass * a.mass})
			}
		}
		sums = next
	}
	delta := 0.0
	for _, s := range sums {
		if s.loss > epsilon {
			delta -= s.mass * math.Expm1(epsilon-s.loss)
		}
	}
	return delta
}

// Mechanisms with few outcomes are composed by visiting all of them.
func TestFewOutcomesAreExact(t *testing.T) {
	for _, c := range []struct {
		event Event
		n     int
	}{
		{event(Pure, .7, 1, 1), 9},
		{event(Pure, .7, .3, 1), 6},
		{event(Pure, 3, .01, 1), 5},
		{Event{DiscreteLaplace, 2.5, 3, 1, 1}, 6},
		{Event{DiscreteLaplace, 2.5, 3, .2, 1}, 4},
		{event(DiscreteGaussian, .4, 1, 1), 3},
		{Event{DiscreteGaussian, 2, 2, .4, 1}, 2},
	} {
		for _, delta := range []float64{.1, 1e-4, 1e-9} {
			exact := 0.0
			for _, d := range []direction{removal, addition} {
				p := c.event.pair(1e-16).connect(1).sample(c.event.SamplingProbability, d)
				exact = math.Max(exact, solve(delta, 0, 60, func(e float64) float64 { return exactly(p, c.n, e) }))
			}
			e := c.event
			e.Count = int64(c.n)
			got, _ := pld(t, e).Epsilon(delta)
			near(t, string(e.Mechanism), got, exact)
		}
	}
}

// ρ-zCDP alone has the ε of its conversion, and with others no less than a
// Gaussian of that ρ.
func TestZCDPIsDominated(t *testing.T) {
	for _, rho := range []float64{1e-4, .02, 4} {
		for _, delta := range []float64{1e-3, 1e-9} {
			got, _ := pld(t, event(ZCDP, rho/3, 1, 3)).Epsilon(delta)
			if want := zcdpEpsilon(rho, delta); got < want-1e-3 || got > want+1e-3 {
				t.Errorf("ρ=%v δ=%v: %v, the conversion says %v", rho, delta, got, want)
			}
			sigma := 1 / math.Sqrt(2*rho)
			for _, q := range []float64{1, .1} {
				mixed, _ := pld(t, event(ZCDP, rho, q, 1), event(Laplace, 2, 1, 1)).Epsilon(delta)
				gauss, _ := pld(t, event(Gaussian, sigma, q, 1), event(Laplace, 2, 1, 1)).Epsilon(delta)
				if mixed < gauss-1e-3 {
					t.Errorf("ρ=%v q=%v δ=%v: %v, a Gaussian of that ρ %v", rho, q, delta, mixed, gauss)
				}
			}
		}
	}
}

// randomEvents draws events as people might plan them.
func randomEvents(r *rand.Rand) []Event {
	all := []Mechanism{Gaussian, DiscreteGaussian, Laplace, DiscreteLaplace, Pure}
	out := make([]Event, 1+r.IntN(3))
	for i := range out {
		e := event(all[r.IntN(len(all))], math.Exp(r.Float64()*4-.5), 1, 1+r.Int64N(30))
		if e.Mechanism == Pure {
			e.Parameter /= 20
		}
		if r.IntN(2) == 0 {
			e.SamplingProbability = math.Exp(-4 * r.Float64())
		}
		out[i] = e
	}
	return out
}

// For random events: the sharper accountant says less, more events cost more, a
// smaller δ costs more, and order does not matter.
func TestAccountantsAgree(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 5 {
		events := randomEvents(r)
		delta := math.Pow(10, -2-8*r.Float64())
		plan, err := NewPlan(events, delta)
		check(t, err)
		if plan.PLD.Epsilon == nil || plan.RDP.Epsilon == nil || plan.ZCDP.Epsilon == nil {
			t.Fatalf("%+v: no bound", events)
		}
		p, rd, z := *plan.PLD.Epsilon, *plan.RDP.Epsilon, *plan.ZCDP.Epsilon
		if p > rd+1e-3 || rd > z+1e-9 {
			t.Errorf("%+v at %v: PLD %v, RDP %v, zCDP %v", events, delta, p, rd, z)
		}
		if plan.Pure.Epsilon != nil && p > *plan.Pure.Epsilon+1e-12 {
			t.Errorf("%+v at %v: PLD %v, plain addition %v", events, delta, p, *plan.Pure.Epsilon)
		}
		more, _ := pld(t, append([]Event{event(Laplace, 5, 1, 1)}, events...)...).Epsilon(delta)
		sharper, _ := pld(t, events...).Epsilon(delta / 2)
		r.Shuffle(len(events), func(i, j int) { events[i], events[j] = events[j], events[i] })
		other, _ := pld(t, events...).Epsilon(delta)
		if more < p-1e-3 || sharper < p-1e-3 || math.Abs(other-p) > 1e-6 {
			t.Errorf("%+v: ε %v; one more %v; half of δ %v; in another order %v", events, p, more, sharper, other)
		}
		if back := pld(t, events...).Delta(p); p > 0 && (back > delta*1.01 || back < delta*.5) && p < pld(t, events...).largest() {
			t.Errorf("%+v: δ(%v) is %v, from %v", events, p, back, delta)
		}
	}
}

// Numbers at the ends of what is taken end in a bound or a reason, never in an
// answer that is no number, nor in one that is far above a simpler bound and said
// to be near.
func TestExtremes(t *testing.T) {
	for _, e := range []Event{
		event(Gaussian, 50, 1e-9, 1), event(Gaussian, 1e-4, 1e-9, 1e9), event(Laplace, 1e-4, 1e-9, 1),
		event(Pure, 50, .5, 1e9), event(ZCDP, 1e-9, .5, 1),
	} {
		plan, err := NewPlan([]Event{e}, 1e-6)
		check(t, err)
		for name, b := range map[string]Bound{"zcdp": plan.ZCDP, "rdp": plan.RDP, "pld": plan.PLD} {
			if (b.Epsilon == nil) == (b.Reason == "") {
				t.Errorf("%+v: %s says neither or both: %+v", e, name, b)
			}
			if b.Epsilon != nil && !(*b.Epsilon >= 0 && *b.Epsilon < math.Inf(1)) {
				t.Errorf("%+v: %s is %v", e, name, *b.Epsilon)
			}
		}
		if b := plan.PLD; b.Epsilon != nil && b.Note == "" && *b.Epsilon > *plan.RDP.Epsilon*(1+1e-3)+1e-3 {
			t.Errorf("%+v: PLD %v, RDP %v", e, *b.Epsilon, *plan.RDP.Epsilon)
		}
	}
}
