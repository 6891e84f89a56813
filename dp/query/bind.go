package query

import (
	"math"
	"math/big"
	"slices"
)

// binder turns expressions into what engines compute, with ranges from what
// the owner stated.
type binder struct {
	text    text
	privacy Privacy
	schema  Schema
	cols    map[*column]*phys
	missing []string
	tables  int // for the names of subqueries
}

func (b *binder) refuse(n *node, remedy, construct string) error {
	return b.text.refuse(n.at, remedy, "%s", construct)
}

func (b *binder) miss(fact string) {
	if !slices.Contains(b.missing, fact) {
		b.missing = append(b.missing, fact)
	}
}

// expr binds an expression over rows.
func (b *binder) expr(n *node) (*phys, error) {
	p, err := b.bind(n)
	if err == nil && p.cost > mostCost {
		return nil, b.refuse(n, "compute its parts in a subquery", "an expression that is too long")
	}
	return p, err
}

func (b *binder) bind(n *node) (*phys, error) {
	switch n.op {
	case "const":
		return b.constant(n)
	case "col":
		p, ok := b.cols[n.col]
		if !ok {
			return nil, b.refuse(n, "name a column of FROM", "a column that cannot be used here")
		}
		return p, nil
	}
	args := make([]*phys, len(n.args))
	for i, a := range n.args {
		p, err := b.expr(a)
		if err != nil {
			return nil, err
		}
		args[i] = p
	}
	switch n.op {
	case "and", "or", "not", "isnull", "=", "<>", "<", "<=", ">", ">=", "distinct", "same", "in", "between":
		return b.logic(n, args)
	case "case", "coalesce", "nullif", "greatest", "least":
		return b.choice(n, args)
	case "tobool", "toint", "todouble", "todecimal", "totext", "todate", "tostamp":
		return b.cast(n, args[0])
	}
	switch n.class {
	case num:
		return b.number(n, args)
	case txt, boolean:
		return b.texts(n, args)
	case date, stamp:
		return b.dates(n, args)
	}
	return nil, b.refuse(n, "write it in another way", "an expression that cannot be used here")
}

func (b *binder) constant(n *node) (*phys, error) {
	switch n.class {
	case null:
		return &phys{op: "null", rep: isBool, class: null, nulls: true, group: true, set: []any{}}, nil
	case boolean:
		return &phys{op: "bool", rep: isBool, class: boolean, b: n.truth, set: []any{n.truth}}, nil
	case txt:
		return &phys{op: "text", rep: isText, class: txt, s: n.str, set: []any{n.str}}, nil
	case date, stamp:
		return intConst(n.whole, 0, n.class), nil
	}
	if n.exact != nil && n.scale <= 9 && n.exact.CmpAbs(big.NewInt(mostInt)) <= 0 {
		return intConst(n.exact.Int64(), n.scale, num), nil
	}
	f, _ := n.asFloat()
	if f != 0 && (math.Abs(f) > mostFloat || math.Abs(f) < flushed) {
		return nil, b.refuse(n, "write one nearer to 1", "a number that is too large or too small")
	}
	return floatConst(f), nil
}

// nullAs gives the NULL of a class.
func nullAs(p *phys, like *phys) *phys {
	if p.class != null {
		return p
	}
	q := *p
	q.rep, q.class, q.scale, q.lo, q.hi, q.tiny = like.rep, like.class, like.scale, like.lo, like.hi, like.tiny
	q.flo, q.fhi = like.flo, like.fhi
	return &q
}

func (b *binder) logic(n *node, args []*phys) (*phys, error) {
	switch n.op {
	case "and", "or", "not":
		for i, a := range args {
			args[i] = nullAs(a, boolean2("bool"))
		}
		return boolean2(n.op, args...), nil
	case "isnull":
		p := boolean2("isnull", args...)
		p.nulls, p.group = false, false
		return p, nil
	}
	args = together(args)
	if n.op == "between" {
		return boolean2("and", boolean2(">=", args[0], args[1]), boolean2("<=", args[0], args[2])), nil
	}
	p := boolean2(n.op, args...)
	if n.op == "distinct" || n.op == "same" {
		p.nulls, p.group = false, false
	}
	return p, nil
}

