package query

import (
	"slices"
	"strconv"
	"strings"
)

// Options are what a question says in GoogleSQL's clause. Zero values were
// not said. Nothing in them can loosen what the owner stated.
type Options struct {
	DP             bool    // the clause is there
	Epsilon        float64 // epsilon
	Delta          float64 // delta
	Within         float64 // within: the half-width that answers should have
	Confidence     float64 // confidence: with which probability
	MaxGroups      int64   // max_groups_contributed
	MaxRows        int64   // max_rows_contributed
	GroupSelection string  // group_selection_strategy, in capitals
	PerRow         *Clamp  // contribution_bounds_per_row
	PerGroup       *Clamp  // contribution_bounds_per_group
	Unit           string  // privacy_unit_column
	UnitAt         int     // where it stands
	Calls          map[int]Contribution
}

// Contribution is what one aggregate says about itself, by the place of its
// call in the text.
type Contribution struct{ PerRow, PerGroup *Clamp }

// Clamp is a pair of bounds as they were written.
type Clamp struct {
	Lo, Hi string
	At     int
}

// Lift takes the clause and the named arguments of aggregates out of a
// statement. plain has each of their bytes replaced by a space (line ends
// stay), so that every place in it is the same place in sql; nothing else
// differs.
func Lift(sql string) (plain string, o Options, err error) {
	const most = 60_000
	if len(sql) > most {
		return "", o, text(sql).refuse(-1, "ask something shorter", "a statement of more than %d bytes", most)
	}
	tokens, err := lex(sql)
	if err != nil {
		return "", o, err
	}
	l := &lifter{sql: sql, blank: []byte(sql), o: Options{Calls: map[int]Contribution{}}}
	for _, t := range tokens {
		if t.kind != space {
			l.tokens = append(l.tokens, t)
		}
	}
	if err := l.statement(); err != nil {
		return "", Options{}, err
	}
	return string(l.blank), l.o, nil
}

type lifter struct {
	sql    string
	blank  []byte
	tokens []token // without space
	o      Options
}

// at gives the text of a token, "" behind the last one.
func (l *lifter) at(i int) string {
	if i >= len(l.tokens) {
		return ""
	}
	return l.sql[l.tokens[i].from:l.tokens[i].to]
}

// is says whether a token is a word or symbol.
func (l *lifter) is(i int, want string) bool {
	return i >= 0 && i < len(l.tokens) && (l.tokens[i].kind == word || l.tokens[i].kind == symbol) && strings.EqualFold(l.at(i), want)
}

func (l *lifter) refuse(i int, remedy, format string, args ...any) error {
	at := len(l.sql)
	if i < len(l.tokens) {
		at = l.tokens[i].from
	}
	return text(l.sql).refuse(at, remedy, format, args...)
}

// erase blanks tokens i up to but not including j.
func (l *lifter) erase(i, j int) {
	for k := l.tokens[i].from; k < l.tokens[j-1].to; k++ {
		if l.blank[k] != '\n' && l.blank[k] != '\r' {
			l.blank[k] = ' '
		}
	}
}

func (l *lifter) statement() error {
	var open []int // the token before each open parenthesis
	for i := 0; i < len(l.tokens); {
		switch {
		case l.is(i, "("):
			open = append(open, i-1)
		case l.is(i, ")") && len(open) > 0:
			open = open[:len(open)-1]
		case l.is(i, "select") && l.is(i+1, "with") && l.is(i+2, "differential_privacy"):
			end, err := l.clause(i+1, len(open))
			if err != nil {
				return err
			}
			i = end
			continue
		case l.is(i, ",") && l.is(i+2, "=>") && len(open) > 0 && isContribution(l.at(i+1)):
			end, err := l.argument(i, open[len(open)-1])
			if err != nil {
				return err
			}
			i = end
			continue
		case l.is(i, "`"):
			return l.refuse(i, `write names in "double quotes"`, "a name in backquotes")
		}
		i++
	}
	return nil
}

func isContribution(name string) bool {
	return strings.EqualFold(name, "contribution_bounds_per_group") || strings.EqualFold(name, "contribution_bounds_per_row")
}

// argument takes out ", name => (lo, hi)" of a call.
func (l *lifter) argument(comma, call int) (int, error) {
	if call < 0 || l.tokens[call].kind != word {
		return 0, l.refuse(comma+1, "give it to an aggregate: SUM(x, contribution_bounds_per_group => (0, 10))", "%s outside of a call", l.at(comma+1))
	}
	clamp, end, err := l.pair(comma + 3)
	if err != nil {
		return 0, err
	}
	at := l.tokens[call].from
	c := l.o.Calls[at]
	field := &c.PerGroup
	if strings.EqualFold(l.at(comma+1), "contribution_bounds_per_row") {
		field = &c.PerRow
	}
	if *field != nil {
		return 0, l.refuse(comma+1, "say it once", "%s twice in one call", l.at(comma+1))
	}
	*field = clamp
	l.o.Calls[at] = c
	l.erase(comma, end)
	return end, nil
}

