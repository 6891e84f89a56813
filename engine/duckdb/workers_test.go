//go:build unix

package duckdb_test

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow/decimal128"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/engine"
	"github.com/anchorhold/anchorhold/engine/duckdb"
	"github.com/anchorhold/anchorhold/engine/duckdb/wire"
	"github.com/anchorhold/anchorhold/sandbox"
	"github.com/anchorhold/anchorhold/sandbox/sandboxtest"
)

// played is a sandbox in which a function plays the worker.
type played struct {
	guest  func(*net.UnixConn)
	result sandbox.Result
	ended  chan struct{} // closed when a session is; there must be one at most

	mu      sync.Mutex
	started int
	killed  int
}

func (p *played) Start(_ context.Context, s sandbox.Spec) (sandbox.Session, error) {
	if err := s.Validate(); err != nil {
		return nil, err
	}
	host, guest, err := sandboxtest.Pair()
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.started++
	x := &session{of: p, host: host, guest: guest, done: make(chan struct{})}
	go func() {
		defer close(x.done)
		defer guest.Close()
		p.guest(guest)
	}()
	return x, nil
}

func (p *played) Probe(context.Context) (sandbox.Boundary, error) { return sandbox.Boundary{}, nil }
func (p *played) Close() error                                    { return nil }

func (p *played) counts() (started, killed int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.started, p.killed
}

type session struct {
	of          *played
	host, guest *net.UnixConn
	done        chan struct{}
	once        sync.Once
}

func (s *session) Begin(context.Context, sandbox.Limits) error { return nil }
func (s *session) Conn() *net.UnixConn                         { return s.host }
func (s *session) Finish()                                     { s.Kill() }

func (s *session) Kill() {
	s.once.Do(func() {
		s.of.mu.Lock()
		s.of.killed++
		s.of.mu.Unlock()
		s.guest.Close()
		if s.of.ended != nil {
			close(s.of.ended)
		}
	})
}

func (s *session) Wait(ctx context.Context) (sandbox.Result, error) {
	select {
	case <-s.done:
		return s.of.result, nil
	case <-ctx.Done():
		return sandbox.Result{}, ctx.Err()
	}
}

func statement() engine.Statement {
	return engine.Statement{
		SQL: "SELECT 1 AS n", Columns: []engine.Column{{Name: "n", Type: anchorhold.TypeInt, Within: &engine.Bounds{Most: decimal128.FromI64(9)}}}, MaxRows: 3,
	}
}

