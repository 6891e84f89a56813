package storetest

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/store"
)

// putTrial makes a trial with its run, one after the other on the clock.
func putTrial(tx store.Tx, id, author, request string, state anchorhold.RunState, at time.Time) error {
	r := newRequest("req-1", author, "heart")
	return errors.Join(
		tx.PutRun(anchorhold.Run{ID: id, Side: anchorhold.SideMock, Request: request, State: state, Queued: at, Log: "log-" + id}),
		tx.PutTrial(anchorhold.Trial{Run: id, Author: author, AuthorName: author, Code: r.Code, Assets: r.Assets, Values: r.Values, Created: at}))
}

func trials(t *testing.T, s store.Store) {
	r := newRequest("req-1", "pri-1", "heart")
	update(t, s, func(tx store.Tx) error {
		return errors.Join(tx.PutRequest(r),
			putTrial(tx, "run-1", "pri-1", "", anchorhold.RunQueued, clock),
			putTrial(tx, "run-2", "pri-2", "", anchorhold.RunQueued, clock.Add(time.Second)),
			putTrial(tx, "run-3", "pri-1", "req-1", anchorhold.RunDone, clock.Add(2*time.Second)),
			putRun("run-4", anchorhold.RunQueued)(tx))
	})
	view(t, s, func(tx store.Tx) error {
		got, err := tx.Trial("run-1")
		equal(t, "trial", got, anchorhold.Trial{Run: "run-1", Author: "pri-1", AuthorName: "pri-1", Code: r.Code, Assets: r.Assets, Values: r.Values, Created: clock})
		_, missing := tx.Trial("run-4")
		absent(t, "the trial of a run on private data", missing)
		full, err2 := tx.Request("req-1")
		if len(full.Runs) != 1 || full.Runs[0].ID != "run-4" || full.Trial == nil || full.Trial.ID != "run-3" || full.Trial.Side != anchorhold.SideMock {
			t.Errorf("a request with a trial: runs %+v, trial %+v", full.Runs, full.Trial)
		}
		equal(t, "runs on private data", runsOf(t, tx, store.RunFilter{}), []string{"run-4"})
		equal(t, "of their author", runsOf(t, tx, store.RunFilter{Author: "pri-1"}), []string{"run-4"})
		equal(t, "of another", runsOf(t, tx, store.RunFilter{Author: "pri-2"}), nil)
		equal(t, "trials", runsOf(t, tx, store.RunFilter{Side: anchorhold.SideMock}), []string{"run-3", "run-2", "run-1"})
		equal(t, "trials of one", runsOf(t, tx, store.RunFilter{Side: anchorhold.SideMock, Author: "pri-1"}), []string{"run-3", "run-1"})
		open, recent, err3 := tx.CountTrials("pri-1", clock)
		if open != 1 || recent != 1 {
			t.Errorf("counted %d open and %d recent trials, want 1 and 1", open, recent)
		}
		return errors.Join(err, err2, err3)
	})
	if err := s.Update(context.Background(), func(tx store.Tx) error { return tx.PutTrial(anchorhold.Trial{Run: "run-9"}) }); err == nil {
		t.Error("a trial without a run was stored")
	}
	if err := s.Update(context.Background(), func(tx store.Tx) error { return tx.PutRun(anchorhold.Run{ID: "run-9", State: anchorhold.RunQueued}) }); err == nil {
		t.Error("a run on private data without a request was stored")
	}
	for _, want := range []string{"run-4", "run-2", "run-1"} {
		update(t, s, func(tx store.Tx) error {
			run, err := tx.ClaimRun("a", clock, clock.Add(time.Minute))
			equal(t, "private runs come before trials, then their authors in turn: claimed", run.ID, want)
			return err
		})
	}
}

func lints(t *testing.T, s store.Store) {
	first := anchorhold.Lint{Version: 1, Findings: []anchorhold.Finding{{File: "main.py", Line: 3, Category: "files", What: "open()", Why: "why"}}}
	for _, l := range []anchorhold.Lint{first, {Version: 2, Findings: []anchorhold.Finding{}, More: 4}} {
		update(t, s, func(tx store.Tx) error {
			r := newRequest("req-1", "pri-1", "heart")
			r.Lint = &anchorhold.Lint{Version: 9} // not stored with it
			return errors.Join(tx.PutRequest(r), tx.PutLint(r.CodeDigest, l))
		})
		view(t, s, func(tx store.Tx) error {
			r, err := tx.Request("req-1")
			equal(t, "what was found in its code", r.Lint, &l)
			listed, _, err2 := tx.ListRequests(store.RequestFilter{}, store.Page{})
			if len(listed) != 1 || listed[0].Lint != nil {
				t.Errorf("a list has it too: %+v", listed)
			}
			return errors.Join(err, err2)
		})
	}
}

