package exposure_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/books"
	"github.com/anchorhold/anchorhold/books/bookstest"
	"github.com/anchorhold/anchorhold/digest"
	"github.com/anchorhold/anchorhold/dp/account"
	"github.com/anchorhold/anchorhold/exposure"
	"github.com/anchorhold/anchorhold/policy"
	"github.com/anchorhold/anchorhold/store"
)

// bench is a site's books with two datasets about one population, one about
// another, and two people.
type bench struct {
	*exposure.Service
	*bookstest.Set
	t *testing.T
}

const ada, bob = "pri-ada", "pri-bob"

func newBench(t *testing.T) *bench {
	t.Helper()
	set := bookstest.New(t)
	err := set.Store.Update(t.Context(), func(tx store.Tx) error {
		var errs []error
		for name, population := range map[string]string{"heart": "patients", "visits": "patients", "roads": "drivers"} {
			errs = append(errs, tx.PutDataset(anchorhold.Dataset{ID: "dat-" + name, Name: name, Population: population, Visibility: anchorhold.VisibleToUsers, Quorum: 1}))
		}
		for _, id := range []string{ada, bob} {
			errs = append(errs, tx.PutPrincipal(anchorhold.Principal{ID: id, Email: strings.TrimPrefix(id, "pri-") + "@example.org"}))
		}
		return errors.Join(errs...)
	})
	if err != nil {
		t.Fatal(err)
	}
	return &bench{&exposure.Service{Books: set.Books}, set, t}
}

func (b *bench) limit(n exposure.NewLimit) error {
	b.t.Helper()
	p := bookstest.Permit(b.t, anchorhold.Principal{
		ID: "pri-olga", Email: "olga@example.org", Bindings: []anchorhold.Binding{{Role: anchorhold.RoleOwner, Scope: anchorhold.ScopeSite}},
	}, policy.ExposureLimit, policy.Site())
	_, err := b.SetLimit(context.Background(), p, n)
	return err
}

func (b *bench) must(n exposure.NewLimit) {
	b.t.Helper()
	if err := b.limit(n); err != nil {
		b.t.Fatal(err)
	}
}

// pure is a charge of ada's in pure ε.
func pure(t *testing.T, epsilon string) exposure.Charge {
	t.Helper()
	e, err := account.ParseEpsilon(epsilon)
	if err != nil {
		t.Fatal(err)
	}
	c, err := account.PureCharge(e)
	if err != nil {
		t.Fatal(err)
	}
	return exposure.Charge{Principal: ada, Subject: "que-1", What: "COUNT", Populations: []string{"patients"}, Amount: exposure.Priced(e, 0, c)}
}

func (b *bench) ask(c exposure.Charge) error {
	_, err := books.Act(context.Background(), b.Set.Books, policy.SiteAct(policy.QueryAsk, "test"), func(tx store.Tx) (struct{}, books.Record, error) {
		return struct{}{}, books.Record{Subject: c.Subject}, exposure.Reserve(tx, b.Now(), c)
	})
	return err
}

func (b *bench) spent(a anchorhold.ExposureAccount) (s anchorhold.Exposed) {
	b.t.Helper()
	if err := b.View(context.Background(), func(tx store.Tx) (err error) {
		s, err = tx.Exposed(a)
		return err
	}); err != nil {
		b.t.Fatal(err)
	}
	return s
}

func (b *bench) addsUp() {
	b.t.Helper()
	err := b.View(context.Background(), func(tx store.Tx) error {
		return errors.Join(exposure.Check(tx, "patients"), exposure.Check(tx, "drivers"))
	})
	if err != nil {
		b.t.Error(err)
	}
}

func over(err error) anchorhold.ExposureScope {
	var o *exposure.Over
	if errors.As(err, &o) {
		return o.Account.Scope
	}
	return ""
}

// TestARaceForWhatFitsTen is won by ten of a hundred, to the last decimal.
func TestARaceForWhatFitsTen(t *testing.T) {
	b := newBench(t)
	b.must(exposure.NewLimit{Population: "patients", Epsilon: "1.0"})
	var served, refused atomic.Int64
	var all sync.WaitGroup
	for range 100 {
		all.Go(func() {
			switch err := b.ask(pure(t, "0.1")); {
			case err == nil:
				served.Add(1)
			case over(err) == anchorhold.LimitPopulation:
				refused.Add(1)
			default:
				t.Error(err)
			}
		})
	}
	all.Wait()
	if served.Load() != 10 || refused.Load() != 90 {
		t.Errorf("%d were served and %d refused", served.Load(), refused.Load())
	}
	if s := b.spent(anchorhold.ExposureAccount{Population: "patients", Scope: anchorhold.LimitPopulation}); s.Pure != 1e12 || s.Plain != 1e12 {
		t.Errorf("spent is %+v", s)
	}
	b.addsUp()
}

