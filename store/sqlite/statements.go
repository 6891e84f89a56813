package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"sync"
)

// mostStatements bounds how many queries are kept parsed; the program has about
// half as many.
const mostStatements = 400

// statements are the queries that a database has been asked, parsed: to parse one
// costs more than most of them do. A query is parsed for good after the
// transaction that asked it first, because that holds the one connection that
// writes.
type statements struct {
	db *sql.DB

	mu     sync.Mutex
	parsed map[string]*sql.Stmt // nil where it cannot be kept
	asked  []string             // and not parsed yet
}

func newStatements(db *sql.DB) *statements {
	return &statements{db: db, parsed: map[string]*sql.Stmt{}}
}

// find gives a query parsed, or nil.
func (s *statements) find(query string) *sql.Stmt {
	s.mu.Lock()
	defer s.mu.Unlock()
	found, known := s.parsed[query]
	if !known && len(s.parsed) < mostStatements {
		s.parsed[query] = nil
		s.asked = append(s.asked, query)
	}
	return found
}

// learn parses what was asked. No transaction of the caller may be open.
func (s *statements) learn() {
	s.mu.Lock()
	asked := s.asked
	s.asked = nil
	s.mu.Unlock()
	for _, query := range asked {
		st, err := s.db.PrepareContext(context.Background(), query)
		if err != nil {
			continue // whoever asks it is told
		}
		s.mu.Lock()
		s.parsed[query] = st
		s.mu.Unlock()
	}
}

func (s *statements) close() error {
	var errs []error
	for _, st := range s.parsed {
		if st != nil {
			errs = append(errs, st.Close())
		}
	}
	return errors.Join(errs...)
}

// statement gives a query as this transaction can carry it out: parsed, unless
// its rows are being read just now.
func (t *tx) statement(query string) *sql.Stmt {
	if t.reading[query] {
		return nil
	}
	if st := t.known.find(query); st != nil {
		return t.tx.StmtContext(t.ctx, st)
	}
	return nil
}

// run carries out a statement.
func (t *tx) run(query string, args ...any) (sql.Result, error) {
	if st := t.statement(query); st != nil {
		return st.ExecContext(t.ctx, args...)
	}
	return t.tx.ExecContext(t.ctx, query, args...)
}

// row asks for one row.
func (t *tx) row(query string, args ...any) *sql.Row {
	if st := t.statement(query); st != nil {
		return st.QueryRowContext(t.ctx, args...)
	}
	return t.tx.QueryRowContext(t.ctx, query, args...)
}

// rows asks for rows; done says that they have been read.
func (t *tx) rows(query string, args ...any) (rows *sql.Rows, done func(), err error) {
	st := t.statement(query)
	if st == nil {
		rows, err = t.tx.QueryContext(t.ctx, query, args...)
		return rows, func() {}, err
	}
	if t.reading == nil {
		t.reading = map[string]bool{}
	}
	t.reading[query] = true
	rows, err = st.QueryContext(t.ctx, args...)
	return rows, func() { delete(t.reading, query) }, err
}
