package sample

import (
	"math/big"
	"math/bits"

	"github.com/anchorhold/anchorhold/dp/internal/num"
)

// Gaussian is the discrete Gaussian distribution: the integer z with
// probability in proportion to exp(−z²/2σ²). Its variance is at most σ², and
// indistinguishable from it for all but the smallest σ².
type Gaussian struct {
	variance *big.Rat // the parameter σ²
	t        uint64   // ⌊σ⌋ + 1, the scale of the proposals

	// σ² = a/b, and where they fit: a, t·b and 2·a·b·t².
	fits bool
	a    u128
	tb   uint64
	den  u128
}

// NewGaussian takes a σ² above 0 and at most 2¹²².
func NewGaussian(variance *big.Rat) (*Gaussian, error) {
	if err := num.Between("variance of the noise", variance, tiny(), huge(2*maxScale-2)); err != nil {
		return nil, err
	}
	d := &Gaussian{variance: new(big.Rat).Set(variance)}
	a, b := d.variance.Num(), d.variance.Denom()
	t := new(big.Int).Quo(a, b)
	t.Sqrt(t).Add(t, big.NewInt(1)) // ⌊√⌊a/b⌋⌋ = ⌊√(a/b)⌋
	d.t = t.Uint64()

	tb := new(big.Int).Mul(t, b)
	den := new(big.Int).Mul(a, b)
	den.Mul(den, t).Mul(den, t).Lsh(den, 1)
	if a.BitLen() <= 126 && tb.IsUint64() && den.BitLen() <= 127 {
		d.fits, d.a, d.tb, d.den = true, toU128(a), tb.Uint64(), toU128(den)
	}
	return d, nil
}

// Variance gives the distribution's parameter σ².
func (d *Gaussian) Variance() *big.Rat { return new(big.Rat).Set(d.variance) }

// Key names the distribution.
func (d *Gaussian) Key() string { return "gaussian " + d.variance.RatString() }

// Draw is algorithm 3 of the paper: a discrete Laplace proposal of scale t,
// accepted with probability exp(−(|z| − σ²/t)²/2σ²).
func (d *Gaussian) Draw(src *Source) num.Int128 {
	for {
		mag := magnitude(src, d.t)
		negative := src.Coin()
		if negative && mag == (u128{}) || !d.accept(src, mag) {
			continue
		}
		if z, ok := num.FromParts(negative, mag.hi, mag.lo); ok {
			return z
		}
	}
}

// accept draws the acceptance: (|z| − σ²/t)²/2σ² = (|z|·t·b − a)² / 2·a·b·t².
func (d *Gaussian) accept(src *Source, mag u128) bool {
	if d.fits && mag.hi == 0 {
		hi, lo := bits.Mul64(mag.lo, d.tb)
		away := u128{hi, lo}
		if away.less(d.a) {
			away = d.a.minus(away)
		} else {
			away = away.minus(d.a)
		}
		if away.hi == 0 {
			hi, lo = bits.Mul64(away.lo, away.lo)
			return src.exp(u128{hi, lo}, d.den)
		}
	}
	return d.acceptBig(src, mag.big())
}

func (d *Gaussian) acceptBig(src *Source, mag *big.Int) bool {
	a, b, t := d.variance.Num(), d.variance.Denom(), new(big.Int).SetUint64(d.t)
	away := mag.Mul(mag, t)
	away.Mul(away, b).Sub(away, a)
	away.Mul(away, away)
	den := new(big.Int).Mul(a, b)
	den.Mul(den, t).Mul(den, t).Lsh(den, 1)
	return src.expBig(away, den)
}
