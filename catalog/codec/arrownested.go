package codec

import (
	"io"
	"slices"

	"github.com/anchorhold/anchorhold"
)

// withParts are fields and all their parts.
func withParts(fields []arrowField) (out []arrowField) {
	for _, f := range fields {
		out = append(append(out, f), withParts(f.parts)...)
	}
	return out
}

// nested reads the nested columns of the next n rows.
func (r *arrowReader) nested(n int) error {
	values := make([][]nestedValue, len(r.cols))
	for j := range r.batch.columns {
		c := &r.batch.columns[j]
		if !c.field.nested() || c.field.dictionary {
			continue
		}
		var err error
		if values[j], err = c.nestedValues(r.batch.done, n, r.beside); err != nil {
			return err
		}
	}
	row := make([]nestedValue, len(r.cols))
	for i := range n {
		clear(r.windows[i][len(r.cols):])
		for j := range values {
			if values[j] != nil {
				row[j] = values[j][i]
				r.windows[i][j] = Cell{}
			}
		}
		if err := r.nesting.put(r.windows[i], row); err != nil {
			return err
		}
	}
	return nil
}

var errItems = anchorhold.Errorf(anchorhold.TooLarge, "divide it over several rows", "a list has more than %d values", maxItems)

// starting reads where the lists of n rows begin, and where the last one ends.
func (c *arrowColumn) starting(from int64, n int) ([]int64, error) {
	out := make([]int64, n+1)
	if c.field.kind == arrowFixedList {
		for i := range out {
			out[i] = (from + int64(i)) * c.field.size
		}
		return out, nil
	}
	size := c.wordSize()
	if c.rows == 0 {
		return out, nil // the offsets may be left out
	}
	b, err := c.readAt(c.values, from*int64(size), (n+1)*size)
	if err != nil {
		return nil, err
	}
	for i := range out {
		if out[i] = word(b[i*size:(i+1)*size], true); out[i] < 0 || i > 0 && out[i] < out[i-1] || out[i] > c.parts[0].rows {
			return nil, errArrow
		}
	}
	return out, nil
}

// itemsFit says of how many of the next n rows the lists may be held at once: at
// least of one.
func (c *arrowColumn) itemsFit(from int64, n int) (int, error) {
	if c.field.kind == arrowStruct {
		for i := range c.parts {
			fits, err := c.parts[i].fits(from, n)
			if err != nil {
				return 0, err
			}
			n = min(n, fits)
		}
		return n, nil
	}
	starts, err := c.starting(from, n)
	if err != nil {
		return 0, err
	}
	most := int64(batchCells)
	if items := starts[n] - starts[0]; c.parts[0].field.nested() && items > 0 {
		fits, err := c.parts[0].fits(starts[0], int(min(items, batchCells)))
		if err != nil {
			return 0, err
		}
		most = int64(fits)
	}
	for n > 1 && starts[n]-starts[0] > most {
		n /= 2
	}
	if starts[n]-starts[0] > maxItems {
		return 0, errItems
	}
	return n, nil
}

// nestedValues reads n values with their parts. b, if asked for, looks at them too.
func (c *arrowColumn) nestedValues(from int64, n int, b *arrowBeside) (out []nestedValue, err error) {
	missing, err := c.missing(from, n)
	if err != nil {
		return nil, err
	}
	switch {
	case !c.field.nested() || c.field.dictionary:
		return c.scalars(from, n, b)
	case c.field.kind == arrowStruct:
		out, err = c.structs(from, n, b)
	default:
		out, err = c.lists(from, n, missing, b)
	}
	if err != nil {
		return nil, err
	}
	for i := range out {
		if !missing(i) {
			continue
		}
		if b != nil && !out[i].neutral() {
			b.found(BesideValues)
		}
		out[i] = nestedValue{}
	}
	if b != nil && from+int64(n) == c.rows {
		b.behind(c.validity, (c.rows+7)/8)
	}
	return out, nil
}

func (c *arrowColumn) structs(from int64, n int, b *arrowBeside) ([]nestedValue, error) {
	names := make([]string, len(c.parts))
	out := make([]nestedValue, n)
	for i := range out {
		out[i] = structOf(names, make([]nestedValue, len(c.parts)))
	}
	for j := range c.parts {
		names[j] = c.parts[j].field.name
		values, err := c.parts[j].nestedValues(from, n, b)
		if err != nil {
			return nil, err
		}
		for i := range out {
			out[i].items[j] = values[i]
		}
	}
	return out, nil
}

// lists reads lists, of whose values those between them belong to none.
func (c *arrowColumn) lists(from int64, n int, missing func(int) bool, b *arrowBeside) ([]nestedValue, error) {
	starts, err := c.starting(from, n)
	if err != nil {
		return nil, err
	}
	first, last := starts[0], starts[n]
	if last-first > maxItems {
		return nil, errItems
	}
	items, err := c.parts[0].nestedValues(first, int(last-first), b)
	if err != nil {
		return nil, err
	}
	out := make([]nestedValue, n)
	for i := range out {
		out[i] = listOf(items[starts[i]-first : starts[i+1]-first])
		if c.field.kind == arrowFixedList && missing(i) { // which lies there with as many values as any other
			if b != nil && slices.ContainsFunc(out[i].items, func(v nestedValue) bool { return !v.neutral() }) {
				b.found(BesideValues)
			}
			out[i] = nestedValue{}
		}
	}
	if b != nil {
		c.listsBeside(from, n, starts, b)
	}
	return out, nil
}

// listsBeside looks for values before and behind all lists.
func (c *arrowColumn) listsBeside(from int64, n int, starts []int64, b *arrowBeside) {
	if from == 0 && starts[0] != 0 || from+int64(n) == c.rows && c.parts[0].rows > starts[n] {
		b.found(BesideValues)
	}
	if from+int64(n) == c.rows && c.values != nil {
		b.behind(c.values, (c.rows+1)*int64(c.wordSize()))
	}
}

// scalars reads n values of a column that is not nested.
func (c *arrowColumn) scalars(from int64, n int, b *arrowBeside) ([]nestedValue, error) {
	out := make([]nestedValue, 0, n)
	if b != nil && c.rows == 0 {
		for _, buffer := range append([]io.ReaderAt{c.validity, c.values}, c.texts...) {
			b.behind(buffer, 0)
		}
	}
	for done := 0; done < n; {
		k, err := c.fits(from+int64(done), min(n-done, batchRows))
		if err != nil {
			return nil, err
		}
		rows := makeBatch(1)[:k]
		if err := c.read(from+int64(done), rows, 0); err != nil {
			return nil, err
		}
		if b != nil {
			if err := b.column(c, from+int64(done), k, c.rows); err != nil {
				return nil, err
			}
		}
		for _, row := range rows {
			out = append(out, nestedValue{cell: row[0]})
		}
		done += k
	}
	return out, nil
}
