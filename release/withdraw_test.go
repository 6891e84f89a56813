package release_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/books"
	"github.com/anchorhold/anchorhold/books/bookstest"
	"github.com/anchorhold/anchorhold/catalog"
	"github.com/anchorhold/anchorhold/dataset"
	"github.com/anchorhold/anchorhold/policy"
	"github.com/anchorhold/anchorhold/release"
	"github.com/anchorhold/anchorhold/store"
)

func (b *bench) withdraw(name, confirm string) (release.Withdrawal, error) {
	b.t.Helper()
	p := bookstest.Permit(b.t, owner, policy.DatasetWithdraw, policy.Resource{Type: policy.TypeDataset, ID: name})
	return b.Withdraw(context.Background(), p, name, release.Withdrawing{Halting: dataset.Halting{Reason: "consent was withdrawn"}, Confirm: confirm})
}

func (b *bench) freeze(name string, to anchorhold.DatasetState) {
	b.t.Helper()
	b.update(func(tx store.Tx) error {
		d, err := tx.Dataset(name)
		d.State = to
		if err != nil {
			return err
		}
		return tx.PutDataset(d)
	})
}

// TestWhatEndsOverAFrozenDatasetIsHeld, though the grant would release it and
// the frozen one is only one of several; the grant is not to blame.
func TestWhatEndsOverAFrozenDatasetIsHeld(t *testing.T) {
	b := newBench(t)
	b.freeze("lungs", anchorhold.DatasetFrozen)
	rel, _ := b.offer(1, true, passed())
	if rel.State != anchorhold.ReleaseHeld {
		t.Errorf("the release is %+v", rel)
	}
	b.nothingLeft(rel.ID)
	if g := b.grantNow(1); g.Stopped || g.Failures != 0 || !g.Releases(b.Clock.Now()) {
		t.Errorf("the grant is %+v", g)
	}
	b.freeze("lungs", anchorhold.DatasetOpen)
	if rel, _ := b.offer(1, true, passed()); rel.State != anchorhold.ReleaseApproved {
		t.Errorf("after the thaw the release is %+v", rel)
	}
}

// TestWithdrawTakesBackWhatItCan: grants, runs, held outputs, files; and says
// what has left. The books stay.
func TestWithdrawTakesBackWhatItCan(t *testing.T) {
	b := newBench(t)
	released, out := b.offer(1, true, passed())
	held, _ := b.offer(2, false, nil)
	waiting := anchorhold.Run{ID: anchorhold.NewID(anchorhold.PrefixRun), Request: b.r.ID, Opening: 2, Grant: b.grant[2].ID, State: anchorhold.RunQueued, Queued: b.Clock.Now()}
	mock, err := b.Blobs.Put(strings.NewReader("a mock"), 100)
	if err != nil {
		t.Fatal(err)
	}
	shared, err := b.Blobs.Put(strings.NewReader("another dataset has the same"), 100)
	if err != nil {
		t.Fatal(err)
	}
	b.update(func(tx store.Tx) error {
		if err := tx.PutRun(waiting); err != nil {
			return err
		}
		for _, g := range b.grant[1:] {
			g.Assets = b.r.Assets
			if err := tx.PutGrant(g); err != nil {
				return err
			}
		}
		for name, blobs := range map[string][2]string{"heart": {mock.ID, shared.ID}, "lungs": {"", shared.ID}} {
			d, err := tx.Dataset(name)
			if err != nil {
				return err
			}
			v := d.Assets[0].Version
			v.Private.Index = blobs[1]
			if blobs[0] != "" {
				v.Mock = &anchorhold.Mock{Format: "csv", Blob: blobs[0]}
			}
			if err := tx.PutVersion(name, "patients", v); err != nil {
				return err
			}
		}
		return nil
	})
	b.Clock.Move(10 * 365 * 24 * time.Hour) // the files were put by the machine's clock
	ledger := len(b.ledger())
	_, err = b.withdraw("heart", "hearts")
	wantKind(t, "another name", err, anchorhold.Invalid)
	preview, err := b.PreviewWithdrawal(context.Background(), "heart")
	if err != nil || preview.Grants != 2 || preview.Outputs != 2 || preview.Mocks != 1 || len(preview.Released) != 1 {
		t.Fatalf("the preview is %+v, %v", preview, err)
	}
	if b.grantNow(1).Revoked != nil {
		t.Fatal("a preview revokes")
	}
	w, err := b.withdraw("heart", "heart")
	if err != nil {
		t.Fatal(err)
	}
	if w.Grants != 2 || w.Requests != 1 || len(w.Released) != 1 || w.Released[0].To != author.Email || w.Released[0].Release != released.ID {
		t.Errorf("the withdrawal is %+v", w)
	}
	b.tookBack(waiting, held, out, mock.ID, shared.ID)
	b.verified(released.ID)
	if len(b.ledger()) != ledger || len(b.entries("dataset.withdraw")) != 1 {
		t.Error("the books are not as they were, with one entry more")
	}
	_, err = b.withdraw("heart", "heart")
	wantKind(t, "once more", err, anchorhold.Conflict)
	b.VerifyLog()
}

