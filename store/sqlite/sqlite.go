// Package sqlite keeps a site's records in one SQLite file.
//
// One connection writes, in WAL mode with full sync, so that an update that
// returned is on the disk and updates follow each other; a few others read.
// Before each migration the file is copied beside itself. A file of a newer
// program is refused: an old program would not know what it must not lose.
// Package storetest tests the contract, the tests here what is SQLite's own.
package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/store"

	_ "modernc.org/sqlite" // the driver "sqlite"
)

var _ store.Store = (*Store)(nil)

// readers is how many reads may run beside the writer.
const readers = 4

// Store is a site's database file.
type Store struct {
	path  string
	write *sql.DB // exactly one connection: the single writer
	read  *sql.DB
	// What was asked by each, parsed.
	writes, reads *statements

	queue queue
	edge  *edge // used by whoever leads the queue

	summary func(anchorhold.Request) anchorhold.State // nil: states are not kept
}

// Open opens the database file at path, creating it when absent, and migrates
// it to this program's schema.
func Open(ctx context.Context, path string) (*Store, error) {
	if err := createPrivate(path); err != nil {
		return nil, err
	}
	write, err := sql.Open("sqlite", dsn(path, "_txlock=immediate"))
	if err != nil {
		return nil, err
	}
	write.SetMaxOpenConns(1)
	if err := migrate(ctx, write, path); err != nil {
		return nil, errors.Join(err, write.Close())
	}
	read, err := sql.Open("sqlite", dsn(path, "_pragma=query_only(1)"))
	if err != nil {
		return nil, errors.Join(err, write.Close())
	}
	read.SetMaxOpenConns(readers)
	read.SetMaxIdleConns(readers)
	return &Store{path: path, write: write, read: read, writes: newStatements(write), reads: newStatements(read), edge: newEdge()}, nil
}

// createPrivate makes an empty database file that only its owner can read,
// before SQLite would make one under the caller's umask.
func createPrivate(path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return anchorhold.Errorf(anchorhold.Internal, "check the folder's owner and permissions",
			"the site's database %s cannot be opened", filepath.Base(path)).Because(err)
	}
	return f.Close()
}

// dsn opens in WAL mode with full sync. The log is folded into the file every
// 4000 pages (16 MiB), not every 1000: an act touches the same few pages as the
// one before, and is folded once with it.
func dsn(path, extra string) string {
	u := url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath()}
	return u.String() + "?_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=busy_timeout(10000)&_pragma=foreign_keys(1)&_pragma=wal_autocheckpoint(4000)&" + extra
}

func migrate(ctx context.Context, db *sql.DB, path string) error {
	var have int
	if err := db.QueryRowContext(ctx, "PRAGMA user_version").Scan(&have); err != nil {
		return anchorhold.Errorf(anchorhold.Internal, "restore it from a backup",
			"the site's database is damaged or not a database").Because(err)
	}
	if have > len(migrations) {
		return anchorhold.Errorf(anchorhold.Conflict, "use the newer program",
			"the site's database was written by a newer program (schema %d, this program knows %d)", have, len(migrations))
	}
	for v := have; v < len(migrations); v++ {
		if have > 0 { // a database that is made now has nothing to lose
			if err := backup(ctx, db, path, v); err != nil {
				return err
			}
		}
		if err := step(ctx, db, v+1, migrations[v]); err != nil {
			return fmt.Errorf("migrating the database from schema %d: %w", v, err)
		}
	}
	return nil
}

// backup copies the database beside itself before the migration from version v.
func backup(ctx context.Context, db *sql.DB, path string, v int) error {
	copyPath := path + ".schema-" + strconv.Itoa(v)
	if err := os.Remove(copyPath); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if _, err := db.ExecContext(ctx, "VACUUM INTO ?", copyPath); err != nil {
		return fmt.Errorf("copying the database before its migration: %w", err)
	}
	return os.Chmod(copyPath, 0o600)
}

