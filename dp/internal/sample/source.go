// Package sample draws from the distributions of differential privacy, exactly.
//
// The algorithms are those of Canonne, Kamath and Steinke, "The Discrete
// Gaussian for Differential Privacy" (arXiv 2004.00010). Each works on integers
// and rationals alone: a draw has the stated probability to the last bit, given
// uniform bits. Usual parameters take ways through 64- and 128-bit arithmetic
// that decide only what is certain, and leave the rest to unlimited integers.
//
// No floating-point number may ever occur here, and nothing here may be
// reachable with a source of bits other than crypto/rand outside of tests:
// that is why the package is internal. How long a draw takes depends on what is
// drawn, so draws are handed out through dp.Pool only.
package sample

import (
	"encoding/binary"
	"io"
	"math/big"
	"math/bits"
)

// Source hands out uniform bits, which it reads in blocks. It is for one
// goroutine.
type Source struct {
	from  io.Reader
	block [4096]byte
	next  int // where the first unused byte is

	coins uint64 // bits for Coin
	left  int    // how many of them
}

// NewSource reads bits from a reader. A reader that fails ends the program, as
// crypto/rand does: nothing may be released without noise.
func NewSource(from io.Reader) *Source {
	s := &Source{from: from}
	s.next = len(s.block)
	return s
}

// Word gives 64 uniform bits.
func (s *Source) Word() uint64 {
	if s.next == len(s.block) {
		if _, err := io.ReadFull(s.from, s.block[:]); err != nil {
			panic("sample: no randomness: " + err.Error())
		}
		s.next = 0
	}
	place := s.block[s.next : s.next+8]
	w := binary.LittleEndian.Uint64(place)
	clear(place) // what was used for noise is nobody's to read later
	s.next += 8
	return w
}

// Coin gives true with probability ½.
func (s *Source) Coin() bool {
	if s.left == 0 {
		s.coins, s.left = s.Word(), 64
	}
	c := s.coins&1 == 1
	s.coins >>= 1
	s.left--
	return c
}

// Below gives a uniform integer in [0, n), n > 0. Lemire, "Fast Random Integer
// Generation in an Interval" (arXiv 1805.10941).
func (s *Source) Below(n uint64) uint64 {
	hi, lo := bits.Mul64(s.Word(), n)
	if lo < n {
		for least := -n % n; lo < least; {
			hi, lo = bits.Mul64(s.Word(), n)
		}
	}
	return hi
}

// BelowBig gives a uniform integer in [0, n), n > 0.
func (s *Source) BelowBig(n *big.Int) *big.Int {
	if n.IsUint64() {
		return new(big.Int).SetUint64(s.Below(n.Uint64()))
	}
	// As many bits as n − 1 has, again until they are below n.
	size := new(big.Int).Sub(n, big.NewInt(1)).BitLen()
	x := new(big.Int)
	for {
		x.SetInt64(0)
		for got := 0; got < size; got += 64 {
			w := s.Word()
			if rest := size - got; rest < 64 {
				w >>= 64 - rest
			}
			x.Lsh(x, uint(min(64, size-got)))
			x.Or(x, new(big.Int).SetUint64(w))
		}
		if x.Cmp(n) < 0 {
			return x
		}
	}
}
