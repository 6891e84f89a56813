//go:build linux && (amd64 || arm64)

package sandboxed

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/engine"
	"github.com/anchorhold/anchorhold/engine/duckdb"
	"github.com/anchorhold/anchorhold/engine/duckdb/duckdbtest"
	"github.com/anchorhold/anchorhold/engine/enginetest"
	"github.com/anchorhold/anchorhold/sandbox"
	"github.com/anchorhold/anchorhold/sandbox/gvisor"
)

// runUID needs no entry in the user database.
const runUID = 60711

// This very test program becomes launcher and guest kernel: it must be built
// without cgo.
func TestMain(m *testing.M) {
	if code, ok := gvisor.Main(); ok {
		os.Exit(code)
	}
	os.Exit(m.Run())
}

// box starts a sandbox.
func box(t testing.TB) *gvisor.Sandbox {
	t.Helper()
	state := t.TempDir() // which other accounts may not enter
	if err := errors.Join(os.Chmod(state, 0o755), os.Chmod(filepath.Dir(state), 0o755)); err != nil {
		t.Fatal(err)
	}
	o := gvisor.Options{StateDir: filepath.Join(state, "state")}
	if os.Geteuid() == 0 {
		o.RunUID, o.RunGID = runUID, runUID
	}
	b, err := gvisor.New(o)
	if err != nil {
		t.Fatal(err, errors.Unwrap(err))
	}
	t.Cleanup(func() { b.Close() })
	return b
}

// workers are the real ones. ANCHORHOLD_TEST_DUCKDB names the program; without it
// the one is taken that `make build` makes.
func workers(t testing.TB, b *gvisor.Sandbox) *duckdb.Workers {
	t.Helper()
	program := os.Getenv("ANCHORHOLD_TEST_DUCKDB")
	if program == "" {
		program = "../../../../bin/" + duckdb.ProgramName
	}
	program, err := filepath.Abs(program)
	if err != nil {
		t.Fatal(err)
	}
	if program, err = b.Place(program); err != nil {
		t.Fatalf("%v (`make build` makes the program)", err)
	}
	w := &duckdb.Workers{Sandbox: b, Program: program, Memory: 1 << 30}
	t.Cleanup(func() { w.Close() })
	return w
}

// dataset offers tables as CSV files that nobody but their owner can read.
func dataset(t *testing.T, tables ...enginetest.Fixture) duckdb.Dataset {
	t.Helper()
	dir := t.TempDir()
	of := duckdb.Dataset{Name: anchorhold.NewID("ver")}
	var paths []string
	for i, f := range tables {
		path := filepath.Join(dir, fmt.Sprint(i))
		if err := os.WriteFile(path, []byte(f.CSV()), 0o600); err != nil {
			t.Fatal(err)
		}
		paths = append(paths, path)
		of.Tables = append(of.Tables, duckdb.Table{Name: f.Name, Format: "csv", Columns: f.Columns})
	}
	of.Open = duckdbtest.Files(paths...)
	return of
}

func TestEngine(t *testing.T) {
	w := workers(t, box(t))
	enginetest.Run(t, enginetest.Suite{
		Make: func(t *testing.T, tables ...enginetest.Fixture) engine.Engine {
			e := w.Engine(t.Name(), dataset(t, tables...))
			t.Cleanup(func() { e.Close() })
			return e
		},
		Hungry:  `SELECT CAST(LEN(LIST(MD5(CAST(r.range AS VARCHAR)))) AS BIGINT) AS n FROM {people} p, range(10000000) r`,
		Hostile: hostile(),
	})
}

// hostile reaches for the machine, with every word that DuckDB has for it.
func hostile() []string {
	list := []string{
		`ATTACH '/tmp/other.db' AS other`, `ATTACH '/etc/passwd' AS other (READ_ONLY)`, `DETACH memory`, `COPY people TO '/tmp/out.csv'`,
		`COPY (SELECT 1) TO '/proc/self/fd/3'`, `COPY people FROM '/etc/passwd'`, `EXPORT DATABASE '/tmp/out'`, `IMPORT DATABASE '/tmp/out'`,
		`INSTALL httpfs`, `LOAD httpfs`, `LOAD '/anchorhold-duckdb'`, `INSTALL spatial FROM community`, `FORCE INSTALL httpfs FROM 'http://127.0.0.1:1'`,
		`SET enable_external_access=true`, `SET lock_configuration=false`, `RESET lock_configuration`, `SET allowed_paths=['/etc/passwd']`,
		`SET temp_directory='/out'`, `PRAGMA enable_profiling`, `PRAGMA database_list`, `CALL pragma_version()`, `CREATE SECRET s (TYPE http)`,
		`CREATE MACRO f() AS TABLE SELECT * FROM read_csv('/etc/passwd')`, `CHECKPOINT`, `USE memory`, `PREPARE p AS SELECT 1`, `EXECUTE p`,
		`SELECT 1 AS n; ATTACH '/tmp/other.db' AS other`, `CREATE VIEW v AS SELECT 1; SELECT 1 AS n`, `SELECT getenv('HOME') AS n`,
		`SELECT * FROM duckdb_secrets()`, `SELECT CAST(which_secret('/tmp', 'http') AS VARCHAR) AS n`,
	}
	for _, path := range []string{
		"/etc/passwd", "/proc/self/environ", "/proc/self/maps", "/proc/self/mem", "/proc/self/fd/0", "/proc/self/fd/2", "/proc/self/fd/../environ", "/proc/1/cmdline", "/dev/fd/1",
		"/anchorhold-duckdb", "/tmp/x", "/out/x", "http://127.0.0.1:1/x", "s3://b/x", "file:///etc/passwd", "/proc/self/root/etc/passwd",
	} {
		for _, f := range []string{"read_csv", "read_parquet", "read_json", "read_text", "read_blob", "read_ndjson_objects", "parquet_metadata", "sniff_csv"} {
			list = append(list, fmt.Sprintf(`SELECT COUNT(*) AS n FROM %s('%s')`, f, path))
		}
		list = append(list, fmt.Sprintf(`SELECT COUNT(*) AS n FROM '%s'`, path))
	}
	return append(list, `SELECT COUNT(*) AS n FROM glob('/etc/*')`, `SELECT COUNT(*) AS n FROM glob('/proc/self/*')`)
}

