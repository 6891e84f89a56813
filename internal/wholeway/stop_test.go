package wholeway

import (
	"context"
	"testing"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/client"
)

// A run has three attempts, against code that kills the site. An operator who
// restarts the site takes none of them away, however often.
func TestRestartsCostNoAttempt(t *testing.T) {
	t.Parallel()
	s := newSite(t, heart(50))
	who := s.researcher()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	r, err := who.Submit(ctx, code("import time\ntime.sleep(4)\nreturn patients.groupby(\"sex\")[\"age\"].mean()"))
	if err == nil {
		_, err = s.owner().Decide(ctx, r.ID, client.NewDecision{Verdict: anchorhold.Approve})
	}
	if err != nil {
		t.Fatal(err)
	}
	const restarts = 4
	for i := range restarts {
		going := func(r anchorhold.Request) bool { return r.State == anchorhold.StateRunning || ended(r) }
		if r, err = s.owner().Wait(ctx, r.ID, going); err != nil || ended(r) {
			t.Fatalf("before restart %d the request is %s, %v", i+1, r.State, err)
		}
		s.restart()
	}
	if r, err = s.owner().Wait(ctx, r.ID, ended); err != nil || r.State != anchorhold.StateHeld {
		t.Fatalf("after all restarts the request is %s, %v: %+v", r.State, err, r.Runs)
	}
	if len(r.Runs) != 1 || r.Runs[0].Attempt != 1 {
		t.Errorf("the run was counted as started more than once: %+v", r.Runs)
	}
	s.run("audit", "verify", "--dir", s.dir)
}
