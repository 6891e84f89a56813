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
	return nil
}

// WhatIf is what a past would have been under another limit.
type WhatIf struct {
	Answered int64  `json:"answered"`
	Refused  int64  `json:"refused"`
	First    string `json:"first_refused,omitempty"` // id of the question
	Spent    Amount `json:"spent"`
}

// Replay goes through what was asked of a population, in its order, and says
// what a limit over all of it would have let through. It changes nothing.
func (s *Service) Replay(ctx context.Context, n NewLimit) (out WhatIf, err error) {
	limit, err := n.limit()
	if err != nil {
		return out, err
	}
	if limit == nil {
		return out, anchorhold.Errorf(anchorhold.Invalid, "name the limit to try: --epsilon 3", "no limit is given")
	}
	var sum anchorhold.Exposed
	err = s.Books.View(ctx, func(tx store.Tx) error {
		entries, err := proved(tx, n.Population)
		if err != nil {
			return err
		}
		for _, e := range slices.Backward(entries) {
			var a Amount
			if err := json.Unmarshal([]byte(e.Amount), &a); err != nil {
				return err
			}
			if !limit.Admits(chargeOf(sum), a.Charge()) {
				out.Refused++
				if out.First == "" {
					out.First = e.Subject
				}
				continue
			}
			out.Answered++
			sum = a.plus(sum)
		}
		return nil
	})
	out.Spent = Priced(account.Epsilon(sum.Plain), account.Delta(sum.PlainDelta), chargeOf(sum))
	return out, err
}

// proved gives the entries that count for a population, the newest first.
func proved(tx store.Tx, population string) (out []anchorhold.LedgerEntry, err error) {
	filter := store.LedgerFilter{Population: population, Class: anchorhold.ExposureProved}
	for page := (store.Page{Limit: store.MaxLimit}); ; {
		list, next, err := tx.ListLedger(filter, page)
		if err != nil {
			return nil, err
		}
		for _, e := range list {
			if len(e.Counted) == 0 || slices.Contains(e.Counted, anchorhold.LimitPopulation) {
				out = append(out, e)
			}
		}
		if next == "" {
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
