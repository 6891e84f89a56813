package query_test

import (
	"fmt"
	"math/big"
	"strings"
	"testing"

	"github.com/anchorhold/anchorhold/dp/query"
)

// What an engine may return for a part, and what it may not.
func TestCheck(t *testing.T) {
	plan, err := ask(t, questionNamed("by-public-groups"), privacy())
	if err != nil {
		t.Fatal(err)
	}
	main := &plan.Parts[0] // sex; units, rows up to 3, rows up to 3, ±180
	row := func(key any, v ...int64) []any {
		r := []any{key}
		for _, n := range v {
			r = append(r, n)
		}
		return r
	}
	good := [][]any{row(int64(0), 5, 15, 15, -900), {int64(1), int64(1), int64(0), big.NewInt(0), big.NewInt(180)}}
	if err := main.Check(good); err != nil {
		t.Error(err)
	}
	if err := main.Check(nil); err != nil {
		t.Error(err)
	}
	for name, rows := range map[string][][]any{
		"too many units":         {row(int64(0), 1<<41, 0, 0, 0)},
		"no units":               {row(int64(0), 0, 0, 0, 0)},
		"fewer than none":        {row(int64(0), -1, 0, 0, 0)},
		"more rows than units":   {row(int64(0), 5, 16, 15, 0)},
		"a sum too high":         {row(int64(0), 5, 15, 15, 901)},
		"a sum too low":          {row(int64(0), 5, 15, 15, -901)},
		"a group twice":          {row(int64(0), 5, 15, 15, 0), row(int64(0), 5, 15, 15, 0)},
		"a group that is not":    {row(int64(7), 5, 15, 15, 0)},
		"NULL, which is none":    {row(nil, 5, 15, 15, 0)},
		"a key of another type":  {row("0", 5, 15, 15, 0)},
		"too few columns":        {row(int64(0), 5, 15, 15)},
		"a value that is none":   {{int64(0), int64(5), int64(5), int64(5), nil}},
		"a double":               {{int64(0), int64(5), int64(5), int64(5), 0.5}},
		"an integer of 200 bits": {{int64(0), int64(5), int64(5), int64(5), new(big.Int).Lsh(big.NewInt(1), 200)}},
	} {
		err := main.Check(rows)
		if err == nil {
			t.Errorf("%s is let through", name)
			continue
		}
		if strings.ContainsAny(err.Error(), "0123456789") {
			t.Errorf("%s: the error has a value in it: %v", name, err)
		}
	}
}

func TestCheckBinsAndWhole(t *testing.T) {
	plan, err := ask(t, questionNamed("quantiles"), privacy())
	if err != nil {
		t.Fatal(err)
	}
	bins := &plan.Parts[1] // sex, bin of 121, rows
	if err := bins.Check([][]any{{int64(1), int64(120), int64(3)}, {int64(1), int64(0), int64(0)}}); err != nil {
		t.Error(err)
	}
	for _, r := range [][]any{{int64(1), int64(121), int64(3)}, {int64(1), int64(-1), int64(3)}, {int64(1), int64(0), int64(-3)}, {int64(1), nil, int64(3)}} {
		if bins.Check([][]any{r}) == nil {
			t.Errorf("%v is let through", r)
		}
	}
	plan, err = ask(t, questionNamed("count"), privacy())
	if err != nil {
		t.Fatal(err)
	}
	if whole := &plan.Parts[0]; whole.Check([][]any{{int64(0), int64(0)}}) != nil || whole.Check(nil) == nil || whole.Check([][]any{{int64(1), int64(1)}, {int64(1), int64(1)}}) == nil {
		t.Error("an answer without groups is one row")
	}
}

// The columns that an engine is told to return are those that Check reads.
func TestResultsAreWhatIsChecked(t *testing.T) {
	for _, q := range questions {
		plan, err := ask(t, q.sql, privacy())
		if err != nil {
			t.Fatal(err)
		}
		statements, err := plan.SQL(query.DuckDB, sources())
		if err != nil {
			t.Fatal(err)
		}
		for i, p := range plan.Parts {
			results := p.Results()
			want := len(p.Keys) + len(p.Columns)
			if p.Aggregate >= 0 {
				want++
			}
			if len(results) != want || p.Most() < 1 || p.Most() > 1<<20 {
				t.Errorf("%s: %d columns, %d rows", q.name, len(results), p.Most())
			}
			for _, r := range results {
				if !strings.Contains(statements[i].Text, r.Name) {
					t.Errorf("%s: no column %s", q.name, r.Name)
				}
			}
		}
	}
}

func questionNamed(name string) string {
	for _, q := range questions {
		if q.name == name {
			return q.sql
		}
	}
	panic("no question " + name)
}

