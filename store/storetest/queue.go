package storetest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/store"
)

// queueRuns queues runs of an author, named by it and numbered on.
func queueRuns(t *testing.T, s store.Store, author string, from, n, priority int) {
	t.Helper()
	update(t, s, func(tx store.Tx) error {
		if _, err := tx.Request("req-" + author); err != nil {
			if err := tx.PutRequest(newRequest("req-"+author, "pri-"+author, "heart")); err != nil {
				return err
			}
		}
		for i := range n {
			run := anchorhold.Run{
				ID: fmt.Sprintf("run-%s%d", author, from+i), Request: "req-" + author, State: anchorhold.RunQueued, Queued: clock, Priority: priority,
			}
			if err := tx.PutRun(run); err != nil {
				return err
			}
		}
		return nil
	})
}

// claimed claims so many runs and gives their names, without "run-".
func claimed(t *testing.T, s store.Store, n int, now time.Time) (out []string) {
	t.Helper()
	for range n {
		update(t, s, func(tx store.Tx) error {
			r, err := tx.ClaimRun("worker", now, now.Add(time.Minute))
			if errors.Is(err, store.ErrNotFound) {
				return nil
			}
			out = append(out, strings.TrimPrefix(r.ID, "run-"))
			return err
		})
	}
	return out
}

// order is how the runs in line will be claimed, without "run-".
func order(t *testing.T, s store.Store) (out []string) {
	t.Helper()
	view(t, s, func(tx store.Tx) error {
		ids, err := tx.QueueOrder(clock)
		for _, id := range ids {
			out = append(out, strings.TrimPrefix(id, "run-"))
		}
		return err
	})
	return out
}

// Somebody with 200 queued runs does not keep others waiting for more than one
// of theirs; a higher priority goes before.
func fairQueue(t *testing.T, s store.Store) {
	queueRuns(t, s, "a", 1, 200, anchorhold.PriorityNormal)
	equal(t, "alone", claimed(t, s, 2, clock), []string{"a1", "a2"})
	queueRuns(t, s, "b", 1, 3, anchorhold.PriorityNormal)
	queueRuns(t, s, "c", 1, 1, anchorhold.PriorityNormal)
	queueRuns(t, s, "d", 1, 2, anchorhold.PriorityLow)
	want := []string{"b1", "c1", "a3", "b2", "a4", "b3", "a5"}
	foreseen := order(t, s)
	equal(t, "foreseen", foreseen[:len(want)], want)
	equal(t, "runs ahead of the lowest priority", slices.Index(foreseen, "d2"), 198+3+1+1)
	equal(t, "in turn", claimed(t, s, len(want), clock), want)
	queueRuns(t, s, "b", 4, 2, anchorhold.PriorityHigh)
	update(t, s, func(tx store.Tx) error { return tx.Prioritize("run-a200", anchorhold.PriorityHigh) })
	equal(t, "runs ahead of one that was moved up", slices.Index(order(t, s), "a200"), 1)
	equal(t, "a higher priority", claimed(t, s, 4, clock), []string{"b4", "a200", "b5", "a6"})
	view(t, s, func(tx store.Tx) error {
		n, err := tx.CountRuns(anchorhold.RunQueued)
		equal(t, "runs that wait", n, 193+2)
		return err
	})
	foreseen = order(t, s)
	rest := claimed(t, s, 300, clock)
	equal(t, "what was foreseen of the rest", rest, foreseen)
	equal(t, "all that is left", len(rest), 193+2)
	equal(t, "the lowest priority at last", rest[193:], []string{"d1", "d2"})
	if slices.Contains(rest, "a200") {
		t.Error("a run was claimed twice")
	}
	equal(t, "in line when all are claimed", order(t, s), nil)
	absent(t, "the priority of an unknown run", s.Update(t.Context(), func(tx store.Tx) error { return tx.Prioritize("run-x", 1) }))
	// A lost run has had its turn: it comes first.
	queueRuns(t, s, "e", 1, 1, anchorhold.PriorityHigh)
	equal(t, "a lost run", claimed(t, s, 1, clock.Add(2*time.Minute)), []string{"a1"})
}