// A researcher's SQL becomes a tree, or an error about it, in a session that holds
// nothing.
func TestParse(t *testing.T) {
	w := workers(t, box(t))
	tree, err := w.Parse(t.Context(), "somebody", `SELECT sex, COUNT(*) AS n FROM patients WHERE age > 40 GROUP BY sex`)
	if err != nil {
		t.Fatal(err, errors.Unwrap(err))
	}
	var said struct {
		Statements []struct {
			Node struct {
				Type string           `json:"type"`
				From map[string]any   `json:"from_table"`
				List []map[string]any `json:"select_list"`
			} `json:"node"`
		} `json:"statements"`
	}
	if err := json.Unmarshal(tree, &said); err != nil || len(said.Statements) != 1 || said.Statements[0].Node.Type != "SELECT_NODE" ||
		said.Statements[0].Node.From["table_name"] != "patients" || len(said.Statements[0].Node.List) != 2 {
		t.Fatalf("%s %v", tree, err)
	}
	for sql, position := range map[string]int{
		"": -1, "SELEC sex FROM t": 0, "SELECT FROM": -1, "SELECT 'open": -1, "DROP TABLE t": -1, "SELECT 1; DROP TABLE t": -1,
		"COPY t TO '/tmp/x'": -1, "SELECT sex FRM t WHERE": 15, "SELECT 1; SELECT 2": -1, "-- nothing": -1, "'); SELECT 1 --": 0, "PRAGMA version": -1, "\xff": -2,
		strings.Repeat("(", 60_000): -2, "SELECT " + strings.Repeat("1+", 20_000) + "1": -2, "SELECT " + strings.Repeat("NOT ", 15_000) + "true": -2,
		"SELECT " + strings.Repeat("[", 30_000): -2, "WITH a AS " + strings.Repeat("(SELECT * FROM ", 4_000): -2,
	} {
		_, err := w.Parse(t.Context(), "somebody", sql)
		var syntax *duckdb.SyntaxError
		switch {
		case position == -2: // an error of some kind, and the next question is answered
		case !errors.As(err, &syntax) || anchorhold.KindOf(err) != anchorhold.Invalid:
			t.Errorf("%.40s: %v", sql, err)
		case position >= 0 && syntax.Position != position:
			t.Errorf("%.40s: at %d, not at %d: %v", sql, syntax.Position, position, err)
		}
		if len(sql) < 100 {
			t.Logf("%.40s: %v", sql, err)
		}
	}
	if _, err := w.Parse(t.Context(), "somebody", "SELECT 1"); err != nil {
		t.Error(err)
	}
}

// Where a researcher's SQL is parsed there is nothing, and where data are nothing is
// parsed: one session is never both.
func TestParsesWithoutData(t *testing.T) {
	b := &counted{Sandbox: box(t)}
	w := workers(t, b.Sandbox.(*gvisor.Sandbox))
	w.Sandbox = b
	e := w.Engine("somebody", dataset(t, enginetest.Fixture{
		Name: "x", Columns: []engine.Column{{Name: "n", Type: anchorhold.TypeInt}}, Rows: [][]string{{"1"}, {"2"}},
	}))
	statement := engine.Statement{SQL: `SELECT COUNT(*) AS n FROM x`, Columns: []engine.Column{{Name: "n", Type: anchorhold.TypeInt}}, MaxRows: 1}
	for range 2 {
		if _, err := w.Parse(t.Context(), "somebody", "SELECT 1"); err != nil {
			t.Fatal(err, errors.Unwrap(err))
		}
		if _, err := e.Partials(t.Context(), statement); err != nil {
			t.Fatal(err, errors.Unwrap(err))
		}
	}
	if b.started != 2 {
		t.Errorf("%d sessions, one for each kind of question", b.started)
	}
	// Another researcher has sessions of their own, and so has another dataset.
	if _, err := w.Parse(t.Context(), "another", "SELECT 1"); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Engine("another", e.Dataset()).Partials(t.Context(), statement); err != nil {
		t.Fatal(err)
	}
	other := e.Dataset()
	other.Name = "another version"
	if _, err := w.Engine("somebody", other).Partials(t.Context(), statement); err != nil {
		t.Fatal(err)
	}
	if b.started != 5 {
		t.Errorf("%d sessions for two researchers and two datasets", b.started)
	}
}

// counted counts sessions.
type counted struct {
	sandbox.Sandbox
	started int
}

func (c *counted) Start(ctx context.Context, s sandbox.Spec) (sandbox.Session, error) {
	c.started++
	return c.Sandbox.Start(ctx, s)
}
