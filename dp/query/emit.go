package query

import (
	"fmt"
	"strconv"
	"strings"
)

// Dialect is the language of an engine.
type Dialect string

// The dialects in which plans can be written.
const (
	DuckDB     Dialect = "duckdb"
	PostgreSQL Dialect = "postgres"
)

// Sources say how an engine reads each table, as text of its dialect that
// stands in FROM, and the key of the version from which the choice of a
// unit's groups is drawn: secret, and the same in every engine.
type Sources struct {
	Tables map[string]string
	Key    string
}

// Statement is one question to an engine. Capped gives one row per unit and
// group, after every bound; its result, kept under a name, answers Sums at
// once. Capped is empty where each row is a unit.
type Statement struct {
	Text   string
	Capped string
	sums   string

	d    dialect
	name string // how a group is named
}

// only marks where the text of a bins part of selected groups says which.
const only = "\x01"

// Only is the question for the groups of these names, as Part.Name gives them. What
// is kept is the same for any.
func (s Statement) Only(names []string) Statement {
	quoted := make([]string, len(names))
	for i, n := range names {
		quoted[i] = s.d.quoted(n)
	}
	which := " AND " + s.name + " IN (" + strings.Join(quoted, ", ") + ")"
	s.Text = strings.Replace(s.Text, only, which, 1)
	s.sums = strings.Replace(s.sums, only, strings.ReplaceAll(which, "%", "%%"), 1)
	return s
}

// Name is what a group is called where several are named at once.
func (p *Part) Name(keys []any) string {
	var b strings.Builder
	for _, k := range keys {
		switch k := k.(type) {
		case string:
			fmt.Fprintf(&b, "s%d:%s", len(k), k)
		case int64:
			fmt.Fprintf(&b, "i%d;", k)
		case bool:
			b.WriteString(map[bool]string{true: "t", false: "f"}[k])
		default:
			b.WriteString("n")
		}
	}
	return b.String()
}

// Sums is the rest of the question, over a table that holds what Capped gave.
func (s Statement) Sums(table string) string { return fmt.Sprintf(s.sums, table) }

// dialect is what differs between engines.
type dialect interface {
	leaf(p *phys) string
	quoted(s string) string
	text(s string) string // the same with its type
	op(p *phys, args []string) (string, bool)
	bytes(s string) string // the length of a text in bytes
	huge() string          // the type of sums of 64-bit integers
	div() string           // a division towards zero of such sums, with two %s
}

func dialectOf(d Dialect) dialect {
	if d == PostgreSQL {
		return postgres{}
	}
	return duck{}
}

