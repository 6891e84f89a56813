package run

import (
	"context"
	"strconv"
	"sync"
	"time"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/books"
	"github.com/anchorhold/anchorhold/policy"
	"github.com/anchorhold/anchorhold/store"
)

// Prioritize changes the priority of a run that waits, and of its request's
// other runs, those to come included.
func (s *Service) Prioritize(ctx context.Context, p policy.Permit, id string, priority int) (anchorhold.Run, error) {
	if priority < anchorhold.PriorityLow || priority > anchorhold.PriorityHigh {
		return anchorhold.Run{}, anchorhold.Errorf(anchorhold.Invalid, "say low, normal or high", "there is no such priority")
	}
	run, err := books.On(ctx, s.Books, p, books.Runs(), func(tx store.Tx) (anchorhold.Run, books.Record, error) {
		run, err := tx.Run(id)
		if err != nil {
			return run, books.Record{}, err
		}
		rec := books.Record{Subject: id, Details: about(run, "priority", strconv.Itoa(priority))}
		if run.Request == "" {
			if run.State != anchorhold.RunQueued {
				return run, rec, anchorhold.Errorf(anchorhold.Conflict, "nothing needs to be done", "the trial does not wait any more")
			}
			err = tx.Prioritize(id, priority)
		} else {
			err = prioritizeRequest(tx, run.Request, priority)
		}
		if err != nil {
			return run, rec, err
		}
		run, err = tx.Run(id)
		return run, rec, err
	})
	if err == nil {
		s.Wake()
	}
	return run, err
}

func prioritizeRequest(tx store.Tx, id string, priority int) error {
	r, err := tx.Request(id)
	if err != nil {
		return err
	}
	for _, run := range r.Runs {
		if run.State != anchorhold.RunQueued {
			continue
		}
		if err := tx.Prioritize(run.ID, priority); err != nil {
			return err
		}
	}
	r.Priority = priority
	return tx.PutRequest(r)
}

// Queue is what goes on at a site. Owners only.
type Queue struct {
	Slots   int            `json:"slots"`   // runs that may go on at once
	Waiting int            `json:"waiting"` // runs that are queued
	Running int            `json:"running"` // runs whose code runs or whose output is checked
	Ready   map[string]int `json:"ready"`   // started sandboxes that wait for a run, by what is in them
}

// Queue counts what waits and what goes on.
func (s *Service) Queue(ctx context.Context) (q Queue, err error) {
	q = Queue{Slots: s.Slots, Ready: map[string]int{}}
	if s.Boxes != nil { // there is none where nobody serves
		q.Ready = s.Boxes.Ready()
	}
	err = s.Books.View(ctx, func(tx store.Tx) error {
		for state, into := range map[anchorhold.RunState]*int{
			anchorhold.RunQueued: &q.Waiting, anchorhold.RunRunning: &q.Running, anchorhold.RunChecking: &q.Running,
		} {
			n, err := tx.CountRuns(state)
			if err != nil {
				return err
			}
			*into += n
		}
		return nil
	})
	return q, err
}

// places is the queue as it was once in a tick of the coarse clock. All places
// that are told come from it, whoever asks for how many runs: nobody can follow
// in it when others' runs begin or end, nor sample it by queueing more.
type places struct {
	mu   sync.Mutex
	tick time.Time
	at   map[string]int
}

// Ahead is about how many runs come before one that waits, as its author may
// know it; nil when it does not wait, or was not in line when the queue was last
// looked at, once a minute.
func (s *Service) Ahead(ctx context.Context, run anchorhold.Run) *int {
	if run.State != anchorhold.RunQueued {
		return nil
	}
	now := s.Books.Now()
	s.places.mu.Lock()
	defer s.places.mu.Unlock()
	if tick := anchorhold.Coarse(now); s.places.at == nil || !tick.Equal(s.places.tick) {
		var order []string
		err := s.Books.View(ctx, func(tx store.Tx) (err error) {
			order, err = tx.QueueOrder(now)
			return err
		})
		if err != nil {
			return nil // the next look tells
		}
		s.places.tick, s.places.at = tick, make(map[string]int, len(order))
		for i, id := range order {
			s.places.at[id] = i
		}
	}
	n, known := s.places.at[run.ID]
	if !known {
		return nil
	}
	n = rounded(n)
	return &n
}

// rounded rounds up to one of few steps; the next is the next.
func rounded(n int) int {
	if n == 0 {
		return 0
	}
	if n <= 5 {
		return 5
	}
	for step := 10; ; step *= 10 {
		for _, k := range []int{1, 2, 5} {
			if n <= k*step {
				return k * step
			}
		}
	}
}
