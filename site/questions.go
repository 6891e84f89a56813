package site

import (
	"context"
	"os"
	"strings"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/dp"
	"github.com/anchorhold/anchorhold/engine"
	"github.com/anchorhold/anchorhold/engine/duckdb"
)

// engines open DuckDB's engines over datasets.
type engines struct{ *duckdb.Workers }

// Engine implements question.Engines. What has the same versions has the same
// content.
func (e engines) Engine(who string, d anchorhold.Dataset, open func(context.Context) ([]*os.File, error)) engine.Engine {
	of := duckdb.Dataset{Open: open}
	var versions []string
	for _, a := range d.Assets {
		if a.Kind != anchorhold.KindTable || a.Version.Private == nil {
			continue
		}
		t := duckdb.Table{Name: a.Name, Format: a.Version.Private.Format, Missing: a.Version.Missing}
		for _, c := range a.Version.Columns {
			t.Columns = append(t.Columns, engine.Column{Name: c.Name, Type: c.Type})
		}
		of.Tables, versions = append(of.Tables, t), append(versions, a.Version.ID)
	}
	of.Name = strings.Join(versions, " ")
	return e.Workers.Engine(who, of)
}

// answerQuestions has questions in SQL answered in a sandbox, until what is
// returned is called.
func (s *Site) answerQuestions(box Guests) (end func() error) {
	if box.DuckDB == "" {
		return func() error { return nil }
	}
	workers := &duckdb.Workers{Sandbox: box.Sandbox, Program: box.DuckDB}
	s.questions.Pool = dp.NewPool()
	s.questions.Engines = engines{workers}
	return func() error {
		s.questions.Pool.Close()
		return workers.Close()
	}
}
