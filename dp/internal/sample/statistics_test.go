package sample

import (
	"crypto/rand"
	"fmt"
	"math"
	"math/big"
	"os"
	"strconv"
	"testing"

	"github.com/anchorhold/anchorhold/dp/internal/num"
	"github.com/anchorhold/anchorhold/dp/internal/tail"
)

// Draws come from crypto/rand, so each test has a probability of failing by
// chance; it is below 10⁻⁹ for each: a sampler that is right fails a first look
// with a probability of at most about 10⁻⁵ and is looked at again, with
// independent draws, and fails a test only if the second look finds the same.
//
// ANCHORHOLD_DP_DRAWS sets how many draws a look takes.
const lookBits = 11.5 // −ln 10⁻⁵

func drawsPerLook(t testing.TB) int {
	t.Helper()
	if s := os.Getenv("ANCHORHOLD_DP_DRAWS"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil {
			t.Fatal("ANCHORHOLD_DP_DRAWS: ", err)
		}
		return n
	}
	return 60_000
}

// drawer is a distribution or something that pretends to be one.
type drawer interface{ Draw(*Source) num.Int128 }

// chiSquared compares the frequencies of n draws with exact probabilities and
// says whether they differ by more than chance explains. Values with an
// expectation of less than 40 share a cell.
func chiSquared(d drawer, mass func(z int64) float64, n int) (differs bool) {
	s := NewSource(rand.Reader)
	counts := map[int64]int{}
	far := 0
	for range n {
		if z, ok := d.Draw(s).Int64(); ok {
			counts[z]++
		} else {
			far++
		}
	}
	statistic, cells, expectedRest, countRest := 0.0, 0, float64(n), n
	for z := int64(0); ; z++ {
		e := float64(n) * mass(z)
		if e < 40 {
			break
		}
		for _, v := range []int64{z, -z} {
			statistic += square(float64(counts[v])-e) / e
			cells++
			expectedRest -= e
			countRest -= counts[v]
			if z == 0 {
				break
			}
		}
	}
	_ = far // in the rest
	if expectedRest >= 40 {
		statistic += square(float64(countRest)-expectedRest) / expectedRest
		cells++
	} else if float64(countRest) > expectedRest+10*math.Sqrt(expectedRest)+40 {
		return true
	}
	// Laurent and Massart: P(χ²_k ≥ k + 2√(kx) + 2x) ≤ exp(−x).
	k := float64(cells - 1)
	return statistic > k+2*math.Sqrt(k*lookBits)+2*lookBits
}

func square(x float64) float64 { return x * x }

// kolmogorov compares the distribution function of |draws| at every value with
// the exact one: Dvoretzky–Kiefer–Wolfowitz with Massart's constant.
func kolmogorov(d drawer, atLeast func(k int64) float64, from, to int64, n int) (differs bool) {
	s := NewSource(rand.Reader)
	counts := make([]int, to-from+1)
	for range n {
		z, ok := d.Draw(s).Int64()
		switch {
		case !ok || z > to:
			z = to
		case z < from:
			z = from
		}
		counts[z-from]++
	}
	limit := math.Sqrt((math.Ln2 + lookBits) / (2 * float64(n)))
	seen := 0
	for k := to; k > from; k-- {
		seen += counts[k-from]
		if math.Abs(float64(seen)/float64(n)-atLeast(k)) > limit {
			return true
		}
	}
	return false
}

// twice is the second look.
func twice(look func() bool) bool {
	first := look()
	return first && look()
}

func laplaceMass(scale *big.Rat) func(int64) float64 {
	d := tail.Laplace{Scale: scale}
	return func(z int64) float64 { return d.Mass(z).Float64() }
}

func gaussianMass(variance *big.Rat) func(int64) float64 {
	d := &tail.Gaussian{Variance: variance}
	return func(z int64) float64 { return d.Mass(z).Float64() }
}

func TestFrequenciesAreExact(t *testing.T) {
	n := drawsPerLook(t)
	for _, s := range []string{"1/2", "1", "7/3", "20"} {
		d := mustLaplace(t, s)
		if twice(func() bool { return chiSquared(d, laplaceMass(d.Scale()), n) }) {
			t.Errorf("laplace %s: frequencies are not those of the distribution", s)
		}
		slow := mustLaplace(t, s)
		slow.t = 0
		if twice(func() bool { return chiSquared(slow, laplaceMass(d.Scale()), n/4) }) {
			t.Errorf("laplace %s, unlimited: frequencies are not those of the distribution", s)
		}
	}
	for _, s := range []string{"1/3", "1", "5/2", "100"} {
		d := mustGaussian(t, s)
		if twice(func() bool { return chiSquared(d, gaussianMass(d.Variance()), n) }) {
			t.Errorf("gaussian %s: frequencies are not those of the distribution", s)
		}
	}
}

