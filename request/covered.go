package request

import (
	"errors"
	"slices"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/policy"
	"github.com/anchorhold/anchorhold/store"
)

// startCovered queues what already waits for a decision and lies within a grant
// that was just made or resumed, the oldest first, as if it were submitted now:
// whoever asked before a grant was made is not worse off than whoever asks
// after. Of people who may have no more runs at once, or may not submit any
// more, it goes on waiting.
func (s *Service) startCovered(tx store.Tx, grant string) error {
	g, err := tx.Grant(grant)
	if err != nil || !g.Holds(s.Books.Now()) {
		return err
	}
	waiting, err := undecidedOf(tx, g.CodeDigest)
	if err != nil {
		return err
	}
	now := s.Books.Now()
	for _, r := range waiting {
		if state := StateOf(r, now); state != anchorhold.StatePending && state != anchorhold.StateAsked {
			continue
		}
		under, begins, err := s.beginsUnder(tx, r, grant)
		if err != nil {
			return err
		}
		if !begins {
			continue
		}
		switch err := room(tx, r.Author); {
		case anchorhold.KindOf(err) == anchorhold.Conflict:
			continue
		case err != nil:
			return err
		}
		if err := s.queue(tx, policy.SiteAct(policy.RequestDecide, grant), r, under); err != nil {
			return err
		}
	}
	return nil
}

// beginsUnder says whether a request that waits may run under a grant.
func (s *Service) beginsUnder(tx store.Tx, r anchorhold.Request, grant string) (g anchorhold.Grant, begins bool, err error) {
	g, found, err := standing(tx, r, s.Books.Now())
	if err != nil || !found || g.ID != grant {
		return g, false, err
	}
	begins, err = s.stillSubmits(tx, r)
	return g, begins, err
}

// stillSubmits says whether a request's author could submit it now: the account
// or the role may have ended while it waited.
func (s *Service) stillSubmits(tx store.Tx, r anchorhold.Request) (bool, error) {
	who, err := tx.Principal(r.Author)
	if errors.Is(err, store.ErrNotFound) {
		who = anchorhold.Principal{ID: r.Author} // who acts on the machine has no account
	} else if err != nil || who.Disabled {
		return false, err
	}
	res, err := Resource(tx, r)
	if err != nil {
		return false, err
	}
	for _, scope := range res.Scopes {
		part := policy.Resource{Type: policy.TypeDataset, ID: scope.Dataset, Scopes: []policy.Scope{scope}, Study: res.Study}
		if _, err := s.Policy.Check(who, policy.RequestSubmit, part); err != nil {
			return false, nil //nolint:nilerr // that they may not is the answer
		}
	}
	return true, nil
}

// undecidedOf lists what waits for a decision on code, oldest first.
func undecidedOf(tx store.Tx, code string) (out []anchorhold.Request, err error) {
	f := store.RequestFilter{Code: code, States: []anchorhold.State{anchorhold.StatePending, anchorhold.StateAsked}}
	for page := (store.Page{Limit: store.MaxLimit}); ; {
		found, next, err := tx.ListRequests(f, page)
		if err != nil {
			return nil, err
		}
		out = append(out, found...)
		if next == "" {
			slices.Reverse(out)
			return out, nil
		}
		page.Cursor = next
	}
}
