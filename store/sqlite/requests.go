package sqlite

import (
	"database/sql"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/store"
)

func (t *tx) PutRequest(r anchorhold.Request) error {
	assets := r.Assets
	r.Decisions, r.Messages, r.Runs, r.Trial, r.State = nil, nil, nil, nil, ""
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
	if r.Runs, err = t.runs("request = ? AND side = '' ORDER BY seq", r.ID); err != nil {
		return err
	}
	trials, err := t.runs("request = ? AND side = 'mock' ORDER BY seq DESC LIMIT 1", r.ID)
	if len(trials) > 0 {
		r.Trial = &trials[0]
	}
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
