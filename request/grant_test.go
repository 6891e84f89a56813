package request_test

import (
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"reflect"
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

func number(f float64) *float64 { return &f }

func values(texts ...string) (out []json.RawMessage) {
	for _, t := range texts {
		out = append(out, json.RawMessage(t))
	}
	return out
}

// asked is a request of ada's with one value parameter.
func asked(typ, value string) anchorhold.Request {
	return anchorhold.Request{
		CodeDigest: "sha256:code", Author: "pri-ada", AuthorName: "ada@example.org", Purpose: "to learn", Study: "s",
		Code: anchorhold.Code{Parameters: []anchorhold.Parameter{
			{Name: "patients", Kind: "asset", Type: "dataframe"}, {Name: "k", Kind: "value", Type: typ},
		}},
		Assets: map[string]anchorhold.AssetRef{"patients": {Dataset: "heart", Asset: "patients", Version: "ver-2"}},
		Values: map[string]json.RawMessage{"k": json.RawMessage(value)},
	}
}

// exact is the grant for exactly a request.
func exact(r anchorhold.Request, terms anchorhold.Terms) anchorhold.Grant {
	return anchorhold.Grant{
		CodeDigest: r.CodeDigest, Author: r.Author, AuthorName: r.AuthorName, Purpose: r.Purpose, Study: r.Study, Assets: r.Assets,
		Values: r.Values, Terms: terms, Deciders: []string{"pri-olga", "local:0"},
	}
}

// versionNumber knows ver-1 to ver-3.
func versionNumber(id string) (int, bool) {
	n := slices.Index([]string{"ver-1", "ver-2", "ver-3"}, id)
	return n + 1, n >= 0
}

func covers(g anchorhold.Grant, r anchorhold.Request) bool {
	return request.Covers(g, r, versionNumber)
}

func TestWhoAndWhatAGrantCovers(t *testing.T) {
	bob := func(r *anchorhold.Request) { r.Author, r.AuthorName = "pri-bob", "bob@example.org" }
	version := func(v string) func(*anchorhold.Request) {
		return func(r *anchorhold.Request) {
			r.Assets = map[string]anchorhold.AssetRef{"patients": {Dataset: "heart", Asset: "patients", Version: v}}
		}
	}
	later, forBob := anchorhold.Terms{AnyLaterVersion: true}, anchorhold.Terms{For: []string{"bob@example.org"}}
	everybody := anchorhold.Terms{For: []string{anchorhold.Everybody}}
	for name, c := range map[string]struct {
		terms  anchorhold.Terms
		change func(*anchorhold.Request)
		want   bool
	}{
		"the same again":             {anchorhold.Terms{}, func(*anchorhold.Request) {}, true},
		"other code":                 {anchorhold.Terms{}, func(r *anchorhold.Request) { r.CodeDigest = "sha256:other" }, false},
		"another purpose":            {anchorhold.Terms{}, func(r *anchorhold.Request) { r.Purpose = "to sell" }, false},
		"any purpose":                {anchorhold.Terms{AnyPurpose: true}, func(r *anchorhold.Request) { r.Purpose = "to sell" }, true},
		"another study":              {anchorhold.Terms{AnyPurpose: true}, func(r *anchorhold.Request) { r.Study = "" }, false},
		"somebody else":              {anchorhold.Terms{}, bob, false},
		"somebody named":             {forBob, bob, true},
		"somebody named, as written": {forBob, func(r *anchorhold.Request) { r.Author, r.AuthorName = "pri-bob", "Bob@Example.org" }, true},
		"somebody not named":         {forBob, func(r *anchorhold.Request) { r.Author, r.AuthorName = "pri-eve", "eve@example.org" }, false},
		"a name within a name":       {forBob, func(r *anchorhold.Request) { r.Author, r.AuthorName = "pri-eve", "x-bob@example.org" }, false},
		"nobody":                     {everybody, func(r *anchorhold.Request) { r.Author, r.AuthorName = "", "" }, false},
		"everybody":                  {everybody, bob, true},
		"everybody but who decided":  {everybody, func(r *anchorhold.Request) { r.Author, r.AuthorName = "pri-olga", "olga@example.org" }, false},
		"everybody but the machine":  {everybody, func(r *anchorhold.Request) { r.Author, r.AuthorName = "local:1000", "local:1000" }, false},
		"a later version":            {anchorhold.Terms{}, version("ver-3"), false},
		"any later version":          {later, version("ver-3"), true},
		"an earlier version":         {later, version("ver-1"), false},
		"an unknown version":         {later, version("ver-9"), false},
		"no version":                 {later, version(""), false},
		"another asset": {later, func(r *anchorhold.Request) {
			r.Assets = map[string]anchorhold.AssetRef{"patients": {Dataset: "heart", Asset: "visits", Version: "ver-2"}}
		}, false},
		"another dataset": {later, func(r *anchorhold.Request) {
			r.Assets = map[string]anchorhold.AssetRef{"patients": {Dataset: "lung", Asset: "patients", Version: "ver-2"}}
		}, false},
		"one more asset": {later, func(r *anchorhold.Request) {
			r.Assets = map[string]anchorhold.AssetRef{"patients": r.Assets["patients"], "others": r.Assets["patients"]}
		}, false},
		"no asset":            {later, func(r *anchorhold.Request) { r.Assets = nil }, false},
		"another value":       {anchorhold.Terms{}, func(r *anchorhold.Request) { r.Values = map[string]json.RawMessage{"k": json.RawMessage(`4`)} }, false},
		"value left out":      {anchorhold.Terms{}, func(r *anchorhold.Request) { r.Values = nil }, false},
		"expecting something": {anchorhold.Terms{}, func(r *anchorhold.Request) { r.Expect = &anchorhold.Resources{CPUSeconds: 9} }, true},
		"a value too many": {anchorhold.Terms{}, func(r *anchorhold.Request) {
			r.Values = map[string]json.RawMessage{"k": json.RawMessage(`3`), "z": json.RawMessage(`3`)}
		}, false},
		"value of no param": {anchorhold.Terms{}, func(r *anchorhold.Request) { r.Values = map[string]json.RawMessage{"z": json.RawMessage(`3`)} }, false},
	} {
		r := asked("int", "3")
		g := exact(r, c.terms)
		c.change(&r)
		if got := covers(g, r); got != c.want {
			t.Errorf("%s: covered %v, want %v", name, got, c.want)
		}
	}
	r := asked("int", "3")
	r.CodeDigest = ""
	if covers(exact(r, everybody), r) {
		t.Error("a grant for no code covers something")
	}
}

func TestValuesThatAGrantCovers(t *testing.T) {
	ages := anchorhold.Bound{Type: "int", Min: number(0), Max: number(120)}
	share := anchorhold.Bound{Type: "float", Min: number(0), Max: number(1)}
	sexes := anchorhold.Bound{Type: "str", Set: values(`"F"`, `"M"`, `"<"`)}
	for _, c := range []struct {
		typ    string
		bound  *anchorhold.Bound
		in     string
		out    string
		unless string
	}{
		{"int", nil, `3`, `4 3.5 "3" true null [3] NaN -3`, ""},
		{"float", nil, `3`, `3.0000001 "3" true`, ""},
		{"int", &ages, `0 120 5.0 1e2 -0`, `-1 121 120.5 1e3 "5" true false null [5] NaN Infinity 1e400 {}`, ""},
		{"float", &share, `0 1 0.5 1e-300 -0`, `-0.0000001 1.0000001 1e400 -1e400 NaN "0.5" true null [0.5]`, ""},
		{"float", &anchorhold.Bound{Min: number(0.5)}, `0.5 1e300`, `0.4999 "a" Infinity`, ""},
		{"int", &anchorhold.Bound{Max: number(5)}, `5 -9007199254740991`, `6 -9007199254740993`, ""},
		{"str", &sexes, `"F" "M" "\u0046" "\u003c"`, `"f" "" 1 true ["F"] null F`, ""},
		{"int", &anchorhold.Bound{Set: values(`1`, `2`)}, `1 2 1.0`, `3 1.5 "1" true`, ""},
		{"bool", &anchorhold.Bound{Set: values(`true`)}, `true`, `false 1 "true"`, ""},
		{"bool", &anchorhold.Bound{Any: true}, `true false`, `0 1 null "x"`, ""},
		{"int", &anchorhold.Bound{Any: true}, `1 -5`, `1.5 true "1" null`, ""},
		{"list[int]", &ages, `[] [0,120] [5]`, `[121] [1,-1] [1,true] [1,"2"] 5 null [[5]] [1.5]`, ""},
		{"list[str]", &sexes, `["F"] ["F","M"]`, `["x"] "F" [1] [["F"]]`, ""},
		{"list[float]", &anchorhold.Bound{Any: true}, `[] [1.5]`, `[true] ["x"] 1 null`, ""},
		{"int", &anchorhold.Bound{}, ``, `0 1 null`, ""},              // says nothing, covers nothing
		{"str", &ages, ``, `"5" "a" 5`, ""},                           // a range of no numbers
		{"bool", &anchorhold.Bound{Min: number(0)}, ``, `true 1`, ""}, // the same
	} {
		r := asked(c.typ, strings.Fields(c.in + " 0")[0])
		g := exact(r, anchorhold.Terms{})
		if c.bound != nil {
			g.Params = map[string]anchorhold.Bound{"k": *c.bound}
		}
		for want, texts := range map[bool]string{true: c.in, false: c.out} {
			for _, text := range strings.Fields(texts) {
				r.Values = map[string]json.RawMessage{"k": json.RawMessage(text)}
				if got := covers(g, r); got != want {
					t.Errorf("%s within %+v: %s is covered: %v, want %v", c.typ, c.bound, text, got, want)
				}
			}
		}
	}
}

// FuzzBounds compares what a grant covers with an oracle that decides on exact
// numbers: nothing outside of a range is ever covered, whatever its spelling.
func FuzzBounds(f *testing.F) {
	for _, v := range []string{"0", "5", "-1", "1e2", "0.1", "120.00000000000001", "true", `"5"`, "null", "[5]", "[1,2,300]", "NaN", "1e400", "9007199254740993"} {
		for _, typ := range []string{"int", "float", "list[int]", "list[float]", "bool", "str"} {
			f.Add(typ, v, 0.0, 120.0)
		}
	}
	f.Fuzz(func(t *testing.T, typ, value string, low, high float64) {
		r := asked(typ, value)
		g := exact(r, anchorhold.Terms{Params: map[string]anchorhold.Bound{"k": {Min: &low, Max: &high}}})
		if covers(g, r) && !inside(typ, value, low, high) {
			t.Errorf("%s %s is covered by %g to %g", typ, value, low, high)
		}
	})
}

// inside decides with rational numbers, from the text alone.
func inside(typ, value string, low, high float64) bool {
	var items []json.RawMessage
	plain, isList := strings.CutPrefix(typ, "list[")
	plain = strings.TrimSuffix(plain, "]")
	if isList {
		if json.Unmarshal([]byte(value), &items) != nil {
			return false
		}
	} else {
		items = values(strings.TrimSpace(value))
	}
	for _, item := range items {
		n, ok := new(big.Rat).SetString(strings.TrimSpace(string(item)))
		if !ok || math.IsNaN(low) || math.IsNaN(high) || plain != "int" && plain != "float" {
			return false
		}
		near, _ := n.Float64() // numbers of JSON are doubles: the nearest is meant
		if plain == "int" && near != math.Trunc(near) || near < low || near > high {
			return false
		}
	}
	return true
}

// What two deciders allow together is what each of them allows.
func TestStrictestWordWins(t *testing.T) {
	soon, late := time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC), time.Date(2027, 12, 1, 0, 0, 0, 0, time.UTC)
	b := newBench(t)
	sub := submission("guarded", "1")
	r := b.submit(sub)
	r = b.mustDecide(owner, r, request.Word{Verdict: anchorhold.Approve, Terms: anchorhold.Terms{
		Uses: 9, Expires: &late, AutoRelease: true, FailureLimit: 5, AnyLaterVersion: true, AnyPurpose: true, For: []string{"bob@example.org", "eve@example.org"},
		Params: map[string]anchorhold.Bound{"k": {Min: number(0), Max: number(100)}},
	}})
	r = b.mustDecide(second, r, request.Word{Verdict: anchorhold.Approve, Terms: anchorhold.Terms{
		Uses: 4, Expires: &soon, FailureLimit: 7, AnyLaterVersion: true, For: []string{"zoe@example.org", "bob@example.org"},
		Params: map[string]anchorhold.Bound{"k": {Set: values(`3`, `50`, `200`)}},
	}})
	g := b.grantOf(r)
	want := anchorhold.Terms{
		Uses: 4, Expires: &soon, FailureLimit: 5, AnyLaterVersion: true, For: []string{"bob@example.org"},
		Params: map[string]anchorhold.Bound{"k": {Type: "int", Set: values(`3`, `50`)}},
	}
	if !reflect.DeepEqual(g.Terms, want) {
		t.Errorf("got  %+v\nwant %+v", g.Terms, want)
	}
	if !slices.Equal(g.Deciders, []string{owner.ID, second.ID}) {
		t.Errorf("deciders: %v", g.Deciders)
	}
}

