package account

import (
	"math"
	"testing"
)

func event(m Mechanism, parameter, q float64, count int64) Event {
	return Event{Mechanism: m, Parameter: parameter, Sensitivity: 1, SamplingProbability: q, Count: count}
}

// Where every unit is used, the best order of a Gaussian is that of zCDP.
func TestRDPOfGaussianIsZCDP(t *testing.T) {
	for _, sigma := range []float64{.3, 1, 4, 1000} {
		got, order := event(Gaussian, sigma, 1, 1).RDP().Epsilon(1e-6)
		want := zcdpEpsilon(1/(2*sigma*sigma), 1e-6)
		if math.Abs(got-want) > 1e-9*(1+want) || order <= 1 {
			t.Errorf("σ=%v: %v at order %v, zCDP says %v", sigma, got, order, want)
		}
	}
}

// The binomial sum of Mironov, Talwar and Zhang for whole orders.
func TestSampledGaussianAtWholeOrders(t *testing.T) {
	for _, q := range []float64{1e-4, .01, .3, .9} {
		for _, sigma := range []float64{.4, 1, 5} {
			for _, order := range []float64{2, 3, 17, 60} {
				var sum logSum
				binomial := 0.0
				for k := 0.0; k <= order; k++ {
					sum.add(binomial + (order-k)*math.Log1p(-q) + k*math.Log(q) + k*(k-1)/(2*sigma*sigma))
					binomial += math.Log((order - k) / (k + 1))
				}
				want := sum.log() / (order - 1)
				if got := sampledGaussian(order, q, 1/sigma); got < want-1e-12 || got > want*(1+1e-9)+1e-12 {
					t.Errorf("q=%v σ=%v α=%v: %v, the binomial sum gives %v", q, sigma, order, got, want)
				}
			}
		}
	}
}

// Every mechanism on a sample: no more than on all units, and no less than the
// divergence at a smaller order.
func TestSamplingHelps(t *testing.T) {
	for _, m := range []Mechanism{Gaussian, DiscreteGaussian, Laplace, DiscreteLaplace, Exponential, Pure, ZCDP} {
		for _, parameter := range []float64{.5, 2} {
			last, q := RDP(nil), []float64{1e-3, .05, .5, .99, 1}
			for _, q := range q {
				curve, before := event(m, parameter, q, 1).RDP(), 0.0
				for _, order := range []float64{1.01, 1.5, 2, 3, 10.5, 100, 3000} {
					d := curve(order)
					if d < before*(1-1e-9)-1e-12 || !(d >= 0) {
						t.Errorf("%s %v q=%v: %v at order %v, %v at a smaller one", m, parameter, q, d, order, before)
					}
					if last != nil && last(order) > d*(1+1e-6)+1e-12 {
						t.Errorf("%s %v order %v: q=%v costs %v, a smaller q %v", m, parameter, order, q, d, last(order))
					}
					before = d
				}
				last = curve
			}
		}
	}
}

// A fine lattice costs what the continuous noise does.
func TestFineLatticesAreLikeTheLine(t *testing.T) {
	for _, q := range []float64{1, .1} {
		for _, c := range []struct{ fine, line Mechanism }{{DiscreteGaussian, Gaussian}, {DiscreteLaplace, Laplace}} {
			for _, sensitivity := range []float64{1 << 10, 1 << 40} {
				fine := Event{c.fine, 3 * sensitivity, sensitivity, q, 10}
				line := Event{c.line, 3, 1, q, 10}
				a, _ := fine.RDP().Epsilon(1e-6)
				b, _ := line.RDP().Epsilon(1e-6)
				if math.Abs(a-b) > 2e-2*b {
					t.Errorf("%s q=%v: %v on a lattice, %v on the line", c.fine, q, a, b)
				}
			}
		}
	}
}
