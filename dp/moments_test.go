package dp

import (
	"math"
	"math/big"
	"math/rand/v2"
	"testing"
)

// table is a small group of rows with its exact moments, over two columns.
type table struct {
	x, y    []float64
	partial MomentsPartial
}

// columns lie on these lattices.
func columns(t testing.TB) (a, b *Lattice) {
	return lattice(t, "1/64", "-1", "3"), lattice(t, "1/10", "0", "12")
}

// makeTable draws rows from a fixed seed; y follows x.
func makeTable(t testing.TB, n int) table {
	a, b := columns(t)
	r := rand.New(rand.NewPCG(5, uint64(n)))
	var sx, sy, sxx, sxy, syy int64
	out := table{}
	for range n {
		i := a.Encode(-0.5 + 2.5*r.Float64())
		j := b.Encode(2 + 2*float64(i)/64 + 3*r.Float64())
		x, _ := a.Decode(big.NewInt(i)).Float64()
		y, _ := b.Decode(big.NewInt(j)).Float64()
		out.x, out.y = append(out.x, x), append(out.y, y)
		sx, sy, sxx, sxy, syy = sx+i, sy+j, sxx+i*i, sxy+i*j, syy+j*j
	}
	out.partial = MomentsPartial{
		Rows: FromInt64(int64(n)),
		Sums: []Int128{FromInt64(sx), FromInt64(sy)}, Products: []Int128{FromInt64(sxx), FromInt64(sxy), FromInt64(syy)},
	}
	return out
}

func mean(x []float64) float64 {
	s := 0.0
	for _, v := range x {
		s += v
	}
	return s / float64(len(x))
}

// cov has the divisor n.
func cov(x, y []float64) float64 {
	mx, my, s := mean(x), mean(y), 0.0
	for i := range x {
		s += (x[i] - mx) * (y[i] - my)
	}
	return s / float64(len(x))
}

// estimates are all that follows from a summary of two columns.
func estimates(t testing.TB, s *Summary, d table) map[string]struct {
	got  Estimate
	true float64
} {
	t.Helper()
	out := map[string]struct {
		got  Estimate
		true float64
	}{}
	put := func(name string, e Estimate, err error, want float64) {
		if err != nil {
			t.Fatal(err)
		}
		out[name] = struct {
			got  Estimate
			true float64
		}{e, want}
	}
	n := float64(len(d.x))
	put("count", s.Count(), nil, n)
	e, err := s.Mean(0)
	put("mean x", e, err, mean(d.x))
	e, err = s.Mean(1)
	put("mean y", e, err, mean(d.y))
	e, err = s.Sum(0)
	put("sum x", e, err, n*mean(d.x))
	e, err = s.Sum(1)
	put("sum y", e, err, n*mean(d.y))
	e, err = s.Variance(0, false)
	put("var x", e, err, cov(d.x, d.x))
	e, err = s.Variance(1, true)
	put("sample var y", e, err, cov(d.y, d.y)*n/(n-1))
	e, err = s.Stddev(1, false)
	put("sd y", e, err, math.Sqrt(cov(d.y, d.y)))
	e, err = s.Covariance(0, 1, false)
	put("cov", e, err, cov(d.x, d.y))
	e, err = s.Correlation(0, 1)
	put("corr", e, err, cov(d.x, d.y)/math.Sqrt(cov(d.x, d.x)*cov(d.y, d.y)))
	return out
}

func TestWithLittleNoiseEstimatesAreRight(t *testing.T) {
	a, b := columns(t)
	m, err := NewMoments(epsilon(t, "1000"), Contribution{1, 1}, true, a, b)
	if err != nil {
		t.Fatal(err)
	}
	d := makeTable(t, 5000)
	got, err := m.Release(t.Context(), pool(t), []MomentsPartial{d.partial})
	if err != nil {
		t.Fatal(err)
	}
	for name, e := range estimates(t, got[0], d) {
		if off := math.Abs(e.got.Float64() - e.true); off > 1e-4*(1+math.Abs(e.true)) {
			t.Errorf("%s: %v, really %v", name, e.got.Float64(), e.true)
		}
	}
}

// Intervals hold at least as often as they say, also where the noise is as
// large as the data, and lie within what is possible.
func TestCoverage(t *testing.T) {
	a, b := columns(t)
	p := pool(t)
	const runs, level = 150, 0.8
	for name, c := range map[string]struct {
		price Price
		rows  int
	}{
		"laplace, large":  {epsilon(t, "2"), 400},
		"laplace, small":  {epsilon(t, "1"), 6},
		"gaussian, large": {rho(t, "1/10"), 1000},
		"gaussian, small": {rho(t, "1/10"), 2},
	} {
		m, err := NewMoments(c.price, Contribution{2, 1}, true, a, b)
		if err != nil {
			t.Fatal(err)
		}
		d := makeTable(t, c.rows)
		partials := make([]MomentsPartial, runs)
		for i := range partials {
			partials[i] = d.partial
		}
		got, err := m.Release(t.Context(), p, partials)
		if err != nil {
			t.Fatal(err)
		}
		held := map[string]int{}
		for _, s := range got {
			for what, e := range estimates(t, s, d) {
				i, err := e.got.Interval(level)
				if err != nil {
					t.Fatal(err)
				}
				if i.Low <= e.true+1e-9 && e.true-1e-9 <= i.High {
					held[what]++
				}
				if v := e.got.Float64(); math.IsNaN(v) || math.IsInf(v, 0) || i.Low > i.High {
					t.Errorf("%s: %s: %v in %v", name, what, v, i)
				}
			}
		}
		for what, n := range held {
			// Below nominal by 6 standard errors: less than one in 10⁹.
			if float64(n) < runs*level-6*math.Sqrt(runs*level*(1-level)) {
				t.Errorf("%s: %s holds %d times of %d", name, what, n, runs)
			}
		}
		if len(held) != 10 {
			t.Errorf("%s: %v", name, held)
		}
	}
}