// Intersections of bounds never cover what one of them does not.
func TestIntersectionsOfBounds(t *testing.T) {
	bounds := []anchorhold.Bound{
		{Any: true}, {Min: number(1)}, {Max: number(5)}, {Min: number(0), Max: number(4)}, {Set: values(`1`, `3`, `9`)}, {Set: values(`3`, `4`)},
	}
	b := newBench(t)
	for i, one := range bounds {
		for j, other := range bounds {
			r := b.submit(submission("guarded", fmt.Sprint(10*i+j))) // k is 3, which each of them covers
			for who, bound := range map[*anchorhold.Principal]anchorhold.Bound{&owner: one, &second: other} {
				r = b.mustDecide(*who, r, request.Word{Verdict: anchorhold.Approve, Terms: anchorhold.Terms{Params: map[string]anchorhold.Bound{"k": bound}}})
			}
			g := b.grantOf(r)
			for k := -1; k <= 10; k++ {
				try := r
				try.Values = map[string]json.RawMessage{"k": json.RawMessage(fmt.Sprint(k))}
				with := func(bound anchorhold.Bound) bool {
					h := g
					h.Params = map[string]anchorhold.Bound{"k": bound}
					return covers(h, try)
				}
				if got, want := covers(g, try), with(one) && with(other); got != want {
					t.Errorf("%+v and %+v: k=%d is covered: %v, want %v", one, other, k, got, want)
				}
			}
		}
	}
}

