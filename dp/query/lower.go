package query

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// Query is a question whose every part is on a list of what is allowed.
type Query struct {
	text    text
	options Options
	schema  Schema
	rows    *relation // what is aggregated
	where   *node
	keys    []*node
	sets    [][]int // grouping sets, as indices of keys
	calls   []*call
	items   []Item
	having  *node
	orders  []order
	limit   int64 // -1 without one
	offset  int64
}

// Item is one column of the answer.
type Item struct {
	Name string
	post *node // over keys and aggregates
}

type order struct {
	by          *node
	down, first bool
}

// What a tree may be at most: a person's question is far below.
const (
	mostBytes = 1 << 20
	mostNodes = 20_000
	mostDepth = 100
	mostSets  = 8
	mostItems = 64
	mostCost  = 20_000 // of one expression, as it is written

	mostGrowth = 64 // of a text
)

// Lower turns DuckDB's tree of a plain statement into a Query. The tree is
// hostile: what is not known is refused, and nothing of it but constants and
// names of the schema reaches an engine.
func Lower(ast []byte, plain string, o Options, s Schema) (*Query, error) {
	l := &lowerer{text: text(plain), options: o, schema: s, calls: map[int]bool{}}
	if len(ast) > mostBytes {
		return nil, l.refuse(-1, "ask something shorter", "a statement whose tree is too large")
	}
	var all astStatements
	if err := json.Unmarshal(ast, &all); err != nil {
		return nil, l.refuse(-1, "try again", "a tree that is not readable")
	}
	if all.Error {
		return nil, l.syntax(all)
	}
	if len(all.Statements) != 1 {
		return nil, l.refuse(-1, "send one at a time", "%d statements", len(all.Statements))
	}
	q, err := l.top(all.Statements[0])
	if err != nil {
		return nil, err
	}
	for at := range o.Calls {
		if !l.calls[at] {
			return nil, l.refuse(at, "give them to an aggregate of the outermost SELECT", "contribution bounds of what is not an aggregate of the answer")
		}
	}
	return q, nil
}

type lowerer struct {
	text    text
	options Options
	schema  Schema
	ctes    []cte
	columns int
	nodes   int
	depth   int
	calls   map[int]bool // places of top aggregates
}

// cte is a named subquery; it sees those before it.
type cte struct {
	name    string
	aliases []string
	body    json.RawMessage
	sees    int
}

func (l *lowerer) refuse(at int, remedy, format string, args ...any) error {
	return l.text.refuse(at, remedy, format, args...)
}

// bad is for trees that no parser makes.
func (l *lowerer) bad(at int) error {
	return l.refuse(at, "write it in another way", "a construct that is not known")
}

func (l *lowerer) syntax(all astStatements) error {
	at := -1
	if _, err := fmt.Sscan(all.Position, &at); err != nil || at < 0 || at > len(l.text) {
		at = -1
	}
	message := all.Message
	if len(message) > 300 {
		message = message[:300]
	}
	if all.Type != "parser" {
		return l.refuse(at, "ask with one SELECT", "something other than SELECT, or an expression that is not known")
	}
	return l.refuse(at, "mend it, or try it on the mock", "not SQL: %s", strings.ToValidUTF8(message, "?"))
}

// deeper counts a step into the tree.
func (l *lowerer) deeper(at int) error {
	l.nodes++
	if l.nodes > mostNodes || l.depth > mostDepth {
		return l.refuse(at, "ask something simpler", "a statement that is nested too deeply or too long")
	}
	return nil
}

func (l *lowerer) top(raw json.RawMessage) (*Query, error) {
	s, err := l.selectNode(raw, true)
	if err != nil {
		return nil, err
	}
	b, err := l.from(s)
	if err != nil {
		return nil, err
	}
	if err := b.readGroups(s); err != nil {
		return nil, err
	}
	q := &Query{text: l.text, options: l.options, schema: l.schema, rows: b.rows, where: b.where, limit: -1}
	if err := q.readItems(b, s); err != nil {
		return nil, err
	}
	if len(b.calls) == 0 {
		return nil, l.refuse(-1, "ask for aggregates: COUNT, SUM, AVG, VARIANCE, STDDEV, quantiles, CORR or REGR_SLOPE; rows do not leave without review", "a question without an aggregate")
	}
	if err := q.readAfter(b, s); err != nil {
		return nil, err
	}
	for _, item := range q.items {
		if err := l.checkAfter(item.post, true); err != nil {
			return nil, err
		}
	}
	after := []*node{q.having}
	for _, o := range q.orders {
		after = append(after, o.by)
	}
	for _, n := range after {
		if n == nil {
			continue
		}
		if err := l.checkAfter(n, false); err != nil {
			return nil, err
		}
	}
	q.keys, q.calls, q.sets = b.keys, b.calls, b.sets
	return q, nil
}

