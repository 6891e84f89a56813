package release_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/audit"
	"github.com/anchorhold/anchorhold/blob"
	"github.com/anchorhold/anchorhold/books"
	"github.com/anchorhold/anchorhold/books/bookstest"
	"github.com/anchorhold/anchorhold/identity/keys"
	"github.com/anchorhold/anchorhold/policy"
	"github.com/anchorhold/anchorhold/receipt"
	"github.com/anchorhold/anchorhold/release"
	"github.com/anchorhold/anchorhold/store"
)

const (
	lock  = "sha256:1111111111111111111111111111111111111111111111111111111111111111"
	built = "sha256:2222222222222222222222222222222222222222222222222222222222222222"
	text  = "sex,age\n0,55.7\n1,53.8\n" // the output
)

var (
	author  = bookstest.User("ada", anchorhold.RoleResearcher)
	owner   = bookstest.User("olga", anchorhold.RoleOwner)
	visible = []policy.Scope{{Dataset: "heart", Visibility: anchorhold.VisibleToUsers}}
)

// bench is a release service over a site on which one request was approved
// twice: in its first opening and, after another end, in its second.
type bench struct {
	*bookstest.Set
	*release.Service
	t     *testing.T
	dir   string // of the blobs
	r     anchorhold.Request
	grant [3]anchorhold.Grant // by opening, from 1
	runs  [3]anchorhold.Run

	sensitivity anchorhold.Sensitivity // of outputs that are offered
}

func newBench(t *testing.T) *bench {
	t.Helper()
	set := bookstest.New(t)
	b := &bench{Set: set, t: t, dir: filepath.Join(t.TempDir(), "blobs")}
	blobs, err := blob.Open(b.dir, set.Keys.BlobKey())
	if err != nil {
		t.Fatal(err)
	}
	b.Service = &release.Service{Books: set.Books, Blobs: blobs, Keys: set.Keys}
	b.update(func(tx store.Tx) error { return b.things(tx) })
	return b
}

// shown is what an owner sees of a dataset.
func shown(d anchorhold.Dataset) anchorhold.Dataset { return d }

func (b *bench) update(fn func(store.Tx) error) {
	b.t.Helper()
	if err := b.Store.Update(context.Background(), fn); err != nil {
		b.t.Fatal(err)
	}
}

// things stores two datasets of one population and one of another, a request
// over all of them, and its decisions, grants and runs in two openings.
func (b *bench) things(tx store.Tx) error {
	b.r = anchorhold.Request{
		ID: anchorhold.NewID(anchorhold.PrefixRequest), Digest: "sha256:" + strings.Repeat("3", 64), CodeDigest: "sha256:" + strings.Repeat("4", 64),
		Author: author.ID, AuthorName: author.Email, Purpose: "to learn", Opening: 2, Created: b.Clock.Now(), Opened: b.Clock.Now(),
		Code: anchorhold.Code{Entry: "main.py:f", Environment: lock}, Assets: map[string]anchorhold.AssetRef{},
	}
	var errs []error
	for name, population := range map[string]string{"heart": "cleveland", "follow-up": "cleveland", "lungs": "zurich"} {
		v := anchorhold.Version{ID: anchorhold.NewID(anchorhold.PrefixVersion), Number: 1, Commitment: "sha256:" + strings.Repeat("5", 64), Private: &anchorhold.Source{Path: "/secret/place.csv"}}
		errs = append(errs, tx.PutDataset(anchorhold.Dataset{ID: "dat-" + name, Name: name, Population: population, Visibility: anchorhold.VisibleToUsers, Quorum: 1}),
			tx.PutVersion(name, "patients", v))
		b.r.Assets["p_"+strings.ReplaceAll(name, "-", "_")] = anchorhold.AssetRef{Dataset: name, Asset: "patients", Version: v.ID}
	}
	errs = append(errs, tx.PutRequest(b.r))
	for opening := 1; opening <= 2; opening++ {
		errs = append(errs, b.approved(tx, opening))
	}
	return errors.Join(errs...)
}

