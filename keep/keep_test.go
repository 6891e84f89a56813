package keep_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/blob"
	"github.com/anchorhold/anchorhold/books"
	"github.com/anchorhold/anchorhold/books/bookstest"
	"github.com/anchorhold/anchorhold/keep"
	"github.com/anchorhold/anchorhold/policy"
	"github.com/anchorhold/anchorhold/store"
)

const day = 24 * time.Hour

// bench is a site's records with files of which some are named and some old.
type bench struct {
	*keep.Service
	*bookstest.Set
	t   *testing.T
	dir string
}

func newBench(t *testing.T) *bench {
	t.Helper()
	set, dir := bookstest.New(t), filepath.Join(t.TempDir(), "blobs")
	blobs, err := blob.Open(dir, set.Keys.BlobKey())
	if err != nil {
		t.Fatal(err)
	}
	return &bench{Service: &keep.Service{Books: set.Books, Blobs: blobs}, Set: set, t: t, dir: dir}
}

// put stores a file that was put so long before now.
func (b *bench) put(content string, age time.Duration) string {
	b.t.Helper()
	info, err := b.Blobs.Put(strings.NewReader(content), 1000)
	if err != nil {
		b.t.Fatal(err)
	}
	name, err := blob.Name(info.ID)
	if err != nil {
		b.t.Fatal(err)
	}
	at := b.Clock.Now().Add(-age)
	if err := os.Chtimes(filepath.Join(b.dir, "v2", name), at, at); err != nil {
		b.t.Fatal(err)
	}
	return info.ID
}

func (b *bench) has(id string) bool {
	f, err := b.Blobs.Open(id)
	if err == nil {
		f.Close()
	}
	return err == nil
}

func (b *bench) update(fn func(store.Tx) error) {
	b.t.Helper()
	if err := b.Store.Update(context.Background(), fn); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) sweep(dry bool) keep.Swept {
	b.t.Helper()
	ctx := books.WithKey(context.Background(), "key", []byte("sweep")) // as a client sends it: several acts, and again
	s, err := b.Sweep(ctx, policy.SiteAct(policy.RetentionSweep, "test"), dry)
	if err != nil {
		b.t.Fatal(err)
	}
	return s
}

// entries counts the audit log.
func (b *bench) entries() (n int64) {
	b.t.Helper()
	err := b.View(context.Background(), func(tx store.Tx) (err error) {
		n, err = tx.Size()
		return err
	})
	if err != nil {
		b.t.Fatal(err)
	}
	return n
}

func TestSweepSparesWhatIsNamedOrYoung(t *testing.T) {
	b := newBench(t)
	named, orphan, young := b.put("named", 100*day), b.put("orphan", 100*day), b.put("young", day)
	odd := b.put("in a field that nobody thought of", 100*day)
	old, fresh := b.put("old log", 100*day), b.put("fresh log", 100*day)
	long, lately := b.Clock.Now().Add(-91*day), b.Clock.Now().Add(-89*day)
	b.update(func(tx store.Tx) error {
		q := anchorhold.Request{ID: "req-1", Digest: "d", CodeDigest: "c", Author: "a"}
		return errors.Join(tx.PutRequest(q), tx.PutSetting("odd", "see "+odd),
			tx.PutRun(anchorhold.Run{ID: "run-1", Request: "req-1", State: anchorhold.RunDone, Finished: &long, Log: old}),
			tx.PutRun(anchorhold.Run{ID: "run-2", Request: "req-1", State: anchorhold.RunFailed, Finished: &lately, Log: fresh}),
			tx.PutOutput(anchorhold.Output{ID: "out-1", Run: "run-1", Name: "result", Blob: named}))
	})
	if s := b.sweep(true); s.Removed[keep.KindLogs] != 1 || s.Removed[keep.KindOrphans] != 1 || b.entries() != 0 || !b.has(orphan) {
		t.Errorf("a dry run did something: %+v, %d entries", s, b.entries())
	}
	s := b.sweep(false)
	if s.Removed[keep.KindLogs] != 1 || s.Removed[keep.KindOrphans] != 2 || s.Bytes != int64(len("orphan")+len("old log")) {
		t.Errorf("%+v", s)
	}
	for id, want := range map[string]bool{named: true, odd: true, young: true, fresh: true, orphan: false, old: false} {
		if b.has(id) != want {
			t.Errorf("%s is there: %v", id, !want)
		}
	}
	if n := b.entries(); n != 2 {
		t.Errorf("%d entries say what was removed", n)
	}
	if s := b.sweep(false); s.Removed[keep.KindOrphans] != 0 || b.entries() != 2 {
		t.Errorf("a sweep that found nothing is on record: %+v", s)
	}
}

