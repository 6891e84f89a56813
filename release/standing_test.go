package release_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/policy"
	"github.com/anchorhold/anchorhold/receipt"
	"github.com/anchorhold/anchorhold/store"
)

// stand lets the first opening's grant run another request, by somebody else,
// and has its deciders have read every line for one dataset.
func (b *bench) stand(t *testing.T) (first anchorhold.Request) {
	t.Helper()
	first = b.r
	b.update(func(tx store.Tx) error {
		g := b.grant[1]
		g.Read, g.For = []string{"heart"}, []string{"bob@example.org"}
		b.grant[1] = g
		other := first
		other.ID, other.Digest = anchorhold.NewID(anchorhold.PrefixRequest), "sha256:"+strings.Repeat("9", 64)
		other.Author, other.AuthorName, other.Opening, other.Purpose = "pri-bob", "bob@example.org", 1, "the same for Bob"
		b.r = other
		run := b.runs[1]
		run.ID, run.Request, run.Opening = anchorhold.NewID(anchorhold.PrefixRun), other.ID, 1
		b.runs[1] = run
		return errors.Join(tx.PutGrant(g), tx.PutRequest(other), tx.PutRun(run), tx.AddDecision(anchorhold.Decision{
			ID: anchorhold.NewID(anchorhold.PrefixDecision), Request: first.ID, Opening: 1, Dataset: "heart", Verdict: anchorhold.Approve,
			Decider: "pri-eva", DeciderName: "eva@example.org", Rule: "reviewers-read-and-decide", Review: anchorhold.EveryLine, Created: b.Clock.Now(),
		}))
	})
	return first
}

// TestReceiptOfAStandingGrant says on which request was decided, by whom, and
// who has read every line.
func TestReceiptOfAStandingGrant(t *testing.T) {
	b := newBench(t)
	first := b.stand(t)
	rel, _ := b.offer(1, true, passed())
	s := b.verified(rel.ID)
	p := s.Predicate
	if p.Request.ID == first.ID || p.Request.Author != "bob@example.org" || p.Request.Purpose != "the same for Bob" {
		t.Errorf("the request is %+v", p.Request)
	}
	if len(p.Decisions) != 4 || p.Decisions[0].Decider != "decider0-of-opening1@example.org" {
		t.Errorf("the decisions are %+v", p.Decisions)
	}
	want := []receipt.Fact{
		{Name: "every-line:heart", Text: "every line was read by eva@example.org"},
		{Name: "standing-grant", Text: "the decisions are on request " + first.ID + ", as grant " + b.grant[1].ID},
	}
	if s.PredicateType != receipt.PredicateType2 || !slices.Equal(p.Facts, want) {
		t.Errorf("%s says %+v", s.PredicateType, p.Facts)
	}
}

// TestRefusedOutputEndsTheStandingGrant also where somebody else ran under it.
func TestRefusedOutputEndsTheStandingGrant(t *testing.T) {
	b := newBench(t)
	b.stand(t)
	rel, _ := b.offer(1, false, passed())
	if _, err := b.decide(rel.ID, anchorhold.Deny, "too exact"); err != nil {
		t.Fatal(err)
	}
	g := b.grantNow(1)
	if g.Revoked == nil || g.Holds(b.Clock.Now()) || g.RevokedBy == "" {
		t.Errorf("the grant: %+v", g)
	}
	if n := len(b.entries(string(policy.ReleaseDecide))); n != 1 {
		t.Errorf("%d decisions are logged", n)
	}
}

// What tells of single people is held whatever was granted, and that is no
// fault of the code's.
func TestIndividualOutputsAreForAPerson(t *testing.T) {
	b := newBench(t)
	b.sensitivity = anchorhold.Individual
	held, _ := b.offer(1, true, passed())
	if held.State != anchorhold.ReleaseHeld {
		t.Errorf("it is %s", held.State)
	}
	b.sensitivity = anchorhold.Model
	model, _ := b.offer(1, true, passed())
	if model.State != anchorhold.ReleaseApproved {
		t.Errorf("the one after it is %s", model.State)
	}
	if _, err := b.decide(held.ID, anchorhold.Approve, ""); err != nil {
		t.Fatal(err)
	}
	said := func(id string) bool {
		return slices.ContainsFunc(b.verified(id).Predicate.Facts, func(f receipt.Fact) bool {
			return f.Name == "sensitivity" && strings.HasPrefix(f.Text, "individual")
		})
	}
	if !said(held.ID) || said(model.ID) {
		t.Error("a receipt says what its output does not tell, or not what it tells")
	}
}

// TestStoppedOutputsSuspend at the limit, and no later one leaves by itself.
func TestStoppedOutputsSuspend(t *testing.T) {
	b := newBench(t)
	b.update(func(tx store.Tx) error {
		g := b.grant[1]
		g.FailureLimit = 1
		b.grant[1] = g
		return tx.PutGrant(g)
	})
	failed := passed()
	failed[1].Result = anchorhold.CheckFailed
	if rel, _ := b.offer(1, true, failed); rel.State != anchorhold.ReleaseHeld {
		t.Errorf("a stopped output is %s", rel.State)
	}
	if g := b.grantNow(1); g.Suspended == nil || g.Failures != 1 || !g.Stopped {
		t.Errorf("the grant: %+v", g)
	}
	b.grant[1] = b.grantNow(1)
	if rel, _ := b.offer(1, true, passed()); rel.State != anchorhold.ReleaseHeld {
		t.Errorf("the next output is %s", rel.State)
	}
}
