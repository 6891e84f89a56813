//go:build unix

// Package worker is the program anchorhold-duckdb but for the database itself: it
// answers its host on descriptor 3 of a sandbox.
//
// A session is either one that parses, or one that has a dataset's tables open and
// runs statements over them; never both, so that no researcher's SQL is where data
// are. It promises to open nothing but the files that it was handed, to lock the
// database's settings before it looks at any, and to answer with rows of the
// columns that were asked for or with one word. Messages of the database go to
// standard error, which nobody reads but a person who looks for a fault: they
// carry values. The tests of engine/duckdb run it in the real sandbox, with hostile
// statements; those here play its host.
package worker

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"

	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/anchorhold/anchorhold/engine"
	"github.com/anchorhold/anchorhold/engine/duckdb/wire"
	"github.com/anchorhold/anchorhold/sandbox"
)

// Database is one connection to a database in memory.
type Database interface {
	// Exec executes statements that have no rows.
	Exec(sql string) error
	// View gives a name to rows that can be read once, until release.
	View(name string, rows array.RecordReader) (release func(), err error)
	// Query executes one statement, which MUST be a SELECT. Its errors are an
	// engine.Failure where they are of a known kind.
	Query(ctx context.Context, sql string) (array.RecordReader, error)
	// Keep keeps the rows of one statement, which MUST be a SELECT, as a table.
	Keep(table, sql string) error
}

// Settings are what a database is opened with.
type Settings struct {
	Threads       int
	Memory, Spill int64  // bytes
	SpillDir      string // empty: nothing is spilled
}

// Opener opens a database.
type Opener func(s Settings) (Database, error)

// parseMemory is what parsing may take.
const parseMemory = 256 << 20

// Main answers the host on descriptor 3 until it hangs up.
func Main(open Opener) error {
	conn, err := sandbox.GuestConn()
	if err != nil {
		return fmt.Errorf("anchorhold-duckdb is started by a site, in its sandbox: %w", err)
	}
	return errors.Join(Serve(conn, open, os.Stderr), conn.Close())
}

// Serve answers a host until it hangs up. Messages of the database are written
// to log.
func Serve(conn *net.UnixConn, open Opener, log io.Writer) error {
	s := &session{open: open, out: bufio.NewWriterSize(conn, 256<<10), log: log}
	defer s.close()
	for {
		kind, content, files, err := sandbox.ReceiveFrame(conn, wire.MaxFrame)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		err = s.answer(kind, content, files)
		if err != nil {
			err = s.refuse(err)
		}
		if err := errors.Join(err, s.out.Flush()); err != nil {
			return err
		}
	}
}

// session is what a host has said so far.
type session struct {
	open  Opener
	out   *bufio.Writer
	log   io.Writer
	db    Database
	state state
	files []*os.File
	ready Database // for parsing, opened while there was nothing to do
	kept  []string // names of tables with rows of statements, the one used last at the end
}

type state int

const (
	fresh state = iota
	parses
	runs
	broken // an opening that failed
)

var errTurn = errors.New("not in this session")

func (s *session) answer(kind byte, content []byte, files []*os.File) error {
	s.files = append(s.files, files...)
	switch kind {
	case wire.FrameParse:
		return s.parse(string(content))
	case wire.FrameWarm:
		return s.warm()
	case wire.FrameOpen:
		return s.opening(content, files)
	case wire.FrameRun:
		return s.run(content)
	}
	return errTurn
}

func (s *session) close() {
	for _, f := range s.files {
		_ = f.Close() // read only
	}
}

// refuse says in one word what was wrong, and the rest to the log.
func (s *session) refuse(err error) error {
	fmt.Fprintln(s.log, err)
	why := engine.FailureOf(err)
	if why == "" {
		why = engine.Failed
	}
	return s.say(wire.FrameRefused, wire.Refusal{Why: why})
}

func (s *session) say(kind byte, v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return sandbox.WriteFrame(s.out, kind, text)
}

// warm gets ready for whatever comes: a database is opened, and has parsed, so that the
// program's pages are there.
func (s *session) warm() (err error) {
	if s.state != fresh || s.ready != nil {
		return errTurn
	}
	if s.ready, err = s.openLocked(parsing(), nil); err != nil {
		return err
	}
	if _, err := tree(s.ready, "SELECT COUNT(*) FROM nothing"); err != nil {
		return err
	}
	return sandbox.WriteFrame(s.out, wire.FrameOpened)
}

func parsing() Settings { return Settings{Threads: 1, Memory: parseMemory} }

// parse has a text parsed in a database that holds nothing.
func (s *session) parse(sql string) error {
	if s.state == fresh {
		if s.db = s.ready; s.db == nil {
			var err error
			if s.db, err = s.openLocked(parsing(), nil); err != nil {
				return err
			}
		}
		s.state = parses
	}
	if s.state != parses || len(sql) > wire.MaxParse {
		return errTurn
	}
	text, err := tree(s.db, sql)
	if err != nil {
		return err
	}
	return sandbox.WriteFrame(s.out, wire.FrameTree, []byte(text))
}

