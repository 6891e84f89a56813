package query

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// Limits of what a plan may compute.
const (
	mostPublic = 10_000    // groups that are named in advance
	fewPublic  = 2_000     // groups that are taken as public where the question does not say
	mostGroups = 1_000_000 // groups that an engine may give
	mostUnits  = int64(1) << 40
	mostKey    = 1000 // characters of a text that groups
)

// Plan is a question with bounds: what an engine computes, and by how much one
// unit can move it.
type Plan struct {
	Parts      []Part      // one for each grouping set, then one for each quantile in each of them
	Aggregates []Aggregate // by their number in the question

	query  *Query
	rows   *rows
	where  *phys
	keys   []*phys
	values []*phys
	unit   bool // rows are bounded per unit; otherwise each is one
	cap    int64
}

// Kind is what an aggregate gives.
type Kind string

// The kinds of aggregates.
const (
	Count     Kind = "count"    // of rows
	Units     Kind = "units"    // of units: COUNT(DISTINCT unit)
	Sum       Kind = "sum"      // of values
	Mean      Kind = "mean"     // from Sum and Count of the same values
	Variance  Kind = "variance" // from Squares, Sum and Count
	Deviation Kind = "stddev"   // the root of a variance
	Quantiles Kind = "quantiles"
)

// Aggregate says from which columns of a grouping set's part an aggregate is
// made, after noise. Sums of a Mean or a Variance are of values less their
// lattice's center, and a unit with more rows than its cap contributes its
// mean so often.
type Aggregate struct {
	Kind                Kind
	Count, Sum, Squares int     // columns of the part; -1 without one
	Values              Lattice // of Sum
	Square              Lattice // of Squares: (integer of Values less its center)² less Square.Center
	Sample              bool    // a variance of a sample: divided by n-1
	Quantiles           []float64
	Bins                Bins // of quantiles

	carried int
}

// Bins are equal steps over a range: bin i holds values from Lo+i·Width.
type Bins struct {
	Lo, Width float64
	Count     int64
}

// Part is one table of exact integers that an engine computes.
type Part struct {
	Set       []int // the keys of the question that group it
	Keys      []Key
	Columns   []Partial // a bins part: one, beside its bin
	Public    [][]any   // every group there is, or nil: groups are selected by their number of units
	Groups    int64     // to so many groups one unit contributes
	Least     int64     // of groups that are selected: those of fewer units are left out
	Aggregate int       // of a bins part; -1 otherwise

	bins Bins
}

// Key is one key of a part's groups. Values are bool, int64 (times 10^Scale;
// days or microseconds since 1970 for dates and timestamps) or string.
type Key struct {
	Type  Type
	Scale int
	set   []any
	null  bool
}

// Partial is one column of exact integers. One unit adds a number from Lo to
// Hi to it, in each group to which it contributes. In a bins part that is
// what it adds to all bins of a group together.
type Partial struct {
	Name   string
	Lo, Hi int64

	kind  string // "units", "rows", "sum" or "bin"
	value int    // index of values; -1 for every row
	row   *phys  // the integer of one row
	mean  bool
	cap   int64
}

// Bound joins a question with what the owner stated.
func (q *Query) Bound(p Privacy) (*Plan, error) {
	b := &binder{text: q.text, privacy: p, schema: q.schema, cols: map[*column]*phys{}}
	plan := &Plan{query: q}
	if err := plan.bindRows(b, p); err != nil {
		return nil, err
	}
	for _, k := range q.keys {
		e, err := b.expr(k)
		if err != nil {
			return nil, err
		}
		if e.rep == isFloat {
			return nil, b.refuse(k, "group by FLOOR of it, cast to BIGINT", "GROUP BY a double")
		}
		plan.keys = append(plan.keys, plan.shortKey(e))
	}
	columns, err := plan.bindCalls(b)
	if err != nil {
		return nil, err
	}
	if err := plan.makeParts(b, columns); err != nil {
		return nil, err
	}
	if len(b.missing) > 0 {
		return nil, &Missing{b.missing}
	}
	return plan, nil
}

// shortKey cuts a text that groups, unless it is one of a few: what leaves an
// engine has limits, and a row's text must not be what breaks them.
func (p *Plan) shortKey(e *phys) *phys {
	if e.rep != isText || e.set != nil || p.namedValues(e) != nil {
		return e
	}
	return (&phys{rep: isText, class: txt, grow: e.grow}).with("left", e, intConst(mostKey, 0, num))
}

