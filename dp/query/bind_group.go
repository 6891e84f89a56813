package query

import "math"

// grouping aggregates the rows of each unit within a subquery: its keys have
// the unit among them.
func (b *binder) grouping(r *relation) (*rows, error) {
	from, err := b.relation(r.from)
	if err != nil {
		return nil, err
	}
	if from.row && from.private {
		return nil, b.text.refuse(r.at, "aggregate in the outermost SELECT", "an aggregate in a subquery over a table whose every row is a unit of its own")
	}
	out := &rows{kind: grouping, name: b.newName("t"), from: from, groups: len(r.keys)}
	b.passOn(out, from)
	units := map[int]bool{}
	for i, k := range r.keys {
		p, err := b.expr(k)
		if err != nil {
			return nil, err
		}
		if p.rep == isFloat {
			return nil, b.refuse(k, "round it to whole numbers", "GROUP BY a double")
		}
		if p.unit > 0 {
			units[p.unit] = true
		}
		b.add(out, r.cols[i], p)
	}
	if len(units) != len(out.units) {
		return nil, b.text.refuse(r.at, "GROUP BY the unit's column too", "a subquery that aggregates over units")
	}
	for i, c := range r.aggs {
		p, err := b.innerAggregate(c, from.private)
		if err != nil {
			return nil, err
		}
		b.add(out, r.cols[len(r.keys)+i], p)
	}
	return out, nil
}

func (b *binder) add(out *rows, c *column, p *phys) {
	out.cols = append(out.cols, named{columnName(c), p})
	b.cols[c] = p.outside(columnName(c))
}

// innerAggregate is an aggregate over the rows of one unit. Its range comes
// from the stated number of rows.
func (b *binder) innerAggregate(c *call, private bool) (*phys, error) {
	most := int64(math.MaxInt32)
	if private {
		if most = b.privacy.MaxRows; most == 0 {
			b.miss("how many rows one unit has at most (--max-rows)")
			most = 1
		}
	}
	if c.distinct {
		return nil, b.text.refuse(c.at, "group by it as well, and count in the outer query", "COUNT(DISTINCT …) in a subquery")
	}
	value, err := b.filtered(c, c.arg)
	if err != nil {
		return nil, err
	}
	if c.fn == "count" {
		p := newInt(0, num, 0, most, "count")
		if value != nil {
			p.args = []*phys{value}
		}
		return p, nil
	}
	if c.fn == "min" || c.fn == "max" {
		return b.extreme(c, value)
	}
	if !b.bounded(value) {
		return intConst(0, 0, num), nil
	}
	return b.total(c, value, most)
}

func (b *binder) extreme(c *call, value *phys) (*phys, error) {
	if value.rep == isBool {
		return nil, b.text.refuse(c.at, "use MAX(CASE WHEN x THEN 1 ELSE 0 END)", "MIN or MAX of truth values")
	}
	p := *value
	p.op, p.args, p.of, p.unit, p.key, p.nulls, p.group = c.fn, []*phys{value}, nil, 0, 0, true, true
	return p.priced(), nil
}

// total is SUM or AVG within a unit.
func (b *binder) total(c *call, value *phys, most int64) (*phys, error) {
	l := latticeOf(value, sumBits)
	if l == nil || most > mostInt/max(1, l.High, -l.Low) {
		return nil, b.text.refuse(c.at, "clamp it first", "a sum that may not fit")
	}
	if c.fn == "avg" {
		unit := l.Scale
		p := newFloat(float64(l.Low)/unit, float64(l.High)/unit, flushed, "mean", l.row)
		p.f, p.nulls, p.group = unit, true, true
		return flush(clampFloat(flush(p), p.flo, p.fhi)), nil
	}
	p := newInt(0, num, min(0, l.Low)*most, max(0, l.High)*most, "total", l.row)
	p.nulls, p.group = true, true
	if value.rep == isInt && l.Scale == math.Pow10(value.scale) {
		p.scale = value.scale
		return p, nil
	}
	unit := floatConst(l.Scale)
	return newFloat(float64(p.lo)/unit.f, float64(p.hi)/unit.f, 1/unit.f/2, "/", toFloat(p), unit), nil
}

// filtered is what an aggregate is over: NULL where its filter does not hold.
func (b *binder) filtered(c *call, arg *node) (*phys, error) {
	var value *phys
	var err error
	if arg != nil {
		if value, err = b.expr(arg); err != nil {
			return nil, err
		}
	}
	if c.filter == nil {
		return value, nil
	}
	cond, err := b.condition(c.filter)
	if err != nil {
		return nil, err
	}
	if value == nil {
		value = intConst(1, 0, num)
	}
	p := *value
	none := nullAs(&phys{op: "null", nulls: true, group: true}, value)
	p.of, p.unit, p.key, p.nulls, p.group = nil, value.unit, 0, true, true
	p.op, p.args = "case", []*phys{cond, value, none}
	return p.priced(), nil
}
