package sqlite

import (
	"database/sql"
	"time"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/store"
)

func (t *tx) PutNotice(n anchorhold.Notice) error {
	body, err := encode(n)
	if err != nil {
		return err
	}
	return t.exec("INSERT INTO notice(id, recipient, body) VALUES (?, ?, ?)", n.ID, n.Recipient, body)
}

func (t *tx) Notices(hook bool, limit int) ([]anchorhold.Notice, error) {
	where := "recipient <> ''"
	if hook {
		where = "recipient = ''"
	}
	return bodies[anchorhold.Notice](t, "SELECT body FROM notice WHERE "+where+" ORDER BY seq LIMIT ?", []any{limit})
}

func (t *tx) DeleteNotice(id string) error { return t.exec("DELETE FROM notice WHERE id = ?", id) }

func (t *tx) PutApplication(a anchorhold.Application) error {
	body, err := encode(a)
	if err != nil {
		return err
	}
	return t.exec(`INSERT INTO application(id, principal, state, at, code_hash, tries, body) VALUES (?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT(id) DO UPDATE SET state = excluded.state, code_hash = excluded.code_hash, tries = excluded.tries, body = excluded.body`,
		a.ID, a.Principal, a.State, a.Created.UnixNano(), a.CodeHash, a.Tries, body)
}

func (t *tx) application(where, arg string) (a anchorhold.Application, err error) {
	var body string
	if err := t.scan("SELECT code_hash, tries, body FROM application WHERE "+where+" = ?", []any{arg}, &a.CodeHash, &a.Tries, &body); err != nil {
		return a, err
	}
	err = decode(body, &a)
	return a, err
}

func (t *tx) Application(id string) (anchorhold.Application, error) { return t.application("id", id) }

func (t *tx) ApplicationOf(principal string) (anchorhold.Application, error) {
	return t.application("principal", principal)
}

func (t *tx) ListApplications(state anchorhold.ApplicationState, p store.Page) ([]anchorhold.Application, string, error) {
	where, args := "1", []any{}
	if state != "" {
		where, args = "x.state = ?", []any{state}
	}
	return list[anchorhold.Application](t, "application x", "x.body", where, args, p, nil)
}

func (t *tx) DeleteApplications(state anchorhold.ApplicationState, before time.Time) error {
	ids, err := t.strings("SELECT principal FROM application WHERE state = ? AND at < ?", state, before.UnixNano())
	if err != nil {
		return err
	}
	for _, id := range ids {
		for _, statement := range []string{
			"DELETE FROM application WHERE principal = ?", "DELETE FROM credential WHERE principal = ?", "DELETE FROM principal WHERE id = ?",
		} {
			if err := t.exec(statement, id); err != nil {
				return err
			}
		}
	}
	return nil
}

// strings reads one column of texts.
func (t *tx) strings(query string, args ...any) (out []string, err error) {
	err = t.each(query, args, func(r *sql.Rows) error {
		var s string
		err := r.Scan(&s)
		out = append(out, s)
		return err
	})
	return out, err
}
