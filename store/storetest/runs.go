package storetest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/store"
)

func putRun(id string, state anchorhold.RunState) func(store.Tx) error {
	return func(tx store.Tx) error {
		return tx.PutRun(anchorhold.Run{ID: id, Request: "req-1", Grant: "gra-1", State: state, Queued: clock, Log: "log-" + id})
	}
}

func claims(t *testing.T, s store.Store) {
	update(t, s, func(tx store.Tx) error {
		return errors.Join(tx.PutRequest(newRequest("req-1", "pri-1", "heart")), putRun("run-1", anchorhold.RunQueued)(tx),
			putRun("run-2", anchorhold.RunQueued)(tx), putRun("run-3", anchorhold.RunDone)(tx))
	})
	lease := clock.Add(time.Minute)
	claim := func(who string, now time.Time) (r anchorhold.Run, err error) {
		err = s.Update(context.Background(), func(tx store.Tx) error {
			r, err = tx.ClaimRun(who, now, lease)
			return err
		})
		return r, err
	}
	waiting := func(now time.Time) (found bool) {
		view(t, s, func(tx store.Tx) (err error) {
			found, err = tx.RunWaiting(now)
			return err
		})
		return found
	}
	equal(t, "waiting before the first claim", waiting(clock), true)
	view(t, s, func(tx store.Tx) error {
		got, err := tx.Figures()
		equal(t, "figures", got, store.Figures{Queued: 2})
		return err
	})
	first, err := claim("a", clock)
	if err != nil || first.ID != "run-1" || first.State != anchorhold.RunRunning || first.Attempt != 1 || first.Log != "log-run-1" {
		t.Fatalf("the oldest queued run: got %+v, %v", first, err)
	}
	if second, err := claim("b", clock); err != nil || second.ID != "run-2" {
		t.Fatalf("the next: got %+v, %v", second, err)
	}
	_, err = claim("c", clock)
	absent(t, "a third claim", err)
	equal(t, "waiting after the last claim", waiting(clock), false)
	view(t, s, func(tx store.Tx) error {
		got, err := tx.Figures()
		equal(t, "figures", got, store.Figures{Running: 2})
		return err
	})
	equal(t, "waiting after a lease ended", waiting(lease.Add(time.Second)), true)
	extend := func(run, who string) error {
		return s.Update(context.Background(), func(tx store.Tx) error { return tx.ExtendLease(run, who, lease.Add(time.Hour)) })
	}
	if err := extend("run-1", "a"); err != nil {
		t.Errorf("extending a lease that is held: %v", err)
	}
	absent(t, "extending another's lease", extend("run-1", "b"))
	late, err := claim("d", lease.Add(time.Second))
	if err != nil || late.ID != "run-2" || late.Attempt != 2 {
		t.Errorf("after a lease ended: got %+v, %v", late, err)
	}
	absent(t, "extending a lease that was lost", extend("run-2", "b"))
	update(t, s, putRun("run-1", anchorhold.RunCancelled))
	absent(t, "extending the lease of an ended run", extend("run-1", "a"))
	giveBack := func(run, who string) error {
		return s.Update(context.Background(), func(tx store.Tx) error { return tx.ReturnRun(run, who) })
	}
	absent(t, "returning a run that another holds", giveBack("run-2", "b"))
	absent(t, "returning an ended run", giveBack("run-1", "a"))
	if err := giveBack("run-2", "d"); err != nil {
		t.Errorf("returning a run: %v", err)
	}
	absent(t, "returning it once more", giveBack("run-2", "d"))
	again, err := claim("e", clock)
	if err != nil || again.ID != "run-2" || again.Attempt != 2 || again.Log != "log-run-2" {
		t.Errorf("after it was returned: got %+v, %v; want the second attempt once more", again, err)
	}
}