// TestNothingWithoutALimit of the population, whatever other limits there are.
func TestNothingWithoutALimit(t *testing.T) {
	b := newBench(t)
	b.must(exposure.NewLimit{Population: "patients", Scope: anchorhold.LimitResearcher, Epsilon: "1"})
	if err := b.ask(pure(t, "0.1")); anchorhold.KindOf(err) != anchorhold.Conflict || !strings.Contains(err.Error(), "no limit of exposure") {
		t.Errorf("asked without a limit: %v", err)
	}
	if s := b.spent(anchorhold.ExposureAccount{Population: "patients", Scope: anchorhold.LimitResearcher, Name: ada}); s != (anchorhold.Exposed{}) {
		t.Errorf("a refused charge left %+v", s)
	}
}

// TestEveryAccountCounts: what one limit refuses is charged nowhere, and each is
// named; who has a limit of their own is not under that of everybody.
func TestEveryAccountCounts(t *testing.T) {
	b := newBench(t)
	b.must(exposure.NewLimit{Population: "patients", Epsilon: "10"})
	b.must(exposure.NewLimit{Population: "drivers", Epsilon: "0.3"})
	b.must(exposure.NewLimit{Population: "patients", Scope: anchorhold.LimitQuestion, Epsilon: "2"})
	b.must(exposure.NewLimit{Population: "patients", Scope: anchorhold.LimitExploration, Epsilon: "3"})
	b.must(exposure.NewLimit{Population: "patients", Scope: anchorhold.LimitStudy, Name: "trial-7", Epsilon: "1"})
	b.must(exposure.NewLimit{Population: "patients", Scope: anchorhold.LimitResearcher, Epsilon: "1.5"})
	b.must(exposure.NewLimit{Population: "patients", Scope: anchorhold.LimitResearcher, Name: "bob@example.org", Epsilon: "4", Reason: "he leads the study"})
	as := func(who, study, epsilon string, populations ...string) exposure.Charge {
		c := pure(t, epsilon)
		c.Principal, c.Study, c.Populations = who, study, populations
		return c
	}
	for i, step := range []struct {
		charge exposure.Charge
		wants  anchorhold.ExposureScope
	}{
		{as(ada, "", "2.5", "patients"), anchorhold.LimitQuestion},
		{as(ada, "", "1", "patients"), ""},
		{as(ada, "", "0.6", "patients"), anchorhold.LimitResearcher},
		{as(bob, "", "2", "patients"), ""}, // bob's own
		{as(bob, "", "0.1", "patients"), anchorhold.LimitExploration},
		{as(bob, "trial-7", "1", "patients"), ""},
		{as(bob, "trial-7", "0.1", "patients"), anchorhold.LimitStudy},
		{as(bob, "trial-8", "0.1", "patients", "drivers", "patients"), ""},
		{as(bob, "trial-8", "0.3", "patients", "drivers"), anchorhold.LimitPopulation}, // of drivers; patients is charged neither
	} {
		before := b.spent(anchorhold.ExposureAccount{Population: "patients", Scope: anchorhold.LimitPopulation})
		err := b.ask(step.charge)
		if over(err) != step.wants || (err == nil) != (step.wants == "") {
			t.Errorf("step %d: %v", i, err)
		}
		if after := b.spent(anchorhold.ExposureAccount{Population: "patients", Scope: anchorhold.LimitPopulation}); (after == before) != (err != nil) {
			t.Errorf("step %d: %+v was spent, then %+v", i, before, after)
		}
	}
	b.addsUp()
}

// TestAnAnswerAgain is charged to who learns it, not to the population.
func TestAnAnswerAgain(t *testing.T) {
	b := newBench(t)
	b.must(exposure.NewLimit{Population: "patients", Epsilon: "1"})
	b.must(exposure.NewLimit{Population: "patients", Scope: anchorhold.LimitResearcher, Epsilon: "1"})
	first := pure(t, "1")
	again := first
	again.Principal, again.Again = bob, true
	if err := errors.Join(b.ask(first), b.ask(again)); err != nil {
		t.Fatal(err)
	}
	if err := b.ask(again); over(err) != anchorhold.LimitResearcher {
		t.Errorf("bob learns more than his limit: %v", err)
	}
	if s := b.spent(anchorhold.ExposureAccount{Population: "patients", Scope: anchorhold.LimitPopulation}); s.Pure != 1e12 {
		t.Errorf("of the population %+v was spent", s)
	}
	b.addsUp()
}

