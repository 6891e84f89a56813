package sqlite

import (
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/anchorhold/anchorhold/audit"
	"github.com/anchorhold/anchorhold/store"
)

// The statements of every act.
const (
	sqlSize          = "SELECT COALESCE(MAX(idx) + 1, 0) FROM audit_entry"
	sqlAppendEntry   = "INSERT INTO audit_entry(idx, at, hashes, checkpoint, ciphertext) VALUES (?, ?, ?, ?, ?)"
	sqlAppendMany    = "INSERT INTO audit_entry(idx, at, hashes, ciphertext) VALUES " // and manyEntries rows
	sqlHashes        = "SELECT e.idx, e.hashes FROM json_each(?) j JOIN audit_entry e ON e.idx = j.value"
	sqlIdempotent    = "SELECT fingerprint, response FROM idempotency WHERE principal = ? AND key = ?"
	sqlPutIdempotent = "INSERT INTO idempotency(principal, key, fingerprint, response, at) VALUES (?, ?, ?, ?, ?)"
)

// manyEntries is how many entries one statement writes where there are so many.
const manyEntries = 64

func sqlMany() string {
	return sqlAppendMany + "(?, ?, ?, ?)" + strings.Repeat(", (?, ?, ?, ?)", manyEntries-1)
}

// own is what this update itself adds to the edge.
func (t *tx) own() *edge { return t.edges[len(t.edges)-1] }

func (t *tx) Size() (int64, error) {
	own := t.own()
	if own.size >= 0 {
		return own.size, nil
	}
	err := t.scan(sqlSize, nil, &own.size)
	return own.size, err
}

// Queue implements audit.Tx.
func (t *tx) Queue(text []byte, at time.Time) (int64, error) {
	index, err := t.Size()
	if err != nil {
		return 0, err
	}
	own := t.own()
	own.size++
	own.queued = append(own.queued, audit.Queued{Text: text, At: at})
	return index, nil
}

// Take implements audit.Tx.
func (t *tx) Take() (all []audit.Queued, err error) {
	size, err := t.Size()
	if err != nil {
		return nil, err
	}
	for _, e := range t.edges {
		all = append(all, e.queued...)
		e.queued = nil
	}
	own := t.own()
	own.size = size - int64(len(all))
	// They come back as entries, each with two hashes on average.
	own.entries, own.run = slices.Grow(own.entries, len(all)), slices.Grow(own.run, 2*len(all))
	return all, nil
}

func (t *tx) AppendEntry(index int64, data []byte, hashes [][32]byte, at time.Time) error {
	size, err := t.Size()
	if err != nil {
		return err
	}
	if index != size {
		return fmt.Errorf("the next audit entry is %d, not %d", size, index)
	}
	own := t.own()
	own.size++
	own.entries = append(own.entries, entry{index, at.UnixNano(), data, joined(hashes)})
	if len(own.run) == 0 {
		own.first = tlog.StoredHashIndex(0, index)
	}
	own.run = append(own.run, hashes...)
	return nil
}

// writeEntries writes what updates have appended, the checkpoint beside the
// last.
func (t *tx) writeEntries(e *edge) error {
	rest := e.entries
	if len(rest) > manyEntries {
		many := sqlMany()
		for len(rest) > manyEntries { // the last one is written below, with the checkpoint
			args := make([]any, 0, 4*manyEntries)
			for _, x := range rest[:manyEntries] {
				args = append(args, x.index, x.at, x.hashes, x.data)
			}
			if err := t.exec(many, args...); err != nil {
				return err
			}
			rest = rest[manyEntries:]
		}
	}
	for i, x := range rest {
		var checkpoint []byte
		if i == len(rest)-1 {
			checkpoint = e.checkpoint
		}
		if err := t.exec(sqlAppendEntry, x.index, x.at, x.hashes, checkpoint, x.data); err != nil {
			return err
		}
	}
	if len(e.entries) == 0 && e.checkpoint != nil {
		return t.exec("UPDATE audit_entry SET checkpoint = ? WHERE idx = (SELECT MAX(idx) FROM audit_entry)", e.checkpoint)
	}
	return nil
}

func (t *tx) Entries(first int64, n int) ([][]byte, error) {
	return t.entries("SELECT idx, ciphertext FROM audit_entry WHERE idx >= ? ORDER BY idx LIMIT ?", []any{first, n}, first, n)
}

// entries reads n entries from first on, of which none may be missing.
func (t *tx) entries(query string, args []any, first int64, n int) ([][]byte, error) {
	var out [][]byte
	err := t.each(query, args, func(r *sql.Rows) error {
		var idx int64
		var e []byte
		if err := r.Scan(&idx, &e); err != nil {
			return err
		}
		if idx != first+int64(len(out)) {
			return fmt.Errorf("audit entry %d is missing", first+int64(len(out)))
		}
		out = append(out, e)
		return nil
	})
	if err == nil && len(out) != n {
		err = fmt.Errorf("audit entry %d is missing", first+int64(len(out)))
	}
	return out, err
}

