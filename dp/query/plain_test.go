package query_test

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/anchorhold/anchorhold/dp/query"
)

// On rows that keep what the owner stated, and with caps that nobody reaches,
// a plan's partials say what the engine says to the question as it was
// written.
func TestPartialsAnswerTheQuestion(t *testing.T) {
	e := start(t, false)
	generous := privacy()
	generous.MaxGroups, generous.MaxRows, generous.Size = 1000, 1000, 1
	v := generous.Tables["visits"]
	delete(v.Columns, "region")
	delete(v.Columns, "sex")
	v.Columns["sex"] = query.ColumnPrivacy{Lo: "0", Hi: "1"}
	s := generous.Tables["survey"]
	delete(s.Columns, "g")
	n := count(t, "ANCHORHOLD_QUESTIONS", 40)
	asked, failed := 0, 0
	for seed := count(t, "ANCHORHOLD_SEED", 1); asked < n; seed++ {
		r := random(seed * 104729)
		r.next(10)
		sql := question(&r)
		plain, _, err := query.Lift(sql)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(plain, "ROLLUP") || strings.Contains(plain, "Ü") || strings.Contains(plain, " / ") { // DuckDB has infinities for x/0
			continue
		}
		plan, err := e.plan(t, plain, generous)
		if err != nil {
			continue
		}
		want, err := e.raw(plain, len(plan.Items()))
		if err != nil || odd(want) {
			continue // it can fail, and divide by 0; ours cannot
		}
		asked++
		dk, err := plan.SQL(query.DuckDB, e.from(query.DuckDB, ""))
		if err != nil {
			t.Fatal(err)
		}
		ours, err := e.run(query.DuckDB, dk[0].Text, &plan.Parts[0])
		if err != nil {
			t.Fatal(sql, err)
		}
		if err := sameAnswers(plan, ours, want); err != nil {
			failed++
			t.Errorf("seed %d: %s\n%v\n%s\nours\n%s\nplain\n%s", seed, plain, err, dk[0].Text, show(ours), show(want))
			if failed > 5 {
				return
			}
		}
	}
}

// odd says whether a value is infinite, or none.
func odd(rows [][]*string) bool {
	for _, r := range rows {
		for _, v := range r {
			if v != nil && (strings.Contains(*v, "inf") || strings.Contains(*v, "nan")) {
				return true
			}
		}
	}
	return false
}

func sameAnswers(p *query.Plan, ours, want [][]*string) error {
	part := p.Parts[0]
	keys := len(part.Keys)
	key := func(r []*string, mine bool) string {
		var b strings.Builder
		for i, v := range r[:keys] {
			switch {
			case v == nil:
				b.WriteString("NULL|")
			case part.Keys[i].Type == query.Date && !mine:
				d, err := time.Parse("2006-01-02", strings.TrimSuffix(*v, " 00:00:00"))
				if err != nil {
					return "?"
				}
				fmt.Fprint(&b, d.Unix()/86400, "|")
			default:
				b.WriteString(*v + "|")
			}
		}
		return b.String()
	}
	plain := map[string][]*string{}
	for _, r := range want {
		plain[key(r, false)] = r[keys:]
	}
	seen := 0
	for _, r := range ours {
		w, ok := plain[key(r, true)]
		if !ok {
			if part.Public != nil && strings.Contains(key(r, true), "NULL") {
				continue
			}
			return fmt.Errorf("group %s is not in the plain answer", key(r, true))
		}
		seen++
		for i, item := range p.Items() {
			agg, ok := item.Aggregate()
			if !ok {
				continue
			}
			got, err := value(p.Aggregates[agg], r[keys:])
			if err != nil {
				continue
			}
			if err := near(p.Aggregates[agg], got, w[i-keys]); err != nil {
				return fmt.Errorf("group %s item %d: %w", key(r, true), i, err)
			}
		}
	}
	if part.Public == nil && seen != len(plain) {
		return fmt.Errorf("%d groups of %d", seen, len(plain))
	}
	return nil
}

func value(a query.Aggregate, cols []*string) (float64, error) {
	col := func(i int) float64 {
		f, err := strconv.ParseFloat(*cols[i], 64)
		if err != nil {
			panic(err)
		}
		return f
	}
	switch a.Kind {
	case query.Covariance, query.Correlation, query.Slope, query.Intercept:
		return pair(a, col), nil
	case query.Count, query.Units:
		return col(a.Count), nil
	case query.Sum:
		return col(a.Sum) / a.Values.Scale, nil
	case query.Mean:
		n := col(a.Count)
		return (col(a.Sum)/n + float64(a.Values.Center)) / a.Values.Scale, nil
	case query.Variance, query.Deviation:
		n := col(a.Count)
		mean := col(a.Sum) / n
		v := (col(a.Squares)+n*float64(a.Square.Center))/n - mean*mean
		if a.Sample {
			v *= n / (n - 1)
		}
		v /= a.Values.Scale * a.Values.Scale
		if a.Kind == query.Deviation {
			v = math.Sqrt(max(v, 0))
		}
		return v, nil
	}
	return 0, fmt.Errorf("not here")
}

// pair is what follows from the sums of two columns.
func pair(a query.Aggregate, col func(int) float64) float64 {
	n := col(a.Count)
	mean := func(s query.Side) float64 { return col(s.Sum) / n }
	variance := func(s query.Side) float64 {
		return (col(s.Squares)+n*float64(s.Square.Center))/n - mean(s)*mean(s)
	}
	value := func(s query.Side) float64 { return (mean(s) + float64(s.Values.Center)) / s.Values.Scale }
	covariance := col(a.Products)/n - mean(a.Side)*mean(a.X)
	switch a.Kind {
	case query.Covariance:
		if a.Sample {
			covariance *= n / (n - 1)
		}
		return covariance / a.Values.Scale / a.X.Values.Scale
	case query.Correlation:
		return covariance / math.Sqrt(variance(a.Side)*variance(a.X))
	}
	slope := covariance / variance(a.X) / a.Values.Scale * a.X.Values.Scale
	if a.Kind == query.Slope {
		return slope
	}
	return value(a.Side) - slope*value(a.X)
}

func near(a query.Aggregate, got float64, want *string) error {
	if want == nil {
		if got == 0 || math.IsNaN(got) || math.IsInf(got, 0) {
			return nil
		}
		return fmt.Errorf("%v, want NULL", got)
	}
	w, err := strconv.ParseFloat(*want, 64)
	if err != nil {
		return err
	}
	step := 1 / a.Values.Scale
	tolerance := 1e-6*math.Abs(w) + 1e-9
	switch a.Kind {
	case query.Sum:
		tolerance += 200 * step
	case query.Mean:
		tolerance += step
	case query.Variance, query.Deviation:
		tolerance += 1e-3*math.Abs(w) + 100*step + math.Sqrt(step)
		if a.Kind == query.Variance {
			tolerance += 1e6 * step
		}
	case query.Covariance:
		tolerance += 1e-3*math.Abs(w) + math.Sqrt(step/a.X.Values.Scale)
	case query.Correlation:
		tolerance += 1e-2
	case query.Slope, query.Intercept:
		tolerance += 2e-2 * (math.Abs(w) + step*a.X.Values.Scale)
	}
	if math.Abs(got-w) > tolerance {
		return fmt.Errorf("%s %v, want %v (step %v)", a.Kind, got, w, step)
	}
	return nil
}
