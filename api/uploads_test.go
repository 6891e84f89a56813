package api_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/store"
)

// uploadOperations say who may copy files in.
func uploadOperations() map[string]struct{ may, body string } {
	return map[string]struct{ may, body string }{
		"begin-upload": {"owner", `{"name":"a.csv","size":4,"sha256":"sha256:` + strings.Repeat("0", 64) + `"}`},
		"show-upload":  {"owner", ""},
		"send-part":    {"owner", "a,b\n"},
		"drop-upload":  {"owner", ""},
	}
}

// putUpload stores an upload of the owner's, of which nothing has arrived.
func (f *fixture) putUpload(tx store.Tx) error {
	sender, err := tx.PrincipalByEmail("owner@example.org")
	if err != nil {
		return err
	}
	up := anchorhold.Upload{ID: anchorhold.NewID(anchorhold.PrefixUpload), Principal: sender.ID, Name: "a.csv", Size: 4, Touched: f.Clock.Now()}
	f.ids["upload"] = up.ID
	return tx.PutUpload(up)
}

// TestOwnersElsewhereCopyIn: with a token, bytes may be offered and no path may
// be named, whichever way it is tried.
func TestOwnersElsewhereCopyIn(t *testing.T) {
	f := newFixture(t)
	path := "/v1/uploads/" + f.ids["upload"]
	if w := f.call("owner", http.MethodPut, path+"/parts/0", "a\n1\n"); w.Code != http.StatusOK || strings.Contains(w.Body.String(), "parts") {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	for what, body := range map[string]string{
		"a path":                  `{"name":"x","assets":[{"name":"a","path":"/etc/passwd"}]}`,
		"a path beside an upload": `{"name":"x","assets":[{"name":"b","upload":"` + f.ids["upload"] + `"},{"name":"a","path":"/etc/passwd"}]}`,
		"a mock's path":           `{"name":"x","assets":[{"name":"b","upload":"` + f.ids["upload"] + `","mock":{"path":"/etc/passwd"}}]}`,
	} {
		if w := f.call("owner", http.MethodPost, "/v1/datasets", body); w.Code != http.StatusForbidden {
			t.Errorf("%s: %d %s", what, w.Code, w.Body)
		}
	}
	// What is left out of a new version would be read anew where it lies.
	if w := f.call("owner", http.MethodPost, "/v1/datasets/heart/assets/patients/versions", `{}`); w.Code != http.StatusForbidden {
		t.Errorf("a new version of what lies at the site: %d %s", w.Code, w.Body)
	}
	// The announced digest is another one: it is found out before anything is offered.
	if w := f.call("owner", http.MethodPost, "/v1/datasets", `{"name":"x","assets":[{"name":"a","upload":"`+f.ids["upload"]+`"}]}`); w.Code != http.StatusConflict {
		t.Errorf("another file than announced: %d %s", w.Code, w.Body)
	}
}

// refused says whether an answer is a refusal to this caller.
func refused(code int) bool {
	return code == http.StatusUnauthorized || code == http.StatusForbidden || code == http.StatusNotFound
}