// joined is how the hashes that an entry completes lie in its row.
func joined(hashes [][32]byte) []byte {
	b := make([]byte, 0, 32*len(hashes))
	for _, h := range hashes {
		b = append(b, h[:]...)
	}
	return b
}

func (t *tx) Hashes(indexes []int64) ([][32]byte, error) {
	out := make([][32]byte, len(indexes))
	var absent map[int64]int // place in out by index
	for i, x := range indexes {
		if !t.remembers(x, &out[i]) {
			if absent == nil {
				absent = map[int64]int{}
			}
			absent[x] = i
		}
	}
	if len(absent) == 0 {
		return out, nil
	}
	return out, t.readHashes(absent, out)
}

func (t *tx) remembers(index int64, into *[32]byte) bool {
	for _, e := range t.edges {
		if h, ok := e.find(index); ok {
			*into = h
			return true
		}
	}
	return false
}

// readHashes reads the hashes with these indexes, each to its place in out.
func (t *tx) readHashes(at map[int64]int, out [][32]byte) error {
	return t.hashRows(sqlHashes, nil, at, func(x int64, h [32]byte) {
		out[at[x]], t.own().hashes[x] = h, h
	})
}

// hashRows finds hashes by their indexes. A hash lies in the row of the entry
// that completed it: the last one below it. The query takes a list of entries,
// then the arguments.
func (t *tx) hashRows(query string, args []any, at map[int64]int, found func(int64, [32]byte)) error {
	rows := map[int64][]int64{} // indexes by entry
	for x := range at {
		level, n := tlog.SplitStoredHashIndex(x)
		last := (n+1)<<level - 1
		rows[last] = append(rows[last], x)
	}
	list, err := encode(slices.Sorted(maps.Keys(rows)))
	if err != nil {
		return err
	}
	have := 0
	err = t.each(query, append([]any{list}, args...), func(r *sql.Rows) error {
		var entry int64
		var b sql.RawBytes
		if err := r.Scan(&entry, &b); err != nil {
			return err
		}
		for _, x := range rows[entry] {
			from := 32 * int(x-tlog.StoredHashIndex(0, entry))
			if len(b) < from+32 {
				return fmt.Errorf("the row of entry %d lacks a tree hash", entry)
			}
			found(x, [32]byte(b[from:]))
			have++
		}
		return nil
	})
	if err == nil && have != len(at) {
		err = fmt.Errorf("%d of %d tree hashes are missing", len(at)-have, len(at))
	}
	return err
}

func (t *tx) SetCheckpoint(size int64, note []byte) error {
	if have, err := t.Size(); err != nil || have != size {
		return errors.Join(err, fmt.Errorf("a checkpoint over %d of %d entries", size, have))
	}
	t.own().checkpoint = note
	return nil
}

func (t *tx) Checkpoint() (note []byte, err error) {
	err = t.scan("SELECT checkpoint FROM audit_entry WHERE checkpoint IS NOT NULL ORDER BY idx DESC LIMIT 1", nil, &note)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil // audit.Reader: nil before the first
	}
	return note, err
}

func (t *tx) Idempotent(principal, key string) (fingerprint, response []byte, err error) {
	err = t.scan(sqlIdempotent, []any{principal, key}, &fingerprint, &response)
	return fingerprint, response, err
}

func (t *tx) PutIdempotent(principal, key string, fingerprint, response []byte, at time.Time) error {
	return t.exec(sqlPutIdempotent,
		principal, key, fingerprint, response, at.UnixNano())
}

func (t *tx) ForgetAnswers(before time.Time) (int, error) {
	return t.change("DELETE FROM idempotency WHERE at < ?", before.UnixNano())
}

func (t *tx) Setting(key string) (value string, err error) {
	err = t.scan("SELECT value FROM setting WHERE key = ?", []any{key}, &value)
	return value, err
}

func (t *tx) PutSetting(key, value string) error {
	return t.exec("INSERT INTO setting(key, value) VALUES (?, ?) ON CONFLICT(key) DO UPDATE SET value = excluded.value", key, value)
}

func (t *tx) Figures() (f store.Figures, err error) {
	err = t.scan(`SELECT
		(SELECT count(*) FROM run WHERE state = 'queued'),
		(SELECT count(*) FROM run WHERE state IN ('running', 'checking')),
		(SELECT count(*) FROM release WHERE state = 'held')`, nil, &f.Queued, &f.Running, &f.Held)
	return f, err
}
