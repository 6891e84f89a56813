package books_test

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/books"
	"github.com/anchorhold/anchorhold/books/bookstest"
	"github.com/anchorhold/anchorhold/policy"
	"github.com/anchorhold/anchorhold/store"
)

type answer struct{ N int }

// count is an act that counts itself in a setting.
func count(ctx context.Context, s *bookstest.Set, p policy.Permit, fail error) (answer, error) {
	kept := books.Setting(func(tx store.Tx) (answer, error) {
		n, err := tx.Setting("n")
		return answer{len(n)}, err
	})
	return books.On(ctx, s.Books, p, kept, func(tx store.Tx) (answer, books.Record, error) {
		n := 1
		if before, err := tx.Setting("n"); err == nil {
			n = len(before) + 1
		}
		if err := tx.PutSetting("n", "xxxxxxxxxx"[:n]); err != nil {
			return answer{}, books.Record{}, err
		}
		return answer{n}, books.Record{Subject: "it", Details: map[string]string{"k": "v"}}, fail
	})
}

func TestActAndRecordAreOne(t *testing.T) {
	s := bookstest.New(t)
	p := policy.SiteAct("test.act", "because")
	if a, err := count(context.Background(), s, p, nil); err != nil || a.N != 1 {
		t.Fatalf("got %v, %v", a, err)
	}
	broken := errors.New("broken")
	if _, err := count(context.Background(), s, p, broken); !errors.Is(err, broken) {
		t.Fatalf("got %v", err)
	}
	if a, err := count(context.Background(), s, p, nil); err != nil || a.N != 2 {
		t.Fatalf("after a failed act: got %v, %v", a, err)
	}
	events := s.Events()
	if len(events) != 2 {
		t.Fatalf("%d entries for 2 acts", len(events))
	}
	e := events[0]
	if e.Actor != policy.SiteName || e.Action != "test.act" || e.Rule != "because" || e.Subject != "it" || e.Details["k"] != "v" || !e.Time.Equal(s.Clock.Now()) {
		t.Errorf("the entry says %+v", e)
	}
	s.VerifyLog()
}

func TestRepetitionIsAnsweredNotRepeated(t *testing.T) {
	s := bookstest.New(t)
	ctx := books.WithKey(context.Background(), "key", []byte("body"))
	owner := bookstest.Permit(t, bookstest.User("o", anchorhold.RoleOwner), policy.UserAdd, policy.Site())
	for range 3 {
		if a, err := count(ctx, s, owner, nil); err != nil || a.N != 1 {
			t.Fatalf("got %v, %v", a, err)
		}
	}
	if n := len(s.Events()); n != 1 {
		t.Errorf("%d entries for one act", n)
	}
	other := books.WithKey(context.Background(), "key", []byte("another body"))
	if _, err := count(other, s, owner, nil); anchorhold.KindOf(err) != anchorhold.Conflict {
		t.Errorf("one key for two requests: got %v", err)
	}
	second := bookstest.Permit(t, bookstest.User("p", anchorhold.RoleOwner), policy.UserAdd, policy.Site())
	if a, err := count(ctx, s, second, nil); err != nil || a.N != 2 {
		t.Errorf("another principal's same key: got %v, %v", a, err)
	}
}