func (p *Plan) bindRows(b *binder, stated Privacy) error {
	var err error
	if p.rows, err = b.relation(p.query.rows); err != nil {
		return err
	}
	if !p.rows.private {
		return b.text.refuse(-1, "ask the owner for the table itself", "a question about public tables alone")
	}
	if p.where, err = b.condition(p.query.where); err != nil {
		return err
	}
	o := p.query.options
	p.unit, p.cap = !p.rows.row, 1
	if p.unit {
		p.cap = tighter(stated.MaxRows, o.MaxRows)
	}
	if o.Unit != "" {
		return p.sameUnit(b, stated)
	}
	return nil
}

// sameUnit refuses a question whose privacy_unit_column is another than the
// owner's.
func (p *Plan) sameUnit(b *binder, stated Privacy) error {
	for _, t := range stated.Tables {
		if len(t.Unit) == 1 && strings.EqualFold(t.Unit[0], p.query.options.Unit) {
			return nil
		}
	}
	return b.text.refuse(p.query.options.UnitAt, "leave it out: the owner says what the unit is", "a privacy_unit_column that is not the owner's")
}

// tighter is the owner's limit or the question's, where that is less.
func tighter(owner, asked int64) int64 {
	if asked > 0 && owner > 0 {
		return min(owner, asked)
	}
	return owner
}

// bindCalls binds the aggregates and gives the columns of a grouping set.
func (p *Plan) bindCalls(b *binder) ([]Partial, error) {
	columns := []Partial{{Name: "units", Lo: 0, Hi: 1, kind: "units", value: -1}}
	for _, c := range p.query.calls {
		a, err := p.bindCall(b, c, &columns)
		if err != nil {
			return nil, err
		}
		p.Aggregates = append(p.Aggregates, a)
	}
	return columns, nil
}

func (p *Plan) bindCall(b *binder, c *call, columns *[]Partial) (Aggregate, error) {
	a := Aggregate{Count: -1, Sum: -1, Squares: -1}
	value, err := b.filtered(c)
	if err != nil {
		return a, err
	}
	perRow, perGroup := c.own.PerRow, c.own.PerGroup
	if perRow == nil && c.arg != nil {
		perRow = p.query.options.PerRow
	}
	if perGroup == nil {
		perGroup = p.query.options.PerGroup
	}
	if c.fn == "count" {
		return p.bindCount(b, c, value, perGroup, columns)
	}
	if c.fn != "sum" && perRow == nil {
		perRow = perGroup // the bounds of a unit's mean are those of its rows
	}
	if value, err = p.limited(b, value, perRow); err != nil {
		return a, err
	}
	if p.cap == 0 {
		b.miss("how many rows one unit has at most (--max-rows)")
		return a, nil
	}
	switch {
	case c.fn == "sum":
		return p.bindSum(b, c, value, perGroup, columns)
	case len(c.quantiles) > 0:
		return p.bindQuantiles(c, value)
	}
	return p.bindMoments(b, c, value, columns)
}

// limited clamps a value to the question's bounds, where they are tighter.
func (p *Plan) limited(b *binder, x *phys, by *Clamp) (*phys, error) {
	if by == nil {
		if !b.bounded(x) {
			return zeroLike(x), nil
		}
		return x, nil
	}
	if x.rep == isInt {
		lo, ok1 := scaled(by.Lo, x.scale)
		hi, ok2 := scaled(by.Hi, x.scale)
		if !ok1 || !ok2 || lo > hi || lo > x.hi || hi < x.lo {
			return nil, b.text.refuse(by.At, "write (low, high) within the values' range", "contribution bounds that no value keeps")
		}
		q := clampInt(x, max(lo, x.lo), min(hi, x.hi))
		q.open = false
		return q, nil
	}
	lo, hi := (Column{Type: Double}).bound(by.Lo), (Column{Type: Double}).bound(by.Hi)
	if lo > hi || !x.open && (lo > x.fhi || hi < x.flo) {
		return nil, b.text.refuse(by.At, "write (low, high) within the values' range", "contribution bounds that no value keeps")
	}
	if x.open {
		y := *x
		y.flo, y.fhi = lo, hi
		x = &y
	}
	q := clampFloat(x, max(lo, x.flo), min(hi, x.fhi))
	q.open = false
	return q, nil
}

func (c Column) bound(s string) float64 {
	v, err := c.stated(s)
	f, ok := v.(float64)
	if err != nil || !ok {
		return 0
	}
	return f
}

// value gives the index of a value that rows carry.
func (p *Plan) value(x *phys) int {
	mark := x.sql(duck{})
	for i, v := range p.values {
		if v.sql(duck{}) == mark {
			return i
		}
	}
	p.values = append(p.values, x)
	return len(p.values) - 1
}

// column gives the index of a partial; what is computed already is not
// computed, and charged, again.
func column2(columns *[]Partial, c Partial) int {
	for i, other := range *columns {
		same := other.kind == c.kind && other.value == c.value && other.Lo == c.Lo && other.Hi == c.Hi && other.mean == c.mean && other.cap == c.cap
		if same && (c.row == nil || other.row.sql(duck{}) == c.row.sql(duck{})) {
			return i
		}
	}
	c.Name = fmt.Sprintf("m%d", len(*columns))
	*columns = append(*columns, c)
	return len(*columns) - 1
}

func (p *Plan) bindCount(b *binder, c *call, value *phys, perGroup *Clamp, columns *[]Partial) (Aggregate, error) {
	a := Aggregate{Kind: Count, Sum: -1, Squares: -1}
	limit := p.cap
	if c.distinct {
		if value.unit == 0 || len(p.rows.units) != 1 {
			return a, b.text.refuse(c.at, "COUNT(DISTINCT …) of the unit's column is answered, where the unit is one column", "COUNT(DISTINCT …) of something else than the unit")
		}
		a.Kind, limit = Units, 1
		if c.filter == nil {
			return a, nil // column 0
		}
	}
	if limit == 0 {
		b.miss("how many rows one unit has at most (--max-rows)")
		return a, nil
	}
	if perGroup != nil {
		hi, ok := scaled(perGroup.Hi, 0)
		if !ok || hi < 1 {
			return a, b.text.refuse(perGroup.At, "write (0, n) with n of at least 1", "contribution bounds of a count that allow none")
		}
		limit = min(limit, hi)
	}
	of := -1
	if value != nil && value.nulls {
		of = p.value(value)
	}
	a.Count = column2(columns, Partial{kind: "rows", value: of, Lo: 0, Hi: limit, cap: limit})
	return a, nil
}

func (p *Plan) bindSum(b *binder, c *call, value *phys, perGroup *Clamp, columns *[]Partial) (Aggregate, error) {
	a := Aggregate{Kind: Sum, Count: -1, Squares: -1}
	of, row := p.carry(value)
	l := latticeOf(row, sumBits)
	if l == nil || p.cap > mostInt/max(1, l.hi, -l.lo) {
		return a, b.text.refuse(c.at, "give it contribution_bounds_per_row", "a sum that may not fit")
	}
	lo, hi := min(0, l.lo)*p.cap, max(0, l.hi)*p.cap
	if perGroup != nil {
		from, to := math.Ceil((Column{Type: Double}).bound(perGroup.Lo)*l.Scale), math.Floor((Column{Type: Double}).bound(perGroup.Hi)*l.Scale)
		if from > to || from > float64(hi) || to < float64(lo) {
			return a, b.text.refuse(perGroup.At, "write (low, high) within the sums' range", "contribution bounds that no sum keeps")
		}
		lo, hi = max(lo, int64(max(from, -float64(mostInt)))), min(hi, int64(min(to, float64(mostInt))))
	}
	a.Values = *l
	a.Sum = column2(columns, Partial{kind: "sum", value: of, row: l.row, Lo: lo, Hi: hi, cap: p.cap})
	return a, nil
}

// carry gives the index under which rows carry a value, and the value over
// that name, clamped: whatever a row carries, what is summed keeps its range.
// Only a column that was clamped where it was read, and is nothing more, is
// not clamped twice.
func (p *Plan) carry(value *phys) (int, *phys) {
	inner := value
	if value.op == "clamp" && value.args[0].op == "col" {
		inner = value.args[0] // clamped where it is summed is enough
	}
	of := p.value(inner)
	out := inner.outside(fmt.Sprintf("v%d", of+1))
	out.nulls = value.nulls
	if inner.kept && inner == value {
		return of, out
	}
	if value.rep == isInt {
		return of, clampInt(out, value.lo, value.hi)
	}
	out.tiny = value.tiny
	return of, clampFloat(out, value.flo, value.fhi)
}

