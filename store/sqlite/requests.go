package sqlite

import (
	"database/sql"
	"errors"
	"fmt"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/store"
)

func (t *tx) PutRequest(r anchorhold.Request) error {
	assets := r.Assets
	r.Decisions, r.Messages, r.Runs, r.Trial, r.Lint, r.Waits, r.State = nil, nil, nil, nil, nil, nil, ""
	body, err := encode(r)
	if err != nil {
		return err
	}
	t.touch(r.ID)
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
	one := []anchorhold.Request{r}
	if err := t.fillRequests(one); err != nil {
		return r, err
	}
	r = one[0]
	err = t.scan("SELECT body FROM lint WHERE code_digest = ?", []any{r.CodeDigest}, &body)
	if errors.Is(err, store.ErrNotFound) {
		return r, nil
	}
	if err != nil {
		return r, err
	}
	r.Lint = &anchorhold.Lint{}
	return r, decode(body, r.Lint)
}

func (t *tx) Request(id string) (anchorhold.Request, error) { return t.request("id", id) }

func (t *tx) RequestByDigest(digest string) (anchorhold.Request, error) {
	return t.request("digest", digest)
}

func (t *tx) ListRequests(f store.RequestFilter, p store.Page) ([]anchorhold.Request, string, error) {
	where, args := "1", []any{}
	if len(f.States) > 0 {
		states, err := encode(append(f.States, ""))
		if err != nil {
			return nil, "", err
		}
		where += " AND x.state IN (SELECT value FROM json_each(?))"
		args = append(args, states)
	}
	if f.Author != "" {
		where += " AND x.author = ?"
		args = append(args, f.Author)
	}
	if f.Code != "" {
		where += " AND x.code_digest = ?"
		args = append(args, f.Code)
	}
	if f.Dataset != "" {
		where += " AND EXISTS (SELECT 1 FROM request_asset a WHERE a.request = x.id AND a.dataset = ?)"
		args = append(args, f.Dataset)
	}
	return list(t, "request x", withoutCode, where, args, p, t.fillRequests)
}

// withoutCode is the body of a request x without the texts of its code.
const withoutCode = "json_remove(x.body, '$.code.files')"

func (t *tx) RequestHead(id string) (r anchorhold.Request, err error) {
	var body string
	if err := t.scan("SELECT "+withoutCode+" FROM request x WHERE id = ?", []any{id}, &body); err != nil {
		return r, err
	}
	err = decode(body, &r)
	return r, err
}

// runsOfRequests selects what Request shows of the runs of some requests. A grant
// may have started thousands of one, and each of the parts finds its few by an
// index: the newest of each side, what goes on, what waits for a decision, and
// what a decision was last taken on.
const runsOfRequests = `seq IN (
	SELECT n.seq FROM json_each(?1) j JOIN json_each('["","mock","replay"]') k JOIN run n
		WHERE n.seq IN (SELECT seq FROM run WHERE request = j.value AND side = k.value ORDER BY seq DESC LIMIT ?2)
	UNION SELECT seq FROM run WHERE state IN ('queued', 'running', 'checking') AND +request IN (SELECT value FROM json_each(?1))
	UNION SELECT n.seq FROM release l JOIN output o ON o.id = l.output JOIN run n ON n.id = o.run
		WHERE l.state = 'held' AND l.request IN (SELECT value FROM json_each(?1))
	UNION SELECT n.seq FROM json_each(?1) j JOIN release l JOIN output o ON o.id = l.output JOIN run n ON n.id = o.run
		WHERE l.seq = (SELECT seq FROM release WHERE request = j.value ORDER BY seq DESC LIMIT 1)
) ORDER BY seq`

