package query_test

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/anchorhold/anchorhold/dp/query"
)

var update = flag.Bool("update", false, "write golden files anew")

// The questions of the golden files, by name.
var questions = []struct{ name, sql string }{
	{"count", "SELECT COUNT(*) AS n FROM visits"},
	{"by-public-groups", "SELECT WITH DIFFERENTIAL_PRIVACY OPTIONS(epsilon = 1, max_groups_contributed = 1)\n  sex, COUNT(*) AS n, AVG(age) AS mean FROM visits GROUP BY sex"},
	{"by-selected-groups", "SELECT note, COUNT(DISTINCT patient_id), SUM(cost) FROM visits WHERE age BETWEEN 18 AND 65 GROUP BY note"},
	{"named-groups", "SELECT note, COUNT(*) FROM visits WHERE note IN ('alpha', 'it''s', 'a\\b') AND weight > 50.5 GROUP BY note"},
	{"scaled", "SELECT SUM(age * 1e9), SUM(weight / ratio, contribution_bounds_per_row => (-10, 10)) FROM visits"},
	{"bounds", "SELECT SUM(big, contribution_bounds_per_row => (0, 100), contribution_bounds_per_group => (0, 150)), COUNT(wild, contribution_bounds_per_group => (0, 1)) FROM visits"},
	{"spread", "SELECT region, VARIANCE(cost), STDDEV_POP(weight) FROM visits GROUP BY ALL"},
	{"quantiles", "SELECT sex, MEDIAN(age), APPROX_QUANTILES(weight, 4) FROM visits GROUP BY sex"},
	{"texts", "SELECT UPPER(LEFT(TRIM(note), 2)) || '-' || CAST(sex AS VARCHAR) AS k, COUNTIF(note LIKE '%a%'), SUM(LENGTH(note), contribution_bounds_per_row => (0, 20)) FROM visits GROUP BY k"},
	{"dates", "SELECT EXTRACT(month FROM day) AS m, COUNT(*), AVG(day - DATE '2010-01-01') FROM visits WHERE day + INTERVAL 1 WEEK < '2025-01-01' AND DATE_TRUNC('quarter', day) > '2001-01-01' GROUP BY m"},
	{"casts", "SELECT SUM(CAST(note AS DOUBLE), contribution_bounds_per_row => (0, 1000)), SUM(CAST(weight AS DECIMAL(6,1))), SUM(CAST(smoker AS INT)) FROM visits"},
	{"cases", "SELECT CASE WHEN age < 40 THEN 'young' WHEN age < 70 THEN 'middle' ELSE 'old' END AS band, COUNT(*) FROM visits GROUP BY band ORDER BY 2 DESC"},
	{"rollup", "SELECT sex, smoker, SUM(cost) FROM visits GROUP BY ROLLUP(sex, smoker)"},
	{"after-noise", "SELECT region, SUM(cost) / COUNT(*) AS mean, ROUND(AVG(age), 1) FROM visits GROUP BY region HAVING COUNT(*) > 5 ORDER BY mean DESC LIMIT 2"},
	{"filtered", "SELECT COUNT(*) FILTER (WHERE smoker), AVG(age) FILTER (WHERE NOT smoker) FROM visits"},
	{"joined", "SELECT p.city, COUNT(*), SUM(v.cost) FROM visits v JOIN patients p ON v.patient_id = p.patient_id AND p.height > 1 GROUP BY 1"},
	{"joined-public", "SELECT c.zone, COUNT(DISTINCT v.patient_id) FROM visits v LEFT JOIN patients p USING (patient_id) JOIN cities c ON c.city = p.city GROUP BY c.zone"},
	{"rows-joined-public", "SELECT c.zone, COUNT(*), AVG(s.x) FROM survey s LEFT JOIN cities c ON s.g = c.city GROUP BY c.zone"},
	{"joined-itself", "SELECT COUNT(*), SUM(a.age) FROM visits a JOIN visits b ON a.patient_id = b.patient_id AND a.day < b.day"},
	{"pairs", "SELECT sex, COVAR_POP(weight, age), CORR(cost, age), REGR_SLOPE(weight, age), REGR_INTERCEPT(weight, age) FILTER (WHERE smoker) FROM visits GROUP BY sex"},
	{"quantiles-of-found", "SELECT note, PERCENTILE_CONT(age, 0.9), QUANTILES(weight, 0.25), COUNT(*) FROM visits GROUP BY note"},
	{"histogram", "SELECT WIDTH_BUCKET(age, 0, 120, 6) AS band, WIDTH_BUCKET(weight, 40, 200.5, 3) AS heavy, COUNT(*) FROM visits GROUP BY 1, 2"},
	{"per-unit", "SELECT AVG(n), SUM(m) FROM (SELECT patient_id, COUNT(*) AS n, MAX(age) AS m FROM visits WHERE smoker GROUP BY patient_id HAVING COUNT(*) > 1) q"},
	{"named-subquery", "WITH adults AS (SELECT patient_id, age / 2 AS half FROM visits WHERE age >= 18) SELECT AVG(half) FROM adults WHERE half < 40"},
	{"united", "SELECT what, COUNT(*) FROM (SELECT patient_id, note AS what FROM visits UNION ALL SELECT patient_id, city FROM patients) q WHERE what IN ('Rome', '12') GROUP BY what"},
	{"path-to-unit", "SELECT kind, SUM(amount) FROM bills WHERE kind IN ('drug', 'bed') GROUP BY kind"},
	{"rows-are-units", "SELECT g, COUNT(x), AVG(x), STDDEV(y), MEDIAN(y) FROM survey WHERE answered GROUP BY g"},
}

