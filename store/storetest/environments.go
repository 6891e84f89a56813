package storetest

import (
	"errors"
	"testing"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/store"
)

func environments(t *testing.T, s store.Store) {
	first := anchorhold.EnvironmentRequest{
		ID: "env-1", Lock: "sha256:1", Packages: []string{"numpy==1"}, Author: "pri-1", State: anchorhold.EnvironmentRequested, Created: clock, Text: "numpy==1",
	}
	second := first
	second.ID, second.Author, second.Text = "env-2", "pri-2", "other"
	update(t, s, func(tx store.Tx) error {
		return errors.Join(tx.PutEnvironmentRequest(first), tx.PutEnvironmentRequest(second))
	})
	second.State, second.Answer = anchorhold.EnvironmentDeclined, "too large"
	update(t, s, func(tx store.Tx) error { return tx.PutEnvironmentRequest(second) })
	view(t, s, func(tx store.Tx) error {
		got, err := tx.EnvironmentRequest("env-2")
		equal(t, "a request for an environment", got, second)
		bare := first
		bare.Text = ""
		mine, _, err2 := tx.ListEnvironmentRequests(store.EnvironmentFilter{Author: "pri-1"}, store.Page{})
		equal(t, "requests of one author", mine, []anchorhold.EnvironmentRequest{bare})
		open, _, err3 := tx.ListEnvironmentRequests(store.EnvironmentFilter{State: anchorhold.EnvironmentRequested}, store.Page{})
		equal(t, "open requests", open, []anchorhold.EnvironmentRequest{bare})
		all, next, err4 := tx.ListEnvironmentRequests(store.EnvironmentFilter{}, store.Page{Limit: 1})
		equal(t, "a page of requests, newest first", len(all) == 1 && all[0].ID == "env-2" && next != "", true)
		if _, err := tx.EnvironmentRequest("env-9"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("an absent request: %v", err)
		}
		return errors.Join(err, err2, err3, err4)
	})
}
