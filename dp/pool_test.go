package dp

import (
	"context"
	"errors"
	"math/big"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/anchorhold/anchorhold/dp/internal/num"
	"github.com/anchorhold/anchorhold/dp/internal/sample"
)

// counting draws 1, 2, 3, …: each number must be handed out once.
type counting struct {
	key string
	n   *int64
}

func (c counting) Key() string { return c.key }

func (c counting) Draw(*sample.Source) num.Int128 {
	*c.n++
	return num.FromInt64(*c.n)
}

func pool(t testing.TB) *Pool {
	t.Helper()
	p := NewPool()
	t.Cleanup(p.Close)
	return p
}

func TestEachDrawIsHandedOutOnce(t *testing.T) {
	p := pool(t)
	var mu sync.Mutex
	seen := map[string]map[int64]bool{"a": {}, "b": {}}
	shared := map[string]counting{"a": {"a", new(int64)}, "b": {"b", new(int64)}}
	var all sync.WaitGroup
	for i := range 16 {
		all.Go(func() {
			for j := range 40 {
				key := []string{"a", "b"}[(i+j)%2]
				draws, err := p.take(t.Context(), shared[key], 1+(i*j)%300)
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				for _, d := range draws {
					n, _ := d.Int64()
					if n == 0 || seen[key][n] {
						t.Errorf("draw %d of %s was handed out twice, or is none", n, key)
					}
					seen[key][n] = true
				}
				mu.Unlock()
			}
		})
	}
	all.Wait()
}

// What was handed out is in the pool no more, and a shelf that nobody uses is
// cleared when it makes room.
func TestHandedOutDrawsAreForgotten(t *testing.T) {
	p := pool(t)
	d := counting{"d", new(int64)}
	draws, err := p.take(t.Context(), d, 100)
	if err != nil {
		t.Fatal(err)
	}
	handed := map[num.Int128]bool{}
	for _, x := range draws {
		handed[x] = true
	}
	p.mu.Lock()
	for _, x := range p.kept["d"].ready[:cap(p.kept["d"].ready)] {
		if handed[x] {
			t.Errorf("draw %s is still there", x)
		}
	}
	ready := p.kept["d"].ready
	p.mu.Unlock()
	for i := range 2 * shelves {
		if _, err := p.take(t.Context(), counting{string(rune('A' + i)), new(int64)}, 1); err != nil {
			t.Fatal(err)
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.kept) > shelves+1 || p.kept["d"] != nil {
		t.Errorf("%d shelves are kept", len(p.kept))
	}
	for _, x := range ready {
		if x != (num.Int128{}) {
			t.Fatal("a shelf that made room was not cleared")
		}
	}
}

// A pool that closes under its takers refuses them, and never gives them noise of
// zero.
func TestAClosingPoolGivesNoZeros(t *testing.T) {
	for range 50 {
		p := NewPool()
		d := counting{"d", new(int64)}
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				for {
					draws, err := p.take(t.Context(), d, 200)
					if err != nil {
						if !errors.Is(err, ErrClosed) {
							t.Error(err)
						}
						return
					}
					for _, x := range draws {
						if x == (num.Int128{}) {
							t.Error("handed out a zero that nobody drew")
							return
						}
					}
				}
			})
		}
		if _, err := p.take(t.Context(), d, 3); err != nil {
			t.Fatal(err)
		}
		p.mu.Lock()
		held := p.kept["d"]
		p.mu.Unlock()
		p.Close()
		all.Wait()
		if len(held.ready) != 0 {
			t.Fatal("a shelf of a closed pool looks full")
		}
	}
}

// stuck draws when it is let.
type stuck struct{ let chan struct{} }

func (stuck) Key() string { return "stuck" }

func (s stuck) Draw(*sample.Source) num.Int128 {
	<-s.let
	return num.FromInt64(1)
}

func TestWaitingEnds(t *testing.T) {
	p := NewPool()
	d := stuck{make(chan struct{})}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := p.take(ctx, d, 1); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled taker got %v", err)
	}
	gone := make(chan error)
	go func() {
		_, err := p.take(t.Context(), d, 1)
		gone <- err
	}()
	go p.Close()
	if err := <-gone; !errors.Is(err, ErrClosed) {
		t.Errorf("a taker at a closed pool got %v", err)
	}
	close(d.let)
	p.Close() // twice is no mistake
	if _, err := p.take(t.Context(), d, 10_000); !errors.Is(err, ErrClosed) {
		t.Errorf("a taker after the end got %v", err)
	}
}

// What was prepared is taken without waiting for the drawing goroutine: it is
// stuck elsewhere meanwhile.
func TestPreparedDrawsAreReady(t *testing.T) {
	p := NewPool()
	d := counting{"prepared", new(int64)}
	p.prepare(d, 1000)
	p.mu.Lock()
	filled := p.kept["prepared"].filled
	waiting := p.kept["prepared"].waiting
	p.mu.Unlock()
	if waiting {
		<-filled
	}
	block := stuck{make(chan struct{})}
	p.prepare(block, 1)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if draws, err := p.take(ctx, d, 1000); err != nil || len(draws) != 1000 {
		t.Errorf("%d draws, %v", len(draws), err)
	}
	close(block.let)
	p.Close()
}

// Exact samplers reach the target of 200,000 draws a second and core, through
// the pool, as a release takes them.
func BenchmarkPoolGaussian(b *testing.B) {
	p := pool(b)
	d, err := sample.NewGaussian(big.NewRat(1<<40, 1))
	if err != nil {
		b.Fatal(err)
	}
	const many = 1000
	for b.Loop() {
		if _, err := p.take(b.Context(), d, many); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(many*float64(b.N)/b.Elapsed().Seconds(), "draws/s")
}

// correlation of |noise| with time would let a clock read the noise. The time
// of a take is that of handing out, and does not know what it hands out.
func TestTakingTellsNothing(t *testing.T) {
	d, err := sample.NewLaplace(big.NewRat(1000, 1))
	if err != nil {
		t.Fatal(err)
	}
	p := NewPool()
	defer p.Close()
	// Half of the draws are the larger half. A classifier by time is right as
	// often as a coin: of 4000, 2000 ± 200 is beyond 10⁻⁹ (6.3 standard errors),
	// looked at twice.
	look := func() bool {
		const n = 4000
		type timed struct {
			took  time.Duration
			large bool
		}
		list := make([]timed, n)
		for i := range list {
			p.prepare(d, 1)
			begin := time.Now()
			draws, err := p.take(t.Context(), d, 1)
			took := time.Since(begin)
			if err != nil {
				t.Fatal(err)
			}
			z, _ := draws[0].Int64()
			list[i] = timed{took, z > 693 || z < -693}
		}
		times := make([]time.Duration, n)
		for i, x := range list {
			times[i] = x.took
		}
		limit := median(times)
		right := 0
		for _, x := range list {
			if (x.took > limit) == x.large {
				right++
			}
		}
		return right > n/2+200 || right < n/2-200
	}
	if first := look(); first && look() {
		t.Error("the time of taking tells how large the noise is")
	}
}

func median(times []time.Duration) time.Duration {
	sorted := slices.Sorted(slices.Values(times))
	return sorted[len(sorted)/2]
}
