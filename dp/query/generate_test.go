package query_test

import (
	"fmt"
	"strings"
)

// A generator of questions: any that the lists allow, over the tables of the
// tests, with everything nested in everything.

type asker struct {
	r *random
	// what can be named, by kind
	nums, texts, bools, dates, stamps []string
	keys                              []string
	unit                              string
}

func (a *asker) one(of []string) string { return of[a.r.next(len(of))] }

func (a *asker) num(depth int) string {
	if depth <= 0 {
		if a.r.next(3) == 0 {
			return pick(a.r, "0", "1", "-3", "2.5", "1e3", "0.001", "7", "-1e-5", "120", "99.99")
		}
		return a.one(a.nums)
	}
	x := func() string { return a.num(depth - 1) }
	switch a.r.next(19) {
	case 0, 1:
		return "(" + x() + " + " + x() + ")"
	case 2:
		return "(" + x() + " - " + x() + ")"
	case 3, 4:
		return "(" + x() + " * " + x() + ")"
	case 5:
		return "(" + x() + " / " + x() + ")"
	case 6:
		return "(CAST(" + x() + " AS BIGINT) // CAST(" + x() + " AS BIGINT))"
	case 7:
		return "(CAST(" + x() + " AS BIGINT) % CAST(" + x() + " AS BIGINT))"
	case 8:
		return pick(a.r, "ABS", "SIGN", "FLOOR", "CEIL", "ROUND", "SQRT", "-") + "(" + x() + ")"
	case 9:
		if a.r.next(2) == 0 {
			return "WIDTH_BUCKET(" + x() + ", " + pick(a.r, "0, 120, 12", "-0.5, 2.75, 7", "10, 11, 1", "-1e9, 1e9, 100") + ")"
		}
		return "ROUND(" + x() + ", " + pick(a.r, "0", "1", "2") + ")"
	case 10:
		return "CASE WHEN " + a.truth(depth-1) + " THEN " + x() + " WHEN " + a.truth(depth-1) + " THEN " + pick(a.r, "NULL", x()) + " ELSE " + x() + " END"
	case 11:
		return pick(a.r, "COALESCE", "NULLIF", "GREATEST", "LEAST") + "(" + x() + ", " + x() + ")"
	case 12:
		return pick(a.r, "LENGTH", "LENGTH", "LENGTH") + "(" + a.text(depth-1) + ")"
	case 13:
		return "STRPOS(" + a.text(depth-1) + ", " + a.text(depth-1) + ")"
	case 14:
		return pick(a.r, "YEAR", "QUARTER", "MONTH", "WEEK", "DAY", "DAYOFYEAR", "DAYOFWEEK", "ISODOW") + "(" + a.date(depth-1) + ")"
	case 15:
		return "EXTRACT(" + pick(a.r, "hour", "minute", "year", "dow", "week") + " FROM " + a.one(a.stamps) + ")"
	case 16:
		return "CAST(" + pick(a.r, a.text(depth-1), a.truth(depth-1), x()) + " AS " + pick(a.r, "BIGINT", "DOUBLE", "DECIMAL(12,2)", "INTEGER") + ")"
	case 17:
		return "(" + a.date(depth-1) + " - " + a.date(depth-1) + ")"
	}
	return a.one(a.nums)
}

