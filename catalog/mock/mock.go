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
	"fmt"
	"io"
	"math/rand/v2"
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
}

// CardOf gives the card of a version.
func CardOf(v anchorhold.Version) Card { return Card{Columns: v.Columns, Facts: v.Facts} }

// Generate writes a mock in a format and gives its number of rows: as many as
// the fact "rows" says, at most MaxRows, or DefaultRows.
//
// Every column is drawn on its own, uniformly: from its categories, or between
// its min and max, or from a stated default (0 to 100, 0 to 1, the years 2000
// to 2019, words made of the column's name). A column is without repetition
// when the fact "unique" says so or it is named like a key (id, ..._id). Its
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
	cols := make([]*column, len(card.Columns))
	for i, c := range card.Columns {
		if cols[i], err = newColumn(c, n, stream(seed, i, c.Name)); err != nil {
			return 0, err
		}
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
}

// column draws the values of one column, in order.
type column struct {
	anchorhold.Column
	rng     *rand.Rand
	missing float64
	rows    int
	drawn   int
	lacking int // of those drawn
	digits  int // after the decimal point
	draw    func() value
}

func newColumn(c anchorhold.Column, rows int, rng *rand.Rand) (*column, error) {
	col := &column{Column: c, rng: rng, rows: rows, digits: 1}
	if f, ok := c.Fact(anchorhold.FactMissingRate); ok {
		rate, ok := number(f.Value)
		if !ok || rate < 0 || rate > 1 {
			return nil, wrong("state a share from 0 to 1", "the fact %q of the column %q is not a share", f.Name, c.Name)
		}
		col.missing = rate
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
	gone := c.rng.Float64() < c.missing
	if c.missing > 0 && c.lacking == 0 && c.drawn == c.rows {
		gone = true
	}
	v := c.draw()
	if gone && (!first || c.missing == 1) {
		c.lacking++
		return value{missing: true}
	}
	return v
}

// choose finds how the column's values are drawn.
func (c *column) choose() error {
	unique := c.unique()
	if f, ok := c.Fact(anchorhold.FactCategories); ok && !unique {
		return c.fromCategories(f)
	}
	switch c.Type {
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
	if _, few := c.Fact(anchorhold.FactCategories); few {
		return false
	}
	n := strings.ToLower(c.Name)
	return n == "id" || strings.HasSuffix(n, "_id") || strings.HasSuffix(n, "-id") || strings.HasSuffix(c.Name, "Id")
}

// permutation gives 0 to rows-1 in a scattered order, without a table: steps
// of a length that has no factor in common with rows.
func (c *column) permutation() func() int64 {
	n := int64(c.rows)
	step := int64(1)
	if n > 2 {
		step = 1 + c.rng.Int64N(n-1)
		for gcd(step, n) != 1 {
			step = 1 + c.rng.Int64N(n-1)
		}
	}
	at := c.rng.Int64N(n)
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
