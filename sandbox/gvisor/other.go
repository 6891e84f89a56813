//go:build !linux || !(amd64 || arm64)

package gvisor

import (
	"context"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/sandbox"
)

// Sandbox cannot be made on this system.
type Sandbox struct{}

var _ sandbox.Sandbox = (*Sandbox)(nil)

// Main has no part to play on this system.
func Main() (code int, ok bool) { return 0, false }

// New says that gVisor needs Linux.
func New(Options) (*Sandbox, error) { return nil, needsLinux() }

// Start says that gVisor needs Linux.
func (*Sandbox) Start(context.Context, sandbox.Spec) (sandbox.Session, error) {
	return nil, needsLinux()
}

// Probe says that gVisor needs Linux.
func (*Sandbox) Probe(context.Context) (sandbox.Boundary, error) {
	return sandbox.Boundary{}, needsLinux()
}

// Boundary says that gVisor needs Linux.
func (*Sandbox) Boundary() (sandbox.Boundary, error) { return sandbox.Boundary{}, needsLinux() }

// Program is empty on this system.
func (*Sandbox) Program() string { return "" }

// Place says that gVisor needs Linux.
func (*Sandbox) Place(string) (string, error) { return "", needsLinux() }

// Close does nothing on this system.
func (*Sandbox) Close() error { return nil }

func needsLinux() error {
	return anchorhold.Errorf(anchorhold.Unavailable,
		"run the site on Linux (amd64 or arm64), or in a Linux virtual machine",
		"the sandbox needs Linux: gVisor does not run on this system")
}
