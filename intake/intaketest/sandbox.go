//go:build unix

// Package intaketest reads files that owners hand in without a sandbox, for the
// tests of others: their sites have a sandbox in which nothing starts.
//
// It promises the protocol of intake and none of its protection. Nothing but tests
// may use it. The tests of cmd/anchorhold run on it.
package intaketest

import (
	"context"
	"errors"
	"net"
	"os"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/anchorhold/anchorhold/intake"
	"github.com/anchorhold/anchorhold/sandbox"
)

// Sandbox is another sandbox, save that files are read in this process.
type Sandbox struct{ sandbox.Sandbox }

// Start implements sandbox.Sandbox.
func (s Sandbox) Start(ctx context.Context, spec sandbox.Spec) (sandbox.Session, error) {
	if !slices.Contains(spec.Argv, intake.Argument) {
		return s.Sandbox.Start(ctx, spec)
	}
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	host, err := conn(fds[0])
	if err != nil {
		return nil, err
	}
	guest, err := conn(fds[1])
	if err != nil {
		return nil, err
	}
	x := session{host, make(chan struct{})}
	go func() {
		defer close(x.done)
		defer guest.Close()
		_ = intake.Serve(guest) // its end is the host's doing
	}()
	return x, nil
}

func conn(fd int) (*net.UnixConn, error) {
	f := os.NewFile(uintptr(fd), "socket")
	defer f.Close()
	c, err := net.FileConn(f) // duplicates the descriptor
	if err != nil {
		return nil, err
	}
	u, ok := c.(*net.UnixConn)
	if !ok {
		return nil, errors.New("no Unix socket")
	}
	return u, nil
}

type session struct {
	host *net.UnixConn
	done chan struct{}
}

func (s session) Begin(context.Context, sandbox.Limits) error { return nil }
func (s session) Conn() *net.UnixConn                         { return s.host }
func (s session) Kill()                                       { _ = s.host.CloseRead() }

func (s session) Wait(context.Context) (sandbox.Result, error) {
	<-s.done
	return sandbox.Result{Status: sandbox.OK, Boundary: "none: a test"}, nil
}
