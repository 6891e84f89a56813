// Package release decides what leaves the site, and writes the receipt of it.
//
// What was approved is byte for byte what leaves: an output is frozen under its
// SHA-256 before anybody decides, and hashed again when it is sent. Approval,
// receipt, audit entry and ledger line are one transaction. An automatic
// release needs a grant that allows it and every check passed; anything else
// waits for a person, who is never the author (policy). Tests tamper with the
// stored file, kill the process around the decision, and verify every receipt.
// Who decides, and how many, is request.Panel's word, for outputs as for requests.
package release

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/audit"
	"github.com/anchorhold/anchorhold/blob"
	"github.com/anchorhold/anchorhold/books"
	"github.com/anchorhold/anchorhold/identity/keys"
	"github.com/anchorhold/anchorhold/policy"
	"github.com/anchorhold/anchorhold/request"
	"github.com/anchorhold/anchorhold/store"
)

// Service holds, decides and hands out releases.
type Service struct {
	Books *books.Books
	Blobs *blob.Store
	Keys  *keys.SiteKeys
	// Withdrawn is told of a dataset that was taken back. Nil: nobody.
	Withdrawn func(dataset string)
}

// Ready says whether every check of an output passed, so that a grant may
// release it without a person. No check at all is not ready.
func Ready(checks []anchorhold.Check) bool {
	for _, c := range checks {
		if c.Result != anchorhold.CheckPassed {
			return false
		}
	}
	return len(checks) > 0
}

// Offer stores a run's output in the transaction that ends the run: released at
// once where the grant and all checks allow it, otherwise held for a person. What
// tells of single people is always held.
func (s *Service) Offer(tx store.Tx, r anchorhold.Request, g anchorhold.Grant, o anchorhold.Output) error {
	if err := tx.PutOutput(o); err != nil {
		return err
	}
	rel := anchorhold.Release{
		ID: anchorhold.NewID(anchorhold.PrefixRelease), Output: o.ID, Request: r.ID, State: anchorhold.ReleaseHeld,
	}
	halted, err := request.Halted(tx, r)
	if err != nil {
		return err
	}
	if halted { // a person decides, whatever was granted; it is no fault of the code's
		return tx.PutRelease(rel)
	}
	if o.Sensitivity == anchorhold.Individual { // a person decides, as its author said
		return tx.PutRelease(rel)
	}
	if g.Releases(s.Books.Now()) && o.Samples == nil && Ready(o.Checks) {
		rel.Decider, rel.DeciderName = g.ID, "automatic, by grant "+g.ID
		return s.approve(tx, policy.SiteAct(policy.ReleaseDecide, g.ID), rel)
	}
	if g.Releases(s.Books.Now()) { // an output that stopped is for a person, and so are those after it
		if err := request.Stop(tx, s.Books, g); err != nil {
			return err
		}
	}
	return tx.PutRelease(rel)
}

// revoke ends the grants behind an output that was refused: the same code must
// not run again on the same yes.
func revoke(tx store.Tx, p policy.Permit, o anchorhold.Output, now time.Time) error {
	run, err := tx.Run(o.Run)
	if err != nil {
		return err
	}
	return request.RevokeUnder(tx, run, p.Principal().Name(), "an output was refused", now)
}

// Said is what a decider says of an output.
type Said struct {
	Dataset string             `json:"dataset,omitempty" maxLength:"100" doc:"that is decided for; empty: every dataset of the request"`
	Verdict anchorhold.Verdict `json:"verdict" enum:"approve,deny"`
	Reason  string             `json:"reason,omitempty" maxLength:"10000"` // required for a denial
}

func (w Said) check() error {
	if w.Verdict != anchorhold.Approve && w.Verdict != anchorhold.Deny {
		return anchorhold.Errorf(anchorhold.Invalid, "say approve or deny", "the verdict is neither approve nor deny")
	}
	return request.CheckText("reason", w.Reason, w.Verdict == anchorhold.Deny)
}

