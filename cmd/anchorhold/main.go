// Command anchorhold is everything that a person does with a site from a
// terminal: running one, offering data, asking, deciding, verifying.
//
// A command translates what was typed into the site's own operations and shows
// the answer; it holds no rule of its own. It promises an exit status that
// scripts can rely on, machine-readable output with --json, a remedy with every
// error, and that no text from elsewhere reaches the terminal unescaped. Each
// command is tested by scripts as a person types them, in testdata.
package main

import (
	"context"
	"errors"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/cmd/anchorhold/internal/show"
	"github.com/anchorhold/anchorhold/sandbox/gvisor"
)

func main() {
	if code, ok := gvisor.Main(); ok { // the program starts itself as its own sandbox
		os.Exit(code)
	}
	os.Exit(start())
}

// start runs the program on the process's own streams.
func start() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
	a := &app{in: os.Stdin, out: os.Stdout, err: os.Stderr, env: os.Getenv}
	return a.main(ctx, os.Args[1:])
}

// The exit statuses, as the help text lists them.
const (
	exitDone        = 0
	exitFailed      = 1
	exitUsage       = 2
	exitDenied      = 3
	exitNoAnswer    = 4
	exitInterrupted = 130
)

const exitHelp = `
Exit status:
  0  done
  1  it failed; standard error says why and what to do next
  2  the command line is wrong
  3  not permitted: no credential, one that does not hold, or a role that may not
  4  with --wait: the request ended without an answer
  130  interrupted
`

// app is one start of the program: its streams, its environment, and the flags
// that every command has.
type app struct {
	in  io.Reader
	out io.Writer
	err io.Writer
	env func(string) string

	json     bool
	dir, url string
	started  bool // the command line was understood
}

// main runs one command line and returns the exit status.
func (a *app) main(ctx context.Context, args []string) int {
	root := newRoot(a)
	root.SetArgs(args)
	root.SetIn(a.in)
	root.SetOut(a.out)
	root.SetErr(a.err)
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return exitDone
	}
	var known *statusError
	if !a.started && !errors.As(err, &known) {
		err = usagef("see `"+cmd.CommandPath()+" --help`", "%v", err)
	}
	return a.fail(ctx, err)
}

// fail tells an error and chooses the exit status for it.
func (a *app) fail(ctx context.Context, err error) int {
	var known *statusError
	switch {
	case errors.Is(err, syscall.EPIPE):
		return exitFailed // nobody reads any more; there is nobody to tell
	case ctx.Err() != nil && errors.Is(err, context.Canceled):
		a.tell(&anchorhold.Error{Message: "interrupted"})
		return exitInterrupted
	}
	a.tell(err)
	if errors.As(err, &known) {
		return known.status
	}
	switch anchorhold.KindOf(err) {
	case anchorhold.Denied, anchorhold.Unauthenticated:
		return exitDenied
	}
	return exitFailed
}

// tell writes an error as people read it: what was wrong, and what to do next.
func (a *app) tell(err error) {
	p := show.NewPrinter(a.err)
	var e *anchorhold.Error
	if !errors.As(err, &e) {
		p.Printf("anchorhold: %v\n", err)
		return
	}
	p.Printf("anchorhold: %s\n", show.Block(e.Message))
	if e.Remedy != "" {
		p.Printf("→ %s\n", show.Block(e.Remedy))
	}
}

// statusError is an error with an exit status of its own.
type statusError struct {
	status int
	err    *anchorhold.Error
}

// Error implements error.
func (e *statusError) Error() string { return e.err.Error() }

// Unwrap gives what people are told.
func (e *statusError) Unwrap() error { return e.err }

// usagef says that the command line is wrong.
func usagef(remedy, format string, args ...any) error {
	return &statusError{exitUsage, anchorhold.Errorf(anchorhold.Invalid, remedy, format, args...)}
}

// emit writes a result: as JSON when asked for, else as text for people.
func emit[T any](a *app, v T, text func(*show.Printer, T)) error {
	if a.json {
		return show.JSON(a.out, v)
	}
	p := show.NewPrinter(a.out)
	text(p, v)
	return p.Err()
}