func TestTruncatedFrequencies(t *testing.T) {
	const most = 4
	d, err := NewTruncated(rat(t, "3/2"), most, 0)
	if err != nil {
		t.Fatal(err)
	}
	whole := laplaceMass(rat(t, "3/2"))
	inside := 0.0
	for z := int64(-most); z <= most; z++ {
		inside += whole(z)
	}
	mass := func(z int64) float64 {
		if z > most {
			return 0
		}
		return whole(z) / inside
	}
	if twice(func() bool { return chiSquared(d, mass, drawsPerLook(t)) }) {
		t.Error("frequencies are not those of the truncated distribution")
	}
	// A quarter of the draws are one more, from within one less: their mean is ¼.
	if d, err = NewTruncated(rat(t, "3/2"), most, 1<<30); err != nil {
		t.Fatal(err)
	}
	look := func() bool {
		n, sum, s := drawsPerLook(t), 0.0, NewSource(rand.Reader)
		for range n {
			z, _ := d.Draw(s).Int64()
			if z > most || z < -most {
				t.Fatalf("%d is outside of the bound", z)
			}
			sum += float64(z)
		}
		// Hoeffding, for values between −4 and 4.
		return math.Abs(sum/float64(n)-0.25) > 8*math.Sqrt((math.Ln2+lookBits)/(2*float64(n)))
	}
	if twice(look) {
		t.Error("not a quarter of the draws are one more")
	}
}

// Large scales are looked at through their distribution function.
func TestLargeScales(t *testing.T) {
	n := drawsPerLook(t)
	l := mustLaplace(t, "5000/3")
	exact := func(k int64) float64 {
		p := tail.Laplace{Scale: l.Scale()}
		if k >= 1 {
			return p.AtLeast(big.NewInt(k)).Float64()
		}
		return 1 - p.AtLeast(big.NewInt(1-k)).Float64()
	}
	if twice(func() bool { return kolmogorov(l, exact, -6000, 6000, n) }) {
		t.Error("laplace: the distribution function is another one")
	}
	for _, s := range []string{"1000000", "1000000000001/1000001"} {
		g := mustGaussian(t, s)
		variance, _ := g.Variance().Float64()
		// The normal distribution at half steps is within 0.122/σ² of it.
		normal := func(k int64) float64 { return 0.5 * math.Erfc((float64(k)-0.5)/math.Sqrt(2*variance)) }
		if twice(func() bool { return kolmogorov(g, normal, -4500, 4500, n) }) {
			t.Errorf("gaussian %s: the distribution function is another one", s)
		}
	}
}

func TestBernoulliFrequencies(t *testing.T) {
	n := drawsPerLook(t)
	s := NewSource(rand.Reader)
	long := new(big.Rat).SetFrac(new(big.Int).Exp(big.NewInt(3), big.NewInt(200), nil), new(big.Int).Exp(big.NewInt(7), big.NewInt(113), nil))
	for _, x := range []*big.Rat{rat(t, "0"), rat(t, "1/100"), rat(t, "1"), rat(t, "3/2"), rat(t, "4"), long} {
		f, _ := x.Float64()
		p := math.Exp(-f)
		look := func() bool {
			hits := 0
			for range n {
				if s.Exp(x) {
					hits++
				}
			}
			// Hoeffding.
			return math.Abs(float64(hits)/float64(n)-p) > math.Sqrt((math.Ln2+lookBits)/(2*float64(n)))
		}
		if twice(look) {
			t.Errorf("exp(−%v) has another probability", f)
		}
	}
}

// faulty is a way to get a sampler wrong.
type faulty func(s *Source) num.Int128

func (f faulty) Draw(s *Source) num.Int128 { return f(s) }

// The looks find the mistakes that samplers have had: they are worth something.
func TestLooksFindMistakes(t *testing.T) {
	n := drawsPerLook(t)
	right := mustLaplace(t, "7/3")
	gaussian := mustGaussian(t, "5/2")
	for name, c := range map[string]struct {
		d    faulty
		mass func(int64) float64
	}{
		"zero comes twice as often": {
			func(s *Source) num.Int128 {
				m := magnitude(s, 7)
				z, _ := num.FromParts(s.Coin(), m.hi, m.lo/3)
				return z
			}, laplaceMass(right.Scale()),
		},
		"a scale that is 20% too small": {mustLaplace(t, "28/15").Draw, laplaceMass(right.Scale())},
		"a variance that is 20% too small": {
			mustGaussian(t, "2").Draw, gaussianMass(gaussian.Variance()),
		},
		"a continuous draw that is cut off": {
			func(s *Source) num.Int128 {
				u := (float64(s.Word()>>11) + 0.5) / (1 << 53)
				v := float64(s.Word()>>11) / (1 << 53)
				return num.FromInt64(int64(math.Sqrt(-5*math.Log(u)) * math.Cos(2*math.Pi*v)))
			}, gaussianMass(gaussian.Variance()),
		},
		"a proposal that is always accepted": {
			mustLaplace(t, "2").Draw, gaussianMass(gaussian.Variance()),
		},
		"never negative": {
			func(s *Source) num.Int128 {
				z := right.Draw(s)
				if z.Sign() < 0 {
					z, _ = z.Neg()
				}
				return z
			}, laplaceMass(right.Scale()),
		},
	} {
		if !chiSquared(c.d, c.mass, n) {
			t.Errorf("not found: %s", name)
		}
	}
	if !kolmogorov(mustGaussian(t, "900000"), func(k int64) float64 {
		return 0.5 * math.Erfc((float64(k)-0.5)/math.Sqrt(2e6))
	}, -4500, 4500, n) {
		t.Error("not found: a variance that is 10% too small")
	}
}

// A test that passes because it looks at nothing would pass here too.
func TestLooksAreNotTooEager(t *testing.T) {
	d := mustLaplace(t, "7/3")
	found := 0
	for range 20 {
		if chiSquared(d, laplaceMass(d.Scale()), 10_000) {
			found++
		}
	}
	if found > 2 {
		t.Error(fmt.Sprint("a first look fails ", found, " of 20 times"))
	}
}
