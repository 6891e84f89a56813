package sqlite

import (
	"database/sql"
	"time"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/store"
)

func (t *tx) PutRequest(r anchorhold.Request) error {
	assets := r.Assets
	r.Decisions, r.Messages, r.Runs, r.State = nil, nil, nil, ""
	body, err := encode(r)
	if err != nil {
		return err
	}
	err = t.exec(`INSERT INTO request(id, digest, code_digest, author, study, body) VALUES (?, ?, ?, ?, ?, ?)
		ON CONFLICT(id) DO UPDATE SET body = excluded.body`, r.ID, r.Digest, r.CodeDigest, r.Author, r.Study, body)
	for parameter, a := range assets {
		if err == nil {
			err = t.exec(`INSERT INTO request_asset(request, parameter, dataset, asset, version) VALUES (?, ?, ?, ?, ?)
				ON CONFLICT DO NOTHING`, r.ID, parameter, a.Dataset, a.Asset, a.Version)
		}
	}
	return err
}

func (t *tx) request(where, arg string) (r anchorhold.Request, err error) {
	var body string
	if err := t.scan("SELECT body FROM request WHERE "+where+" = ?", []any{arg}, &body); err != nil {
		return r, err
	}
	if err := decode(body, &r); err != nil {
		return r, err
	}
	err = t.fillRequest(&r)
	return r, err
}

func (t *tx) Request(id string) (anchorhold.Request, error) { return t.request("id", id) }

func (t *tx) RequestByDigest(digest string) (anchorhold.Request, error) {
	return t.request("digest", digest)
}

func (t *tx) ListRequests(f store.RequestFilter, p store.Page) ([]anchorhold.Request, string, error) {
	where, args := "1", []any{}
	if f.Author != "" {
		where += " AND x.author = ?"
		args = append(args, f.Author)
	}
	if f.Dataset != "" {
		where += " AND EXISTS (SELECT 1 FROM request_asset a WHERE a.request = x.id AND a.dataset = ?)"
		args = append(args, f.Dataset)
	}
	return list(t, "request x", "json_remove(x.body, '$.code.files')", where, args, p, t.fillRequest)
}

// fillRequest adds what happened to a request.
func (t *tx) fillRequest(r *anchorhold.Request) (err error) {
	args := []any{r.ID}
	if r.Decisions, err = bodies[anchorhold.Decision](t, "SELECT body FROM decision WHERE request = ? ORDER BY seq", args); err != nil {
		return err
	}
	if r.Messages, err = bodies[anchorhold.Message](t, "SELECT body FROM message WHERE request = ? ORDER BY seq", args); err != nil {
		return err
	}
	r.Runs, err = t.runs("request = ?", r.ID)
	return err
}

// bodies decodes the body of every row.
func bodies[T any](t *tx, query string, args []any) ([]T, error) {
	out := []T{}
	err := t.each(query, args, func(r *sql.Rows) error {
		var body string
		if err := r.Scan(&body); err != nil {
			return err
		}
		var v T
		if err := decode(body, &v); err != nil {
			return err
		}
		out = append(out, v)
		return nil
	})
	return out, err
}

func (t *tx) AddDecision(d anchorhold.Decision) error {
	body, err := encode(d)
	if err != nil {
		return err
	}
	return t.exec("INSERT INTO decision(id, request, opening, dataset, decider, body) VALUES (?, ?, ?, ?, ?, ?)",
		d.ID, d.Request, d.Opening, d.Dataset, d.Decider, body)
}

func (t *tx) AddMessage(m anchorhold.Message) error {
	body, err := encode(m)
	if err != nil {
		return err
	}
	return t.exec("INSERT INTO message(request, body) VALUES (?, ?)", m.Request, body)
}

func (t *tx) PutGrant(g anchorhold.Grant) error {
	body, err := encode(g)
	if err != nil {
		return err
	}
	return t.exec(`INSERT INTO grants(id, digest, study, body) VALUES (?, ?, ?, ?)
		ON CONFLICT(id) DO UPDATE SET body = excluded.body`, g.ID, g.Digest, g.Study, body)
}

