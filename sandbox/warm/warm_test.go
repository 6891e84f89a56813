package warm

import (
	"bufio"
	"context"
	"errors"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/sandbox"
)

// machine is a sandbox that starts nothing and takes its time.
type machine struct {
	mu      sync.Mutex
	started []*session
	free    int64
	fails   bool
}

const (
	coldTime = time.Second
	boxCost  = 100
)

func (m *machine) Start(ctx context.Context, s sandbox.Spec) (sandbox.Session, error) {
	select {
	case <-time.After(coldTime):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fails {
		return nil, anchorhold.Errorf(anchorhold.Unavailable, "", "nothing starts here")
	}
	here, there := net.Pipe()
	there.Close()
	here.Close()
	g := &session{spec: s, done: make(chan struct{}), free: func() {}}
	if s.Hold != nil {
		m.free -= boxCost
		g.free = func() {
			m.mu.Lock()
			defer m.mu.Unlock()
			m.free += boxCost
		}
	}
	m.started = append(m.started, g)
	return g, nil
}

func (m *machine) Probe(context.Context) (sandbox.Boundary, error) { return sandbox.Boundary{}, nil }
func (m *machine) Close() error                                    { return nil }

func (m *machine) memory() int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.free
}

// count says how many sessions were started and how many of them live.
func (m *machine) count() (started, alive int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, s := range m.started {
		if !s.ended() {
			alive++
		}
	}
	return len(m.started), alive
}

type session struct {
	spec  sandbox.Spec
	done  chan struct{}
	free  func()
	once  sync.Once
	mu    sync.Mutex
	begun []sandbox.Limits
}

func (s *session) Conn() *net.UnixConn { return &net.UnixConn{} }
func (s *session) Finish()             { s.Kill() }
func (s *session) Kill()               { s.once.Do(func() { close(s.done); s.free() }) }

func (s *session) Wait(ctx context.Context) (sandbox.Result, error) {
	select {
	case <-s.done:
		return sandbox.Result{Status: sandbox.Killed}, nil
	case <-ctx.Done():
		return sandbox.Result{}, ctx.Err()
	}
}

func (s *session) Begin(_ context.Context, l sandbox.Limits) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended() || len(s.begun) > 0 {
		return anchorhold.Errorf(anchorhold.Conflict, "", "not waiting")
	}
	s.begun = append(s.begun, l)
	return nil
}

func (s *session) ended() bool {
	select {
	case <-s.done:
		return true
	default:
		return false
	}
}

func kind(name string) Kind {
	return Kind{
		Name: name, Spec: sandbox.Spec{Argv: []string{"/cold"}, Limits: sandbox.DefaultLimits()}, Waiting: []string{"/waiting"},
		Hold:  sandbox.Hold{Memory: 1 << 30, CPUTime: time.Minute, Wall: time.Hour},
		Ready: func(context.Context, sandbox.Session) error { return nil }, Cost: boxCost,
	}
}

// play runs a pool in a world whose clock moves when everybody waits.
func play(t *testing.T, most int, change func(*Pool, *machine), scene func(t *testing.T, p *Pool, m *machine)) {
	synctest.Test(t, func(t *testing.T) {
		m := &machine{free: 1_000_000}
		p := &Pool{Sandbox: m, Most: most, Share: 0.5, Idle: 10 * time.Minute, Memory: m.memory}
		if change != nil {
			change(p, m)
		}
		ctx, cancel := context.WithCancel(t.Context())
		var working sync.WaitGroup
		working.Go(func() { p.Work(ctx) })
		scene(t, p, m)
		cancel()
		working.Wait()
		synctest.Wait()
		for _, s := range m.started {
			if s.spec.Hold != nil && len(s.begun) == 0 && !s.ended() {
				t.Error("a session that nobody took outlived its pool")
			}
			if len(s.begun) > 1 {
				t.Error("a session was used twice")
			}
		}
	})
}

// run takes a session for one job that takes so long, as package run does.
func run(t *testing.T, p *Pool, k Kind, lasts time.Duration) (s *session, waited time.Duration) {
	t.Helper()
	p.Begin()
	defer p.Done()
	begin := time.Now()
	l := sandbox.DefaultLimits()
	l.Memory /= 2
	got, err := p.Start(t.Context(), k, "job", l)
	if err != nil {
		t.Fatal(err)
	}
	waited = time.Since(begin)
	s = got.(*session)
	if s.spec.Hold != nil && (len(s.begun) != 1 || s.begun[0] != l) || s.spec.Hold == nil && s.spec.Limits != l {
		t.Error("the job's limits are not in force")
	}
	pass(lasts)
	s.Kill()
	return s, waited
}

// pass lets the clock of the world move on, which takes no time.
func pass(d time.Duration) { <-time.After(d) }

func ready(t *testing.T, p *Pool, name string, want int) {
	t.Helper()
	synctest.Wait()
	if got := p.Ready()[name]; got != want {
		t.Errorf("%d sessions wait, want %d", got, want)
	}
}

func TestOneRunEach(t *testing.T) {
	play(t, 2, nil, func(t *testing.T, p *Pool, _ *machine) {
		seen := map[*session]bool{}
		for i := range 6 {
			s, waited := run(t, p, kind("python"), 10*time.Millisecond)
			if seen[s] {
				t.Fatal("a session was handed out twice")
			}
			seen[s] = true
			if i > 0 && (waited != 0 || s.spec.Argv[0] != "/waiting") {
				t.Errorf("run %d waited %v", i, waited)
			}
			pass(10 * time.Second) // nobody asks: two get ready
			ready(t, p, "python", 2)
		}
	})
}