// approved is an opening that was denied for one dataset by one person,
// approved by others, and ran.
func (b *bench) approved(tx store.Tx, opening int) error {
	var errs []error
	for i, d := range []string{"follow-up", "heart", "lungs"} {
		b.Clock.Move(time.Second)
		errs = append(errs, tx.AddDecision(anchorhold.Decision{
			ID: anchorhold.NewID(anchorhold.PrefixDecision), Request: b.r.ID, Opening: opening, Dataset: d, Verdict: anchorhold.Approve,
			Decider: fmt.Sprint("pri-", i), DeciderName: fmt.Sprintf("decider%d-of-opening%d@example.org", i, opening), Rule: "reviewers-read-and-decide", Created: b.Clock.Now(),
		}))
	}
	errs = append(errs, tx.AddDecision(anchorhold.Decision{
		ID: anchorhold.NewID(anchorhold.PrefixDecision), Request: b.r.ID, Opening: opening, Dataset: "heart", Verdict: anchorhold.Deny,
		Decider: "pri-denier", DeciderName: "denier@example.org", Reason: "no", Rule: "reviewers-read-and-decide", Created: b.Clock.Now(),
	}))
	g := anchorhold.Grant{ID: anchorhold.NewID(anchorhold.PrefixGrant), Request: b.r.ID, Opening: opening, Digest: b.r.Digest, CodeDigest: b.r.CodeDigest, Created: b.Clock.Now(), Terms: anchorhold.Terms{Uses: 9, AutoRelease: true}}
	started, finished := b.Clock.Now().Add(30*time.Second), b.Clock.Now().Add(95*time.Second)
	run := anchorhold.Run{
		ID: anchorhold.NewID(anchorhold.PrefixRun), Request: b.r.ID, Opening: opening, Grant: g.ID, State: anchorhold.RunDone, Queued: b.Clock.Now(),
		Started: &started, Finished: &finished, Environment: built, Python: "3.12.3", Boundary: "gvisor",
	}
	b.grant[opening], b.runs[opening] = g, run
	return errors.Join(append(errs, tx.PutGrant(g), tx.PutRun(run))...)
}

func passed() []anchorhold.Check {
	return []anchorhold.Check{
		{Name: "kind-and-size", Result: anchorhold.CheckPassed}, {Name: "private-rows", Result: anchorhold.CheckPassed, Detail: "for the owner's eyes"},
	}
}

// offer ends a run with one output, as the queue does, and gives its release.
func (b *bench) offer(opening int, auto bool, checks []anchorhold.Check) (anchorhold.Release, anchorhold.Output) {
	b.t.Helper()
	info, err := b.Blobs.Put(strings.NewReader(text), 1000)
	if err != nil {
		b.t.Fatal(err)
	}
	o := anchorhold.Output{
		ID: anchorhold.NewID(anchorhold.PrefixOutput), Run: b.runs[opening].ID, Name: "result", Kind: "text", Python: "str", Media: "text/plain",
		File: "result.txt", Size: info.Size, SHA256: info.SHA256, Blob: info.ID, Checks: checks,
		Sensitivity: b.sensitivity,
	}
	g := b.grant[opening]
	g.AutoRelease = auto
	_, err = books.Act(context.Background(), b.Set.Books, policy.SiteAct("run.finish", g.ID), func(tx store.Tx) (struct{}, books.Record, error) {
		return struct{}{}, books.Record{Subject: o.Run}, b.Offer(tx, b.r, g, o)
	})
	if err != nil {
		b.t.Fatal(err)
	}
	o = b.output(o.ID)
	if o.Release == nil {
		b.t.Fatal("the output has no release")
	}
	return *o.Release, o
}

func (b *bench) output(id string) (o anchorhold.Output) {
	b.t.Helper()
	b.view(func(tx store.Tx) (err error) {
		o, err = tx.Output(id)
		return err
	})
	return o
}

func (b *bench) release(id string) (r anchorhold.Release) {
	b.t.Helper()
	b.view(func(tx store.Tx) (err error) {
		r, err = tx.Release(id)
		return err
	})
	return r
}

