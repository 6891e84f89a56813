// Package postgres has statements executed by the owner's own PostgreSQL, where the
// data stay: only bounded rows of one per group come back.
//
// It promises to ask as a role that can read the named tables and change nothing,
// which Open makes sure of; one read-only transaction on a connection of its own for
// each statement, under a time limit that the server keeps; and that a column is
// what it was registered as, so that no cast of a statement can fail for what a row
// holds. It must never pass on what the server says: its messages carry
// values. The tests start Debian's PostgreSQL on a Unix socket and run the
// suite that every engine passes.
package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/engine"
)

// DefaultTimeout is how long a statement may take where an owner has said nothing.
const DefaultTimeout = 5 * time.Minute

// grace is how much later than the server we give up ourselves: it may be gone.
const grace = 5 * time.Second

// Options say which database is asked, and for what.
type Options struct {
	// URL is a connection string, or a list of settings, as libpq reads it. Its role
	// must be one that can read the tables and do nothing else.
	URL     string
	Tables  []Table
	Timeout time.Duration // of one statement; 0: DefaultTimeout
}

// Table is a registered table and where it lies.
type Table struct {
	Name             string
	Schema, Relation string
	Columns          []engine.Column
}

// Engine answers statements over tables of one database. It implements
// engine.Engine.
type Engine struct {
	config *pgx.ConnConfig
	tables []Table
	limit  time.Duration
	life   context.Context //nolint:containedctx // ends with Close, as what goes on does
	end    context.CancelFunc
}

// Open makes sure that the database is what Options say and that the role may do
// nothing but read.
func Open(ctx context.Context, o Options) (*Engine, error) {
	config, err := pgx.ParseConfig(o.URL)
	if err != nil {
		return nil, anchorhold.Errorf(anchorhold.Invalid, "write it as postgres://ROLE@HOST/DATABASE", "the database's address cannot be read")
	}
	e := &Engine{config: config, tables: o.Tables, limit: o.Timeout}
	if e.limit <= 0 {
		e.limit = DefaultTimeout
	}
	for name, value := range map[string]string{
		"application_name": "anchorhold", "timezone": "UTC", "search_path": "pg_catalog", "extra_float_digits": "1",
		"statement_timeout": strconv.FormatInt(e.limit.Milliseconds(), 10), "default_transaction_read_only": "on",
		"idle_in_transaction_session_timeout": "60000", "lock_timeout": "10000", "standard_conforming_strings": "on",
	} {
		config.RuntimeParams[name] = value
	}
	e.life, e.end = context.WithCancel(context.WithoutCancel(ctx))
	if err := e.with(ctx, e.examine); err != nil {
		e.end()
		return nil, err
	}
	return e, nil
}

// Dialect implements engine.Engine.
func (e *Engine) Dialect() engine.Dialect { return engine.Postgres }

// Table implements engine.Engine.
func (e *Engine) Table(name string) (engine.Table, bool) {
	i := slices.IndexFunc(e.tables, func(t Table) bool { return t.Name == name })
	if i < 0 {
		return engine.Table{}, false
	}
	return engine.Table{SQL: e.tables[i].relation(), Columns: e.tables[i].Columns}, true
}

func (t Table) relation() string { return engine.Quote(t.Schema) + "." + engine.Quote(t.Relation) }

// Close implements engine.Engine.
func (e *Engine) Close() error {
	e.end()
	return nil
}

// Partials implements engine.Engine.
func (e *Engine) Partials(ctx context.Context, s engine.Statement) (*engine.Partials, error) {
	if err := s.Validate(); err != nil {
		return nil, err
	}
	var out *engine.Partials
	err := e.with(ctx, func(ctx context.Context, tx pgx.Tx) (err error) {
		out, err = run(ctx, tx, s)
		return err
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// with does something in a read-only transaction on a connection of its own, so
// that nothing of one question is there for the next.
func (e *Engine) with(ctx context.Context, do func(context.Context, pgx.Tx) error) error {
	ctx, cancel := context.WithTimeout(ctx, e.limit+grace)
	defer cancel()
	defer context.AfterFunc(e.life, cancel)()
	conn, err := pgx.ConnectConfig(ctx, e.config)
	if err != nil {
		if ctx.Err() != nil {
			return cancelled(ctx)
		}
		return anchorhold.Errorf(anchorhold.Unavailable, "let the operator look whether it runs and whether the site's role may connect", "the database cannot be reached")
	}
	// The connection ends with its question, also where that was given up.
	defer func() {
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = conn.Close(closing) // nothing was written
	}()
	tx, err := conn.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly})
	if err == nil {
		err = do(ctx, tx)
	}
	return explain(ctx, err)
}

func cancelled(ctx context.Context) error {
	return engine.Cancelled.Err().Because(errors.Join(engine.Cancelled, ctx.Err()))
}

// explain says in the words of package engine why there is no answer.
func explain(ctx context.Context, err error) error {
	var known *anchorhold.Error
	var said *pgconn.PgError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &known):
		return err
	case ctx.Err() != nil:
		return cancelled(ctx)
	case errors.As(err, &said):
		switch said.Code {
		case "53200", "53400": // out_of_memory, configuration_limit_exceeded: temp_file_limit
			return engine.Memory.Err()
		case "57014", "25P03", "55P03": // query_canceled, idle_in_transaction_session_timeout, lock_not_available
			return engine.Cancelled.Err()
		}
	}
	return engine.Failed.Err()
}

