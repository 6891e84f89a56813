package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"

	"github.com/anchorhold/anchorhold/store"
)

// maxGroup is how many waiting updates one commit may carry.
const maxGroup = 64

// queue gathers updates that wait while another commits, so that they share
// the next commit and its one sync of the disk (group commit). Each runs within
// a savepoint of its own: one that fails leaves nothing, and the others stay.
type queue struct {
	mu      sync.Mutex
	waiting []*pending
	leading bool // somebody is committing and will take those who wait
}

// pending is one update with how it ended.
type pending struct {
	ctx      context.Context
	fn       func(store.Tx) error
	err      error
	panicked any
	done     chan struct{}
}

// Update implements store.Store.
func (s *Store) Update(ctx context.Context, fn func(store.Tx) error) error {
	p := &pending{ctx: ctx, fn: fn, done: make(chan struct{})}
	s.queue.mu.Lock()
	s.queue.waiting = append(s.queue.waiting, p)
	lead := !s.queue.leading
	s.queue.leading = true
	s.queue.mu.Unlock()
	if lead {
		s.lead()
	}
	<-p.done // also when ctx has ended: whether it was committed must be known
	if p.panicked != nil {
		panic(p.panicked)
	}
	return p.err
}

// lead commits groups until nobody waits.
func (s *Store) lead() {
	for {
		s.queue.mu.Lock()
		n := min(len(s.queue.waiting), maxGroup)
		group := s.queue.waiting[:n:n]
		s.queue.waiting = s.queue.waiting[n:]
		if n == 0 {
			s.queue.leading, s.queue.waiting = false, nil
		}
		s.queue.mu.Unlock()
		if n == 0 {
			return
		}
		s.commit(group)
	}
}

// commit carries out a group in one transaction and tells everybody.
func (s *Store) commit(group []*pending) {
	err := s.transact(group)
	for _, p := range group {
		if err != nil && p.err == nil {
			p.err = err
		}
		close(p.done)
	}
}

func (s *Store) transact(group []*pending) error {
	// Not the context of any of them: an interrupted write would roll back the
	// transaction of all.
	t, err := s.write.BeginTx(context.Background(), nil)
	if err != nil {
		return busy(err)
	}
	defer s.writes.learn()
	defer t.Rollback() //nolint:errcheck // after a commit there is nothing to roll back
	kept, late, touched := 0, map[string]func(store.Tx) error{}, map[string]bool{}
	added := s.edge.then() // by the updates that stay
	for _, p := range group {
		x := s.within(t, late, added)
		x.touched = touched
		if err := s.apply(x, p, len(group) == 1); err != nil {
			return busy(err)
		}
		if p.err == nil && p.panicked == nil {
			kept++
			added.absorb(x.own())
		}
	}
	if kept == 0 {
		return nil
	}
	for _, fn := range late {
		x := s.within(t, nil, added)
		if err := fn(x); err != nil {
			return err
		}
		added.absorb(x.own())
	}
	if n := len(added.queued); n > 0 {
		return fmt.Errorf("%d audit entries were not sealed", n)
	}
	x := s.within(t, nil, added)
	if err := errors.Join(x.writeEntries(added), s.summarise(x, touched)); err != nil {
		return busy(err)
	}
	added.entries, added.checkpoint = nil, nil
	if err := t.Commit(); err != nil {
		s.edge = newEdge() // whatever happened, it is read anew
		return busy(err)
	}
	s.edge.trim()
	s.edge.absorb(added)
	return nil
}

// within is an open transaction as updates see it.
func (s *Store) within(t *sql.Tx, late map[string]func(store.Tx) error, added *edge) *tx {
	edges := []*edge{s.edge, added, added.then()}
	if added.anew {
		edges = edges[1:]
	}
	return &tx{ctx: context.Background(), tx: t, known: s.writes, late: late, edges: edges}
}

// apply runs one update, within a savepoint unless it is alone. The error is the
// transaction's; the update's own is left in p.
func (s *Store) apply(x *tx, p *pending, alone bool) error {
	if gone := p.ctx.Err(); gone != nil {
		p.err = gone // the others' transaction goes on
		return nil   //nolint:nilerr // the transaction is well
	}
	if alone { // what it leaves when it fails goes with the transaction
		p.run(x)
		return nil
	}
	if err := x.exec(sqlSavepoint); err != nil {
		return fmt.Errorf("beginning an update: %w", err)
	}
	p.run(x)
	if p.err != nil || p.panicked != nil {
		if err := x.exec(sqlRollbackTo); err != nil {
			return fmt.Errorf("taking an update back: %w", err)
		}
	}
	return x.exec(sqlRelease)
}

// run calls the update; its panic belongs to the goroutine that asked for it.
func (p *pending) run(x store.Tx) {
	defer func() { p.panicked = recover() }()
	p.err = p.fn(x)
}

const (
	sqlSavepoint  = "SAVEPOINT one"
	sqlRollbackTo = "ROLLBACK TO one"
	sqlRelease    = "RELEASE one"
)