// Who has used up a day's processor time waits for the next day, and holds up
// nobody else.
func quotas(t *testing.T, s store.Store) {
	queueRuns(t, s, "a", 1, 3, anchorhold.PriorityHigh)
	queueRuns(t, s, "b", 1, 2, anchorhold.PriorityNormal)
	quota := func(author string) (q anchorhold.Quota) {
		view(t, s, func(tx store.Tx) (err error) {
			q, err = tx.Quota(author)
			return err
		})
		return q
	}
	equal(t, "without any", quota("pri-a"), anchorhold.Quota{})
	site, own := anchorhold.Quota{Queued: 50, CPUSeconds: 100}, anchorhold.Quota{Queued: 2, CPUSeconds: 10}
	update(t, s, func(tx store.Tx) error { return errors.Join(tx.PutQuota("", site), tx.PutQuota("pri-a", own)) })
	equal(t, "one's own", quota("pri-a"), own)
	equal(t, "everybody's", quota("pri-b"), site)
	equal(t, "before", claimed(t, s, 1, clock), []string{"a1"})
	update(t, s, func(tx store.Tx) error {
		return errors.Join(tx.Spend("run-a1", clock, 6), tx.Spend("run-a1", clock, 6), tx.Spend("run-b1", clock, 99))
	})
	view(t, s, func(tx store.Tx) error {
		spent, err := tx.Spent("pri-a", clock)
		equal(t, "spent", spent, 12)
		tomorrow, err2 := tx.Spent("pri-a", clock.Add(24*time.Hour))
		equal(t, "spent tomorrow", tomorrow, 0)
		queued, err3 := tx.CountQueued("pri-a")
		equal(t, "queued or running", queued, 3)
		return errors.Join(err, err2, err3)
	})
	equal(t, "with it used up", claimed(t, s, 3, clock), []string{"b1", "b2"})
	waiting := true
	view(t, s, func(tx store.Tx) (err error) {
		_, waiting, err = tx.RunWaiting(clock)
		return err
	})
	equal(t, "something to claim", waiting, false)
	update(t, s, func(tx store.Tx) error { return tx.PutQuota("pri-a", anchorhold.Quota{}) })
	equal(t, "everybody's again", quota("pri-a"), site)
	equal(t, "with a larger quota", claimed(t, s, 1, clock), []string{"a2"})
	update(t, s, func(tx store.Tx) error {
		return errors.Join(tx.PutQuota("", anchorhold.Quota{CPUSeconds: 1}))
	})
	equal(t, "with a smaller one for everybody", claimed(t, s, 1, clock), nil)
	equal(t, "on the next day", slices.Contains(claimed(t, s, 9, clock.Add(24*time.Hour)), "a3"), true)
}