func (b *bench) tookBack(waiting anchorhold.Run, held anchorhold.Release, out anchorhold.Output, mock, shared string) {
	b.t.Helper()
	for opening := 1; opening <= 2; opening++ {
		if g := b.grantNow(opening); g.Revoked == nil || !strings.Contains(g.Reason, "consent was withdrawn") {
			b.t.Errorf("a grant is left: %+v", g)
		}
	}
	b.view(func(tx store.Tx) error {
		run, err := tx.Run(waiting.ID)
		if err != nil || run.State != anchorhold.RunCancelled {
			b.t.Errorf("the waiting run is %+v", run)
		}
		d, err := tx.Dataset("heart")
		if err != nil || d.State != anchorhold.DatasetWithdrawn || d.Assets[0].Version.Mock != nil || d.Halt.Reason != "consent was withdrawn" {
			b.t.Errorf("the dataset is %+v", d)
		}
		return err
	})
	if rel := b.release(held.ID); rel.State != anchorhold.ReleaseDenied {
		b.t.Errorf("the held release is %+v", rel)
	}
	for _, id := range []string{mock, out.Blob} {
		if _, err := b.Blobs.Open(id); anchorhold.KindOf(err) != anchorhold.NotFound {
			b.t.Errorf("a file is left: %v", err)
		}
	}
	kept, err := b.Blobs.Open(shared)
	if err != nil {
		b.t.Fatalf("a file of another dataset is gone: %v", err)
	}
	if err := kept.Close(); err != nil {
		b.t.Error(err)
	}
	b.saysWithdrawn(out.ID)
}

// saysWithdrawn wants an answer to be gone, and everybody to be told so as far as
// they may know.
func (b *bench) saysWithdrawn(id string) {
	b.t.Helper()
	o := b.output(id)
	if !o.Gone {
		b.t.Errorf("the output is %+v", o)
	}
	_, err := b.Open(context.Background(), o, shown)
	wantKind(b.t, "what was withdrawn", err, anchorhold.Conflict)
	when := b.Clock.Now().Format("2006-01-02")
	if text := fmt.Sprint(err); !strings.Contains(text, `when the dataset "heart" was withdrawn on `+when) ||
		!strings.Contains(text, "by "+owner.Name()) || !strings.Contains(text, "consent was withdrawn") || !strings.Contains(text, "receipt") {
		b.t.Errorf("an owner is told: %s", text)
	}
	_, err = b.Open(context.Background(), o, catalog.HideFrom)
	wantKind(b.t, "what was withdrawn", err, anchorhold.Conflict)
	if text := fmt.Sprint(err); !strings.Contains(text, "by its owner's decision") || strings.Contains(text, owner.Name()) || strings.Contains(text, "consent") {
		b.t.Errorf("its author is told: %s", text)
	}
}

// TestRefusedFilesSaySo: the file of a refused output goes after its time, and
// is missed by nobody who is told so.
func TestRefusedFilesSaySo(t *testing.T) {
	b := newBench(t)
	held, out := b.offer(1, false, passed())
	if _, err := b.decide(held.ID, anchorhold.Deny, "too near"); err != nil {
		t.Fatal(err)
	}
	b.update(func(tx store.Tx) error {
		n, err := tx.ForgetRefused(b.Clock.Now().Add(time.Hour))
		if n != 1 {
			t.Errorf("%d files were given up", n)
		}
		return err
	})
	_, err := b.Open(context.Background(), b.output(out.ID), shown)
	wantKind(t, "a refused output whose file is gone", err, anchorhold.Conflict)
}

