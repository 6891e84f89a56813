package question_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/internal/dpaudit"
	"github.com/anchorhold/anchorhold/question"
)

// shows scores 1 where an answer has a group.
func shows(key any) score {
	return func(rows [][]any) float64 {
		if slices.ContainsFunc(rows, func(r []any) bool { return r[0] == key }) {
			return 1
		}
		return 0
	}
}

// TestAttackUniqueGroup: a group that one person alone is in would say that they are
// there. It is shown no oftener than δ says, also where a step of the noise is
// nearly all of it, so that rounding a threshold the wrong way shows.
func TestAttackUniqueGroup(t *testing.T) {
	without := people("k string", nil, repeated(100, "many")...).spending("100", "0.4")
	sql := func(epsilon string) string {
		return "SELECT WITH DIFFERENTIAL_PRIVACY OPTIONS(epsilon=" + epsilon + ", delta=0.02) k, COUNT(*) AS n FROM people GROUP BY k"
	}
	for _, epsilon := range []string{"1", "8"} {
		n, shown := draws(t, 6000), 0
		for _, x := range scores(t, without.with("alone").open(t).drawer(sql(epsilon)), n, shows("alone")) {
			shown += int(x)
		}
		// Half of δ is for the noise's own conversion.
		if low, _ := dpaudit.Bounds(shown, n); low > 0.01 {
			t.Errorf("at ε %s a group of one person is shown %d of %d times", epsilon, shown, n)
		} else if shown == 0 && !underRace {
			t.Errorf("at ε %s a group of one person is never shown: the attack is blind", epsilon)
		}
	}
	// A group of nobody is none.
	for _, x := range scores(t, without.open(t).drawer(sql("1")), 200, shows("alone")) {
		if x != 0 {
			t.Fatal("a group is shown that nobody is in")
		}
	}
}

// TestAttackTooManyGroups: more groups than an engine may give would be a failure, which
// says that there are that many. Where that many people are, groups of few of them are
// none, at the same price; and one person more makes no group oftener than δ says.
func TestAttackTooManyGroups(t *testing.T) {
	w := stays("k int", nil, lines(40, "%d,1")...).spending("100", "0.4")
	w.tables[0].rows = append(w.tables[0].rows, lines(9, "1%02d,2")...)
	w.tables[0].rows = append(w.tables[0].rows, lines(8, "2%02d,3")...)
	w.size = 5_000_000 // in two groups each: of ten people at least, there are no more than a million
	b := w.with("99,2").open(t)
	d := b.drawer("SELECT WITH DIFFERENTIAL_PRIVACY OPTIONS(epsilon=1, delta=0.02) k, COUNT(*) AS n FROM stays GROUP BY k")
	if found := d.Exact()[0]; len(found) != 2 {
		t.Errorf("an engine gave %d groups, and two have ten people", len(found))
	}
	n, shown := draws(t, 6000), 0
	for _, x := range scores(t, d, n, shows(int64(2))) {
		shown += int(x)
	}
	if low, _ := dpaudit.Bounds(shown, n); low > 0.005 || shown == 0 && !underRace {
		t.Errorf("a group that one person made is shown %d of %d times", shown, n)
	}
}

