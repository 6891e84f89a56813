package question

import (
	"errors"
	"fmt"
	"math"
	"sort"
	"strconv"
	"strings"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/dp/account"
	"github.com/anchorhold/anchorhold/dp/query"
	"github.com/anchorhold/anchorhold/exposure"
	"github.com/anchorhold/anchorhold/store"
)

// Prices are looked for among numbers of three digits, so that what is said of them
// can be written down: from a millionth of ε to a thousand.
const (
	priceDigits = 900 // 100 … 999
	priceFirst  = 10_000
	priceCount  = 9*priceDigits + 1
)

// priceNumber is one of them.
func priceNumber(n int) account.Epsilon {
	e := account.Epsilon(100+n%priceDigits) * priceFirst
	for range n / priceDigits {
		e *= 10
	}
	return e
}

// precision is the ± that a question names, beside it or in its options.
func precision(a *Asked, o query.Options) error {
	if o.Within > 0 {
		if a.Within > 0 && a.Within != o.Within {
			return anchorhold.Errorf(anchorhold.Invalid, "name it once", "the question names two precisions")
		}
		a.Within = o.Within
		if o.Confidence > 0 {
			a.Level = o.Confidence
		}
	}
	switch {
	case a.Within == 0:
		return nil
	case math.IsNaN(a.Within) || math.IsInf(a.Within, 0) || a.Within < 0:
		return anchorhold.Errorf(anchorhold.Invalid, "name a number above zero, such as 5", "the precision is no half of an interval")
	case o.Epsilon > 0:
		return anchorhold.Errorf(anchorhold.Invalid, "leave one of them out", "the question names a price and a precision")
	}
	return nil
}

// buy sets the price of a question and its mechanisms: what it names, or the least
// for which every aggregate lies within the precision that it names. All of it
// follows from the question and from metadata.
func (q *prepared) buy(limit account.Limit, o query.Options) (err error) {
	if q.asked.Within == 0 {
		if q.price, err = priceOf(limit, o, q.dataset.Privacy.Price, selects(q.plan)); err != nil {
			return err
		}
		return q.equip()
	}
	var d account.Delta
	if o.Delta > 0 {
		if d, err = account.DeltaOf(o.Delta); err != nil {
			return refused(err)
		}
	}
	var unknown error
	least := sort.Search(priceCount, func(n int) bool {
		width, err := q.try(limit, priceNumber(n), d)
		if errors.Is(err, errNoPrecision) {
			unknown = err
		}
		return err == nil && width <= q.asked.Within
	})
	if unknown != nil {
		return unknown
	}
	if least == priceCount {
		if _, err := q.try(limit, priceNumber(priceCount-1), d); err != nil {
			return err
		}
		return anchorhold.Errorf(anchorhold.Invalid, "allow a larger ±", "no price buys a ± of %s", numberText(q.asked.Within))
	}
	_, err = q.try(limit, priceNumber(least), d)
	return err
}

// equip makes what follows from the price.
func (q *prepared) equip() (err error) {
	if q.amount, err = q.price.amount(); err != nil {
		return err
	}
	q.noise, err = newMechanisms(q.plan, q.price)
	return err
}

// try sets a price, and gives the largest ± among the question's aggregates.
func (q *prepared) try(limit account.Limit, e account.Epsilon, d account.Delta) (width float64, err error) {
	if q.price, err = priceAt(limit, e, d, selects(q.plan)); err != nil {
		return 0, err
	}
	if err := q.equip(); err != nil {
		return 0, err
	}
	return q.width()
}

// errNoPrecision is the cause of refusals of a ± that nobody can know before data
// are touched.
var errNoPrecision = errors.New("question: the ± depends on data")

