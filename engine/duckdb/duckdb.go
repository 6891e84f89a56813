// Package duckdb has statements executed by DuckDB, over files, in sandboxes.
//
// DuckDB is no boundary, and the files that it reads are nobody's to vouch for: so it
// is a program of its own (anchorhold-duckdb, package worker), which sees nothing but
// itself and the open files that it is handed. Workers starts its sessions. It
// promises that a researcher's SQL is parsed where no data are (Workers.Parse); that a
// session which holds data is kept for the same researcher and the same versions
// and for nobody else; that a question which is given up ends with its session; and
// that nothing which comes back is believed before it was checked. It must never
// give a session's log to anybody: it holds values. The conformance suite of
// package engine, hostile statements and hostile files run in the real sandbox in
// internal/sandboxed; the tests here play a worker that lies.
package duckdb

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/catalog/codec"
	"github.com/anchorhold/anchorhold/engine"
	"github.com/anchorhold/anchorhold/engine/duckdb/wire"
	"github.com/anchorhold/anchorhold/sandbox"
)

// ProgramName is what the worker's program is called.
const ProgramName = "anchorhold-duckdb"

// Beside finds the worker's program beside another.
func Beside(executable string) (string, error) {
	if resolved, err := filepath.EvalSymlinks(executable); err == nil {
		executable = resolved
	}
	path := filepath.Join(filepath.Dir(executable), ProgramName)
	info, err := os.Stat(path)
	if err != nil || !info.Mode().IsRegular() || info.Mode().Perm()&0o111 == 0 {
		return "", anchorhold.Errorf(anchorhold.Unavailable,
			"put "+ProgramName+" of the same version into "+filepath.Dir(executable)+" (`make build` makes both)",
			"%s, which answers questions in SQL, is not beside anchorhold", ProgramName).Because(err)
	}
	return path, nil
}

// Dataset is what a session has open: files, as tables.
type Dataset struct {
	// Name names the content: what has one name has the same tables and files.
	Name string
	// Of is whose content it is: End ends all sessions of one.
	Of     string
	Tables []Table
	// Open opens the file of each table, in order. They are closed here.
	Open func(ctx context.Context) ([]*os.File, error)
}

// Table is a registered table of one file.
type Table struct {
	Name    string
	Format  string // of its codec
	Columns []engine.Column
	Missing []string // further texts of a CSV file that mean "no value"
}

// Engine answers statements over one dataset for one researcher. It implements
// engine.Engine.
type Engine struct {
	workers *Workers
	who     string
	of      Dataset
}

// Engine gives the engine of a dataset for one researcher. Its sessions outlive
// it, for as long as Workers keeps them.
func (w *Workers) Engine(who string, of Dataset) *Engine { return &Engine{w, who, of} }

// Dataset is what it is over.
func (e *Engine) Dataset() Dataset { return e.of }

// Dialect implements engine.Engine.
func (e *Engine) Dialect() engine.Dialect { return engine.DuckDB }

// Table implements engine.Engine.
func (e *Engine) Table(name string) (engine.Table, bool) {
	i := slices.IndexFunc(e.of.Tables, func(t Table) bool { return t.Name == name })
	if i < 0 {
		return engine.Table{}, false
	}
	return engine.Table{SQL: engine.Quote(name), Columns: e.of.Tables[i].Columns}, true
}

// Close implements engine.Engine.
func (e *Engine) Close() error {
	e.workers.drop(e.key())
	return nil
}

func (e *Engine) key() key { return key{e.who, e.of.Name, e.of.Of} }

