package query

import (
	"encoding/json"
	"strings"
)

// relation reads what stands in FROM.
func (l *lowerer) relation(raw json.RawMessage) (*relation, error) {
	l.depth++
	defer func() { l.depth-- }()
	var head struct {
		Type   string          `json:"type"`
		Loc    uint64          `json:"query_location"`
		Sample json.RawMessage `json:"sample"`
	}
	if json.Unmarshal(raw, &head) != nil {
		return nil, l.bad(-1)
	}
	at := place(head.Loc)
	if err := l.deeper(at); err != nil {
		return nil, err
	}
	if present(head.Sample) {
		return nil, l.refuse(at, "leave it out: every row counts", "TABLESAMPLE")
	}
	switch head.Type {
	case "BASE_TABLE":
		return l.base(raw)
	case "SUBQUERY":
		return l.subquery(raw)
	case "JOIN":
		return l.join(raw)
	case "EMPTY":
		return nil, l.refuse(at, "name a table of the dataset", "a question without FROM")
	case "SHOW_REF":
		return nil, l.refuse(at, "the dataset's card says what its columns are", "SHOW, DESCRIBE or SUMMARIZE")
	case "TABLE_FUNCTION":
		return nil, l.refuse(at, "name a table of the dataset", "a table function")
	case "EXPRESSION_LIST":
		return nil, l.refuse(at, "write key IN (…) in WHERE to name groups", "VALUES")
	case "PIVOT":
		return nil, l.refuse(at, "use GROUP BY", "PIVOT")
	}
	return nil, l.refuse(at, "name a table of the dataset", "a kind of FROM that is not known")
}

func (l *lowerer) newColumn(qualifier, name string, c class) *column {
	l.columns++
	return &column{id: l.columns, qualifier: qualifier, name: name, class: c}
}

func (l *lowerer) base(raw json.RawMessage) (*relation, error) {
	var t astTable
	if strict(raw, &t) != nil {
		return nil, l.bad(-1)
	}
	at := place(t.Loc)
	if present(t.At) {
		return nil, l.refuse(at, "leave it out", "AT (…) of a table")
	}
	if t.Schema == "" && t.Catalog == "" {
		for i := len(l.ctes) - 1; i >= 0; i-- {
			if strings.EqualFold(l.ctes[i].name, t.Name) {
				return l.named(l.ctes[i], t)
			}
		}
	}
	table := l.schema.table(t.Name)
	if table == nil || t.Schema != "" || t.Catalog != "" {
		return nil, l.refuse(at, "name one of: "+l.tables(), "a table that the dataset does not have")
	}
	alias := t.Alias
	if alias == "" {
		alias = t.Name
	}
	r := &relation{kind: scan, at: at, table: table}
	for i := range table.Columns {
		c := l.newColumn(alias, table.Columns[i].Name, table.Columns[i].Type.class())
		c.of = &table.Columns[i]
		r.cols = append(r.cols, c)
	}
	return r, l.rename(r, t.Columns, at)
}

func (l *lowerer) tables() string {
	names := make([]string, len(l.schema.Tables))
	for i, t := range l.schema.Tables {
		names[i] = t.Name
	}
	return strings.Join(names, ", ")
}

// rename gives columns the names of an alias's list.
func (l *lowerer) rename(r *relation, names []string, at int) error {
	if len(names) > len(r.cols) {
		return l.refuse(at, "name as many as there are", "more column names than columns")
	}
	for i, name := range names {
		r.cols[i].name = name
	}
	return nil
}

// named reads a CTE where it is used: each use is read anew.
func (l *lowerer) named(c cte, t astTable) (*relation, error) {
	outer := l.ctes
	l.ctes = l.ctes[:c.sees:c.sees]
	defer func() { l.ctes = outer }()
	r, err := l.rowsOf(c.body)
	if err != nil {
		return nil, err
	}
	if err := l.rename(r, c.aliases, place(t.Loc)); err != nil {
		return nil, err
	}
	alias := t.Alias
	if alias == "" {
		alias = t.Name
	}
	for _, col := range r.cols {
		col.qualifier = alias
	}
	return r, l.rename(r, t.Columns, place(t.Loc))
}

func (l *lowerer) subquery(raw json.RawMessage) (*relation, error) {
	var t astTable
	if strict(raw, &t) != nil || len(t.Subquery.Params) > 0 {
		return nil, l.bad(-1)
	}
	r, err := l.rowsOf(t.Subquery.Node)
	if err != nil {
		return nil, err
	}
	for _, col := range r.cols {
		col.qualifier = t.Alias
	}
	return r, l.rename(r, t.Columns, place(t.Loc))
}

