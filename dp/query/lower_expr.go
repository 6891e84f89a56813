package query

import (
	"encoding/json"
	"strings"
	"time"
)

// find gives the columns of FROM that a name means.
func (b *block) find(qualifier, name string) []*column {
	var found []*column
	for _, c := range b.rows.cols {
		if strings.EqualFold(c.name, name) && (qualifier == "" || strings.EqualFold(c.qualifier, qualifier)) {
			found = append(found, c)
		}
	}
	return found
}

// row reads an expression over the rows of FROM.
func (b *block) row(raw json.RawMessage) (*node, error) { return b.expr(raw, false) }

// post reads an expression over keys and aggregates.
func (b *block) post(raw json.RawMessage) (*node, error) { return b.expr(raw, true) }

// expr reads an expression; after says that it is over keys and aggregates.
func (b *block) expr(raw json.RawMessage, after bool) (*node, error) {
	b.depth++
	defer func() { b.depth-- }()
	var head astHead
	if json.Unmarshal(raw, &head) != nil {
		return nil, b.bad(-1)
	}
	at := place(head.Loc)
	if err := b.deeper(at); err != nil {
		return nil, err
	}
	if n := b.key(raw, at, after); n != nil {
		return n, nil
	}
	var e astExpr
	if err := b.allowed(head, at); err != nil {
		return nil, err
	}
	if strict(raw, &e) != nil {
		return nil, b.bad(at)
	}
	n, err := b.class(e, at, after)
	if err != nil {
		return nil, err
	}
	n.at = at
	return n, nil
}

// key finds the key that an expression after grouping is equal to.
func (b *block) key(raw json.RawMessage, at int, after bool) *node {
	if !after || len(b.keys) == 0 || b.hasAggregate(raw) {
		return nil
	}
	nodes := b.nodes
	n, err := b.row(raw)
	if err != nil {
		b.nodes = nodes + 1
		return nil // what it is without keys, and its refusal, comes next
	}
	mark := n.fingerprint()
	for i, p := range b.prints {
		if p == mark {
			return &node{op: "key", class: n.class, index: i, at: at}
		}
	}
	return nil
}

// allowed refuses the classes of expressions that are on no list.
func (b *block) allowed(head astHead, at int) error {
	switch head.Class {
	case "COLUMN_REF", "CONSTANT", "FUNCTION", "COMPARISON", "CONJUNCTION", "OPERATOR", "BETWEEN", "CASE", "CAST":
		return nil
	case "SUBQUERY":
		return b.refuse(at, "join it in FROM instead", "a subquery inside of an expression")
	case "WINDOW":
		return b.refuse(at, "use GROUP BY", "a window function")
	case "LAMBDA":
		return b.refuse(at, "use a plain expression", "a lambda")
	case "STAR":
		return b.refuse(at, "name aggregates", "* in place of a value")
	case "PARAMETER":
		return b.refuse(at, "write values as constants", "a parameter")
	case "POSITIONAL_REFERENCE":
		return b.refuse(at, "name the column", "a column by its place")
	case "COLLATE":
		return b.refuse(at, "compare texts as they are", "COLLATE")
	}
	return b.refuse(at, "write it in another way", "an expression that is not known")
}

func (b *block) class(e astExpr, at int, after bool) (*node, error) {
	switch e.Class {
	case "COLUMN_REF":
		return b.reference(e, at, after)
	case "CONSTANT":
		return b.constant(e.Value, at)
	case "FUNCTION":
		return b.function(e, at, after)
	case "COMPARISON":
		args, err := b.exprs(after, e.Left, e.Right)
		if err != nil {
			return nil, err
		}
		op, ok := map[string]string{
			"COMPARE_EQUAL": "=", "COMPARE_NOTEQUAL": "<>", "COMPARE_LESSTHAN": "<", "COMPARE_LESSTHANOREQUALTO": "<=", "COMPARE_GREATERTHAN": ">",
			"COMPARE_GREATERTHANOREQUALTO": ">=", "COMPARE_DISTINCT_FROM": "distinct", "COMPARE_NOT_DISTINCT_FROM": "same",
		}[e.Type]
		if !ok {
			return nil, b.bad(at)
		}
		return b.compare(op, args[0], args[1], at)
	case "CONJUNCTION":
		return b.conjunction(e, at, after)
	case "OPERATOR":
		return b.operator(e, at, after)
	case "BETWEEN":
		return b.between(e, at, after)
	case "CASE":
		return b.cases(e, at, after)
	case "CAST":
		return b.cast(e, at, after)
	}
	return nil, b.bad(at)
}

