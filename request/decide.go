package request

import (
	"cmp"
	"context"
	"maps"
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
	Reason      string             `json:"reason,omitempty"`       // required for a denial
	Category    string             `json:"category,omitempty"`     // of a denial; default: other
	WouldAccept string             `json:"would_accept,omitempty"` // of a denial
	anchorhold.Terms
}

// maxFor is how many people one approval may name.
const maxFor = 50

func (w Word) check(now time.Time) error {
	if w.Verdict != anchorhold.Approve && w.Verdict != anchorhold.Deny {
		return anchorhold.Errorf(anchorhold.Invalid, "say approve or deny", "the verdict is neither approve nor deny")
	}
	if err := CheckText("reason", w.Reason, w.Verdict == anchorhold.Deny); err != nil {
		return err
	}
	if w.Verdict == anchorhold.Deny {
		return w.checkDenial()
	}
	if w.Category != "" || w.WouldAccept != "" {
		return anchorhold.Errorf(anchorhold.Invalid, "give them with a denial", "an approval has no category and nothing that would be accepted instead")
	}
	if w.Uses < 0 || w.Uses > MaxUses {
		return anchorhold.Errorf(anchorhold.Invalid, "give 1 to 10000", "the number of uses is out of range")
	}
	if w.FailureLimit < 0 || w.FailureLimit > MaxUses {
		return anchorhold.Errorf(anchorhold.Invalid, "give 1 to 10000", "the failure limit is out of range")
	}
	if w.Expires != nil && (!w.Expires.After(now) || w.Expires.After(now.Add(MaxExpires))) {
		return anchorhold.Errorf(anchorhold.Invalid, "give a time within the next five years", "the expiry is not in the future, or too far")
	}
	return nil
}

func (w Word) checkDenial() error {
	if w.Loose() || w.Uses != 0 || w.AutoRelease || w.FailureLimit != 0 || w.Expires != nil {
		return anchorhold.Errorf(anchorhold.Invalid, "leave them out, or approve", "a denial has no terms")
	}
	if w.Category != "" && !slices.Contains(anchorhold.DenialCategories(), w.Category) {
		return anchorhold.Errorf(anchorhold.Invalid, "use one of "+strings.Join(anchorhold.DenialCategories(), ", "), "there is no such category of denials")
	}
	return CheckText("text of what would be accepted", w.WouldAccept, false)
}

// fit completes a word for a request: bounds that fit its parameters, people
// who are not the decider.
func (w Word) fit(p policy.Permit, r anchorhold.Request) (Word, error) {
	if w.Verdict == anchorhold.Deny {
		w.Category = cmp.Or(w.Category, "other")
		return w, nil
	}
	w.Uses, w.FailureLimit = max(w.Uses, 1), cmp.Or(w.FailureLimit, DefaultFailureLimit)
	var err error
	if w.Params, err = checkBounds(r, w.Params); err != nil {
		return w, err
	}
	w.For, err = people(p, r, w.For)
	return w, err
}

// people checks and orders whom an approval names beside the author. Whoever
// names themselves would decide on their own requests.
func people(p policy.Permit, r anchorhold.Request, named []string) ([]string, error) {
	var out []string
	for _, f := range named {
		f = strings.ToLower(strings.TrimSpace(f))
		switch {
		case f == anchorhold.Everybody:
		case len(f) > 254 || !strings.Contains(f, "@") || strings.ContainsFunc(f, func(r rune) bool { return r <= ' ' || r >= 0x7f }):
			return nil, anchorhold.Errorf(anchorhold.Invalid, "write it like name@example.org, or everybody", "an approval names somebody by what is no e-mail address")
		case f == p.Principal().Email:
			return nil, anchorhold.Errorf(anchorhold.Denied, "another owner or reviewer has to name you", "an approval for yourself would be a decision on your own requests")
		case f == r.AuthorName:
			continue
		}
		out = append(out, f)
	}
	slices.Sort(out)
	out = slices.Compact(out)
	if slices.Contains(out, anchorhold.Everybody) {
		out = []string{anchorhold.Everybody}
	}
	if len(out) > maxFor {
		return nil, anchorhold.Errorf(anchorhold.TooLarge, "name everybody, and let the roles on the dataset say who that is", "an approval names more than %d people", maxFor)
	}
	return out, nil
}

// details is what the audit log says of a word.
func (w Word) details(r anchorhold.Request) map[string]string {
	out := map[string]string{
		"verdict": string(w.Verdict), "datasets": cmp.Or(w.Dataset, strings.Join(datasets(r.Assets), " ")), "reason": w.Reason,
		"opening": strconv.Itoa(r.Opening),
	}
	if w.Verdict == anchorhold.Deny {
		out["category"], out["would_accept"] = w.Category, w.WouldAccept
		return out
	}
	out["uses"], out["auto_release"] = strconv.Itoa(w.Uses), strconv.FormatBool(w.AutoRelease)
	if w.Expires != nil {
		out["expires"] = w.Expires.UTC().Format(time.RFC3339)
	}
	said := granted(r, time.Time{})
	said.Terms = w.Terms
	out["terms"] = Words(said)
	return out
}

