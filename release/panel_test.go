package release_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/audit"
	"github.com/anchorhold/anchorhold/books/bookstest"
	"github.com/anchorhold/anchorhold/policy"
	"github.com/anchorhold/anchorhold/receipt"
	"github.com/anchorhold/anchorhold/release"
	"github.com/anchorhold/anchorhold/store"
)

// say decides as somebody for one dataset, or with "" for all.
func (b *bench) say(who anchorhold.Principal, id, dataset string, v anchorhold.Verdict) (anchorhold.Release, error) {
	b.t.Helper()
	p := bookstest.Permit(b.t, who, policy.ReleaseDecide, policy.Resource{Type: policy.TypeRelease, ID: id, Author: author.ID, Scopes: visible})
	return b.Decide(context.Background(), p, id, release.Said{Dataset: dataset, Verdict: v, Reason: "because"})
}

func (b *bench) mustSay(who anchorhold.Principal, id, dataset string, v anchorhold.Verdict) anchorhold.Release {
	b.t.Helper()
	rel, err := b.say(who, id, dataset, v)
	if err != nil {
		b.t.Fatal(err)
	}
	return rel
}

// quorum sets how many approvals a dataset asks for.
func (b *bench) quorum(name string, n int) {
	b.t.Helper()
	b.update(func(tx store.Tx) error {
		d, err := tx.Dataset(name)
		if err != nil {
			return err
		}
		d.Quorum = n
		return tx.PutDataset(d)
	})
}

func person(name string) anchorhold.Principal { return bookstest.User(name, anchorhold.RoleReviewer) }

// An output leaves when each of its datasets has its quorum, not before, and the
// receipt names all who let it out.
func TestEveryDatasetLetsAnOutputOut(t *testing.T) {
	b := newBench(t)
	b.quorum("lungs", 2)
	held, _ := b.offer(1, false, passed())
	for _, c := range []struct{ who, dataset string }{{"rita", "heart"}, {"luis", "lungs"}, {"fay", "follow-up"}} {
		rel := b.mustSay(person(c.who), held.ID, c.dataset, anchorhold.Approve)
		if rel.State != anchorhold.ReleaseHeld || rel.DeciderName != "" || rel.Decided != nil {
			t.Fatalf("after %s's word it is %+v", c.who, rel)
		}
		b.nothingLeft(held.ID)
	}
	for _, e := range b.entries("release.decide") {
		if e.Digest != "" {
			t.Errorf("the log tells the digest of what waits: %+v", e)
		}
	}
	_, err := b.say(person("luis"), held.ID, "lungs", anchorhold.Approve)
	wantKind(t, "one person for a quorum of two", err, anchorhold.Conflict)
	_, err = b.say(person("fay"), held.ID, "brain", anchorhold.Approve)
	wantKind(t, "a dataset that it does not use", err, anchorhold.Invalid)
	rel := b.mustSay(person("lena"), held.ID, "lungs", anchorhold.Approve)
	all := "rita@example.org, luis@example.org, fay@example.org, lena@example.org"
	if rel.State != anchorhold.ReleaseApproved || rel.DeciderName != all || len(rel.Decisions) != 4 {
		t.Errorf("with all words it is %+v", rel)
	}
	st := b.verified(held.ID)
	by := map[string]string{}
	for _, f := range st.Predicate.Facts {
		by[f.Name] = f.Text
	}
	if st.PredicateType != receipt.PredicateType2 || st.Predicate.Release.Decider != all || by["released-by:lungs"] != "approved by luis@example.org, lena@example.org" ||
		by["released-by:heart"] != "approved by rita@example.org" || by["released-by:follow-up"] != "approved by fay@example.org" {
		t.Errorf("the receipt says %+v of %+v", by, st.Predicate.Release)
	}
	b.wantLedger(rel, "lena@example.org")
	if n := len(b.entries(audit.ActionRelease)); n != 1 {
		t.Errorf("%d releases are logged", n)
	}
	b.VerifyLog()
}

