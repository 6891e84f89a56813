package query

import (
	"fmt"
	"strings"
)

// A join of private rows pairs the rows of a unit with each other. Without a limit,
// the work for one unit would grow as a power of its rows, and the time that an
// engine takes would say how many somebody has. So a side of such a join, which may
// be a join itself, has no more rows of a unit than can count in an answer.

// mostOfUnit bounds that where an owner states very much.
const mostOfUnit = 1000

// narrow gives rows of which each unit has no more than that.
func (b *binder) narrow(from *rows) *rows {
	if b.privacy.MaxRows == 0 {
		b.miss("how many rows one unit has at most (--max-rows)")
	}
	most := min(max(b.privacy.MaxRows, 1), mostOfUnit) * min(max(b.privacy.MaxGroups, 1), mostOfUnit)
	return &rows{kind: narrowed, name: b.newName("t"), from: from, units: from.units, row: from.row, private: from.private, most: min(most, mostOfUnit)}
}

// columns are those that rows have, by the names that the query around them uses.
func (r *rows) columns() []named {
	switch r.kind {
	case join:
		return append(r.from.columns(), r.other.columns()...)
	case filter, narrowed:
		return r.from.columns()
	}
	return append(append([]named{}, r.units...), r.cols...)
}

// narrow writes rows of which each unit keeps those with the smallest keyed hash: the
// same in every engine. Doubles have no text that is, and decide where all else is
// equal.
func (e *emitter) narrow(r *rows) string {
	var names, units, doubles []string
	hash := e.d.text(e.src.Key + "|")
	for _, c := range r.columns() {
		names = append(names, c.name)
		if c.expr.rep == isFloat {
			doubles = append(doubles, c.name)
			continue
		}
		hash += " || " + e.canonical(c.expr, c.name)
	}
	for _, u := range r.units {
		units = append(units, u.name)
	}
	order := comma([]string{"md5(" + hash + ")"}, doubles)
	all := strings.Join(names, ", ")
	return fmt.Sprintf("SELECT %s FROM (SELECT %s, ROW_NUMBER() OVER (PARTITION BY %s ORDER BY %s) AS place FROM %s) AS n WHERE place <= %d",
		all, all, strings.Join(units, ", "), order, e.from(r.from), r.most)
}
