package api_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/account"
	"github.com/anchorhold/anchorhold/policy"
	"github.com/anchorhold/anchorhold/store"
)

// addToStudy gives somebody a role in the study s1.
func (f *fixture) addToStudy(name string, role anchorhold.Role) {
	f.t.Helper()
	_, issued, err := f.accounts.Add(f.t.Context(), policy.SiteAct(policy.UserAdd, "test"),
		account.New{Email: name + "@example.org", Role: role, Scope: anchorhold.ScopeStudy("s1")})
	if err != nil {
		f.t.Fatal(err)
	}
	if f.tokens[name] == "" {
		f.tokens[name] = issued.Token
	}
}

// inStudy is the body of an operation that asks in the name of the study s1.
func inStudy(operation string) string {
	return strings.Replace(operations()[operation].body, `{`, `{"study":"s1",`, 1)
}

// What an author says a request belongs to gives the people of that study no
// right over it; that the owner put the author into the study does.
func TestAStudyIsNotClaimed(t *testing.T) {
	f := newFixture(t)
	f.addToStudy("lead", anchorhold.RoleReviewer)
	err := f.Store.Update(t.Context(), func(tx store.Tx) error {
		r, err := tx.Request(f.ids["request"])
		if err != nil {
			return err
		}
		r.Study = "s1"
		return tx.PutRequest(r)
	})
	if err != nil {
		t.Fatal(err)
	}
	look := func() int { return f.call("lead", http.MethodGet, "/v1/requests/"+f.ids["request"], "").Code }
	if code := look(); code != http.StatusNotFound {
		t.Errorf("a request that claims to belong to a study: %d", code)
	}
	f.addToStudy("author", anchorhold.RoleResearcher)
	if code := look(); code != http.StatusOK {
		t.Errorf("a request of a member of the study: %d", code)
	}
	if code := f.call("lead", http.MethodGet, "/v1/requests/"+f.ids["hidden-request"], "").Code; code != http.StatusNotFound {
		t.Errorf("a request outside of the study: %d", code)
	}
	const role = "/v1/users/author@example.org/roles/researcher?scope=study:s1"
	if w := f.call("owner", http.MethodDelete, role, ""); w.Code >= 300 {
		t.Fatalf("taking the role: %d %s", w.Code, w.Body)
	}
	if code := look(); code != http.StatusNotFound {
		t.Errorf("after its author left the study: %d", code)
	}
	if w := f.call("owner", http.MethodDelete, role, ""); w.Code != http.StatusNotFound || !strings.Contains(w.Body.String(), "does not have that role") {
		t.Errorf("taking it again: %d %s", w.Code, w.Body)
	}
	if w := f.call("author", http.MethodGet, "/v1/requests/"+f.ids["request"], ""); w.Code != http.StatusOK {
		t.Errorf("the other role went with it: %d", w.Code)
	}
}

// A role in a study does not show datasets: whoever reviews for one cannot tell
// a hidden dataset from none by submitting in its name.
func TestAStudyShowsNoHiddenDataset(t *testing.T) {
	f := newFixture(t)
	for _, role := range []anchorhold.Role{anchorhold.RoleResearcher, anchorhold.RoleReviewer, anchorhold.RoleOwner, anchorhold.RoleAuditor} {
		f.addToStudy("study-"+string(role), role)
		for operation, path := range map[string]string{"submit-request": "/v1/requests", "try": "/v1/trials"} {
			ask := func(dataset string) string {
				w := f.call("study-"+string(role), http.MethodPost, path, strings.ReplaceAll(inStudy(operation), `"heart"`, `"`+dataset+`"`))
				return strings.ReplaceAll(w.Body.String(), dataset, "NAME")
			}
			if hidden, absent := ask("hidden"), ask("absent"); hidden != absent || !strings.Contains(hidden, "not_found") && !strings.Contains(hidden, "404") {
				t.Errorf("%s of a study, %s: hidden: %s\nabsent: %s", role, operation, hidden, absent)
			}
		}
	}
}

