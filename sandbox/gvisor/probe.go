//go:build linux && (amd64 || arm64)

package gvisor

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/anchorhold/anchorhold"
	"github.com/anchorhold/anchorhold/sandbox"
)

const (
	// probePath is where this program lies in the guests of Probe; its name is
	// what makes Main play the hostile part.
	probePath        = "/" + roleProbe
	probeInput       = "an input"
	probeMemoryLimit = 96 << 20
	probeWall        = time.Second
)

// Probe runs hostile guests at once: one tries everything that a guest must not
// be able to do, one takes memory in several processes, one ignores every
// signal; and the latter two once more in sessions that were started before and
// given their limits by Begin. It takes about a second, and longer on a busy host.
func (s *Sandbox) Probe(ctx context.Context) (sandbox.Boundary, error) {
	b, err := s.Boundary()
	if err != nil {
		return b, err
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	host, err := newProbeHost(s.o.StateDir)
	if err != nil {
		return b, startError("check the state directory", "its test cannot be set up").Because(err)
	}
	defer host.close()
	// The attempts differ only in whether the boundary holds: so first make
	// sure that they succeed from outside.
	b.Checks = append(b.Checks, host.control())
	var look []sandbox.Check
	ends := []*probeEnding{
		{part: "memory", name: "memory of several processes", want: sandbox.OutOfMemory},
		{part: "memory", name: "memory of several processes, started before", want: sandbox.OutOfMemory, held: true},
		{part: "stay", name: "ignored signals", want: sandbox.Timeout},
		{part: "stay", name: "ignored signals, started before", want: sandbox.Timeout, held: true},
	}
	var all sync.WaitGroup
	all.Go(func() { look = s.probeLook(ctx, host) })
	for _, e := range ends {
		all.Go(func() { s.probeEnd(ctx, e) })
	}
	all.Wait()
	b.Checks = append(b.Checks, look...)
	for _, e := range ends {
		b.Checks = append(b.Checks, e.check)
	}
	b.Checks = append(b.Checks, host.untouched())
	return b, b.Err()
}

func probeSpec(args ...string) sandbox.Spec {
	return sandbox.Spec{
		ID:   anchorhold.NewID("probe"),
		Argv: append([]string{probePath}, args...),
		Env:  []string{"PROBE=1"},
		Bare: true,
		Limits: sandbox.Limits{
			CPUs: 1, Memory: probeMemoryLimit, TmpBytes: 4 << 20, OutBytes: 8 << 20, LogBytes: 64 << 10,
			Processes: 64, OpenFiles: 256, CPUTime: 20 * time.Second, Wall: time.Minute,
		},
	}
}

// probeLook runs the guest that tries everything, and reads what it reached.
func (s *Sandbox) probeLook(ctx context.Context, host *probeHost) []sandbox.Check {
	spec := probeSpec("look")
	spec.Limits.Memory = 512 << 20 // its forks copy memory
	plan := host.plan
	plan.OutBytes, plan.Processes = spec.Limits.OutBytes, spec.Limits.Processes
	arg, err := json.Marshal(plan)
	if err != nil {
		return []sandbox.Check{{Name: "attempts", Detail: err.Error()}}
	}
	spec.Argv = append(spec.Argv, string(arg))
	spec.Binds = []sandbox.Bind{{Host: s.program, Guest: probePath}, {Host: host.bound, Guest: "/in"}}
	reached, err := s.probeAnswer(ctx, spec, filepath.Join(host.dir, "input"))
	if err != nil {
		return []sandbox.Check{{Name: "attempts", Detail: detail(err)}}
	}
	var checks []sandbox.Check
	for _, e := range escapes() {
		got, tried := reached[e.name]
		c := sandbox.Check{Name: e.name, OK: tried && got == "", Detail: got}
		if !tried {
			c.Detail = "was not tried"
		}
		checks = append(checks, c)
	}
	return checks
}

// probeAnswer runs a guest, passes it an open file and reads its JSON answer.
func (s *Sandbox) probeAnswer(ctx context.Context, spec sandbox.Spec, input string) (map[string]string, error) {
	g, err := s.Start(ctx, spec)
	if err != nil {
		return nil, err
	}
	defer shut(g.Conn())
	f, err := os.Open(input)
	if err != nil {
		g.Kill()
		return nil, err
	}
	defer f.Close()
	if err := sandbox.SendFiles(g.Conn(), []byte("R"), f); err != nil {
		g.Kill()
		return nil, err
	}
	answer, err := io.ReadAll(io.LimitReader(g.Conn(), 64<<10))
	if err != nil {
		g.Kill()
	}
	r, werr := g.Wait(ctx)
	if werr != nil {
		g.Kill()
		return nil, werr
	}
	if r.Status != sandbox.OK {
		return nil, fmt.Errorf("the test ended as %s: %s", r.Status, r.Reason)
	}
	var reached map[string]string
	if err := json.Unmarshal(answer, &reached); err != nil {
		return nil, err
	}
	return reached, nil
}

// probeEnding is a guest that must be ended from outside, for the right reason
// and in time.
type probeEnding struct {
	part, name string
	want       sandbox.Status
	held       bool // its session was started before, and waited
	check      sandbox.Check
}

func (s *Sandbox) probeEnd(ctx context.Context, e *probeEnding) {
	e.check.Name = e.name
	spec := probeSpec(e.part)
	spec.Binds = []sandbox.Bind{{Host: s.program, Guest: probePath}}
	if e.want == sandbox.Timeout {
		spec.Limits.Wall = probeWall
	}
	g, err := s.probeStart(ctx, spec, e.held)
	if err != nil {
		e.check.Detail = detail(err)
		return
	}
	began := time.Now()
	defer shut(g.Conn())
	r, err := g.Wait(ctx)
	late := time.Since(began) > spec.Limits.Wall+5*time.Second
	switch {
	case err != nil:
		g.Kill()
		e.check.Detail = "the guest was not ended"
	case r.Status != e.want:
		e.check.Detail = fmt.Sprintf("ended as %s, not as %s", r.Status, e.want)
	case late:
		e.check.Detail = "the guest was ended too late"
	default:
		e.check.OK = true
	}
}

// probeStart starts a session, or one for larger limits that waits, and then
// gives it those of the Spec.
func (s *Sandbox) probeStart(ctx context.Context, spec sandbox.Spec, held bool) (sandbox.Session, error) {
	if !held {
		return s.Start(ctx, spec)
	}
	small := spec.Limits
	spec.Argv = append(spec.Argv, probeHeld)
	spec.Limits.Memory, spec.Limits.Wall = 8*small.Memory, 60*small.Wall
	spec.Hold = &sandbox.Hold{Memory: 4 * small.Memory, CPUTime: small.CPUTime, Wall: time.Minute}
	g, err := s.Start(ctx, spec)
	if err != nil {
		return nil, err
	}
	if err = g.Begin(ctx, small); err == nil {
		_, err = g.Conn().Write([]byte{1})
	}
	if err != nil {
		g.Kill()
		shut(g.Conn())
		return nil, err
	}
	return g, nil
}

// detail is an error with its cause: Boundary is for owners.
func detail(err error) string {
	if u, ok := err.(interface{ Unwrap() error }); ok && u.Unwrap() != nil {
		return err.Error() + ": " + u.Unwrap().Error()
	}
	return err.Error()
}

// probeHost is what the hostile guest is set on: real listeners and real files.
type probeHost struct {
	dir       string // at the host, readable by the run account
	bound     string // directory that is bound read-only
	plan      probePlan
	listeners []net.Listener
	mu        sync.Mutex
	visits    int
	before    os.FileInfo
}

func newProbeHost(state string) (h *probeHost, err error) {
	h = &probeHost{}
	defer func() {
		if err != nil {
			h.close()
		}
	}()
	if state, err = filepath.Abs(state); err != nil {
		return h, err
	}
	if h.dir, err = os.MkdirTemp(state, "probe-"); err != nil {
		return h, err
	}
	h.bound = filepath.Join(h.dir, "in")
	if err := os.Mkdir(h.bound, 0o755); err != nil {
		return h, err
	}
	for _, dir := range []string{h.dir, h.bound} { // whatever the umask
		if err := openToAll(dir); err != nil {
			return h, err
		}
	}
	for _, f := range []string{filepath.Join(h.bound, "file"), filepath.Join(h.dir, "input")} {
		if err := os.WriteFile(f, []byte(probeInput), 0o644); err != nil {
			return h, err
		}
	}
	if h.before, err = os.Stat(filepath.Join(h.dir, "input")); err != nil {
		return h, err
	}
	h.plan = probePlan{Bound: "/in/file", Files: []string{h.dir, state, "/etc/shadow", "/etc/passwd", "/etc/machine-id", "/root", "/home", "/usr/bin"}}
	if err := h.listen(); err != nil {
		return h, err
	}
	return h, nil
}

// listen opens what the guest will try to reach.
func (h *probeHost) listen() error {
	for _, l := range []struct {
		network, address string
		to               *string
	}{
		{"tcp", "127.0.0.1:0", &h.plan.TCP},
		{"unix", "@" + filepath.Base(h.dir), &h.plan.Abstract},
		{"unix", shortPath(filepath.Join(h.dir, "socket")), &h.plan.Socket},
	} {
		listener, err := net.Listen(l.network, l.address)
		if err != nil {
			return err
		}
		h.listeners = append(h.listeners, listener)
		*l.to = listener.Addr().String()
		if l.to == &h.plan.Socket { // so that rights are not what keeps the guest out
			if err := os.Chmod(l.address, 0o777); err != nil { //nolint:gosec // G302: a bait, for a moment
				return err
			}
		}
		go h.count(listener)
	}
	return nil
}

// shortPath keeps a socket's path within the 107 bytes that the kernel allows.
func shortPath(path string) string {
	if len(path) <= 107 {
		return path
	}
	return filepath.Join(os.TempDir(), filepath.Base(filepath.Dir(path)))
}

func (h *probeHost) count(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		h.mu.Lock()
		h.visits++
		h.mu.Unlock()
		_, _ = c.Write([]byte{1})
		c.Close()
	}
}

