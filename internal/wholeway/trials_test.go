package wholeway

import (
	"context"
	"testing"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/client"
)

// A run on private data does not wait for trials, however long they are: one goes
// back into the queue, which costs it nothing but time, and its author sees
// nothing of it.
func TestTrialsGiveWay(t *testing.T) {
	s := newSite(t, people)
	s.run("dataset", "add", "tried", "--dir", s.dir, "--asset", "patients="+s.file, "--mock", "patients=generate", "--confirm-facts", "--json")
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	ada := s.researcher()
	q, err := s.owner().Queue(ctx)
	if err != nil {
		t.Fatal(err)
	}
	long := code("import time\ntime.sleep(100)\nreturn 1")
	var tried []string
	for range q.Slots {
		run, err := ada.Try(ctx, client.NewTrial{Code: long.Code, Assets: map[string]client.AssetName{"patients": {Dataset: "tried", Asset: "patients"}}})
		if err != nil {
			t.Fatal(err)
		}
		tried = append(tried, run.ID)
	}
	for q.Running < q.Slots {
		if q, err = s.owner().Queue(ctx); err != nil {
			t.Fatal(err)
		}
	}
	if r := s.followed(ada, code("return patients['age'].mean()"), client.NewDecision{Verdict: anchorhold.Approve}); r.State != anchorhold.StateHeld {
		t.Errorf("the run on private data is %s: %s", r.State, r.Runs[0].Reason)
	}
	for _, id := range tried {
		run, err := ada.Run(ctx, id)
		if err != nil || run.State != anchorhold.RunRunning || run.Attempt > 1 {
			t.Errorf("a trial is %s in its attempt %d, %v", run.State, run.Attempt, err)
		}
	}
	returned := 0
	for e, err := range s.owner().AuditEntries(ctx, 0) {
		if err != nil {
			t.Fatal(err)
		}
		if e.Event.Action == "run.return" {
			returned++
		}
	}
	if returned != 1 {
		t.Errorf("%d trials gave way to one run", returned)
	}
	for _, id := range tried {
		if run, err := ada.CancelRun(ctx, id); err != nil || run.State != anchorhold.RunCancelled {
			t.Errorf("cancelling %s: %s, %v", id, run.State, err)
		}
	}
}
