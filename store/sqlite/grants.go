package sqlite

import (
	"strings"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/store"
)

func (t *tx) PutGrant(g anchorhold.Grant) error {
	body, err := encode(g)
	if err != nil {
		return err
	}
	live := g.Revoked == nil && g.Used < g.Uses
	err = t.exec(`INSERT INTO grants(id, digest, study, body, code_digest, request, live) VALUES (?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT(id) DO UPDATE SET body = excluded.body, live = excluded.live`,
		g.ID, g.Digest, g.Study, body, g.CodeDigest, g.Request, live)
	for _, person := range append([]string{g.Author}, g.For...) {
		if err == nil {
			err = t.exec("INSERT INTO grant_person(grants, person) VALUES (?, ?) ON CONFLICT DO NOTHING", g.ID, person)
		}
	}
	for _, name := range g.Datasets() {
		if err == nil {
			err = t.exec("INSERT INTO grant_dataset(grants, dataset) VALUES (?, ?) ON CONFLICT DO NOTHING", g.ID, name)
		}
	}
	return err
}

func (t *tx) Grant(id string) (g anchorhold.Grant, err error) {
	var body string
	if err := t.scan("SELECT body FROM grants WHERE id = ?", []any{id}, &body); err != nil {
		return g, err
	}
	err = decode(body, &g)
	return g, err
}

func (t *tx) GrantsFor(codeDigest string) ([]anchorhold.Grant, error) {
	return bodies[anchorhold.Grant](t, "SELECT body FROM grants WHERE code_digest = ? AND live ORDER BY seq DESC", []any{codeDigest})
}

func (t *tx) ListGrants(f store.GrantFilter, p store.Page) ([]anchorhold.Grant, string, error) {
	where, args := "1", []any{}
	if f.Request != "" {
		where += " AND x.request = ?"
		args = append(args, f.Request)
	}
	if f.Dataset != "" {
		where += " AND EXISTS (SELECT 1 FROM grant_dataset d WHERE d.grants = x.id AND d.dataset = ?)"
		args = append(args, f.Dataset)
	}
	if len(f.People) > 0 {
		where += " AND x.id IN (SELECT p.grants FROM grant_person p WHERE p.person IN (?" + strings.Repeat(", ?", len(f.People)-1) + "))"
		for _, person := range f.People {
			args = append(args, person)
		}
	}
	return list[anchorhold.Grant](t, "grants x", "x.body", where, args, p, nil)
}

func (t *tx) AddSeen(s anchorhold.Seen) error {
	body, err := encode(s)
	if err != nil {
		return err
	}
	return t.exec("INSERT INTO seen(digest, body) VALUES (?, ?)", s.Digest, body)
}

func (t *tx) SeenOf(digest string) ([]anchorhold.Seen, error) {
	return bodies[anchorhold.Seen](t, "SELECT body FROM seen WHERE digest = ? ORDER BY seq", []any{digest})
}

func (t *tx) OpenRuns(grant string) ([]anchorhold.Run, error) {
	return t.runs("state IN ('queued', 'running', 'checking') AND json_extract(body, '$.grant') = ? ORDER BY seq", grant)
}
