// Package mock makes the public twin of a private table from its card alone.
//
// The card (columns, types and facts that somebody stated or confirmed) is all
// that Generate ever receives: no path, no file, no connection, so that a mock
// cannot hold anything of the private side that its card does not already
// tell. It promises the card's column names, order and types, values within
// the stated facts, and the same bytes for the same card and seed. It must
// never open a file; a test reads the imports of every file here and refuses
// any that could. The other promises are held by generating from cards and
// reading the result back.
package mock

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/anchorhold/anchorhold"
)

// Sizes of a mock.
const (
	DefaultRows = 100     // where the card does not say how many
	MaxRows     = 100_000 // a mock is for trying code out; larger tables get this many
)

// Formats that Generate writes.
const (
	CSV     = "csv"
	Parquet = "parquet"
)

// Card is what is known publicly of a table. Facts that nobody stated or
// confirmed have no place in it.
type Card struct {
	Columns []anchorhold.Column
	Facts   []anchorhold.Fact // of the whole table
	// Keys are, by name of a column with the fact "references", the values of the
	// column that it refers to, as that one's mock has them.
	Keys map[string][]any
}

// CardOf gives the card of a version.
func CardOf(v anchorhold.Version) Card { return Card{Columns: v.Columns, Facts: v.Facts} }

// Generate writes a mock in a format and gives its number of rows: as many as
// the fact "rows" says, at most MaxRows, or DefaultRows, or fewer where a column
// without repetition has fewer values.
//
// Every column is drawn on its own, uniformly: from its categories, or between
// its min and max, or from a stated default (0 to 100, 0 to 1, the years 2000
// to 2019, words made of the column's name). A column is without repetition
// when the fact "unique" says so or it is named like a key (id, ..._id). Texts
// are written like the fact "pattern" says, or as what the fact "like" says. A column
// with the fact "references" has values of the column that it refers to. Lists and
// maps have up to three values, whatever those of the table have. Stated
// faults are in about as many of its values as they say, rounded up to one. Its
// share of missing values is the fact "missing-rate"; a column of two rows or
// more has at least one missing value unless that is 0, and at least one value
// unless it is 1. The same card and seed give the same bytes.
//
// A card that contradicts itself is an Invalid error.
func Generate(ctx context.Context, card Card, seed uint64, w io.Writer, format string) (rows int64, err error) {
	n, err := rowCount(card)
	if err != nil {
		return 0, err
	}
	if len(card.Columns) == 0 {
		return 0, wrong("describe at least one column", "a mock needs columns and the card has none")
	}
	cols, err := newColumns(card, n, seed, format)
	for few := new(tooFewError); errors.As(err, &few) && few.values > 0 && !stated(card); {
		n = int(few.values) // nobody said how many there are to be
		cols, err = newColumns(card, n, seed, format)
	}
	if err != nil {
		return 0, err
	}
	switch format {
	case CSV:
		err = writeCSV(ctx, cols, n, w)
	case Parquet:
		err = writeParquet(ctx, cols, n, w)
	default:
		return 0, wrong("use csv or parquet", "%q is not a format of mocks", format)
	}
	if err != nil {
		return 0, err
	}
	return int64(n), nil
}

func newColumns(card Card, n int, seed uint64, format string) (cols []*column, err error) {
	cols = make([]*column, len(card.Columns))
	for i, c := range card.Columns {
		if cols[i], err = newColumn(c, n, stream(seed, i, c.Name), card.Keys[c.Name]); err != nil {
			return nil, err
		}
		// A source of their own, so that a fault leaves all other values as they were.
		if err := cols[i].addFaults(stream(seed, i, c.Name+"\x00faults"), format); err != nil {
			return nil, err
		}
	}
	return cols, nil
}

// tooFewError is about a column that cannot have a value of its own in each row.
type tooFewError struct {
	error
	values int64
}

// Unwrap gives what a person reads.
func (e *tooFewError) Unwrap() error { return e.error }

func tooFew(values int64, remedy, format string, args ...any) error {
	return &tooFewError{wrong(remedy, format, args...), values}
}

// stated says whether a card has a number of rows.
func stated(card Card) bool {
	return slices.ContainsFunc(card.Facts, func(f anchorhold.Fact) bool { return f.Name == anchorhold.FactRows })
}

// stream gives a column its own source of random numbers, so that describing
// one column better does not change the values of the others.
func stream(seed uint64, i int, name string) *rand.Rand {
	b := []byte("anchorhold-mock-v1")
	b = binary.BigEndian.AppendUint64(b, seed)
	b = binary.BigEndian.AppendUint64(b, uint64(i))
	return rand.New(rand.NewChaCha8(sha256.Sum256(append(b, name...))))
}

func rowCount(card Card) (int, error) {
	for _, f := range card.Facts {
		if f.Name != anchorhold.FactRows {
			continue
		}
		n, ok := number(f.Value)
		if !ok || n < 1 {
			return 0, wrong("state a whole number from 1 on", "the fact %q of the table is not a number of rows", f.Name)
		}
		return int(min(n, MaxRows)), nil
	}
	return DefaultRows, nil
}

func wrong(remedy, format string, args ...any) error {
	return anchorhold.Errorf(anchorhold.Invalid, remedy, format, args...)
}

// value is one cell: nothing, a whole number (also days, microseconds, 0 and
// 1), a decimal number or a text, as its column's type says.
type value struct {
	missing bool
	whole   int64
	real    float64
	text    string
	parts   []value // of a nested type
	raw     string  // how it is written where that is not how its type is
}

