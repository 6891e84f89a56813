package exposure

import (
	"context"
	"encoding/json"
	"slices"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/dp/account"
	"github.com/anchorhold/anchorhold/store"
)

// Standing is how an account stands: what was spent, of which limit, and what
// is left.
type Standing struct {
	anchorhold.ExposureAccount

	Limit *anchorhold.ExposureLimit `json:"limit,omitempty"`
	Spent account.Charge            `json:"spent"`
	// Epsilon is the ε that holds for all of it together, with the δ of the limit, or
	// of the population's, or none.
	Epsilon account.Epsilon `json:"epsilon"`
	// Plain and PlainDelta are what the prices of the answers add up to.
	Plain      account.Epsilon `json:"plain_epsilon"`
	PlainDelta account.Delta   `json:"plain_delta"`
	Left       *account.Charge `json:"left,omitempty"` // of the limit
	// Typical is the ε of a usual question, and Fits how many more of them the limit
	// admits.
	Typical account.Epsilon `json:"typical,omitempty"`
	Fits    *int64          `json:"fits,omitempty"`
	// Meaning is what the limit means for one person, and Now what was spent of it.
	Meaning *Meaning `json:"meaning,omitempty"`
	Now     *Meaning `json:"now,omitempty"`
}

// Sees selects accounts that somebody may see.
type Sees func(anchorhold.ExposureAccount) bool

// Standings tells how the accounts of a population stand, those with a limit or
// a sum, by scope and name.
func (s *Service) Standings(ctx context.Context, population string, sees Sees) (out []Standing, err error) {
	err = s.Books.View(ctx, func(tx store.Tx) error {
		out, err = standings(tx, population, sees)
		return err
	})
	return out, err
}

func standings(tx store.Tx, population string, sees Sees) ([]Standing, error) {
	accounts, err := tx.Accounts(population)
	if err != nil {
		return nil, err
	}
	list, err := tx.Limits(population)
	if err != nil {
		return nil, err
	}
	kept := map[anchorhold.ExposureAccount]anchorhold.ExposureLimit{}
	for _, l := range list {
		kept[l.ExposureAccount] = l
		if !slices.Contains(accounts, l.ExposureAccount) {
			accounts = append(accounts, l.ExposureAccount)
		}
	}
	out := []Standing{}
	for _, a := range accounts {
		if !sees(a) {
			continue
		}
		spent, err := tx.Exposed(a)
		if err != nil {
			return nil, err
		}
		st := Standing{ExposureAccount: a, Spent: chargeOf(spent), Plain: account.Epsilon(spent.Plain), PlainDelta: account.Delta(spent.PlainDelta)}
		l, limited := kept[a]
		if !limited && a.Name != "" {
			each := a
			each.Name = ""
			l, limited = kept[each]
		}
		if err := st.under(l, limited, kept[anchorhold.ExposureAccount{Population: population, Scope: anchorhold.LimitPopulation}]); err != nil {
			return nil, err
		}
		out = append(out, st)
	}
	return out, nil
}

// under sets what follows from a limit; of an account without one, with the δ of
// the whole population's.
func (s *Standing) under(l anchorhold.ExposureLimit, limited bool, whole anchorhold.ExposureLimit) error {
	if !limited {
		l = whole
	}
	if l.Epsilon == "" {
		s.Epsilon = s.Spent.Epsilon(0)
		return nil
	}
	limit, err := Parse(l)
	if err != nil {
		return err
	}
	if !limited {
		s.Epsilon = s.Spent.Epsilon(limit.Delta)
		return nil
	}
	left := limit.Left(s.Spent)
	s.Limit, s.Left, s.Epsilon = &l, &left, s.Spent.Epsilon(limit.Delta)
	if whole.Epsilon == "" {
		return nil // nothing is answered, whatever is left here
	}
	n, err := fits(limit, s.Spent, whole)
	s.Typical, s.Fits = typical, &n
	return err
}

// WhatIf is what a past would have been under another limit.
type WhatIf struct {
	Answered int64  `json:"answered"`
	Refused  int64  `json:"refused"`
	First    string `json:"first_refused,omitempty"` // id of the question
	Spent    Amount `json:"spent"`
}

