package account

import (
	"math"
	"math/big"
	"math/rand/v2"
	"testing"

	"github.com/go-json-experiment/json"
)

// The table of dp.md: the conversion of Canonne, Kamath and Steinke, and the
// textbook's, which it improves on.
func TestConversion(t *testing.T) {
	for _, c := range []struct{ rho, epsilon, textbook float64 }{
		{.01, .622, .753}, {.1, 2.142, 2.451}, {.5, 5.222, 5.757}, {1, 7.766, 8.434},
	} {
		rho, _ := RhoOf(c.rho)
		delta, _ := DeltaOf(1e-6)
		got := rho.Epsilon(delta)
		if math.Abs(got.Float()-c.epsilon) > 5e-4 {
			t.Errorf("ε(%v) = %s, want %v", c.rho, got, c.epsilon)
		}
		if old := c.rho + 2*math.Sqrt(c.rho*math.Log(1e6)); math.Abs(old-c.textbook) > 5e-4 || got.Float() >= old {
			t.Errorf("ε(%v) = %s is no better than the textbook's %v", c.rho, got, old)
		}
		// And back: the largest ρ that stays within, and no unit more.
		if back := RhoFor(got, delta); back < rho || (back+1).Epsilon(delta) <= got {
			t.Errorf("RhoFor(%s) = %s, want %s or a little more", got, back, rho)
		}
	}
}

func TestConversionAtTheEdges(t *testing.T) {
	one := Delta(unit(deltaPlaces))
	if got := Rho(0).Epsilon(1); got != 0 {
		t.Errorf("nothing spent has ε = %s", got)
	}
	if got := Rho(1).Epsilon(0); got != Infinite {
		t.Errorf("δ = 0 gives ε = %s", got)
	}
	if got := Rho(Infinite).Epsilon(one / 2); got != Infinite {
		t.Errorf("an infinite ρ has ε = %s", got)
	}
	if got := RhoFor(0, one/2); got != 0 {
		t.Errorf("ε = 0 admits ρ = %s", got)
	}
	last := Epsilon(0)
	for r := Rho(1); r < Infinite/10; r *= 10 {
		got := r.Epsilon(1) // δ = 1e-18
		if got <= last || got < Epsilon(r) {
			t.Errorf("ε(%s) = %s is not above ε of less, %s, and ρ", r, got, last)
		}
		last = got
	}
}

// A sharp bound, computed here in another way: δ of a Gaussian is below what
// zCDP says, and not far below.
func TestConversionHoldsForGaussian(t *testing.T) {
	for _, rho := range []float64{1e-4, .01, .3, 2, 50} {
		for _, z := range []float64{0.5, 1, 3, 6} {
			mu := math.Sqrt(2 * rho)
			epsilon := rho + mu*z
			truth := upperNormal(z) - math.Exp(epsilon)*upperNormal(z+mu)
			bound := math.Exp(zcdpLogDelta(rho, epsilon))
			if truth > bound || bound > 20*truth+1e-300 {
				t.Errorf("ρ=%v ε=%v: δ %v of a Gaussian, bound %v", rho, epsilon, truth, bound)
			}
		}
	}
}

func upperNormal(x float64) float64 { return math.Erfc(x/math.Sqrt2) / 2 }