// control connects from outside, so that a failed attempt means something.
func (h *probeHost) control() sandbox.Check {
	check := sandbox.Check{Name: "the attempts succeed outside"}
	for _, to := range []struct{ network, address string }{{"tcp", h.plan.TCP}, {"unix", h.plan.Abstract}, {"unix", h.plan.Socket}} {
		c, err := net.DialTimeout(to.network, to.address, 2*time.Second)
		if err != nil {
			check.Detail = "the test's own listener does not answer"
			return check
		}
		_, err = c.Read(make([]byte, 1)) // it has been counted
		c.Close()
		if err != nil {
			check.Detail = "the test's own listener does not answer"
			return check
		}
	}
	h.mu.Lock()
	h.visits = 0
	h.mu.Unlock()
	check.OK = true
	return check
}

// untouched looks at the host's side afterwards: nobody called, nothing changed.
func (h *probeHost) untouched() sandbox.Check {
	check := sandbox.Check{Name: "nothing reached the host"}
	h.mu.Lock()
	visits := h.visits
	h.mu.Unlock()
	after, err := os.Stat(filepath.Join(h.dir, "input"))
	entries, _ := os.ReadDir(h.bound)
	bound, _ := os.ReadFile(filepath.Join(h.bound, "file"))
	switch {
	case visits > 0:
		check.Detail = "a guest reached a listener of the host"
	case err != nil || !after.ModTime().Equal(h.before.ModTime()) || after.Mode() != h.before.Mode() || after.Size() != h.before.Size():
		check.Detail = "a guest changed an input"
	case len(entries) != 1 || string(bound) != probeInput:
		check.Detail = "a guest changed a bound directory"
	default:
		check.OK = true
	}
	return check
}

func (h *probeHost) close() {
	for _, l := range h.listeners {
		l.Close()
	}
	if h.dir != "" {
		_ = os.RemoveAll(h.dir)
	}
}