// What is announced for a number of rows is about as precise as what comes.
func TestExpectedPrecision(t *testing.T) {
	a, b := columns(t)
	m, err := NewMoments(epsilon(t, "1"), Contribution{1, 1}, true, a, b)
	if err != nil {
		t.Fatal(err)
	}
	d := makeTable(t, 4000)
	got, err := m.Release(t.Context(), pool(t), []MomentsPartial{d.partial})
	if err != nil {
		t.Fatal(err)
	}
	ahead, err := m.Expected(4000)
	if err != nil {
		t.Fatal(err)
	}
	later := estimates(t, got[0], d)
	for name, e := range estimates(t, ahead, d) {
		i, err := e.got.Interval(0.9)
		if err != nil {
			t.Fatal(err)
		}
		j, err := later[name].got.Interval(0.9)
		if err != nil {
			t.Fatal(err)
		}
		if ratio := (i.High - i.Low) / (j.High - j.Low); !(ratio > 0.2 && ratio < 5) {
			t.Errorf("%s: announced %v, came %v", name, i, j)
		}
	}
	if _, err := m.Expected(-1); !refused(err, OutOfBounds) {
		t.Errorf("less than no row: %v", err)
	}
}

func TestEmptyGroupsHaveAnswersToo(t *testing.T) {
	a, b := columns(t)
	m, _ := NewMoments(epsilon(t, "1/1000"), Contribution{1, 1}, true, a, b)
	zero := MomentsPartial{Sums: make([]Int128, 2), Products: make([]Int128, 3)}
	got, err := m.Release(t.Context(), pool(t), []MomentsPartial{zero, zero, zero, zero, zero, zero})
	if err != nil {
		t.Fatal(err)
	}
	d := makeTable(t, 2)
	for _, s := range got {
		for name, e := range estimates(t, s, d) {
			i, err := e.got.Interval(0.99)
			if v := e.got.Float64(); err != nil || math.IsNaN(v) || math.IsInf(v, 0) || math.IsNaN(i.Low) || math.IsNaN(i.High) {
				t.Errorf("%s: %v, %v, %v", name, v, i, err)
			}
			if name == "mean x" && (e.got.Float64() < -1 || e.got.Float64() > 3 || i.Low < -1 || i.High > 3) {
				t.Errorf("a mean outside of its bounds: %v, %v", e.got.Float64(), i)
			}
		}
	}
}

func TestWhatWasNotReleasedIsRefused(t *testing.T) {
	a, b := columns(t)
	m, _ := NewMoments(epsilon(t, "1"), Contribution{1, 1}, false, a, b)
	got, err := m.Release(t.Context(), pool(t), []MomentsPartial{{Rows: FromInt64(0), Sums: make([]Int128, 2)}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := got[0].Variance(0, true); !refused(err, Missing) {
		t.Errorf("a variance without squares: %v", err)
	}
	if _, err := got[0].Mean(2); !refused(err, OutOfBounds) {
		t.Errorf("a third column of two: %v", err)
	}
	if _, err := got[0].Mean(-1); !refused(err, OutOfBounds) {
		t.Errorf("no column: %v", err)
	}
	if _, err := NewMoments(epsilon(t, "1"), Contribution{1, 1}, false); !refused(err, Missing) {
		t.Errorf("no columns: %v", err)
	}
	if _, err := NewMoments(epsilon(t, "1"), Contribution{1, 1}, false, a, nil); !refused(err, Missing) {
		t.Errorf("a column without bounds: %v", err)
	}
}

func TestSpans(t *testing.T) {
	at := func(a, b int64) span { return span{big.NewRat(a, 1), big.NewRat(b, 1)} }
	for name, c := range map[string]struct{ got, want span }{
		"square over zero": {at(-3, 2).square(), at(0, 9)},
		"square below":     {at(-3, -2).square(), at(4, 9)},
		"product":          {at(-3, 2).times(at(-5, 7)), at(-21, 15)},
		"difference":       {at(1, 2).minus(at(5, 7)), at(-6, -3)},
		"quotient":         {at(-6, 6).over(at(2, 3)), at(-3, 3)},
		"within":           {at(-6, 6).within(big.NewRat(-1, 1), big.NewRat(9, 1)), at(-1, 6)},
	} {
		if c.got.low.Cmp(c.want.low) != 0 || c.got.high.Cmp(c.want.high) != 0 {
			t.Errorf("%s: [%s, %s]", name, c.got.low, c.got.high)
		}
	}
	third := point(big.NewRat(1, 3)).outward()
	if third.Low >= third.High || third.High-third.Low > 1e-15 {
		t.Errorf("a third is rounded to %v", third)
	}
	far := point(new(big.Rat).SetInt(new(big.Int).Lsh(big.NewInt(1), 2000))).outward()
	if far.Low != math.MaxFloat64 || !math.IsInf(far.High, 1) {
		t.Errorf("what is too large is rounded to %v", far)
	}
}