// forgottenLint: what was found in code goes when no request has its text.
func forgottenLint(t *testing.T, s store.Store) {
	one, two := newRequest("req-1", "pri-1", "heart"), newRequest("req-2", "pri-2", "heart")
	two.Digest, two.CodeDigest = "another", one.CodeDigest
	update(t, s, func(tx store.Tx) error {
		return errors.Join(tx.PutRequest(one), tx.PutRequest(two), tx.PutLint(one.CodeDigest, anchorhold.Lint{Version: 1}))
	})
	for _, r := range []anchorhold.Request{one, two} {
		left := r.ID == "req-1"
		update(t, s, func(tx store.Tx) error {
			at := clock
			r.Forgotten = &at
			return errors.Join(tx.PutRequest(r), tx.ForgetLint(r.CodeDigest))
		})
		view(t, s, func(tx store.Tx) error {
			r, err := tx.Request("req-2")
			equal(t, "what was found is kept", r.Lint != nil, left)
			return err
		})
	}
}

// forgottenWords: what people said about one request goes, and nothing else.
func forgottenWords(t *testing.T, s store.Store) {
	update(t, s, func(tx store.Tx) error {
		var err error
		for _, id := range []string{"req-1", "req-2"} {
			word := func(dataset string) anchorhold.Decision {
				return anchorhold.Decision{
					ID: "dec-" + dataset + id, Request: id, Opening: 1, Dataset: dataset, Verdict: anchorhold.Deny, Decider: "pri-2",
					Reason: "because", WouldAccept: "less", Category: "purpose",
				}
			}
			plain := word("plain")
			plain.Reason, plain.WouldAccept = "", ""
			err = errors.Join(err, tx.PutRequest(newRequest(id, "pri-1", "heart")), tx.AddDecision(word("heart")), tx.AddDecision(plain),
				tx.AddMessage(anchorhold.Message{Request: id, Question: true, Text: "why?", Name: "olga"}),
				tx.PutRun(anchorhold.Run{ID: "run-" + id, Request: id, State: anchorhold.RunDone}),
				tx.PutOutput(anchorhold.Output{Run: "run-" + id, ID: "out-" + id, Name: "result"}),
				tx.PutRelease(anchorhold.Release{
					ID: "rel-" + id, Output: "out-" + id, Request: id, State: anchorhold.ReleaseDenied,
					Reason: "too fine", Decisions: []anchorhold.Decision{word("heart"), plain}, Envelope: []byte("signed"), LogIndex: 7,
				}))
		}
		return err
	})
	for _, want := range []bool{true, false} {
		update(t, s, func(tx store.Tx) error {
			said, err := tx.ForgetWords("req-1")
			equal(t, "there was something to forget", said, want)
			return err
		})
	}
	view(t, s, func(tx store.Tx) error {
		for id, left := range map[string]bool{"req-1": false, "req-2": true} {
			r, err := tx.Request(id)
			if err != nil {
				return err
			}
			rel, err := tx.Release("rel-" + id)
			if err != nil {
				return err
			}
			equal(t, "messages", len(r.Messages), 1)
			equal(t, "decisions", len(r.Decisions), 2)
			equal(t, "decisions on the output", len(rel.Decisions), 2)
			equal(t, "who asked", r.Messages[0].Name, "olga")
			equal(t, "a question", r.Messages[0].Text != "", left)
			for _, d := range append(r.Decisions[:1], rel.Decisions[0]) {
				equal(t, "who decided", d.Decider, "pri-2")
				equal(t, "the category", d.Category, "purpose")
				equal(t, "the reason", d.Reason != "", left)
				equal(t, "what would be accepted", d.WouldAccept != "", left)
			}
			equal(t, "the reason on the output", rel.Reason != "", left)
			equal(t, "the receipt", string(rel.Envelope), "signed")
			equal(t, "its place in the log", rel.LogIndex, int64(7))
		}
		return nil
	})
}

