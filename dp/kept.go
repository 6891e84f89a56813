package dp

import (
	"math/big"

	"github.com/anchorhold/anchorhold/dp/internal/num"
	"github.com/anchorhold/anchorhold/dp/internal/tail"
)

// Kept is released numbers in a form that can be stored, so that who keeps an
// answer can say how exact it is at any level, later and without any further
// cost. It says nothing that was not released.
type Kept struct {
	Noises  []KeptNoise  `json:"noises"`
	Numbers []KeptNumber `json:"numbers"`
}

// KeptNoise is what several numbers have in common: their noise, and what they
// count.
type KeptNoise struct {
	Kind  Kind   `json:"kind"`
	Size  string `json:"size"`            // the scale of Laplace noise, or σ²: a fraction
	Shift uint   `json:"shift,omitempty"` // numbers are in units of 2^shift steps
	Step  string `json:"step"`            // a fraction
	Least string `json:"least,omitempty"` // what the true value is at least
}

// KeptNumber is one number: an integer, and which of the noises it has.
type KeptNumber struct {
	Noise int    `json:"noise"` // -1: there is no number in this place
	Value string `json:"value,omitempty"`
}

// Keep gives numbers in a form that can be stored. A nil keeps its place.
func Keep(numbers []*Number) Kept {
	k := Kept{Noises: []KeptNoise{}, Numbers: make([]KeptNumber, len(numbers))}
	known := map[KeptNoise]int{}
	for i, n := range numbers {
		if n == nil {
			k.Numbers[i] = KeptNumber{Noise: -1}
			continue
		}
		noise := n.kept()
		at, ok := known[noise]
		if !ok {
			at = len(k.Noises)
			known[noise], k.Noises = at, append(k.Noises, noise)
		}
		k.Numbers[i] = KeptNumber{at, n.noisy.value.String()}
	}
	return k
}

func (n Number) kept() KeptNoise {
	out := KeptNoise{Shift: n.noisy.from.shift, Step: n.step.RatString()}
	out.Kind, out.Size = n.noisy.from.exactly()
	if n.least != nil {
		out.Least = n.least.RatString()
	}
	return out
}

// exactly gives the noise's kind, and its scale or σ² as a fraction.
func (a *additive) exactly() (Kind, string) {
	if g, ok := a.tail.(*tail.Gaussian); ok {
		return GaussianNoise, g.Variance.RatString()
	}
	l, _ := a.tail.(tail.Laplace)
	return LaplaceNoise, l.Scale.RatString()
}

// maxShift is above any that a lattice of int64 has.
const maxShift = 128

// Released gives the numbers back: their values and their intervals are what they
// were.
func (k Kept) Released() ([]*Number, error) {
	like := make([]Number, len(k.Noises))
	for i, n := range k.Noises {
		var err error
		if like[i], err = n.like(); err != nil {
			return nil, err
		}
	}
	out := make([]*Number, len(k.Numbers))
	for i, n := range k.Numbers {
		if n.Noise == -1 {
			continue
		}
		value, ok := new(big.Int).SetString(n.Value, 10)
		if !ok || n.Noise < 0 || n.Noise >= len(like) || len(n.Value) > num.MaxBits {
			return nil, notKept()
		}
		number := like[n.Noise]
		number.noisy.value = value
		out[i] = &number
	}
	return out, nil
}

// like is a number without a value.
func (k KeptNoise) like() (n Number, err error) {
	from := &additive{shift: k.Shift, widths: map[string]*big.Int{}}
	size, ok := new(big.Rat).SetString(k.Size)
	step, also := new(big.Rat).SetString(k.Step)
	if !ok || !also || k.Shift > maxShift {
		return n, notKept()
	}
	for name, x := range map[string]*big.Rat{"scale": size, "step": step} {
		if err := num.Positive(name, x); err != nil {
			return n, err
		}
	}
	from.size, _ = size.Float64()
	switch k.Kind {
	case LaplaceNoise:
		from.tail, from.cost.Mechanism = tail.Laplace{Scale: size}, Laplace
	case GaussianNoise:
		from.tail, from.cost.Mechanism = &tail.Gaussian{Variance: size}, Gaussian
	default:
		return n, notKept()
	}
	n = Number{noisy{nil, from}, step, nil}
	if k.Least != "" {
		if n.least, ok = new(big.Rat).SetString(k.Least); !ok {
			return n, notKept()
		}
	}
	return n, nil
}

