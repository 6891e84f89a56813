package notify

import (
	"context"
	"errors"
	"strconv"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/audit"
	"github.com/anchorhold/anchorhold/policy"
	"github.com/anchorhold/anchorhold/request"
	"github.com/anchorhold/anchorhold/store"
)

// batch is how many entries of the audit log are read in one transaction.
const batch = 200

// skipToEnd moves the reader past everything that was done so far.
func (s *Service) skipToEnd(tx store.Tx) error {
	size, err := tx.Size()
	if err != nil {
		return err
	}
	return tx.PutSetting(settingCursor, strconv.FormatInt(size, 10))
}

// follow turns the next entries of the audit log into notices and says whether
// there are more. Reader and notices move in one transaction.
func (s *Service) follow(ctx context.Context, c Config) (more bool, err error) {
	waiting := false
	err = s.Books.View(ctx, func(tx store.Tx) error { // most rounds have nothing to write
		at, size, err := position(tx)
		waiting = at < size
		return err
	})
	if err != nil || !waiting {
		return false, err
	}
	err = s.Books.Store.Update(ctx, func(tx store.Tx) error {
		at, size, err := position(tx)
		if err != nil {
			return err
		}
		n := min(size-at, batch)
		entries, err := tx.Entries(at, int(n))
		if err != nil {
			return err
		}
		for i, entry := range entries {
			e, err := s.Books.Log.Open(at+int64(i), entry)
			if err != nil {
				return err
			}
			if err := s.enter(tx, c, e); err != nil {
				return err
			}
		}
		more = at+n < size
		return tx.PutSetting(settingCursor, strconv.FormatInt(at+n, 10))
	})
	return more, err
}

// position is where the reader stands, and the size of the log.
func position(tx store.Tx) (at, size int64, err error) {
	if size, err = tx.Size(); err != nil {
		return 0, 0, err
	}
	text, err := tx.Setting(settingCursor)
	if errors.Is(err, store.ErrNotFound) {
		return size, size, nil
	}
	if err == nil {
		at, err = strconv.ParseInt(text, 10, 64)
	}
	if at > size {
		at = 0 // the site was restored, and its log began anew
	}
	return at, size, err
}

// call is what an entry calls for: a kind, and who is to be told.
type call struct {
	kind   anchorhold.NoticeKind
	author bool          // the request's author
	may    policy.Action // whoever may do this for one of its datasets, or nobody
}

// enter adds the notices that an entry calls for.
func (s *Service) enter(tx store.Tx, c Config, e audit.Event) error {
	id, calls, err := calls(tx, e)
	if err != nil || len(calls) == 0 {
		return err
	}
	r, err := tx.Request(id)
	if errors.Is(err, store.ErrNotFound) {
		return nil // removed since: nobody waits for it
	}
	if err != nil {
		return err
	}
	for _, call := range calls {
		if c.Hook != nil && c.Hook.wants(call.kind) {
			if err := s.put(tx, call.kind, r.ID, ""); err != nil {
				return err
			}
		}
		if c.Mail == nil {
			continue
		}
		if err := s.addressed(tx, call, r, e.Actor); err != nil {
			return err
		}
	}
	return nil
}

func (s *Service) put(tx store.Tx, kind anchorhold.NoticeKind, request, recipient string) error {
	return tx.PutNotice(anchorhold.Notice{
		ID: anchorhold.NewID(anchorhold.PrefixNotice), Kind: kind, Request: request, Recipient: recipient, Created: s.Books.Now(),
	})
}

// addressed adds a notice for everybody who is to be written to.
func (s *Service) addressed(tx store.Tx, c call, r anchorhold.Request, actor string) error {
	if c.author {
		who, err := tx.Principal(r.Author)
		if err == nil && writable(who, actor) {
			err = s.put(tx, c.kind, r.ID, who.ID)
		}
		return err
	}
	res, err := request.Resource(tx, r)
	if err != nil {
		return err
	}
	for page := (store.Page{Limit: store.MaxLimit}); ; {
		people, next, err := tx.ListPrincipals(page)
		if err != nil {
			return err
		}
		for _, who := range people {
			if !writable(who, actor) || who.ID == r.Author {
				continue
			}
			if !s.mayOnPart(who, c.may, res) {
				continue // not theirs to decide
			}
			if err := s.put(tx, c.kind, r.ID, who.ID); err != nil {
				return err
			}
		}
		if next == "" {
			return nil
		}
		page.Cursor = next
	}
}

// mayOnPart says whether somebody may do an action for one of a request's
// datasets.
func (s *Service) mayOnPart(who anchorhold.Principal, action policy.Action, res policy.Resource) bool {
	for _, scope := range res.Scopes {
		part := res
		part.Scopes = []policy.Scope{scope}
		if _, err := s.Policy.Check(who, action, part); err == nil {
			return true
		}
	}
	return false
}

// writable says whether somebody can be written to of what actor did.
func writable(who anchorhold.Principal, actor string) bool {
	return who.Email != "" && !who.Disabled && !who.Applicant && who.Mail != anchorhold.FrequencyOff && who.Name() != actor
}

// calls says what an entry calls for, and the request that it is about.
func calls(tx store.Tx, e audit.Event) (request string, out []call, err error) {
	author := func(kind anchorhold.NoticeKind) []call { return []call{{kind: kind, author: true}} }
	switch policy.Action(e.Action) {
	case policy.RequestSubmit:
		return undecided(tx, e.Subject, call{kind: anchorhold.NoticePending, may: policy.RequestAsk})
	case policy.RequestAsk:
		return e.Subject, author(anchorhold.NoticeAsked), nil
	case policy.RequestAnswer:
		return undecided(tx, e.Subject, call{kind: anchorhold.NoticeAnswered, may: policy.RequestAsk})
	case policy.RequestDecide:
		if !anchorhold.IsID(anchorhold.PrefixRequest, e.Subject) {
			return "", nil, nil // the run that the decision queued
		}
		return e.Subject, author(anchorhold.NoticeDecided), nil
	case audit.ActionRelease:
		rel, err := tx.Release(e.Subject)
		return rel.Request, author(anchorhold.NoticeReleased), absent(err)
	case actionFinish:
		return finished(tx, e.Subject)
	}
	return "", nil, nil
}

// actionFinish is the entry of a run's end.
const actionFinish policy.Action = "run.finish"

// undecided calls for something while the request waits for a decision: one
// that a grant let run needs nobody.
func undecided(tx store.Tx, id string, c call) (string, []call, error) {
	r, err := tx.Request(id)
	if err != nil {
		return "", nil, absent(err)
	}
	switch request.StateOf(r, r.Opened) {
	case anchorhold.StatePending, anchorhold.StateAsked:
		return id, []call{c}, nil
	}
	return "", nil, nil
}

// finished tells the author of a run's end, and of an output that waits whoever
// may decide on it.
func finished(tx store.Tx, id string) (string, []call, error) {
	run, err := tx.Run(id)
	if err != nil {
		return "", nil, absent(err)
	}
	if run.Side != "" {
		return "", nil, nil // whoever tries or replays waits for it, and nobody decides on it
	}
	out := []call{{kind: anchorhold.NoticeFinished, author: true}}
	for _, o := range run.Outputs {
		if o.Release != nil && o.Release.State == anchorhold.ReleaseHeld {
			return run.Request, append(out, call{kind: anchorhold.NoticePending, may: policy.ReleaseDecide}), nil
		}
	}
	return run.Request, out, nil
}

// absent lets what was removed since be no error.
func absent(err error) error {
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	return err
}
