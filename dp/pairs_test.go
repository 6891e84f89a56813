package dp

import (
	"math"
	"math/big"
	"testing"
)

// pairOf totals of pairs: x in tenths above 5, between 5 and 25, and y a whole
// number from -10 to 10.
func pairOf(t *testing.T, price string, xs, ys []int64, draws int) []Pair {
	t.Helper()
	var n, sx, sy, sxx, syy, sxy int64
	for i, x := range xs {
		y := ys[i]
		n, sx, sy, sxx, syy, sxy = n+1, sx+x, sy+y, sxx+x*x-5000, syy+y*y-50, sxy+x*y
	}
	m, err := NewTotals(epsilon(t, price), 1, []Range{{0, 1}, {-100, 100}, {-10, 10}, {-1000, 1000}, {-5000, 5000}, {-50, 50}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	groups := make([][]Int128, draws)
	for i := range groups {
		for _, v := range []int64{n, sx, sy, sxy, sxx, syy} {
			groups[i] = append(groups[i], FromInt64(v))
		}
	}
	got, err := m.Release(t.Context(), pool(t), groups)
	if err != nil {
		t.Fatal(err)
	}
	fx := Form{Offset: rat(t, "150"), Unit: rat(t, "1/10"), Low: rat(t, "5"), High: rat(t, "25")}
	fy := Form{Offset: new(big.Rat), Unit: rat(t, "1"), Low: rat(t, "-10"), High: rat(t, "10")}
	var out []Pair
	for _, g := range got {
		out = append(out, Pair{
			Count: g[0], Products: g[3],
			X: Side{Form: fx, Sum: g[1], Squares: g[4], SquareOffset: rat(t, "5000")},
			Y: Side{Form: fy, Sum: g[2], Squares: g[5], SquareOffset: rat(t, "50")},
		})
	}
	return out
}

// Values from pairs, which are those of the data where hardly any noise is bought,
// and whose intervals hold them as often as they say.
func TestValuesFromPairs(t *testing.T) {
	const n, level = 120, 0.8
	var xs, ys []int64
	var x, y []float64
	for i := range int64(900) {
		v := (i*7919)%171 - 100
		w := v/20 + (i*31)%7 - 3
		xs, ys = append(xs, v), append(ys, w)
		x, y = append(x, float64(v+150)/10), append(y, float64(w))
	}
	slope := cov(x, y) / cov(x, x)
	want := map[string]float64{
		"covariance": cov(x, y), "sample covariance": cov(x, y) * 900 / 899, "correlation": cov(x, y) / math.Sqrt(cov(x, x)*cov(y, y)),
		"slope": slope, "intercept": mean(y) - slope*mean(x),
	}
	for _, price := range []string{"6", "900"} {
		held := map[string]int{}
		for _, p := range pairOf(t, price, xs, ys, n) {
			for name, value := range map[string]func() (Estimate, error){
				"covariance": func() (Estimate, error) { return p.Covariance(false) }, "sample covariance": func() (Estimate, error) { return p.Covariance(true) },
				"correlation": p.Correlation, "slope": p.Slope, "intercept": p.Intercept,
			} {
				e, err := value()
				if err != nil {
					t.Fatal(err)
				}
				i, err := e.Interval(level)
				if err != nil {
					t.Fatal(err)
				}
				if i.Low <= want[name]+1e-9 && want[name]-1e-9 <= i.High {
					held[name]++
				}
				if got := e.Float64(); price == "900" && math.Abs(got-want[name]) > 0.02*(1+math.Abs(want[name])) {
					t.Errorf("%s is %v, really %v", name, got, want[name])
				}
				if price == "900" && i.High-i.Low > 1 {
					t.Errorf("%s lies in %v", name, i)
				}
			}
		}
		for name := range want {
			if held[name] < 70 { // 96 less 6 standard errors
				t.Errorf("ε = %s: %s holds %d times of %d", price, name, held[name], n)
			}
		}
	}
}

// Where all x may be the same there is no line.
func TestALineOfOnePoint(t *testing.T) {
	p := pairOf(t, "1", []int64{5, 5}, []int64{1, 2}, 1)[0]
	for _, value := range []func() (Estimate, error){p.Slope, p.Intercept} {
		e, err := value()
		if err != nil {
			t.Fatal(err)
		}
		if i, err := e.Interval(0.95); err != nil || !math.IsInf(i.Low, -1) || !math.IsInf(i.High, 1) {
			t.Errorf("a line of one point lies in %v, %v", i, err)
		}
	}
	e, err := p.Correlation()
	if err != nil {
		t.Fatal(err)
	}
	if i, err := e.Interval(0.95); err != nil || i != (Interval{-1, 1}) {
		t.Errorf("a correlation of one point lies in %v, %v", i, err)
	}
	p.X.SquareOffset = nil
	if _, err := p.Slope(); !refused(err, Missing) {
		t.Error(err)
	}
	p.Y.Form.Unit = nil
	if _, err := p.Covariance(true); !refused(err, Missing) {
		t.Error(err)
	}
}

// A threshold over groups of which small ones were left out is as much higher.
func TestAThresholdFromMoreUnits(t *testing.T) {
	one, err := NewThreshold(epsilon(t, "1"), rat(t, "1e-6"), 2)
	if err != nil {
		t.Fatal(err)
	}
	ten := one.From(10)
	if more := new(big.Int).Sub(ten.Least(), one.Least()); more.Cmp(big.NewInt(9)) != 0 {
		t.Errorf("the threshold is %s higher", more)
	}
	shown, err := ten.Release(t.Context(), pool(t), []Partial{{Rows: FromInt64(9)}, {Rows: FromInt64(1000)}})
	if err != nil || shown[0] != nil || shown[1] == nil {
		t.Errorf("shown are %v, %v", shown, err)
	}
}
