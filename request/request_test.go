package request_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/books"
	"github.com/anchorhold/anchorhold/books/bookstest"
	"github.com/anchorhold/anchorhold/policy"
	"github.com/anchorhold/anchorhold/request"
	"github.com/anchorhold/anchorhold/store"
)

const lock = "sha256:1111111111111111111111111111111111111111111111111111111111111111"

var (
	author = bookstest.User("ada", anchorhold.RoleResearcher)
	owner  = bookstest.User("olga", anchorhold.RoleOwner)
	second = bookstest.User("omar", anchorhold.RoleOwner)
)

// bench is a request service over a site with two datasets.
type bench struct {
	*bookstest.Set
	*request.Service
	t       *testing.T
	woken   atomic.Int64
	changed error // of the private files
}

func newBench(t *testing.T) *bench {
	b := &bench{Set: bookstest.New(t), t: t}
	rules, err := policy.New()
	if err != nil {
		t.Fatal(err)
	}
	b.Service = &request.Service{
		Books: b.Set.Books, Policy: rules, HasEnvironment: func(l string) bool { return l == lock }, EnvironmentBuilt: func(l string) bool { return l == lock }, Wake: func() { b.woken.Add(1) },
		Unchanged: func(context.Context, []anchorhold.AssetRef) error { return b.changed },
	}
	for name, quorum := range map[string]int{"heart": 1, "guarded": 2} {
		b.offer(name, quorum, 1)
	}
	b.know(author, owner, second, bob)
	return b
}

// know gives people an account.
func (b *bench) know(people ...anchorhold.Principal) {
	b.t.Helper()
	for _, who := range people {
		if err := b.Store.Update(context.Background(), func(tx store.Tx) error { return tx.PutPrincipal(who) }); err != nil {
			b.t.Fatal(err)
		}
	}
}

func (b *bench) offer(name string, quorum, number int) {
	b.t.Helper()
	err := b.Store.Update(context.Background(), func(tx store.Tx) error {
		d := anchorhold.Dataset{ID: "dat-" + name, Name: name, Population: name, Visibility: anchorhold.VisibleToUsers, Quorum: quorum}
		if err := tx.PutDataset(d); err != nil {
			return err
		}
		return tx.PutVersion(name, "patients", anchorhold.Version{
			ID: anchorhold.NewID(anchorhold.PrefixVersion), Number: number, Private: &anchorhold.Source{Path: "/x"},
		})
	})
	if err != nil {
		b.t.Fatal(err)
	}
}

func submission(dataset, body string) request.Submission {
	return request.Submission{
		Code: anchorhold.Code{
			Files: []anchorhold.File{{Path: "main.py", Text: "def f(patients, k=3):\n    return " + body + "\n"}}, Entry: "main.py:f",
			Parameters: []anchorhold.Parameter{
				{Name: "patients", Kind: "asset", Type: "dataframe"}, {Name: "k", Kind: "value", Type: "int", Default: json.RawMessage("3")},
			},
			Outputs: []anchorhold.OutputDecl{{Name: "result", Kind: "any"}}, Environment: lock,
		},
		Assets: map[string]anchorhold.AssetRef{"patients": {Dataset: dataset, Asset: "patients"}}, Purpose: "to learn",
	}
}

func (b *bench) permit(who anchorhold.Principal, action policy.Action, r anchorhold.Request) policy.Permit {
	b.t.Helper()
	res := policy.Resource{Type: policy.TypeRequest, ID: "x", Author: r.Author, Scopes: []policy.Scope{{Dataset: "heart", Visibility: anchorhold.VisibleToUsers}}}
	if action == policy.RequestSubmit || action == policy.RunTry {
		res.Type, res.Author = policy.TypeDataset, ""
	}
	return bookstest.Permit(b.t, who, action, res)
}

func (b *bench) submit(sub request.Submission) anchorhold.Request {
	b.t.Helper()
	r, err := b.Submit(context.Background(), b.permit(author, policy.RequestSubmit, anchorhold.Request{}), sub)
	if err != nil {
		b.t.Fatal(err)
	}
	return request.ForReviewer(r, b.Clock.Now())
}