// column draws the values of one column, in order.
type column struct {
	anchorhold.Column
	base    anchorhold.ColumnType // as what values are drawn: of texts, what they are like
	rng     *rand.Rand
	keys    []any
	missing float64
	rows    int
	drawn   int
	lacking int // of those drawn
	digits  int // after the decimal point
	draw    func() value

	low, high float64 // of numbers and moments
	faults    faults
	fields    []*column // of a nested type, its parts
}

func newColumn(c anchorhold.Column, rows int, rng *rand.Rand, keys []any) (*column, error) {
	col := &column{Column: c, base: c.Type, rng: rng, rows: rows, digits: 1, keys: keys}
	if f, ok := c.Fact(anchorhold.FactLike); ok {
		if err := col.like(f); err != nil {
			return nil, err
		}
	}
	if f, ok := c.Fact(anchorhold.FactMissingRate); ok {
		rate, ok := number(f.Value)
		if !ok || rate < 0 || rate > 1 {
			return nil, wrong("state a share from 0 to 1", "the fact %q of the column %q is not a share", f.Name, c.Name)
		}
		col.missing = rate
	}
	if c.Required {
		col.missing = 0
	}
	err := col.choose()
	if err != nil {
		return nil, err
	}
	return col, nil
}

// next draws the next cell. Whether it is missing and what it would be are
// drawn independently, so that a changed rate leaves the values alone.
func (c *column) next() value {
	first := c.drawn == 0
	c.drawn++
	c.faults.tick()
	gone := c.rng.Float64() < c.missing
	if c.missing > 0 && c.lacking == 0 && c.drawn == c.rows {
		gone = true
	}
	v := c.draw()
	if gone && (!first || c.missing == 1) {
		c.lacking++
		return value{missing: true}
	}
	return c.faults.into(c, v)
}

// choose finds how the column's values are drawn.
func (c *column) choose() error {
	unique := c.unique()
	if f, ok := c.Fact(anchorhold.FactReferences); ok {
		return c.fromKeys(f, c.keys, unique)
	}
	if f, ok := c.Fact(anchorhold.FactCategories); ok && !unique {
		return c.fromCategories(f)
	}
	if f, ok := c.Fact(anchorhold.FactPattern); ok && c.base == anchorhold.TypeString {
		return c.fromPattern(f, unique)
	}
	switch c.base {
	case anchorhold.TypeBool:
		c.draw = func() value { return value{whole: c.rng.Int64N(2)} }
		return nil
	case anchorhold.TypeString:
		c.words(unique)
		return nil
	case anchorhold.TypeFloat:
		return c.fromReals(unique)
	case anchorhold.TypeInt, anchorhold.TypeDate, anchorhold.TypeTimestamp:
		return c.fromWholes(unique)
	case anchorhold.TypeList, anchorhold.TypeStruct, anchorhold.TypeMap:
		return c.fromParts()
	}
	return wrong("use int, float, string, bool, date or timestamp", "%q is not a type for the column %q", string(c.Type), c.Name)
}

// unique says whether no value may come twice.
func (c *column) unique() bool {
	if f, ok := c.Fact(anchorhold.FactUnique); ok {
		yes, isBool := f.Value.(bool)
		return isBool && yes
	}
	if c.Type != anchorhold.TypeInt && c.Type != anchorhold.TypeString {
		return false
	}
	for _, other := range []string{anchorhold.FactCategories, anchorhold.FactReferences} {
		if _, said := c.Fact(other); said {
			return false
		}
	}
	n := strings.ToLower(c.Name)
	return n == "id" || strings.HasSuffix(n, "_id") || strings.HasSuffix(n, "-id") || strings.HasSuffix(c.Name, "Id")
}

// like has texts drawn as what they are written as.
func (c *column) like(f anchorhold.Fact) error {
	t, _ := f.Value.(string)
	switch base := anchorhold.ColumnType(t); base {
	case anchorhold.TypeInt, anchorhold.TypeFloat, anchorhold.TypeDate, anchorhold.TypeTimestamp:
		if c.Type == anchorhold.TypeString {
			c.base = base
			return nil
		}
	}
	return wrong("state int, float, date or timestamp, of a column of text", "the fact %q of the column %q cannot be used", f.Name, c.Name)
}

// permutation gives 0 to rows-1 in a scattered order, without a table: steps
// of a length that has no factor in common with rows.
func (c *column) permutation() func() int64 { return permutationOf(c.rng, int64(c.rows)) }

func permutationOf(rng *rand.Rand, n int64) func() int64 {
	step := int64(1)
	if n > 2 {
		step = 1 + rng.Int64N(n-1)
		for gcd(step, n) != 1 {
			step = 1 + rng.Int64N(n-1)
		}
	}
	at := rng.Int64N(n)
	return func() int64 {
		at = (at + step) % n
		return at
	}
}

func gcd(a, b int64) int64 {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// words makes texts of the column's name and a number.
func (c *column) words(unique bool) {
	if unique {
		next := c.permutation()
		c.draw = func() value { return value{text: fmt.Sprintf("%s-%06d", c.Name, next()+1)} }
		return
	}
	c.draw = func() value { return value{text: fmt.Sprintf("%s-%02d", c.Name, c.rng.Int64N(20)+1)} }
}

// ended asks the context now and then.
func ended(ctx context.Context, row int) error {
	if row%1024 != 0 {
		return nil
	}
	return ctx.Err()
}