func (b *bench) grantNow(opening int) (g anchorhold.Grant) {
	b.t.Helper()
	b.view(func(tx store.Tx) (err error) {
		g, err = tx.Grant(b.grant[opening].ID)
		return err
	})
	return g
}

func (b *bench) view(fn func(store.Tx) error) {
	b.t.Helper()
	if err := b.View(context.Background(), fn); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) ledger() (out []anchorhold.LedgerEntry) {
	b.t.Helper()
	b.view(func(tx store.Tx) (err error) {
		out, _, err = tx.ListLedger(store.LedgerFilter{}, store.Page{})
		return err
	})
	return out
}

// entries are the log's entries with an action.
func (b *bench) entries(action string) (out []audit.Event) {
	b.t.Helper()
	for _, e := range b.Events() {
		if e.Action == action {
			out = append(out, e)
		}
	}
	return out
}

func (b *bench) decide(id string, v anchorhold.Verdict, reason string) (anchorhold.Release, error) {
	b.t.Helper()
	p := bookstest.Permit(b.t, owner, policy.ReleaseDecide, policy.Resource{Type: policy.TypeRelease, ID: id, Author: author.ID, Scopes: visible})
	return b.Decide(context.Background(), p, id, release.Said{Verdict: v, Reason: reason})
}

// verified wants a receipt that anybody with the public key accepts.
func (b *bench) verified(id string) receipt.Statement {
	b.t.Helper()
	file, err := b.Receipt(context.Background(), id)
	if err != nil {
		b.t.Fatal(err)
	}
	vkey, err := keys.ParseVKey(b.Set.Keys.VKey().String())
	if err != nil {
		b.t.Fatal(err)
	}
	s, err := receipt.Verify(file, vkey)
	if err != nil {
		b.t.Fatalf("the receipt does not verify: %v", err)
	}
	if err := receipt.VerifyOutput(s, strings.NewReader(text)); err != nil {
		b.t.Errorf("the receipt is not about the output: %v", err)
	}
	for _, secret := range []string{"/secret/place", "owner's eyes", "denier"} {
		if all, err := json.Marshal(s); err != nil || strings.Contains(string(all), secret) {
			b.t.Errorf("the receipt tells %q, %v", secret, err)
		}
	}
	return s
}

// nothingLeft wants no trace of a release that was not approved.
func (b *bench) nothingLeft(id string) {
	b.t.Helper()
	rel := b.release(id)
	if rel.State == anchorhold.ReleaseApproved || len(rel.Envelope) != 0 || len(b.ledger()) != 0 || len(b.entries(audit.ActionRelease)) != 0 {
		b.t.Errorf("a release left traces: %+v, %d ledger lines", rel, len(b.ledger()))
	}
	if _, err := b.Receipt(context.Background(), id); anchorhold.KindOf(err) != anchorhold.NotFound {
		b.t.Errorf("its receipt: got %v", err)
	}
}

func wantKind(t *testing.T, what string, err error, kind anchorhold.Kind) {
	t.Helper()
	var e *anchorhold.Error
	if !errors.As(err, &e) || e.Kind != kind || e.Remedy == "" {
		t.Errorf("%s: got %v, want a sentence and a remedy of kind %s", what, err, kind)
	}
}

func TestReady(t *testing.T) {
	const ok, bad, odd = anchorhold.CheckPassed, anchorhold.CheckFailed, anchorhold.CheckInapplicable
	for _, c := range []struct {
		results []anchorhold.CheckResult
		want    bool
	}{
		{nil, false},
		{[]anchorhold.CheckResult{}, false},
		{[]anchorhold.CheckResult{ok}, true},
		{[]anchorhold.CheckResult{ok, ok, ok}, true},
		{[]anchorhold.CheckResult{bad}, false},
		{[]anchorhold.CheckResult{odd}, false},
		{[]anchorhold.CheckResult{""}, false},
		{[]anchorhold.CheckResult{"Passed"}, false},
		{[]anchorhold.CheckResult{ok, ok, bad}, false},
		{[]anchorhold.CheckResult{odd, ok, ok}, false},
		{[]anchorhold.CheckResult{ok, "", ok}, false},
	} {
		var checks []anchorhold.Check
		for _, r := range c.results {
			checks = append(checks, anchorhold.Check{Name: "x", Result: r})
		}
		if got := release.Ready(checks); got != c.want {
			t.Errorf("%q: got %v", c.results, got)
		}
	}
}

