package num

import "math/big"

// Fault is what is wrong with a parameter.
type Fault string

// The faults.
const (
	Missing     Fault = "is missing"
	NotFinite   Fault = "is not a finite number"
	NotPositive Fault = "is not greater than zero"
	TooSmall    Fault = "is too small"
	TooLarge    Fault = "is too large"
	Unordered   Fault = "is not in order"
	OutOfBounds Fault = "is outside of what was declared"
)

// Error refuses a parameter or a partial before anything is drawn. It names
// the parameter and never repeats a value.
type Error struct {
	Parameter string
	Fault     Fault
	Remedy    string // what to do; may be empty
}

// Error says what was wrong and what to do.
func (e *Error) Error() string {
	text := e.Parameter + " " + string(e.Fault)
	if e.Remedy != "" {
		text += "; " + e.Remedy
	}
	return text
}

// Refuse makes an Error.
func Refuse(parameter string, fault Fault, remedy string) *Error {
	return &Error{Parameter: parameter, Fault: fault, Remedy: remedy}
}

// MaxBits is how long numerator and denominator of a parameter may be. It only
// keeps hostile fractions from taking time: every fraction that a person
// writes, and every float64 of usual size, is far below.
const MaxBits = 1200

// Positive refuses a rational that is missing, not greater than zero, or of
// absurd length.
func Positive(parameter string, x *big.Rat) error {
	switch {
	case x == nil:
		return Refuse(parameter, Missing, "give a number greater than zero")
	case x.Sign() <= 0:
		return Refuse(parameter, NotPositive, "give a number greater than zero")
	}
	return Short(parameter, x)
}

// Short refuses a rational that is missing or of absurd length.
func Short(parameter string, x *big.Rat) error {
	switch {
	case x == nil:
		return Refuse(parameter, Missing, "give a number")
	case x.Num().BitLen() > MaxBits || x.Denom().BitLen() > MaxBits:
		return Refuse(parameter, TooLarge, "give it with fewer digits")
	}
	return nil
}

// Between refuses a rational that is missing, of absurd length, or outside of
// the two limits.
func Between(parameter string, x, low, high *big.Rat) error {
	if err := Positive(parameter, x); err != nil {
		return err
	}
	switch {
	case x.Cmp(low) < 0:
		return Refuse(parameter, TooSmall, "give at least "+low.RatString())
	case x.Cmp(high) > 0:
		return Refuse(parameter, TooLarge, "give at most "+high.RatString())
	}
	return nil
}
