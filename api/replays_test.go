package api_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/store"
)

// A replay is for those who review its request: to its author it does not exist,
// by its id as in lists.
func TestReplaysAreNoAffairOfAuthors(t *testing.T) {
	f := newFixture(t)
	byRequest := "/v1/runs/" + f.ids["request"]
	before := f.call("author", "GET", byRequest, "").Body.String()
	id := anchorhold.NewID(anchorhold.PrefixRun)
	err := f.Store.Update(t.Context(), func(tx store.Tx) error {
		return errors.Join(tx.PutRun(anchorhold.Run{
			ID: id, Side: anchorhold.SideReplay, Request: f.ids["request"], Opening: 1, State: anchorhold.RunDone, Queued: f.Clock.Now(),
			Replay: &anchorhold.Replay{Run: f.ids["run"], By: "pri-owner", Outputs: []anchorhold.Replayed{{Name: "result", Then: "digest-then"}}},
		}))
	})
	if err != nil {
		t.Fatal(err)
	}
	for who, sees := range map[string]bool{"author": false, "researcher": false, "elsewhere": false, "reviewer": true, "owner": true, "auditor": true} {
		one := f.call(who, "GET", "/v1/runs/"+id, "")
		if (one.Code == http.StatusOK) != sees {
			t.Errorf("%s: %d %s", who, one.Code, one.Body)
		}
		for path, there := range map[string]bool{"/v1/runs?side=replay": sees, "/v1/runs": false} {
			if all := f.call(who, "GET", path, ""); strings.Contains(all.Body.String(), id) != there {
				t.Errorf("%s %s: %s", who, path, all.Body)
			}
		}
		if shows := strings.Contains(one.Body.String(), "digest-then"); shows && who != "owner" && who != "reviewer" {
			t.Errorf("%s is told what came out: %s", who, one.Body)
		}
	}
	if w := f.call("author", "GET", byRequest, ""); w.Code != http.StatusOK || w.Body.String() != before {
		t.Errorf("by its request the author sees another run than before: %d %s", w.Code, w.Body)
	}
	if w := f.call("author", "POST", "/v1/runs/"+id+"/cancel", ""); w.Code != http.StatusNotFound {
		t.Errorf("the author cancels it: %d", w.Code)
	}
}

// How an owner orders the queue is not on a card.
func TestPriorityOfADatasetIsItsOwners(t *testing.T) {
	f := newFixture(t)
	if w := f.call("owner", "PATCH", "/v1/datasets/heart", `{"priority":1}`); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), `"priority":1`) {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	for who, sees := range map[string]bool{"researcher": false, "auditor": false, "owner": true} {
		for _, path := range []string{"/v1/datasets/heart", "/v1/datasets"} {
			if w := f.call(who, "GET", path, ""); w.Code != 200 || strings.Contains(w.Body.String(), "priority") != sees {
				t.Errorf("%s %s: %d %s", who, path, w.Code, w.Body)
			}
		}
	}
	if w := f.call("owner", "PATCH", "/v1/datasets/heart", `{"priority":7}`); w.Code != http.StatusUnprocessableEntity {
		t.Errorf("a priority of 7: %d", w.Code)
	}
}

// That a trial gave way to a run on private data is not told: it goes on.
func TestATrialThatGaveWayLooksRunning(t *testing.T) {
	f := newFixture(t)
	id := f.putTrial("heart", "")
	err := f.Store.Update(t.Context(), func(tx store.Tx) error {
		run, err := tx.Run(id)
		now := f.Clock.Now()
		run.State, run.Started, run.Finished = anchorhold.RunQueued, &now, nil
		return errors.Join(err, tx.PutRun(run))
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/v1/runs/" + id, "/v1/runs?side=mock"} {
		if w := f.call("author", "GET", path, ""); w.Code != 200 || !strings.Contains(w.Body.String(), `"state":"running"`) || strings.Contains(w.Body.String(), "queued\",\"attempt") {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
}