// TestWithdrawTakesTrialsAndWhatNothingNames: results on the mock, whoever made
// them and whether they have ended; files of attempts that failed; and what is
// too young to be judged a little later.
func TestWithdrawTakesTrialsAndWhatNothingNames(t *testing.T) {
	b := newBench(t)
	put := func(content string) string {
		info, err := b.Blobs.Put(strings.NewReader(content), 100)
		if err != nil {
			t.Fatal(err)
		}
		return info.ID
	}
	result, log, others, orphan := put("on the mock"), put("printed"), put("on another mock"), put("a copy of the private file")
	trial := func(id, dataset string, state anchorhold.RunState, blob, log string) {
		b.update(func(tx store.Tx) error {
			assets := map[string]anchorhold.AssetRef{"x": {Dataset: "other", Asset: "a"}, "patients": {Dataset: dataset, Asset: "patients"}}
			return errors.Join(tx.PutRun(anchorhold.Run{ID: id, Side: anchorhold.SideMock, State: state, Queued: b.Clock.Now(), Log: log}),
				tx.PutTrial(anchorhold.Trial{Run: id, Author: author.ID, Assets: assets, Created: b.Clock.Now()}),
				tx.PutOutput(anchorhold.Output{ID: "out-" + id, Run: id, Name: "result", Kind: "text", Blob: blob}))
		})
	}
	trial("run-done", "heart", anchorhold.RunDone, result, log)
	trial("run-going", "heart", anchorhold.RunRunning, result, "")
	trial("run-other", "lungs", anchorhold.RunDone, others, "")
	b.update(func(tx store.Tx) error {
		d, err := tx.Dataset("heart")
		d.Created = b.Clock.Now()
		return errors.Join(err, tx.PutDataset(d), books.NoteBackup(tx, books.Backup{ID: "bak-1", Began: b.Clock.Now()}), books.NoteBackup(tx, books.Backup{ID: "bak-2", Began: b.Clock.Now()}),
			books.NoteBackup(tx, books.Backup{ID: "bak-1", Began: b.Clock.Now().AddDate(-100, 0, 0)}))
	})
	now := time.Now().UTC()
	b.Clock.Move(now.Add(time.Minute).Sub(b.Clock.Now()))
	if w, err := b.PreviewWithdrawal(context.Background(), "heart"); err != nil || w.Trials != 2 {
		t.Fatal(w, err)
	}
	w, err := b.withdraw("heart", "heart")
	if err != nil || w.Trials != 2 || w.Later != 1 || w.Backups != 1 {
		t.Fatal(w, err)
	}
	b.view(func(tx store.Tx) error {
		_, going := tx.Run("run-going")
		_, done := tx.Trial("run-done")
		if !errors.Is(going, store.ErrNotFound) || !errors.Is(done, store.ErrNotFound) {
			t.Error("a trial is left:", going, done)
		}
		_, err := tx.Run("run-other")
		return err
	})
	left := func(want map[string]bool) {
		t.Helper()
		for id, kept := range want {
			f, err := b.Blobs.Open(id)
			if kept != (err == nil) {
				t.Errorf("a file is kept: %v, wanted %v: %v", err == nil, kept, err)
			}
			if err == nil {
				f.Close()
			}
		}
	}
	left(map[string]bool{result: false, log: false, others: true, orphan: true})
	if err := b.Sweep(context.Background()); err != nil {
		t.Fatal(err)
	}
	left(map[string]bool{orphan: true}) // somebody may be about to name it
	b.Clock.Move(25 * time.Hour)
	if err := b.Sweep(context.Background()); err != nil {
		t.Fatal(err)
	}
	left(map[string]bool{orphan: false, others: true})
	b.VerifyLog()
}

// TestAnInterruptedWithdrawalIsFinished at the next start, and a file that was
// put again meanwhile is left alone.
func TestAnInterruptedWithdrawalIsFinished(t *testing.T) {
	b := newBench(t)
	_, out := b.offer(1, true, passed())
	b.update(func(tx store.Tx) error {
		_, err := tx.ForgetDataset("heart", b.Clock.Now())
		return err
	}) // and then the power went
	now := time.Now().UTC()
	b.Clock.Move(now.Sub(b.Clock.Now()))
	if err := b.Sweep(context.Background()); err != nil {
		t.Fatal(err)
	}
	f, err := b.Blobs.Open(out.Blob) // put after it was given up, by the machine's clock
	if err != nil {
		t.Fatalf("a file that was put again is gone: %v", err)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	b.Clock.Move(2 * time.Hour)
	if err := b.Sweep(context.Background()); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Blobs.Open(out.Blob); anchorhold.KindOf(err) != anchorhold.NotFound {
		t.Errorf("the file is left: %v", err)
	}
}
