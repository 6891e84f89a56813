package run

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/books/bookstest"
	"github.com/anchorhold/anchorhold/store"
)

// inLine queues runs of an author and gives the last of them.
func inLine(t *testing.T, set *bookstest.Set, author string, from, n int) (last anchorhold.Run) {
	t.Helper()
	err := set.Store.Update(context.Background(), func(tx store.Tx) error {
		r := anchorhold.Request{ID: "req-" + author, Digest: "sha256:" + author, Author: author, Opening: 1}
		errs := []error{tx.PutRequest(r)}
		for i := range n {
			last = anchorhold.Run{ID: fmt.Sprintf("run-%s-%d", author, from+i), Request: r.ID, State: anchorhold.RunQueued, Queued: set.Clock.Now()}
			errs = append(errs, tx.PutRun(last))
		}
		return errors.Join(errs...)
	})
	if err != nil {
		t.Fatal(err)
	}
	return last
}

// The queue is looked at once a minute for everybody together: whoever queues
// more runs, or asks about others of theirs, samples it no finer.
func TestPlacesAreToldOnceAMinute(t *testing.T) {
	set := bookstest.New(t)
	s := &Service{Books: set.Books}
	told := func(run anchorhold.Run) string {
		t.Helper()
		if n := s.Ahead(context.Background(), run); n != nil {
			return fmt.Sprint(*n)
		}
		return "none"
	}
	mine := inLine(t, set, "ada", 1, 1)
	if got := told(mine); got != "0" {
		t.Fatalf("alone: %s", got)
	}
	inLine(t, set, "bob", 1, 30)
	probe := inLine(t, set, "ada", 2, 1)
	if first, later := told(mine), told(probe); first != "0" || later != "none" {
		t.Errorf("within a minute others' runs show: %s, and in one that was queued to see them: %s", first, later)
	}
	set.Clock.Move(time.Minute)
	if got := told(probe); got != "5" {
		t.Errorf("after a minute the second of hers has %s ahead, want at most five", got)
	}
	err := set.Store.Update(context.Background(), func(tx store.Tx) error {
		for range 4 {
			if _, err := tx.ClaimRun("w", set.Clock.Now(), set.Clock.Now().Add(time.Hour)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := told(inLine(t, set, "ada", 3, 1)); got != "none" {
		t.Errorf("a run that was queued after the look has a place: %s", got)
	}
	if got := told(anchorhold.Run{ID: "run-bob-30", State: anchorhold.RunQueued}); got != "50" {
		t.Errorf("the last of many is told %s, want one of few steps", got)
	}
	if got := told(anchorhold.Run{ID: mine.ID, State: anchorhold.RunRunning}); got != "none" {
		t.Errorf("one that does not wait: %s", got)
	}
}

// Of trials the newest gives way, and one at a time.
func TestOneTrialGivesWayAtATime(t *testing.T) {
	var all trials
	stopped := map[string]error{}
	for _, id := range []string{"a", "b"} {
		all.begin(id, func(why error) { stopped[id] = why })
	}
	all.stopOne()
	all.stopOne()
	if !errors.Is(stopped["b"], errGaveWay) || len(stopped) != 1 {
		t.Fatalf("stopped: %v", stopped)
	}
	all.end("b")
	all.stopOne()
	if !errors.Is(stopped["a"], errGaveWay) {
		t.Errorf("the other goes on: %v", stopped)
	}
	all.end("a")
	all.stopOne()
}