// Decide records the permit's principal's word on a request. When every dataset
// has its quorum of approvals, a grant is made and a run queued.
func (s *Service) Decide(ctx context.Context, p policy.Permit, id string, w Word) (anchorhold.Request, error) {
	if err := w.check(s.Books.Now()); err != nil {
		return anchorhold.Request{}, err
	}
	if w.Verdict == anchorhold.Approve {
		if err := s.unchanged(ctx, p, id, w.Dataset); err != nil {
			return anchorhold.Request{}, err
		}
	}
	r, err := s.act(ctx, p, func(tx store.Tx) (string, books.Record, error) {
		r, err := s.undecided(tx, id)
		if err != nil {
			return id, books.Record{}, err
		}
		w, err := w.fit(p, r)
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

// unchanged refuses an approval that could not be carried out: a run looks at
// its files too, but a decider should learn it now. Only the files of the
// datasets that are decided about are looked at.
func (s *Service) unchanged(ctx context.Context, p policy.Permit, id, dataset string) error {
	if answered, err := s.Books.Answered(ctx, p); err != nil || answered {
		return err
	}
	var assets []anchorhold.AssetRef
	err := s.Books.View(ctx, func(tx store.Tx) error {
		r, err := s.undecided(tx, id)
		for _, parameter := range slices.Sorted(maps.Keys(r.Assets)) {
			if ref := r.Assets[parameter]; dataset == "" || ref.Dataset == dataset {
				assets = append(assets, ref)
			}
		}
		return err
	})
	if err != nil {
		return err
	}
	return s.Unchanged(ctx, assets)
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
	panel, err := PanelOf(tx, r)
	if err != nil {
		return err
	}
	names, err := panel.Admit(p.Principal(), w.Dataset)
	if err != nil {
		return err
	}
	for _, name := range names {
		rule := anchorhold.AnyReview
		if w.Verdict == anchorhold.Approve {
			if rule, err = haveRead(tx, p, r, name); err != nil {
				return err
			}
		}
		d := anchorhold.Decision{
			ID: anchorhold.NewID(anchorhold.PrefixDecision), Request: r.ID, Opening: r.Opening, Dataset: name,
			Verdict: w.Verdict, Decider: p.Principal().ID, DeciderName: p.Principal().Name(), Reason: w.Reason,
			Category: w.Category, WouldAccept: w.WouldAccept, Terms: w.Terms, Review: rule, Created: s.Books.Now(), Rule: p.Rule(),
		}
		if err := tx.AddDecision(d); err != nil {
			return err
		}
	}
	return nil
}

// settle turns the decisions into a grant with a queued run once every dataset
// has as many approvals as its quorum asks, and nobody denied. The strictest of
// all words wins.
func (s *Service) settle(tx store.Tx, r anchorhold.Request) error {
	panel, err := PanelOf(tx, r)
	if err != nil || !panel.Approved() {
		return err
	}
	g := granted(r, s.Books.Now())
	_, err = s.Books.Enter(tx, policy.SiteAct(actionMade, r.ID), books.Record{Subject: g.ID, Digest: g.CodeDigest, Details: map[string]string{"covers": Words(g)}})
	if err != nil {
		return err
	}
	if err := s.queue(tx, policy.SiteAct(policy.RequestDecide, g.ID), r, g); err != nil {
		return err
	}
	return s.startCovered(tx, g.ID)
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
		if err := s.withdrawRuns(tx, p, r); err != nil {
			return id, books.Record{}, err
		}
		r.Withdrawn = true
		return id, books.Record{Subject: id, Digest: r.Digest}, tx.PutRequest(r)
	})
}

func (s *Service) withdrawRuns(tx store.Tx, p policy.Permit, r anchorhold.Request) error {
	runs := r.Runs
	if r.Trial != nil {
		runs = append(slices.Clone(runs), *r.Trial)
	}
	for _, run := range runs {
		if !run.Ended() {
			if err := Cancel(tx, run, s.Books.Now()); err != nil {
				return err
			}
		}
	}
	return RevokeFor(tx, r.ID, p.Principal().Name(), "the request was withdrawn", s.Books.Now())
}

// Cancel marks a run cancelled; whoever executes it notices at the next renewal
// of its lease and ends it.
func Cancel(tx store.Tx, run anchorhold.Run, now time.Time) error {
	run.State, run.Finished, run.Reason = anchorhold.RunCancelled, &now, "cancelled"
	return tx.PutRun(run)
}
