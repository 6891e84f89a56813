package disclosure

import (
	"encoding/binary"
	"math"
	"strconv"

	"github.com/dchest/siphash"
)

// Key is the site's secret for one or more indexes. Without it tokens say
// nothing about values; with it anybody can test guesses.
type Key [16]byte

// token stands for a value: base is shared by all numbers that are equal when
// rounded to three significant digits, rest tells these apart and is 0 for the
// rounded number itself and for all that is not a number. So two cells are
// equal when base and rest are, and near when base is.
type token struct{ base, rest uint64 }

// Domains of the hash: a number and a text never share a token.
const (
	domainRounded = 'n'
	domainExact   = 'x'
	domainText    = 't'
	domainKey     = 'k'
)

// hasher makes tokens. It holds scratch space: one goroutine at a time.
type hasher struct {
	k0, k1 uint64
	buf    []byte
}

func newHasher(key Key) *hasher {
	return &hasher{
		k0: binary.LittleEndian.Uint64(key[:8]), k1: binary.LittleEndian.Uint64(key[8:]),
		buf: make([]byte, 0, 128),
	}
}

func (h *hasher) sum() uint64 { return siphash.Hash(h.k0, h.k1, h.buf) }

// keyCheck tells whether an index was made with this key.
func (h *hasher) keyCheck() uint64 {
	h.buf = append(h.buf[:0], domainKey)
	h.buf = append(h.buf, "anchorhold disclosure index"...)
	return h.sum()
}

// token gives the token of a cell; a missing cell has none.
func (h *hasher) token(c Cell) (token, bool) {
	switch c.kind {
	case CellInteger, CellReal:
		return h.number(c), true
	case CellText, CellMoment:
		h.buf = append(append(h.buf[:0], domainText), c.text...)
		return token{base: h.sum()}, true
	}
	return token{}, false
}

// exactFloat is the largest whole number below which float64 holds all of them.
const exactFloat = 1 << 53

// number gives the token of a number: both hashes are over decimal notation with
// an exponent, of three digits and of as many as it takes.
func (h *hasher) number(c Cell) token {
	f, _ := c.Number()
	t := token{base: h.base(f)}
	i, whole := c.Integer()
	h.buf = append(h.buf[:0], domainExact)
	if whole && (i > exactFloat || i < -exactFloat) {
		h.buf = strconv.AppendInt(h.buf, i, 10)
	} else {
		h.buf = strconv.AppendFloat(h.buf, f, 'e', -1, 64)
		if significant(h.buf[1:]) <= 3 {
			return t
		}
	}
	t.rest = h.sum()
	return t
}

// base is the hash of a number rounded to three significant digits.
func (h *hasher) base(f float64) uint64 {
	if f == 0 {
		f = 0 // the negative zero too
	}
	h.buf = strconv.AppendFloat(append(h.buf[:0], domainRounded), f, 'e', 2, 64)
	return h.sum()
}

// significant counts the digits before the exponent.
func significant(s []byte) int {
	n := 0
	for _, b := range s {
		if b == 'e' {
			break
		}
		if b >= '0' && b <= '9' {
			n++
		}
	}
	return n
}

// slack is how far beyond the edge of its rounding interval a number still
// counts as near: copies disturbed in the fourth digit must not escape by
// crossing the edge.
const slack = 2e-4

// near gives the bases that count as near a cell, the cell's own first.
func (h *hasher) near(c Cell, own token) []uint64 {
	bases := []uint64{own.base}
	f, ok := c.Number()
	if !ok {
		return bases
	}
	for _, g := range [...]float64{f * (1 - slack), f * (1 + slack)} {
		if b := h.base(g); !math.IsInf(g, 0) && b != own.base {
			bases = append(bases, b)
		}
	}
	return bases
}