// What is kept is what names an act, and what it made is found by that, as it
// stands then.
func TestNamesAreKeptAndFoundAgain(t *testing.T) {
	s := bookstest.New(t)
	ctx := books.WithKey(context.Background(), "key", []byte("body"))
	p := bookstest.Permit(t, bookstest.User("o", anchorhold.RoleOwner), policy.UserAdd, policy.Site())
	do := func(ctx context.Context, title string) (anchorhold.Dataset, error) {
		return books.On(ctx, s.Books, p, books.Datasets(), func(tx store.Tx) (anchorhold.Dataset, books.Record, error) {
			d := anchorhold.Dataset{ID: "dat-1", Name: "heart", Title: title, Population: "p", Quorum: 1}
			return d, books.Record{Subject: d.ID}, tx.PutDataset(d)
		})
	}
	if d, err := do(ctx, "a private title"); err != nil || d.Title != "a private title" {
		t.Fatal(d, err)
	}
	if _, err := do(context.Background(), "another"); err != nil {
		t.Fatal(err)
	}
	if d, err := do(ctx, "a private title"); err != nil || d.Title != "another" {
		t.Error("not as it stands:", d, err)
	}
	if d, done, err := books.Again(ctx, s.Books, p, books.Datasets()); err != nil || !done || d.Title != "another" {
		t.Error("what was done is not found again:", d, done, err)
	}
	if d, done, err := books.Again(context.Background(), s.Books, p, books.Datasets()); err != nil || done {
		t.Error("without a key something was done:", d, done, err)
	}
	if n := len(s.Events()); n != 2 {
		t.Errorf("%d entries for two acts", n)
	}
	var response []byte
	err := s.View(ctx, func(tx store.Tx) (err error) {
		_, response, err = tx.Idempotent(p.Principal().ID, "key")
		return err
	})
	if err != nil || string(response) != `"heart"` {
		t.Errorf("kept: %s %v", response, err)
	}
	// Version 0.1 kept whole answers, which the upgrade removed.
	err = s.Store.Update(ctx, func(tx store.Tx) error {
		return tx.PutIdempotent(p.Principal().ID, "old", []byte("body"), []byte("null"), s.Clock.Now())
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := do(books.WithKey(context.Background(), "old", []byte("body")), "x"); anchorhold.KindOf(err) != anchorhold.Conflict {
		t.Errorf("an act of before the upgrade is done again, or: %v", err)
	}
}

func TestFailedActFreesItsKey(t *testing.T) {
	s := bookstest.New(t)
	ctx := books.WithKey(context.Background(), "key", []byte("body"))
	p := policy.SiteAct("test.act", "because")
	if _, err := count(ctx, s, p, errors.New("broken")); err == nil {
		t.Fatal("no error")
	}
	if a, err := count(ctx, s, p, nil); err != nil || a.N != 1 {
		t.Errorf("got %v, %v", a, err)
	}
}

// Acts that fail beside acts that do not, many at a time: the log holds exactly
// the good ones, and every hash and the checkpoint fit.
func TestLogFitsAfterFailuresAtOnce(t *testing.T) {
	s := bookstest.New(t)
	p := policy.SiteAct("test.act", "because")
	broken := errors.New("broken")
	var wg sync.WaitGroup
	for i := range 24 {
		wg.Go(func() {
			for j := range 25 {
				fail := (i+j)%3 == 0
				_, err := books.Act(context.Background(), s.Books, p, func(tx store.Tx) (struct{}, books.Record, error) {
					// A second entry, which must vanish with a failure as well.
					if _, err := s.Enter(tx, p, books.Record{Subject: "more"}); err != nil || !fail {
						return struct{}{}, books.Record{Subject: "it"}, err
					}
					return struct{}{}, books.Record{}, broken
				})
				if errors.Is(err, broken) != fail {
					t.Errorf("the act ended with %v", err)
				}
			}
		})
	}
	wg.Wait()
	if n := len(s.Events()); n != 2*24*25*2/3 {
		t.Errorf("%d entries, want %d", n, 2*24*25*2/3)
	}
	s.VerifyLog()
}

func TestChangedIsClosedByTheNextAct(t *testing.T) {
	s := bookstest.New(t)
	changed := s.Changed()
	select {
	case <-changed:
		t.Fatal("closed before any act")
	default:
	}
	if _, err := count(context.Background(), s, policy.SiteAct("test.act", "because"), nil); err != nil {
		t.Fatal(err)
	}
	select {
	case <-changed:
	default:
		t.Error("not closed by an act")
	}
}

// BenchmarkAct and BenchmarkUpdate compare an act and its record with a bare
// transaction of the same store: the goal is 0.8 of its rate.
func BenchmarkAct(b *testing.B) {
	s := bookstest.New(b)
	p := policy.SiteAct("test.act", "because")
	for i := 0; b.Loop(); i++ {
		_, err := books.Act(context.Background(), s.Books, p, func(tx store.Tx) (struct{}, books.Record, error) {
			return struct{}{}, books.Record{Subject: "it"}, tx.PutSetting("n", strconv.Itoa(i))
		})
		if err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkActsAtOnce(b *testing.B) {
	s := bookstest.New(b)
	p := policy.SiteAct("test.act", "because")
	var n atomic.Int64
	b.SetParallelism(16)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			_, err := books.Act(context.Background(), s.Books, p, func(tx store.Tx) (struct{}, books.Record, error) {
				return struct{}{}, books.Record{Subject: "it"}, tx.PutSetting("n", strconv.FormatInt(n.Add(1), 10))
			})
			if err != nil {
				b.Error(err)
			}
		}
	})
}

func BenchmarkUpdate(b *testing.B) {
	s := bookstest.New(b)
	for i := 0; b.Loop(); i++ {
		if err := s.Store.Update(context.Background(), func(tx store.Tx) error { return tx.PutSetting("n", strconv.Itoa(i)) }); err != nil {
			b.Fatal(err)
		}
	}
}