// grantOf is the grant of a request's newest run.
func (b *bench) grantOf(r anchorhold.Request) (g anchorhold.Grant) {
	b.t.Helper()
	if len(r.Runs) == 0 {
		b.t.Fatalf("the request is %s and has no run", r.State)
	}
	err := b.View(b.t.Context(), func(tx store.Tx) (err error) {
		g, err = tx.Grant(r.Runs[len(r.Runs)-1].Grant)
		return err
	})
	if err != nil {
		b.t.Fatal(err)
	}
	return g
}

func (b *bench) submitAs(who anchorhold.Principal, sub request.Submission) anchorhold.Request {
	b.t.Helper()
	r, err := b.Submit(b.t.Context(), b.permit(who, policy.RequestSubmit, anchorhold.Request{}), sub)
	if err != nil {
		b.t.Fatal(err)
	}
	return request.ForReviewer(r, b.Clock.Now())
}

func with(sub request.Submission, k string) request.Submission {
	sub.Values = map[string]json.RawMessage{"k": json.RawMessage(k)}
	return sub
}

var bob = bookstest.User("bob", anchorhold.RoleResearcher)

func TestStandingGrantRunsWithoutWaiting(t *testing.T) {
	b := newBench(t)
	r := b.submit(submission("heart", "1"))
	r = b.mustDecide(owner, r, request.Word{Verdict: anchorhold.Approve, Terms: anchorhold.Terms{
		Uses: 5, AnyLaterVersion: true, For: []string{"bob@example.org"}, Params: map[string]anchorhold.Bound{"k": {Type: "int", Min: number(0), Max: number(120)}},
	}})
	g := b.grantOf(r)
	want(t, b.submitAs(bob, with(submission("heart", "1"), "7")), anchorhold.StateQueued, 1)
	want(t, b.submit(with(submission("heart", "1"), "120")), anchorhold.StateQueued, 1)
	want(t, b.submit(with(submission("heart", "1"), "121")), anchorhold.StatePending, 0)
	want(t, b.submit(submission("heart", "2")), anchorhold.StatePending, 0)
	want(t, b.submitAs(second, submission("heart", "1")), anchorhold.StatePending, 0)
	b.offer("heart", 1, 2)
	next := b.submit(submission("heart", "1"))
	want(t, next, anchorhold.StateQueued, 1)
	if got := b.grantOf(next); got.ID != g.ID || got.Used != 4 {
		t.Errorf("used %d of %s, want 4 of %s", got.Used, got.ID, g.ID)
	}
	want(t, b.submit(with(submission("heart", "1"), "8")), anchorhold.StateQueued, 1)
	want(t, b.submit(with(submission("heart", "1"), "9")), anchorhold.StatePending, 0)
	b.VerifyLog()
}

