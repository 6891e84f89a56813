package query

import (
	"fmt"
	"slices"
	"strings"
)

// rows is a relation as it is computed: each row has the values of columns,
// and those that name its unit.
type rows struct {
	kind        relationKind
	name        string // of the subquery
	from, other *rows
	table       string
	via         []step
	cols        []named // what it selects; nil where it passes everything on
	units       []named // the columns of the unit; none where it has none
	where       *phys
	left        bool
	groups      int // grouping: how many of cols are keys, after the units
	row         bool
	private     bool
	key         []*phys // of a public table: its key, which no two of its rows share
	most        int64   // narrowed: rows of a unit
}

// step is one table on a path to the unit, and what joins it to the one before.
type step struct {
	table string
	on    [][2]*phys
}

type named struct {
	name string
	expr *phys
}

func (b *binder) newName(prefix string) string {
	b.tables++
	return fmt.Sprintf("%s%d", prefix, b.tables)
}

// outside gives a value as the next query sees it, by name.
func (p *phys) outside(name string) *phys {
	if p.op == "null" {
		return p // a constant, which has no type yet
	}
	q := *p
	q.kept = p.op == "clamp" || p.op == "col" && p.kept
	q.raw = nil
	q.op, q.args, q.name, q.of, q.from, q.cost = "col", nil, name, nil, "", 1
	if p.op == "leaf" && p.open {
		q.s = p.s
	}
	return &q
}

func columnName(c *column) string { return fmt.Sprintf("c%d", c.id) }

func (b *binder) relation(r *relation) (*rows, error) {
	switch r.kind {
	case scan:
		return b.scan(r)
	case selection:
		return b.selection(r)
	case filter:
		return b.filter(r)
	case grouping:
		return b.grouping(r)
	case join:
		return b.join(r)
	default:
		return b.union(r)
	}
}

func (b *binder) scan(r *relation) (*rows, error) {
	stated, ok := b.privacy.table(r.table.Name)
	if !ok || !stated.Public && !stated.Row && len(stated.Unit) == 0 {
		b.miss("whose rows " + r.table.Name + " holds")
		stated = TablePrivacy{Row: true}
	}
	out := &rows{kind: scan, name: b.newName("t"), table: r.table.Name, private: !stated.Public, row: stated.Row}
	if out.private && !out.row {
		if err := b.units(out, r, stated); err != nil {
			return nil, err
		}
	}
	if stated.Public {
		if err := b.keyOf(out, r, stated); err != nil {
			return nil, err
		}
	}
	for _, c := range r.cols {
		if !c.used {
			continue
		}
		p, err := b.leaf(r, c, stated)
		if err != nil {
			return nil, err
		}
		out.cols = append(out.cols, named{columnName(c), p})
		b.cols[c] = p.outside(columnName(c))
		b.cols[c].unit = p.unit
		if p.op == "closed" && out.row {
			raw := columnName(c) + "r"
			out.cols = append(out.cols, named{raw, p.args[0]})
			b.cols[c].raw = p.args[0].outside(raw)
		}
	}
	return out, nil
}

// units finds the columns of the unit, at the end of the table's path.
func (b *binder) units(out *rows, r *relation, stated TablePrivacy) error {
	at, alias := r.table, "s"
	for i, link := range stated.Via {
		next := b.schema.table(link.Table)
		if next == nil || len(link.Columns) == 0 || len(link.Columns) != len(link.Key) {
			return b.text.refuse(r.at, "tell the owner", "a path to the unit that is not complete")
		}
		alias2 := fmt.Sprintf("s%d", i+1)
		st := step{table: next.Name}
		for k := range link.Columns {
			x, y := at.column(link.Columns[k]), next.column(link.Key[k])
			if x == nil || y == nil || x.Type != y.Type || x.Type == Double {
				return b.text.refuse(r.at, "tell the owner", "a path to the unit over columns that do not match")
			}
			st.on = append(st.on, [2]*phys{rawLeaf(x, alias), rawLeaf(y, alias2)})
		}
		out.via = append(out.via, st)
		at, alias = next, alias2
	}
	for _, name := range stated.Unit {
		c := at.column(name)
		if c == nil || c.Type == Double || c.Type.class() == null {
			return b.text.refuse(r.at, "tell the owner", "a unit by a column that is not there, or that is a double")
		}
		p := rawLeaf(c, alias)
		p.nulls = true
		out.units = append(out.units, named{b.newName("u"), p})
	}
	return nil
}

