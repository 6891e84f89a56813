package sqlite

import (
	"database/sql"
	"time"
)

// over selects the runs of requests over a dataset.
const over = "(SELECT r.id FROM run r JOIN request_asset a ON a.request = r.request WHERE a.dataset = ?1)"

func (t *tx) ForgetDataset(name string, at time.Time) error {
	err := t.exec(`INSERT OR REPLACE INTO given_up(blob, at)
		SELECT blob, ?2 FROM (SELECT mock_blob AS blob FROM version WHERE dataset = ?1
			UNION SELECT index_blob FROM version WHERE dataset = ?1
			UNION SELECT private_blob FROM version WHERE dataset = ?1
			UNION SELECT blob FROM output WHERE run IN `+over+`
			UNION SELECT log_blob FROM run WHERE id IN `+over+`) WHERE blob <> ''`, name, at.UnixNano())
	for _, query := range []string{
		"UPDATE version SET mock_blob = '', index_blob = '', private_blob = '', body = json_remove(body, '$.mock') WHERE dataset = ?1",
		"UPDATE output SET blob = '' WHERE run IN " + over,
		"UPDATE run SET log_blob = '' WHERE id IN " + over,
	} {
		if err == nil {
			err = t.exec(query, name)
		}
	}
	return err
}

func (t *tx) GivenUp() (map[string]time.Time, error) {
	out := map[string]time.Time{}
	err := t.each(`SELECT blob, at FROM given_up g WHERE NOT EXISTS (SELECT 1 FROM output WHERE blob = g.blob)
		AND NOT EXISTS (SELECT 1 FROM run WHERE log_blob = g.blob)
		AND NOT EXISTS (SELECT 1 FROM version WHERE mock_blob = g.blob OR index_blob = g.blob OR private_blob = g.blob)`, nil, func(r *sql.Rows) error {
		var id string
		var at int64
		err := r.Scan(&id, &at)
		out[id] = time.Unix(0, at).UTC()
		return err
	})
	return out, err
}

func (t *tx) Gone(blobs []string) error {
	for _, b := range blobs {
		if err := t.exec("DELETE FROM given_up WHERE blob = ?", b); err != nil {
			return err
		}
	}
	return nil
}