// SQL writes a plan's parts for an engine. There is no randomness in it, and
// nothing of the question but constants and names of the schema.
func (p *Plan) SQL(d Dialect, src Sources) ([]Statement, error) {
	e := &emitter{plan: p, d: dialectOf(d), src: src}
	var all []Statement
	for i := range p.Parts {
		s, err := e.part(&p.Parts[i])
		if err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	return all, nil
}

type emitter struct {
	plan *Plan
	d    dialect
	src  Sources
	err  error
}

func quote(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

// source writes a table as the engine reads it.
func (e *emitter) source(table string) string {
	for name, text := range e.src.Tables {
		if strings.EqualFold(name, table) {
			return text
		}
	}
	e.err = fmt.Errorf("no source for table %s", table)
	return "none"
}

func (e *emitter) list(all []named) []string {
	out := make([]string, len(all))
	for i, n := range all {
		out[i] = n.expr.sql(e.d) + " AS " + n.name
		if n.expr.op == "col" && n.expr.name == n.name {
			out[i] = n.name
		}
	}
	return out
}

// from writes rows as they stand in FROM.
func (e *emitter) from(r *rows) string {
	switch r.kind {
	case join:
		word := "JOIN"
		if r.left {
			word = "LEFT JOIN"
		}
		if r.where == nil {
			return e.from(r.from) + "\n  CROSS JOIN " + e.from(r.other)
		}
		return e.from(r.from) + "\n  " + word + " " + e.from(r.other) + " ON " + r.where.sql(e.d)
	case union:
		return "(" + e.query(r.from) + "\n  UNION ALL " + e.query(r.other) + ") AS " + r.name
	}
	return "(" + e.query(r) + ") AS " + r.name
}

func (e *emitter) query(r *rows) string {
	if r.kind == narrowed {
		return e.narrow(r)
	}
	items := append(e.list(r.units), e.list(r.cols)...)
	if r.kind == filter {
		items = []string{"*"}
	}
	if len(items) == 0 {
		items = []string{"1 AS one"}
	}
	s := "SELECT " + strings.Join(items, ", ") + " FROM "
	if r.kind == scan {
		s += e.keyed(r) + " AS s"
		for i, st := range r.via {
			var on []string
			for _, pair := range st.on {
				on = append(on, pair[0].sql(e.d)+" = "+pair[1].sql(e.d))
			}
			s += fmt.Sprintf(" JOIN %s AS s%d ON %s", e.source(st.table), i+1, strings.Join(on, " AND "))
		}
		return s
	}
	s += e.from(r.from)
	var where []string
	if r.where != nil {
		where = append(where, r.where.sql(e.d))
	}
	if r.kind == grouping {
		for _, u := range r.units {
			where = append(where, u.expr.sql(e.d)+" IS NOT NULL")
		}
	}
	if len(where) > 0 {
		s += " WHERE " + strings.Join(where, " AND ")
	}
	if r.kind == grouping {
		s += " GROUP BY " + ordinals(len(r.units)+r.groups)
	}
	return s
}

// keyed writes a table; of a public one, of which no two rows have the same key.
func (e *emitter) keyed(r *rows) string {
	if len(r.key) == 0 {
		return e.source(r.table)
	}
	keys := make([]string, len(r.key))
	for i, k := range r.key {
		keys[i] = quote(k.of.Name)
	}
	return fmt.Sprintf(`(SELECT * FROM (SELECT *, COUNT(*) OVER (PARTITION BY %s) AS "rows of its key" FROM %s AS t) AS k WHERE "rows of its key" = 1)`,
		strings.Join(keys, ", "), e.source(r.table))
}

func ordinals(n int) string {
	all := make([]string, n)
	for i := range all {
		all[i] = strconv.Itoa(i + 1)
	}
	return strings.Join(all, ", ")
}

func numbered(prefix string, n int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = prefix + strconv.Itoa(i+1)
	}
	return all
}

// part writes one part: r are the rows with unit, keys and values; p what a
// unit contributes to a group; c which of its groups it contributes to.
func (e *emitter) part(part *Part) (Statement, error) {
	e.err = nil
	with := "WITH r AS (\n  " + e.rowsOf(part) + "\n)"
	keys := numbered("k", len(part.Set))
	s := Statement{d: e.d}
	var which []string // of a bins part of selected groups: those
	if part.Aggregate >= 0 && part.Public == nil {
		s.name = e.named(part)
		which = []string{"TRUE" + only}
	}
	switch {
	case !e.plan.unit:
		s.Text = with + "\n" + e.late(part, e.sums(part, keys, "r", which, e.rowSum))
	case part.Aggregate >= 0:
		with += ", p AS (\n  " + e.perBin(part, keys) + "\n)"
		e.capped(&s, part, with, append(keys, "bin"), keys, which)
	default:
		with += ", p AS (\n  " + e.perUnit(part, keys) + "\n)"
		e.capped(&s, part, with, keys, keys, nil)
	}
	return s, e.err
}

// isLate says whether rows can be grouped by any value of a key, and what is
// outside of its closed set left out of the groups: far fewer comparisons. It
// is so where each row is a unit, since no unit's groups are counted.
func (p *Plan) isLate(part *Part, i int) bool {
	k := p.keys[part.Set[i]]
	return !p.unit && part.Public != nil && !part.Keys[i].null && k.raw != nil
}

// late leaves out groups that are not public. The limit, which no result
// reaches, keeps engines from comparing rows instead.
func (e *emitter) late(part *Part, sums string) string {
	var where []string
	for i, k := range part.Set {
		if e.plan.isLate(part, i) {
			closed := *e.plan.keys[k]
			closed.op, closed.args, closed.set = "isclosed", []*phys{(&phys{rep: closed.rep, op: "col"}).outside(fmt.Sprintf("k%d", i+1))}, part.Keys[i].set
			where = append(where, closed.sql(e.d))
		}
	}
	if len(where) == 0 {
		return sums
	}
	return "SELECT * FROM (\n" + sums + "\nLIMIT 9223372036854775807) AS g\nWHERE " + strings.Join(where, " AND ")
}

func comma(lists ...[]string) string {
	var all []string
	for _, l := range lists {
		all = append(all, l...)
	}
	return strings.Join(all, ", ")
}

// rowsOf selects units, keys and values of the rows that count.
func (e *emitter) rowsOf(part *Part) string {
	p := e.plan
	var items, where []string
	if p.where != nil {
		where = append(where, p.where.sql(e.d))
	}
	for i, u := range p.rows.units {
		name := u.expr.outside(u.name).sql(e.d)
		items = append(items, fmt.Sprintf("%s AS u%d", name, i+1))
		where = append(where, name+" IS NOT NULL")
	}
	for i, k := range part.Set {
		sql := p.keys[k].sql(e.d)
		if e.plan.isLate(part, i) {
			items = append(items, fmt.Sprintf("%s AS k%d", p.keys[k].raw.sql(e.d), i+1))
			continue
		}
		items = append(items, fmt.Sprintf("%s AS k%d", sql, i+1))
		if part.Public != nil && !part.Keys[i].null && p.keys[k].nulls {
			where = append(where, sql+" IS NOT NULL")
		}
	}
	used := map[int]bool{}
	for _, c := range part.Columns {
		used[c.value], used[c.also] = true, true
	}
	for i, v := range p.values {
		if used[i] {
			items = append(items, fmt.Sprintf("%s AS v%d", v.sql(e.d), i+1))
		}
	}
	if part.Aggregate >= 0 && p.values[part.Columns[0].value].nulls {
		where = append(where, p.values[part.Columns[0].value].sql(e.d)+" IS NOT NULL")
	}
	if len(items) == 0 {
		items = []string{"1 AS one"}
	}
	s := "SELECT " + strings.Join(items, ", ") + "\n  FROM " + e.from(p.rows)
	if len(where) > 0 {
		s += "\n  WHERE " + strings.Join(where, "\n    AND ")
	}
	return s
}

func group(by []string) string {
	if len(by) == 0 {
		return ""
	}
	return " GROUP BY " + strings.Join(by, ", ")
}

// sums adds up what units or rows contribute to each group. Groups of too few
// units, where groups are selected, are left out.
func (e *emitter) sums(part *Part, keys []string, from string, where []string, sum func(Partial) string) string {
	if len(where) > 0 {
		from += " WHERE " + strings.Join(where, " AND ")
	}
	if part.Aggregate >= 0 {
		bin := "bin"
		if strings.HasPrefix(from, "r") {
			bin = fmt.Sprintf("%s AS bin", e.bin(part))
		}
		items := comma(keys, []string{bin, sum(part.Columns[0]) + " AS taken"})
		by := append(append([]string{}, keys...), strconv.Itoa(len(keys)+1))
		return "SELECT " + items + "\nFROM " + from + group(by)
	}
	items := append([]string{}, keys...)
	for _, c := range part.Columns {
		items = append(items, sum(c)+" AS "+c.Name)
	}
	having := ""
	if part.Least > 1 {
		having = fmt.Sprintf(" HAVING COUNT(*) >= %d", part.Least)
	}
	return "SELECT " + strings.Join(items, ", ") + "\nFROM " + from + group(keys) + having
}

func (e *emitter) bin(part *Part) string {
	c := part.Columns[0]
	l := e.plan.Aggregates[part.Aggregate].Values
	return newInt(0, num, 0, l.High-l.Low, "-", c.row, intConst(l.Low, 0, num)).sql(e.d)
}

// rowSum adds up rows, each of which is a unit.
func (e *emitter) rowSum(c Partial) string {
	switch {
	case c.kind == "units" || c.kind == "bin" || c.value < 0:
		return "COUNT(*)"
	case c.kind == "rows":
		return fmt.Sprintf("COUNT(v%d)", c.value+1)
	}
	row := c.row
	if c.Lo > row.lo || c.Hi < row.hi {
		row = clampInt(row, c.Lo, c.Hi)
	}
	return fmt.Sprintf("CAST(COALESCE(SUM(%s), 0) AS %s)", row.sql(e.d), e.d.huge())
}

// unitSum adds up what each unit contributes.
func (e *emitter) unitSum(c Partial) string {
	if c.kind == "units" {
		return "COUNT(*)"
	}
	return fmt.Sprintf("CAST(COALESCE(SUM(%s), 0) AS %s)", c.Name, e.d.huge())
}

// perUnit is what each unit contributes to each of its groups.
func (e *emitter) perUnit(part *Part, keys []string) string {
	units := numbered("u", len(e.plan.rows.units))
	items := append(append([]string{}, units...), keys...)
	for _, c := range part.Columns {
		if c.kind != "units" {
			items = append(items, e.contribution(c)+" AS "+c.Name)
		}
	}
	return "SELECT " + strings.Join(items, ", ") + "\n  FROM r" + group(append(units, keys...))
}

func (e *emitter) contribution(c Partial) string {
	n := "COUNT(*)"
	if c.value >= 0 {
		n = fmt.Sprintf("COUNT(v%d)", c.value+1)
	}
	if c.kind == "rows" {
		return fmt.Sprintf("LEAST(%s, %d)", n, c.cap)
	}
	s := "SUM(" + c.row.sql(e.d) + ")"
	if c.mean {
		few := s
		if c.cap > 1 {
			s += fmt.Sprintf(" * %d", c.cap)
		}
		s = fmt.Sprintf("CASE WHEN %s > %d THEN "+e.d.div()+" ELSE %s END", n, c.cap, s, n, few)
	}
	return fmt.Sprintf("CAST(LEAST(GREATEST(COALESCE(%s, 0), %d), %d) AS BIGINT)", s, c.Lo, c.Hi)
}

// perBin is how many rows each unit contributes to each bin of each of its
// groups: no more than its cap in a group, taken in the order of a keyed hash.
func (e *emitter) perBin(part *Part, keys []string) string {
	units := numbered("u", len(e.plan.rows.units))
	by := append(append([]string{}, units...), keys...)
	order := fmt.Sprintf("md5(%s), bin", e.hashed(part, "i' || CAST(bin AS TEXT) || ';"))
	window := fmt.Sprintf("OVER (PARTITION BY %s ORDER BY %s ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)", strings.Join(by, ", "), order)
	limit := part.Columns[0].cap
	inner := fmt.Sprintf("SELECT %s, %s AS bin, COUNT(*) AS n FROM r%s", strings.Join(by, ", "), e.bin(part), group(append(append([]string{}, by...), strconv.Itoa(len(by)+1))))
	return fmt.Sprintf("SELECT %s, bin, LEAST(n, GREATEST(%d - (SUM(n) %s - n), 0)) AS taken\n  FROM (%s) AS b", strings.Join(by, ", "), limit, window, inner)
}

// capped keeps the groups of each unit that have the smallest keyed hash.
func (e *emitter) capped(s *Statement, part *Part, with string, out, keys, which []string) {
	items := append([]string{}, out...)
	for _, c := range part.Columns {
		if c.kind != "units" {
			items = append(items, c.Name)
		}
	}
	if len(items) == 0 {
		items = []string{"1 AS one"}
	}
	from, where := "p", []string{}
	if part.Aggregate >= 0 {
		where = append(where, "taken > 0")
	}
	if len(keys) > 0 && (part.Public == nil || int64(len(part.Public)) > part.Groups) {
		units := numbered("u", len(e.plan.rows.units))
		ranked := "ROW_NUMBER()"
		order := fmt.Sprintf("md5(%s)", e.hashed(part, ""))
		order += ", " + strings.Join(keys, ", ")
		if part.Aggregate >= 0 {
			ranked = "DENSE_RANK()"
		}
		taken := ""
		if len(where) > 0 {
			taken = " WHERE " + where[0]
		}
		with += fmt.Sprintf(", c AS (\n  SELECT %s, %s OVER (PARTITION BY %s ORDER BY %s) AS place\n  FROM p%s\n)", strings.Join(items, ", "), ranked, strings.Join(units, ", "), order, taken)
		from, where = "c", []string{fmt.Sprintf("place <= %d", part.Groups)}
	}
	s.Text = with + "\n" + e.sums(part, keys, from, append(where, which...), e.unitSum)
	s.Capped = with + "\nSELECT " + strings.Join(items, ", ") + "\nFROM " + from
	if len(where) > 0 {
		s.Capped += " WHERE " + strings.Join(where, " AND ")
	}
	s.sums = strings.ReplaceAll(e.sums(part, keys, "\x00", which, e.unitSum), "%", "%%")
	s.sums = strings.Replace(s.sums, "\x00", "%s", 1)
}

// named writes what each group is called.
func (e *emitter) named(part *Part) string {
	all := make([]string, len(part.Set))
	for i, k := range part.Set {
		all[i] = e.canonical(e.plan.keys[k], fmt.Sprintf("k%d", i+1))
	}
	return "(" + strings.Join(all, " || ") + ")"
}

// hashed writes the text whose hash orders the groups of a unit: the key of
// the version, then unit and group in one form, each with where it ends.
func (e *emitter) hashed(part *Part, more string) string {
	s := e.d.text(e.src.Key + "|")
	for i, u := range e.plan.rows.units {
		s += " || " + e.canonical(u.expr, fmt.Sprintf("u%d", i+1))
	}
	for i, k := range part.Set {
		s += " || " + e.canonical(e.plan.keys[k], fmt.Sprintf("k%d", i+1))
	}
	if more != "" {
		s += " || '" + more + "'"
	}
	return s
}

func (e *emitter) canonical(p *phys, name string) string {
	switch p.rep {
	case isText:
		return fmt.Sprintf("COALESCE('s' || CAST(%s AS TEXT) || ':' || %s, 'n')", e.d.bytes(name), name)
	case isBool:
		return fmt.Sprintf("CASE WHEN %s THEN 't' WHEN NOT %s THEN 'f' ELSE 'n' END", name, name)
	}
	return fmt.Sprintf("COALESCE('i' || CAST(%s AS TEXT) || ';', 'n')", name)
}
