package request

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/books"
	"github.com/anchorhold/anchorhold/policy"
	"github.com/anchorhold/anchorhold/store"
)

// Word is what a decider says of a request.
type Word struct {
	Dataset     string             `json:"dataset,omitempty"` // empty: every dataset of the request
	Verdict     anchorhold.Verdict `json:"verdict"`
	Reason      string             `json:"reason,omitempty"` // required for a denial
	Uses        int                `json:"uses,omitempty"`   // of an approval; default 1
	Expires     *time.Time         `json:"expires,omitempty"`
	AutoRelease bool               `json:"auto_release,omitempty"`
}

func (w Word) check(now time.Time) error {
	if w.Verdict != anchorhold.Approve && w.Verdict != anchorhold.Deny {
		return anchorhold.Errorf(anchorhold.Invalid, "say approve or deny", "the verdict is neither approve nor deny")
	}
	if err := CheckText("reason", w.Reason, w.Verdict == anchorhold.Deny); err != nil {
		return err
	}
	if w.Uses < 0 || w.Uses > MaxUses {
		return anchorhold.Errorf(anchorhold.Invalid, "give 1 to 10000", "the number of uses is out of range")
	}
	if w.Expires != nil && (!w.Expires.After(now) || w.Expires.After(now.Add(MaxExpires))) {
		return anchorhold.Errorf(anchorhold.Invalid, "give a time within the next five years", "the expiry is not in the future, or too far")
	}
	return nil
}

// details is what the audit log says of a word.
func (w Word) details(r anchorhold.Request) map[string]string {
	out := map[string]string{
		"verdict": string(w.Verdict), "datasets": cmp.Or(w.Dataset, strings.Join(datasets(r.Assets), " ")), "reason": w.Reason,
		"opening": strconv.Itoa(r.Opening),
	}
	if w.Verdict == anchorhold.Approve {
		out["uses"], out["auto_release"] = strconv.Itoa(w.Uses), strconv.FormatBool(w.AutoRelease)
		if w.Expires != nil {
			out["expires"] = w.Expires.UTC().Format(time.RFC3339)
		}
	}
	return out
}

// Decide records the permit's principal's word on a request. When every dataset
// has its quorum of approvals, a grant is made and a run queued.
func (s *Service) Decide(ctx context.Context, p policy.Permit, id string, w Word) (anchorhold.Request, error) {
	if err := w.check(s.Books.Now()); err != nil {
		return anchorhold.Request{}, err
	}
	w.Uses = max(w.Uses, 1)
	r, err := s.act(ctx, p, func(tx store.Tx) (string, books.Record, error) {
		r, err := s.undecided(tx, id)
		if err != nil {
			return id, books.Record{}, err
		}
		if err := s.addDecisions(tx, p, r, w); err != nil {
			return id, books.Record{}, err
		}
		if r, err = tx.Request(id); err != nil {
			return id, books.Record{}, err
		}
		return id, books.Record{Subject: id, Digest: r.Digest, Details: w.details(r)}, s.settle(tx, r)
	})
	if err == nil {
		s.Wake()
	}
	return r, err
}

func (s *Service) undecided(tx store.Tx, id string) (anchorhold.Request, error) {
	r, err := tx.Request(id)
	if err != nil {
		return r, err
	}
	if state := StateOf(r, s.Books.Now()); state != anchorhold.StatePending && state != anchorhold.StateAsked {
		return r, anchorhold.Errorf(anchorhold.Conflict, "a decided request can be submitted again by its author",
			"the request is %s, so there is nothing to decide", state)
	}
	return r, nil
}

func (s *Service) addDecisions(tx store.Tx, p policy.Permit, r anchorhold.Request, w Word) error {
	names := datasets(r.Assets)
	if w.Dataset != "" {
		if !slices.Contains(names, w.Dataset) {
			return anchorhold.Errorf(anchorhold.Invalid, "name one of its datasets", "the request does not use the dataset %q", w.Dataset)
		}
		names = []string{w.Dataset}
	}
	for _, name := range names {
		if decidedBy(r, name, p.Principal().ID) {
			return anchorhold.Errorf(anchorhold.Conflict, "another person's word is needed", "you have already decided on this request")
		}
		d := anchorhold.Decision{
			ID: anchorhold.NewID(anchorhold.PrefixDecision), Request: r.ID, Opening: r.Opening, Dataset: name,
			Verdict: w.Verdict, Decider: p.Principal().ID, DeciderName: p.Principal().Name(), Reason: w.Reason,
			Created: s.Books.Now(), Rule: p.Rule(),
		}
		if w.Verdict == anchorhold.Approve {
			d.Uses, d.Expires, d.AutoRelease = w.Uses, w.Expires, w.AutoRelease
		}
		if err := tx.AddDecision(d); err != nil {
			return err
		}
	}
	return nil
}