func TestFailuresSuspendAGrant(t *testing.T) {
	b := newBench(t)
	r := b.submit(submission("heart", "1"))
	r = b.mustDecide(owner, r, request.Word{Verdict: anchorhold.Approve, Terms: anchorhold.Terms{Uses: 10, FailureLimit: 2}})
	for i := range 2 {
		want(t, r, anchorhold.StateQueued, i+1)
		b.fail(r)
		b.Clock.Move(time.Minute)
		r = b.submit(submission("heart", "1"))
	}
	want(t, r, anchorhold.StatePending, 2)
	g := b.grantOf(r)
	if g.Suspended == nil || g.Failures != 2 || g.Used != 2 || g.StateAt(b.Clock.Now()) != anchorhold.GrantSuspended {
		t.Errorf("the grant: %+v", g)
	}
	p := bookstest.Permit(t, second, policy.GrantResume, policy.Resource{Type: policy.TypeGrant, ID: g.ID, Author: g.Author})
	if _, err := b.ResumeGrant(t.Context(), p, g.ID); err != nil {
		t.Fatal(err)
	}
	r = b.submit(submission("heart", "1"))
	want(t, r, anchorhold.StateQueued, 3)
	if g = b.grantOf(r); g.Failures != 0 || g.Used != 3 || !slices.Contains(g.Deciders, second.ID) {
		t.Errorf("after it was resumed: %+v", g)
	}
	_, err := b.ResumeGrant(t.Context(), p, g.ID)
	wantKind(t, "resuming what is not suspended", err, anchorhold.Conflict)
	b.wantEvents("grant.made", "grant.suspended", "grant.resume")
}

