package dp

import (
	"math"
	"math/big"
	"testing"
)

func TestTotalsThatAreRefused(t *testing.T) {
	ok := []Range{{0, 3}, {-5, 5}}
	for name, c := range map[string]struct {
		groups  int64
		ranges  []Range
		weights []int64
	}{
		"no groups":       {0, ok, nil},
		"no totals":       {1, nil, nil},
		"upside down":     {1, []Range{{3, 0}}, nil},
		"nothing to tell": {1, []Range{{0, 0}}, nil},
		"a weight less":   {1, ok, []int64{1}},
		"a weight of 0":   {1, ok, []int64{1, 0}},
		"too many":        {1, make([]Range, maxTotals+1), nil},
	} {
		if _, err := NewTotals(epsilon(t, "1"), c.groups, c.ranges, c.weights); !refused(err, "") {
			t.Errorf("%s: %v", name, err)
		}
	}
	m, err := NewTotals(epsilon(t, "1"), 1, ok, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range [][]Int128{
		{FromInt64(1)}, {FromInt64(-1), {}}, {FromInt64(3*maxRows + 1), {}}, {{}, FromInt64(5*maxRows + 1)}, {{}, FromInt64(-5*maxRows - 1)},
	} {
		if _, err := m.Release(t.Context(), pool(t), [][]Int128{bad}); !refused(err, "") {
			t.Errorf("%v: %v", bad, err)
		}
	}
	if _, err := m.PlusMinus(2, 0.9); !refused(err, OutOfBounds) {
		t.Error(err)
	}
}

// A range's sensitivity is its larger end, also at the extremes of int64.
func TestSensitivityOfARange(t *testing.T) {
	for _, c := range []struct {
		r    Range
		want string
	}{
		{Range{-7, 3}, "7"},
		{Range{2, 9}, "9"},
		{Range{-9, -2}, "9"},
		{Range{math.MinInt64, 0}, "9223372036854775808"},
		{Range{math.MinInt64, math.MaxInt64}, "9223372036854775808"},
	} {
		m, err := NewTotals(rho(t, "1/2"), 4, []Range{c.r}, nil)
		if err != nil {
			t.Fatal(err)
		}
		per := rat(t, c.want)
		least := new(big.Rat).Mul(per, per)
		least.Mul(least, big.NewRat(4, 1))
		unit := new(big.Int).Lsh(big.NewInt(1), 2*m.parts[0].shift)
		got := new(big.Rat).Mul(m.Cost()[0].Variance, new(big.Rat).SetInt(unit))
		if got.Cmp(least) < 0 || got.Cmp(least.Mul(least, rat(t, "1.001"))) > 0 {
			t.Errorf("%+v: σ² = %s", c.r, got.FloatString(3))
		}
		if m.Cost()[0].Rho().Cmp(rat(t, "1/2")) != 0 {
			t.Errorf("%+v: ρ = %s", c.r, m.Cost()[0].Rho())
		}
	}
}

// Values from totals: integers that stand for tenths above 5, between 5 and 25.
func TestValuesFromTotals(t *testing.T) {
	const n, level = 150, 0.8
	x, count, sum, squares := []float64{}, int64(0), int64(0), int64(0)
	for i := range int64(900) {
		v := (i * 7919) % 171 // 0 … 170
		v -= 100              // less 100, as a centre
		x = append(x, float64(v+100)/10+5)
		count, sum, squares = count+1, sum+v, squares+v*v-2500
	}
	f := Form{Offset: rat(t, "150"), Unit: rat(t, "1/10"), Low: rat(t, "5"), High: rat(t, "25")}
	for price, near := range map[string]float64{"3": 0, "500": 0.2} {
		m, err := NewTotals(epsilon(t, price), 2, []Range{{0, 1}, {-100, 100}, {-2500, 7500}}, []int64{1, 3, 3})
		if err != nil {
			t.Fatal(err)
		}
		groups := make([][]Int128, n)
		for i := range groups {
			groups[i] = []Int128{FromInt64(count), FromInt64(sum), FromInt64(squares)}
		}
		got, err := m.Release(t.Context(), pool(t), groups)
		if err != nil {
			t.Fatal(err)
		}
		held := map[string]int{}
		look := func(name string, e Estimate, err error, want float64) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
			i, err := e.Interval(level)
			if err != nil {
				t.Fatal(err)
			}
			if i.Low-1e-9 <= want && want <= i.High+1e-9 {
				held[name]++
			}
			if near > 0 && math.Abs(e.Float64()-want) > near*(1+want/1000) {
				t.Errorf("ε = %s: %s is %v, really %v", price, name, e.Float64(), want)
			}
		}
		pop := cov(x, x)
		for _, g := range got {
			e, err := MeanOf(g[0], g[1], f)
			look("mean", e, err, mean(x))
			e, err = TotalOf(g[0], g[1], f)
			look("total", e, err, mean(x)*900)
			e, err = VarianceOf(g[0], g[1], g[2], f, rat(t, "2500"), false)
			look("variance", e, err, pop)
			e, err = VarianceOf(g[0], g[1], g[2], f, rat(t, "2500"), true)
			look("sample variance", e, err, pop*900/899)
			e, err = DeviationOf(g[0], g[1], g[2], f, rat(t, "2500"), false)
			look("deviation", e, err, math.Sqrt(pop))
		}
		for name, k := range held {
			if k < 90 { // 120 less 6 standard errors
				t.Errorf("ε = %s: %s holds %d times of %d", price, name, k, n)
			}
		}
		if len(held) != 5 {
			t.Errorf("ε = %s: %v", price, held)
		}
	}
	if _, err := MeanOf(Number{}, Number{}, Form{}); !refused(err, Missing) {
		t.Errorf("a form of nothing: %v", err)
	}
}
