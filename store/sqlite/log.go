package sqlite

import (
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/anchorhold/anchorhold/store"
)

func (t *tx) Size() (n int64, err error) {
	return n, t.scan("SELECT COALESCE(MAX(idx) + 1, 0) FROM audit_entry", nil, &n)
}

func (t *tx) AppendEntry(index int64, entry []byte, at time.Time) error {
	size, err := t.Size()
	if err != nil {
		return err
	}
	if index != size {
		return fmt.Errorf("the next audit entry is %d, not %d", size, index)
	}
	return t.exec("INSERT INTO audit_entry(idx, at, ciphertext) VALUES (?, ?, ?)", index, at.UnixNano(), entry)
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
		var b []byte
		if err := t.scan("SELECT hash FROM audit_hash WHERE idx = ?", []any{x}, &b); err != nil {
			return nil, err
		}
		if len(b) != len(out[i]) {
			return nil, fmt.Errorf("tree hash %d has %d bytes", x, len(b))
		}
		copy(out[i][:], b)
	}
	return out, nil
}

func (t *tx) AppendHashes(first int64, hashes [][32]byte) error {
	for i, h := range hashes {
		if err := t.exec("INSERT INTO audit_hash(idx, hash) VALUES (?, ?)", first+int64(i), h[:]); err != nil {
			return err
		}
	}
	return nil
}

func (t *tx) SetCheckpoint(size int64, note []byte) error {
	return t.exec(`INSERT INTO audit_checkpoint(one, size, note) VALUES (1, ?, ?)
		ON CONFLICT(one) DO UPDATE SET size = excluded.size, note = excluded.note`, size, note)
}

func (t *tx) Checkpoint() (note []byte, err error) {
	err = t.scan("SELECT note FROM audit_checkpoint", nil, &note)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil // audit.Reader: nil before the first
	}
	return note, err
}

func (t *tx) Idempotent(principal, key string) (fingerprint, response []byte, err error) {
	err = t.scan("SELECT fingerprint, response FROM idempotency WHERE principal = ? AND key = ?", []any{principal, key}, &fingerprint, &response)
	return fingerprint, response, err
}

func (t *tx) PutIdempotent(principal, key string, fingerprint, response []byte, at time.Time) error {
	return t.exec("INSERT INTO idempotency(principal, key, fingerprint, response, at) VALUES (?, ?, ?, ?, ?)",
		principal, key, fingerprint, response, at.UnixNano())
}

func (t *tx) Setting(key string) (value string, err error) {
	return value, t.scan("SELECT value FROM setting WHERE key = ?", []any{key}, &value)
}

func (t *tx) PutSetting(key, value string) error {
	return t.exec("INSERT INTO setting(key, value) VALUES (?, ?) ON CONFLICT(key) DO UPDATE SET value = excluded.value", key, value)
}