// fail lets the newest run fail as the queue would.
func (b *bench) fail(r anchorhold.Request) {
	b.t.Helper()
	b.endRun(r, anchorhold.RunFailed)
	err := b.Store.Update(b.t.Context(), func(tx store.Tx) error {
		b.seals(tx)
		return request.CountFailure(tx, b.Set.Books, r.Runs[len(r.Runs)-1].Grant)
	})
	if err != nil {
		b.t.Fatal(err)
	}
}

// seals does for a bare transaction what an act does for its own.
func (b *bench) seals(tx store.Tx) {
	tx.BeforeCommit("checkpoint", func(tx store.Tx) error { return b.Log.Seal(tx) })
}

func (b *bench) wantEvents(actions ...string) {
	b.t.Helper()
	var got []string
	for _, e := range b.Events() {
		got = append(got, e.Action)
	}
	for _, a := range actions {
		if !slices.Contains(got, a) {
			b.t.Errorf("the log has no %s: %v", a, got)
		}
	}
}

func TestStoppedOutputCountsAgainstTheGrant(t *testing.T) {
	b := newBench(t)
	r := b.submit(submission("heart", "1"))
	r = b.mustDecide(owner, r, request.Word{Verdict: anchorhold.Approve, Terms: anchorhold.Terms{Uses: 10, FailureLimit: 1, AutoRelease: true}})
	err := b.Store.Update(t.Context(), func(tx store.Tx) error {
		b.seals(tx)
		return request.Stop(tx, b.Set.Books, b.grantOf(r))
	})
	if err != nil {
		t.Fatal(err)
	}
	if g := b.grantOf(r); !g.Stopped || g.Suspended == nil || g.Releases(b.Clock.Now()) {
		t.Errorf("the grant: %+v", g)
	}
}

