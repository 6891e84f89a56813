package api_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"testing"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/account"
	"github.com/anchorhold/anchorhold/policy"
	"github.com/anchorhold/anchorhold/store"
)

// A request's id stands for what its reader can do something with: for who decides
// the output that waits, for its author the one that has left, in whatever order
// the code declares them, and whatever other roles the author has.
func TestTheReleaseThatARequestStandsFor(t *testing.T) {
	for _, author := range []string{"author", "author who reviews"} {
		f := newFixture(t)
		if author != "author" {
			_, _, err := f.accounts.Add(t.Context(), policy.SiteAct(policy.UserAdd, "test"), account.New{Email: "author@example.org", Role: anchorhold.RoleReviewer})
			if err != nil {
				t.Fatal(err)
			}
		}
		first := f.ids["release"] // held
		left := anchorhold.Release{ID: anchorhold.NewID(anchorhold.PrefixRelease), Request: f.ids["request"], State: anchorhold.ReleaseApproved}
		err := f.Store.Update(t.Context(), func(tx store.Tx) error {
			r, err := tx.Request(f.ids["request"])
			if err != nil {
				return err
			}
			o := r.Runs[0].Outputs[0]
			o.ID, o.Name, o.Release = anchorhold.NewID(anchorhold.PrefixOutput), "means", nil
			left.Output = o.ID
			return errors.Join(tx.PutOutput(o), tx.PutRelease(left))
		})
		if err != nil {
			t.Fatal(err)
		}
		stands := func(who string) (got struct{ ID string }) {
			w := f.call(who, http.MethodGet, "/v1/releases/"+f.ids["request"], "")
			if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
				t.Errorf("%s, %s: %d %s, %v", author, who, w.Code, w.Body, err)
			}
			return got
		}
		for who, want := range map[string]string{"author": left.ID, "reviewer": first, "owner": first, "auditor": first} {
			if got := stands(who); got.ID != want {
				t.Errorf("%s: %s is shown %s, want %s", author, who, got.ID, want)
			}
		}
		if w := f.call("author", http.MethodGet, "/v1/releases/"+f.ids["request"]+"/output", ""); w.Code != http.StatusOK {
			t.Errorf("%s: what has left: %d %s", author, w.Code, w.Body)
		}
		if w := f.call("author", http.MethodGet, "/v1/releases/"+first, ""); w.Code != http.StatusNotFound {
			t.Errorf("%s: what waits: %d %s", author, w.Code, w.Body)
		}
		if w := f.call("elsewhere", http.MethodGet, "/v1/releases/"+f.ids["request"], ""); w.Code != http.StatusNotFound {
			t.Errorf("%s: elsewhere: %d %s", author, w.Code, w.Body)
		}
	}
}