// selectNode decodes a SELECT and enters its CTEs.
func (l *lowerer) selectNode(raw json.RawMessage, whole bool) (*astSelect, error) {
	if whole {
		var st astStatement
		if strict(raw, &st) != nil || len(st.Params) > 0 {
			return nil, l.refuse(-1, "write values as constants", "parameters in a statement")
		}
		raw = st.Node
	}
	var head struct {
		Type string `json:"type"`
	}
	if json.Unmarshal(raw, &head) != nil {
		return nil, l.bad(-1)
	}
	switch head.Type {
	case "SELECT_NODE":
	case "SET_OPERATION_NODE":
		return nil, l.refuse(-1, "put it into FROM (…) and aggregate over it", "UNION, INTERSECT or EXCEPT of answers")
	case "RECURSIVE_CTE_NODE":
		return nil, l.refuse(-1, "write it without recursion", "a recursive CTE")
	default:
		return nil, l.refuse(-1, "ask with one SELECT", "a statement other than SELECT")
	}
	s := &astSelect{}
	if strict(raw, s) != nil {
		return nil, l.bad(-1)
	}
	if present(s.Sample) {
		return nil, l.refuse(-1, "leave it out: every row counts", "TABLESAMPLE")
	}
	if present(s.Qualify) {
		return nil, l.refuse(-1, "leave it out", "QUALIFY")
	}
	return s, l.enter(s.CTEs)
}

func (l *lowerer) enter(m astCTEs) error {
	for _, c := range m.Map {
		if len(c.Value.KeyTargets) > 0 || len(c.Value.Query.Params) > 0 {
			return l.refuse(-1, "write it without recursion", "a CTE with USING KEY")
		}
		l.ctes = append(l.ctes, cte{c.Key, c.Value.Aliases, c.Value.Query.Node, len(l.ctes)})
	}
	return nil
}

// block is one SELECT while it is read.
type block struct {
	*lowerer
	rows   *relation
	where  *node
	keys   []*node
	prints []string // fingerprints of keys
	sets   [][]int
	calls  []*call
	names  map[string]*node // aliases of items
	top    bool             // the outermost, whose aggregates leave
}

func (l *lowerer) from(s *astSelect) (*block, error) {
	rows, err := l.relation(s.From)
	if err != nil {
		return nil, err
	}
	b := &block{lowerer: l, rows: rows, names: map[string]*node{}, top: true}
	if present(s.Where) {
		b.where, err = b.condition(s.Where, "WHERE")
	}
	return b, err
}

// condition reads a truth value over rows.
func (b *block) condition(raw json.RawMessage, where string) (*node, error) {
	n, err := b.row(raw)
	if err != nil {
		return nil, err
	}
	if n.class != boolean && n.class != null {
		return nil, b.refuse(n.at, "write a comparison", "%s in %s, which needs a truth value", n.class, where)
	}
	return n, nil
}

func (b *block) readGroups(s *astSelect) error {
	switch s.Handling {
	case "STANDARD_HANDLING":
	case "FORCE_AGGREGATES": // GROUP BY ALL
		for _, raw := range s.Items {
			if b.hasAggregate(raw) {
				continue
			}
			if err := b.addKey(raw, s); err != nil {
				return err
			}
		}
		b.sets = [][]int{upTo(len(b.keys))}
		return nil
	default:
		return b.bad(-1)
	}
	for _, raw := range s.Groups {
		if err := b.addKey(raw, s); err != nil {
			return err
		}
	}
	return b.readSets(s)
}

func (b *block) readSets(s *astSelect) error {
	if len(s.Sets) == 0 {
		b.sets = [][]int{upTo(len(b.keys))}
		return nil
	}
	if len(s.Sets) > mostSets {
		return b.refuse(-1, fmt.Sprintf("ask for at most %d", mostSets), "%d grouping sets", len(s.Sets))
	}
	for _, set := range s.Sets {
		set = slices.Clone(set)
		slices.Sort(set)
		if len(slices.Compact(slices.Clone(set))) != len(set) || len(set) > 0 && (set[0] < 0 || set[len(set)-1] >= len(b.keys)) {
			return b.bad(-1)
		}
		b.sets = append(b.sets, set)
	}
	return nil
}

func upTo(n int) []int {
	s := make([]int, n)
	for i := range s {
		s[i] = i
	}
	return s
}

