package storetest

import (
	"context"
	"errors"
	"fmt"
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
			_, found, err = tx.RunWaiting(now)
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
	update(t, s, func(tx store.Tx) error { return tx.EndLeases() })
	absent(t, "extending a lease after all were ended", extend("run-2", "e"))
	if last, err := claim("f", clock.Add(time.Second)); err != nil || last.ID != "run-2" || last.Attempt != 3 {
		t.Errorf("after all leases were ended: got %+v, %v", last, err)
	}
}

// shown holds that a request comes with the few runs that people and rules need,
// however many it has had.
func shown(t *testing.T, s store.Store) {
	release := func(n int, run string, state anchorhold.ReleaseState) func(store.Tx) error {
		return func(tx store.Tx) error {
			o := anchorhold.Output{ID: fmt.Sprintf("out-%d", n), Run: run, Name: "result", Kind: "json", Blob: fmt.Sprintf("blob-%d", n)}
			return errors.Join(tx.PutOutput(o), tx.PutRelease(anchorhold.Release{ID: fmt.Sprintf("rel-%d", n), Request: "req-1", Output: o.ID, State: state}))
		}
	}
	update(t, s, func(tx store.Tx) error {
		errs := []error{tx.PutRequest(newRequest("req-1", "pri-1", "heart")), tx.PutRequest(newRequest("req-2", "pri-1", "heart"))}
		for i := range 20 {
			state := anchorhold.RunDone
			if i == 3 {
				state = anchorhold.RunRunning
			}
			errs = append(errs, putRun(fmt.Sprintf("run-%02d", i), state)(tx))
		}
		replay := anchorhold.Run{ID: "run-replay", Side: anchorhold.SideReplay, Request: "req-1", State: anchorhold.RunDone, Queued: clock}
		other := anchorhold.Run{ID: "run-other", Request: "req-2", State: anchorhold.RunDone, Queued: clock}
		return errors.Join(append(errs, release(1, "run-01", anchorhold.ReleaseHeld)(tx), release(2, "run-02", anchorhold.ReleaseDenied)(tx),
			release(3, "run-05", anchorhold.ReleaseApproved)(tx), tx.PutRun(replay), tx.PutRun(other))...)
	})
	want := []string{"run-01", "run-03", "run-05", "run-15", "run-16", "run-17", "run-18", "run-19", "run-replay"}
	view(t, s, func(tx store.Tx) error {
		one, err := tx.Request("req-1")
		equal(t, "the runs of a request", named(one.Runs), want)
		listed, _, err2 := tx.ListRequests(store.RequestFilter{}, store.Page{})
		equal(t, "in a list", [][]string{named(listed[0].Runs), named(listed[1].Runs)}, [][]string{{"run-other"}, want})
		equal(t, "all runs of a request", len(runsOf(t, tx, store.RunFilter{Request: "req-1"})), 20)
		equal(t, "of the other", runsOf(t, tx, store.RunFilter{Request: "req-2"}), []string{"run-other"})
		return errors.Join(err, err2)
	})
}

func named(runs []anchorhold.Run) (out []string) {
	for _, r := range runs {
		out = append(out, r.ID)
	}
	return out
}
