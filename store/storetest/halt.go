package storetest

import (
	"errors"
	"testing"
	"time"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/store"
)

// halted claims no run over a dataset that is not open, not even over one of
// several, nor one whose claimant died.
func halted(t *testing.T, s store.Store) {
	frozen := dataset("frozen")
	frozen.State = anchorhold.DatasetFrozen
	r := newRequest("req-1", "pri-1", "frozen")
	r.Assets["other"] = anchorhold.AssetRef{Dataset: "open", Asset: "patients", Version: "ver-1"}
	update(t, s, func(tx store.Tx) error {
		return errors.Join(tx.PutDataset(dataset("open")), tx.PutDataset(dataset("frozen")), tx.PutRequest(r),
			tx.PutRun(anchorhold.Run{ID: "run-1", Request: "req-1", State: anchorhold.RunQueued, Queued: clock}))
	})
	claim := func(at time.Time, want bool) {
		t.Helper()
		update(t, s, func(tx store.Tx) error {
			_, waiting, err := tx.RunWaiting(at)
			if err != nil || waiting != want {
				t.Errorf("waiting: %v, %v", waiting, err)
			}
			if _, err = tx.ClaimRun("wrk-1", at, at.Add(time.Minute)); errors.Is(err, store.ErrNotFound) == want {
				t.Errorf("claiming: %v", err)
			}
			return nil
		})
	}
	turn := func(d anchorhold.Dataset) {
		t.Helper()
		update(t, s, func(tx store.Tx) error { return tx.PutDataset(d) })
	}
	turn(frozen)
	claim(clock, false)
	turn(dataset("frozen"))
	claim(clock, true)
	turn(frozen)
	claim(clock.Add(time.Hour), false) // the lease is over
	turn(dataset("frozen"))
	claim(clock.Add(time.Hour), true)
}
