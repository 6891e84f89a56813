package query

import (
	"slices"
	"strings"
)

// join joins on the unit, or with a public table by its key: no row of a unit
// meets more rows than were stated, whatever an engine then does with them.
func (b *binder) join(r *relation) (*rows, error) {
	left, right, err := b.sides(r)
	if err != nil {
		return nil, err
	}
	out := &rows{kind: join, name: b.newName("t"), from: left, other: right, left: r.left, private: left.private || right.private}
	if err := b.joins(out, r); err != nil {
		return nil, err
	}
	if r.left {
		b.optional(r.other)
	}
	if out.where, err = b.condition(r.where); err != nil {
		return nil, err
	}
	switch {
	case left.private && right.private:
		if err := b.onUnit(out, r); err != nil {
			return nil, err
		}
		out.from, out.other, out.units = b.narrow(left), b.narrow(right), left.units
	case left.private:
		out.units = left.units
	default:
		out.units = right.units
	}
	return out, nil
}

// joins refuses what cannot be joined, whatever its condition does to units.
func (b *binder) joins(out *rows, r *relation) error {
	left, right := out.from, out.other
	switch {
	case left.private && right.private && (left.row || right.row):
		return b.text.refuse(r.at, "ask about one table", "a join of a table whose every row is a unit of its own")
	case r.where == nil && out.private:
		return b.text.refuse(r.at, "say ON which columns", "a join without a condition")
	case left.private != right.private:
		return b.onKey(out, r)
	}
	return nil
}

// onKey demands that a join with a public table is by its key. A row that is a
// unit of its own then stays one.
func (b *binder) onKey(out *rows, r *relation) error {
	private, public, side, other := out.from, out.other, r.from, r.other
	if out.other.private {
		private, public, side, other = public, private, other, side
	}
	if len(public.key) == 0 {
		return b.text.refuse(r.at, "ask the owner to state by which columns it is joined (dataset privacy --public TABLE.COLUMN)", "a join with a public table that has no key")
	}
	found := map[int]bool{}
	for _, c := range conjuncts(r.where) {
		if k := b.joinsKey(side, other, c); k > 0 {
			found[k] = true
		}
	}
	if len(found) != len(public.key) {
		return b.text.refuse(r.at, "join ON the columns of its key, all of them, each with = and a value of the same type", "a join with a public table on something other than its key")
	}
	if out.row = private.row; out.row && r.left && out.other.private {
		return b.text.refuse(r.at, "put the public table to the right", "a LEFT JOIN of a public table with one whose every row is a unit of its own")
	}
	return nil
}

// joinsKey says which component of a public table's key a part of a condition
// compares with something of the other side, as it is: a key that is converted
// may meet several.
func (b *binder) joinsKey(side, public *relation, c *node) int {
	if c.op != "=" {
		return 0
	}
	x, y := c.args[0], c.args[1]
	if x.op == "col" && slices.Contains(public.cols, x.col) {
		x, y = y, x
	}
	if y.op != "col" || !slices.Contains(public.cols, y.col) || !x.within(side.cols) {
		return 0
	}
	key := b.cols[y.col]
	value, err := b.expr(x)
	if err != nil || key == nil || key.key == 0 || value.class == null {
		return 0
	}
	if both := together([]*phys{value, key}); both[1].op != "col" {
		return 0
	}
	return key.key
}

// within says whether an expression is over these columns alone.
func (n *node) within(cols []*column) bool {
	if n.op == "col" && !slices.Contains(cols, n.col) {
		return false
	}
	for _, a := range n.args {
		if !a.within(cols) {
			return false
		}
	}
	return true
}

// keyOf finds the columns of a public table's key.
func (b *binder) keyOf(out *rows, r *relation, stated TablePrivacy) error {
	for _, name := range stated.Key {
		c := r.table.column(name)
		if c == nil || c.Type == Double || c.Type.class() == null {
			return b.text.refuse(r.at, "tell the owner", "a key by a column that is not there, or that is a double")
		}
		out.key = append(out.key, rawLeaf(c, "s"))
	}
	return nil
}

// optional notes that the right columns of a left join can be NULL.
func (b *binder) optional(r *relation) {
	for _, c := range r.cols {
		if p := b.cols[c]; p != nil {
			p.nulls, p.group, p.unit, p.key = true, true, 0, 0
		}
	}
}

// onUnit demands that the condition of a join of private rows makes each pair
// of one unit, and has the engine compare the units themselves.
func (b *binder) onUnit(out *rows, r *relation) error {
	l, rt := out.from.units, out.other.units
	refusal := b.text.refuse(r.at, "join ON the columns of the unit, all of them", "a join of private tables on something other than their unit")
	if len(l) != len(rt) {
		return refusal
	}
	found := map[int]bool{}
	for _, c := range conjuncts(r.where) {
		if unit := b.joinsUnit(r, c); unit > 0 {
			found[unit] = true
		}
	}
	if len(found) != len(l) {
		return refusal
	}
	for i := range l {
		x, y := l[i].expr.outside(l[i].name), rt[i].expr.outside(rt[i].name)
		if x.rep != y.rep || x.class != y.class || x.scale != y.scale {
			return refusal
		}
		out.where = boolean2("and", out.where, boolean2("=", x, y))
	}
	return nil
}

// joinsUnit says which component of the unit a part of a condition compares.
func (b *binder) joinsUnit(r *relation, c *node) int {
	if c.op != "=" || c.args[0].op != "col" || c.args[1].op != "col" {
		return 0
	}
	x, y := c.args[0].col, c.args[1].col
	if slices.Contains(r.from.cols, y) {
		x, y = y, x
	}
	if !slices.Contains(r.from.cols, x) || !slices.Contains(r.other.cols, y) || b.cols[x] == nil {
		return 0
	}
	if unit := b.cols[x].unit; unit == b.unitOf(r.other, y) {
		return unit
	}
	return 0
}

// unitOf says which component of the unit a column is, though it may be NULL.
func (b *binder) unitOf(r *relation, c *column) int {
	switch r.kind {
	case scan:
		stated, _ := b.privacy.table(r.table.Name)
		if len(stated.Via) == 0 {
			return 1 + slices.IndexFunc(stated.Unit, func(u string) bool { return strings.EqualFold(u, c.of.Name) })
		}
	case selection:
		if c.expr != nil && c.expr.op == "col" {
			return b.unitOf(r.from, c.expr.col)
		}
	case filter:
		return b.unitOf(r.from, c)
	case grouping:
		if i := slices.Index(r.cols, c); i >= 0 && i < len(r.keys) && r.keys[i].op == "col" {
			return b.unitOf(r.from, r.keys[i].col)
		}
	}
	return 0
}

func conjuncts(n *node) []*node {
	if n == nil {
		return nil
	}
	if n.op != "and" {
		return []*node{n}
	}
	var all []*node
	for _, a := range n.args {
		all = append(all, conjuncts(a)...)
	}
	return all
}
