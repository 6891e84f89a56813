package environment_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/books/bookstest"
	"github.com/anchorhold/anchorhold/environment"
	"github.com/anchorhold/anchorhold/policy"
	"github.com/anchorhold/anchorhold/store"
)

func lock(i int) string {
	return fmt.Sprintf("# python: 3.11\n# build: tiny\ntiny==%d.0 \\\n    --hash=sha256:%064d\n", i, i)
}

func permit(t *testing.T, id string, action policy.Action) policy.Permit {
	t.Helper()
	rules, err := policy.New()
	if err != nil {
		t.Fatal(err)
	}
	p, err := rules.Check(anchorhold.Principal{
		ID: id, Email: id + "@example.org", Bindings: []anchorhold.Binding{{Role: anchorhold.RoleOwner, Scope: anchorhold.ScopeSite}},
	}, action, policy.Site())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// Whoever asks sees what was made of it; a yes needs what is built, a no a
// reason; and each is in the books.
func TestAskAndDecide(t *testing.T) {
	set := bookstest.New(t)
	built := map[string]bool{}
	s := environment.Service{Books: set.Books, Built: func(l string) bool { return built[l] }}
	ctx := context.Background()
	ask, decide := permit(t, "pri-ada", policy.EnvironmentAsk), permit(t, "pri-owner", policy.EnvironmentDecide)
	r, err := s.Ask(ctx, ask, environment.New{Lock: lock(1), Reason: "survival curves"})
	if err != nil || r.State != anchorhold.EnvironmentRequested || r.Python != "3.11" || fmt.Sprint(r.Builds, r.Packages) != "[tiny] [tiny==1.0]" {
		t.Fatalf("%+v, %v", r, err)
	}
	if again, err := s.Ask(ctx, ask, environment.New{Lock: lock(1)}); err != nil || again.ID != r.ID || again.Reason != r.Reason {
		t.Errorf("asked again: %+v, %v", again, err)
	}
	if _, err := s.Decide(ctx, decide, r.ID, anchorhold.Approve, ""); anchorhold.KindOf(err) != anchorhold.Conflict {
		t.Errorf("a yes to what is not built: %v", err)
	}
	if _, err := s.Decide(ctx, decide, r.ID, anchorhold.Deny, ""); anchorhold.KindOf(err) != anchorhold.Invalid {
		t.Errorf("a no without a reason: %v", err)
	}
	built[r.Lock] = true
	if d, err := s.Decide(ctx, decide, r.ID, anchorhold.Approve, "here it is"); err != nil || d.State != anchorhold.EnvironmentAdded || d.Decided == nil {
		t.Errorf("a yes: %+v, %v", d, err)
	}
	if _, err := s.Decide(ctx, decide, r.ID, anchorhold.Deny, "no"); anchorhold.KindOf(err) != anchorhold.Conflict {
		t.Errorf("decided twice: %v", err)
	}
	if _, err := s.Ask(ctx, ask, environment.New{Lock: lock(1)}); anchorhold.KindOf(err) != anchorhold.Conflict {
		t.Errorf("asked for what is there: %v", err)
	}
	if _, err := s.Decide(ctx, decide, "env-0123456789abcdef", anchorhold.Deny, "no"); anchorhold.KindOf(err) != anchorhold.NotFound {
		t.Errorf("an absent request: %v", err)
	}
	err = set.View(ctx, func(tx store.Tx) error {
		kept, err := tx.EnvironmentRequest(r.ID)
		if err == nil && (kept.Text != lock(1) || kept.State != anchorhold.EnvironmentAdded) {
			t.Errorf("kept: %+v", kept)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// What is asked for is bounded, and is a lock.
func TestAskingIsBounded(t *testing.T) {
	s := environment.Service{Books: bookstest.New(t).Books, Built: func(string) bool { return false }}
	ctx, ask := context.Background(), permit(t, "pri-ada", policy.EnvironmentAsk)
	for name, n := range map[string]environment.New{
		"no lock":        {},
		"an address":     {Lock: "tiny @ https://example.org/tiny.whl\n"},
		"too large":      {Lock: strings.Repeat(lock(1), 10_000)},
		"a strange word": {Lock: lock(1), Reason: "\x1b[2J"},
	} {
		if _, err := s.Ask(ctx, ask, n); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
	for i := range 20 {
		if _, err := s.Ask(ctx, ask, environment.New{Lock: lock(i)}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Ask(ctx, ask, environment.New{Lock: lock(99)}); anchorhold.KindOf(err) != anchorhold.Conflict {
		t.Errorf("one too many: %v", err)
	}
	if _, err := s.Ask(ctx, permit(t, "pri-bob", policy.EnvironmentAsk), environment.New{Lock: lock(99)}); err != nil {
		t.Errorf("somebody else: %v", err)
	}
}
