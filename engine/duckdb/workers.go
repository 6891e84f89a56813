package duckdb

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/engine"
	"github.com/anchorhold/anchorhold/engine/duckdb/wire"
	"github.com/anchorhold/anchorhold/sandbox"
	"github.com/anchorhold/anchorhold/sandbox/warm"
)

// Defaults of Workers.
const (
	DefaultMemory = 2 << 30
	DefaultIdle   = 5 * time.Minute
	DefaultMost   = 4
)

// What a session may take as a whole, and how long it is used again.
const (
	sessionLife = time.Hour
	sessionWall = 12 * time.Hour
	sessionCPU  = 24 * time.Hour
	// What a session takes that waits for somebody, and may take until then.
	waitCost   = 96 << 20
	waitMemory = 512 << 20
	waitCPU    = 30 * time.Second
	waitTime   = time.Hour
	// endTime is how long a session that fell silent is waited for, to learn how
	// it ended.
	endTime = 2 * time.Second

	guestPath = "/" + ProgramName
)

// Workers starts sessions of the worker, and keeps a few of them ready for whom
// they were started for. Its fields are set before its first use.
type Workers struct {
	Sandbox sandbox.Sandbox
	// Boxes keeps sessions ready that have seen nothing yet. Nil: each is started when
	// it is wanted.
	Boxes   *warm.Pool
	Program string        // the path of anchorhold-duckdb, which the run account can read
	Memory  int64         // bytes that one session may take; 0: DefaultMemory
	Spill   int64         // bytes of these for what a statement puts aside; 0: a quarter, negative: none
	CPUs    float64       // processors; 0: those of sandbox.DefaultLimits
	Idle    time.Duration // how long a session is kept after its last use; 0: DefaultIdle
	Most    int           // sessions that are kept; 0: DefaultMost

	mu     sync.Mutex
	kept   []*worker // oldest use first
	busy   map[*worker]bool
	gone   map[string]bool // what was ended for good
	closed bool
}

// key says for whom, with what, and of whose, a session was started.
type key struct{ who, what, of string }

// session is what is needed of sandbox.Session.
type session interface {
	Conn() *net.UnixConn
	Wait(ctx context.Context) (sandbox.Result, error)
	Kill()
}

// worker is one session.
type worker struct {
	key     key
	session session
	in      *bufio.Reader
	content []byte // of the frame that was read last
	born    time.Time
	expiry  *time.Timer // while it is kept
}

// refusal is what a worker says of itself, which leaves it usable.
type refusal struct{ why engine.Failure }

// Error implements error.
func (r refusal) Error() string { return "the worker refused: " + string(r.why) }

// with gives a session to ask: one that is kept, or a new one. Whatever goes wrong
// but a refusal ends it.
func (w *Workers) with(ctx context.Context, k key, open func(context.Context, *worker) error, ask func(*worker) error) error {
	if w.Boxes != nil {
		w.Boxes.Begin()
		defer w.Boxes.Done()
	}
	x := w.take(k)
	begun := x != nil
	if !begun {
		var err error
		if x, err = w.start(ctx, k); err != nil {
			return err
		}
	}
	release := context.AfterFunc(ctx, x.session.Kill)
	var err error
	if !begun {
		err = open(ctx, x)
	}
	if err == nil {
		err = ask(x)
		begun = true
	}
	var refused refusal
	usable := err == nil || begun && errors.As(err, &refused)
	if stopped := !release(); stopped || !usable {
		return w.failed(ctx, x, err)
	}
	w.keep(x)
	if err != nil {
		return refused.why.Err()
	}
	return nil
}

// failed ends a session that is of no further use, and says why in the words of
// package engine.
func (w *Workers) failed(ctx context.Context, x *worker, err error) error {
	defer w.end(x)
	var known *anchorhold.Error
	var refused refusal
	switch {
	case ctx.Err() != nil:
		return engine.Cancelled.Err().Because(errors.Join(engine.Cancelled, ctx.Err()))
	case errors.As(err, &refused):
		return refused.why.Err()
	case brokeOff(err):
		return x.why(ctx).Err()
	case errors.As(err, &known):
		return err
	}
	return engine.Failed.Err()
}

// brokeOff says whether a conversation ended because the other side was gone.
func brokeOff(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET)
}

// why asks its sandbox how a session ended.
func (x *worker) why(ctx context.Context) engine.Failure {
	waiting, cancel := context.WithTimeout(ctx, endTime)
	defer cancel()
	result, err := x.session.Wait(waiting)
	switch {
	case err != nil:
	case result.Status == sandbox.OutOfMemory:
		return engine.Memory
	case result.Status == sandbox.Timeout, result.Status == sandbox.CPUTime:
		return engine.Cancelled
	}
	return engine.Failed
}

// end ends a session that somebody had taken.
func (w *Workers) end(x *worker) {
	w.mu.Lock()
	delete(w.busy, x)
	w.mu.Unlock()
	x.end()
}

func (x *worker) end() {
	x.session.Kill()
	_ = x.session.Conn().Close() // nothing more is read from it
}

// start begins a session.
func (w *Workers) start(ctx context.Context, k key) (*worker, error) {
	var s sandbox.Session
	var err error
	if spec := w.spec(); w.Boxes != nil {
		s, err = w.Boxes.Start(ctx, w.Kind(), spec.ID, spec.Limits)
	} else {
		s, err = w.Sandbox.Start(ctx, spec)
	}
	if err != nil {
		return nil, err
	}
	x := &worker{key: k, session: s, in: bufio.NewReaderSize(s.Conn(), 256<<10), born: time.Now()}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.gone[k.of] {
		x.end()
		return nil, engine.Cancelled.Err()
	}
	w.use(x)
	return x, nil
}

