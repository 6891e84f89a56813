//go:build unix

// Package intaketest reads files that owners hand in without a sandbox, for the
// tests of others: their sites have a sandbox in which nothing starts.
//
// It promises the protocol of intake and none of its protection. Nothing but tests
// may use it. The tests of cmd/anchorhold run on it.
package intaketest

import (
	"context"
	"net"
	"slices"

	"github.com/anchorhold/anchorhold/intake"
	"github.com/anchorhold/anchorhold/sandbox"
	"github.com/anchorhold/anchorhold/sandbox/sandboxtest"
)

// Sandbox is another sandbox, save that files are read in this process.
type Sandbox struct{ sandbox.Sandbox }

// Start implements sandbox.Sandbox.
func (s Sandbox) Start(ctx context.Context, spec sandbox.Spec) (sandbox.Session, error) {
	if !slices.Contains(spec.Argv, intake.Argument) {
		return s.Sandbox.Start(ctx, spec)
	}
	host, guest, err := sandboxtest.Pair()
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

type session struct {
	host *net.UnixConn
	done chan struct{}
}

func (s session) Begin(context.Context, sandbox.Limits) error { return nil }
func (s session) Conn() *net.UnixConn                         { return s.host }
func (s session) Finish()                                     { s.Kill() }
func (s session) Kill()                                       { _ = s.host.CloseRead() }

func (s session) Wait(context.Context) (sandbox.Result, error) {
	<-s.done
	return sandbox.Result{Status: sandbox.OK, Boundary: "none: a test"}, nil
}
