package question_test

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/anchorhold/anchorhold/dp/account"
)

// twoGroups is a person with a row in each of two groups.
func twoGroups() (with, without world) {
	of := stated{"k": domain("a", "b"), "x": bounds("0", "10")}
	without = stays("k string, x int", of, lines(20, "%d,a,5")...)
	return without.with("99,a,10", "99,b,10"), without
}

// TestAttackLessNoise audits whole questions: what ever so many answers on
// neighbours prove is no more than was charged, to a fifth of the noise. The engine
// is asked once on each side, and the step is drawn anew at which noise is added.
func TestAttackLessNoise(t *testing.T) {
	n := draws(t, 80_000)
	one := people("x int", stated{"x": bounds("0", "10")}, repeated(50, "5")...)
	gaussian := one.spending("1000000", "2e-6")
	neighbourhood(t, one.with("10"), one).holds(at("1", "SUM(x) AS s FROM people"), n, cell(0, 0))
	neighbourhood(t, gaussian.with("10"), gaussian).holds(at("5", "SUM(x) AS s FROM people"), n, cell(0, 0))
	if n < 1_000_000 {
		return
	}
	// At ten times as many, small losses are found too, and those of several numbers.
	o := neighbourhood(t, one.with("10"), one)
	for _, e := range []string{"0.3", "3"} {
		o.holds(at(e, "SUM(x) AS s FROM people"), n, cell(0, 0))
	}
	o.holds(at("1", "COUNT(*) AS n FROM people"), n, cell(0, 0))
	o.holds(at("2", "COUNT(x) AS n, SUM(x) AS s FROM people"), n, func(rows [][]any) float64 {
		return min(cell(0, 0)(rows)-50, cell(0, 1)(rows)/10-25)
	})
	with, without := twoGroups()
	sql := "k, SUM(x) AS s FROM stays GROUP BY k ORDER BY k"
	neighbourhood(t, with, without).holds(at("2", sql), n, func(rows [][]any) float64 {
		return min(cell(0, 1)(rows)-100, cell(1, 1)(rows))
	})
	neighbourhood(t, with.spending("1000000", "2e-6"), without.spending("1000000", "2e-6")).holds(at("5", sql), n, func(rows [][]any) float64 {
		return cell(0, 1)(rows) + cell(1, 1)(rows)
	})
}

// masses gives the probabilities of −most … most of a symmetric distribution over
// the integers, whose weight at z is given, and of all beyond.
func masses(weight func(z float64) float64, most int) (inside []float64, beyond float64) {
	total := 0.0
	for z := -60 * most; z <= 60*most; z++ {
		total += weight(float64(z))
	}
	beyond = 1
	for z := -most; z <= most; z++ {
		p := weight(float64(z)) / total
		inside, beyond = append(inside, p), beyond-p
	}
	return inside, beyond
}

// TestAttackBiasedNoise holds the numbers of answers against the distribution that
// their price names, by χ²: a sampler with a mistake is seen here as well.
func TestAttackBiasedNoise(t *testing.T) {
	n := max(draws(t, 40_000), 20_000)
	w := people("x int", nil, repeated(50, "5")...)
	exact := func(z float64) float64 { return math.Exp(-math.Abs(z)) }
	chi(t, scores(t, w.open(t).drawer(at("1", "COUNT(*) AS n FROM people")), n, cell(0, 0)), 50, 9, exact)
	w = w.spending("1000000", "2e-6")
	d := w.open(t).drawer(at("2", "COUNT(*) AS n FROM people"))
	variance := 1 / (2 * d.Price().Rho.Float())
	chi(t, scores(t, d, n, cell(0, 0)), 50, int(3*math.Sqrt(variance)), func(z float64) float64 { return math.Exp(-z * z / (2 * variance)) })
}

func chi(t *testing.T, drawn []float64, about float64, most int, weight func(z float64) float64) {
	t.Helper()
	inside, beyond := masses(weight, most)
	seen := make([]float64, len(inside)+1)
	for _, x := range drawn {
		if z := int(x-about) + most; z >= 0 && z < len(inside) {
			seen[z]++
		} else {
			seen[len(inside)]++
		}
	}
	sum := 0.0
	for i, p := range append(inside, beyond) {
		want := p * float64(len(drawn))
		sum += (seen[i] - want) * (seen[i] - want) / want
	}
	// Of 2·most+1 degrees of freedom: ten standard deviations above what is usual.
	if free := float64(2*most + 1); sum > free+10*math.Sqrt(2*free) {
		t.Errorf("of %d draws χ² is %v with %v degrees of freedom", len(drawn), sum, free)
	}
}

