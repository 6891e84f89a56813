package dp

import (
	"math"
	"math/big"
	"math/rand/v2"
	"slices"
	"testing"
)

// binned draws rows on a lattice and counts them in bins.
func binned(m *Quantiles, n int) (values []int64, counts []Int128) {
	r := rand.New(rand.NewPCG(3, uint64(n)))
	counts = make([]Int128, m.Bins())
	for range n {
		v := min(max(int64(30+12*r.NormFloat64()), 0), 120)
		values = append(values, v)
		b := m.Bin(big.NewRat(v, 1))
		counts[b], _ = counts[b].Add(FromInt64(1))
	}
	slices.Sort(values)
	return values, counts
}

func quantileOf(values []int64, p float64) float64 {
	return float64(values[int(math.Ceil(p*float64(len(values))))-1])
}

func TestBinsCoverTheLattice(t *testing.T) {
	for _, bins := range []int{2, 3, 16, 17, 100, 121} {
		m, err := NewQuantiles(epsilon(t, "1"), Contribution{1, 1}, lattice(t, "1", "0", "120"), bins)
		if err != nil {
			t.Fatal(err)
		}
		last := 0
		for v := range int64(121) {
			x := big.NewRat(v, 1)
			b := m.Bin(x)
			if e := m.edges(b); b < last || b > last+1 || x.Cmp(e.low) < 0 || x.Cmp(e.high) > 0 {
				t.Fatalf("%d bins: %d is in bin %d", bins, v, b)
			}
			last = b
		}
		if last != m.Bins()-1 || m.Bin(rat(t, "-5")) != 0 || m.Bin(rat(t, "1e30")) != last || m.edges(last).high.Cmp(rat(t, "120")) != 0 {
			t.Errorf("%d bins: the last is %d", bins, last)
		}
		// Every sum of nodes is the sum of the bins that it stands for.
		counts := make([]Int128, m.Bins())
		for i := range counts {
			counts[i] = FromInt64(int64(1) << (i % 40))
		}
		exact := &Ranks{of: m, tree: make([][]float64, len(m.levels))}
		for level := range m.levels {
			for node := range m.nodes(level) {
				sum := 0.0
				for i := node * m.span(level); i < min((node+1)*m.span(level), m.bins); i++ {
					sum += float64(int64(1) << (i % 40))
				}
				exact.tree[level] = append(exact.tree[level], sum)
			}
		}
		exact.accumulate()
		sum := 0.0
		for j := range m.bins {
			if exact.cum[j] != sum {
				t.Fatalf("%d bins: %v below bin %d, really %v", bins, exact.cum[j], j, sum)
			}
			sum += float64(int64(1) << (j % 40))
		}
	}
}

func TestQuantilesHold(t *testing.T) {
	p := pool(t)
	const level = 0.9
	for name, c := range map[string]struct {
		price Price
		rows  int
	}{
		"laplace": {epsilon(t, "1"), 3000}, "gaussian": {rho(t, "1/10"), 3000}, "few rows": {epsilon(t, "1"), 3},
	} {
		m, err := NewQuantiles(c.price, Contribution{1, 1}, lattice(t, "1", "0", "120"), 121)
		if err != nil {
			t.Fatal(err)
		}
		values, counts := binned(m, c.rows)
		partials := make([][]Int128, 100)
		for i := range partials {
			partials[i] = counts
		}
		got, err := m.Release(t.Context(), p, partials)
		if err != nil {
			t.Fatal(err)
		}
		worst, err := m.RankError(level)
		if err != nil {
			t.Fatal(err)
		}
		for _, part := range []float64{0.05, 0.5, 0.9} {
			held, near, width := 0, 0, 0.0
			want := quantileOf(values, part)
			for _, r := range got {
				q, err := r.Quantile(part)
				if err != nil {
					t.Fatal(err)
				}
				i, err := q.Interval(level)
				if err != nil {
					t.Fatal(err)
				}
				if i.Low <= want && want <= i.High {
					held++
				}
				width += i.High - i.Low
				v := int64(q.Float64())
				below, _ := slices.BinarySearch(values, v)
				upto, _ := slices.BinarySearch(values, v+2)
				target := part * float64(c.rows)
				if float64(below) <= target+worst && target-worst <= float64(upto) {
					near++
				}
			}
			if held < 72 { // 90 less 6 standard errors
				t.Errorf("%s: the interval at %v holds %d times of 100", name, part, held)
			}
			if near < 72 {
				t.Errorf("%s: the rank at %v is within ±%v %d times of 100", name, part, worst, near)
			}
			if c.rows > 1000 && width/100 > 30 {
				t.Errorf("%s: the interval at %v is %v wide", name, part, width/100)
			}
		}
	}
}

