package query_test

import (
	"strings"
	"testing"

	"github.com/anchorhold/anchorhold/dp/query"
)

func TestLift(t *testing.T) {
	sql := "SELECT WITH /* no ) */ DIFFERENTIAL_PRIVACY OPTIONS(epsilon = 0.5, delta = 1e-6,\n max_groups_contributed = 3, contribution_bounds_per_row = (-1, 2.5), privacy_unit_column = \"p\"\"id\", group_selection_strategy = laplace_threshold)\n region, SUM(spend, contribution_bounds_per_group => (0, 100)), 'WITH DIFFERENTIAL_PRIVACY' FROM t -- SELECT WITH DIFFERENTIAL_PRIVACY"
	plain, o, err := query.Lift(sql)
	if err != nil {
		t.Fatal(err)
	}
	if !o.DP || o.Epsilon != 0.5 || o.Delta != 1e-6 || o.MaxGroups != 3 || o.PerRow.Lo != "-1" || o.PerRow.Hi != "2.5" || o.Unit != `p"id` || o.GroupSelection != "LAPLACE_THRESHOLD" {
		t.Errorf("%+v", o)
	}
	at := strings.Index(sql, "SUM")
	if c := o.Calls[at]; c.PerGroup == nil || c.PerGroup.Hi != "100" || c.PerRow != nil {
		t.Errorf("%+v", o.Calls)
	}
	want := "SELECT region, SUM(spend), 'WITH DIFFERENTIAL_PRIVACY' FROM t -- SELECT WITH DIFFERENTIAL_PRIVACY"
	if strings.Join(strings.Fields(plain), " ") != strings.Replace(want, "spend)", "spend )", 1) {
		t.Errorf("%q", plain)
	}
	if len(plain) != len(sql) || strings.Index(plain, "SUM") != at || strings.Count(plain, "\n") != strings.Count(sql, "\n") {
		t.Error("places moved")
	}
}

// What is in strings, names, comments and other clauses stays as it is.
func TestLiftLeavesTheRestAlone(t *testing.T) {
	for _, sql := range []string{
		"SELECT 'SELECT WITH DIFFERENTIAL_PRIVACY' FROM t",
		`SELECT "SELECT WITH DIFFERENTIAL_PRIVACY" FROM t`,
		"SELECT $$SELECT WITH DIFFERENTIAL_PRIVACY$$, $a$ SELECT WITH DIFFERENTIAL_PRIVACY $$ $a$ FROM t",
		"SELECT e'\\'SELECT WITH DIFFERENTIAL_PRIVACY' FROM t",
		"SELECT a /* SELECT WITH DIFFERENTIAL_PRIVACY /* nested */ */ FROM t",
		"SELECT a -- SELECT WITH DIFFERENTIAL_PRIVACY\n FROM t",
		"WITH differential_privacy AS (SELECT 1) SELECT * FROM differential_privacy",
		"SELECT f(a, b => 3), 'x, contribution_bounds_per_row => (0,1)' FROM t",
		"SELECT contribution_bounds_per_row FROM t",
		"SELECT a.with.differential_privacy FROM t",
	} {
		plain, o, err := query.Lift(sql)
		if err != nil || plain != sql || o.DP || len(o.Calls) > 0 {
			t.Errorf("%s becomes %q, %+v, %v", sql, plain, o, err)
		}
	}
}