// rowsOf reads a subquery that gives rows, each of one unit.
func (l *lowerer) rowsOf(raw json.RawMessage) (*relation, error) {
	l.depth++
	outer := l.ctes
	defer func() { l.depth--; l.ctes = outer }()
	if err := l.deeper(-1); err != nil {
		return nil, err
	}
	var head struct {
		Type string `json:"type"`
	}
	if json.Unmarshal(raw, &head) == nil && head.Type == "SET_OPERATION_NODE" {
		return l.union(raw)
	}
	s, err := l.selectNode(raw, false)
	if err != nil {
		return nil, err
	}
	for _, m := range s.Modifiers {
		var head astModifier
		if json.Unmarshal(m, &head) == nil && head.Type == "ORDER_MODIFIER" {
			continue // the order of rows changes nothing
		}
		return nil, l.refuse(-1, "use GROUP BY with the unit's column, or leave it out", "LIMIT or DISTINCT in a subquery")
	}
	b, err := l.from(s)
	if err != nil {
		return nil, err
	}
	b.top = false
	if err := b.readGroups(s); err != nil {
		return nil, err
	}
	if len(b.sets) != 1 || len(b.sets[0]) != len(b.keys) {
		return nil, l.refuse(-1, "use it in the outermost SELECT", "ROLLUP or grouping sets in a subquery")
	}
	return b.inner(s)
}

// inner makes the relation of a subquery: a selection, over a grouping where
// it aggregates per unit.
func (b *block) inner(s *astSelect) (*relation, error) {
	grouped := len(b.keys) > 0 || present(s.Having)
	for _, raw := range s.Items {
		grouped = grouped || b.hasAggregate(raw)
	}
	if !grouped {
		r := &relation{kind: selection, from: b.rows, where: b.where, at: b.rows.at}
		return r, b.addItems(r, s, b.row)
	}
	g := &relation{kind: grouping, from: &relation{kind: filter, from: b.rows, where: b.where, cols: b.rows.cols, at: b.rows.at}, keys: b.keys, at: b.rows.at}
	r := &relation{kind: selection, from: g, at: b.rows.at}
	if err := b.addItems(r, s, b.post); err != nil {
		return nil, err
	}
	if present(s.Having) {
		n, err := b.post(s.Having)
		if err != nil {
			return nil, err
		}
		if n.class != boolean {
			return nil, b.refuse(n.at, "write a comparison", "%s in HAVING, which needs a truth value", n.class)
		}
		r.where = n
	}
	b.groupColumns(g)
	for _, c := range r.cols {
		c.expr.link(g, len(b.keys))
		c.class = c.expr.class
	}
	if r.where != nil {
		r.where.link(g, len(b.keys))
	}
	return r, nil
}

// groupColumns names what a grouping gives: its keys, then its aggregates.
func (b *block) groupColumns(g *relation) {
	for _, k := range b.keys {
		g.cols = append(g.cols, b.newColumn("", "", k.class))
	}
	for _, c := range b.calls {
		is := num
		if c.fn == "min" || c.fn == "max" {
			is = c.arg.class
		}
		g.cols = append(g.cols, b.newColumn("", "", is))
	}
	g.aggs = b.calls
}

// link turns keys and aggregates into columns of the grouping that makes them.
func (n *node) link(g *relation, keys int) {
	switch n.op {
	case "key":
		n.op, n.col = "col", g.cols[n.index]
	case "agg":
		n.op, n.col = "col", g.cols[keys+n.index]
	}
	if n.op == "col" {
		n.col.used = true
		n.class = n.col.class
	}
	for _, a := range n.args {
		a.link(g, keys)
	}
}

func (b *block) addItems(r *relation, s *astSelect, read func(json.RawMessage) (*node, error)) error {
	for i, raw := range s.Items {
		var e astExpr
		if json.Unmarshal(raw, &e) != nil {
			return b.bad(-1)
		}
		if e.Class == "STAR" {
			if err := b.star(r, raw); err != nil {
				return err
			}
			continue
		}
		n, err := read(raw)
		if err != nil {
			return err
		}
		c := b.newColumn("", itemName(e, i), n.class)
		c.expr = n
		r.cols = append(r.cols, c)
	}
	if len(r.cols) > 4*mostItems {
		return b.refuse(-1, "name the columns that you need", "a subquery with %d columns", len(r.cols))
	}
	return nil
}

