package query

import (
	"cmp"
	"math"
	"slices"
	"strings"
)

// Items are the columns of the answer, as the question names them.
func (p *Plan) Items() []Item { return p.query.items }

// Aggregate gives the number of the aggregate that an item is, where it is
// one and nothing around it.
func (i Item) Aggregate() (int, bool) { return i.post.index, i.post.op == "agg" }

// Key gives the number of the key that an item is.
func (i Item) Key() (int, bool) { return i.post.index, i.post.op == "key" }

// Noisy is one group after noise: the values of all of the question's keys
// (nil for those that its grouping set leaves out) and of its aggregates:
// float64, []float64 for several quantiles, or nil.
type Noisy struct {
	Keys   []any
	Values []any
}

// Row is one row of the answer, and of which group it is made.
type Row struct {
	Cells []any
	Group int
}

// Answer does what a question asks to be done with noisy values: HAVING, the
// items, ORDER BY, LIMIT and OFFSET. It has no other values to do it with.
// Cells are float64, string, bool, int64 of a bare key, []float64 or nil.
func (p *Plan) Answer(groups []Noisy) []Row {
	q := p.query
	type sortable struct {
		row Row
		by  []any
	}
	var all []sortable
	for i, g := range groups {
		e := evaluator{g, p.keys}
		if q.having != nil && e.eval(q.having) != true {
			continue
		}
		s := sortable{row: Row{Group: i}}
		for _, item := range q.items {
			s.row.Cells = append(s.row.Cells, e.cell(item.post))
		}
		for _, o := range q.orders {
			s.by = append(s.by, e.eval(o.by))
		}
		all = append(all, s)
	}
	slices.SortStableFunc(all, func(x, y sortable) int {
		for i, o := range q.orders {
			if c := o.compare(x.by[i], y.by[i]); c != 0 {
				return c
			}
		}
		return 0
	})
	from := min(q.offset, int64(len(all)))
	to := int64(len(all))
	if q.limit >= 0 {
		to = min(to, from+min(q.limit, to))
	}
	rows := []Row{}
	for _, s := range all[from:to] {
		rows = append(rows, s.row)
	}
	return rows
}

func (o order) compare(x, y any) int {
	if x == nil || y == nil {
		c := 0
		if x == nil && y != nil {
			c = 1
		} else if x != nil && y == nil {
			c = -1
		}
		if o.first {
			return -c
		}
		return c
	}
	if o.down {
		return compare(y, x)
	}
	return compare(x, y)
}

func compare(x, y any) int {
	switch x := x.(type) {
	case float64:
		if y, ok := y.(float64); ok {
			return cmp.Compare(x, y)
		}
	case string:
		if y, ok := y.(string); ok {
			return strings.Compare(x, y)
		}
	case bool:
		if y, ok := y.(bool); ok && x != y {
			if y {
				return -1
			}
			return 1
		}
	}
	return 0
}

// afterNoise are the operations that an expression over noisy values may
// have.
func afterNoise(op string) bool {
	return slices.Contains([]string{
		"const", "key", "agg", "+", "-", "*", "/", "neg", "abs", "sign", "floor", "ceil", "round", "sqrt", "and", "or", "not", "isnull",
		"=", "<>", "<", "<=", ">", ">=", "distinct", "same", "in", "between", "case", "coalesce", "nullif", "greatest", "least", "todouble", "toint",
	}, op)
}

// checkAfter refuses what cannot be computed from noisy values.
func (l *lowerer) checkAfter(n *node, whole bool) error {
	if !afterNoise(n.op) || n.class == list && !whole {
		return l.refuse(n.at, "put it into GROUP BY, or do it with the answer", "an expression over the answer that is more than arithmetic")
	}
	for _, a := range n.args {
		if err := l.checkAfter(a, false); err != nil {
			return err
		}
	}
	return nil
}

// evaluator computes over one noisy group. Numbers are float64.
type evaluator struct {
	group Noisy
	keys  []*phys
}

// cell is an item: a bare key stays as it is.
func (e evaluator) cell(n *node) any {
	switch n.op {
	case "key":
		return e.group.Keys[n.index]
	case "agg":
		return e.group.Values[n.index]
	}
	return finite(e.eval(n))
}

func finite(v any) any {
	if f, ok := v.(float64); ok && (math.IsNaN(f) || math.IsInf(f, 0)) {
		return nil
	}
	return v
}

