//go:build unix

package worker_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/engine"
	"github.com/anchorhold/anchorhold/engine/duckdb/wire"
	"github.com/anchorhold/anchorhold/engine/duckdb/worker"
	"github.com/anchorhold/anchorhold/sandbox"
	"github.com/anchorhold/anchorhold/sandbox/sandboxtest"
)

// database answers every statement alike, and keeps what it was told.
type database struct {
	rows func() (array.RecordReader, error)

	mu       sync.Mutex
	settings worker.Settings
	told     []string
	log      bytes.Buffer
}

func (d *database) tell(sql string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.told = append(d.told, sql)
}

func (d *database) heard() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.told)
}

func (d *database) Exec(sql string) error {
	d.tell(sql)
	return nil
}

func (d *database) View(name string, _ array.RecordReader) (func(), error) {
	d.tell("view " + name)
	return func() { d.tell("released") }, nil
}

func (d *database) Query(_ context.Context, sql string) (array.RecordReader, error) {
	d.tell(sql)
	return d.rows()
}

func (d *database) Keep(table, sql string) error {
	d.tell("keep " + table + ": " + sql)
	if strings.Contains(sql, "too much") {
		return engine.Memory
	}
	return nil
}

// Write keeps the log.
func (d *database) Write(p []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.log.Write(p)
}

func (d *database) logged() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.log.String()
}

// host talks to a worker over a pair of sockets.
type host struct {
	*testing.T
	conn *net.UnixConn
	db   *database
	done chan error
}

func newHost(t *testing.T, rows func() (array.RecordReader, error)) *host {
	t.Helper()
	conn, guest, err := sandboxtest.Pair()
	if err != nil {
		t.Fatal(err)
	}
	h := &host{T: t, conn: conn, db: &database{rows: rows}, done: make(chan error, 1)}
	go func() {
		h.done <- errors.Join(worker.Serve(guest, func(s worker.Settings) (worker.Database, error) {
			h.db.mu.Lock()
			defer h.db.mu.Unlock()
			h.db.settings = s
			return h.db, nil
		}, h.db), guest.Close())
	}()
	t.Cleanup(func() {
		conn.Close()
		if err := <-h.done; err != nil {
			t.Error(err)
		}
	})
	return h
}

// say sends a frame and gives the kind and the content of the answer.
func (h *host) say(kind byte, v any, files ...*os.File) (byte, string) {
	h.Helper()
	content, ok := v.(string)
	if !ok {
		b, err := json.Marshal(v)
		if err != nil {
			h.Fatal(err)
		}
		content = string(b)
	}
	if err := sandbox.SendFiles(h.conn, sandbox.Frame(kind, []byte(content)), files...); err != nil {
		h.Fatal(err)
	}
	return h.hear()
}

func (h *host) hear() (byte, string) {
	h.Helper()
	kind, answer, err := sandbox.ReadFrame(h.conn, nil, wire.MaxFrame)
	if err != nil {
		h.Fatal(err)
	}
	return kind, string(answer)
}

func (h *host) file(text string) *os.File {
	h.Helper()
	path := filepath.Join(h.TempDir(), "file")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		h.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		h.Fatal(err)
	}
	h.Cleanup(func() { f.Close() })
	return f
}

func table() wire.Table {
	return wire.Table{
		Name: `the "table"`, Format: "csv", Delimiter: ";", Missing: []string{"NA", "it's"}, Skip: 1,
		Columns: []engine.Column{{Name: `a'b`, Type: anchorhold.TypeInt}, {Name: "c", Type: anchorhold.TypeString}},
	}
}

// texts are rows of one column of text.
func texts(name string, values ...string) func() (array.RecordReader, error) {
	return func() (array.RecordReader, error) {
		schema := arrow.NewSchema([]arrow.Field{{Name: name, Type: arrow.BinaryTypes.String, Nullable: true}}, nil)
		b := array.NewRecordBuilder(memory.DefaultAllocator, schema)
		for _, v := range values {
			b.Field(0).(*array.StringBuilder).Append(v) //nolint:forcetypeassert // as the schema says
		}
		return array.NewRecordReader(schema, []arrow.RecordBatch{b.NewRecordBatch()})
	}
}

