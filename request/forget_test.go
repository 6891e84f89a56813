package request_test

import (
	"context"
	"testing"
	"time"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/request"
	"github.com/anchorhold/anchorhold/store"
)

func (b *bench) forget(id string, age time.Duration) bool {
	b.t.Helper()
	var done bool
	err := b.Store.Update(context.Background(), func(tx store.Tx) (err error) {
		done, err = request.Forget(tx, id, b.Clock.Now().Add(-age), b.Clock.Now())
		return err
	})
	if err != nil {
		b.t.Fatal(err)
	}
	return done
}

// TestForgottenRequestIsTheSameWhenAskedAgain: its texts go with age, its names
// stay, and who asks the same again brings the texts back with it.
func TestForgottenRequestIsTheSameWhenAskedAgain(t *testing.T) {
	b := newBench(t)
	sub := submission("heart", "patients.shape")
	r := b.submit(sub)
	if b.forget(r.ID, 0) {
		t.Fatal("a request that waits was forgotten")
	}
	r = b.mustDecide(owner, r, request.Word{Verdict: anchorhold.Deny, Reason: "no"})
	b.Clock.Move(time.Hour)
	if b.forget(r.ID, 2*time.Hour) {
		t.Fatal("one that ended lately was forgotten")
	}
	if !b.forget(r.ID, time.Minute) || b.forget(r.ID, time.Minute) {
		t.Fatal("it is to be forgotten once")
	}
	got := b.read(r.ID)
	if got.Forgotten == nil || got.Purpose != "" || got.Code.Files[0].Text != "" || got.Code.Files[0].Path != "main.py" {
		t.Errorf("the texts are left: %+v", got)
	}
	if got.Digest != r.Digest || got.CodeDigest != r.CodeDigest || len(got.Decisions) != 1 || got.Decisions[0].Reason != "no" || got.Lint != nil {
		t.Errorf("more is gone than texts: %+v", got)
	}
	other := b.submit(submission("heart", "len(patients)"))
	if d := b.diff(other, everything); d.Base != "" {
		t.Errorf("compared with what was forgotten: %+v", d)
	}
	again := b.submit(sub)
	if again.ID != r.ID || again.Opening != 2 || again.Forgotten != nil || again.Purpose != sub.Purpose || again.Code.Files[0].Text != sub.Code.Files[0].Text {
		t.Errorf("asked again it is %+v", again)
	}
}

// TestCodeOfAGrantThatHoldsIsKept: whoever looks at the grant must be able to
// read what it covers.
func TestCodeOfAGrantThatHoldsIsKept(t *testing.T) {
	b := newBench(t)
	r := b.mustDecide(owner, b.submit(submission("heart", "patients.shape")), request.Word{Verdict: anchorhold.Approve, Terms: anchorhold.Terms{Uses: 5}})
	r = b.endRun(r, anchorhold.RunFailed)
	b.Clock.Move(1000 * time.Hour)
	if b.forget(r.ID, time.Hour) {
		t.Fatal("the grant holds, and what it covers is gone")
	}
	err := b.Store.Update(context.Background(), func(tx store.Tx) error {
		grants, _, err := tx.ListGrants(store.GrantFilter{Request: r.ID}, store.Page{})
		if err != nil {
			return err
		}
		now := b.Clock.Now()
		grants[0].Revoked = &now
		return tx.PutGrant(grants[0])
	})
	if err != nil || !b.forget(r.ID, time.Hour) {
		t.Fatal("the grant has ended:", err)
	}
	err = b.View(context.Background(), func(tx store.Tx) error {
		grants, _, err := tx.ListGrants(store.GrantFilter{Request: r.ID}, store.Page{})
		if err == nil && grants[0].Purpose != "" {
			t.Error("the ended grant still says for what")
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}