// addKey reads one expression of GROUP BY: an expression over rows, the place
// of an item, or an item's alias.
func (b *block) addKey(raw json.RawMessage, s *astSelect) error {
	var e astExpr
	if err := json.Unmarshal(raw, &e); err != nil {
		return b.bad(-1)
	}
	at := place(e.Loc)
	if e.Class == "CONSTANT" {
		var i int
		if json.Unmarshal(e.Value.Value, &i) != nil || i < 1 || i > len(s.Items) {
			return b.refuse(at, "name a column or the place of an item", "GROUP BY a constant")
		}
		raw = s.Items[i-1]
	} else if e.Class == "COLUMN_REF" && len(e.Names) == 1 && len(b.find("", e.Names[0])) == 0 {
		for _, item := range s.Items {
			var head astHead
			if json.Unmarshal(item, &head) == nil && strings.EqualFold(head.Alias, e.Names[0]) {
				raw = item
				break
			}
		}
	}
	n, err := b.row(raw)
	if err != nil {
		return err
	}
	if n.class == null {
		return b.refuse(at, "name a column", "GROUP BY NULL")
	}
	b.keys = append(b.keys, n)
	b.prints = append(b.prints, n.fingerprint())
	return nil
}

func (b *block) hasAggregate(raw json.RawMessage) bool {
	found := false
	var look func(v any)
	look = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			if name, _ := v["function_name"].(string); v["class"] == "FUNCTION" && isAggregate(name) {
				found = true
			}
			for _, x := range v {
				look(x)
			}
		case []any:
			for _, x := range v {
				look(x)
			}
		}
	}
	var v any
	if json.Unmarshal(raw, &v) == nil {
		look(v)
	}
	return found
}

// readItems reads what the answer shows.
func (q *Query) readItems(b *block, s *astSelect) error {
	if len(s.Items) > mostItems {
		return b.refuse(-1, fmt.Sprintf("ask for at most %d", mostItems), "%d columns", len(s.Items))
	}
	for i, raw := range s.Items {
		n, err := b.post(raw)
		if err != nil {
			return err
		}
		var e astExpr
		if json.Unmarshal(raw, &e) != nil {
			return b.bad(-1)
		}
		name := itemName(e, i)
		q.items = append(q.items, Item{name, n})
		if e.Alias != "" {
			b.names[strings.ToLower(e.Alias)] = n
		}
	}
	return nil
}

func itemName(e astExpr, i int) string {
	switch {
	case e.Alias != "":
		return e.Alias
	case e.Class == "COLUMN_REF" && len(e.Names) > 0:
		return e.Names[len(e.Names)-1]
	case e.Class == "FUNCTION" && e.Function == "count_star":
		return "count"
	case e.Class == "FUNCTION" && !e.IsOperator:
		return e.Function
	}
	return fmt.Sprintf("column%d", i+1)
}

// readAfter reads what is done with noisy answers.
func (q *Query) readAfter(b *block, s *astSelect) error {
	if present(s.Having) {
		n, err := b.post(s.Having)
		if err != nil {
			return err
		}
		if n.class != boolean && n.class != null {
			return b.refuse(n.at, "write a comparison", "%s in HAVING, which needs a truth value", n.class)
		}
		q.having = n
	}
	for _, raw := range s.Modifiers {
		var m astModifier
		if strict(raw, &m) != nil {
			return b.bad(-1)
		}
		var err error
		switch m.Type {
		case "ORDER_MODIFIER":
			err = q.readOrder(b, m)
		case "LIMIT_MODIFIER":
			if q.limit, err = b.bound(m.Limit, -1); err == nil {
				q.offset, err = b.bound(m.Offset, 0)
			}
		case "DISTINCT_MODIFIER":
			err = b.refuse(-1, "leave it out: groups differ already", "SELECT DISTINCT of answers")
		default:
			err = b.refuse(-1, "write LIMIT with a number", "a modifier that is not known")
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (b *block) bound(raw json.RawMessage, without int64) (int64, error) {
	if !present(raw) {
		return without, nil
	}
	n, err := b.row(raw)
	if err != nil {
		return 0, err
	}
	v, ok := n.isInt()
	if !ok || v < 0 {
		return 0, b.refuse(n.at, "write a whole number", "LIMIT or OFFSET that is not a whole number")
	}
	return v, nil
}

func (q *Query) readOrder(b *block, m astModifier) error {
	for _, o := range m.Orders {
		var by *node
		var e astExpr
		if json.Unmarshal(o.Expr, &e) != nil {
			return b.bad(-1)
		}
		var i int
		if e.Class == "CONSTANT" {
			if json.Unmarshal(e.Value.Value, &i) != nil || i < 1 || i > len(q.items) {
				return b.refuse(place(e.Loc), "name an item or its place", "ORDER BY a constant")
			}
			by = q.items[i-1].post
		} else {
			n, err := b.post(o.Expr)
			if err != nil {
				return err
			}
			by = n
		}
		down := o.Type == "DESCENDING"
		first := o.Nulls == "NULLS FIRST"
		q.orders = append(q.orders, order{by, down, first})
	}
	return nil
}
