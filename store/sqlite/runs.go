package sqlite

import (
	"database/sql"
	"time"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/store"
)

func (t *tx) PutRun(r anchorhold.Run) error {
	log := r.Log
	r.Outputs, r.Ahead = nil, nil
	body, err := encode(r)
	if err != nil {
		return err
	}
	by := "" // its request's author, but for a replay: whoever replays it takes the turn and pays
	if r.Replay != nil {
		by = r.Replay.By
	}
	t.touch(r.Request)
	return t.exec(`INSERT INTO run(id, side, request, state, study, log_blob, priority, body, author)
		VALUES (?, ?, NULLIF(?, ''), ?, ?, ?, ?, ?, COALESCE(NULLIF(?, ''), (SELECT q.author FROM request q WHERE q.id = ?), ''))
		ON CONFLICT(id) DO UPDATE SET state = excluded.state, log_blob = excluded.log_blob, priority = excluded.priority, body = excluded.body`,
		r.ID, r.Side, r.Request, r.State, r.Study, log, r.Priority, body, by, r.Request)
}

// runs reads the runs that a condition selects, in the order that it gives.
func (t *tx) runs(where string, args ...any) ([]anchorhold.Run, error) {
	out := []anchorhold.Run{}
	err := t.each("SELECT log_blob, body FROM run WHERE "+where, args, func(r *sql.Rows) error {
		var run anchorhold.Run
		var body string
		if err := r.Scan(&run.Log, &body); err != nil {
			return err
		}
		if err := decode(body, &run); err != nil {
			return err
		}
		out = append(out, run)
		return nil
	})
	if err != nil {
		return out, err
	}
	return out, t.fillRuns(out)
}

// fillRuns adds the outputs of runs.
func (t *tx) fillRuns(runs []anchorhold.Run) error {
	at := make(map[string]*anchorhold.Run, len(runs))
	ids := make([]string, len(runs))
	for i := range runs {
		runs[i].Outputs = []anchorhold.Output{}
		ids[i], at[runs[i].ID] = runs[i].ID, &runs[i]
	}
	list, err := encode(ids)
	if err != nil {
		return err
	}
	outputs, err := t.outputs("o.run IN (SELECT value FROM json_each(?))", list)
	for _, o := range outputs {
		at[o.Run].Outputs = append(at[o.Run].Outputs, o)
	}
	return err
}

func (t *tx) Run(id string) (anchorhold.Run, error) {
	found, err := t.runs("id = ?", id)
	if err == nil && len(found) == 0 {
		return anchorhold.Run{}, store.ErrNotFound
	}
	if err != nil {
		return anchorhold.Run{}, err
	}
	return found[0], nil
}

func (t *tx) ListRuns(f store.RunFilter, p store.Page) ([]anchorhold.Run, string, error) {
	where, args := "x.side = ?", []any{f.Side}
	if f.Author != "" {
		if f.Side == anchorhold.SideMock {
			where += " AND x.id IN (SELECT q.run FROM trial q WHERE q.author = ?)"
		} else {
			where += " AND x.seq IN (SELECT n.seq FROM request q JOIN run n ON n.request = q.id WHERE q.author = ?)"
		}
		args = append(args, f.Author)
	}
	if f.Request != "" {
		where += " AND x.request = ?"
		args = append(args, f.Request)
	}
	return list(t, "run x", "x.body", where, args, p, func(listed []anchorhold.Run) error {
		ids := make([]string, len(listed))
		for i, r := range listed {
			ids[i] = r.ID
		}
		text, err := encode(ids)
		if err != nil {
			return err
		}
		full, err := t.runs("id IN (SELECT value FROM json_each(?)) ORDER BY seq DESC", text)
		copy(listed, full)
		return err
	})
}

func (t *tx) EndLeases() error {
	return t.exec("UPDATE run SET lease = 0, claimant = '' WHERE state IN ('running', 'checking')")
}

func (t *tx) ExtendLease(run, claimant string, lease time.Time) error {
	n, err := t.change(
		"UPDATE run SET lease = ? WHERE id = ? AND claimant = ? AND state IN ('running', 'checking')", lease.UnixNano(), run, claimant)
	if err == nil && n == 0 {
		err = store.ErrNotFound
	}
	return err
}

func (t *tx) ReturnRun(run, claimant string) error {
	if err := t.ExtendLease(run, claimant, time.Unix(0, 0)); err != nil {
		return err
	}
	r, err := t.Run(run)
	if err != nil {
		return err
	}
	r.State, r.Attempt = anchorhold.RunQueued, r.Attempt-1
	if r.Side != anchorhold.SideMock {
		r.Started = nil
	}
	if err := t.PutRun(r); err != nil {
		return err
	}
	return t.exec("UPDATE run SET claimant = '', lease = 0 WHERE id = ?", run)
}