func (a *asker) text(depth int) string {
	if depth <= 0 {
		if a.r.next(3) == 0 {
			return pick(a.r, "''", "'a'", "'it''s'", `'\'`, "'Ü'", "'%'", "' '", "'12'", "'-0.5e-9'")
		}
		return a.one(a.texts)
	}
	x := func() string { return a.text(depth - 1) }
	switch a.r.next(10) {
	case 0:
		return pick(a.r, "LOWER", "UPPER", "TRIM", "LTRIM", "RTRIM") + "(" + x() + ")"
	case 1:
		return pick(a.r, "TRIM", "LTRIM", "RTRIM") + "(" + x() + ", " + pick(a.r, "'a'", "' x'", `'\'`) + ")"
	case 2:
		return "SUBSTRING(" + x() + ", " + pick(a.r, "1", "2", "9") + pick(a.r, "", ", 0", ", 3") + ")"
	case 3:
		return pick(a.r, "LEFT", "RIGHT") + "(" + x() + ", " + pick(a.r, "0", "2", "50") + ")"
	case 4:
		return "REPLACE(" + x() + ", " + pick(a.r, "'a'", "'12'", `'\'`) + ", " + pick(a.r, "''", "'bb'") + ")"
	case 5:
		return pick(a.r, "("+x()+" || "+x()+")", "CONCAT("+x()+", "+x()+")")
	case 6:
		return "CASE WHEN " + a.truth(depth-1) + " THEN " + x() + " ELSE " + pick(a.r, "NULL", x()) + " END"
	case 7:
		return pick(a.r, "COALESCE", "NULLIF", "GREATEST", "LEAST") + "(" + x() + ", " + x() + ")"
	case 8:
		return "CAST(" + pick(a.r, a.date(depth-1), a.truth(depth-1), "CAST("+a.num(depth-1)+" AS BIGINT)") + " AS VARCHAR)"
	}
	return a.one(a.texts)
}

func (a *asker) date(depth int) string {
	if depth <= 0 {
		return pick(a.r, a.one(a.dates), a.one(a.dates), "DATE '2010-02-28'")
	}
	switch a.r.next(6) {
	case 0:
		return "(" + a.date(depth-1) + pick(a.r, " + ", " - ") + pick(a.r, "3", "CAST("+a.num(depth-1)+" AS BIGINT)", "INTERVAL 2 DAY", "INTERVAL 1 WEEK") + ")"
	case 1:
		return "CAST(" + a.one(a.stamps) + " AS DATE)"
	case 2:
		return "CAST(DATE_TRUNC('" + pick(a.r, "year", "quarter", "month", "week", "day") + "', " + a.date(depth-1) + ") AS DATE)"
	case 3:
		return "CAST(DATE_TRUNC('" + pick(a.r, "year", "quarter", "month", "week", "day", "hour", "minute") + "', " + a.one(a.stamps) + ") AS DATE)"
	case 4:
		return "COALESCE(" + a.date(depth-1) + ", " + a.date(depth-1) + ")"
	}
	return a.one(a.dates)
}

func (a *asker) truth(depth int) string {
	if depth <= 0 {
		return a.one(a.bools)
	}
	n, t, d := func() string { return a.num(depth - 1) }, func() string { return a.text(depth - 1) }, func() string { return a.date(depth - 1) }
	cmp := func() string {
		return pick(a.r, "=", "<>", "<", "<=", ">", ">=", "IS DISTINCT FROM", "IS NOT DISTINCT FROM")
	}
	switch a.r.next(14) {
	case 0, 1:
		return "(" + n() + " " + cmp() + " " + n() + ")"
	case 2:
		return "(" + t() + " " + cmp() + " " + t() + ")"
	case 3:
		return "(" + d() + " " + cmp() + " " + d() + ")"
	case 4:
		return "(" + a.truth(depth-1) + pick(a.r, " AND ", " OR ") + a.truth(depth-1) + ")"
	case 5:
		return "(NOT " + a.truth(depth-1) + ")"
	case 6:
		return "(" + pick(a.r, n(), t(), d(), a.truth(depth-1)) + pick(a.r, " IS NULL)", " IS NOT NULL)")
	case 7:
		return "(" + n() + pick(a.r, " IN (", " NOT IN (") + "1, 2, " + n() + "))"
	case 8:
		return "(" + t() + " IN ('a', '12', " + t() + "))"
	case 9:
		return "(" + n() + " BETWEEN " + n() + " AND " + n() + ")"
	case 10:
		return "(" + t() + pick(a.r, " LIKE ", " NOT LIKE ") + pick(a.r, "'%a%'", "'_'", `'\%'`, `'%\'`, "'__%'", "''", "'Ü%'", "'%s'") + ")"
	case 11:
		return pick(a.r, "STARTS_WITH", "CONTAINS", "ENDS_WITH") + "(" + t() + ", " + t() + ")"
	case 12:
		return "(" + d() + " >= '2015-06-01')"
	}
	return a.one(a.bools)
}

