package request

import (
	"time"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/store"
)

// takes refuses a dataset that takes no requests now.
func takes(d anchorhold.Dataset) error {
	if d.State == anchorhold.DatasetOpen {
		return nil
	}
	remedy, why := "try again once it is thawed", ""
	if d.State == anchorhold.DatasetWithdrawn {
		remedy = "choose another dataset"
	}
	if d.Halt != nil && d.Halt.ShowReason {
		why = ": " + d.Halt.Reason
	}
	return anchorhold.Errorf(anchorhold.Conflict, remedy, "the dataset %q is %s%s", d.Name, d.State, why)
}

// Halted says whether any dataset of a request is not open: then nothing leaves
// without a person's decision.
func Halted(tx store.Tx, r anchorhold.Request) (bool, error) {
	for _, name := range datasets(r.Assets) {
		d, err := tx.Dataset(name)
		if err != nil || d.State != anchorhold.DatasetOpen {
			return true, err
		}
	}
	return false, nil
}

// Withdrawn finds the first dataset of a request that was withdrawn, if any.
func Withdrawn(tx store.Tx, r anchorhold.Request) (anchorhold.Dataset, bool, error) {
	for _, name := range datasets(r.Assets) {
		d, err := tx.Dataset(name)
		if err != nil || d.State == anchorhold.DatasetWithdrawn {
			return d, err == nil, err
		}
	}
	return anchorhold.Dataset{}, false, nil
}

// EndOver ends what goes on over a dataset that is withdrawn: grants are
// revoked, runs cancelled, and requests that were open are withdrawn. It gives
// every request over the dataset and how many grants were revoked.
func EndOver(tx store.Tx, dataset, by, reason string, now time.Time) (all []anchorhold.Request, revoked int, err error) {
	live := func(g anchorhold.Grant) bool {
		if g.Revoked == nil {
			revoked++
		}
		return g.Revoked != nil
	}
	if err := revokeAll(tx, store.GrantFilter{Dataset: dataset}, by, reason, now, live); err != nil {
		return nil, 0, err
	}
	for page := (store.Page{Limit: store.MaxLimit}); ; {
		found, next, err := tx.ListRequests(store.RequestFilter{Dataset: dataset}, page)
		if err != nil {
			return nil, 0, err
		}
		for _, r := range found {
			if r, err = endRequest(tx, r.ID, now); err != nil {
				return nil, 0, err
			}
			all = append(all, r)
		}
		if next == "" {
			return all, revoked, nil
		}
		page.Cursor = next
	}
}

func endRequest(tx store.Tx, id string, now time.Time) (anchorhold.Request, error) {
	r, err := tx.Request(id) // whole: lists leave the code out
	if err != nil {
		return r, err
	}
	for _, run := range r.Runs {
		if run.State == anchorhold.RunQueued || run.State == anchorhold.RunRunning || run.State == anchorhold.RunChecking {
			if err := Cancel(tx, run, now); err != nil {
				return r, err
			}
		}
	}
	if state := StateOf(r, now); !state.Ended() && state != anchorhold.StateHeld {
		r.Withdrawn = true
		return r, tx.PutRequest(r)
	}
	return r, nil
}