// A session that parses opens nothing, and one that has opened something does not
// parse, nor open anything more.
func TestNeverBoth(t *testing.T) {
	tree := texts("tree", `{"error":false}`)
	h := newHost(t, tree)
	if kind, text := h.say(wire.FrameRun, wire.Run{SQL: "SELECT 1"}); kind != wire.FrameRefused {
		t.Errorf("%c %s", kind, text)
	}
	for range 2 {
		if kind, text := h.say(wire.FrameParse, `SELECT 'it''s'`); kind != wire.FrameTree || text != `{"error":false}` {
			t.Errorf("%c %s", kind, text)
		}
	}
	for kind, v := range map[byte]any{wire.FrameOpen: wire.Opening{Tables: []wire.Table{table()}}, wire.FrameRun: wire.Run{SQL: "SELECT 1"}, '?': ""} {
		var files []*os.File
		if kind == wire.FrameOpen {
			files = append(files, h.file("a'b;c\n"))
		}
		if kind, text := h.say(kind, v, files...); kind != wire.FrameRefused || text != `{"why":"failed"}` {
			t.Errorf("%c %s", kind, text)
		}
	}
	want := []string{
		"SET allowed_paths=[]; SET enable_external_access=false; SET lock_configuration=true",
		`SELECT CAST(json_serialize_sql('SELECT ''it''''s''') AS VARCHAR)`, `SELECT CAST(json_serialize_sql('SELECT ''it''''s''') AS VARCHAR)`,
	}
	if got := strings.Join(h.db.heard(), "\n"); got != strings.Join(want, "\n") {
		t.Error(got)
	}

	h = newHost(t, tree)
	if kind, _ := h.say(wire.FrameOpen, wire.Opening{Tables: []wire.Table{table()}, Memory: 1, Spill: 2, Threads: 3}, h.file("a'b;c\n")); kind != wire.FrameOpened {
		t.Fatalf("%c", kind)
	}
	h.db.mu.Lock()
	settings := h.db.settings
	h.db.mu.Unlock()
	if settings != (worker.Settings{Threads: 3, Memory: 1, Spill: 2, SpillDir: "/tmp/spill"}) {
		t.Error(settings)
	}
	for kind, v := range map[byte]any{wire.FrameOpen: wire.Opening{}, wire.FrameParse: "SELECT 1"} {
		if kind, text := h.say(kind, v); kind != wire.FrameRefused {
			t.Errorf("%c %s", kind, text)
		}
	}
	if told := h.db.heard(); len(told) != 2 {
		t.Error(told)
	}
}

// Settings are locked before a table is opened, and a table says all that could be
// guessed.
func TestOpening(t *testing.T) {
	h := newHost(t, nil)
	lines, parquet := table(), table()
	lines.Format, parquet.Format = "jsonl", "parquet"
	o := wire.Opening{Tables: []wire.Table{table(), lines, parquet}}
	if kind, _ := h.say(wire.FrameOpen, o, h.file(""), h.file(""), h.file("")); kind != wire.FrameOpened {
		t.Fatalf("%c: %s", kind, h.db.logged())
	}
	told := h.db.heard()
	var fds [3]int
	if _, err := fmt.Sscanf(told[0], "SET allowed_paths=['/proc/self/fd/%d', '/proc/self/fd/%d', '/proc/self/fd/%d']; SET enable_external_access=false", &fds[0], &fds[1], &fds[2]); err != nil {
		t.Error(told[0])
	}
	const typed = ` "the ""table""" AS SELECT TRY_CAST("a'b" AS BIGINT) AS "a'b", TRY_CAST("c" AS VARCHAR) AS "c" FROM `
	for i, want := range []string{
		`read_csv('/proc/self/fd/%d', auto_detect=false, header=true, skip=1, delim=';', quote='"', escape='"', nullstr=['', 'NA', 'it''s'], ` +
			`columns={'a''b': 'VARCHAR', 'c': 'VARCHAR'}, compression='none')`,
		`read_json('/proc/self/fd/%d', auto_detect=false, format='newline_delimited', columns={'a''b': 'VARCHAR', 'c': 'VARCHAR'}, compression='uncompressed')`,
		`read_parquet('/proc/self/fd/%d')`,
	} {
		made := "CREATE TABLE" // texts are read once
		if strings.HasPrefix(want, "read_parquet") {
			made = "CREATE VIEW"
		}
		if want = made + typed + fmt.Sprintf(want, fds[i]); told[i+1] != want {
			t.Errorf("%s\nshould be\n%s", told[i+1], want)
		}
	}
}

