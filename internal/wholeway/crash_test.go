package wholeway

import (
	"context"
	"strings"
	"testing"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/client"
)

// Every durable step of the way, as failpoints name it. The process is killed
// there with SIGKILL, started again, and everybody goes on as if nothing had
// happened: clients repeat what they were not answered.
func failpoints() []string {
	return []string{
		"request.submit/before-commit", "request.submit/after-commit",
		"request.decide/before-commit", "request.decide/after-commit",
		// Two runs begin and end: the one on the private table, and the site's own
		// look at the code, which goes on beside it.
		"run.start/before-commit", "run.start/after-commit", "run/performed", "run.finish/before-commit",
		"run.start/before-commit:2", "run.start/after-commit:2",
		"run/claimed:2", "run/ran", "run/checked", "run/performed:2",
		"blob.written", "blob.synced", "blob.renamed",
		"run.finish/before-commit:2", "run.finish/after-commit:2",
		"release.decide/before-commit", "release.decide/after-commit",
	}
}

func TestKilledAtEveryStep(t *testing.T) {
	for _, point := range failpoints() {
		t.Run(point, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, heart(50), "ANCHORHOLD_FAILPOINT="+point)
			who := s.researcher()
			r := s.ask(who, `return patients.groupby("sex")["age"].mean()`, false)
			if r.State != anchorhold.StateHeld {
				t.Fatalf("the request is %s: %+v", r.State, r.Runs)
			}
			decided, err := s.owner().DecideRelease(context.Background(), r.ID, client.NewReleaseDecision{Verdict: anchorhold.Approve})
			if err != nil {
				t.Fatalf("releasing: %v", err)
			}
			if s.died() != 1 {
				t.Errorf("the process died %d times, want once", s.died())
			}
			s.count(who, decided.Request)
		})
	}
}

// count makes sure that everything is there exactly once, and in the books.
func (s *site) count(who *client.Client, id string) {
	s.t.Helper()
	ctx := context.Background()
	requests, err := client.Collect(s.owner().Requests(ctx, ""), 100)
	if err != nil || len(requests) != 1 {
		s.t.Fatalf("%d requests, %v", len(requests), err)
	}
	r := requests[0]
	if r.ID != id || r.State != anchorhold.StateReleased || len(r.Decisions) != 1 || len(r.Runs) != 1 || len(r.Runs[0].Outputs) != 1 {
		s.t.Errorf("the request is %s with %d decisions and %d runs: %+v", r.State, len(r.Decisions), len(r.Runs), r.Runs)
	}
	ledger, err := client.Collect(s.owner().Ledger(ctx, ""), 100)
	if err != nil || len(ledger) != 1 {
		s.t.Errorf("%d ledger entries, %v; want one for one release", len(ledger), err)
	}
	events := map[string]int{}
	for e, err := range s.owner().AuditEntries(ctx, 0) {
		if err != nil {
			s.t.Fatal(err)
		}
		events[strings.TrimSpace(e.Event.Action+" "+e.Event.Details["side"])]++
	}
	for _, action := range []string{"request.submit", "run.finish", "release.approve", "release.decide"} {
		if events[action] != 1 {
			s.t.Errorf("%d audit entries say %s, want one: %v", events[action], action, events)
		}
	}
	if n := events["run.finish mock"]; n > 1 { // it may still go on
		s.t.Errorf("the look at the code was finished %d times", n)
	}
	s.receiptOf(who, id)
	s.run("audit", "verify", "--dir", s.dir)
}
