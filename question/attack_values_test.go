package question_test

import (
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/dp/account"
	"github.com/anchorhold/anchorhold/exposure"
	"github.com/anchorhold/anchorhold/question"
)

type stated = map[string]anchorhold.ColumnPrivacy

// TestAttackLowBits: the last bits of a noisy double say which value is beneath,
// unless all releases lie on one lattice (Mironov, CCS 2012).
func TestAttackLowBits(t *testing.T) {
	without := people("x float", stated{"x": bounds("0", "1")}, lines(50, "0.%d")...)
	n := draws(t, 2000)
	var steps []float64
	for _, w := range []world{without, without.with("0.1"), without.with("0.7071067811865476")} {
		step := math.Inf(1)
		for _, x := range scores(t, w.open(t).drawer(at("0.5", "SUM(x) AS s FROM people")), n, cell(0, 0)) {
			step = min(step, finest(x))
		}
		steps = append(steps, step)
	}
	if slices.Min(steps) != slices.Max(steps) || steps[0] < math.Ldexp(1, -31) {
		t.Errorf("releases lie on lattices of steps %v", steps)
	}
}

// TestAttackPrecision: how coarse an answer is must not follow from what is true
// (Haney and others, 2022).
func TestAttackPrecision(t *testing.T) {
	const most = 1 << 40
	without := people("x int", stated{"x": bounds("0", fmt.Sprint(most))}, repeated(20, "0")...)
	for _, epsilon := range []string{"1", "0.01", "100"} {
		var steps []float64
		for _, w := range []world{without, without.with(repeated(400, fmt.Sprint(most))...)} {
			drawn := scores(t, w.open(t).drawer(at(epsilon, "SUM(x) AS s FROM people")), draws(t, 500), cell(0, 0))
			step := math.Inf(1)
			for _, x := range drawn[1:] {
				step = min(step, finest(x-drawn[0]))
			}
			steps = append(steps, step)
		}
		if steps[0] != steps[1] {
			t.Errorf("at ε %s answers near 0 have steps of %v, and far from it of %v", epsilon, steps[0], steps[1])
		}
	}
}

// TestAttackOrder: sums of floats depend on the order of their rows by more than
// noise hides (Casacuberta and others, 2022). Ours are exact, whatever the order.
func TestAttackOrder(t *testing.T) {
	const most = 1 << 40
	n := 20_000
	rows, want := make([]string, n), new(big.Int)
	r := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // what a test orders
	for i := range rows {
		x := int64(most - 2*r.IntN(1000) - 1)
		rows[i] = fmt.Sprintf("%d,%d.125", x, x>>10)
		want.Add(want, big.NewInt(x))
	}
	var halves []*big.Int
	for range 3 {
		r.Shuffle(n, func(i, j int) { rows[i], rows[j] = rows[j], rows[i] })
		w := people("x int, y float", stated{"x": bounds("0", fmt.Sprint(most)), "y": bounds("0", fmt.Sprint(most>>10))}, rows...)
		sums := w.open(t).drawer(at("1", "SUM(x) AS s, SUM(y) AS f FROM people")).Exact()[0]["[]interface {}{}"]
		if sums[1].Cmp(want) != 0 {
			t.Errorf("the sum is %s, and truly %s", sums[1], want)
		}
		halves = append(halves, sums[2])
	}
	for _, h := range halves[1:] {
		if h.Cmp(halves[0]) != 0 {
			t.Errorf("in another order, the sum of doubles is %s and not %s", h, halves[0])
		}
	}
}