// HAVING, items, ORDER BY and LIMIT are done with noisy values, and with
// nothing else.
func TestAnswer(t *testing.T) {
	plan, err := ask(t, questionNamed("after-noise"), privacy())
	if err != nil {
		t.Fatal(err)
	}
	// SUM(cost)/COUNT(*) AS mean, ROUND(AVG(age), 1) HAVING COUNT(*) > 5 ORDER BY mean DESC LIMIT 2
	rows := plan.Answer([]query.Noisy{
		{Keys: []any{"N"}, Values: []any{100.0, 10.0, 33.333}},
		{Keys: []any{"S"}, Values: []any{900.0, 4.9, 20.0}},  // HAVING leaves it out
		{Keys: []any{"it's"}, Values: []any{-7.0, 7.0, nil}}, // AVG has none
		{Keys: []any{nil}, Values: []any{50.0, 10.0, 1.05}},
	})
	if len(rows) != 2 || rows[0].Group != 0 || rows[1].Group != 3 {
		t.Fatalf("%+v", rows)
	}
	if c := rows[0].Cells; c[0] != "N" || c[1] != 10.0 || c[2] != 33.3 {
		t.Errorf("%v", c)
	}
	if c := rows[1].Cells; c[0] != nil || c[1] != 5.0 {
		t.Errorf("%v", c)
	}
	items := plan.Items()
	if _, ok := items[1].Aggregate(); ok || items[1].Name != "mean" {
		t.Errorf("%+v", items[1])
	}
	if k, ok := items[0].Key(); !ok || k != 0 {
		t.Error("the first item is the key")
	}
}

// The engine's text of a refusal never reaches anybody, and a plan says where
// each table is read.
func TestSourcesAreNeeded(t *testing.T) {
	plan, err := ask(t, questionNamed("count"), privacy())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := plan.SQL(query.DuckDB, query.Sources{}); err == nil {
		t.Error("a plan without sources is written")
	}
	s, err := plan.SQL(query.DuckDB, query.Sources{Tables: map[string]string{"VISITS": "read_csv('/dev/fd/7')"}})
	if err != nil || !strings.Contains(s[0].Text, "FROM read_csv('/dev/fd/7') AS s") {
		t.Errorf("%v %v", s, err)
	}
	if s[0].Capped == "" || !strings.Contains(s[0].Sums("kept"), "FROM kept") {
		t.Errorf("%+v", s[0])
	}
}

// Groups that come from the data are so large that there cannot be too many, if
// there are not far more units than was stated.
func TestFoundGroupsAreFew(t *testing.T) {
	for _, c := range []struct {
		size, want int64
		key        string
	}{{5000, 1, "note"}, {100_000, 1, "note"}, {20_000_000, 40, "note"}, {0, 1, "note"}, {20_000_000, 40, "age"}} {
		p := privacy()
		p.Size = c.size
		plan, err := ask(t, "SELECT WITH DIFFERENTIAL_PRIVACY OPTIONS(group_selection_strategy = THRESHOLD) "+c.key+", COUNT(*), MEDIAN(weight) FROM visits GROUP BY 1", p)
		if err != nil {
			t.Fatal(err)
		}
		main, bins := plan.Parts[0], plan.Parts[1]
		if main.Least != c.want || main.Public != nil || bins.Least != 0 {
			t.Errorf("of %d units by %s, groups have from %d units", c.size, c.key, main.Least)
		}
		s, err := plan.SQL(query.PostgreSQL, sources())
		if err != nil {
			t.Fatal(err)
		}
		if having := fmt.Sprintf("HAVING COUNT(*) >= %d", c.want); strings.Contains(s[0].Text, having) != (c.want > 1) || strings.Contains(s[1].Text, "HAVING") {
			t.Errorf("the SQL is %s", s[0].Text)
		}
		if c.want > 1 && c.key == "note" {
			row := func(units int64) [][]any { return [][]any{{"x", units, units}} }
			if main.Check(row(c.want)) != nil || main.Check(row(c.want-1)) == nil {
				t.Error("a group of fewer units is let through")
			}
		}
		if bins.Most() > 1<<20 || bins.MostGroups() < 1000 {
			t.Errorf("bins of %d groups have %d rows", bins.MostGroups(), bins.Most())
		}
		if one := s[1].Only([]string{bins.Name([]any{"it's"}), bins.Name([]any{nil}), bins.Name([]any{int64(-7)}), bins.Name([]any{true})}).Text; c.key == "note" &&
			!strings.Contains(one, "IN ('s4:it''s', 'n', 'i-7;', 't')") {
			t.Errorf("named groups are asked for as %s", one)
		}
	}
}
