package storetest

import (
	"errors"
	"testing"
	"time"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/store"
)

func notices(t *testing.T, s store.Store) {
	first := anchorhold.Notice{ID: "not-1", Kind: anchorhold.NoticePending, Request: "req-1", Created: clock}
	mine := anchorhold.Notice{ID: "not-2", Kind: anchorhold.NoticeAsked, Request: "req-1", Recipient: "pri-1", Created: clock}
	theirs := anchorhold.Notice{ID: "not-3", Kind: anchorhold.NoticePending, Request: "req-1", Recipient: "pri-2", Created: clock}
	update(t, s, func(tx store.Tx) error {
		return errors.Join(tx.PutNotice(first), tx.PutNotice(mine), tx.PutNotice(theirs))
	})
	view(t, s, func(tx store.Tx) error {
		hook, err := tx.Notices(true, 10)
		equal(t, "notices of the hook", hook, []anchorhold.Notice{first})
		people, err2 := tx.Notices(false, 10)
		equal(t, "notices of persons, oldest first", people, []anchorhold.Notice{mine, theirs})
		one, err3 := tx.Notices(false, 1)
		equal(t, "notices up to a limit", one, []anchorhold.Notice{mine})
		return errors.Join(err, err2, err3)
	})
	update(t, s, func(tx store.Tx) error { return errors.Join(tx.DeleteNotice("not-2"), tx.DeleteNotice("not-2")) })
	view(t, s, func(tx store.Tx) error {
		people, err := tx.Notices(false, 10)
		equal(t, "notices after one was told", people, []anchorhold.Notice{theirs})
		return err
	})
}

func applications(t *testing.T, s store.Store) {
	apply := func(id, principal string, at time.Time) anchorhold.Application {
		a := anchorhold.Application{
			ID: id, Principal: principal, Email: id + "@example.org", Name: "N", Purpose: "P", State: anchorhold.ApplicationUnproved,
			Created: at, CodeHash: []byte("hash"),
		}
		update(t, s, func(tx store.Tx) error {
			return errors.Join(tx.PutPrincipal(anchorhold.Principal{ID: principal, Created: at, Applicant: true}),
				tx.PutCredential(anchorhold.Credential{ID: "crd-" + id, Principal: principal, Hash: []byte(id), Created: at, Expires: at}),
				tx.PutApplication(a))
		})
		return a
	}
	old, fresh := apply("app-1", "pri-1", clock.Add(-time.Hour)), apply("app-2", "pri-2", clock)
	old.Tries = 2
	update(t, s, func(tx store.Tx) error { return tx.PutApplication(old) })
	view(t, s, func(tx store.Tx) error {
		got, err := tx.Application("app-1")
		equal(t, "application", got, old)
		got, err2 := tx.ApplicationOf("pri-2")
		equal(t, "application of a principal", got, fresh)
		listed, _, err3 := tx.ListApplications(anchorhold.ApplicationUnproved, store.Page{})
		equal(t, "unproved applications", len(listed), 2)
		none, _, err4 := tx.ListApplications(anchorhold.ApplicationOpen, store.Page{})
		equal(t, "open applications", len(none), 0)
		if _, err := tx.Application("app-9"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("an absent application: %v", err)
		}
		return errors.Join(err, err2, err3, err4)
	})
	update(t, s, func(tx store.Tx) error {
		return errors.Join(tx.DeleteApplications(anchorhold.ApplicationUnproved, clock), tx.DeleteApplications(anchorhold.ApplicationOpen, clock.Add(time.Hour)))
	})
	view(t, s, func(tx store.Tx) error {
		listed, _, err := tx.ListApplications("", store.Page{})
		equal(t, "applications that are left", len(listed), 1)
		if _, err := tx.Principal("pri-1"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("the principal of a removed application: %v", err)
		}
		if _, err := tx.CredentialByHash([]byte("app-1")); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("the token of a removed application: %v", err)
		}
		return err
	})
}