// TestIntervalsHold the true value as often as their level says, of every aggregate. A
// look that falls short by three standard errors is taken again: one in a
// thousand does by chance.
func TestIntervalsHold(t *testing.T) {
	n := draws(t, 3000) / 3
	of := stated{"k": domain("a", "b"), "x": bounds("0", "10"), "f": bounds("-2", "3")}
	rows := append(lines(300, "a,%d,0.5"), repeated(200, "a,7,1.25")...)
	for i := range rows[:300] {
		rows[i] = fmt.Sprintf("a,%d,0.5", i%11)
	}
	pure := people("k string, x int, f float", of, append(rows, "b,3,1")...)
	for _, w := range []world{pure, pure.spending("1000000", "1e-3")} {
		d := w.open(t).drawer(at("1", "k, COUNT(*) AS n, SUM(x) AS s, AVG(x) AS m, VARIANCE(x) AS v, VAR_POP(x) AS w, STDDEV(x) AS d, SUM(f) AS g, AVG(f) AS h, VARIANCE(f) AS u, COUNT(x) AS c FROM people GROUP BY k"))
		truth := truths(rows)
		for _, level := range []float64{0.5, 0.9, 0.95} {
			look := func() []int {
				held := make([]int, len(truth))
				for range n {
					groups, err := d.Intervals(t.Context(), level)
					if err != nil {
						t.Fatal(err)
					}
					for i, x := range truth {
						if e := groups[0][i]; e.Low <= x && x <= e.High {
							held[i]++
						}
						if e := groups[0][i]; e.Low > e.Value && e.Low > 0 || e.High < e.Value {
							t.Fatalf("aggregate %d is %v, and its interval %v to %v", i, e.Value, e.Low, e.High)
						}
					}
				}
				return held
			}
			least := int(float64(n) * (level - 3*math.Sqrt(level*(1-level)/float64(n))))
			short := func(held []int) bool { return slices.Min(held) < least }
			held := look()
			for again := 0; short(held) && again < 2; again++ {
				for i, h := range look() { // what was right once was bad luck before
					held[i] = max(held[i], h)
				}
			}
			if short(held) {
				t.Errorf("intervals of level %v hold the truth %v of %d times", level, held, n)
			}
		}
	}
}

// truths computes by itself what TestIntervalsHold asks.
func truths(rows []string) []float64 {
	moments := func(column string) (n, sum, squares float64) {
		for _, r := range rows {
			var x int
			var f float64
			if _, err := fmt.Sscanf(r, "a,%d,%g", &x, &f); err != nil {
				panic(err)
			}
			if column == "x" {
				f = float64(x)
			}
			n, sum, squares = n+1, sum+f, squares+f*f
		}
		return n, sum, squares
	}
	n, sum, squares := moments("x")
	_, fsum, fsquares := moments("f")
	population := squares/n - sum/n*sum/n
	sample := population * n / (n - 1)
	return []float64{n, sum, sum / n, sample, population, math.Sqrt(sample), fsum, fsum / n, (fsquares/n - fsum/n*fsum/n) * n / (n - 1), n}
}

// TestIntervalsAreNarrow: those of COUNT and SUM are within a hundredth of the
// smallest that there can be at their level, by the exact distribution, computed here
// in another way.
func TestIntervalsAreNarrow(t *testing.T) {
	pure := people("x int, f float", stated{"x": bounds("0", "1000"), "f": bounds("-1", "1")}, repeated(100_000/100, "500,0.5")...)
	for _, w := range []world{pure, pure.spending("1000000", "1e-3")} {
		b := w.open(t)
		for _, epsilon := range []string{"0.01", "0.5", "2"} {
			for sql, step := range map[string]float64{"COUNT(*) AS n": 1, "SUM(x) AS s": 1000, "SUM(f) AS s": 1} {
				d := b.drawer(at(epsilon, sql+" FROM people"))
				for _, level := range []float64{0.5, 0.95, 0.999} {
					groups, err := d.Intervals(t.Context(), level)
					if err != nil {
						t.Fatal(err)
					}
					e := groups[0][0]
					if e.Low == 0 {
						continue // cut off where a sum cannot be less
					}
					price := d.Price()
					unit := math.Ldexp(1, -27) // finer than any step of f
					if step == 1 && sql[0] == 'C' || step == 1000 {
						unit = 1
					}
					least := laplaceWidth(step/unit/price.Epsilon.Float(), 1-level)
					if price.Pure == account.Infinite {
						least = gaussianWidth(step/unit/math.Sqrt(2*price.Rho.Float()), 1-level)
					}
					if width := (e.High - e.Low) / 2; width > 1.01*least*unit || width < 0.999*least*unit-1e-6 {
						t.Errorf("%s at ε %s, level %v: ± is %v, and the smallest is %v", sql, epsilon, level, width, least*unit)
					}
				}
			}
		}
	}
}

// laplaceWidth is the least k beyond which discrete Laplace noise of a scale lies with
// a probability of no more than alpha: 2qᵏ⁺¹/(1+q).
func laplaceWidth(scale, alpha float64) float64 {
	q := math.Exp(-1 / scale)
	return math.Max(0, math.Ceil(-scale*math.Log(alpha*(1+q)/2)-1-1e-9))
}

// gaussianWidth is the same of discrete Gaussian noise: added up, or for many steps by
// the normal distribution, from which it does not differ then.
func gaussianWidth(sigma, alpha float64) float64 {
	if sigma > 10_000 {
		return math.Ceil(sigma * math.Sqrt2 * math.Erfinv(1-alpha))
	}
	weight := func(z float64) float64 { return math.Exp(-z * z / (2 * sigma * sigma)) }
	total := 0.0
	for z := -12 * sigma; z <= 12*sigma+1; z++ {
		total += weight(math.Round(z))
	}
	inside := weight(0)
	k := 0.0
	for ; total-inside > alpha*total; k++ {
		inside += 2 * weight(k+1)
	}
	return k
}