func TestCharges(t *testing.T) {
	tenth, _ := ParseEpsilon("0.1")
	pure, err := PureCharge(tenth)
	check(t, err)
	exponential, err := ExponentialCharge(tenth)
	check(t, err)
	delta, _ := ParseDelta("1e-9")
	approximate, err := ApproximateCharge(tenth, delta)
	check(t, err)
	gaussian, err := GaussianCharge(big.NewRat(2, 1), big.NewRat(3, 1))
	check(t, err)
	for _, c := range []struct{ name, got, want string }{
		{"pure ρ", pure.Rho.String(), "0.005"},
		{"pure ε", pure.Pure.String(), "0.1"},
		{"exponential ρ", exponential.Rho.String(), "0.00125"},
		{"approximate δ", approximate.Delta.String(), "0.000000001"},
		{"Gaussian ρ is rounded up", gaussian.Rho.String(), "0.333333333334"},
		{"Gaussian has no pure ε", gaussian.Pure.String(), "infinite"},
		{"sum", pure.Plus(exponential).Pure.String(), "0.2"},
		{"times", pure.Times(7).Rho.String(), "0.035"},
	} {
		if c.got != c.want {
			t.Errorf("%s: %s, want %s", c.name, c.got, c.want)
		}
	}
	for _, bad := range []func() error{
		func() error { _, err := PureCharge(0); return err },
		func() error { _, err := ExponentialCharge(-1); return err },
		func() error { _, err := ApproximateCharge(tenth, 0); return err },
		func() error { _, err := ApproximateCharge(tenth, Delta(unit(deltaPlaces))); return err },
		func() error { _, err := GaussianCharge(new(big.Rat), big.NewRat(1, 1)); return err },
		func() error { _, err := GaussianCharge(big.NewRat(1, 1), new(big.Rat)); return err },
		func() error { _, err := PureLimit(0); return err },
		func() error { _, err := NewLimit(tenth, 0); return err },
		func() error { _, err := SplitLimit(tenth, 10, 11); return err },
		func() error { _, err := SplitLimit(tenth, 10, 0); return err },
	} {
		if bad() == nil {
			t.Error("a parameter that means nothing was taken")
		}
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// Ten questions of 0.1 fit a limit of 1.0, and not eleven.
func TestTenTenthsFitOne(t *testing.T) {
	tenth, _ := EpsilonOf(.1)
	one, _ := ParseEpsilon("1.0")
	limit, err := PureLimit(one)
	check(t, err)
	each, _ := PureCharge(tenth)
	var spent Charge
	for n := range 11 {
		if got := limit.Fits(spent, each); got != int64(10-n) {
			t.Fatalf("after %d questions %d more fit", n, got)
		}
		if limit.Admits(spent, each) != (n < 10) {
			t.Fatalf("question %d: admitted or not, and it should be otherwise", n+1)
		}
		if n < 10 {
			spent = spent.Plus(each)
		}
	}
	if left := limit.Left(spent); left != (Charge{}) {
		t.Errorf("left is %+v", left)
	}
	if limit.Admits(Charge{}, Charge{Pure: 1, Delta: 1}) {
		t.Error("a pure limit admits δ")
	}
	gaussian, _ := GaussianCharge(big.NewRat(1, 1), big.NewRat(1e6, 1))
	if limit.Admits(Charge{}, gaussian) || limit.Fits(Charge{}, gaussian) != 0 {
		t.Error("a pure limit admits a Gaussian")
	}
}

func TestLimitOfZCDP(t *testing.T) {
	three, _ := ParseEpsilon("3")
	delta, _ := ParseDelta("1e-6")
	limit, err := NewLimit(three, delta)
	check(t, err)
	if got := limit.Rho.Epsilon(limit.Conversion); got > three {
		t.Errorf("ρ_max has ε = %s at δ_conv", got)
	}
	if got := (limit.Rho + 1).Epsilon(limit.Conversion); got <= three {
		t.Errorf("one unit more than ρ_max still has ε = %s", got)
	}
	full := Charge{Pure: Infinite, Rho: limit.Rho, Delta: delta - limit.Conversion}
	if !limit.Admits(full, Charge{}) || limit.Admits(full, Charge{Rho: 1}) || limit.Admits(full, Charge{Delta: 1}) {
		t.Error("the filter does not end where the limit does")
	}
	if got := full.Epsilon(delta); got > three {
		t.Errorf("a full ledger has ε = %s", got)
	}
	whole, err := SplitLimit(three, delta, delta)
	check(t, err)
	if whole.Rho <= limit.Rho || whole.Admits(Charge{}, Charge{Delta: 1}) {
		t.Error("all of δ for conversion gives no more ρ, or admits more δ")
	}
	if whole.Admits(Charge{Rho: Infinite}, Charge{Rho: Infinite}) {
		t.Error("a sum beyond every amount was admitted")
	}
}

// Sums do not depend on order, and what stops at Infinite stays there.
func TestSumsDoNotDependOnOrder(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		charges := make([]Charge, 20)
		for i := range charges {
			wide := int64(1) << (40 + r.IntN(22))
			charges[i] = Charge{Epsilon(r.Int64N(wide)), Rho(r.Int64N(wide)), Delta(r.Int64N(wide))}
		}
		var first, second Charge
		for _, c := range charges {
			first = first.Plus(c)
		}
		r.Shuffle(len(charges), func(i, j int) { charges[i], charges[j] = charges[j], charges[i] })
		for i := range charges {
			second = charges[i].Plus(second)
		}
		if first != second {
			t.Fatalf("%+v in one order, %+v in another", first, second)
		}
	}
}

func TestAmountsAsText(t *testing.T) {
	for _, s := range []string{"0.1", "3", "1e-12", "123456.000000000001", "1e6"} {
		e, err := ParseEpsilon(s)
		check(t, err)
		text, err := json.Marshal(Charge{Pure: e, Rho: Rho(e), Delta: 5})
		check(t, err)
		var back Charge
		check(t, json.Unmarshal(text, &back))
		if back != (Charge{Pure: e, Rho: Rho(e), Delta: 5}) {
			t.Errorf("%s became %+v", text, back)
		}
	}
	if e, err := EpsilonOf(.1 + .2); err != nil || e.String() != "0.3" {
		t.Errorf("0.30000000000000004 is %s, %v: it is not rounded down", e, err)
	}
	for _, s := range []string{"", "0", "-1", "+1", "NaN", "Inf", "1/3", "0x1p3", "1_0", ".5", "5.", "1e", "1e999", "1e-13", "2e6", "１"} {
		if e, err := ParseEpsilon(s); err == nil {
			t.Errorf("%q is taken for %s", s, e)
		}
	}
	for _, x := range []float64{math.NaN(), math.Inf(1), -1, 0} {
		if _, err := EpsilonOf(x); err == nil {
			t.Errorf("%v is taken", x)
		}
	}
	if _, err := ParseDelta("1"); err == nil {
		t.Error("δ = 1 is taken")
	}
	var r Rho
	for _, s := range []string{"0.0000000000001", "9223373", "-1"} {
		if err := r.UnmarshalText([]byte(s)); err == nil {
			t.Errorf("stored text %q is taken for %s", s, r)
		}
	}
	if err := r.UnmarshalText([]byte("infinite")); err != nil || r != Infinite {
		t.Errorf("infinite is read as %s, %v", r, err)
	}
}