// TestAttackOverflow: products of bounds that do not fit made noise too small, or
// none, elsewhere. Here a price gives the noise that arithmetic without limits says, or a
// refusal.
func TestAttackOverflow(t *testing.T) {
	b := stays("k string, x int", stated{"x": bounds("0", "1")}).spending("1000000", "0.1").open(t)
	answered := 0
	for _, groups := range []int{1, 3, 1 << 16, 1<<24 + 1, 1 << 31, 1<<38 + 1, 1<<48 + 1} {
		for _, rows := range []int{1, 7, 1 << 20, 1<<32 + 1, 1<<62 + 1} {
			for _, high := range []int64{1, 1000, 1 << 40, 1<<62 - 1} {
				p := *b.data.Privacy
				p.MaxGroups, p.MaxRows = groups, rows
				p.Assets = map[string]anchorhold.AssetPrivacy{"stays": {Unit: []string{"person"}, Columns: stated{"x": bounds("0", fmt.Sprint(high))}}}
				b.data.Privacy = &p
				b.put()
				q, err := b.Quote(t.Context(), b.permit("ada"), "heart", question.Asked{SQL: at("1", "k, SUM(x) AS s FROM stays GROUP BY k")})
				if err != nil {
					if kind := anchorhold.KindOf(err); kind != anchorhold.Invalid && kind != anchorhold.TooLarge {
						t.Errorf("%d groups, %d rows, up to %d: %v", groups, rows, high, err)
					}
					continue
				}
				answered++
				// Two columns share ρ: how many units there are, and their sum.
				sigma := math.Sqrt(float64(groups)) * float64(rows) * float64(high) / math.Sqrt(q.Price.Rho.Float())
				if got := *q.Items[1].PlusMinus; got < 1.9*sigma-1 || got > 2.1*sigma+2 {
					t.Errorf("%d groups, %d rows, up to %d: ± is %v, and σ has to be %v", groups, rows, high, got, sigma)
				}
			}
		}
	}
	if answered < 10 {
		t.Errorf("only %d prices were given", answered)
	}
}

// TestAttackClamp: a sum of an expression is bounded by what the expression can
// be, not by what its column is clamped to (SmartNoise, issue 201).
func TestAttackClamp(t *testing.T) {
	without := people("x float", stated{"x": bounds("0", "1")}, repeated(20, "0.5")...)
	for _, row := range []string{"1e300", "-1e300"} {
		o := neighbourhood(t, without.with(row), without)
		for _, sql := range []string{"SUM(x * 1e9) AS s FROM people", "SUM(x * x * 1e6 + 1000 * x) AS s FROM people", "SUM(-1e9 * (x - 1)) AS s FROM people"} {
			o.moves(at("1", sql))
		}
		if row == "1e300" {
			o.holds(at("1", "SUM(x * 1e9) AS s FROM people"), draws(t, 6000), cell(0, 0))
		}
	}
}

// TestAttackNoBounds: what has no bounds has no noise that would be enough, and is
// refused by name (SmartNoise, issue 317, added none).
func TestAttackNoBounds(t *testing.T) {
	b := people("x float, y int", stated{"y": bounds("0", "1")}, "1e9,1").open(t)
	for _, sql := range []string{"SUM(x)", "AVG(x)", "VARIANCE(x)", "STDDEV(x)", "SUM(y + x)", "SUM(CASE WHEN y = 1 THEN x ELSE 0 END)", "SUM(ABS(x))", "SUM(GREATEST(x, y))", "AVG(COALESCE(x, 0))"} {
		_, err := b.as("ada", at("1", sql+" AS s FROM people"))
		if err == nil || !strings.Contains(err.Error(), "bounds of people.x") {
			t.Errorf("%s: %v", sql, err)
		}
	}
	if b.opened != 0 {
		t.Error("data was opened")
	}
}

// TestAttackAverage: a mean is two answers, and costs both (SmartNoise, issue 202,
// charged one). From the mean and the count the attacker takes the sum, and looks for
// the person in both.
func TestAttackAverage(t *testing.T) {
	without := people("x int", stated{"x": bounds("0", "100")}, repeated(1000, "50")...)
	both := func(rows [][]any) float64 {
		n, mean := cell(0, 0)(rows), cell(0, 1)(rows)
		sum := (mean - 50) * max(n, 1)
		return min(n-1000, sum/50)
	}
	neighbourhood(t, without.with("100"), without).holds(at("2", "COUNT(x) AS n, AVG(x) AS m FROM people"), draws(t, 20_000), both)
}

