package question

import (
	"context"
	"sync"

	"github.com/anchorhold/anchorhold"
)

// How many questions of one person are answered at a time, and how many more wait
// for their turn. What waits is not charged.
const (
	atOnce = 4
	inLine = 128
)

// turns lets each person ask a few questions at a time.
type turns struct {
	mu     sync.Mutex
	people map[string]*line
}

type line struct {
	free chan struct{} // a token for each question that is being answered
	open int           // and those that wait
}

// take waits for a person's turn, which ends when done is called.
func (t *turns) take(ctx context.Context, who string) (done func(), err error) {
	l, err := t.join(who)
	if err != nil {
		return nil, err
	}
	select {
	case l.free <- struct{}{}:
		return func() { <-l.free; t.leave(who) }, nil
	case <-ctx.Done():
		t.leave(who)
		return nil, ctx.Err()
	}
}

func (t *turns) join(who string) (*line, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.people == nil {
		t.people = map[string]*line{}
	}
	l, ok := t.people[who]
	if !ok {
		l = &line{free: make(chan struct{}, atOnce)}
		t.people[who] = l
	}
	if l.open >= atOnce+inLine {
		return nil, anchorhold.Errorf(anchorhold.Unavailable, "wait for them, then ask again", "%d of your questions are being answered or wait, and this one was not charged", l.open)
	}
	l.open++
	return l, nil
}

func (t *turns) leave(who string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if l := t.people[who]; l.open > 1 {
		l.open--
	} else {
		delete(t.people, who)
	}
}
