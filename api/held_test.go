package api_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/store"
)

// Where several outputs of a request wait, "the request's output" could be
// another one than the person looked at: they have to name it.
func TestOneOfSeveralHeldOutputsIsNamed(t *testing.T) {
	f := newFixture(t)
	err := f.Store.Update(t.Context(), func(tx store.Tx) error {
		run, err := tx.Run(f.ids["run"])
		if err != nil {
			return err
		}
		o := run.Outputs[0]
		o.ID, o.Name, o.Release = anchorhold.NewID(anchorhold.PrefixOutput), "second", nil
		return errors.Join(tx.PutOutput(o), tx.PutRelease(anchorhold.Release{
			ID: "rel-second", Output: o.ID, Request: run.Request, State: anchorhold.ReleaseHeld,
		}))
	})
	if err != nil {
		t.Fatal(err)
	}
	decide := func(who, id string) (int, string) {
		w := f.call(who, http.MethodPost, "/v1/releases/"+id+"/decisions", `{"verdict":"deny","reason":"r"}`)
		return w.Code, w.Body.String()
	}
	code, body := decide("owner", f.ids["request"])
	if code != http.StatusConflict || !strings.Contains(body, "rel-second") || !strings.Contains(body, f.ids["release"]) {
		t.Errorf("two wait: %d %s", code, body)
	}
	if code, body := decide("author", f.ids["request"]); code != http.StatusNotFound && code != http.StatusForbidden || strings.Contains(body, "rel-second") {
		t.Errorf("the author learns of what waits: %d %s", code, body)
	}
	if code, body := decide("owner", "rel-second"); code != http.StatusOK {
		t.Errorf("one is named: %d %s", code, body)
	}
	if code, body := decide("owner", f.ids["request"]); code != http.StatusOK || !strings.Contains(body, f.ids["release"]) {
		t.Errorf("one waits: %d %s", code, body)
	}
}