func (b *bench) decide(who anchorhold.Principal, r anchorhold.Request, w request.Word) (anchorhold.Request, error) {
	b.t.Helper()
	out, err := b.Decide(context.Background(), b.permit(who, policy.RequestDecide, r), r.ID, w)
	return request.ForReviewer(out, b.Clock.Now()), err
}

func (b *bench) mustDecide(who anchorhold.Principal, r anchorhold.Request, w request.Word) anchorhold.Request {
	b.t.Helper()
	out, err := b.decide(who, r, w)
	if err != nil {
		b.t.Fatal(err)
	}
	return out
}

// endRun lets the newest run end as the queue would.
func (b *bench) endRun(r anchorhold.Request, state anchorhold.RunState) anchorhold.Request {
	b.t.Helper()
	err := b.Store.Update(context.Background(), func(tx store.Tx) error {
		run := r.Runs[len(r.Runs)-1]
		run.State = state
		return tx.PutRun(run)
	})
	if err != nil {
		b.t.Fatal(err)
	}
	return b.read(r.ID)
}

func (b *bench) read(id string) (r anchorhold.Request) {
	b.t.Helper()
	err := b.View(context.Background(), func(tx store.Tx) (err error) {
		r, err = tx.Request(id)
		return err
	})
	if err != nil {
		b.t.Fatal(err)
	}
	return request.ForReviewer(r, b.Clock.Now())
}

func want(t *testing.T, r anchorhold.Request, state anchorhold.State, runs int) {
	t.Helper()
	if r.State != state || len(r.Runs) != runs {
		t.Errorf("the request is %s with %d runs, want %s with %d", r.State, len(r.Runs), state, runs)
	}
}

func wantKind(t *testing.T, what string, err error, kind anchorhold.Kind) {
	t.Helper()
	if err == nil || anchorhold.KindOf(err) != kind {
		t.Errorf("%s: got %v, want %s", what, err, kind)
	}
}

func TestApprovalQueuesOneRun(t *testing.T) {
	b := newBench(t)
	r := b.submit(submission("heart", "1"))
	want(t, r, anchorhold.StatePending, 0)
	r = b.mustDecide(owner, r, request.Word{Verdict: anchorhold.Approve})
	want(t, r, anchorhold.StateQueued, 1)
	if b.woken.Load() == 0 {
		t.Error("the queue was not told")
	}
	_, err := b.decide(second, r, request.Word{Verdict: anchorhold.Deny, Reason: "late"})
	wantKind(t, "a decision after the decision", err, anchorhold.Conflict)
	b.VerifyLog()
}

func TestSameContentIsTheSameRequest(t *testing.T) {
	b := newBench(t)
	r := b.submit(submission("heart", "1"))
	again := b.submit(submission("heart", "1"))
	if again.ID != r.ID || again.Opening != 1 {
		t.Errorf("submitted while open: %s opening %d, want %s opening 1", again.ID, again.Opening, r.ID)
	}
	if other := b.submit(submission("heart", "2")); other.ID == r.ID || other.CodeDigest == r.CodeDigest {
		t.Error("other code is the same request")
	}
	explicit := submission("heart", "1")
	explicit.Values = map[string]json.RawMessage{"k": json.RawMessage("3")}
	if same := b.submit(explicit); same.CodeDigest != r.CodeDigest {
		t.Error("a value changed the code digest")
	}
}

func TestDeniedRequestOpensAnew(t *testing.T) {
	b := newBench(t)
	r := b.submit(submission("heart", "1"))
	r = b.mustDecide(owner, r, request.Word{Verdict: anchorhold.Deny, Reason: "too small groups"})
	want(t, r, anchorhold.StateDenied, 0)
	b.Clock.Move(time.Minute)
	again := b.submit(submission("heart", "1"))
	want(t, again, anchorhold.StatePending, 0)
	if again.ID != r.ID || again.Opening != 2 {
		t.Errorf("%s opening %d, want %s opening 2", again.ID, again.Opening, r.ID)
	}
	again = b.mustDecide(owner, again, request.Word{Verdict: anchorhold.Approve})
	want(t, again, anchorhold.StateQueued, 1)
}

