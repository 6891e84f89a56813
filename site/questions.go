package site

import (
	"context"
	"os"
	"slices"
	"strings"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/dataset"
	"github.com/anchorhold/anchorhold/dp"
	"github.com/anchorhold/anchorhold/engine"
	"github.com/anchorhold/anchorhold/engine/duckdb"
	"github.com/anchorhold/anchorhold/engine/postgres"
)

// engines open engines over datasets: DuckDB's over files, an owner's PostgreSQL over
// its own tables.
type engines struct {
	*duckdb.Workers
	connection func(anchorhold.Version) (dataset.Connection, error)
}

// Engine implements question.Engines. What has the same versions has the same
// content.
func (e engines) Engine(ctx context.Context, who string, d anchorhold.Dataset, open func(context.Context) ([]*os.File, error)) (engine.Engine, error) {
	var tables []anchorhold.Asset
	for _, a := range d.Assets {
		if a.Kind != anchorhold.KindTable {
			continue
		}
		if a.Version.Private == nil {
			return nil, anchorhold.Errorf(anchorhold.Unavailable, "ask its owner", "the private side of %s/%s is not here", d.Name, a.Name)
		}
		tables = append(tables, a)
	}
	if slices.ContainsFunc(tables, func(a anchorhold.Asset) bool { return a.Version.Live }) {
		return e.database(ctx, tables)
	}
	of := duckdb.Dataset{Of: d.Name, Open: open}
	var versions []string
	for _, a := range tables {
		of.Tables = append(of.Tables, duckdb.Table{Name: a.Name, Format: a.Version.Private.Format, Missing: a.Version.Missing, Columns: columns(a.Version)})
		versions = append(versions, a.Version.ID)
	}
	of.Name = strings.Join(versions, " ")
	return e.Workers.Engine(who, of), nil
}

func columns(v anchorhold.Version) (out []engine.Column) {
	for _, c := range v.Columns {
		out = append(out, engine.Column{Name: c.Name, Type: c.Type})
	}
	return out
}

// database opens an engine over tables of one database, by the connection that was
// named last; its role is looked at anew.
func (e engines) database(ctx context.Context, tables []anchorhold.Asset) (engine.Engine, error) {
	newest := slices.MaxFunc(tables, func(a, b anchorhold.Asset) int { return a.Version.Created.Compare(b.Version.Created) })
	c, err := e.connection(newest.Version)
	if err != nil {
		return nil, err
	}
	o := postgres.Options{URL: c.URL, Password: c.Password}
	for _, a := range tables {
		at := a.Version.Private.Database
		if at == nil || at.Server != newest.Version.Private.Database.Server {
			return nil, anchorhold.Errorf(anchorhold.Conflict, "ask its owner", "the tables of a dataset do not lie in one place")
		}
		o.Tables = append(o.Tables, postgres.Table{Name: a.Name, Schema: at.Schema, Relation: at.Table, Columns: columns(a.Version)})
	}
	return postgres.Open(ctx, o)
}

// databases look at owners' databases. They implement dataset.Databases.
type databases struct{}

func (databases) Describe(ctx context.Context, c dataset.Connection, schema, table string) (server string, out []anchorhold.Column, err error) {
	o := postgres.Options{URL: c.URL, Password: c.Password}
	server, err = o.Server()
	if err != nil {
		return "", nil, err
	}
	found, err := postgres.Describe(ctx, o, schema, table)
	for _, f := range found {
		out = append(out, anchorhold.Column{Name: f.Name, Type: f.Type})
	}
	return server, out, err
}

// answerQuestions has questions in SQL answered in a sandbox, until what is
// returned is called.
func (s *Site) answerQuestions(box Guests) (end func() error) {
	if box.DuckDB == "" {
		return func() error { return nil }
	}
	workers := &duckdb.Workers{Sandbox: box.Sandbox, Boxes: s.runs.Boxes, Program: box.DuckDB}
	s.questions.Pool = dp.NewPool()
	s.questions.Engines = engines{workers, s.datasets.Connection}
	return func() error {
		s.questions.Pool.Close()
		return workers.Close()
	}
}