// What cannot be opened leaves a session of no use.
func TestBrokenOpening(t *testing.T) {
	odd, bare, broken := table(), table(), table()
	odd.Format, bare.Columns, broken.Format = "xlsx", nil, "arrow"
	for name, o := range map[string]any{
		"no JSON": "{", "no file": wire.Opening{Tables: []wire.Table{table(), table()}}, "no such format": wire.Opening{Tables: []wire.Table{odd}},
		"no columns": wire.Opening{Tables: []wire.Table{bare}}, "no Arrow": wire.Opening{Tables: []wire.Table{broken}},
	} {
		h := newHost(t, texts("n", "1"))
		if kind, text := h.say(wire.FrameOpen, o, h.file("Alice Secret")); kind != wire.FrameRefused || text != `{"why":"failed"}` {
			t.Errorf("%s: %c %s", name, kind, text)
		}
		for kind, v := range map[byte]any{wire.FrameRun: wire.Run{SQL: "SELECT 1"}, wire.FrameParse: "SELECT 1"} {
			if kind, text := h.say(kind, v); kind != wire.FrameRefused {
				t.Errorf("%s: %c %s", name, kind, text)
			}
		}
	}
}

// Messages go to the log, and a word to the host.
func TestWords(t *testing.T) {
	said := errors.New("Could not convert string 'Alice Secret'")
	answers := make(chan error, 3)
	for _, err := range []error{said, fmt.Errorf("%w: %w", engine.Memory, said), fmt.Errorf("%w: %w", engine.Cancelled, said)} {
		answers <- err
	}
	h := newHost(t, func() (array.RecordReader, error) { return nil, <-answers })
	if kind, _ := h.say(wire.FrameOpen, wire.Opening{}); kind != wire.FrameOpened {
		t.Fatalf("%c", kind)
	}
	for _, want := range []engine.Failure{engine.Failed, engine.Memory, engine.Cancelled} {
		if kind, text := h.say(wire.FrameRun, wire.Run{SQL: "SELECT 1", MaxRows: 1}); kind != wire.FrameRefused || text != `{"why":"`+string(want)+`"}` {
			t.Errorf("%c %s", kind, text)
		}
	}
	if !strings.Contains(h.db.logged(), "Alice Secret") {
		t.Error("the log knows nothing")
	}
}

