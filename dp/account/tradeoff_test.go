package account

import (
	"math"
	"strings"
	"testing"
)

func TestPureOdds(t *testing.T) {
	one, _ := ParseEpsilon("1")
	o, err := NewOdds(PureTradeOff{one}, .05, .5)
	check(t, err)
	if math.Abs(o.TruePositive-.05*math.E) > 1e-12 || math.Abs(o.Posterior-math.E/(1+math.E)) > 1e-12 {
		t.Errorf("%+v", o)
	}
	if got := PurePosterior(one, .5); math.Abs(got-math.E/(1+math.E)) > 1e-12 {
		t.Errorf("posterior %v", got)
	}
	if got := Guess(PureTradeOff{one}); math.Abs(got-math.E/(1+math.E)) > 1e-6 {
		t.Errorf("the best guess is right with %v", got)
	}
	for _, want := range []string{"at most 14,", "accuse 5 wrongly", "with 50%", "at most 73.2%"} {
		if !strings.Contains(o.String(), want) {
			t.Errorf("%q lacks %q", o, want)
		}
	}
	for _, bad := range [][2]float64{{0, .5}, {1, .5}, {.1, 0}, {.1, 1}, {math.NaN(), .5}, {.1, math.NaN()}} {
		if _, err := NewOdds(PureTradeOff{one}, bad[0], bad[1]); err == nil {
			t.Errorf("%v is taken", bad)
		}
	}
}

// A Gaussian is one zCDP mechanism of its ρ, so that its attacker does no better
// than the bound for all; and the accountant of losses agrees with the formula.
func TestTradeOffsAgree(t *testing.T) {
	for _, s := range []string{"0.0001", "0.01", "0.5", "3"} {
		rho, _ := ParseRho(s)
		gauss, all := GaussianTradeOff{rho}, ZCDPTradeOff{Rho: rho}
		losses := pld(t, event(Gaussian, 1/math.Sqrt(2*rho.Float()), 1, 1))
		last := 0.0
		for _, fpr := range []float64{1e-4, .01, .1, .5, .9} {
			g, a, l := gauss.TruePositive(fpr), all.TruePositive(fpr), losses.TruePositive(fpr)
			if g > a+1e-12 || math.Abs(g-l) > 1e-4 || l < g-1e-9 {
				t.Errorf("ρ=%s fpr=%v: Gaussian %v, by its losses %v, all of zCDP %v", s, fpr, g, l, a)
			}
			if a < last || a < fpr || a > 1 {
				t.Errorf("ρ=%s fpr=%v: %v after %v", s, fpr, a, last)
			}
			last = a
		}
		if g, a := Guess(gauss), Guess(all); g > a+1e-9 || math.Abs(g-(1-upperNormal(math.Sqrt(rho.Float()/2)))) > 1e-6 {
			t.Errorf("ρ=%s: a guess is right with %v, of all zCDP %v", s, g, a)
		}
	}
	if got := (ZCDPTradeOff{Rho: Infinite}).TruePositive(.1); got != 1 {
		t.Errorf("an infinite ρ: %v", got)
	}
	half, _ := ParseDelta("0.5")
	if got := (ZCDPTradeOff{Delta: half}).TruePositive(.1); math.Abs(got-.6) > 1e-12 {
		t.Errorf("δ alone: %v", got)
	}
}
