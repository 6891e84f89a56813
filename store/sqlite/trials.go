package sqlite

import (
	"database/sql"
	"slices"
	"time"

	"github.com/anchorhold/anchorhold"
)

func (t *tx) PutTrial(tr anchorhold.Trial) error {
	body, err := encode(tr)
	if err != nil {
		return err
	}
	err = t.exec("INSERT INTO trial(run, author, created, body) VALUES (?, ?, ?, ?)", tr.Run, tr.Author, tr.Created.UnixNano(), body)
	if err != nil {
		return err
	}
	return t.exec("UPDATE run SET author = ? WHERE id = ?", tr.Author, tr.Run)
}

func (t *tx) Trial(run string) (tr anchorhold.Trial, err error) {
	var body string
	if err := t.scan("SELECT body FROM trial WHERE run = ?", []any{run}, &body); err != nil {
		return tr, err
	}
	err = decode(body, &tr)
	return tr, err
}

func (t *tx) CountTrials(author string, since time.Time) (open, recent int, err error) {
	err = t.scan(`SELECT count(*) FILTER (WHERE r.state IN ('queued', 'running', 'checking')), count(*) FILTER (WHERE q.created >= ?)
		FROM trial q JOIN run r ON r.id = q.run WHERE q.author = ? AND r.request IS NULL`, []any{since.UnixNano(), author}, &open, &recent)
	return open, recent, err
}

// forgettable selects the trials that ForgetTrials removes.
const forgettable = `SELECT q.run FROM trial q JOIN run r ON r.id = q.run
	WHERE q.created < ? AND r.state NOT IN ('queued', 'running', 'checking')`

func (t *tx) ForgetTrials(before time.Time) (runs, blobs []string, err error) {
	if runs, err = t.texts(forgettable, before.UnixNano()); err != nil {
		return nil, nil, err
	}
	for _, run := range runs {
		named, err := t.forgetTrial(run)
		if err != nil {
			return nil, nil, err
		}
		blobs = append(blobs, named...)
	}
	slices.Sort(blobs)
	blobs = slices.Compact(blobs)
	kept := blobs[:0]
	for _, b := range blobs {
		var named bool
		err := t.scan(`SELECT EXISTS (SELECT 1 FROM output WHERE blob = ?1) OR EXISTS (SELECT 1 FROM run WHERE log_blob = ?1)
			OR EXISTS (SELECT 1 FROM version WHERE mock_blob = ?1 OR index_blob = ?1 OR private_blob = ?1)`, []any{b}, &named)
		if err != nil {
			return nil, nil, err
		}
		if !named {
			kept = append(kept, b)
		}
	}
	return runs, kept, nil
}

// forgetTrial removes a trial, and gives the blobs that it named.
func (t *tx) forgetTrial(run string) (blobs []string, err error) {
	blobs, err = t.texts("SELECT blob FROM output WHERE run = ?1 AND blob <> '' UNION SELECT log_blob FROM run WHERE id = ?1 AND log_blob <> ''", run)
	for _, remove := range []string{"DELETE FROM output WHERE run = ?", "DELETE FROM trial WHERE run = ?", "DELETE FROM run WHERE id = ?"} {
		if err == nil {
			err = t.exec(remove, run)
		}
	}
	return blobs, err
}

// texts reads a column of texts.
func (t *tx) texts(query string, args ...any) (out []string, err error) {
	err = t.each(query, args, func(r *sql.Rows) error {
		var s string
		err := r.Scan(&s)
		out = append(out, s)
		return err
	})
	return out, err
}