// KeptTree is a released tree of quantiles in a form that can be stored: which values
// its bins hold, its noise, and a number for each of its nodes.
type KeptTree struct {
	Noise KeptNoise    `json:"noise"`
	Bins  int          `json:"bins"`
	Low   string       `json:"low"` // of the first bin: fractions, as what follows
	Width string       `json:"width"`
	Gap   string       `json:"gap"` // between what two bins hold
	Top   string       `json:"top"`
	Nodes [][]*big.Int `json:"nodes"` // by level
}

// Keep gives a tree in a form that can be stored.
func (r *Ranks) Keep() KeptTree {
	m := r.of
	number := Number{noisy{nil, m.levels[0]}, big.NewRat(1, 1), nil}
	return KeptTree{number.kept(), m.bins, m.low.RatString(), m.width.RatString(), m.gap.RatString(), m.top.RatString(), r.nodes}
}

// Released gives the tree back: its quantiles and their intervals are what they
// were.
func (k KeptTree) Released() (*Ranks, error) {
	like, err := k.Noise.like()
	if err != nil {
		return nil, err
	}
	if k.Bins < 2 || k.Bins > maxBins {
		return nil, notKept()
	}
	m := &Quantiles{bins: k.Bins, known: map[excess]float64{}}
	for text, to := range map[*string]**big.Rat{&k.Low: &m.low, &k.Width: &m.width, &k.Gap: &m.gap, &k.Top: &m.top} {
		var ok bool
		if *to, ok = new(big.Rat).SetString(*text); !ok || len(*text) > num.MaxBits {
			return nil, notKept()
		}
	}
	for range depth(k.Bins) {
		m.levels = append(m.levels, like.noisy.from)
	}
	r := &Ranks{of: m, tree: make([][]float64, len(m.levels)), nodes: k.Nodes}
	if len(k.Nodes) != len(m.levels) {
		return nil, notKept()
	}
	for level, nodes := range k.Nodes {
		if len(nodes) != m.nodes(level) {
			return nil, notKept()
		}
		for _, n := range nodes {
			if n == nil || n.BitLen() > num.MaxBits {
				return nil, notKept()
			}
			f, _ := noisy{n, m.levels[level]}.best().Float64()
			r.tree[level] = append(r.tree[level], f)
		}
	}
	r.accumulate()
	return r, nil
}

func notKept() error {
	return num.Refuse("kept number", OutOfBounds, "give what Keep gave")
}

// Noise is how large the noise of a release is, for who computes with it: the
// scale of Laplace noise, or σ of Gaussian noise, in units of the released value.
type Noise struct {
	Kind  Kind    `json:"mechanism"`
	Scale float64 `json:"scale"`
}

// Noise says how large the noise of each sum will be.
func (m *Sum) Noise() Noise { return m.add.about(m.lattice.step) }

// Noise says how large the noise of each count will be.
func (m *Count) Noise() Noise { return m.add.about(big.NewRat(1, 1)) }

// Noise says how large the noise of the number of units is, of groups that are
// shown.
func (m *Threshold) Noise() Noise { return m.count.Noise() }

func (a *additive) about(step *big.Rat) Noise {
	kind, size := a.exactly()
	exact, _ := new(big.Rat).SetString(size)
	unit := new(big.Rat).SetInt(new(big.Int).Lsh(big.NewInt(1), a.shift))
	unit.Mul(unit, step)
	if kind == GaussianNoise {
		return Noise{kind, rootOf(point(exact.Mul(exact, unit.Mul(unit, unit))).outward()).High}
	}
	return Noise{kind, point(exact.Mul(exact, unit)).outward().High}
}