// Decide records the permit's principal's word on a held output. It leaves when
// every dataset has its quorum of approvals, and stays for good at one denial.
func (s *Service) Decide(ctx context.Context, p policy.Permit, id string, w Said) (rel anchorhold.Release, err error) {
	if err := w.check(); err != nil {
		return rel, err
	}
	id, err = books.Act(ctx, s.Books, p, func(tx store.Tx) (string, books.Record, error) {
		rel, o, err := held(tx, id)
		if err != nil {
			return id, books.Record{}, err
		}
		said, panel, err := s.said(tx, p, rel, o, w)
		if err != nil {
			return id, books.Record{}, err
		}
		var names []string
		for _, d := range said {
			names = append(names, d.Dataset)
		}
		rec := books.Record{Subject: rel.ID, Details: map[string]string{
			"verdict": string(w.Verdict), "request": rel.Request, "reason": w.Reason, "datasets": strings.Join(names, " "),
		}}
		rel.Decisions, rel.Decider = append(rel.Decisions, said...), p.Principal().ID
		switch {
		case w.Verdict == anchorhold.Deny:
			now := s.Books.Now()
			rel.State, rel.Decided, rel.DeciderName, rel.Reason = anchorhold.ReleaseDenied, &now, p.Principal().Name(), w.Reason
			err = errors.Join(tx.PutRelease(rel), revoke(tx, p, o, now))
		case panel.Approved():
			rel.DeciderName, rel.Reason = strings.Join(deciders(rel.Decisions, ""), ", "), w.Reason
			rec.Digest = "sha256:" + o.SHA256 // it leaves, so auditors may know it
			err = s.approve(tx, p, rel)
		default:
			rel.Decider = "" // others have to decide, too
			err = tx.PutRelease(rel)
		}
		return rel.ID, rec, err
	})
	if err != nil {
		return rel, err
	}
	err = s.Books.View(ctx, func(tx store.Tx) error {
		rel, err = tx.Release(id)
		return err
	})
	return rel, err
}

// held finds a release that nothing has decided yet, with its output.
func held(tx store.Tx, id string) (rel anchorhold.Release, o anchorhold.Output, err error) {
	if rel, err = tx.Release(id); err != nil {
		return rel, o, err
	}
	if rel.State != anchorhold.ReleaseHeld {
		return rel, o, anchorhold.Errorf(anchorhold.Conflict, "nothing needs to be done", "this release is already %s", rel.State)
	}
	o, err = tx.Output(rel.Output)
	return rel, o, err
}

// said are the decisions that a word amounts to, and the panel with them.
func (s *Service) said(tx store.Tx, p policy.Permit, rel anchorhold.Release, o anchorhold.Output, w Said) ([]anchorhold.Decision, request.Panel, error) {
	r, err := tx.Request(rel.Request)
	if err != nil {
		return nil, request.Panel{}, err
	}
	panel, err := request.ReleasePanel(tx, r, rel)
	if err != nil {
		return nil, panel, err
	}
	names, err := panel.Admit(p.Principal(), w.Dataset)
	if err != nil {
		return nil, panel, err
	}
	run, err := tx.Run(o.Run)
	if err != nil {
		return nil, panel, err
	}
	var out []anchorhold.Decision
	for _, name := range names {
		out = append(out, anchorhold.Decision{
			ID: anchorhold.NewID(anchorhold.PrefixDecision), Request: r.ID, Opening: run.Opening, Dataset: name, Verdict: w.Verdict,
			Decider: p.Principal().ID, DeciderName: p.Principal().Name(), Reason: w.Reason, Created: s.Books.Now(), Rule: p.Rule(),
		})
	}
	return out, panel.With(out...), nil
}

// deciders names who decided for a dataset, or with "" for any, each once.
func deciders(decisions []anchorhold.Decision, dataset string) (names []string) {
	for _, d := range decisions {
		if (dataset == "" || d.Dataset == dataset) && !slices.Contains(names, d.DeciderName) {
			names = append(names, d.DeciderName)
		}
	}
	return names
}

