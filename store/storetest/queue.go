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

// ahead is how many runs come before one; it must be what claiming then shows.
func ahead(t *testing.T, s store.Store, run string) (n int) {
	t.Helper()
	view(t, s, func(tx store.Tx) (err error) {
		n, err = tx.RunsAhead("run-"+run, clock)
		return err
	})
	return n
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
	foreseen := map[int]string{}
	for _, run := range []string{"a3", "a4", "a5", "b1", "b2", "b3", "c1"} {
		foreseen[ahead(t, s, run)] = run
	}
	for i, run := range want {
		equal(t, fmt.Sprintf("the run with %d ahead", i), foreseen[i], run)
	}
	equal(t, "runs ahead of the lowest priority", ahead(t, s, "d2"), 198+3+1+1)
	equal(t, "in turn", claimed(t, s, len(want), clock), want)
	queueRuns(t, s, "b", 4, 2, anchorhold.PriorityHigh)
	update(t, s, func(tx store.Tx) error { return tx.Prioritize("run-a200", anchorhold.PriorityHigh) })
	equal(t, "runs ahead of one that was moved up", ahead(t, s, "a200"), 1)
	equal(t, "a higher priority", claimed(t, s, 4, clock), []string{"b4", "a200", "b5", "a6"})
	view(t, s, func(tx store.Tx) error {
		n, err := tx.CountRuns(anchorhold.RunQueued)
		equal(t, "runs that wait", n, 193+2)
		return err
	})
	rest := claimed(t, s, 300, clock)
	equal(t, "all that is left", len(rest), 193+2)
	equal(t, "the lowest priority at last", rest[193:], []string{"d1", "d2"})
	if slices.Contains(rest, "a200") {
		t.Error("a run was claimed twice")
	}
	err := s.View(t.Context(), func(tx store.Tx) error {
		_, err := tx.RunsAhead("run-a1", clock)
		return err
	})
	absent(t, "runs ahead of one that does not wait", err)
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
		waiting, err = tx.RunWaiting(clock)
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
