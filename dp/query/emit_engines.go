package query

import (
	"fmt"
	"strings"
)

const moments = "CASE WHEN %[1]s IS NOT NULL THEN LEAST(GREATEST(%[1]s, %[2]s '0001-01-01'), %[2]s '%[3]s') END"

// column writes a column of a table.
func (p *phys) column() string { return p.from + "." + quote(p.of.Name) }

// aDate writes a date or timestamp column within the years 1 to 9999.
func (p *phys) aDate() string {
	if p.class == date {
		return fmt.Sprintf(moments, "CAST("+p.column()+" AS DATE)", "DATE", "9999-12-31")
	}
	return fmt.Sprintf(moments, "CAST("+p.column()+" AS TIMESTAMP)", "TIMESTAMP", "9999-12-31 23:59:59.999999")
}

// duck writes for DuckDB.
type duck struct{}

func (duck) huge() string          { return "HUGEINT" }
func (duck) bytes(s string) string { return "STRLEN(" + s + ")" }
func (duck) div() string           { return "(%s) // %s" }

func (duck) quoted(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }
func (d duck) text(s string) string { return "CAST(" + d.quoted(s) + " AS TEXT)" }

func (duck) leaf(p *phys) string {
	switch p.of.Type {
	case Decimal:
		return fmt.Sprintf("CAST(%s * %s AS BIGINT)", p.column(), pow10(p.scale))
	case Double:
		return notANumber(p)
	case Date:
		return "CAST(" + p.aDate() + " - DATE '1970-01-01' AS BIGINT)"
	case Timestamp:
		return "EPOCH_US(" + p.aDate() + ")"
	}
	return "CAST(" + p.column() + " AS " + typeName(p) + ")"
}

func notANumber(p *phys) string {
	return "NULLIF(CAST(" + p.column() + " AS DOUBLE PRECISION), CAST('NaN' AS DOUBLE PRECISION))"
}

func (duck) op(p *phys, a []string) (string, bool) {
	switch p.op {
	case "//":
		return "(" + a[0] + " // " + a[1] + ")", true
	case "trim":
		return "TRIM(" + strings.Join(a, ", ") + ")", true
	case "like":
		return "(" + a[0] + " LIKE " + a[1] + ")", true
	case "textint":
		return fmt.Sprintf("TRY_CAST(CASE WHEN REGEXP_FULL_MATCH(%s, '%s') THEN %s END AS BIGINT)", a[0], wholeText, a[0]), true
	case "textfloat":
		return fmt.Sprintf("TRY_CAST(CASE WHEN REGEXP_FULL_MATCH(%s, '%s') THEN %s END AS DOUBLE)", a[0], floatText, a[0]), true
	}
	return "", false
}

// The texts that are read as numbers: the same in every engine.
const (
	wholeText = "[+-]?[0-9]{1,18}"
	floatText = `[+-]?[0-9]{1,15}([.][0-9]{1,15})?([eE][+-]?[0-9]{1,2})?`
)

// postgres writes for PostgreSQL. Texts are compared byte by byte.
type postgres struct{}

func (postgres) huge() string          { return "NUMERIC" }
func (postgres) bytes(s string) string { return "OCTET_LENGTH(" + s + ")" }
func (postgres) div() string           { return "DIV(%s, %s)" }

func (postgres) quoted(s string) string {
	quoted := "'" + strings.ReplaceAll(s, "'", "''") + "'"
	if strings.Contains(s, `\`) {
		return "E" + strings.ReplaceAll(quoted, `\`, `\\`)
	}
	return quoted
}

func (p postgres) text(s string) string { return "CAST(" + p.quoted(s) + " AS TEXT)" }

func (postgres) leaf(p *phys) string {
	switch p.of.Type {
	case Decimal:
		c := p.column()
		return fmt.Sprintf("CAST(CASE WHEN %s <> 'NaN' THEN LEAST(GREATEST(%s * %s, %d), %d) END AS BIGINT)", c, c, pow10(p.scale), p.lo, p.hi)
	case Double:
		return notANumber(p)
	case Text:
		return "(CAST(" + p.column() + ` AS TEXT) COLLATE "C")`
	case Date:
		return "CAST(" + p.aDate() + " - DATE '1970-01-01' AS BIGINT)"
	case Timestamp:
		return "CAST(EXTRACT(EPOCH FROM " + p.aDate() + ") * 1000000 AS BIGINT)"
	}
	return "CAST(" + p.column() + " AS " + typeName(p) + ")"
}

func (postgres) op(p *phys, a []string) (string, bool) {
	switch p.op {
	case "//":
		return "(" + a[0] + " / " + a[1] + ")", true
	case "trim":
		return "BTRIM(" + strings.Join(a, ", ") + ")", true
	case "left", "right":
		return strings.ToUpper(p.op) + "(" + a[0] + ", CAST(" + a[1] + " AS INTEGER))", true
	case "totext":
		return "(" + toText(p, a[0]) + ` COLLATE "C")`, true
	case "like":
		return "(" + a[0] + " LIKE " + a[1] + " ESCAPE '')", true
	case "textint":
		return fmt.Sprintf("CAST(CASE WHEN %s ~ '^%s$' THEN %s END AS BIGINT)", a[0], wholeText, a[0]), true
	case "textfloat":
		return fmt.Sprintf("CAST(CASE WHEN %s ~ '^%s$' THEN %s END AS DOUBLE PRECISION)", a[0], floatText, a[0]), true
	}
	return "", false
}
