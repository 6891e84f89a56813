package api_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/account"
	"github.com/anchorhold/anchorhold/policy"
	"github.com/anchorhold/anchorhold/store"
)

// join makes the fixture's request one over two datasets: heart, on which hanna
// decides, and other, on which elsewhere and otto do. Its author may decide for
// other, too, but for this request.
func (f *fixture) join() {
	f.t.Helper()
	ctx := f.t.Context()
	site := policy.SiteAct(policy.UserAdd, "test")
	for name, scope := range map[string]string{"hanna": "dataset:heart", "otto": "dataset:other"} {
		_, issued, err := f.accounts.Add(ctx, site, account.New{Email: name + "@example.org", Role: anchorhold.RoleReviewer, Scope: scope})
		if err != nil {
			f.t.Fatal(err)
		}
		f.tokens[name] = issued.Token
	}
	if _, _, err := f.accounts.Add(ctx, site, account.New{Email: "author@example.org", Role: anchorhold.RoleReviewer, Scope: "dataset:other"}); err != nil {
		f.t.Fatal(err)
	}
	err := f.Store.Update(ctx, func(tx store.Tx) error {
		r, err := tx.Request(f.ids["request"])
		if err != nil {
			return err
		}
		_, v, err := tx.Version(r.Assets["patients"].Version)
		if err != nil {
			return err
		}
		v.ID = anchorhold.NewID(anchorhold.PrefixVersion)
		r.ID, r.Digest = anchorhold.NewID(anchorhold.PrefixRequest), "sha256:joint"
		r.Assets["others"] = anchorhold.AssetRef{Dataset: "other", Asset: "patients", Version: v.ID}
		g, err := tx.Grant(f.ids["grant"])
		if err != nil {
			return err
		}
		g.ID, g.Assets, g.Request, g.Deciders, g.RevokedBy = anchorhold.NewID(anchorhold.PrefixGrant), r.Assets, r.ID, []string{"pri-otto"}, "otto@example.org"
		run := r.Runs[0]
		o := run.Outputs[0]
		run.ID, run.Request = anchorhold.NewID(anchorhold.PrefixRun), r.ID
		o.ID, o.Run, o.Checks = anchorhold.NewID(anchorhold.PrefixOutput), run.ID, []anchorhold.Check{{Name: "rows", Result: anchorhold.CheckPassed, Detail: "of otto's rows"}}
		o.Samples = &anchorhold.Samples{Rows: 1, Cap: 1, Masked: []string{"masked-column"}}
		rel := anchorhold.Release{ID: anchorhold.NewID(anchorhold.PrefixRelease), Output: o.ID, Request: r.ID, State: anchorhold.ReleaseHeld}
		for kind, id := range map[string]string{"request": r.ID, "run": run.ID, "release": rel.ID, "grant": g.ID} {
			f.ids["joint-"+kind] = id
		}
		return errors.Join(tx.PutDataset(anchorhold.Dataset{ID: "dat-other", Name: "other", Population: "other", Visibility: anchorhold.VisibleToUsers, Quorum: 1}),
			tx.PutVersion("other", "patients", v), tx.PutRequest(r), tx.PutGrant(g), tx.PutRun(run), tx.PutOutput(o), tx.PutRelease(rel))
	})
	if err != nil {
		f.t.Fatal(err)
	}
}

// Who decides for a part of what is over several datasets may do exactly this to
// each thing of it, whoever else they are.
func TestWhatPartReviewersMayDo(t *testing.T) {
	const parts = "hanna otto elsewhere"
	const all = "reviewer owner"
	for _, c := range []struct{ may, method, path, body string }{
		{parts + " author auditor " + all, "GET", "/v1/requests/{request}", ""},
		{parts + " auditor " + all, "GET", "/v1/requests/{request}/reading", ""},
		{parts + " auditor " + all, "GET", "/v1/releases/{release}", ""},
		{parts + " " + all, "GET", "/v1/releases/{release}/output", ""},
		{"author auditor " + all, "GET", "/v1/runs/{run}", ""},
		{all, "GET", "/v1/runs/{run}/log", ""},
		{parts + " author auditor " + all, "GET", "/v1/grants/{grant}", ""},
		{all, "POST", "/v1/releases/{release}/decisions", `{"verdict":"deny","reason":"r"}`},
		{"hanna " + all, "POST", "/v1/releases/{release}/decisions", `{"verdict":"deny","reason":"r","dataset":"heart"}`},
		{"otto elsewhere " + all, "POST", "/v1/releases/{release}/decisions", `{"verdict":"approve","dataset":"other"}`},
		{"", "POST", "/v1/releases/{release}/decisions", `{"verdict":"approve","dataset":"brain"}`},
		{"otto elsewhere " + all, "POST", "/v1/releases/{request}/decisions", `{"verdict":"approve","dataset":"other"}`},
		{parts + " author " + all, "POST", "/v1/grants/{grant}/revoke", `{}`}, // what one may say yes to, one may end
		{all, "POST", "/v1/grants/{grant}/resume", ""},
	} {
		f := newFixture(t)
		f.join()
		path := strings.NewReplacer("{request}", f.ids["joint-request"], "{release}", f.ids["joint-release"], "{run}", f.ids["joint-run"], "{grant}", f.ids["joint-grant"]).Replace(c.path)
		for _, who := range strings.Fields(parts + " author researcher auditor " + all) {
			if c.method != "GET" {
				err := f.Store.Update(t.Context(), func(tx store.Tx) error { // as it was
					rel, err := tx.Release(f.ids["joint-release"])
					rel.State, rel.Decisions = anchorhold.ReleaseHeld, nil
					return errors.Join(err, tx.PutRelease(rel))
				})
				if err != nil {
					t.Fatal(err)
				}
			}
			w := f.call(who, c.method, path, c.body)
			if may := strings.Contains(" "+c.may+" ", " "+who+" "); may == (w.Code == 403 || w.Code == 404) {
				t.Errorf("%s %s %s by %s: %d %s", c.method, c.path, c.body, who, w.Code, w.Body)
			}
		}
	}
}

