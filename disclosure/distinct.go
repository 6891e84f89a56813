package disclosure

import (
	"math"
	"math/bits"
)

// sketch estimates how many distinct tokens it saw, in 16 KiB (HyperLogLog with
// linear counting for small numbers; standard error 0.8 %). Tokens are hashes
// already.
type sketch struct{ registers []uint8 }

const sketchBits = 14

func newSketch() *sketch { return &sketch{registers: make([]uint8, 1<<sketchBits)} }

func (s *sketch) add(hash uint64) {
	at := hash >> (64 - sketchBits)
	rank := uint8(bits.LeadingZeros64(hash<<sketchBits|1<<(sketchBits-1)) + 1)
	s.registers[at] = max(s.registers[at], rank)
}

func (s *sketch) estimate() float64 {
	const m = 1 << sketchBits
	sum, zeros := 0.0, 0
	for _, r := range s.registers {
		sum += math.Ldexp(1, -int(r))
		if r == 0 {
			zeros++
		}
	}
	e := 0.7213 / (1 + 1.079/m) * m * m / sum
	if e <= 2.5*m && zeros > 0 {
		return m * math.Log(m/float64(zeros))
	}
	return e
}
