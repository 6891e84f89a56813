package sqlite

import (
	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/store"
)

func (t *tx) PutEnvironmentRequest(r anchorhold.EnvironmentRequest) error {
	body, err := encode(r)
	if err != nil {
		return err
	}
	return t.exec(`INSERT INTO environment_request(id, author, state, lock_text, body) VALUES (?, ?, ?, ?, ?)
		ON CONFLICT(id) DO UPDATE SET state = excluded.state, body = excluded.body`, r.ID, r.Author, r.State, r.Text, body)
}

func (t *tx) EnvironmentRequest(id string) (r anchorhold.EnvironmentRequest, err error) {
	var body string
	if err := t.scan("SELECT lock_text, body FROM environment_request WHERE id = ?", []any{id}, &r.Text, &body); err != nil {
		return r, err
	}
	err = decode(body, &r)
	return r, err
}

func (t *tx) ListEnvironmentRequests(f store.EnvironmentFilter, p store.Page) ([]anchorhold.EnvironmentRequest, string, error) {
	where, args := "1", []any{}
	if f.Author != "" {
		where += " AND x.author = ?"
		args = append(args, f.Author)
	}
	if f.State != "" {
		where += " AND x.state = ?"
		args = append(args, f.State)
	}
	return list[anchorhold.EnvironmentRequest](t, "environment_request x", "x.body", where, args, p, nil)
}