// Releases are decided as requests are: one word for each dataset, of whoever may
// give it. What one says, the others do not learn; nor who they are.
func TestReleaseOverTwoDatasets(t *testing.T) {
	f := newFixture(t)
	f.join()
	path := "/v1/releases/" + f.ids["joint-release"]
	w := f.call("hanna", "POST", path+"/decisions", `{"verdict":"approve"}`)
	if w.Code != http.StatusForbidden || !strings.Contains(w.Body.String(), "--dataset heart") {
		t.Errorf("without a dataset: %d %s", w.Code, w.Body)
	}
	w = f.call("hanna", "GET", path, "")
	for _, not := range []string{"otto", "elsewhere@", "masked-column"} {
		if strings.Contains(w.Body.String(), not) {
			t.Errorf("who decides for heart is told %q: %s", not, w.Body)
		}
	}
	if !strings.Contains(w.Body.String(), f.digest) || !strings.Contains(w.Body.String(), "hanna@example.org") || !strings.Contains(w.Body.String(), `{"dataset":"other","approvals":0,"quorum":0}`) {
		t.Errorf("who decides for heart sees %s", w.Body)
	}
	if w := f.call("hanna", "POST", path+"/decisions", `{"verdict":"approve","dataset":"heart","reason":"hearty"}`); w.Code != 200 || !strings.Contains(w.Body.String(), `"held"`) {
		t.Fatalf("one word of two: %d %s", w.Code, w.Body)
	}
	if w := f.call("otto", "GET", path, ""); strings.Contains(w.Body.String(), "hanna") || strings.Contains(w.Body.String(), "hearty") {
		t.Errorf("who decides for other is told of heart's decision: %s", w.Body)
	}
	for _, path := range []string{path, "/v1/requests/" + f.ids["joint-request"], "/v1/releases"} {
		if w := f.call("author", "GET", path, ""); strings.Contains(w.Body.String(), "hearty") || strings.Contains(w.Body.String(), f.ids["joint-release"]) && !strings.Contains(path, "rel-") {
			t.Errorf("%s: the author learns of a decision before the last: %s", path, w.Body)
		}
	}
	if w := f.call("owner", "GET", path, ""); !strings.Contains(w.Body.String(), "hearty") || !strings.Contains(w.Body.String(), "otto@example.org") {
		t.Errorf("who decides on all sees %s", w.Body)
	}
	w = f.call("otto", "POST", path+"/decisions", `{"verdict":"deny","dataset":"other","reason":"otherwise"}`)
	if w.Code != 200 || !strings.Contains(w.Body.String(), `"denied"`) {
		t.Fatalf("a denial: %d %s", w.Code, w.Body)
	}
	// What one of them refused, the others look at no more.
	for _, who := range []string{"hanna", "otto"} {
		if w := f.call(who, "GET", path+"/output", ""); w.Code != 403 {
			t.Errorf("%s fetches what was refused: %d", who, w.Code)
		}
		if w := f.call(who, "GET", path, ""); strings.Contains(w.Body.String(), f.digest) || who == "hanna" && strings.Contains(w.Body.String(), "otherwise") {
			t.Errorf("%s sees of what was refused: %s", who, w.Body)
		}
	}
}

