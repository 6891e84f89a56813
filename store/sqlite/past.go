package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/anchorhold/anchorhold/audit"
	"github.com/anchorhold/anchorhold/store"
)

// Snapshot implements store.Store. SQLite copies what one read transaction sees;
// in WAL mode that keeps nobody from writing.
func (s *Store) Snapshot(ctx context.Context, path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	db, err := sql.Open("sqlite", dsn(s.path, "")) // readers may not write, not even a copy
	if err != nil {
		return err
	}
	db.SetMaxOpenConns(1)
	_, err = db.ExecContext(ctx, "VACUUM INTO ?", path)
	err = busy(err)
	if err = errors.Join(err, db.Close()); err != nil {
		return errors.Join(err, os.Remove(path))
	}
	return nil
}

// EndLog implements store.Past.
func (t *tx) EndLog(l store.PastLog) error {
	size, err := t.Size()
	if err != nil {
		return err
	}
	if own := t.own(); len(own.entries)+len(own.queued) > 0 || size != l.Size {
		return fmt.Errorf("a log of %d entries cannot end as one of %d", size, l.Size)
	}
	err = t.exec("INSERT INTO past_log(origin, vkey, size, continuation, at) VALUES (?, ?, ?, ?, ?)",
		l.Origin, l.Key, l.Size, l.Continuation, l.Ended.UnixNano())
	if err != nil {
		return err
	}
	err = t.exec(`INSERT INTO past_entry(log, idx, at, hashes, checkpoint, ciphertext)
		SELECT (SELECT seq FROM past_log WHERE origin = ?), idx, at, hashes, checkpoint, ciphertext FROM audit_entry`, l.Origin)
	if err != nil {
		return err
	}
	if err := t.exec("DELETE FROM audit_entry"); err != nil {
		return err
	}
	// What was remembered of the log that ended must not be taken for the new one.
	t.edges = []*edge{{size: 0, hashes: map[int64][32]byte{}, anew: true}}
	return nil
}

const pastColumns = "seq, origin, vkey, size, continuation, at"

func scanPast(scan func(...any) error) (seq int64, l store.PastLog, err error) {
	var at int64
	err = scan(&seq, &l.Origin, &l.Key, &l.Size, &l.Continuation, &at)
	l.Ended = time.Unix(0, at).UTC()
	return seq, l, err
}

// PastLogs implements store.Past.
func (t *tx) PastLogs() (out []store.PastLog, err error) {
	err = t.each("SELECT "+pastColumns+" FROM past_log ORDER BY seq", nil, func(r *sql.Rows) error {
		_, l, err := scanPast(r.Scan)
		out = append(out, l)
		return err
	})
	return out, err
}

// PastLog implements store.Past.
func (t *tx) PastLog(origin string) (l store.PastLog, r audit.Reader, err error) {
	var seq int64
	var at int64
	err = t.scan("SELECT "+pastColumns+" FROM past_log WHERE origin = ?", []any{origin}, &seq, &l.Origin, &l.Key, &l.Size, &l.Continuation, &at)
	l.Ended = time.Unix(0, at).UTC()
	return l, pastReader{t, seq}, err
}

// pastReader reads one of the logs that ended.
type pastReader struct {
	t   *tx
	log int64
}

// Checkpoint implements audit.Reader.
func (p pastReader) Checkpoint() (note []byte, err error) {
	err = p.t.scan("SELECT checkpoint FROM past_entry WHERE log = ? AND checkpoint IS NOT NULL ORDER BY idx DESC LIMIT 1", []any{p.log}, &note)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	return note, err
}

// Hashes implements audit.Reader.
func (p pastReader) Hashes(indexes []int64) ([][32]byte, error) {
	out := make([][32]byte, len(indexes))
	at := map[int64]int{}
	for i, x := range indexes {
		at[x] = i
	}
	if len(at) == 0 {
		return out, nil
	}
	err := p.t.hashRows("SELECT e.idx, e.hashes FROM json_each(?) j JOIN past_entry e ON e.idx = j.value AND e.log = ?", []any{p.log}, at,
		func(x int64, h [32]byte) { out[at[x]] = h })
	for i, x := range indexes { // an index that is asked for twice
		out[i] = out[at[x]]
	}
	return out, err
}