func TestRevokedGrantStopsItsRuns(t *testing.T) {
	b := newBench(t)
	r := b.submit(submission("heart", "1"))
	r = b.mustDecide(owner, r, request.Word{Verdict: anchorhold.Approve, Terms: anchorhold.Terms{Uses: 10, For: []string{"bob@example.org"}}})
	other := b.submitAs(bob, submission("heart", "1"))
	done := b.endRun(r, anchorhold.RunDone)
	g := b.grantOf(r)
	p := bookstest.Permit(t, second, policy.GrantRevoke, policy.Resource{Type: policy.TypeGrant, ID: g.ID, Author: g.Author})
	g, err := b.RevokeGrant(t.Context(), p, g.ID, "the protocol changed")
	if err != nil || g.Revoked == nil || g.RevokedBy != second.Email || g.Reason != "the protocol changed" {
		t.Fatalf("%+v, %v", g, err)
	}
	want(t, b.read(other.ID), anchorhold.StateCancelled, 1)
	if got := b.read(r.ID); got.State != done.State {
		t.Errorf("a run that was done is %s", got.State)
	}
	want(t, b.submitAs(bob, submission("heart", "1")), anchorhold.StatePending, 1)
	_, err = b.RevokeGrant(t.Context(), p, g.ID, "")
	wantKind(t, "revoking twice", err, anchorhold.Conflict)
}

// Who shares a grant cannot end it for the others; its author alone can.
func TestWithdrawalEndsOnesOwnGrants(t *testing.T) {
	for name, c := range map[string]struct {
		people []string
		state  anchorhold.State
	}{"one's own": {nil, anchorhold.StatePending}, "shared": {[]string{"bob@example.org"}, anchorhold.StateQueued}} {
		b := newBench(t)
		r := b.submit(submission("heart", "1"))
		r = b.mustDecide(owner, r, request.Word{Verdict: anchorhold.Approve, Terms: anchorhold.Terms{Uses: 10, For: c.people}})
		if _, err := b.Withdraw(t.Context(), b.permit(author, policy.RequestWithdraw, r), r.ID); err != nil {
			t.Fatal(err)
		}
		if again := b.submit(submission("heart", "1")); again.State != c.state {
			t.Errorf("%s: submitted again it is %s, want %s", name, again.State, c.state)
		}
	}
	b := newBench(t)
	r := b.submit(submission("heart", "1"))
	r = b.mustDecide(owner, r, request.Word{Verdict: anchorhold.Approve, Terms: anchorhold.Terms{Uses: 10, For: []string{"bob@example.org"}}})
	his := b.submitAs(bob, submission("heart", "1"))
	p := bookstest.Permit(t, bob, policy.RequestWithdraw, policy.Resource{Type: policy.TypeRequest, ID: his.ID, Author: bob.ID})
	if _, err := b.Withdraw(t.Context(), p, his.ID); err != nil {
		t.Fatal(err)
	}
	if g := b.grantOf(r); g.Revoked != nil {
		t.Error("a grantee's withdrawal ended the grant")
	}
}

