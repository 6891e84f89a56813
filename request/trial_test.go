package request_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/policy"
	"github.com/anchorhold/anchorhold/request"
	"github.com/anchorhold/anchorhold/store"
)

// offerMock offers a dataset that has a mock, and maybe no private side here.
func (b *bench) offerMock(name string, private bool) {
	b.t.Helper()
	v := anchorhold.Version{ID: anchorhold.NewID(anchorhold.PrefixVersion), Number: 1, Mock: &anchorhold.Mock{Format: "csv", Blob: "b"}}
	if private {
		v.Private = &anchorhold.Source{Path: "/secret/place.csv"}
	}
	err := b.Store.Update(context.Background(), func(tx store.Tx) error {
		d := anchorhold.Dataset{ID: "dat-" + name, Name: name, Population: name, Visibility: anchorhold.VisibleToUsers, Quorum: 1}
		if err := tx.PutDataset(d); err != nil {
			return err
		}
		return tx.PutVersion(name, "patients", v)
	})
	if err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) try(who anchorhold.Principal, dataset, body string) (anchorhold.Run, error) {
	b.t.Helper()
	sub := submission(dataset, body)
	p := b.permit(who, policy.RunTry, anchorhold.Request{})
	return b.Try(context.Background(), p, request.Attempt{Code: sub.Code, Assets: sub.Assets, Values: sub.Values})
}

func (b *bench) trial(run string) (t anchorhold.Trial) {
	b.t.Helper()
	err := b.View(context.Background(), func(tx store.Tx) (err error) {
		t, err = tx.Trial(run)
		return err
	})
	if err != nil {
		b.t.Fatal(err)
	}
	return t
}

// end lets a run end.
func (b *bench) end(run anchorhold.Run, state anchorhold.RunState) {
	b.t.Helper()
	run.State = state
	if err := b.Store.Update(context.Background(), func(tx store.Tx) error { return tx.PutRun(run) }); err != nil {
		b.t.Fatal(err)
	}
}

func TestTryQueuesARunWithoutARequestOrAGrant(t *testing.T) {
	b := newBench(t)
	b.offerMock("lungs", false) // only the mock is at this site
	run, err := b.try(author, "lungs", "1")
	if err != nil {
		t.Fatal(err)
	}
	if run.Side != anchorhold.SideMock || run.Request != "" || run.Grant != "" || run.State != anchorhold.RunQueued || b.woken.Load() != 1 {
		t.Errorf("got %+v, woken %d times", run, b.woken.Load())
	}
	tr := b.trial(run.ID)
	if tr.Author != author.ID || tr.Code.Entry != "main.py:f" || tr.Assets["patients"].Version == "" || string(tr.Values["k"]) != "3" {
		t.Errorf("the trial is %+v", tr)
	}
	text, err := json.Marshal(tr)
	if err != nil || strings.Contains(string(text), "secret") {
		t.Errorf("%s, %v", text, err)
	}
	events := b.Events()
	if last := events[len(events)-1]; last.Subject != run.ID || last.Details["side"] != "mock" {
		t.Errorf("the log says %+v", last)
	}
	_, err = b.try(author, "heart", "1") // it has none
	wantKind(t, "trying without a mock", err, anchorhold.Conflict)
	_, err = b.try(author, "nowhere", "1")
	wantKind(t, "trying on nothing", err, anchorhold.NotFound)
	b.EnvironmentBuilt = func(string) bool { return false }
	_, err = b.try(author, "lungs", "1")
	wantKind(t, "trying without an environment", err, anchorhold.Unavailable)
}

