//go:build cgo && duckdb_arrow

// Command anchorhold-duckdb is DuckDB behind a site's sandbox: the one program of
// ours that is not pure Go, linked statically and started by a site alone, which
// speaks to it over descriptor 3 (package engine/duckdb/worker).
//
// It has no command line. It promises one connection to one database in memory,
// with nothing loaded from outside; and never runs anything but a single SELECT for
// its host. The tests of engine/duckdb run it where it belongs.
package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strconv"

	"github.com/apache/arrow-go/v18/arrow/array"
	duckdb "github.com/duckdb/duckdb-go/v2"

	"github.com/anchorhold/anchorhold/engine"
	"github.com/anchorhold/anchorhold/engine/duckdb/worker"
)

func main() {
	if err := worker.Main(open); err != nil {
		fmt.Fprintln(os.Stderr, "anchorhold-duckdb:", err)
		os.Exit(1)
	}
}

// database is the one connection to a database in memory.
type database struct {
	conn  *duckdb.Conn
	arrow *duckdb.Arrow
}

// open opens a database in memory. What cannot be set before it is there is set by
// the worker, before it locks the settings.
func open(s worker.Settings) (worker.Database, error) {
	settings := url.Values{
		"threads":                      {strconv.Itoa(s.Threads)},
		"memory_limit":                 {bytes(s.Memory)},
		"preserve_insertion_order":     {"false"},
		"autoinstall_known_extensions": {"false"},
		"autoload_known_extensions":    {"false"},
		"allow_community_extensions":   {"false"},
		"temp_directory":               {s.SpillDir},
	}
	if s.SpillDir != "" {
		settings.Set("max_temp_directory_size", bytes(s.Spill))
	}
	connector, err := duckdb.NewConnector("?"+settings.Encode(), nil)
	if err != nil {
		return nil, err
	}
	c, err := connector.Connect(context.Background())
	if err != nil {
		return nil, err
	}
	conn, ok := c.(*duckdb.Conn)
	if !ok {
		return nil, errors.New("another driver")
	}
	arrow, err := duckdb.NewArrowFromConn(conn)
	if err != nil {
		return nil, err
	}
	return &database{conn, arrow}, nil
}

func bytes(n int64) string { return strconv.FormatInt(n, 10) + "B" }

// Exec implements worker.Database.
func (d *database) Exec(sql string) error {
	_, err := d.conn.ExecContext(context.Background(), sql, nil)
	return classified(err)
}

// View implements worker.Database.
func (d *database) View(name string, rows array.RecordReader) (func(), error) {
	return d.arrow.RegisterView(rows, name)
}

// Query implements worker.Database.
func (d *database) Query(ctx context.Context, sql string) (array.RecordReader, error) {
	if err := d.one(sql); err != nil {
		return nil, classified(err)
	}
	rows, err := d.arrow.QueryContext(ctx, sql)
	return rows, classified(err)
}

// Keep implements worker.Database.
func (d *database) Keep(table, sql string) error {
	if err := d.one(sql); err != nil {
		return classified(err)
	}
	return d.Exec("CREATE TEMP TABLE " + engine.Quote(table) + " AS " + sql)
}

// one makes sure that a text is one SELECT and nothing else.
func (d *database) one(sql string) error {
	prepared, err := d.conn.Prepare(sql)
	if err != nil {
		return err
	}
	stmt, ok := prepared.(*duckdb.Stmt)
	if !ok {
		return errors.Join(errors.New("another driver"), prepared.Close())
	}
	kind, err := stmt.StatementType()
	if err == nil && kind != duckdb.STATEMENT_TYPE_SELECT {
		err = fmt.Errorf("a statement of type %d is no SELECT", kind)
	}
	return errors.Join(err, stmt.Close())
}

// classified says of an error which failure it is of.
func classified(err error) error {
	var e *duckdb.Error
	if !errors.As(err, &e) {
		return err
	}
	switch e.Type {
	case duckdb.ErrorTypeOutOfMemory:
		return fmt.Errorf("%w: %w", engine.Memory, err)
	case duckdb.ErrorTypeInterrupt:
		return fmt.Errorf("%w: %w", engine.Cancelled, err)
	}
	return err
}
