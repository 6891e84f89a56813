// Package engine has bounded statements executed where the data are: the
// interface that each database behind a differentially private question
// implements, and the check of what comes back.
//
// A Statement is written by package dp/query, never by a researcher: it bounds what
// one privacy unit contributes, has no randomness in it, and its result is one row of
// exact integers for each group. An Engine promises to return those rows, all of
// them, or an error that says in one word why not. An engine must never pass on a
// message of its database: it may hold values. And no engine is taken at its
// word: Partials.Check holds the rows against the types, ranges and number that
// the statement can have. The suite enginetest is the same for every engine.
package engine

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/apache/arrow-go/v18/arrow/decimal128"

	"github.com/anchorhold/anchorhold"
)

// Dialect is a language of statements.
type Dialect string

// The dialects.
const (
	DuckDB   Dialect = "duckdb"
	Postgres Dialect = "postgres"
)

// Engine executes statements over the tables of one dataset. It MAY be used by
// several at a time.
type Engine interface {
	// Dialect says how Statement.SQL is to be written.
	Dialect() Dialect
	// Table gives a table's columns, and how it is written after FROM.
	Table(name string) (Table, bool)
	// Partials executes a statement and returns its checked rows. When ctx ends,
	// so does the work, within two seconds. Its errors are a Failure, a refusal
	// of what was asked, or say that the engine cannot be reached.
	Partials(ctx context.Context, s Statement) (*Partials, error)
	// Close ends what goes on and gives back what is held.
	Close() error
}

// Table is a table as statements see it: SQL stands in FROM, with an alias. Its columns have the types that they
// were registered with, each cell of another type, or missing, is NULL.
type Table struct {
	SQL     string
	Columns []Column
}

// Column is a column of a table, or of the rows of a statement.
type Column struct {
	Name string                `json:"name"`
	Type anchorhold.ColumnType `json:"type"`
	// Of the rows of a statement: whether a value may be missing, and between
	// which integers every value lies; nil: those of the type.
	Nullable bool    `json:"-"`
	Within   *Bounds `json:"-"`
}

// Bounds are the least and the most that an integer can be.
type Bounds struct{ Least, Most Int }

// Int is an integer of 128 bits.
type Int = decimal128.Num

// Statement is one bounded statement.
type Statement struct {
	SQL string
	// Columns are those of its rows: of the types int, bool, date, timestamp and
	// string.
	Columns []Column
	// MaxRows is how many rows it can have.
	MaxRows int
	// Steps, if any, give the same rows in two steps.
	Steps *Steps
}

// Steps are a statement in two: an engine MAY keep what the first gives, where
// nobody but who asked can use it, for the next statement that begins alike.
type Steps struct {
	First string
	// Then is the rest, over a table that holds what First gave.
	Then func(table string) string
	// Bytes is about how much that can take, by what is stated alone.
	Bytes int64
}

// Bounds of any statement.
const (
	MaxSQL     = 1 << 20 // bytes of a statement
	MaxRows    = 1 << 20
	MaxColumns = 1 << 10
	MaxText    = 1 << 16 // bytes of one text of a row
)

// Validate refuses a statement that no engine should be given.
func (s Statement) Validate() error {
	switch {
	case s.SQL == "" || len(s.SQL) > MaxSQL || !utf8.ValidString(s.SQL) || strings.ContainsRune(s.SQL, 0):
		return anchorhold.Errorf(anchorhold.TooLarge, "ask for less in one question", "the statement has no text, or more than %d bytes", MaxSQL)
	case s.Steps != nil && (len(s.Steps.First) > MaxSQL || len(s.Steps.Then("")) > MaxSQL-MaxText):
		return anchorhold.Errorf(anchorhold.TooLarge, "ask for less in one question", "the statement has more than %d bytes", MaxSQL)
	case s.MaxRows < 1 || s.MaxRows > MaxRows:
		return anchorhold.Errorf(anchorhold.TooLarge, "group by less", "the question can have %d groups; the limit is %d", s.MaxRows, MaxRows)
	case len(s.Columns) < 1 || len(s.Columns) > MaxColumns:
		return anchorhold.Errorf(anchorhold.TooLarge, "ask for less in one question", "the statement has %d columns; the limit is %d", len(s.Columns), MaxColumns)
	}
	for _, c := range s.Columns {
		if _, known := rangeOf(c); !known && c.Type != anchorhold.TypeString {
			return anchorhold.Errorf(anchorhold.Invalid, "partials are integers and texts", "a statement cannot have rows of the type %q", c.Type)
		}
	}
	return nil
}

// Partials are the rows of a statement, by column.
type Partials struct {
	Columns []Column
	Rows    int
	Values  []Vector
}

