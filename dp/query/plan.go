package query

import (
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

	Covariance  Kind = "covariance"     // from Products, the Sums of both sides and Count
	Correlation Kind = "correlation"    // and their Squares
	Slope       Kind = "regr_slope"     // and those of x
	Intercept   Kind = "regr_intercept" // the same
)

// Aggregate says from which columns of a grouping set's part an aggregate is
// made, after noise. Sums of a Mean, a Variance or a pair are of values less
// their lattice's center, and a unit with more rows than its cap contributes its
// mean so often.
type Aggregate struct {
	Kind      Kind
	Count     int // column of the part; -1 without one
	Side          // of the values; of a pair, of y
	X         Side
	Products  int  // column of a pair: of the integers of both sides, less their centers
	Sample    bool // a variance or covariance of a sample: divided by n-1
	Quantiles []float64
	Bins      Bins // of quantiles
	Tree      int  // of quantiles: the Aggregate of the bins part, which several can share

	carried int
	binned  *phys
}

// Side is what is computed of one expression.
type Side struct {
	Sum, Squares int     // columns of the part; -1 without one
	Values       Lattice // of Sum
	Square       Lattice // of Squares: (integer of Values less its center)² less Square.Center
}

func newAggregate(k Kind) Aggregate {
	none := Side{Sum: -1, Squares: -1}
	return Aggregate{Kind: k, Count: -1, Side: none, X: none, Products: -1, Tree: -1}
}

// Columns are those of a part that the aggregate is made of.
func (a Aggregate) Columns() []int {
	var all []int
	for _, c := range []int{a.Count, a.Sum, a.Squares, a.X.Sum, a.X.Squares, a.Products} {
		if c >= 0 {
			all = append(all, c)
		}
	}
	return all
}

// Bins are equal steps over a range: bin i holds the values that are nearest to
// Lo+i·Width, where Whole says so that alone.
type Bins struct {
	Lo, Width float64
	Count     int64
	Whole     bool
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
	Main      int       // of a bins part: the part with the groups of the same set

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
	also  int    // another value that row is made of; -1 without one
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

// MaxRows is how many rows of one unit count in one group, at most.
func (p *Plan) MaxRows() int64 { return p.cap }

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

// makeParts makes the tables that the engine computes.
func (p *Plan) makeParts(b *binder, columns []Partial) error {
	for _, set := range p.query.sets {
		part := Part{Set: set, Columns: columns, Aggregate: -1, Main: -1}
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
	return p.makeBins()
}

// makeBins makes the parts of quantiles: those of the same values share one. The
// bins are as many as all groups together can have.
func (p *Plan) makeBins() error {
	bits := binBits
	for _, main := range p.Parts {
		for bits > 1 && int64(len(main.Public))<<bits > mostCells {
			bits--
		}
		if main.Public == nil {
			bits = min(bits, foundBits)
		}
	}
	for i := range p.Aggregates {
		a := &p.Aggregates[i]
		if a.Kind != Quantiles || p.shares(i) {
			continue
		}
		l := binsOf(a.binned, bits)
		if l == nil {
			return p.query.text.refuse(p.query.calls[i].at, "give it contribution_bounds_per_row", "a quantile of values too large or too near to 0")
		}
		a.Tree, a.Values = i, *l
		a.Bins = Bins{Lo: float64(l.Low) / l.Scale, Width: 1 / l.Scale, Count: l.High - l.Low + 1, Whole: l.whole}
		for j, main := range p.Parts[:len(p.query.sets)] {
			part := main
			part.Aggregate, part.Main, part.bins, part.Least = i, j, a.Bins, 0
			part.Columns = []Partial{{Name: "taken", Lo: 0, Hi: p.cap, kind: "bin", value: a.carried, also: -1, row: l.row, cap: p.cap}}
			p.Parts = append(p.Parts, part)
		}
	}
	return nil
}

// shares has an aggregate use the bins of an earlier one over the same values.
func (p *Plan) shares(i int) bool {
	a := &p.Aggregates[i]
	for j, other := range p.Aggregates[:i] {
		if other.Tree == j && other.carried == a.carried && other.binned.sql(duck{}) == a.binned.sql(duck{}) {
			a.Tree, a.Values, a.Bins = j, other.Values, other.Bins
			return true
		}
	}
	return false
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
