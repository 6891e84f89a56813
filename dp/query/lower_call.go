package query

import (
	"encoding/json"
	"math/big"
	"slices"
	"strings"
)

// function reads a call: an aggregate, a special form, or one of the list.
func (b *block) function(e astExpr, at int, after bool) (*node, error) {
	name := strings.ToLower(e.Function)
	if e.Catalog != "" || e.Schema != "" && e.Schema != "main" || e.Export {
		return nil, b.refuse(at, "name it without", "a function of another schema")
	}
	if err := b.unnamed(e.Children); err != nil {
		return nil, err
	}
	if isAggregate(name) {
		if !after {
			return nil, b.refuse(at, "aggregate once, in SELECT, HAVING or ORDER BY", "an aggregate where rows are meant")
		}
		return b.aggregate(e, name, at)
	}
	if !known(name) {
		return nil, b.refuse(at, "use one that gives the same in every engine: arithmetic, CASE, and the text and date functions of the guide; to aggregate, COUNT, SUM, AVG, VARIANCE, STDDEV, MEDIAN, PERCENTILE_CONT, APPROX_QUANTILES, COVAR_SAMP, CORR, REGR_SLOPE and REGR_INTERCEPT", "a function that is not allowed")
	}
	if present(e.Filter) || e.Distinct || len(e.OrderBys.Orders) > 0 {
		return nil, b.refuse(at, "leave them out", "FILTER, DISTINCT or ORDER BY of what is no aggregate")
	}
	if strings.HasPrefix(name, "to_") {
		return b.interval(e, name, at)
	}
	args, err := b.exprs(after, e.Children...)
	if err != nil {
		return nil, err
	}
	return b.call(name, args, at)
}

// unnamed refuses named arguments.
func (b *block) unnamed(args []json.RawMessage) error {
	for _, raw := range args {
		var head astHead
		if json.Unmarshal(raw, &head) == nil && head.Alias != "" {
			return b.refuse(place(head.Loc), "aggregates know contribution_bounds_per_group and contribution_bounds_per_row", "a named argument that is not known")
		}
	}
	return nil
}

// known says whether a function is on the list, or one of the special forms.
func known(name string) bool {
	_, ok := functions(name)
	return ok || slices.Contains([]string{
		"+", "add", "-", "subtract", "!~~", "concat", "||", "greatest", "least", "ifnull", "nullif", "if", "date_part", "datepart", "date_trunc",
		"datetrunc", "date_diff", "datediff", "to_days", "to_weeks", "to_months", "to_years", "to_hours", "to_minutes", "to_seconds",
	}, name)
}

// call makes a function's node from its arguments.
func (b *block) call(name string, args []*node, at int) (*node, error) { //nolint:cyclop // a list, one case for each
	switch name {
	case "+", "add", "-", "subtract":
		return b.plus(map[string]string{"+": "+", "add": "+", "-": "-", "subtract": "-"}[name], args, at)
	case "!~~":
		n, err := b.call("~~", args, at)
		return &node{op: "not", class: boolean, args: []*node{n}}, err
	case "concat", "||":
		for _, a := range args {
			if a.class != txt && a.class != null {
				return nil, b.refuse(a.at, "cast it to VARCHAR", "%s in a concatenation", a.class)
			}
		}
		return &node{op: map[string]string{"concat": "concat", "||": "||"}[name], class: txt, args: args}, nil
	case "greatest", "least", "ifnull":
		if len(args) == 0 {
			return nil, b.bad(at)
		}
		if name == "ifnull" {
			name = "coalesce"
		}
		return b.same(name, args, at)
	case "nullif":
		if len(args) != 2 {
			return nil, b.bad(at)
		}
		return b.same("nullif", args, at)
	case "if":
		if len(args) != 3 || args[0].class != boolean {
			return nil, b.refuse(at, "write CASE WHEN … THEN … ELSE … END", "IF without a truth value and two values")
		}
		values := args[1:]
		c, err := b.allAlike(values, at)
		return &node{op: "case", class: c, args: args}, err
	case "date_part", "datepart", "date_trunc", "datetrunc":
		return b.part(name, args, at)
	case "date_diff", "datediff":
		if len(args) == 0 {
			return nil, b.bad(at)
		}
		if s, ok := args[0].isText(); len(args) == 3 && ok && strings.EqualFold(s, "day") && args[1].class == date && args[2].class == date {
			return &node{op: "datediff", class: num, args: []*node{args[2], args[1]}}, nil
		}
		return nil, b.refuse(at, "write date_diff('day', a, b) of two dates", "a difference of dates in another unit")
	}
	f, _ := functions(name)
	if err := b.arguments(f.args, args, at); err != nil {
		return nil, err
	}
	return &node{op: f.op, class: f.result, args: args, str: f.part}, nil
}