// star is * or t.*, plain.
func (b *block) star(r *relation, raw json.RawMessage) error {
	var s astStar
	if strict(raw, &s) != nil {
		return b.bad(-1)
	}
	at := place(s.Loc)
	if len(s.Exclude)+len(s.Replace)+len(s.Qualified)+len(s.Rename) > 0 || s.Columns || present(s.Expr) {
		return b.refuse(at, "name the columns", "* with EXCLUDE, REPLACE, RENAME or COLUMNS")
	}
	if len(b.keys) > 0 {
		return b.refuse(at, "name the columns", "* together with GROUP BY")
	}
	found := false
	for _, c := range b.rows.cols {
		if s.Relation != "" && !strings.EqualFold(c.qualifier, s.Relation) || c.class == null {
			continue
		}
		found = true
		out := b.newColumn("", c.name, c.class)
		out.expr = &node{op: "col", class: c.class, col: c, at: at}
		c.used = true
		r.cols = append(r.cols, out)
	}
	if !found {
		return b.refuse(at, "name a table of FROM", "* of a table that FROM does not have")
	}
	return nil
}

func (l *lowerer) union(raw json.RawMessage) (*relation, error) {
	var u astSetOp
	if strict(raw, &u) != nil {
		return nil, l.bad(-1)
	}
	if u.Op != "UNION" || !u.All {
		return nil, l.refuse(-1, "use UNION ALL", "UNION without ALL, INTERSECT or EXCEPT")
	}
	if len(u.Modifiers) > 0 {
		return nil, l.refuse(-1, "leave it out", "ORDER BY, LIMIT or DISTINCT of a UNION")
	}
	if err := l.enter(u.CTEs); err != nil {
		return nil, err
	}
	a, err := l.rowsOf(u.Left)
	if err != nil {
		return nil, err
	}
	b, err := l.rowsOf(u.Right)
	if err != nil {
		return nil, err
	}
	if len(a.cols) != len(b.cols) {
		return nil, l.refuse(-1, "select as many on both sides", "a UNION ALL of %d and %d columns", len(a.cols), len(b.cols))
	}
	r := &relation{kind: union, from: a, other: b, at: a.at}
	for i, left := range a.cols {
		right := b.cols[i]
		c := left.class
		if c == null {
			c = right.class
		}
		if right.class != c && right.class != null {
			return nil, l.refuse(-1, "cast one of them", "a UNION ALL of %s and %s", left.class, right.class)
		}
		out := l.newColumn("", left.name, c)
		out.pair = [2]*column{left, right}
		left.used, right.used = true, true
		r.cols = append(r.cols, out)
	}
	return r, nil
}

func (l *lowerer) join(raw json.RawMessage) (*relation, error) {
	var j astJoin
	if strict(raw, &j) != nil || j.Flipped || len(j.Duplicate) > 0 {
		return nil, l.bad(-1)
	}
	at := place(j.Loc)
	if j.Join != "INNER" && j.Join != "LEFT" || j.Ref == "ASOF" {
		return nil, l.refuse(at, "use JOIN or LEFT JOIN", "a %s join", strings.ToLower(j.Join))
	}
	if j.Ref != "REGULAR" && j.Ref != "CROSS" {
		return nil, l.refuse(at, "use JOIN … ON", "a %s join", strings.ToLower(j.Ref))
	}
	a, err := l.relation(j.Left)
	if err != nil {
		return nil, err
	}
	b, err := l.relation(j.Right)
	if err != nil {
		return nil, err
	}
	r := &relation{kind: join, at: at, from: a, other: b, left: j.Join == "LEFT"}
	r.cols = append(append(r.cols, a.cols...), b.cols...)
	bl := &block{lowerer: l, rows: r}
	if present(j.Condition) {
		if r.where, err = bl.condition(j.Condition, "ON"); err != nil {
			return nil, err
		}
	}
	for _, name := range j.Using {
		if err := bl.using(r, a, b, name); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// using adds one column of USING, which from then on is the left one's.
func (b *block) using(r, left, right *relation, name string) error {
	one := func(side *relation) *column {
		if found := (&block{lowerer: b.lowerer, rows: side}).find("", name); len(found) == 1 {
			return found[0]
		}
		return nil
	}
	x, y := one(left), one(right)
	if x == nil || y == nil {
		return b.refuse(r.at, "name a column that both sides have once", "a column of USING that is not on both sides")
	}
	eq, err := b.compare("=", &node{op: "col", class: x.class, col: x, at: r.at}, &node{op: "col", class: y.class, col: y, at: r.at}, r.at)
	if err != nil {
		return err
	}
	x.used, y.used = true, true
	if r.where == nil {
		r.where = eq
	} else {
		r.where = &node{op: "and", class: boolean, args: []*node{r.where, eq}, at: r.at}
	}
	for i, c := range r.cols {
		if c == y { // the left one stands for both
			r.cols = append(r.cols[:i:i], r.cols[i+1:]...)
			break
		}
	}
	return nil
}
