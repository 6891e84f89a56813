package question

import (
	"math/big"
	"slices"
	"testing"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/dp"
	"github.com/anchorhold/anchorhold/dp/query"
)

// none is an aggregate that is made of nothing yet.
func none(k query.Kind) query.Aggregate {
	side := query.Side{Sum: -1, Squares: -1}
	return query.Aggregate{Kind: k, Count: -1, Side: side, X: side, Products: -1, Tree: -1}
}

// TestPartsShareOneSelection: what several grouping sets spend of δ together is
// what the ledger is charged with.
func TestPartsShareOneSelection(t *testing.T) {
	part := query.Part{Set: []int{0}, Columns: []query.Partial{{Name: "units", Hi: 1}}, Groups: 4, Aggregate: -1}
	units := none(query.Units)
	units.Count = 0
	whole := query.Part{Columns: part.Columns, Groups: 1, Public: [][]any{{}}, Aggregate: -1}
	plan := &query.Plan{Parts: []query.Part{part, part, part, whole}, Aggregates: []query.Aggregate{units}}
	p := price{epsilon: 1e12, delta: 2e12, rho: 1e10, selection: 1e12}
	m, err := newMechanisms(plan, p)
	if err != nil {
		t.Fatal(err)
	}
	delta, rho := new(big.Rat), new(big.Rat)
	for _, of := range m.parts {
		costs := []dp.Cost{}
		if of.chosen != nil {
			costs = of.chosen.Cost()
		}
		if of.totals != nil {
			costs = append(costs, of.totals.Cost()...)
		}
		for _, c := range costs {
			if c.Delta != nil {
				delta.Add(delta, c.Delta)
			}
			if c.SquaredSensitivity != nil {
				r := new(big.Rat).Quo(c.SquaredSensitivity, c.Variance)
				rho.Add(rho, r.Quo(r, big.NewRat(2, 1)))
			}
		}
	}
	if delta.Cmp(p.selection.Rat()) > 0 || delta.Sign() == 0 {
		t.Errorf("selections spend δ = %s, and %s is charged", delta.FloatString(18), p.selection)
	}
	if rho.Cmp(p.rho.Rat()) > 0 || rho.Sign() == 0 {
		t.Errorf("noise spends ρ = %s, and %s is charged", rho.FloatString(18), p.rho)
	}
}

// TestMissingValuesAreNoFailure, whatever bounds a question gives: a failure that
// one row brings about would tell of that row.
func TestMissingValuesAreNoFailure(t *testing.T) {
	pool := dp.NewPool()
	defer pool.Close()
	for _, c := range []query.Partial{{Name: "m1", Lo: 1, Hi: 1}, {Name: "m1", Lo: -5, Hi: -1}, {Name: "m1", Lo: 2, Hi: 9}} {
		sum := none(query.Sum)
		sum.Sum = 1
		plan := &query.Plan{
			Parts:      []query.Part{{Columns: []query.Partial{{Name: "units", Hi: 1}, c}, Groups: 1, Public: [][]any{{}}, Aggregate: -1}},
			Aggregates: []query.Aggregate{sum},
		}
		m, err := newMechanisms(plan, price{epsilon: 1e12})
		if err != nil {
			t.Fatal(err)
		}
		// Of a hundred rows, no value is there.
		if _, err := m.release(t.Context(), pool, 0, []group{{values: []dp.Int128{dp.FromInt64(100), {}}}}); err != nil {
			t.Errorf("from %d to %d: %v", c.Lo, c.Hi, err)
		}
	}
}

// TestRowsThatLeadToARow belong to that row, all of them.
func TestRowsThatLeadToARow(t *testing.T) {
	via := func(to string) anchorhold.AssetPrivacy {
		return anchorhold.AssetPrivacy{Via: &anchorhold.Via{Columns: []string{"patient"}, Asset: to, Key: []string{"id"}}}
	}
	d := anchorhold.Dataset{
		Assets: []anchorhold.Asset{{Name: "patients", Kind: anchorhold.KindTable}, {Name: "visits", Kind: anchorhold.KindTable}, {Name: "codes", Kind: anchorhold.KindTable}},
		Privacy: &anchorhold.Privacy{MaxGroups: 3, MaxRows: 5, Assets: map[string]anchorhold.AssetPrivacy{
			"patients": {Row: true}, "visits": via("patients"), "codes": {Public: true},
		}},
	}
	p := privacyOf(d)
	if v := p.Tables["visits"]; v.Row || !slices.Equal(v.Unit, []string{"id"}) || len(v.Via) != 1 || !p.Tables["patients"].Row {
		t.Errorf("visits of patients, each a row: %+v", p.Tables)
	}
	// A table of codes is about nobody; rows that name a code are.
	d.Privacy.Assets["visits"] = via("codes")
	if _, ok := privacyOf(d).Tables["visits"]; ok || len(d.MissingPrivacy()) == 0 {
		t.Error("rows that lead to a public table are taken for public")
	}
}
