package dp

import (
	"math"
	"math/big"
	"testing"

	"github.com/anchorhold/anchorhold/dp/internal/tail"
)

func units(n ...int64) []Int128 {
	list := make([]Int128, len(n))
	for i, x := range n {
		list[i] = FromInt64(x)
	}
	return list
}

// A group of one unit is shown with at most its part of δ, by the exact
// distribution, and the bound is not needlessly high: one less would break it.
func TestAUniqueUnitAppearsWithAtMostDelta(t *testing.T) {
	for _, c := range []struct {
		epsilon, delta string
		groups         int64
	}{{"1", "1e-6", 1}, {"1/10", "1e-9", 4}, {"5", "1/3", 1}, {"1/1000", "1e-30", 100}, {"20", "1e-12", 3}} {
		m, err := NewPartitions(rat(t, c.epsilon), rat(t, c.delta), c.groups)
		if err != nil {
			t.Fatal(err)
		}
		each := new(big.Rat).Quo(rat(t, c.delta), big.NewRat(c.groups, 1))
		scale := new(big.Rat).Quo(big.NewRat(c.groups, 1), rat(t, c.epsilon))
		// It is shown if the noise is the largest that there is.
		part := new(big.Rat).SetFrac(big.NewInt(int64(m.early)), big.NewInt(1<<32))
		_, early := tail.Laplace{Scale: scale}.Edge(new(big.Int).Sub(m.most.Big(), big.NewInt(1))).Rats()
		_, late := tail.Laplace{Scale: scale}.Edge(m.most.Big()).Rats()
		appears := early.Mul(early, part)
		appears.Add(appears, late.Mul(late, part.Sub(big.NewRat(1, 1), part)))
		if appears.Cmp(each) > 0 {
			t.Errorf("%+v: appears with %s", c, appears.FloatString(40))
		}
		if appears.Mul(appears, rat(t, "1.000001")).Cmp(each) < 0 {
			t.Errorf("%+v: appears with %s, which is needlessly little", c, appears.FloatString(40))
		}
		p, err := NewThreshold(epsilon(t, c.epsilon), rat(t, c.delta), c.groups)
		if err != nil {
			t.Fatal(err)
		}
		reach := new(big.Int).Sub(p.Least(), big.NewInt(1))
		if !(tail.Laplace{Scale: scale}).AtLeast(reach).AtMost(each) {
			t.Errorf("%+v: 1 reaches the threshold %s too often", c, p.Least())
		}
	}
}

// Thresholds and half-widths for δ = 10⁻⁶ and 95% are those of Google's library
// (github.com/google/differential-privacy/go/v3 v3.0.0), and so are the
// probabilities of being shown, which that library was asked for 200,000 times.
func TestAgreesWithAnotherLibrary(t *testing.T) {
	for _, c := range []struct {
		epsilon          string
		groups           int64
		plusMinus, least float64
	}{
		{"1/10", 1, 30, 132.22363377375572},
		{"1/10", 4, 120, 581.3462945429287},
		{"1", 1, 3, 14.122363377375573},
		{"1", 4, 12, 59.034629454292876},
		{"3", 1, 1, 5.3741211257918575},
		{"3", 4, 4, 20.344876484764292},
	} {
		m, err := NewThreshold(epsilon(t, c.epsilon), rat(t, "1e-6"), c.groups)
		if err != nil {
			t.Fatal(err)
		}
		width, err := m.count.PlusMinus(0.95)
		if least, _ := m.least.Float64(); err != nil || width != c.plusMinus || least != math.Ceil(c.least) {
			t.Errorf("ε = %s, %d groups: ±%v, from %v on: %v", c.epsilon, c.groups, width, least, err)
		}
	}
	for sigma, want := range map[string]float64{"36.3125": 71, "72.625": 142, "4.2265625": 8, "8.453125": 17, "1.5439453125": 3, "3.087890625": 6} {
		s := rat(t, sigma)
		k := tail.HalfWidth(&tail.Gaussian{Variance: s.Mul(s, s)}, rat(t, "0.05"))
		if float64(k.Int64()) != want {
			t.Errorf("σ = %s: ±%s", sigma, k)
		}
	}
	m, err := NewPartitions(rat(t, "1"), rat(t, "1e-3"), 2)
	if err != nil {
		t.Fatal(err)
	}
	most, _ := m.most.Int64()
	shown := func(n, most int64) float64 {
		d, above, all := tail.Laplace{Scale: rat(t, "2")}, 0.0, 0.0
		for k := -most; k <= most; k++ {
			p := d.Mass(k).Float64()
			all += p
			if n+k > most {
				above += p
			}
		}
		return above / all
	}
	part := float64(m.early) / (1 << 32)
	for n, want := range map[int64]float64{1: 0.000465, 5: 0.008735, 10: 0.114095, 14: 0.704355, 18: 0.96116} {
		p := part*shown(n, most-1) + (1-part)*shown(n, most)
		if off := math.Abs(p - want); off > 7*math.Sqrt(want*(1-want)/200_000) {
			t.Errorf("a group of %d is shown with %v, by the other library with %v", n, p, want)
		}
	}
}