// TestTwoCurrencies: a pure limit admits nothing with a δ; one with a δ counts ρ
// and what the answers' own δ leave.
func TestTwoCurrencies(t *testing.T) {
	b := newBench(t)
	gaussian := func(rho string) exposure.Charge {
		r, err := account.ParseRho(rho)
		if err != nil {
			t.Fatal(err)
		}
		c := pure(t, "1")
		c.Amount = exposure.Priced(1e12, 1e11, account.Charge{Pure: account.Infinite, Rho: r})
		return c
	}
	b.must(exposure.NewLimit{Population: "patients", Epsilon: "3"})
	if err := b.ask(gaussian("0.0001")); over(err) != anchorhold.LimitPopulation {
		t.Errorf("a Gaussian answer under a pure limit: %v", err)
	}
	if err := b.limit(exposure.NewLimit{Population: "patients", Epsilon: "3", Delta: "1e-6"}); anchorhold.KindOf(err) != anchorhold.Invalid {
		t.Errorf("another currency without a reason: %v", err)
	}
	b.must(exposure.NewLimit{Population: "patients", Epsilon: "3", Delta: "1e-6", Reason: "Gaussian noise tells less"})
	n := 0
	for ; b.ask(gaussian("0.01")) == nil; n++ {
	}
	// ρ_max for (3, 5e-7) lies between 0.17 and 0.18.
	if n != 17 {
		t.Errorf("%d answers of ρ = 0.01 fit", n)
	}
	st, err := b.Standings(t.Context(), "patients", func(a anchorhold.ExposureAccount) bool { return a.Scope == anchorhold.LimitPopulation })
	if err != nil || len(st) != 1 || st[0].Epsilon > 3e12 || st[0].Epsilon < 2.8e12 || st[0].Plain != account.Epsilon(17e12) || st[0].Left.Rho >= 1e10 {
		t.Errorf("standing is %+v, %v", st, err)
	}
	b.addsUp()
}

// TestRaisingIsOnRecord: a reason where more may be learnt than before, by
// whatever way; and nothing is given back.
func TestRaisingIsOnRecord(t *testing.T) {
	b := newBench(t)
	b.must(exposure.NewLimit{Population: "patients", Epsilon: "1"})
	if err := b.ask(pure(t, "1")); err != nil {
		t.Fatal(err)
	}
	more := exposure.NewLimit{Population: "patients", Epsilon: "1.5"}
	if err := b.limit(more); anchorhold.KindOf(err) != anchorhold.Invalid {
		t.Errorf("raised without a reason: %v", err)
	}
	b.must(exposure.NewLimit{Population: "patients", Epsilon: "0.5"})
	b.must(exposure.NewLimit{Population: "patients"})
	if err := b.limit(more); anchorhold.KindOf(err) != anchorhold.Invalid {
		t.Errorf("raised by ending the limit first: %v", err)
	}
	more.Reason = "the ethics board agreed"
	b.must(more)
	if err := b.ask(pure(t, "0.6")); over(err) != anchorhold.LimitPopulation {
		t.Errorf("what was spent was given back: %v", err)
	}
	if err := b.ask(pure(t, "0.5")); err != nil {
		t.Error(err)
	}
	events := b.Events()
	found := false
	for _, e := range events {
		found = found || e.Action == "exposure.limit" && e.Details["reason"] == more.Reason && e.Details["limit"] == "ε 1.5" && e.Details["before"] == "none"
	}
	if !found {
		t.Errorf("the raise is not on record: %+v", events)
	}
	for what, n := range map[string]exposure.NewLimit{
		"a population that nobody knows": {Population: "martians", Epsilon: "1"},
		"a person whom nobody knows":     {Population: "patients", Scope: anchorhold.LimitResearcher, Name: "eve@example.org", Epsilon: "1"},
		"a named population limit":       {Population: "patients", Name: "x", Epsilon: "1"},
		"an epsilon below zero":          {Population: "patients", Epsilon: "-1"},
		"an epsilon that is no number":   {Population: "patients", Epsilon: "NaN"},
		"an infinite epsilon":            {Population: "patients", Epsilon: "infinite"},
		"a delta alone":                  {Population: "patients", Delta: "1e-6"},
		"a delta of one":                 {Population: "patients", Epsilon: "1", Delta: "1"},
		"no limit that there is":         {Population: "drivers"},
		"no kind of limit":               {Population: "patients", Scope: "everybody", Epsilon: "1"},
	} {
		n.Reason = "r"
		if err := b.limit(n); err == nil {
			t.Errorf("%s is taken", what)
		}
	}
}