func dataset(t *testing.T) duckdb.Dataset {
	t.Helper()
	path := filepath.Join(t.TempDir(), "x.csv")
	if err := os.WriteFile(path, []byte("\r\n\nn;m\n1;2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return duckdb.Dataset{
		Name: "version", Tables: []duckdb.Table{{Name: "x", Format: "csv", Columns: []engine.Column{{Name: "n", Type: anchorhold.TypeInt}}}},
		Open: func(context.Context) ([]*os.File, error) {
			f, err := os.Open(path)
			return []*os.File{f}, err
		},
	}
}

// answering plays a worker that opens whatever it is told and gives these frames
// to every statement.
func answering(frames ...[]byte) func(*net.UnixConn) {
	return func(c *net.UnixConn) {
		for {
			kind, _, files, err := sandbox.ReceiveFrame(c, wire.MaxFrame)
			if err != nil {
				return
			}
			for _, f := range files {
				f.Close()
			}
			reply := [][]byte{sandbox.Frame(wire.FrameOpened, nil)}
			if kind != wire.FrameOpen {
				reply = frames
			}
			for _, f := range reply {
				if _, err := c.Write(f); err != nil {
					return
				}
			}
		}
	}
}

func ints(values ...int64) []byte {
	var v engine.Vector
	for _, x := range values {
		v.Ints = append(v.Ints, decimal128.FromI64(x))
	}
	return sandbox.Frame(wire.FrameBatch, wire.AppendBatch(nil, []engine.Vector{v}, 0, len(values)))
}

func end(text string) []byte { return sandbox.Frame(wire.FrameEnd, []byte(text)) }

// A worker that lies has no answer, and is not asked again.
func TestLies(t *testing.T) {
	for name, frames := range map[string][][]byte{
		"nothing":                   {},
		"an exabyte":                {{wire.FrameBatch, 0xff, 0xff, 0xff, 0xff}},
		"half a frame":              {ints(1)[:7]},
		"rows without end":          {ints(1), ints(2), ints(3), ints(4)},
		"a million rows":            {sandbox.Frame(wire.FrameBatch, []byte{0xff, 0xff, 0x3f})},
		"another number at the end": {ints(1), end(`{"rows":2}`)},
		"no end":                    {ints(1), end(`{`)},
		"out of range":              {ints(10), end(`{"rows":1}`)},
		"below its range":           {ints(-1), end(`{"rows":1}`)},
		"a tree":                    {sandbox.Frame(wire.FrameTree, []byte("{}"))},
		"an unknown frame":          {sandbox.Frame('?', nil)},
		"a refusal with a value":    {sandbox.Frame(wire.FrameRefused, []byte(`{"why":"Alice Secret"}`))},
		"a refusal that is none":    {sandbox.Frame(wire.FrameRefused, []byte(`[`))},
		"opened twice":              {sandbox.Frame(wire.FrameOpened, nil)},
	} {
		t.Run(name, func(t *testing.T) {
			guest := answering(frames...)
			if name == "nothing" || name == "half a frame" {
				guest = func(c *net.UnixConn) {
					_, _, _, _ = sandbox.ReceiveFrame(c, wire.MaxFrame)
					_, _ = c.Write(sandbox.Frame(wire.FrameOpened, nil))
					_, _, _, _ = sandbox.ReceiveFrame(c, wire.MaxFrame)
					for _, f := range frames {
						_, _ = c.Write(f)
					}
				}
			}
			p := &played{guest: guest, result: sandbox.Result{Status: sandbox.Failed, Log: []byte("Alice Secret")}}
			w := &duckdb.Workers{Sandbox: p, Program: "/program"}
			got, err := w.Engine("somebody", dataset(t)).Partials(t.Context(), statement())
			if got != nil || engine.FailureOf(err) != engine.Failed {
				t.Fatal(got, err)
			}
			for each := err; each != nil; each = errors.Unwrap(each) {
				if strings.Contains(each.Error(), "Alice") {
					t.Error(each)
				}
			}
			if started, killed := p.counts(); started != 1 || killed != 1 {
				t.Error(started, "sessions,", killed, "ended")
			}
		})
	}
}

// One session answers a researcher's questions, and is kept no longer than it may
// be.
func TestKept(t *testing.T) {
	p := &played{guest: answering(ints(1, 2), ints(3), end(`{"rows":3}`))}
	w := &duckdb.Workers{Sandbox: p, Program: "/program", Idle: time.Hour, Most: 2}
	d := dataset(t)
	e := w.Engine("somebody", d)
	for range 3 {
		got, err := e.Partials(t.Context(), statement())
		if err != nil || got.Rows != 3 || got.Values[0].Ints[2] != decimal128.FromI64(3) {
			t.Fatal(got, err)
		}
	}
	expect := func(started, killed int) {
		t.Helper()
		if s, k := p.counts(); s != started || k != killed {
			t.Errorf("%d sessions, %d ended; should be %d and %d", s, k, started, killed)
		}
	}
	expect(1, 0)
	for i, who := range []string{"another", "a third"} {
		if _, err := w.Engine(who, d).Partials(t.Context(), statement()); err != nil {
			t.Fatal(err)
		}
		expect(2+i, i) // the oldest gives way
	}
	if err := w.Engine("a third", d).Close(); err != nil {
		t.Fatal(err)
	}
	expect(3, 2)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	expect(3, 3)
	if _, err := e.Partials(t.Context(), statement()); err != nil {
		t.Fatal(err)
	}
	expect(4, 4) // nothing is kept after the end
}

// What is idle for long enough ends by itself.
func TestIdle(t *testing.T) {
	p := &played{guest: answering(end(`{"rows":0}`)), ended: make(chan struct{})}
	w := &duckdb.Workers{Sandbox: p, Program: "/program", Idle: time.Millisecond}
	if _, err := w.Engine("somebody", dataset(t)).Partials(t.Context(), statement()); err != nil {
		t.Fatal(err)
	}
	select {
	case <-p.ended:
	case <-time.After(time.Minute):
		t.Fatal("it is still there")
	}
}

// A session that breaks off says why by how its sandbox saw it end.
func TestBreaksOff(t *testing.T) {
	for status, want := range map[sandbox.Status]engine.Failure{
		sandbox.OutOfMemory: engine.Memory, sandbox.Timeout: engine.Cancelled, sandbox.CPUTime: engine.Cancelled,
		sandbox.Failed: engine.Failed, sandbox.SandboxError: engine.Failed, sandbox.OK: engine.Failed,
	} {
		p := &played{guest: func(c *net.UnixConn) { _, _ = io.ReadFull(c, make([]byte, 8)) }, result: sandbox.Result{Status: status}}
		w := &duckdb.Workers{Sandbox: p, Program: "/program"}
		if _, err := w.Engine("somebody", dataset(t)).Partials(t.Context(), statement()); engine.FailureOf(err) != want {
			t.Errorf("%s: %v", status, err)
		}
		if _, err := w.Parse(t.Context(), "somebody", "SELECT 1"); engine.FailureOf(err) != want {
			t.Errorf("%s: %v", status, err)
		}
	}
}

// A refusal leaves the session as it is, save one to open its tables.
func TestRefusals(t *testing.T) {
	memory := sandbox.Frame(wire.FrameRefused, []byte(`{"why":"memory"}`))
	p := &played{guest: answering(memory)}
	w := &duckdb.Workers{Sandbox: p, Program: "/program"}
	for range 2 {
		if _, err := w.Engine("somebody", dataset(t)).Partials(t.Context(), statement()); engine.FailureOf(err) != engine.Memory {
			t.Fatal(err)
		}
	}
	if started, killed := p.counts(); started != 1 || killed != 0 {
		t.Error(started, "sessions,", killed, "ended")
	}
	p = &played{guest: func(c *net.UnixConn) {
		_, _, _, _ = sandbox.ReceiveFrame(c, wire.MaxFrame)
		_, _ = c.Write(memory)
		_, _ = io.ReadAll(c)
	}}
	w = &duckdb.Workers{Sandbox: p, Program: "/program"}
	if _, err := w.Engine("somebody", dataset(t)).Partials(t.Context(), statement()); engine.FailureOf(err) != engine.Memory {
		t.Fatal(err)
	}
	if started, killed := p.counts(); started != 1 || killed != 1 {
		t.Error(started, "sessions,", killed, "ended")
	}
}

// What is on the wire says all that a reader would have to guess of a CSV file.
func TestOpening(t *testing.T) {
	told := make(chan string, 1)
	p := &played{guest: func(c *net.UnixConn) {
		_, content, files, err := sandbox.ReceiveFrame(c, wire.MaxFrame)
		if err == nil && len(files) == 1 {
			told <- string(content)
		}
		close(told)
	}}
	w := &duckdb.Workers{Sandbox: p, Program: "/program", Memory: 1 << 30, CPUs: 1.5}
	if _, err := w.Engine("somebody", dataset(t)).Partials(t.Context(), statement()); err == nil {
		t.Error("an answer from nobody")
	}
	text := <-told
	for _, part := range []string{
		`"name":"x","format":"csv","columns":[{"name":"n","type":"int"}],"missing":["","#N/A"`, `"delimiter":";","skip":2`, `"memory":536870912,"spill":268435456,"threads":2`,
	} {
		if !strings.Contains(text, part) {
			t.Errorf("%s does not have %s", text, part)
		}
	}
}

// The program is found beside the site's own, also through a link.
func TestBeside(t *testing.T) {
	dir := t.TempDir()
	own, link := filepath.Join(dir, "bin", "anchorhold"), filepath.Join(dir, "anchorhold")
	if err := errors.Join(os.Mkdir(filepath.Dir(own), 0o700), os.WriteFile(own, nil, 0o700), os.Symlink(own, link)); err != nil {
		t.Fatal(err)
	}
	if _, err := duckdb.Beside(link); anchorhold.KindOf(err) != anchorhold.Unavailable {
		t.Error(err)
	}
	worker := filepath.Join(dir, "bin", duckdb.ProgramName)
	if err := os.WriteFile(worker, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := duckdb.Beside(link); err == nil {
		t.Error("a program that nobody can run was found")
	}
	if err := os.Chmod(worker, 0o700); err != nil {
		t.Fatal(err)
	}
	if path, err := duckdb.Beside(link); err != nil || filepath.Base(path) != duckdb.ProgramName || filepath.Dir(path) == dir {
		t.Error(path, err)
	}
}

// What is withdrawn is closed at once, also under a question that goes on, and not
// opened again; sessions of others stay.
func TestEnd(t *testing.T) {
	begun := make(chan struct{}, 1)
	p := &played{guest: func(c *net.UnixConn) {
		for {
			kind, _, files, err := sandbox.ReceiveFrame(c, wire.MaxFrame)
			if err != nil {
				return
			}
			for _, f := range files {
				f.Close()
			}
			switch kind {
			case wire.FrameOpen:
				if _, err := c.Write(sandbox.Frame(wire.FrameOpened, nil)); err != nil {
					return
				}
			case wire.FrameRun: // and never an answer
				begun <- struct{}{}
			}
		}
	}}
	w := &duckdb.Workers{Sandbox: p, Program: "/worker"}
	defer w.Close()
	of := dataset(t)
	of.Of = "heart"
	ended := make(chan error, 1)
	go func() {
		_, err := w.Engine("ada", of).Partials(t.Context(), statement())
		ended <- err
	}()
	select {
	case <-begun:
	case err := <-ended:
		t.Fatal(err, errors.Unwrap(err))
	}
	w.End("liver")
	if _, killed := p.counts(); killed != 0 {
		t.Error("a session of another dataset was ended")
	}
	w.End("heart")
	if err := <-ended; engine.FailureOf(err) != engine.Failed {
		t.Error(err)
	}
	if _, err := w.Engine("ada", of).Partials(t.Context(), statement()); engine.FailureOf(err) != engine.Cancelled {
		t.Error(err)
	}
	if started, killed := p.counts(); started != killed {
		t.Errorf("%d sessions of %d were ended", killed, started)
	}
}
