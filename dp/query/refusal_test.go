package query_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/anchorhold/anchorhold/dp/query"
)

// Statements that are refused: with what, and at which place.
var refusals = []struct{ sql, says string }{
	{"SELECT 1; SELECT 2", "2 statements; send one"},
	{"SHOW TABLES", "SHOW, DESCRIBE or SUMMARIZE"},
	{"DESCRIBE visits", "SHOW, DESCRIBE or SUMMARIZE"},
	{"SUMMARIZE visits", "SHOW, DESCRIBE or SUMMARIZE"},
	{"SELECT COUNT(*) FROM 'secret.csv'", "line 1, column 22: a table that the dataset does not have; name one of: visits"},
	{"SELECT COUNT(*) FROM other.visits", "line 1, column 22: a table that the dataset does not have"},
	{"SELECT COUNT(*) FROM read_csv('x.csv')", "line 1, column 22: a table function"},
	{"SELECT COUNT(*) FROM range(10)", "a table function"},
	{"SELECT COUNT(*) FROM (VALUES (1), (2)) v(a)", "VALUES"},
	{"SELECT COUNT(*) FROM visits TABLESAMPLE 10%", "TABLESAMPLE"},
	{"SELECT COUNT(*) FROM visits USING SAMPLE 5 ROWS", "TABLESAMPLE"},
	{"SELECT age FROM visits", "a column that is neither grouped nor aggregated"},
	{"SELECT sex FROM visits GROUP BY sex", "a question without an aggregate"},
	{"SELECT * FROM visits", "* in place of a value"},
	{"SELECT COUNT(*)", "a question without FROM"},
	{"SELECT SUM(random()) FROM visits", "line 1, column 12: a function that is not allowed"},
	{"SELECT SUM(ln(age)) FROM visits", "line 1, column 12: a function that is not allowed; use one that gives the same in every engine"},
	{"SELECT SUM(age ^ 2) FROM visits", "a function that is not allowed"},
	{"SELECT COUNT(*) FROM visits WHERE regexp_matches(note, 'a')", "a function that is not allowed"},
	{"SELECT COUNT(*) FROM visits WHERE note ILIKE 'a'", "a function that is not allowed"},
	{"SELECT COUNT(*) FROM visits WHERE note = getenv('HOME')", "a function that is not allowed"},
	{"SELECT COUNT(*) FROM visits WHERE day < current_date", "a column that is not there"},
	{"SELECT SUM(list_sum(list_transform([age], lambda x: x + 1))) FROM visits", "a function that is not allowed"},
	{"SELECT SUM(ABS(lambda x: x)) FROM visits", "a lambda"},
	{"SELECT SUM(age) OVER (PARTITION BY sex) FROM visits", "line 1, column 8: a window function"},
	{"SELECT COUNT(*) FROM visits QUALIFY row_number() OVER () = 1", "QUALIFY"},
	{"SELECT COUNT(*) FROM visits, LATERAL (SELECT visits.age) l", "a question without FROM"},
	{"SELECT COUNT(*) FROM visits WHERE age > (SELECT AVG(age) FROM visits)", "a subquery inside of an expression"},
	{"SELECT COUNT(*) FROM visits v WHERE EXISTS (SELECT 1 FROM bills b WHERE b.visit = v.visit_id)", "a subquery inside of an expression"},
	{"SELECT (SELECT COUNT(*) FROM bills) FROM visits", "a subquery inside of an expression"},
	{"SELECT MAX(age) FROM visits", "MIN or MAX, which are one person's value"},
	{"SELECT string_agg(note, ',') FROM visits", "a function that is not allowed"},
	{"SELECT SUM(DISTINCT age) FROM visits", "DISTINCT in an aggregate other than COUNT"},
	{"SELECT COUNT(DISTINCT age) FROM visits", "COUNT(DISTINCT …) of something else than the unit"},
	{"SELECT COUNT(*) FROM visits GROUP BY weight", "GROUP BY a double"},
	{"SELECT secret, COUNT(*) FROM visits GROUP BY secret", "column secret, which the owner keeps out of questions"},
	{"SELECT COUNT(secret) FROM visits", "column secret, which the owner keeps out of questions"},
	{"SELECT COUNT(nothing) FROM visits", "line 1, column 14: a column that is not there"},
	{"SELECT COUNT(patient_id) FROM visits v JOIN patients p ON v.patient_id = p.patient_id", "a column name that means several"},
	{"SELECT COUNT(*) FROM visits v JOIN patients p ON v.age = p.height", "a join of private tables on something other than their unit"},
	{"SELECT COUNT(*) FROM visits v JOIN patients p ON v.patient_id = p.patient_id OR TRUE", "a join of private tables on something other than their unit"},
	{"SELECT COUNT(*) FROM visits v JOIN patients p ON v.age + 0 = p.patient_id", "a join of private tables on something other than their unit"},
	{"SELECT COUNT(*) FROM visits, patients", "a join without a condition"},
	{"SELECT COUNT(*) FROM visits v RIGHT JOIN patients p ON v.patient_id = p.patient_id", "a right join"},
	{"SELECT COUNT(*) FROM visits v FULL JOIN patients p ON v.patient_id = p.patient_id", "a full join"},
	{"SELECT COUNT(*) FROM visits NATURAL JOIN patients", "a natural join"},
	{"SELECT COUNT(*) FROM visits POSITIONAL JOIN patients", "a positional join"},
	{"SELECT COUNT(*) FROM visits v ASOF JOIN patients p ON v.patient_id = p.patient_id AND v.day >= p.born", "join"},
	{"SELECT COUNT(*) FROM visits v SEMI JOIN patients p ON v.patient_id = p.patient_id", "a semi join"},
	{"SELECT COUNT(*) FROM survey a JOIN survey b ON a.g = b.g", "a join of a table whose every row is a unit of its own"},
	{"SELECT COUNT(*) FROM survey JOIN cities ON g = zone", "line 1, column 29: a join with a public table on something other than its key"},
	{"SELECT COUNT(*) FROM survey JOIN cities ON city = city", "a join with a public table on something other than its key"},
	{"SELECT COUNT(*) FROM survey JOIN cities ON g = LOWER(city)", "a join with a public table on something other than its key"},
	{"SELECT COUNT(*) FROM survey JOIN cities ON g = city OR y = 1", "a join with a public table on something other than its key"},
	{"SELECT COUNT(*) FROM survey, cities", "a join without a condition"},
	{"SELECT COUNT(*) FROM cities LEFT JOIN survey ON g = city", "a LEFT JOIN of a public table with one whose every row is a unit of its own"},
	{"SELECT COUNT(*) FROM survey JOIN (SELECT a.city FROM cities a JOIN cities b ON a.zone = b.zone) c ON g = city", "a join with a public table that has no key"},
	{"SELECT COUNT(*) FROM survey s JOIN bills v ON s.g = v.kind", "a join of a table whose every row is a unit of its own"},
	{"SELECT COUNT(*) FROM (SELECT g FROM survey UNION ALL SELECT g FROM survey) q", "UNION ALL of a table whose every row is a unit of its own"},
	{"SELECT SUM(n) FROM (SELECT g, COUNT(*) AS n FROM survey GROUP BY g) q", "an aggregate in a subquery over a table whose every row is a unit of its own"},
	{"SELECT SUM(n) FROM (SELECT sex, COUNT(*) AS n FROM visits GROUP BY sex) q", "a subquery that aggregates over units; GROUP BY the unit's column too"},
	{"SELECT SUM(n) FROM (SELECT COUNT(*) AS n FROM visits) q", "a subquery that aggregates over units"},
	{"SELECT COUNT(*) FROM (SELECT DISTINCT note FROM visits) q", "LIMIT or DISTINCT in a subquery"},
	{"SELECT COUNT(*) FROM (SELECT age FROM visits LIMIT 10) q", "LIMIT or DISTINCT in a subquery"},
	{"SELECT COUNT(*) FROM (SELECT age FROM visits UNION SELECT 1 FROM visits) q", "UNION without ALL"},
	{"SELECT COUNT(*) FROM (SELECT patient_id FROM visits UNION ALL SELECT people FROM cities) q", "UNION ALL of tables that do not have the same unit"},
	{"SELECT COUNT(*) FROM visits UNION ALL SELECT COUNT(*) FROM visits", "UNION, INTERSECT or EXCEPT of answers"},
	{"WITH RECURSIVE r AS (SELECT 1 AS a UNION ALL SELECT a + 1 FROM r) SELECT COUNT(*) FROM r", "a recursive CTE"},
	{"SELECT COUNT(*) FROM cities", "a question about public tables alone"},
	{"SELECT COUNT(*) FROM visits WHERE age", "a number in WHERE, which needs a truth value"},
	{"SELECT COUNT(*) FROM visits WHERE age = 'old'", "a number beside a text"},
	{"SELECT COUNT(*) FROM visits WHERE day > 'soon'", "a text that is not a date"},
	{"SELECT SUM(note) FROM visits", "an aggregate of something else"},
	{"SELECT SUM(big) FROM visits", "not stated bounds of visits.big"},
	{"SELECT SUM(big + wild) FROM visits", "not stated bounds of visits.big, bounds of visits.wild"},
	{"SELECT MEDIAN(wild) FROM visits", "not stated bounds of visits.wild"},
	{"SELECT COUNT(*) FROM visits WHERE age % 2.5 = 0", "// or % of numbers that are not whole"},
	{"SELECT COUNT(*) FROM visits WHERE SUM(age) > 1", "an aggregate where rows are meant"},
	{"SELECT SUM(SUM(age)) FROM visits", "an aggregate where rows are meant"},
	{"SELECT COUNT(*) FROM visits GROUP BY 7", "GROUP BY a constant"},
	{"SELECT GROUPING(sex), COUNT(*) FROM visits GROUP BY ROLLUP(sex)", "GROUPING()"},
	{"SELECT DISTINCT COUNT(*) FROM visits", "SELECT DISTINCT of answers"},
	{"SELECT COUNT(*) FROM visits LIMIT 10%", "a modifier that is not known"},
	{"SELECT ?, COUNT(*) FROM visits", "parameter"},
	{"SELECT COUNT(*) FROM visits WHERE #1 > 2", "a column by its place"},
	{"SELECT UPPER(note), COUNT(*) FROM visits GROUP BY note", "more than arithmetic"},
	{"SELECT SUM(age, bounds => 3) FROM visits", "a named argument that is not known"},
	{"SELECT APPROX_QUANTILES(age, 4) + 1 FROM visits", "a list and a number"},
	{"SELECT COUNT(*) FROM visits WHERE day + INTERVAL 1 MONTH > '2020-01-01'", "an interval that is not a constant number of days"},
	{"SELECT COUNT(*) FROM visits WHERE CAST(note AS DATE) > '2020-01-01'", "a cast of a text to a date"},
	{"SELECT COUNT(*) FROM visits WHERE substr(note, 0, 2) = 'a'", "SUBSTRING from 0"},
	{"SELECT COUNT(*) FROM visits WHERE [age] = [1]", "a function that is not allowed"},
	{"SELECT COUNT(*) FROM visits WHERE note COLLATE NOCASE = 'a'", "COLLATE"},
	{"SELECT * EXCLUDE (age) FROM (SELECT * EXCLUDE (age) FROM visits) q", "* with EXCLUDE"},
	{"INSERT INTO visits VALUES (1)", "something other than SELECT"},
	{"COPY visits TO 'x'", "something other than SELECT"},
	{"SELEC 1", "line 1, column 1: not SQL: syntax error at or near"},
	{"PIVOT visits ON sex USING COUNT(*)", "something other than SELECT"},
	{"SELECT COUNT(*) FROM (SELECT CASE WHEN age > 3 THEN weight END * 1e200 * 1e200 AS x FROM visits) q WHERE x > 1", "a product that can be too large"},
	{"SELECT note, COUNT(*) FROM visits GROUP BY note; DROP TABLE visits", "something other than SELECT"},
	{"SELECT WITH DIFFERENTIAL_PRIVACY OPTIONS(group_selection_strategy = PUBLIC_GROUPS) note, COUNT(*) FROM visits GROUP BY note", "PUBLIC_GROUPS of a key whose values are not named"},
	{"SELECT WITH DIFFERENTIAL_PRIVACY OPTIONS(privacy_unit_column = age) COUNT(*) FROM visits", "line 1, column 64: a privacy_unit_column that is not the owner's"},
	{"SELECT SUM(age, contribution_bounds_per_row => (500, 600)) FROM visits", "contribution bounds that no value keeps"},
	{"SELECT COUNT(*) FROM visits WHERE " + strings.Repeat("ROUND(", 40) + "weight" + strings.Repeat(")", 40) + " > 1", "an expression that is too long"},
	{"SELECT COUNT(*) FROM visits WHERE " + strings.Repeat("REPLACE(", 20) + "note" + strings.Repeat(", 'a', 'aa')", 20) + " = 'a'", "a text that can become very long"},
	{"SELECT COUNT(*) FROM visits WHERE " + strings.Repeat("(NOT ", 200) + "smoker" + strings.Repeat(")", 200), "nested too deeply"},
	{"SELECT SUM(a) FROM (SELECT ABS(age, contribution_bounds_per_row => (0, 1)) AS a FROM visits) q", "contribution bounds of what is not an aggregate of the answer"},
}

