package sample

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"io"
	"math/big"
	randv2 "math/rand/v2"
	"testing"

	"github.com/anchorhold/anchorhold/dp/internal/num"
)

// words is a source that gives chosen words first and then those of a seed.
func words(seed uint64, first ...uint64) *Source {
	var b []byte
	for _, w := range first {
		b = binary.LittleEndian.AppendUint64(b, w)
	}
	var key [32]byte
	binary.LittleEndian.PutUint64(key[:], seed)
	return NewSource(io.MultiReader(bytes.NewReader(b), randv2.NewChaCha8(key)))
}

func rat(t testing.TB, s string) *big.Rat {
	t.Helper()
	r, ok := new(big.Rat).SetString(s)
	if !ok {
		t.Fatalf("not a number: %s", s)
	}
	return r
}

func mustLaplace(t testing.TB, scale string) *Laplace {
	t.Helper()
	d, err := NewLaplace(rat(t, scale))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func mustGaussian(t testing.TB, variance string) *Gaussian {
	t.Helper()
	d, err := NewGaussian(rat(t, variance))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestParametersAreRefused(t *testing.T) {
	for _, s := range []string{"0", "-1", "1/1000000", "1e40"} {
		if _, err := NewLaplace(rat(t, s)); err == nil {
			t.Errorf("laplace takes a scale of %s", s)
		}
		if _, err := NewGaussian(rat(t, s)); err == nil {
			t.Errorf("gaussian takes a variance of %s", s)
		}
	}
	for _, most := range []uint64{0, 1<<62 + 1, ^uint64(0)} {
		if _, err := NewTruncated(rat(t, "1"), most, 0); err == nil {
			t.Errorf("truncated takes a bound of %d", most)
		}
	}
	if _, err := NewLaplace(nil); err == nil {
		t.Error("laplace takes no scale")
	}
}

// A source that ends must end the program rather than give zeros.
func TestASourceThatFailsIsNoSource(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("drew from a source that ended")
		}
	}()
	s := NewSource(bytes.NewReader(make([]byte, 100)))
	s.Word()
}

func TestUsedBitsAreForgotten(t *testing.T) {
	s := words(1)
	s.Word()
	if !bytes.Equal(s.block[:s.next], make([]byte, s.next)) {
		t.Error("a word that was handed out is still in memory")
	}
}

// The way of 64 bits decides as unlimited arithmetic does, at the very words
// where the decision turns.
func FuzzOverK(f *testing.F) {
	f.Add(uint64(1), uint64(0), uint64(3), uint64(0), uint64(1), int8(0), uint64(7))
	f.Add(uint64(5), uint64(1), uint64(5), uint64(1), uint64(2), int8(-1), uint64(7))
	f.Add(^uint64(0), ^uint64(0)>>1, ^uint64(0), ^uint64(0)>>1, uint64(1), int8(0), uint64(7))
	f.Fuzz(func(t *testing.T, nlo, nhi, dlo, dhi, k uint64, off int8, seed uint64) {
		n, d := u128{nhi, nlo}, u128{dhi, dlo}
		if d.less(n) {
			n, d = d, n
		}
		if d == (u128{}) || k == 0 || k > 1<<40 {
			return
		}
		turn := new(big.Int).Lsh(n.big(), 64)
		turn.Quo(turn, new(big.Int).Mul(d.big(), new(big.Int).SetUint64(k)))
		w := turn.Uint64() + uint64(int64(off%4))
		frac := small(n, d)
		exact := new(big.Int).Lsh(n.big(), 64)
		low, high := new(big.Int).Mul(frac.low.big(), d.big()), new(big.Int).Mul(frac.high.big(), d.big())
		if low.Cmp(exact) > 0 || high.Cmp(exact) < 0 {
			t.Fatalf("%v/%v is not enclosed by %v and %v", n, d, frac.low, frac.high)
		}
		got := words(seed, w).overK(&frac, k)
		exactly := words(seed, w)
		if want := exactly.overKExactly(&frac, k, exactly.Word()); got != want {
			t.Errorf("%v/%v over %d at %d: %v, exactly %v", n, d, k, w, got, want)
		}
	})
}

// Both ways of a draw read the same words and give the same draws: the quick
// way is the slow one, only quicker.
func TestQuickDrawsAreTheExactOnes(t *testing.T) {
	for seed := range uint64(40) {
		for _, s := range []string{"1", "1/3", "7/3", "1000003/7", "4611686018427387903", "4611686018427387903/4611686018427387901"} {
			quick, slow := mustLaplace(t, s), mustLaplace(t, s)
			slow.t = 0
			a, b := words(seed), words(seed)
			for i := range 50 {
				if x, y := quick.Draw(a), slow.Draw(b); x != y {
					t.Fatalf("laplace %s, draw %d: %s and %s", s, i, x, y)
				}
			}
		}
		for _, s := range []string{"1/7", "1", "5/2", "1000000", "123456789/1000", "1099511627776", "4611686018427387904"} {
			quick, slow := mustGaussian(t, s), mustGaussian(t, s)
			if !quick.fits {
				t.Fatalf("gaussian %s takes the slow way", s)
			}
			slow.fits = false
			a, b := words(seed), words(seed)
			for i := range 50 {
				if x, y := quick.Draw(a), slow.Draw(b); x != y {
					t.Fatalf("gaussian %s, draw %d: %s and %s", s, i, x, y)
				}
			}
		}
	}
}

func TestBelow(t *testing.T) {
	s := NewSource(rand.Reader)
	for _, n := range []uint64{1, 2, 3, 1<<63 + 1, ^uint64(0)} {
		for range 200 {
			if x := s.Below(n); x >= n {
				t.Fatalf("%d is not below %d", x, n)
			}
		}
	}
	limit := new(big.Int).Lsh(big.NewInt(5), 130)
	for range 200 {
		if x := s.BelowBig(limit); x.Cmp(limit) >= 0 || x.Sign() < 0 {
			t.Fatalf("%s is not below %s", x, limit)
		}
	}
}

// Keys separate what is different, since a pool hands out by key.
func TestKeys(t *testing.T) {
	truncated, err := NewTruncated(rat(t, "2"), 7, 0)
	if err != nil {
		t.Fatal(err)
	}
	early, err := NewTruncated(rat(t, "2"), 7, 1)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, d := range []Distribution{mustLaplace(t, "2"), mustGaussian(t, "2"), mustLaplace(t, "1/2"), truncated, early, mustLaplace(t, "3")} {
		if seen[d.Key()] {
			t.Errorf("two distributions have the key %q", d.Key())
		}
		seen[d.Key()] = true
	}
	if mustLaplace(t, "2/4").Key() != mustLaplace(t, "1/2").Key() {
		t.Error("equal distributions have different keys")
	}
}

func benchmark(b *testing.B, d Distribution) {
	s := NewSource(rand.Reader)
	var sink num.Int128
	b.ReportAllocs()
	for b.Loop() {
		sink = d.Draw(s)
	}
	_ = sink
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "draws/s")
}

func BenchmarkLaplace(b *testing.B) {
	for _, s := range []string{"10", "7/3", "1048576/3", "1152921504606846976/7", "1000000000000000000000000000000/3141592653589793238462643"} {
		b.Run(s, func(b *testing.B) { benchmark(b, mustLaplace(b, s)) })
	}
}

func BenchmarkGaussian(b *testing.B) {
	for _, s := range []string{"1", "100", "12345/7", "1099511627776", "1152921504606846976/3", "5316911983139663491615228241121378304"} {
		b.Run(s, func(b *testing.B) { benchmark(b, mustGaussian(b, s)) })
	}
}
