package num

import (
	"errors"
	"math"
	"math/big"
	"testing"
)

// at gives 2^127 − 1, −2^127 and what is near them.
func extremes() []*big.Int {
	list := []*big.Int{}
	for _, power := range []uint{0, 1, 62, 63, 64, 65, 126, 127} {
		for _, off := range []int64{-2, -1, 0, 1, 2} {
			x := new(big.Int).Lsh(big.NewInt(1), power)
			x.Add(x, big.NewInt(off))
			list = append(list, x, new(big.Int).Neg(x))
		}
	}
	return list
}

func fits(x *big.Int) bool {
	limit := new(big.Int).Lsh(big.NewInt(1), 127)
	return x.Cmp(limit) < 0 && x.Cmp(new(big.Int).Neg(limit)) >= 0
}

// check compares one result with unlimited arithmetic.
func check(t *testing.T, what string, got Int128, ok bool, want *big.Int) {
	t.Helper()
	if ok != fits(want) {
		t.Errorf("%s = %s: ok is %v", what, want, ok)
	}
	if ok && got.Big().Cmp(want) != 0 {
		t.Errorf("%s = %s, not %s", what, want, got)
	}
}

func TestInt128AgainstUnlimitedIntegers(t *testing.T) {
	for _, a := range extremes() {
		x, ok := FromBig(a)
		check(t, "itself", x, ok, a)
		if !ok {
			continue
		}
		n, fitsInt := x.Int64()
		if fitsInt != a.IsInt64() || fitsInt && n != a.Int64() {
			t.Errorf("%s as int64: %d, %v", a, n, fitsInt)
		}
		if x.Sign() != a.Sign() {
			t.Errorf("sign of %s is %d", a, x.Sign())
		}
		neg, ok := x.Neg()
		check(t, "−"+a.String(), neg, ok, new(big.Int).Neg(a))
		for _, b := range extremes() {
			y, ok := FromBig(b)
			if !ok {
				continue
			}
			sum, ok := x.Add(y)
			check(t, a.String()+" + "+b.String(), sum, ok, new(big.Int).Add(a, b))
			diff, ok := x.Sub(y)
			check(t, a.String()+" − "+b.String(), diff, ok, new(big.Int).Sub(a, b))
			if x.Cmp(y) != a.Cmp(b) {
				t.Errorf("%s against %s: %d", a, b, x.Cmp(y))
			}
		}
	}
}

func FuzzInt128(f *testing.F) {
	f.Add(int64(math.MinInt64), int64(math.MinInt64), int64(-1))
	f.Add(int64(math.MaxInt64), int64(math.MinInt64), int64(math.MaxInt64))
	f.Fuzz(func(t *testing.T, a, b, c int64) {
		x, y := Product(a, b), Product(b, c)
		ab, bc := new(big.Int).Mul(big.NewInt(a), big.NewInt(b)), new(big.Int).Mul(big.NewInt(b), big.NewInt(c))
		check(t, "a·b", x, true, ab)
		sum, ok := x.Add(y)
		check(t, "a·b + b·c", sum, ok, new(big.Int).Add(ab, bc))
		diff, ok := x.Sub(y)
		check(t, "a·b − b·c", diff, ok, new(big.Int).Sub(ab, bc))
		if back, ok := FromBig(x.Big()); !ok || back != x || FromInt64(a).Big().Int64() != a {
			t.Errorf("%s does not come back", ab)
		}
	})
}

func TestRefusals(t *testing.T) {
	long := new(big.Rat).SetFrac(big.NewInt(1), new(big.Int).Lsh(big.NewInt(1), MaxBits))
	low, high := big.NewRat(1, 2), big.NewRat(3, 1)
	for _, c := range []struct {
		x    *big.Rat
		want Fault
	}{
		{nil, Missing},
		{big.NewRat(0, 1), NotPositive},
		{big.NewRat(-1, 1), NotPositive},
		{long, TooLarge},
		{big.NewRat(1, 3), TooSmall},
		{big.NewRat(7, 2), TooLarge},
	} {
		var e *Error
		if err := Between("epsilon", c.x, low, high); !errors.As(err, &e) || e.Fault != c.want || e.Parameter != "epsilon" {
			t.Errorf("%v: %v", c.x, err)
		}
	}
	for _, x := range []*big.Rat{low, high, big.NewRat(1, 1)} {
		if err := Between("epsilon", x, low, high); err != nil {
			t.Error(err)
		}
	}
}
