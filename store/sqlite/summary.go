package sqlite

import (
	"context"
	"errors"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/store"
)

// schema2Summary keeps the state of a request beside it, so that the few that
// wait are found among the many that have ended.
const schema2Summary = `
ALTER TABLE request ADD COLUMN state TEXT NOT NULL DEFAULT '';
CREATE INDEX request_state ON request(state, seq);
`

// fillBatch is how many states are filled in by one transaction.
const fillBatch = 500

// Summarise implements store.Store.
func (s *Store) Summarise(ctx context.Context, fn func(anchorhold.Request) anchorhold.State) error {
	s.summary = fn
	for {
		left := 0
		err := s.Update(ctx, func(open store.Tx) error {
			t, ok := open.(*tx)
			if !ok {
				return errors.New("the transaction is of another store")
			}
			ids, err := t.strings("SELECT id FROM request WHERE state = '' LIMIT ?", fillBatch)
			for _, id := range ids {
				t.touch(id)
			}
			left = len(ids)
			return err
		})
		if err != nil || left < fillBatch {
			return err
		}
	}
}

// touch remembers that a request's state may be another after this update.
func (t *tx) touch(request string) {
	if t.touched != nil && request != "" {
		t.touched[request] = true
	}
}

// summarise keeps the states of requests that were touched.
func (s *Store) summarise(t *tx, touched map[string]bool) error {
	if s.summary == nil {
		return nil
	}
	for id := range touched {
		r, err := t.Request(id)
		if errors.Is(err, store.ErrNotFound) {
			continue // the update that made it was taken back
		}
		if err != nil {
			return err
		}
		if err := t.exec("UPDATE request SET state = ? WHERE id = ?", s.summary(r), id); err != nil {
			return err
		}
	}
	return nil
}
