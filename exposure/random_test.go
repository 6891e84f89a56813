package exposure_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/books/bookstest"
	"github.com/anchorhold/anchorhold/dp/account"
	"github.com/anchorhold/anchorhold/exposure"
	"github.com/anchorhold/anchorhold/store"
)

// sums are what an account should have spent, added up from the ledger's own texts, by
// arithmetic of this test's own.
type sums map[anchorhold.ExposureAccount]*[3]*big.Rat

var most = new(big.Rat).SetFrac(big.NewInt(account.Infinite), big.NewInt(1e12))

func (s sums) add(a anchorhold.ExposureAccount, amount map[string]string) error {
	of := s[a]
	if of == nil {
		of = &[3]*big.Rat{new(big.Rat), new(big.Rat), new(big.Rat)}
		s[a] = of
	}
	for i, name := range []string{"pure", "rho", "zcdp_delta"} {
		x := most
		if text := amount[name]; text != "infinite" {
			var ok bool
			if x, ok = new(big.Rat).SetString(text); !ok {
				return fmt.Errorf("%s is no number", text)
			}
		}
		of[i].Add(of[i], x)
		if of[i].Cmp(most) > 0 {
			of[i].Set(most)
		}
	}
	return nil
}

// ledger adds up all entries of a population, in whatever order.
func ledger(tx store.Tx, population string) (sums, error) {
	out := sums{}
	for page := (store.Page{Limit: 7}); ; {
		list, next, err := tx.ListLedger(store.LedgerFilter{Population: population, Class: anchorhold.ExposureProved}, page)
		if err != nil {
			return nil, err
		}
		for _, e := range list {
			var amount map[string]string
			if err := json.Unmarshal([]byte(e.Amount), &amount); err != nil {
				return nil, err
			}
			purpose := anchorhold.ExposureAccount{Population: population, Scope: anchorhold.LimitExploration}
			if e.Study != "" {
				purpose = anchorhold.ExposureAccount{Population: population, Scope: anchorhold.LimitStudy, Name: e.Study}
			}
			for _, a := range []anchorhold.ExposureAccount{{Population: population, Scope: anchorhold.LimitPopulation}, {Population: population, Scope: anchorhold.LimitResearcher, Name: e.Principal}, purpose} {
				if len(e.Counted) == 0 || slices.Contains(e.Counted, a.Scope) {
					if err := out.add(a, amount); err != nil {
						return nil, err
					}
				}
			}
		}
		if next == "" {
			return out, nil
		}
		page.Cursor = next
	}
}

// agrees holds the sums of limits against the ledger, and the ledger's own check.
func (b *bench) agrees(what string) {
	b.t.Helper()
	b.addsUp()
	err := b.View(b.t.Context(), func(tx store.Tx) error {
		for _, population := range []string{"patients", "drivers"} {
			want, err := ledger(tx, population)
			if err != nil {
				return err
			}
			accounts, err := tx.Accounts(population)
			if err != nil {
				return err
			}
			if len(accounts) != len(want) {
				b.t.Errorf("%s: %d accounts of %s have a sum, and %d entries", what, len(accounts), population, len(want))
			}
			for _, a := range accounts {
				s, err := tx.Exposed(a)
				if err != nil {
					return err
				}
				got := [3]*big.Rat{account.Epsilon(s.Pure).Rat(), account.Rho(s.Rho).Rat(), account.Delta(s.Delta).Rat()}
				for i := range got {
					if w := want[a]; w == nil || got[i].Cmp(w[i]) != 0 {
						b.t.Errorf("%s: of %+v the sum is %s, and the ledger says %v", what, a, got[i], want[a])
					}
				}
			}
		}
		return nil
	})
	if err != nil {
		b.t.Fatal(err)
	}
}

