package mock

import "github.com/anchorhold/anchorhold"

// Rows is the number of rows of the mock of a card: as many as its fact "rows"
// says, at most MaxRows, or DefaultRows.
func Rows(card Card) (int64, error) {
	n, err := rowCount(card)
	return int64(n), err
}

// Numbers draws n numbers as Generate would for the i-th column: for mocks that
// are arrays. A truth value is 0 or 1, and none is missing.
func Numbers(c anchorhold.Column, n int64, seed uint64, i int) (func() float64, error) {
	col, err := newColumn(c, int(max(n, 1)), stream(seed, i, c.Name), nil)
	if err != nil {
		return nil, err
	}
	col.missing = 0
	return func() float64 {
		v := col.next()
		if c.Type == anchorhold.TypeFloat {
			return v.real
		}
		return float64(v.whole)
	}, nil
}
