// Package exposure keeps how much proved answers may have revealed about the
// people of a population, and refuses what would go over a limit.
//
// It promises that a charge is checked against every account that it touches,
// of every population, and added to all of them or to none, in the transaction
// of the act that asks for it, so that a hundred people who race for what fits
// ten get ten; that nothing is ever given back; that what stands in a sum is
// what stands in the ledger, which anybody may add up; and that a refusal
// depends on the ledger and on limits alone. A population without a limit has
// none to spend: its questions go to a person.
//
// It must never see data, an answer, or a price that data had a part in. Tests
// race for what fits, kill the site between reserving and answering, and add the
// ledger up again.
package exposure

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/books"
	"github.com/anchorhold/anchorhold/dp/account"
	"github.com/anchorhold/anchorhold/store"
)

// Service sets limits and tells what was spent.
type Service struct {
	Books *books.Books
}

// Charge is what an answer costs, whom, and about whom.
type Charge struct {
	Principal   string
	Study       string // empty: exploration
	Subject     string // id of the question
	What        string // one sentence without private values
	Populations []string
	Amount      Amount
	// Again: the population has paid for this answer, which only its asker has
	// not seen yet.
	Again bool
}

// Amount is what an answer costs: as it was priced, an (ε, δ) guarantee by
// itself, and in the currencies in which limits are enforced. Its JSON, whose
// names are in order, is canonical.
type Amount struct {
	Delta     account.Delta   `json:"delta"`      // of the price
	Epsilon   account.Epsilon `json:"epsilon"`    // of the price
	Pure      account.Epsilon `json:"pure"`       // Infinite for a mechanism that has a δ only by conversion
	Rho       account.Rho     `json:"rho"`        //
	ZCDPDelta account.Delta   `json:"zcdp_delta"` // the answer is δ-approximately ρ-zCDP
}

// Charge gives what limits count.
func (a Amount) Charge() account.Charge {
	return account.Charge{Pure: a.Pure, Rho: a.Rho, Delta: a.ZCDPDelta}
}

// Priced makes an amount of a price and of what limits count.
func Priced(e account.Epsilon, d account.Delta, c account.Charge) Amount {
	return Amount{Delta: d, Epsilon: e, Pure: c.Pure, Rho: c.Rho, ZCDPDelta: c.Delta}
}

// plus adds an amount to a running sum; sums stop where no limit admits them.
func (a Amount) plus(s anchorhold.Exposed) anchorhold.Exposed {
	sum := a.Charge().Plus(chargeOf(s))
	plain := account.Charge{Pure: a.Epsilon, Delta: a.Delta}.Plus(account.Charge{Pure: account.Epsilon(s.Plain), Delta: account.Delta(s.PlainDelta)})
	return anchorhold.Exposed{Pure: int64(sum.Pure), Rho: int64(sum.Rho), Delta: int64(sum.Delta), Plain: int64(plain.Pure), PlainDelta: int64(plain.Delta)}
}

func chargeOf(s anchorhold.Exposed) account.Charge {
	return account.Charge{Pure: account.Epsilon(s.Pure), Rho: account.Rho(s.Rho), Delta: account.Delta(s.Delta)}
}

// Over is the error of a charge that does not fit: where, and what still does.
type Over struct {
	Account anchorhold.ExposureAccount
	Limit   account.Limit
	Spent   account.Charge
}

// Error says which limit was met, in words for who asked.
func (o *Over) Error() string {
	return fmt.Sprintf("this would go over the limit of exposure of %s", scopeWords(o.Account))
}

// Left is what may still be spent of the limit that was met.
func (o *Over) Left() account.Charge { return o.Limit.Left(o.Spent) }

func scopeWords(a anchorhold.ExposureAccount) string {
	switch a.Scope {
	case anchorhold.LimitResearcher:
		return fmt.Sprintf("one person about %q", a.Population)
	case anchorhold.LimitStudy:
		return fmt.Sprintf("the study %q about %q", a.Name, a.Population)
	case anchorhold.LimitExploration:
		return fmt.Sprintf("exploration of %q", a.Population)
	case anchorhold.LimitQuestion:
		return fmt.Sprintf("one question about %q", a.Population)
	case anchorhold.LimitPopulation:
	}
	return fmt.Sprintf("%q", a.Population)
}