// Rows that are too many, or of another column, are refused; texts may be long.
func TestRows(t *testing.T) {
	long := strings.Repeat("x", 900_000)
	h := newHost(t, texts("k", long, long, long, "end"))
	if kind, _ := h.say(wire.FrameOpen, wire.Opening{}); kind != wire.FrameOpened {
		t.Fatalf("%c", kind)
	}
	q := wire.Run{SQL: "SELECT k", Columns: []engine.Column{{Name: "k", Type: anchorhold.TypeString}}, MaxRows: 4}
	kind, content := h.say(wire.FrameRun, q)
	var size []int
	for ; kind == wire.FrameBatch; kind, content = h.hear() {
		size = append(size, len(content)/900_000)
	}
	if kind != wire.FrameEnd || content != `{"rows":4}` || fmt.Sprint(size) != "[2 1]" {
		t.Errorf("%c %s %v", kind, content, size)
	}
	for name, change := range map[string]func(*wire.Run){
		"more rows":      func(q *wire.Run) { q.MaxRows = 3 },
		"another name":   func(q *wire.Run) { q.Columns = []engine.Column{{Name: "n", Type: anchorhold.TypeString}} },
		"another type":   func(q *wire.Run) { q.Columns = []engine.Column{{Name: "k", Type: anchorhold.TypeInt}} },
		"another number": func(q *wire.Run) { q.Columns = append(q.Columns[:1:1], q.Columns[0]) },
	} {
		other := q
		change(&other)
		if kind, text := h.say(wire.FrameRun, other); kind != wire.FrameRefused {
			t.Errorf("%s: %c %s", name, kind, text)
		}
	}
	if kind, text := h.say(wire.FrameRun, "{"); kind != wire.FrameRefused {
		t.Errorf("%c %s", kind, text)
	}
}

// A session gets ready before it knows for what, and once.
func TestWarm(t *testing.T) {
	h := newHost(t, texts("tree", `{"error":false}`))
	if kind, text := h.say(wire.FrameWarm, ""); kind != wire.FrameOpened {
		t.Fatalf("%c %s", kind, text)
	}
	if kind, _ := h.say(wire.FrameWarm, ""); kind != wire.FrameRefused {
		t.Errorf("%c", kind)
	}
	if kind, _ := h.say(wire.FrameParse, "SELECT 1"); kind != wire.FrameTree {
		t.Errorf("%c", kind)
	}
	if told := h.db.heard(); len(told) != 3 || !strings.HasPrefix(told[0], "SET allowed_paths=[]; SET enable_external_access=false") {
		t.Error(told)
	}
	if kind, _ := h.say(wire.FrameOpen, wire.Opening{}); kind != wire.FrameRefused {
		t.Errorf("%c", kind)
	}
	h = newHost(t, texts("tree", `{"error":false}`))
	h.say(wire.FrameWarm, "")
	if kind, _ := h.say(wire.FrameOpen, wire.Opening{}); kind != wire.FrameOpened {
		t.Errorf("%c", kind)
	}
	if kind, _ := h.say(wire.FrameWarm, ""); kind != wire.FrameRefused {
		t.Errorf("%c", kind)
	}
}

// Rows of a first step are kept, a few of them; what cannot be kept is answered as
// a whole.
func TestKeeps(t *testing.T) {
	h := newHost(t, texts("k", "x"))
	if kind, _ := h.say(wire.FrameOpen, wire.Opening{}); kind != wire.FrameOpened {
		t.Fatalf("%c", kind)
	}
	h.db.heard()
	ask := func(name, first string, want ...string) {
		t.Helper()
		before := len(h.db.heard())
		q := wire.Run{
			SQL: "whole " + name, Columns: []engine.Column{{Name: "k", Type: anchorhold.TypeString}}, MaxRows: 1,
			Keep: &wire.Keep{Name: name, First: first, Then: "then " + name},
		}
		kind, text := h.say(wire.FrameRun, q)
		if kind == wire.FrameBatch {
			kind, text = h.hear()
		}
		if kind != wire.FrameEnd {
			t.Fatalf("%c %s", kind, text)
		}
		if got := h.db.heard()[before:]; !slices.Equal(got, want) {
			t.Errorf("%q, not %q", got, want)
		}
	}
	ask("a", "of a", "keep a: of a", "then a")
	ask("b", "of b", "keep b: of b", "then b")
	ask("a", "of a", "then a")
	ask("c", "of c", `DROP TABLE "b"`, "keep c: of c", "then c")
	ask("a", "of a", "then a")
	ask("d", "too much", `DROP TABLE "c"`, "keep d: too much", `DROP TABLE "a"`, "whole d")
	ask("a", "of a", "keep a: of a", "then a")
}