// rawLeaf is a column as it stands in its table, in the form in which it is
// computed.
func rawLeaf(c *Column, from string) *phys {
	p := &phys{op: "leaf", of: c, from: from, class: c.Type.class(), nulls: !c.NotNull}
	switch c.Type {
	case Bool:
		p.rep, p.set = isBool, []any{false, true}
	case Int:
		p.rep, p.open, p.lo, p.hi = isInt, true, -1<<63, 1<<63-1
	case Decimal:
		p.rep, p.open, p.scale = isInt, true, c.Scale
		p.hi = pow10(c.Precision).Int64() - 1
		p.lo = -p.hi
	case Double:
		p.rep, p.open, p.nulls, p.tiny = isFloat, true, true, 5e-324
	case Text:
		p.rep, p.grow = isText, 1
	case Date:
		p.rep, p.lo, p.hi = isInt, firstDay, lastDay
	case Timestamp:
		p.rep, p.lo, p.hi = isInt, firstDay*dayMicros, (lastDay+1)*dayMicros-1
	}
	return p
}

// leaf is a column with what the owner stated about it done to it.
func (b *binder) leaf(r *relation, c *column, stated TablePrivacy) (*phys, error) {
	said := stated.column(c.of.Name)
	if said.Never {
		return nil, b.text.refuse(r.at, "leave it out", "column %s, which the owner keeps out of questions", c.of.Name)
	}
	if c.of.Type == Decimal && (c.of.Precision > 18 || c.of.Scale > 9 || c.of.Scale < 0) {
		return nil, b.text.refuse(r.at, "leave it out", "column %s, a decimal of more than 18 digits, or 9 behind the point", c.of.Name)
	}
	p := rawLeaf(c.of, "s")
	p.s = r.table.Name + "." + c.of.Name
	if len(stated.Via) == 0 {
		if i := slices.IndexFunc(stated.Unit, func(u string) bool { return strings.EqualFold(u, c.of.Name) }); i >= 0 {
			p.unit = i + 1
			return p, nil
		}
	}
	if i := slices.IndexFunc(stated.Key, func(k string) bool { return strings.EqualFold(k, c.of.Name) }); i >= 0 && stated.Public {
		p.key = i + 1
	}
	if said.Lo != "" || said.Hi != "" {
		var err error
		if p, err = within(p, said); err != nil {
			return nil, &Refusal{Construct: err.Error(), Remedy: "tell the owner"}
		}
	}
	if said.Domain != nil {
		var err error
		if p, err = closed(p, c.of, said.Domain); err != nil {
			return nil, &Refusal{Construct: err.Error(), Remedy: "tell the owner"}
		}
	}
	p.group = said.Null
	return p, nil
}

// within clamps a column to its stated bounds.
func within(p *phys, said ColumnPrivacy) (*phys, error) {
	lo, err := p.of.stated(said.Lo)
	if err != nil {
		return nil, err
	}
	hi, err := p.of.stated(said.Hi)
	if err != nil {
		return nil, err
	}
	switch p.rep {
	case isInt:
		l, h := lo.(int64), hi.(int64) //nolint:forcetypeassert // what stated gives for the types that are held so
		if l > h {
			return nil, fmt.Errorf("the bounds of column %s are the wrong way round", p.of.Name)
		}
		return clampInt(p, l, h), nil
	case isFloat:
		l, h := lo.(float64), hi.(float64) //nolint:forcetypeassert // the same
		if l > h {
			return nil, fmt.Errorf("the bounds of column %s are the wrong way round", p.of.Name)
		}
		p.flo, p.fhi = l, h
		return clampFloat(p, l, h), nil
	}
	return nil, fmt.Errorf("column %s has bounds, but holds no numbers or dates", p.of.Name)
}

// closed reads a value outside of the closed set as NULL.
func closed(p *phys, c *Column, domain []string) (*phys, error) {
	if len(domain) == 0 || len(domain) > mostPublic || c.Type == Double {
		return nil, fmt.Errorf("the closed set of column %s is empty, too large, or of doubles", c.Name)
	}
	q := *p
	q.op, q.args, q.of, q.from, q.set, q.nulls, q.open = "closed", []*phys{p}, nil, "", nil, true, false
	for _, d := range domain {
		v, err := c.stated(d)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(q.set, v) {
			q.set = append(q.set, v)
		}
		if n, ok := v.(int64); ok {
			if len(q.set) == 1 {
				q.lo, q.hi = n, n
			}
			q.lo, q.hi = min(q.lo, n), max(q.hi, n)
		}
	}
	return &q, nil
}