func TestUsesOfAnApproval(t *testing.T) {
	b := newBench(t)
	r := b.submit(submission("heart", "1"))
	r = b.mustDecide(owner, r, request.Word{Verdict: anchorhold.Approve, Terms: anchorhold.Terms{Uses: 2}})
	r = b.endRun(r, anchorhold.RunFailed)
	want(t, r, anchorhold.StateFailed, 1)
	b.Clock.Move(time.Minute)
	r = b.submit(submission("heart", "1"))
	want(t, r, anchorhold.StateQueued, 2)
	b.endRun(r, anchorhold.RunFailed)
	b.Clock.Move(time.Minute)
	want(t, b.submit(submission("heart", "1")), anchorhold.StatePending, 2)
}

func TestApprovalExpires(t *testing.T) {
	b := newBench(t)
	r := b.submit(submission("heart", "1"))
	soon := b.Clock.Now().Add(time.Hour)
	r = b.mustDecide(owner, r, request.Word{Verdict: anchorhold.Approve, Terms: anchorhold.Terms{Uses: 5, Expires: &soon}})
	b.endRun(r, anchorhold.RunFailed)
	b.Clock.Move(2 * time.Hour)
	want(t, b.submit(submission("heart", "1")), anchorhold.StatePending, 1)
}

func TestNewVersionIsANewRequest(t *testing.T) {
	b := newBench(t)
	r := b.submit(submission("heart", "1"))
	b.mustDecide(owner, r, request.Word{Verdict: anchorhold.Approve, Terms: anchorhold.Terms{Uses: 5}})
	b.offer("heart", 1, 2)
	other := b.submit(submission("heart", "1"))
	want(t, other, anchorhold.StatePending, 0)
	if other.ID == r.ID || other.CodeDigest != r.CodeDigest {
		t.Error("a new version of the data is the same request, or changed the code digest")
	}
}

