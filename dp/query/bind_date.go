package query

import "time"

// dates binds what gives dates and timestamps.
func (b *binder) dates(n *node, args []*phys) (*phys, error) {
	x := args[0]
	switch n.op {
	case "date+", "date-":
		y := args[1]
		if y.class == null {
			return nullAs(y, x), nil
		}
		if y.rep != isInt || y.scale != 0 {
			return nil, b.refuse(n, "add whole days", "a date and a number that is not whole")
		}
		if !b.bounded(y) {
			return x, nil
		}
		limited := clampInt(y, firstDay-lastDay, lastDay-firstDay)
		lo, hi := x.lo+limited.lo, x.hi+limited.hi
		if n.op == "date-" {
			lo, hi = x.lo-limited.hi, x.hi-limited.lo
		}
		return clampInt(newInt(0, date, lo, hi, n.op[4:], x, limited), firstDay, lastDay), nil
	case "trunc":
		if x.class == date {
			return dateTrunc(n.str, x), nil
		}
		if n.str == "hour" || n.str == "minute" {
			unit := map[string]int64{"hour": dayMicros / 24, "minute": dayMicros / 24 / 60}[n.str]
			return times(floorDiv(x, unit), unit, stamp), nil
		}
		return times(dateTrunc(n.str, days(x)), dayMicros, stamp), nil
	}
	return nil, b.refuse(n, "write it in another way", "an expression that cannot be used here")
}

func times(x *phys, by int64, c class) *phys {
	return newInt(0, c, x.lo*by, x.hi*by, "*", x, intConst(by, 0, num))
}

// days gives the day of a timestamp.
func days(x *phys) *phys {
	if x.class == date {
		return x
	}
	p := floorDiv(x, dayMicros)
	p.class = date
	return p
}

// rest gives x modulo a positive constant, from 0.
func rest(x *phys, shift, by int64) *phys {
	moved := newInt(0, num, x.lo+shift, x.hi+shift, "+", x, intConst(shift, 0, num))
	return newInt(0, num, 0, by-1, "%", moved, intConst(by, 0, num))
}

// A multiple of a week that is more than any date lies before 1970.
const weeksBefore = int64(719_166)

func datePart(part string, x *phys) *phys {
	most := map[string]int64{"quarter": 4, "month": 12, "week": 53, "day": 31, "doy": 366}[part]
	switch part {
	case "dow":
		return rest(days(x), weeksBefore+4, 7)
	case "isodow":
		r := rest(days(x), weeksBefore+3, 7)
		return newInt(0, num, 1, 7, "+", r, intConst(1, 0, num))
	case "hour":
		return floorDiv(rest(x, weeksBefore*dayMicros, dayMicros), dayMicros/24)
	case "minute":
		return floorDiv(rest(x, weeksBefore*dayMicros, dayMicros/24), dayMicros/24/60)
	case "year":
		d := days(x)
		p := newInt(0, num, yearOf(d.lo), yearOf(d.hi), "datepart", d)
		p.name = part
		return p
	}
	p := newInt(0, num, 1, most, "datepart", days(x))
	p.name = part
	return p
}

func dateTrunc(part string, x *phys) *phys {
	switch part {
	case "day":
		return x
	case "week":
		r := rest(x, weeksBefore+3, 7)
		return newInt(0, date, max(x.lo-6, firstDay), x.hi, "-", x, r)
	}
	p := newInt(0, date, max(x.lo-366, firstDay), x.hi, "datetrunc", x)
	p.name = part
	return p
}

func yearOf(day int64) int64 { return int64(time.Unix(day*86400, 0).UTC().Year()) }
