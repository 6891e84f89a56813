//go:build linux

package job

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/output"
	"github.com/anchorhold/anchorhold/pyenv"
	"github.com/anchorhold/anchorhold/sandbox"
)

// environment finds the default environment, which is built before the tests.
func environment(t testing.TB) pyenv.Env {
	t.Helper()
	dir, err := pyenv.DefaultDir()
	if err != nil {
		t.Fatal(err)
	}
	e, ok := (&pyenv.Store{Dir: dir}).Find(pyenv.Default().Digest())
	if !ok {
		t.Fatalf("these tests need the default environment in %s: build it with `anchorhold env add`", dir)
	}
	return e
}

// native is a session without a sandbox: the runner as a child process, with
// the folders of its own that the sandbox would give it. For tests of what the
// runner does; that it is held in is package gvisor's to test.
type native struct {
	conn *net.UnixConn
	cmd  *exec.Cmd
	log  bytes.Buffer
	done chan struct{}
	end  error
	once sync.Once
}

var _ sandbox.Session = (*native)(nil)

func startNative(t testing.TB, env pyenv.Env) *native {
	t.Helper()
	dir := t.TempDir()
	for name, data := range runnerFiles() {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	tmp, out := filepath.Join(dir, "tmp"), filepath.Join(dir, "out")
	if err := errors.Join(os.Mkdir(tmp, 0o755), os.Mkdir(out, 0o755)); err != nil {
		t.Fatal(err)
	}
	host, guest := pair(t)
	s := &native{conn: host, done: make(chan struct{})}
	args := argv(env.Python, dir, env.Dir, out)
	s.cmd = exec.Command(args[0], args[1:]...)
	s.cmd.Env = environ(tmp, 2, 1)
	s.cmd.ExtraFiles = []*os.File{guest} // the first is descriptor 3
	s.cmd.Stdout, s.cmd.Stderr = &s.log, &s.log
	s.cmd.WaitDelay = 5 * time.Second
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	guest.Close()
	go func() {
		s.end = s.cmd.Wait()
		close(s.done)
	}()
	t.Cleanup(func() {
		s.Kill()
		<-s.done
		host.Close()
	})
	return s
}

// pair makes a connected pair of stream sockets.
func pair(t testing.TB) (*net.UnixConn, *os.File) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	host := os.NewFile(uintptr(fds[0]), "host")
	defer host.Close()
	c, err := net.FileConn(host)
	if err != nil {
		t.Fatal(err)
	}
	return c.(*net.UnixConn), os.NewFile(uintptr(fds[1]), "guest")
}

func (s *native) Begin(context.Context, sandbox.Limits) error { return nil }

func (s *native) Conn() *net.UnixConn { return s.conn }

func (s *native) Wait(ctx context.Context) (sandbox.Result, error) {
	select {
	case <-s.done:
	case <-ctx.Done():
		return sandbox.Result{}, ctx.Err()
	}
	r := sandbox.Result{Status: sandbox.OK, ExitCode: s.cmd.ProcessState.ExitCode(), Log: s.log.Bytes()}
	if s.end != nil {
		r.Status = sandbox.Failed
	}
	return r, nil
}

func (s *native) Finish() {} // the runner ends by itself, so that a test sees how

func (s *native) Kill() { s.once.Do(func() { _ = s.cmd.Process.Kill() }) }

// scripted is a session whose guest is a function of the test.
type scripted struct {
	conn  *net.UnixConn
	guest net.Conn
	done  chan struct{}
	kill  chan struct{}
	once  sync.Once
}

func startScripted(t testing.TB, guest func(*net.UnixConn, <-chan struct{})) *scripted {
	t.Helper()
	host, file := pair(t)
	defer file.Close()
	c, err := net.FileConn(file)
	if err != nil {
		t.Fatal(err)
	}
	s := &scripted{conn: host, guest: c, done: make(chan struct{}), kill: make(chan struct{})}
	go func() {
		defer close(s.done)
		defer c.Close()
		guest(c.(*net.UnixConn), s.kill)
	}()
	t.Cleanup(func() { s.Kill(); <-s.done; host.Close() })
	return s
}

func (s *scripted) Begin(context.Context, sandbox.Limits) error { return nil }

func (s *scripted) Conn() *net.UnixConn { return s.conn }

func (s *scripted) Wait(ctx context.Context) (sandbox.Result, error) {
	select {
	case <-s.done:
		return sandbox.Result{Status: sandbox.OK}, nil
	case <-ctx.Done():
		return sandbox.Result{}, ctx.Err()
	}
}

func (s *scripted) Finish() {}

func (s *scripted) Kill() { s.once.Do(func() { close(s.kill); s.guest.Close() }) }

// one is the single undeclared output that most jobs have.
var one = []output.Declared{{Name: "result", Kind: "any"}}

// call is a job of one file.
func call(code string, inputs ...Input) Job {
	for i := range inputs {
		inputs[i].FD = i
	}
	return Job{Files: []anchorhold.File{{Path: "main.py", Text: code}}, Entry: "main.py:f", Inputs: inputs, Outputs: one}
}

// patients describes testdata/patients.csv for a parameter.
func patients(kind string) Input {
	return Input{
		Parameter: "patients", Type: kind, Format: "csv", Missing: []string{"?"},
		Columns: []Column{
			{Name: "age", Type: anchorhold.TypeInt},
			{Name: "sex", Type: anchorhold.TypeString},
			{Name: "chol", Type: anchorhold.TypeInt},
			{Name: "smokes", Type: anchorhold.TypeBool},
			{Name: "seen", Type: anchorhold.TypeDate},
			{Name: "site", Type: anchorhold.TypeString},
		},
	}
}

func open(t testing.TB, names ...string) []*os.File {
	t.Helper()
	var files []*os.File
	for _, name := range names {
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		files = append(files, f)
	}
	return files
}

// runNative runs a job that must give an answer.
func runNative(t testing.TB, j Job, files ...*os.File) (Answer, sandbox.Result) {
	t.Helper()
	s := startNative(t, environment(t))
	a, err := Run(t.Context(), s, j, files)
	if err != nil {
		t.Fatalf("Run: %v (%v)\n%s", err, errors.Unwrap(err), s.log.String())
	}
	r, err := s.Wait(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return a, r
}

func values(pairs ...string) map[string]json.RawMessage {
	m := map[string]json.RawMessage{}
	for i := 0; i < len(pairs); i += 2 {
		m[pairs[i]] = json.RawMessage(pairs[i+1])
	}
	return m
}