// TestAttackSmallGroups: groups that are known in advance are all shown, with as much
// noise, whether many, one or none are in them, or no value of theirs is there: what
// is left out, or missing, would say how many there are (the fourth attack on CWI's
// extension).
func TestAttackSmallGroups(t *testing.T) {
	of := stated{"k": domain("a", "b", "c"), "x": bounds("0", "10")}
	without := people("k string, x int", of, repeated(40, "a,5")...)
	sql := at("1", "k, COUNT(*) AS n, SUM(x) AS s, AVG(x) AS m, VARIANCE(x) AS v FROM people GROUP BY k ORDER BY k")
	for _, row := range []string{"b,10", "b,", ",10", "other,10"} {
		d := without.with(row).open(t).drawer(sql)
		for range 50 {
			rows, err := d.Draw(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			if len(rows) != 3 || rows[1][0] != "b" || slices.Contains(rows[1], nil) {
				t.Fatalf("with %q the answer is %+v", row, rows)
			}
		}
	}
	neighbourhood(t, without.with("b,10"), without).holds(at("1", "k, COUNT(*) AS n FROM people GROUP BY k ORDER BY k"), draws(t, 8000), cell(1, 1))
}

// TestAttackHaving: HAVING, ORDER BY and LIMIT see noisy values. Were they given the
// exact ones, a group's place in the answer would tell its size.
func TestAttackHaving(t *testing.T) {
	of := stated{"k": domain("a", "b")}
	without := people("k string", of, append(repeated(10, "a"), repeated(10, "b")...)...)
	o := neighbourhood(t, without.with("b"), without)
	for _, rest := range []string{"HAVING COUNT(*) >= 11", "ORDER BY n DESC LIMIT 1"} {
		o.holds(at("2", "k, COUNT(*) AS n FROM people GROUP BY k "+rest), draws(t, 8000), shows("b"))
	}
}

// TestAttackFanOut: one person with a thousand rows, here and in what is joined, moves an
// answer no further than was stated; rows of nobody count nowhere, and are no error.
func TestAttackFanOut(t *testing.T) {
	visits := stays("cost int", stated{"cost": bounds("-10", "50")}, lines(30, "%d,20")...)
	visits.tables = append([]table{{
		"patients", "id int, sex int",
		anchorhold.AssetPrivacy{Unit: []string{"id"}, Columns: stated{"sex": domain("0", "1")}},
		append(lines(30, "%d,1"), repeated(100, "99,0")...),
	}}, visits.tables...)
	visits.tables[1].rows = append(visits.tables[1].rows, ",50", ",50")
	o := neighbourhood(t, visits.with(repeated(1000, "99,50")...), visits)
	for _, sql := range []string{
		"COUNT(*) AS n, SUM(cost) AS s FROM patients JOIN stays ON id = person",
		"sex, COUNT(cost) AS n, SUM(cost) AS s, AVG(cost) AS m, VARIANCE(cost) AS v FROM patients JOIN stays ON id = person GROUP BY sex",
		"COUNT(*) AS n, SUM(a.cost + b.cost) AS s FROM stays a JOIN stays b ON a.person = b.person",
		"SUM(c) AS s FROM (SELECT person, SUM(cost) AS c FROM stays GROUP BY person)",
		"COUNT(*) AS n, SUM(cost) AS s FROM (SELECT * FROM stays UNION ALL SELECT * FROM stays)",
		"COUNT(*) AS n, SUM(cost * 3) AS s, AVG(cost) AS m FROM stays",
		"COUNT(DISTINCT person) AS n FROM stays",
	} {
		o.moves(at("1", sql))
	}
	o.holds(at("1", "SUM(cost) AS s FROM stays"), draws(t, 6000), cell(0, 0))
	sums := o.without.drawer(at("1", "COUNT(*) AS n FROM stays")).Exact()[0]
	if n := sums["[]interface {}{}"][1].Int64(); n != 30 {
		t.Errorf("%d rows count, and 30 are of somebody", n)
	}
}

// TestAttackJoins: a person's rows, joined with themselves again and again, are work
// without end, and the time of an answer, or that there is none, would say how many
// somebody has. A join has no more of each unit than can count.
func TestAttackJoins(t *testing.T) {
	w := stays("cost int", stated{"cost": bounds("-10", "50")}, lines(30, "%d,20")...)
	sql := "COUNT(*) AS n, SUM(a0.cost) AS s FROM stays a0"
	for i := range 8 {
		sql += fmt.Sprintf(" JOIN stays a%d ON a0.person = a%d.person", i+1, i+1)
	}
	o := neighbourhood(t, w.with(lines(1000, "99,%d")...), w)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute) // else it would be for ever
	defer cancel()
	p := o.with.permit("ada")
	if _, err := o.with.Drawer(ctx, p.Principal(), "heart", question.Asked{SQL: at("1", sql)}); err != nil {
		t.Fatalf("%s has no answer where a person has a thousand rows: %v", sql, err)
	}
	o.moves(at("1", sql))
}

// TestAttackManyGroups: one person in fifty groups changes as many as was stated, and
// which they are does not depend on the question's order or on other people.
func TestAttackManyGroups(t *testing.T) {
	var others, theirs []string
	for i := range 50 {
		others = append(others, fmt.Sprintf("%d,%d", i, i%50), fmt.Sprintf("%d,%d", i, (i+1)%50))
		theirs = append(theirs, repeated(5, fmt.Sprintf("99,%d", i))...)
	}
	w := stays("k int", nil, others...).spending("100", "1e-6")
	named := w
	named.tables = slices.Clone(w.tables)
	named.tables[0].stated.Columns = stated{"k": bounds("0", "60")}
	for _, of := range []world{w, named} {
		o := neighbourhood(t, of.with(theirs...), of)
		o.moves(at("1", "k, COUNT(*) AS n FROM stays GROUP BY k"))
		o.moves(at("1", "k, person = 7 AS p, COUNT(*) AS n FROM stays GROUP BY ROLLUP (k, p)"))
	}
}

// TestAttackDifference: two questions of which one leaves a person out differ by that
// person, and by the noise of both.
func TestAttackDifference(t *testing.T) {
	without := people("id int, x int", stated{"x": bounds("0", "1")}, lines(30, "%d,1")...)
	all, rest := at("0.5", "COUNT(*) AS n FROM people"), at("0.5", "COUNT(*) AS n FROM people WHERE id <> 99")
	n := draws(t, 12_000)
	var found [][]float64
	for _, w := range []world{without.with("99,1"), without} {
		b := w.open(t)
		with, less := scores(t, b.drawer(all), n, cell(0, 0)), scores(t, b.drawer(rest), n, cell(0, 0))
		for i := range with {
			with[i] -= less[i]
		}
		found = append(found, with)
	}
	if proved := dpaudit.Proved(found[0], found[1], dpaudit.Pure); proved > 1 {
		t.Errorf("the difference of two answers at ε 0.5 proves %v", proved)
	}
}
