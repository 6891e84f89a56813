package dp

import (
	"context"
	"math"
	"math/big"
	"os"
	"strconv"
	"testing"

	"github.com/anchorhold/anchorhold/dp/internal/sample"
	"github.com/anchorhold/anchorhold/internal/dpaudit"
)

// The audit asks whoever attacks a mechanism: from many releases on two
// neighbours, how much privacy loss can be proved? It must be no more than the
// mechanism claims, and for one whose noise is 20% too small it must be more.
//
// What Gaussian noise claims is ρ. Its μ = √2ρ holds where noise spans many
// steps, as that of the sum does: a count at ρ = 2, whose noise is of the size of
// a step, was found to show 2.006 for a μ of 2 in 10⁶ draws. Conversions of
// discrete noise must therefore go by ρ, or by its own probabilities.

// auditDraws is how many releases a look takes of each neighbour.
func auditDraws(t testing.TB) int {
	t.Helper()
	s := os.Getenv("ANCHORHOLD_DP_DRAWS")
	if s == "" {
		return 80_000
	}
	n, err := strconv.Atoi(s)
	if err != nil {
		t.Fatal("ANCHORHOLD_DP_DRAWS: ", err)
	}
	return min(n, 1_000_000)
}

// scores releases a group n times and scores each release by how much it looks
// like the neighbour with the unit: for Laplace noise by the part that looks
// least so, since all must; for Gaussian noise by the likelihood ratio.
func scores(t *testing.T, p *Pool, parts []*additive, unit []int64, present bool, n int) []float64 {
	t.Helper()
	out := make([]float64, n)
	for k, a := range parts {
		total := big.NewInt(1000)
		if present {
			total.Add(total, big.NewInt(unit[k]))
		}
		totals := make([]*big.Int, n)
		for i := range totals {
			totals[i] = total
		}
		values, err := a.add(context.Background(), p, totals)
		if err != nil {
			t.Fatal(err)
		}
		for i, v := range values {
			x, _ := v.best().Float64()
			x -= 1000
			if a.cost.Mechanism == Gaussian {
				out[i] += x * float64(unit[k]) / a.size
			} else if s := x / float64(unit[k]); k == 0 || s < out[i] {
				out[i] = s
			}
		}
	}
	return out
}

// weaken makes the noise of a part 20% smaller than it should be.
func weaken(t *testing.T, a *additive) *additive {
	t.Helper()
	weak := &additive{cost: a.cost, shift: a.shift, size: a.size}
	var err error
	switch d := a.dist.(type) {
	case *sample.Laplace:
		s := d.Scale()
		weak.dist, err = sample.NewLaplace(s.Mul(s, big.NewRat(4, 5)))
	case *sample.Gaussian:
		s := d.Variance()
		weak.dist, err = sample.NewGaussian(s.Mul(s, big.NewRat(16, 25)))
	}
	if err != nil {
		t.Fatal(err)
	}
	return weak
}

func TestAudit(t *testing.T) {
	p := pool(t)
	n := auditDraws(t)
	c := Contribution{Groups: 1, Rows: 3}
	l := lattice(t, "1", "0", "120")
	prices := []Price{epsilon(t, "1"), rho(t, "1/2")}
	thorough := n >= 1_000_000 // small losses, and those of several parts, take many draws
	if thorough {
		prices = append(prices, epsilon(t, "1/4"), epsilon(t, "3"), rho(t, "1/32"), rho(t, "2"))
	}
	for _, price := range prices {
		sum, err := NewSum(price, c, l)
		if err != nil {
			t.Fatal(err)
		}
		mean, err := NewMoments(price, c, false, l)
		if err != nil {
			t.Fatal(err)
		}
		claim, _ := price.Amount().Float64()
		prove := dpaudit.Loss(dpaudit.Pure)
		if price.Kind() == GaussianNoise {
			claim, prove = math.Sqrt(2*claim), dpaudit.Gaussian // ρ = μ²/2
		}
		for name, m := range map[string]struct {
			parts []*additive
			unit  []int64
		}{
			"sum":  {[]*additive{sum.add}, []int64{360}},
			"mean": {mean.parts, []int64{3, 360}},
		} {
			with, without := scores(t, p, m.parts, m.unit, true, n), scores(t, p, m.parts, m.unit, false, n)
			if got := dpaudit.Proved(with, without, prove); got > claim {
				t.Errorf("%s: %s %s claims %v and shows %v", name, price.Kind(), price.Amount(), claim, got)
			} else if got < claim/2 {
				t.Errorf("%s: %s %s claims %v and only %v was found: the audit is blind", name, price.Kind(), price.Amount(), claim, got)
			}
			if len(m.parts) > 1 && !thorough {
				continue
			}
			weak := make([]*additive, len(m.parts))
			for i, a := range m.parts {
				weak[i] = weaken(t, a)
			}
			with, without = scores(t, p, weak, m.unit, true, n), scores(t, p, weak, m.unit, false, n)
			if got := dpaudit.Proved(with, without, prove); got <= claim {
				t.Errorf("%s: %s %s with 20%% less noise shows %v, not found", name, price.Kind(), price.Amount(), got)
			}
		}
	}
}
