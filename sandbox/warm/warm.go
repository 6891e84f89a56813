// Package warm keeps sessions ready that have been started and warmed up before
// there is work for them, so that a job need not wait for an interpreter to
// start and libraries to load.
//
// It promises that a session takes one job and is never used again; that a
// session which waits has seen nothing of anybody; that the limits of its work
// are put in force by the sandbox before it is handed out; and that whoever asks
// gets a session of the same boundary when none is ready: a cold one. Sessions
// are started when nothing else wants the processors, as many as there is use
// and memory for, and given back when nobody asks for a while. The tests play
// all of it with a sandbox that starts nothing; package run/job's tests hold the
// freshness of real ones.
package warm

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/sandbox"
)

// Kind describes sessions that are alike: each can take any job of its kind.
type Kind struct {
	// Name tells kinds apart: what is in two sessions of one name is the same.
	Name string
	// Spec is a session that begins at once. Its limits are the most that a job
	// of this kind may have; its ID is given anew each time.
	Spec sandbox.Spec
	// Waiting is the program of a session that warms up and waits.
	Waiting []string
	// Hold bounds a session that waits.
	Hold sandbox.Hold
	// Ready returns when a session has warmed up.
	Ready func(ctx context.Context, s sandbox.Session) error
	// Cost is about how much memory of the machine a waiting session takes.
	Cost int64
}

// When sessions are started and given back.
const (
	// settle is how long nothing must have gone on before a session is started: the
	// next run may be about to begin, and whoever waited for the last one fetches
	// its result.
	settle = 50 * time.Millisecond
	// long is how old the newest run must be, while runs go on, before a session is
	// started beside them: a short run is over by then.
	long = 2 * time.Second
	// warmMost is how long a session may take to get ready on a busy machine.
	warmMost = 2 * time.Minute
	// afterFailure is how long nothing of a kind is started after it failed.
	afterFailure = time.Minute
	// tidying is how often memory and idle kinds are looked at.
	tidying = 10 * time.Second
)

// Pool keeps sessions of several kinds ready. Its fields are set before its
// first use and not changed.
type Pool struct {
	Sandbox sandbox.Sandbox
	// Most is how many sessions of one kind may wait; none with 0.
	Most int
	// Share is the part of the memory at hand that waiting sessions may take.
	Share float64
	// Idle is how long after its last use a kind is kept ready; 0: for ever.
	Idle time.Duration
	// Memory says how much memory is at hand, in bytes.
	Memory func() int64

	once  sync.Once
	wake  chan struct{}
	mu    sync.Mutex
	kinds map[string]*kept
	// Runs that go on, and when the newest began or the last one ended.
	active  int
	changed time.Time
}

// kept is one kind and its sessions.
type kept struct {
	kind   Kind
	used   time.Time
	always bool      // kept ready even when nobody asks
	broken time.Time // until when nothing of it is started
	box    []*box    // that are warming up or wait, oldest first
}

// box is one session that warms up or waits.
type box struct {
	session sandbox.Session // set when ready is closed without err
	err     error
	ready   chan struct{} // closed when it has warmed up, or failed
	taken   bool          // by a job that waits for it to get ready
}

func (p *Pool) init() {
	p.once.Do(func() { p.wake, p.kinds = make(chan struct{}, 1), map[string]*kept{} })
}

func (p *Pool) nudge() {
	select {
	case p.wake <- struct{}{}:
	default: // somebody has been told already
	}
}

// Keep makes a kind ready from now on, whether or not anybody asks for it.
func (p *Pool) Keep(k Kind) {
	p.init()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.keep(k).always = true
	p.nudge()
}

// keep finds or makes the place of a kind.
func (p *Pool) keep(k Kind) *kept {
	at := p.kinds[k.Name]
	if at == nil {
		at = &kept{}
		p.kinds[k.Name] = at
	}
	at.kind, at.used = k, time.Now()
	return at
}

// Begin says that a run begins: until Done nothing is started beside it, unless
// it takes long.
func (p *Pool) Begin() {
	p.init()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.active++
	p.changed = time.Now()
}

// Done says that a run of Begin has ended and that its result is out.
func (p *Pool) Done() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.active--
	p.changed = time.Now()
	p.nudge()
}