func (b *block) arguments(want string, args []*node, at int) error {
	i, optional := 0, false
	for _, w := range want {
		if w == '?' {
			optional = true
			continue
		}
		if i == len(args) && optional {
			return nil
		}
		if i >= len(args) {
			return b.refuse(at, "look at its arguments", "a call with too few arguments")
		}
		if !args[i].fits(w) {
			return b.refuse(args[i].at, "look at its arguments", "%s that this function does not take (or a constant that it needs)", args[i].class)
		}
		i++
	}
	if i < len(args) {
		return b.refuse(at, "look at its arguments", "a call with too many arguments")
	}
	return nil
}

func (n *node) fits(want rune) bool {
	switch want {
	case 'T':
		_, ok := n.isText()
		return ok
	case 'I':
		v, ok := n.isInt()
		return ok && v >= 0 && v <= 1_000_000
	}
	if n.class == null {
		return true
	}
	return n.class == map[rune]class{'n': num, 't': txt, 'b': boolean, 'd': date, 's': stamp}[want] || want == 'D' && (n.class == date || n.class == stamp)
}

func (b *block) part(name string, args []*node, at int) (*node, error) {
	if len(args) != 2 || args[1].class != date && args[1].class != stamp {
		return nil, b.refuse(at, "give it a part and a date", "a part of what is not a date")
	}
	s, ok := args[0].isText()
	part, ofTime, known := parts(strings.ToLower(s))
	truncates := strings.HasSuffix(name, "trunc")
	if !ok || !known || ofTime && args[1].class == date || truncates && strings.HasPrefix(part, "d") && part != "day" || truncates && part == "isodow" {
		return nil, b.refuse(args[0].at, "year, quarter, month, week and day are known; hour and minute of timestamps", "a part of dates that is not known here")
	}
	if truncates {
		return &node{op: "trunc", class: args[1].class, args: args[1:], str: part}, nil
	}
	return &node{op: "part", class: num, args: args[1:], str: part}, nil
}

// aggregate reads an aggregate call and gives the node that stands for its
// value.
func (b *block) aggregate(e astExpr, name string, at int) (*node, error) {
	fn, _ := aggregate(name)
	c := &call{fn: fn, distinct: e.Distinct, at: at}
	args, err := b.exprs(false, e.Children...)
	if err != nil {
		return nil, err
	}
	for _, o := range e.OrderBys.Orders {
		n, err := b.row(o.Expr)
		if err != nil {
			return nil, err
		}
		if o.Type == "DESCENDING" {
			return nil, b.refuse(n.at, "order upward", "a quantile of a descending order")
		}
		args = append([]*node{n}, args...) // quantile_cont(0.5) WITHIN GROUP (ORDER BY x)
	}
	if present(e.Filter) {
		if c.filter, err = b.condition(e.Filter, "FILTER"); err != nil {
			return nil, err
		}
	}
	if err := b.aggregateArgs(c, name, args); err != nil {
		return nil, err
	}
	result := num
	if fn == "min" || fn == "max" {
		if b.top {
			return nil, b.refuse(at, "ask for quantiles: APPROX_QUANTILES(x, 10), or median(x)", "MIN or MAX, which are one person's value")
		}
		result = c.arg.class
	}
	if len(c.quantiles) > 1 {
		result = list
	}
	if !b.top && !slices.Contains([]string{"count", "sum", "avg", "min", "max"}, c.fn) {
		return nil, b.refuse(at, "use COUNT, SUM, AVG, MIN or MAX per unit", "this aggregate in a subquery")
	}
	if b.top {
		c.own = b.options.Calls[at]
		b.lowerer.calls[at] = true
	}
	return &node{op: "agg", class: result, index: b.addCall(c)}, nil
}