// Partials implements engine.Engine.
func (e *Engine) Partials(ctx context.Context, s engine.Statement) (*engine.Partials, error) {
	if err := s.Validate(); err != nil {
		return nil, err
	}
	var out *engine.Partials
	err := e.workers.with(ctx, e.key(), e.open, func(x *worker) (err error) {
		out, err = x.run(s, e.workers.opening().Memory/4)
		return err
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// open hands the tables to a fresh session.
func (e *Engine) open(ctx context.Context, x *worker) error {
	files, err := e.of.Open(ctx)
	if err != nil {
		return err
	}
	defer func() {
		for _, f := range files {
			_ = f.Close() // read only
		}
	}()
	if len(files) != len(e.of.Tables) {
		return fmt.Errorf("%d files for %d tables", len(files), len(e.of.Tables))
	}
	o := e.workers.opening()
	var own []*os.File
	defer func() {
		for _, f := range own {
			_ = f.Close() // read only
		}
	}()
	for i, t := range e.of.Tables {
		told, err := describe(t, files[i])
		if err != nil {
			return err
		}
		// Opened anew, for reading only: the guest gets the rights and the position of
		// what it is given.
		f, err := os.Open(fmt.Sprintf("/proc/self/fd/%d", files[i].Fd()))
		if err != nil {
			return codec.Unreadable("the table "+t.Name, err)
		}
		o.Tables, own = append(o.Tables, told), append(own, f)
	}
	text, err := json.Marshal(o)
	if err != nil {
		return err
	}
	if len(text) > wire.MaxFrame {
		return anchorhold.Errorf(anchorhold.TooLarge, "offer fewer columns in one dataset", "the dataset has too many columns for the engine")
	}
	if err := sandbox.SendFiles(x.session.Conn(), sandbox.Frame(wire.FrameOpen, text), own...); err != nil {
		return err
	}
	_, err = x.expect(wire.FrameOpened)
	return err
}

// describe says of a file what its reader shall not guess.
func describe(t Table, f *os.File) (wire.Table, error) {
	out := wire.Table{Name: t.Name, Format: t.Format, Columns: t.Columns}
	if t.Format != (codec.CSV{}).Format().Name {
		return out, nil
	}
	head := make([]byte, codec.CSVBuffer)
	n, err := f.ReadAt(head, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return out, codec.Unreadable("the table "+t.Name, err)
	}
	head = head[:n]
	out.Delimiter, out.Missing = string(codec.Delimiter(head)), codec.MissingTexts(t.Missing)
	for _, b := range strings.TrimPrefix(string(head), "\xef\xbb\xbf") {
		if b != '\n' && b != '\r' {
			break
		}
		if b == '\n' {
			out.Skip++
		}
	}
	return out, nil
}

// run asks for a statement's rows.
func (x *worker) run(s engine.Statement, room int64) (*engine.Partials, error) {
	q := wire.Run{SQL: s.SQL, Columns: s.Columns, MaxRows: s.MaxRows}
	if s.Steps != nil && s.Steps.Bytes <= room {
		q.Keep = keep(*s.Steps)
	}
	text, err := json.Marshal(q)
	if err != nil {
		return nil, err
	}
	if err := sandbox.WriteFrame(x.session.Conn(), wire.FrameRun, text); err != nil {
		return nil, err
	}
	out := engine.MakePartials(s)
	for {
		kind, err := x.expect(wire.FrameBatch, wire.FrameEnd)
		if err != nil {
			return nil, err
		}
		if kind == wire.FrameEnd {
			break
		}
		if err := wire.ReadBatch(x.content, out, s.MaxRows); err != nil {
			return nil, err
		}
	}
	var end wire.End
	if err := json.Unmarshal(x.content, &end); err != nil || end.Rows != out.Rows {
		return nil, errors.Join(errors.New("an end after other rows than there were"), err)
	}
	if err := out.Check(s); err != nil {
		return nil, err
	}
	return out, nil
}

// keep names the rows of a first step by its text: a session has one dataset, of one
// version.
func keep(s engine.Steps) *wire.Keep {
	sum := sha256.Sum256([]byte(s.First))
	name := "rows of " + hex.EncodeToString(sum[:])
	return &wire.Keep{Name: name, First: s.First, Then: s.Then(engine.Quote(name))}
}

// SyntaxError is what DuckDB's parser says of a text that is no SELECT. Position
// is the byte of the text that it speaks of; -1: of none.
type SyntaxError struct {
	Message  string
	Position int
}

// Error implements error.
func (e *SyntaxError) Error() string { return e.Message }

// Parse has a researcher's SQL parsed in a session that holds no data, and gives
// the tree as JSON: a hostile text, of which nothing but its length was checked.
func (w *Workers) Parse(ctx context.Context, who, sql string) ([]byte, error) {
	if len(sql) > wire.MaxParse || !utf8.ValidString(sql) || strings.ContainsRune(sql, 0) {
		return nil, anchorhold.Errorf(anchorhold.TooLarge, "ask for less in one question", "the question is no text, or longer than %d bytes", wire.MaxParse)
	}
	var tree []byte
	err := w.with(ctx, key{who: who}, func(context.Context, *worker) error { return nil }, func(x *worker) error {
		if err := sandbox.WriteFrame(x.session.Conn(), wire.FrameParse, []byte(sql)); err != nil {
			return err
		}
		_, err := x.expect(wire.FrameTree)
		tree = slices.Clone(x.content)
		return err
	})
	if err != nil {
		return nil, err
	}
	return tree, syntax(tree)
}

// maxWords bounds what a parser says, whose words a person sees.
const maxWords = 1000

// syntax finds the error in a tree that is one.
func syntax(tree []byte) error {
	var said struct {
		Error      bool              `json:"error"`
		Message    string            `json:"error_message"`
		Position   any               `json:"position"`
		Statements []json.RawMessage `json:"statements"`
	}
	if err := json.Unmarshal(tree, &said); err != nil {
		return engine.Failed.Err()
	}
	if !said.Error && len(said.Statements) == 1 {
		return nil
	}
	e := &SyntaxError{Message: "it is not one SELECT", Position: -1}
	if m := said.Message; m != "" && len(m) <= maxWords && !strings.ContainsFunc(m, unicode.IsControl) {
		e.Message = m
	}
	if _, err := fmt.Sscan(fmt.Sprint(said.Position), &e.Position); err != nil {
		e.Position = -1
	}
	remedy := "write one SELECT as DuckDB has it"
	if e.Position >= 0 {
		remedy += fmt.Sprintf("; look at its character %d", e.Position+1)
	}
	return anchorhold.Errorf(anchorhold.Invalid, remedy, "the SQL cannot be read: %s", e.Message).Because(e)
}

var _ engine.Engine = (*Engine)(nil)