// width is the largest ± among the aggregates.
func (q *prepared) width() (width float64, err error) {
	items, err := q.items()
	if err != nil {
		return 0, err
	}
	for _, i := range items {
		switch {
		case i.Kind == kindKey:
		case i.PlusMinus != nil:
			width = max(width, *i.PlusMinus)
		case i.Kind == kindExpression:
			return 0, anchorhold.Errorf(anchorhold.Invalid, "ask for its parts, and compute with the answer; or name the price: OPTIONS(epsilon=0.1)", "the ± of %q, an expression over several, is not known before", i.Name).Because(errNoPrecision)
		default:
			return 0, anchorhold.Errorf(anchorhold.Invalid, "name the price: OPTIONS(epsilon=0.1), whose --dry-run says the ± for groups of several sizes; or ask for the sum and the count, and divide", "how exact %q (%s) is depends on how many rows a group has", i.Name, i.Kind).Because(errNoPrecision)
		}
	}
	return width, nil
}

// overWords says in words what still fits where a limit was met: of the same
// question the most precise answer, from metadata, limits and the ledger alone.
func (q *prepared) overWords(tx store.Tx, charge exposure.Charge, err error) error {
	var over *exposure.Over
	if !errors.As(err, &over) {
		return err
	}
	remedy := "nothing is left to spend: ask the owner, or submit code for a review"
	best, found := q.best(tx, charge)
	if found != nil {
		return found
	}
	switch left := over.Left(); {
	case !over.Limit.Pure() && q.amount.ZCDPDelta > left.Delta:
		remedy = "name the groups: WHERE key IN (…); those that are found in the data need a delta, of which " + left.Delta.String() + " is left"
	case best.price != (price{}):
		remedy = "ask for less precision: " + best.words()
	}
	return anchorhold.Errorf(anchorhold.Conflict, remedy, "%s", over.Error())
}

// best is the question at the highest price that still fits; without a price where
// none does.
func (q *prepared) best(tx store.Tx, charge exposure.Charge) (prepared, error) {
	fits, err := exposure.Fits(tx, charge)
	if err != nil {
		return prepared{}, err
	}
	limit, err := exposure.LimitOf(tx, q.dataset.Population)
	if err != nil {
		return prepared{}, err
	}
	var d account.Delta
	if q.named {
		d = q.price.delta
	}
	tooHigh := sort.Search(priceCount, func(n int) bool {
		p, err := priceAt(limit, priceNumber(n), d, selects(q.plan))
		var amount exposure.Amount
		if err == nil {
			amount, err = p.amount()
		}
		return err == nil && !fits(amount) // a price that is too small for any answer is none that is too high
	})
	best := *q
	if tooHigh == 0 {
		best.price = price{}
		return best, nil
	}
	if _, err := best.try(limit, priceNumber(tooHigh-1), d); err != nil && !errors.Is(err, errNoPrecision) || !fits(best.amount) {
		best.price = price{}
	}
	return best, nil
}

// words says what still fits, as it is asked for.
func (q *prepared) words() string {
	items, err := q.items()
	if err != nil {
		return ""
	}
	var exact []string
	for _, i := range items {
		if i.PlusMinus != nil {
			exact = append(exact, i.Name+" ± "+numberText(*i.PlusMinus))
		}
	}
	if w, err := q.width(); q.asked.Within > 0 && err == nil {
		return "within=" + numberText(w) + " still fits, at epsilon=" + q.price.epsilon.String()
	}
	text := "epsilon=" + q.price.epsilon.String() + " still fits"
	if len(exact) > 0 {
		text += fmt.Sprintf(", with %s (%s%%)", strings.Join(exact, ", "), numberText(100*q.asked.Level))
	}
	return text
}

// numberText writes a number in four digits, the last of them rounded up: a ± that
// is named so is enough.
func numberText(x float64) string {
	for digits := 4; digits <= 17; digits++ {
		text := strconv.FormatFloat(x, 'g', digits, 64)
		if y, err := strconv.ParseFloat(text, 64); err == nil && y >= x {
			return text
		}
	}
	return strconv.FormatFloat(x, 'g', -1, 64)
}