func TestWhatIsNotReadyWaitsForAPerson(t *testing.T) {
	failed := append(passed(), anchorhold.Check{Name: "near-rows", Result: anchorhold.CheckFailed})
	odd := append(passed(), anchorhold.Check{Name: "near-rows", Result: anchorhold.CheckInapplicable})
	for name, c := range map[string]struct {
		auto   bool
		checks []anchorhold.Check
	}{
		"no automatic release": {false, passed()}, "failed check": {true, failed}, "inapplicable check": {true, odd}, "no check": {true, nil},
		"nothing at all": {false, nil}, "failed check, no automatic release": {false, failed},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			rel, o := b.offer(1, c.auto, c.checks)
			if rel.State != anchorhold.ReleaseHeld || rel.Decider != "" || rel.Decided != nil || o.SHA256 == "" || len(o.Checks) != len(c.checks) {
				t.Errorf("the release is %+v", rel)
			}
			b.nothingLeft(rel.ID)
		})
	}
}

// TestStoppedOutputEndsAutomaticRelease: code that draws at random must not try
// until the checks let it pass.
func TestStoppedOutputEndsAutomaticRelease(t *testing.T) {
	b := newBench(t)
	b.offer(1, true, passed())
	if !b.grantNow(1).Releases(b.Clock.Now()) {
		t.Error("an output that passed ended automatic release")
	}
	b.offer(1, true, nil)
	g := b.grantNow(1)
	if g.Releases(b.Clock.Now()) {
		t.Error("a stopped output left automatic release on")
	}
	if g.Uses != 9 || g.Revoked != nil {
		t.Errorf("the grant became %+v", g)
	}
	if !b.grantNow(2).Releases(b.Clock.Now()) {
		t.Error("another grant was changed")
	}
}

func TestAutomaticReleaseIsInEveryBook(t *testing.T) {
	b := newBench(t)
	rel, o := b.offer(1, true, passed())
	g := b.grant[1].ID
	if rel.State != anchorhold.ReleaseApproved || rel.Decider != g || !strings.Contains(rel.DeciderName, g) || rel.Decided == nil || !rel.Decided.Equal(b.Clock.Now()) {
		t.Errorf("the release is %+v", rel)
	}
	b.wantLedger(rel, rel.DeciderName)
	released := b.entries(audit.ActionRelease)
	if len(released) != 1 {
		t.Fatalf("%d entries for one release", len(released))
	}
	e := released[0]
	if e.Subject != rel.ID || e.Actor != policy.SiteName || e.Rule != g || e.Details["output"] != "sha256:"+o.SHA256 || e.Details["request"] != b.r.ID {
		t.Errorf("the entry says %+v", e)
	}
	s := b.verified(rel.ID)
	if p := s.Predicate; !p.Release.Automatic || p.Release.Decider != g || p.Release.ID != rel.ID {
		t.Errorf("the receipt says %+v", p.Release)
	}
	b.VerifyLog()
}

// wantLedger wants one line for each population, though two datasets share one.
func (b *bench) wantLedger(rel anchorhold.Release, by string) {
	b.t.Helper()
	var populations []string
	for _, e := range b.ledger() {
		populations = append(populations, e.Population)
		if e.Class != anchorhold.ExposureUnbounded || e.Subject != rel.ID || e.Principal != author.ID || e.Amount != "{}" ||
			!strings.Contains(e.What, b.r.ID) || !strings.Contains(e.What, by) {
			b.t.Errorf("the ledger says %+v", e)
		}
	}
	slices.Sort(populations)
	if !slices.Equal(populations, []string{"cleveland", "zurich"}) {
		b.t.Errorf("the ledger has lines for %v", populations)
	}
}

