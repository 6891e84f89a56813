//go:build unix

// Package duckdbtest starts the worker without a sandbox, for tests that are about
// what it is asked and answers: that it is kept in is tested where the sandbox is.
//
// Nothing but tests may use it.
package duckdbtest

import (
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"

	"github.com/anchorhold/anchorhold/engine/duckdb"
	"github.com/anchorhold/anchorhold/sandbox"
	"github.com/anchorhold/anchorhold/sandbox/sandboxtest"
)

// Program is the worker: the one that ANCHORHOLD_TEST_DUCKDB names, or that `make
// build` made.
func Program() (string, error) {
	if program := os.Getenv("ANCHORHOLD_TEST_DUCKDB"); program != "" {
		return program, nil
	}
	dir, err := os.Getwd()
	for err == nil {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return filepath.Join(dir, "bin", duckdb.ProgramName), nil
		}
		if dir == filepath.Dir(dir) {
			err = errors.New("this is no folder of the module")
		}
		dir = filepath.Dir(dir)
	}
	return "", err
}

// Files opens files as the tables of a dataset, in order.
func Files(paths ...string) func(context.Context) ([]*os.File, error) {
	return func(context.Context) ([]*os.File, error) {
		var files []*os.File
		for _, path := range paths {
			f, err := os.Open(path)
			if err != nil {
				return nil, err
			}
			files = append(files, f)
		}
		return files, nil
	}
}

// Unboxed plays a sandbox. It implements sandbox.Sandbox.
type Unboxed struct{ Program string }

// Start implements sandbox.Sandbox.
func (u Unboxed) Start(ctx context.Context, s sandbox.Spec) (sandbox.Session, error) {
	host, guest, err := sandboxtest.Pair()
	if err != nil {
		return nil, err
	}
	file, err := guest.File()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(context.WithoutCancel(ctx), u.Program)
	cmd.Env, cmd.ExtraFiles = s.Env, []*os.File{file}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &process{host: host, cmd: cmd, ended: make(chan struct{})}
	go func() {
		_ = cmd.Wait() // how it ends is told by its answers
		close(p.ended)
	}()
	return p, errors.Join(file.Close(), guest.Close())
}

// Probe implements sandbox.Sandbox.
func (Unboxed) Probe(context.Context) (sandbox.Boundary, error) { return sandbox.Boundary{}, nil }

// Close implements sandbox.Sandbox.
func (Unboxed) Close() error { return nil }

type process struct {
	host  *net.UnixConn
	cmd   *exec.Cmd
	ended chan struct{}
	once  sync.Once
}

func (p *process) Begin(context.Context, sandbox.Limits) error { return nil }
func (p *process) Conn() *net.UnixConn                         { return p.host }
func (p *process) Kill()                                       { p.once.Do(func() { _ = p.cmd.Process.Kill() }) }
func (p *process) Finish()                                     { p.Kill() }
func (p *process) Wait(ctx context.Context) (sandbox.Result, error) {
	select {
	case <-p.ended:
		return sandbox.Result{Status: sandbox.OK}, nil
	case <-ctx.Done():
		return sandbox.Result{}, ctx.Err()
	}
}
