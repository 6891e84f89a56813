package storetest

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/store"
)

// past ends a log twice: what was in it can be read, and the next one begins at
// nothing, also for updates that are committed together with the end.
func past(t *testing.T, s store.Store) {
	entry := func(tx store.Tx, i int64, data string, hashes ...byte) error {
		var hs [][32]byte
		for _, h := range hashes {
			hs = append(hs, [32]byte{h})
		}
		return tx.AppendEntry(i, []byte(data), hs, clock)
	}
	update(t, s, func(tx store.Tx) error {
		return errors.Join(entry(tx, 0, "a", 1), entry(tx, 1, "b", 2, 3), tx.SetCheckpoint(2, []byte("old note")))
	})
	ended := store.PastLog{Origin: "a.example/1", Key: "k", Size: 2, Continuation: []byte("next"), Ended: clock}
	if err := s.Update(context.Background(), func(tx store.Tx) error {
		wrong := ended
		wrong.Size = 1
		return tx.EndLog(wrong)
	}); err == nil {
		t.Error("a log of two entries ended as one of one")
	}
	if err := s.Update(context.Background(), func(tx store.Tx) error {
		return errors.Join(tx.EndLog(ended), errors.New("changed my mind"))
	}); err == nil {
		t.Fatal("a failed update was committed")
	}
	update(t, s, func(tx store.Tx) error { // nothing is left of the failed one
		size, err := tx.Size()
		equal(t, "size after a failed end", size, 2)
		hashes, err2 := tx.Hashes([]int64{0})
		equal(t, "hash after a failed end", hashes, [][32]byte{{1}})
		return errors.Join(err, err2)
	})
	update(t, s, func(tx store.Tx) error {
		if err := tx.EndLog(ended); err != nil {
			return err
		}
		size, err := tx.Size()
		equal(t, "size of the new log", size, 0)
		tx.BeforeCommit("note", func(tx store.Tx) error {
			h, err := tx.Hashes([]int64{0})
			equal(t, "hash before the commit", h, [][32]byte{{9}})
			return errors.Join(err, tx.SetCheckpoint(1, []byte("new note")))
		})
		return errors.Join(err, entry(tx, 0, "c", 9))
	})
	update(t, s, func(tx store.Tx) error {
		return errors.Join(entry(tx, 1, "d", 8, 7), tx.SetCheckpoint(2, []byte("newer note")))
	})
	view(t, s, func(tx store.Tx) error {
		size, err1 := tx.Size()
		equal(t, "size", size, 2)
		note, err2 := tx.Checkpoint()
		equal(t, "checkpoint", string(note), "newer note")
		hashes, err3 := tx.Hashes([]int64{2, 0})
		equal(t, "hashes", hashes, [][32]byte{{7}, {9}})
		logs, err4 := tx.PastLogs()
		equal(t, "past logs", logs, []store.PastLog{ended})
		l, old, err5 := tx.PastLog(ended.Origin)
		equal(t, "the past log", l, ended)
		entries, err6 := old.Entries(0, 2)
		equal(t, "its entries", entries, [][]byte{[]byte("a"), []byte("b")})
		if _, err := old.Entries(1, 2); err == nil {
			t.Error("a missing entry of a past log was not reported")
		}
		hashes, err7 := old.Hashes([]int64{2, 0, 2})
		equal(t, "its hashes", hashes, [][32]byte{{3}, {1}, {3}})
		note, err8 := old.Checkpoint()
		equal(t, "its checkpoint", string(note), "old note")
		_, _, err := tx.PastLog("b.example")
		absent(t, "another past log", err)
		return errors.Join(err1, err2, err3, err4, err5, err6, err7, err8)
	})
	second := store.PastLog{Origin: "a.example/2", Key: "k2", Size: 2, Continuation: []byte("x"), Ended: clock}
	update(t, s, func(tx store.Tx) error { return errors.Join(tx.EndLog(second), entry(tx, 0, "e", 5)) })
	view(t, s, func(tx store.Tx) error {
		logs, err := tx.PastLogs()
		equal(t, "past logs", logs, []store.PastLog{ended, second})
		_, old, err2 := tx.PastLog(second.Origin)
		entries, err3 := old.Entries(1, 1)
		equal(t, "an entry of the second", entries, [][]byte{[]byte("d")})
		return errors.Join(err, err2, err3)
	})
}

