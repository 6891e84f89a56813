package run

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/store"
)

// errGaveWay is why a trial stops that goes on later.
var errGaveWay = errors.New("a run on private data waits")

// trials are those that go on here, the newest last.
type trials struct {
	mu    sync.Mutex
	going []going
}

type going struct {
	run     string
	stop    context.CancelCauseFunc
	stopped bool
}

func (t *trials) begin(run string, stop context.CancelCauseFunc) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.going = append(t.going, going{run: run, stop: stop})
}

func (t *trials) end(run string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i, g := range t.going {
		if g.run == run {
			t.going = append(t.going[:i], t.going[i+1:]...)
			return
		}
	}
}

// stopOne stops the trial that has lost the least, unless one is about to end
// already: the slot that it leaves is for whoever waits.
func (t *trials) stopOne() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, g := range t.going {
		if g.stopped {
			return
		}
	}
	if n := len(t.going); n > 0 {
		t.going[n-1].stopped = true
		t.going[n-1].stop(errGaveWay)
	}
}

// slot waits until one more run may go on; false when the context ends. A run on
// private data does not wait for a trial: where all slots are taken, one goes
// back into the queue, which costs it no attempt.
func (s *Service) slot(ctx context.Context, slots chan<- struct{}, poll <-chan time.Time) bool {
	for {
		select {
		case slots <- struct{}{}:
			return true
		default:
			s.giveWay(ctx)
		}
		select {
		case slots <- struct{}{}:
			return true
		case <-s.wake:
		case <-poll:
		case <-ctx.Done():
			return false
		}
	}
}

func (s *Service) giveWay(ctx context.Context) {
	waits := false
	_ = s.Books.View(ctx, func(tx store.Tx) error { // on an error the next look decides
		side, waiting, err := tx.RunWaiting(s.Books.Now())
		waits = err == nil && waiting && side != anchorhold.SideMock
		return err
	})
	if waits {
		s.trials.stopOne()
	}
}