// Nobody decides on their own request, not even on one to come.
func TestNobodyGrantsToThemselves(t *testing.T) {
	b := newBench(t)
	r := b.submit(submission("heart", "1"))
	_, err := b.decide(owner, r, request.Word{Verdict: anchorhold.Approve, Terms: anchorhold.Terms{Uses: 2, For: []string{" Olga@Example.org "}}})
	wantKind(t, "an approval for oneself", err, anchorhold.Denied)
	b.mustDecide(owner, r, request.Word{Verdict: anchorhold.Approve, Terms: anchorhold.Terms{Uses: 9, For: []string{anchorhold.Everybody}}})
	want(t, b.submitAs(owner, submission("heart", "1")), anchorhold.StatePending, 0)
	want(t, b.submitAs(second, submission("heart", "1")), anchorhold.StateQueued, 1)
}

func TestBadBounds(t *testing.T) {
	b := newBench(t)
	r := b.submit(submission("heart", "1"))
	for name, terms := range map[string]anchorhold.Terms{
		"of no parameter":      {Params: map[string]anchorhold.Bound{"z": {Any: true}}},
		"of an asset":          {Params: map[string]anchorhold.Bound{"patients": {Any: true}}},
		"says nothing":         {Params: map[string]anchorhold.Bound{"k": {}}},
		"of another type":      {Params: map[string]anchorhold.Bound{"k": {Type: "float", Min: number(0)}}},
		"leaves the value out": {Params: map[string]anchorhold.Bound{"k": {Min: number(4)}}},
		"empty range":          {Params: map[string]anchorhold.Bound{"k": {Min: number(4), Max: number(2)}}},
		"range and any":        {Params: map[string]anchorhold.Bound{"k": {Any: true, Min: number(2)}}},
		"text in a set":        {Params: map[string]anchorhold.Bound{"k": {Set: values(`3`, `"x"`)}}},
		"NaN":                  {Params: map[string]anchorhold.Bound{"k": {Max: number(math.NaN())}}},
		"infinity":             {Params: map[string]anchorhold.Bound{"k": {Max: number(math.Inf(1))}}},
		"no address":           {For: []string{"bob"}},
		"control character":    {For: []string{"bob@example.org\n"}, Uses: -1},
		"negative limit":       {FailureLimit: -1},
	} {
		_, err := b.decide(owner, r, request.Word{Verdict: anchorhold.Approve, Terms: terms})
		wantKind(t, name, err, anchorhold.Invalid)
	}
	want(t, b.read(r.ID), anchorhold.StatePending, 0)
}

func TestDenialsSayWhatWouldBeAccepted(t *testing.T) {
	b := newBench(t)
	r := b.submit(submission("heart", "1"))
	for name, w := range map[string]request.Word{
		"an unknown category":      {Verdict: anchorhold.Deny, Reason: "no", Category: "mood"},
		"terms":                    {Verdict: anchorhold.Deny, Reason: "no", Terms: anchorhold.Terms{Uses: 3}},
		"an approval's category":   {Verdict: anchorhold.Approve, Category: "policy"},
		"control characters in it": {Verdict: anchorhold.Deny, Reason: "no", WouldAccept: "\x1b[2J"},
	} {
		_, err := b.decide(owner, r, w)
		wantKind(t, name, err, anchorhold.Invalid)
	}
	r = b.mustDecide(owner, r, request.Word{Verdict: anchorhold.Deny, Reason: "single rows", Category: "disclosure-risk", WouldAccept: "groups of ten"})
	shown := request.ForAuthor(r, b.Clock.Now()).Decisions[0]
	if shown.Category != "disclosure-risk" || shown.WouldAccept != "groups of ten" || shown.Reason != "single rows" {
		t.Errorf("the author sees %+v", shown)
	}
	other := b.submit(submission("heart", "2"))
	if d := b.mustDecide(owner, other, request.Word{Verdict: anchorhold.Deny, Reason: "no"}).Decisions[0]; d.Category != "other" {
		t.Errorf("a denial without category: %+v", d)
	}
}

