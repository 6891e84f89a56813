package dp

import (
	"errors"
	"math"
	"math/big"
	"math/rand/v2"
	"testing"
)

func rat(t testing.TB, s string) *big.Rat {
	t.Helper()
	r, ok := new(big.Rat).SetString(s)
	if !ok {
		t.Fatalf("not a number: %s", s)
	}
	return r
}

func lattice(t testing.TB, step, low, high string) *Lattice {
	t.Helper()
	l, err := NewLattice(rat(t, step), rat(t, low), rat(t, high))
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// refused says whether an error is a refusal with this fault; "" is any.
func refused(err error, fault Fault) bool {
	var e *Error
	return errors.As(err, &e) && (fault == "" || e.Fault == fault) && e.Parameter != ""
}

func TestLatticesThatAreRefused(t *testing.T) {
	for _, c := range []struct {
		step, low, high string
		want            Fault
	}{
		{"0", "0", "1", NotPositive},
		{"-1", "0", "1", NotPositive},
		{"1", "2", "1", Unordered},
		{"10", "1", "9", TooLarge},
		{"1e-30", "0", "1", TooSmall},
		{"1", "0", "1e30", TooSmall},
		{"1", "-1e400", "0", TooLarge},
	} {
		if _, err := NewLattice(rat(t, c.step), rat(t, c.low), rat(t, c.high)); !refused(err, c.want) {
			t.Errorf("step %s from %s to %s: %v", c.step, c.low, c.high, err)
		}
	}
	one := big.NewRat(1, 1)
	for _, bad := range [][3]*big.Rat{{nil, one, one}, {one, nil, one}, {one, one, nil}} {
		if _, err := NewLattice(bad[0], bad[1], bad[2]); !refused(err, Missing) {
			t.Errorf("something missing: %v", err)
		}
	}
	if _, err := ChooseLattice(nil, one); !refused(err, Missing) {
		t.Errorf("something missing: %v", err)
	}
}

func TestChosenLatticesAreFineAndWithinBounds(t *testing.T) {
	for _, c := range [][2]string{
		{"0", "120"}, {"-1", "1"}, {"0", "1e-9"}, {"1000000", "1000001"}, {"-1e15", "1e15"}, {"5", "5"}, {"0", "1"}, {"-3/7", "22/7"}, {"1e18", "1e18"},
	} {
		low, high := rat(t, c[0]), rat(t, c[1])
		l, err := ChooseLattice(low, high)
		if c[0] == "1e18" {
			if !refused(err, TooSmall) {
				t.Errorf("one far value: %v", err)
			}
			continue
		}
		if err != nil {
			t.Fatalf("%v: %v", c, err)
		}
		from, to := l.Bounds()
		if l.Decode(big.NewInt(from)).Cmp(low) < 0 || l.Decode(big.NewInt(to)).Cmp(high) > 0 {
			t.Errorf("%v: points outside of the bounds", c)
		}
		if n := to - from; low.Cmp(high) < 0 && (n < 1<<19 || n > 1<<21) {
			t.Errorf("%v: %d steps", c, n)
		}
	}
}

// exactly is Encode by its definition.
func exactly(l *Lattice, x float64) int64 {
	y := new(big.Rat).Quo(new(big.Rat).SetFloat64(x), l.step)
	n := floor(y.Add(y, big.NewRat(1, 2)))
	if n.Cmp(big.NewInt(l.low)) < 0 {
		return l.low
	}
	if n.Cmp(big.NewInt(l.high)) > 0 {
		return l.high
	}
	return n.Int64()
}

func TestEncode(t *testing.T) {
	binary, decimal := lattice(t, "1/4", "-10", "10"), lattice(t, "1/100", "-1", "2")
	for _, c := range []struct {
		l    *Lattice
		x    float64
		want int64
	}{
		{binary, 0.125, 1},
		{binary, -0.125, 0},
		{binary, math.Nextafter(0.125, 0), 0},
		{binary, 1e300, 40},
		{binary, -1e300, -40},
		{binary, math.Inf(1), 40},
		{binary, math.Inf(-1), -40},
		{binary, math.NaN(), 0},
		{binary, math.Copysign(0, -1), 0},
		{binary, math.SmallestNonzeroFloat64, 0},
		{binary, -math.SmallestNonzeroFloat64, 0},
		{decimal, 0.29, 29},
		{decimal, 1.005, 100}, // the float64 is below 1.005
		{decimal, 3, 200},
		{decimal, math.MaxFloat64, 200},
		{lattice(t, "1", "5", "9"), math.NaN(), 5},
	} {
		if got := c.l.Encode(c.x); got != c.want {
			t.Errorf("%v: %d, not %d", c.x, got, c.want)
		}
	}
	if decimal.EncodeRat(rat(t, "1.005")) != 101 || decimal.EncodeRat(nil) != 0 {
		t.Error("decimals are encoded otherwise")
	}
}

func FuzzEncode(f *testing.F) {
	f.Add(0.125, int16(-2), uint16(3))
	f.Add(math.MaxFloat64, int16(900), uint16(1))
	f.Add(-5e-324, int16(-1000), uint16(7))
	f.Add(0.49999999999999994, int16(0), uint16(1))
	f.Fuzz(func(t *testing.T, x float64, power int16, odd uint16) {
		step := twoTo(int(power % 1100))
		step.Mul(step, big.NewRat(int64(odd)+1, 1))
		far := new(big.Rat).Mul(step, big.NewRat(1<<39, 1))
		l, err := NewLattice(step, new(big.Rat).Neg(far), far)
		if err != nil {
			if !refused(err, "") {
				t.Fatal(err)
			}
			return
		}
		got := l.Encode(x)
		if got < l.low || got > l.high {
			t.Fatalf("%v is encoded outside of the bounds", x)
		}
		if !math.IsNaN(x) && !math.IsInf(x, 0) && got != exactly(l, x) {
			t.Errorf("%v at step %s: %d, exactly %d", x, step, got, exactly(l, x))
		}
	})
}

// Casacuberta and others: float64 sums depend on order. Sums over a lattice do
// not, up to the extremes.
func TestOrderOfRowsDoesNotMatter(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	l, err := ChooseLattice(rat(t, "-1e15"), rat(t, "1e15"))
	if err != nil {
		t.Fatal(err)
	}
	var values []float64
	for i := range 3000 {
		values = append(values, []float64{1e15, -1e15, math.Inf(1), math.NaN(), 1e-3, math.Pi * 1e9 * r.Float64(), -1, math.MaxFloat64}[i%8])
	}
	want := new(big.Int)
	for _, x := range values {
		want.Add(want, big.NewInt(l.Encode(x)))
	}
	for range 20 {
		r.Shuffle(len(values), func(i, j int) { values[i], values[j] = values[j], values[i] })
		sum := FromInt64(0)
		for _, x := range values {
			var ok bool
			if sum, ok = sum.Add(FromInt64(l.Encode(x))); !ok {
				t.Fatal("overflow")
			}
		}
		if sum.Big().Cmp(want) != 0 {
			t.Fatalf("sum %s, exactly %s", sum, want)
		}
	}
}