// randomCharge is one of anybody's, in any currency.
func randomCharge(t *testing.T, r *rand.Rand, n int) exposure.Charge {
	t.Helper()
	c := pure(t, fmt.Sprintf("0.%d", 1+r.IntN(400)))
	if r.IntN(2) == 0 {
		rho := account.Rho(1 + r.Int64N(3e10))
		c.Amount = exposure.Priced(5e11, 1e11, account.Charge{Pure: account.Infinite, Rho: rho, Delta: account.Delta(r.Int64N(2) * r.Int64N(1e11))})
	}
	c.Principal = []string{ada, bob, "pri-cyd"}[r.IntN(3)]
	c.Study = []string{"", "", "s1", "s2"}[r.IntN(4)]
	c.Populations = [][]string{{"patients"}, {"drivers"}, {"patients", "drivers"}, {"drivers", "patients", "drivers"}}[r.IntN(4)]
	c.Again = r.IntN(5) == 0
	c.Subject = fmt.Sprintf("que-%d", n)
	return c
}

func randomLimit(r *rand.Rand) exposure.NewLimit {
	n := exposure.NewLimit{
		Population: []string{"patients", "drivers"}[r.IntN(2)],
		Scope:      []anchorhold.ExposureScope{anchorhold.LimitPopulation, anchorhold.LimitPopulation, anchorhold.LimitResearcher, anchorhold.LimitStudy, anchorhold.LimitExploration, anchorhold.LimitQuestion}[r.IntN(6)],
		Reason:     "at random",
	}
	if r.IntN(6) > 0 {
		n.Epsilon = fmt.Sprintf("%d.%d", r.IntN(6), 1+r.IntN(9))
	}
	if n.Epsilon != "" && r.IntN(2) == 0 {
		n.Delta = "1e-6"
	}
	switch {
	case n.Scope == anchorhold.LimitResearcher && r.IntN(2) == 0:
		n.Name = "bob@example.org"
	case n.Scope == anchorhold.LimitStudy && r.IntN(2) == 0:
		n.Name = "s1"
	}
	return n
}

// TestRandomActs: whatever is asked, by however many at once, under limits that come
// and go in both currencies, and however often a site is restored, the sums by which
// limits are enforced are those of the ledger; nothing is ever given back; and what
// is charged fits the limits that hold then.
func TestRandomActs(t *testing.T) {
	for seed := range uint64(4) {
		b := newBench(t)
		r := rand.New(rand.NewPCG(seed, 7)) //nolint:gosec // so that what fails can be seen again
		b.must(exposure.NewLimit{Population: "patients", Epsilon: "40"})
		b.must(exposure.NewLimit{Population: "drivers", Epsilon: "40", Delta: "1e-5"})
		saved, charged := b.Save(), 0
		for step := range 60 {
			what := fmt.Sprintf("seed %d, step %d", seed, step)
			switch r.IntN(10) {
			case 0, 1:
				before := b.all()
				if err := b.limit(randomLimit(r)); err != nil && anchorhold.KindOf(err) == anchorhold.Internal {
					t.Fatal(what, err)
				}
				if after := b.all(); !slices.Equal(before, after) {
					t.Errorf("%s: a limit changed what was spent: %v, then %v", what, before, after)
				}
			case 2:
				saved = b.Save()
			case 3:
				b.restored(saved)
				b.must(exposure.NewLimit{Population: "patients", Epsilon: "90", Delta: "1e-5", Reason: "what was lost is known"})
				b.must(exposure.NewLimit{Population: "drivers", Epsilon: "90", Reason: "what was lost is known"})
			case 4, 5:
				b.together(r, step, what)
			default:
				if b.ask(randomCharge(t, r, step)) == nil {
					charged++
				}
			}
			b.agrees(what)
		}
		if charged < 3 {
			t.Errorf("seed %d: only %d questions were charged", seed, charged)
		}
	}
}