func decidedBy(r anchorhold.Request, dataset, decider string) bool {
	return slices.ContainsFunc(r.Decisions, func(d anchorhold.Decision) bool {
		return d.Opening == r.Opening && d.Dataset == dataset && samePerson(d.Decider, decider)
	})
}

// samePerson counts everybody who acts on the site's machine as one person:
// whoever may become one of its accounts may become another.
func samePerson(a, b string) bool {
	return a == b || strings.HasPrefix(a, "local:") && strings.HasPrefix(b, "local:")
}

// settle turns the decisions into a grant with a queued run once every dataset
// has as many approvals as its quorum asks, and nobody denied. The strictest
// approval wins: fewest uses, earliest expiry, automatic release only when all
// allow it.
func (s *Service) settle(tx store.Tx, r anchorhold.Request) error {
	g := anchorhold.Grant{
		ID: anchorhold.NewID(anchorhold.PrefixGrant), Request: r.ID, Opening: r.Opening, Digest: r.Digest, Study: r.Study,
		Uses: MaxUses, AutoRelease: true, Created: s.Books.Now(),
	}
	approvals := map[string]int{}
	for _, d := range r.Decisions {
		if d.Opening != r.Opening {
			continue
		}
		if d.Verdict == anchorhold.Deny {
			return nil
		}
		approvals[d.Dataset]++
		g.Uses, g.AutoRelease = min(g.Uses, d.Uses), g.AutoRelease && d.AutoRelease
		if d.Expires != nil && (g.Expires == nil || d.Expires.Before(*g.Expires)) {
			g.Expires = d.Expires
		}
	}
	for _, name := range datasets(r.Assets) {
		d, err := tx.Dataset(name)
		if err != nil {
			return err
		}
		if approvals[name] < max(d.Quorum, 1) {
			return nil
		}
	}
	return s.queue(tx, policy.SiteAct(policy.RequestDecide, g.ID), r, g)
}

// Say adds a question to the author or, by the author, an answer.
func (s *Service) Say(ctx context.Context, p policy.Permit, id, text string) (anchorhold.Request, error) {
	if err := CheckText("text", text, true); err != nil {
		return anchorhold.Request{}, err
	}
	return s.act(ctx, p, func(tx store.Tx) (string, books.Record, error) {
		r, err := s.undecided(tx, id)
		if err != nil {
			return id, books.Record{}, err
		}
		question := p.Action() == policy.RequestAsk
		err = tx.AddMessage(anchorhold.Message{
			Request: id, Opening: r.Opening, Author: p.Principal().ID, Name: p.Principal().Name(),
			Question: question, Text: text, Created: s.Books.Now(),
		})
		return id, books.Record{Subject: id, Digest: r.Digest}, err
	})
}

// Withdraw ends a request by its author; a run that is queued or running is
// cancelled with it.
func (s *Service) Withdraw(ctx context.Context, p policy.Permit, id string) (anchorhold.Request, error) {
	return s.act(ctx, p, func(tx store.Tx) (string, books.Record, error) {
		r, err := tx.Request(id)
		if err != nil {
			return id, books.Record{}, err
		}
		if state := StateOf(r, s.Books.Now()); state.Ended() {
			return id, books.Record{}, anchorhold.Errorf(anchorhold.Conflict, "nothing needs to be done", "the request has ended: it is %s", state)
		}
		if err := s.withdrawRuns(tx, r); err != nil {
			return id, books.Record{}, err
		}
		r.Withdrawn = true
		return id, books.Record{Subject: id, Digest: r.Digest}, tx.PutRequest(r)
	})
}

func (s *Service) withdrawRuns(tx store.Tx, r anchorhold.Request) error {
	for _, run := range r.Runs {
		if run.State == anchorhold.RunQueued || run.State == anchorhold.RunRunning || run.State == anchorhold.RunChecking {
			if err := Cancel(tx, run, s.Books.Now()); err != nil {
				return err
			}
		}
	}
	return Revoke(tx, r.Digest, s.Books.Now())
}

// Revoke ends every grant of a request: after a withdrawal, a refused output or
// an owner's cancellation nothing may run on an earlier yes.
func Revoke(tx store.Tx, digest string, now time.Time) error {
	grants, err := tx.GrantsFor(digest)
	if err != nil {
		return err
	}
	for _, g := range grants {
		if g.Revoked == nil {
			g.Revoked = &now
			if err := tx.PutGrant(g); err != nil {
				return err
			}
		}
	}
	return nil
}

// Cancel marks a run cancelled; whoever executes it notices at the next renewal
// of its lease and ends it.
func Cancel(tx store.Tx, run anchorhold.Run, now time.Time) error {
	run.State, run.Finished, run.Reason = anchorhold.RunCancelled, &now, "cancelled"
	return tx.PutRun(run)
}