// together brings values that stand side by side to one form.
func together(args []*phys) []*phys {
	out := slices.Clone(args)
	var first *phys
	for _, a := range out {
		if a.class == null {
			continue
		}
		if first == nil {
			first = a
			continue
		}
		if a.class == num {
			_, first = align(a, first)
		}
	}
	if first == nil {
		return out
	}
	for i, a := range out {
		if a = nullAs(a, first); a.class == num && a.op != "null" {
			if first.rep == isFloat {
				a = toFloat(a)
			} else if r := rescale(a, first.scale); r != nil {
				a = r
			} else {
				return allFloat(out)
			}
		}
		out[i] = a
	}
	return out
}

func allFloat(args []*phys) []*phys {
	like := newFloat(0, 0, 1, "float")
	for i, a := range args {
		if args[i] = toFloat(a); a.class == null {
			args[i] = nullAs(a, like)
		}
	}
	return args
}

// choice binds what gives one of its arguments.
func (b *binder) choice(n *node, args []*phys) (*phys, error) {
	var values []*phys
	switch n.op {
	case "case":
		for i, a := range args {
			if i%2 == 1 || i == len(args)-1 {
				values = append(values, a)
			} else {
				args[i] = nullAs(a, boolean2("bool"))
			}
		}
	default:
		values = args
	}
	values = together(values)
	p := hull(values)
	if p == nil {
		return args[len(args)-1], nil // NULL whatever happens
	}
	p.args = values
	switch n.op {
	case "case":
		p.args = nil
		for i := range len(values) - 1 {
			p.args = append(p.args, args[2*i], values[i])
		}
		p.args = append(p.args, values[len(values)-1])
	case "coalesce", "greatest", "least":
		p.nulls, p.group = true, true
		for _, v := range values {
			p.nulls = p.nulls && v.nulls
			p.group = p.group && v.group
		}
	case "nullif":
		p.nulls, p.group = true, true
	}
	p.op = n.op
	return p.priced(), nil
}

// hull is a value that is one of several; nil where all are NULL.
func hull(values []*phys) *phys {
	var p *phys
	for _, v := range values {
		if v.op == "null" {
			continue
		}
		if p == nil {
			c := phys{rep: v.rep, class: v.class, scale: v.scale, lo: v.lo, hi: v.hi, flo: v.flo, fhi: v.fhi, tiny: v.tiny, set: slices.Clone(v.set), open: v.open, grow: v.grow}
			p = &c
			continue
		}
		p.lo, p.hi = min(p.lo, v.lo), max(p.hi, v.hi)
		p.flo, p.fhi, p.tiny = min(p.flo, v.flo), max(p.fhi, v.fhi), min(p.tiny, v.tiny)
		p.open = p.open || v.open
		p.grow = max(p.grow, v.grow)
		if p.set == nil || v.set == nil || len(p.set)+len(v.set) > mostNodes {
			p.set = nil
			continue
		}
		for _, x := range v.set {
			if !slices.Contains(p.set, x) {
				p.set = append(p.set, x)
			}
		}
	}
	if p != nil {
		for _, v := range values {
			p.nulls, p.group = p.nulls || v.nulls, p.group || v.group
		}
	}
	return p
}

// bounded notes that a number needs bounds to be computed with.
func (b *binder) bounded(p *phys) bool {
	if p.open {
		b.missOpen(p)
		return false
	}
	return true
}

func (b *binder) missOpen(p *phys) {
	found := false
	var look func(p *phys)
	look = func(p *phys) {
		if p.open && len(p.args) == 0 && p.s != "" {
			b.miss("bounds of " + p.s)
			found = true
		}
		for _, a := range p.args {
			look(a)
		}
	}
	look(p)
	if !found {
		b.miss("bounds of a column in it")
	}
}