// Vector holds the values of one column: Ints of a bool (0 or 1), an int, a date
// (days since 1970-01-01) and a timestamp (microseconds since then, UTC), else
// Texts.
type Vector struct {
	Null  []bool // nil: none is missing
	Ints  []Int
	Texts []string
}

// IsNull says whether a value is missing.
func (v Vector) IsNull(row int) bool { return len(v.Null) > 0 && v.Null[row] }

// MakePartials makes partials of no rows for a statement.
func MakePartials(s Statement) *Partials {
	return &Partials{Columns: s.Columns, Values: make([]Vector, len(s.Columns))}
}

// Check finds what no such statement can have answered. What it says has no
// value in it.
func (p *Partials) Check(s Statement) error {
	if p.Rows < 0 || len(p.Values) != len(s.Columns) {
		return Wrong("other columns than the statement has")
	}
	if p.Rows > s.MaxRows {
		return Wrong("more rows than the statement can have")
	}
	for i, c := range s.Columns {
		if err := p.Values[i].check(c, p.Rows); err != nil {
			return err
		}
	}
	return nil
}

func (v Vector) check(c Column, rows int) error {
	bounds, integer := rangeOf(c)
	values, others := len(v.Texts), len(v.Ints)
	if integer {
		values, others = others, values
	}
	if values != rows || others != 0 || v.Null != nil && len(v.Null) != rows {
		return Wrong("columns of different lengths")
	}
	for i := range rows {
		switch {
		case v.IsNull(i):
			if !c.Nullable {
				return Wrong("a missing value where none can be")
			}
		case integer:
			if x := v.Ints[i]; x.Less(bounds.Least) || bounds.Most.Less(x) {
				return Wrong("a value out of its range")
			}
		case len(v.Texts[i]) > MaxText || !utf8.ValidString(v.Texts[i]):
			return Wrong("a text that is none, or too long")
		}
	}
	return nil
}

// The range of each type of integer.
const (
	maxDays   = 4_000_000 // some ten thousand years
	maxMicros = maxDays * 86_400_000_000
)

// rangeOf gives the range of a column of integers.
func rangeOf(c Column) (Bounds, bool) {
	if c.Type == anchorhold.TypeString {
		return Bounds{}, false
	}
	of, known := typeRange(c.Type)
	if known && c.Within != nil {
		of = *c.Within
	}
	return of, known
}

func typeRange(t anchorhold.ColumnType) (Bounds, bool) {
	switch t {
	case anchorhold.TypeBool:
		return Bounds{Most: decimal128.FromI64(1)}, true
	case anchorhold.TypeInt:
		return Bounds{decimal128.New(-1<<63, 0), decimal128.New(1<<63-1, 1<<64-1)}, true
	case anchorhold.TypeDate:
		return Bounds{decimal128.FromI64(-maxDays), decimal128.FromI64(maxDays)}, true
	case anchorhold.TypeTimestamp:
		return Bounds{decimal128.FromI64(-maxMicros), decimal128.FromI64(maxMicros)}, true
	}
	return Bounds{}, false
}

// Failure says in one word why a statement has no answer. There is never more:
// messages of databases carry values.
type Failure string

// The failures.
const (
	Memory    Failure = "memory"    // the statement wants more than its limit
	Cancelled Failure = "cancelled" // by whoever asked, or by its time limit
	Failed    Failure = "failed"    // anything else
)

// Error implements error.
func (f Failure) Error() string { return string(f) }

// Err is the error of a failure for people.
func (f Failure) Err() *anchorhold.Error {
	switch f {
	case Memory:
		return anchorhold.Errorf(anchorhold.TooLarge, "give the engine more memory, or ask for less at once",
			"the question needs more memory than the engine may take").Because(f)
	case Cancelled:
		return anchorhold.Errorf(anchorhold.Unavailable, "ask again, or allow it more time", "the question was ended before it had an answer").Because(f)
	}
	return anchorhold.Errorf(anchorhold.Unavailable, "let the owner of the data look at the engine's own log", "the engine could not answer the question").Because(Failed)
}

// Wrong is the error for an engine whose answer cannot be one of the statement's.
func Wrong(what string) error {
	return anchorhold.Errorf(anchorhold.Unavailable, "let the operator check the engine and its data", "the engine answered what no such question has: %s", what).
		Because(fmt.Errorf("%w: %s", Failed, what))
}

// FailureOf finds the failure that an error is of; empty where it is of none.
func FailureOf(err error) Failure {
	var f Failure
	if errors.As(err, &f) {
		return f
	}
	return ""
}

// Quote writes a name as SQL has it.
func Quote(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

// Text writes a text as SQL has it.
func Text(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }
