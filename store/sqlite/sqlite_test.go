package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/store"
	"github.com/anchorhold/anchorhold/store/storetest"
)

func open(t *testing.T) store.Store {
	t.Helper()
	s, err := Open(context.Background(), filepath.Join(t.TempDir(), "odd name ?#%.db"))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestConformance(t *testing.T) { storetest.Run(t, open) }

func TestWritesAreFullySynced(t *testing.T) {
	s := open(t).(*Store)
	defer s.Close()
	for pragma, want := range map[string]string{"journal_mode": "wal", "synchronous": "2", "foreign_keys": "1"} {
		var got string
		if err := s.write.QueryRow("PRAGMA " + pragma).Scan(&got); err != nil || got != want {
			t.Errorf("%s is %q (%v), want %q", pragma, got, err, want)
		}
	}
	if n := s.write.Stats().MaxOpenConnections; n != 1 {
		t.Errorf("%d connections may write, want 1", n)
	}
}

func TestFileIsPrivate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "site.db")
	s, err := Open(context.Background(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

func TestNewerDatabaseIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "site.db")
	s, err := Open(context.Background(), path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.write.Exec("PRAGMA user_version = 999"); err != nil {
		t.Fatal(err)
	}
	s.Close()
	_, err = Open(context.Background(), path)
	if anchorhold.KindOf(err) != anchorhold.Conflict || !strings.Contains(err.Error(), "newer") {
		t.Errorf("got %v", err)
	}
}

func TestDamagedDatabaseIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "site.db")
	if err := os.WriteFile(path, []byte(strings.Repeat("not a database ", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	var e *anchorhold.Error
	if _, err := Open(context.Background(), path); !errors.As(err, &e) || e.Remedy == "" {
		t.Errorf("got %v", err)
	}
}

func TestMigrationKeepsACopy(t *testing.T) {
	path := filepath.Join(t.TempDir(), "site.db")
	ctx := context.Background()
	s, err := Open(ctx, path)
	if err != nil {
		t.Fatal(err)
	}
	if beside, err := filepath.Glob(path + ".schema-*"); err != nil || len(beside) != 0 {
		t.Errorf("a database that was just made has copies of nothing beside it: %q, %v", beside, err)
	}
	if err := s.Update(ctx, func(tx store.Tx) error { return tx.PutSetting("a", "kept") }); err != nil {
		t.Fatal(err)
	}
	if err := backup(ctx, s.write, path, 1); err != nil {
		t.Fatal(err)
	}
	s.Close()
	db, err := sql.Open("sqlite", path+".schema-1")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var v string
	if err := db.QueryRow("SELECT value FROM setting WHERE key = 'a'").Scan(&v); err != nil || v != "kept" {
		t.Errorf("the copy holds %q, %v", v, err)
	}
}

// A site of version 0.1 opens: its runs keep their place in the queue, their
// outputs and their indexes, and references are enforced again afterwards.
func TestRunsSurviveTheMigrationTo2(t *testing.T) {
	path := filepath.Join(t.TempDir(), "site.db")
	ctx := context.Background()
	db, err := sql.Open("sqlite", dsn(path, ""))
	if err != nil {
		t.Fatal(err)
	}
	for _, q := range []string{
		schema1, "PRAGMA user_version = 1",
		`INSERT INTO request VALUES (1, 'req-1', 'sha256:a', 'sha256:b', 'pri-1', '', '{"id":"req-1"}')`,
		`INSERT INTO run VALUES (7, 'run-7', 'req-1', 'queued', '', 'w', 3, 'log', '{"id":"run-7","request":"req-1","state":"queued"}')`,
		`INSERT INTO output VALUES (1, 'out-1', 'run-7', 'blob', '{"id":"out-1","run":"run-7"}')`,
	} {
		if _, err := db.Exec(q); err != nil {
			t.Fatal(err)
		}
	}
	db.Close()
	s, err := Open(ctx, path)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	err = s.Update(ctx, func(tx store.Tx) error {
		r, err := tx.Request("req-1")
		if err != nil {
			return err
		}
		if len(r.Runs) != 1 || r.Runs[0].Side != "" || r.Runs[0].Log != "log" || len(r.Runs[0].Outputs) != 1 {
			t.Errorf("runs after the migration: %+v", r.Runs)
		}
		return tx.PutRun(anchorhold.Run{ID: "run-8", Request: "req-1", State: anchorhold.RunQueued})
	})
	if err != nil {
		t.Fatal(err)
	}
	var seq int
	if err := s.write.QueryRow("SELECT seq FROM run WHERE id = 'run-8'").Scan(&seq); err != nil || seq != 8 {
		t.Errorf("the next run has the number %d, %v; want 8", seq, err)
	}
	if _, err := s.write.Exec("INSERT INTO output VALUES (9, 'out-9', 'run-9', '', '{}')"); err == nil {
		t.Error("an output of no run was stored: references are not enforced")
	}
}

func TestMigrationThatLeavesReferencesToNothingFails(t *testing.T) {
	path := filepath.Join(t.TempDir(), "site.db")
	ctx := context.Background()
	s, err := Open(ctx, path)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	change := "CREATE TABLE p (id TEXT PRIMARY KEY) STRICT; CREATE TABLE c (p TEXT REFERENCES p(id)) STRICT; INSERT INTO c VALUES ('x')"
	if err := step(ctx, s.write, 99, change); err == nil {
		t.Error("it was kept")
	}
	var found int
	if err := s.write.QueryRow("SELECT count(*) FROM sqlite_schema WHERE name = 'c'").Scan(&found); err != nil || found != 0 {
		t.Errorf("it left %d tables, %v", found, err)
	}
}
