package sqlite

import (
	"database/sql"
	"strings"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/store"
)

// indexDataset writes anew what a dataset is found by.
func (t *tx) indexDataset(name string) error {
	for _, query := range []string{
		`INSERT INTO dataset_text(name, card, columns) SELECT name, card, columns FROM dataset_words WHERE name = ?
			ON CONFLICT(name) DO UPDATE SET card = excluded.card, columns = excluded.columns`,
		`DELETE FROM dataset_key WHERE dataset = ?`,
		`INSERT OR IGNORE INTO dataset_key(kind, value, dataset) SELECT kind, value, dataset FROM dataset_names WHERE dataset = ?`,
	} {
		if err := t.exec(query, name); err != nil {
			return err
		}
	}
	return nil
}

// condition is a part of a search as SQL.
type condition struct {
	sql  []string
	args []any
}

func (c *condition) add(sql string, args ...any) {
	c.sql = append(c.sql, sql)
	c.args = append(c.args, args...)
}

// names selects the datasets that have every one of some names of a kind.
func (c *condition) names(kind string, values []string) {
	for _, v := range values {
		c.add("EXISTS (SELECT 1 FROM dataset_key k WHERE k.kind = ? AND k.value = ? AND k.dataset = d.name)", kind, v)
	}
}

// match is a query for the full text index: each word the beginning of one, all
// of them within the given columns. Quoted, nothing in a word is syntax. A word
// without any letter or digit finds what every text has, like no word at all.
func match(columns string, words []string) string {
	quoted := make([]string, len(words))
	for i, w := range words {
		quoted[i] = `"` + strings.ReplaceAll(strings.ReplaceAll(w, `"`, " "), "\x00", " ") + `"*`
	}
	return "{" + columns + "} : (" + strings.Join(quoted, " AND ") + ")"
}

const matches = "d.name IN (SELECT x.name FROM dataset_search s JOIN dataset_text x ON x.doc = s.rowid WHERE dataset_search MATCH ?)"

func (t *tx) ListDatasets(f store.DatasetFilter, p store.Page, keep func(store.FoundDataset) bool) (out []anchorhold.Dataset, next string, err error) {
	where := condition{[]string{"d.name > ?"}, []any{p.Cursor}}
	where.names("tag", f.Tags)
	where.names("duo", f.DUO)
	where.names("column", f.Columns)
	byColumns, args := "?", []any{len(f.Columns) > 0}
	if len(f.Words) > 0 {
		where.add(matches, match("card columns", f.Words))
		byColumns, args = "? OR NOT "+matches, append(args, match("card", f.Words))
	}
	var last string
	found := 0
	err = t.each("SELECT d.name, d.body, "+byColumns+" FROM dataset d WHERE "+strings.Join(where.sql, " AND ")+" ORDER BY d.name LIMIT ?",
		append(append(args, where.args...), p.Size()+1), func(r *sql.Rows) error {
			if found == p.Size() {
				next = last
				return nil
			}
			found++
			var d store.FoundDataset
			var body string
			if err := r.Scan(&last, &body, &d.ByColumns); err != nil {
				return err
			}
			if err := decode(body, &d.Dataset); err != nil {
				return err
			}
			if keep == nil || keep(d) {
				out = append(out, d.Dataset)
			}
			return nil
		})
	if err != nil {
		return nil, "", err
	}
	return out, next, t.fillAssets(out)
}