// TestTrialsGo: with what they printed and gave, and not before their time.
func TestTrialsGo(t *testing.T) {
	b := newBench(t)
	log := b.put("a trial's log", 100*day)
	long := b.Clock.Now().Add(-31 * day)
	b.update(func(tx store.Tx) error {
		return errors.Join(
			tx.PutRun(anchorhold.Run{ID: "run-1", Side: anchorhold.SideMock, State: anchorhold.RunDone, Finished: &long, Log: log}),
			tx.PutTrial(anchorhold.Trial{Run: "run-1", Author: "a", Created: long}))
	})
	if s := b.sweep(true); s.Removed[keep.KindTrials] != 1 || !b.has(log) {
		t.Errorf("a dry run: %+v", s)
	}
	if s := b.sweep(false); s.Removed[keep.KindTrials] != 1 || s.Removed[keep.KindOrphans] != 1 || b.has(log) {
		t.Errorf("%+v", s)
	}
}

// TestTrialsGoWithCode: what a trial executed is code, and is not kept longer.
func TestTrialsGoWithCode(t *testing.T) {
	b := newBench(t)
	made := b.Clock.Now().Add(-20 * day)
	b.update(func(tx store.Tx) error {
		return errors.Join(
			tx.PutRun(anchorhold.Run{ID: "run-1", Side: anchorhold.SideMock, State: anchorhold.RunDone, Finished: &made}),
			tx.PutTrial(anchorhold.Trial{Run: "run-1", Author: "a", Created: made}))
	})
	for days, want := range map[int]int{21: 0, 19: 1} {
		b.keepFor(keep.KindCode, days)
		if s := b.sweep(true); s.Removed[keep.KindTrials] != want {
			t.Errorf("code is kept for %d days, and %d trials of 20 go", days, s.Removed[keep.KindTrials])
		}
	}
}