func (b *binder) condition(n *node) (*phys, error) {
	if n == nil {
		return nil, nil
	}
	p, err := b.expr(n)
	if err != nil {
		return nil, err
	}
	return nullAs(p, boolean2("bool")), nil
}

// passOn gives the units of rows a name in the query around them.
func (b *binder) passOn(out *rows, from *rows) {
	out.row, out.private = from.row, from.private
	for _, u := range from.units {
		out.units = append(out.units, named{b.newName("u"), u.expr.outside(u.name)})
	}
}

func (b *binder) selection(r *relation) (*rows, error) {
	from, err := b.relation(r.from)
	if err != nil {
		return nil, err
	}
	out := &rows{kind: selection, name: b.newName("t"), from: from, key: from.key}
	if out.where, err = b.condition(r.where); err != nil {
		return nil, err
	}
	b.passOn(out, from)
	for _, c := range r.cols {
		p, err := b.expr(c.expr)
		if err != nil {
			return nil, err
		}
		if !c.used {
			continue
		}
		out.cols = append(out.cols, named{columnName(c), p})
		b.cols[c] = p.outside(columnName(c))
	}
	return out, nil
}

func (b *binder) filter(r *relation) (*rows, error) {
	from, err := b.relation(r.from)
	if err != nil {
		return nil, err
	}
	out := &rows{kind: filter, name: b.newName("t"), from: from, row: from.row, private: from.private, key: from.key}
	for _, u := range from.units {
		out.units = append(out.units, named{u.name, u.expr})
	}
	out.where, err = b.condition(r.where)
	return out, err
}

// sides binds what a join or a union is made of.
func (b *binder) sides(r *relation) (left, right *rows, err error) {
	if left, err = b.relation(r.from); err != nil {
		return nil, nil, err
	}
	right, err = b.relation(r.other)
	return left, right, err
}

func (b *binder) union(r *relation) (*rows, error) {
	left, right, err := b.sides(r)
	if err != nil {
		return nil, err
	}
	// One row of a unit of its own could become two here, and nothing would say that
	// they are one unit's.
	if left.row && left.private || right.row && right.private {
		return nil, b.text.refuse(r.at, "ask about one table", "UNION ALL of a table whose every row is a unit of its own")
	}
	if left.private != right.private || len(left.units) != len(right.units) {
		return nil, b.text.refuse(r.at, "unite tables of the same unit", "UNION ALL of tables that do not have the same unit")
	}
	out := &rows{kind: union, name: b.newName("t"), private: left.private}
	a := &rows{kind: selection, from: left, name: b.newName("t")}
	c := &rows{kind: selection, from: right, name: b.newName("t")}
	out.from, out.other = a, c
	for i := range left.units {
		x, y := left.units[i].expr.outside(left.units[i].name), right.units[i].expr.outside(right.units[i].name)
		if x.rep != y.rep || x.class != y.class || x.scale != y.scale {
			return nil, b.text.refuse(r.at, "unite tables of the same unit", "UNION ALL of tables that do not have the same unit")
		}
		name := b.newName("u")
		a.units, c.units = append(a.units, named{name, x}), append(c.units, named{name, y})
		out.units = append(out.units, named{name, x})
	}
	return out, b.unionColumns(r, a, c)
}

// unionColumns brings the columns of both sides to one form.
func (b *binder) unionColumns(r *relation, a, c *rows) error {
	for _, col := range r.cols {
		if !col.used {
			continue
		}
		x, y := b.cols[col.pair[0]], b.cols[col.pair[1]]
		if x == nil || y == nil {
			return b.text.refuse(r.at, "name the columns", "UNION ALL of columns that cannot be used here")
		}
		both := together([]*phys{x, y})
		p := hull(both)
		if p == nil {
			p = both[0]
		}
		if x.unit == y.unit {
			p.unit = x.unit
		}
		name := columnName(col)
		a.cols, c.cols = append(a.cols, named{name, both[0]}), append(c.cols, named{name, both[1]})
		b.cols[col] = p.outside(name)
	}
	return nil
}