func (t *tx) Grant(id string) (g anchorhold.Grant, err error) {
	var body string
	if err := t.scan("SELECT body FROM grants WHERE id = ?", []any{id}, &body); err != nil {
		return g, err
	}
	err = decode(body, &g)
	return g, err
}

func (t *tx) GrantsFor(digest string) ([]anchorhold.Grant, error) {
	return bodies[anchorhold.Grant](t, "SELECT body FROM grants WHERE digest = ? ORDER BY seq DESC", []any{digest})
}

func (t *tx) PutRun(r anchorhold.Run) error {
	log := r.Log
	r.Outputs = nil
	body, err := encode(r)
	if err != nil {
		return err
	}
	return t.exec(`INSERT INTO run(id, request, state, study, log_blob, body) VALUES (?, ?, ?, ?, ?, ?)
		ON CONFLICT(id) DO UPDATE SET state = excluded.state, log_blob = excluded.log_blob, body = excluded.body`,
		r.ID, r.Request, r.State, r.Study, log, body)
}

func (t *tx) runs(where string, args ...any) ([]anchorhold.Run, error) {
	out := []anchorhold.Run{}
	err := t.each("SELECT log_blob, body FROM run WHERE "+where+" ORDER BY seq", args, func(r *sql.Rows) error {
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
	for i := range out {
		if err == nil {
			out[i].Outputs, err = t.outputs("o.run = ?", out[i].ID)
		}
	}
	return out, err
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

func (t *tx) ListRuns(p store.Page) ([]anchorhold.Run, string, error) {
	return list(t, "run x", "x.body", "1", nil, p, func(r *anchorhold.Run) error {
		full, err := t.Run(r.ID)
		*r = full
		return err
	})
}

// claimable selects the runs that ClaimRun may take.
const claimable = "state = 'queued' OR (state IN ('running', 'checking') AND lease < ?)"

func (t *tx) RunWaiting(now time.Time) (waiting bool, err error) {
	err = t.scan("SELECT EXISTS (SELECT 1 FROM run WHERE "+claimable+")", []any{now.UnixNano()}, &waiting)
	return waiting, err
}

func (t *tx) ClaimRun(claimant string, now, lease time.Time) (r anchorhold.Run, err error) {
	var id string
	err = t.scan("SELECT id FROM run WHERE "+claimable+" ORDER BY seq LIMIT 1", []any{now.UnixNano()}, &id)
	if err != nil {
		return r, err
	}
	if r, err = t.Run(id); err != nil {
		return r, err
	}
	r.State, r.Attempt, r.Started = anchorhold.RunRunning, r.Attempt+1, &now
	if err := t.PutRun(r); err != nil {
		return r, err
	}
	return r, t.exec("UPDATE run SET claimant = ?, lease = ? WHERE id = ?", claimant, lease.UnixNano(), id)
}

func (t *tx) ExtendLease(run, claimant string, lease time.Time) error {
	res, err := t.tx.ExecContext(t.ctx,
		"UPDATE run SET lease = ? WHERE id = ? AND claimant = ? AND state IN ('running', 'checking')", lease.UnixNano(), run, claimant)
	if err != nil {
		return err
	}
	if n, err := res.RowsAffected(); err != nil || n == 0 {
		return store.ErrNotFound
	}
	return nil
}

func (t *tx) ReturnRun(run, claimant string) error {
	if err := t.ExtendLease(run, claimant, time.Unix(0, 0)); err != nil {
		return err
	}
	r, err := t.Run(run)
	if err != nil {
		return err
	}
	r.State, r.Attempt, r.Started = anchorhold.RunQueued, r.Attempt-1, nil
	if err := t.PutRun(r); err != nil {
		return err
	}
	return t.exec("UPDATE run SET claimant = '', lease = 0 WHERE id = ?", run)
}
