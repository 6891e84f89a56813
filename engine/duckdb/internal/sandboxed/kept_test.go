//go:build linux && (amd64 || arm64)

package sandboxed

import (
	"fmt"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow/decimal128"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/engine"
	"github.com/anchorhold/anchorhold/engine/enginetest"
	"github.com/anchorhold/anchorhold/sandbox/warm"
)

// What a first step gave is kept for who asked, and the next statement that begins
// alike does not read the file; nobody else's session has it.
func TestKeptRows(t *testing.T) {
	w := workers(t, box(t))
	f := enginetest.Fixture{Name: "x", Columns: []engine.Column{{Name: "u", Type: anchorhold.TypeInt}, {Name: "n", Type: anchorhold.TypeInt}}}
	for i := range 1000 {
		f.Rows = append(f.Rows, []string{fmt.Sprint(i % 100), "1"})
	}
	of := dataset(t, f)
	const first = `SELECT u, LEAST(SUM(n), 7) AS s FROM x GROUP BY u`
	ask := func(who, then string, bytes int64, want int64) {
		t.Helper()
		s := engine.Statement{
			SQL: "SELECT CAST(-1 AS BIGINT) AS n", Columns: []engine.Column{{Name: "n", Type: anchorhold.TypeInt}}, MaxRows: 1,
			Steps: &engine.Steps{First: first, Then: func(table string) string { return fmt.Sprintf(then, table) }, Bytes: bytes},
		}
		p, err := w.Engine(who, of).Partials(t.Context(), s)
		if err != nil || p.Rows != 1 || p.Values[0].Ints[0] != decimal128.FromI64(want) {
			t.Error(p, err)
		}
	}
	const sum, count, tables = `SELECT CAST(SUM(s) AS BIGINT) AS n FROM %s`, `SELECT COUNT(*) AS n FROM %s`, `SELECT COUNT(*) AS n FROM duckdb_tables() t, (SELECT 1 FROM %s LIMIT 1) k WHERE t.temporary`
	ask("ada", sum, 1<<20, 700)
	ask("ada", count, 1<<20, 100)
	ask("ada", tables, 1<<20, 1)
	ask("bob", tables, 1<<20, 1)
	ask("ada", count, 1<<40, -1) // what could be too large is never kept
	// The first step is one SELECT, or nothing is kept and nothing is done.
	for _, hostile := range []string{`DROP TABLE x`, `SELECT 1 AS u; DROP TABLE x`, `COPY x TO '/tmp/y'`} {
		s := engine.Statement{
			SQL: "SELECT COUNT(*) AS n FROM x", Columns: []engine.Column{{Name: "n", Type: anchorhold.TypeInt}}, MaxRows: 1,
			Steps: &engine.Steps{First: hostile, Then: func(string) string { return "SELECT 0 AS n" }},
		}
		if p, err := w.Engine("ada", of).Partials(t.Context(), s); err != nil || p.Values[0].Ints[0] != decimal128.FromI64(1000) {
			t.Error(hostile, p, err)
		}
	}
}

// A session that was kept ready takes the questions of one researcher, as a fresh one
// does; the next is made ready meanwhile.
func TestReadySessions(t *testing.T) {
	b := box(t)
	w := workers(t, b)
	w.Boxes = &warm.Pool{Sandbox: b, Most: 1, Share: 1, Memory: func() int64 { return 1 << 40 }}
	working := make(chan struct{})
	go func() {
		defer close(working)
		w.Boxes.Work(t.Context())
	}()
	t.Cleanup(func() { <-working })
	w.Boxes.Keep(w.Kind())
	of := dataset(t, enginetest.Fixture{Name: "x", Columns: []engine.Column{{Name: "n", Type: anchorhold.TypeInt}}, Rows: [][]string{{"1"}, {"2"}}})
	statement := engine.Statement{SQL: `SELECT COUNT(*) AS n FROM x`, Columns: []engine.Column{{Name: "n", Type: anchorhold.TypeInt}}, MaxRows: 1}
	again := time.NewTicker(10 * time.Millisecond)
	defer again.Stop()
	ready := func() {
		for w.Boxes.Ready()[w.Kind().Name] == 0 {
			select {
			case <-again.C:
			case <-t.Context().Done():
				t.Fatal("no session was made ready")
			}
		}
	}
	for i := range 2 {
		ready()
		start := time.Now()
		if _, err := w.Parse(t.Context(), fmt.Sprint(i), "SELECT 1"); err != nil {
			t.Fatal(err)
		}
		t.Log("parsed after", time.Since(start))
		ready()
		start = time.Now()
		if _, err := w.Engine(fmt.Sprint(i), of).Partials(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
		t.Log("answered after", time.Since(start))
	}
}

// A statement whose groups take more than DuckDB's memory puts them aside, and the
// session stays within its limit; without room for that it ends for want of memory.
func TestSpills(t *testing.T) {
	b := box(t)
	w := workers(t, b)
	w.Memory = 192 << 20
	f := enginetest.Fixture{Name: "x", Columns: []engine.Column{{Name: "n", Type: anchorhold.TypeInt}}, Rows: [][]string{{"1"}}}
	statement := engine.Statement{
		SQL: `SELECT k, COUNT(*) AS n, CAST(SUM(s) AS BIGINT) AS s FROM (
			SELECT md5(CAST(i // 2 AS TEXT)) AS u, i % 4 AS k, LEAST(SUM(n), 9) AS s FROM (SELECT r.range AS i, n FROM range(1200000) r, x) i GROUP BY u, k) c GROUP BY k ORDER BY k`,
		Columns: []engine.Column{{Name: "k", Type: anchorhold.TypeInt}, {Name: "n", Type: anchorhold.TypeInt}, {Name: "s", Type: anchorhold.TypeInt}}, MaxRows: 4,
	}
	of := dataset(t, f)
	p, err := w.Engine("ada", of).Partials(t.Context(), statement)
	if err != nil || p.Rows != 4 || p.Values[1].Ints[0] != decimal128.FromI64(300_000) {
		t.Fatal(p, err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	narrow := workers(t, b)
	narrow.Memory, narrow.Spill = w.Memory, -1
	if _, err := narrow.Engine("ada", of).Partials(t.Context(), statement); engine.FailureOf(err) != engine.Memory {
		t.Error("it needed no more than its memory:", err)
	}
}
