package api_test

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/store"
)

// change edits a dataset of the fixture behind the API's back.
func (f *fixture) change(name string, fn func(*anchorhold.Dataset, *anchorhold.Version)) {
	f.t.Helper()
	err := f.Store.Update(context.Background(), func(tx store.Tx) error {
		d, err := tx.Dataset(name)
		if err != nil {
			return err
		}
		v := d.Assets[0].Version
		fn(&d, &v)
		if err := tx.PutDataset(d); err != nil {
			return err
		}
		return tx.PutVersion(name, "patients", v)
	})
	if err != nil {
		f.t.Fatal(err)
	}
}

// hide hides parts of "heart" whose columns, counts and mock hold words that
// can be looked for.
func (f *fixture) hide(to anchorhold.Shown, parts ...anchorhold.Part) {
	f.change("heart", func(d *anchorhold.Dataset, v *anchorhold.Version) {
		d.Title, d.Tags, d.Parts = "Angiography", []string{"cardiology"}, map[anchorhold.Part]anchorhold.Shown{}
		for _, p := range parts {
			d.Parts[p] = to
		}
		v.Columns = []anchorhold.Column{{Name: "thallium", Type: anchorhold.TypeInt, Description: "scintigraphy", Facts: []anchorhold.Fact{
			{Name: anchorhold.FactMissingRate, Value: 0.77, Provenance: anchorhold.Measured},
		}}}
		v.Facts, v.Missing = []anchorhold.Fact{{Name: anchorhold.FactRows, Value: 30377.0, Provenance: anchorhold.Measured}}, []string{"unclear"}
	})
}

// What is hidden of a card is nowhere: not in lists, on the card, in answers to
// an edit, behind the mock's address; and it differs in nothing from what is not
// there.
func TestHiddenPartsAreNowhere(t *testing.T) {
	none := anchorhold.Shown{To: anchorhold.ShownToNone}
	all := anchorhold.Parts()
	for _, c := range []struct {
		name  string
		to    anchorhold.Shown
		parts []anchorhold.Part
		who   string
		shows []string
	}{
		{"to everybody", none, nil, "researcher", []string{"thallium", "unclear", "30377", "0.77", "mock"}},
		{"no columns: no mock either", none, []anchorhold.Part{anchorhold.PartColumns}, "researcher", []string{"30377"}},
		{"no counts", none, []anchorhold.Part{anchorhold.PartCounts}, "researcher", []string{"thallium", "unclear", "mock"}},
		{"no mock", none, []anchorhold.Part{anchorhold.PartMock}, "author", []string{"thallium", "unclear", "30377", "0.77"}},
		{"nothing", none, all, "researcher", nil},
		{"nothing, for an owner", none, all, "owner", []string{"thallium", "unclear", "30377", "0.77", "mock"}},
		{"nothing, for a reviewer", none, all, "reviewer", []string{"thallium", "unclear", "30377", "0.77", "mock"}},
		{"by name", anchorhold.Shown{To: anchorhold.ShownToNamed, People: []string{"author@example.org"}}, all, "author", []string{"thallium", "unclear", "30377", "0.77", "mock"}},
		{"another's name", anchorhold.Shown{To: anchorhold.ShownToNamed, People: []string{"author@example.org"}}, all, "researcher", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFixture(t)
			f.hide(c.to, c.parts...)
			for _, path := range []string{"/v1/datasets", "/v1/datasets/heart", "/v1/datasets/heart/card", "/v1/datasets?q=angio", "/v1/datasets?tag=Cardiology"} {
				text := f.call(c.who, "GET", path, "").Body.String()
				for _, word := range []string{"thallium", "unclear", "30377", "0.77"} {
					if strings.Contains(text, word) != slices.Contains(c.shows, word) {
						t.Errorf("%s: %q is shown wrongly: %s", path, word, text)
					}
				}
				mock := strings.Contains(text, `"sha256"`)
				if mock != slices.Contains(c.shows, "mock") {
					t.Errorf("%s: the mock is shown wrongly: %s", path, text)
				}
				if c.who != "owner" && c.who != "reviewer" && strings.Contains(text, "author@example.org") {
					t.Errorf("%s: names who else may see it: %s", path, text)
				}
			}
			f.checkMock(c.who, slices.Contains(c.shows, "mock"))
			f.checkSearch(c.who, slices.Contains(c.shows, "thallium"))
		})
	}
}

