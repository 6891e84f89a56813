package question_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"math/rand/v2"
	"os"
	"testing"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/exposure"
	"github.com/anchorhold/anchorhold/question"
	"github.com/anchorhold/anchorhold/store"
)

// TestTheLogAddsUp: from the audit log alone, what every account has spent can be added
// up, and is what limits are enforced by: of answers, failures, refusals, answers
// that were there already, and of who asks at the same time.
func TestTheLogAddsUp(t *testing.T) {
	b := people("x int", nil, "5").spending("3", "1e-6").open(t)
	b.limit(exposure.NewLimit{Scope: anchorhold.LimitResearcher, Epsilon: "2", Delta: "1e-6"})
	r := rand.New(rand.NewPCG(5, 6)) //nolint:gosec // so that what fails can be seen again
	open := b.Open
	b.Open = func(ctx context.Context, d anchorhold.Dataset) ([]*os.File, error) {
		if b.opened++; b.opened%4 == 0 {
			return nil, errors.New("an engine that fails")
		}
		return open(ctx, d)
	}
	for i := range 40 {
		who, study := []string{"ada", "bob", "cyd"}[r.IntN(3)], []string{"", "s1", "s2"}[r.IntN(3)]
		sql := at(fmt.Sprintf("0.%d", 1+r.IntN(4)), fmt.Sprintf("COUNT(*) AS n%d FROM people", r.IntN(3)))
		_, err := b.Ask(context.Background(), b.permitIn(who, study), "heart", question.Asked{SQL: sql, Study: study})
		if kind := anchorhold.KindOf(err); err != nil && kind != anchorhold.Conflict && kind != anchorhold.Unavailable {
			t.Fatal(i, err)
		}
	}
	b.VerifyLog()
	want := map[anchorhold.ExposureAccount]*big.Int{}
	add := func(scope anchorhold.ExposureScope, name, rho string) {
		x, ok := new(big.Rat).SetString(rho)
		if !ok {
			t.Fatalf("%q is no number", rho)
		}
		a := anchorhold.ExposureAccount{Population: "patients", Scope: scope, Name: name}
		if want[a] == nil {
			want[a] = new(big.Int)
		}
		want[a].Add(want[a], x.Mul(x, big.NewRat(1e12, 1)).Num())
	}
	again := 0
	for _, e := range b.Events() {
		if e.Action != "query.ask" || e.Details["amount"] == "" {
			continue
		}
		var amount struct {
			Rho string `json:"rho"`
		}
		if err := json.Unmarshal([]byte(e.Details["amount"]), &amount); err != nil {
			t.Fatal(err)
		}
		add(anchorhold.LimitResearcher, e.Details["principal"], amount.Rho)
		if e.Details["again"] != "" {
			again++
			continue
		}
		add(anchorhold.LimitPopulation, "", amount.Rho)
		if study := e.Details["study"]; study != "" {
			add(anchorhold.LimitStudy, study, amount.Rho)
		} else {
			add(anchorhold.LimitExploration, "", amount.Rho)
		}
	}
	if again == 0 || len(want) < 6 {
		t.Errorf("%d accounts were charged, and %d answers were there already", len(want), again)
	}
	if err := b.View(t.Context(), func(tx store.Tx) error {
		accounts, err := tx.Accounts("patients")
		for _, a := range accounts {
			s, err := tx.Exposed(a)
			if err != nil {
				return err
			}
			if want[a] == nil || want[a].Int64() != s.Rho {
				t.Errorf("of %+v the log says %v, and the sum is %d", a, want[a], s.Rho)
			}
		}
		if len(accounts) != len(want) {
			t.Errorf("%d accounts have a sum, and the log charges %d", len(accounts), len(want))
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
}