// Whose only role is in a study asks and tries in its name, and sees their own
// trial; outside of it, and in another's name, they may not.
func TestAStudyTries(t *testing.T) {
	f := newFixture(t)
	f.addToStudy("member", anchorhold.RoleResearcher)
	for _, body := range []string{operations()["try"].body, strings.Replace(inStudy("try"), `"s1"`, `"s2"`, 1)} {
		if w := f.call("member", http.MethodPost, "/v1/trials", body); w.Code != http.StatusForbidden {
			t.Errorf("outside of the study: %d %s", w.Code, w.Body)
		}
	}
	w := f.call("member", http.MethodPost, "/v1/trials", inStudy("try"))
	var run anchorhold.Run
	if err := json.Unmarshal(w.Body.Bytes(), &run); err != nil || w.Code != http.StatusOK || run.Study != "s1" {
		t.Fatalf("%d %s, %v", w.Code, w.Body, err)
	}
	if w := f.call("member", http.MethodGet, "/v1/runs/"+run.ID, ""); w.Code != http.StatusOK {
		t.Errorf("their own trial: %d %s", w.Code, w.Body)
	}
	f.addToStudy("lead", anchorhold.RoleReviewer)
	if w := f.call("lead", http.MethodGet, "/v1/runs/"+run.ID, ""); w.Code != http.StatusNotFound {
		t.Errorf("what a member tries by themselves is shown to the study's reviewer: %d %s", w.Code, w.Body)
	}
	if w := f.call("member", http.MethodPost, "/v1/trials", strings.Replace(inStudy("try"), `"s1"`, `"s\u0007"`, 1)); w.Code < 400 {
		t.Errorf("a study of control characters: %d %s", w.Code, w.Body)
	}
}

// A reviewer's role in a study shows no mock that is hidden from its holder:
// neither by trying on it, nor by what the site tries for their own request. Of
// others' requests it shows that, as it shows all of them.
func TestAStudyShowsNoHiddenMock(t *testing.T) {
	f := newFixture(t)
	f.addToStudy("author", anchorhold.RoleResearcher)
	f.addToStudy("author", anchorhold.RoleReviewer)
	f.addToStudy("lead", anchorhold.RoleReviewer)
	asked := f.putTrial("heart", f.ids["request"])
	err := f.Store.Update(t.Context(), func(tx store.Tx) error {
		r, err := tx.Request(f.ids["request"])
		if err != nil {
			return err
		}
		run, err := tx.Run(asked)
		if err != nil {
			return err
		}
		r.Study, run.Study = "s1", "s1"
		return errors.Join(tx.PutRequest(r), tx.PutRun(run))
	})
	if err != nil {
		t.Fatal(err)
	}
	f.hide(anchorhold.Shown{To: anchorhold.ShownToNone}, anchorhold.PartMock)
	if w := f.call("author", http.MethodPost, "/v1/trials", inStudy("try")); !refused(w.Code) {
		t.Errorf("trying: %d %s", w.Code, w.Body)
	}
	for _, path := range []string{"", "/log", "/outputs/result"} {
		if w := f.call("author", http.MethodGet, "/v1/runs/"+asked+path, ""); !refused(w.Code) {
			t.Errorf("the author, %q: %d %s", path, w.Code, w.Body)
		}
		if w := f.call("lead", http.MethodGet, "/v1/runs/"+asked+path, ""); w.Code != http.StatusOK {
			t.Errorf("the study's reviewer, %q: %d %s", path, w.Code, w.Body)
		}
	}
	if w := f.call("author", http.MethodGet, "/v1/requests/"+f.ids["request"], ""); w.Code != http.StatusOK || strings.Contains(w.Body.String(), asked) {
		t.Errorf("the request: %d %s", w.Code, w.Body)
	}
}
