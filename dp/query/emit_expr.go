package query

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// sql writes an expression. The list of its operations is closed: what is not
// on it is never written.
func (p *phys) sql(d dialect) string {
	switch p.op {
	case "col":
		return p.name
	case "leaf":
		return d.leaf(p)
	case "null":
		return "CAST(NULL AS " + typeName(p) + ")"
	case "int":
		return integer(p.i)
	case "float":
		return "CAST('" + strconv.FormatFloat(p.f, 'g', -1, 64) + "' AS DOUBLE PRECISION)"
	case "text":
		return d.text(p.s)
	case "bool":
		return strings.ToUpper(strconv.FormatBool(p.b))
	}
	args := make([]string, len(p.args))
	for i, a := range p.args {
		if p.bare(i) {
			args[i] = a.literal(d)
		} else {
			args[i] = a.sql(d)
		}
	}
	if s, ok := d.op(p, args); ok {
		return s
	}
	return p.common(d, args)
}

// bare says whether a constant can stand without its type: beside a value that
// is not constant, which decides the type. A value that only has constants to
// choose from gets none by itself.
func (p *phys) bare(i int) bool {
	switch p.op {
	case "=", "<>", "<", "<=", ">", ">=", "distinct", "same", "in", "+", "-", "*", "/", "//", "%", "clamp", "closed":
	default:
		return false
	}
	for k, a := range p.args {
		if k != i && !a.constant() && (p.op != "in" || k == 0) {
			return p.args[i].constant()
		}
	}
	return false
}

func (p *phys) constant() bool {
	return p.op == "int" || p.op == "float" || p.op == "text"
}

// literal writes a constant without its type. A double always has an
// exponent: without one an engine would read a decimal.
func (p *phys) literal(d dialect) string {
	var s string
	switch {
	case p.op == "int" && p.i != math.MinInt64:
		s = strconv.FormatInt(p.i, 10)
	case p.op == "float":
		s = strconv.FormatFloat(p.f, 'e', -1, 64)
	case p.op == "text":
		return d.quoted(p.s)
	default:
		return p.sql(d)
	}
	if s[0] == '-' {
		return "(" + s + ")"
	}
	return s
}

func integer(v int64) string {
	if v < 0 {
		if v == math.MinInt64 {
			return "CAST('-9223372036854775808' AS BIGINT)"
		}
		return fmt.Sprintf("CAST(%d AS BIGINT)", v)
	}
	return fmt.Sprintf("CAST(%d AS BIGINT)", v)
}

func typeName(p *phys) string {
	return [...]string{"BOOLEAN", "BIGINT", "DOUBLE PRECISION", "TEXT"}[p.rep]
}

// common are the operations that every engine writes in the same way.
func (p *phys) common(d dialect, a []string) string { //nolint:cyclop // a list, one case for each
	switch p.op {
	case "and", "or":
		return "(" + strings.Join(a, " "+strings.ToUpper(p.op)+" ") + ")"
	case "not":
		return "(NOT " + a[0] + ")"
	case "isnull":
		return "(" + a[0] + " IS NULL)"
	case "=", "<>", "<", "<=", ">", ">=", "+", "-", "*", "||":
		return "(" + strings.Join(a, " "+p.op+" ") + ")"
	case "distinct":
		return "(" + a[0] + " IS DISTINCT FROM " + a[1] + ")"
	case "same":
		return "(" + a[0] + " IS NOT DISTINCT FROM " + a[1] + ")"
	case "in":
		return "(" + a[0] + " IN (" + strings.Join(a[1:], ", ") + "))"
	case "case":
		return cases(a)
	case "coalesce", "nullif", "greatest", "least", "abs", "concat", "replace", "left", "right", "ltrim", "rtrim":
		return strings.ToUpper(p.op) + "(" + strings.Join(a, ", ") + ")"
	case "neg":
		return "(- " + a[0] + ")"
	case "sign":
		return fmt.Sprintf("CASE WHEN %s > 0 THEN CAST(1 AS BIGINT) WHEN %s < 0 THEN CAST(-1 AS BIGINT) WHEN %s = 0 THEN CAST(0 AS BIGINT) END", a[0], a[0], a[0])
	case "%":
		return "(" + a[0] + " % " + a[1] + ")"
	case "/":
		return "(" + a[0] + " / " + a[1] + ")"
	case "floor", "ceil":
		return strings.ToUpper(p.op) + "(" + a[0] + ")"
	case "sqrt":
		return fmt.Sprintf("CASE WHEN %s >= 0 THEN SQRT(%s) END", a[0], a[0])
	case "clamp":
		return clamped(p, a)
	case "isclosed":
		return p.isIn(d, a[0])
	case "closed":
		return fmt.Sprintf("CASE WHEN %s THEN %s END", p.isIn(d, a[0]), a[0])
	case "flush":
		return fmt.Sprintf("CASE WHEN ABS(%s) < %s THEN CAST('0' AS DOUBLE PRECISION) ELSE %s END", a[0], floatConst(flushed).sql(duck{}), a[0])
	case "tofloat":
		if p.scale == 0 {
			return "CAST(" + a[0] + " AS DOUBLE PRECISION)"
		}
		return fmt.Sprintf("(CAST(%s AS DOUBLE PRECISION) / %s)", a[0], floatConst(math.Pow10(p.scale)).sql(duck{}))
	case "toint":
		return "CAST(" + a[0] + " AS BIGINT)"
	case "totext":
		return toText(p, a[0])
	}
	return p.texts(a)
}

