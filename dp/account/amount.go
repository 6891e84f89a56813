package account

import (
	"math"
	"math/big"
	"strconv"
	"strings"
)

// Amounts are whole numbers of a small decimal unit. Decimals, because people
// state them so: ten questions at 0.1 fit a limit of 1.0 exactly, which no
// binary fraction gives. Whole numbers, because their sums are exact, do not
// depend on the order of what is added, and can be made by a database.
//
// Addition stops at [Infinite], which no limit reaches: a sum that would
// overflow is refused by every filter.

// Epsilon is an amount of pure differential privacy, in units of 10⁻¹².
type Epsilon int64

// Rho is an amount of zero-concentrated differential privacy, in units of 10⁻¹².
type Rho int64

// Delta is a probability that a bound does not hold, in units of 10⁻¹⁸.
type Delta int64

// Infinite is the amount, in any of the three currencies, that no limit admits.
const Infinite = math.MaxInt64

const (
	epsilonPlaces = 12
	deltaPlaces   = 18
	// MaxEpsilon is the largest ε or ρ that can be stated: far above any that
	// protects somebody, and far below where arithmetic ends.
	MaxEpsilon = 1e6
)

// ParseEpsilon reads a decimal and rounds it down: a mechanism calibrated to
// the result never costs more than was said.
func ParseEpsilon(s string) (Epsilon, error) {
	n, err := parse("epsilon", s, epsilonPlaces, MaxEpsilon)
	return Epsilon(n), err
}

// ParseRho reads a decimal and rounds it down.
func ParseRho(s string) (Rho, error) {
	n, err := parse("rho", s, epsilonPlaces, MaxEpsilon)
	return Rho(n), err
}

// ParseDelta reads a decimal below 1 and rounds it down.
func ParseDelta(s string) (Delta, error) {
	n, err := parse("delta", s, deltaPlaces, 1)
	if err == nil && n == unit(deltaPlaces) {
		return 0, refuse("state a delta such as 1e-6", "delta is 1, which promises nothing")
	}
	return Delta(n), err
}

// EpsilonOf takes a float for the decimal that people wrote: the shortest that
// gives this float.
func EpsilonOf(x float64) (Epsilon, error) { return ParseEpsilon(decimal(x)) }

// RhoOf takes a float for the decimal that people wrote.
func RhoOf(x float64) (Rho, error) { return ParseRho(decimal(x)) }

// DeltaOf takes a float for the decimal that people wrote.
func DeltaOf(x float64) (Delta, error) { return ParseDelta(decimal(x)) }

// Rat gives the amount as the rational that samplers are calibrated to.
func (e Epsilon) Rat() *big.Rat { return rational(int64(e), epsilonPlaces) }

// Rat gives the amount as a rational.
func (r Rho) Rat() *big.Rat { return rational(int64(r), epsilonPlaces) }

// Rat gives the amount as a rational.
func (d Delta) Rat() *big.Rat { return rational(int64(d), deltaPlaces) }

// String writes the amount as an exact decimal.
func (e Epsilon) String() string { return format(int64(e), epsilonPlaces) }

// String writes the amount as an exact decimal.
func (r Rho) String() string { return format(int64(r), epsilonPlaces) }

// String writes the amount as an exact decimal.
func (d Delta) String() string { return format(int64(d), deltaPlaces) }

// MarshalText writes the amount as an exact decimal.
func (e Epsilon) MarshalText() ([]byte, error) { return []byte(e.String()), nil }

// MarshalText writes the amount as an exact decimal.
func (r Rho) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// MarshalText writes the amount as an exact decimal.
func (d Delta) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads what MarshalText wrote, and nothing that it would round.
func (e *Epsilon) UnmarshalText(text []byte) error {
	n, err := exact("epsilon", string(text), epsilonPlaces)
	*e = Epsilon(n)
	return err
}

// UnmarshalText reads what MarshalText wrote, and nothing that it would round.
func (r *Rho) UnmarshalText(text []byte) error {
	n, err := exact("rho", string(text), epsilonPlaces)
	*r = Rho(n)
	return err
}

// UnmarshalText reads what MarshalText wrote, and nothing that it would round.
func (d *Delta) UnmarshalText(text []byte) error {
	n, err := exact("delta", string(text), deltaPlaces)
	*d = Delta(n)
	return err
}