// Of the datasets that others decide for, who decides on a part learns their
// names and versions, and nothing of these others.
func TestPartReviewersLearnNothingOfOtherDeciders(t *testing.T) {
	f := newFixture(t)
	f.join()
	body := strings.Replace(operations()["submit-request"].body, `"assets":{"patients":{"dataset":"heart","asset":"patients"}}`,
		`"assets":{"patients":{"dataset":"heart","asset":"patients"},"others":{"dataset":"other","asset":"patients"}}`, 1)
	body = strings.Replace(body, `{"name":"patients","kind":"asset","type":"dataframe"}`, `{"name":"patients","kind":"asset","type":"dataframe"},{"name":"others","kind":"asset","type":"dataframe"}`, 1)
	body = strings.Replace(body, "def f(patients): pass", "def f(patients, others): pass", 1)
	w := f.call("researcher", "POST", "/v1/requests", body)
	path := "/v1/requests/" + between(t, w.Body.String(), `"id":"`, `"`)
	ask := func(who, method, more, body string) string {
		t.Helper()
		w := f.call(who, method, path+more, body)
		if w.Code != 200 {
			t.Fatalf("%s %s by %s: %d %s", method, more, who, w.Code, w.Body)
		}
		return w.Body.String()
	}
	ask("otto", "POST", "/questions", `{"text":"why both?"}`)
	var reading anchorhold.Reading
	if err := json.Unmarshal([]byte(ask("otto", "GET", "/reading", "")), &reading); err != nil {
		t.Fatal(err)
	}
	for _, p := range reading.Parts {
		ask("otto", "POST", "/seen", fmt.Sprintf(`{"marks":[{"path":%q,"digest":%q,"first":1,"last":%d}]}`, p.Path, p.Digest, p.Lines))
	}
	if seen := ask("otto", "GET", "/reading", ""); !strings.Contains(seen, `"readers":["otto@example.org"]`) {
		t.Errorf("otto's own reading: %s", seen)
	}
	ask("otto", "POST", "/decisions", `{"verdict":"approve","dataset":"other","reason":"ottos reason"}`)
	for _, more := range []string{"", "/reading", "/diff"} {
		got := ask("hanna", "GET", more, "")
		for _, not := range []string{"otto", "elsewhere@"} {
			if strings.Contains(got, not) {
				t.Errorf("%s: hanna is told %q: %s", more, not, got)
			}
		}
	}
	if got := ask("hanna", "GET", "", ""); !strings.Contains(got, "why both?") || !strings.Contains(got, "hanna@example.org") {
		t.Errorf("hanna sees %s", got)
	}
	if got := ask("auditor", "GET", "/reading", "") + ask("owner", "GET", "", ""); strings.Count(got, "otto@example.org") < 4 {
		t.Errorf("who reviews all sees %s", got)
	}
	for who, sees := range map[string]bool{"hanna": false, "owner": true} {
		if w := f.call(who, "GET", "/v1/grants/"+f.ids["joint-grant"], ""); w.Code != 200 || strings.Contains(w.Body.String(), "otto") != sees {
			t.Errorf("of the grant %s sees %d %s", who, w.Code, w.Body)
		}
	}
}

// A text that was read for a request over other data names none of its readers
// to those who have nothing to do with these.
func TestReadersOfTheSameTextElsewhere(t *testing.T) {
	f := newFixture(t)
	f.join()
	// The same file is part of the joint request, which otto reads, and of the one on heart.
	w := f.call("otto", "GET", "/v1/requests/"+f.ids["joint-request"]+"/reading", "")
	var reading anchorhold.Reading
	if err := json.Unmarshal(w.Body.Bytes(), &reading); err != nil {
		t.Fatal(err)
	}
	err := f.Store.Update(t.Context(), func(tx store.Tx) error {
		otto, err := tx.PrincipalByEmail("otto@example.org")
		for _, p := range reading.Parts {
			err = errors.Join(err, tx.AddSeen(anchorhold.Seen{
				Request: f.ids["joint-request"], Path: p.Path, Digest: p.Digest, First: 1, Last: p.Lines, Reader: otto.ID, ReaderName: otto.Email, At: f.Clock.Now(),
			}))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for who, sees := range map[string]bool{"hanna": false, "owner": false} { // of heart alone
		if w := f.call(who, "GET", "/v1/requests/"+f.ids["request"]+"/reading", ""); w.Code != 200 || strings.Contains(w.Body.String(), "otto") != sees {
			t.Errorf("%s sees %d %s", who, w.Code, w.Body)
		}
	}
	if w := f.call("owner", "GET", "/v1/requests/"+f.ids["joint-request"]+"/reading", ""); !strings.Contains(w.Body.String(), "otto@example.org") {
		t.Errorf("of the request that otto read the owner sees %s", w.Body)
	}
}

// Which columns an owner masks is not told to whom the samples are released.
func TestMaskedColumnsAreNotNamedToAuthors(t *testing.T) {
	f := newFixture(t)
	f.join()
	path := "/v1/releases/" + f.ids["joint-release"]
	err := f.Store.Update(t.Context(), func(tx store.Tx) error {
		rel, err := tx.Release(f.ids["joint-release"])
		rel.State = anchorhold.ReleaseApproved
		return errors.Join(err, tx.PutRelease(rel))
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{path, "/v1/releases", "/v1/runs/" + f.ids["joint-run"], "/v1/requests/" + f.ids["joint-request"], "/v1/requests"} {
		w := f.call("author", "GET", path, "")
		if w.Code != 200 || strings.Contains(w.Body.String(), "masked-column") || !strings.Contains(path, "requests") && !strings.Contains(w.Body.String(), `"cap":1`) {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
		if w := f.call("owner", "GET", path, ""); !strings.Contains(w.Body.String(), "masked-column") {
			t.Errorf("%s: the owner sees %s", path, w.Body)
		}
	}
}
