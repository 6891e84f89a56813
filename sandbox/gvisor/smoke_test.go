//go:build linux && (amd64 || arm64)

package gvisor_test

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/anchorhold/anchorhold/sandbox"
	"github.com/anchorhold/anchorhold/sandbox/gvisor"
)

func TestSmoke(t *testing.T) {
	dir, _ := os.MkdirTemp("/tmp", "ah")
	os.Chmod(dir, 0o755)
	t0 := time.Now()
	s, err := gvisor.New(gvisor.Options{StateDir: dir, RunUID: 60700, RunGID: 60700, Executable: "/tmp/warm/testhost"})
	if err != nil {
		t.Fatal(err, errCause(err))
	}
	t.Log("new", time.Since(t0))
	defer s.Close()
	for range 3 {
		t0 = time.Now()
		ses, err := s.Start(context.Background(), sandbox.Spec{ID: "a1", Argv: []string{"/usr/bin/python3", "-c", "print(1)"}, Limits: sandbox.DefaultLimits()})
		if err != nil {
			t.Fatal(err, errCause(err))
		}
		t.Log("start", time.Since(t0))
		r, err := ses.Wait(context.Background())
		t.Log("wait", time.Since(t0))
		t.Logf("%+v %s", r, r.Log)
	}
}

func errCause(err error) error {
	u, ok := err.(interface{ Unwrap() error })
	if ok {
		return u.Unwrap()
	}
	return nil
}
