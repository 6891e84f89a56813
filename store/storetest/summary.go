package storetest

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/store"
)

// summaries: requests are found by the state that a function gives them, also
// those that were stored before it was known, and whatever changed it.
func summaries(t *testing.T, s store.Store) {
	put := func(tx store.Tx, i int) error {
		return tx.PutRequest(anchorhold.Request{
			ID: fmt.Sprintf("req-%d", i), Digest: fmt.Sprint(i), Opening: 1,
			Code: anchorhold.Code{Entry: "main.py:f", Files: []anchorhold.File{{Path: "main.py", Text: "long"}}},
		})
	}
	update(t, s, func(tx store.Tx) error { return errors.Join(put(tx, 1), put(tx, 2)) })
	found := func(states ...anchorhold.State) (out []string) {
		view(t, s, func(tx store.Tx) error {
			list, _, err := tx.ListRequests(store.RequestFilter{States: states}, store.Page{})
			for _, r := range list {
				out = append(out, r.ID)
			}
			return err
		})
		return out
	}
	equal(t, "while nothing is known", found(anchorhold.StateDenied), []string{"req-2", "req-1"})
	err := s.Summarise(context.Background(), func(r anchorhold.Request) anchorhold.State {
		switch {
		case len(r.Runs) > 0:
			return anchorhold.State(r.Runs[0].State)
		case len(r.Decisions) > 0:
			return anchorhold.StateDenied
		case len(r.Messages) > 0:
			return anchorhold.StateAsked
		}
		return anchorhold.StatePending
	})
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "what was stored before", found(anchorhold.StatePending), []string{"req-2", "req-1"})
	update(t, s, func(tx store.Tx) error {
		return errors.Join(put(tx, 3), tx.AddMessage(anchorhold.Message{Request: "req-1"}),
			tx.AddDecision(anchorhold.Decision{ID: "dec-1", Request: "req-2", Opening: 1, Dataset: "d", Decider: "x"}))
	})
	equal(t, "denied", found(anchorhold.StateDenied), []string{"req-2"})
	equal(t, "asked or pending", found(anchorhold.StateAsked, anchorhold.StatePending), []string{"req-3", "req-1"})
	run := anchorhold.Run{ID: "run-1", Request: "req-3", State: anchorhold.RunQueued}
	update(t, s, func(tx store.Tx) error { return tx.PutRun(run) })
	equal(t, "queued", found(anchorhold.StateQueued), []string{"req-3"})
	gone := errors.New("gone")
	if err := s.Update(context.Background(), func(tx store.Tx) error { return errors.Join(put(tx, 4), gone) }); !errors.Is(err, gone) {
		t.Fatal(err)
	}
	equal(t, "an update that was taken back", found(anchorhold.StatePending), nil)
	view(t, s, func(tx store.Tx) error {
		head, err := tx.RequestHead("req-3")
		equal(t, "head of a request", []any{head.Code.Entry, len(head.Code.Files), len(head.Runs)}, []any{"main.py:f", 0, 0})
		if _, err := tx.RequestHead("req-9"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("an absent request: %v", err)
		}
		if _, err := tx.DatasetHead("absent"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("an absent dataset: %v", err)
		}
		return err
	})
}
