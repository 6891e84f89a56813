package sqlite

import (
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/anchorhold/anchorhold/store"
)

// The statements of every act. They are parsed once, at Open: parsing would cost
// an act more than the statements do.
const (
	sqlSize          = "SELECT COALESCE(MAX(idx) + 1, 0) FROM audit_entry"
	sqlAppendEntry   = "INSERT INTO audit_entry(idx, at, ciphertext, checkpoint) VALUES (?, ?, ?, ?)"
	sqlHashes        = "SELECT h.hash FROM json_each(?) j JOIN audit_hash h ON h.idx = j.value ORDER BY j.key"
	sqlIdempotent    = "SELECT fingerprint, response FROM idempotency WHERE principal = ? AND key = ?"
	sqlPutIdempotent = "INSERT INTO idempotency(principal, key, fingerprint, response, at) VALUES (?, ?, ?, ?, ?)"
)

func hotQueries() []string {
	hot := []string{
		sqlSavepoint, sqlRollbackTo, sqlRelease, sqlSize, sqlAppendEntry, sqlHashes, sqlIdempotent, sqlPutIdempotent,
	}
	for n := range 8 {
		hot = append(hot, sqlAppendHashes(n+1))
	}
	return hot
}

// own is what this update itself adds to the edge.
func (t *tx) own() *edge { return t.known[len(t.known)-1] }

func (t *tx) Size() (int64, error) {
	own := t.own()
	if own.size >= 0 {
		return own.size, nil
	}
	err := t.scan(sqlSize, nil, &own.size)
	return own.size, err
}

func (t *tx) AppendEntry(index int64, data []byte, at time.Time) error {
	size, err := t.Size()
	if err != nil {
		return err
	}
	if index != size {
		return fmt.Errorf("the next audit entry is %d, not %d", size, index)
	}
	t.own().size++
	t.own().entries = append(t.own().entries, entry{index, at.UnixNano(), data})
	return nil
}

// writeEntries writes what updates have appended, the checkpoint beside the
// last.
func (t *tx) writeEntries(e *edge) error {
	for i, x := range e.entries {
		var checkpoint []byte
		if i == len(e.entries)-1 {
			checkpoint = e.checkpoint
		}
		if err := t.exec(sqlAppendEntry, x.index, x.at, x.data, checkpoint); err != nil {
			return err
		}
	}
	if len(e.entries) == 0 && e.checkpoint != nil {
		return t.exec("UPDATE audit_entry SET checkpoint = ? WHERE idx = (SELECT MAX(idx) FROM audit_entry)", e.checkpoint)
	}
	return nil
}

func (t *tx) Entries(first int64, n int) ([][]byte, error) {
	var out [][]byte
	err := t.each("SELECT idx, ciphertext FROM audit_entry WHERE idx >= ? ORDER BY idx LIMIT ?", []any{first, n},
		func(r *sql.Rows) error {
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

func (t *tx) Hashes(indexes []int64) ([][32]byte, error) {
	out := make([][32]byte, len(indexes))
	for i, x := range indexes {
		if !t.remembers(x, &out[i]) {
			return t.readHashes(indexes)
		}
	}
	return out, nil
}

func (t *tx) remembers(index int64, into *[32]byte) bool {
	for _, e := range t.known {
		if h, ok := e.hashes[index]; ok {
			*into = h
			return true
		}
	}
	return false
}

func (t *tx) readHashes(indexes []int64) ([][32]byte, error) {
	list, err := encode(indexes)
	if err != nil {
		return nil, err
	}
	out := make([][32]byte, 0, len(indexes))
	err = t.each(sqlHashes, []any{list}, func(r *sql.Rows) error {
		var b sql.RawBytes
		if err := r.Scan(&b); err != nil {
			return err
		}
		if len(b) != 32 {
			return fmt.Errorf("a tree hash has %d bytes", len(b))
		}
		out = append(out, [32]byte(b))
		return nil
	})
	if err != nil {
		return nil, err
	}
	if len(out) != len(indexes) {
		return nil, fmt.Errorf("%d of %d tree hashes are missing", len(indexes)-len(out), len(indexes))
	}
	for i, x := range indexes {
		t.own().hashes[x] = out[i]
	}
	return out, nil
}

func (t *tx) AppendHashes(first int64, hashes [][32]byte) error {
	var args []any
	for i, h := range hashes {
		args = append(args, first+int64(i), h[:])
		t.own().hashes[first+int64(i)] = h
	}
	if len(hashes) == 0 {
		return nil
	}
	return t.exec(sqlAppendHashes(len(hashes)), args...)
}

// sqlAppendHashes adds n hashes by one statement; a few are the rule.
func sqlAppendHashes(n int) string {
	return "INSERT INTO audit_hash(idx, hash) VALUES (?, ?)" + strings.Repeat(", (?, ?)", n-1)
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

func (t *tx) ForgetIdempotent(before time.Time) error {
	return t.exec("DELETE FROM idempotency WHERE at < ?", before.UnixNano())
}

func (t *tx) Setting(key string) (value string, err error) {
	err = t.scan("SELECT value FROM setting WHERE key = ?", []any{key}, &value)
	return value, err
}

func (t *tx) PutSetting(key, value string) error {
	return t.exec("INSERT INTO setting(key, value) VALUES (?, ?) ON CONFLICT(key) DO UPDATE SET value = excluded.value", key, value)
}
