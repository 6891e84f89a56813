package sample

import (
	"fmt"
	"math/big"
	"math/bits"

	"github.com/anchorhold/anchorhold/dp/internal/num"
)

// Distribution is one that can be drawn from.
type Distribution interface {
	// Draw gives one integer, independent of all others.
	Draw(s *Source) num.Int128
	// Key is the same for equal distributions and different for others.
	Key() string
}

// maxScale bounds the scale of noise, in steps. It makes every draw fit into
// 128 bits: a magnitude of 2¹²⁷ would take more than 2⁶⁴ successes in a row,
// and more steps of a program than can be made.
const maxScale = 62

// Laplace is the discrete Laplace distribution (two-sided geometric): the
// integer z with probability (1−q)/(1+q)·q^|z| for q = exp(−1/scale).
type Laplace struct {
	scale *big.Rat
	t, s  uint64 // scale = t/s, if both are below 2⁶²; else 0
}

// NewLaplace takes a scale above 0 and at most 2⁶².
func NewLaplace(scale *big.Rat) (*Laplace, error) {
	if err := num.Between("scale of the noise", scale, tiny(), huge(maxScale)); err != nil {
		return nil, err
	}
	d := &Laplace{scale: new(big.Rat).Set(scale)}
	if t, s := scale.Num(), scale.Denom(); t.BitLen() <= 62 && s.BitLen() <= 62 {
		d.t, d.s = t.Uint64(), s.Uint64()
	}
	return d, nil
}

// tiny is the least scale: below it noise would be 0 for ever.
func tiny() *big.Rat { return new(big.Rat).SetFrac(big.NewInt(1), big.NewInt(1<<16)) }

// huge gives 2^power.
func huge(power uint) *big.Rat {
	return new(big.Rat).SetInt(new(big.Int).Lsh(big.NewInt(1), power))
}

// Scale gives the distribution's parameter.
func (d *Laplace) Scale() *big.Rat { return new(big.Rat).Set(d.scale) }

// Key names the distribution.
func (d *Laplace) Key() string { return "laplace " + d.scale.RatString() }

// Draw is algorithm 2 of the paper.
func (d *Laplace) Draw(src *Source) num.Int128 {
	if d.t == 0 {
		return d.drawBig(src)
	}
	for {
		mag := magnitude(src, d.t)
		if d.s > 1 {
			hi, rest := bits.Div64(0, mag.hi, d.s)
			lo, _ := bits.Div64(rest, mag.lo, d.s)
			mag = u128{hi, lo}
		}
		negative := src.Coin()
		if negative && mag == (u128{}) {
			continue // or 0 would come twice as often
		}
		if z, ok := num.FromParts(negative, mag.hi, mag.lo); ok {
			return z
		}
	}
}

// magnitude draws from the geometric distribution on 0, 1, 2, … with
// probabilities in proportion to exp(−m/t): a uniform remainder, accepted in
// proportion, and a quotient.
func magnitude(src *Source, t uint64) u128 {
	den := u128{0, t}
	for {
		u := src.Below(t)
		f := small(u128{0, u}, den)
		if !src.expFraction(&f) {
			continue
		}
		v := uint64(0)
		for src.exp1() {
			v++
		}
		hi, lo := bits.Mul64(v, t)
		lo, carry := bits.Add64(lo, u, 0)
		return u128{hi + carry, lo}
	}
}

func (d *Laplace) drawBig(src *Source) num.Int128 {
	t, s := d.scale.Num(), d.scale.Denom()
	for {
		u := src.BelowBig(t)
		if !src.expBig(u, t) {
			continue
		}
		v := int64(0)
		for src.exp1() {
			v++
		}
		mag := u.Add(u, new(big.Int).Mul(t, big.NewInt(v)))
		mag.Quo(mag, s)
		if src.Coin() {
			if mag.Sign() == 0 {
				continue
			}
			mag.Neg(mag)
		}
		if z, ok := num.FromBig(mag); ok {
			return z
		}
	}
}

// Truncated is the discrete Laplace distribution on −most … most alone: the
// noise of exact group selection. With a probability of early/2³² a draw is
// instead one more than from −(most−1) … most−1, so that the probability of
// most, which is what a selection may fail by, is as wanted between two bounds.
type Truncated struct {
	laplace *Laplace
	most    uint64
	early   uint32
}

// NewTruncated takes a scale as NewLaplace does and a bound of at least 1.
func NewTruncated(scale *big.Rat, most uint64, early uint32) (*Truncated, error) {
	laplace, err := NewLaplace(scale)
	if err != nil {
		return nil, err
	}
	if most == 0 || most > 1<<62 {
		return nil, num.Refuse("bound of the noise", num.OutOfBounds, "give at least 1 and at most 2⁶²")
	}
	return &Truncated{laplace, most, early}, nil
}

// Key names the distribution.
func (d *Truncated) Key() string {
	return fmt.Sprintf("truncated %d %d %s", d.most, d.early, d.laplace.Key())
}

// Draw takes the first draw within the bound.
func (d *Truncated) Draw(src *Source) num.Int128 {
	most, more := int64(d.most), int64(0)
	if src.Word()>>32 < uint64(d.early) {
		most, more = most-1, 1
	}
	for {
		if z, ok := d.laplace.Draw(src).Int64(); ok && z >= -most && z <= most {
			return num.FromInt64(z + more)
		}
	}
}
