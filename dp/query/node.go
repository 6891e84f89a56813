package query

import (
	"fmt"
	"math/big"
	"strconv"
	"strings"
)

// node is an expression with its names resolved and its class known.
type node struct {
	op    string // "col", "const", "key", "agg", or an operation of the lists
	class class
	args  []*node
	at    int // byte of the text, -1 without one

	col   *column  // op "col"
	index int      // op "key" and "agg"
	exact *big.Int // op "const" of a number: exact·10^-scale, or
	scale int      // … also the scale of a cast to decimal
	float float64  // … a double where exact is nil
	str   string   // op "const" of a text; the part of dates in "part" and "trunc"
	truth bool     // op "const" of a truth value
	whole int64    // op "const" of a date or timestamp: days, microseconds
}

// column is one column of a relation, named by its number wherever it goes.
type column struct {
	id              int
	qualifier, name string
	class           class
	expr            *node   // in a selection: what it is
	of              *Column // in a scan: where it comes from
	used            bool
	pair            [2]*column // in a union: the columns of its sides
}

type relationKind uint8

const (
	scan      relationKind = iota
	selection              // new columns over its rows
	filter                 // the same columns
	grouping
	join
	union
	narrowed // of each unit no more rows than can count
)

// relation is what FROM can name, as rows.
type relation struct {
	kind        relationKind
	at          int
	cols        []*column
	table       *Table    // scan
	from, other *relation // what it is made of
	where       *node     // selection: the filter; join: the condition
	left        bool      // join: keeps rows of from without a partner
	keys        []*node   // grouping
	aggs        []*call   // grouping
}

// call is one aggregate.
type call struct {
	fn        string
	arg       *node // nil for COUNT(*)
	other     *node // x of an aggregate over pairs, of which arg is y
	filter    *node
	distinct  bool
	quantiles []float64
	at        int
	own       Contribution
}

// fingerprint is equal for equal expressions.
func (n *node) fingerprint() string {
	var b strings.Builder
	n.write(&b)
	return b.String()
}

func (n *node) write(b *strings.Builder) {
	b.WriteString(n.op)
	switch n.op {
	case "col":
		b.WriteString(strconv.Itoa(n.col.id))
	case "key", "agg":
		b.WriteString(strconv.Itoa(n.index))
	case "const":
		fmt.Fprintf(b, "%d %v %d %v %q %v %d", n.class, n.exact, n.scale, n.float, n.str, n.truth, n.whole)
	case "part", "trunc", "todecimal":
		fmt.Fprintf(b, "%q %d", n.str, n.scale)
	}
	b.WriteByte('(')
	for _, a := range n.args {
		a.write(b)
		b.WriteByte(',')
	}
	b.WriteByte(')')
}

// isInt gives the value of a constant whole number.
func (n *node) isInt() (int64, bool) {
	if n.op != "const" || n.class != num || n.exact == nil || n.scale != 0 || !n.exact.IsInt64() {
		return 0, false
	}
	return n.exact.Int64(), true
}

// asFloat gives the value of a constant number.
func (n *node) asFloat() (float64, bool) {
	if n.op != "const" || n.class != num {
		return 0, false
	}
	if n.exact == nil {
		return n.float, true
	}
	f, _ := new(big.Rat).SetFrac(n.exact, pow10(n.scale)).Float64()
	return f, true
}

func (n *node) isText() (string, bool) { return n.str, n.op == "const" && n.class == txt }

func pow10(n int) *big.Int { return new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(n)), nil) }

func whole(v int64) *node {
	return &node{op: "const", class: num, exact: big.NewInt(v), at: -1}
}