// TestAttackPrices: no ε, δ or level by which an answer would be free, or exact.
func TestAttackPrices(t *testing.T) {
	b := people("x int", stated{"x": bounds("0", "100")}, "50").spending("1e6", "1e-3").open(t)
	asked := func(options string) error {
		_, err := b.as("ada", "SELECT WITH DIFFERENTIAL_PRIVACY OPTIONS("+options+") COUNT(*) AS n FROM people")
		return err
	}
	for _, e := range []string{"0", "-1", "-0.5", "NaN", "nan", "Infinity", "inf", "1e400", "1e-400", "0x1p-2", "1e20", "1e9", "1e-13", "'1'", "1/2", "NULL", "(1)", "1e", "1_0", "--1"} {
		if err := asked("epsilon=" + e); err == nil || anchorhold.KindOf(err) != anchorhold.Invalid {
			t.Errorf("epsilon %s: %v", e, err)
		}
	}
	for _, d := range []string{"0", "-1e-9", "1", "2", "NaN", "1e-19", "inf"} {
		if err := asked("epsilon=1, delta=" + d); err == nil || anchorhold.KindOf(err) != anchorhold.Invalid {
			t.Errorf("delta %s: %v", d, err)
		}
	}
	if b.opened != 0 || b.spent(anchorhold.LimitPopulation, "") != (anchorhold.Exposed{}) {
		t.Errorf("data was opened %d times, and spent is %+v", b.opened, b.spent(anchorhold.LimitPopulation, ""))
	}
	for _, level := range []float64{1, -1, 2, 1 - 1e-16, math.NaN(), math.Inf(1), math.SmallestNonzeroFloat64} {
		_, err := b.Ask(t.Context(), b.permit("ada"), "heart", question.Asked{SQL: at("1", "COUNT(*) AS n, AVG(x) AS m, VARIANCE(x) AS v FROM people"), Level: level})
		if err == nil || anchorhold.KindOf(err) != anchorhold.Invalid || b.opened != 0 {
			t.Errorf("level %v: %v", level, err)
		}
	}
}

// TestAttackOverflowOfSums: what was spent stops where it can be counted no more, and
// such a sum admits nothing. Gaussian noise costs without end in pure ε; under
// another limit that sum must not begin anew.
func TestAttackOverflowOfSums(t *testing.T) {
	b := people("x int", nil, "1").spending("10", "1e-6").open(t)
	b.must("ada", at("0.5", "COUNT(*) AS n FROM people"))
	b.must("ada", at("0.4", "COUNT(*) AS n FROM people"))
	b.limit(exposure.NewLimit{Epsilon: "1000", Reason: "another currency"})
	for _, e := range []string{"0.1", "1", "1000"} {
		if _, err := b.as("ada", at(e, "COUNT(*) AS n FROM people")); anchorhold.KindOf(err) != anchorhold.Conflict {
			t.Errorf("ε %s after Gaussian noise: %v", e, err)
		}
	}
	if s := b.spent(anchorhold.LimitPopulation, ""); s.Pure != account.Infinite {
		t.Errorf("spent is %+v", s)
	}
}

// TestAttackOdometer: what is shown as spent is what the answers together can have
// told, by a formula of this test's own (SmartNoise, issue 621, had a wrong one).
func TestAttackOdometer(t *testing.T) {
	b := people("x int", nil, "1").spending("3", "1e-6").open(t)
	for i := range 10 {
		b.must("ada", at(fmt.Sprintf("0.%d", 31+i), "COUNT(*) AS n FROM people"))
	}
	st, err := (&exposure.Service{Books: b.Set.Books}).Standings(t.Context(), "patients", func(a anchorhold.ExposureAccount) bool { return a.Scope == anchorhold.LimitPopulation })
	if err != nil || len(st) != 1 {
		t.Fatal(st, err)
	}
	// Canonne, Kamath and Steinke, proposition 12, over a fine grid of orders.
	rho, delta, want := st[0].Spent.Rho.Float(), 1e-6, math.Inf(1)
	for a := 1.001; a < 2000; a *= 1.0005 {
		want = min(want, rho*a+math.Log(1/(a*delta))/(a-1)+math.Log1p(-1/a))
	}
	if got := st[0].Epsilon.Float(); math.Abs(got-want) > 1e-4*want {
		t.Errorf("shown are ε %v, and it is %v", got, want)
	}
	// Each answer's ρ is what its ε is at the δ that the limit keeps for that.
	if rho < 10*0.001 || rho > 10*0.01 {
		t.Errorf("ten answers cost ρ %v", rho)
	}
}
