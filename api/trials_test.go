package api_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/blob"
	"github.com/anchorhold/anchorhold/store"
)

// putTrial stores an ended trial by the author over a dataset: of a request, or
// of none.
func (f *fixture) putTrial(dataset, requestID string) (id string) {
	f.t.Helper()
	blobs, err := blob.Open(f.blobs, f.Keys.BlobKey())
	if err != nil {
		f.t.Fatal(err)
	}
	gave, err := blobs.Put(strings.NewReader("it gave this"), 100)
	if err != nil {
		f.t.Fatal(err)
	}
	printed, err := blobs.Put(strings.NewReader("it printed this"), 100)
	if err != nil {
		f.t.Fatal(err)
	}
	id = anchorhold.NewID(anchorhold.PrefixRun)
	err = f.Store.Update(context.Background(), func(tx store.Tx) error {
		who, err := tx.PrincipalByEmail("author@example.org")
		if err != nil {
			return err
		}
		d, err := tx.Dataset(dataset)
		if err != nil {
			return err
		}
		a, _ := d.Asset("patients")
		return errors.Join(
			tx.PutRun(anchorhold.Run{ID: id, Side: anchorhold.SideMock, Request: requestID, Opening: 1, State: anchorhold.RunDone, Queued: f.Clock.Now(), Log: printed.ID, Reason: "why"}),
			tx.PutTrial(anchorhold.Trial{
				Run: id, Author: who.ID, AuthorName: who.Email, Created: f.Clock.Now(),
				Assets: map[string]anchorhold.AssetRef{"patients": {Dataset: dataset, Asset: "patients", Version: a.Version.ID}},
			}),
			tx.PutOutput(anchorhold.Output{
				ID: anchorhold.NewID(anchorhold.PrefixOutput), Run: id, Name: "result", Kind: "text", Media: "text/plain", File: "result.txt",
				Size: gave.Size, SHA256: gave.SHA256, Blob: gave.ID, Preview: "it gave",
			}))
	})
	if err != nil {
		f.t.Fatal(err)
	}
	return id
}

// What somebody tries before they ask is theirs alone; what the site tried for
// a request is also its reviewers'. Nobody else learns that it exists.
func TestWhoSeesATrial(t *testing.T) {
	f := newFixture(t)
	own, asked := f.putTrial("heart", ""), f.putTrial("heart", f.ids["request"])
	hidden := f.putTrial("hidden", f.ids["hidden-request"])
	for _, c := range []struct{ method, path, may string }{
		{"GET", "/v1/runs/" + own, "author"},
		{"GET", "/v1/runs/" + own + "/log", "author"},
		{"GET", "/v1/runs/" + own + "/outputs/result", "author"},
		{"POST", "/v1/runs/" + own + "/cancel", "author"},
		{"GET", "/v1/runs/" + asked, "author reviewer owner auditor"},
		{"GET", "/v1/runs/" + asked + "/log", "author reviewer owner"},
		{"GET", "/v1/runs/" + asked + "/outputs/result", "author reviewer owner"},
		{"GET", "/v1/runs/" + asked + "/outputs/none", ""},
		{"GET", "/v1/runs/" + hidden, "reviewer owner auditor"}, // its author lost sight of the dataset
		{"GET", "/v1/runs/" + f.ids["run"] + "/outputs/result", ""},
	} {
		for _, who := range []string{"none", "author", "researcher", "reviewer", "owner", "auditor", "elsewhere"} {
			w := f.call(who, c.method, c.path, "")
			if may := slices.Contains(strings.Fields(c.may), who); may == refused(w.Code) {
				t.Errorf("%s %s %s: %d %s, permitted should be %v", who, c.method, c.path, w.Code, w.Body, may)
			}
		}
	}
	absent := f.call("owner", "GET", "/v1/runs/run-0123456789abcdef", "")
	foreign := f.call("owner", "GET", "/v1/runs/"+own, "")
	if foreign.Code != http.StatusNotFound || strings.ReplaceAll(foreign.Body.String(), own, "run-0123456789abcdef") != absent.Body.String() {
		t.Errorf("another's trial: %s, one that is absent: %s", foreign.Body, absent.Body)
	}
}

// A trial is shown whole: there is nothing in it that its reader may not see.
func TestATrialIsShownWhole(t *testing.T) {
	f := newFixture(t)
	own := f.putTrial("heart", "")
	w := f.call("author", "GET", "/v1/runs/"+own, "")
	for _, want := range []string{`"side":"mock"`, `"reason":"why"`, `"preview":"it gave"`, `"state":"done"`} {
		if !strings.Contains(w.Body.String(), want) {
			t.Errorf("%s lacks %s", w.Body, want)
		}
	}
	if w := f.call("author", "GET", "/v1/runs/"+own+"/log", ""); !strings.Contains(w.Body.String(), "it printed this") {
		t.Errorf("the log: %s", w.Body)
	}
	if w := f.call("author", "GET", "/v1/runs/"+own+"/outputs/result", ""); w.Body.String() != "it gave this" || w.Header().Get("Content-Type") != "text/plain" {
		t.Errorf("the output: %v %s", w.Header(), w.Body)
	}
}

