package question

import (
	"errors"
	"fmt"
	"strings"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/dp"
	"github.com/anchorhold/anchorhold/dp/account"
	"github.com/anchorhold/anchorhold/dp/query"
	"github.com/anchorhold/anchorhold/exposure"
)

// price is what a question may spend, in the currency of its population's limit:
// Laplace noise where that is pure ε, Gaussian noise where it has a δ.
type price struct {
	epsilon   account.Epsilon // with delta, the guarantee of this answer by itself
	delta     account.Delta
	rho       account.Rho   // of Gaussian noise
	selection account.Delta // for groups that are selected by a threshold
}

// selectionShare is which part of a limit's δ for answers a selection takes where
// the question says nothing of δ.
const selectionShare = 100

// priceOf reads the price that a question names, or else the owner's. selects says
// that groups come from the data.
func priceOf(limit account.Limit, o query.Options, owner *anchorhold.Price, selects bool) (price, error) {
	e, d, err := stated(o, owner)
	if err != nil {
		return price{}, err
	}
	return priceAt(limit, e, d, selects)
}

// priceAt is the price of an ε, and a δ where one is named.
func priceAt(limit account.Limit, e account.Epsilon, d account.Delta, selects bool) (price, error) {
	if limit.Pure() {
		switch {
		case selects:
			return price{}, anchorhold.Errorf(anchorhold.Conflict,
				"name them (WHERE key IN (…)), or ask the owner to state the closed set of the key (dataset privacy --domain), or for a limit with a delta",
				"groups that are found in the data need a delta, and the limit of this population has none")
		case d > 0:
			return price{}, anchorhold.Errorf(anchorhold.Invalid, "leave delta out", "the limit of this population admits no delta")
		}
		return price{epsilon: e}, nil
	}
	p := price{epsilon: e, delta: d}
	conversion := d
	switch {
	case d == 0:
		conversion = limit.Conversion
		if selects {
			p.selection = max(1, (limit.Delta-limit.Conversion)/selectionShare)
		}
		p.delta = conversion + p.selection
	case selects:
		p.selection = d / 2
		conversion = d - p.selection
	}
	p.rho = account.RhoFor(e, conversion)
	if p.rho == 0 {
		return price{}, anchorhold.Errorf(anchorhold.Invalid, "name a larger epsilon or delta", "for this price there is no answer")
	}
	return p, nil
}

// stated gives ε and δ of the question, or of the owner's default.
func stated(o query.Options, owner *anchorhold.Price) (e account.Epsilon, d account.Delta, err error) {
	switch {
	case o.Epsilon > 0:
		e, err = account.EpsilonOf(o.Epsilon)
		if err == nil && o.Delta > 0 {
			d, err = account.DeltaOf(o.Delta)
		}
	case owner != nil:
		e, err = account.ParseEpsilon(owner.Epsilon)
		if err == nil && owner.Delta != "" {
			d, err = account.ParseDelta(owner.Delta)
		}
	default:
		return 0, 0, anchorhold.Errorf(anchorhold.Invalid, "write SELECT WITH DIFFERENTIAL_PRIVACY OPTIONS(epsilon=0.1) …", "the question names no price, and the owner has set none")
	}
	return e, d, refused(err)
}

// amount is what the ledger is charged with.
func (p price) amount() (exposure.Amount, error) {
	if p.rho == 0 {
		c, err := account.PureCharge(p.epsilon)
		return exposure.Priced(p.epsilon, 0, c), refused(err)
	}
	return exposure.Priced(p.epsilon, p.delta, account.Charge{Pure: account.Infinite, Rho: p.rho, Delta: p.selection}), nil
}

// noise is the price as mechanisms take it.
func (p price) noise() (dp.Price, error) {
	if p.rho == 0 {
		q, err := dp.Epsilon(p.epsilon.Rat())
		return q, refused(err)
	}
	q, err := dp.Rho(p.rho.Rat())
	return q, refused(err)
}

// refused gives what a library refused the form of all errors.
func refused(err error) error {
	var wrong *account.Error
	var parameter *dp.Error
	var refusal *query.Refusal
	var missing *query.Missing
	switch {
	case errors.As(err, &wrong):
		return anchorhold.Errorf(anchorhold.Invalid, wrong.Remedy, "%s", wrong.Problem)
	case errors.As(err, &parameter):
		return anchorhold.Errorf(anchorhold.Invalid, parameter.Remedy, "the question cannot be answered at this price: %s %s", parameter.Parameter, parameter.Fault)
	case errors.As(err, &refusal):
		where := ""
		if refusal.Line > 0 {
			where = fmt.Sprintf("line %d, column %d: ", refusal.Line, refusal.Column)
		}
		return anchorhold.Errorf(anchorhold.Invalid, refusal.Remedy, "%s%s is not answered without a review", where, refusal.Construct)
	case errors.As(err, &missing):
		return anchorhold.Errorf(anchorhold.Conflict, "ask the owner to state it, or submit code for a review", "the owner has not stated %s", strings.Join(missing.Facts, ", "))
	}
	return err
}
