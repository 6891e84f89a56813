package query

import (
	"cmp"
	"fmt"
	"math"
	"strings"
)

// bindCalls binds the aggregates and gives the columns of a grouping set.
func (p *Plan) bindCalls(b *binder) ([]Partial, error) {
	columns := []Partial{{Name: "units", Lo: 0, Hi: 1, kind: "units", value: -1, also: -1}}
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
	a := newAggregate("")
	value, err := b.filtered(c, c.arg)
	if err != nil {
		return a, err
	}
	if ofPairs(c.fn) {
		return p.bindPair(b, c, value, columns)
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
		same := other.kind == c.kind && other.value == c.value && other.also == c.also && other.Lo == c.Lo && other.Hi == c.Hi && other.mean == c.mean && other.cap == c.cap
		if same && (c.row == nil || other.row.sql(duck{}) == c.row.sql(duck{})) {
			return i
		}
	}
	c.Name = fmt.Sprintf("m%d", len(*columns))
	*columns = append(*columns, c)
	return len(*columns) - 1
}

func (p *Plan) bindCount(b *binder, c *call, value *phys, perGroup *Clamp, columns *[]Partial) (Aggregate, error) {
	a := newAggregate(Count)
	limit := p.cap
	if c.distinct {
		if value.unit == 0 || len(p.rows.units) != 1 {
			return a, b.text.refuse(c.at, "COUNT(DISTINCT …) of the unit's column is answered, where the unit is one column", "COUNT(DISTINCT …) of something else than the unit")
		}
		a.Kind, limit = Units, 1
		if c.filter == nil {
			a.Count = 0
			return a, nil
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
	a.Count = column2(columns, Partial{kind: "rows", value: of, also: -1, Lo: 0, Hi: limit, cap: limit})
	return a, nil
}

func (p *Plan) bindSum(b *binder, c *call, value *phys, perGroup *Clamp, columns *[]Partial) (Aggregate, error) {
	a := newAggregate(Sum)
	of, row := p.carry(value)
	l := latticeOf(row, sumBits)
	if l == nil || p.cap > mostInt/max(1, l.High, -l.Low) {
		return a, b.text.refuse(c.at, "give it contribution_bounds_per_row", "a sum that may not fit")
	}
	lo, hi := min(0, l.Low)*p.cap, max(0, l.High)*p.cap
	if perGroup != nil {
		from, to := math.Ceil((Column{Type: Double}).bound(perGroup.Lo)*l.Scale), math.Floor((Column{Type: Double}).bound(perGroup.Hi)*l.Scale)
		if from > to || from > float64(hi) || to < float64(lo) {
			return a, b.text.refuse(perGroup.At, "write (low, high) within the sums' range", "contribution bounds that no sum keeps")
		}
		lo, hi = max(lo, int64(max(from, -float64(mostInt)))), min(hi, int64(min(to, float64(mostInt))))
	}
	a.Values = *l
	a.Sum = column2(columns, Partial{kind: "sum", value: of, also: -1, row: l.row, Lo: lo, Hi: hi, cap: p.cap})
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

// bindMoments is AVG, VARIANCE and STDDEV.
func (p *Plan) bindMoments(b *binder, c *call, value *phys, columns *[]Partial) (Aggregate, error) {
	a := newAggregate(Mean)
	bits := sumBits
	if c.fn != "avg" {
		a.Kind, a.Sample, bits = Variance, !strings.HasSuffix(c.fn, "_pop"), squareBits
		if strings.HasPrefix(c.fn, "stddev") {
			a.Kind = Deviation
		}
	}
	s, err := p.side(b, c, value, bits)
	if err != nil {
		return a, err
	}
	a.Count = p.counted(s, value.nulls, columns)
	a.Side = p.sums(s, a.Kind != Mean, columns)
	return a, nil
}

// centered is a value less the middle of its range: the sensitivity of a sum of
// these is half the range, and not its greatest value.
type centered struct {
	of   int   // value that rows carry
	row  *phys // its integer less center
	half int64
	*Lattice
}

// side is one value of an aggregate that is centered.
func (p *Plan) side(b *binder, c *call, value *phys, bits int) (centered, error) {
	of, row := p.carry(value)
	l := latticeOf(row, bits)
	if l == nil {
		return centered{}, b.text.refuse(c.at, "give it contribution_bounds_per_row", "a mean of values too large or too near to 0")
	}
	l.Center = floorOf(l.Low+l.High, 2)
	half := max(l.High-l.Center, l.Center-l.Low)
	if most := max(1, half); p.cap > mostInt/most || bits == squareBits && p.cap > mostInt/(most*most) {
		return centered{}, b.text.refuse(c.at, "ask for fewer rows per unit", "a mean that may not fit")
	}
	return centered{of, newInt(0, num, l.Low-l.Center, l.High-l.Center, "-", l.row, intConst(l.Center, 0, num)), half, l}, nil
}

// counted is the column of how many values a side has.
func (p *Plan) counted(s centered, nulls bool, columns *[]Partial) int {
	of := s.of
	if !nulls {
		of = -1
	}
	return column2(columns, Partial{kind: "rows", value: of, also: -1, Lo: 0, Hi: p.cap, cap: p.cap})
}

// sums are the columns of a side's sum, and of its squares where they are wanted.
func (p *Plan) sums(s centered, squares bool, columns *[]Partial) Side {
	side := Side{Squares: -1, Values: *s.Lattice}
	side.Sum = column2(columns, Partial{kind: "sum", value: s.of, also: -1, row: s.row, Lo: -s.half * p.cap, Hi: s.half * p.cap, mean: true, cap: p.cap})
	if squares {
		whole := s.half * s.half
		side.Square = Lattice{Scale: s.Scale * s.Scale, Center: whole / 2}
		q := newInt(0, num, 0, whole, "*", s.row, s.row)
		q = newInt(0, num, -side.Square.Center, whole-side.Square.Center, "-", q, intConst(side.Square.Center, 0, num))
		most := max(side.Square.Center, whole-side.Square.Center) * p.cap
		side.Squares = column2(columns, Partial{kind: "sum", value: s.of, also: -1, row: q, Lo: -most, Hi: most, mean: true, cap: p.cap})
	}
	return side
}

// bindPair is an aggregate over y and x, of the rows that have both.
func (p *Plan) bindPair(b *binder, c *call, y *phys, columns *[]Partial) (Aggregate, error) {
	kinds := map[string]Kind{"covar_pop": Covariance, "covar_samp": Covariance, "corr": Correlation, "regr_slope": Slope, "regr_intercept": Intercept}
	a := newAggregate(kinds[c.fn])
	a.Sample = c.fn == "covar_samp"
	if by := cmp.Or(c.own.PerRow, c.own.PerGroup); by != nil {
		return a, b.text.refuse(by.At, "clamp each: LEAST(GREATEST(x, low), high)", "contribution bounds of a pair")
	}
	x, err := b.filtered(c, c.other)
	if err != nil {
		return a, err
	}
	if !b.bounded(y) || !b.bounded(x) {
		return a, nil // what is not stated is told
	}
	if p.cap == 0 {
		b.miss("how many rows one unit has at most (--max-rows)")
		return a, nil
	}
	y, x = where(y, x), where(x, y)
	sy, err := p.side(b, c, y, squareBits)
	if err != nil {
		return a, err
	}
	sx, err := p.side(b, c, x, squareBits)
	if err != nil {
		return a, err
	}
	a.Count = p.counted(sy, y.nulls, columns)
	a.Side = p.sums(sy, a.Kind == Correlation, columns)
	a.X = p.sums(sx, a.Kind != Covariance, columns)
	most := sy.half * sx.half
	a.Products = column2(columns, Partial{
		kind: "sum", value: sy.of, also: sx.of, row: newInt(0, num, -most, most, "*", sy.row, sx.row),
		Lo: -most * p.cap, Hi: most * p.cap, mean: true, cap: p.cap,
	})
	return a, nil
}

// where is a value of the rows that have another, too.
func where(value, other *phys) *phys {
	if !other.nulls {
		return value
	}
	p := *value
	p.op, p.args = "case", []*phys{boolean2("not", boolean2("isnull", other)), value, nullAs(&phys{op: "null", nulls: true, group: true}, value)}
	p.of, p.unit, p.key, p.nulls = nil, 0, 0, true
	return p.priced()
}

// bindQuantiles notes which rows are to be sorted into bins.
func (p *Plan) bindQuantiles(c *call, value *phys) (Aggregate, error) {
	a := newAggregate(Quantiles)
	a.Quantiles = c.quantiles
	a.carried, a.binned = p.carry(value)
	return a, nil
}