// Entries implements audit.Reader.
func (p pastReader) Entries(first int64, n int) ([][]byte, error) {
	return p.t.entries("SELECT idx, ciphertext FROM past_entry WHERE log = ? AND idx >= ? ORDER BY idx LIMIT ?", []any{p.log, first, n}, first, n)
}

// change carries out a statement and gives how many rows it changed.
func (t *tx) change(query string, args ...any) (int, error) {
	r, err := t.run(query, args...)
	if err != nil {
		return 0, err
	}
	n, err := r.RowsAffected()
	return int(n), err
}

// EndRights implements store.Past.
func (t *tx) EndRights(now time.Time) (int, error) {
	at := now.UTC().Format(time.RFC3339Nano)
	const open = " WHERE body ->> '$.revoked' IS NULL"
	grants, err := t.change("UPDATE grants SET live = 0, body = json_set(body, '$.revoked', ?)"+open, at)
	if err != nil {
		return 0, err
	}
	credentials, err := t.change("UPDATE credential SET body = json_set(body, '$.revoked', ?)"+open, at)
	return grants + credentials, err
}

// ForgetLogs implements store.Past. Times stand in bodies as RFC 3339, which
// julianday reads whatever their fraction.
func (t *tx) ForgetLogs(before time.Time) (int, error) {
	return t.change("UPDATE run SET log_blob = '' WHERE log_blob <> '' AND julianday(body ->> '$.finished') < julianday(?)",
		before.UTC().Format(time.RFC3339))
}

// ForgetRefused implements store.Past.
func (t *tx) ForgetRefused(before time.Time) (int, error) {
	return t.change(`UPDATE output SET blob = '' WHERE blob <> '' AND id IN (SELECT output FROM release
		WHERE state = 'denied' AND julianday(body ->> '$.decided') < julianday(?))`, before.UTC().Format(time.RFC3339))
}

// BlobRefs implements store.Past. It looks into every text of every table, so
// that a record that is added one day cannot be forgotten here; the log is left
// out, since its entries are encrypted and long.
func (t *tx) BlobRefs() (map[string]bool, error) {
	var queries []string
	err := t.each(`SELECT m.name, c.name FROM sqlite_master m JOIN pragma_table_info(m.name) c
		WHERE m.type = 'table' AND c.type IN ('TEXT', 'BLOB') AND m.name NOT IN ('audit_entry', 'past_entry') AND m.name NOT LIKE 'sqlite_%'`,
		nil, func(r *sql.Rows) error {
			var table, column string
			if err := r.Scan(&table, &column); err != nil {
				return err
			}
			c := `"` + strings.ReplaceAll(column, `"`, `""`) + `"`
			queries = append(queries, "SELECT "+c+` FROM "`+strings.ReplaceAll(table, `"`, `""`)+`" WHERE instr(CAST(`+c+" AS TEXT), 'b1-') > 0")
			return nil
		})
	if err != nil {
		return nil, err
	}
	id := regexp.MustCompile(`b1-[0-9a-f]{64}`)
	refs := map[string]bool{}
	for _, q := range queries {
		err := t.each(q, nil, func(r *sql.Rows) error {
			var text sql.RawBytes
			if err := r.Scan(&text); err != nil {
				return err
			}
			for _, m := range id.FindAll(text, -1) {
				refs[string(m)] = true
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return refs, nil
}

// Check looks through a database file for damage.
func Check(ctx context.Context, path string) error {
	db, err := sql.Open("sqlite", dsn(path, "_pragma=query_only(1)"))
	if err != nil {
		return err
	}
	defer db.Close() //nolint:errcheck // opened for reading: nothing to lose
	var said string
	err = db.QueryRowContext(ctx, "PRAGMA integrity_check(1)").Scan(&said)
	if err == nil && said != "ok" {
		err = errors.New(said)
	}
	if err == nil {
		var rows *sql.Rows
		if rows, err = db.QueryContext(ctx, "PRAGMA foreign_key_check"); err == nil {
			if rows.Next() {
				err = errors.New("a row refers to one that is not there")
			}
			err = errors.Join(err, rows.Err(), rows.Close())
		}
	}
	return err
}