func (e evaluator) eval(n *node) any { //nolint:cyclop // a list, one case for each
	switch n.op {
	case "const":
		return constantOf(n)
	case "key":
		v := e.group.Keys[n.index]
		if i, ok := v.(int64); ok {
			return float64(i) / math.Pow10(e.keys[n.index].scale)
		}
		return v
	case "agg":
		return e.group.Values[n.index]
	case "and", "or", "not":
		return e.logic(n)
	case "case":
		for i := 0; i+1 < len(n.args); i += 2 {
			if e.eval(n.args[i]) == true {
				return e.eval(n.args[i+1])
			}
		}
		return e.eval(n.args[len(n.args)-1])
	}
	args := make([]any, len(n.args))
	for i, a := range n.args {
		args[i] = finite(e.eval(a))
	}
	switch n.op {
	case "isnull":
		return args[0] == nil
	case "distinct", "same":
		same := args[0] == nil && args[1] == nil || args[0] != nil && args[1] != nil && compare(args[0], args[1]) == 0
		return same == (n.op == "same")
	case "coalesce", "greatest", "least":
		return choose(n.op, args)
	case "in":
		return isIn(args)
	case "between":
		return both(order2(args[0], args[1]), order2(args[2], args[0]))
	}
	if slices.Contains(args, nil) && n.op != "nullif" {
		return nil
	}
	return finite(compute(n, args))
}

func constantOf(n *node) any {
	switch n.class {
	case boolean:
		return n.truth
	case num:
		f, _ := n.asFloat()
		return f
	case txt:
		return n.str
	case date, stamp:
		return float64(n.whole)
	}
	return nil
}

func (e evaluator) logic(n *node) any {
	unknown := false
	for _, a := range n.args {
		switch v := e.eval(a); {
		case v == nil:
			unknown = true
		case n.op == "not":
			return v != true
		case v == (n.op == "or"):
			return v
		}
	}
	if unknown {
		return nil
	}
	return n.op == "and"
}

// order2 is x >= y, and both is AND, where either may be unknown.
func order2(x, y any) any {
	if x == nil || y == nil {
		return nil
	}
	return compare(x, y) >= 0
}

func both(x, y any) any {
	switch {
	case x == false || y == false:
		return false
	case x == nil || y == nil:
		return nil
	}
	return true
}

func choose(op string, args []any) any {
	var best any
	for _, a := range args {
		switch {
		case a == nil:
		case best == nil:
			if best = a; op == "coalesce" {
				return a
			}
		case op == "greatest" && compare(a, best) > 0, op == "least" && compare(a, best) < 0:
			best = a
		}
	}
	return best
}

func isIn(args []any) any {
	if args[0] == nil {
		return nil
	}
	for _, a := range args[1:] {
		if a != nil && compare(args[0], a) == 0 {
			return true
		}
	}
	if slices.Contains(args[1:], nil) {
		return nil
	}
	return false
}

func compute(n *node, args []any) any { //nolint:cyclop // a list, one case for each
	switch n.op {
	case "nullif":
		if args[0] != nil && args[1] != nil && compare(args[0], args[1]) == 0 {
			return nil
		}
		return args[0]
	case "=", "<>", "<", "<=", ">", ">=":
		c := compare(args[0], args[1])
		return map[string]bool{"=": c == 0, "<>": c != 0, "<": c < 0, "<=": c <= 0, ">": c > 0, ">=": c >= 0}[n.op]
	}
	x, ok := args[0].(float64)
	if !ok {
		return nil
	}
	if len(args) == 2 {
		y, ok := args[1].(float64)
		if !ok {
			return nil
		}
		return arithmetic(n.op, x, y)
	}
	switch n.op {
	case "neg":
		return -x
	case "abs":
		return math.Abs(x)
	case "sign":
		return float64(cmp.Compare(x, 0))
	case "floor":
		return math.Floor(x)
	case "ceil":
		return math.Ceil(x)
	case "round":
		return math.Round(x)
	case "sqrt":
		return math.Sqrt(x)
	case "toint":
		return math.RoundToEven(x)
	}
	return x // todouble
}

func arithmetic(op string, x, y float64) any {
	switch op {
	case "+":
		return x + y
	case "-":
		return x - y
	case "*":
		return x * y
	case "/":
		return x / y
	}
	unit := math.Pow10(int(min(max(y, 0), 15))) // round
	return math.Round(x*unit) / unit
}