// blobRefs: an id is found in whatever record and field it stands.
func blobRefs(t *testing.T, s store.Store) {
	id := func(c string) string { return "b1-" + strings.Repeat(c, 64) }
	update(t, s, func(tx store.Tx) error {
		d := dataset("heart")
		v := version("ver-1", 1)
		v.Mock.Blob, v.Private.Index, v.Private.Blob = id("a"), id("b"), id("e")
		up := anchorhold.Upload{ID: "upl-1", Parts: []string{id("f")}}
		return errors.Join(tx.PutDataset(d), tx.PutVersion("heart", "patients", v), tx.PutSetting("x", "see "+id("c")+","+id("d")), tx.PutUpload(up))
	})
	view(t, s, func(tx store.Tx) error {
		refs, err := tx.BlobRefs()
		equal(t, "references", refs, map[string]bool{id("a"): true, id("b"): true, id("c"): true, id("d"): true, id("e"): true, id("f"): true})
		return err
	})
}

// copied: a copy holds what was there when it began, and can be opened.
func copied(t *testing.T, s store.Store) {
	update(t, s, func(tx store.Tx) error { return tx.PutSetting("a", "1") })
	path := filepath.Join(t.TempDir(), "copy")
	if err := s.Snapshot(context.Background(), path); err != nil {
		t.Fatal(err)
	}
	if err := s.Snapshot(context.Background(), path); err == nil {
		t.Error("a copy replaced another")
	}
	update(t, s, func(tx store.Tx) error { return tx.PutSetting("a", "2") })
}

// forget: what is old enough stops naming its file, and nothing else does.
func forget(t *testing.T, s store.Store) {
	decided, finished := clock, clock
	update(t, s, func(tx store.Tx) error {
		run := anchorhold.Run{ID: "run-1", Request: "req-1", State: anchorhold.RunDone, Finished: &finished, Log: "log-blob"}
		going := anchorhold.Run{ID: "run-2", Request: "req-1", State: anchorhold.RunRunning, Log: "other-blob"}
		errs := []error{tx.PutRequest(newRequest("req-1", "pri-1", "heart")), tx.PutRun(run), tx.PutRun(going)}
		for i, state := range []anchorhold.ReleaseState{anchorhold.ReleaseDenied, anchorhold.ReleaseApproved, anchorhold.ReleaseHeld} {
			id := fmt.Sprint(i)
			errs = append(errs, tx.PutOutput(anchorhold.Output{ID: "out-" + id, Run: "run-1", Name: "r" + id, Blob: "blob-" + id}),
				tx.PutRelease(anchorhold.Release{ID: "rel-" + id, Output: "out-" + id, Request: "req-1", State: state, Decided: &decided}))
		}
		return errors.Join(errs...)
	})
	sweep := func(before time.Time, logs, outputs int) {
		t.Helper()
		update(t, s, func(tx store.Tx) error {
			n, err := tx.ForgetLogs(before)
			equal(t, "logs", n, logs)
			m, err2 := tx.ForgetRefused(before)
			equal(t, "refused outputs", m, outputs)
			return errors.Join(err, err2)
		})
	}
	sweep(clock.Add(-time.Hour), 0, 0)
	sweep(clock.Add(time.Hour), 1, 1)
	sweep(clock.Add(time.Hour), 0, 0)
	view(t, s, func(tx store.Tx) error {
		run, err := tx.Run("run-1")
		equal(t, "log of an ended run", run.Log, "")
		going, err2 := tx.Run("run-2")
		equal(t, "log of a run that goes on", going.Log, "other-blob")
		blobs, gone := []string{}, []bool{}
		for _, o := range run.Outputs {
			blobs, gone = append(blobs, o.Blob), append(gone, o.Gone)
		}
		equal(t, "files of outputs", blobs, []string{"", "blob-1", "blob-2"})
		equal(t, "outputs whose files are gone", gone, []bool{true, false, false})
		return errors.Join(err, err2)
	})
}

// rights: after a restore that lost something, nothing holds any more.
func rights(t *testing.T, s store.Store) {
	update(t, s, func(tx store.Tx) error {
		return errors.Join(tx.PutPrincipal(anchorhold.Principal{ID: "pri-1", Created: clock}),
			tx.PutCredential(anchorhold.Credential{ID: "crd-1", Principal: "pri-1", Hash: []byte("h"), Expires: clock.Add(time.Hour)}),
			tx.PutRequest(newRequest("req-1", "pri-1", "heart")),
			tx.PutGrant(anchorhold.Grant{ID: "gra-1", Request: "req-1", Created: clock}))
	})
	update(t, s, func(tx store.Tx) error {
		n, err := tx.EndRights(clock)
		equal(t, "rights ended", n, 2)
		return err
	})
	view(t, s, func(tx store.Tx) error {
		c, err := tx.CredentialByHash([]byte("h"))
		equal(t, "a token holds", c.Holds(clock), false)
		g, err2 := tx.Grant("gra-1")
		equal(t, "a grant is revoked", g.Revoked != nil, true)
		return errors.Join(err, err2)
	})
}

func forgetAnswers(t *testing.T, tx store.Tx, before time.Time, want int) error {
	t.Helper()
	n, err := tx.ForgetAnswers(before)
	equal(t, "answers forgotten", n, want)
	return err
}
