package dp

import (
	"math"
	"math/big"

	"github.com/anchorhold/anchorhold/dp/internal/num"
)

// maxSteps bounds the ends of a lattice, so that a sum of products over 2⁴⁷
// rows still fits into 128 bits.
const maxSteps = 1 << 40

// Lattice is where the values of a column lie: the multiples of a step between
// two bounds, all of which the data's owner states. Sums over it are exact
// integers, and its granularity is the same whatever the values are, so that no
// bit of an answer's form depends on data (Mironov, CCS 2012; Haney and others,
// arXiv 2207.13793; Casacuberta and others, arXiv 2207.10635).
type Lattice struct {
	step      *big.Rat
	low, high int64 // in steps
	power     int   // step = 2^power, if binary
	binary    bool
}

// NewLattice takes a step and bounds. The bounds move inward to the nearest
// multiples of the step.
func NewLattice(step, low, high *big.Rat) (*Lattice, error) {
	if err := num.Positive("step", step); err != nil {
		return nil, err
	}
	if err := checkBounds(low, high); err != nil {
		return nil, err
	}
	l := &Lattice{step: new(big.Rat).Set(step)}
	first, last := new(big.Rat).Quo(low, step), new(big.Rat).Quo(high, step)
	from := new(big.Int).Neg(floor(first.Neg(first)))
	to := floor(last)
	limit := big.NewInt(maxSteps)
	if from.CmpAbs(limit) > 0 || to.CmpAbs(limit) > 0 {
		return nil, num.Refuse("step", TooSmall, "give a larger step or closer bounds: at most 2⁴⁰ steps from zero")
	}
	if from.Cmp(to) > 0 {
		return nil, num.Refuse("step", TooLarge, "give a smaller step: no multiple of it lies within the bounds")
	}
	l.low, l.high = from.Int64(), to.Int64()
	l.power, l.binary = powerOfTwo(step)
	return l, nil
}

// ChooseLattice chooses the step for bounds: the largest power of two of which
// there are at least 2²⁰ between them, or as many as bounds far from zero
// permit.
func ChooseLattice(low, high *big.Rat) (*Lattice, error) {
	if err := checkBounds(low, high); err != nil {
		return nil, err
	}
	width := new(big.Rat).Sub(high, low)
	if width.Sign() == 0 {
		return NewLattice(big.NewRat(1, 1), low, high)
	}
	step := twoTo(log2(width) - 20)
	far := new(big.Rat).Abs(low)
	if other := new(big.Rat).Abs(high); other.Cmp(far) > 0 {
		far = other
	}
	if least := twoTo(log2(far) - 39); step.Cmp(least) < 0 {
		step = least
	}
	return NewLattice(step, low, high)
}

func checkBounds(low, high *big.Rat) error {
	if err := num.Short("lower bound", low); err != nil {
		return err
	}
	if err := num.Short("upper bound", high); err != nil {
		return err
	}
	if low.Cmp(high) > 0 {
		return num.Refuse("bounds", Unordered, "give the lower one first")
	}
	return nil
}

// log2 gives ⌊log₂ x⌋ for x > 0.
func log2(x *big.Rat) int {
	n := x.Num().BitLen() - x.Denom().BitLen()
	if twoTo(n).Cmp(x) > 0 {
		n--
	}
	return n
}

// twoTo gives 2^n for any n.
func twoTo(n int) *big.Rat {
	p := new(big.Int).Lsh(big.NewInt(1), uint(max(n, -n)))
	if n < 0 {
		return new(big.Rat).SetFrac(big.NewInt(1), p)
	}
	return new(big.Rat).SetInt(p)
}

// powerOfTwo gives n if x is 2^n and of a size at which float64 scales exactly.
func powerOfTwo(x *big.Rat) (n int, ok bool) {
	n = log2(x)
	return n, n >= -900 && n <= 900 && twoTo(n).Cmp(x) == 0
}

// floor gives ⌊x⌋.
func floor(x *big.Rat) *big.Int { return new(big.Int).Div(x.Num(), x.Denom()) }

// Step gives the step.
func (l *Lattice) Step() *big.Rat { return new(big.Rat).Set(l.step) }

// Bounds gives the bounds in steps.
func (l *Lattice) Bounds() (low, high int64) { return l.low, l.high }

// clamp moves a number of steps into the bounds.
func (l *Lattice) clamp(n int64) int64 { return min(max(n, l.low), l.high) }

// missing is where NaN goes: no value may be refused for what it is, and each
// must count as one within the bounds.
func (l *Lattice) missing() int64 { return l.clamp(0) }

// Encode gives the nearest point within the bounds in steps: ⌊x/step + ½⌋,
// computed exactly, clamped. Infinities go to the bounds, NaN to the point
// nearest zero; no value fails.
func (l *Lattice) Encode(x float64) int64 {
	switch {
	case math.IsNaN(x):
		return l.missing()
	case math.IsInf(x, 1):
		return l.high
	case math.IsInf(x, -1):
		return l.low
	}
	if l.binary {
		// Exact: scaling by a power of two keeps all digits, unless the result
		// is next to zero, where ⌊… + ½⌋ is 0 or −0 all the same.
		y := math.Ldexp(x, -l.power)
		if y >= -maxSteps && y <= maxSteps {
			whole := math.Floor(y)
			if y-whole >= 0.5 {
				whole++
			}
			return l.clamp(int64(whole))
		}
		if y > 0 {
			return l.high
		}
		return l.low
	}
	return l.EncodeRat(new(big.Rat).SetFloat64(x))
}

// EncodeRat is Encode for a rational, such as a decimal; nil counts as NaN.
func (l *Lattice) EncodeRat(x *big.Rat) int64 {
	if x == nil {
		return l.missing()
	}
	y := new(big.Rat).Quo(x, l.step)
	n := floor(y.Add(y, big.NewRat(1, 2)))
	switch {
	case n.Cmp(big.NewInt(l.low)) <= 0:
		return l.low
	case n.Cmp(big.NewInt(l.high)) >= 0:
		return l.high
	}
	return n.Int64()
}

// Decode gives the value of a number of steps, exactly.
func (l *Lattice) Decode(steps *big.Int) *big.Rat {
	return new(big.Rat).Mul(new(big.Rat).SetInt(steps), l.step)
}

// largest gives the largest magnitude of a point, in steps.
func (l *Lattice) largest() int64 { return max(l.high, -l.low) }

// width gives the number of steps between the bounds, and centre the sum of the
// bounds: twice a value less centre lies between −width and width.
func (l *Lattice) width() int64  { return l.high - l.low }
func (l *Lattice) centre() int64 { return l.low + l.high }
