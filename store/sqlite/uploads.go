package sqlite

import "github.com/anchorhold/anchorhold"

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

func (t *tx) DeleteUpload(id string) error { return t.exec("DELETE FROM upload WHERE id = ?", id) }