func runsOf(t *testing.T, tx store.Tx, f store.RunFilter) (out []string) {
	t.Helper()
	list, _, err := tx.ListRuns(f, store.Page{})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range list {
		out = append(out, r.ID)
	}
	return out
}

// withdrawnTrials: those over a dataset are removed with it, of whatever state,
// and nothing of others.
func withdrawnTrials(t *testing.T, s store.Store) {
	other := newRequest("req-2", "pri-1", "lung")
	update(t, s, func(tx store.Tx) error {
		d := dataset("lung")
		d.ID = "dat-lung"
		return errors.Join(tx.PutDataset(dataset("heart")), tx.PutDataset(d), tx.PutRequest(newRequest("req-1", "pri-1", "heart")), tx.PutRequest(other),
			putTrial(tx, "run-1", "pri-1", "", anchorhold.RunDone, clock),
			putTrial(tx, "run-2", "pri-2", "req-1", anchorhold.RunRunning, clock),
			tx.PutRun(anchorhold.Run{ID: "run-3", Side: anchorhold.SideMock, State: anchorhold.RunDone, Queued: clock, Log: "log-run-3"}),
			tx.PutTrial(anchorhold.Trial{Run: "run-3", Author: "pri-1", Code: other.Code, Assets: other.Assets, Created: clock}),
			tx.PutOutput(anchorhold.Output{ID: "out-1", Run: "run-1", Name: "result", Blob: "result-1"}))
	})
	update(t, s, func(tx store.Tx) error {
		n, err := tx.ForgetDataset("heart", clock)
		equal(t, "trials removed", n, 2)
		return err
	})
	view(t, s, func(tx store.Tx) error {
		equal(t, "trials that are kept", runsOf(t, tx, store.RunFilter{Side: anchorhold.SideMock}), []string{"run-3"})
		given, err := tx.GivenUp()
		equal(t, "given up", given, map[string]store.GivenUp{"result-1": {At: clock.UTC()}, "log-run-1": {At: clock.UTC()}, "log-run-2": {At: clock.UTC()}})
		return err
	})
}

func forgotten(t *testing.T, s store.Store) {
	out := func(id, run, blob string) anchorhold.Output {
		return anchorhold.Output{ID: id, Run: run, Name: "result", Kind: "json", Blob: blob, Checks: []anchorhold.Check{}}
	}
	late := clock.Add(time.Hour)
	update(t, s, func(tx store.Tx) error {
		return errors.Join(tx.PutRequest(newRequest("req-1", "pri-1", "heart")),
			putTrial(tx, "run-1", "pri-1", "", anchorhold.RunDone, clock),
			putTrial(tx, "run-2", "pri-1", "req-1", anchorhold.RunFailed, clock),
			putTrial(tx, "run-3", "pri-1", "", anchorhold.RunRunning, clock),
			putTrial(tx, "run-4", "pri-1", "", anchorhold.RunDone, late),
			putRun("run-5", anchorhold.RunDone)(tx),
			tx.PutOutput(out("out-1", "run-1", "only")), tx.PutOutput(out("out-2", "run-1", "also private")),
			tx.PutOutput(out("out-3", "run-5", "also private")), tx.PutOutput(out("out-4", "run-2", "also newer")),
			tx.PutOutput(out("out-5", "run-4", "also newer")))
	})
	update(t, s, func(tx store.Tx) error {
		runs, blobs, err := tx.ForgetTrials(late)
		slices.Sort(runs)
		equal(t, "forgotten runs", runs, []string{"run-1", "run-2"})
		equal(t, "blobs that nothing names", blobs, []string{"log-run-1", "log-run-2", "only"})
		return err
	})
	view(t, s, func(tx store.Tx) error {
		equal(t, "trials that are kept", runsOf(t, tx, store.RunFilter{Side: anchorhold.SideMock}), []string{"run-4", "run-3"})
		_, gone := tx.Run("run-1")
		absent(t, "a forgotten run", gone)
		_, gone = tx.Trial("run-2")
		absent(t, "a forgotten trial", gone)
		r, err := tx.Request("req-1")
		if r.Trial != nil || len(r.Runs) != 1 || len(r.Runs[0].Outputs) != 1 {
			t.Errorf("the request after its trial was forgotten: %+v", r)
		}
		return err
	})
}
