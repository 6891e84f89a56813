package api_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/store"
)

// share changes a grant of the fixture.
func (f *fixture) share(id string, change func(*anchorhold.Grant)) {
	f.t.Helper()
	err := f.Store.Update(f.t.Context(), func(tx store.Tx) error {
		g, err := tx.Grant(id)
		change(&g)
		return errors.Join(err, tx.PutGrant(g))
	})
	if err != nil {
		f.t.Fatal(err)
	}
}

// A grant is seen by its author, by whom it names, and by who decides or audits;
// to everybody else it does not exist, in lists as by its id.
func TestGrantsAreSeenByWhomTheyName(t *testing.T) {
	f := newFixture(t)
	id, hidden := f.ids["grant"], f.ids["hidden-grant"]
	sees := func(who, id string) bool {
		one, all := f.call(who, "GET", "/v1/grants/"+id, ""), f.call(who, "GET", "/v1/grants", "")
		inList := strings.Contains(all.Body.String(), id)
		if (one.Code == 200) != inList {
			t.Errorf("%s: by id %d, in the list %v", who, one.Code, inList)
		}
		return inList
	}
	for who, want := range map[string]bool{"author": true, "researcher": false, "owner": true, "reviewer": true, "auditor": true, "elsewhere": false} {
		if got := sees(who, id); got != want {
			t.Errorf("%s sees the grant: %v", who, got)
		}
	}
	f.share(id, func(g *anchorhold.Grant) { g.For = []string{"researcher@example.org"} })
	f.share(hidden, func(g *anchorhold.Grant) { g.For = []string{anchorhold.Everybody} })
	if !sees("researcher", id) || sees("researcher", hidden) || sees("elsewhere", id) {
		t.Error("naming somebody, or everybody, shows a grant to others, or not to them")
	}
	w := f.call("researcher", "GET", "/v1/grants/"+id, "")
	for _, secret := range []string{"author@example.org", f.ids["request"], "suspended", "uses", "used", "deciders"} {
		if strings.Contains(w.Body.String(), secret) {
			t.Errorf("who is named sees %s: %s", secret, w.Body)
		}
	}
	if w := f.call("owner", "GET", "/v1/grants/"+id, ""); !strings.Contains(w.Body.String(), `"suspended":"`) || !strings.Contains(w.Body.String(), "researcher@example.org") {
		t.Errorf("an owner sees %s", w.Body)
	}
	f.share(id, func(g *anchorhold.Grant) { g.For = []string{"owner@example.org"} })
	if w := f.call("owner", "GET", "/v1/grants/"+id, ""); strings.Contains(w.Body.String(), `"suspended":"`) {
		t.Errorf("of a grant for themselves an owner sees what the checks stopped: %s", w.Body)
	}
	if w := f.call("owner", "POST", "/v1/grants/"+id+"/resume", ""); w.Code != 403 {
		t.Errorf("an owner resumes a grant for themselves: %d", w.Code)
	}
}

// A request tells its author for which datasets it waits, and those who decide
// also for whom.
func TestWhomARequestWaitsFor(t *testing.T) {
	f := newFixture(t)
	w := f.call("author", "POST", "/v1/requests", operations()["submit-request"].body)
	id := between(t, w.Body.String(), `"id":"`, `"`)
	for who, named := range map[string]bool{"author": false, "reviewer": true, "auditor": true} {
		w := f.call(who, "GET", "/v1/requests/"+id, "")
		waits := strings.Contains(w.Body.String(), `"waits_for":[{"dataset":"heart","approvals":0,"quorum":1`)
		names := strings.Contains(w.Body.String(), "reviewer@example.org") && strings.Contains(w.Body.String(), "owner@example.org")
		if !waits || names != named || strings.Contains(w.Body.String(), "elsewhere@") {
			t.Errorf("%s sees %d %s", who, w.Code, w.Body)
		}
	}
	if w := f.call("reviewer", "POST", "/v1/requests/"+id+"/decisions", `{"verdict":"approve"}`); strings.Contains(w.Body.String(), "waits_for") {
		t.Errorf("decided, it waits: %s", w.Body)
	}
}

// The comparison with an earlier request does not show one that the reader may
// not see.
func TestComparisonHidesWhatIsHidden(t *testing.T) {
	f := newFixture(t)
	w := f.call("author", "POST", "/v1/requests", operations()["submit-request"].body)
	id := between(t, w.Body.String(), `"id":"`, `"`)
	f.call("owner", "POST", "/v1/users", fmt.Sprintf(`{"email":"part@example.org","role":"reviewer","scope":%q}`, "dataset:heart"))
	w = f.call("owner", "POST", "/v1/users/part@example.org/tokens", `{}`)
	f.tokens["part"] = between(t, w.Body.String(), `"token":"`, `"`)
	// The fixture's earlier requests have the same entry: one on the visible
	// dataset, and a newer one on the hidden dataset.
	for who, base := range map[string]string{"part": f.ids["request"]} {
		w := f.call(who, "GET", "/v1/requests/"+id+"/diff", "")
		if w.Code != 200 || !strings.Contains(w.Body.String(), base) || strings.Contains(w.Body.String(), "hidden") {
			t.Errorf("%s: %d %s", who, w.Code, w.Body)
		}
	}
}

func between(t *testing.T, text, from, to string) string {
	t.Helper()
	_, rest, ok := strings.Cut(text, from)
	out, _, ok2 := strings.Cut(rest, to)
	if !ok || !ok2 {
		t.Fatalf("no %s in %s", from, text)
	}
	return out
}