func (b *block) exprs(after bool, raw ...json.RawMessage) ([]*node, error) {
	args := make([]*node, len(raw))
	for i, r := range raw {
		n, err := b.expr(r, after)
		if err != nil {
			return nil, err
		}
		args[i] = n
	}
	return args, nil
}

func (b *block) reference(e astExpr, at int, after bool) (*node, error) {
	if len(e.Names) != 1 && len(e.Names) != 2 {
		return nil, b.refuse(at, "name it as column or table.column", "a name with %d parts", len(e.Names))
	}
	qualifier, name := "", e.Names[len(e.Names)-1]
	if len(e.Names) == 2 {
		qualifier = e.Names[0]
	}
	if after && qualifier == "" {
		if n := b.names[strings.ToLower(name)]; n != nil {
			shared := *n
			return &shared, nil
		}
	}
	found := b.find(qualifier, name)
	switch {
	case len(found) == 0:
		return nil, b.refuse(at, "the dataset's card lists its columns", "a column that is not there")
	case len(found) > 1:
		return nil, b.refuse(at, "name it as table.column", "a column name that means several")
	case after:
		return nil, b.refuse(at, "put it into GROUP BY or into an aggregate", "a column that is neither grouped nor aggregated")
	case found[0].class == null && found[0].of != nil:
		return nil, b.refuse(at, "use another column", "a column whose type cannot be asked about")
	}
	found[0].used = true
	return &node{op: "col", class: found[0].class, col: found[0]}, nil
}

func (b *block) constant(v astValue, at int) (*node, error) {
	if v.Null {
		return &node{op: "const", class: null}, nil
	}
	switch v.Type.ID {
	case "VARCHAR":
		n := &node{op: "const", class: txt}
		if json.Unmarshal(v.Value, &n.str) != nil || strings.ContainsAny(n.str, "\x00\ufffd") {
			return nil, b.refuse(at, "write it without", "a text with a NUL or a broken character")
		}
		return n, nil
	case "BOOLEAN":
		n := &node{op: "const", class: boolean}
		if json.Unmarshal(v.Value, &n.truth) != nil {
			return nil, b.bad(at)
		}
		return n, nil
	case "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "DECIMAL", "DOUBLE", "FLOAT":
		exact, scale, double, ok := v.number()
		if !ok {
			return nil, b.refuse(at, "write a smaller one", "a number out of range")
		}
		return &node{op: "const", class: num, exact: exact, scale: scale, float: double}, nil
	}
	return nil, b.refuse(at, "write a number, a text, DATE '…' or a truth value", "a constant of another type")
}

// compare makes a comparison of two of one class.
func (b *block) compare(op string, x, y *node, at int) (*node, error) {
	x, y, err := b.alike(x, y, at)
	if err != nil {
		return nil, err
	}
	return &node{op: op, class: boolean, args: []*node{x, y}, at: at}, nil
}

// alike brings two expressions to one class: a text constant beside a date is
// one, and a date beside a timestamp is its midnight.
func (b *block) alike(x, y *node, at int) (*node, *node, error) {
	adapt := func(n *node, c class) (*node, error) {
		if s, ok := n.isText(); ok && (c == date || c == stamp) {
			return b.moment(s, c, n.at)
		}
		if n.class == date && c == stamp {
			return &node{op: "tostamp", class: stamp, args: []*node{n}, at: n.at}, nil
		}
		return n, nil
	}
	x, err := adapt(x, y.class)
	if err != nil {
		return nil, nil, err
	}
	y, err = adapt(y, x.class)
	if err != nil {
		return nil, nil, err
	}
	if x.class != y.class && x.class != null && y.class != null {
		return nil, nil, b.refuse(at, "cast one of them", "%s beside %s", x.class, y.class)
	}
	return x, y, nil
}

// allAlike brings several expressions to one class.
func (b *block) allAlike(args []*node, at int) (class, error) {
	first := &node{op: "const", class: null}
	for _, a := range args {
		if a.class != null && (first.class == null || first.class == txt && first.op == "const" || first.class == date && a.class == stamp) {
			first = a
		}
	}
	for i := range args {
		_, a, err := b.alike(first, args[i], at)
		if err != nil {
			return null, err
		}
		args[i] = a
	}
	return first.class, nil
}

