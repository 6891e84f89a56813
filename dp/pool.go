package dp

import (
	"context"
	"crypto/rand"
	"io"
	"sync"

	"github.com/anchorhold/anchorhold/dp/internal/num"
	"github.com/anchorhold/anchorhold/dp/internal/sample"
)

// Sizes of a pool.
const (
	reserve = 256 // draws that are kept ready of one distribution
	shelves = 64  // distributions of which draws are kept
)

// Pool draws noise ahead of its use.
//
// A draw's time depends on the draw: rejection takes as many rounds as it
// takes, and larger noise takes a little longer (Jin et al., arXiv 2112.05307).
// So one goroutine draws, in batches of at least [reserve] more than are
// wanted, and whoever releases takes from what is ready. Taking costs the same
// whatever is taken. Noise of a kind that was never asked for is not ready: its
// first taker waits for a whole batch, whose time says next to nothing about
// the few draws that are used. Whoever knows a question's parameters before it
// touches data calls Prepare of the mechanism and does not even wait for that.
//
// Each draw is handed out once and forgotten. A Pool is for many goroutines.
type Pool struct {
	from   io.Reader
	source *sample.Source // of the drawing goroutine alone

	mu      sync.Mutex
	kept    map[string]*shelf
	clock   uint64   // counts uses, to know the shelf that was not used longest
	wanting []*shelf // in the order of asking
	work    chan struct{}
	closed  chan struct{}
	once    sync.Once
	ended   chan struct{}
}

// shelf has the ready draws of one distribution.
type shelf struct {
	of      sample.Distribution
	ready   []num.Int128
	used    uint64
	claimed int           // draws that somebody waits for
	coming  int           // draws that somebody will ask for
	waiting bool          // is in Pool.wanting
	filled  chan struct{} // closed after the next filling
}

// NewPool starts a pool. Close ends its goroutine.
func NewPool() *Pool { return newPool(rand.Reader) }

// newPool takes the source of randomness: others than crypto/rand are for tests
// of this package.
func newPool(from io.Reader) *Pool {
	p := &Pool{
		from:   from,
		source: sample.NewSource(from),
		kept:   map[string]*shelf{},
		work:   make(chan struct{}, 1),
		closed: make(chan struct{}),
		ended:  make(chan struct{}),
	}
	go p.draw()
	return p
}

// Close ends the pool's goroutine and forgets its draws. Who waits for noise
// gets ErrClosed.
func (p *Pool) Close() {
	p.once.Do(func() { close(p.closed) })
	<-p.ended
	p.mu.Lock()
	defer p.mu.Unlock()
	for key, s := range p.kept {
		s.forget()
		delete(p.kept, key)
	}
}

// forget takes all draws off a shelf. Somebody may still hold the shelf: what
// was cleared must not look like draws, or it would be handed out as noise of 0.
func (s *shelf) forget() {
	clear(s.ready[:cap(s.ready)])
	s.ready = nil
}

// take gives n draws that nobody else has or will have.
func (p *Pool) take(ctx context.Context, d sample.Distribution, n int) ([]num.Int128, error) {
	p.mu.Lock()
	s := p.shelf(d)
	s.claimed += n
	for len(s.ready) < n {
		filled := p.want(s)
		p.mu.Unlock()
		select {
		case <-filled:
		case <-p.closed:
			return nil, ErrClosed
		case <-ctx.Done():
			p.mu.Lock()
			s.claimed -= n
			p.mu.Unlock()
			return nil, ctx.Err()
		}
		p.mu.Lock()
	}
	defer p.mu.Unlock()
	s.claimed -= n
	if p.isClosed() {
		return nil, ErrClosed
	}
	from := len(s.ready) - n
	draws := append([]num.Int128(nil), s.ready[from:]...)
	clear(s.ready[from:])
	s.ready = s.ready[:from]
	if len(s.ready) < reserve/2 {
		p.want(s)
	}
	return draws, nil
}

func (p *Pool) isClosed() bool {
	select {
	case <-p.closed:
		return true
	default:
		return false
	}
}

// prepare has a reserve and n more drawn in the background.
func (p *Pool) prepare(d sample.Distribution, n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if s := p.shelf(d); len(s.ready) < n+reserve/2 {
		s.coming = max(s.coming, n)
		p.want(s)
	}
}

// shelf finds or makes the shelf of a distribution and marks it as used. The
// shelf that was not used longest, and that nobody waits for, makes room.
func (p *Pool) shelf(d sample.Distribution) *shelf {
	p.clock++
	key := d.Key()
	s, ok := p.kept[key]
	if !ok {
		s = &shelf{of: d, filled: make(chan struct{})}
		p.kept[key] = s
	}
	s.used = p.clock
	if len(p.kept) > shelves {
		oldest := ""
		for key, other := range p.kept {
			if other != s && !other.waiting && other.claimed == 0 && (oldest == "" || other.used < p.kept[oldest].used) {
				oldest = key
			}
		}
		if oldest != "" {
			p.kept[oldest].forget()
			delete(p.kept, oldest)
		}
	}
	return s
}

// want asks for a shelf to be filled and gives what is closed when it is.
func (p *Pool) want(s *shelf) <-chan struct{} {
	if !s.waiting {
		s.waiting = true
		p.wanting = append(p.wanting, s)
		select {
		case p.work <- struct{}{}:
		default:
		}
	}
	return s.filled
}

// draw is the goroutine that draws.
func (p *Pool) draw() {
	defer close(p.ended)
	for {
		select {
		case <-p.closed:
			return
		case <-p.work:
		}
		for p.fill() {
			select {
			case <-p.closed:
				return
			default:
			}
		}
	}
}

// fill fills the first shelf that wants it.
func (p *Pool) fill() bool {
	p.mu.Lock()
	if len(p.wanting) == 0 {
		p.mu.Unlock()
		return false
	}
	s := p.wanting[0]
	p.wanting = p.wanting[1:]
	n := max(0, s.claimed+s.coming+reserve-len(s.ready))
	s.coming = 0
	draws := make([]num.Int128, 0, n+len(s.ready)) // so that appending leaves no copy behind
	p.mu.Unlock()

	for range n {
		select {
		case <-p.closed:
			return true
		default:
			draws = append(draws, s.of.Draw(p.source))
		}
	}

	p.mu.Lock()
	defer p.mu.Unlock()
	old := s.ready
	draws = append(draws, old...) // what was drawn first is handed out first
	s.ready = draws
	clear(old)
	s.waiting = false
	close(s.filled)
	s.filled = make(chan struct{})
	return true
}