// approve writes the receipt, the audit entry that commits to it, the ledger
// lines and the release.
func (s *Service) approve(tx store.Tx, p policy.Permit, rel anchorhold.Release) error {
	now := s.Books.Now()
	rel.State, rel.Decided = anchorhold.ReleaseApproved, &now
	f, err := gather(tx, rel)
	if err != nil {
		return err
	}
	envelope, digest, err := s.sign(f)
	if err != nil {
		return err
	}
	rel.Envelope = envelope
	rel.LogIndex, err = s.Books.Enter(tx, p, books.Record{Action: audit.ActionRelease, Subject: rel.ID, Digest: digest, Details: map[string]string{
		"request": rel.Request, "output": "sha256:" + f.output.SHA256,
	}})
	if err != nil {
		return err
	}
	for _, population := range f.populations {
		err := tx.AddLedger(anchorhold.LedgerEntry{
			ID: anchorhold.NewID(anchorhold.PrefixLedger), Class: anchorhold.ExposureUnbounded, Population: population,
			Study: f.request.Study, Principal: f.request.Author, Subject: rel.ID, Amount: amountOf(f.output), Created: now,
			What: whatLeft(f.output) + " of request " + f.request.ID + " was released by " + rel.DeciderName,
		})
		if err != nil {
			return err
		}
	}
	return tx.PutRelease(rel)
}

// Open opens an output's file after hashing it anew: what was approved, or
// nothing. The caller closes it. Where it was taken back, the error says so, and
// of the dataset what seen leaves of it.
func (s *Service) Open(ctx context.Context, o anchorhold.Output, seen func(anchorhold.Dataset) anchorhold.Dataset) (io.ReadCloser, error) {
	if o.Blob == "" {
		return nil, s.gone(ctx, o, seen)
	}
	f, err := s.Blobs.Open(o.Blob)
	if err != nil {
		return nil, anchorhold.Errorf(anchorhold.Internal, "ask the owner to run the request again", "the output's file is missing").Because(err)
	}
	sum := sha256.New()
	_, err = io.Copy(sum, f)
	if err == nil && hex.EncodeToString(sum.Sum(nil)) != o.SHA256 {
		err = anchorhold.Errorf(anchorhold.Internal, "ask the owner to run the request again", "the output's file is not what was approved")
	}
	if err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// gone says why the site keeps an output's file no more.
func (s *Service) gone(ctx context.Context, o anchorhold.Output, seen func(anchorhold.Dataset) anchorhold.Dataset) (gone error) {
	err := s.Books.View(ctx, func(tx store.Tx) error {
		run, err := tx.Run(o.Run)
		if err != nil {
			return err
		}
		r, err := tx.Request(run.Request)
		if err != nil {
			return err
		}
		d, taken, err := request.Withdrawn(tx, r)
		switch {
		case err != nil:
			return err
		case taken:
			gone = withdrawn(seen(d))
		case o.Release != nil && o.Release.State == anchorhold.ReleaseDenied:
			gone = anchorhold.Errorf(anchorhold.Conflict, "see `anchorhold retention show` for how long such files are kept", "the output was refused, and its file has been removed since")
		}
		return nil
	})
	switch {
	case err != nil:
		return err
	case gone == nil:
		return anchorhold.Errorf(anchorhold.Internal, "ask the owner to run the request again", "the output's file is missing")
	}
	return gone
}

// person names who acts at the site's own machine in words.
func person(name string) string {
	if strings.HasPrefix(name, "local:") {
		return "somebody at the site's machine (" + name + ")"
	}
	return name
}

// withdrawn says that an answer was taken back with its dataset, as far as
// whoever asks may know: when, by whom, why.
func withdrawn(d anchorhold.Dataset) error {
	when, who, why := "", "by its owner's decision", ""
	if d.Halt != nil {
		when = " on " + d.Halt.Since.UTC().Format("2006-01-02 at 15:04 UTC")
		if d.Halt.By != "" {
			who = "by " + person(d.Halt.By)
		}
		if d.Halt.Reason != "" {
			why = ": " + d.Halt.Reason
		}
	}
	return anchorhold.Errorf(anchorhold.Conflict,
		"nothing brings it back; who fetched it before has it, and its receipt can still be fetched and verified",
		"the answer was deleted here when the dataset %q was withdrawn%s, %s%s", d.Name, when, who, why)
}
