package postgres_test

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/engine"
	"github.com/anchorhold/anchorhold/engine/enginetest"
	"github.com/anchorhold/anchorhold/engine/postgres"
	"github.com/anchorhold/anchorhold/internal/postgrestest"
)

// server is a PostgreSQL for one test.
type server struct {
	dir     string // of its socket
	admin   *pgx.Conn
	schemas atomic.Int32
}

// start starts a PostgreSQL.
func start(t *testing.T) *server {
	t.Helper()
	dir, end, err := postgrestest.Start("temp_file_limit=4MB")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := end(); err != nil {
			t.Error(err)
		}
	})
	s := &server{dir: dir}
	if s.admin, err = pgx.Connect(t.Context(), "host="+dir+" user=postgres"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.admin.Close(context.Background()) })
	s.exec(t, "CREATE ROLE reader LOGIN")
	return s
}

func (s *server) exec(t *testing.T, sql string) {
	t.Helper()
	if _, err := s.admin.Exec(t.Context(), sql); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

func (s *server) url(role string) string {
	return "host=" + s.dir + " user=" + role + " dbname=postgres"
}

// offer makes tables that the role can read.
func (s *server) offer(t *testing.T, tables ...enginetest.Fixture) []postgres.Table {
	t.Helper()
	schema := "s" + strconv.Itoa(int(s.schemas.Add(1)))
	s.exec(t, "CREATE SCHEMA "+schema+"; GRANT USAGE ON SCHEMA "+schema+" TO reader")
	var out []postgres.Table
	for _, f := range tables {
		table := postgres.Table{Name: f.Name, Schema: schema, Relation: f.Name, Columns: f.Columns}
		var columns []string
		for _, c := range f.Columns {
			columns = append(columns, engine.Quote(c.Name)+" "+map[anchorhold.ColumnType]string{
				anchorhold.TypeInt: "bigint", anchorhold.TypeFloat: "double precision", anchorhold.TypeString: "text",
				anchorhold.TypeBool: "boolean", anchorhold.TypeDate: "date", anchorhold.TypeTimestamp: "timestamp",
			}[c.Type])
		}
		name := engine.Quote(schema) + "." + engine.Quote(f.Name)
		s.exec(t, "CREATE TABLE "+name+" ("+strings.Join(columns, ", ")+"); GRANT SELECT ON "+name+" TO reader")
		if _, err := s.admin.PgConn().CopyFrom(t.Context(), strings.NewReader(f.CSV()), "COPY "+name+" FROM STDIN CSV HEADER"); err != nil {
			t.Fatal(err)
		}
		out = append(out, table)
	}
	return out
}

func TestEngine(t *testing.T) {
	s := start(t)
	enginetest.Run(t, enginetest.Suite{
		Make: func(t *testing.T, tables ...enginetest.Fixture) engine.Engine {
			e, err := postgres.Open(t.Context(), postgres.Options{URL: s.url("reader"), Tables: s.offer(t, tables...)})
			if err != nil {
				t.Fatal(err, errors.Unwrap(err))
			}
			t.Cleanup(func() { e.Close() })
			return e
		},
		Hungry: `SELECT COUNT(*) AS n FROM generate_series(1, 2000000) g, {people} p`,
		Hostile: []string{
			`SELECT LENGTH(pg_read_file('/etc/passwd')) AS n`, `SELECT COUNT(*) AS n FROM pg_ls_dir('/')`, `SELECT lo_import('/etc/passwd') AS n`,
			`COPY (SELECT 1) TO PROGRAM 'true'`, `COPY pg_class TO '/tmp/x'`, `SELECT COUNT(*) AS n FROM pg_authid`, `SELECT nextval('x') AS n`,
			`SELECT CAST(set_config('transaction_read_only', 'off', false) AS BIGINT) AS n`, `WITH d AS (DELETE FROM s1.people RETURNING 1) SELECT COUNT(*) AS n FROM d`,
			`SELECT 1 AS n INTO t`, `SET ROLE postgres`, `RESET ALL`, `LISTEN x`, `NOTIFY x`, `DO 'BEGIN END'`, `LOAD 'x'`, `CREATE EXTENSION dblink`, `VACUUM`, `LOCK TABLE s1.people`,
			`SELECT $1 AS n`, `PREPARE p AS SELECT 1`, `FETCH 1 FROM c`, `SELECT CAST(1 AS BIGINT) AS n FOR UPDATE OF x`,
		},
	})
}

// A role that may do more than read, tables that are not there and columns of other
// types are refused when the owner names them, not when somebody asks.
func TestOpenRefuses(t *testing.T) {
	s := start(t)
	fixture := enginetest.Fixture{Name: "x", Columns: []engine.Column{{Name: "n", Type: anchorhold.TypeInt}, {Name: "k", Type: anchorhold.TypeString}}, Rows: [][]string{{"1", "a"}}}
	tables := s.offer(t, fixture)
	s.exec(t, `CREATE ROLE maker LOGIN CREATEDB; CREATE ROLE files LOGIN; GRANT pg_read_server_files TO files; CREATE ROLE writer LOGIN; GRANT USAGE ON SCHEMA s1 TO writer;
		GRANT SELECT, DELETE ON s1.x TO writer; CREATE ROLE nobody LOGIN; CREATE TABLE s1.hidden (n bigint);
		CREATE ROLE elsewhere LOGIN; CREATE ROLE one LOGIN; CREATE ROLE tables LOGIN; GRANT USAGE ON SCHEMA s1 TO elsewhere, one, tables; GRANT SELECT ON s1.x TO elsewhere, one, tables;
		CREATE TABLE public.other (n bigint); GRANT INSERT ON public.other TO elsewhere; GRANT UPDATE (n) ON s1.x TO one; CREATE SCHEMA s2; GRANT CREATE ON SCHEMA s2 TO tables;
		CREATE TABLE s1.odd (a numeric, b numeric(10, 2), c timestamptz, d json, e text, f numeric(1000, 0)); GRANT SELECT ON s1.odd TO reader`)
	with := func(change func(*postgres.Table)) []postgres.Table {
		list := slices.Clone(tables)
		list[0].Columns = slices.Clone(list[0].Columns)
		change(&list[0])
		return list
	}
	odd := func(name string, of anchorhold.ColumnType) postgres.Options {
		return postgres.Options{URL: s.url("reader"), Tables: []postgres.Table{{Name: "x", Schema: "s1", Relation: "odd", Columns: []engine.Column{{Name: name, Type: of}}}}}
	}
	for name, c := range map[string]struct {
		o    postgres.Options
		kind anchorhold.Kind
	}{
		"a superuser":            {postgres.Options{URL: s.url("postgres"), Tables: tables}, anchorhold.Invalid},
		"a maker":                {postgres.Options{URL: s.url("maker"), Tables: tables}, anchorhold.Invalid},
		"a reader of files":      {postgres.Options{URL: s.url("files"), Tables: tables}, anchorhold.Invalid},
		"a writer":               {postgres.Options{URL: s.url("writer"), Tables: tables}, anchorhold.Invalid},
		"without the right":      {postgres.Options{URL: s.url("nobody"), Tables: tables}, anchorhold.NotFound},
		"no such table":          {postgres.Options{URL: s.url("reader"), Tables: with(func(t *postgres.Table) { t.Relation = "y" })}, anchorhold.NotFound},
		"a hidden table":         {postgres.Options{URL: s.url("reader"), Tables: with(func(t *postgres.Table) { t.Relation = "hidden" })}, anchorhold.NotFound},
		"no such column":         {postgres.Options{URL: s.url("reader"), Tables: with(func(t *postgres.Table) { t.Columns[0].Name = "m" })}, anchorhold.Invalid},
		"a text as a number":     {postgres.Options{URL: s.url("reader"), Tables: with(func(t *postgres.Table) { t.Columns[1].Type = anchorhold.TypeInt })}, anchorhold.Invalid},
		"a number as a text":     {postgres.Options{URL: s.url("reader"), Tables: with(func(t *postgres.Table) { t.Columns[0].Type = anchorhold.TypeString })}, anchorhold.Invalid},
		"any numeric":            {odd("a", anchorhold.TypeFloat), anchorhold.Invalid},
		"a wide numeric":         {odd("f", anchorhold.TypeFloat), anchorhold.Invalid},
		"JSON":                   {odd("d", anchorhold.TypeString), anchorhold.Invalid},
		"a text as a time":       {odd("e", anchorhold.TypeTimestamp), anchorhold.Invalid},
		"a writer elsewhere":     {postgres.Options{URL: s.url("elsewhere"), Tables: tables}, anchorhold.Invalid},
		"a writer of one column": {postgres.Options{URL: s.url("one"), Tables: tables}, anchorhold.Invalid},
		"a maker of tables":      {postgres.Options{URL: s.url("tables"), Tables: tables}, anchorhold.Invalid},
		"no server":              {postgres.Options{URL: "host=" + t.TempDir() + " user=reader", Tables: tables}, anchorhold.Unavailable},
		"no such database":       {postgres.Options{URL: s.url("reader") + "s", Tables: tables}, anchorhold.Unavailable},
		"no address":             {postgres.Options{URL: "postgres://[", Tables: tables}, anchorhold.Invalid},
	} {
		if e, err := postgres.Open(t.Context(), c.o); anchorhold.KindOf(err) != c.kind {
			t.Errorf("%s: %v, %v", name, e, err)
		}
	}
	if columns, err := postgres.Describe(t.Context(), postgres.Options{URL: s.url("reader")}, "s1", "odd"); err != nil || len(columns) != 3 ||
		columns[0] != (engine.Column{Name: "b", Type: anchorhold.TypeFloat}) || columns[1].Type != anchorhold.TypeTimestamp || columns[2].Type != anchorhold.TypeString {
		t.Error(columns, err)
	}
	if _, err := postgres.Describe(t.Context(), postgres.Options{URL: s.url("one")}, "s1", "x"); anchorhold.KindOf(err) != anchorhold.Invalid {
		t.Error(err)
	}
	for name, of := range map[string]anchorhold.ColumnType{"b": anchorhold.TypeFloat, "c": anchorhold.TypeTimestamp, "e": anchorhold.TypeString} {
		if e, err := postgres.Open(t.Context(), odd(name, of)); err != nil || e.Close() != nil {
			t.Error(name, err)
		}
	}
}

// The server itself ends what takes too long, and what was given up does not go on
// there.
func TestServerEndsIt(t *testing.T) {
	s := start(t)
	tables := s.offer(t, enginetest.Fixture{Name: "x", Columns: []engine.Column{{Name: "n", Type: anchorhold.TypeInt}}, Rows: [][]string{{"1"}}})
	slow := engine.Statement{SQL: `SELECT COUNT(*) AS n FROM s1.x x WHERE pg_sleep(60) IS NOT NULL`, Columns: []engine.Column{{Name: "n", Type: anchorhold.TypeInt}}, MaxRows: 1}
	e, err := postgres.Open(t.Context(), postgres.Options{URL: s.url("reader"), Tables: tables, Timeout: 500 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.Partials(t.Context(), slow); engine.FailureOf(err) != engine.Cancelled || errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	e, err = postgres.Open(t.Context(), postgres.Options{URL: s.url("reader"), Tables: tables})
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() {
		_, err := e.Partials(t.Context(), slow)
		ended <- err
	}()
	s.wait(t, 1)
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; engine.FailureOf(err) != engine.Cancelled {
		t.Error(err)
	}
	s.wait(t, 0)
}

// wait waits until so many connections of the role sleep.
func (s *server) wait(t *testing.T, want int) {
	t.Helper()
	const sql = `SELECT COUNT(*) FROM pg_stat_activity WHERE usename = 'reader' AND query LIKE '%pg_sleep%' AND state = 'active'`
	for deadline := time.Now().Add(5 * time.Minute); ; {
		var n int
		if err := s.admin.QueryRow(t.Context(), sql).Scan(&n); err != nil {
			t.Fatal(err)
		}
		if n == want {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d statements go on, not %d", n, want)
		}
	}
}