// use notes that somebody has a session.
func (w *Workers) use(x *worker) {
	if w.busy == nil {
		w.busy = map[*worker]bool{}
	}
	w.busy[x] = true
}

// Kind describes the sessions that can be kept ready: a worker that has opened
// nothing.
func (w *Workers) Kind() warm.Kind {
	spec := w.spec()
	return warm.Kind{
		Name: "questions in SQL", Spec: spec, Waiting: spec.Argv,
		Hold: sandbox.Hold{Memory: waitMemory, CPUTime: waitCPU, Wall: waitTime},
		Ready: func(ctx context.Context, s sandbox.Session) error {
			defer context.AfterFunc(ctx, s.Kill)()
			x := &worker{session: s, in: bufio.NewReader(s.Conn())}
			if err := sandbox.WriteFrame(s.Conn(), wire.FrameWarm, nil); err != nil {
				return err
			}
			_, err := x.expect(wire.FrameOpened)
			return err
		},
		Cost: waitCost,
	}
}

func (w *Workers) spec() sandbox.Spec {
	l := sandbox.DefaultLimits()
	l.Memory, l.CPUTime, l.Wall = w.memory(), sessionCPU, sessionWall
	l.TmpBytes, l.OutBytes, l.LogBytes = w.opening().Spill+1<<20, 1<<20, 64<<10
	if w.CPUs > 0 {
		l.CPUs = w.CPUs
	}
	return sandbox.Spec{
		ID: anchorhold.NewID("sql"), Argv: []string{guestPath}, Env: []string{"TZ=UTC", "GOMEMLIMIT=256MiB", "GOMAXPROCS=2"},
		Binds: []sandbox.Bind{{Host: w.Program, Guest: guestPath}}, Bare: true, Limits: l,
	}
}

// opening says what DuckDB may use of what its session may: its memory and what it
// spills count against the same limit, as does the program itself.
func (w *Workers) opening() wire.Opening {
	cpus := w.CPUs
	if cpus <= 0 {
		cpus = sandbox.DefaultLimits().CPUs
	}
	spill := cmp.Or(w.Spill, w.memory()/4)
	return wire.Opening{Memory: w.memory() / 2, Spill: max(spill, 0), Threads: int(max(1, math.Ceil(cpus)))}
}

func (w *Workers) memory() int64 {
	if w.Memory > 0 {
		return w.Memory
	}
	return DefaultMemory
}

// take takes a kept session out.
func (w *Workers) take(k key) *worker {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := len(w.kept) - 1; i >= 0; i-- {
		if x := w.kept[i]; x.key == k && x.expiry.Stop() {
			w.kept = slices.Delete(w.kept, i, i+1)
			w.use(x)
			return x
		}
	}
	return nil
}

// keep keeps a session for its next question, unless it is old.
func (w *Workers) keep(x *worker) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.busy, x)
	if w.closed || w.gone[x.key.of] || time.Since(x.born) > sessionLife {
		x.end()
		return
	}
	idle, most := w.Idle, w.Most
	if idle <= 0 {
		idle = DefaultIdle
	}
	if most <= 0 {
		most = DefaultMost
	}
	x.expiry = time.AfterFunc(idle, func() { w.forget(func(other *worker) bool { return other == x }) })
	w.kept = append(w.kept, x)
	for len(w.kept) > most {
		w.kept[0].expiry.Stop()
		w.kept[0].end()
		w.kept = slices.Delete(w.kept, 0, 1)
	}
}

// forget ends the kept sessions of a kind.
func (w *Workers) forget(which func(*worker) bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.kept = slices.DeleteFunc(w.kept, func(x *worker) bool {
		if !which(x) {
			return false
		}
		x.expiry.Stop()
		x.end()
		return true
	})
}

func (w *Workers) drop(k key) { w.forget(func(x *worker) bool { return x.key == k }) }

// End ends all sessions that have something open of one owner's dataset, those that
// answer just now too; nothing of it is opened any more.
func (w *Workers) End(of string) {
	w.mu.Lock()
	if w.gone == nil {
		w.gone = map[string]bool{}
	}
	w.gone[of] = true
	for x := range w.busy {
		if x.key.of == of {
			x.session.Kill() // whoever waits for it finds the conversation broken off
		}
	}
	w.mu.Unlock()
	w.forget(func(x *worker) bool { return x.key.of == of })
}

// Close ends what is kept; what is asked now ends with its context.
func (w *Workers) Close() error {
	w.mu.Lock()
	w.closed = true
	w.mu.Unlock()
	w.forget(func(*worker) bool { return true })
	return nil
}

// expect reads a frame of one of these kinds into content. A refusal is an error of
// its own, and all else is nonsense.
func (x *worker) expect(kinds ...byte) (byte, error) {
	kind, content, err := sandbox.ReadFrame(x.in, x.content, wire.MaxFrame)
	x.content = content
	switch {
	case err != nil:
		return 0, err
	case kind == wire.FrameRefused:
		var said wire.Refusal
		if err := json.Unmarshal(content, &said); err != nil {
			return 0, err
		}
		switch said.Why {
		case engine.Memory, engine.Cancelled, engine.Failed:
			return 0, refusal{said.Why}
		}
		return 0, errors.New("a refusal for no known reason")
	case !slices.Contains(kinds, kind):
		return 0, fmt.Errorf("a frame %q where another should be", kind)
	}
	return kind, nil
}
