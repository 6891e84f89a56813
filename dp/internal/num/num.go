// Package num holds the numbers that the library's other parts share: checked
// 128-bit integers, and the refusal of a parameter.
//
// It exists so that samplers, tails and mechanisms agree on both without one of
// them importing another. Arithmetic on an [Int128] either is exact or says
// that it was not: nothing wraps. It must never round.
package num

import (
	"math/big"
	"math/bits"
)

// Int128 is a signed integer of 128 bits in two's complement. The zero value
// is 0.
type Int128 struct {
	hi int64
	lo uint64
}

// Extremes of an Int128.
const (
	maxHi = 1<<63 - 1
	minHi = -1 << 63
)

// FromInt64 gives x.
func FromInt64(x int64) Int128 { return Int128{x >> 63, uint64(x)} }

// FromParts gives the integer of magnitude hi·2⁶⁴ + lo, negated if negative is
// true; ok is false if it does not fit.
func FromParts(negative bool, hi, lo uint64) (x Int128, ok bool) {
	if hi > maxHi {
		return Int128{minHi, 0}, negative && hi == 1<<63 && lo == 0
	}
	x = Int128{int64(hi), lo}
	if negative {
		return x.Neg()
	}
	return x, true
}

// FromBig gives x; ok is false if it does not fit, and for nil.
func FromBig(x *big.Int) (n Int128, ok bool) {
	if x == nil || x.BitLen() > 128 {
		return Int128{}, false
	}
	var mag, low big.Int
	mag.Abs(x)
	low.And(&mag, new(big.Int).SetUint64(^uint64(0)))
	mag.Rsh(&mag, 64)
	return FromParts(x.Sign() < 0, mag.Uint64(), low.Uint64())
}

// Big gives x without limits.
func (x Int128) Big() *big.Int {
	b := new(big.Int).Lsh(big.NewInt(x.hi), 64)
	return b.Add(b, new(big.Int).SetUint64(x.lo))
}

// Int64 gives x; ok is false if it does not fit.
func (x Int128) Int64() (n int64, ok bool) {
	return int64(x.lo), x.hi == int64(x.lo)>>63
}

// Add gives x + y; ok is false if that does not fit.
func (x Int128) Add(y Int128) (sum Int128, ok bool) {
	lo, carry := bits.Add64(x.lo, y.lo, 0)
	hi, _ := bits.Add64(uint64(x.hi), uint64(y.hi), carry)
	sum = Int128{int64(hi), lo}
	// It overflowed if both had the sign that the sum has not.
	return sum, (x.hi^sum.hi)&(y.hi^sum.hi) >= 0
}

// Sub gives x − y; ok is false if that does not fit.
func (x Int128) Sub(y Int128) (difference Int128, ok bool) {
	lo, borrow := bits.Sub64(x.lo, y.lo, 0)
	hi, _ := bits.Sub64(uint64(x.hi), uint64(y.hi), borrow)
	difference = Int128{int64(hi), lo}
	return difference, (x.hi^y.hi)&(x.hi^difference.hi) >= 0
}

// Neg gives −x; ok is false if that does not fit.
func (x Int128) Neg() (n Int128, ok bool) { return Int128{}.Sub(x) }

// Product gives x·y, which always fits.
func Product(x, y int64) Int128 {
	hi, lo := bits.Mul64(uint64(x), uint64(y))
	// The unsigned product is too large by 2⁶⁴·y if x is negative, and likewise.
	if x < 0 {
		hi -= uint64(y)
	}
	if y < 0 {
		hi -= uint64(x)
	}
	return Int128{int64(hi), lo}
}

// Cmp gives −1, 0 or +1 as x is less than, equal to or greater than y.
func (x Int128) Cmp(y Int128) int {
	switch {
	case x.hi < y.hi || x.hi == y.hi && x.lo < y.lo:
		return -1
	case x == y:
		return 0
	}
	return 1
}

// Sign gives −1, 0 or +1.
func (x Int128) Sign() int { return x.Cmp(Int128{}) }

// String gives x in decimals.
func (x Int128) String() string { return x.Big().String() }