// moment reads a date or timestamp that is written as a text.
func (b *block) moment(s string, c class, at int) (*node, error) {
	n := &node{op: "const", class: c, at: at}
	layouts := []string{"2006-01-02"}
	if c == stamp {
		layouts = append(layouts, "2006-01-02 15:04:05.999999", "2006-01-02T15:04:05.999999", "2006-01-02 15:04")
	}
	for _, layout := range layouts {
		t, err := time.Parse(layout, s)
		if err != nil || t.Year() < 1 {
			continue
		}
		if n.whole = t.UnixMicro(); c == date {
			n.whole = t.Unix() / 86400
		}
		return n, nil
	}
	return nil, b.refuse(at, "write it as '2024-12-31' or '2024-12-31 23:59:59'", "a text that is not %s", c)
}

func (b *block) conjunction(e astExpr, at int, after bool) (*node, error) {
	op := map[string]string{"CONJUNCTION_AND": "and", "CONJUNCTION_OR": "or"}[e.Type]
	if op == "" || len(e.Children) == 0 {
		return nil, b.bad(at)
	}
	args, err := b.exprs(after, e.Children...)
	if err != nil {
		return nil, err
	}
	for _, a := range args {
		if a.class != boolean && a.class != null {
			return nil, b.refuse(a.at, "write a comparison", "%s in %s, which needs truth values", a.class, strings.ToUpper(op))
		}
	}
	return &node{op: op, class: boolean, args: args}, nil
}

func (b *block) operator(e astExpr, at int, after bool) (*node, error) { //nolint:cyclop // a list, one case for each
	args, err := b.exprs(after, e.Children...)
	if err != nil {
		return nil, err
	}
	n := &node{class: boolean, args: args}
	switch {
	case e.Type == "OPERATOR_NOT" && len(args) == 1 && (args[0].class == boolean || args[0].class == null):
		n.op = "not"
	case e.Type == "OPERATOR_IS_NULL" && len(args) == 1:
		n.op = "isnull"
	case e.Type == "OPERATOR_IS_NOT_NULL" && len(args) == 1:
		return &node{op: "not", class: boolean, args: []*node{{op: "isnull", class: boolean, args: args, at: at}}}, nil
	case (e.Type == "COMPARE_IN" || e.Type == "COMPARE_NOT_IN") && len(args) >= 2:
		if _, err := b.allAlike(args, at); err != nil {
			return nil, err
		}
		n.op = "in"
		if e.Type == "COMPARE_NOT_IN" {
			return &node{op: "not", class: boolean, args: []*node{n}}, nil
		}
	case e.Type == "OPERATOR_COALESCE" && len(args) >= 1:
		return b.same("coalesce", args, at)
	case e.Type == "OPERATOR_NULLIF" && len(args) == 2:
		return b.same("nullif", args, at)
	case e.Type == "GROUPING_FUNCTION":
		return nil, b.refuse(at, "tell them apart by the key that is NULL", "GROUPING()")
	default:
		return nil, b.refuse(at, "write it in another way", "an operator that is not allowed")
	}
	return n, nil
}

// same makes an operation whose result is of its arguments' class.
func (b *block) same(op string, args []*node, at int) (*node, error) {
	c, err := b.allAlike(args, at)
	return &node{op: op, class: c, args: args}, err
}

func (b *block) between(e astExpr, at int, after bool) (*node, error) {
	args, err := b.exprs(after, e.Input, e.Lower, e.Upper)
	if err != nil {
		return nil, err
	}
	if _, err := b.allAlike(args, at); err != nil {
		return nil, err
	}
	return &node{op: "between", class: boolean, args: args}, nil
}

// cases is CASE: args are pairs of condition and value, and the last value.
func (b *block) cases(e astExpr, at int, after bool) (*node, error) {
	n := &node{op: "case"}
	var values []*node
	for _, c := range e.Checks {
		pair, err := b.exprs(after, c.When, c.Then)
		if err != nil {
			return nil, err
		}
		if pair[0].class != boolean && pair[0].class != null {
			return nil, b.refuse(pair[0].at, "write a comparison", "%s in WHEN, which needs a truth value", pair[0].class)
		}
		n.args = append(n.args, pair[0])
		values = append(values, pair[1])
	}
	last := &node{op: "const", class: null, at: at}
	if present(e.Else) {
		var err error
		if last, err = b.expr(e.Else, after); err != nil {
			return nil, err
		}
	}
	values = append(values, last)
	c, err := b.allAlike(values, at)
	if err != nil {
		return nil, err
	}
	var all []*node
	for i, when := range n.args {
		all = append(all, when, values[i])
	}
	all = append(all, values[len(values)-1])
	n.args, n.class = all, c
	return n, nil
}

