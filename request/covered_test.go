package request_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/books/bookstest"
	"github.com/anchorhold/anchorhold/policy"
	"github.com/anchorhold/anchorhold/request"
	"github.com/anchorhold/anchorhold/store"
)

// Whoever asked before a grant was made is not worse off than whoever asks after:
// what waits and lies within a new grant begins with it, the oldest first, as
// long as there are uses.
func TestWhatWaitsBeginsWithAGrantThatCoversIt(t *testing.T) {
	b := newBench(t)
	eve := bookstest.User("eve", anchorhold.RoleResearcher)
	b.know(eve)
	ask := func(who anchorhold.Principal, value string) anchorhold.Request {
		b.Clock.Move(time.Minute)
		return b.submitAs(who, with(submission("heart", "1"), value))
	}
	first, outside, hers, last := ask(bob, "7"), ask(bob, "999"), ask(eve, "7"), ask(bob, "8")
	next := ask(bob, "9")
	own := ask(owner, "7")
	p := bookstest.Permit(t, bob, policy.RequestWithdraw, policy.Resource{Type: policy.TypeRequest, ID: last.ID, Author: bob.ID})
	if _, err := b.Withdraw(t.Context(), p, last.ID); err != nil {
		t.Fatal(err)
	}
	again := ask(bob, "10") // for the use that is not left
	r := b.mustDecide(owner, b.submit(submission("heart", "1")), request.Word{Verdict: anchorhold.Approve, Terms: anchorhold.Terms{
		Uses: 3, For: []string{"bob@example.org"}, Params: map[string]anchorhold.Bound{"k": {Type: "int", Min: number(0), Max: number(120)}},
	}})
	want(t, r, anchorhold.StateQueued, 1)
	for name, c := range map[string]struct {
		r    anchorhold.Request
		want anchorhold.State
		runs int
	}{
		"the oldest": {first, anchorhold.StateQueued, 1}, "the next": {next, anchorhold.StateQueued, 1}, "one too many": {again, anchorhold.StatePending, 0},
		"outside of the bounds": {outside, anchorhold.StatePending, 0}, "somebody not named": {hers, anchorhold.StatePending, 0},
		"withdrawn": {last, anchorhold.StateWithdrawn, 0}, "the decider's own": {own, anchorhold.StatePending, 0},
	} {
		err := b.View(t.Context(), func(tx store.Tx) (err error) {
			c.r, err = tx.Request(c.r.ID)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		if got := request.StateOf(c.r, b.Clock.Now()); got != c.want || len(c.r.Runs) != c.runs {
			t.Errorf("%s: %s with %d runs", name, got, len(c.r.Runs))
		}
	}
	if g := b.grantOf(r); g.Used != 3 {
		t.Errorf("%d uses are used", g.Used)
	}
	b.VerifyLog()
}

// A quota holds for what begins with a grant, too: it goes on waiting, and begins
// when it is asked for again.
func TestPendingRequestMeetsALaterGrant(t *testing.T) {
	b := newBench(t)
	if err := b.Store.Update(t.Context(), func(tx store.Tx) error { return tx.PutQuota(bob.ID, anchorhold.Quota{Queued: 1}) }); err != nil {
		t.Fatal(err)
	}
	b.Clock.Move(time.Minute)
	b.submitAs(bob, with(submission("heart", "1"), "1"))
	two := b.submitAs(bob, with(submission("heart", "1"), "2"))
	b.mustDecide(owner, b.submit(submission("heart", "1")), request.Word{Verdict: anchorhold.Approve, Terms: anchorhold.Terms{
		Uses: 9, For: []string{"bob@example.org"}, Params: map[string]anchorhold.Bound{"k": {Type: "int", Min: number(0), Max: number(120)}},
	}})
	one := b.submitAs(bob, with(submission("heart", "1"), "1"))
	want(t, one, anchorhold.StateQueued, 1)
	b.endRun(one, anchorhold.RunFailed)
	again := b.submitAs(bob, with(submission("heart", "1"), "2"))
	want(t, again, anchorhold.StateQueued, 1)
	if again.ID != two.ID || again.Opening != 1 {
		t.Errorf("it is another request: %+v", again)
	}
}

// What a person approves begins, however many runs its author has already: they
// who set the quota said so. It counts, so that what would begin without them
// waits until there is room.
func TestApprovalsAreAboveTheQuota(t *testing.T) {
	b := newBench(t)
	if err := b.Store.Update(t.Context(), func(tx store.Tx) error { return tx.PutQuota(bob.ID, anchorhold.Quota{Queued: 1}) }); err != nil {
		t.Fatal(err)
	}
	wide := anchorhold.Terms{Uses: 9, Params: map[string]anchorhold.Bound{"k": {Type: "int", Min: number(0), Max: number(120)}}}
	var all []anchorhold.Request
	for _, k := range []string{"1", "2"} {
		r := b.submitAs(bob, with(submission("heart", "1"), k))
		terms := anchorhold.Terms{Uses: 1}
		if k == "2" {
			terms = wide
		}
		r = b.mustDecide(owner, r, request.Word{Verdict: anchorhold.Approve, Terms: terms})
		want(t, r, anchorhold.StateQueued, 1)
		all = append(all, r)
	}
	third := with(submission("heart", "1"), "3")
	_, err := b.Submit(context.Background(), b.permit(bob, policy.RequestSubmit, anchorhold.Request{}), third)
	if anchorhold.KindOf(err) != anchorhold.Conflict || !strings.Contains(fmt.Sprint(err), "2 of your runs have not ended") {
		t.Errorf("a third of theirs begins by the grant: %v", err)
	}
	for _, r := range all {
		b.endRun(r, anchorhold.RunFailed)
	}
	want(t, b.submitAs(bob, third), anchorhold.StateQueued, 1)
}

// Who asked while they might, and may not any more, has nothing run by a grant that
// others are given later.
func TestNothingBeginsForWhoMayNotAskAnyMore(t *testing.T) {
	for name, end := range map[string]func(*anchorhold.Principal){
		"the role has ended":    func(who *anchorhold.Principal) { who.Bindings = nil },
		"the account has ended": func(who *anchorhold.Principal) { who.Disabled = true },
		"nothing has ended":     nil,
	} {
		b := newBench(t)
		hers := b.submitAs(bob, with(submission("heart", "1"), "7"))
		runs := 1
		if end != nil {
			gone := bob
			end(&gone)
			b.know(gone)
			runs = 0
		}
		b.mustDecide(owner, b.submit(submission("heart", "1")), request.Word{Verdict: anchorhold.Approve, Terms: anchorhold.Terms{
			Uses: 9, AutoRelease: true, For: []string{anchorhold.Everybody}, Params: map[string]anchorhold.Bound{"k": {Type: "int", Min: number(0), Max: number(120)}},
		}})
		if r := b.read(hers.ID); len(r.Runs) != runs {
			t.Errorf("%s: %s with %d runs", name, r.State, len(r.Runs))
		}
	}
}