// bindMoments is AVG, VARIANCE and STDDEV: centered sums, whose sensitivity
// is half the range and not its greatest value.
func (p *Plan) bindMoments(b *binder, c *call, value *phys, columns *[]Partial) (Aggregate, error) {
	a := Aggregate{Kind: Mean, Squares: -1}
	bits := sumBits
	if c.fn != "avg" {
		a.Kind, a.Sample, bits = Variance, !strings.HasSuffix(c.fn, "_pop"), squareBits
		if strings.HasPrefix(c.fn, "stddev") {
			a.Kind = Deviation
		}
	}
	of, row := p.carry(value)
	l := latticeOf(row, bits)
	if l == nil {
		return a, b.text.refuse(c.at, "give it contribution_bounds_per_row", "a mean of values too large or too near to 0")
	}
	l.Center = floorOf(l.lo+l.hi, 2)
	half := max(l.hi-l.Center, l.Center-l.lo)
	square := Lattice{Scale: l.Scale * l.Scale, Center: half * half / 2}
	if p.cap > mostInt/max(1, half*half) && a.Kind != Mean || p.cap > mostInt/max(1, half) {
		return a, b.text.refuse(c.at, "ask for fewer rows per unit", "a mean that may not fit")
	}
	counted := of
	if !value.nulls {
		counted = -1
	}
	centered := newInt(0, num, l.lo-l.Center, l.hi-l.Center, "-", l.row, intConst(l.Center, 0, num))
	a.Count = column2(columns, Partial{kind: "rows", value: counted, Lo: 0, Hi: p.cap, cap: p.cap})
	a.Values = *l
	a.Sum = column2(columns, Partial{kind: "sum", value: of, row: centered, Lo: -half * p.cap, Hi: half * p.cap, mean: true, cap: p.cap})
	if a.Kind != Mean {
		q := newInt(0, num, 0, half*half, "*", centered, centered)
		q = newInt(0, num, -square.Center, half*half-square.Center, "-", q, intConst(square.Center, 0, num))
		most := max(square.Center, half*half-square.Center) * p.cap
		a.Square = square
		a.Squares = column2(columns, Partial{kind: "sum", value: of, row: q, Lo: -most, Hi: most, mean: true, cap: p.cap})
	}
	return a, nil
}

// bindQuantiles gives each row a bin.
func (p *Plan) bindQuantiles(c *call, value *phys) (Aggregate, error) {
	a := Aggregate{Kind: Quantiles, Count: -1, Sum: -1, Squares: -1, Quantiles: c.quantiles}
	of, row := p.carry(value)
	l := latticeOf(row, binBits)
	if l == nil {
		return a, p.query.text.refuse(c.at, "give it contribution_bounds_per_row", "a quantile of values too large or too near to 0")
	}
	a.Bins = Bins{Lo: float64(l.lo) / l.Scale, Width: 1 / l.Scale, Count: l.hi - l.lo + 1}
	a.Values, a.carried = *l, of
	return a, nil
}

// makeParts makes the tables that the engine computes.
func (p *Plan) makeParts(b *binder, columns []Partial) error {
	for _, set := range p.query.sets {
		part := Part{Set: set, Columns: columns, Aggregate: -1}
		for _, k := range set {
			e := p.keys[k]
			part.Keys = append(part.Keys, Key{Type: keyType(e), Scale: e.scale, null: e.group})
		}
		if err := p.groupsOf(b, &part); err != nil {
			return err
		}
		if part.Public == nil {
			part.Least = leastUnits(b.privacy.Size, part.Groups)
		}
		p.Parts = append(p.Parts, part)
	}
	for i, a := range p.Aggregates {
		if a.Kind != Quantiles {
			continue
		}
		for _, main := range p.Parts[:len(p.query.sets)] {
			part := main
			part.Aggregate, part.bins = i, a.Bins
			part.Columns = []Partial{{Name: "taken", Lo: 0, Hi: p.cap, kind: "bin", value: a.carried, row: a.Values.row, cap: p.cap}}
			p.Parts = append(p.Parts, part)
		}
	}
	return nil
}

