package postgres

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/engine"
)

// Server says to which database Options lead, and as whom, without a password.
func (o Options) Server() (string, error) {
	e, err := connecting(context.Background(), o)
	if err != nil {
		return "", err
	}
	e.end()
	c := e.config
	host := c.Host
	if !strings.HasPrefix(host, "/") {
		host = net.JoinHostPort(host, strconv.Itoa(int(c.Port)))
	}
	return c.User + "@" + host + "/" + strings.TrimPrefix(c.Database, "/"), nil
}

// Describe gives the columns of a table that questions can be about, in order,
// where the role may read it and change nothing. Columns of other types are left
// out: a view can cast them.
func Describe(ctx context.Context, o Options, schema, relation string) (columns []engine.Column, err error) {
	t := Table{Name: relation, Schema: schema, Relation: relation}
	o.Tables = []Table{t}
	e, err := connecting(ctx, o)
	if err != nil {
		return nil, err
	}
	defer e.end()
	err = e.with(ctx, func(ctx context.Context, tx pgx.Tx) error {
		if err := e.examine(ctx, tx); err != nil {
			return err
		}
		found, err := columnsOf(ctx, tx, t)
		for _, c := range found {
			if of, ok := typeOf(c.Type, c.Mod); ok {
				columns = append(columns, engine.Column{Name: c.Name, Type: of})
			}
		}
		return err
	})
	if err == nil && len(columns) == 0 {
		err = anchorhold.Errorf(anchorhold.Invalid, "make a view that casts them to numbers, text, dates, times or booleans", "the table %s has no column of a type that questions can be about", t.relation())
	}
	return columns, err
}

// typeOf is what a column is registered as where its owner says nothing.
func typeOf(oid uint32, mod int32) (anchorhold.ColumnType, bool) {
	for _, t := range []anchorhold.ColumnType{
		anchorhold.TypeInt, anchorhold.TypeFloat, anchorhold.TypeString, anchorhold.TypeBool, anchorhold.TypeDate, anchorhold.TypeTimestamp,
	} {
		if stands(oid, mod, t) {
			return t, true
		}
	}
	return "", false
}

// harmless says whether a role can do nothing but read, and of nothing but tables.
const harmless = `SELECT NOT (r.rolsuper OR r.rolcreaterole OR r.rolcreatedb OR r.rolreplication OR r.rolbypassrls OR EXISTS (
	SELECT 1 FROM pg_roles p WHERE p.rolname IN ('pg_read_server_files', 'pg_write_server_files', 'pg_execute_server_program', 'pg_write_all_data',
		'pg_signal_backend', 'pg_read_all_settings', 'pg_monitor') AND pg_has_role(r.oid, p.oid, 'MEMBER')))
	FROM pg_roles r WHERE r.rolname = current_user`

// writable finds something in the database that a role may change or make.
const writable = `SELECT 'the database' WHERE has_database_privilege(current_database(), 'CREATE')
	UNION ALL SELECT 'the schema ' || quote_ident(n.nspname) FROM pg_namespace n WHERE n.nspname !~ '^pg_(toast_)?temp_' AND has_schema_privilege(n.oid, 'CREATE')
	UNION ALL SELECT 'the table ' || quote_ident(n.nspname) || '.' || quote_ident(c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
	WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND has_schema_privilege(n.oid, 'USAGE') AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND
		(has_table_privilege(c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE') OR has_any_column_privilege(c.oid, 'INSERT, UPDATE'))
	LIMIT 1`

// examine makes sure of the role and of the tables.
func (e *Engine) examine(ctx context.Context, tx pgx.Tx) error {
	var ok bool
	if err := tx.QueryRow(ctx, harmless).Scan(&ok); err != nil {
		return err
	}
	if !ok {
		return anchorhold.Errorf(anchorhold.Invalid, "make one for the site: CREATE ROLE anchorhold LOGIN; GRANT SELECT on the tables, and nothing else",
			"the database's role may do more than read tables")
	}
	var what string
	switch err := tx.QueryRow(ctx, writable).Scan(&what); {
	case err == nil:
		return anchorhold.Errorf(anchorhold.Invalid, "take the right away (REVOKE, also from PUBLIC), or name another role", "the database's role may change %s", what)
	case !errors.Is(err, pgx.ErrNoRows):
		return err
	}
	for _, t := range e.tables {
		if err := examineTable(ctx, tx, t); err != nil {
			return err
		}
	}
	return nil
}

func examineTable(ctx context.Context, tx pgx.Tx, t Table) error {
	const rights = `SELECT has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT'), c.relkind IN ('r', 'p', 'v', 'm', 'f')
		FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relname = $2`
	var reads, table bool
	err := tx.QueryRow(ctx, rights, t.Schema, t.Relation).Scan(&reads, &table)
	switch {
	case errors.Is(err, pgx.ErrNoRows) || err == nil && (!reads || !table):
		return anchorhold.Errorf(anchorhold.NotFound, fmt.Sprintf("check the name, and GRANT USAGE ON SCHEMA %s and SELECT ON %s to the site's role", engine.Quote(t.Schema), t.relation()),
			"the database has no table %s that its role can read", t.relation())
	case err != nil || len(t.Columns) == 0:
		return err
	}
	found, err := columnsOf(ctx, tx, t)
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

// column is a column as the database describes it.
type column struct {
	Name string
	Type uint32
	Mod  int32
}

func columnsOf(ctx context.Context, tx pgx.Tx, t Table) ([]column, error) {
	const columns = `SELECT a.attname, a.atttypid::oid, a.atttypmod
		FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE n.nspname = $1 AND c.relname = $2 AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum`
	rows, err := tx.Query(ctx, columns, t.Schema, t.Relation)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[column])
}