// over names what one FROM offers; p is what stands before the names.
func over(r *random, from string) *asker {
	a := &asker{r: r}
	add := func(p string, list *[]string, names ...string) {
		for _, n := range names {
			*list = append(*list, p+n)
		}
	}
	visits := func(p string) {
		add(p, &a.nums, "age", "sex", "weight", "ratio", "cost")
		add(p, &a.texts, "note", "region")
		add(p, &a.bools, "smoker", "smoker", "smoker")
		a.bools = append(a.bools, "("+p+"big > 5)", "("+p+"wild <= 0.5)", "("+p+"visit_id IS NULL)")
		add(p, &a.dates, "day")
		add(p, &a.stamps, "moment")
		add(p, &a.keys, "sex", "region", "smoker", "note", "day", "big")
		a.unit = p + "patient_id"
	}
	switch from {
	case "visits":
		visits("")
	case "bills":
		add("", &a.nums, "amount", "amount")
		add("", &a.texts, "kind")
		a.bools, a.dates, a.stamps = []string{"(amount > 100)"}, []string{"DATE '2020-01-01'"}, []string{"TIMESTAMP '2020-01-01 00:00:00'"}
		add("", &a.keys, "kind", "amount")
	case "survey":
		add("", &a.nums, "x", "y")
		add("", &a.texts, "g")
		add("", &a.bools, "answered")
		a.dates, a.stamps = []string{"DATE '2020-01-01'"}, []string{"TIMESTAMP '2020-01-01 00:00:00'"}
		add("", &a.keys, "g", "y", "answered")
	case "joined", "leftjoined", "cities":
		visits("v.")
		add("p.", &a.nums, "height")
		add("p.", &a.texts, "city")
		add("p.", &a.dates, "born")
		add("p.", &a.keys, "city", "born")
		if from == "cities" {
			add("c.", &a.texts, "zone")
			add("c.", &a.nums, "people")
			add("c.", &a.keys, "zone")
		}
	}
	return a
}

// question makes one question over random tables.
func question(r *random) string {
	from := pick(r, "visits", "visits", "visits", "bills", "survey", "joined", "leftjoined", "cities", "sub", "grouped", "union", "cte")
	depth := 1 + r.next(3)
	a := over(r, from)
	text := from
	with := ""
	switch from {
	case "joined":
		text = "visits v JOIN patients p ON v.patient_id = p.patient_id AND " + a.truth(1)
	case "leftjoined":
		text = "visits AS v LEFT JOIN patients AS p ON (p.patient_id = v.patient_id)"
	case "cities":
		text = "visits v JOIN patients p ON v.patient_id = p.patient_id " + pick(r, "JOIN", "LEFT JOIN") + " cities c ON p.city = c.city"
	case "sub", "cte":
		b := over(r, "visits")
		sub := fmt.Sprintf("SELECT patient_id, %s AS a, %s AS b, %s AS t, %s AS d, moment AS m FROM visits WHERE %s", b.num(depth), b.truth(depth), b.text(depth), b.date(depth), b.truth(depth))
		a = &asker{r: r, nums: []string{"a"}, bools: []string{"b"}, texts: []string{"t"}, dates: []string{"d"}, stamps: []string{"m"}, keys: []string{"t", "d", "b"}, unit: "patient_id"}
		text = "(" + sub + ") AS q"
		if from == "cte" {
			with, text = "WITH q AS ("+sub+") ", "q"
		}
	case "grouped":
		b := over(r, "visits")
		key := b.one(b.keys)
		sub := fmt.Sprintf("SELECT patient_id, %s AS k, COUNT(*) AS n, SUM(%s) AS s, AVG(%s) AS m, MIN(%s) AS t, MAX(%s) AS d FROM visits WHERE %s GROUP BY patient_id, %s", key, b.num(1), b.num(1), b.text(depth), b.date(depth), b.truth(depth), key)
		if r.next(2) == 0 {
			sub += " HAVING COUNT(*) > 1"
		}
		a = &asker{r: r, nums: []string{"n", "s", "m"}, bools: []string{"(n > 1)"}, texts: []string{"t"}, dates: []string{"d"}, stamps: []string{"TIMESTAMP '2020-01-01 00:00:00'"}, keys: []string{"k", "t", "n"}, unit: "patient_id"}
		text = "(" + sub + ") q"
	case "union":
		b := over(r, "visits")
		text = fmt.Sprintf("(SELECT patient_id, %s AS a, note AS t, day AS d FROM visits UNION ALL SELECT patient_id, height, %s, born FROM patients) q", b.num(depth), pick(r, "city", "NULL", "'x'"))
		a = &asker{r: r, nums: []string{"a"}, bools: []string{"(a > 1)"}, texts: []string{"t"}, dates: []string{"d"}, stamps: []string{"TIMESTAMP '2020-01-01 00:00:00'"}, keys: []string{"t", "d"}, unit: "patient_id"}
	}
	return with + a.ask(text, depth)
}

