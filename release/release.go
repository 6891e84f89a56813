// Package release decides what leaves the site, and writes the receipt of it.
//
// What was approved is byte for byte what leaves: an output is frozen under its
// SHA-256 before anybody decides, and hashed again when it is sent. Approval,
// receipt, audit entry and ledger line are one transaction. An automatic
// release needs a grant that allows it and every check passed; anything else
// waits for a person, who is never the author (policy). Tests tamper with the
// stored file, kill the process around the decision, and verify every receipt.
package release

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
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
// once where the grant and all checks allow it, otherwise held for a person.
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

// Decide lets a held output out, or refuses it.
func (s *Service) Decide(ctx context.Context, p policy.Permit, id string, v anchorhold.Verdict, reason string) (anchorhold.Release, error) {
	if v != anchorhold.Approve && v != anchorhold.Deny {
		return anchorhold.Release{}, anchorhold.Errorf(anchorhold.Invalid, "say approve or deny", "the verdict is neither approve nor deny")
	}
	if err := request.CheckText("reason", reason, v == anchorhold.Deny); err != nil {
		return anchorhold.Release{}, err
	}
	return books.Act(ctx, s.Books, p, func(tx store.Tx) (anchorhold.Release, books.Record, error) {
		rel, err := tx.Release(id)
		if err != nil {
			return rel, books.Record{}, err
		}
		if rel.State != anchorhold.ReleaseHeld {
			return rel, books.Record{}, anchorhold.Errorf(anchorhold.Conflict, "nothing needs to be done", "this release is already %s", rel.State)
		}
		o, err := tx.Output(rel.Output)
		if err != nil {
			return rel, books.Record{}, err
		}
		rel.Decider, rel.DeciderName, rel.Reason = p.Principal().ID, p.Principal().Name(), reason
		if v == anchorhold.Approve {
			err = s.approve(tx, p, rel)
		} else {
			now := s.Books.Now()
			rel.State, rel.Decided = anchorhold.ReleaseDenied, &now
			err = errors.Join(tx.PutRelease(rel), revoke(tx, p, o, now))
		}
		if err != nil {
			return rel, books.Record{}, err
		}
		rel, err = tx.Release(id)
		return rel, books.Record{Subject: rel.ID, Digest: "sha256:" + o.SHA256, Details: map[string]string{
			"verdict": string(v), "request": rel.Request, "reason": reason,
		}}, err
	})
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
// nothing. The caller closes it.
func (s *Service) Open(_ context.Context, o anchorhold.Output) (io.ReadCloser, error) {
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