// checkMock fetches the mock: one that is hidden is one that is not there, of a
// dataset that is not there.
func (f *fixture) checkMock(who string, has bool) {
	f.t.Helper()
	get := func(path string) string {
		w := f.call(who, "GET", path, "")
		if (w.Code == http.StatusOK) != has {
			f.t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
		return w.Body.String()
	}
	got := get("/v1/datasets/heart/assets/patients/mock")
	if has {
		return
	}
	f.change("heart", func(_ *anchorhold.Dataset, v *anchorhold.Version) { v.Mock = nil })
	if absent := get("/v1/datasets/heart/assets/patients/mock"); absent != got {
		f.t.Errorf("a hidden mock: %s\nno mock: %s", got, absent)
	}
	if unknown := get("/v1/datasets/absent/assets/patients/mock"); strings.ReplaceAll(unknown, "absent", "heart") != got {
		f.t.Errorf("a hidden mock: %s\nno dataset: %s", got, unknown)
	}
}

// checkSearch looks for words of the columns in every way that there is.
func (f *fixture) checkSearch(who string, finds bool) {
	f.t.Helper()
	for _, q := range []string{
		"q=thallium", "q=scintig", "q=angio+thall", "q=column:thallium", "column=THALLIUM", "q=tag:cardiology+thallium",
		"tag=cardiology&column=thallium", "q=thallium&limit=1", "q=angio&column=thallium",
	} {
		w := f.call(who, "GET", "/v1/datasets?"+q, "")
		if w.Code != http.StatusOK || strings.Contains(w.Body.String(), `"heart"`) != finds {
			f.t.Errorf("%s: %s: %d %s", who, q, w.Code, w.Body)
		}
		nothing := f.call(who, "GET", "/v1/datasets?"+strings.NewReplacer("thall", "zzz", "THALL", "ZZZ", "scintig", "zzz").Replace(q), "")
		if !finds && w.Body.String() != nothing.Body.String() {
			f.t.Errorf("%s: %s differs from a search for nothing: %s, %s", who, q, w.Body, nothing.Body)
		}
	}
}

// A submission over a dataset whose parts are hidden goes on as ever: nothing of
// the parts is in its errors.
func TestSubmissionTellsNothingOfHiddenParts(t *testing.T) {
	f := newFixture(t)
	f.hide(anchorhold.Shown{To: anchorhold.ShownToNone}, anchorhold.Parts()...)
	body := operations()["submit-request"].body
	if w := f.call("researcher", "POST", "/v1/requests", body); w.Code != http.StatusOK || strings.Contains(w.Body.String(), "thallium") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	w := f.call("researcher", "POST", "/v1/requests", strings.Replace(body, `"asset":"patients"`, `"asset":"thallium"`, 1))
	if w.Code != http.StatusNotFound || strings.Contains(w.Body.String(), "30377") || strings.Contains(w.Body.String(), "scintigraphy") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestSearchRefusesNonsense(t *testing.T) {
	f := newFixture(t)
	for _, q := range []string{"q=%22open", "duo=DUO:9999999", "q=duo:nonsense", "q=" + strings.Repeat("a+", 40)} {
		w := f.call("researcher", "GET", "/v1/datasets?"+q, "")
		var problem struct{ Detail string }
		if err := json.Unmarshal(w.Body.Bytes(), &problem); err != nil || w.Code < 400 || w.Code >= 500 || problem.Detail == "" {
			t.Errorf("%s: %d %s", q, w.Code, w.Body)
		}
	}
	for _, q := range []string{"q=", "q=%22%22", "duo=gru", "q=duo:GRU", "q=column:%22blood+pressure%22"} {
		if w := f.call("researcher", "GET", "/v1/datasets?"+q, ""); w.Code != http.StatusOK {
			t.Errorf("%s: %d %s", q, w.Code, w.Body)
		}
	}
}

// The reason of a halt is for researchers only where the owner says so, and who
// did it is not.
func TestHaltShowsWhatItsOwnerChose(t *testing.T) {
	for _, show := range []bool{false, true} {
		f := newFixture(t)
		f.change("heart", func(d *anchorhold.Dataset, _ *anchorhold.Version) {
			d.State = anchorhold.DatasetFrozen
			d.Halt = &anchorhold.Halt{Since: f.Clock.Now(), By: "owner@example.org", Reason: "a leak is being looked into", ShowReason: show}
		})
		for _, path := range []string{"/v1/datasets", "/v1/datasets/heart"} {
			text := f.call("researcher", "GET", path, "").Body.String()
			if strings.Contains(text, "a leak") != show || strings.Contains(text, "owner@example.org") || !strings.Contains(text, `"frozen"`) {
				t.Errorf("%s, shown %v: %s", path, show, text)
			}
			if text := f.call("owner", "GET", path, "").Body.String(); !strings.Contains(text, "a leak") || !strings.Contains(text, "owner@example.org") {
				t.Errorf("%s for the owner: %s", path, text)
			}
		}
	}
}
