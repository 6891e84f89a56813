package dp

import (
	"math"
	"math/big"
	"testing"
)

func TestDecimal(t *testing.T) {
	for x, want := range map[float64]string{0.1: "1/10", 1e-6: "1/1000000", 3: "3/1", -2.5: "-5/2", 1e22: "10000000000000000000000/1", 0: "0/1"} {
		if got, err := Decimal("epsilon", x); err != nil || got.String() != want {
			t.Errorf("%v is %v, %v", x, got, err)
		}
	}
	for _, x := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		if _, err := Decimal("epsilon", x); !refused(err, NotFinite) {
			t.Errorf("%v: %v", x, err)
		}
	}
}

// Whatever is asked for is refused, or costs and announces what it should:
// nothing hangs, nothing panics, no noise is missing.
func FuzzParameters(f *testing.F) {
	f.Add(0.1, 1e-6, int64(4), int64(10), 0.0, 120.0, 0.95, 121)
	f.Add(math.NaN(), math.Inf(1), int64(-1), int64(0), math.Inf(-1), math.NaN(), math.NaN(), -1)
	f.Add(1e20, 1e-300, int64(1<<40), int64(1<<40), -1e300, 1e300, 1.0, 1<<30)
	f.Add(5e-324, 0.5, int64(math.MaxInt64), int64(math.MinInt64), 5e-324, 1.5e-323, 0.0, 2)
	f.Add(1024.0, 0.25, int64(1), int64(1), 0.0, 1e-9, 0.9999999999999999, 65536)
	f.Fuzz(func(t *testing.T, price, delta float64, groups, perGroup int64, low, high, level float64, bins int) {
		e, err := Decimal("epsilon", price)
		mustRefuse(t, err)
		d, err := Decimal("delta", delta)
		mustRefuse(t, err)
		a, err := Decimal("lower bound", low)
		mustRefuse(t, err)
		b, err := Decimal("upper bound", high)
		mustRefuse(t, err)
		l, err := ChooseLattice(a, b)
		mustRefuse(t, err)
		c := Contribution{groups, perGroup}
		for _, buy := range []func(*big.Rat) (Price, error){Epsilon, Rho} {
			p, err := buy(e)
			mustRefuse(t, err)
			if m, err := NewCount(p, c); err == nil {
				width, err := m.PlusMinus(level)
				mustRefuse(t, err)
				if err == nil && !(width >= 0) {
					t.Errorf("a count is announced with ±%v", width)
				}
			} else {
				mustRefuse(t, err)
			}
			_, err = NewSum(p, c, l)
			mustRefuse(t, err)
			_, err = NewMoments(p, c, true, l, l)
			mustRefuse(t, err)
			_, err = NewQuantiles(p, c, l, bins)
			mustRefuse(t, err)
			_, err = NewThreshold(p, d, groups)
			mustRefuse(t, err)
		}
		_, err = NewPartitions(e, d, groups)
		mustRefuse(t, err)
		_, err = NewChoice(e, d)
		mustRefuse(t, err)
	})
}

func mustRefuse(t *testing.T, err error) {
	t.Helper()
	if err != nil && !refused(err, "") {
		t.Fatalf("not a refusal: %v", err)
	}
}

func TestCheapestIsTheLeastThatIsEnough(t *testing.T) {
	within := func(p Price) (bool, error) {
		m, err := NewCountUnits(p, 4)
		if err != nil {
			return false, err
		}
		width, err := m.PlusMinus(0.95)
		return width <= 5, err
	}
	for _, kind := range []Kind{LaplaceNoise, GaussianNoise} {
		p, err := Cheapest(kind, within)
		if err != nil {
			t.Fatal(err)
		}
		if ok, err := within(p); err != nil || !ok || p.Kind() != kind {
			t.Errorf("%s %s is not enough: %v", kind, p.Amount(), err)
		}
		less := p.Amount()
		q, err := newPrice(kind, "price", less.Sub(less, big.NewRat(1, priceSteps)))
		if err != nil {
			t.Fatal(err)
		}
		if ok, err := within(q); err != nil || ok {
			t.Errorf("%s %s would be enough, not only %s", kind, q.Amount(), p.Amount())
		}
	}
	never := func(Price) (bool, error) { return false, nil }
	if _, err := Cheapest(LaplaceNoise, never); !refused(err, TooSmall) {
		t.Errorf("no price is enough: %v", err)
	}
	if _, err := Cheapest(LaplaceNoise, func(Price) (bool, error) { return false, ErrClosed }); err != ErrClosed { //nolint:errorlint // the very error
		t.Errorf("an error became %v", err)
	}
}