// Lists keep the sides apart, and trials to those who may read them.
func TestTrialsInLists(t *testing.T) {
	f := newFixture(t)
	own, asked := f.putTrial("heart", ""), f.putTrial("heart", f.ids["request"])
	for _, c := range []struct {
		who, path string
		has, not  []string
	}{
		{"author", "/v1/runs", []string{f.ids["run"]}, []string{own, asked}},
		{"author", "/v1/runs?side=mock", []string{own, asked}, []string{f.ids["run"]}},
		{"owner", "/v1/runs?side=mock", []string{asked}, []string{own, f.ids["run"]}},
		{"researcher", "/v1/runs?side=mock", nil, []string{own, asked}},
		{"author", "/v1/requests/" + f.ids["request"], []string{`"trial":`, asked}, []string{own}},
		{"owner", "/v1/requests/" + f.ids["request"], []string{`"trial":`, asked, "it gave"}, []string{own}},
	} {
		w := f.call(c.who, "GET", c.path, "")
		for _, want := range c.has {
			if !strings.Contains(w.Body.String(), want) {
				t.Errorf("%s %s lacks %s: %s", c.who, c.path, want, w.Body)
			}
		}
		for _, not := range c.not {
			if strings.Contains(w.Body.String(), not) {
				t.Errorf("%s %s shows %s: %s", c.who, c.path, not, w.Body)
			}
		}
	}
}

// To try on a hidden dataset is refused as if it did not exist, and nothing is
// queued.
func TestTryingOnWhatIsHidden(t *testing.T) {
	f := newFixture(t)
	body := operations()["try"].body
	w := f.call("researcher", "POST", "/v1/trials", strings.ReplaceAll(body, `"heart"`, `"hidden"`))
	v := f.call("researcher", "POST", "/v1/trials", strings.ReplaceAll(body, `"heart"`, `"absent"`))
	if w.Code != http.StatusNotFound || strings.ReplaceAll(w.Body.String(), "hidden", "absent") != v.Body.String() {
		t.Errorf("hidden: %s, absent: %s", w.Body, v.Body)
	}
	if w := f.call("researcher", "GET", "/v1/runs?side=mock", ""); strings.Contains(w.Body.String(), "run-") {
		t.Errorf("something was queued: %s", w.Body)
	}
	if w := f.call("researcher", "POST", "/v1/trials", body); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), `"state":"queued"`) {
		t.Errorf("on what may be seen: %d %s", w.Code, w.Body)
	}
}

// Who may ask, but not see the mock, sees nothing of what the site made of it.
func TestATrialShowsNoHiddenMock(t *testing.T) {
	f := newFixture(t)
	asked := f.putTrial("heart", f.ids["request"])
	err := f.Store.Update(context.Background(), func(tx store.Tx) error {
		d, err := tx.Dataset("heart")
		if err != nil {
			return err
		}
		d.Parts = map[anchorhold.Part]anchorhold.Shown{anchorhold.PartMock: {To: anchorhold.ShownToNone}}
		return tx.PutDataset(d)
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"", "/log", "/outputs/result"} {
		if w := f.call("author", "GET", "/v1/runs/"+asked+path, ""); !refused(w.Code) {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
		if w := f.call("owner", "GET", "/v1/runs/"+asked+path, ""); w.Code != http.StatusOK {
			t.Errorf("the owner, %s: %d %s", path, w.Code, w.Body)
		}
	}
	if w := f.call("author", "GET", "/v1/requests/"+f.ids["request"], ""); w.Code != http.StatusOK || strings.Contains(w.Body.String(), asked) {
		t.Errorf("the request: %d %s", w.Code, w.Body)
	}
	if w := f.call("author", "POST", "/v1/trials", operations()["try"].body); !refused(w.Code) {
		t.Errorf("trying: %d %s", w.Code, w.Body)
	}
}

// Why a request was not tried tells whether its assets have mocks: that is for
// who may see the mocks.
func TestWhyThereIsNoTrialTellsNothingOfHiddenMocks(t *testing.T) {
	f := newFixture(t)
	err := f.Store.Update(t.Context(), func(tx store.Tx) error {
		r, err := tx.Request(f.ids["request"])
		r.TrialNote = "heart/patients has no mock"
		return errors.Join(err, tx.PutRequest(r))
	})
	if err != nil {
		t.Fatal(err)
	}
	told := func(who string) bool {
		w := f.call(who, "GET", "/v1/requests/"+f.ids["request"], "")
		list := f.call(who, "GET", "/v1/requests", "")
		one, all := strings.Contains(w.Body.String(), "has no mock"), strings.Contains(list.Body.String(), "has no mock")
		if w.Code != 200 || all && !one {
			t.Errorf("%s: %d %s", who, w.Code, list.Body)
		}
		return one
	}
	if !told("author") || !told("reviewer") {
		t.Error("who may see the mocks is not told")
	}
	f.hide(anchorhold.Shown{To: anchorhold.ShownToNone}, anchorhold.PartMock)
	if told("author") || told("auditor") {
		t.Error("who may not see the mocks is told that there are none")
	}
	if !told("reviewer") {
		t.Error("a reviewer is not told")
	}
}
