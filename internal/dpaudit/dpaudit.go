// Package dpaudit asks what an attacker can prove from many releases on two
// neighbours: a lower bound of the privacy loss that nobody can argue with. A
// mechanism that keeps its promise shows no more than it claims, and one that
// does not is caught.
//
// It promises that a right mechanism fails a look with a probability of at most
// 2·10⁻¹⁰, whatever was looked for: half of the releases choose an event, the
// others count it, and the bounds of its two probabilities hold with 1 − 10⁻¹⁰
// each, by Chernoff's bound. It is for tests, and must never see anything but
// numbers.
package dpaudit

import (
	"math"
	"slices"
)

const miss = 1e-10

// Loss is what an event proves that has at least the probability p where a unit is
// present, and at most q where it is not.
type Loss func(p, q float64) float64

// Pure proves an ε of pure differential privacy.
func Pure(p, q float64) float64 { return math.Log(p / q) }

// Approximate proves an ε where a δ is allowed beside it.
func Approximate(delta float64) Loss {
	return func(p, q float64) float64 {
		if p <= delta {
			return 0
		}
		return math.Log((p - delta) / q)
	}
}

// Gaussian proves a μ of Gaussian differential privacy.
func Gaussian(p, q float64) float64 { return normalQuantile(p) - normalQuantile(q) }

func normalQuantile(p float64) float64 { return math.Sqrt2 * math.Erfinv(2*p-1) }

// divergence is that of two coins.
func divergence(p, q float64) float64 {
	d := 0.0
	if p > 0 {
		d += p * math.Log(p/q)
	}
	if p < 1 {
		d += (1 - p) * math.Log((1-p)/(1-q))
	}
	return d
}

// Bounds encloses a probability of which hits of n were seen.
func Bounds(hits, n int) (low, high float64) {
	seen := float64(hits) / float64(n)
	room := math.Log(1/miss) / float64(n)
	search := func(in, out float64) float64 {
		for range 100 {
			if middle := (in + out) / 2; divergence(seen, middle) <= room {
				in = middle
			} else {
				out = middle
			}
		}
		return out
	}
	return search(seen, 0), search(seen, 1)
}

// Proved gives the loss that is certain, of the scores of releases with and
// without a unit: events are "the score is at least t".
func Proved(with, without []float64, l Loss) float64 {
	half := len(with) / 2
	count := func(scores []float64, t float64) int {
		i, _ := slices.BinarySearch(scores, t)
		return len(scores) - i
	}
	choose := [2][]float64{slices.Sorted(slices.Values(with[:half])), slices.Sorted(slices.Values(without[:half]))}
	prove := func(t float64, a, b []float64) float64 {
		low, _ := Bounds(count(a, t), len(a))
		_, high := Bounds(count(b, t), len(b))
		if low <= 0 || high >= 1 {
			return 0
		}
		return l(low, high)
	}
	best, at := 0.0, choose[0][half/2]
	for i := 1; i < 60; i++ {
		t := choose[0][half*i/60]
		if p := prove(t, choose[0], choose[1]); p > best {
			best, at = p, t
		}
	}
	return prove(at, slices.Sorted(slices.Values(with[half:])), slices.Sorted(slices.Values(without[half:])))
}
