package release

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/blob"
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
	Trials   int        `json:"trials" doc:"trials on its mocks that are deleted, those that go on included"`
	Mocks    int        `json:"mocks" doc:"mocks that are deleted at the site; who has one keeps it"`
	Backups  int        `json:"backups" doc:"what cannot be recalled: backups that were made of the site since the dataset was added"`
	Later    int        `json:"later" doc:"stored files that no record names yet, such as those of a run that was just cancelled: removed within a day and some hours"`
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
	err = s.Books.Store.Update(ctx, func(tx store.Tx) error {
		d, err := tx.Dataset(name)
		if err != nil {
			return err
		}
		if w, err = s.recall(tx, d); err != nil {
			return err
		}
		if w.Trials, err = tx.ForgetDataset(name, s.Books.Now()); err != nil {
			return err
		}
		return errPreview
	})
	if errors.Is(err, errPreview) {
		err = nil
	}
	return w, err
}

// errPreview takes back what was done only to count it.
var errPreview = errors.New("release: a preview")

// Withdraw takes a dataset back for good: grants are revoked, runs cancelled,
// held outputs refused; mocks, copies, indexes, answers, logs and trials are
// deleted, and whatever lies among the stored files without a record that names
// it. The books stay: audit log, ledger, receipts, and the requests themselves.
func (s *Service) Withdraw(ctx context.Context, p policy.Permit, name string, in Withdrawing) (Withdrawal, error) {
	if err := in.Check(); err != nil {
		return Withdrawal{}, err
	}
	if in.Confirm != name {
		return Withdrawal{}, anchorhold.Errorf(anchorhold.Invalid, "give the dataset's name as confirm: what is withdrawn does not come back",
			"the withdrawal is not confirmed")
	}
	stored, err := s.Blobs.List() // before the records are read: what is put later is no orphan
	if err != nil {
		return Withdrawal{}, err
	}
	kept := books.Kind[Withdrawal]{Name: func(w Withdrawal) string { return w.counts() }, Find: func(tx store.Tx, counts string) (Withdrawal, error) {
		d, err := tx.Dataset(name)
		if err != nil {
			return Withdrawal{}, err
		}
		w, err := s.recall(tx, d)
		w.counted(counts)
		return w, err
	}}
	w, err := books.On(ctx, s.Books, p, kept, func(tx store.Tx) (Withdrawal, books.Record, error) {
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
		now := s.Books.Now()
		dataset.Halt(&d, anchorhold.DatasetWithdrawn, p, in.Halting, s.Books)
		if w.Trials, err = tx.ForgetDataset(name, now); err != nil {
			return w, books.Record{}, err
		}
		if w.Later, err = giveUpOrphans(tx, stored, now); err != nil {
			return w, books.Record{}, err
		}
		details := map[string]string{
			"dataset": name, "reason": in.Reason, "grants_revoked": strconv.Itoa(w.Grants), "outputs_deleted": strconv.Itoa(w.Outputs),
			"trials_deleted": strconv.Itoa(w.Trials), "cannot_be_recalled": fmt.Sprintf("%d releases", len(w.Released)),
		}
		return w, books.Record{Subject: d.ID, Details: details}, tx.PutDataset(d)
	})
	if err != nil {
		return w, err
	}
	if s.Withdrawn != nil {
		s.Withdrawn(name)
	}
	return w, s.Sweep(ctx)
}

// counts is what was done and can be seen no more; counted puts it back.
func (w *Withdrawal) counts() string {
	return fmt.Sprint(w.Grants, w.Mocks, w.Trials, w.Later)
}

func (w *Withdrawal) counted(counts string) {
	_, _ = fmt.Sscan(counts, &w.Grants, &w.Mocks, &w.Trials, &w.Later) // counts wrote it
}

// giveUpOrphans gives up every stored file that no record names, whosever it
// was: copies of an attempt that failed, outputs of a run that was cancelled. It
// counts those that are too young to be removed at once.
func giveUpOrphans(tx store.Tx, stored []blob.Stored, now time.Time) (later int, err error) {
	refs, err := tx.BlobRefs()
	if err != nil {
		return 0, err
	}
	var orphans []string
	for _, b := range stored {
		if refs[b.ID] {
			continue
		}
		orphans = append(orphans, b.ID)
		if now.Sub(b.Put) < unnamed {
			later++
		}
	}
	return later, tx.GiveUp(orphans, now)
}

// recall counts what a withdrawal takes back, and lists what it cannot.
func (s *Service) recall(tx store.Tx, d anchorhold.Dataset) (Withdrawal, error) {
	w := Withdrawal{Dataset: d.Name, Released: []Released{}}
	for _, a := range d.Assets {
		if a.Version.Mock != nil {
			w.Mocks++
		}
	}
	if err := w.countBackups(tx, d); err != nil {
		return w, err
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
			if err := w.add(tx, r); err != nil {
				return w, err
			}
		}
		if next == "" {
			return w, nil
		}
		page.Cursor = next
	}
}

// countBackups counts those that may hold what the dataset held.
func (w *Withdrawal) countBackups(tx store.Tx, d anchorhold.Dataset) error {
	made, err := books.Backups(tx)
	for _, b := range made {
		if !b.Began.Before(d.Created) {
			w.Backups++
		}
	}
	return err
}

func (w *Withdrawal) add(tx store.Tx, r anchorhold.Request) error {
	w.Requests++
	for page := (store.Page{Limit: store.MaxLimit}); ; {
		runs, next, err := tx.ListRuns(store.RunFilter{Request: r.ID}, page)
		if err != nil {
			return err
		}
		for _, run := range runs {
			w.addRun(r, run)
		}
		if next == "" {
			return nil
		}
		page.Cursor = next
	}
}

func (w *Withdrawal) addRun(r anchorhold.Request, run anchorhold.Run) {
	for _, o := range run.Outputs {
		w.Outputs++
		if rel := o.Release; rel != nil && rel.State == anchorhold.ReleaseApproved {
			w.Released = append(w.Released, Released{
				Release: rel.ID, Request: r.ID, Output: o.Name, To: r.AuthorName, Decided: rel.Decided, By: rel.DeciderName,
			})
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

// A file is left alone for a while after it was put, where whoever put it may
// not have written yet what refers to it: again, where it was put again after it
// was given up, and unnamed, where no record has named it: longer than any act takes.
const (
	again   = time.Hour
	unnamed = 24 * time.Hour
	// lag is by how much the time of a file may lie behind the clock by which it was
	// given up: a file system takes the kernel's last tick.
	lag = 20 * time.Millisecond
)

// Sweep deletes the files that were given up and that nothing refers to. It is
// done after a withdrawal, at every start, and now and then, so that an
// interrupted one is finished.
func (s *Service) Sweep(ctx context.Context) error {
	var given map[string]store.GivenUp
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
	now := s.Books.Now()
	var gone []string
	for id, g := range given {
		var rest time.Duration
		switch {
		case g.Orphan:
			rest = unnamed
		case put[id].After(g.At.Add(-lag)):
			rest = again
		}
		// Whoever puts it again meanwhile keeps it.
		older := g.At.Add(-lag + 1)
		if rest > 0 {
			if now.Sub(put[id]) < rest {
				continue
			}
			older = now.Add(-rest)
		}
		if err := s.Blobs.RemoveOlder(id, older); err != nil {
			return err
		}
		gone = append(gone, id)
	}
	return s.Books.Store.Update(ctx, func(tx store.Tx) error { return tx.Gone(gone) })
}
