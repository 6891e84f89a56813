package request

import (
	"context"
	"encoding/json"
	"time"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/books"
	"github.com/anchorhold/anchorhold/digest"
	"github.com/anchorhold/anchorhold/policy"
	"github.com/anchorhold/anchorhold/store"
)

// How much one person may try, by themselves or through their requests: trials
// take turns with nobody's approved run, but with each other's.
const (
	MaxOpenTrials   = 4
	MaxHourlyTrials = 60
)

// Attempt is what somebody wants to try on the mocks.
type Attempt struct {
	Code   anchorhold.Code                `json:"code"`
	Assets map[string]anchorhold.AssetRef `json:"assets"` // dataset and asset by parameter name
	Values map[string]json.RawMessage     `json:"parameters,omitempty"`
	Study  string                         `json:"study,omitempty"`
	Expect *anchorhold.Resources          `json:"expect,omitempty"`
}

// Datasets lists the names of the datasets that an attempt touches, sorted.
func (a Attempt) Datasets() []string { return datasets(a.Assets) }

// Try queues a run on the mocks, by the permit's principal, who may see them
// all. It needs no decision: whoever may see a mock may do with it whatever they
// like, and here they do it in the environment and the sandbox of the site.
func (s *Service) Try(ctx context.Context, p policy.Permit, a Attempt) (anchorhold.Run, error) {
	if err := digest.ValidateCode(a.Code); err != nil {
		return anchorhold.Run{}, err
	}
	if err := checkStudy(a.Study); err != nil {
		return anchorhold.Run{}, err
	}
	values, err := digest.CheckValues(a.Code, a.Values)
	if err != nil {
		return anchorhold.Run{}, err
	}
	codeDigest, err := digest.Code(a.Code)
	if err != nil {
		return anchorhold.Run{}, err
	}
	if !s.EnvironmentBuilt(a.Code.Environment) {
		return anchorhold.Run{}, anchorhold.Errorf(anchorhold.Unavailable, "ask the owner to build it with `anchorhold env add`",
			"the environment that the code names is not built at this site")
	}
	if a.Expect, err = s.expected(a.Expect); err != nil {
		return anchorhold.Run{}, err
	}
	run, err := books.On(ctx, s.Books, p, books.Runs(), func(tx store.Tx) (anchorhold.Run, books.Record, error) {
		assets, err := versions(tx, a.Code, a.Assets, withMock)
		if err != nil {
			return anchorhold.Run{}, books.Record{}, err
		}
		if err := s.quota(tx, p.Principal().ID); err != nil {
			return anchorhold.Run{}, books.Record{}, err
		}
		run, err := s.queueTrial(tx, anchorhold.Trial{
			Author: p.Principal().ID, AuthorName: p.Principal().Name(), Code: a.Code, Assets: assets, Values: values, Expect: a.Expect,
		}, anchorhold.Request{Study: a.Study})
		return run, books.Record{Subject: run.ID, Digest: codeDigest, Details: map[string]string{"side": string(anchorhold.SideMock)}}, err
	})
	if err == nil {
		s.Wake()
	}
	return run, err
}

// quota refuses what is more than one person may try.
func (s *Service) quota(tx store.Tx, who string) error {
	open, recent, err := tx.CountTrials(who, s.Books.Now().Add(-time.Hour))
	switch {
	case err != nil:
		return err
	case open >= MaxOpenTrials:
		return anchorhold.Errorf(anchorhold.Conflict, "wait until one has ended, or cancel it", "%d trials of yours wait or run already", open)
	case recent >= MaxHourlyTrials:
		return anchorhold.Errorf(anchorhold.Conflict, "try again later, or on your own machine", "you have made %d trials within an hour", recent)
	}
	return nil
}

// queueTrial adds a run on the mocks, of a request or of none.
func (s *Service) queueTrial(tx store.Tx, t anchorhold.Trial, r anchorhold.Request) (anchorhold.Run, error) {
	now := s.Books.Now()
	run := anchorhold.Run{
		ID: anchorhold.NewID(anchorhold.PrefixRun), Side: anchorhold.SideMock, Request: r.ID, Opening: r.Opening, Study: r.Study,
		State: anchorhold.RunQueued, Queued: now, Outputs: []anchorhold.Output{},
	}
	if err := tx.PutRun(run); err != nil {
		return run, err
	}
	t.Run, t.Created = run.ID, now
	return run, tx.PutTrial(t)
}

// tryFor lets the site read the code of a request that waits for a decision, and
// try it, so that what to look at and what it gives on the mocks stand beside
// the code when somebody decides. Where it cannot be tried, the request says why.
func (s *Service) tryFor(tx store.Tx, r anchorhold.Request) error {
	if r.Trial != nil && r.Trial.State != anchorhold.RunCancelled && r.TrialNote == "" {
		return nil // the same code on the same mocks: it was tried in an earlier opening
	}
	r.TrialNote = s.noTrial(tx, r)
	if err := tx.PutRequest(r); err != nil {
		return err
	}
	readOnly := r.TrialNote != ""
	if readOnly && (r.Lint != nil || !s.EnvironmentBuilt(r.Code.Environment)) {
		return nil
	}
	run, err := s.queueTrial(tx, anchorhold.Trial{
		Author: r.Author, AuthorName: r.AuthorName, Code: r.Code, Assets: r.Assets, Values: r.Values, Expect: r.Expect, ReadOnly: readOnly,
	}, r)
	if err != nil {
		return err
	}
	_, err = s.Books.Enter(tx, policy.SiteAct(policy.RunTry, r.ID), books.Record{Subject: run.ID, Digest: r.Digest, Details: map[string]string{"trial of": r.ID}})
	return err
}

// noTrial says why the site does not try a request; empty where it does.
func (s *Service) noTrial(tx store.Tx, r anchorhold.Request) string {
	if !s.EnvironmentBuilt(r.Code.Environment) {
		return "the environment was not built at this site"
	}
	for _, ref := range r.Assets {
		if _, v, err := tx.Version(ref.Version); err != nil || v.Mock == nil {
			return ref.Dataset + "/" + ref.Asset + " has no mock"
		}
	}
	if s.quota(tx, r.Author) != nil {
		return "its author had made too many trials"
	}
	return ""
}