func (b *binder) texts(n *node, args []*phys) (*phys, error) {
	for i, a := range args {
		if a.class == null {
			args[i] = nullAs(a, &phys{rep: isText, class: txt})
		}
	}
	if n.class == boolean {
		return boolean2(n.op, args...), nil
	}
	p := (&phys{rep: isText, class: txt}).with(n.op, args...)
	p.grow = growth(n, args)
	switch n.op {
	case "concat":
		p.nulls, p.group = false, false
	case "substr":
		if v, _ := n.args[1].isInt(); v < 1 {
			return nil, b.refuse(n, "count characters from 1", "SUBSTRING from 0")
		}
	case "replace":
		if s, _ := n.args[1].isText(); s == "" {
			return nil, b.refuse(n, "name what to replace", "REPLACE of an empty text")
		}
	case "lower", "upper", "trim", "ltrim", "rtrim", "left", "right", "||":
	default:
		return nil, b.refuse(n, "write it in another way", "an expression that cannot be used here")
	}
	if p.grow > mostGrowth {
		return nil, b.refuse(n, "shorten it first: LEFT(x, 100)", "a text that can become very long")
	}
	return p, nil
}

// growth is how many times longer than a column's text a result can be: a
// text that no engine can hold would be an error that says what a row holds.
func growth(n *node, args []*phys) float64 {
	switch n.op {
	case "||", "concat":
		sum := 0.0
		for _, a := range args {
			sum += a.grow
		}
		return sum
	case "replace":
		from, _ := n.args[1].isText()
		to, _ := n.args[2].isText()
		return args[0].grow * max(1, float64(len(to))/float64(max(len(from), 1)))
	}
	return args[0].grow
}

func (b *binder) cast(n *node, x *phys) (*phys, error) {
	if x.class == null {
		return nullAs(x, map[class]*phys{
			boolean: {rep: isBool, class: boolean}, num: intConst(0, 0, num), txt: {rep: isText, class: txt},
			date: intConst(0, 0, date), stamp: intConst(0, 0, stamp),
		}[n.class]), nil
	}
	switch n.op {
	case "tobool":
		return boolean2("<>", x, zeroLike(x)), nil
	case "totext":
		return b.toText(n, x)
	case "tostamp":
		return newInt(0, stamp, x.lo*dayMicros, x.hi*dayMicros, "*", x, intConst(dayMicros, 0, num)), nil
	case "todate":
		p := floorDiv(x, dayMicros)
		p.class = date
		return p, nil
	}
	return b.toNumber(n, x)
}

func zeroLike(x *phys) *phys {
	if x.rep == isFloat {
		return floatConst(0)
	}
	return intConst(0, x.scale, x.class)
}

func (b *binder) toText(n *node, x *phys) (*phys, error) {
	if x.rep == isFloat || x.rep == isInt && x.class == num && x.scale > 0 {
		return nil, b.refuse(n, "round it to whole numbers first", "a text of a number that is not whole")
	}
	p := (&phys{rep: isText, class: txt}).with("totext", x)
	if x.class == boolean {
		p.set = []any{"false", "true"}
	}
	return p, nil
}

func (b *binder) toNumber(n *node, x *phys) (*phys, error) {
	if x.class == boolean {
		one := intConst(1, 0, num)
		p := newInt(0, num, 0, 1, "case", x, one, boolean2("not", x), intConst(0, 0, num), nullAs(&phys{op: "null", nulls: x.nulls}, one))
		p.group = x.group
		return b.toNumber(n, p)
	}
	if x.class == txt {
		if n.op != "toint" {
			x = newFloat(-1e115, 1e115, 1e-115, "textfloat", x)
		} else {
			x = newInt(0, num, -1e18, 1e18, "textint", x)
		}
		x.nulls, x.group = true, true
		return b.toNumber(n, x)
	}
	if n.op == "todouble" {
		return toFloat(x), nil
	}
	if !b.bounded(x) {
		return intConst(0, 0, num), nil
	}
	scale := n.scale // 0 of toint
	if x.rep == isInt {
		if x.scale > scale {
			return roundOff(x, scale), nil
		}
		if p := rescale(x, scale); p != nil {
			return p, nil
		}
		return nil, b.refuse(n, "use fewer digits, or DOUBLE", "a decimal that may not fit")
	}
	x, err := b.roundFloatAt(n, x, scale)
	return x, err
}
