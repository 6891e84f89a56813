package exposure_test

import (
	"math"
	"strings"
	"testing"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/dp/account"
	"github.com/anchorhold/anchorhold/exposure"
)

func everything(anchorhold.ExposureAccount) bool { return true }

// standing is that of a population's account.
func (b *bench) standing(scope anchorhold.ExposureScope, name string) exposure.Standing {
	b.t.Helper()
	list, err := b.Standings(b.t.Context(), "patients", everything)
	if err != nil {
		b.t.Fatal(err)
	}
	if err := exposure.Explain(list); err != nil {
		b.t.Fatal(err)
	}
	for _, s := range list {
		if s.Scope == scope && s.Name == name {
			return s
		}
	}
	b.t.Fatalf("no standing of %s %q", scope, name)
	return exposure.Standing{}
}

// TestLimitsInOdds: what is said of pure ε is what its worst mechanism gives, and
// what is said of ρ holds of a Gaussian; both are rounded against the owner.
func TestLimitsInOdds(t *testing.T) {
	b := newBench(t)
	b.must(exposure.NewLimit{Population: "patients", Epsilon: "1"})
	if err := b.ask(pure(t, "0.5")); err != nil {
		t.Fatal(err)
	}
	s := b.standing(anchorhold.LimitPopulation, "")
	e := math.E
	if want := e / (1 + e); s.Meaning.Guess < want-1e-9 || s.Meaning.Guess > want+1e-6 {
		t.Errorf("guessing at ε = 1: %v, not %v", s.Meaning.Guess, want)
	}
	if want := 0.05 * e; math.Abs(s.Meaning.Recognised-want) > 1e-9 {
		t.Errorf("recognised at ε = 1: %v, not %v", s.Meaning.Recognised, want)
	}
	words := strings.Join(s.Meaning.Words, "\n")
	for _, said := range []string{"for 74 of 100 people", "at most 14 of 100", "at most 24 chances in 100"} { // 73.1, 13.6, 23.2
		if !strings.Contains(words, said) {
			t.Errorf("%q is not said in\n%s", said, words)
		}
	}
	if s.Now == nil || s.Now.Guess >= s.Meaning.Guess || s.Now.Guess <= 0.5 {
		t.Errorf("of what was spent it is said: %+v", s.Now)
	}
	b.must(exposure.NewLimit{Population: "patients", Epsilon: "1", Delta: "1e-6", Reason: "Gaussian noise tells less"})
	s = b.standing(anchorhold.LimitPopulation, "")
	limit, err := exposure.Parse(*s.Limit)
	if err != nil {
		t.Fatal(err)
	}
	gaussian := account.GaussianTradeOff{Rho: limit.Rho}
	if s.Meaning.Guess < account.Guess(gaussian) || s.Meaning.Recognised < gaussian.TruePositive(0.05) || s.Meaning.Guess > 0.6 {
		t.Errorf("of ρ = %s it is said: %+v", limit.Rho, s.Meaning)
	}
	if len(s.Meaning.Words) != 2 {
		t.Errorf("a posterior is claimed that does not hold with a δ: %v", s.Meaning.Words)
	}
	b.must(exposure.NewLimit{Population: "patients", Epsilon: "100", Reason: "a test"})
	if s = b.standing(anchorhold.LimitPopulation, ""); !strings.Contains(s.Meaning.Words[0], "for 100 of 100 people") {
		t.Errorf("of ε = 100 it is said: %v", s.Meaning.Words)
	}
}

// TestHowManyMoreFit is told at the price that questions have, and so many do.
func TestHowManyMoreFit(t *testing.T) {
	b := newBench(t)
	b.must(exposure.NewLimit{Population: "patients", Epsilon: "1.05"})
	b.must(exposure.NewLimit{Population: "patients", Scope: anchorhold.LimitResearcher, Epsilon: "0.3"})
	if err := b.ask(pure(t, "0.1")); err != nil {
		t.Fatal(err)
	}
	whole, hers := b.standing(anchorhold.LimitPopulation, ""), b.standing(anchorhold.LimitResearcher, ada)
	if *whole.Fits != 9 || *hers.Fits != 2 || whole.Typical.String() != "0.1" {
		t.Errorf("%d and %d more fit", *whole.Fits, *hers.Fits)
	}
	for range *hers.Fits {
		if err := b.ask(pure(t, "0.1")); err != nil {
			t.Fatal(err)
		}
	}
	if over(b.ask(pure(t, "0.1"))) != anchorhold.LimitResearcher {
		t.Error("one more did, too")
	}

	b = newBench(t)
	b.must(exposure.NewLimit{Population: "patients", Epsilon: "1", Delta: "1e-6"})
	s := b.standing(anchorhold.LimitPopulation, "")
	limit, err := exposure.Parse(*s.Limit)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := *s.Fits, int64(limit.Rho/account.RhoFor(1e11, limit.Conversion)); got != want || got < 50 {
		t.Errorf("with a δ %d questions fit, and by their price %d", got, want)
	}
}

