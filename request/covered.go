package request

import (
	"slices"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/policy"
	"github.com/anchorhold/anchorhold/store"
)

// startCovered queues what already waits for a decision and lies within a grant
// that was just made or resumed, the oldest first, as if it were submitted now:
// whoever asked before a grant was made is not worse off than whoever asks
// after. Of people who may have no more runs at once, it goes on waiting.
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
		under, found, err := standing(tx, r, now)
		if err != nil {
			return err
		}
		if !found || under.ID != grant {
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