// tree gives DuckDB's tree of a statement, as it was once recorded.
func tree(t *testing.T, plain string) []byte {
	t.Helper()
	data, err := os.ReadFile("testdata/trees.json")
	if err != nil {
		t.Fatal(err)
	}
	var all map[string]json.RawMessage
	if err := json.Unmarshal(data, &all); err != nil {
		t.Fatal(err)
	}
	if all[plain] == nil {
		t.Fatalf("testdata/trees.json has no tree of %q: make it with -run TestTrees -update", plain)
	}
	return all[plain]
}

// recorded are all trees that were.
func recorded(f *testing.F) [][]byte {
	data, err := os.ReadFile("testdata/trees.json")
	if err != nil {
		f.Fatal(err)
	}
	var all map[string]json.RawMessage
	if err := json.Unmarshal(data, &all); err != nil {
		f.Fatal(err)
	}
	var trees [][]byte
	for _, tree := range all {
		trees = append(trees, tree)
	}
	return trees
}

func ask(t *testing.T, sql string, p query.Privacy) (*query.Plan, error) {
	t.Helper()
	plain, o, err := query.Lift(sql)
	if err != nil {
		return nil, err
	}
	q, err := query.Lower(tree(t, plain), plain, o, schema)
	if err != nil {
		return nil, err
	}
	return q.Bound(p)
}

func sources() query.Sources {
	s := query.Sources{Key: "00ff|v1", Tables: map[string]string{}}
	for _, t := range schema.Tables {
		s.Tables[t.Name] = t.Name
	}
	return s
}

// describe writes what a plan says about one unit.
func describe(p *query.Plan) string {
	var b strings.Builder
	for i, a := range p.Aggregates {
		fmt.Fprintf(&b, "aggregate %d: %s", i, a.Kind)
		if a.Count > 0 || a.Kind == query.Count {
			fmt.Fprintf(&b, ", count m%d", a.Count)
		}
		if a.Sum > 0 {
			fmt.Fprintf(&b, ", sum m%d of steps of 1/%g less %d", a.Sum, a.Values.Scale, a.Values.Center)
		}
		if a.Squares > 0 {
			fmt.Fprintf(&b, ", squares m%d less %d", a.Squares, a.Square.Center)
		}
		if a.Kind == query.Quantiles {
			fmt.Fprintf(&b, " %v from %d bins of %g from %g", a.Quantiles, a.Bins.Count, a.Bins.Width, a.Bins.Lo)
		}
		b.WriteString("\n")
	}
	for i, part := range p.Parts {
		fmt.Fprintf(&b, "part %d: keys %v, one unit in %d groups", i, part.Set, part.Groups)
		if part.Public != nil {
			fmt.Fprintf(&b, " of %d public ones", len(part.Public))
		}
		for _, c := range part.Columns {
			fmt.Fprintf(&b, "; %s [%d, %d]", c.Name, c.Lo, c.Hi)
		}
		b.WriteString("\n")
	}
	return b.String()
}

const rule = "----------"

// golden is a golden file: sections by name.
type golden struct {
	path     string
	order    []string
	sections map[string]string
}

func readGolden(t *testing.T, name string) *golden {
	g := &golden{path: filepath.Join("testdata", "questions", name+".txt"), sections: map[string]string{}}
	data, err := os.ReadFile(g.path)
	if errors.Is(err, os.ErrNotExist) && *update {
		return g
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range strings.Split("\n"+string(data), "\n"+rule+" ")[1:] {
		head, body, _ := strings.Cut(s, "\n")
		g.order = append(g.order, head)
		g.sections[head] = strings.TrimSuffix(body, "\n")
	}
	return g
}

// is compares a section, or writes it anew.
func (g *golden) is(t *testing.T, section, want string) {
	t.Helper()
	want = strings.TrimSuffix(want, "\n")
	if !*update {
		if g.sections[section] != want {
			t.Errorf("%s, %s:\n%s\nwant\n%s", g.path, section, want, g.sections[section])
		}
		return
	}
	if _, ok := g.sections[section]; !ok {
		g.order = append(g.order, section)
	}
	g.sections[section] = want
	var b strings.Builder
	for _, s := range g.order {
		fmt.Fprintf(&b, "%s %s\n%s\n", rule, s, g.sections[s])
	}
	if err := os.MkdirAll(filepath.Dir(g.path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(g.path, []byte(b.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}

// Each question's plan and SQL are what the golden files say.
func TestGolden(t *testing.T) {
	for _, q := range questions {
		t.Run(q.name, func(t *testing.T) {
			plan, err := ask(t, q.sql, privacy())
			if err != nil {
				t.Fatal(err)
			}
			g := readGolden(t, q.name)
			g.is(t, "question", q.sql)
			g.is(t, "plan", describe(plan))
			for _, d := range []query.Dialect{query.DuckDB, query.PostgreSQL} {
				statements, err := plan.SQL(d, sources())
				if err != nil {
					t.Fatal(err)
				}
				for i, s := range statements {
					g.is(t, fmt.Sprintf("%s %d", d, i), s.Text)
					deterministic(t, s.Text)
				}
			}
		})
	}
}

// deterministic refuses SQL that could draw, or read a clock.
func deterministic(t *testing.T, sql string) {
	t.Helper()
	for _, word := range []string{"random", "setseed", "uuid", "sample", "now()", "current_", "nextval", "any_value", "first(", "clock"} {
		if strings.Contains(strings.ToLower(sql), word) {
			t.Errorf("the SQL has %q in it:\n%s", word, sql)
		}
	}
}
