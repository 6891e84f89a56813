package dp

import (
	"math/big"

	"github.com/anchorhold/anchorhold/dp/internal/num"
)

// Side is what was released of one of two columns, over the rows that have a
// value in both: the sum of its integers and, where a variance is needed, the
// sum of their squares, from each of which SquareOffset was taken.
type Side struct {
	Form         Form
	Sum, Squares Number
	SquareOffset *big.Rat
}

// Pair is what was released of two columns, x and y, over the rows that have a
// value in both: how many there are, both sides, and the sum of the products of
// their integers. What follows from it costs nothing more.
//
// Covariances and variances are of the integers before their Form's offset is
// added, which changes neither.
type Pair struct {
	X, Y            Side
	Count, Products Number
}

// The places of a pair's numbers where they are looked at together.
const (
	atCount = iota
	atX
	atY
	atProducts
	atSquaresX
	atSquaresY
)

func (p Pair) numbers(squares int) []Number {
	all := []Number{p.Count, p.X.Sum, p.Y.Sum, p.Products, p.X.Squares, p.Y.Squares}
	return all[:atProducts+1+squares]
}

// check looks at the forms, and at the offsets of so many sides' squares.
func (p Pair) check(squares int) error {
	for i, s := range []Side{p.X, p.Y} {
		if err := s.Form.check(); err != nil {
			return err
		}
		if i < squares {
			if err := num.Short("offset of squares", s.SquareOffset); err != nil {
				return err
			}
		}
	}
	return nil
}

// widest is half of the width of a form's values, in its unit.
func (f Form) widest() *big.Rat {
	w := new(big.Rat).Sub(f.High, f.Low)
	return w.Quo(w, new(big.Rat).Mul(f.Unit, big.NewRat(2, 1)))
}

// covariance is in the units of both sides, with the divisor n.
func (p Pair) covariance(at []span) span {
	n := at[atCount].atLeast(big.NewRat(1, 1))
	most := new(big.Rat).Mul(p.X.Form.widest(), p.Y.Form.widest())
	c := at[atProducts].over(n).minus(at[atX].over(n).times(at[atY].over(n)))
	return c.within(new(big.Rat).Neg(most), most)
}

// variance is that of a side, in its unit squared.
func (s Side) variance(count, sum, squares span) span {
	n := count.atLeast(big.NewRat(1, 1))
	most := new(big.Rat).Mul(s.Form.widest(), s.Form.widest())
	return squares.over(n).shifted(s.SquareOffset).minus(sum.over(n).square()).within(new(big.Rat), most)
}

// mean is that of a side's values.
func (s Side) mean(count, sum span) span {
	n := count.atLeast(big.NewRat(1, 1))
	return sum.over(n).shifted(s.Form.Offset).scaled(s.Form.Unit).within(s.Form.Low, s.Form.High)
}

// Covariance gives COVAR_POP, or COVAR_SAMP if sample is true. Its interval is
// for a group with at least one pair, or two.
func (p Pair) Covariance(sample bool) (Estimate, error) {
	if err := p.check(0); err != nil {
		return nil, err
	}
	unit := new(big.Rat).Mul(p.X.Form.Unit, p.Y.Form.Unit)
	return combined{numbers: p.numbers(0), of: func(at []span) span {
		c := p.covariance(at).scaled(unit)
		if sample {
			c = c.times(bessel(at[atCount].atLeast(big.NewRat(1, 1))))
		}
		return c
	}}, nil
}

// Correlation gives Pearson's coefficient, CORR: 0 where a released variance is
// not above zero.
func (p Pair) Correlation() (Estimate, error) {
	if err := p.check(2); err != nil {
		return nil, err
	}
	return combined{numbers: p.numbers(2), of: func(at []span) span {
		v := p.X.variance(at[atCount], at[atX], at[atSquaresX]).times(p.Y.variance(at[atCount], at[atY], at[atSquaresY]))
		return quotientOfRoot(p.covariance(at), v)
	}}, nil
}

// slope is that of the least squares of y by x; nothing where the variance of x
// may be zero.
func (p Pair) slope(at []span) span {
	v := p.X.variance(at[atCount], at[atX], at[atSquaresX])
	if v.low.Sign() <= 0 {
		return span{}
	}
	return p.covariance(at).over(v).scaled(new(big.Rat).Quo(p.Y.Form.Unit, p.X.Form.Unit))
}

// Slope gives REGR_SLOPE(y, x): by how much the line of least squares rises. Its
// interval says how far the noise can have moved it, not how far another sample
// would; it has no ends where the noise permits that all x are the same. Its
// value is NaN where the released variance of x is not above zero.
func (p Pair) Slope() (Estimate, error) {
	if err := p.check(1); err != nil {
		return nil, err
	}
	return combined{numbers: p.numbers(1), of: p.slope}, nil
}

// Intercept gives REGR_INTERCEPT(y, x): where the line of least squares is at 0.
func (p Pair) Intercept() (Estimate, error) {
	if err := p.check(1); err != nil {
		return nil, err
	}
	return combined{numbers: p.numbers(1), of: func(at []span) span {
		b := p.slope(at)
		if b.low == nil {
			return b
		}
		return p.Y.mean(at[atCount], at[atY]).minus(b.times(p.X.mean(at[atCount], at[atX])))
	}}, nil
}
