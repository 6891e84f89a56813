package api_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/account"
	"github.com/anchorhold/anchorhold/policy"
	"github.com/anchorhold/anchorhold/store"
)

// What an author says a request belongs to gives the people of that study no
// right over it; that the owner put the author into the study does.
func TestAStudyIsNotClaimed(t *testing.T) {
	f := newFixture(t)
	act := policy.SiteAct(policy.UserAdd, "test")
	add := func(name string, role anchorhold.Role) {
		t.Helper()
		_, issued, err := f.accounts.Add(t.Context(), act, account.New{Email: name + "@example.org", Role: role, Scope: anchorhold.ScopeStudy("s1")})
		if err != nil {
			t.Fatal(err)
		}
		if f.tokens[name] == "" {
			f.tokens[name] = issued.Token
		}
	}
	add("lead", anchorhold.RoleReviewer)
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
	add("author", anchorhold.RoleResearcher)
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
	for _, role := range []anchorhold.Role{anchorhold.RoleReviewer, anchorhold.RoleOwner, anchorhold.RoleAuditor} {
		_, issued, err := f.accounts.Add(t.Context(), policy.SiteAct(policy.UserAdd, "test"),
			account.New{Email: string(role) + "@study.example.org", Role: role, Scope: anchorhold.ScopeStudy("s1")})
		if err != nil {
			t.Fatal(err)
		}
		f.tokens["study-"+string(role)] = issued.Token
		ask := func(dataset string) string {
			body := strings.Replace(operations()["submit-request"].body, `{`, `{"study":"s1",`, 1)
			w := f.call("study-"+string(role), http.MethodPost, "/v1/requests", strings.ReplaceAll(body, `"heart"`, `"`+dataset+`"`))
			return strings.ReplaceAll(w.Body.String(), dataset, "NAME")
		}
		if hidden, absent := ask("hidden"), ask("absent"); hidden != absent || !strings.Contains(hidden, "not_found") && !strings.Contains(hidden, "404") {
			t.Errorf("%s of a study: hidden: %s\nabsent: %s", role, hidden, absent)
		}
	}
}
