package wholeway

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/client"
	"github.com/anchorhold/anchorhold/receipt"
)

const people = "name,age,num\nAnn Example,41,0\nBob Example,52,1\nCid Example,63,1\nDee Example,74,0\n"

// declared is code whose one output is of a kind.
func declared(kind, body string) client.NewRequest {
	r := code(body)
	r.Code.Outputs[0].Kind = kind
	return r
}

// followed submits a request, approves it, and follows it until it ends or a
// person is needed.
func (s *site) followed(who *client.Client, n client.NewRequest, d client.NewDecision) anchorhold.Request {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	r, err := who.Submit(ctx, n)
	if err == nil {
		_, err = s.owner().Decide(ctx, r.ID, d)
	}
	if err == nil {
		r, err = s.owner().Wait(ctx, r.ID, ended)
	}
	if err != nil {
		s.t.Fatal(err)
	}
	return r
}

// released lets a held output out (of a request: its only one) and gives its receipt's statement.
func (s *site) released(id string) (client.Release, receipt.Statement, []byte) {
	s.t.Helper()
	ctx := context.Background()
	rel, err := s.owner().DecideRelease(ctx, id, client.NewReleaseDecision{Verdict: anchorhold.Approve})
	if err != nil {
		s.t.Fatal(err)
	}
	file, err := s.owner().Receipt(ctx, id)
	if err != nil {
		s.t.Fatal(err)
	}
	st, err := receipt.Verify(file, s.key)
	if err != nil {
		s.t.Fatal(err)
	}
	return rel, st, file
}

func factsOf(st receipt.Statement) map[string]string {
	out := map[string]string{}
	for _, f := range st.Predicate.Facts {
		out[f.Name] = f.Text
	}
	return out
}

// Rows of a private table leave by a person's decision only, as many as the
// owner allows, and without what the owner masks, whatever the code does; ledger
// and receipt say how many.
func TestSamples(t *testing.T) {
	s := newSite(t, people)
	ctx := context.Background()
	ada := s.researcher()
	want := declared("samples", "return patients.head(2)")
	if _, err := ada.Submit(ctx, want); anchorhold.KindOf(err) != anchorhold.Conflict {
		t.Errorf("samples of data whose owner allows none: %v", err)
	}
	rule := anchorhold.SampleRule{Rows: 2, Mask: []string{"nane"}}
	if _, err := s.owner().EditDataset(ctx, "heart", client.Edit{Samples: &rule}); anchorhold.KindOf(err) != anchorhold.NotFound {
		t.Errorf("a mask that was mistyped: %v", err)
	}
	rule.Mask[0] = "name"
	if _, err := s.owner().EditDataset(ctx, "heart", client.Edit{Samples: &rule}); err != nil {
		t.Fatal(err)
	}
	r := s.followed(ada, want, client.NewDecision{Verdict: anchorhold.Approve, Terms: anchorhold.Terms{AutoRelease: true, Uses: 9}})
	if r.State != anchorhold.StateHeld {
		t.Fatalf("samples are %s in spite of nobody's decision: %s", r.State, r.Runs[0].Reason)
	}
	o := r.Runs[0].Outputs[0]
	if o.Samples == nil || o.Samples.Rows != 2 || o.Samples.Cap != 2 || strings.Join(o.Samples.Masked, " ") != "name" {
		t.Errorf("the decider sees %+v", o.Samples)
	}
	_, st, _ := s.released(r.ID)
	if f := factsOf(st); f["samples-rows"] != "2" || f["samples-cap"] != "2" || f["samples-masked"] == "" || strings.Contains(f["samples-masked"], "name") || st.Predicate.Exposure[0].Amount != `{"rows":2}` {
		t.Errorf("the receipt says %v, %v", f, st.Predicate.Exposure)
	}
	if data := s.output(r.ID); strings.Contains(data, "Ann") || !strings.Contains(data, "age") {
		t.Errorf("what left: %q", data)
	}
	ledger, err := client.Collect(s.owner().Ledger(ctx, ""), 0)
	if err != nil || len(ledger) == 0 || !strings.HasPrefix(ledger[0].What, "2 rows of samples") || ledger[0].Class != anchorhold.ExposureUnbounded {
		t.Errorf("the ledger says %+v, %v", ledger, err)
	}
	if r := s.followed(ada, declared("samples", "return patients.head(3)"), client.NewDecision{Verdict: anchorhold.Approve}); r.State != anchorhold.StateFailed {
		t.Errorf("one row too many is %s", r.State)
	}
}

// output reads what a release let out.
func (s *site) output(id string) string {
	s.t.Helper()
	f, err := s.owner().Output(context.Background(), id)
	if err != nil {
		s.t.Fatal(err)
	}
	defer f.Close()
	var b strings.Builder
	if _, err := io.Copy(&b, f); err != nil {
		s.t.Fatal(err)
	}
	return b.String()
}