func TestPersonReleases(t *testing.T) {
	b := newBench(t)
	checks := append(passed(), anchorhold.Check{Name: "near-rows", Result: anchorhold.CheckFailed})
	held, o := b.offer(2, true, checks)
	b.Clock.Move(time.Hour)
	rel, err := b.decide(held.ID, anchorhold.Approve, "")
	if err != nil {
		t.Fatal(err)
	}
	if rel.ID != held.ID || rel.State != anchorhold.ReleaseApproved || rel.Decider != owner.ID || rel.DeciderName != owner.Email || rel.Decided == nil || !rel.Decided.Equal(b.Clock.Now()) {
		t.Errorf("the release is %+v", rel)
	}
	b.wantLedger(rel, owner.Email)
	if n := len(b.entries(audit.ActionRelease)); n != 1 {
		t.Errorf("%d entries for one release", n)
	}
	p := b.verified(rel.ID).Predicate
	if p.Release.Automatic || p.Release.Decider != owner.Email || !p.Release.At.Equal(b.Clock.Now()) {
		t.Errorf("the receipt says %+v", p.Release)
	}
	if len(p.Checks) != 3 || p.Checks[2] != (receipt.Check{Name: "near-rows", Result: anchorhold.CheckFailed}) {
		t.Errorf("the receipt hides a failed check: %+v", p.Checks)
	}
	if p.Decisions[0].Decider != "decider0-of-opening2@example.org" {
		t.Errorf("the decisions are %+v", p.Decisions)
	}
	if b.grantNow(2).Revoked != nil {
		t.Error("an approval ended the grant")
	}
	f, err := b.Open(context.Background(), o, shown)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if got, err := io.ReadAll(f); err != nil || string(got) != text {
		t.Errorf("what leaves is %q, %v", got, err)
	}
	b.VerifyLog()
}

func TestPersonRefuses(t *testing.T) {
	b := newBench(t)
	held, _ := b.offer(1, false, passed())
	before := len(b.Events())
	for _, reason := range []string{"", " \t\n", "forged\x1b[2K", "\xff", strings.Repeat("x", 1<<20)} {
		_, err := b.decide(held.ID, anchorhold.Deny, reason)
		if kind := anchorhold.KindOf(err); kind != anchorhold.Invalid && kind != anchorhold.TooLarge {
			t.Errorf("a denial because of %.20q: got %v", reason, err)
		}
	}
	if rel := b.release(held.ID); rel.State != anchorhold.ReleaseHeld || len(b.Events()) != before || b.grantNow(1).Revoked != nil {
		t.Errorf("refused denials left something: %+v", rel)
	}
	rel, err := b.decide(held.ID, anchorhold.Deny, "too few people")
	if err != nil {
		t.Fatal(err)
	}
	if rel.State != anchorhold.ReleaseDenied || rel.Reason != "too few people" || rel.Decider != owner.ID || rel.Decided == nil {
		t.Errorf("the release is %+v", rel)
	}
	b.nothingLeft(held.ID)
	decided := b.entries("release.decide")
	if len(decided) != 1 || decided[0].Actor != owner.Email || decided[0].Subject != held.ID || decided[0].Details["verdict"] != "deny" {
		t.Errorf("the log says %+v", decided)
	}
	// The same code must not run again on the same yes.
	if b.grantNow(1).Revoked == nil || b.grantNow(2).Revoked == nil {
		t.Error("a refused output left grants of its request")
	}
}

func TestDecidedOnce(t *testing.T) {
	b := newBench(t)
	auto, _ := b.offer(2, true, passed())
	ids := map[string]anchorhold.ReleaseState{auto.ID: anchorhold.ReleaseApproved}
	for _, v := range []anchorhold.Verdict{anchorhold.Approve, anchorhold.Deny} {
		held, _ := b.offer(1, false, passed())
		rel, err := b.decide(held.ID, v, "because")
		if err != nil {
			t.Fatal(err)
		}
		ids[held.ID] = rel.State
	}
	entries, lines := len(b.Events()), len(b.ledger())
	for id, state := range ids {
		before := b.release(id)
		for _, v := range []anchorhold.Verdict{anchorhold.Approve, anchorhold.Deny} {
			_, err := b.decide(id, v, "otherwise")
			wantKind(t, fmt.Sprintf("%s of what is %s", v, state), err, anchorhold.Conflict)
			if !strings.Contains(err.Error(), string(state)) {
				t.Errorf("the error does not say that it is %s: %v", state, err)
			}
		}
		if after := b.release(id); after.State != state || after.Reason != before.Reason || !bytes.Equal(after.Envelope, before.Envelope) {
			t.Errorf("a second decision changed %+v to %+v", before, after)
		}
	}
	if len(b.Events()) != entries || len(b.ledger()) != lines {
		t.Error("refused decisions are in the books")
	}
}