// What one person may say for all datasets needs no new form of receipt.
func TestOnePersonForAllDatasets(t *testing.T) {
	b := newBench(t)
	held, _ := b.offer(1, false, passed())
	b.mustSay(person("rita"), held.ID, "heart", anchorhold.Approve)
	b.mustSay(person("rita"), held.ID, "lungs", anchorhold.Approve)
	if rel := b.mustSay(person("rita"), held.ID, "follow-up", anchorhold.Approve); rel.State != anchorhold.ReleaseApproved || rel.DeciderName != "rita@example.org" {
		t.Errorf("it is %+v", rel)
	}
	if st := b.verified(held.ID); st.PredicateType != receipt.PredicateType || st.Predicate.Release.Decider != "rita@example.org" {
		t.Errorf("the receipt is %s, by %s", st.PredicateType, st.Predicate.Release.Decider)
	}
}

// One denial refuses, however many have approved.
func TestOneDenialRefuses(t *testing.T) {
	b := newBench(t)
	held, _ := b.offer(1, false, passed())
	b.mustSay(person("rita"), held.ID, "heart", anchorhold.Approve)
	b.mustSay(person("luis"), held.ID, "lungs", anchorhold.Approve)
	rel := b.mustSay(person("fay"), held.ID, "follow-up", anchorhold.Deny)
	if rel.State != anchorhold.ReleaseDenied || rel.DeciderName != "fay@example.org" || len(rel.Decisions) != 3 || b.grantNow(1).Revoked == nil {
		t.Errorf("it is %+v", rel)
	}
	_, err := b.say(person("lena"), held.ID, "follow-up", anchorhold.Approve)
	wantKind(t, "an approval after a denial", err, anchorhold.Conflict)
	b.nothingLeft(held.ID)
}

// Everybody on the site's machine is one person, to a quorum and to what they
// asked themselves.
func TestTheMachineIsOnePersonToAnOutput(t *testing.T) {
	b := newBench(t)
	for _, name := range []string{"heart", "lungs", "follow-up"} {
		b.quorum(name, 2)
	}
	held, _ := b.offer(1, false, passed())
	b.mustSay(policy.Local(1000), held.ID, "", anchorhold.Approve)
	_, err := b.say(policy.Local(0), held.ID, "", anchorhold.Approve)
	wantKind(t, "a second account of the machine", err, anchorhold.Conflict)
	b.nothingLeft(held.ID)
	b.r.Author = policy.Local(1000).ID
	b.update(func(tx store.Tx) error { return tx.PutRequest(b.r) })
	own, _ := b.offer(2, false, passed())
	_, err = b.say(policy.Local(0), own.ID, "", anchorhold.Approve)
	wantKind(t, "an account of the machine on what another asked", err, anchorhold.Denied)
	if b.release(own.ID).State != anchorhold.ReleaseHeld {
		t.Error("it left")
	}
}

// Two who decide at once for their parts: nothing is lost, and it leaves once.
func TestPartsDecidedAtOnce(t *testing.T) {
	b := newBench(t)
	held, _ := b.offer(1, false, passed())
	names := []string{"heart", "lungs", "follow-up"}
	results := make(chan error, len(names))
	for _, name := range names {
		p := bookstest.Permit(t, person(name), policy.ReleaseDecide, policy.Resource{Type: policy.TypeRelease, ID: held.ID, Author: author.ID, Scopes: visible})
		go func() {
			_, err := b.Decide(context.Background(), p, held.ID, release.Said{Dataset: name, Verdict: anchorhold.Approve})
			results <- err
		}()
	}
	for range names {
		if err := <-results; err != nil {
			t.Error(err)
		}
	}
	rel := b.release(held.ID)
	who := strings.Split(rel.DeciderName, ", ")
	slices.Sort(who)
	if rel.State != anchorhold.ReleaseApproved || len(b.entries(audit.ActionRelease)) != 1 || !slices.Equal(who, []string{"follow-up@example.org", "heart@example.org", "lungs@example.org"}) {
		t.Errorf("it is %+v", rel)
	}
}