// What was made elsewhere takes the same way as what was made here, and its
// receipt says that it was not.
func TestDeposit(t *testing.T) {
	s := newSite(t, people)
	ctx := context.Background()
	dir := filepath.Join(filepath.Dir(s.dir), "made")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	put := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	ada := s.researcher()
	n := declared("csv", "raise RuntimeError('only where the data are')")
	asked, err := ada.Submit(ctx, n)
	if err != nil {
		t.Fatal(err)
	}
	put("result.csv", "num,age\r\n0,57.5\r\n1,57.5\r\n")
	if _, err := s.owner().Deposit(ctx, asked.ID, dir); anchorhold.KindOf(err) != anchorhold.Conflict {
		t.Errorf("handed in for what nobody approved: %v", err)
	}
	if _, err := ada.Deposit(ctx, asked.ID, dir); anchorhold.KindOf(err) != anchorhold.Denied {
		t.Errorf("handed in by its author: %v", err)
	}
	r := s.followed(ada, n, client.NewDecision{Verdict: anchorhold.Approve})
	if r.State != anchorhold.StateFailed {
		t.Fatalf("the run here is %s", r.State)
	}
	put("result.csv", "name,age,num\nAnn Example,41,0\n")
	run, err := s.owner().Deposit(ctx, r.ID, dir)
	if err != nil || run.Deposit == nil || run.Boundary != "none: not run here" || len(run.Outputs) != 1 {
		t.Fatalf("%+v, %v", run, err)
	}
	failed := false
	for _, c := range run.Outputs[0].Checks {
		failed = failed || c.Result == anchorhold.CheckFailed
	}
	if !failed {
		t.Errorf("no check found a private row in what was handed in: %+v", run.Outputs[0].Checks)
	}
	put("result.csv", "num,age\r\n0,57.5\r\n1,57.5\r\n")
	if run, err = s.owner().Deposit(ctx, r.ID, dir); err != nil {
		t.Fatal(err)
	}
	_, st, file := s.released(run.Outputs[0].Release.ID)
	if f := factsOf(st); !strings.Contains(f["deposited"], "handed in by local:") || st.Predicate.Environment.Built != "" || st.Predicate.Run.ID != run.ID {
		t.Errorf("the receipt says %+v", st.Predicate)
	}
	if got := s.output(run.Outputs[0].Release.ID); got != "num,age\n0,57.5\n1,57.5\n" {
		t.Errorf("what left: %q", got)
	}
	if _, err := s.owner().Replay(ctx, file); anchorhold.KindOf(err) != anchorhold.Conflict {
		t.Errorf("a replay of what was not run here: %v", err)
	}
	if err := os.Remove(filepath.Join(dir, "result.csv")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(s.file, filepath.Join(dir, "result.csv")); err != nil {
		t.Fatal(err)
	}
	if _, err := s.owner().Deposit(ctx, r.ID, dir); anchorhold.KindOf(err) != anchorhold.Invalid {
		t.Errorf("a link was followed: %v", err)
	}
}

// A receipt is enough to run the same again and to say whether the same comes
// out; nothing is released by it.
func TestReplay(t *testing.T) {
	s := newSite(t, people)
	ctx := context.Background()
	ada := s.researcher()
	var last []byte // receipt
	replay := func(body string) *anchorhold.Replay {
		t.Helper()
		r := s.followed(ada, code(body), client.NewDecision{Verdict: anchorhold.Approve})
		if r.State != anchorhold.StateHeld {
			t.Fatalf("the run is %s: %s", r.State, r.Runs[0].Reason)
		}
		_, _, file := s.released(r.ID)
		last = file
		before, err := client.Collect(s.owner().Releases(ctx, ""), 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ada.Replay(ctx, file); anchorhold.KindOf(err) != anchorhold.Denied {
			t.Errorf("a replay for a researcher: %v", err)
		}
		run, err := s.owner().Replay(ctx, file)
		if err == nil {
			run, err = s.owner().WaitRun(ctx, run.ID, func(anchorhold.Run) {})
		}
		if err != nil || run.State != anchorhold.RunDone || len(run.Outputs) != 0 || run.Replay == nil || len(run.Replay.Outputs) != 1 {
			t.Fatalf("%+v, %v", run, err)
		}
		after, err := client.Collect(s.owner().Releases(ctx, ""), 0)
		if err != nil || len(after) != len(before) {
			t.Errorf("a replay made a release: %d and %d, %v", len(before), len(after), err)
		}
		if seen, err := ada.Run(ctx, run.ID); err == nil && seen.Replay != nil {
			t.Error("the author sees what a replay gave")
		}
		return run.Replay
	}
	if same := replay("return patients['age'].mean()").Outputs[0]; !same.Same || same.Now != same.Then {
		t.Errorf("the same code on the same data: %+v", same)
	}
	if other := replay("import time\nreturn time.time()").Outputs[0]; other.Same || other.Now == "" {
		t.Errorf("code that reads the clock: %+v", other)
	}
	if _, err := s.owner().Replay(ctx, []byte("{}")); anchorhold.KindOf(err) != anchorhold.Invalid {
		t.Errorf("something that is no receipt: %v", err)
	}
	if _, err := s.owner().WithdrawDataset(ctx, "heart", "heart", client.Halting{Reason: "consent was taken back"}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.owner().Replay(ctx, last); anchorhold.KindOf(err) != anchorhold.Conflict {
		t.Errorf("a replay over a dataset that was withdrawn: %v", err)
	}
}