// What a grantee sees tells nothing of others, and an author nothing of what
// checks found.
func TestGranteesLearnNothingOfOthers(t *testing.T) {
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	g := exact(asked("int", "3"), anchorhold.Terms{Uses: 77, For: []string{"bob@example.org", "eve@example.org"}, AutoRelease: true, FailureLimit: 66})
	g.ID, g.Request, g.Used, g.Failures, g.Stopped, g.Suspended, g.Reason, g.RevokedBy = "gra-1", "req-secret", 55, 44, true, &now, "a-reason", "olga@example.org"
	for _, who := range []anchorhold.Principal{bob, author} {
		v := request.GrantForGrantee(g, who, now)
		text, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		for _, secret := range []string{"eve@", "ada@", "olga", "req-secret", "77", "66", "55", "44", "stopped", "suspended", "a-reason", "local:0"} {
			if strings.Contains(string(text), secret) {
				t.Errorf("%s sees %s in %s", who.Email, secret, text)
			}
		}
		if v.State != anchorhold.GrantInactive {
			t.Errorf("the state is %s", v.State)
		}
	}
	loose := g
	loose.Params = map[string]anchorhold.Bound{"k": {Min: number(0), Max: number(120)}}
	if v := request.GrantForGrantee(loose, bob, now); len(v.Values) != 0 {
		t.Errorf("a grantee sees which value within the bounds the author asked for: %s", v.Values)
	}
	if v := request.GrantForGrantee(g, bob, now); len(v.Values) != 1 {
		t.Errorf("a grantee does not see the value that has to be given: %s", v.Values)
	}
	if mine, all := request.GrantForGrantee(loose, author, now), request.GrantForDecider(loose, false, now); len(mine.Values) != 1 || len(all.Values) != 1 {
		t.Errorf("author and decider see %s and %s", mine.Values, all.Values)
	}
	inside, err := json.Marshal(request.GrantForDecider(g, false, now))
	if err != nil || !strings.Contains(string(inside), `"used":55`) || !strings.Contains(string(inside), "eve@") || !strings.Contains(string(inside), `"state":"suspended"`) {
		t.Errorf("a decider sees %s, %v", inside, err)
	}
}

// A grant that was read with expectations covers nobody who expects more, or
// says nothing of it.
func TestExpectationsThatAGrantCovers(t *testing.T) {
	read := anchorhold.Resources{CPUSeconds: 60, Memory: 1 << 30}
	for name, c := range map[string]struct {
		asked *anchorhold.Resources
		want  bool
	}{
		"the same":              {&anchorhold.Resources{CPUSeconds: 60, Memory: 1 << 30}, true},
		"less":                  {&anchorhold.Resources{CPUSeconds: 1, Memory: 1 << 29}, true},
		"a bound more":          {&anchorhold.Resources{CPUSeconds: 60, Memory: 1 << 30, WallSeconds: 5}, true},
		"more processor time":   {&anchorhold.Resources{CPUSeconds: 61, Memory: 1 << 30}, false},
		"more memory":           {&anchorhold.Resources{CPUSeconds: 60, Memory: 1<<30 + 1}, false},
		"nothing of one":        {&anchorhold.Resources{CPUSeconds: 60}, false},
		"nothing, in an object": {&anchorhold.Resources{}, false},
		"nothing":               {nil, false},
	} {
		r := asked("int", "3")
		g := exact(r, anchorhold.Terms{})
		g.Expect, r.Expect = &read, c.asked
		if got := covers(g, r); got != c.want {
			t.Errorf("%s: covered %v, want %v", name, got, c.want)
		}
	}
}
