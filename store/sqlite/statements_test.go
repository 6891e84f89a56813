package sqlite

import (
	"database/sql"
	"fmt"
	"strings"
	"testing"

	"github.com/anchorhold/anchorhold/store"
)

// TestQueriesAreParsedOnce asks one query again and again, within its own rows
// too, reading and writing.
func TestQueriesAreParsedOnce(t *testing.T) {
	s := open(t).(*Store)
	defer s.Close()
	const query = "SELECT value FROM json_each(?)"
	pairs := func(open store.Tx) error {
		x := open.(*tx)
		var got []string
		err := x.each(query, []any{"[1, 2]"}, func(outer *sql.Rows) error {
			var a, b int
			if err := outer.Scan(&a); err != nil {
				return err
			}
			return x.each(query, []any{"[3, 4]"}, func(inner *sql.Rows) error {
				err := inner.Scan(&b)
				got = append(got, fmt.Sprint(a, b))
				return err
			})
		})
		if want := "1 3,1 4,2 3,2 4"; err != nil || strings.Join(got, ",") != want {
			t.Errorf("got %q (%v), want %q", got, err, want)
		}
		return nil
	}
	for range 3 {
		if err := s.View(t.Context(), pairs); err != nil {
			t.Fatal(err)
		}
		if err := s.Update(t.Context(), pairs); err != nil {
			t.Fatal(err)
		}
	}
	for name, known := range map[string]*statements{"reading": s.reads, "writing": s.writes} {
		if known.find(query) == nil {
			t.Errorf("%s, the query is parsed each time", name)
		}
	}
}

// TestMoreQueriesThanAreKept asks many queries, and one that is none.
func TestMoreQueriesThanAreKept(t *testing.T) {
	s := open(t).(*Store)
	defer s.Close()
	for round := range 2 {
		for i := range mostStatements + 10 {
			err := s.View(t.Context(), func(open store.Tx) error {
				var got int
				err := open.(*tx).scan(fmt.Sprintf("SELECT %d + ?", i), []any{round}, &got)
				if got != i+round {
					t.Errorf("got %d, want %d", got, i+round)
				}
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		err := s.View(t.Context(), func(open store.Tx) error { return open.(*tx).exec("SELEKT 1") })
		if err == nil {
			t.Error("what is no query was carried out")
		}
	}
	if n := len(s.reads.parsed); n > mostStatements {
		t.Errorf("%d queries are kept parsed", n)
	}
}