func (a *asker) ask(from string, depth int) string {
	var keys, items []string
	for range a.r.next(3) {
		switch a.r.next(4) {
		case 0:
			keys = append(keys, "CAST("+a.num(depth)+" AS BIGINT) % 5")
		case 1:
			keys = append(keys, pick(a.r, a.truth(depth), a.text(depth), "YEAR("+a.date(depth)+")"))
		default:
			keys = append(keys, a.one(a.keys))
		}
	}
	items = append(items, keys...)
	for range 1 + a.r.next(3) {
		items = append(items, a.aggregate(depth))
	}
	sql := "SELECT " + strings.Join(items, ", ") + " FROM " + from
	if a.r.next(2) == 0 {
		sql += " WHERE " + a.truth(depth)
		if a.r.next(4) == 0 {
			sql += " AND " + a.one(a.keys) + " IS NOT NULL"
		}
	}
	if len(keys) == 0 {
		return sql
	}
	places := ordinalList(len(keys))
	if a.r.next(5) == 0 {
		return sql + " GROUP BY ROLLUP(" + strings.Join(keys, ", ") + ")"
	}
	return sql + " GROUP BY " + places
}

func ordinalList(n int) string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprint(i + 1)
	}
	return strings.Join(all, ", ")
}

func (a *asker) aggregate(depth int) string {
	x := a.num(depth)
	filter := ""
	if a.r.next(5) == 0 {
		filter = " FILTER (WHERE " + a.truth(depth) + ")"
	}
	bounds := ""
	if a.r.next(2) == 0 {
		bounds = pick(a.r, ", contribution_bounds_per_group => (-5, 20)", ", contribution_bounds_per_row => (0, 7.5)", ", contribution_bounds_per_row => (-1, 1), contribution_bounds_per_group => (-2, 3)")
	}
	switch a.r.next(10) {
	case 9:
		return pick(a.r, "COVAR_POP", "COVAR_SAMP", "CORR", "REGR_SLOPE", "REGR_INTERCEPT") + "(" + x + ", " + a.num(depth) + ")" + filter
	case 0:
		return "COUNT(*)" + filter
	case 1:
		return "COUNT(" + pick(a.r, x, a.text(depth), a.truth(depth)) + ")" + filter
	case 2:
		if a.unit == "" {
			return "COUNT(*)"
		}
		return "COUNT(DISTINCT " + a.unit + ")" + filter
	case 3, 4:
		return "SUM(" + x + bounds + ")" + filter
	case 5:
		return "AVG(" + x + bounds + ")" + filter
	case 6:
		return pick(a.r, "VARIANCE", "STDDEV", "VAR_POP") + "(" + x + bounds + ")" + filter
	case 7:
		return pick(a.r, "MEDIAN("+x+bounds+")", "APPROX_QUANTILES("+x+", 4"+bounds+")", "QUANTILE_CONT("+x+", 0.9"+bounds+")") + filter
	}
	return "COUNTIF(" + a.truth(depth) + ")"
}
