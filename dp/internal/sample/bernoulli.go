package sample

import (
	"math/big"
	"math/bits"
)

// u128 is an unsigned integer of 128 bits.
type u128 struct{ hi, lo uint64 }

func (x u128) less(y u128) bool { return x.hi < y.hi || x.hi == y.hi && x.lo < y.lo }

func (x u128) minus(y u128) u128 {
	lo, borrow := bits.Sub64(x.lo, y.lo, 0)
	hi, _ := bits.Sub64(x.hi, y.hi, borrow)
	return u128{hi, lo}
}

func (x u128) big() *big.Int {
	b := new(big.Int).Lsh(new(big.Int).SetUint64(x.hi), 64)
	return b.Or(b, new(big.Int).SetUint64(x.lo))
}

// fraction is num/den in [0, 1] together with a certain enclosure of it:
// low ≤ 2⁶⁴·num/den ≤ high.
type fraction struct {
	num, den       u128     // exact, looked at in one case of 2⁵⁹ or so
	bigNum, bigDen *big.Int // instead, where they are longer
	low, high      u128
}

// enclose gives bounds of 2⁶⁴·num/den for num ≤ den, den > 0: exact division of
// the leading 64 bits, rounded outward.
func enclose(num, den u128) (low, high u128) {
	shift := bits.LeadingZeros64(den.hi)
	if den.hi == 0 {
		shift = 64 + bits.LeadingZeros64(den.lo)
	}
	n, d := num.top(shift), den.top(shift) // den's first bit is now the first of d
	// n ≤ num·2^shift/2⁶⁴ < n+1, and d likewise.
	if d == ^uint64(0) {
		low = u128{0, n}
	} else {
		q, _ := bits.Div64(n, 0, d+1)
		low = u128{0, q}
	}
	if n+1 >= d || n == ^uint64(0) {
		return low, u128{1, 0}
	}
	q, _ := bits.Div64(n+1, 0, d)
	return low, u128{0, q + 1} // does not wrap: n+2 ≤ d < 2⁶⁴ keeps q below 2⁶⁴−1
}

// top gives the first 64 bits of x after a shift to the left that loses none.
func (x u128) top(shift int) uint64 {
	if shift >= 64 {
		return x.lo << (shift - 64)
	}
	return x.hi<<shift | x.lo>>(64-shift) // Go shifts by 64 to zero
}

// small gives the fraction num/den, num ≤ den, den > 0.
func small(num, den u128) fraction {
	f := fraction{num: num, den: den}
	f.low, f.high = enclose(num, den)
	return f
}

// overK gives true with probability f/k, k ≥ 1. It compares a uniform real
// number, of which it reads as many bits as it needs, with f/k.
func (s *Source) overK(f *fraction, k uint64) bool {
	w := s.Word()
	// The number u lies in [w, w+1)/2⁶⁴, and u < f/k says that u·k·2⁶⁴ < f·2⁶⁴.
	hi, lo := bits.Mul64(w, k)
	if from := (u128{hi, lo}); !from.less(f.high) {
		return false
	}
	lo, carry := bits.Add64(lo, k, 0)
	if to := (u128{hi + carry, lo}); !f.low.less(to) {
		return true
	}
	return s.overKExactly(f, k, w)
}

// overKExactly decides overK when the first word is not enough.
func (s *Source) overKExactly(f *fraction, k, first uint64) bool {
	num, den := f.num.big(), f.den.big()
	if f.bigNum != nil {
		num.Set(f.bigNum)
		den.Set(f.bigDen)
	}
	kden := den.Mul(den, new(big.Int).SetUint64(k))
	read := new(big.Int).SetUint64(first)
	for {
		num.Lsh(num, 64)
		at := new(big.Int).Mul(read, kden)
		if at.Cmp(num) >= 0 {
			return false
		}
		if at.Add(at, kden).Cmp(num) <= 0 {
			return true
		}
		read.Lsh(read, 64)
		read.Or(read, new(big.Int).SetUint64(s.Word()))
	}
}

// expFraction gives true with probability exp(−f): algorithm 1 of the paper
// for γ ≤ 1.
func (s *Source) expFraction(f *fraction) bool {
	k := uint64(1)
	for s.overK(f, k) {
		k++
	}
	return k%2 == 1
}

// exp1 gives true with probability exp(−1).
func (s *Source) exp1() bool {
	f := fraction{num: u128{0, 1}, den: u128{0, 1}, low: u128{1, 0}, high: u128{1, 0}}
	return s.expFraction(&f)
}

// exp gives true with probability exp(−num/den), den > 0: algorithm 1 of the
// paper, whose first part ends at the first failure.
func (s *Source) exp(num, den u128) bool {
	for !num.less(den) {
		if !s.exp1() {
			return false
		}
		num = num.minus(den)
	}
	f := small(num, den)
	return s.expFraction(&f)
}

// Exp gives true with probability exp(−x) for a rational x ≥ 0.
func (s *Source) Exp(x *big.Rat) bool { return s.expBig(x.Num(), x.Denom()) }

// expBig gives true with probability exp(−num/den), num ≥ 0, den > 0.
func (s *Source) expBig(num, den *big.Int) bool {
	if num.BitLen() <= 128 && den.BitLen() <= 128 {
		return s.exp(toU128(num), toU128(den))
	}
	num = new(big.Int).Set(num)
	for num.Cmp(den) >= 0 {
		if !s.exp1() {
			return false
		}
		num.Sub(num, den)
	}
	// What is cut off is put into the bounds.
	shift := uint(max(0, den.BitLen()-127))
	n, d := toU128(new(big.Int).Rsh(num, shift)), toU128(new(big.Int).Rsh(den, shift))
	f := fraction{bigNum: num, bigDen: den}
	f.low, _ = enclose(n, d.plus1())
	if n = n.plus1(); n.less(d) {
		_, f.high = enclose(n, d)
	} else {
		f.high = u128{1, 0}
	}
	return s.expFraction(&f)
}

func (x u128) plus1() u128 {
	lo, carry := bits.Add64(x.lo, 1, 0)
	return u128{x.hi + carry, lo}
}

// toU128 gives x, which has at most 128 bits.
func toU128(x *big.Int) u128 {
	low := new(big.Int).And(x, new(big.Int).SetUint64(^uint64(0)))
	return u128{new(big.Int).Rsh(x, 64).Uint64(), low.Uint64()}
}