// Float gives the nearest float.
func (e Epsilon) Float() float64 { return float(int64(e), epsilonPlaces) }

// Float gives the nearest float.
func (r Rho) Float() float64 { return float(int64(r), epsilonPlaces) }

// Float gives the nearest float.
func (d Delta) Float() float64 { return float(int64(d), deltaPlaces) }

const infinite = "infinite"

func unit(places int) int64 {
	n := int64(1)
	for range places {
		n *= 10
	}
	return n
}

func float(n int64, places int) float64 {
	if n == Infinite {
		return math.Inf(1)
	}
	return float64(n) / float64(unit(places))
}

func rational(n int64, places int) *big.Rat { return big.NewRat(n, unit(places)) }

func format(n int64, places int) string {
	if n == Infinite {
		return infinite
	}
	s := rational(n, places).FloatString(places)
	return strings.TrimSuffix(strings.TrimRight(s, "0"), ".")
}

func decimal(x float64) string { return strconv.FormatFloat(x, 'g', -1, 64) }

// number reads a decimal in the usual forms, and no fraction, sign, base or
// exponent that would make a number of many digits.
func number(what, s string) (*big.Rat, error) {
	bad := refuse("write a decimal such as 0.5 or 1e-6", "%s %q is no number above zero", what, short(s))
	mantissa, exponent, found := strings.Cut(strings.ToLower(s), "e")
	whole, fraction, point := strings.Cut(mantissa, ".")
	if len(s) > 64 || whole == "" || point && fraction == "" || !digits(whole) || !digits(fraction) {
		return nil, bad
	}
	if found {
		if n, err := strconv.Atoi(exponent); err != nil || n < -400 || n > 400 {
			return nil, bad
		}
	}
	r, ok := new(big.Rat).SetString(s)
	if !ok {
		return nil, bad
	}
	return r, nil
}

func digits(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r < '0' || r > '9' }) < 0
}

func short(s string) string { return s[:min(len(s), 64)] }

// parse reads an amount above zero and up to most, rounded down.
func parse(what, s string, places int, most float64) (int64, error) {
	r, err := number(what, s)
	if err != nil {
		return 0, err
	}
	if r.Sign() == 0 {
		return 0, refuse("state a number above zero", "%s is zero", what)
	}
	if r.Cmp(new(big.Rat).SetFloat64(most)) > 0 {
		return 0, refuse("state a smaller one", "%s %s is above %v", what, short(s), most)
	}
	n := units(r, places, false)
	if n == 0 {
		return 0, refuse("state a larger one", "%s %s is below the smallest amount, %s", what, short(s), format(1, places))
	}
	return n, nil
}

// exact reads a stored amount, zero and infinite among them.
func exact(what, s string, places int) (int64, error) {
	if s == infinite {
		return Infinite, nil
	}
	r, err := number(what, s)
	if err != nil {
		return 0, err
	}
	n := units(r, places, true)
	if n == Infinite || rational(n, places).Cmp(r) != 0 {
		return 0, refuse("use the text that was stored", "%s %s is no amount of this unit", what, short(s))
	}
	return n, nil
}

// units gives a rational that is not negative in units of 10^-places, rounded
// up or down; Infinite when there are too many.
func units(r *big.Rat, places int, up bool) int64 {
	n := new(big.Int).Mul(r.Num(), big.NewInt(unit(places)))
	n, rest := n.QuoRem(n, r.Denom(), new(big.Int))
	if up && rest.Sign() > 0 {
		n.Add(n, big.NewInt(1))
	}
	if !n.IsInt64() {
		return Infinite
	}
	return n.Int64()
}

// fromFloat gives a float that is not negative in units, rounded outward by
// more than the float's own error.
func fromFloat(x float64, places int, up bool) int64 {
	if up {
		x *= 1 + 0x1p-50
	} else {
		x *= 1 - 0x1p-50
	}
	r := new(big.Rat).SetFloat64(x)
	if r == nil {
		return Infinite
	}
	return units(r, places, up)
}

// plus adds amounts that are not negative, and stops at Infinite.
func plus[T ~int64](a, b T) T {
	if a > Infinite-b {
		return Infinite
	}
	return a + b
}