func TestQuorum(t *testing.T) {
	b := newBench(t)
	r := b.submit(submission("guarded", "1"))
	r = b.mustDecide(owner, r, request.Word{Verdict: anchorhold.Approve, Terms: anchorhold.Terms{AutoRelease: true, Uses: 9}})
	want(t, r, anchorhold.StatePending, 0)
	_, err := b.decide(owner, r, request.Word{Verdict: anchorhold.Approve})
	wantKind(t, "one person twice", err, anchorhold.Conflict)
	r = b.mustDecide(second, r, request.Word{Verdict: anchorhold.Approve, Terms: anchorhold.Terms{Uses: 2}})
	want(t, r, anchorhold.StateQueued, 1)
	err = b.View(context.Background(), func(tx store.Tx) error {
		g, err := tx.Grant(r.Runs[0].Grant)
		if g.Uses != 2 || g.AutoRelease {
			t.Errorf("the strictest approval did not win: %+v", g)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestQuestionAndAnswer(t *testing.T) {
	b := newBench(t)
	r := b.submit(submission("heart", "1"))
	ctx := context.Background()
	if _, err := b.Say(ctx, b.permit(owner, policy.RequestAsk, r), r.ID, "why?"); err != nil {
		t.Fatal(err)
	}
	want(t, b.read(r.ID), anchorhold.StateAsked, 0)
	if _, err := b.Say(ctx, b.permit(author, policy.RequestAnswer, r), r.ID, "because"); err != nil {
		t.Fatal(err)
	}
	want(t, b.read(r.ID), anchorhold.StatePending, 0)
	_, err := b.Say(ctx, b.permit(owner, policy.RequestAsk, r), r.ID, " \n")
	wantKind(t, "an empty question", err, anchorhold.Invalid)
}

func TestWithdraw(t *testing.T) {
	b := newBench(t)
	ctx := context.Background()
	r := b.submit(submission("heart", "1"))
	b.mustDecide(owner, r, request.Word{Verdict: anchorhold.Approve, Terms: anchorhold.Terms{Uses: 5}})
	if _, err := b.Withdraw(ctx, b.permit(author, policy.RequestWithdraw, r), r.ID); err != nil {
		t.Fatal(err)
	}
	gone := b.read(r.ID)
	want(t, gone, anchorhold.StateWithdrawn, 1)
	if gone.Runs[0].State != anchorhold.RunCancelled {
		t.Errorf("its run is %s", gone.Runs[0].State)
	}
	_, err := b.Withdraw(ctx, b.permit(author, policy.RequestWithdraw, r), r.ID)
	wantKind(t, "withdrawing twice", err, anchorhold.Conflict)
	b.Clock.Move(time.Minute)
	want(t, b.submit(submission("heart", "1")), anchorhold.StatePending, 1)
}

func TestBadSubmissions(t *testing.T) {
	b := newBench(t)
	p := b.permit(author, policy.RequestSubmit, anchorhold.Request{})
	for name, c := range map[string]struct {
		change func(*request.Submission)
		kind   anchorhold.Kind
	}{
		"no purpose":          {func(s *request.Submission) { s.Purpose = " " }, anchorhold.Invalid},
		"control character":   {func(s *request.Submission) { s.Purpose = "a\x1b[2J" }, anchorhold.Invalid},
		"endless purpose":     {func(s *request.Submission) { s.Purpose = strings.Repeat("x", 20_000) }, anchorhold.TooLarge},
		"unknown environment": {func(s *request.Submission) { s.Code.Environment = strings.ReplaceAll(lock, "1", "2") }, anchorhold.Invalid},
		"unknown dataset": {func(s *request.Submission) {
			s.Assets["patients"] = anchorhold.AssetRef{Dataset: "lung", Asset: "patients"}
		}, anchorhold.NotFound},
		"unknown asset":           {func(s *request.Submission) { s.Assets["patients"] = anchorhold.AssetRef{Dataset: "heart", Asset: "x"} }, anchorhold.NotFound},
		"no asset":                {func(s *request.Submission) { s.Assets = nil }, anchorhold.Invalid},
		"asset for no parameter":  {func(s *request.Submission) { s.Assets["y"] = s.Assets["patients"] }, anchorhold.Invalid},
		"value of another type":   {func(s *request.Submission) { s.Values = map[string]json.RawMessage{"k": json.RawMessage(`"x"`)} }, anchorhold.Invalid},
		"value for no parameter":  {func(s *request.Submission) { s.Values = map[string]json.RawMessage{"z": json.RawMessage(`1`)} }, anchorhold.Invalid},
		"file outside the bundle": {func(s *request.Submission) { s.Code.Files[0].Path = "../main.py" }, anchorhold.Invalid},
	} {
		sub := submission("heart", "1")
		c.change(&sub)
		_, err := b.Submit(context.Background(), p, sub)
		wantKind(t, name, err, c.kind)
	}
	if n := len(b.Events()); n != 0 {
		t.Errorf("%d refused submissions are in the books", n)
	}
}

func TestBadDecisions(t *testing.T) {
	b := newBench(t)
	r := b.submit(submission("heart", "1"))
	past := b.Clock.Now().Add(-time.Second)
	for name, w := range map[string]request.Word{
		"no verdict":         {},
		"denial, no reason":  {Verdict: anchorhold.Deny},
		"negative uses":      {Verdict: anchorhold.Approve, Terms: anchorhold.Terms{Uses: -1}},
		"too many uses":      {Verdict: anchorhold.Approve, Terms: anchorhold.Terms{Uses: request.MaxUses + 1}},
		"expired already":    {Verdict: anchorhold.Approve, Terms: anchorhold.Terms{Expires: &past}},
		"dataset not its":    {Verdict: anchorhold.Approve, Dataset: "guarded"},
		"reason of controls": {Verdict: anchorhold.Deny, Reason: "\x00"},
	} {
		_, err := b.decide(owner, r, w)
		wantKind(t, name, err, anchorhold.Invalid)
	}
	want(t, b.read(r.ID), anchorhold.StatePending, 0)
}

// What the author sees must not differ in anything that private data shaped.
func TestAuthorSeesNothingBeforeTheRelease(t *testing.T) {
	now := time.Date(2026, 11, 21, 12, 34, 56, 789, time.UTC)
	later := now.Add(90 * time.Second)
	run := func(state anchorhold.RunState, outputs ...anchorhold.Output) anchorhold.Request {
		return anchorhold.Request{Opening: 1, Runs: []anchorhold.Run{{
			ID: "run-1", Opening: 1, State: state, Attempt: 2, Queued: now, Started: &now, Finished: &later, Reason: "KeyError: 'Smith'",
			Boundary: "b", Usage: anchorhold.Usage{CPUSeconds: 3}, Log: "blob", Outputs: outputs,
		}}}
	}
	held := anchorhold.Output{
		ID: "out-1", SHA256: "aa", Size: 5, Checks: []anchorhold.Check{{Name: "rows", Result: anchorhold.CheckFailed}},
		Release: &anchorhold.Release{State: anchorhold.ReleaseHeld},
	}
	denied := held
	denied.Release = &anchorhold.Release{State: anchorhold.ReleaseDenied, Reason: "it names Smith"}
	released := held
	released.Release = &anchorhold.Release{State: anchorhold.ReleaseApproved}
	for name, c := range map[string]struct {
		r    anchorhold.Request
		want anchorhold.State
		outs int
	}{
		"failed":   {run(anchorhold.RunFailed), anchorhold.StateFailed, 0},
		"checking": {run(anchorhold.RunChecking), anchorhold.StateDeciding, 0},
		"held":     {run(anchorhold.RunDone, held), anchorhold.StateDeciding, 0},
		"refused":  {run(anchorhold.RunDone, denied), anchorhold.StateRefused, 0},
		"released": {run(anchorhold.RunDone, released), anchorhold.StateReleased, 1},
	} {
		got := request.ForAuthor(c.r, now)
		text, err := json.Marshal(got)
		if err != nil {
			t.Fatal(err)
		}
		if got.State != c.want || len(got.Runs[0].Outputs) != c.outs || string(got.Runs[0].State) != string(c.want) {
			t.Errorf("%s: the author sees %s with %d outputs", name, got.State, len(got.Runs[0].Outputs))
		}
		for _, secret := range []string{"Smith", "34:56", `"attempt":2`, `"cpu_seconds":3`, `"rows"`} {
			if strings.Contains(string(text), secret) {
				t.Errorf("%s: the author sees %s in %s", name, secret, text)
			}
		}
	}
}

func everything(anchorhold.Request) bool { return true }

// diff compares a request as somebody who sees some of the others.
func (b *bench) diff(r anchorhold.Request, sees func(anchorhold.Request) bool) (d request.Diff) {
	b.t.Helper()
	err := b.View(context.Background(), func(tx store.Tx) (err error) {
		d, err = request.DiffToLast(tx, r, sees)
		return err
	})
	if err != nil {
		b.t.Fatal(err)
	}
	return d
}

func TestDiffIsAgainstTheAuthorsLastVersion(t *testing.T) {
	b := newBench(t)
	first := b.submit(submission("heart", "1"))
	b.Clock.Move(time.Minute)
	next := b.submit(submission("heart", "2"))
	if d := b.diff(next, everything); d.Base != first.ID || d.Approved || !strings.Contains(d.Text, "-    return 1") || !strings.Contains(d.Text, "+    return 2") {
		t.Errorf("got %+v", d)
	}
	if d := b.diff(first, everything); d.Base != "" || d.Approved || !strings.Contains(d.Text, "+    return 1") {
		t.Errorf("the first version: got %+v", d)
	}
}

// What one of several has approved is not yet what was approved: code that one
// reviewer waved through must not become what the next version is held against.
func TestDiffIsAgainstWhatEverybodyApproved(t *testing.T) {
	b := newBench(t)
	step := func(body string) anchorhold.Request {
		b.Clock.Move(time.Minute)
		return b.submit(submission("guarded", body)) // which asks for two
	}
	whole := step("1")
	b.mustDecide(owner, whole, request.Word{Verdict: anchorhold.Approve})
	b.mustDecide(second, whole, request.Word{Verdict: anchorhold.Approve})
	half := step("2")
	b.mustDecide(owner, half, request.Word{Verdict: anchorhold.Approve})
	step("3")
	next := step("4")
	if d := b.diff(next, everything); d.Base != whole.ID || !d.Approved || !strings.Contains(d.Text, "-    return 1") {
		t.Errorf("compared with %+v, want the one that two have approved", d)
	}
	b.mustDecide(second, half, request.Word{Verdict: anchorhold.Approve})
	if d := b.diff(next, everything); d.Base != half.ID || !d.Approved {
		t.Errorf("compared with %+v, want the one that now two have approved", d)
	}
	hidden := func(e anchorhold.Request) bool { return e.ID != half.ID }
	if d := b.diff(next, hidden); d.Base != whole.ID || strings.Contains(d.Text, "return 2") {
		t.Errorf("who may not see the last approved is shown %+v", d)
	}
	if d := b.diff(half, everything); d.Base != whole.ID {
		t.Errorf("an approved one is compared with %+v", d)
	}
	if d := b.diff(whole, everything); d.Base != "" {
		t.Errorf("the first is compared with a later one: %+v", d)
	}
}

// After a refused output, a cancellation or a withdrawal nothing runs on the
// earlier yes, and a grant whose time is over covers nothing more.
func TestRevokedGrantsCoverNothing(t *testing.T) {
	b := newBench(t)
	r := b.submit(submission("heart", "1"))
	r = b.mustDecide(owner, r, request.Word{Verdict: anchorhold.Approve, Terms: anchorhold.Terms{Uses: 5}})
	r = b.endRun(r, anchorhold.RunFailed)
	err := b.Store.Update(context.Background(), func(tx store.Tx) error { return request.RevokeFor(tx, r.ID, "olga", "", b.Clock.Now()) })
	if err != nil {
		t.Fatal(err)
	}
	want(t, b.submit(submission("heart", "1")), anchorhold.StatePending, 1)
}

// A clock that steps back must not mix up the openings of a request.
func TestOpeningsDoNotDependOnTheClock(t *testing.T) {
	b := newBench(t)
	r := b.submit(submission("heart", "1"))
	b.endRun(b.mustDecide(owner, r, request.Word{Verdict: anchorhold.Approve}), anchorhold.RunFailed)
	b.Clock.Move(-time.Hour)
	r = b.submit(submission("heart", "1"))
	want(t, r, anchorhold.StatePending, 1)
	want(t, b.mustDecide(owner, r, request.Word{Verdict: anchorhold.Approve}), anchorhold.StateQueued, 2)
}

// Whoever acts on the machine is one person, whatever account they use.
func TestLocalAccountsAreOnePerson(t *testing.T) {
	b := newBench(t)
	r := b.submit(submission("guarded", "1"))
	b.mustDecide(anchorhold.Principal{ID: "local:0"}, r, request.Word{Verdict: anchorhold.Approve})
	_, err := b.decide(anchorhold.Principal{ID: "local:1000"}, r, request.Word{Verdict: anchorhold.Approve})
	wantKind(t, "a second local account", err, anchorhold.Conflict)
}

// An approval that was committed, and whose answer was lost, is answered when it
// is repeated, whatever has happened to request and file since.
func TestRepeatedApprovalIsAnswered(t *testing.T) {
	b := newBench(t)
	r := b.submit(submission("heart", "1"))
	owner := bookstest.User("owner", anchorhold.RoleOwner)
	ctx := books.WithKey(context.Background(), "key", []byte("body"))
	approve := func() error {
		_, err := b.Decide(ctx, b.permit(owner, policy.RequestDecide, r), r.ID, request.Word{Verdict: anchorhold.Approve})
		return err
	}
	if err := approve(); err != nil {
		t.Fatal(err)
	}
	b.changed = errors.New("the file has changed")
	if err := approve(); err != nil {
		t.Errorf("repeated: %v", err)
	}
	if r = b.read(r.ID); len(r.Decisions) != 1 || len(r.Runs) != 1 {
		t.Errorf("%d decisions and %d runs", len(r.Decisions), len(r.Runs))
	}
}