func (b *block) cast(e astExpr, at int, after bool) (*node, error) {
	x, err := b.expr(e.Child, after)
	if err != nil {
		return nil, err
	}
	n := &node{args: []*node{x}}
	switch e.CastType.ID {
	case "BOOLEAN":
		n.op, n.class = "tobool", boolean
	case "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT":
		n.op, n.class = "toint", num
	case "DOUBLE", "FLOAT":
		n.op, n.class = "todouble", num
	case "DECIMAL":
		n.op, n.class = "todecimal", num
		if n.scale = 3; e.CastType.Info != nil {
			n.scale = e.CastType.Info.Scale
		}
		if n.scale < 0 || n.scale > 9 {
			return nil, b.refuse(at, "use at most 9 digits behind the point", "DECIMAL with %d digits behind the point", n.scale)
		}
	case "VARCHAR":
		n.op, n.class = "totext", txt
	case "DATE":
		n.op, n.class = "todate", date
	case "TIMESTAMP":
		n.op, n.class = "tostamp", stamp
	default:
		return nil, b.refuse(at, "cast to BOOLEAN, BIGINT, DOUBLE, DECIMAL, VARCHAR, DATE or TIMESTAMP", "a cast to another type")
	}
	return b.castFrom(n, x, at)
}

// castFrom says from what a cast is possible, and does it for constants.
func (b *block) castFrom(n, x *node, at int) (*node, error) {
	if s, ok := x.isText(); ok {
		switch n.class {
		case date, stamp:
			return b.moment(s, n.class, at)
		case boolean:
			if s == "t" || s == "f" || s == "true" || s == "false" {
				return &node{op: "const", class: boolean, truth: s[0] == 't'}, nil
			}
		}
	}
	from := map[class]string{boolean: "bool num", num: "bool num txt", txt: "bool num txt date", date: "date stamp", stamp: "date stamp"}[n.class]
	name := [...]string{"", "bool", "num", "txt", "date", "stamp", "list", "span"}[x.class]
	if !strings.Contains(from, name) {
		return nil, b.refuse(at, "texts become numbers, and dates are columns of that type", "a cast of %s to %s", x.class, n.class)
	}
	if n.class == x.class && n.class != num {
		return x, nil
	}
	return n, nil
}

// plus is + and -, which also move dates.
func (b *block) plus(op string, args []*node, at int) (*node, error) { //nolint:cyclop // a list, one case for each
	if len(args) == 1 && (args[0].class == num || args[0].class == null) {
		if op == "+" {
			return args[0], nil
		}
		return &node{op: "neg", class: num, args: args}, nil
	}
	if len(args) != 2 {
		return nil, b.bad(at)
	}
	x, y := args[0], args[1]
	if op == "+" && y.class == date {
		x, y = y, x
	}
	switch {
	case isNumber(x) && isNumber(y):
		return &node{op: op, class: num, args: []*node{x, y}}, nil
	case x.class == date && y.class == span:
		return &node{op: "date" + op, class: date, args: []*node{x, y.args[0]}}, nil
	case x.class == date && isNumber(y):
		return &node{op: "date" + op, class: date, args: []*node{x, y}}, nil
	case op == "-" && x.class == date && y.class == date:
		return &node{op: "datediff", class: num, args: []*node{x, y}}, nil
	}
	return nil, b.refuse(at, "numbers can be added; days can be added to dates", "%s of %s and %s", op, x.class, y.class)
}

func isNumber(n *node) bool { return n.class == num || n.class == null }

// interval reads to_days(CAST(trunc(CAST(x AS DOUBLE)) AS INTEGER)), which is
// how the parser writes INTERVAL 3 DAY.
func (b *block) interval(e astExpr, name string, at int) (*node, error) {
	raw := e.Children
	for range 3 {
		if len(raw) != 1 {
			break
		}
		var c astExpr
		if json.Unmarshal(raw[0], &c) != nil {
			return nil, b.bad(at)
		}
		if c.Class == "CAST" {
			raw = []json.RawMessage{c.Child}
		} else if c.Class == "FUNCTION" && c.Function == "trunc" {
			raw = c.Children
		}
	}
	if len(raw) == 1 {
		n, err := b.row(raw[0])
		if err != nil {
			return nil, err
		}
		days, ok := n.isInt()
		if name == "to_weeks" {
			days *= 7
		}
		if ok && (name == "to_days" || name == "to_weeks") && days > -4_000_000 && days < 4_000_000 {
			return &node{op: "days", class: span, args: []*node{whole(days)}}, nil
		}
	}
	return nil, b.refuse(at, "write a constant number of days or weeks", "an interval that is not a constant number of days")
}