// Statements whose trees other tests need.
var others = []string{
	"SELECT note, COUNT(*) FROM visits GROUP BY note", "SELECT COUNT(*) FROM visits",
	"SELECT WITH DIFFERENTIAL_PRIVACY OPTIONS(group_selection_strategy = THRESHOLD) note, COUNT(*), MEDIAN(weight) FROM visits GROUP BY 1",
	"SELECT WITH DIFFERENTIAL_PRIVACY OPTIONS(group_selection_strategy = THRESHOLD) age, COUNT(*), MEDIAN(weight) FROM visits GROUP BY 1",
}

func TestRefusals(t *testing.T) {
	for _, r := range refusals {
		_, err := ask(t, r.sql, privacy())
		if err == nil {
			t.Errorf("%s is answered", r.sql)
			continue
		}
		if !strings.Contains(err.Error(), r.says) {
			t.Errorf("%s\nsays %q\nwant %q", r.sql, err, r.says)
		}
		var refusal *query.Refusal
		if errors.As(err, &refusal) && refusal.Remedy == "" {
			t.Errorf("%s: no remedy in %q", r.sql, err)
		}
	}
}

// What the owner has not stated is named, and nothing is guessed.
func TestMissingFacts(t *testing.T) {
	p := privacy()
	p.MaxRows, p.MaxGroups = 0, 0
	_, err := ask(t, others[0], p)
	var missing *query.Missing
	if !errors.As(err, &missing) || len(missing.Facts) != 2 {
		t.Fatalf("%v", err)
	}
	delete(p.Tables, "visits")
	if _, err = ask(t, others[1], p); !errors.As(err, &missing) || !strings.Contains(err.Error(), "whose rows visits holds") {
		t.Fatalf("%v", err)
	}
}