// Nothing is started while a run goes on, unless it takes long.
func TestRefilledAfterTheResult(t *testing.T) {
	play(t, 1, nil, func(t *testing.T, p *Pool, m *machine) {
		run(t, p, kind("python"), 1900*time.Millisecond)
		if n, _ := m.count(); n != 1 {
			t.Errorf("%d sessions were started during a short run", n)
		}
		pass(settle + coldTime)
		ready(t, p, "python", 1)
		run(t, p, kind("python"), time.Minute)
		ready(t, p, "python", 1)
		if n, _ := m.count(); n != 3 {
			t.Errorf("%d sessions were started, want one more beside a long run", n)
		}
	})
}

// Who comes while a session warms up waits for that one instead of starting
// another.
func TestTakenWhileItWarmsUp(t *testing.T) {
	play(t, 1, nil, func(t *testing.T, p *Pool, m *machine) {
		run(t, p, kind("python"), 0)
		pass(settle + coldTime/2)
		s, waited := run(t, p, kind("python"), 0)
		if s.spec.Hold == nil || waited != coldTime/2 {
			t.Errorf("waited %v", waited)
		}
		if n, _ := m.count(); n != 2 {
			t.Errorf("%d sessions were started, want 2", n)
		}
	})
}

func TestColdWhenNoneIsReady(t *testing.T) {
	play(t, 0, nil, func(t *testing.T, p *Pool, m *machine) {
		run(t, p, kind("python"), 0)
		pass(time.Minute)
		if s, _ := run(t, p, kind("python"), 0); s.spec.Argv[0] != "/cold" || s.spec.Hold != nil {
			t.Error("a session waited although none should")
		}
		if n, _ := m.count(); n != 2 {
			t.Errorf("%d sessions were started, want 2", n)
		}
	})
}

func TestGivenBack(t *testing.T) {
	play(t, 2, nil, func(t *testing.T, p *Pool, m *machine) {
		run(t, p, kind("python"), 0)
		pass(9 * time.Minute)
		ready(t, p, "python", 2)
		pass(2 * time.Minute)
		synctest.Wait()
		if _, alive := m.count(); alive != 0 {
			t.Errorf("%d sessions wait for nobody", alive)
		}
	})
}

func TestKept(t *testing.T) {
	play(t, 2, nil, func(t *testing.T, p *Pool, _ *machine) {
		p.Keep(kind("python"))
		pass(24 * time.Hour)
		ready(t, p, "python", 2)
		if s, waited := run(t, p, kind("python"), 0); waited != 0 || s.spec.Hold == nil {
			t.Error("the first run starts cold")
		}
	})
}

// A share of the memory at hand is the most, and what becomes short is given back.
func TestMemory(t *testing.T) {
	play(t, 50, func(_ *Pool, m *machine) { m.free = 5*boxCost + 50 }, func(t *testing.T, p *Pool, m *machine) {
		p.Keep(kind("python"))
		pass(time.Minute)
		ready(t, p, "python", 2) // half of what there was is 2.75 sessions
		m.mu.Lock()
		m.free = boxCost / 2
		m.mu.Unlock()
		pass(time.Minute)
		ready(t, p, "python", 1)
		if s, _ := run(t, p, kind("other"), 0); s.spec.Hold != nil {
			t.Error("a session of another kind was handed out")
		}
	})
}

// One that dies while it waits is replaced, and never handed out.
func TestDead(t *testing.T) {
	play(t, 1, nil, func(t *testing.T, p *Pool, m *machine) {
		p.Keep(kind("python"))
		pass(time.Minute)
		m.started[0].Kill()
		if s, _ := run(t, p, kind("python"), 0); s.spec.Hold != nil && s == m.started[0] {
			t.Error("a dead session was handed out")
		}
		pass(time.Minute)
		ready(t, p, "python", 1)
	})
}

// A kind that cannot get ready rests, and its runs start cold.
func TestFails(t *testing.T) {
	play(t, 3, nil, func(t *testing.T, p *Pool, m *machine) {
		k := kind("python")
		tries := 0
		k.Ready = func(context.Context, sandbox.Session) error {
			tries++
			return errors.New("no")
		}
		p.Keep(k)
		pass(10 * time.Minute)
		if tries < 2 || tries > 12 {
			t.Errorf("tried %d times in ten minutes", tries)
		}
		if s, _ := run(t, p, k, 0); s.spec.Hold != nil {
			t.Error("a session that is not ready was handed out")
		}
		if _, alive := m.count(); alive != 0 {
			t.Errorf("%d sessions are left", alive)
		}
	})
}

// Whoever gives up while a session warms up leaves nothing behind.
func TestGivenUp(t *testing.T) {
	play(t, 1, nil, func(t *testing.T, p *Pool, m *machine) {
		p.Keep(kind("python"))
		pass(settle + coldTime/2)
		ctx, cancel := context.WithTimeout(t.Context(), coldTime/4)
		defer cancel()
		if _, err := p.Start(ctx, kind("python"), "job", sandbox.DefaultLimits()); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v", err)
		}
		pass(time.Minute)
		synctest.Wait()
		if _, alive := m.count(); alive != 1 {
			t.Errorf("%d sessions live, want the one that replaced it", alive)
		}
	})
}

func TestMemoryAtHand(t *testing.T) {
	for text, want := range map[string]int64{
		"MemTotal:  5 kB\nMemAvailable:   17 kB\n": 17 << 10, "": 0, "MemAvailable: x kB\n": 0, "MemAvailable: -1 kB\n": 0,
	} {
		if got := memoryAtHand(bufio.NewScanner(strings.NewReader(text))); got != want {
			t.Errorf("%q: %d, want %d", text, got, want)
		}
	}
	if MemoryAtHand() <= 0 {
		t.Error("this machine has no memory")
	}
}
