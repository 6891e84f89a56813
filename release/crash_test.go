package release_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/audit"
	"github.com/anchorhold/anchorhold/blob"
	"github.com/anchorhold/anchorhold/books"
	"github.com/anchorhold/anchorhold/books/bookstest"
	"github.com/anchorhold/anchorhold/identity/keys"
	"github.com/anchorhold/anchorhold/policy"
	"github.com/anchorhold/anchorhold/release"
	"github.com/anchorhold/anchorhold/store"
	"github.com/anchorhold/anchorhold/store/sqlite"
)

// Where the process of a crash test dies, and in which site.
const (
	crashAt   = "ANCHORHOLD_TEST_CRASH"
	crashSite = "ANCHORHOLD_TEST_SITE"
)

// mortal is a store that dies within its third update: the first makes the
// site, the second holds the output, the third decides.
type mortal struct {
	store.Store
	at      string
	updates int
}

func (m *mortal) Update(ctx context.Context, fn func(store.Tx) error) error {
	m.updates++
	if m.updates < 3 {
		return m.Store.Update(ctx, fn)
	}
	_ = m.Store.Update(ctx, func(tx store.Tx) error {
		err := fn(tx)
		if m.at == "before" {
			die()
		}
		return err
	})
	die()
	return nil
}

// die ends the process as by kill -9.
func die() {
	_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	select {}
}

// siteAt is a bench over a site in a folder, whose keys lie there too.
func siteAt(t *testing.T, dir string, k *keys.SiteKeys, wrap func(store.Store) store.Store) *bench {
	t.Helper()
	db, err := sqlite.Open(context.Background(), filepath.Join(dir, "site.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	log, err := audit.New(k)
	if err != nil {
		t.Fatal(err)
	}
	blobs, err := blob.Open(filepath.Join(dir, "blobs"), k.BlobKey())
	if err != nil {
		t.Fatal(err)
	}
	set := bookstest.New(t) // for its clock and its way of reading the log
	set.Keys, set.Books = k, &books.Books{Store: wrap(db), Log: log, Now: set.Clock.Now}
	return &bench{Set: set, Service: &release.Service{Books: set.Books, Blobs: blobs, Keys: k}, t: t, dir: filepath.Join(dir, "blobs")}
}

// TestKilledAroundTheDecision runs itself in a process that dies before or
// after the commit of an approval, and looks at what is left.
func TestKilledAroundTheDecision(t *testing.T) {
	if at := os.Getenv(crashAt); at != "" {
		dieDeciding(t, os.Getenv(crashSite), at)
		t.Fatal("the process lived on")
	}
	for _, at := range []string{"before", "after"} {
		t.Run(at, func(t *testing.T) {
			dir := t.TempDir()
			k, err := keys.Generate("test.example/site")
			if err != nil {
				t.Fatal(err)
			}
			if err := k.Save(filepath.Join(dir, keys.FileName), keys.Lock{}); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
			defer cancel()
			cmd := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestKilledAroundTheDecision$")
			cmd.Env = append(os.Environ(), crashAt+"="+at, crashSite+"="+dir)
			out, err := cmd.CombinedOutput()
			var exit *exec.ExitError
			if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
				t.Fatalf("the process ended with %v:\n%s", err, out)
			}
			afterwards(t, siteAt(t, dir, k, func(s store.Store) store.Store { return s }), at == "after")
		})
	}
}

func dieDeciding(t *testing.T, dir, at string) {
	t.Helper()
	k, err := keys.Load(filepath.Join(dir, keys.FileName), keys.Unlock{})
	if err != nil {
		t.Fatal(err)
	}
	b := siteAt(t, dir, k, func(s store.Store) store.Store { return &mortal{Store: s, at: at} })
	b.update(func(tx store.Tx) error { return b.things(tx) })
	held, _ := b.offer(1, false, passed())
	_, _ = b.decide(held.ID, anchorhold.Approve, "")
}

// afterwards wants all of the decision or nothing of it, and goes on.
func afterwards(t *testing.T, b *bench, decided bool) {
	t.Helper()
	var releases []anchorhold.Release
	b.view(func(tx store.Tx) (err error) {
		releases, _, err = tx.ListReleases(store.ReleaseFilter{}, store.Page{})
		if err == nil && len(releases) == 1 {
			b.r, err = tx.Request(releases[0].Request)
		}
		return err
	})
	if len(releases) != 1 {
		t.Fatalf("%d releases", len(releases))
	}
	id := releases[0].ID
	b.VerifyLog()
	_, err := b.decide(id, anchorhold.Approve, "")
	if decided {
		wantKind(t, "deciding again", err, anchorhold.Conflict)
	} else if err != nil {
		t.Fatalf("deciding again: %v", err)
	}
	b.wantLedger(b.release(id), owner.Email)
	if released, all := len(b.entries(audit.ActionRelease)), b.entries(string(policy.ReleaseDecide)); released != 1 || len(all) != 1 {
		t.Errorf("%d releases and %d decisions are logged", released, len(all))
	}
	if s := b.verified(id); !strings.HasPrefix(s.Predicate.Release.ID, anchorhold.PrefixRelease) {
		t.Errorf("the receipt says %+v", s.Predicate.Release)
	}
	b.VerifyLog()
}
