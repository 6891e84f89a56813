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
	URL      string
	Password string // where the URL names none, and the site's account has no file of passwords
	Tables   []Table
	Timeout  time.Duration // of one statement; 0: DefaultTimeout
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
	e, err := connecting(ctx, o)
	if err != nil {
		return nil, err
	}
	if err := e.with(ctx, e.examine); err != nil {
		e.end()
		return nil, err
	}
	return e, nil
}

// connecting reads how to connect, and connects to nothing.
func connecting(ctx context.Context, o Options) (*Engine, error) {
	config, err := pgx.ParseConfig(o.URL)
	if err != nil {
		return nil, anchorhold.Errorf(anchorhold.Invalid, "write it as postgres://ROLE@HOST/DATABASE, or host=/run/postgresql user=ROLE dbname=DATABASE", "the database's address cannot be read")
	}
	if o.Password != "" {
		config.Password = o.Password
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

var _ engine.Engine = (*Engine)(nil)
