package dp

import (
	"errors"
	"math/big"

	"github.com/anchorhold/anchorhold/dp/internal/num"
)

// Error refuses a parameter, or partials outside of what was declared. It
// names what it refuses and what to do, and repeats no value.
type Error = num.Error

// Fault is what is wrong with a parameter.
type Fault = num.Fault

// The faults.
const (
	Missing     = num.Missing
	NotFinite   = num.NotFinite
	NotPositive = num.NotPositive
	TooSmall    = num.TooSmall
	TooLarge    = num.TooLarge
	Unordered   = num.Unordered
	OutOfBounds = num.OutOfBounds
)

// ErrClosed is what a release gets from a Pool that was closed.
var ErrClosed = errors.New("the pool of noise is closed; open another one")

// Int128 is a signed integer of 128 bits whose arithmetic is exact or says that
// it was not: the type of sums over a lattice.
type Int128 = num.Int128

// FromBig gives x as an Int128; ok is false if it does not fit.
func FromBig(x *big.Int) (n Int128, ok bool) { return num.FromBig(x) }

// FromInt64 gives x as an Int128.
func FromInt64(x int64) Int128 { return num.FromInt64(x) }