func TestSelectionsInFact(t *testing.T) {
	p := pool(t)
	m, err := NewPartitions(rat(t, "1"), rat(t, "1/20"), 1)
	if err != nil {
		t.Fatal(err)
	}
	const n = 20_000
	ones := make([]int64, 0, n)
	for range n {
		ones = append(ones, 1)
	}
	shown, err := m.Select(t.Context(), p, units(ones...))
	if err != nil {
		t.Fatal(err)
	}
	count := 0
	for _, s := range shown {
		if s {
			count++
		}
	}
	const exact = 1.0 / 20
	// 7 standard errors.
	if off := math.Abs(float64(count) - n*exact); off > 7*math.Sqrt(n*exact) {
		t.Errorf("%d of %d unique units are shown, of %v expected", count, n, n*exact)
	}
	shown, err = m.Select(t.Context(), p, units(0, 0, 0, 1_000_000))
	if err != nil || shown[0] || shown[1] || shown[2] || !shown[3] {
		t.Errorf("%v, %v", shown, err)
	}
	for _, price := range []Price{epsilon(t, "1"), rho(t, "1/2")} {
		th, err := NewThreshold(price, rat(t, "1/20"), 1)
		if err != nil {
			t.Fatal(err)
		}
		numbers, err := th.Release(t.Context(), p, rows(ones...))
		if err != nil {
			t.Fatal(err)
		}
		count = 0
		for _, s := range numbers {
			if s != nil {
				count++
				if s.noisy.value.Cmp(th.Least()) < 0 {
					t.Error("a count below the threshold is shown")
				}
			}
		}
		if float64(count) > n/20+7*math.Sqrt(n/20) || count == 0 {
			t.Errorf("%s: %d of %d unique units are shown", price.Kind(), count, n)
		}
		none, err := th.Release(t.Context(), p, rows(make([]int64, n)...))
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range none {
			if s != nil {
				t.Fatal("a group without units is shown")
			}
		}
		if c := th.Cost(); len(c) != 2 || c[1].Delta.Cmp(rat(t, "1/20")) != 0 || c[1].Epsilon != nil || c[1].Rho() != nil {
			t.Errorf("cost %+v", c)
		}
	}
}

func TestSelectionsThatAreRefused(t *testing.T) {
	for _, c := range []struct {
		epsilon, delta string
		groups         int64
	}{{"0", "1e-6", 1}, {"1", "0", 1}, {"1", "-1", 1}, {"1", "1", 1}, {"1", "1e-80", 1}, {"1", "1e-6", 0}, {"1", "1e-6", -1}, {"1", "1e-6", 1 << 41}, {"1/536870912", "1e-6", 1 << 40}} {
		if _, err := NewPartitions(rat(t, c.epsilon), rat(t, c.delta), c.groups); !refused(err, "") {
			t.Errorf("%+v: %v", c, err)
		}
	}
	if _, err := NewThreshold(epsilon(t, "1"), nil, 1); !refused(err, Missing) {
		t.Errorf("no delta: %v", err)
	}
	m, _ := NewPartitions(rat(t, "1"), rat(t, "1e-6"), 1)
	if _, err := m.Select(t.Context(), pool(t), units(-1)); !refused(err, OutOfBounds) {
		t.Errorf("less than no unit: %v", err)
	}
}

func TestChoiceFrequencies(t *testing.T) {
	p := pool(t)
	m, err := NewChoice(rat(t, "2"), rat(t, "1"))
	if err != nil {
		t.Fatal(err)
	}
	scores := []*big.Rat{rat(t, "0"), rat(t, "1"), rat(t, "3/2"), rat(t, "1"), rat(t, "-40")}
	weights, total := make([]float64, len(scores)), 0.0
	for i, s := range scores {
		f, _ := s.Float64()
		weights[i] = math.Exp(f)
		total += weights[i]
	}
	const n = 8_000
	counts := make([]int, len(scores))
	for range n {
		i, err := m.Choose(t.Context(), p, scores)
		if err != nil {
			t.Fatal(err)
		}
		counts[i]++
	}
	for i, c := range counts {
		if e := n * weights[i] / total; math.Abs(float64(c)-e) > 7*math.Sqrt(e)+1 {
			t.Errorf("candidate %d was chosen %d times, of %v expected", i, c, e)
		}
	}
	within := 0
	short, err := m.Shortfall(len(scores), 0.9)
	if err != nil {
		t.Fatal(err)
	}
	for i, s := range scores {
		if f, _ := s.Float64(); 1.5-f <= short {
			within += counts[i]
		}
	}
	if within < n*9/10 || short > 5 {
		t.Errorf("%d of %d are within %v of the best", within, n, short)
	}
	for _, c := range []int{0, -1} {
		if _, err := m.Shortfall(c, 0.9); !refused(err, Missing) {
			t.Errorf("%d candidates: %v", c, err)
		}
	}
	if _, err := m.Shortfall(3, math.NaN()); !refused(err, NotFinite) {
		t.Error(err)
	}
	if c := m.Cost(); len(c) != 1 || c[0].Rho().Cmp(rat(t, "1/2")) != 0 {
		t.Errorf("cost %+v", c)
	}
}

func TestChoicesThatAreRefused(t *testing.T) {
	if _, err := NewChoice(rat(t, "1"), rat(t, "0")); !refused(err, NotPositive) {
		t.Error(err)
	}
	if _, err := NewChoice(nil, rat(t, "1")); !refused(err, Missing) {
		t.Error(err)
	}
	m, _ := NewChoice(rat(t, "1"), rat(t, "1"))
	for _, scores := range [][]*big.Rat{nil, {rat(t, "1"), nil}, {rat(t, "1e-2000")}} {
		if _, err := m.Choose(t.Context(), pool(t), scores); !refused(err, "") {
			t.Errorf("%v: %v", scores, err)
		}
	}
}
