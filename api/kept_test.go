package api_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/anchorhold/anchorhold/policy"
	"github.com/anchorhold/anchorhold/store"
)

// kept is what may stand under an idempotency key: names and numbers, no content.
var kept = regexp.MustCompile(`^"[A-Za-z0-9 -]*"$`)

// TestOnlyNamesAreKeptUnderKeys walks all operations: under the key of each that
// does something lies its name, and no answer; asked again, it is done once.
func TestOnlyNamesAreKeptUnderKeys(t *testing.T) {
	table := operations()
	acts := 0
	newFixture(t).each(func(id, method, path string) {
		if method == http.MethodGet || slices.Contains([]string{"make-backup", "rotate-tls", "switch-tls", "withdraw-tls"}, id) { // these need a whole site
			return
		}
		who := strings.Fields(table[id].may + " machine")[0] // on the site's own machine, whoever may not elsewhere
		f := newFixture(t)
		handler := f.handler
		if who == "machine" {
			handler = f.api.LocalHandler(func(*http.Request) (int, error) { return 1234, nil })
		}
		send := func() *httptest.ResponseRecorder {
			r := httptest.NewRequest(method, f.path(path, ""), strings.NewReader(table[id].body))
			r.Header.Set("Content-Type", "application/json")
			r.Header.Set("Authorization", "Bearer "+f.tokens[who])
			r.Header.Set("Idempotency-Key", "key")
			if f.tokens[who] == "" {
				r.Header.Del("Authorization")
			}
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, r)
			return w
		}
		first := send()
		if refused(first.Code) || first.Code >= 300 {
			return
		}
		var response []byte
		err := f.Store.View(t.Context(), func(tx store.Tx) error {
			p, err := f.accounts.Authenticate(t.Context(), f.tokens[who])
			if err != nil {
				return err
			}
			if who == "machine" {
				p = policy.Local(1234)
			}
			_, response, err = tx.Idempotent(p.ID, "key")
			return err
		})
		if errors.Is(err, store.ErrNotFound) {
			return // it did nothing that must not be done twice
		}
		if err != nil {
			t.Fatal(id, err)
		}
		acts++
		if !kept.Match(response) {
			t.Errorf("%s: kept under its key: %s", id, response)
		}
		again := send()
		var one, two struct {
			ID    string `json:"id"`
			Token string `json:"token"`
		}
		if json.Unmarshal(first.Body.Bytes(), &one) == nil && one.Token != "" {
			if again.Code != http.StatusConflict { // what is shown once is not shown again
				t.Errorf("%s: %d %s", id, again.Code, again.Body)
			}
			return
		}
		if again.Code != first.Code || json.Unmarshal(again.Body.Bytes(), &two) == nil && one.ID != two.ID {
			t.Errorf("%s: first %d %s, again %d %s", id, first.Code, first.Body, again.Code, again.Body)
		}
	})
	if acts < 20 {
		t.Errorf("only %d operations did something: the fixture is too poor for this test", acts)
	}
	t.Log(acts, "operations did something")
}
