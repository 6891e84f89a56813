package request_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/books/bookstest"
	"github.com/anchorhold/anchorhold/policy"
	"github.com/anchorhold/anchorhold/request"
	"github.com/anchorhold/anchorhold/store"
)

// strict makes a dataset ask for every line to be read, and for how long a
// request over it waits.
func (b *bench) strict(name string, rule anchorhold.ReviewRule, days int) {
	b.t.Helper()
	err := b.Store.Update(b.t.Context(), func(tx store.Tx) error {
		d, err := tx.Dataset(name)
		d.Review, d.RequestDays = rule, days
		return errors.Join(err, tx.PutDataset(d))
	})
	if err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) reading(r anchorhold.Request, who anchorhold.Principal) (out anchorhold.Reading) {
	b.t.Helper()
	err := b.View(b.t.Context(), func(tx store.Tx) (err error) {
		out, err = request.ReadingOf(tx, r, who.ID, func(string) (bool, error) { return true, nil })
		return err
	})
	if err != nil {
		b.t.Fatal(err)
	}
	return out
}

func (b *bench) mark(r anchorhold.Request, who anchorhold.Principal, marks ...request.Mark) error {
	b.t.Helper()
	return b.MarkSeen(b.t.Context(), b.permit(who, policy.RequestSeen, r), r.ID, marks)
}

// readAll marks everything that somebody has not read, line by line.
func (b *bench) readAll(r anchorhold.Request, who anchorhold.Principal) {
	b.t.Helper()
	for _, part := range b.reading(r, who).Parts {
		for _, span := range part.Unread {
			for line := span.First; line <= span.Last; line++ {
				m := request.Mark{Path: part.Path, Digest: part.Digest, Span: anchorhold.Span{First: line, Last: line}}
				if err := b.mark(r, who, m); err != nil {
					b.t.Fatal(err)
				}
			}
		}
	}
}

func TestEveryLineIsReadBeforeAnApproval(t *testing.T) {
	b := newBench(t)
	b.strict("heart", anchorhold.EveryLine, 0)
	r := b.submit(submission("heart", "1"))
	approve := request.Word{Verdict: anchorhold.Approve, Terms: anchorhold.Terms{Uses: 5}}
	_, err := b.decide(owner, r, approve)
	wantKind(t, "nothing was read", err, anchorhold.Conflict)
	_, err = b.decide(anchorhold.Principal{ID: "local:0"}, r, approve)
	wantKind(t, "on the machine", err, anchorhold.Denied)

	b.readAll(r, second) // another person's eyes do not count
	_, err = b.decide(owner, r, approve)
	wantKind(t, "another has read it", err, anchorhold.Conflict)
	for _, part := range b.reading(r, owner).Parts {
		if !slices.Equal(part.Readers, []string{second.Email}) || len(part.Unread) == 0 {
			t.Errorf("%s: %+v", part.Path, part)
		}
		if part.Path == "main.py" {
			continue
		}
		if err := b.mark(r, owner, request.Mark{Path: part.Path, Digest: part.Digest, Span: anchorhold.Span{First: 1, Last: part.Lines}}); err != nil {
			t.Fatal(err)
		}
	}
	got := b.reading(r, owner)
	if got.Unread != 2 || !slices.Equal(got.Datasets, []string{"heart"}) {
		t.Errorf("after what is asked was read: %+v", got)
	}
	_, err = b.decide(owner, r, approve)
	wantKind(t, "the code was not read", err, anchorhold.Conflict)
	b.readAll(r, owner)
	r = b.mustDecide(owner, r, approve)
	want(t, r, anchorhold.StateQueued, 1)
	if r.Decisions[0].Review != anchorhold.EveryLine {
		t.Errorf("the decision: %+v", r.Decisions[0])
	}
	if g := b.grantOf(r); !slices.Equal(g.Read, []string{"heart"}) {
		t.Errorf("the grant was read for %v", g.Read)
	}
	b.endRun(r, anchorhold.RunDone)
	b.Clock.Move(time.Minute)
	want(t, b.submit(submission("heart", "1")), anchorhold.StateQueued, 2)
	b.wantEvents("request.seen")
}

// In whose name it is asked decides which roles hold, and is read like the rest.
func TestTheStudyIsRead(t *testing.T) {
	b := newBench(t)
	sub := submission("heart", "1")
	sub.Study = "s1"
	for _, part := range b.reading(b.submit(sub), owner).Parts {
		if part.Path == "(what is asked)" && strings.HasSuffix(part.Text, "\nstudy s1\n") {
			return
		}
	}
	t.Error("what is read does not name the study")
}