// addCall gives the index of an aggregate; one that is written twice is
// answered once.
func (b *block) addCall(c *call) int {
	mark := c.fingerprint()
	for i, other := range b.calls {
		if other.fingerprint() == mark {
			return i
		}
	}
	b.calls = append(b.calls, c)
	return len(b.calls) - 1
}

func (c *call) fingerprint() string {
	n := &node{op: c.fn, args: []*node{}}
	for _, a := range []*node{c.arg, c.other, c.filter} {
		if a == nil {
			a = &node{op: "none"}
		}
		n.args = append(n.args, a)
	}
	s := n.fingerprint()
	for _, clamp := range []*Clamp{c.own.PerRow, c.own.PerGroup} {
		if s += "|"; clamp != nil {
			s += clamp.Lo + ".." + clamp.Hi
		}
	}
	for _, q := range c.quantiles {
		s += " " + new(big.Float).SetFloat64(q).Text('g', 17)
	}
	if c.distinct {
		s += " distinct"
	}
	return s
}

func (b *block) aggregateArgs(c *call, name string, args []*node) error { //nolint:cyclop // a list, one case for each
	if c.distinct && c.fn != "count" {
		return b.refuse(c.at, "leave DISTINCT out, or write COUNT(DISTINCT unit)", "DISTINCT in an aggregate other than COUNT")
	}
	want := 1
	switch {
	case c.fn == "count":
		return b.countArgs(c, args)
	case c.fn == "countif":
		if len(args) != 1 || args[0].class != boolean {
			return b.refuse(c.at, "give it a comparison", "COUNTIF of what is not a truth value")
		}
		c.fn, c.arg = "count", &node{op: "case", class: num, args: []*node{args[0], whole(1), {op: "const", class: null}}, at: c.at}
		return nil
	case name == "median":
		c.quantiles = []float64{0.5}
	case c.fn == "quantile" || c.fn == "quantiles":
		want = 2
	case ofPairs(c.fn):
		return b.pairArgs(c, args)
	}
	if len(args) != want || args[0].class != num && c.fn != "min" && c.fn != "max" {
		return b.refuse(c.at, "give it one number (and the quantile)", "an aggregate of something else")
	}
	c.arg = args[0]
	if want == 2 {
		return b.quantiles(c, name, args[1])
	}
	return nil
}

func (b *block) pairArgs(c *call, args []*node) error {
	if len(args) != 2 || args[0].class != num || args[1].class != num {
		return b.refuse(c.at, "give it two numbers", "an aggregate of pairs of something else")
	}
	c.arg, c.other = args[0], args[1]
	return nil
}

func (b *block) countArgs(c *call, args []*node) error {
	if len(args) > 1 {
		return b.refuse(c.at, "count one expression", "COUNT of several")
	}
	if len(args) == 1 {
		c.arg = args[0]
	} else if c.distinct {
		return b.bad(c.at)
	}
	return nil
}

func (b *block) quantiles(c *call, name string, at *node) error {
	if c.fn == "quantiles" {
		n, ok := at.isInt()
		if part, number := at.asFloat(); name == "quantiles" && !ok && number && part > 0 && part < 1 {
			c.quantiles = []float64{part}
			return nil
		}
		if !ok || n < 1 || n > 100 {
			return b.refuse(c.at, "write a whole number from 1 to 100", "APPROX_QUANTILES in another number of parts")
		}
		for i := range n + 1 {
			c.quantiles = append(c.quantiles, float64(i)/float64(n))
		}
		return nil
	}
	q, ok := at.asFloat()
	if !ok || q < 0 || q > 1 {
		return b.refuse(c.at, "write a constant from 0 to 1", "a quantile that is not a constant")
	}
	c.quantiles = []float64{q}
	return nil
}
