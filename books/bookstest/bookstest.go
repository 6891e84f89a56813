// Package bookstest gives tests of the rooms above a real set of books: a
// SQLite store in a temporary directory, fresh keys, and a clock that the test
// moves. It promises nothing to production code, which must not import it.
package bookstest

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/audit"
	"github.com/anchorhold/anchorhold/books"
	"github.com/anchorhold/anchorhold/identity/keys"
	"github.com/anchorhold/anchorhold/policy"
	"github.com/anchorhold/anchorhold/store"
	"github.com/anchorhold/anchorhold/store/sqlite"
)

// Set is a set of books with what it was made from.
type Set struct {
	*books.Books
	Keys  *keys.SiteKeys
	Clock *Clock
	t     testing.TB
}

// Clock is a clock that stands until it is moved.
type Clock struct {
	mu  sync.Mutex
	now time.Time
}

// Now is the clock's time.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Move lets time pass.
func (c *Clock) Move(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// begin is when the clocks of fresh books stand.
func begin() time.Time { return time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC) }

// empty is a database without records. It is made once in a process, since a
// disk takes its time for each table.
var empty = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "bookstest-")
	if err != nil {
		return nil, err
	}
	data, err := closed(filepath.Join(dir, "site.db"))
	return data, errors.Join(err, os.RemoveAll(dir))
})

// closed is the content of a database file in the form in which a store opens
// it without writing.
func closed(path string) ([]byte, error) {
	s, err := sqlite.Open(context.Background(), path)
	if err != nil {
		return nil, err
	}
	if err := s.Close(); err != nil {
		return nil, err
	}
	return os.ReadFile(path)
}

// New opens fresh books for a test.
func New(t testing.TB) *Set {
	t.Helper()
	k, err := keys.Generate("test.example/site")
	if err != nil {
		t.Fatal(err)
	}
	db, err := empty()
	if err != nil {
		t.Fatal(err)
	}
	return Saved{keys: k, db: db, now: begin()}.Open(t)
}

// Saved is a set of books as it was at one moment, for tests that each begin
// there: copying a file is much quicker than making what it holds.
type Saved struct {
	keys *keys.SiteKeys
	db   []byte
	now  time.Time
}

// Save copies a set as it is.
func (s *Set) Save() Saved {
	s.t.Helper()
	path := filepath.Join(s.t.TempDir(), "saved.db")
	if err := s.Store.Snapshot(context.Background(), path); err != nil {
		s.t.Fatal(err)
	}
	db, err := closed(path)
	if err != nil {
		s.t.Fatal(err)
	}
	return Saved{s.Keys, db, s.Clock.Now()}
}

// Open opens a copy, which shares nothing with any other.
func (v Saved) Open(t testing.TB) *Set {
	t.Helper()
	log, err := audit.New(v.keys)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "site.db")
	if err := os.WriteFile(path, v.db, 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := sqlite.Open(context.Background(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("closing the store: %v", err)
		}
	})
	clock := &Clock{now: v.now}
	return &Set{Books: &books.Books{Store: s, Log: log, Now: clock.Now}, Keys: v.keys, Clock: clock, t: t}
}

// Permit is the permit of a user for an action, as the policy would give it.
func Permit(t testing.TB, who anchorhold.Principal, action policy.Action, on policy.Resource) policy.Permit {
	t.Helper()
	rules, err := policy.New()
	if err != nil {
		t.Fatal(err)
	}
	p, err := rules.Check(who, action, on)
	if err != nil {
		t.Fatalf("%s may not %s: %v", who.Name(), action, err)
	}
	return p
}

// User is a user with a role at the whole site.
func User(name string, role anchorhold.Role) anchorhold.Principal {
	return anchorhold.Principal{
		ID: "pri-" + name, Email: name + "@example.org",
		Bindings: []anchorhold.Binding{{Role: role, Scope: anchorhold.ScopeSite}},
	}
}

// Events opens every entry of the audit log.
func (s *Set) Events() []audit.Event {
	s.t.Helper()
	var events []audit.Event
	err := s.View(context.Background(), func(tx store.Tx) error {
		n, err := tx.Size()
		if err != nil {
			return err
		}
		entries, err := tx.Entries(0, int(n))
		for i, entry := range entries {
			e, openErr := s.Log.Open(int64(i), entry)
			if openErr != nil {
				return openErr
			}
			events = append(events, e)
		}
		return err
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return events
}

// VerifyLog checks the whole log with the public key alone.
func (s *Set) VerifyLog() {
	s.t.Helper()
	err := s.View(context.Background(), func(tx store.Tx) error {
		_, err := audit.Verify(audit.Stored(tx), s.Keys.VKey(), nil)
		return err
	})
	if err != nil {
		s.t.Errorf("the audit log does not verify: %v", err)
	}
}