// texts are operations on texts and dates, and aggregates within a unit.
func (p *phys) texts(a []string) string { //nolint:cyclop // a list, one case for each
	const ascii = "abcdefghijklmnopqrstuvwxyz"
	switch p.op {
	case "lower":
		return fmt.Sprintf("TRANSLATE(%s, '%s', '%s')", a[0], strings.ToUpper(ascii), ascii)
	case "upper":
		return fmt.Sprintf("TRANSLATE(%s, '%s', '%s')", a[0], ascii, strings.ToUpper(ascii))
	case "length":
		return "CAST(LENGTH(" + a[0] + ") AS BIGINT)"
	case "strpos":
		return "CAST(STRPOS(" + a[0] + ", " + a[1] + ") AS BIGINT)"
	case "contains":
		return "(STRPOS(" + a[0] + ", " + a[1] + ") > 0)"
	case "startswith":
		return "STARTS_WITH(" + a[0] + ", " + a[1] + ")"
	case "endswith":
		return "(RIGHT(" + a[0] + ", CAST(LENGTH(" + a[1] + ") AS INTEGER)) = " + a[1] + ")"
	case "substr":
		for i := range a[1:] {
			a[1+i] = "CAST(" + a[1+i] + " AS INTEGER)"
		}
		return "SUBSTR(" + strings.Join(a, ", ") + ")"
	case "datepart":
		return fmt.Sprintf("CAST(DATE_PART('%s', %s) AS BIGINT)", p.name, fromDays(a[0]))
	case "datetrunc":
		return fmt.Sprintf("CAST(CAST(DATE_TRUNC('%s', CAST(%s AS TIMESTAMP)) AS DATE) - DATE '1970-01-01' AS BIGINT)", p.name, fromDays(a[0]))
	case "count":
		what := "*"
		if len(a) > 0 {
			what = a[0]
		}
		return fmt.Sprintf("LEAST(COUNT(%s), %d)", what, p.hi)
	case "min", "max":
		return strings.ToUpper(p.op) + "(" + a[0] + ")"
	case "total":
		return fmt.Sprintf("CASE WHEN COUNT(%s) > 0 THEN CAST(LEAST(GREATEST(SUM(%s), %d), %d) AS BIGINT) END", a[0], a[0], p.lo, p.hi)
	case "mean":
		sum := fmt.Sprintf("CAST(CAST(LEAST(GREATEST(SUM(%s), %d), %d) AS BIGINT) AS DOUBLE PRECISION)", a[0], -mostInt, mostInt)
		return fmt.Sprintf("CASE WHEN COUNT(%s) > 0 THEN %s / COUNT(%s) / %s END", a[0], sum, a[0], floatConst(p.f).sql(duck{}))
	}
	panic("dp/query: an operation that no engine has: " + p.op)
}

// isIn compares with a closed set.
func (p *phys) isIn(d dialect, x string) string {
	all := make([]string, len(p.set))
	for i, v := range p.set {
		all[i] = literal(d, v)
	}
	return x + " IN (" + strings.Join(all, ", ") + ")"
}

func cases(a []string) string {
	var b strings.Builder
	b.WriteString("CASE")
	for i := 0; i+1 < len(a); i += 2 {
		b.WriteString(" WHEN " + a[i] + " THEN " + a[i+1])
	}
	b.WriteString(" ELSE " + a[len(a)-1] + " END")
	return b.String()
}

// clamped keeps NULL, which LEAST and GREATEST would not.
func clamped(p *phys, a []string) string {
	if p.args[0].op == "leaf" && p.rep == isFloat { // NaN is more than anything
		x := "CAST(" + p.args[0].column() + " AS DOUBLE PRECISION)"
		return fmt.Sprintf("CASE WHEN %s < %s THEN %s WHEN %s <= %s THEN %s WHEN %s < 'NaN' THEN %s END", x, a[1], a[1], x, a[2], x, x, a[2])
	}
	if !p.args[0].nulls {
		return fmt.Sprintf("LEAST(GREATEST(%s, %s), %s)", a[0], a[1], a[2])
	}
	return fmt.Sprintf("CASE WHEN %s < %s THEN %s WHEN %s > %s THEN %s ELSE %s END", a[0], a[1], a[1], a[0], a[2], a[2], a[0])
}

func literal(d dialect, v any) string {
	switch v := v.(type) {
	case bool:
		return strings.ToUpper(strconv.FormatBool(v))
	case int64:
		return intConst(v, 0, num).literal(d)
	case string:
		return d.quoted(v)
	}
	panic("dp/query: a value of a closed set that has no type")
}

func fromDays(days string) string { return "(DATE '1970-01-01' + CAST(" + days + " AS INTEGER))" }

func toText(p *phys, a string) string {
	switch p.args[0].class {
	case boolean:
		return fmt.Sprintf("CASE WHEN %s THEN 'true' WHEN NOT %s THEN 'false' END", a, a)
	case date:
		return "CAST(" + fromDays(a) + " AS TEXT)"
	}
	return "CAST(" + a + " AS TEXT)"
}