func tree(db Database, sql string) (string, error) {
	rows, err := db.Query(context.Background(), "SELECT CAST(json_serialize_sql("+engine.Text(sql)+") AS VARCHAR)")
	if err != nil {
		return "", err
	}
	defer rows.Release()
	if !rows.Next() {
		return "", errors.Join(errors.New("no tree"), rows.Err())
	}
	text, ok := rows.RecordBatch().Column(0).(*array.String)
	if !ok || text.Len() != 1 || len(text.Value(0)) > wire.MaxFrame {
		return "", errors.New("no tree")
	}
	return strings.Clone(text.Value(0)), nil // it lies in memory that is given back here
}

// openLocked opens a database with everything locked but the named paths.
func (s *session) openLocked(settings Settings, paths []string) (Database, error) {
	db, err := s.open(settings)
	if err != nil {
		return nil, err
	}
	return db, db.Exec("SET allowed_paths=[" + texts(paths) + "]; SET enable_external_access=false; SET lock_configuration=true")
}

// opening opens the tables.
func (s *session) opening(content []byte, files []*os.File) error {
	if s.state != fresh {
		return errTurn
	}
	s.state = broken
	var o wire.Opening
	if err := json.Unmarshal(content, &o); err != nil {
		return err
	}
	if len(files) != len(o.Tables) {
		return errors.New("not one file for each table")
	}
	var paths []string
	for _, f := range files {
		paths = append(paths, pathOf(f))
	}
	var err error
	if s.db, err = s.openLocked(Settings{Threads: o.Threads, Memory: o.Memory, Spill: o.Spill, SpillDir: spillDir(o.Spill)}, paths); err != nil {
		return err
	}
	for i, t := range o.Tables {
		if err := s.table(t, files[i]); err != nil {
			return err
		}
	}
	s.state = runs
	return sandbox.WriteFrame(s.out, wire.FrameOpened)
}

// spillDir is where a statement puts rows aside that its memory does not hold.
func spillDir(spill int64) string {
	if spill <= 0 {
		return ""
	}
	return "/tmp/spill"
}

// pathOf is a path at which an open file can be opened again.
func pathOf(f *os.File) string { return fmt.Sprintf("/proc/self/fd/%d", f.Fd()) }

// run executes a statement and sends its rows.
func (s *session) run(content []byte) error {
	var q wire.Run
	if err := json.Unmarshal(content, &q); err != nil {
		return err
	}
	if s.state != runs {
		return errTurn
	}
	sql := q.SQL
	if q.Keep != nil && s.keep(*q.Keep) {
		sql = q.Keep.Then
	}
	rows, err := s.db.Query(context.Background(), sql)
	if err != nil {
		return err
	}
	defer rows.Release()
	total := 0
	var buf []byte
	for rows.Next() {
		values, err := vectors(q.Columns, rows.RecordBatch())
		if err != nil {
			return err
		}
		n := int(rows.RecordBatch().NumRows())
		if total += n; total > q.MaxRows {
			return errors.New("more rows than the statement can have")
		}
		if buf, err = s.send(buf, values, n); err != nil {
			return err
		}
	}
	if err := rows.Err(); err != nil {
		return err
	}
	return s.say(wire.FrameEnd, wire.End{Rows: total})
}

// mostKept is how many tables with rows of statements are kept: the host says what may
// be, by its size.
const mostKept = 2

// keep says whether a statement's rows are kept, under their name.
func (s *session) keep(k wire.Keep) bool {
	if i := slices.Index(s.kept, k.Name); i >= 0 {
		s.kept = append(slices.Delete(s.kept, i, i+1), k.Name)
		return true
	}
	for len(s.kept) >= mostKept {
		s.forget()
	}
	err := s.db.Keep(k.Name, k.First)
	if err == nil {
		s.kept = append(s.kept, k.Name)
		return true
	}
	fmt.Fprintln(s.log, err)
	for len(s.kept) > 0 { // what is kept takes room that the statement wants
		s.forget()
	}
	return false
}

// forget drops what was kept first.
func (s *session) forget() {
	if err := s.db.Exec("DROP TABLE " + engine.Quote(s.kept[0])); err != nil {
		fmt.Fprintln(s.log, err)
	}
	s.kept = s.kept[1:]
}

// send writes rows in frames of a usual size.
func (s *session) send(buf []byte, values []engine.Vector, n int) ([]byte, error) {
	for from := 0; from < n; {
		to := from
		size := 0
		for to < n && to-from < wire.MaxBatch && size < wire.BatchBytes {
			size += sizeOf(values, to)
			to++
		}
		buf = wire.AppendBatch(buf[:0], values, from, to)
		if len(buf) > wire.MaxFrame {
			return buf, errors.New("a row of too many bytes")
		}
		if err := sandbox.WriteFrame(s.out, wire.FrameBatch, buf); err != nil {
			return buf, err
		}
		from = to
	}
	return buf, nil
}

// sizeOf is about how many bytes a row takes.
func sizeOf(values []engine.Vector, row int) int {
	n := 0
	for _, v := range values {
		if v.Texts != nil {
			n += len(v.Texts[row])
		}
		n += 8
	}
	return n
}