// run executes a statement and reads its rows.
func run(ctx context.Context, tx pgx.Tx, s engine.Statement) (*engine.Partials, error) {
	// One statement alone can be prepared, and what has no columns changes something.
	described, err := tx.Prepare(ctx, "statement", s.SQL)
	if err != nil {
		return nil, err
	}
	if len(described.ParamOIDs) != 0 || len(described.Fields) != len(s.Columns) {
		return nil, engine.Wrong("other columns than the statement has")
	}
	readers := make([]reader, len(s.Columns))
	for i, f := range described.Fields {
		r, ok := readerOf(f, s.Columns[i])
		if !ok {
			return nil, engine.Wrong("other columns than the statement has")
		}
		readers[i] = r
	}
	rows, err := tx.Query(ctx, "statement")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	out := engine.MakePartials(s)
	for rows.Next() {
		if out.Rows++; out.Rows > s.MaxRows {
			return nil, engine.Wrong("more rows than the statement can have")
		}
		for i, raw := range rows.RawValues() {
			if err := readers[i].take(&out.Values[i], out.Rows, raw); err != nil {
				return nil, err
			}
		}
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	if err := out.Check(s); err != nil {
		return nil, err
	}
	return out, nil
}

// examine makes sure of the role and of the tables.
func (e *Engine) examine(ctx context.Context, tx pgx.Tx) error {
	const harmless = `SELECT NOT (r.rolsuper OR r.rolcreaterole OR r.rolcreatedb OR r.rolreplication OR r.rolbypassrls OR EXISTS (
		SELECT 1 FROM pg_roles p WHERE p.rolname IN ('pg_read_server_files', 'pg_write_server_files', 'pg_execute_server_program', 'pg_write_all_data',
			'pg_signal_backend', 'pg_read_all_settings', 'pg_monitor') AND pg_has_role(r.oid, p.oid, 'MEMBER')))
		FROM pg_roles r WHERE r.rolname = current_user`
	var ok bool
	if err := tx.QueryRow(ctx, harmless).Scan(&ok); err != nil {
		return err
	}
	if !ok {
		return anchorhold.Errorf(anchorhold.Invalid, "make one for the site: CREATE ROLE anchorhold LOGIN; GRANT SELECT on the tables, and nothing else",
			"the database's role may do more than read tables")
	}
	for _, t := range e.tables {
		if err := examineTable(ctx, tx, t); err != nil {
			return err
		}
	}
	return nil
}

func examineTable(ctx context.Context, tx pgx.Tx, t Table) error {
	const rights = `SELECT has_table_privilege(c.oid, 'SELECT'), has_table_privilege(c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE'), c.relkind IN ('r', 'p', 'v', 'm', 'f')
		FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relname = $2`
	var reads, writes, table bool
	err := tx.QueryRow(ctx, rights, t.Schema, t.Relation).Scan(&reads, &writes, &table)
	switch {
	case errors.Is(err, pgx.ErrNoRows) || err == nil && (!reads || !table):
		return anchorhold.Errorf(anchorhold.NotFound, fmt.Sprintf("check the name, and GRANT SELECT ON %s to the site's role", t.relation()),
			"the database has no table %s that its role can read", t.relation())
	case err != nil:
		return err
	case writes:
		return anchorhold.Errorf(anchorhold.Invalid, "take the right away, or name another role", "the database's role may change the table %s", t.relation())
	}
	const columns = `SELECT a.attname, a.atttypid::oid, a.atttypmod
		FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE n.nspname = $1 AND c.relname = $2 AND a.attnum > 0 AND NOT a.attisdropped`
	rows, err := tx.Query(ctx, columns, t.Schema, t.Relation)
	if err != nil {
		return err
	}
	type column struct {
		Name string
		Type uint32
		Mod  int32
	}
	found, err := pgx.CollectRows(rows, pgx.RowToStructByPos[column])
	if err != nil {
		return err
	}
	for _, c := range t.Columns {
		i := slices.IndexFunc(found, func(f column) bool { return f.Name == c.Name })
		if i < 0 || !stands(found[i].Type, found[i].Mod, c.Type) {
			return anchorhold.Errorf(anchorhold.Invalid, "register it with the type that the table has, or make a view that casts it",
				"the table %s has no column %q of a type for %s", t.relation(), c.Name, c.Type)
		}
	}
	return nil
}

var _ engine.Engine = (*Engine)(nil)
