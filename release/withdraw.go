package release

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/books"
	"github.com/anchorhold/anchorhold/dataset"
	"github.com/anchorhold/anchorhold/policy"
	"github.com/anchorhold/anchorhold/request"
	"github.com/anchorhold/anchorhold/store"
)

// Withdrawal is what withdrawing a dataset does, and what it cannot.
type Withdrawal struct {
	Dataset  string     `json:"dataset"`
	Requests int        `json:"requests" doc:"requests over it"`
	Grants   int        `json:"grants" doc:"grants that were revoked"`
	Outputs  int        `json:"outputs" doc:"answers whose files are deleted at the site"`
	Mocks    int        `json:"mocks" doc:"mocks that are deleted at the site; who has one keeps it"`
	Released []Released `json:"released" doc:"what cannot be recalled: answers that have left, and to whom"`
}

// Released is an answer that has left the site.
type Released struct {
	Release string     `json:"release"`
	Request string     `json:"request"`
	Output  string     `json:"output"`
	To      string     `json:"to"`
	Decided *time.Time `json:"decided"`
	By      string     `json:"by"`
}

// Withdrawing is the word of an owner that a dataset is withdrawn.
type Withdrawing struct {
	dataset.Halting
	Confirm string `json:"confirm" maxLength:"100" doc:"the dataset's name, typed once more: this cannot be undone"`
}

// PreviewWithdrawal says what withdrawing a dataset would do, and does nothing.
func (s *Service) PreviewWithdrawal(ctx context.Context, name string) (w Withdrawal, err error) {
	err = s.Books.View(ctx, func(tx store.Tx) error {
		d, err := tx.Dataset(name)
		if err != nil {
			return err
		}
		w, err = s.recall(tx, d)
		return err
	})
	return w, err
}

// Withdraw takes a dataset back for good: grants are revoked, runs cancelled,
// held outputs refused; mocks, indexes, answers and logs are deleted. The books
// stay: audit log, ledger, receipts, and the requests themselves.
func (s *Service) Withdraw(ctx context.Context, p policy.Permit, name string, in Withdrawing) (Withdrawal, error) {
	if err := in.Check(); err != nil {
		return Withdrawal{}, err
	}
	if in.Confirm != name {
		return Withdrawal{}, anchorhold.Errorf(anchorhold.Invalid, "give the dataset's name as confirm: what is withdrawn does not come back",
			"the withdrawal is not confirmed")
	}
	w, err := books.Act(ctx, s.Books, p, func(tx store.Tx) (Withdrawal, books.Record, error) {
		d, err := tx.Dataset(name)
		if err != nil {
			return Withdrawal{}, books.Record{}, err
		}
		if d.State == anchorhold.DatasetWithdrawn {
			return Withdrawal{}, books.Record{}, anchorhold.Errorf(anchorhold.Conflict, "nothing needs to be done", "the dataset %q was withdrawn already", name)
		}
		w, err := s.recall(tx, d)
		if err != nil {
			return w, books.Record{}, err
		}
		if w.Grants, err = s.end(tx, p, name, in.Reason); err != nil {
			return w, books.Record{}, err
		}
		dataset.Halt(&d, anchorhold.DatasetWithdrawn, p, in.Halting, s.Books)
		details := map[string]string{
			"dataset": name, "reason": in.Reason, "grants_revoked": strconv.Itoa(w.Grants), "outputs_deleted": strconv.Itoa(w.Outputs),
			"cannot_be_recalled": fmt.Sprintf("%d releases", len(w.Released)),
		}
		return w, books.Record{Subject: d.ID, Details: details}, errors.Join(tx.PutDataset(d), tx.ForgetDataset(name, s.Books.Now()))
	})
	if err != nil {
		return w, err
	}
	return w, s.Sweep(ctx)
}

// recall counts what a withdrawal takes back, and lists what it cannot.
func (s *Service) recall(tx store.Tx, d anchorhold.Dataset) (Withdrawal, error) {
	w := Withdrawal{Dataset: d.Name, Released: []Released{}}
	for _, a := range d.Assets {
		if a.Version.Mock != nil {
			w.Mocks++
		}
	}
	for page := (store.Page{Limit: store.MaxLimit}); ; {
		grants, next, err := tx.ListGrants(store.GrantFilter{Dataset: d.Name}, page)
		if err != nil {
			return w, err
		}
		for _, g := range grants {
			if g.Revoked == nil {
				w.Grants++
			}
		}
		if next == "" {
			break
		}
		page.Cursor = next
	}
	for page := (store.Page{Limit: store.MaxLimit}); ; {
		found, next, err := tx.ListRequests(store.RequestFilter{Dataset: d.Name}, page)
		if err != nil {
			return w, err
		}
		for _, r := range found {
			w.add(r)
		}
		if next == "" {
			return w, nil
		}
		page.Cursor = next
	}
}

func (w *Withdrawal) add(r anchorhold.Request) {
	w.Requests++
	for _, run := range r.Runs {
		for _, o := range run.Outputs {
			w.Outputs++
			if rel := o.Release; rel != nil && rel.State == anchorhold.ReleaseApproved {
				w.Released = append(w.Released, Released{
					Release: rel.ID, Request: r.ID, Output: o.Name, To: r.AuthorName, Decided: rel.Decided, By: rel.DeciderName,
				})
			}
		}
	}
}

// end stops what goes on over a dataset and refuses what waits for a decision.
func (s *Service) end(tx store.Tx, p policy.Permit, name, reason string) (grants int, err error) {
	now := s.Books.Now()
	requests, grants, err := request.EndOver(tx, name, p.Principal().Name(), "the dataset was withdrawn: "+reason, now)
	if err != nil {
		return 0, err
	}
	for _, r := range requests {
		for _, run := range r.Runs {
			for _, o := range run.Outputs {
				if rel := o.Release; rel != nil && rel.State == anchorhold.ReleaseHeld {
					rel.State, rel.Decided, rel.Decider, rel.DeciderName = anchorhold.ReleaseDenied, &now, p.Principal().ID, p.Principal().Name()
					rel.Reason = "the dataset was withdrawn"
					if err := tx.PutRelease(*rel); err != nil {
						return 0, err
					}
				}
			}
		}
	}
	return grants, nil
}

// again is how long a file that was put again after it was given up is left
// alone: whoever put it may not have written yet what refers to it.
const again = time.Hour

// Sweep deletes the files of withdrawn datasets that nothing else refers to. It
// is done after a withdrawal and at every start, so that an interrupted one is
// finished.
func (s *Service) Sweep(ctx context.Context) error {
	var given map[string]time.Time
	err := s.Books.View(ctx, func(tx store.Tx) (err error) {
		given, err = tx.GivenUp()
		return err
	})
	if err != nil || len(given) == 0 {
		return err
	}
	stored, err := s.Blobs.List()
	if err != nil {
		return err
	}
	put := map[string]time.Time{}
	for _, b := range stored {
		put[b.ID] = b.Put
	}
	var gone []string
	for id, at := range given {
		if put[id].After(at) && s.Books.Now().Sub(put[id]) < again {
			continue
		}
		if err := s.Blobs.Remove(id); err != nil {
			return err
		}
		gone = append(gone, id)
	}
	return s.Books.Store.Update(ctx, func(tx store.Tx) error { return tx.Gone(gone) })
}
