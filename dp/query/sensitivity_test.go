package query_test

import (
	"fmt"
	"math/big"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/anchorhold/anchorhold/dp/query"
)

func tables(rows [][]*string, keys int) map[string][]*big.Int {
	all := map[string][]*big.Int{}
	for _, r := range rows {
		k := show([][]*string{r[:keys]})
		for _, v := range r[keys:] {
			n, ok := new(big.Int).SetString(*v, 10)
			if !ok {
				panic("not an integer: " + *v)
			}
			all[k] = append(all[k], n)
		}
	}
	return all
}

// oneUnit holds two results that differ by one unit against what the plan
// says about one.
func oneUnit(p query.Part, with, without [][]*string) error {
	keys := len(p.Keys)
	a, b := tables(with, keys), tables(without, keys)
	if p.Aggregate >= 0 {
		return oneUnitBins(p, with, without)
	}
	changed := int64(0)
	groups := map[string]bool{}
	for k := range a {
		groups[k] = true
	}
	for k := range b {
		groups[k] = true
	}
	for k := range groups {
		diff := false
		for i, c := range p.Columns {
			x, y := new(big.Int), new(big.Int)
			if a[k] != nil {
				x = a[k][i]
			}
			if b[k] != nil {
				y = b[k][i]
			}
			d := new(big.Int).Sub(x, y)
			diff = diff || d.Sign() != 0
			if d.Cmp(big.NewInt(c.Lo)) < 0 || d.Cmp(big.NewInt(c.Hi)) > 0 {
				return fmt.Errorf("group %scolumn %s moves by %s, beyond [%d, %d]", k, c.Name, d, c.Lo, c.Hi)
			}
		}
		if diff {
			changed++
		}
	}
	if changed > p.Groups {
		return fmt.Errorf("%d groups change, more than %d", changed, p.Groups)
	}
	return nil
}

func oneUnitBins(p query.Part, with, without [][]*string) error {
	keys := len(p.Keys)
	a, b := tables(with, keys+1), tables(without, keys+1)
	total := map[string]int64{}
	add := func(rows [][]*string) {
		for _, r := range rows {
			k, g := show([][]*string{r[:keys+1]}), show([][]*string{r[:keys]})
			x, y := int64(0), int64(0)
			if a[k] != nil {
				x = a[k][0].Int64()
			}
			if b[k] != nil {
				y = b[k][0].Int64()
			}
			if x < y {
				total[g] = 1 << 40 // a unit never takes away
			}
			total[g] += x - y
			delete(a, k)
			delete(b, k)
		}
	}
	add(with)
	add(without)
	changed := int64(0)
	for g, n := range total {
		if n < 0 || n > p.Columns[0].Hi {
			return fmt.Errorf("group %sbins move by %d, more than %d", g, n, p.Columns[0].Hi)
		}
		if n > 0 {
			changed++
		}
	}
	if changed > p.Groups {
		return fmt.Errorf("%d groups of bins change, more than %d", changed, p.Groups)
	}
	return nil
}

func count(t *testing.T, name string, usual int) int {
	if s := os.Getenv(name); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	return usual
}

// Random questions on wicked rows: no engine fails, both give the same, and
// one unit moves nothing further than the plan says.
func TestRandomQuestions(t *testing.T) {
	e := start(t, true)
	n := count(t, "ANCHORHOLD_QUESTIONS", 40)
	refused := map[string]int{}
	asked := 0
	units := []string{"1", "2", "7", "9223372036854775807", "CAST('-9223372036854775808' AS BIGINT)"}
	for seed := count(t, "ANCHORHOLD_SEED", 1); asked < n; seed++ {
		r := random(seed * 7919)
		r.next(10)
		sql := question(&r)
		plan, err := e.plan(t, sql, privacy())
		if err != nil {
			msg := err.Error()
			if i := strings.Index(msg, ": "); i >= 0 && strings.HasPrefix(msg, "line") {
				msg = msg[i+2:]
			}
			refused[msg]++
			continue
		}
		asked++
		check(t, e, seed, sql, plan, units, &r)
		if t.Failed() && asked > 3 {
			break
		}
	}
	t.Logf("%d asked", asked)
	for m, n := range refused {
		t.Logf("%4d refused: %s", n, m)
	}
}

func check(t *testing.T, e *engines, seed int, sql string, plan *query.Plan, units []string, r *random) {
	t.Helper()
	dk, err := plan.SQL(query.DuckDB, e.from(query.DuckDB, ""))
	if err != nil {
		t.Fatal(err)
	}
	pg, err := plan.SQL(query.PostgreSQL, e.from(query.PostgreSQL, ""))
	if err != nil {
		t.Fatal(err)
	}
	without := []string{units[r.next(len(units))], fmt.Sprint(1 + r.next(25))}
	if strings.Contains(sql, "survey") {
		without = []string{fmt.Sprintf("row %d", r.next(60)), fmt.Sprintf("row %d", r.next(60))}
	}
	for i := range plan.Parts {
		p := &plan.Parts[i]
		all, e1 := e.run(query.DuckDB, whole(p, dk[i]), p)
		other, e2 := e.run(query.PostgreSQL, whole(p, pg[i]), p)
		if e1 != nil || e2 != nil {
			t.Errorf("seed %d: %s\nfails: duckdb %v\npostgres %v\n%s", seed, sql, e1, e2, dk[i].Text)
			return
		}
		if show(all) != show(other) {
			t.Errorf("seed %d: %s\n%s\nduckdb\n%s\npostgres\n%s\n%s", seed, sql, dk[i].Text, show(all), show(other), pg[i].Text)
			return
		}
		for _, w := range without {
			less, err := plan.SQL(query.DuckDB, e.from(query.DuckDB, w))
			if err != nil {
				t.Fatal(err)
			}
			rows, e3 := e.run(query.DuckDB, whole(p, less[i]), p)
			if e3 != nil {
				t.Errorf("seed %d: %s\nfails without %s: %v", seed, sql, w, e3)
				return
			}
			if err := oneUnit(*p, all, rows); err != nil {
				t.Errorf("seed %d: %s\nwithout %s: %v\n%s", seed, sql, w, err, dk[i].Text)
				return
			}
		}
	}
}