// Start gives a session for one job with its limits: one that is ready, one that
// is about to be, or else a cold one with the name id.
func (p *Pool) Start(ctx context.Context, k Kind, id string, l sandbox.Limits) (sandbox.Session, error) {
	p.init()
	for {
		b := p.take(k)
		if b == nil {
			break
		}
		s, err := b.begin(ctx, l)
		if err == nil {
			return s, nil
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
	}
	spec := k.Spec
	spec.ID, spec.Limits = id, l
	return p.Sandbox.Start(ctx, spec)
}

// take takes the oldest session of a kind for a job.
func (p *Pool) take(k Kind) *box {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.Most == 0 {
		return nil
	}
	at := p.keep(k)
	for i, b := range at.box {
		if !b.taken {
			b.taken = true
			at.box = append(at.box[:i:i], at.box[i+1:]...)
			return b
		}
	}
	return nil
}

// begin waits until the session is ready and puts the limits in force.
func (b *box) begin(ctx context.Context, l sandbox.Limits) (sandbox.Session, error) {
	select {
	case <-b.ready:
	case <-ctx.Done():
		go b.end()
		return nil, ctx.Err()
	}
	if b.err != nil {
		return nil, b.err
	}
	if err := b.session.Begin(ctx, l); err != nil {
		b.end()
		return nil, err
	}
	return b.session, nil
}

// end ends a session that will not be used.
func (b *box) end() {
	<-b.ready
	if b.session != nil {
		b.session.Kill()
		_ = b.session.Conn().Close() // nobody reads what it may still say
	}
}

// Ready is how many sessions wait, by the name of their kind.
func (p *Pool) Ready() map[string]int {
	p.init()
	p.mu.Lock()
	defer p.mu.Unlock()
	out := map[string]int{}
	for name, at := range p.kinds {
		out[name] = 0
		for _, b := range at.box {
			select {
			case <-b.ready:
				out[name]++
			default:
			}
		}
	}
	return out
}

// Work starts sessions and gives them back until the context ends; then it ends
// all that wait.
func (p *Pool) Work(ctx context.Context) {
	p.init()
	var all sync.WaitGroup
	defer func() {
		p.drain()
		all.Wait()
	}()
	tidy := time.NewTicker(tidying)
	defer tidy.Stop()
	for ctx.Err() == nil {
		p.giveBack()
		wait, at := p.next()
		if at != nil {
			p.warmUp(ctx, at, &all)
			continue
		}
		again := time.NewTimer(wait)
		select {
		case <-p.wake:
		case <-again.C:
		case <-tidy.C:
		case <-ctx.Done():
		}
		again.Stop()
	}
}

// next finds a kind of which a session is to be started now, or says when to
// look again.
func (p *Pool) next() (time.Duration, *kept) {
	p.mu.Lock()
	defer p.mu.Unlock()
	quiet := settle
	if p.active > 0 {
		quiet = long
	}
	if left := quiet - time.Since(p.changed); left > 0 {
		return left, nil
	}
	var fewest *kept
	for _, at := range p.kinds {
		if len(at.box) < p.Most && time.Now().After(at.broken) && (fewest == nil || len(at.box) < len(fewest.box)) {
			fewest = at
		}
	}
	if fewest == nil || !p.room(fewest.kind.Cost) {
		return time.Hour, nil
	}
	return 0, fewest
}

// room says whether so much more memory may be taken by sessions that wait.
func (p *Pool) room(more int64) bool {
	taken := p.cost()
	return float64(taken+more) <= p.Share*float64(p.Memory()+taken)
}

func (p *Pool) cost() (sum int64) {
	for _, at := range p.kinds {
		sum += int64(len(at.box)) * at.kind.Cost
	}
	return sum
}

// giveBack ends what nobody has asked for in a while, and, when memory has
// become short, one that waits longest.
func (p *Pool) giveBack() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for name, at := range p.kinds {
		if !at.always && p.Idle > 0 && time.Since(at.used) > p.Idle {
			p.endAll(at)
			delete(p.kinds, name)
		}
	}
	if p.room(0) {
		return
	}
	var most *kept
	for _, at := range p.kinds {
		if len(at.box) > 0 && (most == nil || len(at.box) > len(most.box)) {
			most = at
		}
	}
	if most != nil { // one at a time: its memory takes a moment to come back
		b := most.box[0]
		b.taken, most.box = true, most.box[1:]
		go b.end()
	}
}

func (p *Pool) endAll(at *kept) {
	for _, b := range at.box {
		b.taken = true
		go b.end()
	}
	at.box = nil
}

func (p *Pool) drain() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, at := range p.kinds {
		p.endAll(at)
	}
}

// warmUp starts one session and waits until it is ready.
func (p *Pool) warmUp(ctx context.Context, at *kept, all *sync.WaitGroup) {
	b := &box{ready: make(chan struct{})}
	p.mu.Lock()
	at.box = append(at.box, b)
	k := at.kind
	p.mu.Unlock()
	s, err := p.start(ctx, k)
	if err != nil {
		p.failed(ctx, at, b, err)
		return
	}
	b.session = s
	close(b.ready)
	// A session that ends while it waits makes room for another.
	all.Go(func() {
		if _, err := s.Wait(ctx); err == nil {
			p.remove(at, b)
		}
	})
}

func (p *Pool) start(ctx context.Context, k Kind) (sandbox.Session, error) {
	ctx, cancel := context.WithTimeout(ctx, warmMost)
	defer cancel()
	spec := k.Spec
	spec.ID, spec.Argv, spec.Hold = anchorhold.NewID("warm"), k.Waiting, &k.Hold
	s, err := p.Sandbox.Start(ctx, spec)
	if err != nil {
		return nil, err
	}
	if err := k.Ready(ctx, s); err != nil {
		s.Kill()
		return nil, errors.Join(err, s.Conn().Close())
	}
	return s, nil
}

// failed takes a session off that did not get ready, and lets its kind rest.
func (p *Pool) failed(ctx context.Context, at *kept, b *box, err error) {
	if ctx.Err() == nil {
		slog.Warn("no session could be made ready; runs start cold", "kind", anchorhold.KindOf(err))
	}
	b.err = err
	close(b.ready)
	p.remove(at, b)
	p.mu.Lock()
	defer p.mu.Unlock()
	at.broken = time.Now().Add(afterFailure)
}

// remove takes a session off the list, if it is still there.
func (p *Pool) remove(at *kept, b *box) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range at.box {
		if at.box[i] == b {
			at.box = append(at.box[:i:i], at.box[i+1:]...)
			p.nudge()
			return
		}
	}
}