func keyType(e *phys) Type {
	switch {
	case e.class == boolean:
		return Bool
	case e.class == txt:
		return Text
	case e.class == date:
		return Date
	case e.class == stamp:
		return Timestamp
	case e.scale > 0:
		return Decimal
	}
	return Int
}

// groupsOf finds the groups of a grouping set: named in advance where stated
// facts or the question name them all, else selected by threshold.
func (p *Plan) groupsOf(b *binder, part *Part) error {
	o := p.query.options
	most := int64(fewPublic)
	if o.GroupSelection == "PUBLIC_GROUPS" {
		most = mostPublic
	}
	part.Groups = 1
	if len(part.Set) == 0 {
		part.Public = [][]any{{}}
		return nil
	}
	if o.GroupSelection == "" || o.GroupSelection == "PUBLIC_GROUPS" {
		part.Public = p.public(part, most)
	}
	if part.Public == nil && o.GroupSelection == "PUBLIC_GROUPS" {
		return b.text.refuse(-1, "name them: WHERE key IN (…), or ask the owner to state the key's closed set", "PUBLIC_GROUPS of a key whose values are not named, or too many")
	}
	if !p.unit {
		return nil
	}
	part.Groups = tighter(b.privacy.MaxGroups, o.MaxGroups)
	if n := int64(len(part.Public)); part.Public != nil && (part.Groups == 0 || n < part.Groups) {
		if part.Groups == 0 && n > 1 {
			b.miss("to how many groups one unit contributes at most (--max-groups)")
		}
		part.Groups = n
	}
	if part.Groups == 0 {
		b.miss("to how many groups one unit contributes at most (--max-groups)")
	}
	return nil
}

// leastUnits is how many units a group has to have, so that there are no more groups
// than an engine may give, as far as the stated size is right: that there were too
// many would be told by the failure.
func leastUnits(size, groups int64) int64 {
	if size <= 0 || groups <= 0 {
		return 1
	}
	return max(1, (min(size, mostUnits)-1)/max(1, mostGroups/min(groups, mostGroups))+1)
}

// public lists all groups; nil where they are not known, or more than most.
func (p *Plan) public(part *Part, most int64) [][]any {
	all := [][]any{{}}
	for i, k := range part.Set {
		values, named, ok := p.keyValues(k, most)
		if !ok {
			return nil
		}
		if part.Keys[i].null = part.Keys[i].null && !named; part.Keys[i].null {
			values = append(slices.Clone(values), nil)
		}
		part.Keys[i].set = values
		if int64(len(all)*len(values)) > most {
			return nil
		}
		var next [][]any
		for _, group := range all {
			for _, v := range values {
				next = append(next, append(slices.Clone(group), v))
			}
		}
		all = next
	}
	return all
}

// keyValues are the values of a key: those that WHERE names, or those that it
// can have.
func (p *Plan) keyValues(k int, most int64) (values []any, named, ok bool) {
	if values := p.namedValues(p.keys[k]); values != nil {
		return values, true, int64(len(values)) <= most
	}
	values, ok = p.keys[k].values(most)
	return values, false, ok
}

// namedValues are the values of an expression that WHERE names; nil where it
// does not.
func (p *Plan) namedValues(e *phys) []any {
	mark := e.sql(duck{})
	for _, c := range andOf(p.where) {
		if (c.op != "in" && c.op != "=") || c.args[0].sql(duck{}) != mark || !allConst(c.args[1:]) {
			continue
		}
		var values []any
		for _, a := range c.args[1:] {
			if a.op != "null" && !slices.Contains(values, a.set[0]) {
				values = append(values, a.set[0])
			}
		}
		return values
	}
	return nil
}

func andOf(p *phys) []*phys {
	if p == nil {
		return nil
	}
	if p.op != "and" {
		return []*phys{p}
	}
	var all []*phys
	for _, a := range p.args {
		all = append(all, andOf(a)...)
	}
	return all
}

func allConst(args []*phys) bool {
	for _, a := range args {
		if a.op != "null" && len(a.args) > 0 || len(a.set) != 1 && a.op != "null" {
			return false
		}
	}
	return true
}