func TestTrialsHaveAQuota(t *testing.T) {
	b := newBench(t)
	b.offerMock("lungs", true)
	made := 0
	try := func(who anchorhold.Principal) (anchorhold.Run, error) {
		made++
		return b.try(who, "lungs", "1")
	}
	var runs []anchorhold.Run
	for range request.MaxOpenTrials {
		run, err := try(author)
		if err != nil {
			t.Fatal(err)
		}
		runs = append(runs, run)
	}
	_, err := try(author)
	wantKind(t, "one more at once", err, anchorhold.Conflict)
	if _, err := try(owner); err != nil {
		t.Errorf("another person: %v", err)
	}
	for _, r := range runs {
		b.end(r, anchorhold.RunFailed)
	}
	for range request.MaxHourlyTrials - request.MaxOpenTrials {
		run, err := try(author)
		if err != nil {
			t.Fatal(err)
		}
		b.end(run, anchorhold.RunDone)
	}
	_, err = try(author)
	wantKind(t, "one more within the hour", err, anchorhold.Conflict)
	r := b.submit(submission("lungs", "7"))
	if r.Trial != nil || r.TrialNote != "its author had made too many trials" {
		t.Errorf("a request over the quota: trial %+v, note %q", r.Trial, r.TrialNote)
	}
	b.Clock.Move(time.Hour + time.Second)
	if _, err := try(author); err != nil {
		t.Errorf("an hour later: %v", err)
	}
}

// The site tries what waits for a decision, once, and says why where it does not.
func TestTheSiteTriesARequest(t *testing.T) {
	b := newBench(t)
	b.offerMock("lungs", true)
	r := b.submit(submission("lungs", "1"))
	want(t, r, anchorhold.StatePending, 0)
	if r.Trial == nil || r.Trial.State != anchorhold.RunQueued || r.Trial.Request != r.ID || r.TrialNote != "" {
		t.Fatalf("trial %+v, note %q", r.Trial, r.TrialNote)
	}
	if again := b.submit(submission("lungs", "1")); again.Trial.ID != r.Trial.ID {
		t.Error("the same request was tried again")
	}
	b.end(*r.Trial, anchorhold.RunFailed)
	r = b.mustDecide(owner, b.read(r.ID), request.Word{Verdict: anchorhold.Approve, Terms: anchorhold.Terms{Uses: 2}})
	want(t, r, anchorhold.StateQueued, 1)
	r = b.endRun(r, anchorhold.RunFailed)
	first := r.Trial.ID
	b.Clock.Move(time.Minute)
	r = b.submit(submission("lungs", "1")) // the grant covers it: nobody will look
	want(t, r, anchorhold.StateQueued, 2)
	if r.Trial.ID != first {
		t.Error("a request that runs on a grant was tried")
	}
	if r := b.submit(submission("heart", "1")); r.Trial != nil || r.TrialNote != "heart/patients has no mock" {
		t.Errorf("without a mock: trial %+v, note %q", r.Trial, r.TrialNote)
	}
	b.EnvironmentBuilt = func(string) bool { return false }
	if r := b.submit(submission("lungs", "2")); r.Trial != nil || r.TrialNote != "the environment was not built at this site" {
		t.Errorf("without an environment: trial %+v, note %q", r.Trial, r.TrialNote)
	}
}

// A trial decides nothing: the state of its request is what it would be without.
func TestATrialChangesNoState(t *testing.T) {
	b := newBench(t)
	b.offerMock("lungs", true)
	r := b.submit(submission("lungs", "1"))
	for _, state := range []anchorhold.RunState{anchorhold.RunRunning, anchorhold.RunFailed, anchorhold.RunDone, anchorhold.RunCancelled} {
		b.end(*r.Trial, state)
		want(t, b.read(r.ID), anchorhold.StatePending, 0)
	}
	b.end(*r.Trial, anchorhold.RunQueued)
	if _, err := b.Withdraw(context.Background(), b.permit(author, policy.RequestWithdraw, r), r.ID); err != nil {
		t.Fatal(err)
	}
	if gone := b.read(r.ID); gone.Trial.State != anchorhold.RunCancelled {
		t.Errorf("after the withdrawal its trial is %s", gone.Trial.State)
	}
}
