package dp

import (
	"math"
	"math/big"
	"strconv"

	"github.com/anchorhold/anchorhold/dp/internal/num"
)

// Decimal gives the rational that a person means by a float64: the shortest
// decimal that reads as it, so that 0.1 is 1/10. NaN and infinities are refused.
func Decimal(parameter string, x float64) (*big.Rat, error) {
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return nil, num.Refuse(parameter, NotFinite, "give a number such as 0.5")
	}
	r, _ := new(big.Rat).SetString(strconv.FormatFloat(x, 'g', -1, 64))
	return r, nil
}

// priceSteps is how fine Cheapest looks: in millionths.
const priceSteps = 1_000_000

// Cheapest finds the lowest price, in millionths of ε or ρ, for which an answer
// is as precise as wanted: where within says so of the half-widths that a
// mechanism announces for it before any data (PlusMinus, RankError). A higher
// price must not be less precise. It is refused if no price is enough.
func Cheapest(kind Kind, within func(Price) (bool, error)) (Price, error) {
	name := "epsilon"
	if kind == GaussianNoise {
		name = "rho"
	}
	at := func(n int64) (Price, bool, error) {
		p, err := newPrice(kind, name, big.NewRat(n, priceSteps))
		if err != nil {
			return Price{}, false, err
		}
		ok, err := within(p)
		return p, ok, err
	}
	low, high := int64(0), int64(1)
	best, ok, err := at(high)
	for ; err == nil && !ok; best, ok, err = at(high) {
		if high >= mostSpent*priceSteps {
			return Price{}, num.Refuse("precision", TooSmall, "no price buys it: allow a larger ± or a lower level")
		}
		low, high = high, min(2*high, mostSpent*priceSteps)
	}
	for err == nil && high-low > 1 {
		middle := low + (high-low)/2
		var p Price
		if p, ok, err = at(middle); ok {
			best, high = p, middle
		} else {
			low = middle
		}
	}
	if err != nil {
		return Price{}, err
	}
	return best, nil
}