// fillRequests adds what happened to requests: one query for each kind of thing,
// however many requests there are.
func (t *tx) fillRequests(requests []anchorhold.Request) error {
	ids := make([]string, len(requests))
	for i, r := range requests {
		ids[i] = r.ID
	}
	decisions, err := grouped[anchorhold.Decision](t, "SELECT request, body FROM decision WHERE request", ids)
	if err != nil {
		return err
	}
	messages, err := grouped[anchorhold.Message](t, "SELECT request, body FROM message WHERE request", ids)
	if err != nil {
		return err
	}
	list, err := encode(ids)
	if err != nil {
		return err
	}
	runs, err := t.runs(runsOfRequests, list, anchorhold.ShownRuns)
	if err != nil {
		return err
	}
	of := map[string][]anchorhold.Run{}
	for _, run := range runs {
		of[run.Request] = append(of[run.Request], run)
	}
	for i := range requests {
		r := &requests[i]
		r.Decisions, r.Messages, r.Runs = decisions[r.ID], messages[r.ID], []anchorhold.Run{}
		for _, run := range of[r.ID] {
			if run.Side == anchorhold.SideMock {
				r.Trial = &run // the newest is the last
			} else {
				r.Runs = append(r.Runs, run)
			}
		}
	}
	return nil
}

// grouped reads the bodies of rows whose first column is one of some ids, in
// the order in which they were stored; an id without rows has an empty list.
func grouped[T any](t *tx, query string, ids []string) (map[string][]T, error) {
	list, err := encode(ids)
	if err != nil {
		return nil, err
	}
	out := make(map[string][]T, len(ids))
	for _, id := range ids {
		out[id] = []T{}
	}
	err = t.each(query+" IN (SELECT value FROM json_each(?)) ORDER BY seq", []any{list}, func(r *sql.Rows) error {
		var id, body string
		if err := r.Scan(&id, &body); err != nil {
			return err
		}
		var v T
		if err := decode(body, &v); err != nil {
			return err
		}
		out[id] = append(out[id], v)
		return nil
	})
	return out, err
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

func (t *tx) PutLint(codeDigest string, l anchorhold.Lint) error {
	body, err := encode(l)
	if err != nil {
		return err
	}
	return t.exec("INSERT INTO lint(code_digest, body) VALUES (?, ?) ON CONFLICT(code_digest) DO UPDATE SET body = excluded.body", codeDigest, body)
}

func (t *tx) AddDecision(d anchorhold.Decision) error {
	body, err := encode(d)
	if err != nil {
		return err
	}
	t.touch(d.Request)
	return t.exec("INSERT INTO decision(id, request, opening, dataset, decider, body) VALUES (?, ?, ?, ?, ?, ?)",
		d.ID, d.Request, d.Opening, d.Dataset, d.Decider, body)
}

func (t *tx) AddMessage(m anchorhold.Message) error {
	body, err := encode(m)
	if err != nil {
		return err
	}
	t.touch(m.Request)
	return t.exec("INSERT INTO message(request, body) VALUES (?, ?)", m.Request, body)
}

// forgetWords are the statements of ForgetWords; each changes only what has words.
func forgetWords() []string {
	const reasons = `json_remove(%s, '$.reason', '$.would_accept')`
	decisions := fmt.Sprintf(reasons, "d.value")
	return []string{
		`UPDATE message SET body = json_set(body, '$.text', '') WHERE request = ?1 AND body ->> '$.text' <> ''`,
		`UPDATE decision SET body = ` + fmt.Sprintf(reasons, "body") + ` WHERE request = ?1 AND coalesce(body ->> '$.reason', body ->> '$.would_accept') IS NOT NULL`,
		`UPDATE release SET body = json_remove(body, '$.reason') WHERE request = ?1 AND body ->> '$.reason' IS NOT NULL`,
		`UPDATE release SET body = json_set(body, '$.decisions', json((SELECT json_group_array(json(` + decisions + `)) FROM json_each(release.body, '$.decisions') d)))
			WHERE request = ?1 AND EXISTS (SELECT 1 FROM json_each(release.body, '$.decisions') d
				WHERE coalesce(d.value ->> '$.reason', d.value ->> '$.would_accept') IS NOT NULL)`,
	}
}

func (t *tx) ForgetWords(request string) (said bool, err error) {
	for _, statement := range forgetWords() {
		n, err := t.change(statement, request)
		if err != nil {
			return false, err
		}
		said = said || n > 0
	}
	if said {
		t.touch(request)
	}
	return said, nil
}

func (t *tx) ForgetLint(codeDigest string) error {
	return t.exec(`DELETE FROM lint WHERE code_digest = ?1
		AND NOT EXISTS (SELECT 1 FROM request WHERE code_digest = ?1 AND body ->> '$.forgotten' IS NULL)`, codeDigest)
}