// Bins that somebody else filled: any lowest value and width.
func TestQuantilesOfBins(t *testing.T) {
	m, err := NewQuantilesOfBins(epsilon(t, "10"), Contribution{1, 1}, rat(t, "-0.3"), rat(t, "0.1"), 20)
	if err != nil {
		t.Fatal(err)
	}
	counts := make([]Int128, 20)
	counts[4], counts[7], counts[15] = FromInt64(1000), FromInt64(1000), FromInt64(1000)
	got, err := m.Release(t.Context(), pool(t), [][]Int128{counts})
	if err != nil {
		t.Fatal(err)
	}
	q := got[0].Median()
	i, err := q.Interval(0.999999)
	if err != nil {
		t.Fatal(err)
	}
	if v := q.Float64(); math.Abs(v-0.45) > 1e-9 || i.Low > 0.4 || i.High < 0.5-1e-9 || i.High-i.Low > 0.11 {
		t.Errorf("the median is %v in %v", v, i)
	}
	one := Contribution{1, 1}
	for _, c := range []struct {
		low, width string
		bins       int
	}{{"0", "0", 5}, {"0", "-1", 5}, {"0", "1", 1}, {"0", "1", 1 << 17}} {
		if _, err := NewQuantilesOfBins(epsilon(t, "1"), one, rat(t, c.low), rat(t, c.width), c.bins); !refused(err, "") {
			t.Errorf("%+v: %v", c, err)
		}
	}
	if _, err := NewQuantilesOfBins(epsilon(t, "1"), one, nil, rat(t, "1"), 5); !refused(err, Missing) {
		t.Error(err)
	}
}

func TestQuantilesThatAreRefused(t *testing.T) {
	l := lattice(t, "1", "0", "120")
	one := Contribution{1, 1}
	for _, bins := range []int{-1, 0, 1, 122, 1 << 20} {
		if _, err := NewQuantiles(epsilon(t, "1"), one, l, bins); !refused(err, "") {
			t.Errorf("%d bins: %v", bins, err)
		}
	}
	if _, err := NewQuantiles(epsilon(t, "1"), one, nil, 5); !refused(err, Missing) {
		t.Errorf("no bounds: %v", err)
	}
	m, err := NewQuantiles(epsilon(t, "1"), one, l, 5)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.Release(t.Context(), pool(t), [][]Int128{make([]Int128, 4)}); !refused(err, OutOfBounds) {
		t.Errorf("too few bins: %v", err)
	}
	if _, err := m.Release(t.Context(), pool(t), [][]Int128{{FromInt64(-1), {}, {}, {}, {}}}); !refused(err, OutOfBounds) {
		t.Errorf("less than no row: %v", err)
	}
	got, err := m.Release(t.Context(), pool(t), [][]Int128{make([]Int128, 5)})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range []float64{0, 1, -1, 2, math.NaN(), math.Inf(1)} {
		if _, err := got[0].Quantile(p); !refused(err, "") {
			t.Errorf("proportion %v: %v", p, err)
		}
	}
	for _, level := range []float64{0, 1, math.NaN()} {
		if _, err := got[0].Median().Interval(level); !refused(err, "") {
			t.Errorf("level %v: %v", level, err)
		}
		if _, err := m.RankError(level); !refused(err, "") {
			t.Errorf("level %v ahead: %v", level, err)
		}
	}
}

// Levels of a tree are paid for together, and the noise of each is what its
// part buys.
func TestCostOfATree(t *testing.T) {
	m, err := NewQuantiles(epsilon(t, "1"), Contribution{2, 3}, lattice(t, "1", "0", "65535"), 65536)
	if err != nil {
		t.Fatal(err)
	}
	sum := new(big.Rat)
	for _, c := range m.Cost() {
		sum.Add(sum, c.Epsilon)
	}
	if len(m.Cost()) != 4 || sum.Cmp(rat(t, "1")) != 0 {
		t.Errorf("%d levels cost %s", len(m.Cost()), sum)
	}
}