func TestLiftRefuses(t *testing.T) {
	for sql, says := range map[string]string{
		"SELECT 'a":         "line 1, column 8: a string, name or comment that does not end",
		"SELECT /* ":        "does not end",
		`SELECT "a`:         "does not end",
		"SELECT $a$ b $$":   "does not end",
		"SELECT `a` FROM t": "backquotes",
		"SELECT a FROM (SELECT WITH DIFFERENTIAL_PRIVACY b FROM t)":                                     "line 1, column 23: WITH DIFFERENTIAL_PRIVACY inside of a subquery",
		"SELECT WITH DIFFERENTIAL_PRIVACY a FROM t UNION ALL SELECT WITH DIFFERENTIAL_PRIVACY a FROM t": "WITH DIFFERENTIAL_PRIVACY twice",
		"SELECT WITH DIFFERENTIAL_PRIVACY OPTIONS epsilon":                                              "OPTIONS without a parenthesis",
		"SELECT WITH DIFFERENTIAL_PRIVACY OPTIONS(epsilon = 0) a":                                       "epsilon that is not a positive number",
		"SELECT WITH DIFFERENTIAL_PRIVACY OPTIONS(epsilon = -1) a":                                      "epsilon that is not a positive number",
		"SELECT WITH DIFFERENTIAL_PRIVACY OPTIONS(epsilon = 1e20) a":                                    "epsilon that is not a positive number",
		"SELECT WITH DIFFERENTIAL_PRIVACY OPTIONS(epsilon = inf) a":                                     "epsilon that is not a positive number",
		"SELECT WITH DIFFERENTIAL_PRIVACY OPTIONS(epsilon = 0x10) a":                                    "epsilon that is not a positive number",
		"SELECT WITH DIFFERENTIAL_PRIVACY OPTIONS(epsilon = 1, epsilon = 2) a":                          "option epsilon twice",
		"SELECT WITH DIFFERENTIAL_PRIVACY OPTIONS(noise = 1) a":                                         "an unknown option",
		"SELECT WITH DIFFERENTIAL_PRIVACY OPTIONS(epsilon) a":                                           "an option without a value",
		"SELECT WITH DIFFERENTIAL_PRIVACY OPTIONS(epsilon = 1 delta = 2) a":                             "an option that does not end",
		"SELECT WITH DIFFERENTIAL_PRIVACY OPTIONS(epsilon = 1,) a":                                      "an option that does not end",
		"SELECT WITH DIFFERENTIAL_PRIVACY OPTIONS(max_groups_contributed = 1.5) a":                      "not a positive whole number",
		"SELECT WITH DIFFERENTIAL_PRIVACY OPTIONS(contribution_bounds_per_row = 3) a":                   "contribution bounds that are not a pair",
		"SELECT WITH DIFFERENTIAL_PRIVACY OPTIONS(group_selection_strategy = all_of_them) a":            "an unknown group_selection_strategy",
		"SELECT SUM(a, contribution_bounds_per_row => (1, b))":                                          "contribution bounds that are not a pair",
		"SELECT SUM(a, contribution_bounds_per_row => (1, 2), contribution_bounds_per_row => (1, 2))":   "twice in one call",
		"SELECT WITH DIFFERENTIAL_PRIVACY OPTIONS(":                                                     "an option without a value",
	} {
		_, _, err := query.Lift(sql)
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s\nsays %v\nwant %s", sql, err, says)
		}
	}
}

// Whatever it is given, Lift moves nothing, and changes only what it takes
// out; what it leaves has nothing more to take.
func FuzzLift(f *testing.F) {
	for _, q := range questions {
		f.Add(q.sql)
	}
	for _, r := range refusals {
		f.Add(r.sql)
	}
	f.Add("SELECT WITH DIFFERENTIAL_PRIVACY OPTIONS(epsilon = 1) SUM(a, contribution_bounds_per_row => (0, 1)), $x$ ' $x$ e'\\''")
	f.Fuzz(func(t *testing.T, sql string) {
		plain, o, err := query.Lift(sql)
		if err != nil {
			return
		}
		if len(plain) != len(sql) {
			t.Fatal("the length changes")
		}
		changed := false
		for i := range len(sql) {
			if plain[i] != sql[i] {
				changed = true
				if plain[i] != ' ' || sql[i] == '\n' {
					t.Fatalf("byte %d becomes %q", i, plain[i])
				}
			}
		}
		if changed != (o.DP || len(o.Calls) > 0) {
			t.Fatal("something changes without being said")
		}
		again, o2, err := query.Lift(plain)
		if err != nil || again != plain || o2.DP || len(o2.Calls) > 0 {
			t.Fatalf("lifting again changes it: %q %+v %v", again, o2, err)
		}
	})
}

// A tree is hostile: no bytes make Lower or Bound panic, and what they pass
// can be written for each engine.
func FuzzLower(f *testing.F) {
	f.Add([]byte(`{"error":false,"statements":[{"node":{"type":"SELECT_NODE","modifiers":[],"cte_map":{"map":[]},"select_list":[{"class":"FUNCTION","type":"FUNCTION","alias":"","query_location":7,"function_name":"count_star","schema":"","children":[],"filter":null,"order_bys":{"type":"ORDER_MODIFIER","orders":[]},"distinct":false,"is_operator":false,"export_state":false,"catalog":""}],"from_table":{"type":"BASE_TABLE","alias":"","sample":null,"query_location":21,"schema_name":"","table_name":"visits","column_name_alias":[],"catalog_name":"","at_clause":null},"where_clause":null,"group_expressions":[],"group_sets":[],"aggregate_handling":"STANDARD_HANDLING","having":null,"sample":null,"qualify":null},"named_param_map":[]}]}`))
	for _, ast := range recorded(f) {
		f.Add(ast)
	}
	f.Fuzz(func(t *testing.T, ast []byte) {
		q, err := query.Lower(ast, strings.Repeat(" ", 300), query.Options{}, schema)
		if err != nil {
			return
		}
		plan, err := q.Bound(privacy())
		if err != nil {
			return
		}
		for _, d := range []query.Dialect{query.DuckDB, query.PostgreSQL} {
			if _, err := plan.SQL(d, sources()); err != nil {
				t.Fatal(err)
			}
		}
	})
}