// A denial needs no reading.
func TestDenialNeedsNoReading(t *testing.T) {
	b := newBench(t)
	b.strict("heart", anchorhold.EveryLine, 0)
	r := b.submit(submission("heart", "1"))
	want(t, b.mustDecide(anchorhold.Principal{ID: "local:0"}, r, request.Word{Verdict: anchorhold.Deny, Reason: "no"}), anchorhold.StateDenied, 0)
}

// Marks belong to the very text: what is the same in the next version need not
// be read again, what changed must be.
func TestMarksBelongToTheText(t *testing.T) {
	b := newBench(t)
	b.strict("heart", anchorhold.EveryLine, 0)
	sub := submission("heart", "1")
	sub.Code.Files = append(sub.Code.Files, anchorhold.File{Path: "helper.py", Text: "a = 1\n\nb = 2\n"})
	r := b.submit(sub)
	b.readAll(r, owner)
	next := submission("heart", "2")
	next.Code.Files = append(next.Code.Files, anchorhold.File{Path: "helper.py", Text: "a = 1\n\nb = 2\n"}, anchorhold.File{Path: "copy.py", Text: "a = 1\n\nb = 2\n"})
	later := b.submit(next)
	got := map[string]int{}
	for _, part := range b.reading(later, owner).Parts {
		for _, s := range part.Unread {
			got[part.Path] += s.Last - s.First + 1
		}
	}
	if got["helper.py"] != 0 || got["main.py"] != 2 || got["copy.py"] != 3 {
		t.Errorf("unread: %v", got)
	}
}

func TestBadMarks(t *testing.T) {
	b := newBench(t)
	r := b.submit(submission("heart", "1"))
	digest := ""
	for _, part := range b.reading(r, owner).Parts {
		if part.Path == "main.py" {
			digest = part.Digest
		}
	}
	for name, c := range map[string]struct {
		m    request.Mark
		kind anchorhold.Kind
	}{
		"another text":   {request.Mark{Path: "main.py", Digest: "sha256:x", Span: anchorhold.Span{First: 1, Last: 1}}, anchorhold.Conflict},
		"another file":   {request.Mark{Path: "other.py", Digest: digest, Span: anchorhold.Span{First: 1, Last: 1}}, anchorhold.Invalid},
		"past its end":   {request.Mark{Path: "main.py", Digest: digest, Span: anchorhold.Span{First: 1, Last: 3}}, anchorhold.Invalid},
		"line zero":      {request.Mark{Path: "main.py", Digest: digest, Span: anchorhold.Span{First: 0, Last: 1}}, anchorhold.Invalid},
		"back to front":  {request.Mark{Path: "main.py", Digest: digest, Span: anchorhold.Span{First: 2, Last: 1}}, anchorhold.Invalid},
		"below all":      {request.Mark{Path: "main.py", Digest: digest, Span: anchorhold.Span{First: -5, Last: 2}}, anchorhold.Invalid},
		"no line at all": {request.Mark{Path: "main.py", Digest: digest}, anchorhold.Invalid},
	} {
		wantKind(t, name, b.mark(r, owner, c.m), c.kind)
	}
	wantKind(t, "no mark", b.mark(r, owner), anchorhold.Invalid)
	rules, err := policy.New()
	if err != nil {
		t.Fatal(err)
	}
	res := policy.Resource{Type: policy.TypeRequest, ID: r.ID, Author: author.ID, Scopes: []policy.Scope{{Dataset: "heart", Visibility: anchorhold.VisibleToUsers}}}
	for _, who := range []anchorhold.Principal{{ID: "local:0"}, bookstest.User("aud", anchorhold.RoleAuditor), bookstest.User("r", anchorhold.RoleResearcher)} {
		if _, err := rules.Check(who, policy.RequestSeen, res); err == nil {
			t.Errorf("%s may mark lines as seen", who.Name())
		}
	}
	res.Author = owner.ID
	if _, err := rules.Check(owner, policy.RequestSeen, res); err == nil {
		t.Error("an author reviews their own request")
	}
}