// step carries out one migration. A table that is made anew is gone for a moment
// while others refer to it, so references are not enforced meanwhile, and are
// all looked at before the commit. (On a connection that enforces them after
// all, the migration fails and leaves nothing.)
func step(ctx context.Context, db *sql.DB, to int, change string) (err error) {
	c, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	if _, err := c.ExecContext(ctx, "PRAGMA foreign_keys = OFF"); err != nil {
		return err
	}
	defer func() {
		_, on := c.ExecContext(context.WithoutCancel(ctx), "PRAGMA foreign_keys = ON")
		err = errors.Join(err, on)
	}()
	tx, err := c.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() //nolint:errcheck // after a commit there is nothing to roll back
	if _, err := tx.ExecContext(ctx, change); err != nil {
		return err
	}
	var dangling int
	if err := tx.QueryRowContext(ctx, "SELECT count(*) FROM pragma_foreign_key_check").Scan(&dangling); err != nil {
		return err
	}
	if dangling > 0 {
		return fmt.Errorf("%d rows refer to nothing", dangling)
	}
	if _, err := tx.ExecContext(ctx, "PRAGMA user_version = "+strconv.Itoa(to)); err != nil {
		return err
	}
	return tx.Commit()
}

// View implements store.Store.
func (s *Store) View(ctx context.Context, fn func(store.Tx) error) error {
	t, err := s.read.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return busy(err)
	}
	defer s.reads.learn()
	defer t.Rollback() //nolint:errcheck // a read has nothing to keep
	return fn(&tx{ctx: ctx, tx: t, known: s.reads, edges: []*edge{newEdge()}})
}

// busy turns the driver's error into one that a person can act on.
func busy(err error) error {
	if err == nil || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return anchorhold.Errorf(anchorhold.Unavailable, "check free disk space, then try again",
		"the site's database did not take the transaction").Because(err)
}

// Close implements store.Store.
func (s *Store) Close() error {
	return errors.Join(s.reads.close(), s.writes.close(), s.read.Close(), s.write.Close())
}

// tx implements store.Tx over an open transaction.
type tx struct {
	ctx   context.Context
	tx    *sql.Tx
	known *statements
	edges []*edge                         // what is remembered of the audit log; the last is this update's own
	late  map[string]func(store.Tx) error // to be called before the commit, by name

	reading map[string]bool // queries whose rows are being read
	touched map[string]bool // ids of requests whose state may be another now; nil: not kept
}

// BeforeCommit implements store.Tx.
func (t *tx) BeforeCommit(name string, fn func(store.Tx) error) {
	if t.late != nil {
		t.late[name] = fn
	}
}

func (t *tx) exec(query string, args ...any) error {
	_, err := t.run(query, args...)
	return err
}

// scan reads one row; absent is store.ErrNotFound.
func (t *tx) scan(query string, args []any, into ...any) error {
	err := t.row(query, args...).Scan(into...)
	if errors.Is(err, sql.ErrNoRows) {
		return store.ErrNotFound
	}
	return err
}

// each calls row for every row of a query.
func (t *tx) each(query string, args []any, row func(*sql.Rows) error) error {
	rows, done, err := t.rows(query, args...)
	defer done()
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := row(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

func encode(v any) (string, error) {
	b, err := json.Marshal(v)
	return string(b), err
}

func decode[T any](body string, v *T) error { return json.Unmarshal([]byte(body), v) }

// page reads a page of bodies. The query selects what a cursor names and the
// body, and ends with a limit, which is set to one more than the page has: that
// one tells whether there is a next.
func page[T any](t *tx, query string, args []any, p store.Page) (out []T, next string, err error) {
	var last string
	err = t.each(query, append(args, p.Size()+1), func(r *sql.Rows) error {
		if len(out) == p.Size() {
			next = last
			return nil
		}
		var body string
		if err := r.Scan(&last, &body); err != nil {
			return err
		}
		var v T
		if err := decode(body, &v); err != nil {
			return err
		}
		out = append(out, v)
		return nil
	})
	return out, next, err
}

// list reads a page of bodies, newest first, decoding each. from is a table and
// its name x in where; column is the body or a part of it. The cursor is the id
// of the last item, which tells nothing that its reader did not see.
func list[T any](t *tx, from, column, where string, args []any, p store.Page, more func([]T) error) ([]T, string, error) {
	if p.Cursor != "" {
		var after int64
		table, _, _ := strings.Cut(from, " ")
		if err := t.scan("SELECT seq FROM "+table+" WHERE id = ?", []any{p.Cursor}, &after); err != nil {
			return nil, "", anchorhold.Errorf(anchorhold.Invalid, "use the cursor that the page before gave", "this is not a cursor").Because(err)
		}
		where += " AND x.seq < ?"
		args = append(args, after)
	}
	out, next, err := page[T](t, "SELECT x.id, "+column+" FROM "+from+" WHERE "+where+" ORDER BY x.seq DESC LIMIT ?", args, p)
	if err != nil {
		return nil, "", err
	}
	if more != nil && len(out) > 0 {
		err = more(out)
	}
	return out, next, err
}