// The cumulant bounds what it should: compared with a sum over the exact
// probabilities.
func TestCumulants(t *testing.T) {
	for _, p := range []Price{epsilon(t, "1"), epsilon(t, "1/5"), rho(t, "1/2"), rho(t, "1/50"), rho(t, "5")} {
		m, err := NewCountUnits(p, 1)
		if err != nil {
			t.Fatal(err)
		}
		for _, lambda := range []float64{0.01, 0.1, 0.15, 0.9} {
			e := 0.0
			if p.Kind() == LaplaceNoise && lambda*m.add.size >= 1 {
				if got := m.add.cumulant(lambda); !math.IsInf(got, 1) {
					t.Errorf("%s at %v is infinite, not %v", p.Amount(), lambda, got)
				}
				continue
			}
			total := 0.0
			for z := -2000.0; z <= 2000; z++ {
				mass := -math.Abs(z) / m.add.size
				if p.Kind() == GaussianNoise {
					mass = -z * z / (2 * m.add.size)
				}
				total += math.Exp(mass)
				e += math.Exp(mass + lambda*z)
			}
			e /= total
			if got := m.add.cumulant(lambda); got < math.Log(e)-1e-12 || got > math.Log(e)*1.001+0.04 {
				t.Errorf("%s %s at %v: %v, really %v", p.Kind(), p.Amount(), lambda, got, math.Log(e))
			}
		}
	}
}

func TestLeastSquares(t *testing.T) {
	a, b := columns(t)
	d := makeTable(t, 20_000)
	slope := cov(d.x, d.y) / cov(d.x, d.x)
	want := []float64{slope, mean(d.y) - slope*mean(d.x)}
	for _, c := range []struct {
		price string
		near  float64
	}{{"1000", 1e-3}, {"1", 0.5}} {
		m, err := NewMoments(epsilon(t, c.price), Contribution{1, 1}, true, a, b)
		if err != nil {
			t.Fatal(err)
		}
		partials := make([]MomentsPartial, 100)
		for i := range partials {
			partials[i] = d.partial
		}
		got, err := m.Release(t.Context(), pool(t), partials)
		if err != nil {
			t.Fatal(err)
		}
		held := [2]int{}
		for _, s := range got {
			fit, err := s.LeastSquares(1, 0)
			if err != nil {
				t.Fatal(err)
			}
			for k, e := range fit {
				if off := math.Abs(e.Float64() - want[k]); off > c.near {
					t.Errorf("ε = %s: coefficient %d is %v, really %v", c.price, k, e.Float64(), want[k])
				}
				i, err := e.Interval(0.9)
				if err != nil {
					t.Fatal(err)
				}
				if i.Low <= want[k] && want[k] <= i.High {
					held[k]++
				}
				if i.High-i.Low > 20*c.near {
					t.Errorf("ε = %s: coefficient %d in %v", c.price, k, i)
				}
			}
		}
		if held[0] < 72 || held[1] < 72 {
			t.Errorf("ε = %s: intervals hold %v times of 100", c.price, held)
		}
	}
}

func TestLeastSquaresWithoutGround(t *testing.T) {
	a, b := columns(t)
	m, _ := NewMoments(epsilon(t, "1/100"), Contribution{1, 1}, true, a, b)
	got, err := m.Release(t.Context(), pool(t), []MomentsPartial{{Sums: make([]Int128, 2), Products: make([]Int128, 3)}})
	if err != nil {
		t.Fatal(err)
	}
	fit, err := got[0].LeastSquares(0, 1)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range fit {
		i, err := e.Interval(0.999999999)
		if err != nil || math.IsNaN(e.Float64()) || !math.IsInf(i.High, 1) || !math.IsInf(i.Low, -1) {
			t.Errorf("noise alone gives %v in %v, %v", e.Float64(), i, err)
		}
	}
	for _, columns := range [][]int{{}, {0}, {1, 1}, {2}} {
		if _, err := got[0].LeastSquares(0, columns...); !refused(err, "") {
			t.Errorf("columns %v: %v", columns, err)
		}
	}
}