// clause takes out WITH DIFFERENTIAL_PRIVACY [OPTIONS (…)].
func (l *lifter) clause(with, depth int) (int, error) {
	if depth > 0 {
		return 0, l.refuse(with, "put it on the outermost SELECT", "WITH DIFFERENTIAL_PRIVACY inside of a subquery")
	}
	if l.o.DP {
		return 0, l.refuse(with, "say it once, on the outermost SELECT", "WITH DIFFERENTIAL_PRIVACY twice")
	}
	l.o.DP = true
	i := with + 2
	if !l.is(i, "options") {
		l.erase(with, i)
		return i, nil
	}
	if !l.is(i+1, "(") {
		return 0, l.refuse(i+1, "write OPTIONS(epsilon = 1)", "OPTIONS without a parenthesis")
	}
	i += 2
	said := map[string]bool{}
	for !l.is(i, ")") {
		name := strings.ToLower(l.at(i))
		if said[name] {
			return 0, l.refuse(i, "say it once", "option %s twice", name)
		}
		said[name] = true
		if !l.is(i+1, "=") {
			return 0, l.refuse(i+1, "write name = value", "an option without a value")
		}
		end, err := l.option(name, i)
		if err != nil {
			return 0, err
		}
		if l.is(end, ",") && !l.is(end+1, ")") {
			end++
		} else if !l.is(end, ")") {
			return 0, l.refuse(end, "separate options by commas and close the parenthesis", "an option that does not end")
		}
		i = end
	}
	l.erase(with, i+1)
	return i + 1, nil
}

// option reads "name = value" and gives the token behind it.
func (l *lifter) option(name string, i int) (int, error) { //nolint:cyclop // a list, one case for each
	switch name {
	case "epsilon":
		return l.float(i, &l.o.Epsilon)
	case "delta":
		return l.float(i, &l.o.Delta)
	case "within":
		return l.float(i, &l.o.Within)
	case "confidence":
		return l.float(i, &l.o.Confidence)
	case "max_groups_contributed":
		return l.count(i, &l.o.MaxGroups)
	case "max_rows_contributed":
		return l.count(i, &l.o.MaxRows)
	case "group_selection_strategy":
		l.o.GroupSelection = strings.ToUpper(l.at(i + 2))
		if !slices.Contains([]string{"PUBLIC_GROUPS", "LAPLACE_THRESHOLD", "GAUSSIAN_THRESHOLD", "THRESHOLD"}, l.o.GroupSelection) {
			return 0, l.refuse(i+2, "PUBLIC_GROUPS or THRESHOLD", "an unknown group_selection_strategy")
		}
		return i + 3, nil
	case "contribution_bounds_per_row", "contribution_bounds_per_group":
		clamp, end, err := l.pair(i + 2)
		if name == "contribution_bounds_per_row" {
			l.o.PerRow = clamp
		} else {
			l.o.PerGroup = clamp
		}
		return end, err
	case "privacy_unit_column":
		if i+2 >= len(l.tokens) || l.tokens[i+2].kind != word && l.tokens[i+2].kind != quoted {
			return 0, l.refuse(i+2, "name a column", "privacy_unit_column without a name")
		}
		l.o.Unit, l.o.UnitAt = l.at(i+2), l.tokens[i+2].from
		if l.tokens[i+2].kind == quoted {
			l.o.Unit = strings.ReplaceAll(l.o.Unit[1:len(l.o.Unit)-1], `""`, `"`)
		}
		return i + 3, nil
	}
	return 0, l.refuse(i, "epsilon, delta, within, confidence, max_groups_contributed, max_rows_contributed, group_selection_strategy, contribution_bounds_per_row, contribution_bounds_per_group and privacy_unit_column are known", "an unknown option")
}

func (l *lifter) float(i int, to *float64) (int, error) {
	s, end := l.numeral(i + 2)
	v, err := strconv.ParseFloat(s, 64)
	if err != nil || v <= 0 || v > 1e9 || !plainNumber(s) {
		return 0, l.refuse(i+2, "write a number above 0", "%s that is not a positive number", l.at(i))
	}
	*to = v
	return end, nil
}

func (l *lifter) count(i int, to *int64) (int, error) {
	s, end := l.numeral(i + 2)
	v, err := strconv.ParseInt(s, 10, 32)
	if err != nil || v <= 0 {
		return 0, l.refuse(i+2, "write a whole number above 0", "%s that is not a positive whole number", l.at(i))
	}
	*to = v
	return end, nil
}

// numeral reads a number with an optional sign.
func (l *lifter) numeral(i int) (string, int) {
	sign := ""
	if l.is(i, "-") || l.is(i, "+") {
		sign = l.at(i)
		i++
	}
	if i >= len(l.tokens) || l.tokens[i].kind != number {
		return "", i
	}
	return strings.TrimPrefix(sign, "+") + l.at(i), i + 1
}

// pair reads "(lo, hi)".
func (l *lifter) pair(i int) (*Clamp, int, error) {
	bad := func(at int) (*Clamp, int, error) {
		return nil, 0, l.refuse(at, "write (low, high) with two numbers", "contribution bounds that are not a pair")
	}
	if !l.is(i, "(") {
		return bad(i)
	}
	lo, comma := l.numeral(i + 1)
	if !l.is(comma, ",") {
		return bad(comma)
	}
	hi, end := l.numeral(comma + 1)
	if !l.is(end, ")") || !plainNumber(lo) || !plainNumber(hi) {
		return bad(end)
	}
	return &Clamp{lo, hi, l.tokens[i].from}, end + 1, nil
}

// plainNumber says whether a text is a decimal number: no "inf", no "0x".
func plainNumber(s string) bool {
	v, err := strconv.ParseFloat(s, 64)
	return err == nil && v >= -1e100 && v <= 1e100 && strings.Trim(s, "+-.0123456789eE") == ""
}