// Within a priority of their own, runs over datasets of a higher one go before;
// over several datasets the lowest counts. The queue is foreseen as it is claimed,
// turns of authors from one priority to the next included.
func datasetPriorities(t *testing.T, s store.Store) {
	update(t, s, func(tx store.Tx) error {
		var err error
		for name, priority := range map[string]int{"urgent": anchorhold.PriorityHigh, "later": anchorhold.PriorityLow} {
			err = errors.Join(err, tx.PutDataset(anchorhold.Dataset{ID: "dat-" + name, Name: name, Population: name, Visibility: anchorhold.VisibleToUsers, Quorum: 1, Priority: priority}))
		}
		both := newRequest("req-e", "pri-e", "urgent")
		both.Assets["others"] = anchorhold.AssetRef{Dataset: "later", Asset: "patients", Version: "ver-other"}
		return errors.Join(err, tx.PutRequest(newRequest("req-c", "pri-c", "urgent")), tx.PutRequest(newRequest("req-d", "pri-d", "later")), tx.PutRequest(both))
	})
	queueRuns(t, s, "a", 1, 2, anchorhold.PriorityNormal)
	queueRuns(t, s, "d", 1, 1, anchorhold.PriorityNormal)
	queueRuns(t, s, "e", 1, 1, anchorhold.PriorityNormal)
	queueRuns(t, s, "c", 1, 2, anchorhold.PriorityNormal)
	queueRuns(t, s, "d", 2, 1, anchorhold.PriorityHigh)
	queueRuns(t, s, "b", 1, 1, anchorhold.PriorityLow)
	queueRuns(t, s, "a", 3, 1, anchorhold.PriorityLow)
	// d has had its turn with d2, so that e's, which came later, is before its own.
	want := []string{"d2", "c1", "c2", "a1", "a2", "e1", "d1", "b1", "a3"}
	equal(t, "foreseen", order(t, s), want)
	equal(t, "claimed", claimed(t, s, 20, clock), want)
	update(t, s, func(tx store.Tx) error {
		d, err := tx.Dataset("later")
		d.Priority = anchorhold.PriorityHigh
		return errors.Join(err, tx.PutDataset(d))
	})
	queueRuns(t, s, "a", 4, 1, anchorhold.PriorityNormal)
	queueRuns(t, s, "d", 3, 1, anchorhold.PriorityNormal)
	equal(t, "with another priority of the dataset", claimed(t, s, 9, clock), []string{"d3", "a4"})
}

// A replay is its asker's: it takes their turn and their processor time, not the
// request's author's, and comes before trials. A trial that is returned keeps when
// it began.
func replaysAndTrials(t *testing.T, s store.Store) {
	queueRuns(t, s, "a", 1, 1, anchorhold.PriorityNormal)
	update(t, s, func(tx store.Tx) error {
		return errors.Join(putTrial(tx, "run-t1", "pri-t", "", anchorhold.RunQueued, clock),
			tx.PutRun(anchorhold.Run{ID: "run-again", Side: anchorhold.SideReplay, Request: "req-a", State: anchorhold.RunQueued, Queued: clock, Replay: &anchorhold.Replay{Run: "run-a0", By: "pri-owner"}}))
	})
	equal(t, "foreseen", order(t, s), []string{"a1", "again", "t1"})
	equal(t, "claimed", claimed(t, s, 3, clock), []string{"a1", "again", "t1"})
	update(t, s, func(tx store.Tx) error {
		return errors.Join(tx.Spend("run-again", clock, 7), tx.ReturnRun("run-t1", "worker"), tx.ReturnRun("run-again", "worker"))
	})
	view(t, s, func(tx store.Tx) error {
		author, err := tx.Spent("pri-a", clock)
		equal(t, "spent by the author of what was replayed", author, 0)
		owner, err2 := tx.Spent("pri-owner", clock)
		equal(t, "spent by who replayed", owner, 7)
		trial, err3 := tx.Run("run-t1")
		if trial.Started == nil || !trial.Started.Equal(clock) || trial.Attempt != 0 || trial.State != anchorhold.RunQueued {
			t.Errorf("a trial that was returned is %+v", trial)
		}
		replay, err4 := tx.Run("run-again")
		equal(t, "the start of a run that was returned", replay.Started, nil)
		side, waits, err5 := tx.RunWaiting(clock)
		if !waits || side != anchorhold.SideReplay {
			t.Errorf("next is one of side %q, %v", side, waits)
		}
		return errors.Join(err, err2, err3, err4, err5)
	})
	equal(t, "again", claimed(t, s, 2, clock.Add(time.Minute)), []string{"again", "t1"})
	view(t, s, func(tx store.Tx) error {
		trial, err := tx.Run("run-t1")
		if err == nil && !trial.Started.Equal(clock) {
			t.Errorf("a trial that goes on began at %v", trial.Started)
		}
		return err
	})
}
