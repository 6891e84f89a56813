package storetest

import (
	"errors"
	"testing"
	"time"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/store"
)

// uploads: one is found by its id and all in their order, replaced whole, and
// gone when it is deleted; a version remembers where its copy lies.
func uploads(t *testing.T, s store.Store) {
	one := anchorhold.Upload{ID: "upl-1", Principal: "pri-1", Name: "a.csv", Size: 9, SHA256: "sha256:x", Parts: []string{"p1"}}
	two := anchorhold.Upload{ID: "upl-2", Principal: "pri-2", Name: "b.csv", Size: 1}
	v := version("ver-1", 1)
	v.Private.Copied, v.Private.Blob = true, "b1-copy"
	update(t, s, func(tx store.Tx) error {
		return errors.Join(tx.PutUpload(one), tx.PutUpload(two), tx.PutDataset(dataset("heart")), tx.PutVersion("heart", "patients", v))
	})
	one.Received, one.Parts = 9, []string{"p1", "p2"}
	update(t, s, func(tx store.Tx) error { return tx.PutUpload(one) })
	view(t, s, func(tx store.Tx) error {
		got, err := tx.Upload("upl-1")
		equal(t, "an upload", got, one)
		all, err2 := tx.Uploads()
		equal(t, "uploads", all, []anchorhold.Upload{one, two})
		_, kept, err3 := tx.Version("ver-1")
		equal(t, "the copy", kept.Private.Blob, "b1-copy")
		return errors.Join(err, err2, err3)
	})
	// A dataset that is withdrawn gives its copies up, too, unless another one keeps the same bytes.
	other := version("ver-2", 1)
	other.Private.Copied, other.Private.Blob = true, "b1-shared"
	v.Private.Blob, v.ID, v.Number = "b1-shared", "ver-3", 2
	now := time.Unix(1000, 0).UTC()
	update(t, s, func(tx store.Tx) error {
		d := dataset("lung")
		d.ID = "dat-lung"
		return errors.Join(tx.PutDataset(d), tx.PutVersion("lung", "patients", other), tx.PutVersion("heart", "patients", v), forgetHeart(tx, now))
	})
	view(t, s, func(tx store.Tx) error {
		given, err := tx.GivenUp()
		equal(t, "the copy is given up", given["b1-copy"], store.GivenUp{At: now})
		if _, free := given["b1-shared"]; free {
			t.Errorf("what another dataset keeps is given up: %v", given)
		}
		return err
	})
	update(t, s, func(tx store.Tx) error {
		return errors.Join(tx.DeleteUpload("upl-1", now), tx.GiveUp([]string{"b1-copy", "orphan"}, now.Add(time.Hour)))
	})
	view(t, s, func(tx store.Tx) error {
		if _, err := tx.Upload("upl-1"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("a deleted upload: %v", err)
		}
		given, err := tx.GivenUp()
		equal(t, "what is given up", given, map[string]store.GivenUp{
			"b1-copy": {At: now}, "p1": {At: now}, "p2": {At: now}, "orphan": {At: now.Add(time.Hour), Orphan: true},
		})
		return err
	})
	update(t, s, func(tx store.Tx) error { return tx.Gone([]string{"b1-copy", "p1", "p2", "orphan"}) })
	two.Touched = now
	update(t, s, func(tx store.Tx) error { return tx.PutUpload(two) })
	for _, c := range []struct{ before, left int }{{0, 1}, {1, 0}} {
		update(t, s, func(tx store.Tx) error {
			n, err := tx.ForgetUploads(now.Add(time.Duration(c.before)*time.Second), now)
			all, err2 := tx.Uploads()
			equal(t, "uploads that are forgotten and left", []int{n, len(all)}, []int{1 - c.left, c.left})
			return errors.Join(err, err2)
		})
	}
}

func forgetHeart(tx store.Tx, now time.Time) error {
	_, err := tx.ForgetDataset("heart", now)
	return err
}
