package sqlite

import (
	"context"
	"database/sql"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/store"
)

// old is a database as version 0.1 left it, with grants of one request.
const old = schema1 + `
INSERT INTO request(id, digest, code_digest, author, body) VALUES ('req-1', 'sha256:r', 'sha256:c', 'pri-1',
  '{"id":"req-1","digest":"sha256:r","code_digest":"sha256:c","code":{"entry":"main.py:f","files":[]},"author":"pri-1","author_name":"a@example.org",
    "assets":{"x":{"dataset":"heart","asset":"patients","version":"ver-1"},"y":{"dataset":"heart","asset":"visits","version":"ver-2"}},
    "parameters":{"k":0.10,"s":"a\u003cb","l":[1,2]},"purpose":"why \"so\"","opening":1}');
INSERT INTO request_asset(request, parameter, dataset, asset, version) VALUES ('req-1', 'x', 'heart', 'patients', 'ver-1'), ('req-1', 'y', 'heart', 'visits', 'ver-2');
INSERT INTO grants(id, digest, study, body) VALUES
  ('gra-1', 'sha256:r', 's', '{"id":"gra-1","request":"req-1","opening":1,"digest":"sha256:r","study":"s","uses":3,"used":1,"auto_release":true,"created":"2026-11-21T12:00:00Z"}'),
  ('gra-2', 'sha256:r', '', '{"id":"gra-2","request":"req-1","opening":2,"digest":"sha256:r","uses":1,"used":1,"auto_release":false,"created":"2026-11-21T12:00:00Z"}'),
  ('gra-3', 'sha256:r', '', '{"id":"gra-3","request":"req-1","opening":3,"digest":"sha256:r","uses":9,"used":1,"auto_release":false,"revoked":"2026-11-21T13:00:00Z","created":"2026-11-21T12:00:00Z"}');
PRAGMA user_version = 1;
`

// A grant of version 0.1 goes on covering exactly its request, and no more.
func TestGrantsOfTheFirstVersionStayExact(t *testing.T) {
	path := filepath.Join(t.TempDir(), "site.db")
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec(old); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	s, err := Open(context.Background(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	err = s.View(context.Background(), func(tx store.Tx) error {
		r, err := tx.Request("req-1")
		if err != nil {
			return err
		}
		live, err := tx.GrantsFor("sha256:c")
		if err != nil || len(live) != 1 {
			t.Fatalf("%d grants are live, %v", len(live), err)
		}
		g := live[0]
		want := anchorhold.Grant{
			ID: "gra-1", Request: "req-1", Opening: 1, Digest: "sha256:r", CodeDigest: "sha256:c", Entry: "main.py:f", Author: "pri-1", AuthorName: "a@example.org",
			Purpose: r.Purpose, Study: "s", Assets: r.Assets, Values: r.Values, Terms: anchorhold.Terms{Uses: 3, AutoRelease: true}, Used: 1, Created: g.Created,
		}
		if !reflect.DeepEqual(g, want) {
			t.Errorf("got  %+v\nwant %+v", g, want)
		}
		all, _, err := tx.ListGrants(store.GrantFilter{Request: "req-1", Dataset: "heart", People: []string{"pri-1"}}, store.Page{})
		if len(all) != 3 {
			t.Errorf("%d grants are listed", len(all))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