// TestWordsOfEndedRequestsGo: with reasons on outputs and of ended grants, and not
// while anything of the request is young, were it a run that is shown no more.
func TestWordsOfEndedRequestsGo(t *testing.T) {
	b := newBench(t)
	then, lately := b.Clock.Now().Add(-100*day), b.Clock.Now().Add(-10*day)
	b.update(func(tx store.Tx) error {
		err := tx.PutRequest(anchorhold.Request{ID: "req-1", Digest: "d", CodeDigest: "c", Author: "a", Opening: 1, Opened: then, Withdrawn: true, Purpose: "a purpose"})
		err = errors.Join(err, tx.AddMessage(anchorhold.Message{Request: "req-1", Text: "Why the fifth column?", Created: then}))
		// The first run is the oldest of many; its output was decided on lately.
		for i := range 40 {
			at := then.Add(time.Duration(i) * time.Minute)
			err = errors.Join(err, tx.PutRun(anchorhold.Run{ID: fmt.Sprintf("run-%02d", i), Request: "req-1", State: anchorhold.RunDone, Queued: at, Finished: &at}))
		}
		return errors.Join(err, tx.PutOutput(anchorhold.Output{Run: "run-00", ID: "out-1", Name: "result"}),
			tx.PutRelease(anchorhold.Release{ID: "rel-1", Output: "out-1", Request: "req-1", State: anchorhold.ReleaseDenied, Decided: &lately, Reason: "too fine"}),
			tx.PutGrant(anchorhold.Grant{ID: "gra-1", Request: "req-1", CodeDigest: "c", Author: "a", Created: then, Revoked: &then, Reason: "no longer"}))
	})
	if s := b.sweep(false); s.Removed[keep.KindWords] != 0 {
		t.Errorf("by default: %+v", s)
	}
	b.keepFor(keep.KindCode, 30)
	b.keepFor(keep.KindWords, 30)
	if s := b.sweep(false); s.Removed[keep.KindWords] != 0 || s.Removed[keep.KindCode] != 0 {
		t.Errorf("after a late decision on a run that is shown no more: %+v", s)
	}
	b.keepFor(keep.KindWords, 9)
	if s := b.sweep(false); s.Removed[keep.KindWords] != 1 || s.Removed[keep.KindCode] != 0 {
		t.Errorf("%+v", s)
	}
	if s := b.sweep(false); s.Removed[keep.KindWords] != 0 {
		t.Errorf("once more: %+v", s)
	}
	err := b.View(context.Background(), func(tx store.Tx) error {
		r, err := tx.Request("req-1")
		if err != nil {
			return err
		}
		rel, err := tx.Release("rel-1")
		if err != nil {
			return err
		}
		g, err := tx.Grant("gra-1")
		if r.Messages[0].Text+rel.Reason+g.Reason != "" || r.WordsForgotten == nil || r.Purpose == "" || rel.Decided == nil || g.Revoked == nil {
			t.Errorf("%+v\n%+v\n%+v", r, rel, g)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	if events := b.Events(); events[len(events)-1].Details[keep.KindWords] != "1" {
		t.Errorf("not on record: %+v", events)
	}
	b.VerifyLog()
}

// keepFor sets a period.
func (b *bench) keepFor(kind string, days int) {
	b.t.Helper()
	if _, err := b.Service.Set(context.Background(), policy.SiteAct(policy.RetentionSet, "test"), kind, days); err != nil {
		b.t.Fatal(err)
	}
}

// TestSweepBesidePuts: what is put again while a sweep goes on is young.
func TestSweepBesidePuts(t *testing.T) {
	b := newBench(t)
	for range 50 {
		id := b.put("again", 100*day)
		done := make(chan error, 1)
		go func() {
			_, err := b.Blobs.Put(strings.NewReader("again"), 1000)
			done <- err
		}()
		b.sweep(false)
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		if !b.has(id) {
			// The sweep came first, and then the put: it must be there all the same.
			t.Fatal("a file that was put is gone")
		}
	}
}

func TestPeriods(t *testing.T) {
	b := newBench(t)
	p := policy.SiteAct(policy.RetentionSet, "test")
	for kind, days := range map[string]int{"nonsense": 3, keep.KindLogs: -1, keep.KindOrphans: 0, keep.KindAnswers: 1 << 30} {
		if _, err := b.Service.Set(context.Background(), p, kind, days); err == nil {
			t.Errorf("%s for %d days", kind, days)
		}
	}
	list, err := b.Service.Set(context.Background(), p, keep.KindLogs, 0)
	if err != nil {
		t.Fatal(err)
	}
	again, err := b.Periods(context.Background())
	if err != nil || len(again) != len(list) {
		t.Fatal(again, err)
	}
	for _, e := range again {
		if e.Kind == keep.KindLogs && e.Days != 0 || e.What == "" {
			t.Errorf("%+v", e)
		}
	}
	long := b.Clock.Now().Add(-10000 * day)
	b.update(func(tx store.Tx) error {
		return errors.Join(tx.PutRequest(anchorhold.Request{ID: "req-1", Digest: "d", CodeDigest: "c", Author: "a"}),
			tx.PutRun(anchorhold.Run{ID: "run-1", Request: "req-1", State: anchorhold.RunDone, Finished: &long, Log: "x"}))
	})
	if s := b.sweep(false); s.Removed[keep.KindLogs] != 0 {
		t.Error("what is kept for ever was removed")
	}
}

// TestFrozenSitesSweepNothing: also not by themselves.
func TestFrozenSitesSweepNothing(t *testing.T) {
	b := newBench(t)
	id := b.put("orphan", 100*day)
	b.update(func(tx store.Tx) error { return books.Freeze(tx, books.Frozen{Backup: "bak-1"}) })
	_, err := b.Sweep(context.Background(), policy.SiteAct(policy.RetentionSweep, "test"), false)
	if !errors.Is(err, books.ErrFrozen) || !b.has(id) {
		t.Error(err)
	}
}

// TestCodeOfEndedRequestsGoes where an owner set a time for it, on record; by
// itself it is kept for ever.
func TestCodeOfEndedRequestsGoes(t *testing.T) {
	b := newBench(t)
	then := b.Clock.Now().Add(-100 * day)
	b.update(func(tx store.Tx) error {
		q := func(id string, opened time.Time, withdrawn bool) error {
			return tx.PutRequest(anchorhold.Request{
				ID: id, Digest: id, CodeDigest: "c-" + id, Author: "a", Opening: 1, Opened: opened, Withdrawn: withdrawn, Purpose: "a purpose",
				Code: anchorhold.Code{Entry: "main.py:f", Files: []anchorhold.File{{Path: "main.py", Text: "def f(): pass"}}},
			})
		}
		return errors.Join(q("req-old", then, true), q("req-open", then, false), q("req-young", b.Clock.Now(), true),
			tx.PutLint("c-req-old", anchorhold.Lint{Version: 1, Findings: []anchorhold.Finding{{What: "os.environ['SECRET']"}}}))
	})
	if s := b.sweep(false); s.Removed[keep.KindCode] != 0 || b.entries() != 0 {
		t.Errorf("by default: %+v", s)
	}
	b.keepFor(keep.KindCode, 30)
	if s := b.sweep(true); s.Removed[keep.KindCode] != 1 || b.entries() != 1 {
		t.Errorf("a dry run: %+v", s)
	}
	if s := b.sweep(false); s.Removed[keep.KindCode] != 1 {
		t.Errorf("%+v", s)
	}
	if s := b.sweep(false); s.Removed[keep.KindCode] != 0 {
		t.Errorf("once more: %+v", s)
	}
	err := b.View(context.Background(), func(tx store.Tx) error {
		for id, gone := range map[string]bool{"req-old": true, "req-open": false, "req-young": false} {
			r, err := tx.Request(id)
			if err != nil {
				return err
			}
			if (r.Code.Files[0].Text == "" && r.Purpose == "" && r.Lint == nil) != gone || r.CodeDigest != "c-"+id {
				t.Errorf("%s: %+v", id, r)
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	if events := b.Events(); len(events) != 2 || events[1].Details[keep.KindCode] != "1" {
		t.Errorf("not on record: %+v", events)
	}
	b.VerifyLog()
}