// TestRacingDecisions: of an approval and a denial at once, one holds.
func TestRacingDecisions(t *testing.T) {
	b := newBench(t)
	held, _ := b.offer(1, false, passed())
	p := bookstest.Permit(t, owner, policy.ReleaseDecide, policy.Resource{Type: policy.TypeRelease, ID: held.ID, Author: author.ID, Scopes: visible})
	results := make(chan error, 8)
	for i := range cap(results) {
		go func() {
			v := []anchorhold.Verdict{anchorhold.Approve, anchorhold.Deny}[i%2]
			_, err := b.Decide(context.Background(), p, held.ID, release.Said{Verdict: v, Reason: "because"})
			results <- err
		}()
	}
	won := 0
	for range cap(results) {
		err := <-results
		if err == nil {
			won++
		} else if anchorhold.KindOf(err) != anchorhold.Conflict {
			t.Errorf("a loser was told %v", err)
		}
	}
	released := len(b.entries(audit.ActionRelease))
	if approved := b.release(held.ID).State == anchorhold.ReleaseApproved; won != 1 || approved != (released == 1) || released > 1 || len(b.ledger()) != 2*released {
		t.Errorf("%d decisions held, %d releases are logged, %d ledger lines", won, released, len(b.ledger()))
	}
}

// TestRepetitionReleasesOnce: an answer that was lost is given again.
func TestRepetitionReleasesOnce(t *testing.T) {
	b := newBench(t)
	held, _ := b.offer(1, false, passed())
	p := bookstest.Permit(t, owner, policy.ReleaseDecide, policy.Resource{Type: policy.TypeRelease, ID: held.ID, Author: author.ID, Scopes: visible})
	ctx := books.WithKey(context.Background(), "key", []byte("body"))
	for range 3 {
		rel, err := b.Decide(ctx, p, held.ID, release.Said{Verdict: anchorhold.Approve, Reason: ""})
		if err != nil || rel.State != anchorhold.ReleaseApproved {
			t.Fatalf("got %+v, %v", rel, err)
		}
	}
	if n := len(b.entries(audit.ActionRelease)); n != 1 || len(b.ledger()) != 2 {
		t.Errorf("%d releases, %d ledger lines", n, len(b.ledger()))
	}
}

// TestAuthorsNeverDecide: whatever their role.
func TestAuthorsNeverDecide(t *testing.T) {
	rules, err := policy.New()
	if err != nil {
		t.Fatal(err)
	}
	for _, who := range []anchorhold.Principal{bookstest.User("olga", anchorhold.RoleOwner), bookstest.User("rita", anchorhold.RoleReviewer), {ID: "local:0"}, author} {
		on := policy.Resource{Type: policy.TypeRelease, ID: "rel-1", Author: who.ID, Scopes: visible}
		if _, err := rules.Check(who, policy.ReleaseDecide, on); err == nil {
			t.Errorf("%s decides on their own release", who.Name())
		}
	}
}

func TestUnknownReleases(t *testing.T) {
	b := newBench(t)
	held, _ := b.offer(1, false, passed())
	for _, id := range []string{"", "rel-0000000000000000", b.r.ID, strings.ToUpper(held.ID)} {
		if _, err := b.decide(id, anchorhold.Approve, ""); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("deciding on %q: got %v", id, err)
		}
		if _, err := b.Receipt(context.Background(), id); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("the receipt of %q: got %v", id, err)
		}
	}
}
