package question_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/anchorhold/anchorhold/engine"
	"github.com/anchorhold/anchorhold/internal/dpaudit"
)

// classified gives how many of the second halves of two series of times are told
// apart by the threshold that is best for the first halves, and of how many.
func classified(with, without []time.Duration) (right, of int) {
	half := len(with) / 2
	told := func(a, b []time.Duration, at time.Duration, above bool) (n int) {
		for _, x := range a {
			if (x >= at) == above {
				n++
			}
		}
		for _, x := range b {
			if (x >= at) != above {
				n++
			}
		}
		return n
	}
	type rule struct {
		at    time.Duration
		above bool
		right int
	}
	var best rule
	for _, at := range slices.Concat(with[:half], without[:half]) {
		for _, above := range []bool{true, false} {
			if n := told(with[:half], without[:half], at, above); n > best.right {
				best = rule{at, above, n}
			}
		}
	}
	return told(with[half:], without[half:], best.at, best.above), 2 * half
}

// indistinguishable fails where a classifier does better than by chance, with a
// probability of 10⁻¹⁰ if it does not.
func indistinguishable(t *testing.T, what string, with, without []time.Duration) {
	t.Helper()
	right, of := classified(with, without)
	if low, _ := dpaudit.Bounds(right, of); low > 0.5 {
		t.Errorf("%s: %d of %d times of answers are told apart", what, right, of)
	}
}

// TestAttackTimes: how long an engine works tells of the rows: one person with a million
// of them, few or many groups, what is cached. When an answer leaves, or a failure,
// does not, within one of the fixed times. Noise is drawn before (Jin and others, 2022).
func TestAttackTimes(t *testing.T) {
	b := people("x int", stated{"x": bounds("0", "10")}, "5").open(t)
	r := rand.New(rand.NewPCG(3, 4)) //nolint:gosec // what a test takes
	s := &watched{Engines: b.Engines}
	b.Engines = s
	asked := 0
	// ask gives when an answer left, after an engine took about as long as it is told.
	ask := func(about time.Duration, fails error) time.Duration {
		t.Helper()
		s.asks = func(engine.Statement) error {
			b.Clock.Move(about + time.Duration(r.Int64N(int64(20*time.Millisecond))))
			return fails
		}
		asked++
		begun := b.Clock.Now()
		_, err := b.as("ada", at("0.1", fmt.Sprintf("COUNT(*) AS n%d FROM people", asked)))
		if (err != nil) != (fails != nil) {
			t.Fatal(err)
		}
		return b.until[len(b.until)-1].Sub(begun)
	}
	const n = 60
	with, without, failed := make([]time.Duration, n), make([]time.Duration, n), make([]time.Duration, n)
	for i := range n {
		without[i] = ask(100*time.Millisecond, nil)
		with[i] = ask(400*time.Millisecond, nil) // a million rows more
		failed[i] = ask(200*time.Millisecond, engine.Failed)
	}
	indistinguishable(t, "a person with a million rows", with, without)
	indistinguishable(t, "a failure", failed, without)
	if slices.Max(with) != slices.Min(with) {
		t.Errorf("answers left after %v to %v", slices.Min(with), slices.Max(with))
	}
	// Beyond one of the fixed times, an answer leaves at the next: a number is told, of
	// which the threat model speaks, and not a time.
	if late := ask(700*time.Millisecond, nil); late != 2*without[0] {
		t.Errorf("a late answer left after %v, others after %v", late, without[0])
	}
}

// TestRealTimes plays the same with a real engine and real clocks: one person with a
// hundred thousand rows, or nobody, asked about in an order that chance decides. What is
// told apart must not be more than how many fixed times passed, which an answer says.
// A few answers show that it goes; eighty of each side are taken where there is time.
func TestRealTimes(t *testing.T) {
	n := 3
	if draws(t, 1) > 1 {
		n = 80
	}
	of := stated{"x": bounds("0", "10")}
	without := stays("x int", of, lines(100, "%d,5")...)
	o := neighbourhood(t, without.with(repeated(100_000, "999,7")...), without)
	r := rand.New(rand.NewPCG(8, 9)) //nolint:gosec // an order
	var times [2][]time.Duration
	for _, b := range []*bench{o.with, o.without} {
		b.Now, b.Wait = time.Now, nil
	}
	for i := 0; len(times[0]) < n || len(times[1]) < n; i++ {
		side := r.IntN(2)
		if len(times[side]) == n {
			side = 1 - side
		}
		begun := time.Now()
		a, err := []*bench{o.with, o.without}[side].as("ada", at("0.1", fmt.Sprintf("COUNT(*) AS n%d, SUM(x) AS s FROM stays", i)))
		if err != nil {
			t.Fatal(err)
		}
		took := time.Since(begun)
		if took < time.Duration(a.Late+1)*500*time.Millisecond {
			t.Errorf("an answer of %d fixed times left after %v", a.Late+1, took)
		}
		times[side] = append(times[side], took-time.Duration(a.Late)*500*time.Millisecond)
	}
	indistinguishable(t, "a person with a hundred thousand rows, by real clocks", times[0], times[1])
}
