package query

import "math"

// Lattice says which integers stand for the values of an aggregate: a value v
// is the integer v·Scale, rounded, less Center. It comes from ranges alone,
// never from rows.
type Lattice struct {
	Scale  float64 // a power of 10 for exact numbers, of 2 for doubles
	Center int64

	Low, High int64 // the least and the greatest integer, before Center is taken

	row   *phys // the integer of one row, before Center
	whole bool  // every value is that of an integer
}

// How finely doubles are summed, and squared, and sorted into bins.
const (
	sumBits    = 30
	squareBits = 20
	binBits    = 12
	foundBits  = 10 // where groups come from the data
	mostCells  = 1 << 20
)

// latticeOf gives the integers of a value's range: its own where it is exact
// and small enough, otherwise at least 2^(bits-1) and at most 2^bits steps.
func latticeOf(x *phys, bits int) *Lattice {
	exact := int64(1) << bits
	if bits == sumBits {
		exact = 1 << 40
	}
	if x.rep == isInt && x.hi-x.lo <= exact && max(x.hi, -x.lo) <= 1<<50 {
		return &Lattice{Scale: math.Pow10(x.scale), row: x, Low: x.lo, High: x.hi, whole: true}
	}
	f := toFloat(x)
	width := f.fhi - f.flo
	if width == 0 {
		width = max(f.size(), 1)
	}
	_, e := math.Frexp(width)
	k := bits - e
	if _, size := math.Frexp(f.size()); k > 52-size {
		k = 52 - size
	}
	if k > 900 || k < -900 {
		return nil
	}
	scale := math.Ldexp(1, k)
	if k < 0 {
		f = flush(f)
	}
	at := func(v float64) int64 { return int64(math.Floor(v*scale + 0.5)) }
	times := newFloat(f.flo*scale, f.fhi*scale, math.SmallestNonzeroFloat64, "*", f, floatConst(scale))
	half := newFloat(f.flo*scale, f.fhi*scale+1, math.SmallestNonzeroFloat64, "+", times, floatConst(0.5))
	floor := newFloat(math.Floor(f.flo*scale+0.5), math.Floor(f.fhi*scale+0.5), 1, "floor", half)
	return &Lattice{Scale: scale, row: newInt(0, num, at(f.flo), at(f.fhi), "toint", floor), Low: at(f.flo), High: at(f.fhi)}
}

// binsOf sorts values into at most 2^bits bins.
func binsOf(x *phys, bits int) *Lattice {
	l := latticeOf(x, bits)
	if l != nil && l.High-l.Low >= int64(1)<<bits {
		l = latticeOf(x, bits-1)
	}
	return l
}