// TestAPastUnderAnotherLimit is told without changing anything.
func TestAPastUnderAnotherLimit(t *testing.T) {
	b := newBench(t)
	b.must(exposure.NewLimit{Population: "patients", Epsilon: "2"})
	for i, e := range []string{"0.5", "0.9", "0.4"} {
		c := pure(t, e)
		c.Subject = []string{"que-1", "que-2", "que-3"}[i]
		if err := b.ask(c); err != nil {
			t.Fatal(err)
		}
	}
	r, err := b.Replay(t.Context(), exposure.NewLimit{Population: "patients", Epsilon: "1"})
	if err != nil || r.Answered != 2 || r.Refused != 1 || r.First != "que-2" || r.Spent.Pure != 9e11 {
		t.Errorf("replayed is %+v, %v", r, err)
	}
	if _, err := b.Replay(t.Context(), exposure.NewLimit{Population: "patients"}); err == nil {
		t.Error("a replay without a limit")
	}
}

// TestARestoredSiteHasSpentAll that its limits allow, until one is raised.
func TestARestoredSiteHasSpentAll(t *testing.T) {
	b := newBench(t)
	b.must(exposure.NewLimit{Population: "patients", Epsilon: "1"})
	if err := b.ask(pure(t, "0.1")); err != nil {
		t.Fatal(err)
	}
	err := b.Store.Update(t.Context(), func(tx store.Tx) error {
		return errors.Join(exhaust(tx, b.Now(), "patients"), exhaust(tx, b.Now(), "drivers"))
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.ask(pure(t, "0.001")); over(err) != anchorhold.LimitPopulation {
		t.Errorf("asked of a restored site: %v", err)
	}
	b.addsUp()
	b.must(exposure.NewLimit{Population: "patients", Epsilon: "1.1", Reason: "the log of the partner shows what was asked"})
	if err := b.ask(pure(t, "0.1")); err != nil {
		t.Error(err)
	}
}

// TestARestoredSiteHasSpentInEveryCurrency: a limit in another one is not a fresh
// start.
func TestARestoredSiteHasSpentInEveryCurrency(t *testing.T) {
	for _, c := range []struct{ before, after exposure.NewLimit }{
		{exposure.NewLimit{Epsilon: "1", Delta: "1e-6"}, exposure.NewLimit{Epsilon: "3"}},
		{exposure.NewLimit{Epsilon: "1"}, exposure.NewLimit{Epsilon: "0.9", Delta: "1e-6"}},
	} {
		b := newBench(t)
		c.before.Population, c.after.Population, c.after.Reason = "patients", "patients", "another currency"
		b.must(c.before)
		if err := b.Store.Update(t.Context(), func(tx store.Tx) error { return exhaust(tx, b.Now(), "patients") }); err != nil {
			t.Fatal(err)
		}
		b.must(c.after)
		if err := b.ask(pure(t, "0.001")); over(err) != anchorhold.LimitPopulation {
			t.Errorf("after %+v was exhausted, under %+v: %v", c.before, c.after, err)
		}
		b.addsUp()
	}
}

// TestAmountsAreCanonical, since a receipt holds them as they are.
func TestAmountsAreCanonical(t *testing.T) {
	text, err := digest.Marshal(pure(t, "0.25").Amount)
	if err != nil {
		t.Fatal(err)
	}
	b := newBench(t)
	b.must(exposure.NewLimit{Population: "patients", Epsilon: "1"})
	if err := b.ask(pure(t, "0.25")); err != nil {
		t.Fatal(err)
	}
	if err := b.View(t.Context(), func(tx store.Tx) error {
		list, _, err := tx.ListLedger(store.LedgerFilter{Class: anchorhold.ExposureProved}, store.Page{})
		if err == nil && (len(list) != 1 || list[0].Amount != string(text)) {
			t.Errorf("the ledger has %+v, and the canonical form is %s", list, text)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
}
