package dp

import (
	"encoding/json"
	"math/big"
	"testing"
)

// TestKeptNumbersAreWhatTheyWere: values, and intervals at every level.
func TestKeptNumbersAreWhatTheyWere(t *testing.T) {
	pool := seeded(t, 3)
	fine, err := NewLattice(big.NewRat(1, 1000), big.NewRat(-3, 1), big.NewRat(7, 1))
	if err != nil {
		t.Fatal(err)
	}
	coarse, err := NewLattice(big.NewRat(1, 1), big.NewRat(0, 1), big.NewRat(1<<39, 1)) // in units of a power of two
	if err != nil {
		t.Fatal(err)
	}
	var all []*Number
	for _, p := range []Price{epsilon(t, "0.1"), rho(t, "0.005")} {
		count, err := NewCount(p, Contribution{Groups: 3, Rows: 2})
		if err != nil {
			t.Fatal(err)
		}
		numbers, err := count.Release(t.Context(), pool, rows(0, 12, 100_000))
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range []*Lattice{fine, coarse} {
			sum, err := NewSum(p, Contribution{Groups: 1, Rows: 1}, l)
			if err != nil {
				t.Fatal(err)
			}
			more, err := sum.Release(t.Context(), pool, []Partial{{Rows: FromInt64(4), Sum: FromInt64(17)}})
			if err != nil {
				t.Fatal(err)
			}
			numbers = append(numbers, more...)
		}
		for i := range numbers {
			all = append(all, &numbers[i], nil)
		}
	}
	text, err := json.Marshal(Keep(all))
	if err != nil {
		t.Fatal(err)
	}
	var kept Kept
	if err := json.Unmarshal(text, &kept); err != nil {
		t.Fatal(err)
	}
	if len(kept.Noises) != 6 {
		t.Errorf("kept %d noises, of two prices and three mechanisms", len(kept.Noises))
	}
	again, err := kept.Released()
	if err != nil || len(again) != len(all) {
		t.Fatal(len(again), err)
	}
	for i, n := range all {
		if n == nil {
			if again[i] != nil {
				t.Errorf("number %d came from nothing", i)
			}
			continue
		}
		if n.Exact().Cmp(again[i].Exact()) != 0 {
			t.Errorf("number %d was %s and is %s", i, n.Exact(), again[i].Exact())
		}
		for _, level := range []float64{0.5, 0.9, 0.95, 0.999} {
			want, err := n.Interval(level)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := again[i].Interval(level); err != nil || got != want {
				t.Errorf("number %d at %v: %v, not %v (%v)", i, level, got, want, err)
			}
		}
	}
}

// TestWhatWasNotKeptIsRefused, whatever stands in its place.
func TestWhatWasNotKeptIsRefused(t *testing.T) {
	good := KeptNoise{Kind: LaplaceNoise, Size: "3/2", Step: "1"}
	for what, k := range map[string]Kept{
		"no such noise":    {Numbers: []KeptNumber{{Noise: 0, Value: "1"}}},
		"before the first": {Numbers: []KeptNumber{{Noise: -2, Value: "1"}}},
		"no number":        {Noises: []KeptNoise{good}, Numbers: []KeptNumber{{Value: "1.5"}}},
		"no kind":          {Noises: []KeptNoise{{Size: "1", Step: "1"}}},
		"no scale":         {Noises: []KeptNoise{{Kind: GaussianNoise, Step: "1"}}},
		"nothing":          {Noises: []KeptNoise{{Kind: GaussianNoise, Size: "0", Step: "1"}}},
		"a huge shift":     {Noises: []KeptNoise{{Kind: GaussianNoise, Size: "1", Step: "1", Shift: 1 << 20}}},
		"no least":         {Noises: []KeptNoise{{Kind: GaussianNoise, Size: "1", Step: "1", Least: "x"}}},
	} {
		if _, err := k.Released(); err == nil {
			t.Errorf("%s was taken for what was kept", what)
		}
	}
}

// TestNoiseIsToldInUnitsOfTheValue, so that anybody can compute with it.
func TestNoiseIsToldInUnitsOfTheValue(t *testing.T) {
	l, err := NewLattice(big.NewRat(1, 10), big.NewRat(0, 1), big.NewRat(5, 1))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		price Price
		want  float64
	}{
		{epsilon(t, "0.5"), 5 / 0.5},
		{rho(t, "0.5"), 5}, // σ² = Δ²/2ρ
	} {
		sum, err := NewSum(c.price, Contribution{Groups: 1, Rows: 1}, l)
		if err != nil {
			t.Fatal(err)
		}
		if n := sum.Noise(); n.Kind != c.price.Kind() || n.Scale < c.want || n.Scale > c.want*1.001 {
			t.Errorf("noise %+v, not %v", n, c.want)
		}
	}
}

// TestATreeIsKept with all that follows from it.
func TestATreeIsKept(t *testing.T) {
	l, err := NewLattice(rat(t, "1/4"), rat(t, "-3"), rat(t, "20"))
	if err != nil {
		t.Fatal(err)
	}
	for name, p := range map[string]Price{"laplace": epsilon(t, "2"), "gaussian": rho(t, "1/2")} {
		m, err := NewQuantiles(p, Contribution{Groups: 2, Rows: 3}, l, 60)
		if err != nil {
			t.Fatal(err)
		}
		counts := make([]Int128, m.Bins())
		for i := range counts {
			counts[i] = FromInt64(int64(i))
		}
		released, err := m.Release(t.Context(), pool(t), [][]Int128{counts})
		if err != nil {
			t.Fatal(err)
		}
		text, err := json.Marshal(released[0].Keep())
		if err != nil {
			t.Fatal(err)
		}
		var kept KeptTree
		if err := json.Unmarshal(text, &kept); err != nil {
			t.Fatal(err)
		}
		again, err := kept.Released()
		if err != nil {
			t.Fatal(err)
		}
		for _, q := range []float64{0.01, 0.5, 0.9} {
			for _, level := range []float64{0.5, 0.95} {
				a, err := released[0].Quantile(q)
				if err != nil {
					t.Fatal(err)
				}
				b, err := again.Quantile(q)
				if err != nil {
					t.Fatal(err)
				}
				x, err := a.Interval(level)
				y, err2 := b.Interval(level)
				if a.Float64() != b.Float64() || x != y || err != nil || err2 != nil {
					t.Errorf("%s: %v in %v was kept as %v in %v", name, a.Float64(), x, b.Float64(), y)
				}
			}
		}
		for what, spoil := range map[string]func(k *KeptTree){
			"bins": func(k *KeptTree) { k.Bins = 1 << 30 }, "levels": func(k *KeptTree) { k.Nodes = nil }, "a level": func(k *KeptTree) { k.Nodes[0] = nil },
			"a node": func(k *KeptTree) { k.Nodes[0][0] = nil }, "an end": func(k *KeptTree) { k.Low = "x" }, "noise": func(k *KeptTree) { k.Noise.Size = "0" },
		} {
			var broken KeptTree
			if err := json.Unmarshal(text, &broken); err != nil {
				t.Fatal(err)
			}
			spoil(&broken)
			if _, err := broken.Released(); !refused(err, "") {
				t.Errorf("%s: other %s: %v", name, what, err)
			}
		}
	}
}
