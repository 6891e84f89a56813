package storetest

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/store"
)

func grants(t *testing.T, s store.Store) {
	most := 120.0
	grant := func(id, request, dataset string) anchorhold.Grant {
		return anchorhold.Grant{
			ID: id, Request: request, Digest: "sha256:" + request, CodeDigest: "sha256:code", Entry: "main.py:f", Author: "pri-1",
			Assets: map[string]anchorhold.AssetRef{"x": {Dataset: dataset, Asset: "patients", Version: "ver-1"}},
			Values: map[string]json.RawMessage{"k": json.RawMessage(`5`)}, Created: clock,
			Terms: anchorhold.Terms{Uses: 3, For: []string{"b@example.org"}, Params: map[string]anchorhold.Bound{"k": {Type: "int", Max: &most}}},
		}
	}
	first, second, third := grant("gra-1", "req-1", "heart"), grant("gra-2", "req-2", "lung"), grant("gra-3", "req-2", "heart")
	third.CodeDigest = "sha256:other"
	update(t, s, func(tx store.Tx) error {
		return errors.Join(tx.PutGrant(first), tx.PutGrant(second), tx.PutGrant(third))
	})
	check := func(what string, live ...anchorhold.Grant) {
		t.Helper()
		view(t, s, func(tx store.Tx) error {
			got, err := tx.Grant("gra-1")
			equal(t, "grant "+what, got, first)
			found, err2 := tx.GrantsFor("sha256:code")
			equal(t, "grants of the code "+what, found, live)
			return errors.Join(err, err2)
		})
	}
	check("that are new", second, first)
	first.Used = 3
	update(t, s, func(tx store.Tx) error { return tx.PutGrant(first) })
	check("when one is used up", second)
	second.Revoked = &first.Created
	update(t, s, func(tx store.Tx) error { return tx.PutGrant(second) })
	check("when the other is revoked", []anchorhold.Grant{}...)
	view(t, s, func(tx store.Tx) error {
		all, next, err := tx.ListGrants(store.GrantFilter{}, store.Page{Limit: 2})
		equal(t, "all grants, newest first", all, []anchorhold.Grant{third, second})
		rest, _, err2 := tx.ListGrants(store.GrantFilter{}, store.Page{Cursor: next})
		equal(t, "the next page", rest, []anchorhold.Grant{first})
		of, _, err3 := tx.ListGrants(store.GrantFilter{Dataset: "heart", Request: "req-2"}, store.Page{})
		equal(t, "of one request and dataset", of, []anchorhold.Grant{third})
		for who, want := range map[string][]anchorhold.Grant{"pri-1": {third, second, first}, "b@example.org": {third, second, first}, "pri-2": nil} {
			named, _, err := tx.ListGrants(store.GrantFilter{People: []string{who, "nobody"}}, store.Page{})
			equal(t, "grants for "+who, named, want)
			if err != nil {
				return err
			}
		}
		_, err4 := tx.Grant("gra-9")
		absent(t, "an unknown grant", err4)
		return errors.Join(err, err2, err3)
	})
}

func openRuns(t *testing.T, s store.Store) {
	put := func(id, grant string, state anchorhold.RunState) func(store.Tx) error {
		return func(tx store.Tx) error {
			return tx.PutRun(anchorhold.Run{ID: id, Request: "req-1", Grant: grant, State: state, Queued: clock})
		}
	}
	update(t, s, func(tx store.Tx) error {
		return errors.Join(tx.PutRequest(newRequest("req-1", "pri-1", "heart")), put("run-1", "gra-1", anchorhold.RunQueued)(tx),
			put("run-2", "gra-2", anchorhold.RunQueued)(tx), put("run-3", "gra-1", anchorhold.RunFailed)(tx), put("run-4", "gra-1", anchorhold.RunChecking)(tx))
	})
	view(t, s, func(tx store.Tx) error {
		runs, err := tx.OpenRuns("gra-1")
		var got []string
		for _, r := range runs {
			got = append(got, r.ID)
		}
		equal(t, "runs under a grant that have not ended", got, []string{"run-1", "run-4"})
		return err
	})
}

func seen(t *testing.T, s store.Store) {
	first := anchorhold.Seen{Request: "req-1", Path: "main.py", Digest: "sha256:a", First: 1, Last: 4, Reader: "pri-1", ReaderName: "a@example.org", At: clock}
	second, other := first, first
	second.First, second.Last, other.Digest = 5, 9, "sha256:b"
	update(t, s, func(tx store.Tx) error { return errors.Join(tx.AddSeen(first), tx.AddSeen(other), tx.AddSeen(second)) })
	view(t, s, func(tx store.Tx) error {
		got, err := tx.SeenOf("sha256:a")
		equal(t, "lines of one text", got, []anchorhold.Seen{first, second})
		none, err2 := tx.SeenOf("sha256:c")
		equal(t, "lines of a text that nobody read", len(none), 0)
		return errors.Join(err, err2)
	})
}
