package storetest

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/anchorhold/anchorhold/audit"
	"github.com/anchorhold/anchorhold/store"
)

// queued seals before the commit what several updates have queued, and takes
// back what a failed one had.
func queued(t *testing.T, s store.Store) {
	t.Helper()
	update(t, s, func(tx store.Tx) error {
		c, err := tx.Queue([]byte("c"), clock)
		d, err2 := tx.Queue([]byte("d"), clock.Add(time.Second))
		size, err3 := tx.Size()
		equal(t, "indexes and size", []int64{c, d, size}, []int64{2, 3, 4})
		taken, err4 := tx.Take()
		equal(t, "queued", taken, []audit.Queued{{Text: []byte("c"), At: clock}, {Text: []byte("d"), At: clock.Add(time.Second)}})
		size, err5 := tx.Size()
		equal(t, "size without them", size, 2)
		none, err6 := tx.Take()
		equal(t, "queued after that", len(none), 0)
		return errors.Join(err, err2, err3, err4, err5, err6)
	})
	var wg sync.WaitGroup
	for i := range 8 { // some of them share a commit
		wg.Go(func() {
			err := s.Update(context.Background(), func(tx store.Tx) error {
				_, err := tx.Queue([]byte{byte(i)}, clock)
				tx.BeforeCommit("seal", func(tx store.Tx) error {
					taken, err := tx.Take()
					for _, x := range taken {
						if x.Text[0]%2 == 1 {
							err = errors.New("one that failed was left")
						}
					}
					return err
				})
				if i%2 == 1 {
					return errors.New("changed my mind")
				}
				return err
			})
			if (err == nil) != (i%2 == 0) {
				t.Errorf("update %d: %v", i, err)
			}
		})
	}
	wg.Wait()
}

func auditLog(t *testing.T, s store.Store) {
	view(t, s, func(tx store.Tx) error {
		note, err := tx.Checkpoint()
		equal(t, "checkpoint before the first", note, nil)
		return err
	})
	update(t, s, func(tx store.Tx) error {
		return errors.Join(tx.AppendEntry(0, []byte("a"), [][32]byte{{1}}, clock),
			tx.AppendEntry(1, []byte("b"), [][32]byte{{2}, {3}}, clock), tx.SetCheckpoint(2, []byte("note")))
	})
	if err := s.Update(context.Background(), func(tx store.Tx) error { return tx.AppendEntry(3, []byte("gap"), nil, clock) }); err == nil {
		t.Error("an entry was stored after a gap")
	}
	if err := s.Update(context.Background(), func(tx store.Tx) error { _, err := tx.Queue([]byte("c"), clock); return err }); err == nil {
		t.Error("an entry was committed that nobody sealed")
	}
	queued(t, s)
	view(t, s, func(tx store.Tx) error {
		size, err := tx.Size()
		equal(t, "size", size, 2)
		got, err2 := tx.Entries(1, 1)
		equal(t, "entries", got, [][]byte{[]byte("b")})
		if _, err := tx.Entries(1, 2); err == nil {
			t.Error("a missing entry was not reported")
		}
		hashes, err3 := tx.Hashes([]int64{2, 0})
		equal(t, "hashes in the order asked for", hashes, [][32]byte{{3}, {1}})
		if _, err := tx.Hashes([]int64{9}); err == nil {
			t.Error("a missing hash was not reported")
		}
		note, err4 := tx.Checkpoint()
		equal(t, "checkpoint", string(note), "note")
		return errors.Join(err, err2, err3, err4)
	})
}
