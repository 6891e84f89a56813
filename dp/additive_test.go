package dp

import (
	"encoding/binary"
	"math"
	"math/big"
	"math/rand/v2"
	"testing"

	"github.com/anchorhold/anchorhold/dp/internal/sample"
	"github.com/anchorhold/anchorhold/dp/internal/tail"
)

func epsilon(t testing.TB, s string) Price {
	t.Helper()
	p, err := Epsilon(rat(t, s))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func rho(t testing.TB, s string) Price {
	t.Helper()
	p, err := Rho(rat(t, s))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// seeded is a pool that gives the same draws for the same seed.
func seeded(t testing.TB, seed uint64) *Pool {
	t.Helper()
	var key [32]byte
	binary.LittleEndian.PutUint64(key[:], seed)
	p := newPool(rand.NewChaCha8(key))
	t.Cleanup(p.Close)
	return p
}

func rows(n ...int64) []Partial {
	list := make([]Partial, len(n))
	for i, x := range n {
		list[i].Rows = FromInt64(x)
	}
	return list
}

func TestPricesThatAreRefused(t *testing.T) {
	for _, c := range []struct {
		amount string
		want   Fault
	}{{"0", NotPositive}, {"-1", NotPositive}, {"1e20", TooLarge}, {"1e-20", TooSmall}, {"1e-400", TooLarge}} {
		if _, err := Epsilon(rat(t, c.amount)); !refused(err, c.want) {
			t.Errorf("epsilon %s: %v", c.amount, err)
		}
		if _, err := Rho(rat(t, c.amount)); !refused(err, c.want) {
			t.Errorf("rho %s: %v", c.amount, err)
		}
	}
	if _, err := Epsilon(nil); !refused(err, Missing) {
		t.Error(err)
	}
	one := Contribution{1, 1}
	if _, err := NewCount(Price{}, one); !refused(err, Missing) {
		t.Errorf("no price: %v", err)
	}
	for _, c := range []Contribution{{0, 1}, {1, 0}, {-1, 1}, {1, math.MinInt64}, {math.MaxInt64, 1}, {1, math.MaxInt64}} {
		if _, err := NewCount(epsilon(t, "1"), c); !refused(err, "") {
			t.Errorf("%+v: %v", c, err)
		}
		if _, err := NewMoments(epsilon(t, "1"), c, true, lattice(t, "1", "0", "1")); !refused(err, "") {
			t.Errorf("%+v: %v", c, err)
		}
	}
	if _, err := NewSum(epsilon(t, "1"), one, nil); !refused(err, Missing) {
		t.Errorf("missing bounds: %v", err)
	}
	if _, err := NewSum(epsilon(t, "1"), one, lattice(t, "1", "0", "0")); !refused(err, NotPositive) {
		t.Errorf("bounds of nothing: %v", err)
	}
	if _, err := epsilon(t, "1").Split(1, 0); !refused(err, NotPositive) {
		t.Errorf("a share of nothing: %v", err)
	}
}

func TestSplitAddsUp(t *testing.T) {
	parts, err := epsilon(t, "1/3").Split(1, 3, 3)
	if err != nil {
		t.Fatal(err)
	}
	sum := new(big.Rat)
	for _, p := range parts {
		sum.Add(sum, p.Amount())
	}
	if sum.Cmp(rat(t, "1/3")) != 0 {
		t.Errorf("parts add up to %s", sum)
	}
}

// Sensitivity never wraps: noise is of exactly the size that unlimited
// arithmetic asks for, or the parameters are refused. (Google's library loops
// for ever on 2⁴⁰·2⁴⁰, and adds too little noise on 2³²·(2³²+1).)
func FuzzSensitivity(f *testing.F) {
	f.Add(int64(1<<40), int64(1<<40), int64(1<<40), uint16(1), true)
	f.Add(int64(1<<32), int64(1<<32+1), int64(1), uint16(7), false)
	f.Add(int64(3), int64(1), int64(120), uint16(50), true)
	f.Add(int64(math.MinInt64), int64(-1), int64(math.MaxInt64), uint16(0), false)
	f.Fuzz(func(t *testing.T, groups, perGroup, high int64, price uint16, laplace bool) {
		buy := Rho
		if laplace {
			buy = Epsilon
		}
		p, err := buy(big.NewRat(int64(price), 100))
		if err != nil {
			return
		}
		l, err := NewLattice(big.NewRat(1, 1), new(big.Rat), new(big.Rat).SetInt64(high))
		if err != nil {
			return
		}
		m, err := NewSum(p, Contribution{groups, perGroup}, l)
		if err != nil {
			if !refused(err, "") {
				t.Fatal(err)
			}
			return
		}
		per := new(big.Rat).SetInt(new(big.Int).Mul(big.NewInt(perGroup), big.NewInt(high)))
		unit := new(big.Rat).SetInt(new(big.Int).Lsh(big.NewInt(1), m.add.shift))
		var least, got *big.Rat
		if laplace {
			least = new(big.Rat).Mul(per, new(big.Rat).SetInt64(groups))
			least.Quo(least, p.amount)
			got = m.add.dist.(*sample.Laplace).Scale()
		} else {
			least = new(big.Rat).Mul(per, per)
			least.Mul(least, new(big.Rat).SetInt64(groups)).Quo(least, p.amount).Quo(least, big.NewRat(2, 1))
			got = m.add.dist.(*sample.Gaussian).Variance()
			unit.Mul(unit, unit)
		}
		got.Mul(got, unit)
		if got.Cmp(least) < 0 {
			t.Fatalf("noise of %s where %s is needed", got, least)
		}
		if ratio := new(big.Rat).Quo(got, least); ratio.Cmp(big.NewRat(1001, 1000)) > 0 && m.add.shift > 0 {
			t.Errorf("noise is %s of what is needed", ratio.FloatString(4))
		} else if m.add.shift == 0 && got.Cmp(least) != 0 {
			t.Error("noise is not exactly what is needed")
		}
	})
}

// Mironov; Haney and others: with the same draws, what is released differs by
// exactly what the true values differ by, from 0 to 2⁴⁰ and beyond: neither the
// support nor the granularity of noise knows the value.
func TestNoiseDoesNotKnowTheValue(t *testing.T) {
	l := lattice(t, "1/1048576", "0", "1")
	for name, p := range map[string]Price{"laplace": epsilon(t, "1/10"), "gaussian": rho(t, "1/100")} {
		m, err := NewSum(p, Contribution{3, 2}, l)
		if err != nil {
			t.Fatal(err)
		}
		const n = 1 << 41
		big41 := make([]Partial, 300)
		zero := make([]Partial, 300)
		for i := range big41 {
			big41[i] = Partial{Rows: FromInt64(n), Sum: FromInt64(1<<40 + int64(i))}
			zero[i] = Partial{Rows: FromInt64(n)}
		}
		a, err := m.Release(t.Context(), seeded(t, 7), zero)
		if err != nil {
			t.Fatal(err)
		}
		b, err := m.Release(t.Context(), seeded(t, 7), big41)
		if err != nil {
			t.Fatal(err)
		}
		for i := range a {
			difference := new(big.Rat).Sub(b[i].Exact(), a[i].Exact())
			if difference.Cmp(l.Decode(big.NewInt(1<<40+int64(i)))) != 0 {
				t.Fatalf("%s: noise depends on the value", name)
			}
			if steps := a[i].Exact(); !steps.Quo(steps, l.step).IsInt() {
				t.Fatalf("%s: released between the points of the lattice", name)
			}
		}
	}
}

// The same look at noise from the textbook's formula finds what Mironov found:
// its digits know the value.
func TestTextbookNoiseKnowsTheValue(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	differs := 0
	for range 300 {
		noise := -10 * math.Log(1-r.Float64())
		if value := 1.0 / 3; (value+noise)-value != noise {
			differs++
		}
	}
	if differs == 0 {
		t.Error("not found in 300 draws")
	}
}

// A coarser lattice for large noise is the same one whatever the values are.
func TestCoarseLatticeIsTheSameForAll(t *testing.T) {
	l := lattice(t, "1", "0", "1099511627776")
	m, err := NewSum(epsilon(t, "1/1000000"), Contribution{1, 1}, l)
	if err != nil {
		t.Fatal(err)
	}
	if m.add.shift == 0 {
		t.Fatal("nothing is coarse")
	}
	middle := new(big.Int).Lsh(big.NewInt(1), m.add.shift)
	middle.Sub(middle, big.NewInt(1))
	offset := new(big.Rat).SetFrac(middle, big.NewInt(2))
	for _, x := range []int64{0, 1, 2, 1 << 30, 1<<40 - 1, 1 << 40} {
		got, err := m.Release(t.Context(), seeded(t, 3), []Partial{{Rows: FromInt64(1), Sum: FromInt64(x)}})
		if err != nil {
			t.Fatal(err)
		}
		y := got[0].Exact()
		y.Sub(y, offset).Quo(y, new(big.Rat).SetInt(new(big.Int).Lsh(big.NewInt(1), m.add.shift)))
		if !y.IsInt() {
			t.Errorf("%d is released off the lattice", x)
		}
	}
}

func TestCostsAreExact(t *testing.T) {
	m, err := NewSum(rho(t, "1/10"), Contribution{4, 10}, lattice(t, "1", "-5", "3"))
	if err != nil {
		t.Fatal(err)
	}
	c := m.Cost()
	if len(c) != 1 || c[0].Mechanism != Gaussian || c[0].SquaredSensitivity.Cmp(rat(t, "10000")) != 0 ||
		c[0].Variance.Cmp(rat(t, "50000")) != 0 || c[0].Rho().Cmp(rat(t, "1/10")) != 0 {
		t.Errorf("cost %+v", c)
	}
	// An average is charged for sum and count: 0.3 in all, not 0.15.
	avg, err := NewMoments(epsilon(t, "3/10"), Contribution{4, 10}, true, lattice(t, "1", "0", "9"), lattice(t, "1", "0", "1"))
	if err != nil {
		t.Fatal(err)
	}
	sum := new(big.Rat)
	for _, c := range avg.Cost() {
		if c.Rho().Cmp(new(big.Rat).Quo(new(big.Rat).Mul(c.Epsilon, c.Epsilon), big.NewRat(2, 1))) != 0 {
			t.Error("ρ of pure ε is not ε²/2")
		}
		sum.Add(sum, c.Epsilon)
	}
	if len(avg.Cost()) != 6 || sum.Cmp(rat(t, "3/10")) != 0 {
		t.Errorf("%d parts cost %s", len(avg.Cost()), sum)
	}
	exponential := Cost{Mechanism: Exponential, Epsilon: rat(t, "2")}
	if exponential.Rho().Cmp(rat(t, "1/2")) != 0 {
		t.Error("ρ of the exponential mechanism is not ε²/8")
	}
}

func TestPartialsThatAreRefused(t *testing.T) {
	p := pool(t)
	count, _ := NewCountUnits(epsilon(t, "1"), 1)
	for _, n := range []int64{-1, maxRows + 1, math.MinInt64} {
		if _, err := count.Release(t.Context(), p, rows(5, n)); !refused(err, OutOfBounds) {
			t.Errorf("%d rows: %v", n, err)
		}
	}
	sum, _ := NewSum(epsilon(t, "1"), Contribution{1, 1}, lattice(t, "1", "-2", "3"))
	for _, c := range [][2]int64{{0, 1}, {1, 4}, {1, -3}, {10, 31}, {10, -21}} {
		partial := []Partial{{Rows: FromInt64(c[0]), Sum: FromInt64(c[1])}}
		if _, err := sum.Release(t.Context(), p, partial); !refused(err, OutOfBounds) {
			t.Errorf("%v: %v", c, err)
		}
	}
	moments, _ := NewMoments(epsilon(t, "1"), Contribution{1, 1}, true, lattice(t, "1", "-2", "3"))
	for _, c := range [][3]int64{{1, 2, 10}, {1, 3, 8}, {2, 6, 17}, {0, 0, 1}, {1, 4, 16}} {
		partial := MomentsPartial{FromInt64(c[0]), []Int128{FromInt64(c[1])}, []Int128{FromInt64(c[2])}}
		if _, err := moments.Release(t.Context(), p, []MomentsPartial{partial}); !refused(err, OutOfBounds) {
			t.Errorf("%v: %v", c, err)
		}
	}
	if _, err := moments.Release(t.Context(), p, []MomentsPartial{{Rows: FromInt64(1)}}); !refused(err, Missing) {
		t.Errorf("no sums: %v", err)
	}
	if p.kept[count.add.dist.Key()] != nil {
		t.Error("noise was drawn for what was refused")
	}
}

// The interval of a count or a sum is the smallest symmetric one with its
// level, by exact probabilities: one step less would be too little.
func TestIntervalsAreTheSmallest(t *testing.T) {
	for _, p := range []Price{epsilon(t, "1"), epsilon(t, "1/10"), rho(t, "1/2"), rho(t, "1/20000")} {
		m, err := NewCountUnits(p, 2)
		if err != nil {
			t.Fatal(err)
		}
		got, err := m.Release(t.Context(), pool(t), rows(1_000_000))
		if err != nil {
			t.Fatal(err)
		}
		for _, level := range []float64{0.5, 0.9, 0.95, 0.999999} {
			i, err := got[0].Interval(level)
			if err != nil {
				t.Fatal(err)
			}
			k := int64(i.High-i.Low) / 2
			if ahead, _ := m.PlusMinus(level); ahead != float64(k) || i.High-got[0].Float64() != float64(k) {
				t.Errorf("%s %v: ±%v was announced, [%v, %v] came", p.Kind(), level, ahead, i.Low, i.High)
			}
			var d tail.Tail = tail.Laplace{}
			switch x := m.add.dist.(type) {
			case *sample.Laplace:
				d = tail.Laplace{Scale: x.Scale()}
			case *sample.Gaussian:
				d = &tail.Gaussian{Variance: x.Variance()}
			}
			outside := func(k int64) float64 {
				_, high := d.AtLeast(big.NewInt(k + 1)).Rats()
				f, _ := high.Float64()
				return 2 * f
			}
			if outside(k) > 1-level || k > 0 && outside(k-1) <= (1-level)*(1-1e-4) {
				t.Errorf("%s %v: ±%d leaves %v outside, one less %v", p.Kind(), level, k, outside(k), outside(k-1))
			}
		}
	}
}

func TestLevelsThatAreRefused(t *testing.T) {
	m, _ := NewCountUnits(epsilon(t, "1"), 1)
	got, err := m.Release(t.Context(), pool(t), rows(3))
	if err != nil {
		t.Fatal(err)
	}
	for _, level := range []float64{0, 1, -0.5, 1.5, math.NaN(), math.Inf(1), math.Inf(-1)} {
		if _, err := got[0].Interval(level); !refused(err, "") {
			t.Errorf("level %v: %v", level, err)
		}
		if _, err := Simultaneous(got, level); !refused(err, "") {
			t.Errorf("level %v together: %v", level, err)
		}
		if _, err := m.PlusMinus(level); !refused(err, "") {
			t.Errorf("level %v ahead: %v", level, err)
		}
	}
	if list, err := Simultaneous(nil, 0.95); err != nil || list != nil {
		t.Error("nothing has intervals")
	}
}
