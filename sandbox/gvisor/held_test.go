//go:build linux && (amd64 || arm64)

package gvisor_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/sandbox"
)

// waitsFirst is what a guest does that waits for its work: it says that it is
// ready, and goes on at the first byte.
const waitsFirst = `
import os
os.write(3, b"R")
if not os.read(3, 1): os._exit(3)
exec(compile(open("/script.py").read(), "/script.py", "exec"), {"__name__": "__main__"})
`

// held is a session that waits, for larger limits than the Spec's.
func held(spec sandbox.Spec) sandbox.Spec {
	l := spec.Limits
	spec.Argv = []string{"/usr/bin/python3", "-I", "/waits.py"}
	spec.Files["/waits.py"] = []byte(waitsFirst)
	spec.Limits.Memory, spec.Limits.CPUTime, spec.Limits.Wall = 4*l.Memory, 10*l.CPUTime, 10*l.Wall
	spec.Hold = &sandbox.Hold{Memory: l.Memory, CPUTime: time.Minute, Wall: 2 * time.Minute}
	return spec
}

// startHeld starts a session that waits, and then gives it the limits of the
// Spec and its first byte.
func startHeld(t testing.TB, spec sandbox.Spec) sandbox.Session {
	t.Helper()
	g := start(t, held(spec))
	heard(t, g)
	if err := g.Begin(t.Context(), spec.Limits); err != nil {
		t.Fatal(full(err))
	}
	goOn(t, g)
	return g
}

func heard(t testing.TB, g sandbox.Session) {
	t.Helper()
	if err := g.Conn().SetReadDeadline(time.Now().Add(2 * time.Minute)); err != nil {
		t.Fatal(err)
	}
	if err := sandbox.Heard(g.Conn()); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 1)
	if n, err := g.Conn().Read(b); err != nil || n != 1 || b[0] != 'R' {
		t.Fatalf("what was heard is not there to read: %q, %v", b[:n], err)
	}
}

func goOn(t testing.TB, g sandbox.Session) {
	t.Helper()
	if _, err := g.Conn().Write([]byte{1}); err != nil {
		t.Fatal(err)
	}
}

// TestLimitsFromBegin: what a session used while it waited is not its work's,
// and the limits of its work count from there.
func TestLimitsFromBegin(t *testing.T) {
	t.Parallel()
	const burn = "import time\nwhile time.process_time() < 1: pass\n"
	spec := held(python("print('done')"))
	spec.Files["/waits.py"] = []byte(burn + waitsFirst)
	spec.Limits = limits()
	g := start(t, spec)
	heard(t, g)
	l := spec.Limits
	l.CPUTime, l.Wall = 800*time.Millisecond, 20*time.Second
	begin(t, g, l)
	goOn(t, g)
	r := wait(t, g)
	if r.Status != sandbox.OK {
		t.Errorf("%s: %s\n%s", r.Status, r.Reason, r.Log)
	}
	if r.Usage.CPUSeconds > 0.8 || r.Usage.PeakBytes == 0 || r.Boundary == "" {
		t.Errorf("the work is charged with its session's start: %+v", r.Usage)
	}
	for name, c := range map[string]struct {
		script string
		limit  func(*sandbox.Limits)
		want   sandbox.Status
	}{
		"wall":      {"import time; time.sleep(3600)", func(l *sandbox.Limits) { l.Wall = time.Second }, sandbox.Timeout},
		"processor": {"while True: pass", func(l *sandbox.Limits) { l.CPUTime = time.Second }, sandbox.CPUTime},
		"memory":    {"b = bytearray(300 << 20); import time; time.sleep(3600)", func(l *sandbox.Limits) { l.Memory = 128 << 20 }, sandbox.OutOfMemory},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			spec := python(c.script)
			c.limit(&spec.Limits)
			began := time.Now()
			if r := wait(t, startHeld(t, spec)); r.Status != c.want {
				t.Errorf("%s: %s after %v", r.Status, r.Reason, time.Since(began))
			}
		})
	}
}

func begin(t testing.TB, g sandbox.Session, l sandbox.Limits) {
	t.Helper()
	if err := g.Begin(t.Context(), l); err != nil {
		t.Fatal(full(err))
	}
}

// TestHoldLimits: a session that waits is bounded, too.
func TestHoldLimits(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		script string
		hold   sandbox.Hold
		want   sandbox.Status
	}{
		"wall":      {"import time; time.sleep(3600)", sandbox.Hold{Memory: 256 << 20, CPUTime: time.Minute, Wall: time.Second}, sandbox.Timeout},
		"processor": {"while True: pass", sandbox.Hold{Memory: 256 << 20, CPUTime: time.Second, Wall: time.Minute}, sandbox.CPUTime},
		"memory": {
			"b = bytearray(300 << 20); import time; time.sleep(3600)",
			sandbox.Hold{Memory: 128 << 20, CPUTime: time.Minute, Wall: time.Minute},
			sandbox.OutOfMemory,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			spec := python(c.script)
			spec.Hold = &c.hold
			g := start(t, spec)
			if r := wait(t, g); r.Status != c.want {
				t.Errorf("%s: %s", r.Status, r.Reason)
			}
			if err := g.Begin(t.Context(), spec.Limits); anchorhold.KindOf(err) != anchorhold.Unavailable {
				t.Errorf("a session that has ended begins: %v", err)
			}
		})
	}
}

// TestBeginRefuses: one job for each session, and never more than it was
// started for. What was refused has ended.
func TestBeginRefuses(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*sandbox.Limits){
		"more memory":    func(l *sandbox.Limits) { l.Memory *= 100 },
		"more time":      func(l *sandbox.Limits) { l.Wall *= 100 },
		"another size":   func(l *sandbox.Limits) { l.OutBytes /= 2 },
		"no limit":       func(l *sandbox.Limits) { l.CPUTime = 0 },
		"more processes": func(l *sandbox.Limits) { l.Processes++ },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := start(t, held(python("pass")))
			l := limits()
			change(&l)
			if err := g.Begin(t.Context(), l); anchorhold.KindOf(err) != anchorhold.Invalid {
				t.Errorf("%v", err)
			}
			if r := wait(t, g); r.Status != sandbox.Killed {
				t.Errorf("%s: %s", r.Status, r.Reason)
			}
		})
	}
	t.Run("twice", func(t *testing.T) {
		t.Parallel()
		g := startHeld(t, python("pass"))
		if err := g.Begin(t.Context(), limits()); anchorhold.KindOf(err) != anchorhold.Conflict {
			t.Errorf("%v", err)
		}
	})
	t.Run("nothing to wait for", func(t *testing.T) {
		t.Parallel()
		if err := start(t, python("pass")).Begin(t.Context(), limits()); anchorhold.KindOf(err) != anchorhold.Conflict {
			t.Errorf("%v", err)
		}
	})
	t.Run("too late", func(t *testing.T) {
		t.Parallel()
		g := start(t, held(python("pass")))
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		// The word may arrive in time; what may not be is that it hangs.
		if err := g.Begin(ctx, limits()); err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("%v", err)
		}
	})
}
