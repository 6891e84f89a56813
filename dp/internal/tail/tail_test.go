package tail

import (
	"fmt"
	"math/big"
	"testing"
)

// rat parses a decimal or a fraction.
func rat(t testing.TB, s string) *big.Rat {
	t.Helper()
	r, ok := new(big.Rat).SetString(s)
	if !ok {
		t.Fatalf("not a number: %s", s)
	}
	return r
}

// The golden values were computed independently, with sixty decimal digits.
func TestGoldenProbabilities(t *testing.T) {
	laplace := Laplace{rat(t, "7/3")}
	gaussian := &Gaussian{Variance: rat(t, "5/2")}
	for _, c := range []struct {
		name string
		got  Real
		want string
	}{
		{"exp(-1/3)", ExpNeg(rat(t, "1/3")), "0.716531310573789250425604096925379667453112059821479157140870"},
		{"exp(-100)", ExpNeg(rat(t, "100")), "3.72007597602083596295969580386311833735889229237678196712061E-44"},
		{"exp(0)", ExpNeg(rat(t, "0")), "1"},
		{"laplace 0", laplace.Mass(0), "0.211064974441171385875846544131277917761322350854326648196443"},
		{"laplace -5", laplace.Mass(-5), "0.0247619667931425801037956177168681909594164667977131132096656"},
		{"laplace from 9", laplace.AtLeast(big.NewInt(9)), "0.0127938598671455733512176555425779236462647782213190337760113"},
		{"laplace edge 12", laplace.Edge(big.NewInt(12)), "0.00123853308186764606637806982810577347516577556852742019636822"},
		{"gaussian 0", gaussian.Mass(0), "0.252313252202016004824528143833735502178308850465441627325767"},
		{"gaussian 4", gaussian.Mass(4), "0.0102848442527035349910372083427303135441918181036657646437323"},
		{"gaussian from 7", gaussian.AtLeast(big.NewInt(7)), "0.0000147115279685268189348068207482046940022825178174890993820298610"},
	} {
		want, low, high := rat(t, c.want), c.got.Low, c.got.High
		slack := new(big.Rat).Mul(want, rat(t, "1e-55"))
		l, h := c.got.Rats()
		if h.Add(h, slack).Cmp(want) < 0 || l.Sub(l, slack).Cmp(want) > 0 {
			t.Errorf("%s: %v does not enclose %s", c.name, c.got.Float64(), c.want)
		}
		if width := new(big.Int).Sub(high, low); width.BitLen() > 40 {
			t.Errorf("%s: an enclosure of %d bits is too wide to be useful", c.name, width.BitLen())
		}
	}
}

// A large variance is bounded by an integral: from above, and closely.
func TestLargeGaussianIsBoundedFromAboveAndClosely(t *testing.T) {
	d := &Gaussian{Variance: rat(t, "10000")}
	for _, c := range []struct {
		k    int64
		want string
	}{
		{50, "0.310299332305393454577430173335525289030737659950353544882417"},
		{101, "0.157447416738287117885245074596863526202430997402756450599459"},
		{250, "0.00629767199919289495065984150124550150828117341603641140071170"},
		{600, "1.01727083672177428696306289159784333992255017539291651173806E-9"},
	} {
		_, high := d.AtLeast(big.NewInt(c.k)).Rats()
		want := rat(t, c.want)
		if high.Cmp(want) < 0 {
			t.Errorf("from %d: %s is below the probability", c.k, high.FloatString(20))
		}
		if high.Cmp(want.Mul(want, rat(t, "1.0002"))) > 0 {
			t.Errorf("from %d: %s is far above the probability", c.k, high.FloatString(20))
		}
	}
}

// Where both ways are open they agree, so that neither hides a mistake.
func TestSumAndIntegralAgree(t *testing.T) {
	sum := &Gaussian{Variance: rat(t, "4095")}
	integral := &Gaussian{Variance: rat(t, "4097")}
	for _, k := range []int64{1, 30, 64, 70, 128, 300, 500} {
		a, b := sum.AtLeast(big.NewInt(k)).Float64(), 2*integral.AtLeast(big.NewInt(k)).Float64()
		if ratio := b / a; ratio < 0.999 || ratio > 1.02 {
			t.Errorf("from %d: %v and %v", k, a, b)
		}
	}
}

// The least k is right: k holds and k−1 does not, for all kinds and sizes.
func TestThresholdIsTheLeast(t *testing.T) {
	tails := map[string]Tail{}
	for _, s := range []string{"1/1000", "1/2", "1", "7/3", "100", "123456789/1000", "1099511627776", "1e18"} {
		tails["laplace "+s] = Laplace{rat(t, s)}
		tails["edge "+s] = edge{Laplace{rat(t, s)}}
		tails["gaussian "+s] = &Gaussian{Variance: rat(t, s)}
	}
	for name, d := range tails {
		for _, p := range []string{"0.45", "0.25", "0.025", "1e-6", "1e-12", "1e-30", "1e-70"} {
			t.Run(fmt.Sprint(name, " ", p), func(t *testing.T) {
				level := rat(t, p)
				k := Threshold(d, level)
				if !d.AtLeast(k).AtMost(level) {
					t.Errorf("%s is not enough", k)
				}
				if less := new(big.Int).Sub(k, big.NewInt(1)); less.Sign() > 0 && d.AtLeast(less).AtMost(level) {
					t.Errorf("%s would be enough, not only %s", less, k)
				}
			})
		}
	}
}

func TestHalfWidth(t *testing.T) {
	// At scale 7/3: P(|Z| > 6) = 2q⁷/(1+q) = 0.0602…, P(|Z| > 7) = 0.0393….
	if k := HalfWidth(Laplace{rat(t, "7/3")}, rat(t, "0.05")); k.Int64() != 7 {
		t.Errorf("half-width %s", k)
	}
	if k := HalfWidth(Laplace{rat(t, "1/1000")}, rat(t, "0.05")); k.Sign() != 0 {
		t.Errorf("next to no noise has half-width %s", k)
	}
	// 1.96σ for a large σ, to within a step.
	k := HalfWidth(&Gaussian{Variance: rat(t, "1000000000000")}, rat(t, "0.05"))
	if k.Int64() < 1959963 || k.Int64() > 1959965 {
		t.Errorf("half-width %s", k)
	}
}

func FuzzExpNegEncloses(f *testing.F) {
	f.Add(uint64(1), uint64(3))
	f.Add(uint64(0), uint64(1))
	f.Add(^uint64(0), uint64(1<<56))
	f.Fuzz(func(t *testing.T, n, d uint64) {
		if d == 0 || n/d > 300 {
			return
		}
		// exp(−x)² encloses exp(−2x), and both are narrow.
		x := new(big.Rat).SetFrac(new(big.Int).SetUint64(n), new(big.Int).SetUint64(d))
		once, twice := ExpNeg(x), ExpNeg(new(big.Rat).Add(x, x))
		squared := once.Times(once)
		if squared.High.Cmp(twice.Low) < 0 || squared.Low.Cmp(twice.High) > 0 {
			t.Errorf("exp(−%s)² and exp(−2·%s) are apart", x, x)
		}
		if width := new(big.Int).Sub(once.High, once.Low); once.Low.Cmp(once.High) > 0 || width.BitLen() > 16 {
			t.Errorf("exp(−%s) is enclosed by %d bits", x, width.BitLen())
		}
	})
}