// Reserve adds a charge to every account that it counts in, or refuses it whole.
// It writes one entry of the ledger for each population. It is to be called
// within the act that begins to answer, before anything of the data is touched.
func Reserve(tx store.Tx, now time.Time, c Charge) error {
	if len(c.Populations) == 0 || c.Amount.Charge() == (account.Charge{}) {
		return errors.New("a charge without an amount or a population") // a mistake of ours
	}
	populations := slices.Compact(slices.Sorted(slices.Values(c.Populations)))
	for _, p := range populations {
		if err := reserve(tx, p, c); err != nil {
			return err
		}
	}
	amount, err := json.Marshal(c.Amount)
	if err != nil {
		return err
	}
	for _, p := range populations {
		err := tx.AddLedger(anchorhold.LedgerEntry{
			ID: anchorhold.NewID(anchorhold.PrefixLedger), Class: anchorhold.ExposureProved, Population: p, Study: c.Study,
			Principal: c.Principal, Subject: c.Subject, Amount: string(amount), What: c.What, Created: now, Counted: c.Counted(),
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// Counted names the accounts where not all of them are meant.
func (c Charge) Counted() []anchorhold.ExposureScope {
	if c.Again {
		return []anchorhold.ExposureScope{anchorhold.LimitResearcher}
	}
	return nil
}

// accounts are those in which a charge counts for a population: all, or those of
// the scopes named.
func accounts(population, principal, study string, counted []anchorhold.ExposureScope) []anchorhold.ExposureAccount {
	purpose := anchorhold.ExposureAccount{Population: population, Scope: anchorhold.LimitExploration}
	if study != "" {
		purpose = anchorhold.ExposureAccount{Population: population, Scope: anchorhold.LimitStudy, Name: study}
	}
	all := []anchorhold.ExposureAccount{
		{Population: population, Scope: anchorhold.LimitPopulation},
		{Population: population, Scope: anchorhold.LimitResearcher, Name: principal},
		purpose,
	}
	return slices.DeleteFunc(all, func(a anchorhold.ExposureAccount) bool { return len(counted) > 0 && !slices.Contains(counted, a.Scope) })
}

func reserve(tx store.Tx, population string, c Charge) error {
	places, err := placesOf(tx, population, c)
	if err != nil {
		return err
	}
	if over := admit(places, c.Amount); over != nil {
		return over
	}
	for _, p := range places {
		if p.account.Scope == anchorhold.LimitQuestion {
			continue // nothing is summed
		}
		if err := tx.PutExposed(p.account, c.Amount.plus(p.sum)); err != nil {
			return err
		}
	}
	return nil
}

// place is an account in which a charge counts, as it stands.
type place struct {
	account anchorhold.ExposureAccount
	limit   *account.Limit
	sum     anchorhold.Exposed
}

// placesOf are the accounts of a population in which a charge counts, and the
// limit of one question.
func placesOf(tx store.Tx, population string, c Charge) (out []place, err error) {
	limits, err := limitsOf(tx, population)
	if err != nil {
		return nil, err
	}
	if _, ok := limits.of(anchorhold.ExposureAccount{Population: population, Scope: anchorhold.LimitPopulation}); !ok {
		return nil, NoLimit(population)
	}
	question := anchorhold.ExposureAccount{Population: population, Scope: anchorhold.LimitQuestion}
	for _, a := range append([]anchorhold.ExposureAccount{question}, accounts(population, c.Principal, c.Study, c.Counted())...) {
		p := place{account: a}
		if l, ok := limits.of(a); ok {
			p.limit = &l
		}
		if a != question {
			if p.sum, err = tx.Exposed(a); err != nil {
				return nil, err
			}
		}
		out = append(out, p)
	}
	return out, nil
}

// admit gives the first limit that an amount would go over; nil: it fits.
func admit(places []place, a Amount) error {
	for _, p := range places {
		if p.limit != nil && !p.limit.Admits(chargeOf(p.sum), a.Charge()) {
			return &Over{p.account, *p.limit, chargeOf(p.sum)}
		}
	}
	return nil
}

// Fits says of any amount whether it could be charged instead of a charge's own. It
// changes nothing.
func Fits(tx store.Tx, c Charge) (func(Amount) bool, error) {
	var all []place
	for _, p := range c.Populations {
		places, err := placesOf(tx, p, c)
		if err != nil {
			return nil, err
		}
		all = append(all, places...)
	}
	return func(a Amount) bool { return admit(all, a) == nil }, nil
}

// Exhaust takes a population's limit for spent, whole: what was answered may be lost.
// Only a raise, on record, lets anything be answered again. Where there is no limit,
// one may be lost, with what was answered under it: the least amount is charged,
// since a limit over what was spent from needs a reason. The amount that is charged
// comes back as the ledger has it, empty where there is none.
func Exhaust(tx store.Tx, now time.Time, population, subject, why string) (string, error) {
	limits, err := limitsOf(tx, population)
	if err != nil {
		return "", err
	}
	a := anchorhold.ExposureAccount{Population: population, Scope: anchorhold.LimitPopulation}
	l, limited := limits.of(a)
	spent, err := tx.Exposed(a)
	if err != nil {
		return "", err
	}
	amount, err := lost(l, limited, chargeOf(spent))
	if err != nil || amount == (Amount{}) {
		return "", err
	}
	text, err := json.Marshal(amount)
	if err != nil {
		return "", err
	}
	if err := tx.PutExposed(a, amount.plus(spent)); err != nil {
		return "", err
	}
	return string(text), tx.AddLedger(anchorhold.LedgerEntry{
		ID: anchorhold.NewID(anchorhold.PrefixLedger), Class: anchorhold.ExposureProved, Population: population, Principal: "unknown", Subject: subject,
		Amount: string(text), What: why, Created: now, Counted: []anchorhold.ExposureScope{anchorhold.LimitPopulation},
	})
}

// lost is what a restored site has to count for what its books do not have: all that
// is left of its limit. It counts in every currency, as it would have: the next limit
// may be in another one.
func lost(l account.Limit, limited bool, spent account.Charge) (Amount, error) {
	if !limited {
		if spent != (account.Charge{}) {
			return Amount{}, nil
		}
		least, err := account.PureCharge(1)
		return Priced(1, 0, least), err
	}
	left := l.Left(spent)
	if left == (account.Charge{}) {
		return Amount{}, nil
	}
	if !l.Pure() {
		left.Pure = account.Infinite
		return Priced(l.Epsilon, l.Delta, left), nil
	}
	left, err := account.PureCharge(left.Pure)
	return Priced(l.Epsilon, 0, left), err
}

// NoLimit is the error for a population of which no owner has said how much may
// be learnt.
func NoLimit(population string) error {
	return anchorhold.Errorf(anchorhold.Conflict, "submit code for a review, or ask the owner to set a limit: anchorhold ledger limits --population "+population+" --epsilon 3",
		"no limit of exposure is set for %q, so nothing about it is answered without a review", population)
}

// limits are those of one population, by account; those without a name hold for
// everybody who has none of their own.
type limits map[anchorhold.ExposureAccount]account.Limit

func limitsOf(tx store.Tx, population string) (limits, error) {
	list, err := tx.Limits(population)
	if err != nil {
		return nil, err
	}
	out := limits{}
	for _, l := range list {
		parsed, err := Parse(l)
		if err != nil {
			return nil, err // a limit that cannot be read admits nothing
		}
		out[l.ExposureAccount] = parsed
	}
	return out, nil
}

func (l limits) of(a anchorhold.ExposureAccount) (account.Limit, bool) {
	own, ok := l[a]
	if ok {
		return own, true
	}
	a.Name = ""
	each, ok := l[a]
	return each, ok
}

// LimitOf gives the limit over all answers about a population; NoLimit is its
// error where there is none.
func LimitOf(tx store.Tx, population string) (account.Limit, error) {
	all, err := limitsOf(tx, population)
	if err != nil {
		return account.Limit{}, err
	}
	l, ok := all.of(anchorhold.ExposureAccount{Population: population, Scope: anchorhold.LimitPopulation})
	if !ok {
		return l, NoLimit(population)
	}
	return l, nil
}

// Parse reads a limit as it is kept.
func Parse(l anchorhold.ExposureLimit) (out account.Limit, err error) {
	for _, part := range []struct {
		text string
		to   interface{ UnmarshalText([]byte) error }
	}{
		{l.Epsilon, &out.Epsilon},
		{cmp.Or(l.Delta, "0"), &out.Delta},
		{cmp.Or(l.Conversion, "0"), &out.Conversion},
		{cmp.Or(l.Rho, "0"), &out.Rho},
	} {
		if err := part.to.UnmarshalText([]byte(part.text)); err != nil {
			return account.Limit{}, fmt.Errorf("a limit of exposure cannot be read: %w", err)
		}
	}
	return out, nil
}
