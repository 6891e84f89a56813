package sqlite

import (
	"database/sql"
	"time"

	"github.com/anchorhold/anchorhold/store"
)

// over selects the runs of requests over a dataset, tried the trials over it:
// those that people made and those of such requests.
const (
	over  = "(SELECT r.id FROM run r JOIN request_asset a ON a.request = r.request WHERE a.dataset = ?1)"
	tried = `SELECT q.run FROM trial q WHERE EXISTS (SELECT 1 FROM json_each(q.body, '$.assets') a WHERE a.value ->> '$.dataset' = ?1)
		OR q.run IN ` + over
)

func (t *tx) ForgetDataset(name string, at time.Time) (trials int, err error) {
	runs, err := t.texts(tried, name)
	if err != nil {
		return 0, err
	}
	for _, run := range runs {
		blobs, err := t.forgetTrial(run)
		if err != nil {
			return 0, err
		}
		if err := t.giveUp(blobs, at, false); err != nil {
			return 0, err
		}
	}
	named, err := t.texts(`SELECT blob FROM (SELECT mock_blob AS blob FROM version WHERE dataset = ?1
		UNION SELECT index_blob FROM version WHERE dataset = ?1
		UNION SELECT private_blob FROM version WHERE dataset = ?1
		UNION SELECT blob FROM output WHERE run IN `+over+`
		UNION SELECT log_blob FROM run WHERE id IN `+over+`) WHERE blob <> ''`, name)
	if err == nil {
		err = t.giveUp(named, at, false)
	}
	for _, query := range []string{
		"UPDATE version SET mock_blob = '', index_blob = '', private_blob = '', body = json_remove(body, '$.mock') WHERE dataset = ?1",
		"UPDATE output SET blob = '' WHERE run IN " + over,
		"UPDATE run SET log_blob = '' WHERE id IN " + over,
		"UPDATE question SET answer = '' WHERE dataset = ?1",
	} {
		if err == nil {
			err = t.exec(query, name)
		}
	}
	return len(runs), err
}

// giveUp notes files to be removed; one that was named until now is no orphan.
func (t *tx) giveUp(blobs []string, at time.Time, orphan bool) error {
	verb := "INSERT OR REPLACE"
	if orphan {
		verb = "INSERT OR IGNORE"
	}
	for _, b := range blobs {
		if err := t.exec(verb+" INTO given_up(blob, at, orphan) VALUES (?, ?, ?)", b, at.UnixNano(), orphan); err != nil {
			return err
		}
	}
	return nil
}

func (t *tx) GiveUp(orphans []string, at time.Time) error { return t.giveUp(orphans, at, true) }

func (t *tx) GivenUp() (map[string]store.GivenUp, error) {
	out := map[string]store.GivenUp{}
	err := t.each(`SELECT blob, at, orphan FROM given_up g WHERE NOT EXISTS (SELECT 1 FROM output WHERE blob = g.blob)
		AND NOT EXISTS (SELECT 1 FROM run WHERE log_blob = g.blob)
		AND NOT EXISTS (SELECT 1 FROM version WHERE mock_blob = g.blob OR index_blob = g.blob OR private_blob = g.blob)
		AND NOT EXISTS (SELECT 1 FROM upload u, json_each(u.body, '$.parts') p WHERE p.value = g.blob)`, nil, func(r *sql.Rows) error {
		var id string
		var at int64
		var orphan bool
		err := r.Scan(&id, &at, &orphan)
		out[id] = store.GivenUp{At: time.Unix(0, at).UTC(), Orphan: orphan}
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