// An owner who becomes stricter is obeyed by approvals and grants of before.
func TestStricterReviewHoldsAtOnce(t *testing.T) {
	b := newBench(t)
	r := b.submit(submission("heart", "1"))
	r = b.mustDecide(owner, r, request.Word{Verdict: anchorhold.Approve, Terms: anchorhold.Terms{Uses: 5}})
	b.endRun(r, anchorhold.RunDone)
	b.strict("heart", anchorhold.EveryLine, 0)
	b.Clock.Move(time.Minute)
	want(t, b.submit(submission("heart", "1")), anchorhold.StatePending, 1)

	half := b.submit(submission("guarded", "1"))
	half = b.mustDecide(owner, half, request.Word{Verdict: anchorhold.Approve})
	b.strict("guarded", anchorhold.EveryLine, 0)
	b.readAll(half, second)
	half = b.mustDecide(second, half, request.Word{Verdict: anchorhold.Approve})
	want(t, half, anchorhold.StatePending, 0) // the first approval was made without reading
}

func TestUndecidedRequestsExpire(t *testing.T) {
	b := newBench(t)
	b.strict("guarded", anchorhold.AnyReview, 10)
	day := 24 * time.Hour
	r := b.submit(submission("guarded", "1"))
	r = b.mustDecide(owner, r, request.Word{Verdict: anchorhold.Approve})
	long := b.submit(submission("heart", "1"))
	b.Clock.Move(10*day - time.Second)
	want(t, b.read(r.ID), anchorhold.StatePending, 0)
	b.Clock.Move(time.Second)
	want(t, b.read(r.ID), anchorhold.StateExpired, 0)
	want(t, b.read(long.ID), anchorhold.StatePending, 0)
	_, err := b.decide(second, r, request.Word{Verdict: anchorhold.Approve})
	wantKind(t, "an approval too late", err, anchorhold.Conflict)
	again := b.submit(submission("guarded", "1"))
	want(t, again, anchorhold.StatePending, 0)
	if again.ID != r.ID || again.Opening != 2 {
		t.Errorf("%s opening %d", again.ID, again.Opening)
	}
	b.Clock.Move(80 * day)
	want(t, b.read(long.ID), anchorhold.StateExpired, 0)
	b.Clock.Move(-200 * day) // a run is not undone by the clock
	done := b.mustDecide(owner, b.submit(submission("heart", "2")), request.Word{Verdict: anchorhold.Approve})
	b.Clock.Move(300 * day)
	want(t, b.read(done.ID), anchorhold.StateQueued, 1)
}

// A request of before version 0.2 has no such time, and waits on.
func TestOldRequestsDoNotExpire(t *testing.T) {
	old := anchorhold.Request{Opening: 1, Opened: time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)}
	if got := request.StateOf(old, time.Now()); got != anchorhold.StatePending {
		t.Errorf("it is %s", got)
	}
}

func TestChangedFilesAreNotApproved(t *testing.T) {
	b := newBench(t)
	r := b.submit(submission("heart", "1"))
	b.changed = anchorhold.Errorf(anchorhold.Conflict, "register it as a new version", "the file has changed since it was registered")
	_, err := b.decide(owner, r, request.Word{Verdict: anchorhold.Approve})
	wantKind(t, "approving a changed file", err, anchorhold.Conflict)
	want(t, b.read(r.ID), anchorhold.StatePending, 0)
	want(t, b.mustDecide(owner, r, request.Word{Verdict: anchorhold.Deny, Reason: "no"}), anchorhold.StateDenied, 0)
}

func TestWhatARequestWaitsFor(t *testing.T) {
	b := newBench(t)
	b.strict("heart", anchorhold.EveryLine, 0)
	sub := submission("guarded", "1")
	sub.Code.Parameters = append(sub.Code.Parameters, anchorhold.Parameter{Name: "others", Kind: "asset", Type: "dataframe"})
	sub.Assets["others"] = anchorhold.AssetRef{Dataset: "heart", Asset: "patients"}
	r := b.submit(sub)
	r = b.mustDecide(owner, r, request.Word{Dataset: "guarded", Verdict: anchorhold.Approve})
	err := b.View(t.Context(), func(tx store.Tx) error {
		panel, err := request.PanelOf(tx, r)
		got := panel.Waits()
		wanted := []anchorhold.Wait{{Dataset: "guarded", Approvals: 1, Quorum: 2}, {Dataset: "heart", Quorum: 1, Review: anchorhold.EveryLine}}
		if !slices.EqualFunc(got, wanted, func(a, b anchorhold.Wait) bool {
			return a.Dataset == b.Dataset && a.Approvals == b.Approvals && a.Quorum == b.Quorum && a.Review == b.Review
		}) {
			t.Errorf("got %+v", got)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
