//go:build unix

package main

import (
	"context"
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/intake/intaketest"
	"github.com/anchorhold/anchorhold/sandbox"
	"github.com/anchorhold/anchorhold/site"
)

// TestSite runs the scripts against real sites: on the store itself, over the
// socket and over HTTP. Nothing is run in them: what is approved waits.
func TestSite(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/site", Cmds: siteCommands(), RequireUniqueNames: true,
		Setup: func(e *testscript.Env) error {
			e.Values[servedKey{}] = &served{}
			return setup(e)
		},
	})
}

func siteCommands() map[string]func(*testscript.TestScript, bool, []string) {
	all := commands()
	all["serve"], all["stop"] = serve, stop
	return all
}

// servedKey finds the site that a script has started.
type servedKey struct{}

// served is a site that serves in this process.
type served struct {
	cancel context.CancelFunc
	done   chan error
}

// serve DIR [secure] serves a site with a sandbox that never starts a run, behind TLS of its own if secure, and sets SITE_URL to the address for others.
func serve(ts *testscript.TestScript, _ bool, args []string) {
	s := ts.Value(servedKey{}).(*served)
	ctx, cancel := context.WithCancel(context.Background())
	opened, err := site.Open(ctx, ts.MkAbs(args[0]), site.Options{})
	ts.Check(err)
	s.cancel, s.done = cancel, make(chan error, 1)
	url := make(chan string, 1)
	go func() {
		err := opened.Serve(ctx, site.ServeOptions{
			Listen: "127.0.0.1:0", SelfSigned: len(args) > 1 && args[1] == "secure",
			NewSandbox: func() (site.Guests, error) {
				return site.Guests{Sandbox: intaketest.Sandbox{Sandbox: idle{}}, Parser: os.DevNull}, nil
			},
		}, func(string) { url <- opened.Connect() })
		if closed := opened.Close(); err == nil {
			err = closed
		}
		s.done <- err
	}()
	ts.Defer(func() { stop(ts, false, nil) })
	select {
	case u := <-url:
		ts.Setenv("SITE_URL", u)
	case err := <-s.done:
		s.cancel = nil
		ts.Fatalf("the site does not serve: %v", err)
	}
}

// stop ends what serve started.
func stop(ts *testscript.TestScript, _ bool, _ []string) {
	s := ts.Value(servedKey{}).(*served)
	if s.cancel == nil {
		return
	}
	s.cancel()
	s.cancel = nil
	if err := <-s.done; err != nil {
		ts.Logf("the site ended with: %v", err)
	}
}

// idle is a sandbox in which nothing ever starts.
type idle struct{}

// Start waits until nobody waits for it any more.
func (idle) Start(ctx context.Context, _ sandbox.Spec) (sandbox.Session, error) {
	<-ctx.Done()
	return nil, anchorhold.Errorf(anchorhold.Unavailable, "", "nothing starts here")
}

func (idle) Probe(context.Context) (sandbox.Boundary, error) { return sandbox.Boundary{}, nil }
func (idle) Close() error                                    { return nil }
