package sqlite

import (
	"database/sql"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/store"
)

func (t *tx) PutOutput(o anchorhold.Output) error {
	blob := o.Blob
	o.Release = nil
	body, err := encode(o)
	if err != nil {
		return err
	}
	return t.exec(`INSERT INTO output(id, run, blob, body) VALUES (?, ?, ?, ?)
		ON CONFLICT(id) DO UPDATE SET body = excluded.body`, o.ID, o.Run, blob, body)
}

// outputs reads outputs with their releases.
func (t *tx) outputs(where string, args ...any) ([]anchorhold.Output, error) {
	out := []anchorhold.Output{}
	err := t.each(`SELECT o.blob, o.body, r.envelope, r.log_index, r.body FROM output o LEFT JOIN release r ON r.output = o.id
		WHERE `+where+" ORDER BY o.seq", args, func(rows *sql.Rows) error {
		var o anchorhold.Output
		var body string
		var envelope []byte
		var index sql.NullInt64
		var release sql.NullString
		if err := rows.Scan(&o.Blob, &body, &envelope, &index, &release); err != nil {
			return err
		}
		if err := decode(body, &o); err != nil {
			return err
		}
		o.Gone = o.Blob == ""
		if release.Valid {
			o.Release = &anchorhold.Release{Envelope: envelope, LogIndex: index.Int64}
			if err := decode(release.String, o.Release); err != nil {
				return err
			}
		}
		out = append(out, o)
		return nil
	})
	return out, err
}

func (t *tx) Output(id string) (anchorhold.Output, error) {
	found, err := t.outputs("o.id = ?", id)
	if err == nil && len(found) == 0 {
		return anchorhold.Output{}, store.ErrNotFound
	}
	if err != nil {
		return anchorhold.Output{}, err
	}
	return found[0], nil
}

func (t *tx) PutRelease(r anchorhold.Release) error {
	body, err := encode(r)
	if err != nil {
		return err
	}
	t.touch(r.Request)
	return t.exec(`INSERT INTO release(id, output, request, state, envelope, log_index, body) VALUES (?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT(id) DO UPDATE SET state = excluded.state, envelope = excluded.envelope, log_index = excluded.log_index, body = excluded.body`,
		r.ID, r.Output, r.Request, r.State, r.Envelope, r.LogIndex, body)
}

func (t *tx) Release(id string) (r anchorhold.Release, err error) {
	var body string
	if err := t.scan("SELECT envelope, log_index, body FROM release WHERE id = ?", []any{id}, &r.Envelope, &r.LogIndex, &body); err != nil {
		return r, err
	}
	err = decode(body, &r)
	return r, err
}

func (t *tx) ListReleases(f store.ReleaseFilter, p store.Page) ([]anchorhold.Release, string, error) {
	where, args := "1", []any{}
	if f.State != "" {
		where += " AND x.state = ?"
		args = append(args, f.State)
	}
	if f.Author != "" {
		where += " AND x.seq IN (SELECT n.seq FROM request q JOIN release n ON n.request = q.id WHERE q.author = ?)"
		args = append(args, f.Author)
	}
	return list(t, "release x", "x.body", where, args, p, func(listed []anchorhold.Release) error {
		for i, r := range listed {
			full, err := t.Release(r.ID)
			if err != nil {
				return err
			}
			listed[i] = full
		}
		return nil
	})
}

func (t *tx) AddLedger(e anchorhold.LedgerEntry) error {
	body, err := encode(e)
	if err != nil {
		return err
	}
	return t.exec("INSERT INTO ledger(id, class, population, study, principal, amount, body) VALUES (?, ?, ?, ?, ?, ?, ?)",
		e.ID, e.Class, e.Population, e.Study, e.Principal, e.Amount, body)
}

func (t *tx) ListLedger(f store.LedgerFilter, p store.Page) ([]anchorhold.LedgerEntry, string, error) {
	where, args := "1", []any{}
	for _, c := range []struct{ column, value string }{{"population", f.Population}, {"class", string(f.Class)}, {"principal", f.Principal}} {
		if c.value != "" {
			where += " AND x." + c.column + " = ?"
			args = append(args, c.value)
		}
	}
	return list[anchorhold.LedgerEntry](t, "ledger x", "x.body", where, args, p, nil)
}