// TestAPastUnderALimitOfEach: what a limit within the population's counts.
func TestAPastUnderALimitOfEach(t *testing.T) {
	b := newBench(t)
	b.must(exposure.NewLimit{Population: "patients", Epsilon: "5"})
	for i, who := range []string{ada, bob, ada, bob} {
		c := pure(t, []string{"0.5", "0.4", "0.6", "0.3"}[i])
		c.Principal, c.Subject = who, []string{"que-1", "que-2", "que-3", "que-4"}[i]
		if c.Study = ""; i == 3 {
			c.Study = "s1"
		}
		if err := b.ask(c); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		limit             exposure.NewLimit
		answered, refused int64
		first             string
	}{
		{exposure.NewLimit{Scope: anchorhold.LimitResearcher, Epsilon: "1"}, 3, 1, "que-3"},
		{exposure.NewLimit{Scope: anchorhold.LimitResearcher, Name: "bob@example.org", Epsilon: "0.5"}, 3, 1, "que-4"},
		{exposure.NewLimit{Scope: anchorhold.LimitExploration, Epsilon: "1"}, 3, 1, "que-3"},
		{exposure.NewLimit{Scope: anchorhold.LimitStudy, Name: "s1", Epsilon: "0.1"}, 3, 1, "que-4"},
		{exposure.NewLimit{Scope: anchorhold.LimitQuestion, Epsilon: "0.4"}, 2, 2, "que-1"},
	} {
		c.limit.Population = "patients"
		r, err := b.Replay(t.Context(), c.limit)
		if err != nil || r.Answered != c.answered || r.Refused != c.refused || r.First != c.first {
			t.Errorf("under %+v: %+v, %v", c.limit, r, err)
		}
	}
	if _, err := b.Replay(t.Context(), exposure.NewLimit{Population: "martians", Epsilon: "1"}); anchorhold.KindOf(err) != anchorhold.NotFound {
		t.Errorf("the past of nobody: %v", err)
	}
}

// TestAPastInAnotherCurrency: what was bought of Gaussian noise is taken for the
// Laplace noise of the same ε.
func TestAPastInAnotherCurrency(t *testing.T) {
	b := newBench(t)
	b.must(exposure.NewLimit{Population: "patients", Epsilon: "3", Delta: "1e-6"})
	for range 3 {
		c := pure(t, "0.5")
		c.Amount = exposure.Priced(5e11, 5e11, account.Charge{Pure: account.Infinite, Rho: 1e9})
		if err := b.ask(c); err != nil {
			t.Fatal(err)
		}
	}
	r, err := b.Replay(t.Context(), exposure.NewLimit{Population: "patients", Epsilon: "1"})
	if err != nil || r.Answered != 2 || r.Refused != 1 || r.Spent.Pure != 1e12 {
		t.Errorf("replayed is %+v, %v", r, err)
	}
}

// TestPlansAreBounded in what a site computes for somebody.
func TestPlansAreBounded(t *testing.T) {
	event := map[string]any{"mechanism": "laplace", "scale": 10.0, "count": 5}
	p, err := exposure.Plan([]any{event}, 1e-6)
	if err != nil || p.Pure.Epsilon == nil || math.Abs(*p.Pure.Epsilon-0.5) > 1e-6 {
		t.Errorf("planned is %+v, %v", p, err)
	}
	if _, err := exposure.Plan(make([]any, 101), 1e-6); anchorhold.KindOf(err) != anchorhold.TooLarge {
		t.Errorf("a plan of 101 kinds of event: %v", err)
	}
	if _, err := exposure.Plan([]any{map[string]any{"mechanism": "magic"}}, 1e-6); anchorhold.KindOf(err) != anchorhold.Invalid {
		t.Errorf("an unknown mechanism: %v", err)
	}
}
