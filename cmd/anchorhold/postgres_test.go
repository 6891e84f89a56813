//go:build unix

package main

import (
	"context"

	"github.com/jackc/pgx/v5"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/anchorhold/anchorhold/internal/postgrestest"
)

// startPostgres FILE starts a PostgreSQL, has the statements of a file executed there,
// and sets PGSOCKET to the folder of its socket.
func startPostgres(ts *testscript.TestScript, _ bool, args []string) {
	dir, end, err := postgrestest.Start()
	ts.Check(err)
	ts.Defer(func() { ts.Check(end()) })
	ts.Setenv("PGSOCKET", dir)
	execute(ts, ts.ReadFile(args[0]))
}

// sql STATEMENT executes something there.
func sql(ts *testscript.TestScript, _ bool, args []string) { execute(ts, args[0]) }

func execute(ts *testscript.TestScript, text string) {
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, "host="+ts.Getenv("PGSOCKET")+" user=postgres")
	ts.Check(err)
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, text)
	ts.Check(err)
}