// all gives every sum, in order.
func (b *bench) all() (out []string) {
	b.t.Helper()
	err := b.View(b.t.Context(), func(tx store.Tx) error {
		for _, population := range []string{"patients", "drivers"} {
			accounts, err := tx.Accounts(population)
			if err != nil {
				return err
			}
			for _, a := range accounts {
				s, err := tx.Exposed(a)
				if err != nil {
					return err
				}
				out = append(out, fmt.Sprint(a, s))
			}
		}
		return nil
	})
	if err != nil {
		b.t.Fatal(err)
	}
	slices.Sort(out)
	return out
}

// together has several ask at once. What was within a limit is within it still.
func (b *bench) together(r *rand.Rand, step int, what string) {
	b.t.Helper()
	within := b.within()
	var all sync.WaitGroup
	for i := range 8 {
		c := randomCharge(b.t, r, 1000*step+i)
		all.Go(func() {
			var over *exposure.Over
			if err := b.ask(c); err != nil && !errors.As(err, &over) && anchorhold.KindOf(err) != anchorhold.Conflict {
				b.t.Error(what, err)
			}
		})
	}
	all.Wait()
	for a := range within {
		if !b.within()[a] {
			b.t.Errorf("%s: %+v is over its limit", what, a)
		}
	}
}

// within gives the accounts that are within limits of their own, by the numbers that
// a limit is kept with.
func (b *bench) within() map[anchorhold.ExposureAccount]bool {
	b.t.Helper()
	out := map[anchorhold.ExposureAccount]bool{}
	for _, population := range []string{"patients", "drivers"} {
		st, err := b.Standings(b.t.Context(), population, func(anchorhold.ExposureAccount) bool { return true })
		if err != nil {
			b.t.Fatal(err)
		}
		for _, s := range st {
			if s.Limit == nil || s.Scope == anchorhold.LimitQuestion {
				continue
			}
			l, err := exposure.Parse(*s.Limit)
			if err != nil {
				b.t.Fatal(err)
			}
			if l.Pure() && s.Spent.Pure <= l.Epsilon && s.Spent.Delta == 0 || !l.Pure() && s.Spent.Rho <= l.Rho && s.Spent.Delta <= l.Delta-l.Conversion {
				out[s.ExposureAccount] = true
			}
		}
	}
	return out
}

// restored goes back to a copy, as a site does whose loss was accepted: all that its
// limits allow is taken for spent, and where there was no limit, the next one needs
// a reason.
func (b *bench) restored(saved bookstest.Saved) {
	b.t.Helper()
	b.Set = saved.Open(b.t)
	b.Service = &exposure.Service{Books: b.Set.Books}
	for _, population := range []string{"patients", "drivers"} {
		err := b.Store.Update(b.t.Context(), func(tx store.Tx) error { return exhaust(tx, b.Now(), population) })
		if err != nil {
			b.t.Fatal(err)
		}
		for _, epsilon := range []string{"0.000000000001", "0.5"} {
			c := pure(b.t, epsilon)
			c.Populations = []string{population}
			if err := b.ask(c); err == nil {
				b.t.Errorf("a restored site answers about %s", population)
			}
		}
		l := exposure.NewLimit{Population: population, Epsilon: "1000"}
		if err := b.limit(l); anchorhold.KindOf(err) != anchorhold.Invalid {
			b.t.Errorf("a restored site takes a limit for %s without a reason: %v", population, err)
		}
	}
}

// TestARestoredSiteWithoutALimit does not begin anew: what was answered under a limit
// that the backup does not know is lost, and the next limit says why it is right.
func TestARestoredSiteWithoutALimit(t *testing.T) {
	b := newBench(t)
	saved := b.Save()
	b.must(exposure.NewLimit{Population: "patients", Epsilon: "1"})
	if err := b.ask(pure(t, "1")); err != nil {
		t.Fatal(err)
	}
	b.restored(saved)
	b.agrees("restored")
	b.must(exposure.NewLimit{Population: "patients", Epsilon: "1", Reason: "the log of the partner shows what was asked"})
}

func exhaust(tx store.Tx, now time.Time, population string) error {
	_, err := exposure.Exhaust(tx, now, population, "bak-1", "restored")
	return err
}