// Replay goes through what was asked of a population, in its order, and says
// what a limit would have let through: over all of it, or over what it counts of a
// researcher, a study, exploration or one question. It changes nothing.
func (s *Service) Replay(ctx context.Context, n NewLimit) (out WhatIf, err error) {
	stated, err := n.limit()
	if err != nil {
		return out, err
	}
	if stated == nil {
		return out, anchorhold.Errorf(anchorhold.Invalid, "name the limit to try: --epsilon 3", "no limit is given")
	}
	limit := tried{*stated}
	if n.Scope == "" {
		n.Scope = anchorhold.LimitPopulation
	}
	var whole anchorhold.Exposed
	err = s.Books.View(ctx, func(tx store.Tx) error {
		of, err := n.account(tx)
		if err != nil {
			return err
		}
		entries, err := proved(tx, n.Population)
		if err != nil {
			return err
		}
		sums := map[anchorhold.ExposureAccount]anchorhold.Exposed{}
		for _, e := range slices.Backward(entries) {
			var a Amount
			if err := json.Unmarshal([]byte(e.Amount), &a); err != nil {
				return err
			}
			in, counts := counted(e, of)
			more := limit.priced(a)
			if counts && !limit.Admits(chargeOf(sums[in]), more.Charge()) {
				out.Refused++
				if out.First == "" {
					out.First = e.Subject
				}
				continue
			}
			out.Answered++
			if counts && of.Scope != anchorhold.LimitQuestion {
				sums[in] = more.plus(sums[in])
			}
			if len(e.Counted) == 0 || slices.Contains(e.Counted, anchorhold.LimitPopulation) {
				whole = more.plus(whole)
			}
		}
		return nil
	})
	out.Spent = Priced(account.Epsilon(whole.Plain), account.Delta(whole.PlainDelta), chargeOf(whole))
	return out, err
}

// counted gives the account in which an entry counts for a limit, if it does.
func counted(e anchorhold.LedgerEntry, of anchorhold.ExposureAccount) (anchorhold.ExposureAccount, bool) {
	if of.Scope == anchorhold.LimitQuestion {
		return of, len(e.Counted) == 0
	}
	for _, a := range accounts(of.Population, e.Principal, e.Study, e.Counted) {
		if a.Scope == of.Scope && (of.Name == "" || a.Name == of.Name) {
			return a, true
		}
	}
	return of, false
}

// tried is a limit under which the past is gone through again.
type tried struct{ account.Limit }

// priced is what an answer would have cost: under pure ε, what was bought of
// Gaussian noise would have been bought of Laplace noise, at the same ε.
func (l tried) priced(a Amount) Amount {
	if !l.Pure() || a.Pure != account.Infinite || a.ZCDPDelta != 0 {
		return a
	}
	c, err := account.PureCharge(a.Epsilon)
	if err != nil {
		return a // it has no price, and is refused
	}
	return Priced(a.Epsilon, 0, c)
}

// proved gives the entries of a population, the newest first.
func proved(tx store.Tx, population string) (out []anchorhold.LedgerEntry, err error) {
	filter := store.LedgerFilter{Population: population, Class: anchorhold.ExposureProved}
	for page := (store.Page{Limit: store.MaxLimit}); ; {
		list, next, err := tx.ListLedger(filter, page)
		if err != nil {
			return nil, err
		}
		if out = append(out, list...); next == "" {
			return out, nil
		}
		page.Cursor = next
	}
}

// Check adds the ledger of a population up again and compares with the sums that
// limits are enforced by. It finds a mistake of ours, or a hand in the database.
func Check(tx store.Tx, population string) error {
	sums := map[anchorhold.ExposureAccount]anchorhold.Exposed{}
	filter := store.LedgerFilter{Population: population, Class: anchorhold.ExposureProved}
	for page := (store.Page{Limit: store.MaxLimit}); ; {
		list, next, err := tx.ListLedger(filter, page)
		if err != nil {
			return err
		}
		for _, e := range list {
			var a Amount
			if err := json.Unmarshal([]byte(e.Amount), &a); err != nil {
				return err
			}
			for _, to := range accounts(population, e.Principal, e.Study, e.Counted) {
				sums[to] = a.plus(sums[to])
			}
		}
		if next == "" {
			break
		}
		page.Cursor = next
	}
	accounts, err := tx.Accounts(population)
	if err != nil {
		return err
	}
	if len(accounts) != len(sums) {
		return unequal(population)
	}
	for _, a := range accounts {
		spent, err := tx.Exposed(a)
		if err != nil {
			return err
		}
		if spent != sums[a] {
			return unequal(population)
		}
	}
	return nil
}

func unequal(population string) error {
	return anchorhold.Errorf(anchorhold.Internal, "stop the site, and look at the ledger and the audit log: somebody has changed the database", "the ledger of %q does not add up to what was spent", population)
}
