package sqlite

import (
	"time"

	"github.com/anchorhold/anchorhold"
)

func (t *tx) PutUpload(u anchorhold.Upload) error {
	body, err := encode(u)
	if err != nil {
		return err
	}
	return t.exec(`INSERT INTO upload(id, principal, body) VALUES (?, ?, ?)
		ON CONFLICT(id) DO UPDATE SET body = excluded.body`, u.ID, u.Principal, body)
}

func (t *tx) Upload(id string) (u anchorhold.Upload, err error) {
	var body string
	if err := t.scan("SELECT body FROM upload WHERE id = ?", []any{id}, &body); err != nil {
		return u, err
	}
	err = decode(body, &u)
	return u, err
}

func (t *tx) Uploads() ([]anchorhold.Upload, error) {
	return bodies[anchorhold.Upload](t, "SELECT body FROM upload ORDER BY seq", nil)
}

func (t *tx) DeleteUpload(id string, at time.Time) error {
	parts, err := t.texts("SELECT p.value FROM upload u, json_each(u.body, '$.parts') p WHERE u.id = ?", id)
	if err != nil {
		return err
	}
	if err := t.giveUp(parts, at, false); err != nil {
		return err
	}
	return t.exec("DELETE FROM upload WHERE id = ?", id)
}

func (t *tx) ForgetUploads(before, at time.Time) (int, error) {
	old, err := t.texts("SELECT id FROM upload WHERE julianday(body ->> '$.touched') < julianday(?)", before.UTC().Format(time.RFC3339))
	for _, id := range old {
		if err == nil {
			err = t.DeleteUpload(id, at)
		}
	}
	return len(old), err
}
